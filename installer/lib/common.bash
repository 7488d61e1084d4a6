# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: messages, the log, exit codes, tools, the lock, and cleaning up at the end.

readonly SECTOR=512
# shellcheck disable=SC2034 # named in full, also where not all are used
readonly EX_FAIL=1 EX_USE=2 EX_REFUSED=3 EX_TOOL=4 EX_VERIFY=5 EX_BUSY=6

log_file=
log() {
	[ -n "$log_file" ] || return 0
	{ printf '%s [%d] %s\n' "$(date '+%F %T')" $$ "$*" >>"$log_file"; } 2>/dev/null && return
	echo "veneer-install: note: $log_file: cannot be written; it goes on without a log" >&2
	log_file=
}
say() { echo "veneer-install: $*" >&2; log "$@"; }
tell() { [ -n "${opt[quiet]}" ] || echo "veneer-install: $*" >&2; log "$@"; }
note() { [ -z "${opt[verbose]}" ] || echo "veneer-install: $*" >&2; log "$@"; }
leave() { # leave STATUS MESSAGE...
	say "${@:2}"
	exit "$1"
}
fail() { leave $EX_FAIL "$@"; }
die() { leave $EX_USE "$@"; }
refuse() { leave $EX_REFUSED "$@"; }

open_log() {
	local file=${opt[log]} dir
	if [ -z "$file" ] && [ "$mode" != image ] && [ "$(id -u)" = 0 ] && [ -z "${opt[dry-run]}" ]; then
		case $mode in
		disk | system | upgrade | rollback | uninstall)
			root=$(realpath -e -- "${opt[root]}" 2>/dev/null) || return 0
			root=${root%/}
			file=$root$(resolve /var/log/veneer-install.log) ;;
		esac
		[ -d "${file%/*}" ] || file=
	fi
	[ -n "$file" ] || return 0
	dir=$(dirname -- "$file")
	if [ ! -d "$dir" ] || [ -d "$file" ] || ! : 2>/dev/null >>"$file"; then die "--log $file: cannot be written"; fi
	log_file=$file
	log "started: veneer-install ${command_line[*]}"
}

# --- the end ---

work=
partial=
undo=
at_stake="nothing was changed"
interrupted() { # interrupted STATUS
	say "interrupted: $at_stake" || :
	exit "$1"
}

cleanup() {
	local status=$?
	finish
	[ -z "$partial" ] || rm -f -- "$partial"
	[ -z "$undo" ] || ("$undo") || :
	[ -z "$work" ] || rm -rf -- "$work"
	log "ended with exit code $status"
}

# The remaining work is quick, and half of it would be worse than all: ignore signals.
finish() { trap '' INT TERM HUP; }

make_work() {
	[[ ${TMPDIR:-} != *@@* ]] || die "TMPDIR $TMPDIR: mtools takes @@ for an offset"
	work=$(mktemp -d) || fail "no temporary directory can be made"
	tree=$work/tree
}

# --- tools: missing ones are named together, with the packages that have them in this distribution ---

