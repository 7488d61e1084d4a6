# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests/tools/*.bats: "load ../lib/tools".

# tiny_kernel 1|2 NAME: make a minimal kernel that halts at once, with a header of Multiboot 1 or 2.  The installer accepts a
# kernel with header 2 as the hypervisor, too.
tiny_kernel() {
	case $1 in
	1) printf '.section .a,"a"\n.align 4\n.long 0x1badb002,0,-0x1badb002\n' ;;
	2) printf '.section .a,"a"\n.align 8\nh: .long 0xe85250d6,0,e-h,-(0xe85250d6+e-h)\n.short 0,0\n.long 8\ne:\n' ;;
	esac >"$2.S"
	printf '.text\n.globl _start\n_start: hlt\n' >>"$2.S"
	gcc -m32 -c -o "$2.o" "$2.S"
	ld -m elf_i386 -N --no-warn-rwx-segments -Ttext 0x200000 -z noexecstack --build-id=none -o "$2" "$2.o"
}

# Print the folder of the build, which has veneer.elf and veneer.efi then, for a test that works elsewhere.
veneer_build() {
	local build=${BUILD:-build}
	[[ $build = /* ]] || build=$ROOT/$build
	[ -e "$build/veneer.elf" ] && [ -e "$build/veneer.efi" ] || make -s -C "$ROOT" BUILD="$build" all >&2 || return 1
	echo "$build"
}

# ends_by_signals SCRIPT ARGS...: start SCRIPT with a stand-in for the emulator, which writes its process id to "pid".  Check
# that each of these signals ends the script and the emulator, and that nothing stays in TMPDIR.
ends_by_signals() {
	local number pid status i
	mkdir tmp
	for number in TERM INT HUP; do
		rm -f pid
		# A background job of a script ignores SIGINT unless it is told otherwise.
		env --default-signal=INT TMPDIR="$PWD/tmp" "$@" >/dev/null 2>&1 3>&- &
		pid=$!
		for ((i = 0; i < 100; i++)); do
			[ ! -s pid ] || break
			sleep 0.1
		done
		sleep 0.3
		kill -$number $pid
		status=0
		wait $pid || status=$?
		[ "$status" -gt 128 ]
		! kill -0 "$(cat pid)" 2>/dev/null || { echo "the emulator runs on after SIG$number"; return 1; }
		[ -z "$(ls tmp)" ]
	done
}
