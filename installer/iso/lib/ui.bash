# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-setup: the text screens.  Each step returns 1 for "back".

TITLE="Veneer's installer"

box() { # box ARGS...: whiptail; what was chosen goes to standard output
	whiptail --backtitle "$TITLE" "$@" 3>&1 1>&2 2>&3
}

# Scroll a text only if it is too long: a text that can be scrolled takes the keys, and Enter works only after Tab.
message() {
	local scroll=()
	[ "$(fold -s -w 70 <<<"$2" | wc -l)" -le 13 ] || scroll=(--scrolltext)
	box --title "$1" ${scroll[@]+"${scroll[@]}"} --msgbox "$2" 20 76
}

# --- hardware ---

step_hardware() {
	local status=0 verdict
	box --title "Hardware check" --infobox "Looking at this machine ..." 7 50
	hardware "$work/hardware" || status=$?
	verdict=$(tail -n 1 "$work/hardware")
	# Show the important lines without scrolling.
	printf '%s\n\n' "$verdict" | cat - "$work/hardware" | LC_ALL=C tr -c '[:print:]\n' '?' >"$work/shown"
	box --title "Hardware check (arrows scroll; Tab, Enter: on)" --scrolltext --textbox "$work/shown" 21 78 || return 1
	[ $status != 0 ] && [ $status != 3 ] || return 0
	box --title "Hardware check" --defaultno --yesno "$verdict

Veneer will not start on this machine as it is.  Go on all the same, to install on a disk for another machine?" 14 70
}

# --- the disk ---

