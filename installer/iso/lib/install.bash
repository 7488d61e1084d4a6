# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-setup: from what was chosen to veneer-install's command line.

# What was chosen, by hand or by an answer file.
disk='' kernel='' cmdline='' config='' guest_name='' data=readonly nvram=last
modules=()

DEMO=$here/../../hobby-os.elf
DEFAULT_CONFIG=$here/../../default.dts

# A rule that gives the guest the data partition of the new disk to write to, and nothing else of it.
data_config() { # data_config SERIAL OUT
	sed '/veneer,default = /a\
		installed {\
			veneer,serial = "'"$1"'";\
			veneer,partition = "PARTLABEL=veneer-data";\
			veneer,writable;\
		};' "$DEFAULT_CONFIG" >"$2"
}

# Sets install_args, or says why it cannot be and returns 2.
make_install_args() {
	local module serial own=$work/config.dts
	install_args=(disk "/dev/$disk" --kernel "$kernel" --cmdline "$cmdline" --name "${guest_name:-demo}")
	for module in ${modules[@]+"${modules[@]}"}; do install_args+=(--module "$module"); done
	if [ "$data" = writable ]; then
		serial=$(disk_serial "$disk")
		if [ -n "$config" ]; then
			echo "a configuration and a writable data partition: the configuration has to say it" >&2
			return 2
		fi
		[[ $serial =~ ^[A-Za-z0-9\ !#-/:-@_.-]{1,40}$ ]] ||
			{ echo "/dev/$disk has no serial number to name it by: its data cannot be writable" >&2; return 2; }
		data_config "$serial" "$own"
		install_args+=(--config "$own")
	elif [ -n "$config" ]; then
		install_args+=(--config "$config")
	fi
	case $nvram in
	first) install_args+=(--default) ;;
	no) install_args+=(--no-nvram) ;;
	esac
}

# Everything but the writing: what is wrong is said before a byte of the disk has changed.
try_install() {
	make_install_args && veneer-install "${install_args[@]}" --dry-run
}

run_install() { veneer-install "${install_args[@]}" --yes --progress; }

# The status of the hardware check; Veneer starts nothing where it does not fit.
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
	*) echo "veneer-setup: FAILED; /dev/$disk is incomplete and starts nothing" ;;
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
	echo "veneer-setup: /dev/$disk: $(disk_text "$disk")"
	try_install || unattended_fail $? "veneer-install does not take it"
	stage=writing
	run_install | show_progress
	status=${PIPESTATUS[0]}
	[ "$status" = 0 ] || unattended_fail "$status" "veneer-install failed"
	veneer-install verify "/dev/$disk" || unattended_fail $? "what was written is not what is read"
	echo "veneer-setup: done: /dev/$disk starts $guest_name behind Veneer"
	echo "${answer[FINISH]}" >/run/veneer-finish
}
