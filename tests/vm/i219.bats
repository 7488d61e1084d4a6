#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The network cards of Intel's chipsets, 82579, I217, I218 and I219, which no emulator has: a register model of tests/models, a
# process behind QEMU 11.  Linux's own driver (e1000e of Debian 6.1) judges the model, then Veneer drives it.
# shellcheck disable=SC2154 # models.bash and guest.bash set transfer, nics and HTTP_DIR
load ../lib/guest
load ../lib/bios
load ../lib/models

# Each id of the driver's table, five of them in a machine.
IDS=(82579lm 82579v i217lm i217v i218lm i218v i218lm2 i218v2 i218lm3 i218v3 i219lm i219v i219lm2 i219v2 i219lm3 i219lm4 i219v4
	i219lm5 i219v5 i219lm6 i219v6 i219lm7 i219v7 i219lm8 i219v8 i219lm9 i219v9 i219lm10 i219v10 i219lm11 i219v11 i219lm12
	i219v12 i219lm13 i219v13 i219lm14 i219v14 i219lm15 i219v15 i219lm16 i219v16 i219lm17 i219v17 i219lm18 i219v18 i219lm19
	i219v19 i219lm20 i219v20 i219lm21 i219v21 i219lm22 i219v22 i219lm23 i219v23)

# five N: sets nics to the Nth five of all ids.
five() {
	cards i219 ,autoneg-ms=500 "${IDS[@]:$((5 * $1)):5}"
}

# One boot.
@test "i219: an I219 left asleep: woken, hidden, DHCP, 2 MiB down and up, the cable pulled and put back" {
	transfer 2
	linux_start lspci,net,link "$transfer" --nic "i219,ulp-left=1,control=$PWD/nic"
	pull_cable
	check_transfers 1
	lawful 1
	hidden_card 8086:15b8
	[ -n "${NATIVE:-}" ] || ! grep -aE "veneer: (warning|error).*e1000e" "$(serial)"
}

# What is wrong with a model is no business of these: they are driven by somebody else's driver.
# bats test_tags=slow
@test "i219: Linux's own driver accepts I219-V (2): 64 MiB down and up, removed and loaded" {
	NATIVE=1
	transfer 64
	cards i219 "" i219v2
	linux_run net,reload "$transfer veneer.driver=e1000e" --smp 2 "${nics[@]}"
	check_transfers 1
	said "speed: 1000"
	lawful 1
}

# bats test_tags=slow
@test "i219: Linux's own driver accepts 82579LM, 82579V, I217-LM, I217-V and I218-V (2), 64 MiB down and up" {
	NATIVE=1
	transfer 64
	cards i219 "" 82579lm 82579v i217lm i217v i218v2
	linux_run net,reload "$transfer veneer.driver=e1000e" "${nics[@]}"
	said "cards: 5"
	check_transfers 5
	lawful 5
}

# bats test_tags=slow
@test "i219: Linux's own driver accepts I219-LM (2), -LM (7), -V (7), -V (14) and -V (17), 16 MiB down and up" {
	NATIVE=1
	transfer 16
	cards i219 "" i219lm2 i219lm7 i219v7 i219v14 i219v17
	linux_run net,reload "$transfer veneer.driver=e1000e" "${nics[@]}"
	said "cards: 5"
	check_transfers 5
	lawful 5
}

# bats test_tags=slow
@test "i219: Linux's own driver accepts the models of all ids" {
	NATIVE=1
	transfer 4
	local i known
	for i in 0 1 2 3 4 5 6 7 8 9 10; do
		five "$i"
		rm -f "$HTTP_DIR"/up*
		linux_run net "$transfer" "${nics[@]}"
		known=$(sed -n 's/.*GUEST: cards: //p' serial.log | tr -d '\r')
		echo "$i: $known of ${IDS[*]:$((5 * i)):5}"
		[ "$known" = "$((${#nics[@]} / 2))" ]
		check_transfers "$known"
		lawful "$known"
	done
}

