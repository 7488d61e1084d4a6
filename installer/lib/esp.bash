# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: what a system needs outside /boot to start a disk's own loader on UEFI: files on the ESP, for the firmware
# reads only FAT, and entries in the firmware's boot list.
#
#   EFI/veneer/{a,b}/veneer.elf  EFI/veneer/{a,b}/guests/NAME/{veneer.efi,veneer.conf,config.dtb,module0...}
#   if the guest is signed:      EFI/veneer/{a,b}/guests/NAME/{veneer.efi,veneer.conf,config.dtb}
#   EFI/veneer/owner             the UUID of the file system that has /boot/veneer, and the system's machine id
#
# Two systems may share an ESP.  The folder is of one of them: the other neither writes there nor changes the boot entries.
#
# The slots are those of /boot/veneer, so a slot of the ESP is written only while nothing starts it.

readonly ESP_DIR=EFI/veneer
esp=
# What "owner" says if the folder is another system's, else empty.
esp_other=

# Sets esp: the mount point of the system's ESP, or nothing.
find_esp() {
	local dir
	esp=
	for dir in /boot/efi /efi /boot; do
		dir=$root$(resolve $dir)
		[ -d "$dir/EFI" ] || continue
		# In the running system a directory of this name may be of another file system.
		[ -n "$root" ] || [ "$(stat -f -c %T -- "$dir")" = msdos ] || continue
		esp=$dir
		return
	done
}

# Refuses to go on while the ESP that has files of the present version or of the other one is not mounted: they would stay, and
# the boot entries would lead to them.
need_esp() { # need_esp SLOT-TO-START OTHER-SLOT
	local which name dir text
	[ -z "$esp" ] || return 0
	for which in "$1" "$2"; do
		for name in $(guests "$veneer/$which"); do
			dir=$veneer/$which/guests/$name
			if [ ! -e "$dir/veneer.efi" ]; then
				[ "$which" = "$1" ] && [ "$(cat "$dir/format")" = disk ] && system_has_uefi || continue
			fi
			text="UEFI starts the guest $name (slot $which) from the ESP, and there is none at /boot/efi, /efi or \
/boot of ${root:-this system}.  Mount the ESP"
			[ -n "${opt[force]}" ] || refuse "$text.  (--force goes on: the ESP's files and boot entries stay.)"
			say "note: $text"
			return
		done
	done
}

