#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The state and the data that a kernel gets by each boot protocol: a small kernel (tests/guest/multiboot) checks all of it. With
# NATIVE=1 GRUB starts the kernel, which shows if the kernel itself is right.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	words first 0x11110000 5000
	words second 0x22220000 70000
}

teardown() { guest_teardown; }

# words FILE PATTERN SIZE: 32-bit word n is PATTERN + n
words() {
	python3 -c 'import struct, sys
pattern, size = (int(text, 0) for text in sys.argv[2:])
open(sys.argv[1], "wb").write(struct.pack("<%dI" % (size // 4), *range(pattern, pattern + size // 4)))' "$@"
}

# loaded NAME OPTIONS ARGS...: the kernel finds everything that its options name
loaded() {
	local name=$1 cmdline=$2
	shift 2
	[[ $name = *.* ]] || name+=.elf
	# GRUB cannot pass on the quotes.
	if [ -z "${NATIVE:-}" ]; then
		cmdline+='  last="a b"'
	else
		cmdline+=" grub"
	fi
	guest_run --no-reboot --kernel "$BUILD/guest/mb/$name" --cmdline "$cmdline" \
		--module "first pattern 11110000 1388" --module "second pattern 22220000 11170" "$@"
	grep -aE "^probe-multiboot: [1-9][0-9]* passed, 0 failed" "$(serial)"
	grep -aF "cmdline: <$cmdline>" "$(serial)"
}

@test "multiboot1: information, modules, sections, text screen" {
	loaded mb1 "bios screen=text"
}

@test "multiboot1: a framebuffer" {
	loaded mb1-screen "bios screen=rgb"
}

# bats test_tags=slow
@test "multiboot1: a framebuffer, started by UEFI" {
	veneer_only
	loaded mb1-screen "efi screen=rgb" --firmware uefi
}

@test "multiboot2: information, modules, sections, framebuffer, RSDP" {
	loaded mb2-screen "bios screen=rgb"
}

@test "multiboot2: a relocatable kernel goes where it may be, high" {
	loaded mb2-high "bios screen=text"
}

# bats test_tags=slow
@test "multiboot2: a relocatable kernel, low" {
	loaded mb2-low "bios screen=text"
}

# bats test_tags=slow
@test "multiboot2: on a text screen" {
	loaded mb2 "bios screen=text"
	loaded mb2-screen "bios screen=text" --screen text
	loaded mb2 "bios screen=rgb" --screen keep
}

# bats test_tags=slow
@test "multiboot1 and 2: kernels that are no ELF files" {
	loaded mb1-flat.bin "bios screen=text"
	loaded mb2-flat.bin "bios screen=text"
}

@test "multiboot2: started by UEFI, with EFI's tables and a framebuffer" {
	loaded mb2-screen "efi screen=rgb" --firmware uefi
}

# bats test_tags=slow
@test "multiboot1: a kernel that must have a text screen is not started on a framebuffer" {
	veneer_only
	for machine in "--firmware uefi" "--screen keep"; do
		# shellcheck disable=SC2086 # two words
		guest_start --no-reboot --kernel "$BUILD/guest/mb/mb1.elf" $machine
		guest_end 2
		grep -a "veneer: error: guest: the multiboot1 header requires a screen" "$(serial)"
	done
}

# bats test_tags=slow
@test "multiboot2: an entry by EFI's boot services is not taken: they have ended" {
	veneer_only
	loaded mb2-efi "efi screen=rgb" --firmware uefi
	loaded mb2-efi "bios screen=text"
}

@test "PVH: start information, modules, RSDP" {
	veneer_only
	loaded pvh "screen=none"
}
