# SPDX-License-Identifier: BSD-2-Clause
# Restarts Linux veneer.kexec= times by kexec, with all processors; each time card and disks have to work.
left=$(arg kexec)
url=$(arg url)
card=$(cards | head -n 1)
say "kernel with $left to go"
expect "processors online" "$(cat /sys/devices/system/cpu/online)" "0-$(($(arg cpus) - 1))"
dhcp "$card" || fail "$card: no address by DHCP"
say "download $left $(wget -q -O - "$url/down" | sha)"
head -c 1048576 /dev/urandom >/tmp/part
for disk in $(disks); do
	dd if=/tmp/part of="/dev/$disk" bs=64k oflag=direct 2>/dev/null || fail "$disk: a write failed"
	expect "$disk: read back" "$(dd if="/dev/$disk" bs=64k count=16 iflag=direct 2>/dev/null | sha)" "$(sha </tmp/part)"
done
if [ "$left" -gt 0 ] && [ $failures = 0 ]; then
	wget -q -O /tmp/vmlinuz "$url/vmlinuz" && wget -q -O /tmp/initrd.gz "$url/initrd.gz" || fail "no kernel to start"
	# The rings of the devices stay as they are.
	kexec /tmp/vmlinuz /tmp/initrd.gz "$(sed "s/veneer.kexec=$left/veneer.kexec=$((left - 1))/" /proc/cmdline)"
	fail "kexec came back"
fi
