# SPDX-License-Identifier: BSD-2-Clause
# For veneer.seconds=: each disk is read in pieces of 4 KiB past the page cache, one request at a time, by one process, and the
# file at veneer.url= comes down again and again; one more process writes to each disk and reads what it has written.
# veneer.start=: the second processor is started meanwhile, and goes away and comes back that often.
url=$(arg url)
card=$(cards | head -n 1)
dhcp "$card" || fail "$card: no address by DHCP"
sum=$(wget -q -O - "$url/down" | sha)
say "download 0 $sum"
head -c $((64 * 4096)) /dev/urandom >/tmp/part
part=$(sha </tmp/part)

read_disk() {
	while [ ! -e /tmp/stop ]; do
		dd if="/dev/$1" of=/dev/null bs=4k count=4096 iflag=direct 2>/dev/null || echo "$1: a read failed" >>/tmp/bad
	done
}

write_disk() {
	while [ ! -e /tmp/stop ]; do
		dd if=/tmp/part of="/dev/$1" bs=4k seek=1024 oflag=direct 2>/dev/null || echo "$1: a write failed" >>/tmp/bad
		[ "$(dd if="/dev/$1" bs=4k skip=1024 count=64 iflag=direct 2>/dev/null | sha)" = "$part" ] ||
			echo "$1: what was read is not what was written" >>/tmp/bad
		sleep 1
	done
}

for disk in $(disks); do
	read_disk "$disk" &
	write_disk "$disk" &
done
while [ ! -e /tmp/stop ]; do
	[ "$(wget -q -O - "$url/down" | sha)" = "$sum" ] || echo "$card: a download differs" >>/tmp/bad
	wget -q -O /dev/null --post-file=/tmp/part "$url/up0" || echo "$card: an upload failed" >>/tmp/bad
done &
sleep 1
say "under load"
cpu=/sys/devices/system/cpu/cpu1/online
for round in $(seq 1 "$(arg start)" 2>/dev/null); do
	echo 1 >$cpu || fail "round $round: the second processor does not start"
	sleep 2
	echo 0 >$cpu || fail "round $round: the second processor does not go away"
	sleep 2
	say "round $round"
done
sleep "$(arg seconds)"
say "stopping"
sleep 2
touch /tmp/stop
wait
[ ! -e /tmp/bad ] || fail "$(sort /tmp/bad | uniq -c | tr '\n' ';')"
for bad in 'unknown reason' 'I/O error' 'nobody cared' 'blocked for more than' 'NETDEV WATCHDOG'; do
	expect "the kernel says: $bad" "$(dmesg | grep -c "$bad")" 0
done
