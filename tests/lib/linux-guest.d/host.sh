# SPDX-License-Identifier: BSD-2-Clause
# Runs the script veneer.script=PATH of the host with the host's programs; the host's files are visible by 9p, read-only.  The
# Debian of tests/lib/debian-image is at /mnt/root, its /boot is the FAT of the second disk.
host_root
modprobe -a ext4 vfat nls_cp437 nls_ascii
mkdir /host/mnt/root
mount -t ext4 /dev/vda3 /host/mnt/root || fail "no root"
mount -t vfat /dev/vdb2 /host/mnt/root/boot || fail "no /boot"
if [ $failures = 0 ]; then
	PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/mnt chroot /host /bin/bash "$(arg script)" || fail "the script ended with $?"
fi
umount /host/mnt/root/boot || fail "/boot is in use"
umount /host/mnt/root || fail "the root is in use"
