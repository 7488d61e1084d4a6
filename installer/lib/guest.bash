# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: the files of one installed version (a "slot"): Veneer, the guests, and GRUB's commands to start each guest.
#
#   veneer.elf  info  manifest  menu.cfg  guests/NAME/{kernel,config.dtb,module0...,cmdline,modules,format,screen,entry.cfg}
#   and, if the guest is the loader of a disk, guests/NAME/{veneer.efi,veneer.conf}, for UEFI
#
# This file puts them together in $tree; other files copy them to their places.

# Prints what a file is that is not a kernel, for the message.
describe() {
	local head
	head=$(hex_of "$1" 0 64)
	case $head in
	7f454c4601*) echo "a 32-bit ELF file without a Multiboot header" ;;
	7f454c4602*) echo "a 64-bit ELF file without a Multiboot header" ;;
	4d5a*) echo "a PE file (UEFI or Windows program)" ;;
	1f8b*) echo "gzip data (decompress it first)" ;;
	fd377a585a*) echo "xz data" ;;
	28b52ffd*) echo "zstd data" ;;
	425a68*) echo "bzip2 data" ;;
	04224d18* | 02214c18*) echo "LZ4 data" ;;
	2321*) echo "a script" ;;
	d00dfeed*) echo "a compiled device tree" ;;
	*)
		if head -c 512 -- "$1" | LC_ALL=C grep -qa '[^[:print:][:space:]]'; then
			echo "data that starts with ${head:0:16}"
		else
			echo "text"
		fi
		;;
	esac
}

no_kernel() {
	die "$1: not a kernel that Veneer can start" \
		"(Multiboot 1, Multiboot 2, Linux bzImage, PVH, Limine), but $(describe "$1")"
}

MAX_MODULES=64 MAX_MODULE_TEXT=14000 MAX_SEGMENTS=64 MAX_EFI_FILE=2147483648

number() { # number FILE OFFSET SIZE: little-endian
	od -An "-tu$3" -j "$2" -N "$3" -- "$1" | tr -d ' '
}

# Refuses what Veneer's start refuses (hv/load/elf.h).
check_segments() { # check_segments ELF-FILE
	local at size n i loads=0
	case $(number "$1" 4 1) in
	1) at=$(number "$1" 28 4) size=$(number "$1" 42 2) n=$(number "$1" 44 2) ;;
	*) at=$(number "$1" 32 8) size=$(number "$1" 54 2) n=$(number "$1" 56 2) ;;
	esac
	[ "${n:-0}" -gt $MAX_SEGMENTS ] || return 0
	for ((i = 0; i < n; i++)); do
		[ "$(number "$1" $((at + i * size)) 4)" != 1 ] || loads=$((loads + 1))
	done
	[ $loads -le $MAX_SEGMENTS ] || die "$1: $loads segments to load are more than the $MAX_SEGMENTS that Veneer can load"
}

kernel_format() {
	local f grub_file tags=''
	grub_file=$(grub_program file)
	# GRUB's tool decompresses, and checks only the header, which an object file has as well (ELF's e_type, at 16, is 1).
	case $(hex_of "$1" 0 18) in
	7f454c46*0100) die "$1: not a kernel, but an ELF object file that was not linked" ;;
	1f8b* | fd377a585a* | 28b52ffd* | 894c5a4f*) no_kernel "$1" ;;
	esac
	# Tags of the Limine protocol in an ELF file for x86-64: a request, or the base revision.  A kernel of another protocol
	# may have them, too.  A Limine kernel is relocatable (e_type 3), or has its segments, and so its entry, at high
	# addresses.
	if [[ $(hex_of "$1" 0 20) = 7f454c4602*3e00 ]] && LC_ALL=C grep -qazF \
		-e $'\x88\x8b\x4c\xdf\x30\xdd\xb1\xc7\x7b\xf0\x94\xa1\x83\xe8\x82' \
		-e $'\xc8\xa6\x95\x5c\x2d\x2b\x56\xf9\xdc\x6b\x53\x44\x49\x38\x7b\x6a' -- "$1"; then
		tags=y
		if [ -z "${opt[native]:-}" ] &&
			{ [ "$(hex_of "$1" 16 2)" = 0300 ] || [ "$(hex_of "$1" 28 4)" = ffffffff ]; }; then
			echo limine
			return
		fi
	fi
	for f in multiboot2 multiboot linux; do
		if "$grub_file" "--is-x86-$f" "$1"; then
			echo "$f"
			return
		fi
	done
	# Xen's ELF note with type 18 names the PVH entry, which GRUB does not support.
	if [ -z "${opt[native]:-}" ] && [ "$(hex_of "$1" 0 4)" = 7f454c46 ] &&
		LC_ALL=C grep -qaP '\x04\0\0\0[\x04\x08]\0\0\0\x12\0\0\0Xen\0' -- "$1"; then
		echo pvh
		return
	fi
	[ -n "$tags" ] || no_kernel "$1"
	[ -z "${opt[native]:-}" ] || die "$1: a kernel of the Limine protocol, which GRUB alone does not start"
	echo limine
}

