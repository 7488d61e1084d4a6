# SPDX-License-Identifier: BSD-2-Clause
# For scripts/bench: runs what comes on the second serial port, line by line, with the host's programs ($H), and answers with
# the output and a line "END STATUS".  Serial ports are the guest's own: while it waits here nothing exits.
host_root
# shellcheck disable=SC2034 # for the lines that come
H="chroot /host"
chroot /host stty -F /dev/ttyS1 raw -echo clocal
for card in $(cards); do dhcp "$card" || fail "$card: no address by DHCP"; done
# The programs' files, once, before anything is measured.
for program in fio curl; do chroot /host "/usr/bin/$program" --version >/dev/null || fail "no $program"; done
exec 3<>/dev/ttyS1
echo "READY" >&3
while IFS= read -r line <&3; do
	[ "$line" != bye ] || break
	eval "$line" >/tmp/out 2>&1
	status=$?
	cat /tmp/out >&3
	echo "END $status" >&3
done
