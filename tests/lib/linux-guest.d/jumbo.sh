# SPDX-License-Identifier: BSD-2-Clause
# Two cards at one wire, with an MTU of 9000: each has a network stack of its own, and sends the other veneer.mib= (16) MiB.
mib=$(arg mib)
one=$(cards | head -n 1)
two=$(cards | tail -n 1)
unshare -n sleep 100000 &
pid=$!
while [ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do usleep 100000; done

# other COMMAND...: in the network stack of the second card
other() {
	nsenter -t $pid -n "$@"
}

# field CARD N COMMAND...: a field of /proc/net/dev; 1 and 2 are received bytes and frames
field() {
	local card=$1 n=$2
	shift 2
	"$@" sed -n "s/^ *$card: *//p" /proc/net/dev | awk -v n="$n" '{ print $n }'
}

# transfer NAME SERVER-ADDRESS CARD COMMAND...: get the file, by frames that are longer than 4000 bytes on average
transfer() {
	local name=$1 server=$2 card=$3 bytes frames
	shift 3
	bytes=$(field "$card" 1 "$@")
	frames=$(field "$card" 2 "$@")
	expect "$name" "$("$@" wget -q -O - "http://$server/down" | sha)" "$sum"
	bytes=$(($(field "$card" 1 "$@") - bytes))
	frames=$(($(field "$card" 2 "$@") - frames))
	say "$name: $frames frames of $((bytes / frames)) bytes"
	[ $((bytes / frames)) -gt 4000 ] || fail "$name: short frames"
}

ip link set "$two" netns $pid
ip addr add 10.1.0.1/24 dev "$one"
ip link set "$one" up
other ip addr add 10.1.0.2/24 dev "$two"
other ip link set "$two" up
for card in "$one" "$two"; do
	by=
	[ "$card" = "$one" ] || by=other
	# shellcheck disable=SC2086 # nothing, or a word
	expect "$card: MTU" "$($by ip link show dev "$card" | sed -n 's/.*mtu \([0-9]*\).*/\1/p')" 9000
done
mkdir -p /tmp/www
pattern "${mib:-16}" jumbo >/tmp/www/down
sum=$(sha </tmp/www/down)
httpd -h /tmp/www
other httpd -h /tmp/www
expect "ping of 9000 bytes" "$(ping -c 3 -s 8972 10.1.0.2 | grep -c '^8980 bytes from')" 3
transfer "to the first card" 10.1.0.2 "$one" env
transfer "to the second card" 10.1.0.1 "$two" other
ping -c 1 -s 8972 10.1.0.2 >/dev/null || fail "no ping at the end"
kill $pid
# The host reads Veneer's counters now.
say "stopping"
sleep 5
