#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Installed disks start by BIOS and UEFI, from SATA and NVMe, and Veneer does not let the guest write to them.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

installed() { # installed [nvme:]FIRMWARE
	local before kind=${1%%:*}
	cat >config.dts <<-'END'
		#include "default.dts"
		/ { chosen { veneer,debug-exit-port = <0xf4>; }; };
	END
	cp "$ROOT/configs/default.dts" .
	"$ROOT/installer/veneer-install" image disk.img --kernel "$LINUX/vmlinuz" --module "$LINUX/initrd.gz" --menu-timeout 0 \
		--config config.dts --cmdline "$LINUX_ARGS veneer.run=readonly" \
		--veneer "$BUILD/veneer.elf"
	before=$(sha_of disk.img)
	guest_run --image "$kind:disk.img" --firmware "$2" --nic e1000e
	said "vda: ro 1"
	said "end with 0 failures"
	[ "$(sha_of disk.img)" = "$before" ]
}

@test "installed SATA disk: starts by BIOS and is unhurt" {
	veneer_only
	installed ahci bios
}

@test "installed SATA disk: starts by UEFI and is unhurt" {
	veneer_only
	installed ahci uefi
}

@test "installed NVMe disk: starts by BIOS and is unhurt" {
	veneer_only
	installed nvme bios
}

@test "installed NVMe disk: starts by UEFI and is unhurt" {
	veneer_only
	installed nvme uefi
}

@test "installed disk: where the new version cannot be loaded the previous version starts" {
	veneer_only
	installer=("$ROOT/installer/veneer-install")
	printf '#include "default.dts"\n/ { chosen { veneer,debug-exit-port = <0xf4>; }; };\n' >config.dts
	cp "$ROOT/configs/default.dts" .
	"${installer[@]}" image disk.img --kernel "$BUILD/hobby-os.elf" --name os --menu-timeout 0 --config config.dts \
		--cmdline 'run="exit 3"' --veneer "$BUILD/veneer.elf"
	"${installer[@]}" upgrade disk.img --cmdline 'run="exit 4"' --veneer "$BUILD/veneer.elf"
	local start
	start=$(sfdisk -d disk.img | sed -nE '/name="veneer-b"/s/.*start= *([0-9]+).*/\1/p')
	mdel -i "disk.img@@$((512 * start))" ::/veneer/veneer.elf
	guest_start --image disk.img --nic e1000e
	guest_end 3
}
