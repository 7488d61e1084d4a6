# SPDX-License-Identifier: BSD-2-Clause
# Reports the carrier of the first card: there, lost, back again.
card=$(cards | head -n 1)
ip link set "$card" up

# wait_carrier 0|1
wait_carrier() {
	for i in $(seq 1 400); do
		[ "$(cat "/sys/class/net/$card/carrier")" != "$1" ] || return 0
		usleep 100000
	done
	return 1
}

wait_carrier 1 || fail "no carrier at the start"
say "the carrier is there"
wait_carrier 0 || fail "the carrier never went away"
say "the carrier is lost"
wait_carrier 1 || fail "the carrier never came back"
say "the carrier is back"
dhcp "$card" || fail "no address after the link came back"
