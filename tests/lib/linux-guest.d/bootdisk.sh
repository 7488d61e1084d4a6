# SPDX-License-Identifier: BSD-2-Clause
# Started by the disk's own boot loader: what was read through the BIOS is what virtio-blk reads, and the disk can be written.
for disk in $(disks); do
	boot_disk "$disk"
done
say "memory: $(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) KiB"
dmesg | grep -E 'BIOS-e820|EDD' | sed 's/^/GUEST: map: /'
