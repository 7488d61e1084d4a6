# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-setup: the layout of the keyboard at the screen.  At a serial port the terminal has the layout.

KEYMAPS=$here/keymaps
KEYMAP_STATE=${VENEER_SYSROOT:-}/run/veneer-keymap

keymap_names() { sed -n 's/^\([a-z-]*\) .*/\1/p' "$KEYMAPS" | tr '\n' ' '; }

load_keymap() { # load_keymap NAME
	if ! loadkmap <"/usr/share/keymaps/$1.bmap"; then
		echo "keyboard layout $1: cannot be loaded; the keyboard stays as it was" >&2
		return 1
	fi
	echo "$1" >"$KEYMAP_STATE"
}

has_keyboard() { [[ $(tty) = /dev/tty[0-9]* ]]; }

# Arrows and Enter are the same on all of them.
step_keyboard() {
	local items=() name text now
	now=$(cat "$KEYMAP_STATE" 2>/dev/null)
	while read -r name _ _ text; do
		[[ $name = '#'* ]] || items+=("$name" "$text")
	done <"$KEYMAPS"
	name=$(box --title "Keyboard" --default-item "${now:-us}" --menu "Which layout has this keyboard?" 21 60 13 \
		"${items[@]}") || return 1
	load_keymap "$name" 2>"$work/error" || { message "Keyboard" "$(cat "$work/error")"; return 1; }
}
