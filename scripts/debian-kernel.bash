# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For scripts that start a Linux: fetch Debian 12's kernel package by apt, unpack it and copy its modules.  The caller defines a
# function fail MESSAGE and has /sbin in its PATH.

# Print the package that Debian's linux-image-amd64 depends on.
kernel_current() {
	apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-6\.1\.[0-9.-]*-amd64\)$/\1/p' | head -n 1
}

kernel_package() {
	local name
	name=$(kernel_current)
	if [ -z "$name" ]; then
		apt-get -q update >/dev/null 2>&1 || sudo -n apt-get -q update >/dev/null 2>&1 || true
		name=$(kernel_current)
	fi
	[ -n "$name" ] || fail "apt-cache knows no linux-image-6.1 package; try apt-get update"
	echo "$name"
}

# Callers may replace this function.
kernel_download() { apt-get -q download "$1"; }

# kernel_fetch OUT PACKAGE: unpack the package to OUT/kernel unless it is there
kernel_fetch() {
	[ "$(cat "$1/kernel/package" 2>/dev/null)" != "$2" ] || return 0
	rm -rf -- "$1/kernel" "$1/deb"
	mkdir -p -- "$1/deb" "$1/kernel"
	(cd "$1/deb" && kernel_download "$2" >log 2>&1) || fail "apt-get download $2: $(cat "$1/deb/log")"
	dpkg-deb -x "$1"/deb/*.deb "$1/kernel" || fail "cannot unpack $2"
	rm -rf -- "$1/deb"
	echo "$2" >"$1/kernel/package"
}

# kernel_modules OUT ROOT NAME...: copy the named modules of OUT/kernel and those that they need into ROOT, under the package's
# paths, so that modprobe finds them, and uncompressed, because busybox's modprobe accepts no others.
kernel_modules() {
	local from=$1/kernel root=$2 version name dep deps
	version=$(basename "$from"/lib/modules/*)
	depmod -b "$from" "$version" || fail "depmod failed"
	for name in "${@:3}"; do
		deps=$(modprobe -d "$from" -S "$version" --show-depends "$name") || fail "$version has no module $name"
		for dep in $(sed -n 's/^insmod //p' <<<"$deps"); do
			[ -e "$root/lib/modules/$version/${dep#*/"$version"/}" ] ||
				install -D -m 644 -- "$dep" "$root/lib/modules/$version/${dep#*/"$version"/}"
		done
	done
	find "$root/lib/modules/" -name '*.ko.xz' -exec unxz -- {} +
	for name in modules.order modules.builtin modules.builtin.modinfo; do
		cp -- "$from/lib/modules/$version/$name" "$root/lib/modules/$version/"
	done
	depmod -b "$root" "$version" || fail "depmod failed"
}

# copy_program ROOT FILE [PATH]: copy a program to ROOT/bin, or to PATH in ROOT, with the libraries that it is linked with
copy_program() {
	local lib
	[ -x "$2" ] || fail "$2 is missing: run scripts/install-deps"
	install -D -- "$2" "$1/${3:-bin/${2##*/}}"
	while read -r lib; do
		[ -e "$1$lib" ] || install -D -- "$lib" "$1$lib"
	done < <(ldd "$2" 2>/dev/null | grep -o '/[^ ]*')
}
