#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-install: the images that it makes, and its refusals. No emulator.

# shellcheck disable=SC2016 # dollar signs that are meant
load ../lib/tools
bats_require_minimum_version 1.5.0

setup_file() {
	# A kernel with a Multiboot 2 header, and one with a Multiboot 1 header.
	cd "$BATS_FILE_TMPDIR" || return 1
	tiny_kernel 1 mb1
	tiny_kernel 2 mb2
	truncate -s 32M big
}

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	cd "$BATS_TEST_TMPDIR" || return 1
	K=$BATS_FILE_TMPDIR
	PATH=$PATH:/usr/sbin:/sbin
}

teardown() {
	[ -z "${LOOP:-}" ] || { umount "$LOOP" 2>/dev/null; losetup -d "$LOOP"; }
}

install() {
	run -"$1" "$ROOT/installer/veneer-install" "${@:2}"
}

image() {
	install "$1" image disk.img --veneer "$K/mb2" "${@:2}"
}

# The ESP is at 2 MiB, slot a at 36 MiB.
entry() { # what GRUB does for the guest mb1
	mtype -i disk.img@@36M ::/veneer/guests/mb1/entry.cfg
}

property() { # property NODE NAME: of the configuration on the image
	mcopy -n -i disk.img@@36M ::/veneer/guests/mb1/config.dtb - >installed.dtb
	fdtget installed.dtb "$1" "$2"
}