# --- the configuration ---

compile_config() { # compile_config SOURCE BLOB
	make_blob "$1" "$2" || die "$1: $blob_says"
	[ -z "$blob_says" ] || say "$1: $blob_says"
	check_config "$1" "$2"
}

check_config() { # check_config SOURCE BLOB
	local out
	out=$(fdtget "$2" / compatible 2>/dev/null) || out=nothing
	[ "$out" = veneer,config ] || die "$1: not a configuration of Veneer: / has compatible \"$out\", not \"veneer,config\""
	out=$(fdtget "$2" / veneer,config-version 2>/dev/null) || out=nothing
	[ "$out" = 1 ] || die "$1: veneer,config-version is $out; this program knows 1"
	if [ "$mode" = config ] || [ -n "${opt[no-check]}" ]; then return; fi
	# Use the hypervisor's own parser if it was built.
	for out in ${BUILD:+"$BUILD/config-check"} "$here/../build/config-check" "$here/../config-check"; do
		[ ! -x "$out" ] || { ask_parser "$1" "$2" "$out"; return; }
	done
}

ask_parser() { # ask_parser SOURCE BLOB CHECKER
	local out
	out=$("$3" "$2" 2>&1) || die "$1: Veneer would not start with it:"$'\n'"$out"
}

# --- command lines ---

