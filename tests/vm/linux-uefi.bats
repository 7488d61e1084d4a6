#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The same Linux, started by UEFI firmware.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine=(--firmware uefi --config "$WRITABLE" --nic e1000e --disk ahci:sata,size=256M --disk nvme:nvme,size=256M)
}

teardown() { guest_teardown; }

@test "UEFI: Linux sees virtio devices only; 64 MiB each way through the card and on each disk arrive unharmed" {
	http_start
	random_file "$HTTP_DIR/down" 64
	linux_run lspci,net,disks "veneer.mib=64 veneer.url=$HTTP_URL" "${machine[@]}"
	if [ -z "${NATIVE:-}" ]; then
		said "linux-sysfs: 00:03.0 1af4:1000"
		said "linux-sysfs: 00:08.0 1af4:1001"
		said "linux-sysfs: 00:1f.2 1af4:1001"
		not_said "(lspci|intel-conf1|linux-sysfs): .*(8086:10d3|8086:2922|1b36:0010)"
	fi
	said "disks: 2 cards: 1"
	check_transfers 1
	check_patterns sata nvme
}
