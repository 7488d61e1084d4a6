#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-install system --root, on trees with the layouts of distributions: what the installer detects and writes, and that
# uninstall leaves no difference. grub-mkconfig is this machine's, under the tree's names.

load ../lib/tools
bats_require_minimum_version 1.5.0

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root for chroot"
	cd "$BATS_FILE_TMPDIR" || return 1
	tiny_kernel 2 k
	base_tree
}

# Common to all: a shell with its tools, GRUB's programs, directories.
base_tree() {
	local file
	mkdir -p base/{usr/bin,usr/sbin,usr/share/grub,usr/lib64,boot,etc/default,etc/grub.d,dev,proc,sys,tmp,var/log}
	ln -s usr/bin usr/sbin usr/lib64 base/
	ln -s usr/lib base/lib
	cp /bin/busybox base/usr/bin/busybox
	for file in $(base/usr/bin/busybox --list | grep -vx busybox); do ln -sf busybox "base/usr/bin/$file"; done
	mkdir -p base/usr/lib
	for file in $(ldd /usr/bin/grub-script-check | grep -o '/[^ ]*'); do cp -L --parents "$file" base/; done
	cp /usr/share/grub/grub-mkconfig_lib base/usr/share/grub/
	printf '#!/bin/sh\ncase $* in *device*) echo /dev/sda2 ;; *fs_uuid*) echo 1234-abcd ;; *) echo ext2 ;; esac\n' >probe
	# shellcheck disable=SC2016 # for that script
	printf '#!/bin/sh\necho "$1"\n' >relpath
	chmod 755 probe relpath
	printf '#!/bin/sh\necho "menuentry Linux --id linux { halt }"\n' >base/etc/grub.d/10_linux
	chmod 755 base/etc/grub.d/10_linux
	printf 'GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\n' >base/etc/default/grub
}

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	cd "$BATS_TEST_TMPDIR" || return 1
	K=$BATS_FILE_TMPDIR/k
}

