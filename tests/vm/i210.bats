#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Intel's I210, I211 and I350, which no emulator has: a register model of tests/models, a process behind QEMU 11.  Linux's own
# driver (igb of Debian 6.1) judges the model, then Veneer drives it.
# shellcheck disable=SC2034,SC2154 # NATIVE is for guest.bash; models.bash sets transfer and nics
load ../lib/guest
load ../lib/bios
load ../lib/models

# One boot.
@test "i210: an I211 left with its semaphore taken and its PHY off: hidden, DHCP, 2 MiB down and up, the cable pulled" {
	transfer 2
	linux_start lspci,net,link "$transfer" --nic "i210,chip=i211,swsm-left=1,phy-off=1,control=$PWD/nic"
	pull_cable
	check_transfers 1
	lawful 1
	hidden_card 8086:1539
}

# What is wrong with a model is no business of these: they are driven by somebody else's driver.
# bats test_tags=slow
@test "i210: Linux's own driver accepts I210: two queues, 64 MiB down and up, removed and loaded" {
	NATIVE=1
	transfer 64
	cards i210 "" i210
	linux_run net,reload "$transfer veneer.driver=igb" --smp 2 "${nics[@]}"
	check_transfers 1
	said "speed: 1000"
	lawful 1
}

# bats test_tags=slow
@test "i210: Linux's own driver accepts I211, I210 without flash and I350, 64 MiB down and up, late links" {
	NATIVE=1
	transfer 64
	cards i210 ,autoneg-ms=1000,phy-off=1 i211 i210-flashless i350
	linux_run net,reload "$transfer veneer.driver=igb" "${nics[@]}"
	said "cards: 3"
	check_transfers 3
	lawful 3
}

# bats test_tags=slow
@test "i210: Linux's own driver sees the cable of an I211 pulled and put back" {
	NATIVE=1
	linux_start link "" --nic "i210,chip=i211,autoneg-ms=500,control=$PWD/nic"
	pull_cable
	lawful 1
}

# bats test_tags=slow
@test "i210: the hobby OS fetches a file through an I211" {
	hobby_fetches i210,chip=i211 "igb0: I211 at 00:03.0, MAC .* link up 1000 Mb/s full duplex"
}

# bats test_tags=slow
@test "i210: Veneer drives I210, I210 without flash, I211 and I350, 64 MiB down and up" {
	veneer_only
	transfer 64
	cards i210 ,autoneg-ms=1500 i210 i210-flashless i211 i350
	linux_run net "$transfer" --mem 5G "${nics[@]}"
	said "cards: 4"
	check_transfers 4
	lawful 4
}

# bats test_tags=slow
@test "i210: under load a transmitter that hangs is reset, lost interrupts and lost tails are made up for" {
	veneer_only
	transfer 48
	linux_start net "$transfer" --nic "i210,chip=i211,control=$PWD/nic"
	break_card lose-irqs=3 lose-tails=3 tx-stuck=1
	guest_wait_for 'igb0: transmitter hangs: at descriptor' 60
	guest_end
	check_transfers 1
	lawful 1
}

# bats test_tags=slow
@test "i210: iPXE's own driver accepts I210, I211 and I350" {
	"$LIB/ipxe" "$BUILD/ipxe-sid" sid
	ipxe_fetches "$BUILD/ipxe-sid" i210,chip=i210 300
	ipxe_fetches "$BUILD/ipxe-sid" i210,chip=i211 300
	ipxe_fetches "$BUILD/ipxe-sid" i210,chip=i350 300
}

# bats test_tags=slow
@test "i210: a warm reboot of Linux's own driver, an I211" {
	NATIVE=1
	warm_reboot i210,chip=i211
}

# bats test_tags=slow
@test "i210: a warm reboot behind Veneer, an I210 whose semaphore is left taken" {
	veneer_only
	warm_reboot i210,swsm-left=1
}
