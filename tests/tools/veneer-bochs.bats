#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-bochs: its refusals, and the machine that it would start. A script stands in for Bochs.
load ../lib/tools
bats_require_minimum_version 1.5.0

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	cd "$BATS_TEST_TMPDIR" || return 1
	tiny_kernel 1 k
	tiny_kernel 2 v
	# Keeps its directory, its bochsrc and the card's file beside itself, says in the log what the file "says" holds
	# (default: power-off), writes to the serial port and sleeps where there is a file "duration".
	cat >bochs <<-'END'
		#!/bin/bash
		here=$(dirname "$(realpath "$0")")
		echo $$ >"$here/pid"
		pwd >"$here/cwd"
		[ ! -e "$here/no-start" ] || exit 1
		cp "$3" "$here/used"
		cp "$5" "$here/commands"
		cp "$(dirname "$3")/slirp.conf" "$here/slirp" 2>/dev/null
		log=$(sed -n 's/^log: "\(.*\)"/\1/p' "$3")
		seq 1 30 >"$(sed -n 's/^com1: .*dev="\(.*\)"/\1/p' "$3")"
		cat "$here/says" >"$log" 2>/dev/null || echo "[ACPI ] ACPI control: soft power off" >"$log"
		[ ! -e "$here/duration" ] || exec sleep "$(cat "$here/duration")"
	END
	chmod +x bochs
}

vb() { # vb STATUS ARGS...
	run -"$1" "$ROOT/scripts/veneer-bochs" "${@:2}"
}

start() { # start STATUS ARGS...: with the stand-in for Bochs
	vb "$1" --native --kernel k --bochs ./bochs "${@:2}"
}

refused() { # refused MESSAGE ARGS...: exit code 2 and one line
	vb 2 "${@:2}"
	assert_output --partial "$1"
	[ "${#lines[@]}" = 1 ]
}

has() { # has LINE: in the bochsrc
	grep -xF -- "$1" used || { cat used; false; }
}

@test "help shows processors and exit codes" {
	vb 0 --help
	assert_output --partial "exit code:"
	assert_output --partial "--cpu ryzen"
}

@test "wrong use ends with 2 and one line" {
	refused "required: --kernel"
	refused "unrecognized arguments: --bogus" --kernel k --bogus
	refused "unrecognized arguments: --disk" --kernel k --disk ahci:d
	refused "e1000" --kernel k --nic e1000e
	refused "--nic e1000 --nic e1000" --kernel k --nic e1000 --nic e1000
	refused "--smp" --kernel k --smp 0
	refused "--smp" --kernel k --smp 9
	refused "--smp" --kernel k --smp two
	refused "--mem 0" --kernel k --mem 0
	refused "from 16M to 2048M" --kernel k --mem 4G
	refused "no such program" --kernel k --bochs ./missing
	refused "need --nic e1000" --kernel k --capture x
	refused "--debugger missing: No such file" --kernel k --debugger missing
	refused "no such directory" --kernel k --nic e1000 --tftp missing
}

@test "errors of the boot medium come through" {
	vb 2 --native --kernel missing --bochs ./bochs
	assert_output --partial "missing: no such file"
	echo '/dts-v1/; / { x = ; };' >bad.dts
	vb 2 --kernel k --veneer v --config bad.dts --bochs ./bochs
	assert_output --regexp "bad.dts:1"
	assert [ ! -e used ]
}

@test "the machine: processor, memory, card, and what follows --" {
	start 0 --smp 2 --mem 1G --nic e1000 --cpu ryzen -- "debug: action=report" "clock: sync=slowdown"
	grep -E "^cpu: model=ryzen, count=2, .*reset_on_triple_fault=0" used
	has "memory: guest=1024, host=1024"
	has "pci: enabled=1, chipset=i440fx, slot1=e1000"
	grep -E "^error: .*cpu1=ignore" used
	[ "$(tail -n 2 used | paste -sd+)" = "debug: action=report+clock: sync=slowdown" ]
	start 0
	grep -E "^cpu: model=corei7_haswell_4770, count=1," used
	has "memory: guest=256, host=256"
	has "pci: enabled=1, chipset=i440fx"
}

