#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Guests that begin in real mode on the machine's BIOS: boot sectors of virtual disks, and kernels with a 16-bit entry.
load ../lib/guest
load ../lib/bios
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	veneer_only
}

teardown() { guest_teardown; }

# boots_itself SERIAL IMAGE ARGS...: the disk's GRUB, reading by INT 13h, starts Linux, which finds the same disk by virtio-blk.
boots_itself() {
	local serial=$1 image=$2 first at sum
	shift 2
	boot_image "$image" bootdisk
	first=$(head -c 16M "$image" | sha256sum | cut -d ' ' -f 1)
	disk_boot "$serial" --config "$WRITABLE" "$@"
	guest_end 0
	said "vd[ab]: $serial 524288 sectors, first $first"
	read -r at sum <<<"$(reported "pattern $serial")"
	[ "$(dd if="$image" bs=1M skip="$at" count=8 status=none | sha256sum | cut -d ' ' -f 1)" = "$sum" ]
}

@test "bios: a GRUB on a SATA disk starts Linux from that disk" {
	boots_itself AHCI0 boot.img --disk ahci:boot.img --disk nvme:other,size=32M --nic e1000e
	tr -d '\r' <"$(serial)" | grep -qE '^veneer: bios: drive 80h is ahci0p0 .*'
	tr -d '\r' <"$(serial)" | grep -qE '^veneer: bios: drive 81h is nvme0n1 .*'
}

@test "bios: a GRUB on an NVMe disk starts Linux from that disk" {
	boots_itself NVME0 boot.img --disk ahci:other,size=32M --disk nvme:boot.img
}
