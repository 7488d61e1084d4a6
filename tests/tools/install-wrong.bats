#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Wrong uses of veneer-install: each line of the table has a use, its exit code and its message. None writes anything.

load ../lib/tools
bats_load_library bats-support
bats_load_library bats-assert
bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	tiny_kernel 2 k
	echo precious >file
	: >empty
	printf '\0\1\2\3\4\5\6\7\10' >noise
	printf '#!/bin/sh\n' >script
	gzip -c k >k.gz
	printf 'BZh91AY&SY' >k.bz2
	printf '/dts-v1/;\n/ { foo = ; };\n' >bad.dts
	printf '/dts-v1/;\n/ { };\n' >foreign.dts
	cp "$BATS_TEST_DIRNAME/../../configs/default.dts" good.dts
	sed 's/veneer,boot = "kernel"/veneer,boot = "tape"/' good.dts >tape.dts
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"/' good.dts >disk.dts
	mkdir -p dir nogrub/etc nogrub/boot/loader noroot
	printf 'ID=arch\n' >nogrub/etc/os-release
	: >nogrub/boot/loader/loader.conf
	"$BATS_TEST_DIRNAME/../../installer/veneer-install" image ours.img --kernel k --veneer k
	cp --sparse=always ours.img noslots.img
	sfdisk --quiet --part-label noslots.img 3 other
	chmod -R a-w ours.img
	"$BATS_TEST_DIRNAME/../../installer/veneer-install" image native.img --kernel k --native
}

# use: arguments | exit code | a part of the message
table() {
	cat <<'END'
	| 2 | Usage: veneer-install COMMAND
frobnicate | 2 | unknown command 'frobnicate'
image | 2 | image needs a target
image out.img | 2 | --kernel is missing
image out.img --config good.dts | 2 | --kernel is missing: only with veneer,boot = "disk"
image out.img --config disk.dts --native | 2 | --kernel is missing
image out.img --kernel k --veneer k --config tape.dts | 2 | /guest: veneer,boot = "tape": expected "kernel" or "disk"
system --root noroot --remove k | 2 | not a system: no /boot in it
rollback ours.img --name x | 2 | --name is not for 'rollback'
verify ours.img --yes | 2 | --yes is not for 'verify'
image out.img --kernel | 2 | --kernel needs a value
image out.img --bogus | 2 | unknown option '--bogus'
image out.img -x | 2 | unknown option '-x'
image out.img other.img --kernel k | 2 | two targets: 'out.img' and 'other.img'
image out.img --kernel missing --veneer k | 2 | missing: no such file
image out.img --kernel empty --veneer k | 2 | the file is empty
image out.img --kernel dir --veneer k | 2 | cannot be read
image out.img --kernel script --veneer k | 2 | (Multiboot 1, Multiboot 2, Linux bzImage, PVH, Limine), but a script
image out.img --kernel file --veneer k | 2 | (Multiboot 1, Multiboot 2, Linux bzImage, PVH, Limine), but text
image out.img --kernel noise --veneer k | 2 | but data that starts with 0001020304050607
image out.img --kernel k.gz --veneer k | 2 | gzip data (decompress it first)
image out.img --kernel k.bz2 --veneer k | 2 | but bzip2 data
image out.img --kernel k.o --veneer k | 2 | an ELF object file that was not linked
image out.img --kernel k --veneer script | 2 | not Veneer, but a script
image out.img --kernel k --veneer missing | 2 | --veneer: missing: no such file
image out.img --kernel k --veneer k --config bad.dts | 2 | bad.dts
image out.img --kernel k --veneer k --config foreign.dts | 2 | not a configuration of Veneer
config good.dts good.dts | 2 | good.dts is the file to compile
image out.img --kernel k --veneer k --config missing | 2 | --config: missing: no such file
image out.img --kernel k --veneer k --module missing | 2 | --module: missing: no such file
image out.img --kernel k --veneer k --name a/b | 2 | --name a/b: letters, digits
image out.img --kernel k --veneer k --name -- | 2 | --name --: letters, digits
image out.img --kernel k --veneer k --name kernel. | 2 | --name kernel.: the last character must not be a dot
image out.img --kernel k --veneer k --name a... | 2 | --name a...: the last character must not be a dot
image out.img --kernel k --veneer k --name con | 2 | --name con: FAT takes con for a device
image out.img --kernel k --veneer k --name Lpt1.elf | 2 | --name Lpt1.elf: FAT takes Lpt1 for a device
image out.img --kernel k --veneer k --name a:b | 2 | --name a:b: letters, digits
image out.img --kernel k --veneer k --name a~1 | 2 | --name a~1: letters, digits
image out.img --kernel k --veneer k --name kérnel | 2 | letters, digits
image out.img --kernel k --veneer k --name 0123456789012345678901234567890123456789012345678901234567890 | 2 | at most 60
image out.img --kernel k --veneer k --screen big | 2 | --screen big: not auto, text, keep or a mode
image out.img --kernel k --veneer k --screen 0x0 | 2 | --screen 0x0: not auto
image out.img --kernel k --veneer k --menu-timeout soon | 2 | --menu-timeout soon: not a number of seconds
image out.img --kernel k --veneer k --menu-timeout 08 | 2 | --menu-timeout 08: not a number of seconds
image out.img --kernel k --veneer k --size 9999999999G | 2 | --size 9999999999G: too large
image out.img --kernel -k --veneer k | 2 | --kernel: ./-k: no such file
image out.img --kernel k --veneer k --config -d.dts | 2 | --config: ./-d.dts: no such file
image out.img --kernel k --veneer k --size 1.5G | 2 | --size 1.5G: a number with K, M or G
image out.img --kernel k --veneer k --size 20M | 2 | 20 MiB are too small
image out.img --kernel k --veneer k --slot-size 4K | 2 | --slot-size 4K: too small
image out.img --kernel k --veneer k --data lots | 2 | --data lots: a number
image out.img --kernel k --veneer k --state 8M --config good.dts | 2 | --state: the configuration has no veneer,state = "on"
image out.img --kernel k --native --state 8M | 2 | --state: snapshots need Veneer
image out.img --kernel k --veneer k --yes | 2 | --yes is not for 'image'
image out.img --kernel k --veneer k --force=no | 2 | --force takes no value
image out.img --kernel k --veneer k --log no/where | 2 | --log no/where: cannot be written
image file --kernel k --veneer k | 3 | file exists and was not made by this program
image dir --kernel k --veneer k | 2 | dir is a directory
image no/where.img --kernel k --veneer k | 2 | cannot write to no
image /dev/null --kernel k --veneer k | 2 | /dev/null is not an ordinary file
disk file --kernel k --veneer k --yes | 2 | file is not a disk; use 'image' for a file
disk /dev/nonexistent --kernel k --veneer k --yes | 2 | no such device
disk /dev/nonexistent --kernel k --size 1G | 2 | --size is not for 'disk'
disk /dev/nonexistent --kernel k --nvram --no-nvram | 2 | --nvram and --no-nvram: one of them
system target --kernel k | 2 | system takes no target, but --root DIR
system --root missing --kernel k | 2 | --root missing: no such directory
system --root noroot --kernel k | 2 | not a system: no /boot in it
system --root nogrub --kernel k | 4 | there is systemd-boot (boot/loader/loader.conf).  Install grub
system --remove a --kernel k | 2 | --remove goes without options for a guest
upgrade ours.img --root / | 2 | a target and --root: one of them
upgrade missing | 2 | missing: no such file or device
upgrade file | 2 | no installation of Veneer in its partition table
upgrade noslots.img | 2 | no installation of Veneer in its partition table
upgrade ours.img --veneer k --name other --cmdline x | 2 | there is no such guest, but: k
upgrade ours.img --veneer k --name other | 2 | there is no such guest, but: k
upgrade ours.img --no-nvram | 2 | --no-nvram: an upgrade of ours.img changes no boot list
upgrade --root nogrub --menu-timeout 5 | 2 | --menu-timeout: a system's own menu has its own
upgrade --root nogrub --veneer k | 2 | Veneer is not installed there
upgrade native.img --veneer k | 2 | a kernel without Veneer (--native): no --veneer and --config
upgrade native.img --config good.dts | 2 | a kernel without Veneer (--native): no --veneer and --config
rollback ours.img | 2 | there is no previous version
rollback ours.img --kernel k | 2 | --kernel is not for 'rollback'
rollback --root nogrub | 2 | Veneer is not installed there
uninstall ours.img | 2 | an image is uninstalled by deleting it
uninstall --root nogrub | 2 | Veneer is not installed there
verify --root nogrub | 2 | Veneer is not installed there
list file | 2 | no installation of Veneer
config k | 2 | config needs two files
config bad.dts out.dtb | 2 | dtc says
END
}

