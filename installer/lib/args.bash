# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: the command line, into mode, target, opt[], given[] and modules.

readonly GUEST="kernel limine module cmdline config no-check veneer name screen"
readonly COMMON="help dry-run verbose quiet log progress"
declare -rA ALLOWED=(
	[image]="$GUEST menu-timeout native size slot-size data state force"
	[disk]="$GUEST menu-timeout native slot-size data state yes i-know nvram no-nvram default"
	[efi]="$GUEST sign cert force"
	[system]="$GUEST root remove default no-nvram sign cert force yes"
	[upgrade]="$GUEST root menu-timeout no-nvram sign cert force i-know yes"
	[rollback]="root force i-know yes"
	[uninstall]="root i-know yes"
	[verify]="root"
	[list]="root"
	[config]=""
)
readonly WITH_VALUE=" kernel limine module cmdline config veneer name screen menu-timeout size slot-size data state root log \
remove sign cert "

mode='' target='' source='' root=''
modules=()
# shellcheck disable=SC2034 # used by the other parts
declare -A opt=([kernel]='' [limine]='' [cmdline]='' [config]='' [no-check]='' [veneer]='' [name]='' [screen]=''
	[menu-timeout]=3 [size]='' [slot-size]='' [data]='' [state]=''
	[root]=/ [log]='' [remove]='' [sign]='' [cert]=''
	[native]='''' [force]='' [yes]='' [i-know]='' [nvram]='' [no-nvram]='' [default]=''
	[dry-run]='' [verbose]='' [quiet]='' [progress]='') given=([cmdline]='' [menu-timeout]='' [root]='')

is_allowed() { [[ " ${ALLOWED[$mode]} $COMMON " == *" $1 "* ]]; }

take_option() { # take_option NAME ARGS...: sets used, the number of further arguments that it took
	local name=$1 value=y
	used=0
	if [[ $name == *=* ]]; then
		value=${name#*=} name=${name%%=*}
		[[ $WITH_VALUE == *" $name "* ]] || die "--$name takes no value"
	elif [[ $WITH_VALUE == *" $name "* ]]; then
		[ $# -ge 2 ] || die "--$name needs a value (see --help)"
		value=$2 used=1
	fi
	[ "$name" != help ] || { usage "$mode"; exit 0; }
	[ -n "${opt[$name]+x}" ] || [ "$name" = module ] || die "unknown option '--$name' (see --help)"
	is_allowed "$name" || die "--$name is not for '$mode' (see veneer-install $mode --help)"
	case $name in
	# The programs that get these names would take a leading dash for an option.
	kernel | limine | config | veneer | sign | cert) [[ $value != -* ]] || value=./$value ;;
	esac
	if [ "$name" = module ]; then modules+=("$value"); else opt[$name]=$value; fi
	given[$name]=y
}

take_target() {
	if [ "$mode" = config ] && [ -z "$source" ]; then
		source=$1
		return
	fi
	[ "$mode" != system ] || die "system takes no target, but --root DIR (see --help)"
	[ -z "$target" ] || die "two targets: '$target' and '$1'"
	[ -n "$1" ] || die "the target is empty"
	target=$1
}

parse_command() {
	case ${1:-} in
	--help | -h | help) usage; exit 0 ;;
	--version) echo "veneer-install 1"; exit 0 ;;
	'') usage >&2; exit $EX_USE ;;
	*) [ -n "${ALLOWED[$1]+x}" ] || die "unknown command '$1': one of ${!ALLOWED[*]} (see --help)" ;;
	esac
	mode=$1
}

parse_args() {
	local used
	parse_command "$@"
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		--?*) take_option "${1#--}" "${@:2}"; shift "$used" ;;
		-h) usage "$mode"; exit 0 ;;
		-?*) die "unknown option '$1' (see --help)" ;;
		*) take_target "$1" ;;
		esac
		shift
	done
	check_args
}

check_args() {
	case $mode in
	config) [ -n "$target" ] || die "config needs two files (see --help)" ;;
	image | disk | efi)
		[ -n "$target" ] || die "$mode needs a target (see --help)"
		[ -n "${opt[kernel]}${opt[limine]}${opt[config]}" ] || die "--kernel is missing (see --help)"
		;;
	system) [ -z "${opt[remove]}" ] || ! changes_guest || die "--remove goes without options for a guest" ;;
	*)
		[ -z "$target" ] || [ -z "${given[root]}" ] || die "a target and --root: one of them (see --help)"
		[ -z "$target" ] || [ -z "${opt[no-nvram]}" ] || die "--no-nvram: an upgrade of $target changes no boot list"
		[ -n "$target" ] || [ -z "${given[menu-timeout]}" ] || die "--menu-timeout: a system's own menu has its own" ;;
	esac
	[[ ${opt[menu-timeout]} =~ ^(0|[1-9][0-9]{0,3})$ ]] ||
		die "--menu-timeout ${opt[menu-timeout]}: not a number of seconds"
	[ -z "${given[screen]:-}" ] ||
		[[ ${opt[screen]} =~ ^(auto|text|keep|[1-9][0-9]{1,4}x[1-9][0-9]{1,4}(x(8|15|16|24|32))?)$ ]] ||
		die "--screen ${opt[screen]}: not auto, text, keep or a mode such as 1024x768 or 1024x768x32"
	[ -z "${opt[nvram]}" ] || [ -z "${opt[no-nvram]}" ] || die "--nvram and --no-nvram: one of them"
	[ -z "${opt[native]}" ] || [ -z "${opt[veneer]}${opt[config]}" ] || [ "$mode" = image ] ||
		die "--native leaves Veneer out; it goes without --veneer and --config"
	[ -z "${opt[state]}" ] || [ -z "${opt[native]}" ] || die "--state: snapshots need Veneer; it goes without --native"
	[ -z "${opt[limine]}" ] || read_limine
}
