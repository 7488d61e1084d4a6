#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-install killed before each change that it makes, and a power cut after each write: the old version or the new one
# starts. The tests find out as GRUB does what GRUB would start: by the sector that names the slot, and the files of that slot.

load ../lib/tools
bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	tiny_kernel 2 k
	gcc -O1 -Wall -o stop-at "$BATS_TEST_DIRNAME/../lib/stop-at.c"
	"$BATS_TEST_DIRNAME/../../installer/veneer-install" image old.img --kernel k --veneer k --cmdline old
}

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	INSTALL=$ROOT/installer/veneer-install
	cd "$BATS_FILE_TMPDIR" || return 1
}

# Print the command line of the version that starts from image $1, if all files of its slot are whole.
starts() {
	local slot at dir=$BATS_TEST_TMPDIR/slot
	slot=$(mtype -i "$1@@2M" ::/veneer/state | sed -n 's/^veneer_slot=//p')
	at=36864K
	[ "$slot" = a ] || at=$(($(sfdisk -d "$1" | sed -n 's/.*start= *\([0-9]*\),.*"veneer-b".*/\1/p') / 2))K
	rm -rf "$dir"
	mkdir "$dir"
	mcopy -s -n -i "$1@@$at" '::/veneer/*' "$dir/" || return 1
	(cd "$dir" && sha256sum --check --quiet --strict manifest) || return 1
	cat "$dir/guests/k/cmdline"
}

old_or_new() { # old_or_new IMAGE WHEN
	local what
	what=$(starts "$1") || { echo "$2: nothing starts"; return 1; }
	[ "$what" = old ] || [ "$what" = new ] || { echo "$2: '$what' starts"; return 1; }
	seen+=" $what"
}

copy() { cp --sparse=always "$1" "$2"; }

# killed STEP: upgrade, killed before each STEPth change
killed() {
	local n total seen='' rc
	copy old.img t.img
	total=$(./stop-at 0 "$PWD/t.img" -- "$INSTALL" upgrade "$PWD/t.img" --veneer k --cmdline new 2>/dev/null)
	[ "$total" -ge 3 ]
	for ((n = 1; n <= total; n += $1)); do
		copy old.img t.img
		rc=0
		./stop-at "$n" "$PWD/t.img" -- "$INSTALL" upgrade "$PWD/t.img" --veneer k --cmdline new >/dev/null 2>&1 || rc=$?
		[ $rc = 137 ]
		old_or_new t.img "killed before change $n of $total"
	done
	[[ $seen = *old* ]]
	# And what was left half done is no hindrance.
	"$INSTALL" upgrade t.img --veneer k --cmdline new
	[ "$(starts t.img)" = new ]
	"$INSTALL" verify t.img
}

@test "upgrade of an image: killed before each change, the old version starts; a second try succeeds" {
	killed 1
}

@test "upgrade of an image: power cut at each write, and within the large ones" {
	copy old.img t.img
	./stop-at 0 "$PWD/t.img" writes -- "$INSTALL" upgrade "$PWD/t.img" --veneer k --cmdline new
	local count n seen=''
	count=$("$ROOT/tests/lib/replay-writes" writes --count)
	[ "$count" -ge 5 ]
	for ((n = 0; n <= count; n++)); do
		copy old.img t.img
		"$ROOT/tests/lib/replay-writes" writes "$n" t.img
		old_or_new t.img "power cut after write $n of $count"
	done
	# Only the last write switches to the new version.
	[ "$seen" = "$(printf ' old%.0s' $(seq "$count")) new" ]
}

# bats test_tags=slow
@test "upgrade of an image: power cut with any of the writes since the last flush lost" {
	copy old.img t.img
	./stop-at 0 "$PWD/t.img" writes -- "$INSTALL" upgrade "$PWD/t.img" --veneer k --cmdline new
	local count n seen=''
	count=$("$ROOT/tests/lib/replay-writes" writes --count)
	for ((n = 0; n < 200; n++)); do
		copy old.img t.img
		"$ROOT/tests/lib/replay-writes" writes $((n % (count + 1))) t.img --lose $n
		old_or_new t.img "power cut, case $n"
	done
	[[ $seen = *old* && $seen = *new* ]]
}

# install_killed STEP: write a new image in the place of an old one, killed before each STEPth change
install_killed() {
	local n total seen='' rc
	mkdir -p dir
	copy old.img dir/t.img
	total=$(./stop-at 0 "$PWD/dir" -- "$INSTALL" image "$PWD/dir/t.img" --kernel k --veneer k --cmdline new 2>/dev/null)
	[ "$total" -ge 10 ]
	for ((n = 1; n <= total; n += $1)); do
		rm -rf dir
		mkdir dir
		copy old.img dir/t.img
		rc=0
		./stop-at "$n" "$PWD/dir" -- "$INSTALL" image "$PWD/dir/t.img" --kernel k --veneer k --cmdline new \
			>/dev/null 2>&1 || rc=$?
		[ $rc = 137 ]
		old_or_new dir/t.img "killed before change $n of $total"
	done
}

@test "a new image over an old one: killed at a handful of points" {
	install_killed 29
}

# bats test_tags=slow
@test "a new image over an old one: killed before each change" {
	install_killed 1
}

# --- a whole disk: the old version, then nothing, then the new version ---

# Without a signature in sector 0 neither a BIOS nor UEFI, for which a GPT needs its protective MBR, starts the disk.
disk_starts() { # disk_starts IMAGE
	if [ "$(od -An -tx1 -j 510 -N 2 "$1" | tr -d ' ')" != 55aa ]; then
		echo nothing
	else
		sfdisk --verify "$1" >sfdisk.log 2>&1 || { cat sfdisk.log; return 1; }
		starts "$1"
	fi
}

