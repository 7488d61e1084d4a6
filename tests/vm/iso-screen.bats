#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The installer ISO at the machine's own keyboard and screen.
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

# layout NAME: from its list of layouts
layout() {
	vga_wait 'Which layout has this keyboard' 120
	vga_keys "down*$(grep -v '^#' "$ROOT/installer/iso/keymaps" | sed -n "/^$1 /{=;q}" | awk '{ print $1 - 1 }')"
	vga_wait "$1 " 20
	vga_keys ret
}

# bats test_tags=slow
@test "installer ISO: at the keyboard and the text screen, CD by BIOS: a layout, two disks, back by Escape; nothing written" {
	local before
	# It is not empty, and there is a second one.
	printf 'label: gpt\nsize=64M, name=old\nsize=32M\n' | PATH=$PATH:/sbin sfdisk -q disk.img
	mke2fs -q -L photos -E offset=1048576 disk.img 64M
	truncate -s 128M second.img
	before=$(sha_of disk.img)
	iso_start cd bios sata:disk.img -device e1000e -drive if=none,id=second,format=raw,file=second.img \
		-device nvme,drive=second,serial=TARGET2
	vga_wait 'press Enter to install on this console' 400
	vga_keys ret
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
	text_screen | grep -E 'serial TARGET2'
	[ "$(sha_of disk.img)" = "$before" ]
	[ "$(tr -d '\0' <second.img | wc -c)" = 0 ]
}
