#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The network cards of Intel's chipsets, 82579, I217, I218 and I219, which no emulator has: a register model of tests/models, a
# process behind QEMU 11.  Linux's own driver (e1000e of Debian 6.1) judges the model, then Veneer drives it.
# shellcheck disable=SC2154 # models.bash sets transfer and nics
load ../lib/guest
load ../lib/models

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
