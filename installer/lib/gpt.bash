# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: make the disk of Veneer's own installation, as sparse files in $work.
#
#   veneer-bios  GRUB's core image for BIOS
#   veneer-boot  the ESP: GRUB for UEFI, grub.cfg, and the sector that names the slot (/veneer/state)
#   veneer-a, veneer-b   the two slots: FAT, each with one installed version; the slot that starts is never written
#   veneer-data  the rest, for the guest; never written
#   veneer-state with --state: for snapshots (docs/snapshots.md); its first MiB is zeros, so that no old one is found

readonly BIOS_START=2048 BIOS_SECTORS=2048 ESP_START=4096 ESP_SECTORS=69632 GPT_HEAD=34 GPT_TAIL=33
readonly SLOTS_START=$((ESP_START + ESP_SECTORS))
readonly BIOS_TYPE=21686148-6449-6E6F-744E-656564454649 ESP_TYPE=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
readonly LINUX_TYPE=0FC63DAF-8483-4772-8E79-3D69D8477DE4
readonly PART_NAME=veneer-boot STATE_NAME=veneer-state STATE_LEAST=8192

export MTOOLS_SKIP_CHECK=1 MTOOLSRC=/dev/null

# Sets the sizes in sectors: slot_sectors, data_sectors, state_sectors, and total unless given.
# Without --slot-size a slot has spare room.
plan_sizes() {
	local need least wanted
	need=$(round_mib $(($(tree_bytes "$tree") * 103 / 100 / SECTOR + 2048)))
	wanted=$(round_mib $((need * 3 / 2 + 8192)))
	[ "$mode" = image ] || [ $wanted -gt 524288 ] || [ $((total / 4)) -lt 524288 ] || wanted=524288
	if [ -n "${opt[slot-size]}" ]; then
		sectors_of --slot-size "${opt[slot-size]}"
		[ "$sectors" -ge "$need" ] || die "--slot-size ${opt[slot-size]}: too small; $((need / 2048)) MiB are needed"
		wanted=$(round_mib "$sectors") need=$wanted
	fi
	data_sectors=
	if [ -n "${opt[data]}" ]; then
		sectors_of --data "${opt[data]}"
		data_sectors=$(round_mib "$sectors")
	fi
	state_sectors=0
	if [ -n "${opt[state]}" ]; then
		sectors_of --state "${opt[state]}"
		[ "$sectors" -ge $STATE_LEAST ] ||
			die "--state ${opt[state]}: too small; $((STATE_LEAST / 2048)) MiB are needed"
		state_sectors=$(round_mib "$sectors")
	fi
	least=$((SLOTS_START + 2 * need + ${data_sectors:-0} + state_sectors + GPT_TAIL))
	[ -n "$total" ] || total=$(round_mib $((least + 2 * (wanted - need))))
	[ "$total" -ge $least ] ||
		die "$target: $((total / 2048)) MiB are too small; $(((least + 2047) / 2048)) MiB are needed"
	slot_sectors=$(((total - least) / 4096 * 2048 + need))
	[ "$slot_sectors" -le "$wanted" ] || slot_sectors=$wanted
	plan_data
}

plan_data() {
	data_start=$((SLOTS_START + 2 * slot_sectors))
	[ -n "$data_sectors" ] || data_sectors=$(((total - GPT_TAIL - data_start - state_sectors) / 2048 * 2048))
	state_start=$((data_start + data_sectors))
}

write_partitions() {
	local out
	out=$(
		{
			printf 'label: gpt\nfirst-lba: %d\n' $GPT_HEAD
			printf 'start=%d, size=%d, type=%s, name=%s\n' \
				$BIOS_START $BIOS_SECTORS $BIOS_TYPE veneer-bios \
				$ESP_START $ESP_SECTORS $ESP_TYPE $PART_NAME \
				$SLOTS_START "$slot_sectors" $LINUX_TYPE veneer-a \
				$((SLOTS_START + slot_sectors)) "$slot_sectors" $LINUX_TYPE veneer-b
			[ "$data_sectors" = 0 ] || printf 'start=%d, size=%d, type=%s, name=veneer-data\n' \
				"$data_start" "$data_sectors" $LINUX_TYPE
			[ "$state_sectors" = 0 ] || printf 'start=%d, size=%d, type=%s, name=%s\n' \
				"$state_start" "$state_sectors" $LINUX_TYPE $STATE_NAME
		} | sfdisk --quiet --no-reread --no-tell-kernel "$1" 2>&1
	) || fail "sfdisk: $out"
}

