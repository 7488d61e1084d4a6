# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: GRUB on the disk of Veneer's own installation: images, grub.cfg and the slots' menus.

readonly GRUB_MODULES="part_gpt part_msdos fat search search_fs_uuid normal configfile multiboot multiboot2 linux all_video
	serial terminal echo test boot reboot halt ls cat help sleep minicmd loadenv regexp"

make_grub() {
	local target modules
	fsid=$(random_id)
	echo "search --fs-uuid --set=root ${fsid:0:4}-${fsid:4}" >"$work/early.cfg"
	# shellcheck disable=SC2016 # GRUB expands it
	echo 'set prefix=($root)/boot/grub' >>"$work/early.cfg"
	for target in i386-pc x86_64-efi; do
		modules=$GRUB_MODULES
		# On UEFI it starts veneer.efi.
		case $target in
		i386-pc) modules="$modules biosdisk" ;;
		*) modules="$modules chain" ;;
		esac
		# shellcheck disable=SC2086 # a list
		"$(grub_program mkimage)" -O "$target" -c "$work/early.cfg" -p /boot/grub -o "$work/core.$target" $modules ||
			fail "grub-mkimage failed for $target"
	done
	[ "$(stat -c %s "$work/core.i386-pc")" -le $((BIOS_SECTORS * SECTOR)) ] || fail "GRUB's core image is too large"
	link_core
}

# Writes grub.cfg on the ESP, once.  The slots' menu.cfg have the parts that differ between versions.
disk_grub_cfg() {
	cat <<'END'
# Written by veneer-install: chooses between the two versions on this disk (docs/installing.md).
if serial --unit=0 --speed=115200; then
	terminal_input console serial
	terminal_output console serial
fi
insmod all_video
set gfxmode=auto
set gfxpayload=keep
set timeout=3
set default=0
regexp --set=1:veneer_disk '^([^,]+),' "$root"
set veneer_slot=a
load_env --file ($root)/veneer/state veneer_slot veneer_previous
if [ "$veneer_slot" = b ]; then
	set veneer_now="($veneer_disk,gpt4)/veneer"
	set veneer_old="($veneer_disk,gpt3)/veneer"
else
	set veneer_now="($veneer_disk,gpt3)/veneer"
	set veneer_old="($veneer_disk,gpt4)/veneer"
fi
if [ ! -s $veneer_now/menu.cfg ]; then
	set veneer_now=$veneer_old
	set veneer_previous=
fi
set veneer_title=
set veneer_entries=1
set veneer_dir_1=$veneer_now
source $veneer_now/menu.cfg
if [ -n "$veneer_previous" -a -s $veneer_old/menu.cfg ]; then
	set veneer_dir_2=$veneer_old
	set veneer_title="Previous version of "
	set veneer_keep_timeout=$timeout
	set fallback=$veneer_entries
	source $veneer_old/menu.cfg
	set timeout=$veneer_keep_timeout
fi
menuentry 'Restart' { reboot }
menuentry 'Switch off' { halt }
END
}

# The slot's own part of the menu; the ESP's grub.cfg reads it once for the present version and once for the previous one.
disk_menu() {
	local name title entries resume
	entries=$(guests "$tree" | wc -l)
	[ -n "${opt[native]}" ] || entries=$((entries + 1))
	resume=$(resumable)
	entries=$((entries + $(wc -w <<<"$resume")))
	printf 'set timeout=%d\n' "$1"
	printf 'if [ -z "$veneer_title" ]; then set veneer_entries=%d; fi\n' "$entries"
	for name in $(guests "$tree"); do
		title="Veneer: $name"
		[ -z "${opt[native]}" ] || title="$name without Veneer"
		cat <<END
if [ -z "\$veneer_title" ]; then
	menuentry "$title" --id "veneer-$name" {
		set veneer_dir=\$veneer_dir_1
		source \$veneer_dir/guests/$name/entry.cfg
	}
else
	menuentry "\${veneer_title}$title" --id "veneer-previous-$name" {
		set veneer_dir=\$veneer_dir_2
		source \$veneer_dir/guests/$name/entry.cfg
	}
fi
END
	done
	for name in $resume; do
		resume_menu "$name"
	done
	[ -n "${opt[native]}" ] || check_menu "$(guests "$tree" | head -n 1)"
}

# Prints the guests that can be saved: those whose configuration says so.
resumable() {
	local name
	for name in $(guests "$tree"); do
		[ "$(fdtget "$tree/guests/$name/config.dtb" /guest veneer,state 2>/dev/null)" != on ] || echo "$name"
	done
}

# The entry that goes on from the last snapshot; without one the guest starts anew.
resume_menu() { # resume_menu GUEST
	cat <<END
if [ -z "\$veneer_title" ]; then
	menuentry "Veneer: $1, resume" --id "veneer-resume-$1" {
		set veneer_dir=\$veneer_dir_1
		set veneer_check=--resume
		source \$veneer_dir/guests/$1/entry.cfg
	}
fi
END
}

# The entry that checks the machine, with the first guest's configuration: the hypervisor prints its verdict, and halts.
check_menu() {
	cat <<END
if [ -z "\$veneer_title" ]; then
	menuentry "Veneer: check this machine, change nothing" --id veneer-check {
		set veneer_dir=\$veneer_dir_1
		set veneer_check=--check-only
		source \$veneer_dir/guests/$1/entry.cfg
	}
fi
END
}

disk_timeout() {
	local old=3
	[ ! -e "$tree/menu.cfg" ] || old=$(sed -n 's/^set timeout=//p' "$tree/menu.cfg")
	[ -n "${given[menu-timeout]}" ] || opt[menu-timeout]=$old
	disk_menu "${opt[menu-timeout]}" >"$work/menu.cfg"
	cp -- "$work/menu.cfg" "$tree/menu.cfg"
}