# grub_at PREFIX DIR: GRUB's programs by names that begin with PREFIX
grub_at() {
	local name
	name="s/grub-\(probe\|script-check\|mkrelpath\|editenv\)/$1-\1/"
	sed "$name" /usr/sbin/grub-mkconfig >"t$2/$1-mkconfig"
	sed -i "$name" t/usr/share/grub/grub-mkconfig_lib
	cp "$BATS_FILE_TMPDIR/probe" "t/usr/sbin/$1-probe"
	ln -s true "t/usr/bin/$1-editenv"
	cp /usr/bin/grub-script-check "t/usr/bin/$1-script-check"
	cp "$BATS_FILE_TMPDIR/relpath" "t/usr/bin/$1-mkrelpath"
	chmod 755 t/usr/*bin/"$1"-*
}

tree() { # tree NAME
	rm -rf t
	cp -a "$BATS_FILE_TMPDIR/base" t
	case $1 in
	debian)
		printf 'ID=debian\n' >t/etc/os-release
		mkdir -p t/boot/grub
		grub_at grub /usr/sbin
		CFG=/boot/grub/grub.cfg ;;
	fedora)
		# Since 34: a file on the ESP that leads to /boot/grub2; entries by the Boot Loader Specification.
		printf 'ID=fedora\nVERSION_ID=40\n' >t/etc/os-release
		mkdir -p t/boot/grub2 t/boot/loader/entries t/boot/efi/EFI/fedora
		printf 'title Fedora\nlinux /vmlinuz\n' >t/boot/loader/entries/abc-6.8.conf
		# shellcheck disable=SC2016 # GRUB's
		printf 'search --fs-uuid --set=dev 1\nset prefix=($dev)/grub2\nconfigfile $prefix/grub.cfg\n' \
			>t/boot/efi/EFI/fedora/grub.cfg
		ln -s ../boot/grub2/grub.cfg t/etc/grub2.cfg
		ln -s ../boot/grub2/grub.cfg t/etc/grub2-efi.cfg
		printf 'GRUB_ENABLE_BLSCFG=true\n' >>t/etc/default/grub
		grub_at grub2 /usr/sbin
		CFG=/boot/grub2/grub.cfg ;;
	fedora-uefi-old)
		printf 'ID="centos"\nID_LIKE="rhel fedora"\n' >t/etc/os-release
		mkdir -p t/boot/efi/EFI/centos
		ln -s ../boot/efi/EFI/centos/grub.cfg t/etc/grub2-efi.cfg
		grub_at grub2 /usr/sbin
		CFG=/boot/efi/EFI/centos/grub.cfg ;;
	arch)
		# One directory for all programs.
		printf 'ID=arch\n' >t/etc/os-release
		mkdir -p t/boot/grub
		grub_at grub /usr/bin
		mv t/usr/sbin/* t/usr/bin/
		rmdir t/usr/sbin
		ln -s bin t/usr/sbin
		CFG=/boot/grub/grub.cfg ;;
	alpine)
		printf 'ID=alpine\n' >t/etc/os-release
		: >t/boot/extlinux.conf
		mkdir -p t/boot/grub
		grub_at grub /usr/sbin
		CFG=/boot/grub/grub.cfg ;;
	esac
	printf '### BEGIN /etc/grub.d/10_linux ###\nmenuentry Linux --id linux { halt }\n' >"t$CFG"
	chmod 600 "t$CFG"
}

install() { # install STATUS COMMAND ARGS...
	run "$ROOT/installer/veneer-install" "$2" --root t "${@:3}"
	[ "$status" = "$1" ] || { echo "exit code $status, expected $1: $output"; return 1; }
}

files() {
	(cd t && find . -not -path './var/log/veneer-install.log' -printf '%p %m %U %G %y %l\n' | LC_ALL=C sort
	find . -type f -not -path './var/log/veneer-install.log' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}

round_trip() { # round_trip NAME
	tree "$1"
	files >before
	install 0 system --kernel "$K" --veneer "$K" --name one --cmdline a --verbose
	assert_output --partial "$CFG"
	grep "^menuentry 'Veneer: one'" "t$CFG"
	grep "BEGIN /etc/grub.d/10_linux" "t$CFG"
	[ "$(stat -c %a "t$CFG")" = 600 ]
	install 0 system --kernel "$K" --name two
	install 0 upgrade --name one --cmdline b --veneer "$K"
	grep "^menuentry 'Veneer: two'" "t$CFG"
	grep "^menuentry 'Veneer: one (previous version)'" "t$CFG"
	install 0 verify
	install 0 list
	assert_output --partial 'guest one: multiboot2'
	# Existing files but the menu are unchanged, and all new files are ours.
	files >after
	diff before after >changes || [ $? = 1 ]
	run ! grep -vE "(\./|  \.)$CFG( |\$)|\.$CFG( |\$)" < <(grep '^<' changes)
	run ! grep -vE "^> \./(boot/veneer|etc/default/veneer|etc/grub.d/42_veneer|${CFG#/})" < <(grep '^> \./' changes)
	install 0 rollback
	install 0 uninstall
	files | diff before -
}

# --- the firmware's boot list, on the machine itself ---

# firmware: stand-ins for efibootmgr, with a list in the file "list" in the format of the real one, and for what names the ESP
firmware() {
	mkdir -p bin efi-dir
	printf 'BootOrder: 0001,0002\nBoot0001* Linux\tHD(1,GPT,0)/File(a)\nBoot0002* Veneer other\t%s\n' \
		'HD(1,GPT,OTHER)/File(\EFI\veneer\a\guests\other\veneer.efi)' >list
	cat >bin/efibootmgr <<-'END'
		#!/bin/bash
		[ -n "$1" ] && [ "$1" != -v ] && echo "$*" >>calls
		after() { while [ "$1" != "--$name" ]; do shift; done; echo "$2"; }
		case "$*" in
		'' | -v) cat list ;;
		*--create-only*)
			n=3
			while grep -q "^Boot000$n" list; do n=$((n + 1)); done
			name=label; label=$(after "$@"); name=loader; file=$(after "$@"); name=part; part=$(after "$@")
			[[ $* == *"--disk /dev/sdy "* ]] || exit 1
			printf '%s\n' "Boot000$n* $label"$'\t'"HD($part,GPT,0a-b)/File($file)" >>list ;;
		*--bootorder*) sed -i "s/^BootOrder: .*/BootOrder: ${!#}/" list ;;
		*--delete-bootnum*)
			name=bootnum; number=$(after "$@")
			sed -i "/^Boot$number/d; /^BootOrder/{s/$number,\{0,1\}//; s/,\$//}" list ;;
		esac
	END
	printf '#!/bin/sh\necho /dev/sdy7\n' >bin/findmnt
	printf '#!/bin/sh\ncase $* in *PKNAME*) echo sdy ;; esac\n' >bin/lsblk
	printf '#!/bin/sh\n[ "$*" != "--part-uuid /dev/sdy 7" ] || echo 0A-B\n' >bin/sfdisk
	# shellcheck disable=SC2016 # for that script
	printf '#!/bin/sh\n[ "$2 $3" != "-c %%T" ] || { echo msdos; exit; }\nexec /usr/bin/stat "$@"\n' >bin/stat
	cp "$BATS_FILE_TMPDIR/probe" bin/probe
	chmod 755 bin/*
}

# here STATUS COMMAND ARGS...: on the running system, whose /boot and /etc are the tree's; its machine id is in the file
# machine-id
here() {
	: >>machine-id
	# shellcheck disable=SC2016 # for the inner shell
	PATH=$PWD/bin:${PROGRAMS:-$PATH} VENEER_EFI=$PWD/efi-dir run unshare --mount --propagation private sh -c '
		for dir in boot etc/grub.d etc/default var/log; do mkdir -p /$dir && mount --bind t/$dir /$dir; done
		[ -e /etc/machine-id ] || : >/etc/machine-id
		mount --bind machine-id /etc/machine-id
		mount --bind bin/probe /usr/sbin/grub-probe && exec "$@"' sh "$ROOT/installer/veneer-install" "${@:2}"
	[ "$status" = "$1" ] || { echo "exit code $status, expected $1: $output"; return 1; }
}

leads() { sed -nE 's/^(Boot....)\* Veneer os.HD\(7,GPT,0a-b\)\/File\((.*)\)/\1 \2/p' list; }

@test "Debian" { round_trip debian; }

@test "Fedora: grub2-*, /boot/grub2, entries of the Boot Loader Specification and the file on the ESP stay" {
	round_trip fedora
}

@test "older Fedora and RHEL by UEFI: grub.cfg is on the ESP" { round_trip fedora-uefi-old; }

@test "Arch: one directory of programs" { round_trip arch; }

@test "Alpine: busybox for a shell" { round_trip alpine; }

@test "without GRUB: the package by the distribution's name for it, and the loader that is there" {
	local name package
	while read -r name package; do
		tree "$name"
		rm -f t/usr/*bin/grub*
		install 4 system --kernel "$K" --veneer "$K"
		assert_output --partial "$package"
	done <<-'END'
		debian grub2-common
		fedora grub2-tools
		fedora-uefi-old grub2-tools
		arch Install grub,
		alpine there is extlinux
	END
}

@test "links: an absolute one as grub.cfg leads to a file of the tree, never out of it" {
	tree debian
	mkdir -p t/srv out
	mv t/boot/grub/grub.cfg t/srv/menu
	ln -s /srv/menu t/boot/grub/grub.cfg
	[ ! -e /srv/menu ]
	files >before
	install 0 system --kernel "$K" --veneer "$K"
	grep "^menuentry 'Veneer: k'" t/srv/menu
	[ "$(readlink t/boot/grub/grub.cfg)" = /srv/menu ]
	[ ! -e /srv/menu ]
	install 0 uninstall
	files | diff before -
	# A link to a file outside, which does not exist in the tree.
	echo precious >out/grub.cfg
	ln -sf "$PWD/out/grub.cfg" t/boot/grub/grub.cfg
	install 2 system --kernel "$K" --veneer "$K"
	assert_output --partial "no grub.cfg"
	ln -sf ../../../out/grub.cfg t/boot/grub/grub.cfg
	install 2 system --kernel "$K" --veneer "$K"
	[ "$(cat out/grub.cfg)" = precious ]
	[ "$(ls out)" = grub.cfg ]
	# Also a /boot that leads out of the tree.
	tree debian
	rm -rf t/boot
	mkdir -p out/boot/grub
	echo precious >out/boot/grub/grub.cfg
	ln -s "$PWD/out/boot" t/boot
	install 2 system --kernel "$K" --veneer "$K"
	[ "$(cat out/boot/grub/grub.cfg)" = precious ]
	[ ! -e out/boot/veneer ]
}

@test "links of /etc and /var: absolute ones stay in the tree" {
	local dir
	for dir in etc/default etc/grub.d var/log; do
		tree debian
		rm -rf out
		mkdir -p out "t$PWD/out"
		mv t/$dir/* out/ 2>/dev/null || true
		cp -a out/. "t$PWD/out/"
		rm -rf t/$dir
		ln -s "$PWD/out" t/$dir
		(cd out && find .) >before
		files >files.before
		install 0 system --kernel "$K" --veneer "$K" --default
		(cd out && find .) | diff before -
		install 0 verify
		install 0 uninstall
		(cd out && find .) | diff before -
		rm -f "t$PWD/out/veneer-install.log"
		files | diff files.before -
	done
}

@test "files of others in /boot/veneer are neither overwritten nor removed, nor is a foreign 42_veneer" {
	tree debian
	mkdir t/boot/veneer
	echo mine >t/boot/veneer/veneer.elf
	files >before
	for command in "system --kernel $K --veneer $K" uninstall "uninstall --dry-run"; do
		# shellcheck disable=SC2086 # words
		install 3 $command
		assert_output --partial "boot/veneer exists and is not of this program"
		files | diff before -
	done
	rm -r t/boot/veneer
	ln -s /etc t/boot/veneer
	install 3 system --kernel "$K" --veneer "$K"
	[ -L t/boot/veneer ]
	rm t/boot/veneer
	echo mine >t/etc/grub.d/42_veneer
	install 3 uninstall
	[ "$(cat t/etc/grub.d/42_veneer)" = mine ]
	rm t/etc/grub.d/42_veneer
	files >before
	install 0 system --kernel "$K" --veneer "$K"
	echo mine >t/boot/veneer/notes
	install 0 upgrade --veneer "$K"
	install 0 uninstall
	assert_output --partial "not of this program, and left: $PWD/t/boot/veneer/notes"
	[ "$(find t/boot/veneer -mindepth 1)" = t/boot/veneer/notes ]
	rm -r t/boot/veneer
	files | diff before -
	# The remains of a killed installation belong to the program, also those in other places.
	for command in "" "system --kernel $K --veneer $K"; do
		mkdir -p t/boot/veneer/saved t/boot/veneer/a
		: >t/boot/veneer/a/x
		echo /etc/default/veneer >t/boot/veneer/saved/made
		: >t/etc/default/veneer
		# shellcheck disable=SC2086 # words
		[ -z "$command" ] || install 0 $command
		install 0 uninstall
		files | diff before -
	done
	install 2 uninstall
	assert_output --partial "is not installed there"
}

@test "an /etc/default/veneer of the time before comes back with owner and mode, unless it was changed since" {
	tree debian
	printf '# mine\nVENEER_PREVIOUS=n\n' >t/etc/default/veneer
	chown 1:1 t/etc/default/veneer
	chmod 640 t/etc/default/veneer
	files >before
	install 0 system --kernel "$K" --veneer "$K" --default
	grep -x VENEER_DEFAULT=k t/etc/default/veneer
	[ "$(stat -c '%a %u' t/etc/default/veneer)" = "640 1" ]
	install 0 uninstall
	files | diff before -
	install 0 system --kernel "$K" --veneer "$K" --default
	echo '# later' >>t/etc/default/veneer
	install 0 uninstall
	grep -x '# later' t/etc/default/veneer
	# Interrupted before the menu was written.
	tree debian
	echo '# mine' >t/etc/default/veneer
	files >before
	printf '#!/bin/sh\nexit 1\n' >t/usr/sbin/grub-mkconfig
	files >before
	install 1 system --kernel "$K" --veneer "$K" --default
	files | diff before -
}

@test "a menu written by hand is replaced with --force only, and comes back" {
	tree debian
	printf 'menuentry "My own" { halt }\n' >t/boot/grub/grub.cfg
	files >before
	install 3 system --kernel "$K" --veneer "$K"
	assert_output --partial "boot/grub/grub.cfg was not made by grub-mkconfig"
	files | diff before -
	install 0 system --kernel "$K" --veneer "$K" --force
	run ! grep "My own" t/boot/grub/grub.cfg
	install 0 upgrade --veneer "$K"
	install 0 uninstall
	files | diff before -
}

# own TEXT: make a hypervisor and the veneer.efi beside it, which consists of TEXT
own() {
	mkdir -p own
	cp "$K" own/veneer.elf
	echo "$1" >own/veneer.efi
}

disk_config() { sed 's/veneer,boot = "kernel"/veneer,boot = "disk"/' "$ROOT/configs/default.dts" >disk.dts; }

on_esp() { (cd t/boot/efi/EFI && find veneer -type f | LC_ALL=C sort | tr '\n' ' '); }

@test "a disk's own loader: UEFI without an ESP is refused with what to do, and installed with --force; a BIOS has it" {
	tree debian
	disk_config
	own one
	mkdir -p t/boot/efi/EFI
	mv t/boot/efi/EFI efi-dir
	export VENEER_EFI=$PWD/efi-dir
	install 0 system --config disk.dts --name os --veneer own/veneer.elf
	refute_output --partial "loader"
	grep -F multiboot2 t/boot/veneer/a/guests/os/entry.cfg
	run ! grep -F chainloader t/boot/veneer/a/guests/os/entry.cfg
	install 0 uninstall
	# shellcheck disable=SC2016 # for the inner shell
	for force in '' --force; do
		# shellcheck disable=SC2086 # a word or none
		run unshare --mount --propagation private sh -c 'mount --bind t/boot /boot && mkdir -p /etc/grub.d &&
			mount --bind t/etc/grub.d /etc/grub.d && exec "$@"' sh "$ROOT/installer/veneer-install" system \
			--config disk.dts --name os --veneer own/veneer.elf --log log --dry-run $force
		assert_output --partial "there is none at /boot/efi, /efi or /boot of this system.  Mount the ESP"
		if [ -n "$force" ]; then [ "$status" = 0 ]; else [ "$status" = 3 ]; fi
	done
	[ ! -e t/boot/veneer ]
}

@test "a disk's own loader: an ESP has its files, in two slots; upgrade, rollback, a kernel again, uninstall" {
	local entry=t/boot/veneer/a/guests/os/entry.cfg one two
	tree debian
	disk_config
	own one
	mkdir -p t/boot/efi/EFI/debian
	files >before
	install 0 system --config disk.dts --name os --veneer own/veneer.elf --module "$K a b"
	grep -xF $'\tif chainloader $veneer_esp_dir/guests/os/veneer.efi $veneer_check $veneer_own; then' $entry
	# shellcheck disable=SC2016 # GRUB's
	grep -F 'elif [ -s $veneer_dir/veneer.elf -a -s $veneer_dir/guests/os/config.dtb -a -s $veneer_dir/guests/os/mod' $entry
	# shellcheck disable=SC2016
	grep -F '"$veneer_esp_dir"' $entry
	grub-script-check $entry
	# What GRUB says if it cannot load the file is about this system, not about a disk that the installer has made.
	grep -xF $'\t\techo "GRUB has not loaded veneer.efi."' $entry
	grep -xF $'\tsearch --no-floppy --fs-uuid --set=veneer_esp 1234-abcd' t/boot/grub/grub.cfg
	grep -xF $'\tset veneer_esp_dir=($veneer_esp)$veneer_esp_dir' t/boot/grub/grub.cfg
	# The distribution makes the menu anew while the ESP is not mounted.
	mv t/boot/efi/EFI esp
	chroot t /usr/sbin/grub-mkconfig >menu
	rm t/dev/null
	grep -xF $'\tsearch --no-floppy --fs-uuid --set=veneer_esp 1234-abcd' menu
	grep -xF $'\tset veneer_esp_dir=($veneer_esp)$veneer_esp_dir' menu
	mv esp t/boot/efi/EFI
	one="veneer/a/guests/os/config.dtb veneer/a/guests/os/module0 veneer/a/guests/os/veneer.conf"
	one+=" veneer/a/guests/os/veneer.efi veneer/a/veneer.elf "
	[ "$(on_esp)" = "${one}veneer/owner " ]
	cmp t/boot/efi/EFI/veneer/a/veneer.elf own/veneer.elf
	install 0 verify
	# A guest with a kernel needs no files there, and other guests are no reason to lose them.
	install 0 system --kernel "$K" --name k
	two=${one//veneer\/a/veneer/b}
	[ "$(on_esp)" = "$one${two}veneer/owner " ]
	own two
	install 0 upgrade --veneer own/veneer.elf
	[ "$(cat t/boot/efi/EFI/veneer/a/guests/os/veneer.efi)" = two ]
	[ "$(cat t/boot/efi/EFI/veneer/b/guests/os/veneer.efi)" = one ]
	install 0 verify
	install 0 rollback
	install 0 verify
	# What has changed on the ESP is named, and not started again.
	echo x >t/boot/efi/EFI/veneer/a/guests/os/veneer.conf
	echo x >t/boot/efi/EFI/veneer/a/odd
	install 5 verify
	assert_output --partial "ESP, slot a: guests/os/veneer.conf is not as it was installed"
	assert_output --partial "ESP, slot a: odd: a file that was not installed"
	install 5 rollback
	install 0 upgrade --name os --veneer own/veneer.elf --kernel "$K" --config "$ROOT/configs/default.dts"
	run ! grep -F chainloader $entry
	[ "$(on_esp)" = "${two}veneer/owner " ]
	install 0 uninstall
	files | diff before -
}

@test "a disk's own loader: an installation of the time before gets its files on the ESP by an upgrade" {
	tree debian
	disk_config
	own one
	install 0 system --config disk.dts --name os --veneer own/veneer.elf
	mkdir -p t/boot/efi/EFI
	install 0 verify
	install 0 upgrade --veneer own/veneer.elf --dry-run
	assert_output --partial "would put guests/os/config.dtb guests/os/veneer.conf guests/os/veneer.efi veneer.elf"
	[ ! -e t/boot/efi/EFI/veneer ]
	install 0 upgrade --veneer own/veneer.elf
	[ "$(cat t/boot/efi/EFI/veneer/b/guests/os/veneer.efi)" = one ]
	install 0 verify
	install 0 rollback
	install 0 verify
	install 0 uninstall --dry-run
	assert_output --partial "would remove $PWD/t/boot/efi/EFI/veneer"
	install 0 uninstall
	[ ! -e t/boot/efi/EFI/veneer ]
}

@test "a disk's own loader: files of others on the ESP are neither overwritten nor removed; the limits of veneer.efi" {
	tree debian
	disk_config
	own one
	mkdir -p t/boot/efi/EFI/veneer
	echo mine >t/boot/efi/EFI/veneer/veneer.efi
	files >before
	install 3 system --config disk.dts --name os --veneer own/veneer.elf
	assert_output --partial "EFI/veneer exists and is not of this program ($PWD/t/boot/efi/EFI/veneer/veneer.efi)"
	files | diff before -
	# A guest with a kernel leaves them alone.
	install 0 system --kernel "$K" --veneer "$K"
	install 0 uninstall
	files | diff before -
	rm -r t/boot/efi/EFI/veneer
	# A hypervisor without this way to start.
	printf 'x\0launch-version=1\0y' >own/veneer.efi
	install 2 system --config disk.dts --name os --veneer own/veneer.elf
	assert_output --partial "own/veneer.elf: this hypervisor cannot start a disk's own loader on UEFI: it was built without"
	own one
	truncate -s 2147483649 large
	install 2 system --config disk.dts --name os --veneer own/veneer.elf --module large
	assert_output --partial "the guest os has a module of more than 2147483648 bytes (2 GiB)"
	rm large
	[ ! -e t/boot/veneer ]
}

# uefi_machine: a Debian with an ESP and a boot list, and version one of Veneer for a disk's own loader
uefi_machine() {
	tree debian
	disk_config
	own one
	firmware
	mkdir -p t/boot/efi/EFI
}

@test "two systems share an ESP: the folder of one stays as it is in all that the other does, and so do its boot entries" {
	uefi_machine
	mkdir -p t/boot/efi/EFI/veneer/{a,b}/guests/os
	echo 5678-ef >t/boot/efi/EFI/veneer/owner
	echo theirs | tee t/boot/efi/EFI/veneer/{a,b}/guests/os/veneer.efi >t/boot/efi/EFI/veneer/b/veneer.elf
	printf 'Boot0007* Veneer os\tHD(7,GPT,0a-b)/File(\\EFI\\veneer\\a\\guests\\os\\veneer.efi)\n' >>list
	cp list list.before
	files >before
	here 3 system --config disk.dts --name os --veneer own/veneer.elf
	assert_output --partial "/boot/efi/EFI/veneer/owner: the folder is of another system, with the file system UUID 5678-ef"
	install 3 system --config disk.dts --name os --veneer own/veneer.elf
	files | diff before -
	# A guest with a kernel needs no files there.
	cp t/usr/sbin/grub-mkconfig mkconfig
	printf '#!/bin/sh\nexit 1\n' >t/usr/sbin/grub-mkconfig
	install 1 system --kernel "$K" --veneer "$K"
	cp mkconfig t/usr/sbin/grub-mkconfig
	files | diff before -
	here 0 system --kernel "$K" --veneer "$K"
	here 3 system --config disk.dts --name os --veneer own/veneer.elf
	here 0 upgrade --veneer "$K"
	here 0 verify
	here 0 rollback
	here 0 uninstall
	files | diff before -
	cmp list list.before
	# Of an earlier version there is no such file: then the folder is of this system.
	rm t/boot/efi/EFI/veneer/owner
	here 0 system --config disk.dts --name os --veneer own/veneer.elf
	[ "$(cat t/boot/efi/EFI/veneer/owner)" = 1234-abcd ]
	echo 5678-ef >t/boot/efi/EFI/veneer/owner
	here 5 verify
	assert_output --partial "ESP, slot a: /boot/efi/EFI/veneer is of another system (file system UUID 5678-ef)"
	here 0 uninstall
	[ "$(cat t/boot/efi/EFI/veneer/a/guests/os/veneer.efi)" = one ]
}

@test "two systems in subvolumes of one file system share an ESP: their machine ids tell them apart" {
	local mine=0123456789abcdef0123456789abcdef theirs=fedcba9876543210fedcba9876543210
	uefi_machine
	echo $mine >machine-id
	here 0 system --config disk.dts --name os --veneer own/veneer.elf
	[ "$(cat t/boot/efi/EFI/veneer/owner)" = "1234-abcd"$'\n'$mine ]
	# A file of an earlier version has no machine id.
	echo 1234-abcd >t/boot/efi/EFI/veneer/owner
	here 0 upgrade --veneer own/veneer.elf
	[ "$(cat t/boot/efi/EFI/veneer/owner)" = "1234-abcd"$'\n'$mine ]
	here 0 verify
	# The other subvolume, whose installation has not begun.
	cp -a t mine
	rm -r t/boot/veneer t/etc/grub.d/42_veneer t/etc/default/veneer
	echo $theirs >machine-id
	cp list list.before
	here 3 system --config disk.dts --name os --veneer own/veneer.elf
	assert_output --partial "with the file system UUID 1234-abcd and the machine id $mine."
	here 0 system --kernel "$K" --veneer "$K"
	here 0 uninstall
	[ "$(cat t/boot/efi/EFI/veneer/a/guests/os/veneer.efi)" = one ]
	cmp list list.before
	rm -r mine/boot/efi
	mv t/boot/efi mine/boot/
	rm -r t
	mv mine t
	echo $mine >machine-id
	here 0 verify
	here 0 uninstall
	[ ! -e t/boot/efi/EFI/veneer ]
}

@test "a disk's own loader: an ESP that is not mounted stops upgrade, rollback and further guests; uninstall says what stays" {
	tree debian
	disk_config
	own one
	echo 'UUID=1 /boot/efi vfat umask=0077 0 1' >t/etc/fstab
	install 3 system --config disk.dts --name os --veneer own/veneer.elf
	assert_output --partial "there is none at /boot/efi, /efi or /boot of $PWD/t.  Mount the ESP"
	[ ! -e t/boot/veneer ]
	mkdir t/boot/grub/x86_64-efi
	rm t/etc/fstab
	install 3 system --config disk.dts --name os --veneer own/veneer.elf
	rmdir t/boot/grub/x86_64-efi
	mkdir -p t/boot/efi/EFI
	install 0 system --config disk.dts --name os --veneer own/veneer.elf
	install 0 upgrade --veneer own/veneer.elf
	mv t/boot/efi esp
	files >before
	for command in upgrade rollback "system --kernel $K --name two"; do
		# shellcheck disable=SC2086 # words
		install 3 $command
		assert_output --partial "UEFI starts the guest os (slot "
		assert_output --partial "there is none at /boot/efi, /efi or /boot of $PWD/t.  Mount the ESP"
		files | diff before -
	done
	install 0 rollback --force
	install 0 uninstall
	assert_output --partial "its files in EFI/veneer and the firmware's boot entries for them stay"
}

@test "signed: a kernel's guest starts from the ESP by UEFI; an upgrade has to sign again, a rollback has its own signature" {
	local entry=t/boot/veneer/a/guests/os/entry.cfg build
	build=$(veneer_build)
	openssl req -new -x509 -newkey rsa:2048 -nodes -subj /CN=me/ -keyout my.key -out my.pem 2>openssl.log
	tree debian
	install 3 system --kernel "$K" --veneer "$build/veneer.elf" --name os --sign my.key --cert my.pem
	assert_output --partial "Mount the ESP"
	mkdir -p t/boot/efi/EFI
	files >before
	install 0 system --kernel "$K" --veneer "$build/veneer.elf" --name os --sign my.key --cert my.pem
	assert_output --partial "if my.pem is in its db, or in shim's list"
	# A hypervisor that cannot start a disk's own loader starts a kernel.
	own one
	cp "$build/veneer.efi" own/
	install 0 system --kernel "$K" --veneer own/veneer.elf --name more --sign my.key --cert my.pem --dry-run
	[ "$(on_esp)" = "veneer/a/guests/os/config.dtb veneer/a/guests/os/veneer.conf veneer/a/guests/os/veneer.efi \
veneer/owner " ]
	sbverify --cert my.pem t/boot/efi/EFI/veneer/a/guests/os/veneer.efi
	grep -F chainloader $entry
	grep -F multiboot2 $entry
	grub-script-check $entry
	install 0 list
	assert_output --partial "guest os: signed for UEFI"
	install 2 upgrade --veneer "$build/veneer.elf"
	assert_output --partial "the guest os is signed: --sign and --cert sign it anew"
	install 0 upgrade --veneer "$build/veneer.elf" --cmdline new --sign my.key --cert my.pem
	sbverify --cert my.pem t/boot/efi/EFI/veneer/b/guests/os/veneer.efi
	# Another guest without a signature leaves this one's.
	install 0 system --kernel "$K" --name two
	sbverify --cert my.pem t/boot/efi/EFI/veneer/a/guests/os/veneer.efi
	[ ! -e t/boot/efi/EFI/veneer/a/guests/two ]
	install 0 rollback
	sbverify --cert my.pem t/boot/efi/EFI/veneer/b/guests/os/veneer.efi
	install 0 verify
	install 0 upgrade --veneer "$build/veneer.elf" --force
	assert_output --partial "note: the guest os was signed, and is not any more"
	[ ! -e t/boot/efi/EFI/veneer/a ]
	install 0 uninstall
	files | diff before -
}

@test "the firmware's boot list: a disk's own loader has an entry, which goes with the slot and ends with the installation" {
	uefi_machine
	cp list list.before
	here 0 system --config disk.dts --name os --veneer own/veneer.elf
	assert_output --partial "the firmware's boot list has the entry 'Veneer os' (0003)"
	[ "$(leads)" = 'Boot0003 \EFI\veneer\a\guests\os\veneer.efi' ]
	grep -x 'BootOrder: 0001,0002,0003' list
	sed -i 's/^BootOrder.*/BootOrder: 0003,0002,0001/' list
	here 0 upgrade --veneer own/veneer.elf
	[ "$(leads)" = 'Boot0004 \EFI\veneer\b\guests\os\veneer.efi' ]
	grep -x 'BootOrder: 0004,0002,0001' list
	here 0 rollback
	[ "$(leads)" = 'Boot0003 \EFI\veneer\a\guests\os\veneer.efi' ]
	grep -x 'BootOrder: 0003,0002,0001' list
	# The entry that a killed run left leads to the slot in use before the other slot is written.
	sed -i '/Boot0003/s/veneer.a/veneer\\b/' list
	: >calls
	here 0 upgrade --veneer own/veneer.elf
	grep -m 1 create-only calls | grep -F 'veneer\a\guests'
	[ "$(leads)" = 'Boot0003 \EFI\veneer\b\guests\os\veneer.efi' ]
	# An entry that was removed stays removed.
	sed -i '/Boot0003/d; s/0003,//' list
	here 0 upgrade --veneer own/veneer.elf
	[ -z "$(leads)" ]
	here 0 system --config disk.dts --name two --no-nvram --veneer own/veneer.elf
	run ! grep 'Veneer two' list
	here 0 system --config disk.dts --name three --veneer own/veneer.elf
	grep 'Veneer three' list
	here 0 system --remove three
	run ! grep 'Veneer three' list
	here 0 uninstall
	sort list.before | sed 's/0001,0002/0002,0001/' | diff - <(sort list)
}

