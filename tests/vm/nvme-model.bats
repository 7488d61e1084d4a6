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
