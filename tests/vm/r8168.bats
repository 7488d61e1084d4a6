#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Realtek's gigabit family, which no emulator has: register models of tests/models, each a process behind QEMU 11.  Linux's own
# driver (r8169 of Debian 6.1) judges the models, then Veneer drives them.
# shellcheck disable=SC2154 # models.bash sets transfer and nics
load ../lib/guest
load ../lib/bios
load ../lib/models

# One boot: firmware has left the receiver to the management, and the PHY powered down.
@test "r8168: an 8168H left out of band: hidden, DHCP, 16 MiB down and up unharmed, the cable pulled and put back" {
	transfer 16
	linux_start lspci,net,link "$transfer" --nic "r8168,oob=1,phy-off=1,control=$PWD/nic"
	pull_cable
	check_transfers 1
	lawful 1
	hidden_card 10ec:8168
	[ -n "${NATIVE:-}" ] || ! grep -aE "veneer: (warning|error).*realtek" "$(serial)"
}

@test "r8168: the hobby OS fetches a file through an 8169, which has no MSI" {
	hobby_fetches r8168,chip=8169 "realtek0: RTL8169SC at 00:03.0, 8169SC (180)"
}

# Another system's driver judges the models, without Veneer.
# bats test_tags=slow
@test "r8168: Linux's own driver accepts 8168H and 8168B: 64 MiB down and up, removed and loaded" {
	NATIVE=1
	transfer 64
	cards r8168 ,oob=1 8168h 8168b
	linux_run net,reload "$transfer veneer.driver=r8169" "${nics[@]}"
	said "cards: 2"
	check_transfers 2
	lawful 2
}

# bats test_tags=slow
@test "r8168: Linux's own driver accepts 8169, 8168C, 8168D, 8168E-VL and 8168F" {
	NATIVE=1
	transfer 8
	cards r8168 "" 8169 8168c 8168d 8168evl 8168f
	linux_run net "$transfer" "${nics[@]}"
	said "cards: 5"
	check_transfers 5
	lawful 5
}

# bats test_tags=slow
@test "r8168: Linux's own driver accepts 8168G and 8106E" {
	NATIVE=1
	transfer 8
	cards r8168 ,oob=1,autoneg-ms=3000 8168g 8106e
	linux_run net,reload "$transfer veneer.driver=r8169" "${nics[@]}"
	check_transfers 2
	lawful 2
}

# bats test_tags=slow
@test "r8168: Linux's own driver accepts 8125A, 8125B and E3000" {
	NATIVE=1
	transfer 16
	cards r8168 ,oob=1 8125a 8125b e3000
	linux_run net,reload "$transfer veneer.driver=r8169" "${nics[@]}"
	said "cards: 3"
	check_transfers 3
	lawful 3
}

# bats test_tags=slow
@test "r8168: Linux's own driver accepts 8169S and 8110S" {
	NATIVE=1
	transfer 16
	cards r8168 "" 8169s 8110s
	linux_run net,reload "$transfer veneer.driver=r8169" "${nics[@]}"
	said "cards: 2"
	check_transfers 2
	lawful 2
}

# iPXE of 2019 does not know out-of-band mode: without the start that it needs, a driver gets no address.
# bats test_tags=slow
@test "r8168: iPXE's own driver accepts the models, and gets no address from one that is out of band" {
	local chip from slowest=0
	"$LIB/ipxe" "$BUILD/ipxe"
	for chip in 8169 8168b 8168c 8168d 8168evl 8168g 8168h; do
		from=$SECONDS
		ipxe_fetches "$BUILD/ipxe" "r8168,chip=$chip" 300
		[ $((SECONDS - from)) -le $slowest ] || slowest=$((SECONDS - from))
	done
	# Twice the time that iPXE takes on this machine.
	if ipxe_fetches "$BUILD/ipxe" r8168,chip=8168h,oob=1 $((2 * slowest + 10)); then
		echo "out of band, and all the same it works"
		false
	fi
}

# bats test_tags=slow
@test "r8168: Veneer drives 8125A, 8125B and E3000, left out of band and with their PHY off, and 8169S" {
	veneer_only
	transfer 16
	cards r8168 ,oob=1,phy-off=1 8125a 8125b e3000
	linux_run net "$transfer" "${nics[@]}" --nic r8168,chip=8169s
	said "cards: 4"
	check_transfers 4
	lawful 4
}

# bats test_tags=slow
@test "r8168: Veneer drives 8168B, 8168C, 8168D, 8168E-VL and 8168F" {
	veneer_only
	transfer 8
	cards r8168 ,autoneg-ms=1500 8168b 8168c 8168d 8168evl 8168f
	linux_run net "$transfer" "${nics[@]}"
	check_transfers 5
	lawful 5
}

# bats test_tags=slow
@test "r8168: Veneer drives 8169, 8168G, 8168H and 8106E on the older machine, with memory that an 8169 does not reach" {
	veneer_only
	transfer 8
	cards r8168 ,oob=1 8169 8168g 8168h 8106e
	linux_run net "$transfer" --machine pc --mem 5G "${nics[@]}"
	check_transfers 4
	lawful 4
}

# bats test_tags=slow
@test "r8168: under load a transmitter that hangs is reset, lost interrupts and lost kicks are made up for" {
	veneer_only
	transfer 48
	linux_start net "$transfer" --nic "r8168,chip=8168g,control=$PWD/nic"
	break_card lose-irqs=3 lose-polls=3 tx-stuck=1
	guest_wait_for 'realtek0: transmitter hangs: descriptor' 60
	guest_end
	check_transfers 1
	lawful 1
}

# bats test_tags=slow
@test "r8168: the polling core serves an 8168H, and an 8169 on its line" {
	veneer_only
	transfer 8
	sed 's/veneer,boot = "kernel";/& veneer,poll = "auto";/' "$WRITABLE" >poll.dts
	cards r8168 "" 8168h 8169
	linux_start net "maxcpus=1 $transfer" --config poll.dts --smp 2 "${nics[@]}"
	guest_wait_for 'GUEST: irqs of' 600
	veneer_counters >first
	guest_wait_for 'GUEST: upload 1' 600
	veneer_counters >second
	guest_end
	check_transfers 2
	lawful 2
	[ "$(counter_in first poll.begins)" -gt 0 ]
	[ "$(counter_in second poll.begins)" -gt "$(counter_in first poll.begins)" ]
	[ "$(counter_in second poll.found)" -gt 100 ]
}

# bats test_tags=slow
@test "r8168: a warm reboot of Linux's own driver, an 8125B" {
	NATIVE=1
	warm_reboot r8168,chip=8125b,oob=1
}

# bats test_tags=slow
@test "r8168: a warm reboot that leaves the card out of band" {
	veneer_only
	warm_reboot r8168,oob=1
}

# bats test_tags=slow
@test "r8168: a warm reboot that leaves an 8125B out of band" {
	veneer_only
	warm_reboot r8168,chip=8125b,oob=1
}