@test "the program, its help and its manual page have the same commands, options and exit codes" {
	local command
	cd "$ROOT/installer"
	# shellcheck disable=SC2016 # for that shell
	bash -c '. lib/args.bash; printf -- "--%s\n" "${!opt[@]}" module help' | sort >"$BATS_TEST_TMPDIR/known"
	mandoc -T ascii man/veneer-install.8 | sed 's/.\x08//g' | expand >"$BATS_TEST_TMPDIR/man"
	grep -oE -e '--[a-z][a-z-]+' lib/help.bash | sort -u >"$BATS_TEST_TMPDIR/help"
	cd "$BATS_TEST_TMPDIR"
	diff known help
	diff <(grep -v -e '^--help$' known) <(grep -oE -e '--[a-z][a-z-]+' man | sort -u)
	"$ROOT/installer/veneer-install" --help >all
	grep -oE '^  [0-9][0-9, ]*  [a-z]' all | grep -oE '[0-9]+' | tr '\n' ' ' >codes
	sed -n '/^EXIT STATUS/,/^EXAMPLES/p' man | grep -oE '^ +[0-9][0-9, ]*( |$)' | grep -oE '[0-9]+' | tr '\n' ' ' |
		diff codes -
	grep -oE 'EX_[A-Z]+=[0-9]' "$ROOT/installer/lib/common.bash" | sed 's/.*=//' | tr '\n' ' ' >own
	[ "$(cat codes)" = "0 $(cat own)130 143 " ]
	for command in image disk efi system upgrade rollback uninstall verify list config; do
		grep -q "^  $command " all
		grep -qw "$command" man
		install 0 "$command" --help
	done
	for page in "$ROOT"/installer/man/*.8; do
		run -0 mandoc -T lint -W error "$page"
	done
}

@test "an image needs no privileges" {
	# A user without privileges: no loop devices, no mounts.
	run -0 unshare --user "$ROOT/installer/veneer-install" image disk.img --veneer "$K/mb2" --kernel "$K/mb1"
	install 0 verify disk.img
}

@test "wrong use: no command, unknown command, option without value, no kernel, two targets" {
	install 2
	install 2 frobnicate
	assert_output --partial "unknown command 'frobnicate'"
	image 2 --kernel
	assert_output --partial "--kernel needs a value"
	image 2
	assert_output --partial "--kernel is missing"
	image 2 --kernel "$K/mb1" other.img
	assert_output --partial "two targets"
	image 2 --kernel "$K/mb1" --bogus
	assert_output --partial "unknown option '--bogus'"
	image 2 --kernel "$K/mb1" --yes
	image 2 --kernel "$K/mb1" --size 1.5G
	assert_output --partial "--size 1.5G"
	assert [ ! -e disk.img ]
}

@test "an image has a sound GPT with both partitions, boot code, and all files" {
	image 0 --kernel "$K/mb1" --module "$K/mb2" --cmdline "root=disk0 debug"
	run -0 sfdisk --verify disk.img
	assert_output --partial "No errors detected"
	run -0 sfdisk --dump disk.img
	assert_output --regexp "start= +2048, size= +2048, type=21686148-6449-6E6F-744E-656564454649"
	assert_output --regexp "start= +4096, size= +69632, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B.*"
	assert_output --partial 'name="veneer-a"'
	assert_output --partial 'name="veneer-b"'
	[ "$(od -An -tx1 -j 510 -N 2 disk.img | tr -d ' ')" = 55aa ]
	[ "$(od -An -tu8 -j 92 -N 8 disk.img | tr -d ' ')" = 2048 ]
	dd if=disk.img of=esp bs=1M skip=2 count=34 status=none
	run -0 fsck.vfat -n esp
	mcopy -i disk.img@@2M ::/EFI/BOOT/BOOTX64.EFI ::/boot/grub/grub.cfg .
	grub-script-check grub.cfg
	mcopy -i disk.img@@36M ::/veneer/guests/mb1/kernel ::/veneer/guests/mb1/module0 .
	mcopy -i disk.img@@36M ::/veneer/veneer.elf ::/veneer/menu.cfg .
	grub-script-check menu.cfg
	cmp kernel "$K/mb1"
	cmp module0 "$K/mb2"
	cmp veneer.elf "$K/mb2"
	entry | grep -xF $'\tmodule2 --nounzip $veneer_dir/guests/mb1/kernel kernel root=disk0 debug'
	entry | grep -xF $'\tmodule2 --nounzip $veneer_dir/guests/mb1/module0 mb2'
	entry >cfg
	grub-script-check cfg
	[ "$(property / compatible)" = veneer,config ]
	[ "$(property /policy veneer,default)" = conceal ]
}

@test "a command line with quotes goes into the configuration, unchanged" {
	image 0 --kernel "$K/mb1" --cmdline 'run="exit 0; x"  a\b $c'
	entry | grep -xF $'\tmodule2 --nounzip $veneer_dir/guests/mb1/kernel kernel'
	[ "$(property /guest bootargs)" = 'run="exit 0; x"  a\b $c' ]
	# If the node is missing it is added, complete.
	printf '/dts-v1/;\n/ { compatible = "veneer,config"; veneer,config-version = <1>; };\n' >bare.dts
	image 0 --kernel "$K/mb1" --cmdline 'a="b c"' --config bare.dts --force
	[ "$(property /guest bootargs)" = 'a="b c"' ]
	[ "$(property /guest compatible)" = veneer,guest ]
}

@test "special characters that GRUB can pass are quoted for it" {
	image 0 --kernel "$K/mb1" --cmdline 'a;b $(c) {d}'
	entry | grep -xF $'\tmodule2 --nounzip $veneer_dir/guests/mb1/kernel kernel '"'a;b' '\$(c)' '{d}'"
	entry >cfg
	grub-script-check cfg
}

# wishing NAME ASSEMBLY: make a kernel with this header
wishing() {
	printf '.section .a,"a"\n.align 8\n%b.text\n.globl _start\n_start: hlt\n' "$2" >wish.S
	gcc -m32 -c -o wish.o wish.S
	ld -m elf_i386 -N --no-warn-rwx-segments -Ttext 0x200000 -z noexecstack --build-id=none -o "$1" wish.o
}

@test "the screen: what the kernel asks for, else text; --screen; an upgrade keeps it" {
	local text=$'\tif [ "$grub_platform" = pc ]; then set gfxpayload=text; fi'
	local head='h: .long 0xe85250d6,0,e-h,-(0xe85250d6+e-h)\n'
	local end='.align 8\n.short 0,0\n.long 8\ne:\n' one='.long 0x1badb002,4,-0x1badb006,0,0,0,0,0' slot
	image 0 --kernel "$K/mb1"
	entry | grep -xF -A 1 $'\tmultiboot2 $veneer_dir/veneer.elf $veneer_check $veneer_own' | grep -xF "$text"
	image 0 --kernel "$K/mb2" --name mb1
	entry | grep -xF "$text"
	wishing wish "$head.short 4,1\n.long 12,2\n.align 8\n.short 5,1\n.long 20,1024,768,32\n$end"
	image 0 --kernel wish --name mb1
	entry | grep -xF $'\tset gfxpayload=1024x768x32,1024x768,auto'
	wishing wish "$head.short 5,1\n.long 20,0,0,0\n$end"
	image 0 --kernel wish --name mb1
	run ! grep gfxpayload <(entry)
	wishing wish "$one,0,640,480,0\n"
	image 0 --kernel wish --name mb1
	entry | grep -xF $'\tset gfxpayload=640x480,auto'
	wishing wish "$one,1,80,25,0\n"
	image 0 --kernel wish --name mb1
	entry | grep -xF "$text"
	image 0 --kernel "$K/mb1" --screen keep
	run ! grep gfxpayload <(entry)
	image 0 --kernel "$K/mb1" --screen 800x600x32
	entry | grep -xF $'\tset gfxpayload=800x600x32,auto'
	entry >cfg
	grub-script-check cfg
	install 0 upgrade disk.img --veneer "$K/mb2" --cmdline new
	slot=$(sfdisk --dump disk.img | sed -n 's/^disk.img4 .*start= *\([0-9]*\),.*/\1/p')
	mtype -i "disk.img@@$((slot * 512))" ::/veneer/guests/mb1/entry.cfg | grep -xF $'\tset gfxpayload=800x600x32,auto'
}

