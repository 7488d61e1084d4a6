# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: the commands on images and whole disks: image, disk, and upgrade, rollback, uninstall, verify, list of these.

need_media_tools() {
	need_tools sfdisk mkfs.vfat mcopy mmd mdir mshowfat "$(grub_program mkimage)" "$(grub_program file)" cpp dtc fdtget \
		fdtput od cmp flock dd i386-pc x86_64-efi
	[ "$mode" = image ] || need_tools blockdev lsblk findmnt perl
}

new_media() {
	local name
	make_work
	mkdir -p "$tree"
	# Assignments of their own: only then does the exit code of a $( ) that dies end the program.
	name=$(guest_name)
	put_guest "$name"
	[ -n "${opt[native]}" ] || put_veneer
	check_state "$tree/guests/$name"
	disk_timeout
	finish_tree
	make_grub
	plan_sizes
}

# Snapshots are off if the configuration does not ask for them.
check_state() { # check_state GUEST-DIR
	[ -n "${opt[state]}" ] || return 0
	[ "$(fdtget "$1/config.dtb" /guest veneer,state 2>/dev/null)" = on ] ||
		die '--state: the configuration has no veneer,state = "on" in its node guest (docs/snapshots.md)'
}

plan_text() {
	printf 'would write to %s (%d MiB):\n' "$target" $((total / 2048))
	printf '  boot code for BIOS, ESP of %d MiB, two slots of %d MiB each, %d MiB left for data\n' $((ESP_SECTORS / 2048)) \
		$((slot_sectors / 2048)) $((data_sectors / 2048))
	[ "$state_sectors" = 0 ] || printf '  %d MiB for snapshots\n' $((state_sectors / 2048))
	(cd "$tree" && find . -type f -printf '  slot a: %P, %s bytes\n' | LC_ALL=C sort)
}

# --- image FILE ---

check_image_target() {
	local dir
	dir=$(dirname -- "$target")
	[ ! -L "$target" ] || dir=$(dirname -- "$(realpath -m -- "$target")")
	[ ! -b "$target" ] || die "$target is a device: use 'disk'"
	[ ! -d "$target" ] || die "$target is a directory"
	if [ ! -d "$dir" ] || [ ! -w "$dir" ]; then die "$target: cannot write to $dir"; fi
	[ -e "$target" ] || return 0
	[ -f "$target" ] || die "$target is not an ordinary file"
	[ -n "${opt[force]}" ] || is_our_image "$target" ||
		refuse "$target exists and was not made by this program; --force overwrites it"
	lock "$target"
}

cmd_image() {
	need_media_tools
	check_image_target
	total=
	if [ -n "${opt[size]}" ]; then
		sectors_of --size "${opt[size]}"
		total=$sectors
	fi
	new_media
	if [ -n "${opt[dry-run]}" ]; then
		plan_text
		return
	fi
	begin_target
	build_disk "$partial"
	end_target
	tell "$target: $((total / 2048)) MiB, written; the menu has: $(guests "$tree" | tr '\n' ' ')"
}

# --- disk DEVICE ---

cmd_disk() {
	local old_guid
	need_media_tools
	check_disk
	lock "$target"
	check_free
	if wants_nvram; then need_tools efibootmgr; fi
	new_media
	if [ -n "${opt[dry-run]}" ]; then
		plan_text
		echo "  ALL DATA on $target are lost by that"
		! wants_nvram || echo "  an entry 'Veneer' in the firmware's boot list, ${opt[default]:+not }at its end"
		return
	fi
	build_disk "$work/disk"
	! secure_boot || say "note: $SECURE_BOOT_TEXT.  The disk is written all the same, it may be for another machine."
	confirm "ALL DATA will be lost"
	check_free
	old_guid=$(esp_guid "$target")
	write_disk
	add_nvram "$old_guid"
	say "$target: written and verified; the menu has: $(guests "$tree" | tr '\n' ' ')"
}

# --- an installed image or disk ---

# Finds the partitions, the state and the present slot of $target.
open_media() {
	need_media_tools
	[ -e "$target" ] || die "$target: no such file or device"
	if [ -b "$target" ]; then check_disk; else readable "$mode" "$target"; fi
	[ "$mode" = list ] || [ "$mode" = verify ] || [ -w "$target" ] || die "$target: no permission to write"
	lock "$target"
	make_work
	# Use a name in which mtools finds no @@.
	media=$work/media
	ln -s -- "$(realpath -- "$target")" "$media"
	find_parts || die "$target: no installation of Veneer in its partition table"
	find_state || die "$target: the file that names the slot is missing from the ESP"
	state_read "$work/state" || say "note: $target: the sector that names the slot is damaged; GRUB starts slot $slot"
}

media_busy() {
	[ ! -b "$target" ] || check_free
}

