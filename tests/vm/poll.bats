#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The polling core: a Linux guest with one processor on a machine with two; the other serves rings and controllers.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine=(--nic e1000e --disk ahci:sata,size=64M --disk nvme:nvme,size=64M --smp 2 --mem 512M)
}

teardown() { guest_teardown; }

config() { # config PROPERTIES
	sed "s/veneer,boot = \"kernel\";/& $1/" "$WRITABLE" >poll.dts
	grep -q veneer,poll poll.dts
}

count() { awk -v name="$1" '$1 == name { print $2 }' "$2"; }

# grown COUNTER...: the sum of what they have grown by, from "before" to "after".
grown() {
	local sum=0 name
	for name; do
		sum=$((sum + $(count "$name" after) - $(count "$name" before)))
	done
	echo "$sum"
}

# The guest is one that has no emulated timer: what exits is kicks, doorbells, the clock, and CPUID of programs that start.
@test "poll: under load a frame or request costs less than 0.001 exits, and no byte is lost" {
	config 'veneer,ap-trap = "never"; veneer,poll = "auto";'
	http_start
	random_file "$HTTP_DIR/down" 4
	linux_start poll "maxcpus=1 veneer.seconds=8 veneer.url=$HTTP_URL" --config poll.dts "${machine[@]}"
	guest_wait_for "GUEST: under load" 200
	veneer_counters >before
	guest_wait_for "GUEST: stopping" 300
	veneer_counters >after
	guest_end 0
	[ "$(reported "download 0")" = "$(sha_of "$HTTP_DIR/down")" ]
	local work exits
	work=$(grown e1000e0.rx_packets e1000e0.tx_packets ahci0p0.commands nvme0n1.commands)
	exits=$(grown exit.nmi exit.intr exit.npf exit.pio)
	echo "$exits exits, $(grown poll.begins) times begun, for $work frames and requests" >&3
	[ "$(grown poll.found)" -gt 100 ]
	# Each time it begins there are a kick, the poke, and messages that were on their way.
	[ "$exits" -le $((work / 1000 + 8)) ]
}

@test "poll: the guest starts the polling core under load, and gives it back" {
	config 'veneer,poll = "auto";'
	http_start
	random_file "$HTTP_DIR/down" 1
	linux_start poll "maxcpus=1 veneer.start=2 veneer.seconds=1 veneer.url=$HTTP_URL" --config poll.dts "${machine[@]}"
	guest_wait_for "GUEST: round 2" 300
	veneer_counters >after
	guest_end 0
	grep -a "^poll\|^cpu.starts\|^nmi" after >&3 || true
	[ "$(count poll.begins after)" -gt 3 ]
	[ "$(count cpu.starts after)" -ge 2 ]
}

@test "poll: an RTL8139, which cannot be polled, works by its doorbell beside disks that are polled" {
	config 'veneer,poll = "auto";'
	http_start
	random_file "$HTTP_DIR/down" 1
	linux_start poll "maxcpus=1 veneer.seconds=2 veneer.url=$HTTP_URL" --config poll.dts --nic rtl8139 "${machine[@]:2}"
	guest_wait_for "GUEST: stopping" 300
	veneer_counters >after
	guest_end 0
	[ "$(reported "download 0")" = "$(sha_of "$HTTP_DIR/down")" ]
	[ "$(count poll.begins after)" -gt 0 ]
	[ "$(count rtl8139-0.rx_packets after)" -gt 100 ]
}
