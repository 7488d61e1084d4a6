#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-install --limine: entries of a limine.conf in its new and its old format, and refusals by line.
load ../lib/tools
bats_require_minimum_version 1.5.0

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	cd "$BATS_TEST_TMPDIR" || return 1
	tiny_kernel 2 v
	mkdir -p root/boot/limine root/boot/mods
	# The header of a 64-bit ELF file with one segment, and a base revision tag in it.
	python3 -c 'import struct, sys
head = b"\x7fELF\x02\x01\x01" + bytes(9)
head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0xffffffff80000000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
segment = struct.pack("<IIQQQQQQ", 1, 7, 0, 0xffffffff80000000, 0xffffffff80000000, 256, 256, 4096)
tag = struct.pack("<QQQ", 0xf9562b2d5c95a6c8, 0x6a7b384944536bdc, 3)
open("root/boot/kernel", "wb").write((head + segment).ljust(128, b"\0") + tag + bytes(104))'
	cp root/boot/kernel root/boot/other
	echo one >root/boot/mods/one.bin
	echo two >root/boot/two.bin
}

conf() { cat >root/boot/limine/limine.conf; }

install() { # install STATUS ARGS...
	run -"$1" "$ROOT/installer/veneer-install" image out.img --force --veneer v \
		--limine root/boot/limine/limine.conf "${@:2}"
}

entry() { # entry NAME: what GRUB does
	mtype -i out.img@@36M "::/veneer/guests/$1/entry.cfg"
}

refused() { # refused MESSAGE: of the configuration on stdin
	conf
	install 2
	assert_output --partial "$1"
	[ ! -e out.img ]
}

@test "limine.conf: kernel, command line, modules with and without a string" {
	conf <<-'END'
		timeout: 3
		# a comment
		${MODS} = boot():/boot/mods
		/Memory test
		    protocol: efi
		    path: boot():/nowhere.efi
		/+My OS
		    comment: what the menu says: all of it
		    protocol: limine
		    path: boot():/boot/kernel
		    cmdline: root=disk0 quiet
		    module_path: ${MODS}/one.bin
		    module_string: the first one
		    MODULE_PATH: boot():/boot/two.bin
		/Another
		    protocol: limine
		    path: boot():/boot/other
	END
	install 0 --verbose
	assert_output --partial "limine.conf:7: entry 'My OS'"
	assert_output --partial "guest kernel: $PWD/root/boot/kernel: limine"
	run -0 entry kernel
	assert_line --partial "/kernel kernel root=disk0 quiet"
	assert_line --partial "/module0 /boot/mods/one.bin the first one"
	assert_line --partial "/module1 /boot/two.bin"
	refute_output --partial "/module2"
}

@test "limine.conf: the default entry, and what the command line says itself" {
	conf <<-END
		default_entry: 2
		/First
		protocol: limine
		path: boot():/boot/kernel
		/Second
		protocol: limine
		cmdline: from the file
		path: boot():/boot/other#$(printf '%0128d' 7)
	END
	install 0 --cmdline mine --module "root/boot/two.bin extra"
	run -0 entry other
	assert_line --partial "/kernel kernel mine"
	assert_line --partial "/module0 extra"
	install 2 --kernel root/boot/kernel
	assert_output --partial "--limine and --kernel: one of them"
}

@test "limine.conf: a default entry by its path, and one that is none" {
	conf <<-'END'
		default_entry: Systems/Two
		/Two
		protocol: limine
		path: boot():/boot/absent
		/+Systems
		//One
		protocol: limine
		path: boot():/boot/kernel
		//Two
		protocol: limine
		path: boot():/boot/other
		/Systems
	END
	install 0 --verbose
	assert_output --partial "limine.conf:9: entry 'Two'"
	rm out.img
	sed -i 's/^default_entry.*/default_entry: 3/' root/boot/limine/limine.conf
	install 0 --verbose
	assert_output --partial "limine.conf:6: entry 'One'"
	sed -i 's/^default_entry.*/default_entry: 2/; s/absent/kernel/' root/boot/limine/limine.conf
	install 0 --verbose
	assert_output --partial "limine.conf:1: entry 2 starts no kernel; 'Two' is taken"
	rm out.img
	refused "limine.conf:1: default_entry: Systems/Three: no entry that starts a kernel has this path" <<-'END'
		default_entry: Systems/Three
		/Systems
		//Two
		protocol: limine
		path: boot():/boot/kernel
	END
}

@test "limine.conf: entries for other architectures and for one firmware" {
	conf <<-'END'
		default_entry: 3
		/Other machine
		if_arch: aarch64 riscv64
		protocol: limine
		path: boot():/boot/absent
		/Old machine
		if_fw_type: BIOS
		protocol: limine
		path: boot():/boot/absent
		/This machine
		if_arch: aarch64 X86-64
		protocol: limine
		path: boot():/boot/kernel
		/Of x86, too
		protocol: limine
		path: boot():/boot/other
	END
	install 0
	run -0 entry other
	sed -i 1d root/boot/limine/limine.conf
	install 0
	refute_output --partial "for BIOS only"
	run -0 entry kernel
	conf <<-'END'
		/OS
		if_fw_type: UEFI
		protocol: limine
		path: boot():/boot/kernel
	END
	install 0
	assert_output --partial "limine.conf:2: entry 'OS' is for UEFI only; here any firmware starts it"
	rm out.img
	refused "limine.conf: none of its 1 entries starts a kernel" <<-'END'
		/OS
		if_arch: aarch64
		protocol: limine
		path: boot():/boot/kernel
	END
}

