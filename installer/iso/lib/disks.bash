# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-setup: the disks that can be the target.  VENEER_SYSROOT replaces / in tests.

sysroot=${VENEER_SYSROOT:-}

# Prints a device's own text for a line of MAX characters on a screen: without characters that move the cursor, and without
# backslashes, which whiptail would turn into line ends.
shown() { # shown TEXT MAX
	local text=$1 LC_ALL=C
	text=${text//[![:print:]]/?}
	text=${text//\\//}
	[ ${#text} -le "$2" ] || text=${text:0:$2 - 3}...
	printf '%s' "$text"
}

disk_value() { # disk_value NAME FILE
	local text
	text=$(tr -d '\0' 2>/dev/null <"$sysroot/sys/block/$1/$2") || text=
	text=${text#"${text%%[! ]*}"}
	printf '%s' "${text%"${text##*[! ]}"}"
}

disk_serial() {
	local text
	text=$(disk_value "$1" device/serial)
	# A SCSI page has a header of four bytes.
	[ -n "$text" ] || [ ! -r "$sysroot/sys/block/$1/device/vpd_pg80" ] ||
		text=$(tail -c +5 "$sysroot/sys/block/$1/device/vpd_pg80" | tr -d '\0' | sed 's/^ *//; s/ *$//')
	printf '%s' "$text"
}

# True for one of several paths to an NVMe disk; the disk itself has another name.
is_path() { [ "$(disk_value "$1" hidden)" = 1 ]; }

# Prints an identity that differs between two disks that have the same name one after the other.
disk_identity() { echo "$(disk_value "$1" diskseq) $(disk_value "$1" size) $(disk_serial "$1")"; }

# Prints why the guest cannot have a part of the disk as its virtio disk, or nothing.
why_no_data() { # why_no_data NAME
	local serial dir class
	serial=$(disk_serial "$1")
	class=$(cat "$sysroot/sys/bus/pci/devices/$(disk_pci "$1")/class" 2>/dev/null)
	case $class:$(disk_bus "$1") in
	0x010601:* | 0x010802:* | :NVMe) ;;
	*) echo "it is on no AHCI or NVMe controller, of which alone Veneer makes virtio disks"; return ;;
	esac
	[[ $serial =~ ^[A-Za-z0-9\ !#-/:-@_.-]{1,40}$ ]] || { echo "it has no serial number to name it by"; return; }
	for dir in "$sysroot"/sys/block/*; do
		[ "${dir##*/}" = "$1" ] || is_path "${dir##*/}" || [ "$(disk_serial "${dir##*/}")" != "$serial" ] ||
			{ echo "${dir##*/} has the same serial number, $serial"; return; }
	done
}

# Prints the PCI function of the disk's controller.
disk_pci() {
	realpath -- "$sysroot/sys/block/$1" | grep -oE '[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]' | tail -n 1
}

disk_bus() {
	case $(realpath -- "$sysroot/sys/block/$1") in
	*/usb[0-9]*) echo USB ;;
	*/nvme*) echo NVMe ;;
	*/ata[0-9]*) echo SATA ;;
	*/virtio*) echo virtio ;;
	*/mmc_host/*) echo "SD or eMMC" ;;
	*) echo other ;;
	esac
}

size_text() { # size_text SECTORS
	if [ "$1" -ge 20971520 ]; then echo "$(($1 / 2097152)) GiB"; else echo "$(($1 / 2048)) MiB"; fi
}

is_used() {
	local node number
	for node in "$sysroot/sys/block/$1" "$sysroot/sys/block/$1/$1"*; do
		[ -e "$node/dev" ] || continue
		number=$(cat "$node/dev")
		if awk -v dev="$number" '$3 == dev { found = 1 } END { exit !found }' "$sysroot/proc/self/mountinfo" ||
			[ -n "$(ls -A "$node/holders" 2>/dev/null)" ]; then
			return 0
		fi
	done
	return 1
}

# Prints the names of the disks that may be erased: not disks that are write-protected or mounted, like the medium.
list_disks() {
	local dir name
	for dir in "$sysroot"/sys/block/*; do
		name=${dir##*/}
		case $name in
		loop* | ram* | zram* | sr* | fd* | dm-* | md* | nbd* | mtd* | mmcblk*boot* | mmcblk*rpmb) continue ;;
		esac
		[ -e "$dir/device" ] && [ "$(disk_value "$name" size)" != 0 ] && [ "$(disk_value "$name" ro)" = 0 ] &&
			! is_path "$name" || continue
		is_used "$name" || echo "$name"
	done
}

disk_text() { # disk_text NAME: one line
	local model note=''
	model=$(disk_value "$1" device/model)
	model=${model:-$(disk_value "$1" device/name)}
	[ "$(disk_value "$1" queue/logical_block_size)" != 4096 ] || note='(cannot be used: sectors of 4096 bytes) '
	shown "$(size_text "$(disk_value "$1" size)") $(disk_bus "$1") $note${model:-no model name}" 62
}

content_of() { # content_of DEVICE: kind and label; blkid -p, since there is no udev to ask
	local kind label
	kind=$(blkid -p -s TYPE -o value "$1" 2>/dev/null)
	label=$(blkid -p -s LABEL -o value "$1" 2>/dev/null)
	echo "${kind:-$2}${label:+ $(shown "$label" 24)}"
}

# Prints the disk's present contents, a line for each partition.
disk_content() {
	local dir name found='' whole
	for dir in "$sysroot/sys/block/$1/$1"*; do
		[ -e "$dir/partition" ] || continue
		name=${dir##*/} found=y
		echo "  $name: $(size_text "$(cat "$dir/size")") $(content_of "/dev/$name" "unknown content")"
	done
	[ -z "$found" ] || return 0
	whole=$(content_of "/dev/$1" '')
	echo "  no partitions${whole:+, all of it is $whole}"
}

# Prints the disk that an answer file names.
find_disk() { # find_disk WHAT: prints its name, or says why not and returns 3
	local name found=() all serial
	serial=$(sed 's/^ *//; s/ *$//' <<<"${1#serial:}")
	mapfile -t all < <(list_disks)
	for name in ${all[@]+"${all[@]}"}; do
		case $1 in
		only) found+=("$name") ;;
		serial:*) [ "$(disk_serial "$name")" != "$serial" ] || found+=("$name") ;;
		pci:*) [ "$(disk_pci "$name")" != "${1#pci:}" ] || found+=("$name") ;;
		*) [ "/dev/$name" != "$1" ] || found+=("$name") ;;
		esac
	done
	if [ ${#found[@]} = 1 ]; then
		echo "${found[0]}"
		return
	fi
	echo "DISK=$1: ${#found[@]} disks are meant by it.  These can be installed to:" >&2
	for name in ${all[@]+"${all[@]}"}; do
		echo "  /dev/$name: $(disk_text "$name"), serial:$(shown "$(disk_serial "$name")" 40)," \
			"pci:$(disk_pci "$name")" >&2
	done
	[ ${#all[@]} -gt 0 ] || echo "  (none; not the medium itself, no disk in use and none that is write-protected)" >&2
	return 3
}
