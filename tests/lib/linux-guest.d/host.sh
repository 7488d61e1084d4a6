# SPDX-License-Identifier: BSD-2-Clause
# Runs the script veneer.script=PATH of the machine that the tests are made on, which is there by 9p, read-only, with that
# machine's programs.  The Debian of tests/lib/debian-image is at /mnt/root, its /boot is the FAT of the second disk.
modprobe -a 9p 9pnet_virtio ext4 vfat nls_cp437 nls_ascii
mkdir -p /host
ln -sf /proc/self/fd /dev/fd
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 host /host || fail "no 9p"
for dir in dev proc sys; do mount -o bind /$dir /host/$dir; done
mount -t tmpfs tmp /host/mnt
mkdir /host/mnt/root
mount -t ext4 /dev/vda3 /host/mnt/root || fail "no root"
mount -t vfat /dev/vdb2 /host/mnt/root/boot || fail "no /boot"
if [ $failures = 0 ]; then
	PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/mnt chroot /host /bin/bash "$(arg script)" || fail "the script ended with $?"
fi
umount /host/mnt/root/boot || fail "/boot is in use"
umount /host/mnt/root || fail "the root is in use"
