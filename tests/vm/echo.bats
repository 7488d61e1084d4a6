#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The null device: an image with it, in which QEMU's edu is its place.
load ../lib/guest

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

# bats test_tags=slow
@test "echo: the null device gives back what it got, with one exit for a batch" {
	export BATS_TEST_TIMEOUT=600
	image_with "$PWD" CONFIG_VIRTIO_ECHO=y
	guest_run --veneer "$PWD/build/veneer.elf" --kernel "$BUILD/guest/probe-cost.elf" --cmdline rounds=4 -- \
		-device edu -icount shift=0
	grep -aE "echo0: virtio-echo at .* for edu0" "$(serial)"
	grep -a COST "$(serial)"
	grep -aq "PASS cost: .* echo gives back what it got" "$(serial)"
}
