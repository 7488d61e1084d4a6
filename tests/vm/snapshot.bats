#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# A guest is saved to a partition, the machine goes off, and another machine with the same disk goes on where the guest was.
load ../lib/guest
bats_require_minimum_version 1.5.0

setup_file() {
	export BATS_TEST_TIMEOUT=1000 GUEST_TIMEOUT=600
	export STATE_BUILD=$BATS_FILE_TMPDIR/build
	image_with "$BATS_FILE_TMPDIR" CONFIG_STATE=y
	build_in "$BATS_FILE_TMPDIR" tools
}

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$PATH:/usr/sbin:/sbin
	truncate -s 160M disk
	sfdisk -q --no-reread disk <<-'END'
		label: gpt
		start=2048, size=16384, name=guest
		start=20480, size=300000, name=veneer-state
	END
	config 'veneer,partition = "PARTLABEL=guest";' 'veneer,state = "on";' >save.dts
	config 'veneer,partition = "PARTLABEL=guest";' 'veneer,state = "on"; veneer,resume = "on";' >resume.dts
}

teardown() { guest_teardown; }

config() { # config RULE GUEST
	cat <<-END
		/dts-v1/;
		/ {
			compatible = "veneer,config";
			veneer,config-version = <1>;
			chosen { veneer,log-level = "info"; };
			policy {
				compatible = "veneer,policy";
				veneer,default = "conceal";
				sata { veneer,pci-class = <0x010601 0xffffff>; veneer,writable; $1 };
				nvme { veneer,pci-class = <0x010802 0xffffff>; veneer,writable; veneer,optional; };
			};
			guest { compatible = "veneer,guest"; veneer,boot = "kernel"; veneer,on-crash = "halt"; $2 };
		};
	END
}

# machine CONFIG CMDLINE ARGS...: the probe on the machine with the disk.
machine() {
	local config=$1 options=$2
	shift 2
	guest_run --veneer "$STATE_BUILD/veneer.elf" --kernel "$BUILD/guest/probe-snapshot.elf" --config "$config" \
		--cmdline "$options" --disk ahci:disk "$@"
}

passed() { grep -aE '^probe-snapshot: [1-9][0-9]* passed, 0 failed' "$(serial)"; }

# The parts of the disk around both partitions, and the snapshots.
around() { { head -c $((2048 * 512)) disk; tail -c +$(((20480 + 300000) * 512 + 1)) disk; } | sha256sum; }
slots() { tail -c +$((20480 * 512 + 1)) disk | head -c $((300000 * 512)) | sha256sum; }

@test "snapshot: switched off, and resumed once; then it is dropped" {
	before=$(around)
	machine save.dts ""
	run ! passed
	run ! grep -a "^FAIL" "$(serial)"
	logged "state: snapshots go to ahci0p0, blocks 0x5000 to 0x4e3df"

	machine resume.dts ""
	logged "state: the guest goes on from snapshot 1"
	run ! grep -a "probe-snapshot: starts" "$(serial)"
	passed
	start_is_unmapped
	[ "$(around)" = "$before" ]

	# It is used now.  So the guest starts anew, and is saved again.
	machine resume.dts ""
	logged "state: there is no snapshot to resume: the guest starts anew"
	run ! passed

	# A guest that starts anew beside a good snapshot drops it, and is saved once more.
	machine save.dts ""
	logged "warning: state: the guest starts anew and can write to its disks: the snapshot is dropped"
	machine resume.dts ""
	logged "state: the guest goes on from snapshot 3"
	passed
}

# bats test_tags=slow
@test "snapshot: refused on a machine with less memory, with another disk, and if it is damaged" {
	machine save.dts ""
	cp --sparse=always disk good
	machine resume.dts "" --mem 400M
	logged "error: state: snapshot 1 is refused: a machine with other memory"
	grep -a "probe-snapshot: starts" "$(serial)"

	cp --sparse=always good disk
	machine resume.dts "" --disk nvme:more,size=8M
	logged "error: state: snapshot 1 is refused: a machine with other disks"

	# Anywhere in the slot, of which some 50 MiB are in use.
	cp --sparse=always good disk
	printf broken | dd of=disk bs=1 seek=$(((20480 + 150000 + 4000) * 512)) conv=notrunc status=none
	machine resume.dts ""
	logged "error: state: snapshot 1 is refused: damaged: the checksum differs"
}

