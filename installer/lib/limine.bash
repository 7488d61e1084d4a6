# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: take the kernel, the modules with their strings, and the command line from a configuration of the Limine boot
# loader (limine.conf, or limine.cfg from before 2024).  Everything else in the file is for Limine's menu.

# The settings of the current entry; [line KEY] has the numbers of their lines.
declare -A entry=()
entry_modules=() entry_strings=()
entry_name='' entry_path='' entry_line=0 limine_entries=0

bad_line() { # bad_line NUMBER MESSAGE
	die "${opt[limine]}:$1: $2"
}

# limine_root LINE PATH: prints the folder that boot() means: the file's, or the nearest folder above in which PATH exists.
limine_root() {
	local dir
	dir=$(dirname -- "$(realpath -- "${opt[limine]}")")
	while [ ! -e "$dir/$2" ]; do
		[ "$dir" != / ] || bad_line "$1" "/$2 is in no folder from that of the file upward"
		dir=$(dirname -- "$dir")
	done
	echo "$dir"
}

# limine_file LINE VALUE: sets file and path.  boot():/a/b is the new form, boot:///a/b the old one; a hash may follow.
limine_file() {
	local value=$2 resource
	[[ $value != \$* ]] || bad_line "$1" "$value: a compressed file; decompress it, Veneer does not"
	# shellcheck disable=SC1087 # no array
	if [[ $value =~ ^([a-z]+)\(([^\)]*)\):(/.*)$ ]]; then
		resource=${BASH_REMATCH[1]} path=${BASH_REMATCH[3]}
	elif [[ $value =~ ^([a-z]+)://([^/]*)(/.*)$ ]]; then
		resource=${BASH_REMATCH[1]} path=${BASH_REMATCH[3]}
	else
		bad_line "$1" "$value: expected boot():/path"
	fi
	[ "$resource" = boot ] && [ -z "${BASH_REMATCH[2]}" ] ||
		bad_line "$1" "$value: only files of the folder that boot() stands for can be found here"
	[[ ! $path =~ ^(.*)\#[0-9a-fA-F]{128}$ ]] || path=${BASH_REMATCH[1]}
	path=/${path##+(/)}
	file=$(limine_root "$1" "${path#/}")$path || exit $?
	[[ $file != *' '* && $path != *' '* ]] || bad_line "$1" "$file: a name with a space cannot be handed on"
}

# True if Limine shows the current entry on this architecture.
is_shown() {
	local arch=" ${entry[if_arch]:-x86-64} "
	[[ ${arch,,} = *' x86-64 '* ]]
}

# True if the current entry starts a kernel.
is_kernel_entry() {
	is_shown || return 1
	case ${entry[protocol]:-none} in
	limine | multiboot | multiboot1 | multiboot2 | linux) return 0 ;;
	*) return 1 ;;
	esac
}

use_entry() {
	local file path i string
	[ -n "${entry[path]:-}" ] || bad_line "$entry_line" "entry '$entry_name' names no kernel (path:)"
	limine_file "${entry[line path]}" "${entry[path]}"
	opt[kernel]=$file
	if [ -z "${given[cmdline]}" ]; then
		opt[cmdline]=${entry[cmdline]:-}
		given[cmdline]=y
	fi
	if [ -z "${opt[screen]}" ] &&
		[[ ${entry[resolution]:-} =~ ^([1-9][0-9]{1,4}x[1-9][0-9]{1,4})(x(8|15|16|24|32))?$ ]]; then
		opt[screen]=${BASH_REMATCH[1]}${BASH_REMATCH[2]:-x32}
	fi
	for i in "${!entry_modules[@]}"; do
		limine_file "${entry_modules[i]%% *}" "${entry_modules[i]#* }"
		string=${entry_strings[i]:-}
		modules+=("$file $path${string:+ $string}")
	done
	note "${opt[limine]}:$entry_line: entry '$entry_name': ${opt[kernel]}, ${#entry_modules[@]} modules"
}

# take_setting LINE KEY VALUE
take_setting() {
	local key=${2,,}
	case $key in
	kernel_path) key=path ;;
	kernel_cmdline) key=cmdline ;;
	module_cmdline) key=module_string ;;
	esac
	case $key in
	module_path) entry_modules+=("$1 $3") ;;
	module_string)
		[ ${#entry_modules[@]} -gt 0 ] || bad_line "$1" "$2 before the module_path that it belongs to"
		entry_strings[${#entry_modules[@]} - 1]=$3
		;;
	*)
		[ -n "${entry[$key]+x}" ] || entry[$key]=$3
		entry["line $key"]=${entry["line $key"]:-$1}
		;;
	esac
}

# ${NAME} in a value is a macro, if it was defined; ${ARCH} is Limine's own.
expand_macros() {
	local name before=''
	while [[ $value =~ \$\{([A-Za-z_][A-Za-z0-9_]*)\} ]]; do
		name=${BASH_REMATCH[1]}
		before+=${value%%"\${$name}"*}${macro[$name]-"\${$name}"}
		value=${value#*"\${$name}"}
	done
	value=$before$value
}

# True if the current entry is the default_entry: by its number among the entries shown, or by its path.
is_default() {
	case $default in
	'') return 1 ;;
	*[!0-9]*) [ "$default" = "$entry_path" ] ;;
	*) [ "$default" = "$shown" ] ;;
	esac
}

