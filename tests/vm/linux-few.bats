#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Machines that lack something, and more than one processor.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

@test "no network card: the disks work" {
	linux_run disks "veneer.mib=32" --config "$WRITABLE" --disk ahci:sata,size=128M --disk nvme:nvme,size=128M
	said "disks: 2"
	check_patterns sata nvme
}

@test "no disk: the network works" {
	http_start
	random_file "$HTTP_DIR/down" 16
	linux_run net "veneer.mib=16 veneer.url=$HTTP_URL" --config "$WRITABLE" --nic e1000e
	said "cards: 1"
	check_transfers 1
}

@test "neither card nor disk: the guest starts and ends" {
	linux_run lspci "" --config "$WRITABLE"
	said "disks: 0 cards: 0"
}

@test "no configuration file: the built-in rules conceal both and keep the disk read-only" {
	veneer_only
	truncate -s 64M sata
	before=$(sha_of sata)
	linux_run readonly "" --nic e1000e --disk ahci:sata
	[ "$(sha_of sata)" = "$before" ]
}
