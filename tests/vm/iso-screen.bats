#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The installer ISO with the machine's own keyboard and screen, and layouts other than the American one.
# shellcheck disable=SC2034,SC2154 # variables for and of iso.bash
load ../lib/guest
load ../lib/iso

setup_file() { iso_build; }
setup() { iso_setup; }
teardown() { iso_teardown; }
NET=(-netdev "user,id=n,tftp=tftp" -device "e1000e,netdev=n")

# layout NAME: choose it from the list of layouts
layout() {
	vga_wait 'Which layout has this keyboard' 120
	vga_keys "down*$(grep -v '^#' "$ROOT/installer/iso/keymaps" | sed -n "/^$1 /{=;q}" | awk '{ print $1 - 1 }')"
	vga_wait "$1 " 20
	vga_keys ret
}

# Back at the list of disks: one line down, then its system.
to_system() {
	vga_wait 'Which disk shall be ERASED' 60
	vga_keys down ret
	vga_wait 'Which operating system' 60
}

# From there, with a command line typed on a German keyboard; the disk is the guest's second disk.
to_data() {
	vga_keys ret
	vga_wait "kernel's command line" 60
	vga_type de:nodeadkeys " run=\"${RUN//disk0/disk1}\""
	vga_keys ret
	vga_wait 'What may the guest do' 60
}

# The hobby OS on the disk has printed everything that its commands ask for.
ran_from_disk() { # ran_from_disk [DISK]
	guest_end 7
	ran_as_told "$@"
	"$ROOT/installer/veneer-install" verify disk.img
}

# bats test_tags=slow
@test "installer ISO: German keyboard, text screen, each left by Escape, CD by BIOS; restart into the guest" {
	local before
	# The disk is not empty, and there is a second disk.
	printf 'label: gpt\nsize=64M, name=old\nsize=32M\n' | PATH=$PATH:/sbin sfdisk -q disk.img
	mke2fs -q -L photos -E offset=1048576 disk.img 64M
	truncate -s 128M second.img
	before=$(sha_of disk.img)
	ISO_RESTARTS=y
	iso_start cd bios sata:disk.img "${NET[@]}" -drive if=none,id=second,format=raw,file=second.img \
		-device nvme,drive=second,serial=TARGET2
	vga_start
	layout de
	vga_wait 'you type ERASE' 60
	vga_keys ret
	vga_wait 'Hardware check .arrows' 120
	vga_keys esc
	vga_wait 'you type ERASE' 60
	vga_keys ret
	vga_wait 'Hardware check .arrows' 120
	vga_keys tab ret
	vga_wait 'Which disk shall be ERASED' 60
	text_screen | grep -E 'nvme0n1 +128 MiB NVMe QEMU NVMe Ctrl'
	text_screen | grep -E 'sd. +256 MiB SATA QEMU HARDDISK'
	vga_keys esc
	vga_wait 'Hardware check .arrows' 120
	vga_keys tab ret
	vga_wait 'Which disk shall be ERASED' 60
	vga_keys 'down*2' ret
	vga_wait 'serial TARGET1, on PCI 0000:00:1f.2' 60
	text_screen | grep -E 'sd.1: 64 MiB ext2 photos'
	text_screen | grep -E 'sd.2: 32 MiB unknown content'
	text_screen | grep -E 'serial TARGET2'
	vga_keys tab ret
	to_system
	vga_keys esc
	to_system
	vga_keys ret
	vga_wait "kernel's command line" 60
	vga_keys esc
	to_system
	to_data
	vga_keys esc
	vga_wait 'Which operating system' 60
	to_data
	vga_keys down ret
	vga_wait 'Type ERASE to go on' 120
	text_screen | grep -E 'Disk +/dev/sd.: 256 MiB SATA QEMU HARDDISK'
	text_screen | grep 'sd.1: 64 MiB ext2 photos'
	text_screen | grep 'Data      writable'
	vga_type de:nodeadkeys ERASE
	vga_keys esc
	vga_wait 'What may the guest do' 60
	[ "$(sha_of disk.img)" = "$before" ]
	[ "$(tr -d '\0' <second.img | wc -c)" = 0 ]
	vga_keys down ret
	vga_wait 'Type ERASE to go on' 120
	vga_type de:nodeadkeys ERASE
	vga_keys ret
	vga_wait 'was written and verified' 300
	vga_keys ret
	vga_wait 'And now' 60
	medium_out cd
	vga_keys ret
	ran_from_disk disk1
	[ "$(tr -d '\0' <second.img | wc -c)" = 0 ]
}

# bats test_tags=slow
@test "installer ISO: French USB keyboard, UEFI's screen, stick, a kernel from ext4; restart into the guest" {
	local VGA=frame_screen
	mkdir kernels
	cp "$BUILD/hobby-os.elf" kernels/my-os.elf
	truncate -s 32M conf.img
	mke2fs -q -t ext4 -L kernels -d kernels conf.img
	ISO_RESTARTS=y
	iso_start stick uefi nvme:disk.img "${NET[@]}" -device usb-kbd,bus=usb.0 \
		-drive if=none,id=conf,format=raw,file=conf.img -device usb-storage,bus=usb.0,drive=conf
	vga_start
	layout fr
	vga_wait 'you type ERASE' 60
	vga_keys ret
	vga_wait 'Hardware check .arrows' 120
	vga_keys tab ret
	vga_wait 'Which disk shall be ERASED' 60
	vga_keys ret
	vga_wait 'Which operating system' 60
	vga_keys down ret
	vga_wait 'Where is the file' 60
	frame_screen | grep -E '32M ext4 kernels USB'
	vga_keys ret
	vga_wait 'my-os.elf' 60
	vga_keys 'down*1' ret
	vga_wait 'need another file' 60
	vga_keys ret
	vga_wait "kernel's command line" 60
	vga_type fr:nodeadkeys "net=dhcp run=\"$RUN\""
	vga_keys ret
	vga_wait 'What may the guest do' 60
	vga_keys down ret
	vga_wait 'Type ERASE to go on' 120
	# Positions of an American keyboard: these keys have other characters here.
	vga_type us ERASE
	vga_keys ret
	vga_wait '"ERQSE" is not ERASE' 60
	vga_keys ret
	vga_wait 'What may the guest do' 60
	vga_keys down ret
	vga_wait 'Type ERASE to go on' 120
	vga_type fr:nodeadkeys ERASE
	vga_keys ret
	vga_wait 'was written and verified' 300
	vga_keys ret
	vga_wait 'And now' 60
	medium_out stick
	vga_keys ret
	ran_from_disk
	"$ROOT/installer/veneer-install" list disk.img | grep 'guest my-os.elf: multiboot2'
}