# GRUB joins the words of a line by single spaces and adds quotes and backslashes of its own to these characters.
grub_can_pass() {
	[[ $1 != *[\'\"\\]* && $1 != *'  '* && $1 != ' '* && $1 != *' ' && $1 != *[![:print:]]* ]]
}

# Prints the words of $1, quoted for a GRUB script.
grub_words() {
	local word out=''
	local -a words
	read -r -a words <<<"$1"
	for word in ${words[@]+"${words[@]}"}; do
		[[ $word =~ ^[A-Za-z0-9_.,:/=+@%-]+$ ]] || word="'$word'"
		out+=" $word"
	done
	printf '%s' "$out"
}

check_cmdline() {
	[ ${#1} -lt 1024 ] || die "--cmdline: ${#1} characters; at most 1023"
	[[ $1 != *$'\n'* ]] || die "--cmdline: more than one line"
	[ -z "${opt[native]}" ] || grub_can_pass "$1" ||
		die "--cmdline: GRUB cannot pass on quotes, backslashes and repeated spaces"
}

# Puts the kernel's command line on GRUB's line or, if GRUB would change it, into the configuration.
place_cmdline() { # place_cmdline GUEST-DIR CMDLINE
	local out blob=$1/config.dtb
	[ ! -e "$1/cmdline" ] || grub_can_pass "$(cat "$1/cmdline")" || fdtput -d "$blob" /guest bootargs ||
		fail "fdtput failed"
	printf '%s' "$2" >"$1/cmdline"
	grub_can_pass "$2" && return
	if out=$(fdtput -c "$blob" /guest 2>&1); then
		fdtput -t s "$blob" /guest compatible veneer,guest || fail "fdtput failed"
	elif [[ $out != *FDT_ERR_EXISTS* ]]; then
		fail "fdtput: $out"
	fi
	fdtput -t s "$blob" /guest bootargs "$2" || fail "fdtput failed"
}

# Splits "FILE ARGS", unless a file has the whole name.
collect_modules() {
	local m file args
	module_files=() module_args=()
	for m in ${modules[@]+"${modules[@]}"}; do
		file=$m args=
		if [ ! -e "$m" ] && [[ $m == *' '* ]]; then
			file=${m%% *}
			args=${m#* }
		fi
		readable --module "$file"
		small_enough --module "$file"
		[ -n "$args" ] || args=$(basename -- "$file" | tr -c 'A-Za-z0-9_.,:/=+@%\n-' _)
		grub_can_pass "$args" || die "--module $m: GRUB cannot pass on quotes, backslashes and repeated spaces"
		case ${args%% *} in
		config | kernel) die "--module $m: the word '${args%% *}' marks Veneer's own modules; put another behind it" ;;
		esac
		module_files+=("$file")
		module_args+=("$args")
	done
	# Veneer's start has these limits (hv/boot/bootinfo.h): kernel and configuration are modules, too.
	[ ${#module_files[@]} -le $((MAX_MODULES - 2)) ] ||
		die "--module: ${#module_files[@]} modules are more than the $((MAX_MODULES - 2)) that Veneer can hand over"
	args="${module_args[*]-}"
	[ ${#args} -le $MAX_MODULE_TEXT ] ||
		die "--module: ${#args} characters of arguments are more than the $MAX_MODULE_TEXT that Veneer can hand over"
}

# --- the screen ---

# header_at FILE MAGIC BYTES ALIGN: prints the offset of the header with these magic bytes, or nothing
header_at() {
	local at
	for at in $(head -c "$3" -- "$1" | LC_ALL=C grep -obUaP -- "$2" | cut -d : -f 1); do
		[ $((at % $4)) != 0 ] || { echo "$at"; return; }
	done
}

screen_mode() { # screen_mode WIDTH HEIGHT DEPTH: for gfxpayload; nothing where the kernel leaves it open
	if [ "$1" = 0 ] || [ "$2" = 0 ]; then return; fi
	if [ "$3" = 0 ]; then echo "$1x$2,auto"; else echo "$1x$2x$3,$1x$2,auto"; fi
}

multiboot_screen() { # multiboot_screen KERNEL
	local at
	at=$(header_at "$1" '\x02\xb0\xad\x1b' 8192 4)
	# Flag 2: the header has a mode; its type 1 is text.
	if [ -z "$at" ] || [ $(($(number_at "$1" $((at + 4)) 4) & 4)) = 0 ] || [ "$(number_at "$1" $((at + 32)) 4)" != 0 ]; then
		echo text
		return
	fi
	screen_mode "$(number_at "$1" $((at + 36)) 4)" "$(number_at "$1" $((at + 40)) 4)" "$(number_at "$1" $((at + 44)) 4)"
}

multiboot2_screen() { # multiboot2_screen KERNEL
	local at end size
	at=$(header_at "$1" '\xd6\x50\x52\xe8' 32768 8)
	[ -n "$at" ] || return 0
	end=$((at + $(number_at "$1" $((at + 8)) 4)))
	at=$((at + 16))
	while [ $((at + 8)) -le "$end" ]; do
		size=$(number_at "$1" $((at + 4)) 4)
		case $(number_at "$1" "$at" 2):$size in
		5:20)
			screen_mode "$(number_at "$1" $((at + 8)) 4)" "$(number_at "$1" $((at + 12)) 4)" \
				"$(number_at "$1" $((at + 16)) 4)"
			return
			;;
		0:* | *:[0-7] | *:) break ;;
		esac
		at=$((at + (size + 7) / 8 * 8))
	done
	echo text
}

# Prints the mode that GRUB would set for this kernel.  Veneer requests a framebuffer, which its guest may not support.
guest_screen() { # guest_screen DIR: GRUB's gfxpayload for the guest in DIR, or nothing: as it comes
	local wish=auto
	[ ! -e "$1/screen" ] || wish=$(cat "$1/screen")
	case $wish:$(cat "$1/format") in
	auto:multiboot) multiboot_screen "$1/kernel" ;;
	auto:multiboot2) multiboot2_screen "$1/kernel" ;;
	# The modes that Limine chooses: its kernels draw with 32 bits per pixel.
	auto:limine) echo 1024x768x32,800x600x32,640x480x32,auto ;;
	auto:* | keep:*) ;;
	text:*) echo text ;;
	*) echo "${wish%:*},auto" ;;
	esac
}

set_screen() { # set_screen MODE: for entry.cfg; it holds behind the line that loads Veneer
	case $1 in
	'') ;;
	text) printf '\tif [ "$grub_platform" = pc ]; then set gfxpayload=text; fi\n' ;;
	*) printf '\tset gfxpayload=%s\n' "$1" ;;
	esac
}