@test "a command line that is too long is refused" {
	image 2 --kernel "$K/mb1" --cmdline "$(printf %01024d 0)"
	assert_output --partial "at most 1023"
}

@test "kernels: unknown formats are refused by what they are; missing and empty files, too" {
	echo "#!/bin/sh" >script
	image 2 --kernel script
	assert_output --partial "Multiboot 1, Multiboot 2, Linux bzImage, PVH, Limine"
	assert_output --partial "a script"
	image 2 --kernel "$K/mb1.o"
	assert_output --partial "an ELF object file"
	cp /bin/true elf
	image 2 --kernel elf
	assert_output --partial "a 64-bit ELF file without a Multiboot header"
	gzip -c "$K/mb1" >mb1.gz
	image 2 --kernel mb1.gz
	assert_output --partial "gzip data"
	image 2 --kernel nothing
	assert_output --partial "nothing: no such file"
	: >empty
	image 2 --kernel empty
	assert_output --partial "the file is empty"
	image 2 --kernel .
	assert_output --partial "cannot be read"
	assert [ ! -e disk.img ]
}

@test "modules: arguments, and names that are Veneer's own" {
	cp "$K/mb2" kernel
	image 2 --kernel "$K/mb1" --module kernel
	assert_output --partial "marks Veneer's own modules"
	image 0 --kernel "$K/mb1" --module "kernel initrd one two"
	entry | grep -xF $'\tmodule2 --nounzip $veneer_dir/guests/mb1/module0 initrd one two'
	image 2 --kernel "$K/mb1" --module "missing"
	assert_output --partial "missing: no such file"
}

@test "configurations: errors name the file and line" {
	printf '/dts-v1/;\n/ {\n\tfoo = ;\n};\n' >bad.dts
	image 2 --kernel "$K/mb1" --config bad.dts
	assert_output --regexp "bad.dts:3"
	printf '#include "missing.h"\n/dts-v1/;\n/ { };\n' >inc.dts
	image 2 --kernel "$K/mb1" --config inc.dts
	assert_output --partial "missing.h"
	printf '/dts-v1/;\n/ { };\n' >foreign.dts
	image 2 --kernel "$K/mb1" --config foreign.dts
	assert_output --partial "not a configuration of Veneer"
	printf '/dts-v1/;\n/ { compatible = "veneer,config"; veneer,config-version = <2>; };\n' >new.dts
	image 2 --kernel "$K/mb1" --config new.dts
	assert_output --partial "veneer,config-version is 2"
	image 2 --kernel "$K/mb1" --config missing.dts
	assert_output --partial "no such file"
}

@test "configurations: the compiled form works as the source does" {
	install 0 config "$ROOT/configs/example.dts" example.dtb
	assert_output ""
	image 0 --kernel "$K/mb1" --config example.dtb
	[ "$(property /guest veneer,on-crash)" = halt ]
	install 2 config "$ROOT/configs/example.dts"
}

@test "a file that is no image of ours is not overwritten; an earlier image and --force are" {
	echo precious >disk.img
	image 3 --kernel "$K/mb1"
	assert_output --partial "--force"
	[ "$(cat disk.img)" = precious ]
	image 0 --kernel "$K/mb1" --force
	image 0 --kernel "$K/mb2"
}

@test "a failure leaves an earlier image as it was and no rubbish beside it" {
	image 0 --kernel "$K/mb1"
	before=$(sha256sum disk.img)
	image 2 --kernel "$K/mb1" --module "$K/big" --size 36M
	assert_output --regexp "36 MiB are too small; [0-9]+ MiB are needed"
	[ "$(sha256sum disk.img)" = "$before" ]
	[ "$(ls)" = disk.img ]
}

@test "sizes: --size is exact, and large modules make the image larger" {
	image 0 --kernel "$K/mb1" --size 100M
	[ "$(stat -c %s disk.img)" = 104857600 ]
	run -0 sfdisk --verify disk.img
	image 0 --kernel "$K/mb1" --module "$K/big" --module "$K/big"
	mdir -i disk.img@@36M ::/veneer/guests/mb1/module1
}