# Prints what to know when an installation ends whose files on an ESP cannot be reached.
note_esp_left() {
	local file
	for file in "$veneer"/[ab]/guests/*/veneer.efi; do
		[ -e "$file" ] || continue
		if [ -n "$esp_other" ]; then
			say "note: $esp/$ESP_DIR is of another system by now, and stays"
		elif [ -z "$esp" ]; then
			say "note: no ESP is at /boot/efi, /efi or /boot of ${root:-this system}: its files in $ESP_DIR and" \
				"the firmware's boot entries for them stay.  Mount the ESP and remove the folder; efibootmgr" \
				"removes entries"
		fi
		return 0
	done
}

# Prints the UUID of the file system that holds the system's directory $1, or nothing.
uuid_of() {
	local probe
	probe=$(inside grub-probe grub2-probe)
	[ -z "$probe" ] || in_root "$probe" --target=fs_uuid "$1" 2>/dev/null | sed -n 1p | tr -cd 'A-Za-z0-9-' || true
}

# Prints the UUID of the file system that holds the installation, or nothing.
system_uuid() { uuid_of "$(resolve /boot)"; }

# Prints the system's machine id, or nothing.  Systems in subvolumes of one btrfs have one UUID; snapshots of a system have its
# machine id.
machine_id() {
	sed -n 1p "$root$(resolve /etc/machine-id)" 2>/dev/null | grep -x '[0-9a-f]\{32\}' || true
}

# Sets esp_other.  A folder without "owner" is of this system: earlier versions wrote none.  Later they wrote no machine id.
find_esp_owner() {
	local owner machine own
	esp_other=
	[ -n "$esp" ] || return 0
	owner=$(sed -n 1p "$esp/$ESP_DIR/owner" 2>/dev/null | tr -cd 'A-Za-z0-9-') || true
	[ -n "$owner" ] || return 0
	own=$(system_uuid)
	# Only root can read the UUID from the disk, and only root writes.
	[ -n "$own" ] || [ "$(id -u)" = 0 ] || return 0
	if [ "$owner" != "$own" ]; then
		esp_other=$owner
		return
	fi
	machine=$(sed -n 2p "$esp/$ESP_DIR/owner" | grep -x '[0-9a-f]\{32\}') || return 0
	own=$(machine_id)
	[ -z "$own" ] || [ "$machine" = "$own" ] || esp_other="$owner and the machine id $machine"
}

put_owner() {
	local own
	own=$(system_uuid)
	[ -n "$own" ] || return 0
	own+=$'\n'$(machine_id)
	mkdir -p -- "$esp/$ESP_DIR"
	echo "${own%$'\n'}" >"$esp/$ESP_DIR/owner" || fail "$esp/$ESP_DIR/owner: cannot be written"
}

# Notes the ESP's UUID for 42_veneer, which may have to write the menu while the ESP is not mounted.
note_esp_uuid() {
	local uuid
	uuid=$(uuid_of "${esp#"$root"}")
	[ -n "$uuid" ] || return 0
	echo "$uuid" >"$work/esp-uuid"
	put_file "$work/esp-uuid" "$veneer/saved/esp" 644
}

# Removes the folder if neither slot is there any more.
drop_owner() {
	[ ! -e "$esp/$ESP_DIR/a" ] && [ ! -e "$esp/$ESP_DIR/b" ] || return 0
	rm -f -- "$esp/$ESP_DIR/owner"
	rmdir -- "$esp/$ESP_DIR" 2>/dev/null || true
}

# Prints the files of the slot's directory $1 that belong on the ESP.
esp_files() {
	local name files='' elf=''
	[ -n "$esp" ] || return 0
	for name in $(guests "$1"); do
		[ -e "$1/guests/$name/veneer.efi" ] || continue
		# What is signed is in veneer.efi: small files are here all the same, for a change of one is an error.
		files+=$(cd "$1" && find "guests/$name" -type f \
			\( -name veneer.efi -o -name veneer.conf -o -name config.dtb \))$'\n'
		[ ! -e "$1/guests/$name/signed" ] || continue
		files+=$(cd "$1" && find "guests/$name" -type f -name 'module[0-9]*')$'\n' elf=veneer.elf
	done
	printf '%s' "$files$elf" | { grep . || true; } | LC_ALL=C sort
}

# Prints what is in the directory and not this program's.
esp_foreign() {
	[ -z "$esp" ] || [ ! -e "$esp/$ESP_DIR" ] || find "$esp/$ESP_DIR" -mindepth 1 -maxdepth 1 ! -iname a ! -iname b \
		! -iname owner | LC_ALL=C sort
}

# Refuses to write to files of others, to an ESP that is read-only or too small.
check_esp() { # check_esp [SLOT]: the slot to be overwritten
	local file free foreign need=65536
	while read -r file; do need=$((need + $(stat -c %s -- "$tree/$file") + 8192)); done < <(esp_files "$tree")
	[ $need -gt 65536 ] || return 0
	[ -z "$esp_other" ] || refuse "$esp/$ESP_DIR/owner: the folder is of another system, with the file system UUID" \
		"$esp_other.  Uninstall Veneer there; if that system is gone, remove the folder $esp/$ESP_DIR; if this is" \
		"that system with a new UUID or id, remove the file"
	foreign=$(esp_foreign)
	[ -z "$foreign" ] || refuse "$esp/$ESP_DIR exists and is not of this program (${foreign//$'\n'/, }); move it away first"
	[ -n "${opt[dry-run]}" ] || [ -w "$esp" ] || fail "$esp: cannot be written (is it mounted read-only?)"
	free=$(($(stat -f -c '%a * %S' "$esp")))
	[ -z "${1:-}" ] || [ ! -d "$esp/$ESP_DIR/$1" ] || free=$((free + $(du -s -B 1 -- "$esp/$ESP_DIR/$1" | cut -f 1)))
	[ "$free" -gt "$need" ] || die "$esp: $((free >> 20)) MiB are free, $(((need >> 20) + 1)) MiB are needed"
}

put_esp() { # put_esp SLOT: from the same slot in /boot
	local dir=$esp/$ESP_DIR/$1 file files
	[ -n "$esp" ] && [ -z "$esp_other" ] || return 0
	files=$(esp_files "$veneer/$1")
	rm -rf -- "$dir"
	if [ -z "$files" ]; then
		drop_owner
		return 0
	fi
	put_owner
	note_esp_uuid
	while read -r file; do
		note "writing $dir/$file"
		mkdir -p -- "$dir/$(dirname -- "$file")"
		cat -- "$veneer/$1/$file" >"$dir/$file" || fail "$dir/$file: cannot be written"
	done <<<"$files"
	settle "$esp"
	while read -r file; do
		cmp -s -- "$veneer/$1/$file" "$dir/$file" ||
			fail "$dir: what was read back differs from what was written"
	done <<<"$files"
}

drop_esp() {
	[ -n "$esp" ] && [ -z "$esp_other" ] && [ -d "$esp/$ESP_DIR" ] || return 0
	rm -rf -- "$esp/$ESP_DIR"/[abAB]
	drop_owner
	sync -f "$esp"
}

verify_esp() { # verify_esp SLOT
	local dir=$esp/$ESP_DIR/$1 file
	[ -n "$esp" ] || return 0
	if [ -n "$esp_other" ]; then
		[ -z "$(esp_files "$veneer/$1")" ] ||
			differs "ESP, slot $1: $esp/$ESP_DIR is of another system (file system UUID $esp_other)"
		return 0
	fi
	while read -r file; do
		cmp -s -- "$veneer/$1/$file" "$dir/$file" || differs "ESP, slot $1: $file is not as it was installed"
	done < <(esp_files "$veneer/$1")
	[ -d "$dir" ] || return 0
	while read -r file; do
		differs "ESP, slot $1: $file: a file that was not installed"
	done < <(cd "$dir" && find . -type f -printf '%P\n' | LC_ALL=C sort |
		comm -23 - <(esp_files "$veneer/$1"))
}

# --- the firmware's boot list ---

# True if this machine is the system, and has such a list, with entries of this system.
has_boot_list() { [ -z "$root" ] && [ -n "$esp" ] && [ -z "$esp_other" ] && [ -d "$(efi_dir)" ]; }

# Asked before anything is written.
need_boot_list() {
	[ -z "${opt[no-nvram]}" ] && has_boot_list && [ -n "$(esp_files "$tree")" ] || return 0
	need_tools efibootmgr findmnt lsblk sfdisk
}

# Sets esp_disk, esp_part and esp_guid: the ESP's disk, number and GUID.
esp_device() {
	local dev name
	dev=$(findmnt -nvo SOURCE --mountpoint "$esp" 2>/dev/null) && name=$(lsblk -ndo PKNAME -- "$dev" 2>/dev/null) &&
		[ -n "$name" ] || return 1
	# sda1, nvme0n1p1
	esp_disk=/dev/$name esp_part=${dev##*[!0-9]}
	# lsblk knows no GUID without udev.
	esp_guid=$(sfdisk --part-uuid "$esp_disk" "$esp_part" 2>/dev/null) && [ -n "$esp_guid" ]
}

# Prints "NUMBER SLOT GUEST" of each entry that starts a veneer.efi of this installation.
esp_entries() {
	{ efibootmgr -v 2>/dev/null || true; } | { grep -iF -- "$esp_guid" || true; } |
		sed -nE 's/^Boot([0-9A-F]{4})\*? .*\\EFI\\veneer\\([ab])\\guests\\([^\\]+)\\veneer\.efi.*/\1 \2 \3/Ip'
}

