#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-install system on a machine with UEFI, for a guest that is a disk's own loader: the installer runs in a Linux on that
# machine, with the firmware's own boot list; the machine then starts from its entry, and from GRUB's menu.
# shellcheck disable=SC2016,SC2034 # for the other machine; for lib/guest
load ../lib/guest
load ../lib/debian
load ../lib/bios
load ../lib/efi
bats_require_minimum_version 1.5.0

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root for a loop device"
	"$BATS_TEST_DIRNAME/../lib/debian-image" "${BUILD:=$BATS_TEST_DIRNAME/../../build}/debian.img"
}

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	cp --sparse=always "$BUILD/debian.img" debian.img
	cp /usr/share/OVMF/OVMF_VARS_4M.fd vars.fd
}

teardown() { guest_teardown; }

# The debug exit port: QEMU's exit code is twice the value, plus one.
ended() { guest_end 1; }

# in_linux COMMANDS: run COMMANDS in a Linux on that machine, with INSTALL for the installer.
in_linux() {
	printf 'set -e\nINSTALL() { "/host%s" "$@"; }\n%s\n' "$ROOT/installer/veneer-install" "$1" >script
	ovmf_start -kernel "$LINUX/vmlinuz" -initrd "$LINUX/initrd.gz" \
		-append "$LINUX_ARGS veneer.run=uefi veneer.script=$PWD/script" \
		-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=host,mount_tag=host \
		-drive if=none,id=root,file=debian.img,format=raw -device virtio-blk-pci,drive=root
	ended
}

# behind_veneer [,PROPERTY]: the machine starts as its firmware decides, by its list or by the disk's property; the guest is the
# other disk's.
behind_veneer() {
	cp --sparse=always boot.img before
	ovmf_start -drive if=none,id=own,file=debian.img,format=raw -device ide-hd,drive=own,bus=ide.0,serial="AHCI0$1" \
		-drive if=none,id=guest,file=boot.img,format=raw -device nvme,drive=guest,serial=NVME0
	ended
	boot_image_kept boot.img before NVME0
	logged "guest: the firmware goes on"
}

# bats test_tags=slow
@test "a disk's own loader on a machine with UEFI: by the firmware's entry, by GRUB's menu, upgraded; uninstall" {
	boot_image boot.img bootdisk
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"; veneer,boot-disk = "NVME0"/' "$WRITABLE" >disk.dts
	"$ROOT/installer/veneer-install" config disk.dts disk.dtb
	fdtput -t x disk.dtb /chosen veneer,debug-exit-port f4
	in_linux "efibootmgr -v | sed 's/^/before: /' >/dev/ttyS0
		INSTALL system --config '/host$PWD/disk.dtb' --name os --veneer '/host$BUILD/veneer.elf'
		INSTALL verify
		INSTALL upgrade --veneer '/host$BUILD/veneer.elf'
		efibootmgr -v | sed 's/^/list: /' >/dev/ttyS0
		number=\$(efibootmgr | sed -n 's/^Boot\\([0-9A-F]*\\)[*] Veneer os.*/\\1/p')
		efibootmgr --bootnext \$number"
	grep -aE '^list: Boot.*Veneer os.HD\(2,GPT,.*EFI.veneer.b.guests.os.veneer.efi' "$(serial)"
	behind_veneer ''
	# Without the entry: GRUB, from the disk's removable path, as its menu says.
	in_linux "INSTALL system --name os --default
		efibootmgr -v | sed 's/^/list: /' >/dev/ttyS0
		efibootmgr --bootnum \$(efibootmgr | sed -n 's/^Boot\\([0-9A-F]*\\)[*] Veneer os.*/\\1/p') --delete-bootnum"
	[ "$(grep -acE '^list: Boot.*Veneer os' "$(serial)")" = 1 ]
	grep -aE '^list: Boot.*Veneer os.*EFI.veneer.a.guests.os.veneer.efi' "$(serial)"
	behind_veneer ,bootindex=1
	[ "$(grep -ac 'Welcome to GRUB' "$(serial)")" = 2 ]
	in_linux "INSTALL uninstall; [ ! -e /boot/efi/EFI/veneer ]; efibootmgr | sed 's/^/list: /' >/dev/ttyS0"
	grep -a '^list: BootOrder' "$(serial)"
	run ! grep -aE '^list: .*Veneer' "$(serial)"
}
