# SPDX-License-Identifier: BSD-2-Clause
# The test pulls the controller of the disk with the serial number veneer.pulled=, then the second card.  Requests to that disk
# fail from then on; the other disks and the first card go on.
read_some() { dd if="/dev/$1" of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null; }

# others WHEN
others() {
	for disk in $(disks); do
		[ "$disk" = "$pulled" ] || read_some "$disk" || fail "$1: $disk cannot be read"
	done
	dhcp "$card" || fail "$1: $card gets no address"
}

card=$(cards | head -n 1)
for disk in $(disks); do
	say "disk $(cat /sys/block/$disk/serial 2>/dev/null)"
	[ "$(cat /sys/block/$disk/serial 2>/dev/null)" != "$(arg pulled)" ] || pulled=$disk
done
[ -n "$pulled" ] || { fail "no disk $(arg pulled)"; finish; }
for disk in $(disks); do
	read_some "$disk" || fail "$disk: cannot be read before"
done
others before
say "waiting for the pull"
tries=0
while read_some "$pulled" && [ $tries -lt 1000 ]; do
	tries=$((tries + 1))
	usleep 50000
done
[ $tries -lt 1000 ] || fail "$pulled: can still be read"
others "without the disk"
read_some "$pulled" && fail "$pulled: can be read again"
dd if=/dev/zero of=/dev/$pulled bs=4096 count=1 oflag=direct 2>/dev/null && fail "$pulled: can be written"
say "waiting for the second card"
sleep 5
others "without the card"
