# SPDX-License-Identifier: BSD-2-Clause
# For a driver that judges a model: the first card down and up, its driver (veneer.driver=) removed and loaded; after each an
# address by DHCP.
card=$(cards | head -n 1)
driver=$(arg driver)
for _ in 1 2; do
	ip link set "$card" down
	dhcp "$card" || fail "no address after down and up"
done
say "speed: $(cat "/sys/class/net/$card/speed")"
# What it needs besides may stay, which busybox calls a failure.
modprobe -r "$driver" 2>/dev/null
[ -z "$(cards)" ] || fail "cards without a driver: $(cards)"
modprobe "$driver"
card=$(cards | head -n 1)
if dhcp "$card"; then say "ok: $card is back with its driver"; else fail "no address after the driver was loaded again"; fi
