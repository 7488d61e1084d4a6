# SPDX-License-Identifier: BSD-2-Clause
# No disk can be written, and all data can be read.
for disk in $(disks); do
	say "$disk: ro $(cat /sys/block/$disk/ro) sum $(dd if=/dev/$disk bs=1M count=16 iflag=direct 2>/dev/null | sha)"
	if dd if=/dev/urandom of=/dev/$disk bs=4096 count=4 seek=7 oflag=direct conv=notrunc 2>/dev/null; then
		fail "$disk: a write was accepted"
	fi
	# Linux refuses writes to a read-only device: clear its flag, so that the request reaches the device.
	blockdev --setrw /dev/$disk
	if dd if=/dev/urandom of=/dev/$disk bs=4096 count=4 seek=9 oflag=direct conv=notrunc 2>/dev/null; then
		fail "$disk: a forced write was accepted"
	fi
	if dd if=/dev/urandom of=/dev/$disk bs=512 count=1 seek=0 conv=notrunc,fsync 2>/dev/null; then
		fail "$disk: a forced cached write was accepted"
	fi
	echo 3 >/proc/sys/vm/drop_caches
	dd if=/dev/$disk of=/dev/null bs=1M count=16 iflag=direct 2>/dev/null || fail "$disk: cannot be read"
done
