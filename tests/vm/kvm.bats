#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Veneer on KVM: the tests of the other files, run in a Linux on an emulated machine with SVM. KVM checks VMRUN's input by the
# manual, uses clean bits, lets INIT exit, and has the interrupt controllers in the kernel.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	veneer_only
	ON_KVM=
}

# If the test has failed, show the last output of the tests there and of their Linux.
teardown() {
	[ -z "$ON_KVM" ] || { kill "$ON_KVM" && wait "$ON_KVM"; } || true
	[ "${BATS_TEST_COMPLETED:-}" = 1 ] || tail -n 120 out console || true
}

# on_kvm FILE REGEX: all tests of this file with matching names, except slow ones and those by UEFI, pass there. QEMU 7.2 and 10
# end with an assertion in tcg_handle_interrupt() when OVMF runs on KVM on their SVM, without Veneer too.
on_kvm() {
	local chosen=(--filter-tags '!slow,!uefi' --filter "$2" "$ROOT/tests/vm/$1") status=0 count
	count=$(bats --count "${chosen[@]}")
	{
		printf 'export BUILD=%q GUEST_TIMEOUT=3000 GUEST_HZ=10\n' "$BUILD"
		printf 'exec bats --tap'
		printf ' %q' "${chosen[@]}"
	} >script
	"$LIB/on-kvm" "$LINUX" console script >out 2>&1 3>&- &
	ON_KVM=$!
	wait $ON_KVM || status=$?
	ON_KVM=
	grep -E '^(not )?ok ' out
	[ $status = 0 ]
	[ "$count" -gt 0 ]
	[ "$(grep -c '^ok ' out)" = "$count" ]
	if grep -E '^ok .*# skip' out; then return 1; fi
	! grep -aE 'BUG|Oops|Call Trace' console
}

@test "kvm: NMIs of the guest's own, and doorbells" {
	on_kvm probes.bats '^probe-nmi: the guest'
}

# bats test_tags=slow
@test "kvm: the hobby OS by both transports, polling and with MSI-X" {
	on_kvm hobby.bats '^hobby OS: (modern|legacy) transport'
}

# bats test_tags=slow
@test "kvm: the hobby OS on machine pc, and its ends" {
	on_kvm hobby.bats '^hobby OS: (polling|a crash|power-off|a reset)'
}

# bats test_tags=slow
@test "kvm: a hostile driver" {
	on_kvm probes.bats '^probe-ring'
}

# bats test_tags=slow
@test "kvm: probes of concealment, rules and interrupts" {
	on_kvm probes.bats '^probe-(hidden|quirks|rules|idle|msix|delivery|cost|nmi: none)'
}

# bats test_tags=slow
@test "kvm: probes of interrupt lines" {
	on_kvm intx.bats '^probe-intx'
}

# bats test_tags=slow
@test "kvm: probes of windows into disks" {
	on_kvm window.bats '^probe-window'
}

# bats test_tags=slow
@test "kvm: probes of the transport" {
	on_kvm probes.bats '^probe-transport'
}

# bats test_tags=slow
@test "kvm: IPIs, NMIs, messages and INITs of two processors, in both modes of the local APIC" {
	on_kvm probes.bats '^probe-dest'
}

# bats test_tags=slow
@test "kvm: two processors on the same disks and card" {
	on_kvm smp.bats '^smp: (2 processors|a guest with fewer|the report)'
}

# bats test_tags=slow
@test "kvm: Linux, its network and its disks" {
	on_kvm linux-few.bats '^no (network card|disk)'
}

# bats test_tags=slow
@test "kvm: Linux takes processors away and back under load" {
	on_kvm smp.bats '^smp: Linux takes processors away'
}
