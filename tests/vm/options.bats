#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Builds without optional parts start the hobby OS, and print what is missing.
# bats file_tags=slow
load ../lib/guest
bats_require_minimum_version 1.5.0

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

# build SYMBOL=y|n...: make ./veneer.elf, the default build except for these options. COMPILER: another compiler.
build() {
	local wanted kept has line
	kept=$BATS_FILE_TMPDIR/$(printf '%s,' "${COMPILER:-cc}" "$@")elf
	mk() {
		make -s -C "$ROOT" -j2 --no-print-directory ${COMPILER:+CC="$COMPILER"} BUILD="$BATS_FILE_TMPDIR/v" \
			KCONFIG_CONFIG="$BATS_FILE_TMPDIR/config" "$@"
	}
	if [ ! -e "$kept" ]; then
		mk defconfig
		for wanted; do
			line=CONFIG_$wanted
			[ "${wanted#*=}" = y ] || line="# CONFIG_${wanted%=*} is not set"
			sed -i -E "s/^(# )?CONFIG_${wanted%=*}(=y| is not set)$/$line/" "$BATS_FILE_TMPDIR/config"
		done
		mk "$BATS_FILE_TMPDIR/v/veneer.elf"
		for wanted; do
			has=n
			! grep -q "^#define CONFIG_${wanted%=*} 1$" "$BATS_FILE_TMPDIR/v/autoconf.h" || has=y
			[ "${wanted#*=}" = $has ]
		done
		cp "$BATS_FILE_TMPDIR/v/veneer.elf" "$kept"
	fi
	cp "$kept" veneer.elf
}

# A guest that uses card and disks, on a machine with two processors.
works() {
	guest_run --veneer veneer.elf --kernel "$BUILD/hobby-os.elf" --smp 2 --nic e1000e "${TWO_DISKS[@]}" \
		--cmdline "$1 net=dhcp run=\"bench disk0 read 4096 8 1; bench disk1 read 4096 8 1; poweroff\""
	grep -aE '^net0: .* lease 10\.' "$(serial)"
	run ! grep -aE '^disk[01]: .*(error|failed)' "$(serial)"
	start_is_unmapped
}

@test "options: without SMP the guest has one processor" {
	build SMP=n
	works irq=msix
	grep -a '^veneer: cpu: 2 processors, 1 for the guest: this build has no SMP' "$(serial)"
}

@test "options: without SMP nothing that a guest sends starts another processor" {
	build SMP=n
	guest_run --veneer veneer.elf --kernel "$BUILD/guest/probe-smp.elf" --cmdline "cpus=1 hidden=00:03.0 seconds=2" \
		--smp 2 --nic e1000e "${TWO_DISKS[@]}" --config "$LIB/writable.dts"
	run ! grep -a '^not ok' "$(serial)"
}

@test "options: without INTX the twins have MSI-X, and no interrupt pin" {
	build INTX=n
	works irq=msix
	works irq=poll
}

@test "options: without CRASH_REPORT a guest's death is two lines" {
	build CRASH_REPORT=n
	guest_start --veneer veneer.elf --kernel "$BUILD/guest/crash64.elf" --no-reboot
	guest_end 120
	grep -a '^veneer: error: guest: died by triple fault' "$(serial)"
	grep -aE '^veneer: guest: rip [0-9a-f]{16} cr2 [0-9a-f]{16} .* \(a build with CRASH_REPORT says more\)' "$(serial)"
}

@test "options: without all of them" {
	build SMP=n INTX=n CRASH_REPORT=n
	works irq=msix
}

@test "options: without IOMMU the guest's devices reach all memory, and a line says so" {
	build IOMMU=n
	guest_run --veneer veneer.elf --kernel "$BUILD/hobby-os.elf" --nic e1000e --cmdline 'run="poweroff"' \
		-- -device intel-iommu
	grep -a '^veneer: iommu: hidden from the guest' "$(serial)"
	grep -a '^veneer: warning: iommu: not used by this build: devices that are left' "$(serial)"
}

@test "options: with VMX_CHECK" {
	build VMX_CHECK=y
	works irq=msix
}

@test "options: with the ghost check a random guest makes no hole, without IOMMU and behind each" {
	local unit trees=1
	build GHOST=y
	for unit in '' intel amd; do
		guest_run --veneer veneer.elf --kernel "$BUILD/guest/probe-random.elf" --cmdline "cpus=2 seed=16 cases=60" \
			--smp 2 --nic e1000e "${TWO_DISKS[@]}" ${unit:+--iommu $unit}
		grep -aE "^probe-random: [1-9][0-9]* passed, 0 failed" "$(serial)"
		grep -a "^veneer: ghost: .* are compared with $trees trees" "$(serial)"
		trees=3
	done
}

@test "options: clang builds each of them, and the last works" {
	local option
	COMPILER=clang
	for option in SMP=n IOMMU=n CRASH_REPORT=n VMX_CHECK=y GHOST=y INTX=n; do
		build $option
	done
	works irq=msix
}
