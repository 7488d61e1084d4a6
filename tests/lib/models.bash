# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests of devices that no emulator has: register models of tests/models, each a process behind QEMU 11.

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	"$LIB/qemu11" "$BUILD/qemu11" || return 1
}

teardown() { guest_teardown; }

# lawful N: the N models report no broken rule and no DMA to a wrong address.
lawful() {
	[ "$(grep -c '^model: ends, 0 rules broken, 0 DMA refused$' qemu.log)" = "$1" ] && return 0
	grep '^model: ' qemu.log
	return 1
}

# transfer MIB: make a file of MIB MiB, and set transfer to the options with which the guest fetches it.
transfer() {
	http_start
	random_file "$HTTP_DIR/down" "$1"
	# shellcheck disable=SC2034 # for the tests
	transfer="veneer.url=$HTTP_URL veneer.mib=$1"
}

# cards KIND OPTIONS CHIP...: set nics to a --nic KIND for each CHIP.
cards() {
	local chip kind=$1 options=$2
	nics=()
	for chip in "${@:3}"; do
		nics+=(--nic "$kind,chip=$chip$options")
	done
}
