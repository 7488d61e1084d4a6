#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Memory by need: the smallest machine, an ordinary PC, and a large machine.  All twins are there, and the sum that the start
# prints, which is veneer-hwcheck's, is the memory that is hidden.
load ../lib/guest

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

disks() { # disks KIND COUNT
	local n
	for ((n = 0; n < $2; n++)); do machine+=(--disk "$1:$1$n,size=16M"); done
}

twins() { tr -d '\r' <"$(serial)" | grep -acE "^veneer: $1[0-9]+: virtio-"; }

# What was computed, hidden, and used agree; nothing was taken later
by_the_sum() {
	local hidden heap
	sum=$(sed -nE 's/^veneer: memory: ([0-9]+) KiB for this machine.*/\1/p' "$(serial)")
	hidden=$(sed -nE 's/^veneer: memory: (Veneer at|and) [^(]*\(([0-9]+) KiB.*/\2/p' "$(serial)" | paste -sd + | bc)
	heap=$(sed -nE 's/^veneer: guest: starts at .*; ([0-9]+) of ([0-9]+) KiB of heap.*/\1/p' "$(serial)")
	echo "sum $sum, hidden $hidden, heap $heap"
	[ "$sum" = "$hidden" ]
	if grep -a 'KiB more for Veneer' "$(serial)"; then return 1; fi
	# Beside the heap there are the image and what the guest's life may need; the bound is a fifth above that.
	[ $(((heap + 796 + 256) * 5 / 4)) -ge "$sum" ] || [ "$sum" = 4096 ]
}

function_at() { # function_at ADDRESS VENDOR DEVICE CLASS
	mkdir -p "sys/bus/pci/devices/$1"
	echo "0x$2" >"sys/bus/pci/devices/$1/vendor"
	echo "0x$3" >"sys/bus/pci/devices/$1/device"
	echo "0x$4" >"sys/bus/pci/devices/$1/class"
}

disk_at() { # disk_at NAME ADDRESS
	mkdir -p "sys/devices/pci0000:00/$2/x/block/$1/device" sys/block
	ln -s "../devices/pci0000:00/$2/x/block/$1" "sys/block/$1"
}

# What veneer-hwcheck says on a Linux that runs on the ordinary PC below, as far as it looks: at most 64 KiB beside the start's
# sum, for it does not know how long the memory map is.
as_hwcheck() {
	local n said
	mkdir -p proc
	for n in 0 1 2 3; do
		printf 'processor\t: %d\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu lm svm npt pdpe1gb\n\n' "$n"
	done >proc/cpuinfo
	echo 'MemTotal: 500000 kB' >proc/meminfo
	function_at 0000:00:03.0 8086 10d3 020000
	function_at 0000:00:04.0 8086 10d3 020000
	function_at 0000:00:08.0 1b36 0010 010802
	function_at 0000:00:1f.2 8086 2922 010601
	disk_at nvme0n1 0000:00:08.0
	for n in a b c d e f; do disk_at "sd$n" 0000:00:1f.2; done
	"$ROOT/installer/veneer-hwcheck" --sysroot . >hwcheck || [ $? = 3 ]
	said=$(sed -nE 's/^ +([0-9]+) KiB are hidden from the guest$/\1/p' hwcheck)
	echo "veneer-hwcheck: $said"
	[ $((said - sum)) -le 64 ] && [ $((sum - said)) -le 64 ]
}

@test "memory: one card, two disks, two processors: 4 MiB are hidden, up to the end of the memory" {
	machine=(--nic e1000e --smp 2)
	disks ahci 2
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="exit 3"' "${machine[@]}"
	guest_end 3
	by_the_sum
	[ "$sum" = 4096 ]
	grep -aE 'memory: Veneer at 0x[0-9a-f]+-0x1ff[0-9a-f]{5} \(4096 KiB' "$(serial)"
}

@test "memory: six SATA disks, an NVMe disk, two cards, four processors: all have their twins" {
	machine=(--nic e1000e --nic e1000e --smp 4)
	disks ahci 6
	disks nvme 1
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="exit 3"' "${machine[@]}"
	guest_end 3
	[ "$(twins net)" = 2 ]
	[ "$(twins blk)" = 7 ]
	grep -a 'cpu: 4 processors, 4 for the guest' "$(serial)"
	by_the_sum
	[ "$sum" -gt 4096 ]
	as_hwcheck
}

# bats test_tags=slow
@test "memory: eight NVMe and six SATA disks, eight cards, 16 processors, 64 GiB: all have their twins" {
	machine=(--smp 16 --mem 64G)
	for _ in {1..5}; do machine+=(--nic e1000e); done
	disks ahci 6
	disks nvme 8
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="exit 3"' "${machine[@]}" -- \
		-device e1000e,addr=0x12 -device e1000e,addr=0x13 -device e1000e,addr=0x14 \
		-object memory-backend-ram,id=ram,size=64G,reserve=off -machine memory-backend=ram
	guest_end 3
	[ "$(twins net)" = 8 ]
	[ "$(twins blk)" = 14 ]
	grep -a 'cpu: 16 processors, 16 for the guest' "$(serial)"
	by_the_sum
}
