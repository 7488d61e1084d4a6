#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Parts of Veneer's image that are unmapped once the guest runs: a debugger makes Veneer jump there.
load ../lib/guest
bats_require_minimum_version 1.5.0

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

# Start a guest, with a socket for the debugger.
busy_guest() {
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="idle 600"' --nic e1000e "$@" -- \
		-gdb unix:gdb,server=on,wait=off
	guest_wait_for "^hobby OS" 90
}

# jump FUNCTION [ARGUMENT]: at the guest's next exit, which an NMI causes, Veneer continues at FUNCTION.
jump() {
	local ringer status=0
	while sleep 1; do
		"$LIB/qmp" qmp inject-nmi || true
	done >nmi.log 2>&1 3>&- &
	ringer=$!
	"$LIB/host-jump" gdb "$(address_of smp_left)" "$(address_of "$1")" ${2:+"$(address_of "$2")"} || status=$?
	kill $ringer
	wait $ringer || true
	return $status
}

# ends_in_panic REGEX
ends_in_panic() {
	guest_wait_for "$1" 60
	guest_end 121
}

@test "segments: nothing keeps the start mapped, and what stays is within the bar" {
	busy_guest "${TWO_DISKS[@]}"
	local line
	line=$(grep -aE '^veneer: memory: [0-9]+ KiB of code and constants stay mapped, [0-9]+ KiB' "$(serial)")
	echo "$line"
	[ "$(echo "$line" | grep -oE '[0-9]+' | head -1)" -le 170 ]
	start_is_unmapped
}

@test "segments: a jump into the start's code is a panic that says so" {
	busy_guest
	jump veneer_main
	ends_in_panic "^veneer: error: host exception 14 .*lies in the image's part \"start\", which was unmapped"
}

@test "segments: a read of the other vendor's code is a panic that says so" {
	busy_guest --smp 2
	# The first page may be shared with SVM's code, which stays.
	jump strlen veneer_vmx_start+0x1000
	ends_in_panic "^veneer: error: host exception 14 .*lies in the image's part \"vmx\", which was unmapped"
}
