# SPDX-License-Identifier: BSD-2-Clause
# Started by the disk's own boot loader: what was read through the BIOS is what virtio-blk reads; and 8 MiB written
# where the file systems of the disk end.
for disk in $(disks); do
	serial=$(cat /sys/block/$disk/serial)
	say "$disk: $serial $(cat /sys/block/$disk/size) sectors," \
		"first $(dd if=/dev/$disk bs=1M count=16 iflag=direct 2>/dev/null | sha)"
	at=$(($(cat /sys/block/$disk/size) / 2048 - 16))
	pattern 9 "$disk" | head -c 8388608 | tee /tmp/pattern |
		dd of=/dev/$disk bs=1M seek=$at conv=notrunc,fsync iflag=fullblock 2>/dev/null || fail "$disk: write"
	say "pattern $serial $at $(sha </tmp/pattern)"
done
say "memory: $(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) KiB"
dmesg | grep -E 'BIOS-e820|EDD' | sed 's/^/GUEST: map: /'
