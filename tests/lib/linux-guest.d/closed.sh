# SPDX-License-Identifier: BSD-2-Clause
# Functions that are absent at the start stay closed: virtual functions of a card left to the guest, whose SR-IOV capability
# this script enables as a driver would, and devices that the test plugs in while this script waits.
devices=/sys/bus/pci/devices

word() { # word FUNCTION OFFSET BYTES
	dd if="$devices/$1/config" bs=1 skip="$2" count="$3" 2>/dev/null | od -An -tu"$3" | tr -d ' '
}

put() { # put FUNCTION OFFSET BYTE...
	local function=$1 at=$2 byte
	shift 2
	for byte in "$@"; do
		printf "\\$(printf %o "$byte")"
	done | dd of="$devices/$function/config" bs=1 seek="$at" conv=notrunc 2>/dev/null
}

# Print the offset of a function's SR-IOV capability, or nothing.
sriov() {
	local at=256 head n=0
	while [ $at -ge 256 ] && [ $n -lt 64 ]; do
		head=$(word "$1" $at 4)
		[ "${head:-0}" != 0 ] || return
		[ $((head & 0xffff)) != 16 ] || { echo $at; return; }
		at=$((head >> 20 & 0xffc)) n=$((n + 1))
	done
}

# Print the offset of a function's PCI Express capability.
express() {
	local at n=0
	at=$(word "$1" 52 1)
	while [ "$(word "$1" "$at" 1)" != 16 ] && [ $n -lt 48 ]; do
		at=$(word "$1" $((at + 1)) 1) n=$((n + 1))
	done
	echo "$at"
}

seen() {
	echo 1 >/sys/bus/pci/rescan
	lspci -n | sed "s/^/GUEST: $1: /"
}

seen before
for function in $(ls $devices); do
	at=$(sriov "$function")
	[ -n "$at" ] || continue
	put "$function" $((at + 16)) 2 0
	put "$function" $((at + 8)) 9 0
	expect "virtual functions of $function are off" "$(word "$function" $((at + 8)) 2)" 0
	say "vf $function"
done
# Slot control: power on.  Slot status: presence.
slot=$(express "$(arg port)")
put "$(arg port)" $((slot + 24)) 192 1
say "waiting for the plug"
# The slot has no driver: wait for the presence bit.
tries=0
while [ $(($(word "$(arg port)" $((slot + 26)) 2) & 64)) = 0 ] && [ $tries -lt 600 ]; do
	tries=$((tries + 1))
	usleep 100000
done
[ $tries -lt 600 ] || fail "nothing was plugged in"
put "$(arg port)" $((slot + 24)) 192 1
sleep 2
seen after
say "waiting for the look"
# The test writes into the image.
tries=0
while [ "$(dd if=/dev/vda bs=512 count=1 iflag=direct 2>/dev/null | head -c 4)" != done ] && [ $tries -lt 600 ]; do
	tries=$((tries + 1))
	usleep 100000
done
expect "disks" "$(disks | tr '\n' ' ')" "$(arg disks) "
