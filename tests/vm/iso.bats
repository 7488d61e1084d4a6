#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The installer ISO: from CD and stick, by BIOS and UEFI, onto SATA and NVMe, by hand and unattended. The installed disk starts
# the guest with network and disk.
# shellcheck disable=SC2034,SC2154 # variables for and of iso.bash
load ../lib/guest
load ../lib/bios
load ../lib/iso

setup_file() { iso_build; }
setup() { iso_setup; }
teardown() { iso_teardown; }

answers() { # answers LINE...
	printf '%s\n' ERASE=yes FINISH=poweroff ON_ERROR=shell "$@" >veneer.answer
}

# installed FIRMWARE KIND: disk.img starts the hobby OS, which fetches a file and writes to the data partition only
installed() {
	local before after start
	"$ROOT/installer/veneer-install" verify disk.img
	start=$(sfdisk -d disk.img | sed -nE '/name="veneer-data"/s/.*start= *([0-9]+).*/\1/p')
	before=$(head -c $((512 * start)) disk.img | sha256sum)
	guest_start --image "$2:disk.img,serial=TARGET1" --firmware "$1" --nic e1000e --tftp tftp
	guest_end 3
	ran_as_told
	after=$(head -c $((512 * start)) disk.img | sha256sum)
	[ "$before" = "$after" ]
	dd if=disk.img of=data bs=512 skip="$start" count=2048 status=none
	"$LIB/check-words" data 0 0x77 2048
}

@test "installer ISO: without asking, CD by BIOS onto a SATA disk; the demo OS starts with network and disk" {
	answers DISK=only KERNEL=demo DATA=writable "CMDLINE=net=dhcp run=\"$RUN\""
	conf_volume veneer.answer
	iso_start cd bios sata:disk.img "${conf_args[@]}"
	guest_end 0
	grep -a "^veneer-setup: done: /dev/sd. starts demo behind Veneer" "$(serial)"
	installed bios ahci
}

# Go through the screens from the first to the choice of the kernel.
to_kernel() { # to_kernel DISKS: so many are offered; the first one is taken
	local i
	screen_wait 'you type ERASE' 300
	keys Enter
	screen_wait 'Hardware check .arrows' 120
	keys Tab Enter
	screen_wait 'Which disk shall be ERASED' 60
	for ((i = 0; i < $1; i++)); do keys Down; done
	keys Enter
	screen_wait 'serial TARGET1' 60
	keys Tab Enter
	screen_wait 'Which disk shall be ERASED' 60
	keys Enter
	screen_wait 'Which operating system' 60
}

# From the command line, whose beginning is the argument, to the end.
to_end() { # to_end WORDS
	screen_wait "kernel's command line" 60
	keys -l "$1 run=\"$RUN\""
	keys Enter
	screen_wait 'What may the guest do' 60
	keys Down Enter
	screen_wait 'Type ERASE to go on' 120
	before=$(sha_of disk.img)
	keys -l erase
	keys Enter
	screen_wait '"erase" is not ERASE' 60
	[ "$(sha_of disk.img)" = "$before" ]
	keys Enter
	screen_wait 'What may the guest do' 60
	keys Down Enter
	screen_wait 'Type ERASE to go on' 120
	erase_to_end
}

# bats test_tags=slow
@test "installer ISO: by hand on the serial port, CD by BIOS onto a SATA disk, the demo OS; Enter stops an answer file" {
	answers DISK=only KERNEL=demo
	conf_volume veneer.answer
	screen_start cd bios sata:disk.img -device e1000e "${conf_args[@]}"
	screen_wait 'Install Veneer, on the serial port only' 200 moving
	keys Enter
	screen_wait 'Installing by veneer.answer in [0-9] s, without asking.  Press Enter to be asked' 300 moving
	keys Enter
	screen_wait 'press Enter to install on this console' 300
	text_screen | grep 'press Enter to install on this console'
	keys Enter
	to_kernel 1
	# On the screen the installer asks no more.
	screen_key ret
	for _ in $(seq 30); do
		! text_screen | grep 'It is at work on another console' || break
		sleep 1
	done
	text_screen | grep 'It is at work on another console'
	keys Enter
	to_end ''
	installed bios ahci
}

