# SPDX-License-Identifier: BSD-2-Clause
# Runs the script veneer.script=PATH of the host on a machine that UEFI has started.  Its root is the Debian of
# tests/lib/debian-image, on the first disk, with the ESP and the firmware's variables; its programs are the host's, whose files
# are in /host.
host_root
modprobe -a ext4 vfat nls_cp437 nls_ascii efivarfs
umount /host/mnt
mkdir /debian
mount -t ext4 /dev/vda3 /debian || fail "no root"
mkdir -p /debian/host /debian/boot/efi
mount -t vfat /dev/vda2 /debian/boot/efi || fail "no ESP"
mount -o bind /host /debian/host
mount -o bind /host/usr /debian/usr || fail "no programs"
for dir in dev proc sys; do mount -o bind /$dir /debian/$dir; done
mount -t efivarfs efivarfs /debian/sys/firmware/efi/efivars || fail "no variables"
mount -t tmpfs tmp /debian/tmp
if [ $failures = 0 ]; then
	PATH=/usr/sbin:/usr/bin chroot /debian /bin/bash "/host$(arg script)" || fail "the script ended with $?"
fi
umount /debian/sys/firmware/efi/efivars
for dir in tmp dev proc sys usr host boot/efi; do umount /debian/$dir || fail "$dir is in use"; done
rmdir /debian/host
umount /debian || fail "the root is in use"
