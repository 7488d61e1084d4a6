#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Memory that depends on the machine: the smallest machine, an ordinary PC, and a large machine. All twins exist, and the sum
# that the start prints, like veneer-hwcheck, is the hidden memory.
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

# The computed, hidden and used sums agree, and nothing was taken later.
by_the_sum() {
	local hidden heap
	sum=$(sed -nE 's/^veneer: memory: ([0-9]+) KiB for this machine.*/\1/p' "$(serial)")
	hidden=$(sed -nE 's/^veneer: memory: (Veneer at|and) [^(]*\(([0-9]+) KiB.*/\2/p' "$(serial)" | paste -sd + | bc)
	heap=$(sed -nE 's/^veneer: guest: starts at .*; ([0-9]+) of ([0-9]+) KiB of heap.*/\1/p' "$(serial)")
	echo "sum $sum, hidden $hidden, heap $heap"
	[ "$sum" = "$hidden" ]
	if grep -a 'KiB more for Veneer' "$(serial)"; then return 1; fi
	# The rest is the image, and memory for later needs of the guest; the bound is a fifth more.
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

# The sum of veneer-hwcheck in a Linux on such a machine differs from the start's by at most 64 KiB, because veneer-hwcheck does
# not know the length of the memory map.
as_hwcheck() { # as_hwcheck PROCESSORS MEMORY-KIB CARDS NVME-DISKS SATA-DISKS FLAG...
	local n said
	rm -rf sys proc
	mkdir -p proc
	for ((n = 0; n < $1; n++)); do
		printf 'processor\t: %d\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu lm svm npt %s\n\n' "$n" "${*:6}"
	done >proc/cpuinfo
	echo "MemTotal: $2 kB" >proc/meminfo
	for ((n = 0; n < $3; n++)); do function_at "$(printf '0000:01:%02x.0' "$n")" 8086 10d3 020000; done
	for ((n = 0; n < $4; n++)); do
		function_at "0000:00:08.$n" 1b36 0010 010802
		disk_at "nvme${n}n1" "0000:00:08.$n"
	done
	function_at 0000:00:1f.2 8086 2922 010601
	for ((n = 0; n < $5; n++)); do disk_at "sd$n" 0000:00:1f.2; done
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
	as_hwcheck 4 500000 2 1 6 pdpe1gb
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
	as_hwcheck 16 $((64 << 20)) 8 8 6 pdpe1gb
}

# bats test_tags=slow
@test "memory: twelve cards, and 256 GiB without pages of 1 GiB" {
	local n
	machine=(--mem 256G)
	for _ in {1..5}; do machine+=(--nic e1000e); done
	disks nvme 1
	# shellcheck disable=SC2054 # commas of QEMU's own
	large=(-cpu max,-pdpe1gb -object memory-backend-ram,id=ram,size=256G,reserve=off -machine memory-backend=ram)
	for n in 2 3 4 5 6 7 8; do large+=(-device "e1000e,addr=0x1$n"); done
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="exit 3"' "${machine[@]}" -- "${large[@]}"
	guest_end 3
	[ "$(twins net)" = 12 ]
	[ "$(twins blk)" = 1 ]
	by_the_sum
	as_hwcheck 1 $((256 << 20)) 12 1 0
}

# The number of namespaces is unknown before the start: memory for those not in the sum is taken then.
# bats test_tags=slow
@test "memory: 64 namespaces of two controllers have their twins, 129 disks and cards stop the start" {
	local n c
	truncate -s 16M disk
	for c in 0 1 2 3; do
		all=()
		for ((n = 1; n <= 32; n++)); do
			all+=(-drive "if=none,id=d$c.$n,file=disk,format=raw,read-only=on"
				-device "nvme-ns,bus=c$c,drive=d$c.$n,nsid=$n")
		done
		controllers+=(-device "nvme,id=c$c,serial=c$c,addr=0x1$((2 + c))" "${all[@]}")
	done
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="exit 3"' --nic e1000e -- "${controllers[@]:0:$((2 * 132))}"
	guest_end 3
	[ "$(twins blk)" = 64 ]
	[ "$(grep -ac '^disk[0-9]*: 32768 sectors' "$(serial)")" -ge 8 ]
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="exit 3"' --nic e1000e -- "${controllers[@]}"
	guest_end 2
	grep -a 'limit: this machine has more than 128 disks and cards' "$(serial)"
	grep -a 'stopped: this machine has more than this build can hold' "$(serial)"
}
