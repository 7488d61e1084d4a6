#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The fuzzers (tests/fuzz): the inputs that are kept, then new ones: some, the same each time, or ten minutes of them.
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

# Run all fuzzers with these arguments; every one has inputs and reaches something.
fuzz() {
	run scripts/fuzz "$@"
	echo "$output"
	assert_equal "$status" 0
	for source in tests/fuzz/*.c; do
		name=$(basename "$source" .c)
		assert_line --regexp "^$name: [1-9][0-9]* executions, [1-9][0-9]{2,} edges, [1-9][0-9]* inputs$"
	done
}

@test "fuzz: nothing is found in some seconds for each fuzzer" {
	fuzz --quick
}

# bats test_tags=slow
@test "fuzz: nothing is found in ten minutes for each fuzzer" {
	fuzz --time 600
}

# bats test_tags=slow
@test "fuzz: each planted fault is found within ten minutes" {
	run scripts/planted --time 600
	echo "$output"
	assert_equal "$status" 0
	assert_equal "$(grep -c '| fuzz .* | found, ' <<<"$output")" "$(grep -l '^found by fuzz' tests/planted/*.patch | wc -l)"
}

# bats test_tags=slow
@test "fuzz: the lines that unit tests and fuzzers execute keep the floors" {
	run make -s --no-print-directory BUILD="$BUILD" coverage
	echo "$output"
	assert_equal "$status" 0
	assert_line --regexp '^. .virtio. . [1-9][0-9]{3} . '
}

@test "fuzz: an input on which a fuzzer ends is reported and kept; wrong use" {
	mkdir -p "$BATS_TEST_TMPDIR/fuzz"
	printf '#!/bin/bash\necho bad input >in\nprintf "#9\\tNEW\\nbad pointer\\nTest unit written to in\\n" >&2\nexit 77\n' |
		sed "s,\bin\b,$BATS_TEST_TMPDIR/in,g" >"$BATS_TEST_TMPDIR/fuzz/queue"
	chmod +x "$BATS_TEST_TMPDIR/fuzz/queue"
	BUILD=$BATS_TEST_TMPDIR run -1 scripts/fuzz --time 1 queue
	assert_line --partial "queue: ended on an input"
	assert_line "bad pointer"
	refute_line --partial NEW
	assert_line "$(echo bad input | base64)"
	run -2 scripts/fuzz --time soon
	run -2 scripts/fuzz nothing
	run -2 scripts/planted --time soon
	run -2 scripts/planted nothing
}
