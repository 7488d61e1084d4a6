#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-hwcheck: on lists of real machines (tests/fixtures/lspci names their sources), and on trees made like sysfs.
bats_require_minimum_version 1.5.0

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	export BUILD=${BUILD:-$ROOT/build}
	[[ $BUILD = /* ]] || BUILD=$ROOT/$BUILD
	LISTS=$ROOT/tests/fixtures/lspci
	cd "$BATS_TEST_TMPDIR" || return 1
	[ -e "$BUILD/hw-ids" ] || make -s -C "$ROOT" BUILD="$BUILD" tools
	# A table with every kind of processor, so that these tests do not depend on the kinds that this version supports.
	{ grep -v "	cpu	" "$BUILD/hw-ids"; printf 'CONFIG_SVM\tcpu\tsvm\nCONFIG_VMX\tcpu\tvmx\n'; } >ids
}

hwcheck() {
	run -"$1" "$ROOT/installer/veneer-hwcheck" --ids ids "${@:2}"
}

# The lines below the device's own, up to the next device or heading.
about() { # about ADDRESS
	sed -n "/^  $1 /,/^[^ ]\|^  [0-9a-f]/p" <<<"$output" | sed '1d'
}

@test "fifteen machines: each controller with its driver, or with what to do about it" {
	local list address words n=0
	while IFS='|' read -r list address words; do
		hwcheck "$([[ $list =~ ^(dell-845g|latitude|pavilion|asus|omen) ]] && echo 1 || echo 3)" \
			--lspci "$LISTS/$list.txt"
		about "$address" | tr -s ' \n' ' ' | grep -F -- "$words" || { echo "$list $address: $words"; false; }
		n=$((n + 1))
	done <<-'END'
		presario-c500|08:08.0|driver rtl8139 (RTL8139), tried in emulation: concealed
		presario-c500|00:1f.2|driver ahci (AHCI 1.x), tried on models of unit tests only: concealed
		presario-c500|00:1f.2|shares the slot with 00:1f.0 (the guest's own), 00:1f.1 (the guest's own), 00:1f.3
		presario-c500|00:1f.1|IDE mode: switch the controller to AHCI
		presario-c500|06:00.0|no driver: left to the guest
		thinkpad-t500|00:1f.2|driver ahci
		thinkpad-t500|00:19.0|no driver: left to the guest
		dell-845g|02:08.0|no driver
		dell-845g|00:1f.1|IDE mode
		intel-qm77|00:19.0|driver e1000e (82579LM), some versions tried on a model that Linux drives: concealed
		intel-qm77|00:1f.2|which the list does not say: unknown
		intel-qm77|02:00.0|no driver: left to the guest
		asus-m3000|01:08.0|no driver: left to the guest
		asus-m3000|00:1f.1|IDE mode
		coffee-lake|00:17.0|driver ahci
		amd-8845hs|03:00.0|driver igc (I226-V), some versions tried on a model that Linux drives: concealed
		amd-8845hs|05:00.0|driver nvme
		ryzen-3100|31:00.0|driver ahci (AHCI 1.x), tried on models of unit tests only: concealed
		satellite-l300d|00:12.0|driver ahci (ATI SB600), tried on models of unit tests only
		omen-15-ek1013dx|00:17.0|RAID or VMD mode, which hides the disks
		omen-15-ek1013dx|00:17.0|As it is Veneer does not start
		omen-15-ek1013dx|3b:00.0|driver nvme (NVM Express), tried on models of unit tests only
		z390|00:1f.6|driver e1000e (I219-V (7)), some versions tried on a model that Linux drives: concealed
		z390|00:1f.6|shares the slot with 00:1f.0 (the guest's own)
		z390|03:00.0|driver nvme
		z390|00:17.0|driver ahci
		odyssey-x86|00:12.0|if its interface is AHCI 1.x's, which the list does not say: unknown
		odyssey-x86|01:00.0|driver nvme
		pavilion-hpe-130me|00:1f.2|RAID or VMD mode
		latitude-e6500|00:1f.2|RAID or VMD mode
		renoir|01:00.0|driver nvme
		renoir|03:00.0|driver realtek (RTL8168/8111/8411), some versions tried on a model that Linux drives: concealed
		renoir|06:00.0|driver ahci (AHCI 1.x)
	END
	[ $n = 33 ]
	[ "$(find "$LISTS" -name '*.txt' | wc -l)" = 15 ]
	for list in "$LISTS"/*.txt; do
		sed -n 2p "$list" | grep -E '^# (https://|[a-z.]+\.(org|com)[,/]).*"|^# github.com/.*\.md'
	done
}

# The tables of docs/supported-hardware.md: "VENDOR:DEVICE WORDS" for each id; "*:CLASS" for a class.
documented_ids() {
	awk -F ' *[|] *' '
		/^## / { vendor = match($0, /vendor [0-9a-f]+/) ? substr($0, RSTART + 7, 4) ":" : ""; at = 0 }
		!/^[|]/ { at = 0 }
		/^[|] id / { for (at = 2; $at != "evidence"; at++) if (at > NF) { at = 0; break }; next }
		at && !/^[|]---/ {
			if ($2 ~ /^any other of class /) { print "*:" substr($2, 20), $at; next }
			n = split($2, ids, " ")
			for (i = 1; i <= n; i++) print vendor ids[i], $at
		}' "$ROOT/docs/supported-hardware.md" | sort
}

@test "supported-hardware.md has each id of the drivers' tables, with the words that veneer-hwcheck prints" {
	python3 - "$ROOT/installer/veneer-hwcheck" >words <<-'END'
		import ast, sys
		for node in ast.parse(open(sys.argv[1], encoding="utf-8").read()).body:
		    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EVIDENCE":
		        print(*("%s %s" % item for item in ast.literal_eval(node.value).items()), sep="\n")
	END
	[ "$(wc -l <words)" = 3 ]
	awk -F '\t' 'NR == FNR { split($0, w, " "); word[w[1]] = substr($0, length(w[1]) + 2); next }
		NF == 9 && ($2 == "nic" || $2 == "storage") { print ($4 == "*" ? "*:" $6 : $4 ":" $5), word[$8] }' words ids |
		sort >wanted
	[ "$(wc -l <wanted)" -gt 150 ]
	documented_ids | diff wanted -
	# --check-only has them from the image.
	while read -r _ text; do
		grep -F "\"$text\"" "$ROOT/conceal/classify.c"
	done <words
}

@test "each list gives a configuration that Veneer takes, and options that kconfig knows" {
	for list in "$LISTS"/*.txt; do
		run "$ROOT/installer/veneer-hwcheck" --ids ids --brief --lspci "$list" --dts m.dts --config m.config
		[ "${#lines[@]}" = 1 ]
		"$ROOT/installer/veneer-config" check m.dts
		grep -oE 'CONFIG_[A-Z0-9_]+' m.config | while read -r symbol; do
			[ "$symbol" = CONFIG_VMX ] || grep -qx "config ${symbol#CONFIG_}" "$ROOT/Kconfig"
		done
	done
	hwcheck 3 --lspci "$LISTS/z390.txt" --dts m.dts --config m.config
	"$ROOT/installer/veneer-config" compile m.dts m.dtb
	[ "$(fdtget m.dtb /policy/net-00-1f-6 veneer,bdf)" = 0000:00:1f.6 ]
	grep -x CONFIG_NIC_E1000E=y m.config
	grep -x '# CONFIG_NIC_RTL8139 is not set' m.config
	grep -x CONFIG_VMX=y m.config
	grep -x '# CONFIG_SVM is not set' m.config
	# The controller is in RAID mode, which has to be switched off: the drivers are for the devices that appear then.
	hwcheck 1 --lspci "$LISTS/pavilion-hpe-130me.txt" --config m.config
	grep -x CONFIG_AHCI=y m.config
	grep -x CONFIG_NVME=y m.config
}

@test "a processor that this version cannot use is told from the host bridge" {
	grep -v vmx ids >no-vmx
	run -1 "$ROOT/installer/veneer-hwcheck" --ids no-vmx --lspci "$LISTS/z390.txt"
	[[ ${lines[-1]} = "does not fit: processor: Intel's VMX"* ]]
	run -1 "$ROOT/installer/veneer-hwcheck" --ids no-vmx --lspci "$LISTS/thinkpad-t500.txt"
	[[ ${lines[-1]} = "does not fit: processor: Intel's VMX"* ]]
	run -3 "$ROOT/installer/veneer-hwcheck" --ids no-vmx --lspci "$LISTS/renoir.txt"
}

@test "the three forms of lspci are the same machine" {
	cat >mm <<-'END'
		00:1f.2 "SATA controller [0106]" "Intel [8086]" "82801IR [AHCI mode] [2922]" -r02 -p01 "Red Hat [1af4]" "[1100]"
		00:03.0 "Ethernet controller [0200]" "Intel [8086]" "82574L Gigabit [10d3]" "Intel [8086]" "Device [0000]"
	END
	cat >plain <<-'END'
		00:1f.2 SATA controller [0106]: Intel 82801IR [AHCI mode] [8086:2922] (rev 02) (prog-if 01 [AHCI 1.0])
		00:03.0 Ethernet controller [0200]: Intel 82574L Gigabit [8086:10d3]
			Kernel driver in use: e1000e
	END
	tr '|' '\t' >records <<-'END'
		Slot:|00:1f.2
		Class:|SATA controller [0106]
		Vendor:|Intel [8086]
		Device:|82801IR [AHCI mode] [2922]
		Rev:|02
		ProgIf:|01

		Slot:|00:03.0
		Class:|Ethernet controller [0200]
		Vendor:|Intel [8086]
		Device:|82574L Gigabit [10d3]
		Driver:|e1000e
	END
	for form in mm plain records; do
		hwcheck 3 --lspci "$form"
		sed 1d <<<"$output" >"$form.out"
		cmp "$form.out" mm.out
	done
	grep "driver e1000e (82574L), tried in emulation" mm.out
	grep "driver ahci (Intel ICH9), tried in emulation" mm.out
	hwcheck 3 --lspci - <mm
}

# input: name | exit code | a part of the output
odd_lists() {
	cat <<-'END'
		bom|3|unknown: 1 network and 1 disk controller would be concealed
		utf16|3|unknown: 1 network and 1 disk controller would be concealed
		crlf|3|unknown: 1 network and 1 disk controller would be concealed
		indented|3|unknown: 1 network and 1 disk controller would be concealed
		upper|3|unknown: 1 network and 1 disk controller would be concealed
		twice|3|unknown: 1 network and 1 disk controller would be concealed
		noise|2|no line of
		half|2|no line of
		oddline|3|Not understood: 1 line of the list, the first: 00:04.0 "Ethernet
		oddline|3|unknown: 1 network and 1 disk controller would be concealed
		odd-only|3|unknown: no controller that Veneer has a driver for in the lines that were understood
		rec-device|2|no line of
		rec-class|2|no line of
		rec-progif|2|no line of
		names|2|"SATA controller" has no number in brackets: give lspci the option -nn
		segments|1|0001:01:00.0 8086:10d3 Intel 82574L in a PCI segment other than 0: not seen by Veneer, and its
		segments|1|10000:e1:00.0 144d:a808 Samsung NVMe behind Intel's VMD
		segments|1|does not fit: no network or disk controller
	END
}

@test "lists with odd lines, of Windows, of other segments; no input is taken for an answer" {
	local list rc part n=0
	cat >good <<-'END'
		00:1f.2 "SATA controller [0106]" "Intel [8086]" "ICH9 [2922]" -r02 -p01 "Red Hat [1af4]" "[1100]"
		00:03.0 "Ethernet controller [0200]" "Intel [8086]" "82574L [10d3]" "" ""
	END
	printf '\xef\xbb\xbf' | cat - good >bom
	iconv -f UTF-8 -t UTF-16 good >utf16
	sed 's/$/\r/' good >crlf
	sed 's/^/  /; s/ "SATA/\t"SATA/' good >indented
	sed 's/1f/1F/; s/10d3/10D3/' good >upper
	cat good good >twice
	head -c 100000 /dev/urandom >noise
	head -c 30 good >half
	{ cat good; echo '00:04.0 "Ethernet controller [0200]" "Intel"'; echo "a comment"; } >oddline
	printf '%s\n' '00:04.0 "Ethernet [0200]" "Intel"' '00:1f.0 "ISA bridge [0601]" "Intel [8086]" "x [2918]"' >odd-only
	printf 'Slot:\t00:03.0\nClass:\tEthernet [0200]\nVendor:\tIntel [8086]\n' >rec-device
	printf 'Slot:\t00:03.0\nVendor:\tIntel [8086]\nDevice:\tX [10d3]\n' >rec-class
	printf 'Slot:\t00:03.0\nClass:\tEthernet [0200]\nVendor:\tIntel [8086]\nDevice:\tX [10d3]\nProgIf:\tzz\n' >rec-progif
	printf '00:1f.2 "SATA controller" "Intel Corporation" "ICH9"\n' >names
	cat >segments <<-'END'
		10000:e1:00.0 "Non-Volatile memory controller [0108]" "Samsung [144d]" "NVMe [a808]" -p02 "" ""
		0001:01:00.0 "Ethernet controller [0200]" "Intel [8086]" "82574L [10d3]" "" ""
	END
	while IFS='|' read -r list rc part; do
		hwcheck "$rc" --lspci "$list" --dts odd.dts
		tr -s ' \n' ' ' <<<"$output" | grep -F -- "$part" || { echo "$list: '$part' expected, got: $output"; false; }
		[ "$rc" = 2 ] || "$ROOT/installer/veneer-config" check odd.dts
		n=$((n + 1))
	done < <(odd_lists)
	[ $n = 18 ]
	hwcheck 1 --lspci segments --config odd.config
	grep -x '# CONFIG_NVME is not set' odd.config
	# Names in comments, and letters that the terminal lacks.
	printf '00:03.0 "Ethernet [0200]" "Intél [8086]" "**//* */ }; x { \\"a\\" [10d3]" "" ""\n' >$'**\nü'
	LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 hwcheck 3 --lspci $'.//**\nü' --dts odd.dts --config odd.config
	"$ROOT/installer/veneer-config" check odd.dts
	run ! grep -vE '^(#.*|CONFIG_[A-Z0-9_]+=y)$' odd.config
	hwcheck 2 --lspci ''
	printf 'a\tb\n' >bad-ids
	run -2 "$ROOT/installer/veneer-hwcheck" --ids bad-ids --lspci good
	run -2 "$ROOT/installer/veneer-hwcheck" --ids . --lspci good
	# A table of everything possible, at once.
	python3 -c '
for i in range(20000):
    print("%02x:%02x.%d \"Ethernet [0200]\" \"Intel [8086]\" \"X [10d3]\" \"\" \"\"" % (i >> 8, i >> 3 & 31, i & 7))' >huge
	BATS_TEST_TIMEOUT=60 hwcheck 1 --lspci huge --brief
	assert_line "does not fit: 20000 controllers to conceal; this version of Veneer has room for 64"
	[ ! -e /dev/full ] || ! "$ROOT/installer/veneer-hwcheck" --ids ids --lspci good >/dev/full 2>err || false
	grep -x 'veneer-hwcheck: No space left on device' err
}

# --- a machine in a directory ---

function_at() { # function_at ADDRESS VENDOR DEVICE CLASS [LINE PIN [CAPABILITY]]
	local dir=sys/bus/pci/devices/$1
	mkdir -p "$dir"
	echo "0x$2" >"$dir/vendor"
	echo "0x$3" >"$dir/device"
	echo "0x$4" >"$dir/class"
	python3 - "$dir/config" "${5:-0}" "${6:-0}" "${7:-0}" <<-'END'
		import sys
		line, pin, cap = (int(text, 0) for text in sys.argv[2:])
		config = bytearray(256)
		config[6], config[0x34], config[0x3c], config[0x3d] = 0x10 if cap else 0, 0x50, line, pin
		config[0x50:0x52] = bytes((cap, 0))
		open(sys.argv[1], "wb").write(config)
	END
}

disk_at() { # disk_at NAME ADDRESS SECTORS MODEL SERIAL
	local dir=sys/devices/pci0000:00/$2/ata1/block/$1
	mkdir -p "$dir/device" "$dir/holders" sys/block
	echo "$3" >"$dir/size"
	echo "$4" >"$dir/device/model"
	[ -z "$5" ] || echo "$5" >"$dir/device/serial"
	echo 8:0 >"$dir/dev"
	ln -s "../devices/pci0000:00/$2/ata1/block/$1" "sys/block/$1"
}

cpu() { # cpu VENDOR FLAGS
	mkdir -p proc/self
	printf 'processor\t: 0\nvendor_id\t: %s\nmodel name\t: Test CPU\nflags\t\t: fpu lm %s\n' "$1" "$2" >proc/cpuinfo
}

msr() { # msr NUMBER VALUE
	mkdir -p dev/cpu/0
	python3 -c 'import sys, struct
f = open("dev/cpu/0/msr", "wb")
f.seek(int(sys.argv[1], 0))
f.write(struct.pack("<Q", int(sys.argv[2], 0)))' "$1" "$2"
}

machine() {
	mkdir -p sys/firmware/efi/efivars sys/class/iommu/ivhd0
	cpu AuthenticAMD "svm npt"
	msr 0xc0010114 0
	function_at 0000:00:00.0 1022 1450 060000
	function_at 0000:00:02.0 8086 100e 020000 11 1
	function_at 0000:00:03.0 8086 2934 0c0300 11 1
	function_at 0000:00:1f.2 8086 2922 010601 10 1 0x05
	function_at 0000:00:1f.3 8086 2930 0c0500
	disk_at sda 0000:00:1f.2 1953525168 "Scratch 1000" "S3Z1NB0K123456"
	echo '36 1 8:0 / /home rw - ext4 /dev/sda rw' >proc/self/mountinfo
}

@test "this machine: processor, IOMMU, lines, slots, disks; a configuration that names the disk" {
	machine
	hwcheck 0 --sysroot . --dts m.dts
	assert_output --partial "fits: SVM with nested paging"
	assert_output --partial "AMD-Vi (used by this Linux)"
	assert_output --partial "Secure Boot: unknown"
	assert_output --partial "interrupt line 11, has no message interrupts: rings by this line; on the same line: 00:03.0"
	assert_output --partial "interrupt line 10, rings by message"
	assert_output --partial "shares the slot with 00:1f.3 (the guest's own)"
	assert_output --partial "disk sda: Scratch 1000, 1.0 TB, serial S3Z1NB0K123456; sda mounted at /home"
	assert_line "  4096 KiB are hidden from the guest"
	[ "${lines[-1]}" = "fits: 1 network and 1 disk controller will be concealed" ]
	"$ROOT/installer/veneer-config" compile m.dts m.dtb
	[ "$(fdtget m.dtb /policy/sda veneer,serial)" = S3Z1NB0K123456 ]
	run ! fdtget m.dtb /policy/sda veneer,writable
	# Two disks with one serial number, as namespaces of an NVMe drive have: one rule, or Veneer would refuse the
	# configuration.
	disk_at sdb 0000:00:1f.2 1953525168 "Scratch 1000" "S3Z1NB0K123456"
	disk_at sdc 0000:00:1f.2 1953525168 "None" ""
	disk_at sdd 0000:00:1f.2 1953525168 "None" ""
	hwcheck 0 --sysroot . --dts m.dts
	"$ROOT/installer/veneer-config" check m.dts
	grep -F '/* sdb has the same serial number: the rule for sda is for both */' m.dts
	[ "$(grep -c 'no serial number to name it by' m.dts)" = 2 ]
}

# bar_at ADDRESS NUMBER OFFSET VALUE: a BAR in memory of 4 KiB of ones, with one register of 4 bytes set
bar_at() {
	local dir=sys/bus/pci/devices/$1 n
	for n in 0 1 2 3 4 5; do
		if [ "$n" = "$2" ]; then
			echo 0x00000000fe000000 0x00000000fe000fff 0x0000000000040200
		else
			echo 0x0000000000000000 0x0000000000000000 0x0000000000000000
		fi
	done >"$dir/resource"
	python3 -c 'import sys
bar = bytearray(b"\xff" * 4096)
bar[int(sys.argv[2], 0):int(sys.argv[2], 0) + 4] = int(sys.argv[3], 0).to_bytes(4, "little")
open(sys.argv[1], "wb").write(bar)' "$dir/resource$2" "$3" "$4"
}

@test "a report for others: ids, chip versions, the log; no serial numbers, addresses, names" {
	machine
	function_at 0000:03:00.0 10ec 8168 020000 11 1 0x05
	bar_at 0000:03:00.0 2 0x40 0x54100700
	bar_at 0000:00:1f.2 5 0x10 0x00010301
	mkdir -p sys/class/dmi/id proc/sys/kernel
	echo "B450 Board" >sys/class/dmi/id/board_name
	echo "SN-OF-BOARD" >sys/class/dmi/id/board_serial
	echo "annas-pc.example" >proc/sys/kernel/hostname
	printf '%s\r\n' '[1mahci0: port 0: Scratch 1000, serial OTHER-9, firmware 1[0m' \
		'nvme0: "X Y" serial "AB 12" firmware "3", NVMe 1.4' 'e1000e0: 52:54:00:12:34:56, link up' \
		'linux /home/anna/vmlinuz root=UUID=01234567-89ab-cdef-0123-456789abcdef ip=192.168.1.20 host=annas-pc' \
		'disk S3Z1NB0K123456 again; pci 00:1f.2 8086:2922, version 1.2.3' | sed 's/\\x1b/\x1b/g' >log
	hwcheck 0 --sysroot . --report report --log log --dts m.dts
	assert_line "report is written: read it, then send it with an issue"
	# Data that the report leaves out is still on the screen and in the configuration.
	assert_output --partial "serial S3Z1NB0K123456; sda mounted at /home"
	grep -F S3Z1NB0K123456 m.dts
	run -0 cat report
	assert_line "board_name: B450 Board"
	assert_line "0000:03:00.0 10ec:8168 sub ?:? class 020000 rev ? driver none msi yes"
	assert_line "    TCR = 54100700"
	assert_line "    VS = 00010301"
	assert_line "    CAP = ffffffff (asleep or gone?)"
	assert_line "    registers: no BAR in memory"
	assert_output --partial "disk sda: Scratch 1000, 1.0 TB, serial <serial>; in use"
	assert_line "fits: 2 network and 1 disk controller will be concealed"
	assert_line "ahci0: port 0: Scratch 1000, serial <serial>, firmware 1"
	assert_line 'nvme0: "X Y" serial <serial> firmware "3", NVMe 1.4'
	assert_line "e1000e0: <mac>, link up"
	assert_line "linux /home/<user>/vmlinuz root=UUID=<uuid> ip=<address> host=<host>"
	assert_line "disk <serial> again; pci 00:1f.2 8086:2922, version 1.2.3"
	run ! grep -E 'S3Z1|OTHER-9|AB 12|52:54|anna|SN-OF|192\.168|0123-4567' report
	hwcheck 0 --sysroot . --report whole --log log --identities --brief
	[ "${#lines[@]}" = 1 ]
	grep -F "serial S3Z1NB0K123456; sda mounted at /home" whole
	grep -F "e1000e0: 52:54:00:12:34:56, link up" whole
	[ ! -e "$ROOT/installer/lib/__pycache__" ]
	hwcheck 2 --sysroot . --report report --log missing
	assert_output --partial "missing: No such file"
	hwcheck 2 --sysroot . --log log
	hwcheck 2 --lspci "$LISTS/z390.txt" --report report
}

# tables DMAR|IVRS STRUCTURE...: the structures in hexadecimal
iommu_table() {
	mkdir -p sys/firmware/acpi/tables
	python3 -c 'import sys
body = bytes.fromhex("".join(sys.argv[2:]))
open("sys/firmware/acpi/tables/" + sys.argv[1], "wb").write(sys.argv[1].encode() + bytes(44) + body)' "$@"
}

@test "the IOMMU units: where they are, what they cover, and which Linux uses" {
	machine
	cpu GenuineIntel "vmx ept"
	rm -r sys/class/iommu/ivhd0
	# A unit of the graphics alone, an RMRR, and the unit of the rest, with a path over a bridge, an I/O APIC and a timer.
	iommu_table DMAR 0000180000000000 0000d9fe00000000 0108000000000200 \
		0100200000000000 0000001000000000 ffff1f1000000000 0108000000001d00 \
		00002a0001000000 0010d9fe00000000 010a000000001c000201 0308000002f01f00 0408000000001f00
	hwcheck 0 --sysroot .
	assert_output --partial "VT-d (in the ACPI tables)"
	assert_line "           unit at fed90000: 00:02.0"
	assert_line "           unit at fed91000: 00:1c.0/02.1, I/O APIC f0:1f.0, HPET 00:1f.0, all that no other has"
	mkdir -p sys/class/iommu/dmar{0,1}/intel-iommu sys/class/iommu/foreign0
	echo fed91000 >sys/class/iommu/dmar0/intel-iommu/address
	echo fed92000 >sys/class/iommu/dmar1/intel-iommu/address
	hwcheck 0 --sysroot .
	assert_output --partial "VT-d (used by this Linux)"
	assert_line --partial "unit dmar0 at fed91000: 00:1c.0/02.1"
	assert_line "           unit dmar1 at fed92000"
	refute_output --partial foreign
	# 2 MiB of tables for each GiB, twice, if a unit has no pages of 2 MiB.
	echo d2008040660462 >sys/class/iommu/dmar1/intel-iommu/cap
	echo 'MemTotal: 6000000 kB' >proc/meminfo
	hwcheck 0 --sysroot .
	[ "$(sed -nE 's/^  ([0-9]+) KiB are hidden from the guest$/\1/p' <<<"$output")" -gt $((7 * 2 * 513 * 4)) ]
	echo d2008c40660462 >sys/class/iommu/dmar1/intel-iommu/cap
	# Only root can read the tables; a table whose first length is 0 has no units.
	: >sys/firmware/acpi/tables/DMAR
	hwcheck 0 --sysroot .
	assert_line "           unit dmar0 at fed91000"
	assert_line --partial "in DMAR, which only root can read"
	iommu_table DMAR 0000000000000000
	hwcheck 0 --sysroot .
	assert_line --partial "no unit in DMAR: the table is broken"
	# AMD: one unit, described twice.
	rm -r sys/class/iommu/* sys/firmware/acpi
	cpu AuthenticAMD "svm npt"
	iommu_table IVRS 1000180002004000 0000d8fe00000000 0000000000000000 1100180002004000 0000d8fe00000000 0000000000000000 \
		4000180003204000 0000d0fd00000000 0000000000000000
	mkdir -p sys/class/iommu/ivhd0
	ln -s ../../../bus/pci/devices/0000:00:00.2 sys/class/iommu/ivhd0/device
	hwcheck 0 --sysroot .
	assert_line "           unit ivhd0 at fed80000: function 00:00.2"
	assert_line "           unit at fdd00000: function 20:00.3"
	[ "$(grep -c "  unit " <<<"$output")" = 2 ]
}

@test "what keeps a machine from fitting" {
	local flags why
	machine
	while IFS='|' read -r vendor flags number value why; do
		cpu "$vendor" "$flags"
		rm -rf dev
		[ -z "$number" ] || msr "$number" "$value"
		hwcheck 1 --sysroot . --brief
		assert_output --partial "does not fit: processor: $why"
	done <<-'END'
		AuthenticAMD|npt|||no SVM
		AuthenticAMD|svm|||SVM without nested paging
		AuthenticAMD|svm npt|0xc0010114|0x10|SVM is switched off and locked by the firmware
		GenuineIntel|ept|||no VMX
		GenuineIntel|vmx|||VMX without EPT
		GenuineIntel|vmx ept|0x3a|1|VMX is switched off and locked by the firmware
		GenuineIntel|vmx ept tsc_offset vnmi preemption_timer|||VMX without unrestricted guests: too old
		Other|svm npt|||Other: neither AMD's SVM nor Intel's VMX
	END
	cpu GenuineIntel "vmx ept"
	msr 0x3a 5
	hwcheck 0 --sysroot . --brief
	printf '\6\0\0\0\1' >sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
	hwcheck 1 --sysroot . --brief
	assert_output --partial "Secure Boot is on"
	rm -r sys/firmware/efi sys/bus/pci/devices/*
	function_at 0000:00:03.0 1af4 1041 020000
	hwcheck 1 --sysroot . --brief
	assert_output --partial "no network or disk controller that Veneer has a driver for"
}

@test "what the start has no room for" {
	local n table
	machine
	cpu AuthenticAMD "svm npt"
	hwcheck 0 --sysroot . --brief
	# 65 I/O APICs between processors' local ones (MADT), each 12 bytes.
	mkdir -p sys/firmware/acpi/tables
	table=$(printf '%088d' 0)
	for ((n = 0; n < 64; n++)); do table+=0008000000000000010c00000000c0fe00000000; done
	xxd -r -p <<<"$table" >sys/firmware/acpi/tables/APIC
	hwcheck 0 --sysroot . --brief
	xxd -r -p <<<"${table}010c00000000c0fe00000000" >sys/firmware/acpi/tables/APIC
	hwcheck 1 --sysroot . --brief
	assert_line "does not fit: 65 I/O APICs; this version of Veneer has room for 64"
	rm sys/firmware/acpi/tables/APIC
	head -c $((44 + 33 * 16)) /dev/zero >sys/firmware/acpi/tables/MCFG
	hwcheck 1 --sysroot . --brief
	assert_line "does not fit: 33 ECAM ranges; this version of Veneer has room for 32"
	rm sys/firmware/acpi/tables/MCFG
	mkdir -p sys/firmware/memmap
	seq -f sys/firmware/memmap/%g 0 1024 | xargs mkdir
	hwcheck 1 --sysroot . --brief
	assert_line "does not fit: 1025 ranges in the memory map; this version of Veneer has room for 1024"
	rmdir sys/firmware/memmap/1024
	hwcheck 0 --sysroot . --brief
	for ((n = 0; n < 256; n++)); do printf 'processor\t: %d\n' "$n"; done >>proc/cpuinfo
	hwcheck 1 --sysroot . --brief
	assert_line --partial "processors; this version of Veneer has room for 256"
	cpu AuthenticAMD "svm npt"
	for ((n = 0; n < 17; n++)); do function_at "$(printf '0000:02:%02x.0' "$n")" 8086 10d3 020000; done
	hwcheck 0 --sysroot . --brief
	rm -r sys/bus/pci/devices/0000:02:*
	# Four cards in each of 16 slots of bus 1, and the machine's own devices.
	for ((n = 0; n < 64; n++)); do
		function_at "$(printf '0000:01:%02x.%d' $((n / 4)) $((n % 4)))" 8086 10d3 020000
	done
	hwcheck 1 --sysroot . --brief
	assert_line --partial "controllers to conceal; this version of Veneer has room for 64"
}

@test "a lock of the firmware that cannot be seen is unknown, unless KVM or Linux itself have seen it" {
	local flags rc
	machine
	rm -r dev
	while IFS='|' read -r vendor flags rc; do
		cpu "$vendor" "$flags"
		hwcheck "$rc" --sysroot . --brief
		[ "$rc" = 0 ] || assert_output --partial "whether the firmware has locked it is unknown"
	done <<-'END'
		AuthenticAMD|svm npt|3
		GenuineIntel|vmx ept|3
		GenuineIntel|vmx ept tsc_offset vnmi preemption_timer unrestricted_guest|0
	END
	mkdir dev
	: >dev/kvm
	cpu AuthenticAMD "svm npt"
	hwcheck 0 --sysroot . --brief
}

@test "an NVMe drive that could have several controllers belongs to the one it has; one behind VMD is not reached" {
	local subsystem=sys/devices/virtual/nvme-subsystem/nvme-subsys0
	machine
	function_at 0000:01:00.0 144d a808 010802
	function_at 10000:e1:00.0 144d a809 010802
	mkdir -p $subsystem/nvme0n1/device sys/devices/pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0/nvme0c0n1/device
	ln -s ../../../pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0 $subsystem/nvme0
	echo 2000409264 >$subsystem/nvme0n1/size
	echo SHARED123 >$subsystem/nvme0n1/device/serial
	echo 1 >sys/devices/pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0/nvme0c0n1/hidden
	ln -s ../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1 sys/block/nvme0n1
	ln -s ../devices/pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0/nvme0c0n1 sys/block/nvme0c0n1
	hwcheck 0 --sysroot . --dts m.dts
	about 01:00.0 | grep -F 'disk nvme0n1: no model, 1.0 TB, serial SHARED123'
	refute_output --partial nvme0c0n1
	about 10000:e1:00.0 | grep -F "behind Intel's VMD"
	assert_output --partial "fits: 1 network and 2 disk controllers"
	"$ROOT/installer/veneer-config" compile m.dts m.dtb
	[ "$(fdtget m.dtb /policy/nvme0n1 veneer,serial)" = SHARED123 ]
	[ "$(fdtget -l m.dtb /policy | tr '\n' ' ')" = "net-00-02-0 sda nvme0n1 " ]
}

@test "Intel RST that hides NVMe drives is named" {
	machine
	echo 2 >sys/bus/pci/devices/0000:00:1f.2/remapped_nvme
	hwcheck 0 --sysroot .
	assert_output --partial "Intel RST hides 2 NVMe drives behind it: set the SATA mode to AHCI"
}

@test "wrong use" {
	hwcheck 2 --lspci nowhere
	assert_output --partial "nowhere: No such file"
	echo "hello" >empty
	hwcheck 2 --lspci empty
	assert_output --partial "no line of"
	echo '00:1f.2 "SATA controller" "Intel Corporation" "ICH9"' >names
	hwcheck 2 --lspci names
	assert_output --partial "give lspci the option -nn"
	hwcheck 2 --bogus
	hwcheck 2 --sysroot nowhere
	hwcheck 2 --lspci "$LISTS/z390.txt" --dts no/such/place
	hwcheck 0 --help
	assert_output --partial "Exit codes:"
	run -2 "$ROOT/installer/veneer-hwcheck" --ids nowhere
	assert_output --partial "run make"
}

@test "the table is the drivers' own: each id of their sources, with the model" {
	local in_source
	in_source=$(grep -cE '^	((ID|MODELLED)\(0x|\{ \.vendor)' "$ROOT/hw/nic/intel/e1000e_pci.c")
	for words in "e1000e 8086 15bc" "e1000 8086 100e" "igb 8086 10c9" "igb 8086 1533" "igc 8086 15f3" \
		"rtl8139 10ec 8139" "nvme 1b36 0010" "ahci 8086 2922"; do
		grep -qF "${words// /	}" "$BUILD/hw-ids"
	done
	[ "$(grep -c '	e1000e	8086' "$BUILD/hw-ids")" = "$in_source" ]
	run ! grep SKELETON "$BUILD/hw-ids"
}
