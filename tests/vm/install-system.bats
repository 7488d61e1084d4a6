#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-install system in a Debian: install, upgrade, roll back, uninstall; start by Debian's GRUB, with BIOS and UEFI.
load ../lib/guest
load ../lib/debian
bats_require_minimum_version 1.5.0

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root for a loop device"
	"$BATS_TEST_DIRNAME/../lib/debian-image" "${BUILD:=$BATS_TEST_DIRNAME/../../build}/debian.img"
	cp --sparse=always "$BUILD/debian.img" "$BATS_FILE_TMPDIR/debian.img"
}

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2034 # for lib/debian
	IMAGE=$BATS_FILE_TMPDIR/debian.img
	MNT=$BATS_TEST_TMPDIR/mnt BEFORE=$BATS_FILE_TMPDIR/before
}

teardown() {
	"$LIB/debian-image" --umount "$MNT" 2>/dev/null || true
	guest_teardown
}

@test "installed into a Debian: the default stays, GRUB starts the guest from BIOS when asked to" {
	mounted
	# The menu has a password, for which Veneer's entries do not ask.
	printf '#!/bin/sh\necho "set superusers=root"\necho "password root secret"\n' >"$MNT/etc/grub.d/01_password"
	chmod 755 "$MNT/etc/grub.d/01_password"
	tree >"$BEFORE"
	config
	install system --kernel "$BUILD/hobby-os.elf" --name os --config config.dts --cmdline 'run="exit 3"'
	install verify
	grub-script-check "$MNT/boot/grub/grub.cfg"
	grep -q "^menuentry 'Veneer: os'" "$MNT/boot/grub/grub.cfg"
	# Only new files and the menu have changed; the default entry is the same.
	run ! grep -q 'set default="veneer' "$MNT/boot/grub/grub.cfg"
	tree >after
	diff "$BEFORE" after >changes || [ $? = 1 ]
	run ! grep -v ' ./boot/grub/grub.cfg$' < <(grep '^<' changes)
	run ! grep -v -e '^> ./boot/veneer' -e '^> ./etc/default/veneer ' -e '^> ./etc/grub.d/42_veneer ' \
		< <(grep '^> \./' changes)
	install system --name os --default
	grep -q 'set default="veneer-os"' "$MNT/boot/grub/grub.cfg"
	grep -qx 'password root secret' "$MNT/boot/grub/grub.cfg"
	unmounted
	starts 3 bios
}

@test "upgraded: starts the new version from UEFI; the update-grub of the distribution changes nothing" {
	mounted
	install upgrade --cmdline 'run="exit 4"'
	install verify
	cp "$MNT/boot/grub/grub.cfg" ours
	# shellcheck disable=SC2016 # the inner shell's
	unshare --mount --propagation private sh -c 'cd "$1"; for d in dev proc sys; do mount --rbind /$d $d; done
		exec chroot . update-grub' sh "$MNT" 3>&-
	cmp ours "$MNT/boot/grub/grub.cfg"
	grep -q "^menuentry 'Veneer: os (previous version)'" "$MNT/boot/grub/grub.cfg"
	unmounted
	starts 4 uefi
}

@test "rolled back: starts the old version; uninstalled: every file is as it was" {
	mounted
	install rollback
	unmounted
	starts 3 bios
	# The disk that this Debian is on is never the one whose boot sector is the guest.
	mounted
	config
	sed -i 's/veneer,boot = "kernel"/veneer,boot = "disk"; veneer,boot-disk = "AHCI0"/' config.dts
	install system --name own --config config.dts --default
	unmounted
	starts 2 bios
	grep -a 'error: guest: the boot disk ahci0p0 (serial "AHCI0") is the one that Veneer started from' "$(serial)"
	mounted
	install uninstall
	tree >after
	diff "$BEFORE" after
	run -2 install verify
	unmounted
}