@test "limine.conf: a macro behind a dollar sign, one that is none, and a key with digits" {
	conf <<-'END'
		${WHERE}=boot():/boot
		term_font_2x: yes
		/OS
		protocol: limine
		path: ${WHERE}/kernel
		cmdline: price=5$ ${NONE} at=${WHERE} on ${ARCH}
		uuid2: 17
	END
	install 0
	run -0 entry kernel
	assert_line --partial "price=5\$' '\${NONE}' 'at=boot():/boot' on x86-64"
}

@test "a kernel of Multiboot 2 that has the words of Limine's tags in it" {
	python3 -c 'import struct
head = b"\x7fELF\x02\x01\x01" + bytes(9)
head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x100000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
segment = struct.pack("<IIQQQQQQ", 1, 7, 0, 0x100000, 0x100000, 256, 256, 4096)
header = struct.pack("<IIIIHHI", 0xe85250d6, 0, 24, -(0xe85250d6 + 24) & 0xffffffff, 0, 0, 8)
tag = struct.pack("<QQQ", 0xf9562b2d5c95a6c8, 0x6a7b384944536bdc, 3)
def kernel(name, *parts):
    data = (head + segment).ljust(128, b"\0") + b"".join(parts)
    open("root/boot/" + name, "wb").write(data.ljust(256, b"\0"))
kernel("both", header, tag)
kernel("low", tag)'
	printf '/OS\nprotocol: limine\npath: boot():/boot/both\n' | conf
	install 0 --verbose
	assert_output --partial "root/boot/both: multiboot2"
	sed -i s/both/low/ root/boot/limine/limine.conf
	install 0 --verbose
	assert_output --partial "root/boot/low: limine"
}

@test "limine.cfg: the form of before 2024" {
	printf '%s\r\n' TIMEOUT=5 '' ':My OS' PROTOCOL=limine KERNEL_PATH=boot:///boot/kernel 'KERNEL_CMDLINE=a=b c' \
		MODULE_PATH=boot:///boot/two.bin 'MODULE_CMDLINE=its words' | conf
	install 0
	run -0 entry kernel
	assert_line --partial "/kernel kernel a=b c"
	assert_line --partial "/module0 /boot/two.bin its words"
}

@test "limine.conf: each wrong line is named by its number" {
	refused "limine.conf:3: neither an entry (/Name), a setting (name: value) nor a comment (#): what is this" <<-'END'
		/OS
		protocol: limine
		what is this
	END
	refused "limine.conf:2: module_string before the module_path that it belongs to" <<-'END'
		/OS
		module_string: x
	END
	refused "limine.conf:1: entry 'OS' names no kernel (path:)" <<-'END'
		/OS
		protocol: limine
	END
	refused "limine.conf:3: /boot/absent is in no folder from that of the file upward" <<-'END'
		/OS
		protocol: limine
		path: boot():/boot/absent
	END
	refused "limine.conf:3: hdd(1:2):/boot/kernel: only files of the folder that boot() stands for" <<-'END'
		/OS
		protocol: limine
		path: hdd(1:2):/boot/kernel
	END
	refused "limine.conf:4: /boot/kernel: expected boot():/path" <<-'END'

		/OS
		protocol: limine
		path: /boot/kernel
	END
	refused "limine.conf:4: \$boot():/boot/two.bin: a compressed file" <<-'END'
		/OS
		protocol: limine
		path: boot():/boot/kernel
		module_path: $boot():/boot/two.bin
	END
	refused "limine.conf: none of its 1 entries starts a kernel" <<-'END'
		/OS
		protocol: efi
		path: boot():/boot/kernel
	END
	refused "limine.conf: none of its 0 entries starts a kernel" <<<"timeout: 3"
	run -2 "$ROOT/installer/veneer-install" image out.img --limine absent --veneer v
	assert_output --partial "absent"
}

@test "the screen: 32 bits a pixel, as Limine gives it, unless the file says otherwise" {
	conf <<-'END'
		/One
		    protocol: limine
		    path: boot():/boot/kernel
	END
	install 0
	entry kernel | grep -xF $'\tset gfxpayload=1024x768x32,800x600x32,640x480x32,auto'
	echo "    resolution: 800x600" >>root/boot/limine/limine.conf
	install 0
	entry kernel | grep -xF $'\tset gfxpayload=800x600x32,auto'
	sed -i 's/800x600/800x600x16/' root/boot/limine/limine.conf
	install 0
	entry kernel | grep -xF $'\tset gfxpayload=800x600x16,auto'
}

@test "a kernel of the Limine protocol is not started by GRUB alone" {
	run -2 "$ROOT/installer/veneer-install" image out.img --native --kernel root/boot/kernel
	assert_output --partial "root/boot/kernel: a kernel of the Limine protocol, which GRUB alone does not start"
}