@test "sizes: files of 2 GiB and more together are counted, a file that FAT cannot hold is refused by name" {
	mkdir tree
	truncate -s 2150100000 tree/a
	truncate -s 3000000000 tree/b
	echo x >tree/c
	# A path without any awk.
	run -0 bash -c '. "$1"/lib/guest.bash; awk() { echo 5.1501e+09; }; tree_bytes tree' - "$ROOT/installer"
	[ "$output" -gt $((2150100000 + 3000000000)) ] && [ "$output" -lt $((2150100000 + 3000000000 + 200000)) ]
	truncate -s 4294967296 over
	image 2 --kernel "$K/mb1" --module over
	assert_output --partial "--module: over: 4294967296 bytes; FAT holds no file of more than 4294967295"
	image 2 --kernel over
	assert_output --partial "--kernel: over: 4294967296 bytes"
	install 2 image disk.img --veneer over --kernel "$K/mb1"
	assert_output --partial "--veneer: over: 4294967296 bytes"
	[ ! -e disk.img ]
}

# A guest's directory has the name that GRUB looks for, whatever the name of the kernel's file is.
@test "names: what FAT would change is changed before, and GRUB finds the guest by its name" {
	local name want
	while read -r name want; do
		cp "$K/mb1" "$name"
		rm -f disk.img
		image 0 --kernel "$name"
		assert_output --partial "the menu has: $want"
		dd if=disk.img of=slot bs=1M skip=36 count=34 status=none
		grub-fstest slot cat "/veneer/guests/$want/entry.cfg" >entry
		grep -q "/guests/$want/kernel" entry
		grub-fstest slot cmp "/veneer/guests/$want/kernel" "$name"
	done <<-'END'
		trail. trail
		dots... dots
		con _con
		aux.elf _aux.elf
		COM1 _COM1
		UPPER UPPER
		two..dots two..dots
		MiXed.Case MiXed.Case
	END
}

@test "names: a slot in which a name came out otherwise is not written" {
	mkdir bin
	# A copy that changes a directory's name, as FAT does with some names.
	cat >bin/mcopy <<-END
		#!/bin/bash
		$(command -v mcopy) "\$@" || exit
		[ "\$1 \$2" = "-s -i" ] || exit 0
		$(command -v mren) -i "\$3" ::/veneer/guests/mb1 ::/veneer/guests/mb2
	END
	chmod +x bin/mcopy
	PATH=$PWD/bin:$PATH image 1 --kernel "$K/mb1"
	assert_output --partial "FAT has changed names: guests/mb1/cmdline"
	[ ! -e disk.img ]
}

@test "targets that are no files: a directory, a path into nowhere" {
	install 2 image . --kernel "$K/mb1" --veneer "$K/mb2"
	assert_output --partial "is a directory"
	install 2 image no/where.img --kernel "$K/mb1" --veneer "$K/mb2"
	assert_output --partial "cannot write to no"
}

@test "what is given as the hypervisor must be one" {
	cp /bin/true elf
	install 2 image disk.img --kernel "$K/mb1" --veneer elf
	assert_output --partial "not Veneer"
	install 2 image disk.img --kernel "$K/mb1" --veneer missing
	assert_output --partial "no such file"
}

@test "names: links are followed, a dash or what mtools takes apart is a name like others" {
	mkdir 'a b' other
	ln -s 'other/real.img' disk.img
	image 0 --kernel "$K/mb1"
	[ -L disk.img ] && [ -f other/real.img ]
	cp "$K/mb1" ./-k
	cp "$ROOT/configs/default.dts" ./-d.dts
	install 0 image 'a b/ü@@1.img' --kernel -k --config -d.dts --veneer "$K/mb2"
	install 0 upgrade 'a b/ü@@1.img' --veneer "$K/mb2" --cmdline new
	install 0 verify 'a b/ü@@1.img'
	install 0 list 'a b/ü@@1.img'
	assert_output --partial 'guest k: multiboot,'
	[ "$(ls 'a b')" = 'ü@@1.img' ]
}

@test "surroundings: no PATH, POSIXLY_CORRECT, variables of the program's own names, a TMPDIR with @@" {
	run -0 env -i "$ROOT/installer/veneer-install" image disk.img --kernel "$K/mb1" --veneer "$K/mb2"
	touch keep
	run -0 env POSIXLY_CORRECT=1 IFS=x CDPATH=/ MTOOLS_LOWER_CASE=1 work="$PWD" tree="$PWD" partial=keep undo="rm keep" \
		root="$PWD" "$ROOT/installer/veneer-install" image disk.img --kernel "$K/mb1" --veneer "$K/mb2"
	install 0 verify disk.img
	[ -e keep ]
	mkdir 'a@@1'
	TMPDIR=$PWD/a@@1 install 2 verify disk.img
	assert_output --partial "mtools takes @@ for an offset"
}

