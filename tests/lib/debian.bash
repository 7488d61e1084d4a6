# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests that install into the Debian of tests/lib/debian-image; after lib/guest.  IMAGE is the disk, MNT where its root is
# mounted.

mounted() { "$LIB/debian-image" --mount "$IMAGE" "$MNT"; }
unmounted() { "$LIB/debian-image" --umount "$MNT"; }

install() { # install COMMAND ARGS...
	"$ROOT/installer/veneer-install" "$1" --root "$MNT" "${@:2}"
}

# Every file: name, mode, owner, size, link, content.  The log is no part of it.
tree() {
	(cd "$MNT" && find . -xdev -not -path './var/log/veneer-install.log' -not -path './lost+found*' \
		-printf '%p %m %U %G %y %l %t\n' | sed -E 's/ [A-Z][a-z]{2} [A-Z][a-z]{2} .*//' | LC_ALL=C sort
	find . -xdev -type f -not -path './var/log/veneer-install.log' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
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
