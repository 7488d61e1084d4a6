# SPDX-License-Identifier: BSD-2-Clause
# The test pulls the controllers of the disks with the serial numbers veneer.pulled=A,B, one after the other, then the second
# card.  Requests to a pulled disk fail from then on; the other disks and the first card still work.
read_some() { dd if="/dev/$1" of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null; }

# others WHEN
others() {
	for disk in $(disks); do
		is_gone "$disk" || read_some "$disk" || fail "$1: $disk cannot be read"
	done
	dhcp "$card" || fail "$1: $card gets no address"
}

is_gone() {
	case " $gone " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
}

# disk_of SERIAL
disk_of() {
	for disk in $(disks); do
		[ "$(cat /sys/block/$disk/serial 2>/dev/null)" != "$1" ] || echo $disk
	done
}

# pull SERIAL: ask the test to pull the disk's controller, and wait
pull() {
	local pulled=$(disk_of "$1") tries=0
	[ -n "$pulled" ] || { fail "no disk $1"; finish; }
	say "waiting for the pull of $1"
	while read_some "$pulled" && [ $tries -lt 1000 ]; do
		tries=$((tries + 1))
		usleep 50000
	done
	[ $tries -lt 1000 ] || fail "$pulled: can still be read"
	gone="$gone $pulled"
	others "without $1"
	read_some "$pulled" && fail "$pulled: can be read again"
	dd if=/dev/zero of=/dev/$pulled bs=4096 count=1 oflag=direct 2>/dev/null && fail "$pulled: can be written"
}

gone=
card=$(cards | head -n 1)
for disk in $(disks); do
	say "disk $(cat /sys/block/$disk/serial 2>/dev/null)"
	read_some "$disk" || fail "$disk: cannot be read before"
done
others before
for serial in $(arg pulled | tr , ' '); do
	pull "$serial"
done
say "waiting for the second card"
sleep 5
others "without the card"
