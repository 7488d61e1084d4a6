#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Linux on machine "pc": an e1000, which has no message-signalled interrupts, and an AHCI controller in a slot.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine=(--machine pc --config "$WRITABLE" --nic e1000 --disk ahci:sata,size=512M)
}

teardown() { guest_teardown; }

@test "pc: Linux sees virtio devices only; 64 MiB each way through the e1000 and on the disk arrive unharmed" {
	http_start
	random_file "$HTTP_DIR/down" 64
	linux_run lspci,net,disks "veneer.mib=64 veneer.url=$HTTP_URL" "${machine[@]}"
	if [ -z "${NATIVE:-}" ]; then
		said "intel-conf1: 00:03.0 1af4:1000"
		said "intel-conf1: 00:11.0 1af4:1001"
		not_said "(lspci|intel-conf1|linux-sysfs): .*(8086:100e|8086:2922)"
		said "bound to e1000: 0"
		said "bound to ahci: 0"
	fi
	said "disks: 1 cards: 1"
	check_transfers 1
	check_patterns sata
}
