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

# Each disk's twin is a function of the controller's device.
functions() {
	[ "$(grep -acE '^GUEST: intel-conf1: .*1af4:1001' "$(serial)")" = 5 ] || return 1
	[ "$(grep -acE '^GUEST: intel-conf1: 00:08\.[0-7] 1af4:1001' "$(serial)")" = 2 ] || return 1
	[ "$(grep -acE '^GUEST: intel-conf1: 00:1f\.[0-7] 1af4:1001' "$(serial)")" = 2 ] || return 1
	said "intel-conf1: 00:09.0 1af4:1001" && said "intel-conf1: 00:03.0 1af4:1000" && said "intel-conf1: 00:04.0 1af4:1000"
}

@test "many: both cards carry 64 MiB each way unharmed; each disk has a function, its own data, the sizes of the real one" {
	http_start
	random_file "$HTTP_DIR/down" 64
	linux_run lspci,net,disks "veneer.mib=64 veneer.url=$HTTP_URL" "${machine[@]}"
	[ -n "${NATIVE:-}" ] || functions
	said "disks: 5 cards: 2"
	check_transfers 2
	[ "$(grep -acE '^GUEST: [a-z0-9]+: 1048576 sectors, logical 4096 physical 4096' "$(serial)")" = 1 ]
	[ "$(grep -acE '^GUEST: [a-z0-9]+: 1048576 sectors, logical 512 physical 4096' "$(serial)")" = 1 ]
	[ "$(grep -acE '^GUEST: [a-z0-9]+: 1048576 sectors, logical 512 physical 512' "$(serial)")" = 3 ]
	check_patterns sata1 sata2 ns1 ns2 big
}
