#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# "make run" as a user calls it, without a terminal.
load ../lib/guest
load ../lib/bios
load ../lib/os-image

setup() {
	cd "$ROOT" || return 1
	veneer_only
}

teardown() { guest_teardown; }

run_make() {
	env -u MAKEFLAGS -u MAKELEVEL timeout -k 5 200 make -s --no-print-directory run BUILD="$BUILD" "$@" </dev/null \
		>"$(serial)" 2>"$BATS_TEST_TMPDIR/qemu.log" 3>&-
}

@test "make run: the hobby OS starts from the installed disk, gets an address, writes its data disk and ends" {
	run_make CMDLINE='net=dhcp run="disks; write disk0 0 7 16; verify disk0 0 7 16; exit 0"'
	grep -a "on Veneer" "$(serial)"
	grep -a "lease 10.0.2.15" "$(serial)"
	grep -aE "verify: disk[0-9] 16 sectors from 0 are as written" "$(serial)"
}

@test "make run: without a terminal it says how long it will run, reaches the shell, and its end by time is good" {
	run_make TIMEOUT=40
	[[ $(head -n 1 "$(serial)") == "no terminal: the run ends after 40 seconds"* ]]
	grep -a "hobby>" "$(serial)"
	grep -a "no end after 40 s" "$BATS_TEST_TMPDIR/qemu.log"
	[ "$(tail -n 1 "$(serial)")" = "the hobby OS reached its shell, and the 40 seconds are over" ]
}

@test "make run: a time that is over before the shell is an error" {
	run run_make TIMEOUT=1
	[ "$status" -ne 0 ]
	grep -a "no end after 1 s" "$BATS_TEST_TMPDIR/qemu.log"
	grep -aE "Error 124" "$BATS_TEST_TMPDIR/qemu.log"
}

@test "make run: another kernel by KERNEL=, INITRD= and CMDLINE=" {
	run_make KERNEL="$LINUX/vmlinuz" INITRD="$LINUX/initrd.gz" CMDLINE="console=ttyS0 no_timer_check veneer.run=lspci"
	said "disks: 2 cards: 1"
	said "bound to e1000e: 0"
}

@test "make run: the exit code of the guest comes through" {
	run run_make CMDLINE='run="exit 9"'
	[ "$status" -ne 0 ]
	grep -aE "Error 9" "$BATS_TEST_TMPDIR/qemu.log"
}

# disk_runs IMAGE: the image's GRUB starts the hobby OS behind Veneer, where the image is a virtio-blk disk, and without Veneer.
disk_runs() {
	run_make DISK="$1" SNAPSHOT=1
	grep -a "bios: drive 80h is ahci0p0 .* serial \"OS\"" "$(serial)"
	grep -a "on Veneer" "$(serial)"
	grep -aE "^disk[0-9]: [0-9]+ sectors of 512 bytes, writable, serial OS" "$(serial)"
	run_make DISK="$1" NATIVE=1 SNAPSHOT=1
	grep -aE "^hobby OS: virtio=modern irq=poll.?$" "$(serial)"
	! grep -aE "veneer|serial OS" "$(serial)" || return 1
}

@test "make run: a disk image as it is by DISK=, with GRUB from its own tools, and NATIVE=1 beside it" {
	cd "$BATS_TEST_TMPDIR"
	os_disk os.img 'run="disks; exit 0"'
	cd "$ROOT"
	disk_runs "$BATS_TEST_TMPDIR/os.img"
}

# bats test_tags=slow
@test "make run: a disk image by DISK= on UEFI, with GRUB from its own EFI system partition" {
	cd "$BATS_TEST_TMPDIR"
	boot_image os.img bootdisk
	cd "$ROOT"
	run_make DISK="$BATS_TEST_TMPDIR/os.img" FIRMWARE=uefi SNAPSHOT=1 TIMEOUT=190
	logged "guest: the firmware goes on"
	said "vd[a-z]: OS 524288 sectors, first $(head -c 16M "$BATS_TEST_TMPDIR/os.img" | sha256sum | cut -d ' ' -f 1)"
	run_make DISK="$BATS_TEST_TMPDIR/os.img" FIRMWARE=uefi NATIVE=1 SNAPSHOT=1 TIMEOUT=190
	said "end with 0 failures"
	! grep -aE "^veneer|GUEST: vd" "$(serial)" || return 1
}

# bats test_tags=slow
@test "make run: a hybrid ISO by DISK=" {
	cd "$BATS_TEST_TMPDIR"
	os_iso os.iso 'run="disks; exit 0"'
	cd "$ROOT"
	disk_runs "$BATS_TEST_TMPDIR/os.iso"
}

@test "make run: a Limine kernel by KERNEL=" {
	run_make KERNEL="$BUILD/guest/limine/0-section.elf"
	grep -aE "^probe-limine: [1-9][0-9]* passed, 0 failed" "$(serial)"
}

@test "make run: DISK= is refused with what does not go with it, before anything starts" {
	local words
	for words in "KERNEL=x|do not go with it" "CMDLINE=x|do not go with it"; do
		run run_make DISK=Makefile "${words%%|*}"
		[ "$status" -ne 0 ]
		grep -aF "${words##*|}" "$BATS_TEST_TMPDIR/qemu.log"
	done
	run run_make DISK=/nowhere/os.img
	grep -aF "DISK=/nowhere/os.img: no such file" "$BATS_TEST_TMPDIR/qemu.log"
	run run_make NATIVE=1
	grep -aF "NATIVE=1 goes with KERNEL= or DISK=" "$BATS_TEST_TMPDIR/qemu.log"
}

@test "make run: the kernel of docs/first-hour.md, compiled from the page, has its disk and its network" {
	run_make KERNEL="$BUILD/guest/first-hour.elf"
	grep -a "disk: 131072 sectors" "$(serial)"
	grep -a "disk: error 0, sector 1 begins with d15c0000" "$(serial)"
	grep -a "net: 10.0.2.2 is at 52:55:0a:00:02:02" "$(serial)"
	grep -a "first hour: done" "$(serial)"
}
