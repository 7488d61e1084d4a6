# SPDX-License-Identifier: BSD-2-Clause
# Started by the disk's own boot loader: virtio-blk reads the same data as the BIOS did, and the disk is writable.
for disk in $(disks); do
	boot_disk "$disk"
done
say "cpus: $(nproc)"
say "memory: $(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) KiB"
dmesg | grep -E 'BIOS-e820|EDD' | sed 's/^/GUEST: map: /'
