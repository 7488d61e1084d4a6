#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The start: each error has its message and changes no disk; the log says what Veneer does with each device.
load ../lib/guest
bats_require_minimum_version 1.5.0

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	EXIT3=(--kernel "$BUILD/hobby-os.elf" --cmdline 'run="exit 3"')
}

teardown() { guest_teardown; }

not_logged() {
	! logged "$1" >/dev/null && return 0
	echo "logged: $1"
	return 1
}

# listed BDF ID: the guest finds this id there; listed BDF "": the guest finds nothing
listed() {
	local seen
	seen=$(tr -d '\r' <"$(serial)" | grep -aE "^$1 [0-9a-f]{4}:[0-9a-f]{4} " | cut -d ' ' -f 2)
	[ "$seen" = "$2" ] && return 0
	echo "the guest sees at $1: $seen, expected $2"
	return 1
}

# config NAME SED-EXPRESSION: a configuration with the marks CHOSEN, RULES, CRASH and BOOT replaced
config() {
	sed -e "$2" -e 's/CHOSEN//; s/RULES//; s/CRASH/halt/; s/BOOT/kernel/' >"$1" <<-'END'
		/dts-v1/;
		/ {
			compatible = "veneer,config";
			veneer,config-version = <1>;
			chosen { veneer,debug-exit-port = <0xf4>; CHOSEN };
			policy { compatible = "veneer,policy"; veneer,default = "conceal"; RULES };
			guest { compatible = "veneer,guest"; veneer,boot = "BOOT"; veneer,on-crash = "CRASH"; };
		};
	END
}

# Make an installed disk whose files the tests can replace without the installer.
make_image() {
	config config.dts ''
	"$ROOT/installer/veneer-install" image disk.img --kernel "$BUILD/hobby-os.elf" --menu-timeout 0 --config config.dts \
		--cmdline 'run="exit 3"' --veneer "$BUILD/veneer.elf" --name os
	slot=disk.img@@$((512 * $(sfdisk -d disk.img | sed -nE '/veneer-a/s/.*start= *([0-9]+).*/\1/p')))
}

edit_menu() { # edit_menu SED-EXPRESSION
	mcopy -n -i "$slot" ::/veneer/guests/os/entry.cfg entry.cfg
	sed -i "$1" entry.cfg
	mcopy -o -i "$slot" entry.cfg ::/veneer/guests/os/entry.cfg
}

# stops: the machine starts from the image and stops with a message; the disks are unchanged.
stops() {
	local before
	truncate -s 16M other
	before=$(sha_of disk.img)
	guest_start --image disk.img --disk nvme:other --nic e1000e
	guest_wait_for "veneer: error: stopped: " 60
	guest_end 2
	[ "$(sha_of disk.img)" = "$before" ]
	cmp -n $((16 << 20)) other /dev/zero
	not_logged "guest: starts.*"
}

# With a broken configuration there is no port that ends QEMU.
stops_and_stays() {
	local before
	before=$(sha_of disk.img)
	guest_start --image disk.img
	guest_wait_for "veneer: error: stopped: " 60
	guest_stop || :
	[ "$(sha_of disk.img)" = "$before" ]
	not_logged "(guest: starts|pci ).*"
}

wrong_blob() { # wrong_blob SED-EXPRESSION [WHY]
	config wrong.dts "$1"
	dtc -q -I dts -O dtb -o wrong.dtb wrong.dts
	mcopy -o -i "$slot" wrong.dtb ::/veneer/guests/os/config.dtb
	stops
	logged "error: stopped: ${2:-the configuration blob cannot be used}; correct it and install it again"
}

# --- what stops the start ---

@test "start: a processor without SVM" {
	make_image
	guest_start --image disk.img -- -cpu max,-svm
	guest_end 2
	logged "error: cpu: this processor has no virtualization that this build knows .*"
	logged "error: stopped: Veneer needs AMD SVM or Intel VMX with nested paging, switched on in the firmware setup"
}

