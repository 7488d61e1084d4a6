# SPDX-License-Identifier: BSD-2-Clause
# veneer.cpus= processors: none sees a concealed device; all work on the same card and disks at once, while veneer.nmis= times
# each is sent an NMI, and veneer.offline= times each but the first goes away and comes back.
cpus=$(arg cpus)
url=$(arg url)
last=$((cpus - 1))
concealed='8086:10d3|8086:2922|1b36:0010'
card=$(cards | head -n 1)
disks=$(disks)

online=0
[ "$last" = 0 ] || online=0-$last
expect "processors online" "$(cat /sys/devices/system/cpu/online)" "$online"
expect "nproc" "$(nproc)" "$cpus"
for cpu in $(seq 0 $last); do
	for mech in intel-conf1 linux-sysfs; do
		expect "CPU $cpu sees a concealed device by $mech" \
			"$(taskset -c "$cpu" lspci -n -A $mech 2>/dev/null | grep -cE "$concealed")" 0
	done
	expect "CPU $cpu sees the twins" "$(taskset -c "$cpu" lspci -n -A intel-conf1 | grep -c 1af4:)" \
		$(($(cards | wc -l) + $(echo "$disks" | wc -l)))
done
dhcp "$card" || fail "$card: no address by DHCP"
sum=$(wget -q -O - "$url/down" | sha)
say "download 0 $sum"

# Until /tmp/stop is there: each of these on each processor.
# load_net CPU: what comes down is what came down before, and goes up again.
load_net() {
	rounds=0
	while [ ! -e /tmp/stop ]; do
		[ "$(wget -q -O - "$url/down" | sha)" = "$sum" ] || echo "CPU $1: a download differs" >>/tmp/bad
		wget -q -O /dev/null --post-file=/tmp/up "$url/up$1" || echo "CPU $1: an upload failed" >>/tmp/bad
		rounds=$((rounds + 1))
	done
	echo $rounds >"/tmp/rounds.net.$1"
}

# load_disk CPU DISK: a part of its own, past the page cache.
load_disk() {
	rounds=0
	while [ ! -e /tmp/stop ]; do
		dd if=/tmp/part of="/dev/$2" bs=64k seek=$(($1 * 64)) oflag=direct 2>/dev/null ||
			echo "CPU $1: $2: a write failed" >>/tmp/bad
		[ "$(dd if="/dev/$2" bs=64k skip=$(($1 * 64)) count=8 iflag=direct 2>/dev/null | sha)" = "$part" ] ||
			echo "CPU $1: $2: what was read is not what was written" >>/tmp/bad
		rounds=$((rounds + 1))
	done
	echo $rounds >"/tmp/rounds.$2.$1"
}

pattern 1 up >/tmp/up
head -c $((8 * 65536)) /dev/urandom >/tmp/part
part=$(sha </tmp/part)
for cpu in $(seq 0 $last); do
	load_net "$cpu" &
	taskset -p -c "$cpu" $! >/dev/null
	for disk in $disks; do
		load_disk "$cpu" "$disk" &
		taskset -p -c "$cpu" $! >/dev/null
	done
done

nmis=$(arg nmis)
seen=0
for i in $(seq 1 "${nmis:-0}"); do
	dmesg -c >/dev/null
	echo l >/proc/sysrq-trigger
	dmesg -c >/tmp/log
	seen=$((seen + $(grep -c 'NMI backtrace for cpu' /tmp/log)))
	cat /tmp/log >>/tmp/kernel.log
done
[ -z "$nmis" ] || say "NMIs: $nmis times on $cpus processors, lost $((nmis * cpus - seen))"
for i in $(seq 1 "$(arg offline)" 2>/dev/null); do
	for cpu in $(seq 1 $last); do
		echo 0 >"/sys/devices/system/cpu/cpu$cpu/online" || fail "CPU $cpu does not go offline"
	done
	expect "round $i: offline" "$(cat /sys/devices/system/cpu/online)" 0
	for cpu in $(seq 1 $last); do
		echo 1 >"/sys/devices/system/cpu/cpu$cpu/online" || fail "CPU $cpu does not come back"
		expect "round $i: CPU $cpu sees a concealed device" \
			"$(taskset -c "$cpu" lspci -n -A intel-conf1 2>/dev/null | grep -cE "$concealed")" 0
	done
done
seconds=$(arg seconds)
sleep "${seconds:-5}"
say "stopping"
touch /tmp/stop
wait
for file in /tmp/rounds.*; do
	say "rounds: ${file#/tmp/rounds.} $(cat "$file")"
	[ "$(cat "$file")" -gt 0 ] || fail "$file: nothing was done"
done
[ ! -e /tmp/bad ] || fail "$(sort /tmp/bad | uniq -c | tr '\n' ';')"
dmesg >>/tmp/kernel.log
say "irqs: $(grep -E 'virtio[0-9]+-' /proc/interrupts | tr -s ' ' | tr '\n' ';')"
for bad in 'unknown reason' 'I/O error' 'nobody cared' 'blocked for more than' 'NETDEV WATCHDOG' 'Call Trace.*BUG'; do
	expect "the kernel says: $bad" "$(grep -c "$bad" /tmp/kernel.log)" 0
done
