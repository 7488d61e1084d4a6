#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The machine q35 with an IOMMU: the tests of the other files once more, with confined DMA.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	veneer_only
}

teardown() {
	[ "${BATS_TEST_COMPLETED:-}" = 1 ] || tail -n 120 out || true
}

# behind UNIT FILE REGEX: all tests of this file with matching names, except slow ones, pass on machines with this IOMMU, which
# Veneer uses and which refuses nothing (guest_end).
behind() {
	local chosen=(--filter-tags '!slow' --filter "$3" "$ROOT/tests/vm/$2") status=0 count
	count=$(bats --count "${chosen[@]}")
	: >confined
	# Each test translates all its DMA twice, and has no bound of its own on a busy machine.
	IOMMU=$1 IOMMU_CONFINED=$PWD/confined GUEST_TIMEOUT=3000 bats --tap "${chosen[@]}" >out 2>&1 3>&- || status=$?
	grep -E '^(not )?ok ' out
	[ $status = 0 ]
	[ "$count" -gt 0 ]
	[ "$(grep -c '^ok ' out)" = "$count" ]
	if grep -E '^ok .*# skip' out; then return 1; fi
	[ "$(wc -l <confined)" = "$count" ]
}

# Tests that run on q35: not those of the machine pc.
PROBES='^probe-(hidden|bars|ring|quirks|rules|idle|msix|dest|nmi|delivery|cost)'
TRANSPORT='^probe-transport: (layout|the same with modern)'
FAULTS='^fault: .*(unreadable sector|does not end)'

# bats test_tags=slow
@test "behind VT-d: probes of concealment, rules and interrupts" {
	behind intel probes.bats "$PROBES"
}

# bats test_tags=slow
@test "behind AMD-Vi: probes of concealment, rules and interrupts" {
	behind amd probes.bats "$PROBES"
}

# bats test_tags=slow
@test "behind VT-d: the transport's probe" {
	behind intel probes.bats "$TRANSPORT"
}

# bats test_tags=slow
@test "behind AMD-Vi: the transport's probe" {
	behind amd probes.bats "$TRANSPORT"
}

# bats test_tags=slow
@test "behind VT-d: Linux with card and disks" {
	behind intel linux-q35.bats .
}

# bats test_tags=slow
@test "behind AMD-Vi: Linux with card and disks" {
	behind amd linux-q35.bats .
}

# bats test_tags=slow
@test "behind VT-d: Linux with read-only disks" {
	behind intel readonly.bats .
}

# bats test_tags=slow
@test "behind AMD-Vi: Linux with read-only disks" {
	behind amd readonly.bats .
}

# bats test_tags=slow
@test "behind VT-d: Linux with failing disks" {
	behind intel faults.bats "$FAULTS"
}

# bats test_tags=slow
@test "behind AMD-Vi: Linux with failing disks" {
	behind amd faults.bats "$FAULTS"
}