@test "relative paths are relative to here: Bochs itself, its files, and those of lines behind --" {
	mkdir -p tftp dir
	mv bochs dir
	vb 0 --native --kernel k --bochs dir/bochs --nic e1000 --tftp tftp --capture frames --serial log \
		--forward tcp::5555-:80 --forward tcp::5556-:81
	[ "$(cat dir/cwd)" = "$PWD" ]
	grep -F "ethdev=\"$PWD/tftp\"" dir/used
	grep -x "pktlog=frames" dir/slirp
	grep -x "hostfwd=tcp::5555-:80" dir/slirp
	grep -x "hostfwd=tcp::5556-:81" dir/slirp
	grep -F "dev=\"$PWD/log\"" dir/used
	[ "$(tail -n 1 log)" = 30 ]
	# By name in $PATH.
	PATH=$PWD/dir:$PATH vb 0 --native --kernel k --bochs bochs
	assert_line 30
}

@test "commands for the debugger come first, and then it runs on" {
	start 0
	[ "$(cat commands)" = c ]
	printf 'vmexitbp\nc\nr' >mine
	start 0 --debugger mine
	[ "$(paste -sd, commands)" = vmexitbp,c,r,c ]
}

@test "the exit code is the value that the guest wrote" {
	echo "unmapped: 32-bit write to 00f4 = 15" >says
	start 21
	echo "unmapped: 8-bit write to 00f4 = 78" >says
	start 120
	echo "unmapped: 8-bit write to 00f4 = 0" >says
	start 0
}

@test "a reset ends with 122 under --no-reboot" {
	printf '%s\n' "[SYS   ] bx_pc_system_c::Reset(HARDWARE) called" "[SYS   ] bx_pc_system_c::Reset(SOFTWARE) called" >says
	start 122 --no-reboot
	echo 60 >duration
	start 124 --timeout 1
}

@test "Bochs that does not start, or panics, is an error of its own" {
	touch no-start
	start 2
	assert_output --partial "Bochs ended with 1: it did not start"
	rm no-start
	echo "[CPU0  ] >>PANIC<< exception(): 3rd (13) exception" >says
	start 2
	assert_output --partial ">>PANIC<< exception()"
}

@test "a timeout ends with 124, shows the serial port's last lines, and leaves nothing behind" {
	echo 60 >duration
	echo "nothing yet" >says
	mkdir tmp
	TMPDIR=$PWD/tmp start 124 --timeout 1 --serial log
	assert_output --partial "no end after 1 s"
	assert_line "  30"
	refute_line "  10"
	run ! kill -0 "$(cat pid)"
	[ -z "$(ls tmp)" ]
}

@test "a signal ends Bochs and removes the temporary files" {
	echo 60 >duration
	echo "nothing yet" >says
	ends_by_signals "$ROOT/scripts/veneer-bochs" --native --kernel k --bochs ./bochs
}

@test "the configuration gets the debug exit port and the protocol, unless it has its own" {
	cat >bochs2 <<-'END'
		#!/bin/bash
		image=$(sed -n 's/^ata0-master: .*path="\([^"]*\)".*/\1/p' "$3")
		mcopy -n -i "$image@@36M" ::/veneer/guests/k/config.dtb used.dtb
		exec ./bochs "$@"
	END
	chmod +x bochs2
	vb 0 --kernel k --veneer v --bochs ./bochs2 --smp 2 --boot-protocol multiboot1
	[ "$(fdtget -t x used.dtb /chosen veneer,debug-exit-port)" = f4 ]
	[ "$(fdtget used.dtb /guest veneer,boot-protocol)" = multiboot1 ]
	[ "$(fdtget used.dtb /guest veneer,ap-trap)" = always ]
	sed 's/guest {/chosen { veneer,debug-exit-port = <0x501>; };\n\tguest {/' "$ROOT/configs/default.dts" >own.dts
	vb 0 --kernel k --veneer v --bochs ./bochs2 --config own.dts
	[ "$(fdtget -t x used.dtb /chosen veneer,debug-exit-port)" = 501 ]
	run ! fdtget used.dtb /guest veneer,boot-protocol
}
