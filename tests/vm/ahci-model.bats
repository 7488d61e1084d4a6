#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# AHCI adapters and SATA disks that no emulator has: a register model (tests/models/ahci.c), each adapter a process behind QEMU
# 11.  Linux's own driver (ahci of Debian 6.1) judges the model, then Veneer drives it.
load ../lib/guest
load ../lib/models

# adapters: sets disks to three adapters: large sectors, one that reaches 4 GiB, one with staggered spin-up and slow disks.
adapters() {
	disks=("--disk=ahci-model:a,size=64M,sector=4096" "--disk=ahci-model:b+c,size=64M,addr64=0"
		"--disk=ahci-model:d,size=64M,staggered=1,ready-ms=3000,ncq=0,write-cache=0")
}

# bats test_tags=slow
@test "ahci-model: Linux's own driver accepts the models: large sectors, 4 GiB only, staggered spin-up without queuing" {
	# shellcheck disable=SC2034 # for linux_run
	NATIVE=1
	adapters
	linux_run disks veneer.mib=16 --mem 6G "${disks[@]/%/,lenient=1}"
	said "disks: 4"
	lawful 3
}

# bats test_tags=slow
@test "ahci-model: Veneer drives the same models" {
	# Linux's driver takes 32 command slots for granted; Veneer's does not.
	adapters
	disks[1]+=,slots=8
	linux_run disks veneer.mib=16 --mem 6G --config "$LIB/writable.dts" "${disks[@]}"
	said "disks: 4"
	lawful 3
}

# bats test_tags=slow
@test "ahci-model: Linux's own driver: a command that fails, a disk pulled and put back, and pulled for good" {
	# shellcheck disable=SC2034 # for linux_start
	NATIVE=1
	GUEST_TIMEOUT=1800 linux_start faulty "veneer.faults=failed,short,again,pulled veneer.rounds=2" \
		--disk "ahci-model:a+b,size=64M,hot-plug=1,lenient=1,control=$PWD/control" --disk ahci:c,size=64M
	fault failed c fail=1
	fault short c plug1=0 plug1=1
	fault again c
	fault pulled c plug1=0
	guest_end
	said "errors failed sda 1"
	said "errors again sdb 0"
	said "errors pulled sda 0"
	not_said "errors pulled sdb 0"
	not_said "errors [a-z]+ sdc [1-9]"
	lawful 1
}

# bats test_tags=slow
@test "ahci-model: lost interrupts, failed and hanging commands, a disk pulled and put back, and one pulled for good" {
	veneer_only
	linux_start faulty "veneer.faults=lost,failed,held,short,pulled veneer.rounds=2" --config "$LIB/writable.dts" \
		--disk "ahci-model:a+b,size=64M,hot-plug=1,control=$PWD/control" --disk ahci-model:c,size=64M
	fault lost c lose-irqs=2
	fault failed c fail=1
	fault held c hold=1
	fault short c plug1=0 plug1=1
	fault pulled c plug1=0
	guest_end
	logged 'error: ahci0p1: the disk is gone.*'
	said "errors lost vda 0"
	said "errors failed vda 1"
	said "errors held vda [01]"
	said "errors short vdb [01]"
	said "errors pulled vda 0"
	said "errors pulled vdb 2"
	not_said "errors [a-z]+ vdc [1-9]"
	lawful 2
}
