#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Linux on the machine of "make run": q35 with an e1000e, one SATA and one NVMe disk.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine=(--config "$WRITABLE" --nic e1000e --disk ahci:sata,size=512M --disk nvme:nvme,size=512M)
}

teardown() { guest_teardown; }

# Transitional devices are at the addresses of the card, the NVMe and the AHCI controller, by both ways to configuration space.
only_virtio() {
	local way driver
	for way in intel-conf1 linux-sysfs; do
		said "$way: 00:03.0 1af4:1000" || return 1
		said "$way: 00:08.0 1af4:1001" || return 1
		said "$way: 00:1f.2 1af4:1001" || return 1
		not_said "$way: .* (8086:10d3|8086:2922|1b36:0010)" || return 1
	done
	not_said "lspci: .*\[(8086:10d3|8086:2922|1b36:0010)\]" || return 1
	for driver in e1000 e1000e ahci nvme; do
		said "bound to $driver: 0" || return 1
	done
}

@test "q35: Linux sees virtio devices only; DHCP, 64 MiB down and up by HTTP arrive unharmed through the e1000e" {
	http_start
	random_file "$HTTP_DIR/down" 64
	linux_start lspci,net "veneer.url=$HTTP_URL" "${machine[@]}" --mem 512M
	if [ -z "${NATIVE:-}" ]; then
		guest_wait_for "GUEST: upload 0" 400
		cut_by_the_nic
	fi
	guest_end 0
	[ -n "${NATIVE:-}" ] || only_virtio
	said "disks: 2 cards: 1"
	check_transfers 1
}

@test "q35: 256 MiB on a file system on each disk are what the host finds in the images" {
	http_start
	random_file "$HTTP_DIR/down" 4
	linux_start busy,disks "veneer.url=$HTTP_URL" "${machine[@]}"
	# The traps for INTx and for the start are gone, and the transfers cause no such exits.
	if [ -z "${NATIVE:-}" ]; then
		guest_wait_for "GUEST: busy with" 200
		veneer_counters >before
		guest_wait_for "GUEST: no longer busy" 200
		veneer_counters >after
		no_interrupt_controller_exits before after ioapic.accesses 8259.accesses
	fi
	guest_end
	said "disks: 2"
	check_patterns sata nvme
}
