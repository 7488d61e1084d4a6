#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# scripts/check-style and scripts/check-deps pass a good tree and name the offender in a bad one.

bats_require_minimum_version 1.5.0

setup() {
	scripts=$BATS_TEST_DIRNAME/../../scripts
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree"/{include/{veneer,asm},hv,virtio,hw/nic,conceal,examples/os,tests/{guest,unit}}
	header include/veneer/nic.h VENEER_NIC_H '#include <stdint.h>' 'typedef uint32_t nic_word;'
	header include/veneer/hypercall.h VENEER_HYPERCALL_H '#include <stdint.h>' 'typedef uint32_t hc_word;'
	header include/veneer/virtio.h VENEER_VIRTIO_H '#include <asm/io.h>' 'typedef uint32_t virtio_word;'
	header include/asm/io.h ASM_IO_H '#include <stdint.h>'
	header hv/hv.h HV_H '#include <veneer/hypercall.h>'
	header virtio/queue.h VIRTIO_QUEUE_H '#include <veneer/virtio.h>'
	header hw/nic/chip.h HW_CHIP_H '#include <veneer/nic.h>'
	c_source hw/nic/chip.c '#include "hw/nic/chip.h"' '/* a virtio twin hides it */' 'const char *chip = "no virtio";'
	c_source conceal/bind.c '#include "hv/hv.h"' '#include "virtio/queue.h"' '#include "hw/nic/chip.h"'
	c_source examples/os/main.c '#include <veneer/hypercall.h>'
	printf '%s\n' '#!/bin/bash' '# SPDX-License-Identifier: BSD-2-Clause' 'echo "$1"' >"$tree"/tool
}

# c_source PATH LINE...: a C file with its licence line
c_source() {
	local path=$1
	shift
	printf '%s\n' '/* SPDX-License-Identifier: BSD-2-Clause */' "$@" >"$tree/$path"
}

# header PATH GUARD LINE...
header() {
	local path=$1 guard=$2
	shift 2
	c_source "$path" "#ifndef $guard" "#define $guard" '' "$@" '' '#endif'
}

# A function of N lines.
function_of() {
	printf 'int %s(int a)\n{\n' "$1"
	for ((i = 0; i < $2 - 4; i++)); do
		printf '\ta += %d;\n' "$i"
	done
	printf '\treturn a;\n}\n'
}

# fails SCRIPT TEXT...: it exits 1 and its output has each TEXT
fails() {
	local script=$1 text
	shift
	run -1 "$scripts/$script" "$tree"
	echo "$output"
	for text in "$@"; do
		[[ $output == *"$text"* ]]
	done
}

style() { fails check-style "$@" '1 offenders in'; }
deps() { fails check-deps "$@" '1 offences in'; }

@test "a good tree passes both" {
	run -0 "$scripts/check-style" "$tree"
	[[ $output == *"headers: 7, each compiled alone"* ]]
	[[ $output == *"shell scripts: 1"* ]]
	run -0 "$scripts/check-deps" "$tree"
	[[ $output == *"0 offences in 10 files"* ]]
}

@test "both explain themselves and refuse wrong use" {
	for script in check-style check-deps; do
		run -0 "$scripts/$script" --help
		[[ $output == *ROOT* && $output == *"Exit codes"* ]]
		run -2 "$scripts/$script" --nonsense
		run -2 "$scripts/$script" "$tree/nowhere"
	done
}

@test "style: a function that is too long" {
	function_of just_right 120 >>"$tree"/hw/nic/chip.c
	for i in {1..39}; do
		function_of "short$i" 20 >>"$tree"/hv/short.c
	done
	sed -i '1i /* SPDX-License-Identifier: BSD-2-Clause */' "$tree"/hv/short.c
	run -0 "$scripts/check-style" "$tree"
	[[ $output == *"functions: 40, median 20 lines (<= 20), 95th percentile 20 (<= 65), longest 120 (<= 120)"* ]]
	sed -i 's/^\treturn a;$/\ta++;\n&/' "$tree"/hw/nic/chip.c
	style 'hw/nic/chip.c:5: just_right() has 121 lines'
}

@test "style: functions that are too long together" {
	for i in {1..10}; do
		function_of "middling$i" 21 >>"$tree"/hw/nic/chip.c
	done
	style 'functions: median of 21 lines, more than 20'
	for i in {1..20}; do
		function_of "short$i" 5 >>"$tree"/hw/nic/chip.c
	done
	run -0 "$scripts/check-style" "$tree"
	function_of large1 66 >>"$tree"/hw/nic/chip.c
	function_of large2 66 >>"$tree"/hw/nic/chip.c
	fails check-style 'functions: 95th percentile of 66 lines, more than 65' 'large1() has 66 lines'
}

@test "style: a file that is too long" {
	for i in {1..897}; do
		echo "extern int v$i;"
	done >>"$tree"/hw/nic/chip.c
	style 'hw/nic/chip.c: 901 lines, more than 900'
}

@test "style: #if" {
	c_source hv/cond.c '#ifdef CONFIG_X' 'int x;' '#endif'
	fails check-style 'hv/cond.c:2: #if' '#if: 1 in'
}

@test "style: 128 columns" {
	c_source hv/a.c "extern int $(printf 'a%.0s' {1..116});"
	run -0 "$scripts/check-style" "$tree"
	c_source hv/a.c "extern int $(printf 'a%.0s' {1..117});"
	style 'hv/a.c:2: 129 columns'
}

@test "style: tabs count as eight columns" {
	c_source hv/a.c "int f(void)" '{' "$(printf '\t\t')return $(printf '1%.0s' {1..106});" '}'
	style 'hv/a.c:4: 130 columns'
}

