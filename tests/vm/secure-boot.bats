#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Secure Boot with a key of the user's in the firmware's db: what veneer-install has signed starts, and nothing else does.
load ../lib/guest
load ../lib/bios
load ../lib/efi
bats_require_minimum_version 1.5.0

# OVMF's variables with a key whose other half is public.
KEYS=/usr/share/ovmf/PkKek-1-snakeoil

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	cp /usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd vars.fd
	openssl rsa -in $KEYS.key -passin pass:snakeoil -out db.key 2>openssl.log
	cp $KEYS.pem db.pem
	STICKS=()
}

teardown() { guest_teardown; }

# signed FILE ARGS...: by veneer-install, with the key that the firmware knows
signed() { "$ROOT/installer/veneer-install" efi "$1" --sign db.key --cert db.pem "${@:2}"; }

# stick LOADER [FILE]...: a further stick, with LOADER as BOOTX64.EFI and the FILEs beside it.  The firmware tries all in order.
stick() {
	local n=$((${#STICKS[@]} / 4 + 1))
	truncate -s 16M stick$n
	mkfs.vfat stick$n >>mkfs.log
	mmd -i stick$n ::/EFI ::/EFI/BOOT
	mcopy -i stick$n "$1" ::/EFI/BOOT/BOOTX64.EFI
	[ $# = 1 ] || mcopy -i stick$n "${@:2}" ::/EFI/BOOT/
	STICKS+=(-drive "if=none,id=stick$n,format=raw,file=stick$n" -device "usb-storage,drive=stick$n,bootindex=$n")
}

# secure ARGS...: start a machine with these sticks.  Without SMM: QEMU's own emulation runs SMM inside the guest.
secure() {
	ovmf_start -device qemu-xhci "${STICKS[@]}" "$@"
}

config() { # config BLOB PROPERTIES
	sed "s/veneer,boot = \"kernel\"/veneer,boot = \"$2\"/" "$WRITABLE" >c.dts
	"$ROOT/installer/veneer-install" config c.dts "$1"
	fdtput -t x "$1" /chosen veneer,debug-exit-port f4
}

# bats test_tags=slow
@test "Secure Boot: unsigned, without a configuration, changed: each refused with a reason; what is signed starts a kernel" {
	config c.dtb kernel
	signed good.efi --kernel "$BUILD/hobby-os.elf" --config c.dtb --cmdline 'run="exit 0"'
	"$ROOT/installer/veneer-install" efi unsigned.efi --kernel "$BUILD/hobby-os.elf" --config c.dtb
	sbsign --key db.key --cert db.pem --output alone.efi "$BUILD/veneer.efi" 2>sbsign.log
	stick unsigned.efi
	# A byte of the configuration in it.
	cp good.efi changed.efi
	printf X | dd of=changed.efi bs=1 conv=notrunc status=none \
		seek=$(($(grep -obUa 'veneer,config-version' good.efi | head -n 1 | cut -d : -f 1) + 1))
	run ! cmp -s good.efi changed.efi
	stick changed.efi
	stick alone.efi
	printf 'module config.dtb config\nmodule kernel kernel more\n' >veneer.conf
	stick good.efi veneer.conf
	stick good.efi
	secure
	guest_end 1
	grep -aE 'failed to load Boot0*[0-9A-F]+ .*Access Denied' "$(serial)" >denied
	[ "$(wc -l <denied)" = 2 ]
	grep -a 'veneer.efi: Secure Boot is on, and no configuration was signed with this program' "$(serial)"
	grep -a 'veneer.efi: veneer.conf: differs from the file in veneer.efi' "$(serial)"
	grep -aE "veneer: .*, started by veneer.efi on UEFI" "$(serial)"
	grep -a '^hobby OS: ' "$(serial)"
}

# bats test_tags=slow
@test "Secure Boot: the firmware goes on as guest, and starts a signed loader of the disk, and no other" {
	config c.dtb 'disk"; veneer,boot-disk = "NVME0'
	signed good.efi --config c.dtb
	stick good.efi
	printf '%s' "$LINUX_ARGS veneer.run=bootdisk" >words
	objcopy --add-section .cmdline=words --change-section-vma .cmdline=0x30000 \
		--add-section .linux="$LINUX/vmlinuz" --change-section-vma .linux=0x2000000 \
		--add-section .initrd="$LINUX/initrd.gz" --change-section-vma .initrd=0x3000000 \
		/usr/lib/systemd/boot/efi/linuxx64.efi.stub kernel.efi
	sbsign --key db.key --cert db.pem --output kernel.signed.efi kernel.efi 2>sbsign.log
	efi_image loader.img kernel.signed.efi
	cp --sparse=always loader.img before
	secure -drive if=none,id=os,format=raw,file=loader.img -device nvme,drive=os,serial=NVME0
	# With Secure Boot Linux writes to no port: it switches the machine off.
	guest_end 0
	logged "guest: the firmware goes on"
	boot_image_kept loader.img before NVME0
	efi_image loader.img kernel.efi
	secure -drive if=none,id=os,format=raw,file=loader.img -device nvme,drive=os,serial=NVME0
	guest_wait_for 'veneer.efi: .* on a virtual disk cannot be loaded: ' 800
}
