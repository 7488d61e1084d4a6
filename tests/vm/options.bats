#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Builds without what can be left out start the hobby OS, and say what they lack.
# bats file_tags=slow
load ../lib/guest
bats_require_minimum_version 1.5.0

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

# build_without SYMBOL...: ./veneer.elf
build_without() {
	mk() {
		make -s -C "$ROOT" -j2 --no-print-directory BUILD="$BATS_TEST_TMPDIR/v" \
			KCONFIG_CONFIG="$BATS_TEST_TMPDIR/config" "$@"
	}
	mk defconfig
	for symbol; do
		sed -i "s/^CONFIG_$symbol=y/# CONFIG_$symbol is not set/" config
	done
	mk "$BATS_TEST_TMPDIR/v/veneer.elf"
	cp v/veneer.elf .
}

# A guest that uses card and disks, on a machine with two processors.
works() {
	guest_run --veneer veneer.elf --kernel "$BUILD/hobby-os.elf" --smp 2 --nic e1000e --disk ahci:a.img,size=64M \
		--disk nvme:b.img,size=64M \
		--cmdline "$1 net=dhcp run=\"bench disk0 read 4096 8 1; bench disk1 read 4096 8 1; poweroff\""
	grep -aE '^net0: .* lease 10\.' "$(serial)"
	run ! grep -aE 'it all stays mapped|^disk[01]: .*(error|failed)' "$(serial)"
}

@test "options: without SMP the guest has one processor" {
	build_without SMP
	works irq=msix
	grep -a '^veneer: cpu: 2 processors, 1 for the guest: this build has no SMP' "$(serial)"
}

@test "options: without SMP nothing that a guest sends starts another processor" {
	build_without SMP
	guest_run --veneer veneer.elf --kernel "$BUILD/guest/probe-smp.elf" --cmdline "cpus=1 hidden=00:03.0 seconds=2" \
		--smp 2 --nic e1000e --disk ahci:a.img,size=64M --disk nvme:b.img,size=64M --config "$LIB/writable.dts"
	run ! grep -a '^not ok' "$(serial)"
}

@test "options: without INTX the twins have MSI-X, and no interrupt pin" {
	build_without INTX
	works irq=msix
	works irq=poll
}

@test "options: without CRASH_REPORT a guest's death is two lines" {
	build_without CRASH_REPORT
	guest_start --veneer veneer.elf --kernel "$BUILD/guest/crash64.elf" --no-reboot
	guest_end 120
	grep -a '^veneer: error: guest: died by triple fault' "$(serial)"
	grep -aE '^veneer: guest: rip [0-9a-f]{16} cr2 [0-9a-f]{16} .* \(a build with CRASH_REPORT says more\)' "$(serial)"
}

@test "options: without all of them" {
	build_without SMP INTX CRASH_REPORT
	works irq=msix
}
