# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests that install into the Debian of tests/lib/debian-image; load after lib/guest.  IMAGE is the disk, MNT the mount
# point of its root file system.

mounted() { "$LIB/debian-image" --mount "$IMAGE" "$MNT"; }
unmounted() { "$LIB/debian-image" --umount "$MNT"; }

install() { # install COMMAND ARGS...
	"$ROOT/installer/veneer-install" "$1" --root "$MNT" "${@:2}"
}

# Every file but the log: name, mode, owner, size, link; then the check sums.
NOT_THE_LOG=(-xdev -not -path './var/log/veneer-install.log' -not -path './lost+found*')
names() {
	(cd "$MNT" && find . "${NOT_THE_LOG[@]}" -printf '%p %m %U %G %y %l %t\n' |
		sed -E 's/ [A-Z][a-z]{2} [A-Z][a-z]{2} .*//' | LC_ALL=C sort)
}
tree() {
	names
	(cd "$MNT" && find . "${NOT_THE_LOG[@]}" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}

# as_tree FILE: check that the tree is the same as when "tree" wrote FILE.  Only files with a later change time are read:
# nobody can set that time.
as_tree() {
	names | diff <(grep '^[.]' "$1") - || return 1
	! (cd "$MNT" && find . "${NOT_THE_LOG[@]}" -type f -newercm "$1" -print0 | xargs -0 -r sha256sum) | grep -vxFf "$1"
}

# starts STATUS FIRMWARE: check that GRUB's default entry ends with this exit code
starts() {
	guest_start --image "$IMAGE" --firmware "$2" --nic e1000e
	guest_end "$1"
}

config() {
	sed 's|^\tpolicy {|\tchosen { veneer,debug-exit-port = <0xf4>; };\n&|' "$ROOT/configs/default.dts" >config.dts
	grep -q debug-exit config.dts
}

# --- the files that GRUB reads ---

# Print FILE of the root file system; from the image VIEW if WHERE is "image" (or "fat": its /boot is a file system of its own),
# else from the mounted tree.
have() { # have WHERE FILE
	case $1 in
	image) grub-fstest "$VIEW" cat "(loop0,gpt3)$2" ;;
	fat) grub-fstest "$VIEW" cat "(loop0,gpt2)${2#/boot}" ;;
	*) cat "$MNT$2" ;;
	esac 2>/dev/null
}

slot_of() { have "$1" /boot/veneer/state | sed -n 's/^veneer_slot=//p'; }

# Check all files of slot $2 against its manifest, as GRUB's tool for "cat" reads them.
whole() { # whole WHERE SLOT
	local sum name n=0
	while read -r sum name; do
		[ "$(have "$1" "/boot/veneer/$2/${name#./}" | sha256sum)" = "$sum  -" ] || { echo "$2: $name"; return 1; }
		n=$((n + 1))
	done < <(have "$1" "/boot/veneer/$2/manifest")
	[ $n -gt 5 ]
}

# Print the guest that the menu starts: "none" without Veneer's entries, else its command line.  $MENUS has the check sums of
# the valid menus.
leads_to() { # leads_to WHERE
	local menu slot
	menu=$(have "$1" /boot/grub/grub.cfg | sha256sum)
	[[ " $MENUS " == *" ${menu%% *} "* ]] || { echo "neither the old menu nor the new one"; return 1; }
	if ! have "$1" /boot/grub/grub.cfg | grep -q "^menuentry 'Veneer: os'"; then
		echo none
		return
	fi
	slot=$(slot_of "$1")
	[[ $slot = [ab] ]] || { echo "no state"; return 1; }
	whole "$1" "$slot" || return 1
	have "$1" "/boot/veneer/$slot/guests/os/cmdline"
}

menu() { sha256sum <"$MNT/boot/grub/grub.cfg" | cut -d ' ' -f 1; }

# one_of WHEN WHERE GUEST...: check that the menu starts one of these guests
one_of() {
	local what guest
	what=$(leads_to "$2") || { echo "$1: $what"; return 1; }
	for guest in "${@:3}"; do
		[ "$what" != "$guest" ] || { LAST=$what; return 0; }
	done
	echo "$1: the menu leads to '$what', expected one of: ${*:3}"
	return 1
}

# --- the power cut ---

copy() { cp --sparse=always "$1" "$2"; }

# power_cut LOSSES WHAT OLD NEW: cut the power after each write in "log" on "before.img".  Sets OLD_UNTIL, the last write after
# which the old version starts.  VIEW_AS: "image" or "fat".  STEP: try every STEPth write, and the last.
power_cut() {
	local count n
	count=$("$LIB/replay-writes" log --count)
	[ "$count" -ge 5 ]
	OLD_UNTIL=
	VIEW=$PWD/t.img
	copy before.img t.img
	for ((n = count % ${STEP:-1}; n <= count; n += ${STEP:-1})); do
		"$LIB/replay-writes" log "$n" t.img --undo undo
		one_of "$2, power cut after write $n of $count" "${VIEW_AS:-image}" "${@:3}"
		# shellcheck disable=SC2034 # for the tests
		[ "$LAST" != "$3" ] || OLD_UNTIL=$n
		"$LIB/replay-writes" undo all t.img
	done
	[ "$LAST" = "$4" ]
	for ((n = 0; n < $1; n++)); do
		"$LIB/replay-writes" log $((n % (count + 1))) t.img --lose "$n" --undo undo
		one_of "$2, power cut with losses, case $n of $1 (after $((n % (count + 1))) of $count)" \
			"${VIEW_AS:-image}" "${@:3}"
		"$LIB/replay-writes" undo all t.img
	done
	cmp before.img t.img
	echo "$2: $count writes"
}