@test "style: trailing white space" {
	c_source hv/a.c 'extern int a; '
	style 'hv/a.c:2: trailing white space'
}

@test "style: spaces instead of tabs" {
	c_source hv/a.c 'int f(void)' '{' '        return 1;' '}'
	style 'hv/a.c:4: indented with spaces'
	c_source hv/a.c '/*' ' * A comment.' ' */' 'int f(void)' '{' $'\treturn 1 +' $'\t       2;' '}'
	run -0 "$scripts/check-style" "$tree"
}

@test "style: no licence" {
	echo 'extern int a;' >"$tree"/hv/a.c
	style 'hv/a.c:1: no "SPDX'
	rm "$tree"/hv/a.c
	printf '%s\n' '#!/bin/sh' 'true' >"$tree"/tool
	style 'tool:2: no "SPDX'
}

@test "style: shellcheck" {
	printf '%s\n' 'cd $1' >>"$tree"/tool
	fails check-style 'tool:4:' SC2086
}

@test "style: a header that needs another before it" {
	header hv/needy.h HV_NEEDY_H 'uint32_t needy(void);'
	style 'hv/needy.h: does not compile alone' uint32_t
}

@test "style: what git does not track yet counts, what git ignores does not" {
	git -C "$tree" init -q
	git -C "$tree" add .
	echo /build/ >"$tree"/.gitignore
	mkdir "$tree"/build
	echo 'extern int a; ' >"$tree"/build/ignored.c
	run -0 "$scripts/check-style" "$tree"
	c_source hv/untracked.c 'extern int a; '
	style 'hv/untracked.c:2: trailing white space'
	git -C "$tree" add .
	style 'hv/untracked.c:2: trailing white space'
}

@test "deps: the parts do not know each other" {
	c_source hw/nic/chip.c '#include "virtio/queue.h"'
	fails check-deps 'hw/nic/chip.c:2: hw includes virtio/queue.h of virtio'
	c_source hw/nic/chip.c '#include "hw/nic/chip.h"' '#include "hv/hv.h"'
	deps 'hw/nic/chip.c:3: hw includes hv/hv.h of hv'
	c_source hw/nic/chip.c
	c_source virtio/net.c '#include "../hw/nic/chip.h"'
	deps 'virtio/net.c:2: virtio includes ../hw/nic/chip.h of hw'
	c_source virtio/net.c
	c_source hv/main.c '#include "virtio/queue.h"'
	deps 'hv/main.c:2: hv includes virtio/queue.h of virtio'
}

@test "deps: contracts include contracts only" {
	header include/veneer/nic.h VENEER_NIC_H '#include "hw/nic/chip.h"'
	deps 'include/veneer/nic.h:5: include/veneer includes hw/nic/chip.h of hw'
	header include/veneer/nic.h VENEER_NIC_H '#include <stdio.h>'
	deps 'include/veneer/nic.h:5: include/veneer includes <stdio.h>'
}

@test "deps: no C library" {
	c_source hv/main.c '#include <string.h>'
	deps 'hv/main.c:2: hv includes <string.h>'
	c_source hv/main.c '#include <libfdt.h>'
	run -0 "$scripts/check-deps" "$tree"
}

@test "deps: a guest knows the hypercall only" {
	c_source examples/os/main.c '#include <veneer/nic.h>'
	deps 'examples/os/main.c:2: examples may not include veneer/nic.h'
	c_source examples/os/main.c '#include "hv/hv.h"'
	deps 'examples/os/main.c:2: examples includes hv/hv.h of hv'
	c_source examples/os/main.c
	c_source tests/guest/probe.c '#include "virtio/queue.h"'
	deps 'tests/guest/probe.c:2: tests/guest includes virtio/queue.h of virtio'
}

@test "deps: a driver has nothing virtio in it" {
	c_source hw/nic/chip.c 'int virtio_len;'
	deps 'hw/nic/chip.c:2: a driver names virtio_len'
	c_source hw/nic/chip.c '#include <veneer/hypercall.h>'
	deps 'hw/nic/chip.c:2: a driver includes veneer/hypercall.h'
}

@test "deps: a contract that nobody includes" {
	header include/veneer/spare.h VENEER_SPARE_H
	deps 'include/veneer/spare.h: nothing but tests includes this header'
	c_source tests/unit/test_spare.c '#include <veneer/spare.h>'
	deps 'include/veneer/spare.h: nothing but tests includes this header'
}

@test "deps: what cannot be seen is an offence" {
	c_source hv/main.c '#define WHAT "hw/nic/chip.h"' '#include WHAT'
	deps 'hv/main.c:3: a computed #include'
	c_source hv/main.c '#include "hv/lost.h"'
	deps 'hv/main.c:2: hv/lost.h is not in the tree'
	c_source hv/main.c '/* #include "hw/nic/chip.h" */' '//#include "hw/nic/chip.h"'
	run -0 "$scripts/check-deps" "$tree"
}

@test "every C file of this tree opens with a comment that says what the file is" {
	cd "$BATS_TEST_DIRNAME/../.."
	# shellcheck disable=SC2016 # awk's own
	run -0 find . -path ./build -prune -o -name '*.c' -exec awk 'FNR == 1 { begun = 0 }
		begun || /SPDX-License|^\/\* (sources|libs): / { next }
		{ begun = 1; if ($0 !~ /^\/[*\/]/) print FILENAME }' {} +
	[ -z "$output" ]
}

# scripts/planted, which takes hours, would find that out late.
@test "each planted fault still fits the tree" {
	cd "$BATS_TEST_DIRNAME/../.."
	for fault in tests/planted/*.patch; do
		patch --dry-run --silent --force --fuzz=0 -p1 <"$fault"
	done
}
