# SPDX-License-Identifier: BSD-2-Clause
# Resets the machine once, with all processors running; card and disks have to work in both starts.  A sector of the first disk
# tells the starts apart.
card=$(cards | head -n 1)
first=$(disks | head -n 1)
start=$(dd if="/dev/$first" bs=512 skip=8192 count=1 iflag=direct 2>/dev/null | head -c 6)
[ "$start" = second ] || start=first
expect "processors online" "$(cat /sys/devices/system/cpu/online)" "0-$(($(arg cpus) - 1))"
dhcp "$card" || fail "$card: no address by DHCP"
say "download $start $(wget -q -O - "$(arg url)/down" | sha)"
head -c 1048576 /dev/urandom >/tmp/part
for disk in $(disks); do
	dd if=/tmp/part of="/dev/$disk" bs=64k oflag=direct 2>/dev/null || fail "$disk: a write failed"
	expect "$disk: read back" "$(dd if="/dev/$disk" bs=64k count=16 iflag=direct 2>/dev/null | sha)" "$(sha </tmp/part)"
done
if [ $start = first ] && [ $failures = 0 ]; then
	printf second | dd of="/dev/$first" bs=512 seek=8192 conv=sync 2>/dev/null && sync || fail "$first: a write failed"
	reboot -f
	sleep 60
	fail "the machine was not reset"
fi
