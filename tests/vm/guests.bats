#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The guest matrix: each test is a row, each cell a real run whose data is checked on the host (tests/lib/matrix.bash).  "make
# guest-matrix" runs all of them and prints the table.
load ../lib/guest
load ../lib/bios
load ../lib/matrix

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

@test "guests: Linux 6.1" {
	linux_row 10 "Linux 6.1, MSI-X" "$LINUX" vmlinuz ""
	said "kernel 6\.1\."
	said "interrupts: [1-9][0-9]* by MSI-X, 0 by lines"
	row_end
}

# bats test_tags=slow
@test "guests: Linux 6.1, pci=nomsi" {
	linux_row 11 "Linux 6.1, pci=nomsi: lines by the I/O APIC" "$LINUX" vmlinuz "pci=nomsi"
	said "interrupts: 0 by MSI-X, [1-9][0-9]* by lines"
	row_end
}

# bats test_tags=slow
@test "guests: Linux 6.1, pci=nomsi noapic" {
	linux_row 12 "Linux 6.1, pci=nomsi noapic: lines by the 8259" "$LINUX" vmlinuz "pci=nomsi noapic"
	said "interrupts: 0 by MSI-X, [1-9][0-9]* by lines"
	row_end
}

# bats test_tags=slow
@test "guests: Linux 6.1 on 4 processors" {
	linux_row 13 "Linux 6.1, 4 processors" "$LINUX" vmlinuz "" --smp 4
	said "processors 4"
	row_end
}

@test "guests: Linux 6.1 by its PVH entry" {
	linux_row 14 "Linux 6.1, PVH entry (vmlinux)" "$LINUX" vmlinux ""
	grep -qa "veneer: guest: PVH kernel of " "$(serial)"
	row_end
}

# bats test_tags=slow
@test "guests: Linux 6.1 by its 32-bit entry" {
	linux_row 15 "Linux 6.1, 32-bit entry" "$LINUX" vmlinuz "" --boot-protocol linux32
	grep -qa "veneer: guest: Linux .* protocol, 32-bit entry" "$(serial)"
	row_end
}

# bats test_tags=slow
@test "guests: Linux of bookworm-backports" {
	"$LIB/linux-guest" "$LINUX-backports" backports
	linux_row 16 "Linux of bookworm-backports, MSI-X" "$LINUX-backports" vmlinuz ""
	said "kernel ([7-9]|6\.[1-9][0-9])"
	row_end
}

# boot_sector_row NUMBER TITLE SERIAL: a machine whose disk with that serial number, of the two, has a GRUB of its own
boot_sector_row() {
	local number=$1 title=$2 serial=$3 column disks
	row "$number" "$title"
	matrix_machine
	http_start
	random_file "$HTTP_DIR/down" 4
	boot_image boot.img matrix "veneer.mib=4 veneer.url=$HTTP_URL veneer.keep=$serial veneer.data=200"
	random_file data 4
	dd if=data of=boot.img bs=1M seek=200 conv=notrunc status=none
	cp --sparse=always boot.img before
	disks=(--disk ahci:sata --disk nvme:nvme)
	if [ "$serial" = AHCI0 ]; then disks[1]=ahci:boot.img; else disks[3]=nvme:boot.img; fi
	disk_boot "$serial" --config "$WRITABLE" --mem 768M --nic e1000e --nic e1000 --nic rtl8139 "${disks[@]}"
	row_guest_end
	for column in e1000e e1000 rtl8139; do
		check $column linux_card $column
	done
	if [ "$serial" = AHCI0 ]; then
		check AHCI linux_boot_disk AHCI ahci0p0
		check NVMe linux_disk NVMe nvme
	else
		check NVMe linux_boot_disk NVMe nvme0n1
		check AHCI linux_disk AHCI sata
	fi
	row_end
}

# bats test_tags=slow
@test "guests: a GRUB on the virtual SATA disk starts Linux from that disk" {
	boot_sector_row 31 "boot sector of the SATA disk: its GRUB, then Linux 6.1 from it" AHCI0
}

# bats test_tags=slow
@test "guests: a GRUB on the virtual NVMe disk starts Linux from that disk" {
	boot_sector_row 32 "boot sector of the NVMe disk: its GRUB, then Linux 6.1 from it" NVME0
}

# ipxe_row NUMBER TITLE ARGS...
ipxe_row() {
	row "$1" "$2"
	shift 2
	cell AHCI n/a
	cell NVMe n/a
	ipxe_start 3 --nic e1000e --nic e1000 --nic rtl8139 "$@"
	check e1000e ipxe_fetched 0 120
	check e1000 ipxe_fetched 1 60
	check rtl8139 ipxe_fetched 2 60
	row_end
}

