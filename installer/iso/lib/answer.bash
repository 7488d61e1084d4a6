# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-setup: the answer file.  Its lines KEY=VALUE are parsed, never executed; docs/installing.md has the keys.

# shellcheck disable=SC2034 # used by the other parts
declare -A answer=([ERASE]='' [DISK]='' [KERNEL]='' [CMDLINE]='' [CONFIG]='' [NAME]='' [DATA]=readonly [NVRAM]=last
	[HWCHECK]=must-fit [KEYMAP]='' [FINISH]=poweroff [ON_ERROR]=shell)
answer_modules=()
declare -A answer_line=()
answer_errors=0

answer_error() { # answer_error FILE LINE KEY MESSAGE...
	echo "$1: line $2: $3: ${*:4}" >&2
	answer_errors=$((answer_errors + 1))
}

# True for the name of a file on the answer file's volume.
good_path() {
	[[ $1 =~ ^[A-Za-z0-9_.,+=@%~/-]+$ && $1 != /* && $1 != */ && /$1/ != */../* ]]
}

one_of() { # one_of FILE LINE KEY VALUE WORD...
	local word
	for word in "${@:5}"; do [ "$4" != "$word" ] || return 0; done
	answer_error "$1" "$2" "$3" "'$4' is not one of: ${*:5}"
}

check_keymap() {
	local names
	read -r -a names <<<"$(keymap_names)"
	one_of "$@" "${names[@]}"
}

check_answer() { # check_answer FILE LINE KEY VALUE
	case $3 in
	ERASE) [ "$4" = yes ] || answer_error "$1" "$2" ERASE "'$4': only yes lets the disk be erased" ;;
	DISK)
		[[ $4 = only || $4 =~ ^serial:.{1,40}$ || $4 =~ ^/dev/[a-z0-9]+$ ||
			$4 =~ ^pci:[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$ ]] ||
			answer_error "$1" "$2" DISK "'$4' is none of: only, serial:S, pci:0000:00:00.0, /dev/NAME"
		;;
	KERNEL | CONFIG) good_path "$4" || answer_error "$1" "$2" "$3" "'$4': a path on this volume, without / at its \
beginning and without .. and spaces" ;;
	MODULE) good_path "${4%% *}" || answer_error "$1" "$2" MODULE "'$4': a path on this volume, without / at its \
beginning and without .., and what the guest gets as its command line" ;;
	CMDLINE) [ ${#4} -lt 1024 ] || answer_error "$1" "$2" CMDLINE "${#4} characters; at most 1023" ;;
	NAME) [[ $4 =~ ^[A-Za-z0-9_+][A-Za-z0-9_.+-]{0,59}$ ]] || answer_error "$1" "$2" NAME "'$4': letters, digits and \
_ . + - only, at most 60, and neither . nor - first" ;;
	DATA) one_of "$@" readonly writable ;;
	NVRAM) one_of "$@" last first no ;;
	KEYMAP) check_keymap "$@" ;;
	HWCHECK) one_of "$@" must-fit ignore ;;
	FINISH | ON_ERROR) one_of "$@" poweroff reboot shell ;;
	esac
}

take_answer() { # take_answer FILE LINE TEXT
	local key=${3%%=*} value=${3#*=}
	if [[ $3 != *=* || ! $key =~ ^[A-Za-z_]+$ ]]; then
		key=${key:0:20}
		answer_error "$1" "$2" "${key//[![:print:]]/?}" "not a line KEY=VALUE (no spaces around =)"
	elif [ -z "${answer[$key]+x}" ] && [ "$key" != MODULE ]; then
		answer_error "$1" "$2" "$key" \
			"there is no such key, but: MODULE $(printf '%s\n' "${!answer[@]}" | sort | tr '\n' ' ')"
	elif [ -n "${answer_line[$key]:-}" ] && [ "$key" != MODULE ]; then
		answer_error "$1" "$2" "$key" "again; it is in line ${answer_line[$key]}, too"
	elif [[ $value == *[![:print:]]* ]]; then
		answer_error "$1" "$2" "$key" "a character that cannot be printed (or not ASCII)"
	elif [ -z "$value" ] && [ "$key" != CMDLINE ]; then
		answer_error "$1" "$2" "$key" "empty"
	else
		answer_line[$key]=$2
		if [ "$key" = MODULE ]; then answer_modules+=("$value"); else answer[$key]=$value; fi
		check_answer "$1" "$2" "$key" "$value"
	fi
}

# Returns 2 if the file has errors, after a line for each.
read_answer() { # read_answer FILE
	local line number=0 key LC_ALL=C
	if [ ! -f "$1" ] || [ ! -r "$1" ]; then echo "$1: cannot be read" >&2; return 2; fi
	[ "$(stat -c %s -- "$1")" -le 65536 ] || { echo "$1: more than 64 KiB" >&2; return 2; }
	[ "$(tr -d '\0' <"$1" | wc -c)" = "$(stat -c %s -- "$1")" ] ||
		{ echo "$1: not a text, or one in UTF-16: save it as UTF-8 or ANSI" >&2; return 2; }
	while IFS= read -r line || [ -n "$line" ]; do
		number=$((number + 1))
		line=${line%$'\r'}
		# The byte order mark that Windows editors put before UTF-8.
		[ $number -gt 1 ] || line=${line#$'\xef\xbb\xbf'}
		[[ $line =~ ^[[:blank:]]*(#.*)?$ ]] || take_answer "$1" $number "$line"
	done <"$1"
	for key in ERASE DISK KERNEL; do
		[ -n "${answer_line[$key]:-}" ] || [ $answer_errors -gt 0 ] ||
			answer_error "$1" $number $key "missing from the file"
	done
	if [ "${answer[KERNEL]}" = none ] && [ $answer_errors = 0 ]; then
		number=${answer_line[KERNEL]}
		[ -n "${answer[CONFIG]}" ] || answer_error "$1" "$number" KERNEL "none, and no CONFIG: the guest is a disk's \
own loader by a configuration with veneer,boot = \"disk\" only"
		[ "${#answer_modules[@]}" = 0 ] && [ -z "${answer[CMDLINE]}" ] ||
			answer_error "$1" "$number" KERNEL "none, so there is nobody to take MODULE and CMDLINE"
	fi
	[ $answer_errors = 0 ] || return 2
}