@test "a log that cannot be written is told once, and stops nothing" {
	[ -e /dev/full ] || skip "no /dev/full"
	image 0 --kernel "$K/mb1" --log /dev/full
	[ "$(grep -c "/dev/full: cannot be written; it goes on without a log" <<<"$output")" = 1 ]
	install 0 verify disk.img
}

# damage TEXT: its first byte becomes an x, wherever it is in disk.img
damage() {
	local at
	LC_ALL=C grep -obUaP "$1" disk.img | cut -d : -f 1 | while read -r at; do
		printf x | dd of=disk.img bs=1 seek="$at" conv=notrunc status=none
	done
}

@test "what is not as it was installed is neither taken over nor started again; --force does it" {
	image 0 --kernel "$K/mb1" --cmdline first-words
	install 0 upgrade disk.img --veneer "$K/mb2" --cmdline second-words
	cp disk.img whole.img
	damage second-words
	install 5 upgrade disk.img --veneer "$K/mb2"
	assert_output --partial "slot b: guests/mb1/cmdline"
	assert_output --partial "slot b is not as it was installed; nothing was changed"
	install 0 rollback disk.img
	before=$(sha256sum disk.img)
	install 5 rollback disk.img
	assert_output --partial "slot b is not as it was installed; nothing was changed"
	[ "$(sha256sum disk.img)" = "$before" ]
	install 0 rollback disk.img --force
	install 0 upgrade disk.img --veneer "$K/mb2" --force
	install 0 list disk.img
	assert_output --partial 'command line "xecond-words"'
}

@test "an upgrade writes what GRUB does anew, and takes over no configuration that the new version refuses" {
	image 0 --kernel "$K/mb1" --screen text
	entry >entry.new
	mcopy -s -n -i disk.img@@36M ::/veneer old
	# As an older version may have left it.
	printf 'multiboot2 $veneer_dir/veneer.elf\nmodule2 $veneer_dir/guests/mb1/kernel kernel\n' >old/guests/mb1/entry.cfg
	fdtput -t s old/guests/mb1/config.dtb /guest veneer,old-property 1
	rm old/manifest
	(cd old && find . -type f -print0 | sort -z | xargs -0 sha256sum -- >../manifest)
	mv manifest old/
	mdeltree -i disk.img@@36M ::/veneer
	mcopy -s -i disk.img@@36M old ::/veneer
	install 0 verify disk.img
	before=$(sha256sum disk.img)
	install 2 upgrade disk.img --veneer "$K/mb2"
	assert_output --partial "guest mb1: its configuration: Veneer would not start with it"
	assert_output --partial "veneer,old-property"
	[ "$(sha256sum disk.img)" = "$before" ]
	install 0 upgrade disk.img --veneer "$K/mb2" --config "$ROOT/configs/default.dts"
	local start
	start=$(sfdisk --dump disk.img | sed -nE 's/.*start= *([0-9]+),.*name="veneer-b".*/\1/p')
	mtype -i "disk.img@@$((start * 512))" ::/veneer/guests/mb1/entry.cfg | cmp - entry.new
	install 0 upgrade disk.img --veneer "$K/mb2" --screen keep
	run ! grep gfxpayload < <(entry)
}

@test "an image of an earlier release is as installed, is upgraded, and goes back" {
	local release=$ROOT/tests/fixtures/release-2026-11-26 start
	image 0 --kernel "$K/mb2" --name os --cmdline 'run="exit 5"'
	# Slot and ESP as the release wrote them, with other binaries.
	cp -r "$release/slot" slot
	cp "$K/mb2" slot/veneer.elf
	cp "$K/mb2" slot/guests/os/kernel
	: >slot/guests/os/modules
	dtc -q -I dts -O dtb -o slot/guests/os/config.dtb "$release/kernel.dts"
	printf 'veneer %s\ninstalled 2026-11-26 19:44:29\n' "$(sha256sum slot/veneer.elf | cut -c 1-12)" >slot/info
	(cd slot && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -- >../manifest)
	mv manifest slot/
	mdeltree -i disk.img@@36M ::/veneer
	mmd -i disk.img@@36M ::/veneer
	mcopy -s -i disk.img@@36M slot/* ::/veneer/
	mcopy -o -i disk.img@@2M "$release/grub.cfg" ::/boot/grub/grub.cfg
	mcopy -o -i disk.img@@2M "$release/state" ::/veneer/state
	mtype -i disk.img@@2M ::/veneer/boot.sums >sums
	sed -i "s/^.* boot.grub.grub.cfg/$(sha256sum <"$release/grub.cfg" | cut -d ' ' -f 1) boot\/grub\/grub.cfg/" sums
	mcopy -o -i disk.img@@2M sums ::/veneer/boot.sums
	install 0 verify disk.img
	assert_output --partial "as installed"
	install 0 list disk.img
	assert_output --partial 'guest os: multiboot2'
	assert_output --partial 'installed 2026-11-26 19:44:29'
	# The guest stays, with its configuration and its command line.
	install 0 upgrade disk.img --veneer "$K/mb2"
	start=$(sfdisk --dump disk.img | sed -nE 's/.*start= *([0-9]+),.*name="veneer-b".*/\1/p')
	mcopy -s -n -i "disk.img@@$((start * 512))" ::/veneer new
	cmp new/guests/os/config.dtb slot/guests/os/config.dtb
	cmp new/guests/os/kernel slot/guests/os/kernel
	[ "$(cat new/guests/os/cmdline)" = 'run="exit 5"' ]
	install 0 rollback disk.img
	assert_output --partial "slot a starts again"
	install 0 verify disk.img
	mcopy -s -n -i disk.img@@36M ::/veneer again
	diff -r --exclude=menu.cfg --exclude=manifest again slot
}

