#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Machines with an IOMMU: it is found and named, hidden from the guest, switched off where firmware has left it on, and confines
# DMA.
bats_require_minimum_version 1.5.0
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	veneer_only
	truncate -s 64M sata nvme
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine=(--nic e1000e --disk ahci:sata --disk nvme:nvme)
}

teardown() { guest_teardown; }

has() {
	grep -aE "veneer: $1" "$(serial)" && return
	echo "no line: $1"
	return 1
}

VTD='iommu0: VT-d 1\.0 at 0xfed90000, segment 0, .*covers .*00:03\.0, '
AMDVI='iommu0: AMD-Vi \(00:02\.0\) at 0xfed80000, segment 0, .*covers .*00:03\.0, '

@test "probe-hidden: neither VT-d's table nor its registers can be found" {
	guest_run --kernel "$BUILD/guest/probe-hidden.elf" --cmdline "bars=fed90000+1000" --config "$WRITABLE" \
		"${machine[@]}" -- -device intel-iommu
	grep -aE "^probe-hidden: [1-9][0-9]* passed, 0 failed" "$(serial)"
	has "$VTD"
	has 'iommu: hidden from the guest'
}

# bats test_tags=slow
@test "probe-hidden: neither AMD-Vi's table, registers nor function can be found" {
	guest_run --kernel "$BUILD/guest/probe-hidden.elf" --cmdline "bars=fed80000+4000 hidden=00:02.0" --config "$WRITABLE" \
		"${machine[@]}" -- -device amd-iommu
	grep -aE "^probe-hidden: [1-9][0-9]* passed, 0 failed" "$(serial)"
	has "$AMDVI"
	has 'iommu: hidden from the guest'
}

# A left edu device and a left NVMe write to Veneer's image, edu also to a doorbell of the concealed NVMe, whose BAR is where
# SeaBIOS puts it.
NVME_BAR=feb14000 NVME_BELL=feb15000
dma() { # dma DTS QEMU'S...
	local dts=$1
	shift
	sed "s|^\t\tsata {|\t\tleft { veneer,bdf = \"0000:00:05.0\"; veneer,action = \"leave\"; };\n\n&|
		s|^\t\tveneer,default|\t\tveneer,iommu = \"$dts\";\n&|" "$WRITABLE" >left.dts
	guest_start --kernel "$BUILD/guest/probe-dma.elf" --config left.dts --disk nvme:nvme \
		--cmdline "edu=00:04.0 nvme=00:05.0 register=$NVME_BELL stay" -- -device edu,addr=4,dma_mask=0xffffffff \
		-drive if=none,id=left,file=sata,format=raw -device nvme,drive=left,serial=left,addr=5 "$@" \
		-trace pci_nvme_ub_db_wr_invalid_sqtail
	guest_wait_for 'dma: done' 300
	run ! grep -a '^FAIL' "$(serial)"
	qmp hmp 'info pci' | grep -aA 4 'device   8,' | grep -a "0x$NVME_BAR "
	# The counters, and the two pages as they are now.
	veneer_counters >counters
	local low
	low=$(sed -nE 's/^.*memory: Veneer at (0x[0-9a-f]+)-.*/\1/p' "$(serial)")
	dd if=memory of=pages bs=4096 count=2 status=none skip=$(((0x$(image_base) - low) / 4096))
}

nothing_arrives() { # nothing_arrives QEMU'S...
	dma require "$@"
	has 'iommu: DMA is confined'
	run ! grep -aE 'edu was here|QEMU NVMe Ctrl' pages
	run ! grep -a 'invalid_sqtail .*=3341,' qemu.log
}

each_has_a_line() {
	[ "$(grep -ac 'iommu0: 00:04.0: DMA write at 0x'"$(image_base)"' refused' "$(serial)")" = 1 ]
	[ "$(grep -ac 'iommu0: 00:05.0: DMA write at .* refused' "$(serial)")" = 1 ]
	[ "$(counter_in counters iommu.faults)" -ge 2 ]
}

@test "behind VT-d a guest's devices write neither to Veneer's memory nor to a concealed controller" {
	nothing_arrives -device intel-iommu
	each_has_a_line
}

# QEMU 7.2's AMD-Vi refuses an absent page without an event.
@test "behind AMD-Vi a guest's devices write neither to Veneer's memory nor to a concealed controller" {
	nothing_arrives -device amd-iommu,pt=off
}