@test "start: a processor whose SVM has no nested paging" {
	guest_start "${EXIT3[@]}" -- -cpu max,-npt
	guest_end 2
	logged "error: cpu: this processor's SVM has no nested paging, which Veneer needs"
}

@test "start: a processor whose local APIC is off" {
	guest_start "${EXIT3[@]}" -- -cpu max,-apic
	guest_end 2
	logged "error: stopped: switch the local APIC .* on in the firmware setup"
}

@test "start: no kernel module" {
	make_image
	edit_menu '/os\/kernel kernel/d'
	stops
	logged "error: guest: no kernel: none of the 1 modules .*"
}

@test "start: a kernel of unknown format" {
	make_image
	printf 'no kernel at all %.0s' {1..999} >wrong
	mcopy -o -i "$slot" wrong ::/veneer/guests/os/kernel
	stops
	logged "error: guest: the kernel \(16983 bytes, beginning 6e 6f 20 6b .*\) is of no known format; .*bzImage.*"
}

@test "start: a broken configuration blob" {
	make_image
	mcopy -n -i "$slot" ::/veneer/guests/os/config.dtb good.dtb
	head -c 100 good.dtb >wrong.dtb
	mcopy -o -i "$slot" wrong.dtb ::/veneer/guests/os/config.dtb
	stops_and_stays
	logged "error: config: the blob \(100 bytes\) is no valid device tree: .*; expected what dtc makes"
	head -c 65537 /dev/zero >wrong.dtb
	mcopy -o -i "$slot" wrong.dtb ::/veneer/guests/os/config.dtb
	stops_and_stays
	logged "error: stopped: the configuration blob is larger than 64 KiB: it is none"
}

@test "start: an unknown property" {
	make_image
	wrong_blob 's/RULES/a { veneer,pci-id = <1 2>; veneer,colour = "red"; };/'
	logged 'error: config: /policy/a: veneer,colour = "red": unknown property'
	logged 'error: config: /policy/a: known here are veneer,bdf .*'
}

@test "start: a property of the wrong form" {
	make_image
	wrong_blob 's/RULES/a { veneer,pci-id = <1 2>; veneer,window = <3 4>; };/'
	logged 'error: config: /policy/a: veneer,window = .*: expected <first-high first-low .*'
}

@test "start: a slot that is taken, or wanted twice" {
	make_image
	wrong_blob 's/RULES/a { veneer,pci-id = <1 2>; veneer,slot = <31>; };/' \
		"the configuration does not fit this machine, as the line above says"
	logged 'error: config: /policy/a: veneer,slot = <31>: expected a free device number, but there is 00:1f.0'
	wrong_blob 's/RULES/a { veneer,pci-id = <1 2>; veneer,slot = <5>; }; b { veneer,pci-id = <1 3>; veneer,slot = <5>; };/'
	logged 'error: config: /policy/b: veneer,slot = .* expected another device number than the rule "a" has'
}

@test "start: a module that does not fit into the memory" {
	truncate -s 120M big
	guest_start --kernel "$BUILD/hobby-os.elf" --module big --mem 128M
	guest_end 2
	logged "error: guest: no free place for a module: 0x7800000 bytes .*"
}

@test "start: a kernel that is linked where no memory is" {
	cat >high.S <<-'END'
		.section .mb, "a"
		.long 0x1badb002, 0, -0x1badb002
		.globl _start
		_start: hlt
	END
	gcc -m32 -nostdlib -static -Wl,--build-id=none -Wl,-Ttext-segment=0x70000000 -o high high.S
	guest_start --kernel high --mem 256M
	guest_end 2
	logged "error: guest: .*0x7000.*"
}

# --- devices ---

@test "start: without any device the guest starts all the same" {
	guest_start "${EXIT3[@]}"
	guest_end 3
	logged "warning: no supported network or storage device found: the guest starts without one"
}

