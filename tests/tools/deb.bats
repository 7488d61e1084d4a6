#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The Debian packages.
load ../lib/tools
bats_require_minimum_version 1.5.0

# bats test_tags=slow
@test "make deb: the packages are clean for lintian, and their tools work from where they lie" {
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	cd "$BATS_TEST_TMPDIR" || return 1
	unset BUILD MAKEFLAGS MAKELEVEL MFLAGS
	"$ROOT/scripts/make-deb" out
	cd out/deb
	lintian --allow-root --fail-on error,warning -- *.changes
	[ "$(dpkg-deb -f veneer_*.deb Package Architecture)" = $'Package: veneer\nArchitecture: amd64' ]
	dpkg-deb -f veneer-tools_*.deb Depends | grep -F 'veneer (= '
	for deb in veneer_*.deb veneer-tools_*.deb; do
		dpkg-deb -x "$deb" root
	done
	grub-file --is-x86-multiboot2 root/usr/lib/veneer/veneer.elf
	for tool in root/usr/sbin/*; do gzip -t "root/usr/share/man/man8/${tool##*/}.8.gz"; done
	root/usr/sbin/veneer-config check root/usr/share/doc/veneer/examples/example.dts
	run -3 root/usr/sbin/veneer-hwcheck --lspci "$ROOT/tests/fixtures/lspci/z390.txt"
	[[ $output = *"driver e1000e"* ]]
	tiny_kernel 1 kernel
	root/usr/sbin/veneer-install image disk.img --kernel kernel
	[ -s disk.img ]

	# Install over itself, as an upgrade, and purge: check the messages, and that only files of others are left.
	mkdir -p r/var/lib/dpkg/info r/var/lib/dpkg/updates r/boot/veneer r/var/log
	touch r/var/lib/dpkg/status r/boot/veneer/state
	find r ! -path 'r/var/lib/dpkg/*' | sort >before
	into_r() { dpkg --root="$PWD/r" --log=/dev/null --force-script-chrootless --force-depends "$@"; }
	run -0 into_r -i veneer_*.deb veneer-tools_*.deb
	[[ $output != *"veneer-install upgrade"* ]]
	touch r/var/log/veneer-install.log
	run -0 into_r -i veneer_*.deb veneer-tools_*.deb
	[[ $output = *'veneer: the boot menu starts the old version until you run "veneer-install upgrade".'* ]]
	[[ $output != *"stays in the boot menu"* ]]
	run -0 into_r -P veneer-tools veneer
	[[ $output = *"Veneer stays in the boot menu and in /boot/veneer"* ]]
	find r ! -path 'r/var/lib/dpkg/*' | sort | diff before -
}