# ipxe.lkrn has both drivers, and uses the legacy driver only for devices without modern registers, of which there is none here.
@test "guests: ipxe.lkrn, transitional devices" {
	ipxe_row 33 "ipxe.lkrn (real mode): DHCP, a script by TFTP; transitional device" --config "$WRITABLE"
	[ "$(grep -caE '^veneer: net[0-2]: virtio-net at 00:0[345]\.0 for [a-z0-9-]+.?$' "$(serial)")" = 3 ]
}

# bats test_tags=slow
@test "guests: ipxe.lkrn, modern-only devices" {
	ipxe_row 34 "ipxe.lkrn (real mode): DHCP, a script by TFTP; modern-only device" --config "$LIB/modern.dts"
	[ "$(grep -caE '^veneer: net[0-2]: virtio-net at 00:0[345]\.0 for [a-z0-9-]+, modern-only' "$(serial)")" = 3 ]
}

@test "guests: hobby OS, legacy transport, polling" {
	hobby_row 40 "hobby OS, legacy transport, polling" "virtio=legacy irq=poll"
	row_end
}

# bats test_tags=slow
@test "guests: hobby OS, legacy transport, 8259" {
	hobby_row 41 "hobby OS, legacy transport, lines by the 8259" "virtio=legacy irq=pic"
	row_end
}

# bats test_tags=slow
@test "guests: hobby OS, legacy transport, I/O APIC" {
	hobby_row 42 "hobby OS, legacy transport, lines by the I/O APIC" "virtio=legacy irq=ioapic"
	row_end
}

# bats test_tags=slow
@test "guests: hobby OS, legacy transport, MSI-X" {
	hobby_row 43 "hobby OS, legacy transport, MSI-X" "virtio=legacy irq=msix"
	row_end
}

# bats test_tags=slow
@test "guests: hobby OS, modern transport, polling" {
	hobby_row 44 "hobby OS, modern transport, polling" "virtio=modern irq=poll"
	row_end
}

# bats test_tags=slow
@test "guests: hobby OS, modern transport, 8259" {
	hobby_row 45 "hobby OS, modern transport, lines by the 8259" "virtio=modern irq=pic"
	row_end
}

# bats test_tags=slow
@test "guests: hobby OS, modern transport, I/O APIC" {
	hobby_row 46 "hobby OS, modern transport, lines by the I/O APIC" "virtio=modern irq=ioapic"
	row_end
}

# bats test_tags=slow
@test "guests: hobby OS, modern transport, MSI-X" {
	hobby_row 47 "hobby OS, modern transport, MSI-X" "virtio=modern irq=msix"
	row_end
}

# bats test_tags=slow
@test "guests: hobby OS by its PVH entry" {
	hobby_row 48 "hobby OS by its PVH entry, legacy transport, MSI-X" "virtio=legacy irq=msix" --boot-protocol pvh
	grep -qa "veneer: guest: PVH kernel of " "$(serial)"
	row_end
}

# bats test_tags=slow
@test "guests: hobby OS by the Limine protocol" {
	# shellcheck disable=SC2034 # matrix.bash uses it
	HOBBY_KERNEL=hobby-os-limine.elf
	hobby_row 49 "hobby OS by the Limine protocol, modern transport, MSI-X" "virtio=modern irq=msix"
	grep -qa "veneer: guest: Limine base revision 3, 4 requests" "$(serial)"
	row_end
}

# The kernels of tests/guest that behave as many small systems' drivers (docs/guests.md, "Where it is tested").
# bats test_tags=slow
@test "guests: probes of the rules: ids, layout, configuration space, features, lives of a device" {
	probe_row 50 "probe-transport: ids, layout, features; BARs moved, suspend, a second kernel" probe-transport ""
}

# bats test_tags=slow
@test "guests: probes of the rules: sloppy drivers" {
	probe_row 51 "probe-quirks: polling, queue sizes, status, resets, kicks, framings" probe-quirks "arp=1"
}

# bats test_tags=slow
@test "guests: probes of the rules: lines, and what is taken for granted" {
	probe_row 52 "probe-rules: lines by the 8259 and the I/O APIC, masked and unmasked; fixed places" probe-rules ""
}

# bats test_tags=slow
@test "guests: probes of the rules: messages" {
	probe_row 53 "probe-msix: MSI-X and MSI, all destination modes" probe-msix ""
}