@test "start: the log names each network and storage device and its fate" {
	# shellcheck disable=SC2054 # the commas are veneer-qemu's
	local machine=(--machine pc --nic pcnet --nic e1000 --disk nvme:n,size=16M --disk ahci:a,size=16M)

	# The guest would get disks behind a RAID function unprotected: that needs a rule.
	guest_start "${EXIT3[@]}" "${machine[@]}" -- -device megasas,addr=6 -device lsi,addr=7
	guest_end 2
	logged "error: pci 00:06.0: 1000:0060: a RAID controller: no driver.  As it is the guest would get its disks, .*"
	config leave.dts 's/RULES/a { veneer,pci-id = <0x1000 0x60>; veneer,action = "leave"; };/'
	guest_start "${EXIT3[@]}" --config leave.dts "${machine[@]}" -- -device megasas,addr=6 -device lsi,addr=7
	guest_end 3
	logged "warning: pci 00:01.1: 8086:7010 storage: IDE mode: .*: left to the guest as it is"
	logged "warning: pci 00:03.0: 1022:2000 network: no driver in this build: left to the guest as it is"
	logged "warning: pci 00:06.0: 1000:0060 storage: a RAID controller: no driver: left to the guest as it is"
	logged "warning: pci 00:07.0: 1000:0012 storage: no driver: left to the guest as it is"
	logged "pci 00:04.0: 8086:100e .*: taken over by e1000"
	logged "pci 00:08.0: 1b36:0010 .*: taken over by nvme"
	logged "pci 00:11.0: 8086:2922 .*: taken over by ahci"
	listed 00:01.1 8086:7010
	listed 00:03.0 1022:2000
	listed 00:06.0 1000:0060
	listed 00:04.0 1af4:1000
	listed 00:08.0 1af4:1001
	listed 00:11.0 1af4:1001
}

@test "start: an optical drive is no disk" {
	guest_start "${EXIT3[@]}" --disk ahci:a,size=16M -- -device ide-cd,bus=ide.3
	guest_end 3
	logged "ahci0p3: an ATAPI drive; left out"
	logged "blk0: virtio-blk at 00:1f.2 for ahci0p0 .*"
	not_logged "blk1: .*"
}

@test "start: devices that the configuration leaves to the guest, by address, id and class" {
	config leave.dts 's/RULES/\
		a { veneer,bdf = "0000:00:03.0"; veneer,action = "leave"; }; \
		b { veneer,pci-id = <0x8086 0x100e>; veneer,action = "leave"; }; \
		c { veneer,pci-class = <0x010802 0xffffff>; veneer,action = "leave"; }; \
		d { veneer,pci-id = <0x1234 0x5678>; veneer,action = "leave"; };/'
	guest_start "${EXIT3[@]}" --config leave.dts --nic e1000e --nic e1000 --nic e1000e --disk nvme:n,size=16M
	guest_end 3
	logged "pci 00:03.0: 8086:10d3 .*: left to the guest by the configuration"
	logged "pci 00:04.0: 8086:100e .*: left to the guest by the configuration"
	logged "pci 00:08.0: 1b36:0010 .*: left to the guest by the configuration"
	logged "warning: config: policy/d matches no device of this machine"
	not_logged "warning: config: policy/[abc] matches no .*"
	listed 00:03.0 8086:10d3
	listed 00:04.0 8086:100e
	listed 00:05.0 1af4:1000
	listed 00:08.0 1b36:0010
}

@test "start: modern-only devices have the ids 1041 and 1042, and a rule's address is the card's" {
	config modern.dts 's/RULES/\
		a { veneer,bdf = "0000:00:03.0"; veneer,modern-only; local-mac-address = [02 00 00 12 34 56]; }; \
		b { veneer,serial = "NVME0"; veneer,modern-only; };/'
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'virtio=modern net=dhcp run="exit 3"' --config modern.dts \
		--nic e1000e --disk nvme:n,size=16M
	guest_end 3
	listed 00:03.0 1af4:1041
	listed 00:08.0 1af4:1042
	grep -aiE "^net0?.*02:00:00:12:34:56" "$(serial)"
}

# --- messages ---

