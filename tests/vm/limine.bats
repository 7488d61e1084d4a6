#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The state and the data that a Limine kernel gets: a small kernel for each base revision (tests/guest/limine) checks all of it.
load ../lib/guest

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	python3 -c 'import struct
for name, pattern, size in (("first", 0x11110000, 5000), ("second", 0x22220000, 70000)):
    open(name, "wb").write(struct.pack("<%dI" % (size // 4), *range(pattern, pattern + size // 4)))'
}

teardown() { guest_teardown; }

start() { # start KERNEL OPTIONS ARGS...
	local kernel=$1 cmdline=$2
	shift 2
	guest_start --no-reboot --nic e1000e --kernel "$BUILD/guest/limine/$kernel.elf" --cmdline "$cmdline" \
		--module "first /first pattern 11110000 1388" --module "second /boot/second.bin its line" "$@"
}

loaded() { # loaded KERNEL OPTIONS ARGS...: the kernel finds all as its options say
	start "$@"
	guest_end 0
	grep -aE "^probe-limine: [1-9][0-9]* passed, 0 failed" "$(serial)"
	grep -aF "cmdline: <$2>" "$(serial)"
}

refused() { # refused KERNEL LINE: not started
	start "$1" ""
	guest_end 2
	grep -aF "veneer: error: guest: $2" "$(serial)"
	! grep -a "^probe-limine" "$(serial)" || return 1
}

@test "limine: base revision 0, without a tag" {
	loaded 0 "screen=rgb cpus=1"
}

@test "limine: base revision 3, four processors" {
	loaded 3 "screen=rgb cpus=4" --smp 4
}

@test "limine: a relocatable kernel on a text screen" {
	loaded 3-pie "screen=text cpus=1" --screen text
}

@test "limine: base revision 6, started by UEFI, four processors" {
	loaded 6 "efi screen=rgb cpus=4" --firmware uefi --smp 4
}

@test "limine: a kernel that needs five levels of page tables is not started" {
	refused 3-five "the kernel cannot do with less than five levels of page tables"
}

# bats test_tags=slow
@test "limine: revision 0 with its requests in a section" {
	loaded 0-section "" --smp 4
}

# bats test_tags=slow
@test "limine: markers, and 128 requests" {
	loaded 2-markers "screen=rgb cpus=1"
	grep -a "veneer: warning: guest: 2 tags before the start marker and 1 behind the end marker are not seen" "$(serial)"
	loaded 3-128 "screen=rgb cpus=1"
}

# bats test_tags=slow
@test "limine: a request that is made twice, 129 requests: not started" {
	refused 3-twice "the kernel makes the request 0x10f2ee1d87d195e4 0xf747a2b78f6ddb31 twice"
	refused 3-129 "the kernel makes more than 128 requests"
}

# bats test_tags=slow
@test "limine: all base revisions, one and four processors, BIOS" {
	for revision in 0 1 2 3 4 5 6 7; do
		loaded $revision "screen=rgb cpus=1"
		loaded $revision "screen=rgb cpus=4" --smp 4
	done
}

# bats test_tags=slow
@test "limine: all base revisions, one and four processors, UEFI" {
	for revision in 0 1 2 3 4 5 6 7; do
		loaded $revision "efi screen=rgb cpus=1" --firmware uefi
		loaded $revision "efi screen=rgb cpus=4" --firmware uefi --smp 4
	done
}

# bats test_tags=slow
@test "limine: a machine of type pc, and one with memory above 4 GiB" {
	loaded 2 "screen=rgb cpus=2" --machine pc --smp 2
	loaded 4 "screen=rgb cpus=1" --mem 5G
}
