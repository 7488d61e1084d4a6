#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The installer ISO's answer files and its list of disks, without an emulator.
bats_require_minimum_version 1.5.0

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	setup=$ROOT/installer/iso/veneer-setup
	cd "$BATS_TEST_TMPDIR" || return 1
}

# Lines of an answer file (\n between them) | the line that is complained of | its key | a part of the message
table() {
	cat <<'END'
ERASE=yes\nDISK=only | 2 | KERNEL | missing from the file
DISK=only\nKERNEL=demo | 2 | ERASE | missing from the file
ERASE=no\nDISK=only\nKERNEL=demo | 1 | ERASE | 'no': only yes lets the disk be erased
ERASE=yes\nDISK=sda\nKERNEL=demo | 2 | DISK | 'sda' is none of: only, serial:S
ERASE=yes\nDISK=pci:1f.2\nKERNEL=demo | 2 | DISK | 'pci:1f.2' is none of
ERASE=yes\nDISK=/dev/sda; rm -rf /\nKERNEL=demo | 2 | DISK | is none of
ERASE=yes\nDISK=only\nKERNEL=/etc/passwd | 3 | KERNEL | '/etc/passwd': a path on this volume
ERASE=yes\nDISK=only\nKERNEL=a/../../b | 3 | KERNEL | without ..
ERASE=yes\nDISK=only\nKERNEL=demo\nMODULE=$(reboot) x | 4 | MODULE | '$(reboot) x': a path on this volume
ERASE=yes\nDISK=only\nKERNEL=demo\nMODULE=../x | 4 | MODULE | a path on this volume
ERASE=yes\nDISK=only\nKERNEL=demo\nFINISH=halt | 4 | FINISH | 'halt' is not one of: poweroff reboot shell
ERASE=yes\nDISK=only\nKERNEL=demo\nON_ERROR=ignore | 4 | ON_ERROR | 'ignore' is not one of
ERASE=yes\nDISK=only\nKERNEL=demo\nNVRAM=yes | 4 | NVRAM | 'yes' is not one of: last first no
ERASE=yes\nDISK=only\nKERNEL=demo\nKEYMAP=deutsch | 4 | KEYMAP | 'deutsch' is not one of: us gb
ERASE=yes\nDISK=only\nKERNEL=demo\nDATA=all | 4 | DATA | 'all' is not one of: readonly writable
ERASE=yes\nDISK=only\nKERNEL=demo\nNAME=a b | 4 | NAME | 'a b': letters, digits
ERASE=yes\nDISK=only\nKERNEL=demo\nKERNAL=x | 4 | KERNAL | there is no such key
ERASE=yes\nDISK=only\nKERNEL=demo\nDISK=only | 4 | DISK | it is in line 2, too
# a comment\n\nERASE=yes\nDISK=\nKERNEL=demo | 4 | DISK | empty
ERASE = yes\nDISK=only\nKERNEL=demo | 1 | ERASE  | not a line KEY=VALUE (no spaces around =)
erase=yes\nDISK=only\nKERNEL=demo | 1 | erase | there is no such key, but: MODULE CMDLINE
ERASE="yes"\nDISK=only\nKERNEL=demo | 1 | ERASE | '"yes"': only yes
ERASE=yes \nDISK=only\nKERNEL=demo | 1 | ERASE | 'yes ': only yes
\x1b[2J\nERASE=yes\nDISK=only\nKERNEL=demo | 1 | ?[2J | not a line KEY=VALUE
ERASE=yes\nDISK=only\nKERNEL=demo\nreboot | 4 | reboot | not a line KEY=VALUE
ERASE=yes\nDISK=only\nKERNEL=demo\nCMDLINE=a\tb | 4 | CMDLINE | a character that cannot be printed
END
}

@test "wrong answer files: each names line and key" {
	local lines line key message n=0
	while IFS='|' read -r lines line key message; do
		printf '%b\n' "${lines% }" >veneer.answer
		line=${line// /} key=${key# } message=${message# }
		run -2 --separate-stderr "$setup" --check-answer veneer.answer
		# shellcheck disable=SC2154 # BATS sets it
		[[ $stderr == *"veneer.answer: line $line: ${key% }: "*"$message"* ]] ||
			{ echo "for: $lines"; echo "said: $stderr"; false; }
		n=$((n + 1))
	done < <(table)
	[ $n -ge 20 ]
}

@test "wrong answer files: no file, a folder, data, one that is too large; all errors at once" {
	run -2 "$setup" --check-answer missing
	assert_output "missing: cannot be read"
	mkdir dir
	run -2 "$setup" --check-answer dir
	printf 'ERASE=yes\0\n' >data
	run -2 "$setup" --check-answer data
	assert_output "data: not a text, or one in UTF-16: save it as UTF-8 or ANSI"
	head -c 70000 /dev/zero | tr '\0' '#' >large
	run -2 "$setup" --check-answer large
	assert_output "large: more than 64 KiB"
	printf 'ERASE=maybe\nDISK=x\n' >two
	run -2 "$setup" --check-answer two
	[ ${#lines[@]} = 2 ]
	run -2 "$setup" --check-answer
	run -2 "$setup" --bogus
	run -0 "$setup" --help
}

@test "a good answer file: every key, lines that end as on Windows, the last one without an end" {
	printf '# all\r\nERASE=yes\r\nDISK=serial:WD 1/2=x\r\nKERNEL=kernels/my-os.elf\r\nMODULE=initrd.gz\r\n' >a
	# shellcheck disable=SC2016 # nothing may expand it
	printf 'MODULE=a b=c\nCMDLINE=run="$(reboot) `x`"\nCONFIG=my.dts\nNAME=my-os\nDATA=readonly\n' >>a
	printf 'NVRAM=no\nKEYMAP=us-dvorak\nHWCHECK=ignore\nFINISH=shell\nON_ERROR=reboot' >>a
	run -0 "$setup" --check-answer a
	assert_output "a: good"
	{ printf '\xef\xbb\xbf'; cat a; } >b
	run -0 "$setup" --check-answer b
	{ printf '#\n\xef\xbb\xbf'; cat a; } >b
	run -2 "$setup" --check-answer b
	# A disk's own loader.
	printf 'ERASE=yes\nDISK=only\nKERNEL=none\n' >c
	run -2 "$setup" --check-answer c
	assert_output --partial "c: line 3: KERNEL: none, and no CONFIG"
	echo CONFIG=my.dts >>c
	run -0 "$setup" --check-answer c
	echo MODULE=my.dts >>c
	run -2 "$setup" --check-answer c
	assert_output --partial "nobody to take MODULE and CMDLINE"
}

# disk NAME SECTORS MODEL SERIAL PCI NUMBER: make a disk in a tree that stands in for /sys
disk() {
	local dir=sys/devices/pci0000:00/$5/ata1/block/$1
	mkdir -p "$dir/device" "$dir/holders" sys/block
	echo "$2" >"$dir/size"
	echo 0 >"$dir/ro"
	echo "$6" >"$dir/dev"
	echo "$3  " >"$dir/device/model"
	echo "  $4" >"$dir/device/serial"
	ln -s "../devices/pci0000:00/$5/ata1/block/$1" "sys/block/$1"
}

# part COMMAND...: run a function of the installer in that tree
part() {
	# shellcheck disable=SC2016 # the inner shell's
	VENEER_SYSROOT=$PWD here=$ROOT/installer/iso work=$PWD bash -uc '
		for lib in answer disks install keyboard ui; do . "$here/lib/$lib.bash"; done
		DEFAULT_CONFIG=$here/../../configs/default.dts
		box() { printf "%s\n" "$@" >shown; cat typed; }
		"$@"' sh "$@"
}

find_disk() { part find_disk "$1"; }

@test "which disk: not the medium, none that is mounted, written-protected or in a RAID; one, or an error that lists them" {
	mkdir -p proc/self
	disk sda 2097152 "Model A" SER1 0000:00:1f.2 8:0
	disk sdb 2097152 Stick MEDIUM 0000:00:14.0 8:16
	disk sdc 2097152 Raid R 0000:00:1f.2 8:32
	disk sdd 2097152 Locked L 0000:00:1f.2 8:48
	disk sr0 2097152 CD C 0000:00:1f.2 11:0
	disk loop0 2097152 '' '' 0000:00:1f.2 7:0
	mkdir sys/block/sdb/sdb1
	echo 8:17 >sys/block/sdb/sdb1/dev
	echo "30 1 8:17 / /run/medium ro - iso9660 /dev/sdb1 ro" >proc/self/mountinfo
	: >sys/block/sdc/holders/md0
	echo 1 >sys/block/sdd/ro
	run -0 find_disk only
	assert_output sda
	run -0 find_disk serial:SER1
	run -0 find_disk 'serial:  SER1 '
	run -0 find_disk pci:0000:00:1f.2
	run -0 find_disk /dev/sda
	run -3 find_disk /dev/sdb
	run -3 find_disk serial:MEDIUM
	assert_line "DISK=serial:MEDIUM: 0 disks are meant by it.  These can be installed to:"
	assert_line "  /dev/sda: 1024 MiB SATA Model A, serial:SER1, pci:0000:00:1f.2"
	disk nvme0n1 2097152 Second SER2 0000:00:08.0 259:0
	run -3 find_disk only
	assert_line --partial "2 disks are meant"
	run -0 find_disk serial:SER2
	assert_output nvme0n1
}

@test "disks of whatever names: no line too long, nothing that moves the cursor, no path of NVMe's" {
	mkdir -p proc/self
	: >proc/self/mountinfo
	disk nvme0n1 41943040 $'A\e[2Jname\twith\\\\n more than forty letters in all of it' $'S\e1' 0000:00:08.0 259:0
	disk nvme0c0n1 41943040 Path S1 0000:00:08.0 259:1
	echo 1 >sys/block/nvme0c0n1/hidden
	disk sda 2097152 '' '' 0000:00:1f.2 8:0
	run -0 part list_disks
	assert_output $'nvme0n1\nsda'
	run -0 part disk_text nvme0n1
	assert_output '20 GiB NVMe A?[2Jname?with//n more than forty letters in al...'
	run -0 part disk_text sda
	assert_output '1024 MiB SATA no model name'
	mkdir sys/block/nvme0n1/queue
	echo 4096 >sys/block/nvme0n1/queue/logical_block_size
	run -0 part disk_text nvme0n1
	assert_output --partial 'NVMe (cannot be used: sectors of 4096 bytes) A?'
	[ ${#output} -le 62 ]
	run -3 find_disk only
	assert_line --partial 'serial:S?1,'
}

@test "a data partition for the guest: on AHCI and NVMe only, by a serial number that no other disk has" {
	disk sda 2097152 A SER1 0000:00:1f.2 8:0
	disk sdb 2097152 B SER2 0000:00:14.0 8:16
	disk sdc 2097152 C '' 0000:00:1f.2 8:32
	mkdir -p sys/bus/pci/devices/0000:00:1f.2 sys/bus/pci/devices/0000:00:14.0
	echo 0x010601 >sys/bus/pci/devices/0000:00:1f.2/class
	echo 0x0c0330 >sys/bus/pci/devices/0000:00:14.0/class
	args() {
		# shellcheck disable=SC2016 # the inner shell's
		part eval 'disk='"$1"' kernel=k data=writable; make_install_args && printf "%s\n" "${install_args[@]}"'
	}
	run -0 args sda
	assert_line "$PWD/config.dts"
	grep -F 'veneer,serial = "SER1";' config.dts
	run -2 args sdb
	assert_output --partial "the data partition of /dev/sdb cannot be the guest's disk: it is on no AHCI or NVMe controller"
	run -2 args sdc
	assert_output --partial "it has no serial number to name it by"
	disk sdd 2097152 D SER1 0000:00:14.0 8:48
	run -2 args sda
	assert_output --partial "sdd has the same serial number, SER1"
}

@test "the summary: ERASE counts for the disk that was chosen, and not for another that has its name now" {
	disk sda 2097152 A SER1 0000:00:1f.2 8:0
	echo 7 >sys/block/sda/diskseq
	: >k
	confirm() {
		# shellcheck disable=SC2016 # the inner shell's
		part eval 'try_install() { :; }; disk=sda disk_was='"'$1'"' kernel=k guest_name=k; step_confirm'
	}
	echo ERASE >typed
	run -0 confirm "7 2097152 SER1"
	for was in "6 2097152 SER1" "7 2097151 SER1" "7 2097152 SER2" ""; do
		run -1 confirm "$was"
		grep -F "/dev/sda is no longer the disk that was chosen" shown
	done
	echo erase >typed
	run -1 confirm "7 2097152 SER1"
	grep -F '"erase" is not ERASE.  Nothing was written.' shown
	rm -r sys/block/sda
	echo ERASE >typed
	run -1 confirm "7 2097152 SER1"
	grep -F "it was taken away" shown
}

@test "choosing a file: folders and files, nothing that cannot be one; a folder of too many says so" {
	mkdir -p files/sub
	: >"files/-k (1) ü.elf"
	: >files/.hidden
	: >$'files/two\nlines'
	mkfifo files/pipe
	ln -s nowhere files/dangling
	ln -s sub files/link
	echo "-k (1) ü.elf" >typed
	# shellcheck disable=SC2016 # the inner shell's
	run -0 part eval 'browse T "$PWD/files" && echo "$chosen"'
	assert_output "$PWD/files/-k (1) ü.elf"
	run -0 sed '0,/^--$/d' shown
	assert_output $'-k (1) ü.elf\n0 KiB\nlink/\nfolder\nsub/\nfolder'
	(cd files/sub && seq -f '%04g' 501 | xargs touch)
	echo 0500 >typed
	# shellcheck disable=SC2016 # the inner shell's
	run -0 part eval 'message() { echo "$2"; }; browse T "$PWD/files/sub" && echo "$chosen"'
	assert_line "501 files are in this folder.  The first 500 are shown, by name."
	assert_line "$PWD/files/sub/0500"
	[ "$(grep -c KiB shown)" = 500 ]
}

@test "keyboard layouts: each types all printable ASCII characters, none twice in the list; a wrong name is refused" {
	local name layout variant text n=0
	text=$(printf '%b' "$(printf '\\x%02x' {32..126})")
	while read -r name layout variant _; do
		[[ $name != '#'* ]] || continue
		[ "$variant" != - ] || variant=
		ckbcomp -layout "$layout" -variant "$variant" 2>/dev/null >map
		"$ROOT/tests/lib/keys-for" "$text" <map >keys || { echo "layout $name"; false; }
		n=$((n + 1))
	done <"$ROOT/installer/iso/keymaps"
	[ $n -ge 20 ]
	[ -z "$(cut -d ' ' -f 1 "$ROOT/installer/iso/keymaps" | grep -v '#' | sort | uniq -d)" ]
	# XKB's Finnish layout is one that cannot.
	ckbcomp -layout "fi" -variant nodeadkeys 2>/dev/null >map
	run -1 "$ROOT/tests/lib/keys-for" "$text" <map
	run -2 "$setup" --keymap qwerty
	assert_output --partial "keyboard layout 'qwerty': not one of us gb us-dvorak"
}

@test "make-iso: wrong use, and a wrong answer file is refused before anything is made" {
	run -2 "$ROOT/installer/iso/make-iso" --bogus
	run -2 "$ROOT/installer/iso/make-iso" --add
	run -2 "$ROOT/installer/iso/make-iso" no/where/out.iso
	echo 'ERASE=perhaps' >wrong
	run -2 "$ROOT/installer/iso/make-iso" --answer wrong out.iso
	assert_output --partial "wrong: line 1: ERASE"
	run -0 "$ROOT/installer/iso/make-iso" --help
	[ ! -e out.iso ]
}

@test "the ISO's preprocessor does what the configurations need" {
	command -v mcpp
	printf '#include "inc.dtsi"\n/ {\n\t#address-cells = <1>;\n\ta = <NUM>;\t/* x */\n\tb = "it'"'"'s";\n};\n' >a.dts
	printf '/dts-v1/;\n#define NUM 42\n' >inc.dtsi
	"$ROOT/installer/iso/cpp" -nostdinc -undef -D__DTS__ -x assembler-with-cpp -I . a.dts >a.pp 2>err
	[ ! -s err ]
	dtc -q -I dts -O dts a.pp >a.out
	grep -q 'a = <0x2a>' a.out
	{ printf '\xef\xbb\xbf'; cat inc.dtsi; } >bom
	mv bom inc.dtsi
	sed -i 's/$/\r/' a.dts inc.dtsi
	"$ROOT/installer/iso/cpp" -nostdinc -undef -D__DTS__ -x assembler-with-cpp -I . a.dts >a.pp
	dtc -q -I dts -O dts a.pp | cmp - a.out
	printf '/dts-v1/;\n/ {\n\ta = ;;\n};\n' >bad.dts
	"$ROOT/installer/iso/cpp" -nostdinc -undef -D__DTS__ -x assembler-with-cpp -I . bad.dts >bad.pp
	run ! dtc -q -I dts -O dtb bad.pp
	assert_output --partial "bad.dts:3"
	run ! "$ROOT/installer/iso/cpp" -nostdinc -undef -D__DTS__ -x assembler-with-cpp -I . missing.dts
}