# slow_links: sets nics to cards whose partners have slower links.
slow_links() {
	nics=("--nic=i219,chip=82579v,mbps=10,half=1" "--nic=i219,chip=i217lm,mbps=100,half=1"
		"--nic=i219,chip=i219v2,mbps=100" "--nic=i219,chip=i219v7,mbps=10")
}

# bats test_tags=slow
@test "i219: Linux's own driver sets what each speed wants" {
	NATIVE=1
	transfer 4
	slow_links
	linux_run net "$transfer veneer.driver=e1000e" "${nics[@]}"
	said "cards: 4"
	check_transfers 4
	lawful 4
}

# bats test_tags=slow
@test "i219: Veneer sets what each speed wants" {
	veneer_only
	transfer 4
	slow_links
	linux_run net "$transfer" "${nics[@]}"
	check_transfers 4
	lawful 4
	grep -a 'e1000e0: .*link up 10 Mb/s half duplex' "$(serial)"
}

# bats test_tags=slow
@test "i219: Veneer drives 82579V, I217-LM, I218-V (2), I219-V (7) and I219-V (17), 64 MiB down and up" {
	veneer_only
	transfer 64
	cards i219 ,autoneg-ms=1500,phy-off=1 82579v i217lm i218v2 i219v7 i219v17
	linux_run net "$transfer" --mem 5G "${nics[@]}"
	said "cards: 5"
	check_transfers 5
	lawful 5
}

# bats test_tags=slow
@test "i219: Veneer wakes a PHY that lost its way, that sleeps with an engine, and that was kept slow" {
	veneer_only
	transfer 8
	linux_run net "$transfer" --nic i219,chip=82579lm,phy-lost=1 --nic i219,chip=i218v,phy-lost=1 \
		--nic i219,chip=i219lm,ulp-left=1,me=1,me-blocks=1 --nic i219,chip=i219v14,lplu-left=1
	said "cards: 4"
	check_transfers 4
	lawful 4
	[ "$(grep -ac 'the PHY does not answer: switching its power' "$(serial)")" = 2 ]
	[ "$(grep -ac 'link up 1000 Mb/s full duplex' "$(serial)")" = 4 ]
}

# bats test_tags=slow
@test "i219: the hobby OS fetches a file through a 82579LM" {
	hobby_fetches i219,chip=82579lm "e1000e0: 82579LM at 00:03.0, MAC .* link up 1000 Mb/s full duplex"
}

# bats test_tags=slow
@test "i219: under load a transmitter that hangs is reset and cuts no more; lost interrupts are made up for" {
	veneer_only
	transfer 48
	linux_start net "$transfer" --nic "i219,chip=i219v7,control=$PWD/nic"
	break_card lose-irqs=3 tx-stuck=1
	guest_wait_for 'e1000e0: transmitter hangs: at descriptor .* no more segmentation' 60
	guest_end
	check_transfers 1
	lawful 1
}

# bats test_tags=slow
@test "i219: iPXE's own driver accepts 82579V, I217-LM, I218-V and I219-V (2)" {
	"$LIB/ipxe" "$BUILD/ipxe-sid" sid
	ipxe_fetches "$BUILD/ipxe-sid" i219,chip=82579v 300
	ipxe_fetches "$BUILD/ipxe-sid" i219,chip=i217lm 300
	ipxe_fetches "$BUILD/ipxe-sid" i219,chip=i218v 300
	ipxe_fetches "$BUILD/ipxe-sid" i219,chip=i219v2 300
}

# bats test_tags=slow
@test "i219: a warm reboot of Linux's own driver, an I219-V (7)" {
	NATIVE=1
	warm_reboot i219,chip=i219v7
}

# bats test_tags=slow
@test "i219: a warm reboot behind Veneer, an I219-V (7) that sleeps at each start" {
	veneer_only
	warm_reboot i219,chip=i219v7,ulp-left=1
}
