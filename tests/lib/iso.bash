# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2054 # variables for the tests; commas of QEMU
# For tests/vm/iso*.bats: the installer ISO on an emulated machine, with its serial port in a terminal (tmux) to which the tests
# send keys.  Needs guest.bash.

# The ISO of "make iso" under another name: the user's ISO may contain an answer file.
ISO=$BUILD/test.iso

# The command line of the installed hobby OS, for the file of iso_setup(); ran_as_told [DISK] checks its result.
RUN='tftp 10.0.2.2 file; write disk0 0 0x77 2048; verify disk0 0 0x77 2048; exit 3'

iso_setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	truncate -s 256M disk.img
	mkdir tftp
	random_file tftp/file 1
}

ran_as_told() {
	grep -aE "tftp: file 1048576 bytes .* sha256 $(sha_of tftp/file)" "$(serial)"
	grep -a "verify: ${1:-disk0} 2048 sectors from 0 are as written" "$(serial)"
}

# iso_build: make the ISO if one of its sources is newer
iso_build() {
	[ -z "${NATIVE:-}" ] || return 0
	if [ ! -e "$ISO" ] || [ -n "$(find "$ROOT/installer" "$ROOT/scripts/debian-kernel.bash" "$ROOT/configs/default.dts" \
		"$BUILD/veneer.elf" "$BUILD/hobby-os.elf" "$BUILD/config-check" "$BUILD/hw-ids" -newer "$ISO")" ]; then
		"$ROOT/installer/iso/make-iso" "$ISO"
	fi
}

# iso_args MEDIUM FIRMWARE DISK ARGS...: sets iso_command.  MEDIUM: cd, stick or none; FIRMWARE: bios, uefi or
# secure; DISK: sata:FILE or nvme:FILE, with the
# serial number TARGET1.  With ISO_RESTARTS the machine may restart; else a reset ends the run.
iso_args() {
	local file=${3#*:} first=''
	iso_command=(timeout --foreground "${GUEST_TIMEOUT:-800}"
		qemu-system-x86_64 -machine q35,smm=off -accel tcg -cpu max -m 512M
		-nodefaults -vga std -display none -device qemu-xhci,id=usb
		-device isa-debug-exit,iobase=0xf4,iosize=4 -qmp "unix:$BATS_TEST_TMPDIR/qmp,server=on,wait=off"
		-drive "if=none,id=target,format=raw,file=$file")
	if [ -n "${ISO_RESTARTS:-}" ]; then first=,bootindex=2; else iso_command+=(-no-reboot); fi
	case $1 in
	none) ;;
	cd) iso_command+=(-drive "if=none,id=iso,format=raw,readonly=on,file=$ISO"
		-device ide-cd,drive=iso,id=cd,bus=ide.0,bootindex=1) ;;
	# Not write-protected: the installer must not offer its own medium nevertheless.
	*) iso_command+=(-drive "if=none,id=iso,format=raw,snapshot=on,file=$ISO"
		-device usb-storage,bus=usb.0,drive=iso,id=stick,bootindex=1) ;;
	esac
	case $3 in
	sata:*) iso_command+=(-device "ide-hd,drive=target,bus=ide.1,serial=TARGET1$first") ;;
	*) iso_command+=(-device "nvme,drive=target,serial=TARGET1$first") ;;
	esac
	if [ "$2" = uefi ]; then
		[ -e vars.fd ] || cp /usr/share/OVMF/OVMF_VARS_4M.fd vars.fd
		iso_command+=(-drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd
			-drive if=pflash,format=raw,file=vars.fd)
	fi
	if [ "$2" = secure ]; then
		# Microsoft's keys are in it.
		cp /usr/share/OVMF/OVMF_VARS_4M.ms.fd secure.fd
		iso_command+=(-machine smm=on -global driver=cfi.pflash01,property=secure,value=on
			-drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd
			-drive if=pflash,format=raw,file=secure.fd)
	fi
	iso_command+=("${@:4}")
}

# medium_out MEDIUM: cd or stick
medium_out() {
	case $1 in
	cd) qmp eject '{"id": "cd", "force": true}' ;;
	stick) qmp device_del '{"id": "stick"}' ;;
	esac
}

# conf_volume FILE...: make conf.img, a FAT volume VENEER-CONF with these files; conf_args are QEMU's arguments for a stick
conf_volume() {
	truncate -s 64M conf.img
	PATH=$PATH:/sbin mkfs.vfat -n VENEER-CONF conf.img >/dev/null
	mcopy -i conf.img "$@" ::/
	conf_args=(-drive "if=none,id=conf,format=raw,file=conf.img" -device usb-storage,bus=usb.0,drive=conf)
}

# iso_start MEDIUM FIRMWARE DISK ARGS...: start in the background, serial port in a file, for guest_wait_for and guest_end
iso_start() {
	iso_args "$@"
	: >"$(serial)"
	"${iso_command[@]}" -serial "file:$(serial)" </dev/null >"$BATS_TEST_TMPDIR/qemu.log" 2>&1 3>&- &
	GUEST_PID=$!
}