@test "--verbose says what goes where" {
	image 0 --kernel "$K/mb1" --verbose --config "$ROOT/configs/example.dts"
	assert_output --partial "guest mb1: $K/mb1: multiboot"
	assert_output --partial "configuration: $ROOT/configs/example.dts"
	assert_output --partial "hypervisor: $K/mb2"
}

@test "native: GRUB starts the kernel itself" {
	install 0 image disk.img --native --kernel "$K/mb1" --module "$K/mb2" --cmdline "a b"
	entry | grep -xF 'multiboot $veneer_dir/guests/mb1/kernel a b'
	entry | grep -xF 'module --nounzip $veneer_dir/guests/mb1/module0 mb2'
	run ! mdir -i disk.img@@36M ::/veneer/veneer.elf
}

@test "a guest that is a disk's own loader needs no kernel" {
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"/' "$ROOT/configs/default.dts" >disk.dts
	echo efi >"$K/veneer.efi"
	image 0 --config disk.dts
	mcopy -n -i disk.img@@36M ::/veneer/guests/disk/entry.cfg cfg
	grub-script-check cfg
	run ! grep kernel cfg
	install 0 list disk.img
	assert_output --partial "guest disk: the loader of a disk"
	image 0 --config disk.dts --kernel "$K/mb1"
	assert_output --partial "--kernel is not used"
	# And with a kernel again.
	install 2 upgrade disk.img --veneer "$K/mb2" --config "$ROOT/configs/default.dts"
	assert_output --partial "--kernel is missing"
	install 0 upgrade disk.img --veneer "$K/mb2" --config "$ROOT/configs/default.dts" --kernel "$K/mb1"
	install 0 verify disk.img
	install 0 list disk.img
	assert_output --partial "guest mb1: multiboot,"
}

@test "a guest that is a disk's loader has veneer.efi for UEFI, also after upgrades from and to a kernel" {
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"/' "$ROOT/configs/default.dts" >disk.dts
	mkdir own
	cp "$K/mb2" own/veneer.elf
	echo one >own/veneer.efi
	install 0 image disk.img --veneer own/veneer.elf --config disk.dts --name os --module "$K/mb1 a b"
	mcopy -n -i disk.img@@36M ::/veneer/guests/os/veneer.conf ::/veneer/guests/os/veneer.efi ::/veneer/guests/os/entry.cfg .
	grep -v '^#' veneer.conf >lines
	printf 'hypervisor ../../veneer.elf\nmodule config.dtb config\nboot disk\nmodule module0 a b\n' | diff - lines
	cmp veneer.efi own/veneer.efi
	grub-script-check entry.cfg
	grep -xF -A 3 $'\tif chainloader $veneer_dir/guests/os/veneer.efi $veneer_check $veneer_own; then' entry.cfg >lines
	grep -F "GRUB has not loaded veneer.efi." lines
	# A newer veneer.efi with the newer hypervisor.
	echo two >own/veneer.efi
	install 0 upgrade disk.img --veneer own/veneer.elf
	slot=$(sfdisk --dump disk.img | sed -n 's/^disk.img4 .*start= *\([0-9]*\),.*/\1/p')
	[ "$(mtype -i "disk.img@@$((slot * 512))" ::/veneer/guests/os/veneer.efi)" = two ]
	install 0 verify disk.img
	install 0 rollback disk.img
	[ "$(mtype -i disk.img@@36M ::/veneer/guests/os/veneer.efi)" = one ]
	# A kernel needs none.
	install 0 upgrade disk.img --veneer own/veneer.elf --config "$ROOT/configs/default.dts" --kernel "$K/mb1"
	run ! mtype -i "disk.img@@$((slot * 512))" ::/veneer/guests/os/veneer.efi
	# Back, as in an installation that had no veneer.efi.
	install 0 upgrade disk.img --veneer own/veneer.elf --config disk.dts
	[ "$(mtype -i disk.img@@36M ::/veneer/guests/os/veneer.efi)" = two ]
}