# TOOL=DEBIAN,FEDORA,ARCH,ALPINE; tools not listed are in coreutils.
readonly PACKAGES="
	sfdisk=fdisk,util-linux,util-linux,sfdisk blockdev=util-linux,util-linux,util-linux,util-linux-misc
	flock=util-linux,util-linux,util-linux,flock lsblk=util-linux,util-linux,util-linux,lsblk
	findmnt=util-linux,util-linux,util-linux,findmnt unshare=util-linux,util-linux,util-linux,util-linux-misc
	mkfs.vfat=dosfstools,dosfstools,dosfstools,dosfstools mcopy=mtools,mtools,mtools,mtools mmd=mtools,mtools,mtools,mtools
	mdir=mtools,mtools,mtools,mtools mshowfat=mtools,mtools,mtools,mtools mtype=mtools,mtools,mtools,mtools
	grub-mkimage=grub-common,grub2-tools,grub,grub grub-file=grub-common,grub2-tools-minimal,grub,grub
	grub-script-check=grub-common,grub2-tools,grub,grub
	awk=mawk,gawk,gawk,gawk find=findutils,findutils,findutils,findutils xargs=findutils,findutils,findutils,findutils
	grep=grep,grep,grep,grep sed=sed,sed,sed,sed
	dtc=device-tree-compiler,dtc,dtc,dtc fdtget=device-tree-compiler,dtc,dtc,dtc fdtput=device-tree-compiler,dtc,dtc,dtc
	cpp=cpp,cpp,gcc,gcc cmp=diffutils,diffutils,diffutils,diffutils perl=perl,perl-interpreter,perl,perl
	objcopy=binutils,binutils,binutils,binutils sbsign=sbsigntool,sbsigntools,sbsigntools,sbsigntool
	sbverify=sbsigntool,sbsigntools,sbsigntools,sbsigntool efibootmgr=efibootmgr,efibootmgr,efibootmgr,efibootmgr
	i386-pc=grub-pc-bin,grub2-pc-modules,grub,grub-bios
	x86_64-efi=grub-efi-amd64-bin,grub2-efi-x64-modules,grub,grub-efi"

# VENEER_OS_RELEASE stands in for /etc/os-release in tests.
set_distribution() { # sets distribution and its column in PACKAGES
	local ids key value file=${VENEER_OS_RELEASE:-/etc/os-release}
	# Without this file assume Debian.
	ids=
	while IFS='=' read -r key value; do
		case $key in ID | ID_LIKE) ids+=" ${value//[\"\']/}" ;; esac
	done <"$([ -r "$file" ] && echo "$file" || echo /dev/null)"
	case " $ids " in
	*" fedora "* | *" rhel "*) distribution=Fedora column=1 ;;
	*" arch "*) distribution="Arch Linux" column=2 ;;
	*" alpine "*) distribution="Alpine Linux" column=3 ;;
	*) distribution=Debian column=0 ;;
	esac
}

package_of() {
	local entry names
	for entry in $PACKAGES; do
		[ "${entry%%=*}" = "$1" ] || continue
		IFS=, read -r -a names <<<"${entry#*=}"
		echo "${names[column]}"
		return
	done
	echo coreutils
}

need_tools() {
	local tool missing='' packages='' distribution column
	set_distribution
	for tool in awk sed grep find xargs "$@"; do
		case $tool in
		# Busybox has programs of these names without the necessary options.
		find) ! find / -maxdepth 0 -printf '' 2>/dev/null || continue ;;
		grep) ! { echo x | grep -qaP x; } 2>/dev/null || continue ;;
		i386-pc | x86_64-efi) [ ! -e "/usr/lib/grub/$tool/multiboot2.mod" ] || continue ;;
		*) ! command -v "$tool" >/dev/null || continue ;;
		esac
		missing+=" $tool"
		[[ " $packages " == *" $(package_of "$tool") "* ]] || packages+=" $(package_of "$tool")"
	done
	[ -z "$missing" ] || leave $EX_TOOL "missing:$missing; in $distribution the packages are:$packages"
}

# Prints the name of a GRUB program: some distributions call it grub2-..., others grub-...
grub_program() {
	local name
	for name in "grub-$1" "grub2-$1"; do
		if command -v "$name" >/dev/null; then
			echo "$name"
			return
		fi
	done
	echo "grub-$1"
}

# --- one installation at a time: the lock is on the target itself, so that no lock file remains ---

lock() {
	local fd
	exec {fd}<"$1" || fail "$1: cannot be opened"
	flock -n "$fd" || leave $EX_BUSY "$1: another installation is at work there; try again when it has ended"
}

# --- numbers and files ---

readable() {
	[ -e "$2" ] || die "$1: $2: no such file"
	if [ ! -f "$2" ] || [ ! -r "$2" ]; then die "$1: $2: cannot be read"; fi
	[ -s "$2" ] || die "$1: $2: the file is empty"
}

