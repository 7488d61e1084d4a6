# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: the sector that selects the slot that GRUB starts.
#
# The sector is in a file that is created once and then overwritten in place, after all other writes: a rename on FAT is several
# writes, a sector is one.  The sector is a GRUB environment block (load_env reads it):
#   veneer_slot      a or b: the slot to start
#   veneer_previous  the other slot if it is whole and may be started, else empty
#   veneer_seq       grows by one with each change
#   veneer_sum       check sum of the three, for this program

state_sum() { printf 'veneer %s %s %s' "$1" "$2" "$3" | sha256sum | cut -c 1-16; }

state_text() { # state_text SLOT PREVIOUS SEQ
	local text
	text=$(printf '# GRUB Environment Block\nveneer_slot=%s\nveneer_previous=%s\nveneer_seq=%s\nveneer_sum=%s\n#' \
		"$1" "$2" "$3" "$(state_sum "$1" "$2" "$3")")
	printf '%s' "$text"
	head -c $((SECTOR - ${#text})) /dev/zero | tr '\0' '#'
}

state_value() { sed -n "s/^veneer_$2=//p" "$1" 2>/dev/null | head -n 1; }

# Sets slot, other, previous and seq from the 512 bytes in file $1.  Like GRUB, takes slot a unless the sector says "b".
# Returns 1 if the sector is damaged.
state_read() {
	slot=$(state_value "$1" slot)
	previous=$(state_value "$1" previous)
	seq=$(state_value "$1" seq)
	[[ $seq =~ ^[0-9]{1,9}$ ]] || seq=0
	local sum
	sum=$(state_sum "$slot" "$previous" "$seq")
	case $slot in
	b) other=a ;;
	*) slot=a other=b ;;
	esac
	[ "$previous" = "$other" ] || previous=
	[ "$(state_value "$1" sum)" = "$sum" ] && [ "$(stat -c %s -- "$1")" = $SECTOR ]
}

# Makes the one write that selects another slot.
state_write() { # state_write FILE-OR-DISK SECTOR-NUMBER SLOT PREVIOUS
	local bytes=$work/state.new
	state_text "$3" "$4" $((seq + 1)) >"$bytes"
	dd if="$bytes" of="$1" bs=$SECTOR seek="$2" count=1 conv=notrunc,nocreat,fsync status=none ||
		fail "$1: the sector that names the slot cannot be written"
	seq=$((seq + 1)) slot=$3 previous=$4
	at_stake="slot $3 starts"
	note "slot $3 starts now${4:+, slot $4 is the previous one}"
}