@test "a disk's loader: the veneer.efi is that beside the hypervisor, and without one nothing is installed or changed" {
	local before
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"/' "$ROOT/configs/default.dts" >disk.dts
	mkdir own
	cp "$K/mb2" own/veneer.elf
	# The build's veneer.efi may be of another version.
	install 2 image disk.img --veneer own/veneer.elf --config disk.dts --name os
	assert_output --partial "own/veneer.efi: no such file, and the guest os cannot start on UEFI without: run make, install"
	[ ! -e disk.img ]
	echo one >own/veneer.efi
	install 0 image disk.img --veneer own/veneer.elf --config disk.dts --name os
	rm own/veneer.efi
	before=$(sha256sum disk.img)
	install 2 upgrade disk.img --veneer own/veneer.elf
	assert_output --partial "own/veneer.efi: no such file"
	[ "$(sha256sum disk.img)" = "$before" ]
	# An empty one.
	: >own/veneer.efi
	install 2 upgrade disk.img --veneer own/veneer.elf
	assert_output --partial "own/veneer.efi: the file is empty"
	# Two versions, and the same.
	printf 'x\0launch-version=1\0y' >own/veneer.efi
	printf 'x\0launch-version=12\0y' >>own/veneer.elf
	install 2 upgrade disk.img --veneer own/veneer.elf
	assert_output --partial "own/veneer.efi (launch-version=1) and own/veneer.elf (launch-version=12) do not go together"
	[ "$(sha256sum disk.img)" = "$before" ]
	printf 'x\0launch-version=12\0y' >own/veneer.efi
	install 0 upgrade disk.img --veneer own/veneer.elf
}

@test "a disk's loader: an upgrade says that GRUB of an old installation has no chainloader" {
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"/' "$ROOT/configs/default.dts" >disk.dts
	mkdir own
	cp "$K/mb2" own/veneer.elf
	echo one >own/veneer.efi
	install 0 image disk.img --veneer own/veneer.elf --config disk.dts --name os
	install 0 upgrade disk.img --veneer own/veneer.elf
	refute_output --partial chainloader
	# Its GRUB, as installations had it.
	grub-mkimage -O x86_64-efi -p /boot/grub -o old.efi part_gpt fat normal configfile multiboot2 echo test sleep
	mcopy -o -i disk.img@@2M old.efi ::/EFI/BOOT/BOOTX64.EFI
	install 0 upgrade disk.img --veneer own/veneer.elf
	assert_output --partial "GRUB on disk.img has no chainloader (it was installed before December 2026)"
	# A kernel does not need it.
	install 0 upgrade disk.img --veneer own/veneer.elf --config "$ROOT/configs/default.dts" --kernel "$K/mb1"
	refute_output --partial chainloader
}

@test "a disk's loader: veneer.efi and veneer.elf of a build say the same version" {
	local word build
	build=$(veneer_build)
	word="launch-version=$(sed -n 's/^#define EFI_LAUNCH_VERSION[[:space:]]*//p' "$ROOT/include/veneer/efi_guest.h")"
	[ "$(grep -aoE 'launch-version=[0-9]+' "$build/veneer.efi")" = "$word" ]
	[ "$(grep -aoE 'launch-version=[0-9]+' "$build/veneer.elf")" = "$word" ]
}

# a_key NAME: make NAME.key and NAME.pem
a_key() { openssl req -new -x509 -newkey rsa:2048 -nodes -subj "/CN=$1/" -keyout "$1.key" -out "$1.pem" 2>openssl.log; }

# packed FILE: unpack the files in it into the directory "in", by the names there
packed() {
	local size name
	rm -rf in
	mkdir in
	objcopy -O binary -j .veneer "$1" pack
	exec 7<pack
	while read -r -u 7 size name; do head -c "$size" <&7 >"in/$name"; done
	exec 7<&-
}

