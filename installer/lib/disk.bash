# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: whole disks: checks before writing, and the writing.

readonly CHUNK=8192

# Prints the users of the disk and its partitions: mounts, swap, RAID, LVM and the like.
users_of() {
	local sys=/sys/class/block/$1 node holder
	for node in "$sys" "$sys/$1"*; do
		[ -e "$node/dev" ] || continue
		awk -v dev="$(cat "$node/dev")" -v name="${node##*/}" '$3 == dev { print name " is mounted at " $5 }' \
			/proc/self/mountinfo
		awk -v dev="/dev/${node##*/}" '$1 == dev { print dev " is swap space" }' /proc/swaps
		for holder in "$node"/holders/*; do
			[ ! -e "$holder" ] || echo "${node##*/} is part of ${holder##*/}"
		done
	done
}

# Prints the mount point of the part of the running system that lies on disk $1, also through LVM, RAID and encryption.
system_part_on() {
	local where source
	for where in / /usr /boot /boot/efi; do
		source=$(findmnt -nvo SOURCE --mountpoint "$where" 2>/dev/null) || continue
		[ -b "$source" ] || continue
		if lsblk -snlo KNAME "$source" 2>/dev/null | grep -qxF "$1"; then
			echo "$where"
			return
		fi
	done
}

check_disk() {
	local sys sector
	[ -e "$target" ] || die "$target: no such device"
	[ -b "$target" ] || die "$target is not a disk; use 'image' for a file"
	disk_name=$(basename -- "$(realpath -- "$target")")
	sys=/sys/class/block/$disk_name
	[ -e "$sys" ] || fail "$target: $sys does not exist"
	[ ! -e "$sys/partition" ] || die "$target is a partition; give the whole disk"
	[ "$(cat "$sys/ro")" = 0 ] || refuse "$target is write-protected"
	[ -w "$target" ] || die "$target: no permission to write (root?)"
	sector=$(blockdev --getss "$target" 2>&1) || fail "$sector"
	[ "$sector" = $SECTOR ] ||
		die "$target has sectors of $sector bytes; this program writes disks with $SECTOR only"
	total=$(blockdev --getsz "$target")
}

check_free() {
	local users out part
	part=$(system_part_on "$disk_name")
	if [ -n "$part" ]; then
		[ -n "${opt[i-know]}" ] ||
			refuse "$target is the disk that this system runs from ($part); --i-know overwrites it"
		return 0
	fi
	users=$(users_of "$disk_name")
	[ -z "$users" ] || refuse "$target is in use: ${users//$'\n'/, }"
	# Ask the kernel, which also knows users that /proc and /sys do not show.
	out=$(perl -MFcntl -e 'sysopen(F, $ARGV[0], O_RDWR | O_EXCL) or die "$!\n"' "$target" 2>&1) ||
		refuse "$target cannot be opened for this program alone: $out"
}

confirm() { # confirm WHAT-WILL-HAPPEN
	local model answer
	[ -z "${opt[yes]}" ] || return 0
	[ -t 0 ] || refuse "$target was not confirmed: there is no terminal to ask at, and no --yes"
	model=$(cat "/sys/class/block/$disk_name/device/model" 2>/dev/null || true)
	echo "$1 on $target (${model:-no model name}, $((total / 2048)) MiB)."
	lsblk -o NAME,SIZE,FSTYPE,LABEL "$target" 2>/dev/null || true
	read -r -p "Type the device's name ($target) to go on: " answer || answer=
	[ "$answer" = "$target" ] || refuse "not confirmed; nothing was written"
}

# --- writing ---

write_range() { # write_range SOURCE FROM TO COUNT: sectors of SOURCE from FROM on, to sector TO of $target
	local done=0 n
	note "writing $4 sectors at $3"
	while [ $done -lt "$4" ]; do
		n=$(($4 - done < CHUNK ? $4 - done : CHUNK))
		dd if="$1" of="$target" bs=1M iflag=skip_bytes,count_bytes oflag=seek_bytes conv=notrunc,nocreat,fsync \
			status=none skip=$((($2 + done) * SECTOR)) seek=$((($3 + done) * SECTOR)) count=$((n * SECTOR)) ||
			fail "$target: writing failed at sector $(($3 + done))"
		done=$((done + n)) written=$((written + n))
		[ "$to_write" -lt $CHUNK ] && [ "$mode" = disk ] || progress "$written" "$to_write" writing
	done
}

verify_range() { # verify_range SOURCE FROM TO COUNT
	[ ! -b "$target" ] || blockdev --flushbufs "$target" || fail "$target: cannot drop cached data"
	cmp -s -n $(($4 * SECTOR)) -i $(($2 * SECTOR)):$(($3 * SECTOR)) "$1" "$target" ||
		fail "$target: what was read back differs from what was written"
	verified=$((verified + $4))
	[ "$to_write" -lt $CHUNK ] && [ "$mode" = disk ] || progress "$verified" "$to_write" verifying
}

