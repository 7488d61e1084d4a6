#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The build: the contents of the image, and what is rebuilt when.
bats_require_minimum_version 1.5.0

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	cd "$ROOT" || return 1
	# One build directory for the file: each test changes the configuration only.
	T=$BATS_FILE_TMPDIR
	unset MAKEFLAGS MAKELEVEL MFLAGS
}

mk() {
	make -s -j2 --no-print-directory BUILD="$T/build" KCONFIG_CONFIG="$T/config" "$@"
}

symbols() {
	nm "$T/build/veneer.elf.full"
}

@test "the default image: Multiboot 2, position-independent, with its version, each part within its budget" {
	rm -f "$T/config"
	mk
	grub-file --is-x86-multiboot2 "$T/build/veneer.elf"
	strings -a "$T/build/veneer.elf" | grep -xF "$(sed -n 's/.*= "\(.*\)";/\1/p' "$T/build/version.c")"
	# hv/boot/segments has the budgets.
	run -0 mk sizes
	echo "$output"
	# docs/figures.md has these sizes, within two pages.
	echo "$output" | sed -nE 's/^\| ([^|]*) \| ([0-9]+) \| ([0-9]+) \|$/\1|\2|\3/p' >"$T/sizes"
	[ -s "$T/sizes" ]
	while IFS='|' read -r part kib budget; do
		said=$(sed -nE "s/^\| $part \| ([0-9]+) \| $budget \|$/\1/p" docs/figures.md)
		echo "$part: $kib KiB, docs/figures.md: ${said:-nothing} (make sizes)"
		[ -n "$said" ] && [ $((said - kib)) -le 8 ] && [ $((kib - said)) -le 8 ]
	done <"$T/sizes"
}

@test "what stays and refers to what is unmapped is found, before and after the link" {
	run -0 make -s --no-print-directory BUILD="$T/build" KCONFIG_CONFIG="$T/config" "$T/build/veneer.relocs"
	run -0 scripts/segments check "$T/build"
	assert_output --regexp '^segments: 0 offences in [0-9]{4,} references$'
	# Move a function that stays into the start's part.
	cp -r "$T/build/segments" "$T/lists"
	echo '*/hv/lib/log.o(.text.log_at)' >>"$T/lists/start.text.lds"
	(mapfile -t objects < <(tr ' ' '\n' <"$T/build/objects")
	mkdir "$T/wrong"
	ld -static -pie --no-dynamic-linker -z pack-relative-relocs -z max-page-size=4096 --no-warn-rwx-segments --emit-relocs \
		-L "$T/lists" -T hv/boot/veneer.lds -o "$T/wrong/veneer.relocs" "${objects[@]}" \
		"$(gcc -print-file-name=libfdt.a)")
	run -1 scripts/segments check "$T/wrong"
	assert_line --regexp '^segments: \.text \+ 0x[0-9a-f]+, of resident, refers to log_at of start$'
	# The same move, but declared.
	(cat hv/boot/segments; echo 'of start hv/lib/log.o') >"$T/segments"
	read -ra objects <"$T/build/objects"
	run -1 scripts/segments --parts "$T/segments" layout "$T/build" "${objects[@]}"
	assert_line --regexp '^segments: hv/.* stays and refers to hv/lib/log.o\(\.text\.log_at\), which is for the start only$'
}

@test "a second make does nothing" {
	run -0 make --no-print-directory BUILD="$T/build" KCONFIG_CONFIG="$T/config"
	assert_output ""
}

@test "a driver that is switched off is not in the image" {
	run -0 symbols
	assert_output --partial nvme
	assert_output --partial ahci
	sed -i 's/^CONFIG_NVME=y/# CONFIG_NVME is not set/' "$T/config"
	mk
	run -0 symbols
	refute_output --partial nvme
	assert_output --partial ahci
}

@test "everything off still builds; everything on, too" {
	scripts/kconfig allnoconfig "$T/config"
	mk
	scripts/kconfig allyesconfig "$T/config"
	mk
}

@test "clang builds it" {
	scripts/kconfig defconfig "$T/config"
	mk CC=clang
	grub-file --is-x86-multiboot2 "$T/build/veneer.elf"
	# Functions that the exit loop calls must not be in the start's part.
	[ -s "$T/build/segments/start.relro.lds" ]
	run ! grep -hE 'svm_ops|vmx_ops' "$T"/build/segments/start.*.lds
}

@test "help lists the targets" {
	run -0 make --no-print-directory help
	for target in all menuconfig defconfig run check check-all unit clean; do
		assert_line --regexp "^  $target +[A-Z]"
	done
}

@test "clean keeps the configuration" {
	mk clean
	[ -e "$T/config" ]
	[ ! -e "$T/build" ]
}

# bats test_tags=slow
@test "every choice can be left out, alone and with others, and is out of the image then" {
	while IFS='|' read -r off gone; do
		echo "without $off"
		rm -f "$T/config"
		mk defconfig
		for symbol in $off; do
			sed -i "s/^CONFIG_$symbol=y/# CONFIG_$symbol is not set/" "$T/config"
		done
		mk "$T/build/veneer.elf"
		run -0 symbols
		[ -z "$gone" ] || refute_line --regexp " ($gone)"
	done <<-'END'
		SVM|svm_|vmcb
		VMX|vmx_
		SVM VMX|svm_entry|vmx_
		SMP|ap_(main|entry64)|smp_start
		INTX|intx_|ioapic_|pic_|pirq_|e1000_|rtl8139
		CRASH_REPORT|crash_report|crash_walk|symbols_
		SMP INTX CRASH_REPORT|ap_main|intx_|crash_report
		VIRTIO_LEGACY|virtio_legacy
		VIRTIO_MODERN|virtio_modern
		VIRTIO_LEGACY VIRTIO_MODERN|virtio_(legacy|modern)
		AHCI|ahci
		AHCI NVME|ahci|nvme
		NIC_E1000|e1000_
		NIC_E1000E|e1000e
		NIC_IGB|ig[bc]_|intel_desc_advanced
		NIC_E1000 NIC_E1000E|e1000
		NIC_E1000 NIC_E1000E NIC_IGB|e1000|igb_|intel_
		NIC_REALTEK|rtk_
		NIC_E1000 NIC_E1000E NIC_IGB NIC_RTL8139 NIC_REALTEK|e1000|igb_|intel_|rtl8139|rtk_
		NIC_E1000 NIC_E1000E NIC_IGB NIC_RTL8139 NIC_REALTEK AHCI NVME|e1000|igb_|intel_|rtl8139|rtk_|ahci|nvme
		BOOT_MULTIBOOT1|guest_multiboot1
		BOOT_MULTIBOOT2|guest_multiboot2
		BOOT_PVH|guest_pvh
		BOOT_LIMINE|guest_limine|limine_
		BOOT_LINUX|guest_linux
		BOOT_BIOS|bios_|guest_real
		BOOT_EFI|efi_(start|first_state|hypercall)
		BOOT_MULTIBOOT1 BOOT_MULTIBOOT2 BOOT_PVH BOOT_LIMINE BOOT_LINUX BOOT_BIOS|guest_(multiboot|pvh|lim|linux|real)
		CONSOLE_SERIAL|uart
		CONSOLE_SCREEN|fbcon|font
		CONSOLE_SERIAL CONSOLE_SCREEN|uart|fbcon
		DEFAULT_CONCEAL|
	END
}
