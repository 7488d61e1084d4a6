#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The installer ISO where something is in the way: a disk that fails, a machine that does not fit, a firmware that refuses it.
# shellcheck disable=SC2034,SC2154 # variables for and of iso.bash
load ../lib/guest
load ../lib/iso

setup_file() {
	[ -n "${NATIVE:-}" ] || iso_build
}

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	truncate -s 256M disk.img
}

teardown() { iso_teardown; }

# bats test_tags=slow
@test "installer ISO: a disk that cannot be written: said, exit status, switched off" {
	printf '%s\n' ERASE=yes ON_ERROR=poweroff DISK=only KERNEL=demo >veneer.answer
	conf_volume veneer.answer
	# In the first slot, too.
	printf '[inject-error]\nevent = "write_aio"\nerrno = "5"\nsector = "75000"\nonce = "off"\n' >bd.conf
	iso_start cd bios sata:blkdebug:bd.conf:disk.img "${conf_args[@]}"
	guest_end 0
	grep -aE '/dev/sd.: writing failed at sector [0-9]+' "$(serial)"
	grep -a 'FAILED; /dev/sd. is incomplete and starts nothing' "$(serial)"
	grep -a 'veneer-setup: exit status 1' "$(serial)"
	run ! "$ROOT/installer/veneer-install" verify disk.img
}

# bats test_tags=slow
@test "installer ISO: the check from the menu: no SVM, little memory; on ttyS1 and the port that the firmware names, too" {
	# SPCR: revision 2, a 16550 at port 3E8h.
	python3 -c 'import struct, sys
sys.stdout.buffer.write(struct.pack("<B3xBBBBQ", 0, 1, 8, 0, 1, 0x3e8) + bytes(28))' >spcr
	screen_start cd bios sata:disk.img -m 256M -cpu max,svm=off -acpitable sig=SPCR,rev=2,data=spcr \
		-chardev file,id=s1,path=s1.log -device isa-serial,chardev=s1,index=1 \
		-chardev file,id=s2,path=s2.log -device isa-serial,chardev=s2,index=2,irq=5
	screen_wait 'Install Veneer, on the serial port only' 200 moving
	keys Down Down Enter
	screen_wait 'press Enter to install on this console' 300
	grep -aE 'WARNING: this machine has 2[0-9]+ MiB of memory.*needs a machine with 384 MiB' "$(serial)"
	local port
	for port in s1 s2; do grep -a 'press Enter to install on this console' $port.log; done
	keys Enter
	screen_wait 'Hardware check .arrows' 120
	keys Tab Enter
	screen_wait 'Veneer will not start on this machine as it is' 60
	screen | grep -E 'SVM'
	keys Enter
	screen_wait 'you type ERASE' 60
}

# bats test_tags=slow
@test "installer ISO: Secure Boot: the firmware refuses it, as the manual says" {
	screen_start cd secure sata:disk.img
	screen_wait 'Access Denied|Security Violation|security violation' 200 moving
	run ! grep -a 'Install Veneer' "$(serial)"
}

# To the choice of the disk, on the serial port only.
to_disks() {
	screen_wait 'Install Veneer, on the serial port only' 200 moving
	keys Down Enter
	screen_wait 'you type ERASE' 300
	keys Enter
	screen_wait 'Hardware check .arrows' 120
	keys Tab Enter
	screen_wait 'Which disk shall be ERASED' 60
}

# bats test_tags=slow
@test "installer ISO: a disk that cannot be read back: said on the screen" {
	# In the first slot: nobody reads it before.
	printf '[inject-error]\nevent = "read_aio"\niotype = "read"\nerrno = "5"\nsector = "75000"\nonce = "off"\n' >bd.conf
	screen_start cd bios sata:blkdebug:bd.conf:disk.img
	to_disks
	keys Enter
	screen_wait 'Which operating system' 60
	keys Enter
	screen_wait "kernel's command line" 60
	keys Enter
	screen_wait 'What may the guest do' 60
	keys Enter
	screen_wait 'Type ERASE to go on' 120
	keys -l ERASE
	keys Enter
	screen_wait 'Installing failed' 400
	screen | grep 'is incomplete, do not start from it'
	# The words after it are in the next line.
	screen | grep 'what was read back differs from what was'
}
