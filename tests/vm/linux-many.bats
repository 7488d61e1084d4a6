#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Two cards and five disks: two SATA disks (one with 4096-byte physical sectors), two namespaces of one NVMe controller, and one
# NVMe disk with 4096-byte sectors.
load ../lib/guest

setup_file() {
	export BATS_TEST_TIMEOUT=1000 GUEST_TIMEOUT=900
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine=(--config "$WRITABLE" --nic e1000e --nic e1000e --mem 768M --disk ahci:sata1,size=512M
		--disk ahci:sata2,size=512M,phys=4096 --disk nvme:ns1+ns2,size=512M --disk nvme:big,size=512M,sector=4096)
}

teardown() { guest_teardown; }

@test "many: each disk is a function of its controller's device" {
	veneer_only
	linux_run lspci "" "${machine[@]}"
	said "disks: 5 cards: 2"
	[ "$(grep -acE '^GUEST: intel-conf1: .*1af4:1001' "$(serial)")" = 5 ]
	[ "$(grep -acE '^GUEST: intel-conf1: 00:08\.[0-7] 1af4:1001' "$(serial)")" = 2 ]
	[ "$(grep -acE '^GUEST: intel-conf1: 00:1f\.[0-7] 1af4:1001' "$(serial)")" = 2 ]
	said "intel-conf1: 00:09.0 1af4:1001"
	said "intel-conf1: 00:03.0 1af4:1000"
	said "intel-conf1: 00:04.0 1af4:1000"
}

@test "many: both cards carry 64 MiB each way unharmed" {
	http_start
	random_file "$HTTP_DIR/down" 64
	linux_run net "veneer.url=$HTTP_URL" "${machine[@]}"
	said "cards: 2"
	check_transfers 2
}

each_disk_has_its_data() { # each_disk_has_its_data MIB
	linux_run disks "veneer.mib=$1" "${machine[@]}"
	said "disks: 5"
	[ "$(grep -acE '^GUEST: [a-z0-9]+: 1048576 sectors, logical 4096 physical 4096' "$(serial)")" = 1 ]
	[ "$(grep -acE '^GUEST: [a-z0-9]+: 1048576 sectors, logical 512 physical 4096' "$(serial)")" = 1 ]
	[ "$(grep -acE '^GUEST: [a-z0-9]+: 1048576 sectors, logical 512 physical 512' "$(serial)")" = 3 ]
	check_patterns sata1 sata2 ns1 ns2 big
}

@test "many: every disk has its own data, with the sector sizes of the real one (64 MiB)" {
	each_disk_has_its_data 64
}

# bats test_tags=slow
@test "many: every disk has its own data, with the sector sizes of the real one (256 MiB)" {
	each_disk_has_its_data 256
}