# bats test_tags=slow
@test "the same by QEMU 11, which takes a device's entry over by the command for this entry alone" {
	"$LIB/qemu11" "$BUILD/qemu11"
	QEMU=$BUILD/qemu11/qemu-system-x86_64 nothing_arrives -device amd-iommu,dma-remap=on
	# Its events have no address (test_amdvi.c has them).
	[ "$(grep -ac 'iommu0: 00:04.0: DMA .* refused' "$(serial)")" = 1 ]
	[ "$(grep -ac 'iommu0: 00:05.0: DMA .* refused' "$(serial)")" = 1 ]
	[ "$(counter_in counters iommu.faults)" -ge 2 ]
}

# bats test_tags=slow
@test "the same with the IOMMU off: all of it arrives" {
	dma off -device intel-iommu
	has 'warning: iommu: off by the configuration: devices that are left to the guest can reach all memory'
	grep -aq 'edu was here' pages
	grep -aq 'QEMU NVMe Ctrl' pages
	grep -a 'invalid_sqtail .*=3341,' qemu.log
	run ! grep -a 'DMA .* refused' "$(serial)"
}

linux_without_iommu() { # linux_without_iommu DEVICE
	http_start
	random_file "$HTTP_DIR/down" 4
	linux_run iommu,net,disks "veneer.mib=4 veneer.url=$HTTP_URL" --config "$WRITABLE" "${machine[@]}" -- -device "$1"
	has 'iommu: hidden from the guest'
	has 'iommu: DMA is confined'
	run ! grep -a 'DMA .* refused' "$(serial)"
	said "tables: .*OEMV"
	said "ok: the kernel does not speak of an IOMMU"
	check_transfers 1
	check_patterns sata nvme
}

@test "Linux behind VT-d knows nothing of it" {
	linux_without_iommu intel-iommu,intremap=off
}

# bats test_tags=slow
@test "Linux behind VT-d with interrupt remapping knows nothing of it" {
	linux_without_iommu intel-iommu,intremap=on
}

# bats test_tags=slow
@test "Linux behind AMD-Vi knows nothing of it" {
	linux_without_iommu amd-iommu,pt=off
}

# left_on WORDS...: start the machine by an image whose GRUB does write_dword ADDRESS VALUE of each pair last of all.
left_on() {
	local start slot entry=veneer/guests/probe/entry.cfg
	"$ROOT/installer/veneer-install" image disk.img --kernel "$BUILD/guest/probe-hidden.elf" --name probe --menu-timeout 0 \
		--config "$ROOT/configs/default.dts" --veneer "$BUILD/veneer.elf"
	start=$(PATH=$PATH:/sbin:/usr/sbin sfdisk --dump disk.img | sed -nE 's/.*start= *([0-9]+),.*name="veneer-a".*/\1/p')
	slot="disk.img@@$((start * 512))"
	mcopy -i "$slot" /usr/lib/grub/i386-pc/memrw.mod ::/veneer/memrw.mod
	mcopy -n -i "$slot" "::/$entry" entry.cfg
	# shellcheck disable=SC2016 # GRUB expands it
	{ echo 'insmod $veneer_dir/memrw.mod'; printf 'write_dword 0x%s 0x%s\n' "$@"; } >>entry.cfg
	cat entry.cfg
	mcopy -o -i "$slot" entry.cfg "::/$entry"
	guest_run --image ahci:disk.img "${machine[@]}" -- -device "$device"
	has 'warning: iommu0: firmware has left translation on'
	has 'iommu0: translation is off now'
	has 'blk1: virtio-blk at 00:1f.2 '
	grep -aE "^probe-hidden: [1-9][0-9]* passed, 0 failed" "$(serial)"
}

# A root table of zeros at 48 MiB: nothing may do DMA any more.
# bats test_tags=slow
@test "VT-d that firmware has left on is switched off" {
	device=intel-iommu
	left_on 3000000 0 fed90020 3000000 fed90024 0 fed90018 40000000 fed90018 80000000
}

# A device table of two pages at 48 MiB; the three controllers' entries point to an empty page table.
# bats test_tags=slow
@test "AMD-Vi that firmware has left on is switched off" {
	device=amd-iommu
	left_on 3000300 3004203 3000304 60000000 3000800 3004203 3000804 60000000 3001f40 3004203 3001f44 60000000 \
		fed80000 3000001 fed80004 0 fed80018 1
}
