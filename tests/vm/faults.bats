#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Disks that fail: an unreadable sector, and a request that never ends.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	cat >bad.conf <<-'END'
		[inject-error]
		event = "read_aio"
		errno = "5"
		sector = "20000"
	END
}

teardown() { guest_teardown; }

@test "fault: an unreadable sector of a SATA disk fails alone, with other requests in flight" {
	linux_run readerror "veneer.bad=20000" --config "$WRITABLE" --disk ahci:blkdebug:bad.conf:sata,size=64M
	said "ok: [a-z0-9]+: I/O error"
}

@test "fault: an unreadable sector of an NVMe disk fails alone, with other requests in flight" {
	linux_run readerror "veneer.bad=20000" --config "$WRITABLE" --disk nvme:blkdebug:bad.conf:nvme,size=64M
	said "ok: [a-z0-9]+: I/O error"
}

# A rate limit delays the second request by about a minute. (A request suspended by blkdebug would do for the driver, too, but
# in a reset of the controller QEMU would wait for this request for ever.)
limit() { # limit DRIVE BYTES-PER-SECOND
	qmp block_set_io_throttle "{\"device\": \"$1\", \"bps\": $2, \"bps_rd\": 0, \"bps_wr\": 0, \"iops\": 0, \"iops_rd\": 0,
		\"iops_wr\": 0}"
}

stuck() { # stuck SERIAL DRIVE [CMDLINE]
	veneer_only
	linux_start stuck "veneer.stuck=$1 veneer.deadline=5${3:+ $3}" --config "$LIB/deadline.dts" \
		--disk ahci:sata,size=64M,serial=SATA --disk nvme:nvme,size=64M,serial=NVME
	guest_wait_for 'GUEST: waiting for the fault' 120
	limit "$2" 70
	guest_wait_for 'GUEST: waiting for the repair' 200
	limit "$2" 0
	guest_end
}

@test "fault: a SATA request that does not end fails by its deadline, and the NVMe disk works meanwhile" {
	stuck SATA disk0
}

@test "fault: an NVMe request that does not end fails by its deadline, and the SATA disk works meanwhile" {
	# In a reset QEMU's NVMe stops the whole emulator until the request ends: the driver gives this controller up instead
	# (hw/nvme, NVME_Q_DRAINS).
	stuck NVME nvme0n1 veneer.gone=1
}

# eject SLOT: remove the function at once, whatever the guest does with it (the chipset's eject register on machine pc).
eject() {
	qmp hmp 'o /w 0xae10 0'
	qmp hmp "o /w 0xae08 $((1 << $1))"
}

@test "fault: an NVMe drive, a SATA controller and a card that are pulled fail alone; a zoned namespace is no disk" {
	veneer_only
	truncate -s 64M zoned plain
	linux_start pulled "veneer.pulled=NVME0,SATA" --machine pc --config "$WRITABLE" --nic e1000 --nic e1000 \
		--disk nvme:nvme0,size=64M,serial=NVME0 --disk nvme:nvme1,size=64M,serial=NVME1 \
		--disk ahci:sata,size=64M,serial=SATA \
		-- -drive if=none,id=zoned,format=raw,file=zoned -drive if=none,id=plain,format=raw,file=plain \
		-device nvme,id=nvmez,serial=ZONED,addr=0xd \
		-device nvme-ns,bus=nvmez,nsid=1,drive=zoned,zoned=true,zoned.zone_size=4M \
		-device nvme-ns,bus=nvmez,nsid=2,drive=plain
	guest_wait_for 'GUEST: waiting for the pull of NVME0' 240
	[ "$(grep -ac '^GUEST: disk' "$(serial)")" = 4 ]
	[ "$(grep -ac '^GUEST: disk ZONED' "$(serial)")" = 1 ]
	tr -d '\r' <"$(serial)" | grep -qa 'nvme[0-9]: namespace 1 left out: it is zoned, not an ordinary disk$'
	# Asynchronous events of the drive.
	qmp qom-set '{"path": "/machine/peripheral/nvme1", "property": "smart_critical_warning", "value": 4}'
	guest_wait_for 'nvme1: critical warning 04' 60
	eject 8
	guest_wait_for 'GUEST: waiting for the pull of SATA' 240
	eject 17
	guest_wait_for 'GUEST: waiting for the second card' 240
	tr -d '\r' <"$(serial)" | grep -qa 'nvme0: removed: nothing answers'
	tr -d '\r' <"$(serial)" | grep -qaE 'ahci0.*(removed|gone)'
	eject 4
	guest_end
}