# An upgrade does not write GRUB.
check_chainloader() {
	local file
	for file in "$tree"/guests/*/veneer.efi; do
		[ -e "$file" ] || continue
		mcopy -n -i "$media@@$((esp_start * SECTOR))" ::/EFI/BOOT/BOOTX64.EFI "$work/grub.efi" 2>/dev/null &&
			! LC_ALL=C grep -qaP '\0chainloader\0' "$work/grub.efi" || return 0
		say "note: GRUB on $target has no chainloader (it was installed before December 2026): on UEFI it cannot" \
			"start a disk's own loader by veneer.efi.  Install $target anew for that; a BIOS does without"
		return
	done
}

media_upgrade() {
	[ -z "${opt[sign]}${opt[cert]}" ] || check_sign
	open_media
	media_busy
	read_slot "$slot" "$tree" || fail "$target: slot $slot cannot be read; try veneer-install verify"
	check_old "$tree" "slot $slot"
	upgrade_tree
	check_chainloader
	disk_timeout
	finish_tree
	make_slot "$slot_sectors"
	if [ -n "${opt[dry-run]}" ]; then
		echo "would write slot $other of $target and let it start; slot $slot becomes the previous version"
		(cd "$tree" && find . -type f -printf "  slot $other: %P, %s bytes\n" | LC_ALL=C sort)
		return
	fi
	# While a slot is being written, the menu must not offer it as the previous version.
	state_write "$target" "$state_sector" "$slot" ''
	at_stake="slot $slot of $target starts, as before"
	put_ranges "$work/slot 0 $(slot_start "$other") $(used_sectors "$work/slot")"
	state_write "$target" "$state_sector" "$other" "$slot"
	say "$target: the new version is in slot $slot; the old one is the previous version in the menu"
}

media_rollback() {
	open_media
	media_busy
	[ -n "$previous" ] || die "$target: there is no previous version"
	read_slot "$previous" "$work/previous" || fail "$target: slot $previous cannot be read; nothing was changed"
	check_old "$work/previous" "slot $previous"
	if [ -n "${opt[dry-run]}" ]; then
		echo "would let slot $other of $target start again"
		return
	fi
	state_write "$target" "$state_sector" "$other" "$slot"
	say "$target: slot $slot starts again"
}

media_uninstall() {
	local guid zero
	[ -b "$target" ] || die "$target: an image is uninstalled by deleting it"
	open_media
	media_busy
	if [ -n "${opt[dry-run]}" ]; then
		echo "would erase the boot code, the partition table and the starts of Veneer's partitions on $target,"
		echo "  and remove its entry from the firmware's boot list, where it has one,"
		echo "  and a guest's copies of boot entries from the firmware's memory"
		return
	fi
	confirm "Veneer, both versions and the partition table will be erased"
	guid=$(esp_guid "$target")
	zero=$work/zero
	truncate -s 1M "$zero"
	at_stake="$target is erased in part, and starts nothing"
	put_ranges "$zero 0 0 $GPT_HEAD" "$zero 0 $((total - GPT_TAIL)) $GPT_TAIL" "$zero 0 $BIOS_START 2048" \
		"$zero 0 $esp_start 2048" "$zero 0 $a_start 2048" "$zero 0 $b_start 2048" \
		${state_start:+"$zero 0 $state_start 2048"}
	if [ -n "$guid" ] && [ -d "$(efi_dir)" ] && command -v efibootmgr >/dev/null; then drop_nvram "$guid"; fi
	drop_copies
	blockdev --rereadpt "$target" 2>/dev/null || true
	say "$target: erased"
}

# --- verify and list ---

verify_boot() {
	local sum name size got
	mcopy -n -i "$media@@$((esp_start * SECTOR))" ::/veneer/boot.sums "$work/sums" 2>/dev/null ||
		{ differs "ESP: /veneer/boot.sums is missing"; return 0; }
	while read -r sum name size; do
		case $name in
		core) got=$(dd if="$target" bs=1M iflag=skip_bytes,count_bytes skip=$((BIOS_START * SECTOR)) count="$size" \
			status=none | sha256sum) ;;
		*) got=$(mtype -i "$media@@$((esp_start * SECTOR))" "::/$name" 2>/dev/null | sha256sum) ;;
		esac
		[ "${got%% *}" = "$sum" ] || differs "$name is not as it was installed"
	done <"$work/sums"
	[ "$(hex_of "$target" 510 2)" = 55aa ] && [ "$(number_at "$target" 92 8)" = $BIOS_START ] ||
		differs "the boot sector is not as it was installed"
}

verify_media_slot() { # verify_media_slot SLOT
	local dir=$work/check.$1
	if ! read_slot "$1" "$dir"; then
		differs "slot $1 cannot be read"
		return
	fi
	verify_tree "$dir" "slot $1"
}

media_verify() {
	local out
	open_media
	state_read "$work/state" || differs "the sector that names the slot is damaged"
	out=$(sfdisk --verify "$target" 2>&1) || differs "the partition table: ${out//$'\n'/; }"
	verify_boot
	verify_media_slot "$slot"
	[ -z "$previous" ] || verify_media_slot "$previous"
	verify_end "$target"
}

media_list() {
	local which
	open_media
	for which in "$slot" $previous; do
		read_slot "$which" "$work/list.$which" || say "slot $which cannot be read"
		list_tree "$which" "$work/list.$which"
	done
}
