#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# scripts/nic-share: an id counts by the evidence that the drivers' tables give it.
bats_require_minimum_version 1.5.0

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	export BUILD=${BUILD:-$ROOT/build}
	[[ $BUILD = /* ]] || BUILD=$ROOT/$BUILD
	cd "$BATS_TEST_TMPDIR" || return 1
}

# id VENDOR DEVICE EVIDENCE: a line as hw-ids has it
id() { printf 'CONFIG_X\tnic\tx\t%s\t%s\t000000\t000000\t%s\tX\n' "$1" "$2" "$3" >>ids; }

@test "nic-share: without evidence an id is driven, with evidence it is proved" {
	printf 'CONFIG_AHCI\tlimit\tprocessors\t256\n' >ids
	id 10ec 8168 modelled
	id 10ec 8139 emulated
	id 8086 1539 never
	run -0 "$ROOT/scripts/nic-share" ids
	assert_line "driven: at least 48.4 %, with evidence: at least 43.9 %"
	assert_line --regexp '^ +4\.5 % +never +I211$'
	assert_line --regexp '^ +0\.4 % +none +BCM5761$'
	run -0 "$ROOT/scripts/nic-share" --least 43.9 ids
	run -1 "$ROOT/scripts/nic-share" --least 44 ids
}

@test "nic-share: a row of several ids counts when all have evidence" {
	id 8086 1502 modelled
	run -0 "$ROOT/scripts/nic-share" ids
	assert_line "driven: at least 0.0 %, with evidence: at least 0.0 %"
	id 8086 1503 never
	run -0 "$ROOT/scripts/nic-share" ids
	assert_line "driven: at least 4.8 %, with evidence: at least 0.0 %"
	rm ids
	id 8086 1502 modelled
	id 8086 1503 emulated
	run -0 "$ROOT/scripts/nic-share" ids
	assert_line "driven: at least 4.8 %, with evidence: at least 4.8 %"
}

@test "nic-share: wrong use, and the drivers' own tables" {
	run -2 "$ROOT/scripts/nic-share"
	run -2 "$ROOT/scripts/nic-share" --least much ids
	run -2 "$ROOT/scripts/nic-share" nowhere
	assert_output "nic-share: nowhere: No such file or directory"
	# The present share with evidence is the minimum.
	run -0 "$ROOT/scripts/nic-share" --least 79 "$BUILD/hw-ids"
}