# Writes and then reads back: each argument is "SOURCE FROM TO COUNT".  The first and last writes, a few sectors at the disk's
# beginning and end, do not count as progress.
put_ranges() {
	local range
	written=0 verified=0 to_write=0
	for range in "$@"; do to_write=$((to_write + ${range##* })); done
	# shellcheck disable=SC2086 # four words
	for range in "$@"; do write_range $range; done
	# shellcheck disable=SC2086
	for range in "$@"; do verify_range $range; done
}

# After the first write the disk starts nothing, and after the last write it starts Veneer: without sector 0 neither BIOS nor
# UEFI finds the rest.
write_disk() {
	local img=$work/disk zero=$work/zero slot_b=$((SLOTS_START + slot_sectors))
	truncate -s 1M "$zero"
	at_stake="$target starts nothing now, and what was on it is lost; try again"
	put_ranges "$zero 0 0 $GPT_HEAD" "$zero 0 $((total - GPT_TAIL)) $GPT_TAIL"
	put_ranges \
		"$img $GPT_HEAD $GPT_HEAD $((BIOS_START - GPT_HEAD))" \
		"$img $BIOS_START $BIOS_START $BIOS_SECTORS" \
		"$work/esp 0 $ESP_START $(used_sectors "$work/esp")" \
		"$work/slot 0 $SLOTS_START $(used_sectors "$work/slot")" \
		"$zero 0 $slot_b 2048" \
		"$img $((total - GPT_TAIL)) $((total - GPT_TAIL)) $GPT_TAIL" \
		"$img 1 1 $((GPT_HEAD - 1))"
	put_ranges "$img 0 0 1"
	at_stake="$target is written and starts Veneer"
	blockdev --rereadpt "$target" 2>/dev/null || true
}

# --- the firmware's list ---

# True if UEFI started this machine and the disk is fixed: a stick has its loader at the removable path.
wants_nvram() {
	[ -z "${opt[no-nvram]}" ] && [ -d "$(efi_dir)" ] || return 1
	[ -n "${opt[nvram]}" ] || [ "$(cat "/sys/class/block/$disk_name/removable")" = 0 ]
}

boot_order() { efibootmgr | sed -n 's/^BootOrder: //p'; }

boot_numbers() { efibootmgr | sed -n 's/^Boot\([0-9A-F]\{4\}\)[* ].*/\1/p' | LC_ALL=C sort; }

esp_guid() { sfdisk --part-uuid "$1" 2 2>/dev/null || true; }

# Prints the number of the new entry, or nothing if the firmware took none.
new_entry() { # new_entry DISK PARTITION LABEL FILE
	local numbers
	numbers=$(boot_numbers)
	efibootmgr --quiet --create-only --disk "$1" --part "$2" --label "$3" --loader "$4" >&2 || return 0
	comm -13 <(echo "$numbers") <(boot_numbers) | head -n 1
}

set_boot_order() { # set_boot_order ORDER NEW-ENTRY
	efibootmgr --quiet --bootorder "$1" && return
	say "note: the firmware did not take the entry 'Veneer' ($2) into its order; choose it in its boot menu"
	return 1
}

# A new entry goes last; --default puts it first.  The entry is made without a place in the boot order, so that it is never
# first without --default.
add_nvram() { # add_nvram GUID-OF-THE-ESP-BEFORE
	local order new
	wants_nvram || return 0
	efibootmgr >/dev/null 2>&1 ||
		{ say "note: the firmware's boot list cannot be read; choose the disk in its boot menu"; return 0; }
	[ -z "$1" ] || drop_nvram "$1"
	order=$(boot_order)
	new=$(new_entry "$target" 2 Veneer '\EFI\BOOT\BOOTX64.EFI')
	[ -n "$new" ] || { say "note: the firmware took no new boot entry; choose the disk in its boot menu"; return 0; }
	if [ -n "${opt[default]}" ]; then order=$new${order:+,$order}; else order=${order:+$order,}$new; fi
	set_boot_order "$order" "$new" || return 0
	tell "the firmware's boot list has the entry 'Veneer' ($new)"
}

drop_nvram() { # drop_nvram GUID: the entries called Veneer that lead to this partition
	local number
	# It is no failure if there is no such entry, or no list.
	{ efibootmgr -v 2>/dev/null | grep -iF "$1" || true; } |
		sed -n 's/^Boot\([0-9A-F]\{4\}\)\*\{0,1\} Veneer\t.*/\1/p' | while read -r number; do
		note "removing the firmware's boot entry $number"
		efibootmgr --quiet --bootnum "$number" --delete-bootnum || true
	done
}