# --- with a terminal ---

# screen_start MEDIUM FIRMWARE DISK ARGS...
screen_start() {
	iso_args "$@"
	: >"$(serial)"
	printf '%q ' exec "${iso_command[@]}" -chardev "stdio,id=c,logfile=$(serial),signal=off" -serial chardev:c >start
	LC_ALL=C.UTF-8 tmux -u -L "iso$$" new-session -d -x 80 -y 25 "bash $PWD/start 2>$BATS_TEST_TMPDIR/qemu.log" 3>&-
}

screen() { tmux -L "iso$$" capture-pane -p; }

# screen_wait REGEX SECONDS [moving]: wait until REGEX is on the screen and (without "moving") the screen no longer changes
screen_wait() {
	local end=$((SECONDS + $2)) now before=
	while [ $SECONDS -lt $end ]; do
		now=$(screen 2>/dev/null) || { echo "the machine ended before: $1"; return 1; }
		if grep -qE -- "$1" <<<"$now" && { [ -n "${3:-}" ] || [ "$now" = "$before" ]; }; then return 0; fi
		before=$now
		sleep 0.5
	done
	echo "not on the screen within $2 s: $1"
	screen
	return 1
}

keys() { tmux -L "iso$$" send-keys "$@"; }

# A key of the machine's own keyboard.
screen_key() { qmp hmp "sendkey $1" >/dev/null; }

# --- at the machine's own keyboard and screen ---

# Print the text of a graphics screen: UEFI's, drawn by Linux.
frame_screen() {
	rm -f frame.ppm
	qmp screendump "{\"filename\": \"$PWD/frame.ppm\"}" >/dev/null
	if [ ! -e font.c ]; then
		"$LIB/extract-vmlinux" "$LINUX"/kernel/boot/vmlinuz-* vmlinux
		"$LIB/linux-font" vmlinux >font.c
	fi
	"$LIB/screen-text" --colours frame.ppm font.c
}

# vga_wait REGEX SECONDS: wait until REGEX is on the screen, and the screen no longer changes; VGA: text_screen or frame_screen
vga_wait() {
	local end=$((SECONDS + $2)) now before=
	while [ $SECONDS -lt $end ] && kill -0 "$GUEST_PID" 2>/dev/null; do
		now=$("${VGA:-text_screen}" 2>/dev/null) || now=
		if grep -qE -- "$1" <<<"$now" && [ "$now" = "$before" ]; then return 0; fi
		before=$now
		sleep 0.7
	done
	echo "not on the screen within $2 s: $1"
	echo "$now"
	return 1
}

# vga_keys KEY...: press keys, by QEMU's names; KEY*N: N times
vga_keys() {
	local key i
	for key in "$@"; do
		for ((i = 0; i < $([[ $key = *'*'* ]] && echo "${key#*'*'}" || echo 1); i++)); do
			screen_key "${key%'*'*} 40"
			sleep 0.15
		done
	done
}

# Choose the ISO's first menu entry, without waiting for its countdown: with UEFI its seconds are slow.
vga_start() {
	local end=$((SECONDS + 300))
	until grep -qa 'Install Veneer, on the serial port only' "$(serial)"; do
		[ $SECONDS -lt $end ] || { echo "no menu"; return 1; }
		sleep 0.5
	done
	vga_keys ret
	vga_wait 'press Enter to install on this console' 500
	vga_keys ret
}

# vga_type LAYOUT[:VARIANT] TEXT: press the keys that type TEXT with this keyboard layout
vga_type() {
	local keys variant=
	[[ $1 != *:* ]] || variant=${1#*:}
	keys=$(ckbcomp -layout "${1%:*}" -variant "$variant" 2>/dev/null | "$LIB/keys-for" "$2")
	# shellcheck disable=SC2086 # a list
	vga_keys $keys
}

# Wait until the machine has switched itself off.
screen_end() { # screen_end SECONDS
	local end=$((SECONDS + $1))
	while tmux -L "iso$$" has-session 2>/dev/null; do
		[ $SECONDS -lt $end ] || { echo "no end within $1 s"; screen; return 1; }
		sleep 0.5
	done
}

# Answer ERASE, and wait for the end and for power-off.
erase_to_end() {
	keys -l ERASE
	keys Enter
	screen_wait 'was written and verified' 300
	keys Enter
	screen_wait 'And now' 60
	keys Down Enter
	screen_end 60
}

# Switch the machine off by force.
iso_stop() {
	tmux -L "iso$$" kill-server 2>/dev/null || true
	rm -f qmp
}

iso_teardown() {
	if tmux -L "iso$$" has-session 2>/dev/null; then
		[ "${BATS_TEST_COMPLETED:-}" = 1 ] || screen
		iso_stop
	fi
	guest_teardown
}
