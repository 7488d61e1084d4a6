#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The installer ISO: from CD and stick, by BIOS and UEFI, onto SATA and NVMe, by hand and without asking; what it has installed
# starts the guest with network and disk.
# shellcheck disable=SC2034,SC2154 # variables for and of iso.bash
load ../lib/guest
load ../lib/iso

setup_file() {
	[ -n "${NATIVE:-}" ] || iso_build
}

setup() {
	veneer_only
	ISO=$BUILD/veneer.iso
	cd "$BATS_TEST_TMPDIR" || return 1
	truncate -s 256M disk.img
	mkdir tftp
	random_file tftp/file 1
}

teardown() { iso_teardown; }

RUN='tftp 10.0.2.2 file; write disk0 0 0x77 2048; verify disk0 0 0x77 2048; exit 3'

answers() { # answers LINE...
	printf '%s\n' ERASE=yes FINISH=poweroff ON_ERROR=shell "$@" >veneer.answer
}

# installed FIRMWARE KIND: disk.img starts the hobby OS, which fetches a file and writes to the data partition alone
installed() {
	local before after start
	"$ROOT/installer/veneer-install" verify disk.img
	start=$(sfdisk -d disk.img | sed -nE '/name="veneer-data"/s/.*start= *([0-9]+).*/\1/p')
	before=$(head -c $((512 * start)) disk.img | sha256sum)
	guest_start --image "$2:disk.img,serial=TARGET1" --firmware "$1" --nic e1000e --tftp tftp
	guest_end 3
	grep -aE "tftp: file 1048576 bytes .* sha256 $(sha_of tftp/file)" "$(serial)"
	grep -a "verify: disk0 2048 sectors from 0 are as written" "$(serial)"
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
