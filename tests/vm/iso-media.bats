#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The installer ISO on difficult machines: disks that cannot be used or fail, a medium that is pulled out, a machine without
# SVM, a firmware that refuses the ISO; and the menu entry that starts the first disk.
# shellcheck disable=SC2034,SC2154 # variables for and of iso.bash
bats_require_minimum_version 1.5.0
load ../lib/guest
load ../lib/iso

setup_file() { iso_build; }
setup() { iso_setup; }
teardown() { iso_teardown; }

# extra NAME SIZE: make NAME.img, and add QEMU's option for this drive to extra_args
extra_args=()
extra() {
	truncate -s "$2" "$1.img"
	extra_args+=(-drive "if=none,id=$1,format=raw,file=$1.img")
}

# Go to the choice of the disk, on the serial port only.
to_disks() {
	screen_wait 'Install Veneer, on the serial port only' 200 moving
	keys s
	screen_wait 'you type ERASE' 300
	keys Enter
	screen_wait 'Hardware check .arrows' 120
	keys Tab Enter
	screen_wait 'Which disk shall be ERASED' 60
}

# From the choice of the system, or of its last file, accept the defaults.
to_summary() {
	keys Enter
	screen_wait "kernel's command line" 60
	keys Enter
	screen_wait 'What may the guest do' 60
	keys Enter
}

# choose REGEX: choose that line of a menu, all of whose lines match LINES and whose first line is marked
choose() { # choose LINES REGEX
	local n
	n=$(screen | grep -E -- "$1" | grep -nE -- "$2" | head -n 1 | cut -d : -f 1)
	[ -n "$n" ] || { echo "not in the menu: $2"; screen; return 1; }
	while [ "$n" -gt 1 ]; do keys Down; n=$((n - 1)); done
	keys Enter
}

DISKS='(sd.|nvme0n1|vd.|mmcblk0) +[0-9]+ [MG]iB'

# bats test_tags=slow
@test "installer ISO: disks on SATA, NVMe, virtio, USB and SD; too small, sectors of 4096 bytes; the medium pulled" {
	cp "$BUILD/hobby-os.elf" my-os.elf
	random_file later.bin 4
	"$ROOT/installer/iso/make-iso" --add my-os.elf --add later.bin "$PWD/own.iso"
	ISO=$PWD/own.iso
	extra tiny 8M
	extra four 64M
	extra uasd 128M
	extra virt 160M
	extra card 256M
	before=$(sha_of disk.img)
	screen_start stick bios sata:disk.img "${extra_args[@]}" -device ide-hd,drive=tiny,bus=ide.2,serial=TINY \
		-device nvme,drive=four,serial=FOUR,logical_block_size=4096,physical_block_size=4096 \
		-device usb-uas,id=uas,bus=usb.0 -device scsi-hd,bus=uas.0,drive=uasd,serial=UASD \
		-device virtio-blk-pci,drive=virt,serial=VIRT -device sdhci-pci -device sd-card,drive=card
	to_disks
	screen | grep -E 'sd. +256 MiB SATA QEMU HARDDISK'
	screen | grep -E 'sd. +8 MiB SATA QEMU HARDDISK'
	screen | grep -E 'nvme0n1 +64 MiB NVMe .cannot be used: sectors of 4096 bytes. QEMU'
	screen | grep -E 'sd. +128 MiB USB QEMU HARDDISK'
	screen | grep -E 'vd. +160 MiB virtio'
	screen | grep -E 'mmcblk0 +256 MiB SD or eMMC QEMU'
	# The stick itself is not among them.
	[ "$(screen | grep -cE "$DISKS")" = 6 ]
	local disk reason
	for disk in '8 MiB SATA' '64 MiB NVMe'; do
		choose "$DISKS" "$disk"
		screen_wait 'Which operating system' 60
		to_summary
		screen_wait 'This cannot be installed' 120
		reason='has sectors of 4096 bytes'
		[[ $disk != 8* ]] || reason='MiB are too few|too small|needs'
		screen | grep -E "$reason"
		keys Enter
		screen_wait 'What may the guest do' 60
		keys Escape
		screen_wait 'Which operating system' 60
		keys Escape
		screen_wait 'Which disk shall be ERASED' 60
	done
	choose "$DISKS" '256 MiB SATA'
	screen_wait 'Which operating system' 60
	keys Down Enter
	screen_wait 'Where is the file' 60
	screen | grep 'medium .*the files on this medium'
	choose '(medium|again|/dev/)' medium
	screen_wait 'my-os.elf' 60
	choose '(my-os.elf|later.bin)' my-os.elf
	screen_wait 'need another file' 60
	medium_out stick
	sleep 3
	keys Left Enter
	screen_wait 'Where is the file' 60
	run ! grep medium <<<"$(screen)"
	keys Tab Tab Enter
	screen_wait '0 further files are chosen' 60
	to_summary
	screen_wait 'Type ERASE to go on' 120
	[ "$(sha_of disk.img)" = "$before" ]
	erase_to_end
	"$ROOT/installer/veneer-install" list disk.img | grep 'guest my-os.elf: multiboot2'
	"$ROOT/installer/veneer-install" verify disk.img
	local name
	for name in tiny four uasd virt card; do [ "$(tr -d '\0' <$name.img | wc -c)" = 0 ]; done
}

