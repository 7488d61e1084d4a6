# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # variables of the test
# Runs in the Debian of tests/lib/debian-efi, at the end of each start, with the third partition as $1; the test has set url,
# the host's server, and resets, "warm cold" or a part of that.  The first start installs GRUB, which starts the others.  Each
# start ends with the next one of these resets, the last one with the power-off, and right before that each writes to the disk.
say() { echo "GUEST: $*"; }
fail() { say "FAILED: $*"; }
sha() { sha256sum | cut -d ' ' -f 1; }
entries() { efibootmgr | sed "s/^/GUEST: list $start: /"; }
# part N: the 4 MiB of start N in the partition
part() { dd if="$disk" bs=1M skip=$((8 * $1)) count=4 iflag=direct status=none; }

disk=$1
# shellcheck disable=SC2086 # words
set -- $resets
start=$(dd if="$disk" bs=4096 skip=256 count=1 iflag=direct status=none | tr -dc 0-9)
start=${start:-1}
say "start $start, $(nproc) processors, words $(cat /proc/cmdline)"
lspci -n | sed 's/^/GUEST: pci: /'
for n in $(seq 1 $((start - 1))); do
	say "kept $n in start $start: $(part "$n" | sha)"
done

card=$(ip -o link | sed -n 's/^[0-9]*: \(e[^:]*\):.*/\1/p')
{ ip address add 10.0.2.15/24 dev "$card" && ip link set "$card" up && ip route add default via 10.0.2.2; } || fail "$card"
for n in $(seq 1 100); do
	[ "$(cat "/sys/class/net/$card/carrier")" = 0 ] || break
	sleep 0.1
done
say "download $((start - 1)) $(busybox wget -q -O - "$url/down" | sha)"
# busybox's wget posts only up to the first NUL.
head -c 1000000 /dev/urandom | tr -d "\000" >/run/up
say "upload $((start - 1)) $(sha </run/up)"
busybox wget -q -O /dev/null --post-file=/run/up "$url/up$((start - 1))" || fail "upload"

entries
if [ "$start" = 1 ]; then
	{ update-grub && grub-install --force-extra-removable; } >/tmp/log 2>&1 || { fail "GRUB"; cat /tmp/log; }
	entries
fi
head -c 4194304 /dev/urandom >/run/pattern
say "pattern $start $(sha </run/pattern)"
printf '%d' $((start + 1)) | dd of="$disk" bs=4096 seek=256 conv=sync,notrunc oflag=direct status=none
if [ "$start" -le $# ]; then
	sync
	shift $((start - 1))
	echo "$1" >/sys/kernel/reboot/mode
	echo efi >/sys/kernel/reboot/type
	say "reset: $(cat /sys/kernel/reboot/mode) $(cat /sys/kernel/reboot/type)"
	dd if=/run/pattern of="$disk" bs=1M seek=$((8 * start)) conv=notrunc oflag=direct status=none
	reboot -ff
	fail "no reset"
	exit
fi
dd if=/run/pattern of="$disk" bs=1M seek=$((8 * start)) conv=notrunc status=none
cp /run/pattern /root/pattern
systemctl --no-block start poweroff.target
