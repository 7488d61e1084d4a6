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

# words FILE PATTERN LBA COUNT: the file has these words (tests/lib/check-words)
words() {
	python3 -c 'import array, sys
pattern, lba, count = (int(text, 0) for text in sys.argv[2:])
first = pattern + lba * 128
with open(sys.argv[1], "r+b") as image:
    image.seek(lba * 512)
    array.array("I", (word & 0xffffffff for word in range(first, first + count * 128))).tofile(image)' "$@"
}

@test "bios: INT 13h and INT 15h as boot loaders call them, and as they should not" {
	truncate -s 64M boot.img nvme
	truncate -s 9G large
	words boot.img 0x10000000 64 131008
	dd if="$BUILD/guest/bios-probe.bin" of=boot.img conv=notrunc status=none
	words large 0x30000000 16450528 64
	words large 0x30000000 18874304 64
	words nvme 0x20000000 0 131072
	cp boot.img before
	sed -e '/nvme {/,/};/d' -e 's/veneer,pci-class = <0x010601 0xffffff>/veneer,serial = "AHCI0"/' "$WRITABLE" >first.dts
	disk_boot AHCI0 --config first.dts --disk ahci:boot.img --disk ahci:large --disk nvme:nvme \
		--disk nvme:4k,sector=4096,size=32M
	guest_end 0
	grep -aE "^probe-bios: [1-9][0-9]* passed, 0 failed" "$(serial)"
	grep -qaE "^PASS INT 19h: starts the boot sector again" "$(serial)"
	logged 'bios: drive 81h is nvme0n1 .*'
	logged 'bios: nvme1n1 has blocks of 4096 bytes: no BIOS drive'
	logged 'error: guest: it found nothing to start \(INT 18h\); it waits for a reset'
	# The writes are in the right places, and nothing else has changed.
	while read -r lba count; do
		"$LIB/check-words" boot.img "$lba" 0x5a000000 "$count"
		words before 0x5a000000 "$lba" "$count"
	done <<<"3000 2
41325 5
60000 130
131071 1"
	words before 0x5a000000 62000 1
	dd if=boot.img of=before bs=512 skip=62000 seek=62000 count=1 conv=notrunc status=none
	cmp boot.img before
}

@test "bios: two processors in real mode, one by INT 13h and one by virtio and both, on the same disk" {
	truncate -s 64M boot.img nvme
	words nvme 0x20000000 0 131072
	dd if="$BUILD/guest/bios-smp.bin" of=boot.img conv=notrunc status=none
	disk_boot AHCI0 --smp 2 --config "$WRITABLE" --disk ahci:boot.img --disk nvme:nvme
	guest_end 0
	grep -aE "^probe-bios-smp: [1-9][0-9]* passed, 0 failed" "$(serial)"
}

# refused REGEX ARGS...: Veneer stops with this line, and starts nothing.
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
	# By UEFI, its own loader is looked for; then the machine restarts.
	guest_start --no-reboot --boot-disk AHCI0 --disk ahci:empty --firmware uefi
	guest_end 122
	grep -a 'veneer.efi: no virtual disk that may be started has a loader .EFI.BOOT.BOOTX64.EFI' "$(serial)"
	# A kernel that begins in real mode has no other way.
	"$LIB/ipxe" "$BUILD/ipxe"
	refused "guest: it begins in real mode on a BIOS, but this machine was started by UEFI: .*" \
		--kernel "$BUILD/ipxe/ipxe.lkrn" --disk ahci:empty --firmware uefi
	# Veneer's own disk, with and without a rule: there is no other disk.
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"; veneer,boot-disk = "AHCI0"/' "$WRITABLE" >own.dts
	sed -i 's/chosen {/chosen { veneer,debug-exit-port = <0xf4>;/' own.dts
	"$ROOT/installer/veneer-install" image own.img --kernel "$BUILD/hobby-os.elf" --menu-timeout 0 --config own.dts \
		--veneer "$BUILD/veneer.elf"
	refused 'guest: the boot disk ahci0p0 \(serial "AHCI0"\) is the one that Veneer started from: .*' --image own.img
}