@test "the firmware's boot list: a firmware that takes no entry, an ESP that is nowhere, another system's: no failure" {
	uefi_machine
	cp list list.before
	install 0 system --config disk.dts --name os --veneer own/veneer.elf
	install 0 uninstall
	cmp list list.before
	sed -i 's/echo sdy/echo sdx/' bin/lsblk
	sed -i 's/sdy/sdx/' bin/sfdisk
	here 0 system --config disk.dts --name os --veneer own/veneer.elf
	assert_output --partial "the firmware took no new boot entry; choose Veneer in GRUB's menu"
	printf '#!/bin/sh\nexit 1\n' >bin/findmnt
	here 0 uninstall
	here 0 system --config disk.dts --name os --veneer own/veneer.elf
	assert_output --partial "the firmware's boot list cannot be read: choose Veneer in GRUB's menu"
	here 0 uninstall
	cmp list list.before
}

@test "the firmware's boot list: a full one, an order that the firmware refuses, the entries of an interrupted run" {
	uefi_machine
	cp bin/efibootmgr efibootmgr
	here 0 system --config disk.dts --name os --veneer own/veneer.elf
	# No room for a third: the old entry goes first, and the new one has its place.
	sed -i 's/^BootOrder.*/BootOrder: 0003,0002,0001/' list
	# shellcheck disable=SC2016 # for that script
	sed -i 's/\*--create-only\*)/&[ $(grep -c ^Boot0 list) -lt 3 ] || exit 5\n/' bin/efibootmgr
	here 0 upgrade --veneer own/veneer.elf
	[ "$(leads)" = 'Boot0003 \EFI\veneer\b\guests\os\veneer.efi' ]
	grep -x 'BootOrder: 0003,0002,0001' list
	# The order is refused: the old entry stays, and no other is left.
	sed 's/\(\*--bootorder\*)\).*/\1 exit 5 ;;/' efibootmgr >bin/efibootmgr
	here 0 upgrade --veneer own/veneer.elf
	assert_output --partial "did not take the new entry for os into its order; entry 0003 stays"
	assert_output --partial "the new version is in slot a"
	[ "$(leads)" = 'Boot0003 \EFI\veneer\b\guests\os\veneer.efi' ]
	grep -x 'BootOrder: 0003,0002,0001' list
	# A run ended between the new entry and its place in the order.
	cp efibootmgr bin/efibootmgr
	printf 'Boot0009* Veneer os\tHD(7,GPT,0a-b)/File(%s)\n' '\EFI\veneer\a\guests\os\veneer.efi' >>list
	: >calls
	here 0 rollback
	[ "$(leads)" = 'Boot0003 \EFI\veneer\b\guests\os\veneer.efi' ]
	grep -x 'BootOrder: 0003,0002,0001' list
	run ! grep create-only calls
	printf 'Boot0009* Veneer os\tHD(7,GPT,0a-b)/File(%s)\n' '\EFI\veneer\a\guests\os\veneer.efi' >>list
	here 0 rollback
	[ "$(leads)" = 'Boot0009 \EFI\veneer\a\guests\os\veneer.efi' ]
	grep -x 'BootOrder: 0009,0002,0001' list
	# Without efibootmgr, --no-nvram goes on.
	mkdir programs
	ln -s /usr/bin/* /usr/sbin/* programs/ 2>/dev/null || true
	rm -f programs/efibootmgr bin/efibootmgr
	PROGRAMS=$PWD/programs
	here 4 upgrade --veneer own/veneer.elf
	assert_output --partial "missing: efibootmgr"
	here 0 upgrade --no-nvram --veneer own/veneer.elf
	here 0 uninstall
}

@test "the script as the administrator has changed it stays; one that writes no entry is an error" {
	tree debian
	install 0 system --kernel "$K" --veneer "$K"
	sed -i 's/Veneer: check/Veneer: look at/' t/etc/grub.d/42_veneer
	install 0 upgrade --veneer "$K"
	assert_output --partial "42_veneer was changed here, and stays as it is"
	grep 'Veneer: look at' t/boot/grub/grub.cfg
	install 5 verify
	rm t/etc/grub.d/42_veneer
	install 0 upgrade --veneer "$K"
	install 0 verify
	tree debian
	rm -r t/usr/share/grub
	# shellcheck disable=SC2016 # for that script
	printf '#!/bin/sh\n%s\n' 'echo "menuentry Linux { halt } ### BEGIN /etc/grub.d/42_veneer ###" >"$2"' \
		'sh /etc/grub.d/42_veneer >>"$2"' >t/usr/sbin/grub-mkconfig
	files >before
	install 1 system --kernel "$K" --veneer "$K"
	assert_output --partial "left out /etc/grub.d/42_veneer"
	files | diff before -
}

@test "guests: added, removed, never the last one; --dry-run writes nothing" {
	tree arch
	install 0 system --kernel "$K" --veneer "$K" --name one
	install 0 system --kernel "$K" --name two
	files >before
	for command in "system --kernel $K --name three" "system --remove two" "upgrade --name one --cmdline x --veneer $K" \
		rollback uninstall; do
		# shellcheck disable=SC2086 # words
		install 0 $command --dry-run
		assert_output --partial "would"
		files | diff before -
	done
	for name in three .. . ../guests one/../two; do
		install 2 system --remove "$name"
		assert_output --partial "there is no such guest"
		install 2 system --default --name "$name"
		files | diff before -
	done
	install 0 system --default --name two --dry-run
	assert_output --partial "would make two the default entry"
	install 0 system --default --name two
	grep -x VENEER_DEFAULT=two t/etc/default/veneer
	install 0 system --kernel "$K" --name two
	assert_output --partial "there is a guest two: it gets this kernel"
	install 0 system --remove two
	assert_output --partial "two was the default entry"
	grep -x VENEER_DEFAULT= t/etc/default/veneer
	run ! grep 'set default=.*veneer' t/boot/grub/grub.cfg
	run ! grep "Veneer: two'" t/boot/grub/grub.cfg
	grep "Veneer: two (previous version)'" t/boot/grub/grub.cfg
	install 0 list
	[ "$(grep -c 'guest two' <<<"$output")" = 1 ]
	install 2 system --remove one
	assert_output --partial "it is the only guest; use 'uninstall'"
	install 0 verify
}

@test "/etc/default/veneer: passwords, the previous version's entries, the default; kept by an upgrade" {
	tree debian
	install 0 system --kernel "$K" --veneer "$K" --name one
	install 0 system --kernel "$K" --name two
	run ! grep -v -e --unrestricted < <(grep "^menuentry 'Veneer: " t/boot/grub/grub.cfg)
	grep "(previous version)'" t/boot/grub/grub.cfg
	run ! grep 'set default=.*veneer' t/boot/grub/grub.cfg
	printf 'VENEER_DEFAULT=two\nVENEER_PREVIOUS=n\nVENEER_UNRESTRICTED=n\n' >t/etc/default/veneer
	chroot t grub-mkconfig -o /boot/grub/grub.cfg
	grep "^menuentry 'Veneer: one'" t/boot/grub/grub.cfg
	run ! grep -e --unrestricted t/boot/grub/grub.cfg
	run ! grep "(previous version)'" t/boot/grub/grub.cfg
	grep -x $'\tset default="veneer-two"' t/boot/grub/grub.cfg
	install 0 upgrade --name one --cmdline x --veneer "$K"
	grep -x VENEER_PREVIOUS=n t/etc/default/veneer
	run ! grep "(previous version)'" t/boot/grub/grub.cfg
}

@test "the log: what was done and the exit code, by default in the system's own /var/log" {
	tree debian
	install 0 system --kernel "$K" --veneer "$K"
	install 2 system --remove nobody
	install 0 uninstall --log own.log
	grep -E '^[0-9-]{10} [0-9:]{8} \[[0-9]+\] started: veneer-install system --root t --kernel' t/var/log/veneer-install.log
	grep -E 'installed in slot a' t/var/log/veneer-install.log
	grep -E 'ended with exit code 0$' t/var/log/veneer-install.log
	grep -E 'there is no such guest' t/var/log/veneer-install.log
	grep -E 'ended with exit code 2$' t/var/log/veneer-install.log
	run ! grep uninstall t/var/log/veneer-install.log
	grep 'uninstalled' own.log
}

@test "a menu that somebody else has made since is made anew by uninstall, not restored" {
	tree debian
	install 0 system --kernel "$K" --veneer "$K"
	printf '#!/bin/sh\necho "menuentry Other --id other { halt }"\n' >t/etc/grub.d/20_other
	chmod 755 t/etc/grub.d/20_other
	chroot t grub-mkconfig -o /boot/grub/grub.cfg
	grep Other t/boot/grub/grub.cfg
	install 0 uninstall
	grep Other t/boot/grub/grub.cfg
	run ! grep Veneer t/boot/grub/grub.cfg
}

@test "what goes wrong half way leaves the tree as it was: grub-mkconfig fails, makes nonsense, leaves us out" {
	local body
	# shellcheck disable=SC2016 # for those scripts
	for body in 'echo no; exit 1' 'echo "menuentry {" >"$2"' 'echo "# nothing" >"$2"'; do
		tree debian
		printf '#!/bin/sh\n%s\n' "$body" >t/usr/sbin/grub-mkconfig
		files >before
		install 1 system --kernel "$K" --veneer "$K"
		files | diff before -
	done
}

# interrupted STEP COMMAND ARGS...: send SIGTERM before each STEPth program that the command runs; afterwards the tree equals
# t.old or t.new
interrupted() {
	local n rc=0 step=$1 total name seen=''
	shift
	mkdir -p hooks
	# Each counts, and aims at the installer itself, which takes the signal when the program has ended.
	for name in cat chmod chown cmp cp date dd dirname du find flock grep head ln mkdir mktemp mv od perl realpath rm \
		rmdir sed sha256sum sort stat sync tail tr unshare xargs; do
		# shellcheck disable=SC2016 # for those scripts
		printf '#!/bin/sh\necho x >>%q\n[ "$(wc -l <%q)" != "$AIM" ] || kill -TERM "$MAIN"\n%s %s "$@"\n' \
			"$PWD/count" "$PWD/count" 'PATH=${PATH#*:} exec' "$name" >hooks/$name
	done
	chmod 755 hooks/*
	rm -rf t.old t.new
	cp -a t t.old
	aim 0 "$@"
	total=$(wc -l <count)
	(cd t && normal) >new
	for n in $(seq 1 "$step" $((total - 1))) "$total"; do
		rm -rf t
		cp -a t.old t
		rc=0
		aim "$n" "$@" || rc=$?
		(cd t && normal) >now
		if cmp -s now new; then
			seen+=new
			[ $rc = 0 ] || [ $rc = 143 ]
		else
			[ $rc = 143 ]
			seen+=old
			(cd t.old && normal) | diff - now || { echo "SIGTERM before program $n of $total: $*"; return 1; }
		fi
	done
	echo "$total programs: $seen"
	[[ $seen = *old*new* ]]
}

aim() { # aim N COMMAND ARGS...
	: >count
	# shellcheck disable=SC2016 # for the inner shell
	AIM=$1 PATH=$PWD/hooks:$PATH bash -c 'MAIN=$$ exec "$@"' sh "$ROOT/installer/veneer-install" "$2" --root t "${@:3}" \
		>/dev/null 2>&1
}

# Print a tree's menu, its files and what starts, without times and counts.
normal() {
	find . -type f ! -path './var/log/*' ! -name state ! -name info ! -name manifest ! -path './boot/veneer/[ab]/*' \
		! -path './boot/veneer/saved/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
	find . -not -path './boot/veneer/*' -not -path './var/log/*' -printf '%p %m %U %G %y %l\n' | LC_ALL=C sort
	[ ! -e boot/veneer ] || "$ROOT/installer/veneer-install" list --root . |
		sed '/previous version/,$d; s/, Veneer .*//'
}

