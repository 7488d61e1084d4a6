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

@test "a function 1 without a function 0 is hidden, too" {
	probe "hidden=00:09.1,00:03.0" --nic e1000e -- -drive if=none,id=one,file=nvme,format=raw \
		-device nvme,addr=9.1,drive=one,serial=one
	grep -a 'pci 00:09.1: 1b36:0010 .* taken over by nvme' "$(serial)"
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