esp_entry() { # esp_entry SLOT GUEST: a new entry; its number, or nothing
	new_entry "$esp_disk" "$esp_part" "Veneer $2" "\\EFI\\veneer\\$1\\guests\\$2\\veneer.efi"
}

drop_entry() { efibootmgr --quiet --bootnum "$1" --delete-bootnum || true; }

# An entry that led to the other slot makes place for NEW, or a new one, that leads to this slot.  The firmware may have no room
# for two.
move_entry() { # move_entry NUMBER SLOT GUEST [NEW]
	local order place old=$1 new=${4:-}
	order=$(boot_order)
	[ -n "$new" ] || new=$(esp_entry "$2" "$3")
	if [ -z "$new" ]; then
		drop_entry "$old"
		old=
		new=$(esp_entry "$2" "$3")
		[ -n "$new" ] || { say "note: the firmware took no new boot entry for $3; choose it in GRUB's menu"; return; }
	fi
	place=${order/$1/$new}
	[[ $order == *"$1"* && ($new = "$1" || $order != *"$new"*) ]] || place=
	if [ -n "$place" ] && ! efibootmgr --quiet --bootorder "$place"; then
		if [ -n "$old" ] && [ -z "${4:-}" ]; then
			drop_entry "$new"
			say "note: the firmware did not take the new entry for $3 into its order; entry $1 stays, which" \
				"starts the version in the other slot"
			return
		fi
		say "note: the firmware did not take the entry 'Veneer $3' ($new) into its order; choose it in its boot menu"
	fi
	[ -z "$old" ] || drop_entry "$old"
	note "the firmware's boot entry $1 is now $new"
}

