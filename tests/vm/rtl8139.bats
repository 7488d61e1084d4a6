#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The card that always copies, has no MSI and reaches 4 GiB only: Linux behind Veneer with an rtl8139, and its cable.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

transfers() {
	http_start
	random_file "$HTTP_DIR/down" 16
	linux_run net "veneer.url=$HTTP_URL veneer.mib=16" --nic rtl8139 "$@"
	said "cards: 1"
	check_transfers 1
}

@test "rtl8139: DHCP, 16 MiB down and up by HTTP arrive unharmed on q35" {
	transfers
}

@test "rtl8139: the same on pc, with memory above 4 GiB that the card cannot reach" {
	transfers --machine pc --mem 5G
}

@test "rtl8139: a pulled cable is seen as lost carrier, and back" {
	linux_start link "" --nic rtl8139
	guest_wait_for 'GUEST: the carrier is there' 120
	qmp set_link '{"name": "net0", "up": false}'
	guest_wait_for 'GUEST: the carrier is lost' 30
	qmp set_link '{"name": "net0", "up": true}'
	guest_end
}