@test "forty wrong uses and more: message, exit code, and nothing is written" {
	local args status want part rc count=0 wrong=0
	cd "$BATS_FILE_TMPDIR"
	before=$(find . -type f -print0 | sort -z | xargs -0 sha256sum)
	while IFS='|' read -r args want part; do
		rc=0
		# shellcheck disable=SC2086 # words
		out=$("$BATS_TEST_DIRNAME/../../installer/veneer-install" $args 2>&1 </dev/null) || rc=$?
		count=$((count + 1))
		part=${part# }
		if [ $rc != $((want)) ] || [[ $out != *"$part"* ]]; then
			echo "veneer-install $args: exit code $rc, expected $want; message '$part' expected, got: $out"
			wrong=$((wrong + 1))
		fi
	done < <(table)
	[ $count -ge 40 ]
	[ $wrong = 0 ]
	[ "$(find . -type f -print0 | sort -z | xargs -0 sha256sum)" = "$before" ]
}

# Refused here already, because Veneer's start would refuse it.
@test "more modules, longer arguments and more segments than Veneer can load" {
	local install="$BATS_TEST_DIRNAME/../../installer/veneer-install" many=() long=() n
	cd "$BATS_TEST_TMPDIR"
	cp "$BATS_FILE_TMPDIR/k" .
	for ((n = 0; n < 63; n++)); do many+=(--module k); done
	run -2 "$install" image out.img --kernel k --veneer k "${many[@]}"
	assert_output --partial "63 modules are more than the 62 that Veneer can hand over"
	for ((n = 0; n < 20; n++)); do long+=(--module "k $(printf 'x%.0s' {1..900})"); done
	run -2 "$install" image out.img --kernel k --veneer k "${long[@]}"
	assert_output --partial "are more than the 14000 that Veneer can hand over"
	# An ELF file with 65 segments to load, and a multiboot2 header behind them.
	python3 - <<-'END'
		import struct
		head = b"\x7fELF\x02\x01\x01" + bytes(9)
		head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x200000, 64, 0, 0, 64, 56, 65, 0, 0, 0)
		load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x200000, 0x200000, 16, 16, 16)
		mb = struct.pack("<IIIIHHI", 0xe85250d6, 0, 24, -(0xe85250d6 + 24) % 2**32, 0, 0, 8)
		open("segments", "wb").write(head + load * 65 + mb)
		open("fewer", "wb").write(head + load * 64 + struct.pack("<I", 2) + load[4:] + mb)
	END
	run -2 "$install" image out.img --kernel segments --veneer k
	assert_output --partial "segments: 65 segments to load are more than the 64 that Veneer can load"
	run -0 "$install" image out.img --kernel fewer --veneer k
}