# bats test_tags=slow
@test "installer ISO: a disk that cannot be read back: said on the screen" {
	# In the first slot, which nobody reads before.
	printf '[inject-error]\nevent = "read_aio"\niotype = "read"\nerrno = "5"\nsector = "75000"\nonce = "off"\n' >bd.conf
	screen_start cd bios sata:blkdebug:bd.conf:disk.img
	to_disks
	keys Enter
	screen_wait 'Which operating system' 60
	to_summary
	screen_wait 'Type ERASE to go on' 120
	keys -l ERASE
	keys Enter
	screen_wait 'Installing failed' 400
	screen | grep 'is incomplete, do not start from it'
	# The next words are in the next line.
	screen | grep 'what was read back differs from what was'
}

# bats test_tags=slow
@test "installer ISO: a disk that cannot be written: said, exit status, switched off" {
	printf '%s\n' ERASE=yes ON_ERROR=poweroff DISK=only KERNEL=demo >veneer.answer
	conf_volume veneer.answer
	# In the first slot, too.
	printf '[inject-error]\nevent = "write_aio"\niotype = "write"\nerrno = "5"\nsector = "75000"\nonce = "off"\n' >bd.conf
	iso_start cd bios sata:blkdebug:bd.conf:disk.img "${conf_args[@]}"
	guest_end 0
	grep -aE '/dev/sd.: writing failed at sector [0-9]+' "$(serial)"
	grep -a 'FAILED; /dev/sd. is incomplete, do not start from it; what was on it is lost' "$(serial)"
	grep -a 'veneer-setup: exit status 1' "$(serial)"
	run ! "$ROOT/installer/veneer-install" verify disk.img
}

# bats test_tags=slow
@test "installer ISO: the check from the menu: no SVM, little memory; on ttyS1 and the port that the firmware names, too" {
	# SPCR: revision 2, a 16550 at port 3E8h.
	python3 -c 'import struct, sys
sys.stdout.buffer.write(struct.pack("<B3xBBBBQ", 0, 1, 8, 0, 1, 0x3e8) + bytes(28))' >spcr
	# With even less memory Linux kills programs.
	screen_start cd bios sata:disk.img -m 320M -cpu max,svm=off -acpitable sig=SPCR,rev=2,data=spcr \
		-chardev file,id=s1,path=s1.log -device isa-serial,chardev=s1,index=1 \
		-chardev file,id=s2,path=s2.log -device isa-serial,chardev=s2,index=2,irq=5
	screen_wait 'Install Veneer, on the serial port only' 200 moving
	keys h
	screen_wait 'press Enter to install on this console' 300
	grep -aE 'WARNING: this machine has 2[0-9]+ MiB of memory.*needs a machine with 384 MiB' "$(serial)"
	local port end=$((SECONDS + 60))
	for port in s1 s2; do
		until grep -a 'press Enter to install on this console' $port.log; do
			[ $SECONDS -lt $end ] || { cat $port.log; return 1; }
			sleep 0.5
		done
	done
	keys Enter
	screen_wait 'Hardware check .arrows' 120
	keys Tab Enter
	screen_wait 'Veneer will not start on this machine as it is' 60
	screen | grep -E 'SVM'
	keys Enter
	screen_wait 'you type ERASE' 60
}

# bats test_tags=slow
@test "installer ISO: on to the first disk, from CD and stick, by BIOS and UEFI; by UEFI without one, back to the firmware" {
	"$ROOT/installer/veneer-install" image disk.img --force --size 256M --kernel "$BUILD/hobby-os.elf" \
		--cmdline 'run="help; exit 3"' --menu-timeout 0
	local medium firmware
	# The disk comes second in the firmware's list: OVMF makes only those ready.
	ISO_RESTARTS=y
	for firmware in bios uefi; do
		for medium in cd stick; do
			screen_start $medium $firmware sata:disk.img
			screen_wait 'Install Veneer, on the serial port only' 200 moving
			if [ $medium = cd ]; then keys d; else vga_keys 'down*5' ret; fi
			screen_end 200
			grep -a 'veneer: ' "$(serial)"
			grep -aE '^> exit 3' "$(serial)"
		done
	done
	truncate -s 0 disk.img
	truncate -s 64M disk.img
	screen_start stick uefi sata:disk.img
	screen_wait 'Install Veneer, on the serial port only' 200 moving
	vga_keys 'down*5' ret
	screen_wait 'No disk that the firmware has made ready has a loader for UEFI' 60 moving
	screen_wait 'Boot Manager' 60
}

# bats test_tags=slow
@test "installer ISO: Secure Boot: the firmware refuses it, as the manual says" {
	screen_start cd secure sata:disk.img
	screen_wait 'Access Denied|Security Violation|security violation' 200 moving
	run ! grep -a 'Install Veneer' "$(serial)"
}
