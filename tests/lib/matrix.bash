# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests/vm/guests.bats and cards.bats, beside guest.bash: each row of a matrix is a test, and its cells are the test's
# results.  $BUILD/guest-matrix/ROW keeps them for scripts/guest-matrix; a cell that the test did not reach is FAILED.
MATRIX=${GUEST_MATRIX:-$BUILD/guest-matrix}
COLUMNS_OF_MATRIX=(e1000e e1000 rtl8139 AHCI NVMe)
# The PCI addresses of the devices on the machine below.
declare -gA PLACE=([e1000e]=0000:00:03.0 [e1000]=0000:00:04.0 [rtl8139]=0000:00:05.0 [AHCI]=0000:00:1f.2 [NVMe]=0000:00:08.0)

# row NUMBER TITLE: begins a row
row() {
	local column
	ROW=$MATRIX/$1
	mkdir -p "$MATRIX"
	echo "$2" >"$ROW"
	for column in "${COLUMNS_OF_MATRIX[@]}"; do
		cell "$column" FAILED
	done
}

cell() { # cell COLUMN RESULT
	sed -i "/^$1\t/d" "$ROW"
	printf '%s\t%s\n' "$1" "$2" >>"$ROW"
}

# check COLUMN COMMAND...: the cell is "ok" if the command succeeds; a failure is remembered for row_end
check() {
	local column=$1
	shift
	if "$@"; then
		cell "$column" ok
	else
		echo "$column: failed; the guest said last:"
		tail -n 10 "$(serial)" | tr -d '\r\033'
		ROW_FAILED=y
	fi
}

# row_guest_end: wait for the guest, which must end with success
row_guest_end() { guest_end 0 || ROW_FAILED=y; }

row_end() { [ -z "${ROW_FAILED:-}" ]; }

# matrix_machine: a machine that has all columns, in the array "machine"
matrix_machine() {
	truncate -s 64M sata nvme
	# shellcheck disable=SC2034 # the tests use it
	machine=(--config "$WRITABLE" --nic e1000e --nic e1000 --nic rtl8139 --disk ahci:sata --disk nvme:nvme)
}

# Check the transfers of the Linux guest's card at a column's place, both ways.
linux_card() {
	local number
	number=$(reported "at ${PLACE[$1]} card")
	[ -n "$number" ] || { echo "no card at ${PLACE[$1]}"; return 1; }
	[ "$(reported "download $number")" = "$(sha_of "$HTTP_DIR/down")" ] || { echo "download differs"; return 1; }
	[ "$(reported "upload $number")" = "$(sha_of "$HTTP_DIR/up$number")" ] || { echo "upload differs"; return 1; }
}

# linux_disk COLUMN IMAGE: check that the disk at a column's place is IMAGE, and holds the pattern that the guest reported
linux_disk() {
	local name sum
	name=$(reported "at ${PLACE[$1]} disk")
	[ -n "$name" ] || { echo "no disk at ${PLACE[$1]}"; return 1; }
	PATH=$PATH:/usr/sbin:/sbin
	e2fsck -fn "$2" || return 1
	debugfs -R "dump /pattern $BATS_TEST_TMPDIR/pattern" "$2" 2>/dev/null
	sum=$(sha_of "$BATS_TEST_TMPDIR/pattern")
	rm -f "$BATS_TEST_TMPDIR/pattern"
	[ "$(reported "pattern $name")" = "$sum" ] || { echo "$2 holds something else"; return 1; }
}

# linux_boot_disk COLUMN NAME: the disk at a column's place is boot.img, which its GRUB read as drive 80h.  Check that the guest
# read the host's data, that the host finds the guest's data, and that nothing else has changed, partitions included
linux_boot_disk() {
	local serial=AHCI0
	[ "$1" = AHCI ] || serial=NVME0
	grep -qaE "^veneer: bios: drive 80h is $2 .* serial \"$serial\"" "$(serial)" ||
		{ echo "$2 is not drive 80h"; return 1; }
	[ -n "$(reported "at ${PLACE[$1]} disk")" ] || { echo "no disk at ${PLACE[$1]}"; return 1; }
	[ "$(reported "data $serial")" = "$(sha_of data)" ] || { echo "the guest read something else"; return 1; }
	boot_image_kept boot.img before $serial
}

# linux_row NUMBER TITLE KERNEL-FOLDER KERNEL-FILE CMDLINE ARGS...
linux_row() {
	local number=$1 title=$2 folder=$3 kernel=$4 cmdline=$5
	shift 5
	row "$number" "$title"
	matrix_machine
	http_start
	random_file "$HTTP_DIR/down" 4
	guest_start --no-reboot --kernel "$folder/$kernel" --initrd "$folder/initrd.gz" --mem 768M "${machine[@]}" "$@" \
		--cmdline "$LINUX_ARGS veneer.run=matrix veneer.mib=4 veneer.url=$HTTP_URL $cmdline"
	row_guest_end
	linux_cells
}

linux_cells() {
	local column
	for column in e1000e e1000 rtl8139; do
		check $column linux_card $column
	done
	check AHCI linux_disk AHCI sata
	check NVMe linux_disk NVMe nvme
}

# hobby_boot OPTIONS NIC DISK-KIND: one boot of the hobby OS with one card and one disk: file fetched, disk written, read back
hobby_boot() {
	local run="tftp 10.0.2.2 file; write disk0 2048 0x1234 8192; verify disk0 2048 0x1234 8192; exit 0"
	rm -f data
	truncate -s 64M data
	guest_run "${HOBBY_ARGS[@]}" --kernel "$BUILD/${HOBBY_KERNEL:-hobby-os.elf}" --config "$WRITABLE" --tftp tftp \
		--cmdline "$1 net=dhcp run=\"$run\"" --nic "$2" --disk "$3:data" || HOBBY_FAILED=y
}

hobby_net() { grep -qaE "tftp: file 1048576 bytes .* sha256 $(sha_of tftp/file)" "$(serial)"; }

hobby_disk() {
	grep -qa "verify: disk0 8192 sectors from 2048 are as written" "$(serial)" && "$LIB/check-words" data 2048 0x1234 8192
}

# hobby_row NUMBER TITLE OPTIONS ARGS...: HOBBY_KERNEL is the kernel's file, hobby-os.elf if empty
hobby_row() {
	row "$1" "$2"
	HOBBY_ARGS=("${@:4}")
	mkdir tftp
	random_file tftp/file 1
	hobby_boot "$3" e1000e ahci
	check e1000e hobby_net
	check AHCI hobby_disk
	hobby_boot "$3" e1000 nvme
	check e1000 hobby_net
	check NVMe hobby_disk
	hobby_boot "$3" rtl8139 nvme
	check rtl8139 hobby_net
	[ -z "${HOBBY_FAILED:-}" ] || ROW_FAILED=y
}

# probe_cell COLUMN: check that the probe has tested the device at the column's place, without a failure
probe_cell() {
	local place=${PLACE[$1]#0000:}
	grep -qaF "$place " <(grep -a "^PASS " "$(serial)") && ! grep -aF "$place " <(grep -a "^FAIL " "$(serial)")
}

# probe_row NUMBER TITLE PROBE CMDLINE: a probe kernel that has all five devices before it
probe_row() {
	local column
	row "$1" "$2"
	matrix_machine
	guest_start --no-reboot --kernel "$BUILD/guest/$3.elf" --cmdline "$4" "${machine[@]}"
	row_guest_end
	for column in "${COLUMNS_OF_MATRIX[@]}"; do
		check "$column" probe_cell "$column"
	done
	row_end
}