step_disk() {
	local items=() name all text
	local -A was
	mapfile -t all < <(list_disks)
	if [ ${#all[@]} = 0 ]; then
		message "Disk" "There is no disk that could be installed to.  The medium itself, disks in use and those that \
are write-protected are not offered.  A RAID or VMD mode in the firmware setup hides disks, too: set it to AHCI."
		return 1
	fi
	text="Which disk shall be ERASED and started from?"
	for name in "${all[@]}"; do
		items+=("$name" "$(disk_text "$name")")
		was[$name]=$(disk_identity "$name")
		text+=$'\n\n'"$name: serial $(shown "$(disk_serial "$name")" 40), on PCI $(disk_pci "$name")"
		text+=$'\n'"$(disk_content "$name")"
	done
	printf '%s\n' "$text" | tail -n +3 >"$work/disks"
	while :; do
		disk=$(box --title "Disk" --menu "Which disk shall be ERASED and started from?" 20 76 10 "${items[@]}" \
			show "what is on these disks now") || return 1
		disk_was=${was[$disk]:-}
		[ "$disk" = show ] || return 0
		box --title "Disks (arrows scroll; Tab, Enter: on)" --scrolltext --textbox "$work/disks" 20 76
	done
}

# --- the kernel ---

# Prints the file systems on unused disks (so not the medium's) as menu items.
list_volumes() {
	local dir dev parent kind
	for dir in /sys/class/block/*; do
		dev=/dev/${dir##*/}
		case $dev in /dev/loop* | /dev/ram* | /dev/zram* | /dev/fd*) continue ;; esac
		kind=$(blkid -p -s TYPE -o value "$dev" 2>/dev/null) || continue
		case $kind in vfat | exfat | ext[234] | iso9660 | udf) ;; *) continue ;; esac
		parent=$(lsblk -dno PKNAME "$dev")
		parent=${parent:-${dev##*/}}
		is_used "$parent" || printf '%s\n%s\n' "$dev" "$(lsblk -dno SIZE "$dev" | tr -d ' ') $kind \
$(shown "$(blkid -p -s LABEL -o value "$dev" 2>/dev/null)" 24) $(disk_bus "$parent")"
	done
}

# browse TITLE DIRECTORY: lets the user choose a file, and sets chosen
browse() {
	local dir=$2 items name size names
	while :; do
		items=()
		[ "$dir" = "$2" ] || items+=(.. "up")
		# Skip devices and pipes, and names that need more than one line.
		mapfile -t names < <(find "$dir" -mindepth 1 -maxdepth 1 ! -name '.*' ! -name '*[[:cntrl:]]*' \
			\( -xtype f -o -xtype d \) -printf '%f\n' | LC_ALL=C sort)
		[ ${#names[@]} -le 500 ] ||
			message "$1" "${#names[@]} files are in this folder.  The first 500 are shown, by name."
		for name in "${names[@]:0:500}"; do
			if [ -d "$dir/$name" ]; then
				items+=("$name/" "folder")
			else
				size=$(stat -L -c %s -- "$dir/$name")
				items+=("$name" "$(((size + 1023) / 1024)) KiB")
			fi
		done
		[ ${#items[@]} -gt 0 ] || { message "$1" "There is nothing there."; return 1; }
		name=$(box --title "$1" --menu "/${dir#"$2"}" 20 76 12 -- "${items[@]}") || return 1
		case $name in
		..) dir=${dir%/*} ;;
		*/) dir=$dir/${name%/} ;;
		*) chosen=$dir/$name; return 0 ;;
		esac
	done
}

# A file from anywhere, copied into memory so that its file system is free again: sets chosen.
choose_file() { # choose_file TITLE COPY-TO
	local items=() volumes volume status=0
	[ -z "$(ls -A /run/medium/files 2>/dev/null)" ] || items+=(medium "the files on this medium")
	mapfile -t volumes < <(list_volumes)
	items+=(${volumes[@]+"${volumes[@]}"} again "look again, for a stick that was plugged in now")
	volume=$(box --title "$1" --menu "Where is the file?" 20 76 10 "${items[@]}") || return 1
	case $volume in
	again) sleep 2; choose_file "$@"; return ;;
	medium) browse "$1" /run/medium/files || return 1 ;;
	*)
		mkdir -p /run/files
		mount -o ro "$volume" /run/files 2>"$work/error" ||
			{ message "$1" "$volume cannot be read: $(cat "$work/error")"; return 1; }
		browse "$1" /run/files || status=1
		;;
	esac
	if [ $status = 0 ]; then
		mkdir -p "$2"
		cp -L -- "$chosen" "$2/" 2>"$work/error" || { message "$1" "$(cat "$work/error")"; status=1; }
		chosen=$2/${chosen##*/}
	fi
	[ "$volume" = medium ] || umount /run/files
	return $status
}

step_kernel() {
	local what
	modules=() config=
	what=$(box --title "Kernel" --menu "Which operating system shall start behind Veneer?" 14 76 4 \
		demo "the demo OS: a small shell with network and disk commands" \
		file "a kernel file, from this medium or from a disk or stick") || return 1
	if [ "$what" = demo ]; then
		kernel=$DEMO guest_name=demo
	else
		rm -rf -- "$work/kernel"
		choose_file "Kernel" "$work/kernel" || return 1
		kernel=$chosen
		guest_name=$(basename -- "$kernel" | tr -cd 'A-Za-z0-9_.+-')
		step_modules
	fi
	cmdline=$(box --title "Kernel" --inputbox "The kernel's command line (may stay empty):" 10 76 \
		"$([ "$what" != demo ] || echo net=dhcp)") || return 1
}

step_modules() {
	rm -rf -- "$work/modules"
	while box --title "Modules" --defaultno --yesno "${#modules[@]} further files are chosen.

Does the kernel need another file, such as an initial RAM disk?" 10 70; do
		# Each in a folder of its own: two files may have the same name.
		! choose_file "Module" "$work/modules/${#modules[@]}" || modules+=("$chosen")
	done
}

step_data() {
	data=$(box --title "The guest's disk" --menu "The rest of the disk becomes a data partition.  What may the guest do?" \
		14 76 2 readonly "read all disks, write to none" \
		writable "have the data partition as its disk, and write to it") || return 1
}

# --- at last ---

step_confirm() {
	local status=0 word
	box --title "Summary" --infobox "Checking ..." 7 50
	# Not in $( ): the variables that it sets are used again.
	try_install >"$work/try" 2>&1 || status=$?
	if [ $status != 0 ]; then
		message "This cannot be installed" "$(cat "$work/try")
(exit status $status)"
		return 1
	fi
	word=$(box --title "Summary" --inputbox "\
Disk      /dev/$disk: $(disk_text "$disk")
Kernel    ${guest_name:0:24}, $(stat -L -c %s -- "$kernel") bytes, ${#modules[@]} further files
Command   ${cmdline:0:60}
Data      $data

ALL DATA ON /dev/$disk WILL BE LOST:
$(disk_content "$disk" | awk 'NR < 5 { print } END { if (NR > 4) print "  and " NR - 4 " more" }')

Type ERASE to go on:" 21 76) || return 1
	if [ "$word" = ERASE ]; then
		same_disk >"$work/error" && return 0
		message "Disk" "$(cat "$work/error").  Nothing was written."
		return 1
	fi
	message "Summary" "\"$word\" is not ERASE.  Nothing was written."
	return 1
}

gauge() {
	local word percent what
	while read -r word percent what; do
		[ "$word" != progress ] || printf 'XXX\n%d\n%s /dev/%s ...\nXXX\n' "$percent" "$what" "$disk"
	done | whiptail --backtitle "$TITLE" --title "Installing" --gauge "Preparing ..." 8 70 0
}

step_write() {
	local status
	run_install 2>"$work/error" | gauge
	status=${PIPESTATUS[0]}
	if [ "$status" = 0 ]; then
		box --title "Installing" --infobox "Verifying /dev/$disk ..." 7 50
		veneer-install verify "/dev/$disk" >>"$work/error" 2>&1 || status=$?
	fi
	[ "$status" = 0 ] || { message "Installing failed" "Exit status $status.  /dev/$disk is incomplete, do not start from \
it; what was on it is lost.

$(tail -n 12 "$work/error")"; return 1; }
	message "Installed" "/dev/$disk was written and verified, and starts $guest_name behind Veneer.

$(tail -n 3 "$work/error")

Take the medium out before the machine starts again, or choose the disk in the firmware's boot menu."
}

finish() { # finish poweroff|reboot
	sync
	clear
	umount -a -r 2>/dev/null
	"$1" -f
}

# Go forward, and back if the user leaves a step by Cancel.
install() {
	local steps=(hardware disk kernel data confirm write) at=0
	while [ $at -lt ${#steps[@]} ]; do
		if "step_${steps[at]}"; then at=$((at + 1)); else at=$((at - 1)); fi
		[ $at -ge 0 ] || return 1
	done
}

main_menu() {
	local choice keyboard=()
	! has_keyboard || keyboard=(keyboard "choose the layout of the keyboard")
	while :; do
		choice=$(box --title "$TITLE" --nocancel --menu "The disk that you choose is erased; until you type ERASE \
nothing is written." 17 70 6 \
			install "install Veneer and an operating system on a disk" \
			check "check this machine's hardware" \
			"${keyboard[@]}" \
			shell "a shell (exit comes back)" \
			reboot "restart the machine" \
			poweroff "switch the machine off") || continue
		case $choice in
		install) ! install || choice_done ;;
		check) step_hardware ;;
		keyboard) step_keyboard ;;
		shell) clear; run_shell ;;
		*) finish "$choice" ;;
		esac
	done
}

choice_done() {
	local choice
	choice=$(box --title "Installed" --nocancel --menu "And now?" 12 60 3 reboot "restart the machine" \
		poweroff "switch the machine off" menu "back to the menu") || return 0
	[ "$choice" = menu ] || finish "$choice"
}

run_shell() {
	echo "veneer-install, veneer-hwcheck and veneer-config are here; exit goes to the installer."
	bash --norc || true
}

# Of two consoles only the first that asks gets the installer.
wait_for_console() {
	local answer
	while :; do
		printf "\r\n%s: press Enter to install on this console.\r\n" "$TITLE"
		read -r answer || sleep 1
		flock -n 8 && return
		printf "It is at work on another console.\r\n"
	done
}
