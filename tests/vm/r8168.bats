#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Realtek's gigabit family, which no emulator has: register models of tests/models, each a process behind QEMU 11.  Linux's own
# driver (r8169 of Debian 6.1) judges the models.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	"$LIB/qemu11" "$BUILD/qemu11" || return 1
}

teardown() { guest_teardown; }

# lawful N: the N models saw no rule broken and no DMA to a wrong place.
lawful() {
	[ "$(grep -c '^model: ends, 0 rules broken, 0 DMA refused$' qemu.log)" = "$1" ] && return 0
	grep '^model: ' qemu.log
	return 1
}

# transfer MIB: a file for the guest to fetch; what the guest has to know
transfer() {
	http_start
	random_file "$HTTP_DIR/down" "$1"
	transfer="veneer.url=$HTTP_URL veneer.mib=$1"
}

# cards OPTIONS CHIP...: sets nics
cards() {
	local chip options=$1
	nics=()
	for chip in "${@:2}"; do
		nics+=(--nic "r8168,chip=$chip$options")
	done
}

# bats test_tags=slow
@test "r8168: Linux's own driver accepts 8168H and 8168B: 64 MiB down and up, removed and loaded" {
	NATIVE=1
	transfer 64
	cards ,oob=1 8168h 8168b
	linux_run net,reload "$transfer veneer.driver=r8169" "${nics[@]}"
	said "cards: 2"
	check_transfers 2
	lawful 2
}

# bats test_tags=slow
@test "r8168: Linux's own driver accepts 8169, 8168C, 8168D, 8168E-VL and 8168F" {
	NATIVE=1
	transfer 8
	cards "" 8169 8168c 8168d 8168evl 8168f
	linux_run net "$transfer" "${nics[@]}"
	said "cards: 5"
	check_transfers 5
	lawful 5
}

# bats test_tags=slow
@test "r8168: Linux's own driver accepts 8168G and 8106E" {
	NATIVE=1
	transfer 8
	cards ,oob=1,autoneg-ms=3000 8168g 8106e
	linux_run net,reload "$transfer veneer.driver=r8169" "${nics[@]}"
	check_transfers 2
	lawful 2
}
