# SPDX-License-Identifier: BSD-2-Clause
# The first card and all disks at once, for some seconds: the file at veneer.url= is fetched, the disks are read past the page
# cache.
url=$(arg url)
card=$(cards | head -n 1)
dhcp "$card" || fail "$card: no address by DHCP"
sum=$(wget -q -O - "$url/down" | sha)
say "busy with $card and $(disks | tr "\n" " ")"
for disk in $(disks); do
	(for round in $(seq 1 20); do
		dd if="/dev/$disk" of=/dev/null bs=64k count=64 iflag=direct 2>/dev/null ||
			echo "$disk: round $round" >>/tmp/bad
	done) &
done
for round in $(seq 1 8); do
	[ "$(wget -q -O - "$url/down" | sha)" = "$sum" ] || echo "$card: round $round" >>/tmp/bad
done
wait
[ ! -e /tmp/bad ] || fail "$(tr '\n' ';' </tmp/bad)"
say "no longer busy"
