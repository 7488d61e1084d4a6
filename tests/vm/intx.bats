#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Guests that use INTx only, by the 8259 and by the I/O APIC.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	veneer_only
	# shellcheck disable=SC2054 # the commas are QEMU's
	q35=(--nic e1000e --disk ahci:sata,size=128M --disk nvme:nvme,size=128M)
	# shellcheck disable=SC2054 # the commas are QEMU's
	pc=(--machine pc --nic e1000 --disk ahci:sata,size=128M --disk nvme:nvme,size=128M)
}

teardown() { guest_teardown; }

# probe CMDLINE ARGS...
probe() {
	local cmdline=$1
	shift
	truncate -s 16M sata second nvme
	guest_run --kernel "$BUILD/guest/probe-intx.elf" --cmdline "$cmdline" "$@"
	grep -aE "^probe-intx: [1-9][0-9]* passed, 0 failed" "$(serial)"
}

# Slots 3 and 7 of these machines have the same line; the card in slot 7 is the guest's.
# shellcheck disable=SC2054 # the commas are QEMU's
left=(-- -netdev user,id=left -device e1000,netdev=left,addr=7)

@test "probe-intx: every twin's line on q35, and one that a card of the guest's shares" {
	probe "shared=00:07.0,00:03.0" --config "$LIB/leave-07.dts" --nic e1000e --disk ahci:sata --disk ahci:second \
		--disk nvme:nvme "${left[@]}"
}

@test "probe-intx: the same on pc, where the twin's card rings by the line that is shared" {
	probe "shared=00:07.0,00:03.0" --machine pc --config "$LIB/leave-07.dts" --nic e1000 --disk nvme:nvme "${left[@]}"
}

# bats test_tags=slow
@test "probe-intx: the same on q35 with a card that rings by the line that is shared, beside two more cards" {
	probe "shared=00:07.0,00:03.0" --config "$LIB/leave-07.dts" --nic rtl8139 --nic e1000 --nic e1000e "${left[@]}"
}

# bats test_tags=slow
@test "probe-intx: twins in other slots, and their siblings" {
	for machine in pc q35; do
		probe "" --machine $machine --config "$LIB/slots.dts" --nic rtl8139 --disk ahci:sata --disk ahci:second \
			--disk nvme:nvme
		grep -aE "INTA: .*\(derived\)" "$(serial)"
	done
}

# bats test_tags=slow,uefi
@test "probe-intx: started by UEFI" {
	probe "" --firmware uefi --nic e1000e --nic e1000 --nic rtl8139 --disk ahci:sata --disk nvme:nvme
}

# hobby OPTIONS ARGS...: fetch a file, write and verify two disks; the driver reads its rings only after interrupts.
hobby() {
	local options=$1 run
	shift
	mkdir -p tftp
	random_file tftp/file 2
	run="tftp 10.0.2.2 file; ping 10.0.2.2 3"
	run+="; write disk0 2048 0x1234 2048; verify disk0 2048 0x1234 2048"
	run+="; write disk1 64 0x77 2048; verify disk1 64 0x77 2048"
	guest_run --kernel "$BUILD/hobby-os.elf" --config "$WRITABLE" --tftp tftp \
		--cmdline "$options net=dhcp run=\"$run; counters intx; counters 8259; counters exit; exit 0\"" "$@"
	grep -aE "tftp: file 2097152 bytes .* sha256 $(sha_of tftp/file)" "$(serial)"
	grep -a "ping: 10.0.2.2 answers, seq 3" "$(serial)"
	grep -a "verify: disk0 2048 sectors from 2048 are as written" "$(serial)"
	grep -a "verify: disk1 2048 sectors from 64 are as written" "$(serial)"
	! grep -aE "failed|giving up|no interrupt line" "$(serial)"
}

# The value of a counter that the guest printed.
counter() {
	sed -nE "s/^counter $1 ([0-9]+).*/\1/p" "$(serial)" | tail -n 1 | tr -d '\r'
}

@test "intx: hobby OS by the 8259, both transports, on q35" {
	hobby "virtio=legacy irq=pic" "${q35[@]}"
	[ "$(counter 8259.delivered)" -gt 100 ]
	hobby "virtio=modern irq=pic" "${q35[@]}"
	[ "$(counter 8259.delivered)" -gt 100 ]
}