# bats test_tags=slow
@test "installer ISO: by hand on the serial port, stick by UEFI onto an NVMe disk, a kernel from another stick" {
	mkdir kernels
	cp "$BUILD/hobby-os.elf" kernels/my-os.elf
	# The name that Windows gives, which shows only "veneer.answer".
	echo ERASE=yes >veneer.answer.txt
	conf_volume kernels veneer.answer.txt
	screen_start stick uefi nvme:disk.img "${conf_args[@]}"
	screen_wait 'Install Veneer, on the serial port only' 200 moving
	keys s
	to_kernel 2
	keys Down Enter
	screen_wait 'Where is the file' 60
	keys Enter
	screen_wait 'kernels/' 60
	keys Enter
	screen_wait 'my-os.elf' 60
	keys Down Enter
	screen_wait 'need another file' 60
	keys Enter
	to_end net=dhcp
	grep -a 'labelled VENEER-CONF, has no veneer.answer in its root, but: .*veneer.answer.txt' "$(serial)"
	"$ROOT/installer/veneer-install" list disk.img | grep 'guest my-os.elf: multiboot2'
	installed uefi nvme
}

# bats test_tags=slow
@test "installer ISO: without asking, stick by UEFI onto NVMe, own kernel, entry in the firmware's list" {
	cp "$BUILD/hobby-os.elf" my-os.elf
	sed 's|veneer,default = .*|&\n\t\tall { veneer,pci-class = <0x010802 0xffffff>; veneer,writable;\
		veneer,partition = "PARTLABEL=veneer-data"; };|' "$ROOT/configs/default.dts" >base.dtsi
	echo '#include "base.dtsi"' >my.dts
	answers DISK=serial:TARGET1 KERNEL=my-os.elf CONFIG=my.dts "MODULE=my.dts a module" NVRAM=first \
		"CMDLINE=net=dhcp run=\"$RUN\""
	conf_volume veneer.answer my-os.elf my.dts base.dtsi
	iso_start stick uefi nvme:disk.img "${conf_args[@]}"
	guest_end 0
	grep -a "firmware's boot list has the entry 'Veneer'" "$(serial)"
	grep -a "^veneer-setup: done: /dev/nvme0n1 starts my-os.elf behind Veneer" "$(serial)"
	cp disk.img disk.orig
	installed uefi nvme
	# The firmware's own list only: nothing else names the disk.
	iso_start none uefi nvme:disk.orig -netdev user,id=n,tftp=tftp -device e1000e,netdev=n
	guest_end 7
	grep -a "verify: disk0 2048 sectors from 0 are as written" "$(serial)"
	grep -aE 'Boot[0-9]+ "Veneer"' "$(serial)"
}

# bats test_tags=slow
@test "installer ISO: a disk's own loader, without asking, stick by UEFI onto SATA; veneer.efi starts the NVMe disk's" {
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"; veneer,boot-disk = "NVME0"/' "$WRITABLE" >my.dts
	"$ROOT/installer/veneer-install" config my.dts my.dtb
	fdtput -t x my.dtb /chosen veneer,debug-exit-port f4
	answers DISK=serial:TARGET1 KERNEL=none CONFIG=my.dtb NVRAM=first
	conf_volume veneer.answer my.dtb
	iso_start stick uefi sata:disk.img "${conf_args[@]}"
	guest_end 0
	grep -a "^veneer-setup: done: /dev/sda starts disk behind Veneer" "$(serial)"
	mcopy -i disk.img@@36M ::/veneer/guests/disk/veneer.efi .
	cmp veneer.efi "$BUILD/veneer.efi"
	boot_image boot.img bootdisk
	cp --sparse=always boot.img before
	# The firmware's own list starts the disk: its other entries are older.
	iso_start none uefi sata:disk.img -drive if=none,id=os,format=raw,file=boot.img -device nvme,drive=os,serial=NVME0 -m 1G
	# The debug exit port: QEMU's exit code is twice the value, plus one.
	guest_end 1
	logged "guest: the firmware goes on"
	boot_image_kept boot.img before NVME0
}

# bats test_tags=slow
@test "installer ISO: an answer file on the medium itself, CD by UEFI onto a SATA disk" {
	answers DISK=pci:0000:00:1f.2 KERNEL=files/my-os.elf NAME=os DATA=writable "CMDLINE=net=dhcp run=\"$RUN\""
	cp "$BUILD/hobby-os.elf" my-os.elf
	"$ROOT/installer/iso/make-iso" --add my-os.elf --answer veneer.answer "$PWD/own.iso"
	ISO=$PWD/own.iso
	iso_start cd uefi sata:disk.img
	guest_end 0
	grep -a "^veneer-setup: done: /dev/sda starts os behind Veneer" "$(serial)"
	installed uefi ahci
}

