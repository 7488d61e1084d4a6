# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests that install into the Debian of tests/lib/debian-image; after lib/guest.  IMAGE is the disk, MNT where its root is
# mounted.

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

# as_tree FILE: everything is as when "tree" wrote FILE.  Read is what was changed since: nobody can set that time of a file.
as_tree() {
	names | diff <(grep '^[.]' "$1") - || return 1
	! (cd "$MNT" && find . "${NOT_THE_LOG[@]}" -type f -newercm "$1" -print0 | xargs -0 -r sha256sum) | grep -vxFf "$1"
}

# starts STATUS FIRMWARE: what GRUB starts by default ends with this exit code
starts() {
	guest_start --image "$IMAGE" --firmware "$2" --nic e1000e
	guest_end "$1"
}

config() {
	sed 's|^\tpolicy {|\tchosen { veneer,debug-exit-port = <0xf4>; };\n&|' "$ROOT/configs/default.dts" >config.dts
	grep -q debug-exit config.dts
}
