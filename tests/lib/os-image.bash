# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Make small disk images with a boot sector and GRUB, by GRUB's own tools, that start the hobby OS.

# os_files DIR CMDLINE: kernel and grub.cfg.
os_files() {
	mkdir -p "$1/boot/grub"
	cp "$BUILD/hobby-os.elf" "$1/boot/hobby-os.elf"
	cat >"$1/boot/grub/grub.cfg" <<-END
		serial
		terminal_output serial
		multiboot /boot/hobby-os.elf $2
		boot
	END
}

# os_iso FILE CMDLINE: a hybrid ISO.
os_iso() {
	os_files iso "$2"
	grub-mkrescue -d /usr/lib/grub/i386-pc -o "$1" iso >grub.log 2>&1 || { cat grub.log; return 1; }
}

# os_disk FILE CMDLINE: a disk with an ext2 file system, and GRUB in its boot sector by grub-bios-setup.
os_disk() {
	local loop dir=mnt/boot/grub/i386-pc result=0
	truncate -s 64M "$1"
	mke2fs -q -t ext2 "$1"
	mkdir -p mnt
	loop=$(losetup --show -f "$1") || return 1
	if mount "$loop" mnt; then
		os_files mnt "$2"
		cp -R /usr/lib/grub/i386-pc mnt/boot/grub/
		grub-mkimage -O i386-pc -p /boot/grub -o $dir/core.img biosdisk ext2
		sync
		/usr/lib/grub/i386-pc/grub-bios-setup --force -d $dir "$loop" >grub.log 2>&1 || { cat grub.log; result=1; }
		umount mnt
	else
		result=1
	fi
	losetup -d "$loop"
	return $result
}
