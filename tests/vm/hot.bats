#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The Makefile's HOT, which lists the objects compiled for speed, compared with a profile of packets and block requests.
# bats file_tags=slow
load ../lib/guest

setup() {
	veneer_only
	[ "$ACCEL" != kvm ] || skip "the profile is TCG's trace"
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	[ -z "${READER:-}" ] || kill "$READER" 2>/dev/null || true
	guest_teardown
}

# QEMU 7.2 has neither an igb, whose descriptors are in an object of their own, nor Realtek's gigabit cards.
@test "hot: what runs for every packet and block request is compiled for speed, and nothing else" {
	truncate -s 16M sata nvme
	# After the start QEMU writes a line for each block of Veneer's instructions, a gigabyte; none for the guest's.
	mkfifo trace
	guest_start --kernel "$BUILD/guest/probe-cost.elf" --cmdline "rounds=8 depth=32" --config "$WRITABLE" --nic e1000e \
		--disk ahci:sata --disk nvme:nvme --mem 512M \
		-- -icount shift=0 -dfilter 0x1f000000..0x1fffffff -gdb unix:gdb,server=on,wait=off
	guest_wait_for "^veneer: memory: Veneer at 0x1f" 300
	# 12 measurements: frames sent, sent and received, reads and writes of two disks, each twice.
	"$LIB/hot-objects" trace "$BUILD/veneer.map" "$(image_base)" $((8 * 32)) 12 >profile 3>&- &
	READER=$!
	"$LIB/host-jump" gdb "$(address_of exit_run_guest)"
	qmp hmp "logfile $PWD/trace"
	qmp hmp 'log exec,nochain'
	qmp cont
	guest_end 0
	wait $READER
	cat profile
	# shellcheck disable=SC2016 # make's variable
	make -s -C "$ROOT" --no-print-directory BUILD="$BUILD" --eval 'print: ; @echo $(HOT)' print >hot
	diff <(cut -d ' ' -f 1 profile) <(tr ' ' '\n' <hot | grep -vE 'igb_desc|realtek_rings' | sort)
}
