#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# PCI buses that are odd, or meant to be: what was not seen and left is closed, and what was left works, bridges among it.
load ../lib/guest

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	truncate -s 16M sata nvme
}

teardown() { guest_teardown; }

probe() { # probe CMDLINE ARGS...
	local cmdline=$1
	shift
	guest_run --kernel "$BUILD/guest/probe-hidden.elf" --cmdline "$cmdline" --config "$WRITABLE" "$@"
	grep -aE "^probe-hidden: [1-9][0-9]* passed, 0 failed" "$(serial)"
}

# Behind the functions of bus 0, on bus 1.
# shellcheck disable=SC2054 # commas of QEMU's own
BEHIND=(-device pcie-root-port,id=rp,addr=2,chassis=1 -drive if=none,id=last,file=nvme,format=raw
	-device nvme,bus=rp,drive=last,serial=last)

# fill MODEL COUNT: so many functions for bus 0, in the devices that are free
fill() {
	local slot function many=()
	for slot in 4 5 6 7 9 a b c d e f 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e; do
		for function in 0 1 2 3 4 5 6 7; do
			[ ${#many[@]} -lt $((2 * $2)) ] || break 2
			many+=(-device "$1,addr=0x$slot.$function,multifunction=on")
		done
	done
	FILL=("${many[@]}")
}

@test "200 functions before an NVMe and an AHCI: all are seen, and hidden" {
	fill pci-testdev 200
	probe "hidden=01:00.0,00:1f.2,00:03.0" --nic e1000e --disk ahci:sata -- "${FILL[@]}" "${BEHIND[@]}"
	grep -aE 'pci: 20[0-9] functions' "$(serial)"
	grep -a 'virtio-blk at 01:00.0 for nvme0' "$(serial)"
}

# As on machines with several sockets: each host bridge has buses of its own, which only ACPI's AML names.
@test "a function 1 without a function 0 is hidden, too, and what is behind other host bridges" {
	# shellcheck disable=SC2054 # commas of QEMU's own
	local bridges=(-device pxb-pcie,id=p1,bus_nr=64,bus=pcie.0,addr=4 -device pxb-pcie,id=p2,bus_nr=96,bus=pcie.0,addr=5
		-device pxb-pcie,id=p3,bus_nr=128,bus=pcie.0,addr=6 -device pcie-root-port,bus=p1,id=r1,chassis=1
		-device pcie-root-port,bus=p2,id=r2,chassis=2 -drive if=none,id=two,file=sata,format=raw
		-device nvme,bus=r2,drive=two,serial=two -device e1000e,bus=r1)
	probe "hidden=00:09.1,00:03.0,41:00.0,61:00.0" --nic e1000e -- -drive if=none,id=one,file=nvme,format=raw \
		-device nvme,addr=9.1,drive=one,serial=one "${bridges[@]}"
	grep -a 'pci 00:09.1: 1b36:0010 .* taken over by nvme' "$(serial)"
	grep -a 'pci 41:00.0: 8086:10d3 .* taken over by e1000e' "$(serial)"
	grep -a 'pci 61:00.0: 1b36:0010 .* taken over by nvme' "$(serial)"
}

# As on machines with many sockets.  Each of QEMU's pxb-pcie is a function of class 0600, and has a root bus of its own; SeaBIOS
# numbers the bus behind the root port after them.
# bats test_tags=slow
@test "93 host bridges before an NVMe: all are seen, no bus number moves, and the NVMe is hidden" {
	local slot function hosts=() bus=32
	for slot in 4 5 6 7 9 a b c d e f 11; do
		for function in 0 1 2 3 4 5 6 7; do
			[ $bus -lt $((32 + 93)) ] || break 2
			hosts+=(-device "pxb-pcie,bus_nr=$((bus++)),bus=pcie.0,addr=0x$slot.$function,multifunction=on")
		done
	done
	probe "hidden=7d:00.0,00:03.0" --nic e1000e -- "${hosts[@]}" "${BEHIND[@]}"
	grep -aE 'pci: (9[89]|10[0-9]) functions' "$(serial)"
	grep -a 'virtio-blk at 7d:00.0 for nvme0' "$(serial)"
}

# A card and a pci-bridge are left, an NVMe behind a root port is concealed.  Firmware leaves a gap between the buses.
bridges() {
	sed 's|^\t\tsata {|\t\tcard { veneer,bdf = "0000:01:00.0"; veneer,action = "leave"; };\n\n&|' "$WRITABLE" >left.dts
	linux_run pci "$1" --config left.dts --disk nvme:sata -- -netdev user,id=left \
		-device pcie-root-port,id=rp1,addr=4,chassis=1,bus-reserve=3 -device e1000e,bus=rp1,netdev=left \
		-device pcie-root-port,id=rp2,addr=5,chassis=2 -drive if=none,id=behind,file=nvme,format=raw \
		-device nvme,bus=rp2,drive=behind,serial=behind -device pci-bridge,id=old,addr=6,chassis_nr=3
	said 'ok: a card of e1000e has 10.0.2.15'
	said "disk vda"
	said "disk vdb"
	not_said 'strange: '
	[ "$(grep -ac '^GUEST: ok: bus numbers of' "$(serial)")" = 3 ]
}

@test "Linux finds nothing strange about bridges, concealed devices and left ones behind them" {
	head -c 16M /dev/urandom >nvme
	bridges ""
	said "disk vd[ab]: $(head -c 4M nvme | sha256sum | cut -d ' ' -f 1)"
}

@test "the same where Linux wants to number all buses anew" {
	bridges "pci=assign-busses"
}

# The lines in Veneer's memory: on the serial port there are errors only once the guest runs.
veneer_said() {
	veneer_counters >counters
	grep -aqE -- "$1" "$BATS_TEST_TMPDIR/memory" && return 0
	echo "not in the log: $1"
	return 1
}

@test "a disk that is plugged in later, and a left card's virtual functions, stay closed, with a line each" {
	"$LIB/qemu10" "$BUILD/qemu10"
	export QEMU=$BUILD/qemu10/qemu-system-x86_64
	sed 's|^\t\tsata {|\t\tcard { veneer,bdf = "0000:00:05.0"; veneer,action = "leave"; };\n\n&|' "$WRITABLE" >left.dts
	linux_start closed "veneer.port=0000:00:04.0 veneer.disks=vda pcie_ports=compat" --config left.dts \
		--disk nvme:sata -- -global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off \
		-netdev user,id=left -device igb,netdev=left,addr=5 -device pcie-root-port,id=rp,addr=4,chassis=1 \
		-drive if=none,id=late,file=nvme,format=raw
	guest_wait_for 'GUEST: waiting for the plug' 240
	qmp device_add '{"driver": "nvme", "id": "late", "bus": "rp", "drive": "late", "serial": "late"}'
	guest_wait_for 'GUEST: waiting for the look' 120
	veneer_said 'pci 01:00.0: 1b36:0010 was not there at the start: it stays closed'
	veneer_said 'pci 00:05.0: .*: its virtual functions stay closed'
	printf 'done' | dd of=sata conv=notrunc status=none
	guest_end
	said 'vf 0000:00:05.0'
	said 'after: 00:08.0 .*1af4:1001'
	not_said 'after: .*1b36:0010'
	not_said 'after: .*8086:10ca'
	[ "$(grep -ac '^GUEST: before: ' "$(serial)")" = "$(grep -ac '^GUEST: after: ' "$(serial)")" ]
}
