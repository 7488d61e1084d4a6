# SPDX-License-Identifier: BSD-2-Clause
# For a driver that judges a model: sets the first card down and up, removes and loads its driver (veneer.driver=); after each,
# gets an address by DHCP.
card=$(cards | head -n 1)
driver=$(arg driver)
for _ in 1 2; do
	ip link set "$card" down
	dhcp "$card" || fail "no address after down and up"
done
say "speed: $(cat "/sys/class/net/$card/speed")"
# Modules that the driver depends on may stay, which is a failure for busybox.
modprobe -r "$driver" 2>/dev/null
[ -z "$(cards)" ] || fail "cards without a driver: $(cards)"
modprobe "$driver"
card=$(cards | head -n 1)
if dhcp "$card"; then say "ok: $card is back with its driver"; else fail "no address after the driver was loaded again"; fi
