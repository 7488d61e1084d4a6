#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Two cards of one Linux at one wire, with an MTU of 9000 (veneer,mtu).
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

@test "jumbo: 16 MiB each way between an e1000e and an e1000, in frames of 9000 bytes, arrive unharmed" {
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine=(--config "$BATS_TEST_DIRNAME/../lib/jumbo.dts"
		--net hubport,hubid=1 --nic e1000e --net hubport,hubid=1 --nic e1000)
	linux_start jumbo "" "${machine[@]}"
	guest_wait_for 'GUEST: stopping' 300
	if [ -z "${NATIVE:-}" ]; then
		veneer_counters >counters
		for card in net0 net1; do
			[ "$(counter_in counters "$card.rx_bounced_bytes")" -gt 16000000 ] || return 1
			[ "$(counter_in counters "$card.tx_bounced")" = 0 ] || return 1
		done
	fi
	guest_end 0
}