# Prints the number of sectors of a size with K, M or G.
sectors_of() { # sectors_of OPTION VALUE
	[[ $2 =~ ^(0|[1-9][0-9]{0,14})([KMG]?)$ ]] || die "$1 $2: a number with K, M or G"
	local n=${BASH_REMATCH[1]} unit=${BASH_REMATCH[2]}
	[ ${#n} -le 9 ] || [ -z "$unit" ] || die "$1 $2: too large"
	case $unit in
	K) n=$((n << 10)) ;;
	M) n=$((n << 20)) ;;
	G) n=$((n << 30)) ;;
	esac
	sectors=$((n / SECTOR))
}

round_mib() { echo $((($1 + 2047) / 2048 * 2048)); }

hex_of() { # hex_of FILE OFFSET BYTES
	od -An -v -tx1 -j "$2" -N "$3" -- "$1" | tr -d ' \n'
}

number_at() { # number_at FILE OFFSET BYTES: unsigned, little endian
	od -An -v "-tu$3" -j "$2" -N "$3" -- "$1" | tr -d ' \n'
}

le() { # le VALUE BYTES: little endian
	local v=$1 i
	for ((i = 0; i < $2; i++)); do
		# shellcheck disable=SC2059 # the format is the byte
		printf "\\x$(printf %02x $((v >> (8 * i) & 255)))"
	done
}

put_at() { # put_at FILE OFFSET, data from stdin
	dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

random_id() { od -An -tx4 -N 4 /dev/urandom | tr -d ' \n' | tr a-f A-F; }

# --- progress: one changing line on a terminal, "progress PERCENT WHAT" on stdout with --progress ---

progress() { # progress DONE TOTAL WHAT
	local percent=$((100 * $1 / ($2 > 0 ? $2 : 1)))
	[ -z "${opt[progress]}" ] || echo "progress $percent $3"
	if [ -z "${opt[quiet]}${opt[progress]}" ] && [ -t 2 ]; then
		printf '\r%s: %3d %%' "$3" $percent >&2
		[ $percent -lt 100 ] || echo >&2
	fi
}

# --- the firmware ---

# VENEER_EFI stands in for /sys/firmware/efi in tests.
efi_dir() { echo "${VENEER_EFI:-/sys/firmware/efi}"; }

secure_boot() {
	local var
	var=$(efi_dir)/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
	[ -r "$var" ] && [ "$(number_at "$var" 4 1)" = 1 ]
}

# The vendor of the guest's copies of boot entries (efi/runtime.c).
readonly COPIES=5b1e6a0d-7d0f-4d3c-8e21-56656e656572

# Removes these copies from this machine's firmware.  The kernel protects variables that it does not know.
drop_copies() {
	local file n=0 left=0
	for file in "$(efi_dir)/efivars/"*"-$COPIES"; do
		[ -e "$file" ] || continue
		chattr -i -- "$file" 2>/dev/null || true
		if rm -f -- "$file" 2>/dev/null; then n=$((n + 1)); else left=$((left + 1)); fi
	done
	[ $n = 0 ] || say "the firmware's memory: $n variables removed, copies of boot entries that the guest had"
	[ $left = 0 ] || say "note: $left variables *-$COPIES stay in the firmware's memory: chattr -i and rm in" \
		"$(efi_dir)/efivars"
}

# shellcheck disable=SC2034 # used by the other parts
readonly SECURE_BOOT_TEXT="Secure Boot is on in this machine.  A GRUB that it trusts refuses to load Veneer (multiboot2 \
is locked), and it does not trust another GRUB.  Switch Secure Boot off in the firmware setup, or sign Veneer with a key of \
your own ('system' and 'efi', --sign)"

# begin_target; write the file $partial; end_target: the target gets its name only when it is complete.
begin_target() {
	partial=$(mktemp -- "$(realpath -m -- "$target").XXXXXX") || fail "$target: cannot be written"
}

end_target() {
	local real
	real=$(realpath -m -- "$target")
	chmod "$(printf %o $((0666 & ~0$(umask))))" -- "$partial"
	sync -- "$partial" || fail "$target: cannot be written"
	mv -fT -- "$partial" "$real"
	partial=
	sync -- "$(dirname -- "$real")"
}
