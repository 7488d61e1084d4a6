# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: Veneer in a distribution's own boot menu: system, and upgrade, rollback, uninstall, verify, list of that.
#
#   /boot/veneer/{a,b}     the two slots     /boot/veneer/state     which one starts
#   /boot/veneer/saved     for uninstall: the old grub.cfg and /etc/default/veneer, check sums of the new ones and of the
#                          script, and the names of files that did not exist
#   /etc/grub.d/42_veneer  /etc/default/veneer

readonly SCRIPT=/etc/grub.d/42_veneer DEFAULTS=/etc/default/veneer

# --- the distribution ---

os_release() { # os_release KEY
	sed -n "s/^$1=//p" "$root$(resolve /etc/os-release)" 2>/dev/null | tr -d "\"'" | head -n 1
}

grub_package() {
	case " $(os_release ID) $(os_release ID_LIKE) " in
	*" debian "*) echo "grub2-common with grub-pc or grub-efi-amd64" ;;
	*" fedora "* | *" rhel "*) echo "grub2-tools with grub2-pc or grub2-efi-x64, and grub2-efi-x64-modules" ;;
	*" arch "*) echo "grub" ;;
	*" alpine "*) echo "grub with grub-bios or grub-efi" ;;
	*) echo "GRUB 2" ;;
	esac
}

other_loader() {
	local place
	for place in boot/extlinux.conf:extlinux boot/syslinux/syslinux.cfg:syslinux boot/loader/loader.conf:systemd-boot \
		efi/loader/loader.conf:systemd-boot boot/efi/loader/loader.conf:systemd-boot boot/refind_linux.conf:rEFInd \
		boot/limine.conf:Limine; do
		[ ! -e "$root/${place%%:*}" ] || echo "; there is ${place##*:} (${place%%:*})"
	done | head -n 1
}

