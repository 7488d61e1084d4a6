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

# logged REGEX: a line of Veneer's that is wholly this
logged() {
	tr -d '\r' <"$(serial)" | grep -qaE -- "^veneer: $1$" && return 0
	echo "not logged: $1"
	return 1
}

# boots_itself SERIAL IMAGE ARGS...: the disk's GRUB, reading by INT 13h, starts Linux, which finds the same disk by virtio-blk.
boots_itself() {
	local serial=$1 image=$2
	shift 2
	boot_image "$image" bootdisk
	cp --sparse=always "$image" before
	disk_boot "$serial" --config "$WRITABLE" "$@"
	guest_end 0
	boot_image_kept "$image" before "$serial"
}

@test "bios: a GRUB on a SATA disk starts Linux from that disk" {
	boots_itself AHCI0 boot.img --disk ahci:boot.img --disk nvme:other,size=32M --nic e1000e
	logged 'bios: drive 80h is ahci0p0 .*'
	logged 'bios: drive 81h is nvme0n1 .*'
}

# bats test_tags=slow
@test "bios: a GRUB on an NVMe disk starts Linux from that disk" {
	boots_itself NVME0 boot.img --disk ahci:other,size=32M --disk nvme:boot.img
}

@test "bios: ipxe.lkrn begins in real mode, gets an address and a script, by the modern-only device" {
	sed '/sata {/i lan { veneer,bdf = "0000:00:03.0"; veneer,modern-only; };' "$WRITABLE" >modern.dts
	ipxe_start 1 --nic e1000e --config modern.dts
	ipxe_fetched 0 90
	logged "net0: virtio-net at 00:03.0 for e1000e0, modern-only"
	logged "bios: services at 0x9[0-9a-f]+, 6[0-9]{2} KiB of conventional memory, 0 drives"
}

# refused REGEX ARGS...: the start ends with that line, and what was to be started is not.
refused() {
	local line=$1
	shift
	guest_start --no-reboot "$@"
	guest_end 2
	logged "error: $line"
	logged "error: stopped: the guest cannot be started; see the line above"
}

@test "bios: what cannot be started is refused by name" {
	truncate -s 16M empty
	refused 'guest: the boot disk ahci0p0 \(serial "AHCI0"\) has no boot sector: .* 00 00, expected 55 aa' \
		--boot-disk AHCI0 --disk ahci:empty
	refused 'guest: no disk has the serial number "NONE" \(veneer,boot-disk\); concealed are: AHCI0 \(ahci0p0\)' \
		--boot-disk NONE --disk ahci:empty
	refused "guest: it begins in real mode on a BIOS, but this machine was started by UEFI: .*" \
		--boot-disk AHCI0 --disk ahci:empty --firmware uefi
	# Veneer's own disk, named, and not named: there is no other.
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"; veneer,boot-disk = "AHCI0"/' "$WRITABLE" >own.dts
	sed -i 's/chosen {/chosen { veneer,debug-exit-port = <0xf4>;/' own.dts
	"$ROOT/installer/veneer-install" image own.img --kernel "$BUILD/hobby-os.elf" --menu-timeout 0 --config own.dts \
		--veneer "$BUILD/veneer.elf"
	refused 'guest: the boot disk ahci0p0 \(serial "AHCI0"\) is the one that Veneer started from: .*' --image own.img
}