# bats test_tags=slow
@test "snapshot: the same on NVMe, with two processors" {
	for name in save resume; do
		sed -i 's/veneer,optional;/veneer,partition = "PARTLABEL=guest";/' $name.dts
		guest_run --veneer "$STATE_BUILD/veneer.elf" --kernel "$BUILD/guest/probe-snapshot.elf" --config $name.dts \
			--disk nvme:disk --smp 2
	done
	logged "state: the guest goes on from snapshot 1"
	passed
}

@test "snapshot: the hobby OS, with a card" {
	local run="write disk0 2048 0x1234 2048; snapshot; ping 10.0.2.2 3; verify disk0 2048 0x1234 2048; "

	run+="write disk0 8192 0x77 2048; verify disk0 8192 0x77 2048; exit 0"
	for name in save resume; do
		guest_run --veneer "$STATE_BUILD/veneer.elf" --kernel "$BUILD/hobby-os.elf" --config $name.dts \
			--disk ahci:disk --nic e1000e --cmdline "net=dhcp irq=poll run=\"$run\""
	done
	logged "state: the guest goes on from snapshot 1"
	run ! grep -a "hobby OS:" "$(serial)"
	grep -a "snapshot: resumed" "$(serial)"
	grep -aE "ping: 10.0.2.2 answers, seq [123]" "$(serial)"
	grep -a "verify: disk0 2048 sectors from 2048 are as written" "$(serial)"
	grep -a "verify: disk0 2048 sectors from 8192 are as written" "$(serial)"
}

@test "snapshot: refused if the guest lets a device of its own do DMA" {
	machine save.dts "refused master=20" -- -device edu,addr=0x14
	passed
	grep -a 'veneer: error: state: no snapshot: pci 00:14.0 (1234:11e8) is left to the guest and does DMA' "$(serial)"
}

@test "snapshot: off if the guest would see the partition" {
	config "" 'veneer,state = "on";' >whole.dts
	before=$(slots)
	machine whole.dts "refused"
	passed
	logged 'warning: ahci0p0: its partition "veneer-state" is not used: the guest would see it: .*'
	logged 'error: state: off: no disk has a partition "veneer-state" outside of what the guest sees'
	[ "$(slots)" = "$before" ]
}

# own NAME...: start a machine from the image; the GRUB entries are one guest's.
own() {
	guest_run --image image.img --mem 512M
}

# menu LINE: add it to the menu of the image.
menu() {
	local at=image.img@@$((slot * 512))
	mcopy -o -n -i "$at" ::/veneer/menu.cfg menu.cfg
	printf '%s\n' "$1" >>menu.cfg
	mcopy -o -i "$at" menu.cfg ::/veneer/menu.cfg
}

@test "snapshot: a disk by the installer, whose menu resumes the guest" {
	local slot
	config 'veneer,partition = "PARTLABEL=veneer-data";' 'veneer,state = "on";' >own.dts
	sed -i 's/veneer,log-level = "info";/& veneer,debug-exit-port = <0xf4>;/' own.dts
	env BUILD="$STATE_BUILD" "$ROOT/installer/veneer-install" image image.img \
		--kernel "$BUILD/guest/probe-snapshot.elf" \
		--name probe --veneer "$STATE_BUILD/veneer.elf" --config own.dts --menu-timeout 0 --data 8M --state 160M
	sfdisk --dump image.img >parts
	[ "$(sed -n 's/.*size= *\([0-9]*\),.*name="veneer-state".*/\1/p' parts)" = 327680 ]
	[ "$(sed -n 's/.*size= *\([0-9]*\),.*name="veneer-data".*/\1/p' parts)" = 16384 ]
	slot=$(sed -nE 's/.*start= *([0-9]+),.*name="veneer-a".*/\1/p' parts)
	own
	logged "state: snapshots go to ahci0p0, blocks .*"
	run ! passed

	menu 'set default=veneer-resume-probe'
	grep -A 4 'id "veneer-resume-probe"' menu.cfg | grep -x $'\t\tset veneer_check=--resume'
	own
	logged "state: the guest goes on from snapshot 1"
	passed
}
