# SPDX-License-Identifier: BSD-2-Clause
# On every disk: make a file system, write veneer.mib= (256) MiB of data, sync, and read the data back from the medium. The disk
# with serial number veneer.keep= is the boot disk, and keeps its contents.
mib=$(arg mib)
modprobe ext4
say "disks: $(disks | wc -l)"
for disk in $(disks); do
	say "$disk: $(cat /sys/block/$disk/size) sectors, logical $(cat /sys/block/$disk/queue/logical_block_size)" \
		"physical $(cat /sys/block/$disk/queue/physical_block_size) ro $(cat /sys/block/$disk/ro)" \
		"serial $(cat /sys/block/$disk/serial 2>/dev/null)"
	if [ "$(cat /sys/block/$disk/serial 2>/dev/null)" = "$(arg keep)" ]; then
		boot_disk "$disk"
		continue
	fi
	if ! mkfs.ext4 -q -F -E nodiscard "/dev/$disk" >/tmp/log 2>&1; then
		fail "$disk: mkfs.ext4: $(cat /tmp/log)"
		continue
	fi
	mount -t ext4 "/dev/$disk" /mnt || { fail "$disk: mount"; continue; }
	# Twice: busybox's tee is ten times as slow.
	pattern ${mib:-256} "$disk" >/mnt/pattern
	pattern ${mib:-256} "$disk" | sha >/tmp/sum
	sync
	umount /mnt
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext4 "/dev/$disk" /mnt
	expect "$disk: read back" "$(sha </mnt/pattern)" "$(cat /tmp/sum)"
	umount /mnt
	say "pattern $disk $(cat /tmp/sum)"
done
dmesg | grep -iE 'I/O error|blk_update_request|critical' | sed 's/^/GUEST: FAILED: kernel: /'
dmesg | grep -qiE 'I/O error|critical (target|medium)' && fail "the kernel reports disk errors"
