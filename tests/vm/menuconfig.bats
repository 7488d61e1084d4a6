#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Switch an option off in the menus, by keys in a terminal, and check the message on a machine that needs the option.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	T=$BATS_TEST_TMPDIR
	veneer_only
	unset MAKEFLAGS MAKELEVEL MFLAGS
}

mk() {
	make -C "$ROOT" -s --no-print-directory BUILD="$T/build" KCONFIG_CONFIG="$T/config" "$@"
}

# A screen in tmux: wait for words; move the bar down to the line with words; press Enter there.
menu_screen() { tmux -L "menu$$" capture-pane -p; }

menu_wait() {
	for _ in $(seq 300); do
		menu_screen | grep -qE -- "$1" && return
		sleep 0.1
	done
	menu_screen
	return 1
}

menu_go() {
	local here there
	there=$(menu_screen | grep -nE -- "$1" | head -n 1 | cut -d : -f 1)
	here=$(menu_screen | grep -nE '^ +│ │ .*(--->|\[.\]|\()' | head -n 1 | cut -d : -f 1)
	for ((; here < there; here++)); do
		tmux -L "menu$$" send-keys Down
	done
	sleep 0.3
}

menu_enter() {
	menu_go "$1"
	tmux -L "menu$$" send-keys Enter
}

teardown() {
	local session
	guest_teardown
	# Without its terminal mconf would run for ever.
	session=$(tmux -L "menu$$" display-message -p '#{pane_pid}' 2>/dev/null) || return 0
	pkill -KILL -s "$session" || true
	tmux -L "menu$$" kill-server 2>/dev/null || true
}

@test "NVMe switched off in menuconfig is out of the image, and a machine with NVMe says so" {
	mk defconfig
	grep -qx CONFIG_NVME=y "$T/config"
	LC_ALL=C.UTF-8 tmux -u -L "menu$$" new-session -d -x 120 -y 50 \
		"make -s -C '$ROOT' BUILD='$T/build' KCONFIG_CONFIG='$T/config' menuconfig"
	menu_wait "Disk controllers"
	# The user's file, which the menus can also save elsewhere, without a copy.
	menu_screen | grep -F "$T/config - "
	menu_enter "Disk controllers"
	menu_wait "NVMe disks"
	menu_go "NVMe disks"
	tmux -L "menu$$" send-keys n
	menu_wait '\[ \] NVMe disks'
	tmux -L "menu$$" send-keys Escape Escape
	menu_wait "What the guest sees"
	tmux -L "menu$$" send-keys Escape Escape
	menu_wait "save your new"
	tmux -L "menu$$" send-keys Enter
	for _ in $(seq 300); do
		tmux -L "menu$$" has-session 2>/dev/null || break
		sleep 0.1
	done
	grep -x '# CONFIG_NVME is not set' "$T/config"

	mk -j2 "$T/build/veneer.elf"
	nm "$T/build/veneer.elf.full" >symbols
	grep -q ahci_driver symbols
	[ "$(grep -c nvme symbols)" = 0 ]
	truncate -s 1M data
	guest_start --veneer "$T/build/veneer.elf" --kernel "$BUILD/hobby-os.elf" --disk nvme:data
	guest_wait_for 'hobby>' 120
	grep -a 'warning: pci 00:08.0: 1b36:0010 storage: NVMe is not in this build' "$(serial)"
}
