#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# NVMe controllers that no emulator has: a register model (tests/models/nvme.c), each a process behind QEMU 11.  Linux's own
# driver (nvme of Debian 6.1) judges the model, then Veneer drives it.
load ../lib/guest
load ../lib/models

# bats test_tags=slow
@test "nvme-model: Linux's own driver accepts the models: one queue and large sectors, slow to start, several namespaces" {
	# shellcheck disable=SC2030 # for this test alone
	NATIVE=1
	linux_run disks veneer.mib=16 --disk nvme-model:a+b,size=64M \
		--disk nvme-model:c,size=64M,sector=4096,queues=1,write-cache=0 \
		--disk nvme-model:d,size=64M,timeout=255,ready-ms=6000,mdts=1,subsystem=1
	said "disks: 4"
	lawful 3
}

# bats test_tags=slow
@test "nvme-model: Veneer drives the same models, and leaves out zones, metadata and large entries" {
	linux_run disks veneer.mib=16 --config "$LIB/writable.dts" \
		--disk nvme-model:a+b+e+f,size=64M,kind3=zoned,kind4=meta \
		--disk nvme-model:c,size=64M,sector=4096,queues=1,write-cache=0 \
		--disk nvme-model:d,size=64M,timeout=255,ready-ms=6000,mdts=1,subsystem=1 --disk nvme-model:g,size=64M,entry=7
	said "disks: 4"
	# shellcheck disable=SC2031 # each test has its own
	[ -n "${NATIVE:-}" ] || {
		logged 'warning: nvme0: namespace 3 left out: it is zoned, not an ordinary disk'
		logged 'warning: nvme0: namespace 4 left out: its blocks carry metadata or protection information'
		logged 'error: nvme3: needs queue entries of another size .*'
		logged 'nvme1n1: 16384 blocks of 4096 bytes.*'
		logged 'nvme2: .* up to 8 KiB a command, .*'
	}
	lawful 4
}

# disk_faults CMDLINE ARGS...: the guest reads while each fault of the model comes; its last disk is SATA, and has no fault.
disk_faults() {
	local faults=warned,lost,failed,held,kept,reset,removed,pulled
	GUEST_TIMEOUT=2700 linux_start faulty "veneer.faults=$faults veneer.rounds=2 $1" "${@:2}" \
		--disk "nvme-model:a+b,size=64M,subsystem=1,control=$PWD/control" --disk ahci:c,size=64M
	fault warned c warning=4
	fault lost c lose-irqs=2
	fault failed c fail=1
	fault held c hold=1
	fault kept c no-abort=1 hold=1
	fault reset c no-abort=0 nssr=1
	fault removed c kind2=none
	fault pulled c gone=1
	guest_end
	lawful 1
}

# bats test_tags=slow
@test "nvme-model: Linux's own driver: commands held and aborted, the subsystem reset, a namespace removed, the disk pulled" {
	# shellcheck disable=SC2030,SC2031 # for this test alone
	NATIVE=1
	disk_faults "loglevel=6 nvme_core.io_timeout=4"
	said "errors warned nvme0n1 0"
	said "errors lost nvme0n1 0"
	said "errors held nvme0n1 [01]"
	said "errors reset nvme0n2 0"
	said "errors removed nvme0n1 0"
	not_said "errors removed nvme0n2"
	not_said "errors [a-z]+ sda [1-9]"
	grep -a "timeout, aborting" "$(serial)"
	grep -a "Abort status: 0x0" "$(serial)"
	grep -a "timeout, reset controller" "$(serial)"
	grep -a "controller is down; will reset: CSTS=0x10" "$(serial)"
}

# bats test_tags=slow
@test "nvme-model: Veneer: commands held and aborted, the subsystem reset, a namespace removed, the disk pulled" {
	veneer_only
	disk_faults "" --config "$LIB/deadline.dts"
	logged 'error: nvme0: critical warning 04.*'
	said "errors lost vda 0"
	said "errors failed vda 1"
	said "errors held vda 1"
	logged 'error: nvme0: Abort did not help.*'
	logged 'error: nvme0: it is no longer ready.*'
	said "errors reset vda 0"
	said "errors removed vda 0"
	said "errors removed vdb 2"
	said "errors pulled vda 2"
	not_said "errors [a-z]+ vdc [1-9]"
}
