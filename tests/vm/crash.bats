#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The report on a guest's triple fault. The other tests of the screen are in start.bats.
load ../lib/guest

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

# config ON-CRASH: a configuration without the port that would end the emulator at a crash
config() {
	cat >config.dts <<-END
		/dts-v1/;
		/ {
			compatible = "veneer,config";
			veneer,config-version = <1>;
			chosen { veneer,debug-exit-port = <0x80>; };
			guest { compatible = "veneer,guest"; veneer,boot = "kernel"; veneer,on-crash = "$1"; };
		};
	END
}

report() { tr -d '\r' <"$(serial)" | sed -n 's/^veneer: guest: //p'; }

# reported REGEX: a whole line of the report matches
reports() {
	report | grep -qE -- "^$1$" && return 0
	echo "not in the report: $1"
	return 1
}

# function_at KERNEL ADDRESS
function_at() {
	nm "$1" | sort |
		awk -v at="$2" '$2 ~ /[tT]/ && substr("00000000" $1, length($1) - 7) <= at { name = $3 } END { print name }'
}

# frames KERNEL: the stack trace's functions as lines "#n FUNCTION"; each function has to match the address beside it
frames() {
	local number address place
	report | sed -nE 's/^(#[0-9]) (rip|   ) ([0-9a-f]{16}) ?(.*)$/\1 \3 \4/p' | while read -r number address place; do
		[ "$number" = "#0" ] || address=$(printf %016x $((0x$address - 1)))
		[ "$(function_at "$1" "$address")" = "${place%+*}" ] || echo "$address is not in $place"
		echo "$number ${place%+*}"
	done
}

calls="#0 write_somewhere
#1 second_level
#2 first_level
#3 crash_main
#4 entered"

@test "crash: in 64-bit code, on a text screen that holds what is needed most" {
	config wait
	guest_start --kernel "$BUILD/guest/crash64.elf" --config config.dts --no-reboot
	guest_wait_for "^veneer: guest: press a key, here or on the serial port, to reboot" 90
	# Registers, and the instruction: mov %edx,(%rax)
	reports "rax 0000000077777000 rcx [0-9a-f]{16} rdx 0000000000000004"
	reports "cr4 00000020 efer 0500 rflags [0-9a-f]{8} cpl 0, 64-bit code"
	reports "code 89 10 .*"
	# Descriptors, page tables of two levels.
	reports "cs   0008 0{16} f{8} a9b 00af9b000000ffff"
	reports "walk of cr2: [0-9a-f]{13}000 holds [0-9a-f]{13}023 p w a"
	reports "walk of cr2: [0-9a-f]{13}008 holds 0{16}"
	reports "cr2 0000000077777000 is not mapped"
	[ "$(frames "$BUILD/guest/crash64.elf")" = "$calls" ]
	reports "#PF with error 0002 \(write, page absent\) could not be delivered"
	reports "the gate of #PF is not present"
	reports "the gate of #DF is not present"
	# Everything from the registers on is still on the screen.
	text_screen >screen
	cat screen
	report | sed -n '/^rax/,$p' | sed 's/^/veneer: guest: /' >wanted
	[ "$(wc -l <wanted)" -ge 18 ]
	run grep -vxFf screen wanted
	[ -z "$output" ]
	# Keys that come before the message, or with it, do not count.
	sleep 2
	kill -0 "$GUEST_PID"
	qmp send-key '{"keys":[{"type":"qcode","data":"ret"}]}'
	guest_end 122
}

@test "crash: in 32-bit code; the machine reboots, but a key keeps the report" {
	config reboot
	guest_start --kernel "$BUILD/guest/crash32.elf" --config config.dts --no-reboot
	guest_wait_for "^veneer: guest: rebooting in 10 seconds, a key keeps this here \(veneer,on-crash\)" 90
	reports "eax 77777000 ecx [0-9a-f]{8} edx 00000004 ebx [0-9a-f]{8}"
	reports "cr4 00000010 efer 0000 rflags [0-9a-f]{8} cpl 0, 32-bit code"
	reports "code 89 10 .*"
	reports "cs   0008 0{16} f{8} c9b 00cf9b000000ffff"
	reports "walk of cr2: [0-9a-f]{16} holds 0{16}"
	[ "$(frames "$BUILD/guest/crash32.elf")" = "$calls" ]
	reports "#PF with error 0002 \(write, page absent\) could not be delivered"
	reports "the gate of #PF names a code segment that is not in the GDT"
	reports "the gate of #DF: 0000:0{16} type 0 dpl 0 ist 0"
	sleep 2
	qmp send-key '{"keys":[{"type":"qcode","data":"spc"}]}'
	guest_wait_for "^veneer: guest: press a key, here or on the serial port, to reboot" 20
	sleep 2
	qmp send-key '{"keys":[{"type":"qcode","data":"spc"}]}'
	guest_end 122
}

@test "crash: in real mode, by a boot sector" {
	config wait
	truncate -s 1M boot
	# xor %ax,%ax; mov %ax,%ds; mov %ax,%ss; mov $0x7c00,%sp; push $0x1234; lidt 0x7c20 (zeros); int3
	printf '\x31\xc0\x8e\xd8\x8e\xd0\xbc\x00\x7c\x68\x34\x12\x0f\x01\x1e\x20\x7c\xcc' | dd of=boot conv=notrunc status=none
	printf '\x55\xaa' | dd of=boot bs=1 seek=510 conv=notrunc status=none
	guest_start --boot-disk AHCI0 --config config.dts --disk ahci:boot --no-reboot
	guest_wait_for "^veneer: guest: press a key, here or on the serial port, to reboot" 90
	reports "cr4 00000000 efer 0000 rflags [0-9a-f]{8} cpl 0, 16-bit code"
	reports "paging is off"
	reports "cs   0000 0{16} 0000ffff [0-9a-f]{3} real mode"
	reports "code cc .*"
	reports "stack 1234 .*"
	reports "#0 rip 0{12}7c11"
	reports "the vector of #BP lies beyond the interrupt table's limit \(0, limit 0000\)"
	reports "the vector of #DF lies beyond the interrupt table's limit \(0, limit 0000\)"
}

@test "crash: by default the machine reboots after the report, which names the place" {
	config reboot
	sed -i 's/veneer,on-crash = "reboot";//' config.dts
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="crash"' --config config.dts --no-reboot
	guest_end 122
	# int3, and the rest of the function that executed it
	reports "code cc .*"
	reports "#0 rip [0-9a-f]{16} cmd_crash\+0x[0-9a-f]+"
	reports "cs   0008 0{16} f{8} c9b 00cf9b000000ffff"
	reports "#BP could not be delivered"
	reports "the gate of #BP lies beyond the IDT's limit \(0{16}, limit 0000\)"
	reports "idtr      0{16} 00000000"
}
