#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The fuzzers (tests/fuzz): the inputs that are kept, then some seconds of new ones, or ten minutes.
bats_require_minimum_version 1.5.0

setup_file() {
	cd "$(realpath "$BATS_TEST_DIRNAME/../..")" || return 1
	unset MAKEFLAGS MAKELEVEL MFLAGS
	export BUILD=${BUILD:-build}
	make -s -j2 --no-print-directory BUILD="$BUILD" fuzz-programs
}

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	cd "$(realpath "$BATS_TEST_DIRNAME/../..")" || return 1
}

# Run all fuzzers for $1 seconds each; every one has inputs and reaches something.
fuzz() {
	run -0 scripts/fuzz --time "$1"
	echo "$output"
	for source in tests/fuzz/*.c; do
		name=$(basename "$source" .c)
		assert_line --regexp "^$name: [1-9][0-9]* executions, [1-9][0-9]{2,} edges, [1-9][0-9]* inputs$"
	done
}

@test "fuzz: nothing is found in four seconds for each fuzzer" {
	fuzz 4
}

# bats test_tags=slow
@test "fuzz: nothing is found in ten minutes for each fuzzer" {
	fuzz 600
}

@test "fuzz: an input on which a fuzzer ends is reported and kept; wrong use" {
	mkdir -p "$BATS_TEST_TMPDIR/fuzz"
	printf '#!/bin/bash\necho bad pointer >&2\nexit 77\n' >"$BATS_TEST_TMPDIR/fuzz/queue"
	chmod +x "$BATS_TEST_TMPDIR/fuzz/queue"
	BUILD=$BATS_TEST_TMPDIR run -1 scripts/fuzz --time 1 queue
	assert_line --partial "queue: ended on an input"
	assert_line "bad pointer"
	run -2 scripts/fuzz --time soon
	run -2 scripts/fuzz nothing
}
