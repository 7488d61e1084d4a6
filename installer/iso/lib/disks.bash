# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-setup: the disks that can be installed to.  VENEER_SYSROOT stands in for / in tests.

sysroot=${VENEER_SYSROOT:-}

disk_value() { # disk_value NAME FILE
	local text
	text=$(tr -d '\0' 2>/dev/null <"$sysroot/sys/block/$1/$2") || text=
	text=${text#"${text%%[! ]*}"}
	printf '%s' "${text%"${text##*[! ]}"}"
}

disk_serial() {
	local text
	text=$(disk_value "$1" device/serial)
	# SCSI's page: a header of four bytes.
	[ -n "$text" ] || [ ! -r "$sysroot/sys/block/$1/device/vpd_pg80" ] ||
		text=$(tail -c +5 "$sysroot/sys/block/$1/device/vpd_pg80" | tr -d '\0' | sed 's/^ *//; s/ *$//')
	printf '%s' "$text"
}

# The PCI function that it hangs on.
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

# The names of the disks that may be erased: none that cannot be written, that is mounted, as the medium is, or that is no disk.
list_disks() {
	local dir name
	for dir in "$sysroot"/sys/block/*; do
		name=${dir##*/}
		case $name in
		loop* | ram* | zram* | sr* | fd* | dm-* | md* | nbd* | mtd* | mmcblk*boot* | mmcblk*rpmb) continue ;;
		esac
		[ -e "$dir/device" ] && [ "$(disk_value "$name" size)" != 0 ] && [ "$(disk_value "$name" ro)" = 0 ] || continue
		is_used "$name" || echo "$name"
	done
}

disk_text() { # disk_text NAME: one line
	local model note=''
	model=$(disk_value "$1" device/model)
	model=${model:-$(disk_value "$1" device/name)}
	[ "$(disk_value "$1" queue/logical_block_size)" != 4096 ] || note=' (cannot be used: sectors of 4096 bytes)'
	echo "$(size_text "$(disk_value "$1" size)") $(disk_bus "$1") ${model:-no model name}$note"
}

content_of() { # content_of DEVICE: kind and label; blkid -p, since there is no udev to ask
	local kind label
	kind=$(blkid -p -s TYPE -o value "$1" 2>/dev/null)
	label=$(blkid -p -s LABEL -o value "$1" 2>/dev/null)
	echo "${kind:-$2}${label:+ $label}"
}

# What is on it now, a line for each partition.
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

# The disk that an answer file means.
find_disk() { # find_disk WHAT: prints its name, or says why not and returns 3
	local name found=() all
	mapfile -t all < <(list_disks)
	for name in ${all[@]+"${all[@]}"}; do
		case $1 in
		only) found+=("$name") ;;
		serial:*) [ "$(disk_serial "$name")" != "${1#serial:}" ] || found+=("$name") ;;
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
		echo "  /dev/$name: $(disk_text "$name"), serial:$(disk_serial "$name"), pci:$(disk_pci "$name")" >&2
	done
	[ ${#all[@]} -gt 0 ] || echo "  (none)" >&2
	return 3
}
