#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The network cards of Intel's chipsets, 82579, I217, I218 and I219, which no emulator has: a register model of tests/models, a
# process behind QEMU 11.  Linux's own driver (e1000e of Debian 6.1) judges the model, then Veneer drives it.
# shellcheck disable=SC2154 # models.bash and guest.bash set transfer, nics and HTTP_DIR
# shellcheck disable=SC2034 # NATIVE is for guest.bash
load ../lib/guest
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
@test "i219: Linux's own driver accepts the models of all other ids that it knows" {
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