signals() { # signals STEP
	tree debian
	interrupted "$1" system --kernel "$K" --veneer "$K" --name one
	interrupted "$1" system --kernel "$K" --veneer "$K" --name two --default
	interrupted "$1" upgrade --name one --cmdline x --veneer "$K"
	interrupted "$1" uninstall
	files >now
	tree debian
	files | diff - now
}

@test "a signal leaves the old state or the new one: before some of the programs that are run" { signals 37; }

# bats test_tags=slow
@test "a signal leaves the old state or the new one: before every fifth program" { signals 5; }

@test "an upgrade whose menu cannot be made leaves the old version; what cannot be written is told before" {
	tree debian
	install 0 system --kernel "$K" --veneer "$K" --cmdline old
	cp t/usr/sbin/grub-mkconfig mkconfig
	printf '#!/bin/sh\nexit 1\n' >t/usr/sbin/grub-mkconfig
	cp -a t/etc/default/veneer defaults
	install 1 upgrade --veneer "$K" --cmdline new
	install 1 system --kernel "$K" --name other --default
	install 0 list
	assert_output --partial 'command line "old"'
	refute_output --partial 'command line "new"'
	refute_output --partial "guest other"
	cmp defaults t/etc/default/veneer
	cp mkconfig t/usr/sbin/grub-mkconfig
	install 0 upgrade --veneer "$K" --cmdline new
	files >before
	local dir
	for dir in boot etc/grub.d etc/default; do
		for command in "system --kernel $K" "upgrade --veneer $K" rollback uninstall; do
			# shellcheck disable=SC2016,SC2086 # for the inner shell; words
			run -1 unshare --mount --propagation private sh -c 'mount --bind "$1" "$1" &&
				mount -o remount,ro,bind "$1" && shift && exec "$@"' sh t/$dir \
				"$ROOT/installer/veneer-install" ${command%% *} --root t ${command#"${command%% *}"}
			assert_output --partial "t/$dir: cannot be written (is it mounted read-only?)"
			files | diff before -
		done
	done
	# By a user without the permission to read.
	chmod 700 t/boot/veneer
	run -2 setpriv --reuid 65534 --regid 65534 --clear-groups "$ROOT/installer/veneer-install" list --root t
}

@test "a foreign 42_veneer is not overwritten; a full /boot and a damaged state are told" {
	tree debian
	echo mine >t/etc/grub.d/42_veneer
	install 3 system --kernel "$K" --veneer "$K"
	assert_output --partial "is not of this program"
	[ "$(cat t/etc/grub.d/42_veneer)" = mine ]
	rm t/etc/grub.d/42_veneer
	install 0 system --kernel "$K" --veneer "$K"
	head -c 512 /dev/zero >t/boot/veneer/state
	install 5 verify
	assert_output --partial "state is damaged"
	tree debian
	truncate -s 20M big
	mkdir -p t/boot
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount sh -c 'mount -t tmpfs -o size=2M none t/boot && mkdir t/boot/grub && : >t/boot/grub/grub.cfg &&
		"$1" system --root t --kernel "$2" --veneer "$2" --module big' sh "$ROOT/installer/veneer-install" "$K" \
		>out 2>&1 || rc=$?
	[ "$rc" = 2 ]
	grep "MiB are free" out
}