# --- GRUB's commands: entry.cfg, which finds its slot's directory in $veneer_dir ---

native_entry() { # native_entry NAME FORMAT CMDLINE, modules' arguments from stdin
	local i mod=module2 dir="\$veneer_dir/guests/$1"
	local -a args
	mapfile -t args
	[ "$2" != multiboot ] || mod=module
	printf '%s %s/kernel%s\n' "$2" "$dir" "$(grub_words "$3")"
	for i in "${!args[@]}"; do
		case $2 in
		linux) [ "$i" != 0 ] || printf initrd; printf ' %s/module%d' "$dir" "$i" ;;
		*) printf '%s --nounzip %s/module%d%s\n' $mod "$dir" "$i" "$(grub_words "${args[i]}")" ;;
		esac
	done
	echo
}

# On UEFI a disk's own loader needs the firmware, which becomes the guest: veneer.efi does that.  GRUB of a disk installed
# before 2026-12 has no chainloader: an unknown command is false for "if", but also for "if !".  There is no "true" either.
efi_entry() { # efi_entry SLOT-DIR GUEST-DIR TEST
	local old=' A disk installed before December 2026 has to be installed anew.'
	[ -n "$target" ] || old=
	# shellcheck disable=SC2016 # GRUB expands it
	printf 'if [ "$grub_platform" = efi -a -s %s -a -s %s -a %s ]; then\n' "$2/veneer.efi" "$2/veneer.conf" "$3"
	# The image's device is that of $root, whatever the path says.
	# shellcheck disable=SC2016 # GRUB expands it
	printf '\t%s\n' 'regexp --set=1:root '"'^\(([^)]+)\)' \"$1\""
	printf '\tif chainloader %s $veneer_check $veneer_own; then\n\t\tset veneer_loaded=y\n' "$2/veneer.efi"
	printf '\telse\n\t\techo "GRUB has not loaded veneer.efi.%s"\n\t\tsleep 3\n\tfi\n' "$old"
}

# What veneer.efi refuses (efi/parts.h, efi/veneer.c); less than what GRUB loads.
check_efi_limits() { # check_efi_limits NAME
	local file
	for file in "$tree/guests/$1"/module[0-9]* "$tree/veneer.elf"; do
		[ ! -e "$file" ] || [ "$(stat -c %s -- "$file")" -le $MAX_EFI_FILE ] ||
			die "the guest $1 has a module of more than $MAX_EFI_FILE bytes (2 GiB), which veneer.efi does not load"
	done
}

# Refuses a pair that stops at its start (EFI_LAUNCH_MARK in include/veneer/efi_guest.h).
same_launch() { # same_launch EFI ELF
	local word efi elf
	word='launch-version=[0-9]+'
	efi=$(LC_ALL=C grep -aoE -m 1 -- "$word" "$1" | head -n 1) || return 0
	elf=$(LC_ALL=C grep -aoE -m 1 -- "$word" "$2" | head -n 1) || die "$2: this hypervisor cannot start a disk's own" \
		"loader on UEFI: it was built without BOOT_EFI"
	[ "$efi" = "$elf" ] || die "$1 ($efi) and $2 ($elf) do not go together: run make, install the package, or put the" \
		"veneer.efi of the same version beside the file of --veneer"
}

write_conf() { # write_conf NAME
	local dir=$tree/guests/$1 i=0 args
	echo '# Written by veneer-install.'
	# What is packed into veneer.efi is found by these names.
	if is_packed; then echo 'hypervisor veneer.elf'; else echo 'hypervisor ../../veneer.elf'; fi
	echo 'module config.dtb config'
	if has_kernel "$1"; then
		args=$(cat "$dir/cmdline")
		grub_can_pass "$args" || args=
		echo "module kernel kernel${args:+ $args}"
	else
		echo 'boot disk'
	fi
	while read -r args; do printf 'module module%d %s\n' $((i++)) "$args"; done <"$dir/modules"
}