# Has the entries of the firmware's list lead to SLOT.  The GUESTs get one, unless they have one.
lead_entries() { # lead_entries SLOT GUEST...
	local number old name new order entries slot=$1 had=' '
	local -A leading=()
	shift
	has_boot_list && command -v efibootmgr >/dev/null || return 0
	if ! esp_device || ! efibootmgr >/dev/null 2>&1; then
		[ $# = 0 ] || say "note: the firmware's boot list cannot be read: choose Veneer in GRUB's menu"
		return 0
	fi
	entries=$(esp_entries)
	while read -r number old name; do
		[ "${old,,}" != "$slot" ] || [ -z "$number" ] || leading[$name]=$number
	done <<<"$entries"
	while read -r number old name; do
		[ -n "$number" ] || continue
		had+="$name "
		if [ ! -e "$esp/$ESP_DIR/$slot/guests/$name/veneer.efi" ]; then
			drop_entry "$number"
		elif [ "${old,,}" != "$slot" ]; then
			# An interrupted run may have made an entry that leads here.
			move_entry "$number" "$slot" "$name" "${leading[$name]:-}"
		fi
	done <<<"$entries"
	for name in "$@"; do
		[[ $had != *" $name "* ]] || continue
		new=$(esp_entry "$slot" "$name")
		[ -n "$new" ] || { say "note: the firmware took no new boot entry; choose Veneer in GRUB's menu"; continue; }
		order=$(boot_order)
		set_boot_order "${order:+$order,}$new" "$new" || continue
		tell "the firmware's boot list has the entry 'Veneer $name' ($new)"
	done
}

# Prints the guests of the slot's directory $1 that the slot's directory $2 did not start by veneer.efi.
new_efi_guests() {
	local name
	[ -z "${opt[no-nvram]}" ] || return 0
	for name in $(guests "$1"); do
		[ ! -e "$1/guests/$name/veneer.efi" ] || [ -e "$2/guests/$name/veneer.efi" ] || echo "$name"
	done
}

drop_entries() {
	local number rest
	has_boot_list && command -v efibootmgr >/dev/null && esp_device || return 0
	while read -r number rest; do
		note "removing the firmware's boot entry $number"
		drop_entry "$number"
	done < <(esp_entries)
}