in_order() { # in_order WHEN WHAT-STARTS: never back
	case $stage:$2 in
	old:old | old:nothing | nothing:nothing | nothing:new | new:new) stage=$2 ;;
	*) echo "$1: after '$stage' starts: $2"; return 1 ;;
	esac
}

attach() { LOOP=$(losetup --show -f "$1") || skip "no loop devices"; }
detach() {
	[ -z "${LOOP:-}" ] || losetup -d "$LOOP"
	LOOP=
}
teardown() { detach; }

make_disk() {
	[ "$(id -u)" = 0 ] || skip "needs root for a loop device"
	PATH=$PATH:/usr/sbin:/sbin
	truncate -s 96M disk.old
	attach disk.old
	"$INSTALL" disk "$LOOP" --yes --kernel k --veneer k --cmdline old
	detach
	DISK=(disk --yes --kernel k --veneer k --cmdline new)
}

# bats test_tags=slow
@test "a whole disk: killed before each change" {
	local n total what stage=old rc
	make_disk
	copy disk.old t.img
	attach t.img
	total=$(./stop-at 0 "$LOOP" -- "$INSTALL" "${DISK[@]:0:1}" "$LOOP" "${DISK[@]:1}" 2>/dev/null)
	detach
	[ "$(disk_starts t.img)" = new ]
	[ "$total" -ge 10 ]
	for ((n = 1; n <= total; n++)); do
		copy disk.old t.img
		attach t.img
		rc=0
		./stop-at "$n" "$LOOP" -- "$INSTALL" "${DISK[@]:0:1}" "$LOOP" "${DISK[@]:1}" >/dev/null 2>&1 || rc=$?
		detach
		[ $rc = 137 ]
		what=$(disk_starts t.img)
		in_order "killed before change $n of $total" "$what"
	done
	[ "$stage" = nothing ]
	# What was left half done is no hindrance.
	attach t.img
	"$INSTALL" "${DISK[@]:0:1}" "$LOOP" "${DISK[@]:1}"
	detach
	[ "$(disk_starts t.img)" = new ]
}

# bats test_tags=slow
@test "a whole disk: power cut at each write, and with writes since the last flush lost" {
	local n count what stage=old
	make_disk
	copy disk.old t.img
	attach t.img
	./stop-at 0 "$LOOP" writes -- "$INSTALL" "${DISK[@]:0:1}" "$LOOP" "${DISK[@]:1}"
	detach
	count=$("$ROOT/tests/lib/replay-writes" writes --count)
	for ((n = 0; n <= count; n++)); do
		copy disk.old t.img
		"$ROOT/tests/lib/replay-writes" writes "$n" t.img
		what=$(disk_starts t.img)
		in_order "power cut after write $n of $count" "$what"
	done
	[ "$stage" = new ]
	for ((n = 0; n < 200; n++)); do
		copy disk.old t.img
		"$ROOT/tests/lib/replay-writes" writes $((n % (count + 1))) t.img --lose $n
		what=$(disk_starts t.img)
		[ "$what" = old ] || [ "$what" = nothing ] || [ "$what" = new ] || { echo "case $n: $what"; return 1; }
	done
}

@test "interrupted by SIGTERM: exit code 143, no rubbish beside the target and none in TMPDIR" {
	mkdir term tmp
	export TMPDIR=$PWD/tmp
	"$INSTALL" image term/t.img --kernel k --veneer k >/dev/null 2>&1 3>&- &
	local pid=$! rc=0
	until [ -n "$(ls tmp)" ]; do sleep 0.01; done
	kill -TERM $pid
	wait $pid || rc=$?
	[ $rc = 143 ]
	[ -z "$(find term tmp -mindepth 1)" ]
}

@test "two at once: the second is told so" {
	copy old.img t.img
	exec 8<t.img
	flock 8
	run -6 "$INSTALL" upgrade t.img --veneer k
	assert_output --partial "another installation is at work there"
	exec 8<&-
	"$INSTALL" upgrade t.img --veneer k
}

@test "damage: verify names it, and a damaged sector of the slot's name is no end" {
	copy old.img t.img
	"$INSTALL" verify t.img
	echo x >x
	mcopy -o -i t.img@@36M x ::/veneer/guests/k/kernel
	mcopy -i t.img@@36M x ::/veneer/more
	run -5 "$INSTALL" verify t.img
	assert_output --partial "slot a: guests/k/kernel: FAILED"
	assert_output --partial "slot a: more: a file that was not installed"
	copy old.img t.img
	mcopy -o -i t.img@@2M x ::/boot/grub/grub.cfg
	printf x | dd of=t.img bs=512 seek=2050 conv=notrunc status=none
	run -5 "$INSTALL" verify t.img
	assert_output --partial "boot/grub/grub.cfg is not as it was installed"
	assert_output --partial "core is not as it was installed"
	copy old.img t.img
	head -c 512 /dev/urandom >noise
	mcopy -o -i t.img@@2M noise ::/veneer/state
	run -5 "$INSTALL" verify t.img
	assert_output --partial "the sector that names the slot is damaged"
	"$INSTALL" upgrade t.img --veneer k --cmdline new
	"$INSTALL" verify t.img
	[ "$(starts t.img)" = new ]
	"$INSTALL" rollback t.img
	[ "$(starts t.img)" = old ]
}
