# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: one file with all that UEFI needs to start a guest: veneer.efi with Veneer, the configuration, kernel and
# modules in it; and its signature by the user's key, for Secure Boot.
#
# The firmware checks PE files only.  It checks the whole file, so what lies in a section of it needs no hash of its own.

# For veneer.elf, which is not among the guest's files (IMAGE_MAX_SIZE in efi/parts.h).
readonly IMAGE_ROOM=16777216

# True if veneer.efi has the other files in it.
is_packed() { [ "$mode" = efi ] || [ -n "${opt[sign]}" ]; }

check_sign() {
	[ -n "${opt[sign]}${opt[cert]}" ] || return 0
	[ -n "${opt[sign]}" ] && [ -n "${opt[cert]}" ] || die "--sign and --cert go together: a key and its certificate"
	[ -z "$target" ] || [ "$mode" = efi ] ||
		die "--sign: the GRUB of an image or a disk cannot be signed; 'system' and 'efi' sign (docs/installing.md)"
	readable --sign "${opt[sign]}"
	readable --cert "${opt[cert]}"
	need_tools objcopy sbsign sbverify
	[ -n "$esp" ] || [ "$mode" = efi ] || refuse "--sign: the firmware starts what is signed from the ESP, and there is" \
		"none at /boot/efi, /efi or /boot of ${root:-this system}.  Mount the ESP"
}

# The guest was signed, so the new version has to be.
check_still_signed() { # check_still_signed NAME
	[ -e "$tree/guests/$1/signed" ] && [ -z "${opt[sign]}" ] || return 0
	[ -n "${opt[force]}" ] || die "the guest $1 is signed: --sign and --cert sign it anew (--force installs it unsigned)"
	say "note: the guest $1 was signed, and is not any more"
}

# The files as veneer.efi finds them (efi/archive.c): a line "SIZE NAME", then the bytes.
pack_file() { # pack_file FILE NAME
	[ ! -e "$1" ] || { printf '%d %s\n' "$(stat -c %s -- "$1")" "$2" && cat -- "$1"; }
}

pack_files() { # pack_files DIR ELF
	local file
	pack_file "$2" veneer.elf || return
	for file in "$1"/veneer.conf "$1"/config.dtb "$1"/kernel "$1"/module[0-9]*; do
		pack_file "$file" "$(basename -- "$file")" || return
	done
}

# Behind the last section: the size of the image in memory (PE Format, "Optional Header", SizeOfImage).
end_of_image() { # end_of_image PE-FILE
	echo $((($(number_at "$1" $(($(number_at "$1" 60 4) + 80)) 4) + 4095) / 4096 * 4096))
}

pack_efi() { # pack_efi NAME EFI ELF
	local dir=$tree/guests/$1 out pack=$work/pack whole=$work/whole.efi
	[ "$(du -sb -- "$dir" | cut -f 1)" -le $((MAX_EFI_FILE - IMAGE_ROOM)) ] ||
		die "the files of $1 are together larger than 2 GiB less 16 MiB, what veneer.efi can have in it"
	pack_files "$dir" "$3" >"$pack" || fail "$work: no room for the files of $1"
	out=$(objcopy --add-section .veneer="$pack" --set-section-flags .veneer=contents,alloc,load,readonly,data \
		--change-section-vma .veneer="$(end_of_image "$2")" "$2" "$whole" 2>&1) || fail "objcopy: $out"
	[ -z "${opt[sign]}" ] || sign_efi "$whole" "$dir"
	mv -- "$whole" "$dir/veneer.efi"
	rm -f -- "$pack"
}

sign_efi() { # sign_efi FILE GUEST-DIR
	local out
	out=$(sbsign --key "${opt[sign]}" --cert "${opt[cert]}" --output "$1.signed" "$1" 2>&1) && [ -s "$1.signed" ] ||
		die "--sign ${opt[sign]}, --cert ${opt[cert]}: sbsign: $out"
	out=$(sbverify --cert "${opt[cert]}" "$1.signed" 2>&1) ||
		die "--sign ${opt[sign]} is not the key of --cert ${opt[cert]}: sbverify: $out"
	mv -- "$1.signed" "$1"
	sha256sum <"${opt[cert]}" | cut -d ' ' -f 1 >"$2/signed"
	note "signed with ${opt[sign]}"
}

# --- efi FILE ---

check_efi_target() {
	local dir
	dir=$(dirname -- "$(realpath -m -- "$target")")
	[ ! -d "$target" ] || die "$target is a directory"
	if [ ! -d "$dir" ] || [ ! -w "$dir" ]; then die "$target: cannot write to $dir"; fi
	[ -e "$target" ] || return 0
	[ -f "$target" ] || die "$target is not an ordinary file"
	[ -n "${opt[force]}" ] || LC_ALL=C grep -qaE 'launch-version=[0-9]+' -- "$target" ||
		refuse "$target exists and was not made by this program; --force overwrites it"
	lock "$target"
}

cmd_efi() {
	local name
	need_tools objcopy "$(grub_program file)" cpp dtc fdtget fdtput od flock
	check_sign
	check_efi_target
	make_work
	mkdir -p "$tree"
	name=$(guest_name)
	put_guest "$name"
	if [ -n "${opt[dry-run]}" ]; then
		echo "would write $target, $(stat -c %s "$tree/guests/$name/veneer.efi") bytes"
		return
	fi
	begin_target
	cat -- "$tree/guests/$name/veneer.efi" >"$partial" || fail "$target: cannot be written"
	end_target
	tell "$target: $(stat -Lc %s -- "$target") bytes, written${opt[sign]:+ and signed}; it starts $name"
}