# Resolves PATH in the system at $root: follows links as that system does, never out of $root.
resolve() { # resolve PATH: prints a path from inside, without links
	local left=$1 path='' part link hops=0
	while [ -n "$left" ]; do
		left=${left#"${left%%[!/]*}"}
		part=${left%%/*}
		left=${left#"$part"}
		case $part in
		'' | .) continue ;;
		..) path=${path%/*}; continue ;;
		esac
		if [ -L "$root$path/$part" ]; then
			hops=$((hops + 1))
			[ $hops -le 40 ] || fail "$root$1: too many links"
			link=$(readlink -- "$root$path/$part")
			[[ $link != /* ]] || path=
			left=$link$left
		else
			path+=/$part
		fi
	done
	printf '%s' "${path:-/}"
}

# Prints the path of a program of the target system, as seen in that system.
inside() { # inside NAME...
	local name dir
	for name in "$@"; do
		for dir in /usr/sbin /usr/bin /sbin /bin /usr/local/sbin; do
			if [ -x "$root$(resolve "$dir/$name")" ]; then
				echo "$dir/$name"
				return
			fi
		done
	done
}

# With UEFI, older Fedora and RHEL have the real grub.cfg on the ESP; newer ones have three lines there that lead to
# /boot/grub2, and must keep these.
find_grub_cfg() {
	local file vendor
	for file in /boot/grub2/grub.cfg /boot/grub/grub.cfg; do
		file=$(resolve $file)
		[ ! -f "$root$file" ] || { grub_cfg=$file; break; }
	done
	[ -z "$grub_cfg" ] || [ -e "$root$(resolve /etc/grub2-efi.cfg)" ] || return 0
	for vendor in fedora redhat centos rocky almalinux; do
		file=$(resolve "/boot/efi/EFI/$vendor/grub.cfg")
		if [ -f "$root$file" ] && ! grep -q '^configfile' "$root$file"; then
			grub_cfg=$file
			return
		fi
	done
}

# Sets mkconfig, script_check and grub_cfg, paths in the target system.
detect_layout() {
	if [ ! -d "$root/etc" ] || [ ! -d "$root/boot" ]; then
		die "--root ${root:-/}: not a system: no /etc or no /boot in it"
	fi
	mkconfig=$(inside grub-mkconfig grub2-mkconfig)
	script_check=$(inside grub-script-check grub2-script-check)
	grub_cfg=
	find_grub_cfg
	[ -n "$mkconfig" ] && [ -n "$script_check" ] || leave $EX_TOOL \
		"${root:-/} has no grub-mkconfig$(other_loader).  Install $(grub_package), or use 'veneer-install disk'"
	[ -n "$grub_cfg" ] || die "${root:-/} has GRUB's tools, but no grub.cfg in /boot/grub or /boot/grub2$(other_loader)"
	[ -d "${script_file%/*}" ] || die "${script_file%/*}: no such directory"
	[ -n "${opt[dry-run]}" ] || can_write
	note "$(os_release ID): $mkconfig, $grub_cfg"
}

can_write() {
	local dir
	for dir in "$boot" "$(dirname -- "$root$grub_cfg")" "${script_file%/*}" "${defaults_file%/*}"; do
		[ ! -d "$dir" ] || [ -w "$dir" ] || fail "$dir: cannot be written (is it mounted read-only?)"
	done
}

# Runs a program of the target system.  The mounts are in a namespace of their own, and end with the program.
in_root() {
	if [ "$root" = / ] || [ -z "$root" ]; then
		"$@"
		return
	fi
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --propagation private sh -c 'root=$1; shift
		for dir in dev proc sys; do [ ! -d "$root/$dir" ] || mount --rbind "/$dir" "$root/$dir"; done
		PATH=/usr/sbin:/usr/bin:/sbin:/bin exec chroot "$root" "$@"' sh "$root" "$@"
}

# --- grub.cfg ---

sum_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# The distribution's program would overwrite the old file while it runs.  So its output goes to a file beside, is checked, and
# takes the old file's place by rename().
make_grub_cfg() { # make_grub_cfg [WITHOUT]
	local file new out
	file=$root$grub_cfg
	new=$grub_cfg.veneer
	sweep
	partial=$root$new
	note "running $mkconfig -o $new"
	out=$(in_root "$mkconfig" -o "$new" 2>&1) || fail "$mkconfig failed:"$'\n'"$out"
	note "$out"
	out=$(in_root "$script_check" "$new" 2>&1) || fail "$script_check finds fault with what $mkconfig made:"$'\n'"$out"
	[ -n "${1:-}" ] || grep -q "^menuentry 'Veneer: " "$root$new" || fail "$mkconfig left out $SCRIPT"
	# From here on the menu leads to the installed files, which must stay.
	undo=
	finish
	chown --reference="$file" -- "$root$new" 2>/dev/null || true
	chmod --reference="$file" -- "$root$new"
	replace_file "$root$new" "$file"
	partial=
}

# NEW takes the place of OLD.  GRUB may meet any part of a file system's changes: NEW is in place before a directory leads to
# it, and OLD is kept by a second name until no directory leads to it.  FAT has no second names, but there a file that is open
# keeps its clusters, and the one sector of the directory that has OLD's entry has the old file or the new one.
replace_file() { # replace_file NEW OLD
	local dir fd
	dir=$(dirname -- "$2")
	sync -- "$1"
	settle "$dir"
	ln -f -- "$2" "$2.veneer.old" 2>/dev/null || true
	exec {fd}<"$2"
	mv -fT -- "$1" "$2"
	settle "$dir"
	exec {fd}<&-
	rm -f -- "$2.veneer.old"
}

# Removes temporary files that a killed run may have left.
sweep() {
	rm -f -- "$root$grub_cfg".veneer* "${defaults_file%/*}"/.veneer.?????? "${script_file%/*}"/.veneer.?????? \
		"$veneer"/.veneer.?????? "$veneer"/saved/.veneer.??????
}

# Makes a file that gets its name only when it is complete, with the owner of the file that it replaces.  The temporary name
# begins with a dot, so that grub-mkconfig does not run the file.
put_file() { # put_file SOURCE DEST MODE
	local dir new
	dir=$(dirname -- "$2")
	# Record the name before the file exists, so that cleanup() removes the file after a signal.
	new=$dir/.veneer.$(printf %06d $(($$ % 1000000)))
	partial=$new
	rm -f -- "$new" || fail "$dir: cannot be written"
	cat -- "$1" >"$new" || fail "$2: cannot be written"
	note "writing $2"
	[ ! -e "$2" ] || chown --reference="$2" -- "$new" 2>/dev/null || true
	chmod "$3" -- "$new"
	sync -- "$new"
	mv -fT -- "$new" "$2"
	partial=
	sync -- "$dir"
}

# --- slots ---

# GRUB does not read a file system's journal: after a power cut, data that are only in the journal do not exist for GRUB.  Ext4
# has a call that moves everything out of the journal (0x4004662b, EXT4_IOC_CHECKPOINT, Linux 5.15).  Other file systems are
# frozen for a moment, which has the same effect; a second process, which gets no signals, thaws the file system even if the
# first is killed.  FAT has neither, and syncing FAT does not flush the drive's cache: fsync() of a directory does.
settle() { # settle DIRECTORY
	sync -f "$1"
	sync -- "$1"
	perl -MPOSIX -e '$SIG{$_} = "IGNORE" for qw(INT TERM HUP PIPE);
		open(F, "<", $ARGV[0]) && pipe(R, W) or exit 1;
		exit 0 if ioctl(F, 0x4004662b, $flags = pack("L", 0));
		defined($pid = fork) or exit 1;
		if (!$pid) { setsid; close W; sysread(R, $_, 1); exit !ioctl(F, 0xC0045878, 0) }
		$frozen = ioctl(F, 0xC0045877, 0);
		close W; waitpid($pid, 0);
		ioctl(F, 0xC0045878, 0) if $frozen && $?;
		exit !$frozen' "$1" 2>/dev/null ||
		note "$1: this file system cannot be frozen; it was only synchronized"
}

put_slot() { # put_slot SLOT
	local dir=$veneer/$1 file done=0 total_bytes
	rm -rf -- "$dir"
	mkdir -p -- "$dir"
	total_bytes=$(du -sb "$tree" | cut -f 1)
	(cd "$tree" && find . -mindepth 1 -type d -printf '%P\n') | while read -r file; do mkdir -p -- "$dir/$file"; done
	while read -r file; do
		note "writing $dir/$file"
		cat -- "$tree/$file" >"$dir/$file" || fail "$dir/$file: cannot be written"
		done=$((done + $(stat -c %s -- "$tree/$file")))
		progress $done "$total_bytes" writing
	done < <(cd "$tree" && find . -type f -printf '%P\n' | LC_ALL=C sort)
	settle "$veneer"
	(cd "$dir" && sha256sum --check --quiet --strict manifest >/dev/null 2>&1) ||
		fail "$dir: what was read back differs from what was written"
}

check_room() { # check_room [SLOT]
	local free need
	need=$(tree_bytes "$tree")
	free=$(($(stat -f -c '%a * %S' "$boot")))
	# Count the room of the slot that is overwritten.
	[ -z "${1:-}" ] || [ ! -d "$veneer/$1" ] || free=$((free + $(du -s -B 1 -- "$veneer/$1" | cut -f 1)))
	[ "$free" -gt "$need" ] || die "$boot: $((free >> 20)) MiB are free, $(((need >> 20) + 1)) MiB are needed"
}

open_system() {
	root=$(realpath -e -- "${opt[root]}" 2>/dev/null) || die "--root ${opt[root]}: no such directory"
	[ "$root" != / ] || root=
	boot=$root$(resolve /boot)
	veneer=$boot/veneer
	script_file=$root$(resolve $SCRIPT)
	defaults_file=$root$(resolve $DEFAULTS)
	find_esp
	[ -d "$boot" ] || die "--root ${root:-/}: not a system: no /boot in it"
	case $mode in
	list | verify) ;;
	*) [ "$(id -u)" = 0 ] || [ -n "${opt[dry-run]}" ] || die "a system is changed by root only" ;;
	esac
	lock "$boot"
	make_work
	find_esp_owner
}

need_system_tools() {
	need_tools "$(grub_program file)" cpp dtc fdtget fdtput od cmp flock dd perl unshare sha256sum
}

# "saved" keeps the check sum of a FILE that was installed; these functions store it, and check whether FILE has changed.
note_sum() { # note_sum FILE NAME
	sum_of "$1" >"$work/sum"
	put_file "$work/sum" "$veneer/saved/$2" 644
}

is_as_noted() { # is_as_noted FILE NAME
	grep -qxF "$(sum_of "$1")" "$veneer/saved/$2" 2>/dev/null
}

# True if this file or directory did not exist before the installation.
was_made() { grep -qx "$1" "$veneer/saved/made" 2>/dev/null; }

# True if there is an installation: a complete one has its state; a killed run may have left other files.
is_installed() { [ -s "$veneer/state" ]; }

# Prints the files in /boot/veneer that are not this program's.
foreign_files() {
	if [ -L "$veneer" ] || { [ -e "$veneer" ] && [ ! -d "$veneer" ]; }; then
		echo "$veneer"
	elif [ -d "$veneer" ]; then
		find "$veneer" -mindepth 1 -maxdepth 1 ! -name '[ab]' ! -name saved ! -name state ! -name '.veneer.??????' |
			LC_ALL=C sort
	fi
}

is_our_script() { grep -q 'Installed by veneer-install' "$script_file"; }

# Never removes a directory or link of this name that somebody else has made.
check_place() {
	local foreign
	foreign=$(foreign_files)
	[ -z "$foreign" ] || refuse "$veneer exists and is not of this program (${foreign//$'\n'/, }); move it away first"
	[ ! -e "$script_file" ] || is_our_script ||
		refuse "$script_file exists and is not of this program; move it away first"
}

not_installed() { die "${root:-/}: Veneer is not installed there${1:-}"; }

need_installed() {
	local begun=''
	[ ! -d "$veneer" ] || { [ -r "$veneer" ] && [ -x "$veneer" ]; } || die "$veneer: no permission to read (root?)"
	[ ! -e "$veneer" ] || [ -n "$(foreign_files)" ] ||
		begun=" (an installation was begun and not ended; 'uninstall' removes what is left)"
	is_installed || not_installed "$begun"
	state_read "$veneer/state" || say "note: $veneer/state is damaged; GRUB starts slot $slot"
}

# --- system ---

check_secure_boot() {
	check_sign
	[ -z "${opt[sign]}" ] || say "note: with Secure Boot the firmware starts it if ${opt[cert]} is in its db, or in" \
		"shim's list of keys (MOK; docs/installing.md says how)"
	[ -z "$root" ] && [ -z "${opt[sign]}" ] && secure_boot || return 0
	[ -n "${opt[force]}" ] || refuse "$SECURE_BOOT_TEXT.  (--force installs all the same.)"
	say "note: $SECURE_BOOT_TEXT"
}

check_grub_modules() {
	local place
	for place in /boot/grub /boot/grub2 /usr/lib/grub /usr/lib/grub2; do
		for place in "$root$place"/*/multiboot2.mod; do [ ! -e "$place" ] || return 0; done
	done
	say "note: multiboot2.mod is nowhere in $root/boot and $root/usr/lib/grub; if GRUB says that it does not know the" \
		"command, install $(grub_package)"
}

# Refuses a menu written by hand, which the distribution's program would replace.
check_menu_is_made() {
	local cfg=$root$grub_cfg
	if [ ! -s "$cfg" ] || grep -q -e '^### BEGIN /etc/grub.d/' -e 'generated by grub2*-mkconfig' "$cfg"; then return; fi
	[ -n "${opt[force]}" ] || refuse "$cfg was not made by grub-mkconfig, which would replace it, with all of its" \
		"entries.  --force has that done ('uninstall' brings the old one back).  Or write an entry of your own:" \
		"docs/installing.md"
}

first_system() {
	local file name
	[ -n "${opt[kernel]}${opt[config]}" ] || die "--kernel is missing: the first installation needs a guest"
	check_place
	check_menu_is_made
	name=$(guest_name)
	put_guest "$name"
	put_veneer
	pick_default
	finish_tree
	check_room
	check_esp
	need_boot_list
	[ -z "${opt[dry-run]}" ] || return 0
	# Remove what a killed run left here and elsewhere.
	undo_first
	undo=undo_first
	at_stake="what was begun is taken back"
	mkdir -p -- "$veneer/saved"
	cp -p -- "$root$grub_cfg" "$veneer/saved/grub.cfg"
	for file in /etc/default $DEFAULTS; do
		[ -e "$root$(resolve $file)" ] || echo $file >>"$veneer/saved/made"
	done
	[ ! -e "$defaults_file" ] || cp -p -- "$defaults_file" "$veneer/saved/default"
	put_slot a
	put_esp a
	[ -d "${defaults_file%/*}" ] || mkdir -m 755 -- "${defaults_file%/*}"
	[ -e "$defaults_file" ] || put_file "$here/veneer.default" "$defaults_file" 644
	put_script
	seq=0
	state_text a '' 1 >"$work/state"
	put_file "$work/state" "$veneer/state" 644
	slot=a previous=
}

# After an interruption before grub.cfg was written: undo everything.
undo_first() {
	rm -f -- "$veneer/state" "$script_file"
	restore_default
	forget_made
	drop_esp
	rm -rf -- "$veneer"
}

forget_made() {
	! was_made $DEFAULTS || rm -f -- "$defaults_file"
	! was_made /etc/default || rmdir -- "${defaults_file%/*}" 2>/dev/null || true
}

# Restores the old /etc/default/veneer, unless somebody else has changed the file since.
restore_default() {
	local saved=$veneer/saved/default
	[ -e "$saved" ] && [ -e "$defaults_file" ] && is_as_noted "$defaults_file" default.sum || return 0
	put_file "$saved" "$defaults_file" "$(stat -c %a -- "$saved")"
	chown --reference="$saved" -- "$defaults_file"
}

# Writes a new version beside the old one, then switches to it.
next_system() {
	finish_tree
	check_room "$other"
	check_esp "$other"
	need_boot_list
	[ -z "${opt[dry-run]}" ] || return 0
	state_write "$veneer/state" 0 "$slot" ''
	# A run that was killed may have left an entry that leads to the slot to be written.
	lead_entries "$slot"
	put_slot "$other"
	put_esp "$other"
	old_slot=$slot
	undo=undo_next
	state_write "$veneer/state" 0 "$other" "$slot"
	at_stake="slot $old_slot starts, as before"
	settle "$veneer"
}

# After an interruption or failure before grub.cfg was written: the old version starts; the version before that is lost.
undo_next() {
	[ ! -e "$work/default.old" ] || put_file "$work/default.old" "$defaults_file" "$(stat -c %a -- "$work/default.old")"
	state_write "$veneer/state" 0 "$old_slot" ''
	settle "$veneer"
}

more_system() {
	local name
	state_read "$veneer/state" || true
	need_esp "$slot" "$other"
	cp -R -- "$veneer/$slot" "$tree" || fail "$veneer/$slot: cannot be copied"
	if [ -n "${opt[remove]}" ]; then
		grep -qxF -- "${opt[remove]}" <<<"$(guests "$tree")" || die "--remove ${opt[remove]}: there is no such guest"
		[ "$(guests "$tree" | wc -l)" -gt 1 ] || die "--remove ${opt[remove]}: it is the only guest; use 'uninstall'"
		rm -rf -- "$tree/guests/${opt[remove]}"
	elif [ -n "${opt[kernel]}${opt[config]}" ]; then
		name=$(guest_name)
		one_spelling "$name"
		[ -n "${opt[kernel]}" ] || [ ! -e "$tree/guests/$name" ] ||
			die "--kernel is missing (to change a guest use 'upgrade')"
		[ ! -e "$tree/guests/$name" ] || say "note: there is a guest $name: it gets this kernel, and keeps what no" \
			"option changes; with --name this one would be a further guest"
		put_guest "$name"
	elif changes_guest; then
		die "--kernel is missing (to change a guest use 'upgrade')"
	fi
	if [ -n "${opt[veneer]}" ]; then
		put_veneer
		for name in $(guests "$tree"); do write_entry "$name"; done
	fi
	pick_default
	next_system
}

# Sets new_default: the new default in /etc/default/veneer, or "keep".
pick_default() {
	new_default=keep
	if [ -n "${opt[default]}" ]; then
		new_default=${opt[name]}
		[ -z "${opt[kernel]}${opt[config]}" ] || new_default=$(guest_name)
		[ -n "$new_default" ] || new_default=$(guests "$tree" | sed -n 1p)
		grep -qxF -- "$new_default" <<<"$(guests "$tree")" || die "--default: there is no guest $new_default"
	elif [ -n "${opt[remove]}" ] && [ "$(default_guest)" = "${opt[remove]}" ]; then
		say "note: ${opt[remove]} was the default entry; the default is what it is without Veneer"
		new_default=
	fi
}

default_guest() {
	sed -n 's/^VENEER_DEFAULT=//p' "$defaults_file" 2>/dev/null | tail -n 1 | tr -d "\"'"
}

set_default() {
	[ "$new_default" != keep ] || return 0
	{ grep -v '^VENEER_DEFAULT=' "$defaults_file" || true; echo "VENEER_DEFAULT=$new_default"; } >"$work/default"
	cp -p -- "$defaults_file" "$work/default.old"
	note_sum "$work/default" default.sum
	put_file "$work/default" "$defaults_file" "$(stat -c %a -- "$defaults_file")"
}

system_done() { # system_done [OLD-SLOT-DIR]: guests that it has not are new
	make_grub_cfg
	note_sum "$root$grub_cfg" sum
	settle "$veneer"
	# shellcheck disable=SC2046 # names without spaces
	lead_entries "$slot" $(new_efi_guests "$veneer/$slot" "${1:-/nothing}")
}

cmd_system() {
	need_system_tools
	open_system
	detect_layout
	check_secure_boot
	check_grub_modules
	if is_installed; then
		more_system
	else
		[ -z "${opt[remove]}" ] || die "--remove ${opt[remove]}: Veneer is not installed in ${root:-/}"
		mkdir -p "$tree"
		first_system
	fi
	if [ -n "${opt[dry-run]}" ]; then
		system_plan
		return
	fi
	set_default
	system_done ${old_slot:+"$veneer/$old_slot"}
	say "${root:-/}: installed in slot $slot; the menu has: $(guests "$veneer/$slot" | tr '\n' ' ')"
}

system_plan() {
	printf 'would put these files into %s:\n' "$veneer"
	(cd "$tree" && find . -type f -printf '  %P, %s bytes\n' | LC_ALL=C sort)
	printf 'would write %s, %s, and %s by %s\n' "$SCRIPT" "$DEFAULTS" "$grub_cfg" "$mkconfig"
	[ -z "$(esp_files "$tree")" ] || printf 'would put %s into %s\n' "$(esp_files "$tree" | tr '\n' ' ')" "$esp/$ESP_DIR"
	[ "${new_default:-keep}" = keep ] || printf 'would make %s the default entry\n' "$new_default"
}

# --- upgrade, rollback ---

system_upgrade() {
	need_system_tools
	open_system
	need_installed
	detect_layout
	need_esp "$slot" "$other"
	check_secure_boot
	cp -R -- "$veneer/$slot" "$tree" || fail "$veneer/$slot: cannot be copied"
	check_old "$tree" "slot $slot"
	upgrade_tree
	next_system
	if [ -n "${opt[dry-run]}" ]; then
		system_plan
		return
	fi
	put_script
	system_done "$veneer/$old_slot"
	say "${root:-/}: the new version is in slot $slot; the old one is the previous version in the menu"
}

# Installs this version's script, unless the administrator has changed the installed one.
put_script() {
	if [ -e "$script_file" ] && [ -e "$veneer/saved/script.sum" ] && ! is_as_noted "$script_file" script.sum; then
		cmp -s "$here/42_veneer" "$script_file" ||
			say "note: $script_file was changed here, and stays as it is; without it there would be this version's"
		return
	fi
	cmp -s "$here/42_veneer" "$script_file" || put_file "$here/42_veneer" "$script_file" 755
	note_sum "$script_file" script.sum
}

system_rollback() {
	need_system_tools
	open_system
	need_installed
	detect_layout
	[ -n "$previous" ] || die "${root:-/}: there is no previous version"
	need_esp "$previous" "$slot"
	check_old "$veneer/$previous" "slot $previous" verify_esp "$previous"
	if [ -n "${opt[dry-run]}" ]; then
		printf 'would let slot %s start again, and make %s by %s\n' "$previous" "$grub_cfg" "$mkconfig"
		return
	fi
	state_write "$veneer/state" 0 "$other" "$slot"
	settle "$veneer"
	system_done "$veneer/$slot"
	say "${root:-/}: slot $slot starts again"
}

# --- uninstall ---

# Restores the old grub.cfg if nobody has renewed it since; else lets the distribution renew it, without Veneer.
restore_grub_cfg() {
	local file saved=$veneer/saved/grub.cfg
	file=$root$grub_cfg
	if [ -e "$saved" ] && grep -qxF "$(sum_of "$file")" "$veneer/saved/sum" <(sum_of "$saved") 2>/dev/null; then
		partial=$file.veneer
		cp -p -- "$saved" "$partial" || fail "$partial: cannot be written"
		finish
		replace_file "$partial" "$file"
		partial=
	elif grep -q "BEGIN $SCRIPT" "$file"; then
		make_grub_cfg without
	fi
}

undo_uninstall() {
	[ ! -e "$work/script" ] || put_file "$work/script" "$script_file" "$(stat -c %a -- "$work/script")"
}

system_uninstall() {
	local foreign
	need_tools flock perl unshare
	open_system
	if ! is_installed; then
		if [ -e "$veneer" ] || [ -e "$script_file" ]; then check_place; else not_installed; fi
	fi
	detect_layout
	if [ -n "${opt[dry-run]}" ]; then
		printf 'would remove %s, %s and %s, and restore %s\n' "$SCRIPT" "$DEFAULTS" /boot/veneer "$grub_cfg"
		[ -z "$esp" ] || [ -n "$esp_other" ] || [ ! -d "$esp/$ESP_DIR" ] || printf 'would remove %s\n' "$esp/$ESP_DIR"
		return
	fi
	sweep
	# The menu first: while it has Veneer's entries, their files must exist.
	[ ! -e "$script_file" ] || cp -p -- "$script_file" "$work/script"
	undo=undo_uninstall
	at_stake="it is still installed"
	rm -f -- "$script_file"
	restore_grub_cfg
	undo=
	finish
	settle "$boot"
	note_esp_left
	drop_entries
	drop_esp
	rm -rf -- "$veneer/state" "$veneer/a" "$veneer/b"
	restore_default
	forget_made
	rm -rf -- "$veneer/saved" "$veneer"/.veneer.??????
	foreign=$(foreign_files)
	if [ -n "$foreign" ]; then
		say "note: not of this program, and left: ${foreign//$'\n'/, }"
	elif [ -d "$veneer" ]; then
		rmdir -- "$veneer"
	fi
	sync -f "$boot"
	[ -n "$root" ] || drop_copies
	say "${root:-/}: uninstalled"
}

# --- verify and list ---

system_verify() {
	need_tools flock sha256sum comm
	open_system
	need_installed
	state_read "$veneer/state" || differs "$veneer/state is damaged"
	verify_tree "$veneer/$slot" "slot $slot"
	verify_esp "$slot"
	[ -z "$previous" ] || { verify_tree "$veneer/$previous" "slot $previous"; verify_esp "$previous"; }
	cmp -s "$here/42_veneer" "$script_file" || differs "$SCRIPT is missing or not of this version"
	[ -x "$script_file" ] || differs "$SCRIPT cannot be executed"
	grub_cfg=
	find_grub_cfg
	[ -n "$grub_cfg" ] && grep -q "BEGIN $SCRIPT" "$root$grub_cfg" || differs "grub.cfg has no entries of Veneer"
	verify_end "${root:-/}"
}

system_list() {
	local which
	need_tools flock
	open_system
	need_installed
	for which in "$slot" $previous; do list_tree "$which" "$veneer/$which"; done
}