# veneer.efi and what it reads, for a guest that is a disk's own loader, and for each guest that is signed.  A system needs an
# ESP for them: the firmware reads FAT only.
put_efi() { # put_efi NAME
	local dir=$tree/guests/$1 elf efi own
	check_still_signed "$1"
	rm -f -- "$dir/veneer.efi" "$dir/veneer.conf" "$dir/signed"
	{ ! has_kernel "$1" || is_packed; } && [ -n "$target$esp" ] || return 0
	find_veneer
	efi=$(dirname -- "$elf")/veneer.efi
	[ -e "$efi" ] || die "$efi: no such file, and the guest $1 cannot start on UEFI without: run make, install the" \
		"package, or put the veneer.efi of the same version beside the file of --veneer"
	readable veneer.efi "$efi"
	# A further guest of a system does not change the hypervisor.
	own=$elf
	[ -n "${opt[veneer]}" ] || [ ! -e "$tree/veneer.elf" ] || own=$tree/veneer.elf
	has_kernel "$1" || same_launch "$efi" "$own"
	check_efi_limits "$1"
	note "for UEFI: $efi"
	write_conf "$1" >"$dir/veneer.conf"
	if is_packed; then
		pack_efi "$1" "$efi" "$own"
	else
		put_copy "$efi" "$dir/veneer.efi"
	fi
}

files_there() { # files_there SLOT-DIR NAME MODULES: GRUB's test that all files of the guest are there
	local i dir=$1/guests/$2
	printf '%s' "-s $1/veneer.elf -a -s $dir/config.dtb"
	! has_kernel "$2" || printf '%s' " -a -s $dir/kernel"
	for ((i = 0; i < $3; i++)); do printf '%s' " -a -s $dir/module$i"; done
}

# If a file is missing, GRUB loads nothing and goes on to its fallback or back to the menu: without the test GRUB would start
# the files that it has.
veneer_entry() { # veneer_entry NAME CMDLINE SCREEN, modules' arguments from stdin
	local i dir="\$veneer_dir/guests/$1" there efi_dir='$veneer_dir'
	local -a args
	mapfile -t args
	there=$(files_there '$veneer_dir' "$1" "${#args[@]}")
	if [ ! -e "$tree/guests/$1/veneer.efi" ]; then
		printf 'if [ %s ]; then\n' "$there"
	else
		[ -n "$target" ] || efi_dir='$veneer_esp_dir'
		if [ -e "$tree/guests/$1/signed" ]; then
			efi_entry "$efi_dir" "$efi_dir/guests/$1" "-s $efi_dir/guests/$1/config.dtb"
		else
			efi_entry "$efi_dir" "$efi_dir/guests/$1" "$(files_there "$efi_dir" "$1" "${#args[@]}")"
		fi
		printf 'elif [ %s ]; then\n' "$there"
	fi
	# shellcheck disable=SC2016 # GRUB expands it
	printf '\t%s\n' 'multiboot2 $veneer_dir/veneer.elf $veneer_check $veneer_own'
	set_screen "$3"
	printf '\tmodule2 --nounzip %s config\n' "$dir/config.dtb"
	! has_kernel "$1" || printf '\tmodule2 --nounzip %s kernel%s\n' "$dir/kernel" "$(grub_words "$2")"
	for i in "${!args[@]}"; do printf '\tmodule2 --nounzip %s/module%d%s\n' "$dir" "$i" "$(grub_words "${args[i]}")"; done
	printf 'else\n\techo "A file of %s is missing: it is not started."\n\tsleep 3\nfi\n' "$1"
}

write_entry() { # write_entry NAME
	local dir=$tree/guests/$1 cmdline
	cmdline=$(cat "$dir/cmdline")
	grub_can_pass "$cmdline" || cmdline=
	if [ -n "${opt[native]}" ]; then
		native_entry "$1" "$(cat "$dir/format")" "$cmdline" <"$dir/modules"
	else
		put_efi "$1"
		veneer_entry "$1" "$cmdline" "$(guest_screen "$dir")" <"$dir/modules"
	fi >"$dir/entry.cfg"
}

# --- putting it together ---

put_copy() { # put_copy FILE DEST
	local out
	out=$(cp -- "$1" "$2" 2>&1) || fail "$1: cannot be copied to $work: $out"
}

# True for device names, which DOS and its descendants do not accept as file names, with any extension: mcopy skips some of
# them.
is_device_name() {
	case ${1%%.*} in
	[Cc][Oo][Nn] | [Pp][Rr][Nn] | [Aa][Uu][Xx] | [Nn][Uu][Ll]) return 0 ;;
	[Cc][Oo][Mm][0-9] | [Ll][Pp][Tt][0-9]) return 0 ;;
	esac
	return 1
}

