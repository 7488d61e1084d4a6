#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Intel's I225 and I226, which no emulator has: a register model of tests/models, a process behind QEMU 11.  Linux's own driver
# (igc of Debian 6.1) judges the model, then Veneer drives it.
# shellcheck disable=SC2154 # models.bash sets transfer and nics
load ../lib/guest
load ../lib/bios
load ../lib/models

# One boot.
@test "igc: an I225 left with small packet buffers and its PHY off: hidden, DHCP, 2 MiB down and up, the cable pulled" {
	transfer 2
	linux_start lspci,net,link "$transfer" --nic "igc,pbs-left=1,phy-off=1,control=$PWD/nic"
	pull_cable
	check_transfers 1
	lawful 1
	hidden_card 8086:15f3
	[ -n "${NATIVE:-}" ] || ! grep -aE "veneer: (warning|error).*igc" "$(serial)"
}

# Another system's driver judges the models, without Veneer.
# bats test_tags=slow
@test "igc: Linux's own driver accepts I225: two queues, 2.5 Gb/s, 64 MiB down and up, removed and loaded" {
	NATIVE=1
	transfer 64
	cards igc ,flash=1 i225
	linux_run net,reload "$transfer veneer.driver=igc" --smp 2 "${nics[@]}"
	check_transfers 1
	said "speed: 2500"
	lawful 1
}

# bats test_tags=slow
@test "igc: Linux's own driver accepts I225-LM, I226 and I226-LM with slow and late links" {
	NATIVE=1
	transfer 8
	cards igc ,autoneg-ms=2000,mbps=1000,phy-off=1 i226 i225lm i226lm
	linux_run net,reload "$transfer veneer.driver=igc" "${nics[@]}"
	said "cards: 3"
	check_transfers 3
	said "speed: 1000"
	lawful 3
}

# bats test_tags=slow
@test "igc: Linux's own driver sees the cable pulled and put back" {
	NATIVE=1
	linux_start link "" --nic "igc,autoneg-ms=500,control=$PWD/nic"
	pull_cable
	lawful 1
}

# iPXE uses the first queue's registers at the older chips' offsets, legacy descriptors and ICR.
# bats test_tags=slow
@test "igc: iPXE's own driver accepts I225 and I226, after a driver that left small packet buffers, too" {
	"$LIB/ipxe" "$BUILD/ipxe-sid" sid
	ipxe_fetches "$BUILD/ipxe-sid" igc,chip=i225 300
	ipxe_fetches "$BUILD/ipxe-sid" igc,chip=i226,pbs-left=1 300
}

# bats test_tags=slow
@test "igc: the hobby OS fetches a file through an I226" {
	hobby_fetches igc,chip=i226 "igc0: I226-V at 00:03.0, MAC .* link up 2500 Mb/s full duplex"
}

# bats test_tags=slow
@test "igc: Veneer drives I225-LM, I226 and I226-LM, 64 MiB down and up, on the older machine" {
	veneer_only
	transfer 64
	cards igc ,autoneg-ms=1500,phy-off=1 i225lm i226 i226lm
	linux_run net "$transfer" --machine pc --mem 5G "${nics[@]}"
	said "cards: 3"
	check_transfers 3
	lawful 3
}

# bats test_tags=slow
@test "igc: under load a transmitter that hangs is reset, lost interrupts and lost tails are made up for" {
	veneer_only
	transfer 48
	linux_start net "$transfer" --nic "igc,control=$PWD/nic"
	break_card lose-irqs=3 lose-tails=3 tx-stuck=1
	guest_wait_for 'igc0: transmitter hangs: at descriptor' 60
	guest_end
	check_transfers 1
	lawful 1
}

# bats test_tags=slow
@test "igc: a warm reboot of Linux's own driver, an I226" {
	NATIVE=1
	warm_reboot igc,chip=i226
}

# bats test_tags=slow
@test "igc: a warm reboot behind Veneer" {
	veneer_only
	warm_reboot igc
}
