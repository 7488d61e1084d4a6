#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-config: the hypervisor's own parser, on the host. tests/unit/test_config.c has what the parser refuses.
bats_require_minimum_version 1.5.0

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	export BUILD=${BUILD:-$ROOT/build}
	[[ $BUILD = /* ]] || BUILD=$ROOT/$BUILD
	cd "$BATS_TEST_TMPDIR" || return 1
	[ -x "$BUILD/config-check" ] || make -s -C "$ROOT" BUILD="$BUILD" tools
}

config() {
	run -"$1" "$ROOT/installer/veneer-config" "${@:2}"
}

source_of() { # source_of RULES: a whole configuration around them
	printf '/dts-v1/;\n/ { compatible = "veneer,config"; veneer,config-version = <1>;\n'
	printf 'policy { compatible = "veneer,policy"; %s };\n' "$1"
	printf 'guest { compatible = "veneer,guest"; veneer,boot = "kernel"; }; };\n'
}

@test "the tables of docs/configuration.md are what the parser's table gives" {
	cd "$ROOT"
	scripts/config-docs --check "$BUILD/config-check"
	# A changed word in a table, or a table without its place, is noticed, and renewed.
	# shellcheck disable=SC2016 # the backquotes are Markdown's
	sed 's/^| `veneer,slot` .*<31>/| `veneer,slot` | disks | <32>/' docs/configuration.md >"$BATS_TEST_TMPDIR/other.md"
	cd "$BATS_TEST_TMPDIR"
	run ! cmp -s other.md "$ROOT/docs/configuration.md"
	run -1 "$ROOT/scripts/config-docs" --check "$BUILD/config-check" other.md
	assert_output --partial 'run "make config-docs"'
	"$ROOT/scripts/config-docs" "$BUILD/config-check" other.md
	cmp other.md "$ROOT/docs/configuration.md"
	sed '/properties of .guest/d' other.md >less.md
	run -2 "$ROOT/scripts/config-docs" "$BUILD/config-check" less.md
	run -2 "$ROOT/scripts/config-docs"
	run -0 "$ROOT/scripts/config-docs" --help
}

@test "properties prints the table; configs/example.dts has every property" {
	local node name rest n=0
	config 0 properties
	while IFS=$'\t' read -r node name rest; do
		assert_line --partial "$name in $node"
		[[ $name = model || $name = \#* ]] || grep -qF -- "$name" "$ROOT/configs/example.dts" ||
			{ echo "$name is not in configs/example.dts"; false; }
		n=$((n + 1))
	done < <("$BUILD/config-check" --table)
	[ $n -ge 25 ]
	config 0 properties timeout
	assert_line "veneer,timeout-ms in /policy/* (for disks)"
	assert_line --regexp '^ +values: +milliseconds, <1000> to <600000>$'
	refute_output --partial veneer,slot
	config 2 properties no-such
	assert_output --partial "no property's name contains 'no-such'"
	config 2 properties a b
}

@test "every configuration of the repository is good, as source and compiled" {
	for file in "$ROOT"/configs/*.dts "$ROOT"/tests/lib/*.dts; do
		config 0 check "$file"
		assert_output "$file: good"
		config 0 compile "$file" out.dtb
		config 0 check out.dtb
		fdtget out.dtb / veneer,config-version
	done
}

# A configuration of an existing installation must still start.
@test "configurations of an earlier release, with all that its parser knew, are good" {
	local file node name
	for file in "$ROOT"/tests/fixtures/release-2026-11-26/*.dts; do
		config 0 check "$file"
		assert_output "$file: good"
	done
	# All of its properties have a value there.
	while read -r name; do
		grep -qE "^\s*$name( |;)" "$ROOT"/tests/fixtures/release-2026-11-26/*.dts || { echo "$name"; false; }
	done <<-'END'
		stdout-path
		veneer,log-level
		veneer,debug-exit-port
		veneer,default
		veneer,bdf
		veneer,serial
		veneer,pci-id
		veneer,pci-class
		veneer,action
		veneer,writable
		veneer,modern-only
		local-mac-address
		veneer,timeout-ms
		veneer,partition
		veneer,window
		veneer,slot
		veneer,boot
		veneer,boot-disk
		bootargs
		veneer,on-crash
		veneer,cpus
		veneer,ap-trap
		veneer,boot-protocol
	END
}

@test "complaints name node, property, value and what was expected" {
	while IFS='|' read -r rule words; do
		source_of "$rule" >bad.dts
		config 1 check bad.dts
		assert_output --partial "bad.dts: Veneer would not start with it:"
		assert_output --partial "config: $words"
		config 1 compile bad.dts out.dtb
		[ ! -e out.dtb ]
	done <<-'END'
		r { veneer,bdf = "00:02.0"; };|/policy/r: veneer,bdf = "00:02.0": expected an address as lspci -D prints it
		r { veneer,serial = "A"; veneer,writeable; };|/policy/r: veneer,writeable = (empty): unknown property; did you
		r { veneer,serial = "A"; veneer,partition = "sda1"; };|/policy/r: veneer,partition = "sda1": expected a number
		r { veneer,serial = "A"; veneer,timeout-ms = <5>; };|/policy/r: veneer,timeout-ms = <5>: expected
		r { veneer,writable; };|/policy/r: expected exactly one of veneer,bdf
		}; gest {|unknown node /gest; did you mean /guest?
		veneer,default = "hide";|/policy: veneer,default = "hide": expected "conceal" or "leave"
	END
}

@test "what is no configuration at all" {
	echo "/dts-v1/; / { x = <1> };" >bad.dts
	config 1 check bad.dts
	assert_output --partial "dtc says:"
	assert_output --partial "bad.dts:1."
	echo '#include "nowhere.h"' >bad.dts
	config 1 check bad.dts
	assert_output --partial "the preprocessor says:"
	printf '\xd0\x0d\xfe\xed garbage' >bad.dtb
	config 1 check bad.dtb
	assert_output --partial "is no valid device tree"
	: >empty
	config 1 check empty
	assert_output "empty: the file is empty"
	{ printf '\xd0\x0d\xfe\xed'; head -c 70000 /dev/zero; } >big.dtb
	config 1 check big.dtb
	assert_output --partial "more than 65536 bytes"
}

@test "wrong use" {
	config 2
	config 2 frob
	assert_output --partial "unknown command 'frob'"
	config 2 check
	config 2 check a b
	config 2 compile a
	config 2 check nowhere.dts
	assert_output --partial "nowhere.dts: no such file"
	config 2 check .
	config 2 compile "$ROOT/configs/default.dts" .
	cp "$ROOT/configs/default.dts" -- -x.dts
	config 0 check -x.dts
	cp "$ROOT/configs/default.dts" own.dts
	ln own.dts other.dtb
	config 2 compile own.dts other.dtb
	assert_output --partial "other.dtb is the file to compile"
	cmp own.dts "$ROOT/configs/default.dts"
	config 2 compile "$ROOT/configs/default.dts" no/such/place
	config 0 --help
	assert_output --partial "Exit codes:"
}

@test "show prints what remains after macros" {
	{ echo '#define WHO "S1"'; source_of 'r { veneer,serial = WHO; };'; } >macro.dts
	config 0 show macro.dts
	assert_output --partial 'veneer,serial = "S1";'
}