@test "intx: hobby OS by the I/O APIC, on q35 and pc" {
	hobby "virtio=legacy irq=ioapic" "${q35[@]}"
	[ "$(counter intx.raised)" -gt 100 ]
	[ "$(counter 8259.delivered)" = 0 ]
	hobby "virtio=modern irq=ioapic" "${pc[@]}"
	[ "$(counter intx.raised)" -gt 100 ]
}

@test "intx: hobby OS by the 8259, on pc with a card that rings by the same line" {
	hobby "virtio=legacy irq=pic" "${pc[@]}"
	[ "$(counter 8259.delivered)" -gt 100 ]
}

# bats test_tags=slow
@test "intx: hobby OS in its other modes, on q35 and pc" {
	hobby "virtio=modern irq=ioapic" "${q35[@]}"
	hobby "virtio=modern irq=pic" "${pc[@]}"
	hobby "virtio=legacy irq=ioapic" "${pc[@]}"
	for transport in legacy modern; do
		for irq in poll msix; do
			hobby "virtio=$transport irq=$irq" "${q35[@]}"
			hobby "virtio=$transport irq=$irq" "${pc[@]}"
		done
	done
}

# linux OPTIONS ARGS...: transfers on the card (or CARDS of them), then patterns on the disks.
linux() {
	local options=$1
	shift
	http_start
	random_file "$HTTP_DIR/down" 8
	linux_run net "veneer.mib=8 veneer.url=$HTTP_URL $options" --config "$WRITABLE" "$@"
	said "cards: ${CARDS:-1}"
	check_transfers "${CARDS:-1}"
	linux_run disks "veneer.mib=16 $options" --config "$WRITABLE" "$@"
	check_patterns sata nvme
	! grep -a "nobody cared" "$(serial)"
}

@test "intx: Linux without MSI by the I/O APIC, on pc, where it routes the lines anew" {
	linux "pci=nomsi" "${pc[@]}"
}

# bats test_tags=slow
@test "intx: Linux without MSI by the I/O APIC, on q35" {
	linux "pci=nomsi" "${q35[@]}"
}

# bats test_tags=slow
@test "intx: Linux without MSI and I/O APIC, on q35" {
	linux "pci=nomsi noapic" "${q35[@]}"
}

# bats test_tags=slow
@test "intx: Linux without MSI and I/O APIC, on pc" {
	linux "pci=nomsi noapic" "${pc[@]}"
}

# bats test_tags=slow
@test "intx: Linux without MSI and I/O APIC, on pc with three cards" {
	CARDS=3 linux "pci=nomsi noapic" "${pc[@]}" --nic rtl8139 --nic e1000e --mem 768M
}

# bats test_tags=slow
@test "intx: Linux without MSI, with and without the I/O APIC, by an rtl8139 on q35" {
	linux "pci=nomsi" --nic rtl8139 "${q35[@]:2}"
	linux "pci=nomsi noapic" --nic rtl8139 "${q35[@]:2}"
}

# bats test_tags=slow,uefi
@test "intx: Linux without MSI, with and without the I/O APIC, started by UEFI" {
	linux "pci=nomsi" --firmware uefi "${q35[@]}"
	linux "pci=nomsi noapic" --firmware uefi "${q35[@]}"
}

# The line is the doorbell of one card, and the interrupt of another card, which is the guest's. veneer.native=1 loads its
# driver.
shared() {
	http_start
	random_file "$HTTP_DIR/down" 8
	linux_run net "veneer.native=1 veneer.mib=8 veneer.url=$HTTP_URL $1" --config "$LIB/leave-07.dts" \
		--machine pc --nic e1000 "${left[@]}"
	grep -a "pci 00:07.0.*left to the guest" "$(serial)"
	said "cards: 2"
	check_transfers 2
	! grep -a "nobody cared" "$(serial)"
}

@test "intx: a doorbell's line shared with a card of the guest's, by the I/O APIC" {
	shared "pci=nomsi"
}

# bats test_tags=slow
@test "intx: a doorbell's line shared with a card of the guest's, by the 8259" {
	shared "pci=nomsi noapic"
}