@test "start: stdout-path \"none\" says nothing, not even of an error" {
	config none.dts 's/CHOSEN/stdout-path = "none";/'
	guest_start "${EXIT3[@]}" --config none.dts
	guest_end 3
	not_logged ".*"
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="crash"' --config none.dts
	guest_end 120
	not_logged ".*"
}

@test "start: the level of messages" {
	config error.dts 's/CHOSEN/veneer,log-level = "error";/'
	guest_start "${EXIT3[@]}" --config error.dts
	guest_end 3
	not_logged ".*"
	config warning.dts 's/CHOSEN/veneer,log-level = "warning";/'
	guest_start "${EXIT3[@]}" --config warning.dts
	guest_end 3
	logged "warning: no supported .*"
	not_logged "(cpu|acpi|guest|memory): .*"
}

# screen: print the text on the screen, recognized by its font
screen() {
	qmp screendump "{\"filename\":\"$PWD/screen.ppm\"}" >screendump.out
	"$LIB/screen-text" screen.ppm "$BUILD/hv/lib/font.c"
}

# The guest crashes, and the machine waits for a key; there is no port that ends QEMU.
crash_and_wait() {
	# A screen has 37 lines: log and report fit if the controller without a disk takes one line.
	config wait.dts 's/debug-exit-port = <0xf4>/debug-exit-port = <0x80>/; s/CRASH/wait/
		s/RULES/a { veneer,pci-class = <0x010601 0xffffff>; veneer,action = "leave"; };/'
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="crash"' --config wait.dts --nic e1000e --no-reboot "$@"
	guest_wait_for "^veneer: guest: press a key, here or on the serial port, to reboot" 90
}

shows_crash() {
	crash_and_wait "$@"
	# The line appears on the serial port before it appears on the screen.
	sleep 1
	screen >screen.txt
	cat screen.txt
	grep -qE "^veneer: pci 00:03.0: 8086:10d3 82574L: taken over by e1000e$" screen.txt
	grep -qE "^veneer: net0: virtio-net at 00:03.0 for e1000e0$" screen.txt
	# Only errors once the guest runs.
	tr -d '\r' <"$(serial)" | sed -n '/^veneer: error: guest: died by /,$p' >report.txt
	[ "$(wc -l <report.txt)" -ge 20 ]
	[ "$(grep -cFxf report.txt screen.txt)" -ge 20 ]
	guest_stop || :
}

@test "start: the screen shows the log and a crash report, started by BIOS" {
	shows_crash --screen keep
}

@test "start: the screen shows the log and a crash report, started by UEFI" {
	shows_crash --firmware uefi
}

@test "start: a kernel that knows nothing but the text screen is seen there, started by BIOS" {
	guest_start --kernel "$BUILD/hobby-os.elf"
	guest_wait_for 'hobby>' 90
	sleep 1
	text_screen | tee text.txt
	grep -q '^hobby>' text.txt
	guest_stop
}

@test "start: with stdout-path \"serial0\" nothing is drawn" {
	config serial.dts 's/CHOSEN/stdout-path = "serial0:115200n8";/; s/debug-exit-port = <0xf4>/debug-exit-port = <0x80>/'
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="crash"' --config serial.dts --screen keep
	guest_wait_for "^veneer: guest: stopped" 60
	sleep 1
	screen >screen.txt
	run ! grep -q "guest: died" screen.txt
}

# --- the guest's end ---

@test "start: veneer,on-crash \"wait\" resets the machine at a key" {
	crash_and_wait
	# Keys that come before the message, or with it, do not count.
	sleep 2
	kill -0 "$GUEST_PID"
	qmp send-key '{"keys":[{"type":"qcode","data":"ret"}]}'
	guest_end 122
}

@test "start: a guest that resets the machine comes back by the boot loader, behind Veneer again" {
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="reboot"' --nic e1000e --disk nvme:n,size=16M
	end=$((SECONDS + 90))
	until [ "$(grep -ac '^veneer: blk0: virtio-blk at 00:08.0' "$(serial)")" -ge 2 ]; do
		[ $SECONDS -lt $end ]
		sleep 1
	done
	guest_stop || :
	not_logged "error: .*"
}
