#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Linux behind Veneer with an rtl8139, a card that always copies, has no MSI, and reaches only 4 GiB.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	http_start
	random_file "$HTTP_DIR/down" 16
	transfer="veneer.url=$HTTP_URL veneer.mib=16"
}

teardown() { guest_teardown; }

# One boot: the card is hidden, 16 MiB arrive each way, and Linux notices that the cable is pulled and put back.
@test "rtl8139: q35: hidden, DHCP, 16 MiB down and up by HTTP unharmed, the cable pulled and put back" {
	linux_start lspci,net,link "$transfer" --nic rtl8139
	guest_wait_for 'GUEST: the carrier is there' 200
	qmp set_link '{"name": "net0", "up": false}'
	guest_wait_for 'GUEST: the carrier is lost' 30
	qmp set_link '{"name": "net0", "up": true}'
	guest_end
	check_transfers 1
	said "disks: 0 cards: 1"
	[ -n "${NATIVE:-}" ] || for way in intel-conf1 linux-sysfs; do
		said "$way: 00:03.0 1af4:1000"
		not_said "$way: .* 10ec:8139"
	done
	[ -n "${NATIVE:-}" ] || said "bound to 8139cp: 0"
	said "bound to 8139too: 0"
}

@test "rtl8139: pc: 16 MiB down and up unharmed, with memory above 4 GiB that the card cannot reach" {
	linux_run net "$transfer" --machine pc --nic rtl8139 --mem 5G
	said "cards: 1"
	check_transfers 1
}
