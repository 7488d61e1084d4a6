#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-install system with /boot on FAT, which has no journal and no hard links: in a Linux that writes FAT, with a power cut
# at each block that Linux writes. The remains are read as GRUB reads them (grub-fstest is GRUB's own code).
# shellcheck disable=SC2016,SC2034 # for the other machine; for lib/debian
load ../lib/guest
load ../lib/debian

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root for a loop device"
	local here=$BATS_TEST_DIRNAME build
	build=${BUILD:-$here/../../build}
	"$here/../lib/debian-image" "$build/debian.img"
	"$here/../lib/debian-image" --fat-boot "$build/fat-boot.img"
}

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	MACHINE='' VIEW_AS=fat MENUS=
	config
	copy "$BUILD/debian.img" root.img
	copy "$BUILD/fat-boot.img" boot.img
}

teardown() {
	[ -z "$MACHINE" ] || kill "$MACHINE"
	guest_teardown
}

# in_linux COMMANDS: run COMMANDS in a Linux, with $INSTALL for the installer. Afterwards "before.img" is the former disk with
# /boot, and "log" has the writes to the disk.
in_linux() {
	printf 'set -e\nINSTALL() { "%s" "$1" --root /mnt/root "${@:2}"; }\n%s\n' "$ROOT/installer/veneer-install" "$1" \
		>script
	copy boot.img before.img
	: >log
	qemu-system-x86_64 -machine q35 -cpu max -m 512 -display none -nic none -no-reboot -serial "file:$(serial)" \
		-device isa-debug-exit,iobase=0xf4,iosize=1 -kernel "$LINUX/vmlinuz" -initrd "$LINUX/initrd.gz" \
		-append "console=ttyS0 panic=-1 loglevel=4 no_timer_check veneer.run=host veneer.script=$PWD/script" \
		-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=host,mount_tag=host \
		-drive if=none,id=root,file=root.img,format=raw -device virtio-blk-pci,drive=root \
		-blockdev driver=file,node-name=file,filename=boot.img -blockdev driver=raw,node-name=disk,file=file \
		-blockdev driver=file,node-name=log,filename=log \
		-blockdev driver=blklogwrites,node-name=logged,file=disk,log=log -device virtio-blk-pci,drive=logged \
		</dev/null >qemu.log 2>&1 3>&- &
	MACHINE=$!
	local rc=0
	wait $MACHINE || rc=$?
	MACHINE=
	# The debug exit port: QEMU's exit code is twice the value, plus one.
	[ $rc = 1 ] || { cat qemu.log; return 1; }
	VIEW=$PWD/boot.img
	MENUS+=" $(have fat /boot/grub/grub.cfg | sha256sum | cut -d ' ' -f 1)"
}

installed() {
	VIEW=$PWD/boot.img
	MENUS=" $(have fat /boot/grub/grub.cfg | sha256sum | cut -d ' ' -f 1)"
	in_linux "INSTALL system --kernel '$BUILD/hobby-os.elf' --name os --config '$PWD/config.dts' --default \
		--cmdline 'run=\"exit 3\"'"
	[ "$(leads_to fat)" = 'run="exit 3"' ]
}

@test "/boot on FAT: an installation, the power cut at a handful of its writes" {
	installed
	STEP=8 power_cut 5 system none 'run="exit 3"'
}

# bats test_tags=slow
@test "/boot on FAT: power cut at each write of installation, upgrade, rollback and uninstall; a sample is started" {
	local tree='cd /mnt/root; find boot
		find . -xdev -type f -not -path "./var/log/*" -print0 | sort -z | xargs -0 sha256sum'
	in_linux "($tree) >/dev/ttyS0"
	grep -aE '^([0-9a-f]{64}  |boot)' "$(serial)" | tr -d '\r' >tree.before
	installed
	power_cut 100 system none 'run="exit 3"'
	IMAGE=$PWD/boot.img starts 3 bios
	in_linux "INSTALL upgrade --cmdline 'run=\"exit 4\"'; INSTALL verify"
	power_cut 100 upgrade 'run="exit 3"' 'run="exit 4"'
	IMAGE=$PWD/boot.img starts 4 uefi
	copy before.img t.img
	"$LIB/replay-writes" log "$OLD_UNTIL" t.img
	IMAGE=$PWD/t.img starts 3 bios
	in_linux "INSTALL rollback"
	power_cut 100 rollback 'run="exit 4"' 'run="exit 3"'
	in_linux "INSTALL uninstall; ($tree) >/dev/ttyS0"
	power_cut 100 uninstall 'run="exit 3"' none
	grep -aE '^([0-9a-f]{64}  |boot)' "$(serial)" | tr -d '\r' | diff tree.before -
}
