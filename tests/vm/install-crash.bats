#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-install system, killed before each change that it makes in a Debian, and a power cut at each block that the file system
# writes: for GRUB, which does not read the journal, the menu and the files of its entries are either the old or the new ones
# (grub-fstest is GRUB's own code).
load ../lib/guest
load ../lib/debian
bats_require_minimum_version 1.5.0

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root for a loop device"
	local here=$BATS_TEST_DIRNAME build
	build=${BUILD:-$here/../../build}
	"$here/../lib/debian-image" "$build/debian.img"
	gcc -O1 -Wall -o "$BATS_FILE_TMPDIR/stop-at" "$here/../lib/stop-at.c"
}

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2034 # for lib/debian
	IMAGE=$BATS_TEST_TMPDIR/debian.img
	MNT=$BATS_TEST_TMPDIR/mnt STORAGE=
	copy "$BUILD/debian.img" debian.img
	config
	GUEST=(--kernel "$BUILD/hobby-os.elf" --name os --config config.dts)
}

teardown() {
	"$LIB/debian-image" --umount "$MNT" 2>/dev/null || true
	[ -z "$STORAGE" ] || kill "$STORAGE"
	guest_teardown
}

# --- killed ---

# killed_at N COMMAND...: run veneer-install, and kill it before its Nth change below $MNT; 0: never. Sets CHANGES.
killed_at() {
	local rc=0
	CHANGES=$("$BATS_FILE_TMPDIR/stop-at" "$1" "$MNT" -- "$ROOT/installer/veneer-install" "$2" --root "$MNT" "${@:3}" \
		2>install.log) || rc=$?
	if [ "$1" = 0 ] && [ $rc = 0 ] || [ $rc = 137 ]; then return; fi
	cat install.log
	echo "killed at $1: exit code $rc"
	return 1
}

# Uninstall, if anything is left: every file is as before.
gone() {
	if [ -e "$MNT/boot/veneer" ] || [ -e "$MNT/etc/grub.d/42_veneer" ]; then install uninstall; fi
	as_tree "$PWD/before"
}

# Kill before each STEPth change, then uninstall: nothing is left.
install_killed() { # install_killed STEP
	local n total
	mounted
	tree >before
	MENUS=$(menu)
	killed_at 0 system "${GUEST[@]}" --cmdline new
	total=$CHANGES
	MENUS+=" $(menu)"
	[ "$(leads_to tree)" = new ]
	[ "$total" -ge 30 ]
	install uninstall
	for ((n = 1; n <= total; n += $1)); do
		killed_at "$n" system "${GUEST[@]}" --cmdline new
		one_of "killed before change $n of $total" tree none new
		gone
	done
	# A second try, over the remains of the first.
	killed_at $((total / 2)) system "${GUEST[@]}" --cmdline new
	install system "${GUEST[@]}" --cmdline new
	install verify
	install uninstall
	tree | diff before -
	unmounted
}

# upgrade and rollback: kill before each STEPth change, and upgrade again from that state.
upgrade_killed() { # upgrade_killed STEP
	local n total now=v0 seen=''
	mounted
	install system "${GUEST[@]}" --cmdline v0
	MENUS=$(menu)
	killed_at 0 upgrade --cmdline v1
	total=$CHANGES now=v1
	MENUS+=" $(menu)"
	# Each version of the menu names the present slot, either of the two.
	install upgrade --cmdline v1
	MENUS+=" $(menu)"
	for ((n = 1; n <= total; n += $1)); do
		killed_at "$n" upgrade --cmdline "n$n"
		one_of "upgrade killed before change $n of $total" tree "$now" "n$n"
		[ "$LAST" = "$now" ] || seen+=" $n"
		now=$LAST
	done
	[ -n "$seen" ] || [ "$1" != 1 ]
	# The menu names the slot, in case the state cannot be read.
	install upgrade --cmdline old
	MENUS+=" $(menu)"
	install upgrade --cmdline new
	MENUS+=" $(menu)"
	killed_at 0 rollback
	MENUS+=" $(menu)"
	total=$CHANGES
	for ((n = 1; n <= total; n += $1)); do
		killed_at "$n" rollback
		one_of "rollback killed before change $n of $total" tree old new
	done
	install verify
	unmounted
}

# uninstall: kill before each STEPth change, then run it to the end.
uninstall_killed() { # uninstall_killed STEP
	local n total
	mounted
	tree >before
	MENUS=$(menu)
	install system "${GUEST[@]}" --cmdline new
	MENUS+=" $(menu)"
	killed_at 0 uninstall
	total=$CHANGES
	for ((n = 1; n <= total; n += $1)); do
		install system "${GUEST[@]}" --cmdline new
		killed_at "$n" uninstall
		one_of "uninstall killed before change $n of $total" tree none new
		gone
	done
	unmounted
}