# Handles a line that begins an entry: the number of / or : is the depth in the tree, + opens the folder in Limine's menu.
begin_entry() { # begin_entry LINE
	local marks=${1%%[!/:]*}
	entry_name=${1#"$marks"} entry_name=${entry_name#+}
	entry_name=${entry_name##+([[:space:]])} entry_name=${entry_name%%+([[:space:]])}
	while [ ${#folders[@]} -ge ${#marks} ]; do
		unset 'folders[${#folders[@]}-1]'
	done
	folders+=("$entry_name")
	entry_path=$(IFS=/ && printf '%s' "${folders[*]}")
}

# Handles the end of an entry.  The default entry is used, else the first that starts a kernel; entries for any firmware first.
end_entry() {
	local rank=2
	[ "$limine_entries" -gt 0 ] || return 0
	if is_shown; then shown=$((shown + 1)); fi
	[ -z "${entry[if_fw_type]:-}" ] || rank=1
	if is_default; then rank=3; fi
	if is_kernel_entry && [ $rank -gt "$found" ]; then
		found=$rank
		best_name=$entry_name best_line=$entry_line
		best_modules=("${entry_modules[@]}") best_strings=()
		local key
		for key in "${!entry_strings[@]}"; do best_strings[key]=${entry_strings[key]}; done
		best=()
		for key in "${!entry[@]}"; do best[$key]=${entry[$key]}; done
	fi
	entry=() entry_modules=() entry_strings=()
}

read_limine() {
	local line number=0 key value found=0 shown=0 default='' default_line=0 best_name='' best_line=0
	local -a best_modules=() best_strings=() folders=()
	local -A best=() macro=([ARCH]=x86-64)
	shopt -s extglob
	[ -z "${opt[kernel]}" ] || die "--limine and --kernel: one of them (see --help)"
	readable --limine "${opt[limine]}"
	while IFS= read -r line || [ -n "$line" ]; do
		number=$((number + 1))
		line=${line%$'\r'} line=${line##+([[:space:]])}
		case $line in
		'' | '#'*) continue ;;
		/* | :*)
			end_entry
			limine_entries=$((limine_entries + 1)) entry_line=$number
			begin_entry "$line"
			;;
		*)
			if [[ $line =~ ^\$\{([A-Za-z_][A-Za-z0-9_]*)\}[[:space:]]*=[[:space:]]*(.*)$ ]]; then
				macro[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
				continue
			fi
			[[ $line =~ ^([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*[:=][[:space:]]*(.*)$ ]] ||
				bad_line $number "neither an entry (/Name), a setting (name: value) nor a comment (#): $line"
			key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]%%+([[:space:]])}
			expand_macros
			if [ "$limine_entries" = 0 ]; then
				[ "${key,,}" != default_entry ] || default=$value default_line=$number
			else
				take_setting $number "$key" "$value"
			fi
			;;
		esac
	done <"${opt[limine]}"
	end_entry
	[ "$found" -gt 0 ] || die "${opt[limine]}: none of its $limine_entries entries starts a kernel (protocol: limine)"
	if [ -n "$default" ] && [ "$found" != 3 ]; then
		[[ $default != *[!0-9]* ]] ||
			bad_line "$default_line" "default_entry: $default: no entry that starts a kernel has this path"
		say "${opt[limine]}:$default_line: entry $default starts no kernel; '$best_name' is taken"
	fi
	entry_name=$best_name entry_line=$best_line entry_modules=("${best_modules[@]}")
	for key in "${!best_strings[@]}"; do entry_strings[key]=${best_strings[key]}; done
	for key in "${!best[@]}"; do entry[$key]=${best[$key]}; done
	[ -z "${entry[if_fw_type]:-}" ] ||
		say "${opt[limine]}:${entry[line if_fw_type]}: entry '$entry_name' is for ${entry[if_fw_type]} only;" \
			"here any firmware starts it"
	use_entry
}
