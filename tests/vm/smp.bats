#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Guests with several processors: all are held, all work on the same devices, none loses anything.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine=(--config "$WRITABLE" --nic e1000e --disk ahci:sata,size=64M --disk nvme:nvme,size=64M)
}

teardown() { guest_teardown; }

probe_smp() { # probe_smp CMDLINE ARGS...
	local cmdline=$1
	shift
	guest_run --kernel "$BUILD/guest/probe-smp.elf" --cmdline "$cmdline" "$@"
	grep -aE "^probe-smp: [1-9][0-9]* passed, 0 failed" "$(serial)"
}

# As ap-trap = "always", which veneer-qemu chooses for several processors, but the other way.
untrapped_config() {
	sed 's/veneer,boot = "kernel";/veneer,boot = "kernel"; veneer,ap-trap = "auto";/' "$WRITABLE" >auto.dts
	grep -q ap-trap auto.dts
}

@test "smp: 4 processors on the same disks and card lose no kick, no interrupt, no byte" {
	veneer_only
	untrapped_config
	probe_smp "cpus=4 hidden=00:03.0,00:08.0,00:1f.2 seconds=5 untrapped" --smp 4 "${machine[@]}" --config auto.dts
}

# bats test_tags=slow
@test "smp: the same for a minute, with the local APIC watched" {
	veneer_only
	probe_smp "cpus=4 hidden=00:03.0,00:08.0,00:1f.2 seconds=60" --smp 4 "${machine[@]}"
}