@test "system, killed at a handful of points: the old menu or the new one, and uninstall leaves nothing" {
	install_killed 31
}

# bats test_tags=slow
@test "system, killed before each change" {
	install_killed 1
}

# bats test_tags=slow
@test "system: upgrade and rollback killed before each change" {
	upgrade_killed 1
}

# bats test_tags=slow
@test "system: uninstall killed before each change" {
	uninstall_killed 1
}

# --- the power cut ---

# Make a file with the image, whose writes are logged.
log_start() { # log_start LOG
	: >exported
	: >"$1"
	truncate -s 1G "$1"
	qemu-storage-daemon --blockdev driver=file,node-name=file,filename=debian.img,discard=unmap \
		--blockdev driver=file,node-name=log,filename="$1" \
		--blockdev driver=raw,node-name=disk,file=file \
		--blockdev driver=blklogwrites,node-name=logged,file=disk,log=log \
		--export type=fuse,id=x,node-name=logged,mountpoint=exported,writable=on </dev/null >storage.log 2>&1 3>&- &
	STORAGE=$!
	local tries=0
	until [ -s exported ]; do
		tries=$((tries + 1))
		if [ $tries = 300 ] || ! kill -0 $STORAGE; then
			cat storage.log
			return 1
		fi
		sleep 0.1
	done
	IMAGE=$PWD/exported mounted
}

log_end() {
	unmounted
	kill "$STORAGE"
	wait "$STORAGE" || true
	STORAGE=
}

# The remains do no harm: after the journal's replay the file system is sound, and the next try succeeds.
go_on() { # go_on WRITES COMMAND ARGS...
	copy before.img t.img
	"$LIB/replay-writes" log "$1" t.img
	IMAGE=$PWD/t.img mounted
	install "${@:2}"
	install verify
	unmounted
}

# bats test_tags=slow
@test "system: power cut at each write of the installation and with writes lost; a sample is started" {
	copy debian.img before.img
	log_start log
	MENUS=$(menu)
	install system "${GUEST[@]}" --cmdline 'run="exit 3"' --default
	MENUS+=" $(menu)"
	log_end
	power_cut 300 system none 'run="exit 3"'
	go_on "$OLD_UNTIL" system "${GUEST[@]}" --cmdline 'run="exit 5"' --default
	IMAGE=$PWD/t.img starts 5 bios
	copy before.img t.img
	"$LIB/replay-writes" log $((OLD_UNTIL + 1)) t.img
	IMAGE=$PWD/t.img starts 3 uefi
}

# bats test_tags=slow
@test "system: power cut at each write of an upgrade, a rollback and an uninstall; a sample is started" {
	mounted
	MENUS=$(menu)
	install system "${GUEST[@]}" --cmdline 'run="exit 3"' --default
	MENUS+=" $(menu)"
	unmounted
	copy debian.img before.img
	log_start log
	install upgrade --cmdline 'run="exit 4"'
	MENUS+=" $(menu)"
	log_end
	power_cut 300 upgrade 'run="exit 3"' 'run="exit 4"'
	copy before.img t.img
	"$LIB/replay-writes" log "$OLD_UNTIL" t.img
	IMAGE=$PWD/t.img starts 3 bios
	go_on "$OLD_UNTIL" upgrade --cmdline 'run="exit 6"'
	IMAGE=$PWD/t.img starts 6 bios

	copy debian.img before.img
	log_start log
	install rollback
	MENUS+=" $(menu)"
	log_end
	power_cut 100 rollback 'run="exit 4"' 'run="exit 3"'
	copy debian.img before.img
	log_start log
	install uninstall
	log_end
	power_cut 200 uninstall 'run="exit 3"' none
}

# --- a whole disk ---

# bats test_tags=slow
@test "disk: the power cut before its last write leaves a disk that starts nothing; after it Veneer starts" {
	local count loop
	truncate -s 96M disk.img
	loop=$(losetup --show -f disk.img)
	"$BATS_FILE_TMPDIR/stop-at" 0 "$loop" log -- "$ROOT/installer/veneer-install" disk "$loop" --yes --menu-timeout 0 \
		"${GUEST[@]}" --cmdline 'run="exit 3"' || { losetup -d "$loop"; return 1; }
	losetup -d "$loop"
	count=$("$LIB/replay-writes" log --count)
	truncate -s 96M cut.img
	"$LIB/replay-writes" log $((count - 1)) cut.img
	timeout 120 qemu-system-x86_64 -machine q35 -m 256 -display none -nic none -no-reboot -boot reboot-timeout=1 \
		-drive file=cut.img,format=raw -debugcon file:bios.log -global isa-debugcon.iobase=0x402 </dev/null 3>&-
	grep -a 'No bootable device' bios.log
	"$LIB/replay-writes" log "$count" cut.img
	IMAGE=$PWD/cut.img starts 3 bios
	IMAGE=$PWD/cut.img starts 3 uefi
}