@test "efi: one file with all in it, signed or not; a byte of it changed, and the signature is wrong" {
	local build
	build=$(veneer_build)
	echo data >m
	install 0 efi out.efi --kernel "$K/mb1" --module "m a b" --cmdline "root=disk0 debug" --veneer "$build/veneer.elf"
	assert_output --partial "out.efi: "
	packed out.efi
	cmp in/veneer.elf "$build/veneer.elf"
	cmp in/kernel "$K/mb1"
	cmp in/module0 m
	[ "$(fdtget in/config.dtb / compatible)" = veneer,config ]
	printf 'hypervisor veneer.elf\nmodule config.dtb config\nmodule kernel kernel root=disk0 debug\nmodule module0 a b\n' |
		diff - <(grep -v '^#' in/veneer.conf)
	[ "$(objdump -h out.efi | grep -cE ' [.](sbat|veneer) ')" = 2 ]
	sbverify --list out.efi 2>&1 | grep 'No signature table'
	# A disk's own loader, signed, over the old file.
	a_key one
	a_key two
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"/' "$ROOT/configs/default.dts" >disk.dts
	install 0 efi out.efi --config disk.dts --sign one.key --cert one.pem --veneer "$build/veneer.elf"
	assert_output --partial "written and signed; it starts disk"
	packed out.efi
	grep -x 'boot disk' in/veneer.conf
	run -0 sbverify --cert one.pem out.efi
	run ! sbverify --cert two.pem out.efi
	cp out.efi changed.efi
	printf X | dd of=changed.efi bs=1 conv=notrunc status=none \
		seek=$(($(grep -obUa 'veneer,config-version' out.efi | head -n 1 | cut -d : -f 1) + 1))
	run ! sbverify --cert one.pem changed.efi
}

@test "efi: what is refused leaves no file: keys, limits, files of others" {
	local build
	build=$(veneer_build)
	a_key one
	a_key two
	efi() { install "$1" efi out.efi --kernel "$K/mb1" --veneer "$build/veneer.elf" "${@:2}"; }
	efi 2 --sign one.key
	assert_output --partial "--sign and --cert go together"
	efi 2 --sign one.key --cert none.pem
	assert_output --partial "--cert: none.pem: no such file"
	efi 2 --sign one.key --cert two.pem
	assert_output --partial "one.key"
	efi 2 --sign "$K/mb1" --cert one.pem
	assert_output --partial "sbsign: "
	install 2 image disk.img --kernel "$K/mb1" --sign one.key --cert one.pem
	assert_output --partial "--sign is not for 'image'"
	image 0 --kernel "$K/mb1"
	install 2 upgrade disk.img --veneer "$K/mb2" --sign one.key --cert one.pem
	assert_output --partial "the GRUB of an image or a disk cannot be signed"
	truncate -s 2147483648 large
	efi 2 --module large
	assert_output --partial "the files of mb1 are together larger than 2 GiB less 16 MiB"
	rm large
	[ ! -e out.efi ]
	echo mine >out.efi
	efi 3
	assert_output --partial "out.efi exists and was not made by this program"
	[ "$(cat out.efi)" = mine ]
	efi 0 --force --dry-run
	assert_output --partial "would write out.efi, "
	[ "$(cat out.efi)" = mine ]
	efi 0 --force
	efi 0
	[ "$(echo out.efi*)" = out.efi ]
}

@test "disk: files, missing devices and unconfirmed disks are refused" {
	echo precious >file
	install 2 disk file --kernel "$K/mb1" --veneer "$K/mb2" --yes
	assert_output --partial "is not a disk"
	[ "$(cat file)" = precious ]
	install 2 disk /dev/nonexistent --kernel "$K/mb1" --veneer "$K/mb2" --yes
	assert_output --partial "no such device"
}

@test "disk: written and verified on a loop device; refused without confirmation, when mounted, and when too small" {
	[ "$(id -u)" = 0 ] || skip "needs root for a loop device"
	truncate -s 64M backing
	LOOP=$(losetup --show -f backing) || skip "no loop devices"
	install 3 disk "$LOOP" --kernel "$K/mb1" --veneer "$K/mb2" </dev/null
	assert_output --partial "was not confirmed"
	[ "$(tr -d '\0' <backing | wc -c)" = 0 ]
	install 0 disk "$LOOP" --kernel "$K/mb1" --veneer "$K/mb2" --yes
	assert_output --partial "written and verified"
	sync
	run -0 sfdisk --verify backing
	mdir -i backing@@36M ::/veneer/veneer.elf
	mkfs.ext4 -q -F "$LOOP"
	mkdir mnt
	# Read-only, so that the file system itself writes nothing meanwhile.
	mount -o ro "$LOOP" mnt
	before=$(sha256sum <"$LOOP")
	install 3 disk "$LOOP" --kernel "$K/mb1" --veneer "$K/mb2" --yes
	assert_output --partial "is mounted at"
	[ "$(sha256sum <"$LOOP")" = "$before" ]
	umount mnt
	# A program that has made a mount namespace meanwhile, as other tests do, keeps the file system until it ends.
	for _ in {1..300}; do
		! perl -MFcntl -e 'sysopen(F, $ARGV[0], O_RDWR | O_EXCL) or exit 1' "$LOOP" || break
		sleep 0.1
	done
	install 2 disk "$LOOP" --kernel "$K/mb1" --module "$K/big" --module "$K/big" --veneer "$K/mb2" --yes
	assert_output --partial "are needed"
}
