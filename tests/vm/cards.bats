#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The guest matrix of the cards that no emulator has: register models, at most five of them in a machine.  Other people's
# drivers judge the models, then guests run behind Veneer.  Rows and cells as in guests.bats; data is compared on the host.
# shellcheck disable=SC2154,SC2034,SC2004 # variables from and for the files below; PLACE is an associative array
load ../lib/guest
load ../lib/bios
load ../lib/models
load ../lib/matrix

COLUMNS_OF_MATRIX=(8169 8168E-VL 8168H 8125B 8125D 8126A I225 I226 I210 I211 82579LM I219-V)
OLDER=(8169 8168E-VL I225 I210 82579LM)
NEWER=(8168H 8125B I226 I211 I219-V)
LATEST=(8125D 8126A)
# shellcheck disable=SC2054 # the commas are veneer-qemu's
declare -gA CARD=([8169]=r8168,chip=8169 [8168E-VL]=r8168,chip=8168evl [8168H]=r8168,chip=8168h [8125B]=r8168,chip=8125b
	[8125D]=r8168,chip=8125d [8126A]=r8168,chip=8126a
	[I225]=igc,chip=i225 [I226]=igc,chip=i226 [I210]=i210,chip=i210 [I211]=i210,chip=i211 [82579LM]=i219,chip=82579lm
	[I219-V]=i219,chip=i219v7)

# machine COLUMN...: sets nics to these cards, and the columns' places
machine() {
	local column slot=3
	nics=()
	for column; do
		nics+=(--nic "${CARD[$column]}")
		PLACE[$column]=0000:00:0$slot.0
		slot=$((slot + 1))
	done
}

# linux_boot KERNEL-FOLDER CMDLINE COLUMN...: 4 MiB through each card in each direction
linux_boot() {
	local folder=$1 cmdline="veneer.mib=4 veneer.url=$HTTP_URL${2:+ $2}" column
	shift 2
	machine "$@"
	guest_start --no-reboot --kernel "$folder/vmlinuz" --initrd "$folder/initrd.gz" --mem 768M "${nics[@]}" \
		--cmdline "$LINUX_ARGS veneer.run=matrix${NATIVE:+ veneer.native=1} $cmdline"
	row_guest_end
	for column; do
		check "$column" linux_card "$column"
	done
	lawful $# || ROW_FAILED=y
}

# linux_row NUMBER TITLE KERNEL-FOLDER CMDLINE [CARD...]: all cards but these, which the kernel does not know
linux_row() {
	local column latest=()
	row "card-$1" "$2"
	http_start
	random_file "$HTTP_DIR/down" 4
	linux_boot "$3" "$4" "${OLDER[@]}"
	linux_boot "$3" "$4" "${NEWER[@]}"
	for column in "${LATEST[@]}"; do
		if [[ " ${*:5} " = *" $column "* ]]; then
			cell "$column" "no driver"
		else
			latest+=("$column")
		fi
	done
	[ ${#latest[@]} = 0 ] || linux_boot "$3" "$4" "${latest[@]}"
}

# bats test_tags=slow
@test "cards: Linux 6.1's own drivers" {
	NATIVE=1
	linux_row 10 "no Veneer: Linux 6.1's own drivers" "$LINUX" "" "${LATEST[@]}"
	said "kernel 6\\.1\\."
	row_end
}

# bats test_tags=slow
@test "cards: the drivers of Linux of bookworm-backports" {
	NATIVE=1
	"$LIB/linux-guest" "$LINUX-backports" backports
	linux_row 11 "no Veneer: the drivers of Linux of bookworm-backports" "$LINUX-backports" ""
	said "kernel ([7-9]|6\\.[1-9][0-9])"
	row_end
}

# bats test_tags=slow
@test "cards: iPXE's own drivers" {
	local column
	row card-12 "no Veneer: iPXE's own drivers: DHCP, a script by TFTP"
	"$LIB/ipxe" "$BUILD/ipxe"
	for column in "${COLUMNS_OF_MATRIX[@]}"; do
		if [[ $column = 812[56]* ]]; then
			cell "$column" "no driver"
			continue
		fi
		check "$column" ipxe_fetches "$BUILD/ipxe" "${CARD[$column]}" 300
	done
	row_end
}

# bats test_tags=slow
@test "cards: Linux 6.1, MSI-X" {
	veneer_only
	linux_row 20 "Linux 6.1, MSI-X" "$LINUX" ""
	said "interrupts: [1-9][0-9]* by MSI-X, 0 by lines"
	row_end
}

# bats test_tags=slow
@test "cards: Linux 6.1, pci=nomsi" {
	veneer_only
	linux_row 21 "Linux 6.1, pci=nomsi: lines by the I/O APIC" "$LINUX" pci=nomsi
	said "interrupts: 0 by MSI-X, [1-9][0-9]* by lines"
	row_end
}

# bats test_tags=slow
@test "cards: Linux of bookworm-backports, MSI-X" {
	veneer_only
	"$LIB/linux-guest" "$LINUX-backports" backports
	linux_row 22 "Linux of bookworm-backports, MSI-X" "$LINUX-backports" ""
	row_end
}

# hobby_row NUMBER TITLE OPTIONS: the hobby OS drives one card: it fetches a file
hobby_row() {
	local column
	veneer_only
	row "card-$1" "$2"
	mkdir tftp
	random_file tftp/file 1
	for column in "${COLUMNS_OF_MATRIX[@]}"; do
		guest_run --kernel "$BUILD/hobby-os.elf" --tftp tftp --nic "${CARD[$column]}" \
			--cmdline "$3 net=dhcp run=\"tftp 10.0.2.2 file; exit 0\"" || ROW_FAILED=y
		check "$column" hobby_net
		lawful 1 || ROW_FAILED=y
	done
	row_end
}

# bats test_tags=slow
@test "cards: hobby OS, legacy transport, 8259" {
	hobby_row 30 "hobby OS, legacy transport, lines by the 8259" "virtio=legacy irq=pic"
}

# bats test_tags=slow
@test "cards: hobby OS, modern transport, polling" {
	hobby_row 31 "hobby OS, modern transport, polling" "virtio=modern irq=poll"
}

# bats test_tags=slow
@test "cards: hobby OS, modern transport, MSI-X" {
	hobby_row 32 "hobby OS, modern transport, MSI-X" "virtio=modern irq=msix"
}

# probe_row NUMBER TITLE PROBE CMDLINE
probe_row() {
	local column
	veneer_only
	row "card-$1" "$2"
	for set in "${OLDER[*]}" "${NEWER[*]}" "${LATEST[*]}"; do
		# shellcheck disable=SC2086 # the names are words
		machine $set
		guest_start --no-reboot --kernel "$BUILD/guest/$3.elf" --cmdline "$4" "${nics[@]}"
		row_guest_end
		for column in $set; do
			check "$column" probe_cell "$column"
		done
		lawful $((${#nics[@]} / 2)) || ROW_FAILED=y
	done
	row_end
}

# bats test_tags=slow
@test "cards: probe-quirks" {
	probe_row 40 "probe-quirks: polling, queue sizes, status, resets, kicks, framings" probe-quirks "arp=1"
}

# bats test_tags=slow
@test "cards: probe-transport" {
	probe_row 41 "probe-transport: ids, layout, features; BARs moved, suspend, a second kernel" probe-transport ""
}
