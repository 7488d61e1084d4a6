# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: the part of upgrade, verify and list that works on a slot's files, on every kind of target.

# Prints the guest that the options select.
upgraded_guest() {
	local names
	names=$(guests "$tree")
	if [ -n "${opt[name]}" ]; then
		grep -qxF -- "${opt[name]}" <<<"$names" ||
			die "--name ${opt[name]}: there is no such guest, but: ${names//$'\n'/ }"
		echo "${opt[name]}"
		return
	fi
	[[ $names != *$'\n'* ]] || die "which guest? --name and one of: ${names//$'\n'/ }"
	echo "$names"
}

changes_guest() {
	[ -n "${opt[kernel]}${opt[limine]}${given[cmdline]}${opt[config]}${opt[screen]}" ] || [ ${#modules[@]} -gt 0 ]
}

# Makes the new version from the present one in $tree: with this program's GRUB commands, and only if the new hypervisor accepts
# the old configuration.
upgrade_tree() {
	local name all
	if [ -e "$tree/veneer.elf" ]; then
		put_veneer
	else
		[ -z "${opt[veneer]}${opt[config]}" ] ||
			die "what is installed is a kernel without Veneer (--native): no --veneer and --config"
		opt[native]=y
	fi
	if changes_guest || [ -n "${opt[name]}" ]; then
		name=$(upgraded_guest)
		put_guest "$name"
	fi
	all=$(guests "$tree")
	for name in $all; do
		[ -n "${opt[native]}" ] || check_config "guest $name: its configuration" "$tree/guests/$name/config.dtb"
		write_entry "$name"
	done
}

differences=0
differs() {
	say "$*"
	differences=$((differences + 1))
}

verify_tree() { # verify_tree DIRECTORY WHAT
	local line
	if [ ! -s "$1/manifest" ]; then
		differs "$2: the manifest is missing"
		return
	fi
	while read -r line; do
		differs "$2: ${line#./}"
	done < <(cd "$1" && LC_ALL=C sha256sum --check --quiet manifest 2>/dev/null || true)
	while read -r line; do
		differs "$2: $line: a file that was not installed"
	done < <(cd "$1" && find . -type f ! -name manifest -printf '%P\n' | LC_ALL=C sort |
		comm -23 - <(sed 's/^[0-9a-f]*  \.\///' manifest | LC_ALL=C sort))
}

# Checks that the files to take over, or to start again, have not changed since their installation.
check_old() { # check_old DIRECTORY WHAT [FURTHER-CHECK...]
	verify_tree "$1" "$2"
	"${@:3}"
	[ "$differences" = 0 ] || [ -n "${opt[force]}" ] ||
		leave $EX_VERIFY "${target:-${root:-/}}: $2 is not as it was installed; nothing was changed (--force takes it" \
			"as it is)"
}

verify_end() { # verify_end WHAT
	[ "$differences" = 0 ] || leave $EX_VERIFY "$1: $differences differences"
	say "$1: as installed"
}

list_tree() { # list_tree SLOT DIRECTORY
	local name dir
	if [ "$1" = "$slot" ]; then printf 'slot %s: starts' "$1"; else printf 'slot %s: previous version' "$1"; fi
	printf ', Veneer %s, installed %s\n' "$(sed -n 's/^veneer //p' "$2/info" 2>/dev/null)" \
		"$(sed -n 's/^installed //p' "$2/info" 2>/dev/null)"
	for name in $(guests "$2"); do
		dir=$2/guests/$name
		[ ! -e "$dir/signed" ] || printf '  guest %s: signed for UEFI\n' "$name"
		if [ ! -e "$dir/kernel" ]; then
			printf '  guest %s: the loader of a disk\n' "$name"
			continue
		fi
		printf '  guest %s: %s, %d bytes, %d modules, command line "%s"\n' "$name" "$(cat "$dir/format")" \
			"$(stat -c %s "$dir/kernel")" "$(wc -l <"$dir/modules")" "$(cat "$dir/cmdline")"
	done
}