# A guest's name is the name of a directory, which may be on FAT.  FAT drops dots at the end, and GRUB would not find the name.
guest_name() {
	local name=${opt[name]}
	if [ -z "$name" ]; then
		name=$(basename -- "${opt[kernel]:-disk}" | tr -cd 'A-Za-z0-9_.+-')
		name=${name:0:60}
		name=${name#"${name%%[!.-]*}"}
		name=${name%"${name##*[!.]}"}
		name=${name:-kernel}
		! is_device_name "$name" || name=_${name:0:59}
	fi
	[[ $name =~ ^[A-Za-z0-9_+][A-Za-z0-9_.+-]{0,59}$ ]] ||
		die "--name $name: letters, digits and _ . + - only, at most 60, and neither . nor - first"
	[[ $name != *. ]] || die "--name $name: the last character must not be a dot: FAT drops it"
	! is_device_name "$name" || die "--name $name: FAT takes ${name%%.*} for a device"
	echo "$name"
}

# FAT ignores case in names.
one_spelling() { # one_spelling NAME
	local other
	other=$(guests "$tree" | grep -ixF -- "$1" | grep -vxF -m 1 -- "$1") || return 0
	die "--name $1: there is a guest $other; names have to differ in more than their case"
}

guests() { # the names of the guests in the slot's directory $1
	local dir
	for dir in "$1"/guests/*/; do
		[ ! -e "$dir/format" ] || basename -- "$dir"
	done
}

# Refuses files of 4 GiB and more: FAT cannot hold them, and GRUB loads below 4 GiB.
small_enough() { # small_enough OPTION FILE
	local size
	size=$(stat -Lc %s -- "$2") || fail "$1: $2: cannot be read"
	[ "$size" -le 4294967295 ] ||
		die "$1: $2: $size bytes; FAT holds no file of more than 4294967295 (4 GiB - 1), and GRUB loads none"
}

find_veneer() { # sets elf: the file of the hypervisor
	local place
	elf=${opt[veneer]}
	for place in "$here/../build/veneer.elf" "$here/../veneer.elf"; do
		[ -n "$elf" ] || [ ! -e "$place" ] || elf=$place
	done
	[ -n "$elf" ] || die "$here/../build/veneer.elf: no such file (build it by make, or use --veneer)"
	readable --veneer "$elf"
	small_enough --veneer "$elf"
	"$(grub_program file)" --is-x86-multiboot2 "$elf" || die "--veneer: $elf: not Veneer, but $(describe "$elf")"
}

put_veneer() {
	local elf
	find_veneer
	note "hypervisor: $elf"
	put_copy "$elf" "$tree/veneer.elf"
}

put_config() { # put_config GUEST-DIR
	local config=${opt[config]} place
	[ -n "$config" ] || [ ! -e "$1/config.dtb" ] || return 0
	for place in "$here/../configs/default.dts" "$here/../default.dts"; do
		[ -n "$config" ] || [ ! -e "$place" ] || config=$place
	done
	readable --config "$config"
	note "configuration: $config"
	compile_config "$config" "$work/config.dtb"
	cp -- "$work/config.dtb" "$1/config.dtb"
}

put_modules() { # put_modules GUEST-DIR
	local i
	collect_modules
	rm -f -- "$1"/module[0-9]*
	: >"$1/modules"
	for i in "${!module_files[@]}"; do
		put_copy "${module_files[i]}" "$1/module$i"
		echo "${module_args[i]}" >>"$1/modules"
	done
}

# A guest is a kernel or, if the configuration says so, a disk's own loader.
has_kernel() { [ "$(cat "$tree/guests/$1/format")" != disk ]; }

boots_disk() { # boots_disk BLOB
	[ "$(fdtget "$1" /guest veneer,boot 2>/dev/null)" = disk ]
}

# True if the system that is installed to starts by UEFI.  Another one than this is known by an ESP in its fstab, or by GRUB's
# modules for UEFI only.
system_has_uefi() {
	local dir
	[ ! -d "$root/boot/efi/EFI" ] || return 0
	if [ -z "$root" ]; then
		[ -d "$(efi_dir)" ]
		return
	fi
	! grep -qsE '^[^#[:space:]]+[[:space:]]+(/boot)?/efi/?[[:space:]]' "$root$(resolve /etc/fstab)" || return 0
	for dir in /boot/grub /boot/grub2; do
		dir=$root$(resolve $dir)
		if [ -d "$dir/x86_64-efi" ] && [ ! -d "$dir/i386-pc" ]; then return 0; fi
	done
	return 1
}

# Without an ESP the entry in a Linux's menu is one for a BIOS.
check_uefi() { # check_uefi NAME
	[ -z "$target$esp" ] && system_has_uefi || return 0
	local text="the guest $1 is a disk's own loader, which UEFI starts from the ESP, and there is none at /boot/efi, /efi \
or /boot of ${root:-this system}.  Mount the ESP"
	[ -n "${opt[force]}" ] || refuse "$text.  (--force installs an entry that starts the guest on a BIOS only.)"
	say "note: $text"
}

put_boot() { # put_boot NAME
	local dir=$tree/guests/$1
	if boots_disk "$dir/config.dtb"; then
		check_uefi "$1"
		[ -z "${opt[kernel]}" ] || say "note: by the configuration (veneer,boot) the guest is a disk's own" \
			"loader; --kernel is not used"
		rm -f -- "$dir/kernel"
		echo disk >"$dir/format"
	elif [ ! -e "$dir/kernel" ]; then
		die "--kernel is missing: only with veneer,boot = \"disk\" in the configuration is there no need of one"
	fi
}

# Makes a new guest, or changes an old guest as the options say.
put_guest() { # put_guest NAME
	local dir=$tree/guests/$1 old='' cmdline
	[ ! -e "$dir/cmdline" ] || old=$(cat "$dir/cmdline")
	mkdir -p "$dir"
	if [ -n "${opt[kernel]}" ]; then
		readable --kernel "${opt[kernel]}"
		small_enough --kernel "${opt[kernel]}"
		kernel_format "${opt[kernel]}" >"$dir/format"
		[ "$(number "${opt[kernel]}" 0 4)" != $((0x464c457f)) ] || check_segments "${opt[kernel]}"
		note "guest $1: ${opt[kernel]}: $(cat "$dir/format")"
		put_copy "${opt[kernel]}" "$dir/kernel"
	fi
	[ -z "${opt[screen]}" ] || echo "${opt[screen]}" >"$dir/screen"
	if [ ${#modules[@]} -gt 0 ] || [ ! -e "$dir/modules" ]; then put_modules "$dir"; fi
	cmdline=$old
	[ -z "${given[cmdline]}" ] || cmdline=${opt[cmdline]}
	check_cmdline "$cmdline"
	if [ -n "${opt[native]}" ]; then
		[ -e "$dir/kernel" ] || die "--kernel is missing (see --help)"
		printf '%s' "$cmdline" >"$dir/cmdline"
	else
		# A new configuration does not have the command line that was put into the old one.
		[ -z "${opt[config]}" ] || rm -f -- "$dir/cmdline"
		put_config "$dir"
		put_boot "$1"
		place_cmdline "$dir" "$cmdline"
	fi
	write_entry "$1"
}

# Writes the last two files: "info", and "manifest" with the check sums of all files.
finish_tree() {
	local elf=none
	[ ! -e "$tree/veneer.elf" ] || elf=$(sha256sum "$tree/veneer.elf" | cut -c 1-12)
	printf 'veneer %s\ninstalled %s\n' "$elf" "$(date -u '+%F %T')" >"$tree/info"
	(cd "$tree" && find . -type f ! -name manifest -print0 | LC_ALL=C sort -z | xargs -0 sha256sum --) >"$tree/manifest"
}

# Prints the bytes that the tree takes if files take whole blocks of 4 KiB.
tree_bytes() {
	local size sum=65536
	# The shell counts in 64 bits.  Some awks print 2 GiB and more as 2.14748e+09.
	find "$1" -printf '%s\n' | {
		while read -r size; do sum=$((sum + (size + 4095) / 4096 * 4096 + 4096)); done
		echo "$sum"
	}
}