# bats test_tags=slow
@test "installer ISO: two answer files: it asks, and writes nothing" {
	answers DISK=only KERNEL=demo
	conf_volume veneer.answer
	cp conf.img second.img
	before=$(sha_of disk.img)
	screen_start cd bios sata:disk.img "${conf_args[@]}" -drive if=none,id=second,format=raw,file=second.img \
		-device usb-storage,bus=usb.0,drive=second
	screen_wait 'press Enter to install on this console' 400
	grep -a 'Not installing without asking: there is more than one veneer.answer (/run/conf/0 /run/conf/1)' "$(serial)"
	[ "$(grep -ac 'Installing by' "$(serial)")" = 0 ]
	[ "$(sha_of disk.img)" = "$before" ]
}

# bats test_tags=slow
@test "installer ISO: an error in the answer file is named, a shell is there, and nothing is written" {
	answers DISK=only KERNEL=demo FINISH=never
	conf_volume veneer.answer
	before=$(sha_of disk.img)
	screen_start cd bios sata:disk.img "${conf_args[@]}"
	screen_wait 'nothing was written to any disk' 400
	screen_wait 'exit status 2' 60
	keys -l "echo al''ive"
	keys Enter
	screen_wait '^alive' 60
	keys -l 'cat /sys/module/hid/parameters/ignore*'
	keys Enter
	screen_wait '^1' 60
	keys -l 'poweroff -f'
	keys Enter
	screen_end 60
	grep -a 'veneer.answer: line 6: FINISH: again; it is in line 2, too' "$(serial)"
	[ "$(sha_of disk.img)" = "$before" ]
}

# bats test_tags=slow
@test "installer ISO: two disks and DISK=only: refused with a list of them, switched off, nothing is written" {
	printf '%s\n' ERASE=yes ON_ERROR=poweroff DISK=only KERNEL=demo >veneer.answer
	conf_volume veneer.answer
	truncate -s 128M second.img
	before=$(sha_of disk.img)
	iso_start cd bios sata:disk.img "${conf_args[@]}" -drive if=none,id=second,format=raw,file=second.img \
		-device nvme,drive=second,serial=TARGET2
	guest_end 0
	grep -a 'DISK=only: 2 disks are meant by it' "$(serial)"
	grep -aE '/dev/sd.: 256 MiB SATA QEMU HARDDISK, serial:TARGET1, pci:0000:00:1f.2' "$(serial)"
	grep -aE '/dev/nvme0n1: 128 MiB NVMe QEMU NVMe Ctrl, serial:TARGET2' "$(serial)"
	grep -a 'exit status 3' "$(serial)"
	[ "$(sha_of disk.img)" = "$before" ]
	[ "$(tr -d '\0' <second.img | wc -c)" = 0 ]
}

# bats test_tags=slow
@test "installer ISO: a file that is no kernel is refused before anything is written" {
	echo 'no kernel' >notes.txt
	printf '%s\n' ERASE=yes ON_ERROR=poweroff DISK=only KERNEL=notes.txt >veneer.answer
	conf_volume veneer.answer notes.txt
	before=$(sha_of disk.img)
	iso_start cd bios sata:disk.img "${conf_args[@]}"
	guest_end 0
	grep -a 'notes.txt: not a kernel that Veneer can start' "$(serial)"
	grep -a 'FAILED; nothing was written to any disk' "$(serial)"
	grep -a 'exit status 2' "$(serial)"
	[ "$(sha_of disk.img)" = "$before" ]
}

# bats test_tags=slow
@test "installer ISO: the check by Veneer itself, and the demo OS without installing" {
	before=$(sha_of disk.img)
	screen_start cd bios sata:disk.img -device e1000e
	screen_wait 'Install Veneer, on the serial port only' 200 moving
	keys w
	screen_wait 'fits: 2 network and disk controllers would be concealed' 200
	iso_stop
	[ "$(sha_of disk.img)" = "$before" ]
	screen_start cd bios sata:disk.img -netdev user,id=n -device e1000e,netdev=n
	screen_wait 'Install Veneer, on the serial port only' 200 moving
	keys t
	screen_wait 'hobby>' 200
	keys -l 'ping 10.0.2.2 1'
	keys Enter
	screen_wait '10.0.2.2 answers' 60
}