# --- the ESP ---

make_esp() {
	local esp=$work/esp
	rm -f -- "$esp"
	truncate -s $((ESP_SECTORS * SECTOR)) "$esp"
	mkfs.vfat -F 32 -s 1 -i "$fsid" -n VENEER "$esp" >/dev/null || fail "mkfs.vfat failed"
	mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/boot ::/boot/grub ::/veneer || fail "mmd failed"
	seq=0
	state_text a '' 1 >"$work/state"
	cp -- "$work/core.x86_64-efi" "$work/BOOTX64.EFI"
	disk_grub_cfg >"$work/grub.cfg"
	boot_manifest >"$work/boot.sums"
	mcopy -i "$esp" "$work/BOOTX64.EFI" ::/EFI/BOOT/BOOTX64.EFI || fail "mcopy failed"
	mcopy -i "$esp" "$work/grub.cfg" ::/boot/grub/grub.cfg || fail "mcopy failed"
	mcopy -i "$esp" "$work/state" "$work/boot.sums" ::/veneer/ || fail "mcopy failed"
}

# Writes the list that "verify" reads: the files of the ESP, and the core image on the disk.
boot_manifest() {
	local name
	for name in EFI/BOOT/BOOTX64.EFI boot/grub/grub.cfg; do
		printf '%s %s\n' "$(sha256sum <"$work/${name##*/}" | cut -d ' ' -f 1)" $name
	done
	printf '%s core %d\n' "$(sha256sum <"$work/core.i386-pc" | cut -d ' ' -f 1)" "$(stat -c %s "$work/core.i386-pc")"
}

# --- a slot's file system ---

make_slot() { # make_slot SECTORS: $work/slot from $tree
	local image=$work/slot
	rm -f -- "$image"
	truncate -s $(($1 * SECTOR)) "$image"
	mkfs.vfat -i "$(random_id)" -n VENEER-SLOT "$image" >/dev/null || fail "mkfs.vfat failed"
	mmd -i "$image" ::/veneer || fail "mmd failed"
	mcopy -s -i "$image" "$tree"/* ::/veneer/ </dev/null || fail "the files do not fit into a slot of $(($1 / 2048)) MiB"
	check_slot "$image"
}

# Checks that FAT has kept every file's name, by which GRUB looks for it, and, if GRUB's own reader is installed, that GRUB
# reads the small files correctly.
check_slot() { # check_slot IMAGE
	local wanted got name reader
	wanted=$(cd "$tree" && find . -type f -printf '%P\n' | LC_ALL=C sort)
	got=$(mdir -b -/ -i "$1" ::/veneer </dev/null 2>/dev/null | sed -n 's,^::/veneer/,,; /[^/]$/p' | LC_ALL=C sort)
	[ "$got" = "$wanted" ] || fail "FAT has changed names: $(comm -3 <(echo "$wanted") <(echo "$got") | tr -s '\t\n' '  ')"
	reader=$(grub_program fstest)
	command -v "$reader" >/dev/null || return 0
	while read -r name; do
		[ "$(stat -c %s "$tree/$name")" -le 65536 ] || continue
		"$reader" "$1" cmp "/veneer/$name" "$tree/$name" >/dev/null 2>&1 ||
			fail "GRUB reads $name otherwise than it was written"
	done <<<"$wanted"
}

# Prints the sectors of sparse file $1 up to its last nonzero sector, in whole MiB.
used_sectors() {
	local mib
	mib=$((($(stat -c %s -- "$1") + 1048575) / 1048576))
	while [ $mib -gt 0 ] && cmp -s -n 1048576 -i $(((mib - 1) * 1048576)):0 "$1" /dev/zero; do
		mib=$((mib - 1))
	done
	echo $((mib * 2048))
}

# --- boot code for BIOS ---

# Writes boot sector and core image as grub-bios-setup does on a disk with a BIOS boot partition: the boot sector names the
# start of the core image, and the core image's first sector the start and the length of its rest.
write_bios_boot() {
	local img=$1 core=$work/core.i386-pc boot=$work/boot.img
	cp -- /usr/lib/grub/i386-pc/boot.img "$boot"
	chmod u+w -- "$boot"
	dd if="$img" of="$boot" bs=1 skip=3 seek=3 count=$((0x5a - 3)) conv=notrunc status=none
	dd if="$img" of="$boot" bs=1 skip=$((0x1b8)) seek=$((0x1b8)) count=$((0x1fe - 0x1b8)) conv=notrunc status=none
	le $BIOS_START 8 | put_at "$boot" $((0x5c))
	printf '\xff' | put_at "$boot" $((0x64))
	printf '\x90\x90' | put_at "$boot" $((0x66))
	dd if="$boot" of="$img" bs=$SECTOR count=1 conv=notrunc status=none
	dd if="$core" of="$img" bs=$SECTOR seek=$BIOS_START conv=notrunc status=none
}

link_core() {
	local core=$work/core.i386-pc nsect
	nsect=$((($(stat -c %s "$core") + SECTOR - 1) / SECTOR))
	{ le $((BIOS_START + 1)) 8; le $((nsect - 1)) 2; le $((0x820)) 2; } | put_at "$core" $((0x1f4))
}

# --- all of it ---

# Writes everything into the sparse file $1 of $total sectors.
build_disk() {
	rm -f -- "$1"
	truncate -s $((total * SECTOR)) "$1"
	write_partitions "$1"
	make_esp
	make_slot "$slot_sectors"
	dd if="$work/esp" of="$1" bs=1M seek=$((ESP_START / 2048)) conv=notrunc,sparse status=none
	dd if="$work/slot" of="$1" bs=1M seek=$((SLOTS_START / 2048)) conv=notrunc,sparse status=none
	write_bios_boot "$1"
}

# --- an installed disk or image ---

# Sets esp_start, a_start, b_start, slot_sectors from the partition table of $target.
find_parts() {
	local dump line name start size
	dump=$(sfdisk --quiet --dump "$target" 2>/dev/null) || dump=
	esp_start='' a_start='' b_start='' slot_sectors='' state_start=
	while read -r line; do
		[[ $line =~ start=\ *([0-9]+),\ size=\ *([0-9]+),.*name=\"(veneer-[a-z]+)\" ]] || continue
		start=${BASH_REMATCH[1]} size=${BASH_REMATCH[2]} name=${BASH_REMATCH[3]}
		case $name in
		"$PART_NAME") esp_start=$start ;;
		veneer-a) a_start=$start slot_sectors=$size ;;
		veneer-b) b_start=$start ;;
		"$STATE_NAME") state_start=$start ;;
		esac
	done <<<"$dump"
	[ -n "$esp_start" ] && [ -n "$a_start" ] && [ -n "$b_start" ]
}

slot_start() { [ "$1" = a ] && echo "$a_start" || echo "$b_start"; }

# Sets state_sector: the sector of the ESP's file /veneer/state on $target.  The file has one sector, so it is in one piece.
find_state() {
	local map cluster head=$work/esp.head fats
	map=$(mshowfat -i "$media@@$((esp_start * SECTOR))" ::/veneer/state 2>/dev/null) || map=
	[[ $map =~ \<([0-9]+)\> ]] || return 1
	cluster=${BASH_REMATCH[1]}
	dd if="$target" of="$head" bs=$SECTOR skip="$esp_start" count=1 status=none
	fats=$(($(number_at "$head" 16 1) * $(number_at "$head" 36 4)))
	state_sector=$((esp_start + $(number_at "$head" 14 2) + fats + (cluster - 2) * $(number_at "$head" 13 1)))
	dd if="$target" of="$work/state" bs=$SECTOR skip=$state_sector count=1 status=none
}

# Copies the files of slot $1 into directory $2.
read_slot() {
	mkdir -p "$2"
	mcopy -s -n -m -i "$media@@$(($(slot_start "$1") * SECTOR))" '::/veneer/*' "$2/" >/dev/null 2>&1
}

is_our_image() { sfdisk --quiet --dump "$1" 2>/dev/null | grep -q "name=\"$PART_NAME\""; }
