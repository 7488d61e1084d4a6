# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-setup: makes veneer-install's command line from the user's choices.

# The choices, by hand or from an answer file.
disk='' disk_was='' kernel='' cmdline='' config='' guest_name='' data=readonly nvram=last
modules=()

DEMO=$here/../../hobby-os.elf
DEFAULT_CONFIG=$here/../../default.dts

# Prints a rule that gives the guest only the data partition of the new disk, writable.
data_config() { # data_config SERIAL OUT
	sed '/veneer,default = /a\
		installed {\
			veneer,serial = "'"$1"'";\
			veneer,partition = "PARTLABEL=veneer-data";\
			veneer,writable;\
		};' "$DEFAULT_CONFIG" >"$2"
}

# Sets install_args, or prints an error and returns 2.
make_install_args() {
	local module why own=$work/config.dts
	install_args=(disk "/dev/$disk" --name "${guest_name:-demo}")
	# Without a kernel the guest is a disk's own loader.
	[ -z "$kernel" ] || install_args+=(--kernel "$kernel" --cmdline "$cmdline")
	for module in ${modules[@]+"${modules[@]}"}; do install_args+=(--module "$module"); done
	if [ "$data" = writable ]; then
		if [ -n "$config" ]; then
			echo "a configuration and a writable data partition: the configuration has to say it" >&2
			return 2
		fi
		why=$(why_no_data "$disk")
		[ -z "$why" ] ||
			{ echo "the data partition of /dev/$disk cannot be the guest's disk: $why" >&2; return 2; }
		data_config "$(disk_serial "$disk")" "$own"
		install_args+=(--config "$own")
	elif [ -n "$config" ]; then
		install_args+=(--config "$config")
	fi
	case $nvram in
	first) install_args+=(--default) ;;
	no) install_args+=(--no-nvram) ;;
	esac
}

# Does everything but the writing: errors are printed before the disk changes.
try_install() {
	make_install_args && veneer-install "${install_args[@]}" --dry-run
}

# True if the disk is still the chosen one.
same_disk() {
	[ "$(disk_identity "$disk")" = "$disk_was" ] && return
	echo "/dev/$disk is no longer the disk that was chosen: it was taken away, or another has its name now"
	return 1
}

run_install() { veneer-install "${install_args[@]}" --yes --progress; }

# Returns the status of the hardware check: if the machine does not fit, Veneer would start nothing.
hardware() { # hardware OUT
	local status=0
	veneer-hwcheck >"$1" 2>&1 || status=$?
	return $status
}

# --- without asking ---

stage=none
unattended_fail() { # unattended_fail STATUS MESSAGE...
	echo "veneer-setup: ${*:2}"
	case $stage in
	none) echo "veneer-setup: FAILED; nothing was written to any disk" ;;
	*) echo "veneer-setup: FAILED; /dev/$disk is incomplete, do not start from it; what was on it is lost" ;;
	esac
	echo "${answer[ON_ERROR]}" >/run/veneer-finish
	exit "$1"
}

show_progress() {
	local word percent what last=''
	while read -r word percent what; do
		[ "$word" = progress ] || { echo "$word $percent $what"; continue; }
		[ "$what.$((percent / 20))" = "$last" ] || echo "$what: $percent %"
		last=$what.$((percent / 20))
	done
}

take_answers() { # take_answers DIRECTORY
	local path module
	case ${answer[KERNEL]} in
	demo) kernel=$DEMO guest_name=demo ;;
	none) kernel='' guest_name=disk ;;
	*) kernel=$1/${answer[KERNEL]} ;;
	esac
	[ -z "${answer[CONFIG]}" ] || config=$1/${answer[CONFIG]}
	for path in "$kernel" "$config"; do
		[ -z "$path" ] || [ -f "$path" ] ||
			unattended_fail 2 "${path#"$1"/}: there is no such file beside the answer file"
	done
	for module in ${answer_modules[@]+"${answer_modules[@]}"}; do modules+=("$1/$module"); done
	cmdline=${answer[CMDLINE]} data=${answer[DATA]} nvram=${answer[NVRAM]}
	[ -n "$guest_name" ] || guest_name=$(basename -- "$kernel" | tr -cd 'A-Za-z0-9_.+-')
	[ -z "${answer[NAME]}" ] || guest_name=${answer[NAME]}
}

unattended() { # unattended FILE
	local status=0
	rm -f /run/veneer-finish
	read_answer "$1" || unattended_fail 2 "$1 has errors"
	[ -z "${answer[KEYMAP]}" ] || load_keymap "${answer[KEYMAP]}"
	take_answers "$(dirname -- "$1")"
	hardware "$work/hardware" || status=$?
	tail -n 1 "$work/hardware"
	case $status:${answer[HWCHECK]} in
	0:* | 3:* | *:ignore) ;;
	*) cat "$work/hardware"; unattended_fail 1 "this machine does not fit (HWCHECK=ignore installs all the same)" ;;
	esac
	disk=$(find_disk "${answer[DISK]}") || unattended_fail 3 "$1: line ${answer_line[DISK]}: DISK: not one disk"
	disk_was=$(disk_identity "$disk")
	echo "veneer-setup: /dev/$disk: $(disk_text "$disk")"
	try_install || unattended_fail $? "veneer-install does not take it"
	same_disk || unattended_fail 3 "not the same disk"
	stage=writing
	run_install | show_progress
	status=${PIPESTATUS[0]}
	# With these exit codes veneer-install has refused before it wrote.
	case $status in 2 | 3 | 4 | 6) stage=none ;; esac
	[ "$status" = 0 ] || unattended_fail "$status" "veneer-install failed"
	veneer-install verify "/dev/$disk" || unattended_fail $? "what was written is not what is read"
	echo "veneer-setup: done: /dev/$disk starts $guest_name behind Veneer"
	echo "${answer[FINISH]}" >/run/veneer-finish
}
