#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# An image that saves and loads all devices, processors and chips at each 7th exit, each second time with requests in flight:
# guests do not notice.
# (A frame may be lost at each load, so what is fetched comes by TCP, which repeats.)
load ../lib/guest
bats_require_minimum_version 1.5.0

setup_file() {
	export BATS_TEST_TIMEOUT=1000 GUEST_TIMEOUT=900
	export STATE_BUILD=$BATS_FILE_TMPDIR/build
	image_with "$BATS_FILE_TMPDIR" CONFIG_STATE=y CONFIG_STATE_TEST=y "CONFIG_STATE_TEST_EVERY=${EVERY:-7}"
}

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	truncate -s 64M data
	# The chips are watched if snapshots can be made.
	PATH=$PATH:/usr/sbin:/sbin
	truncate -s 160M snapshots
	sfdisk -q --no-reread snapshots <<-'END'
		label: gpt
		start=2048, size=16384, name=guest
		start=20480, size=300000, name=veneer-state
	END
	sed 's/veneer,on-crash/veneer,state = "on"; &/
		/010601/s/$/ veneer,partition = "PARTLABEL=guest";/' "$WRITABLE" >state.dts
}

teardown() { guest_teardown; }

# hobby OPTIONS ARGS...: write and verify 4 MiB, answers to three pings; at least 30 loads meanwhile.
hobby() {
	local options=$1 run
	shift
	run="ping 10.0.2.2 3; write disk0 2048 0x1234 8192; verify disk0 2048 0x1234 8192; counters; exit 0"
	guest_run --veneer "$STATE_BUILD/veneer.elf" --kernel "$BUILD/hobby-os.elf" --config state.dts \
		--cmdline "$options net=dhcp run=\"$run\"" "$@" --disk ahci:snapshots
	grep -a "verify: disk0 8192 sectors from 2048 are as written" "$(serial)"
	grep -aE "ping: 10.0.2.2 answers, seq [123]" "$(serial)"
	"$LIB/check-words" data 2048 0x1234 8192
	[ "$(sed -nE 's/^counter state.loads ([0-9]+)\r?$/\1/p' "$(serial)")" -ge 30 ]
	# First in the table, so that those of many devices never push them out.
	[[ "$(sed -nE 's/^counter ([a-z0-9]+)\..*/\1/p' "$(serial)" | head -n 1)" = exit ]]
	run ! grep -aE "veneer: (error|panic)|failed" "$(serial)"
	start_is_unmapped
}

@test "state: hobby OS, modern, MSI-X, e1000e and NVMe" {
	hobby "virtio=modern irq=msix" --nic e1000e --disk nvme:data
}
