# SPDX-License-Identifier: BSD-2-Clause
# On every card: an address by DHCP, a download and an upload of veneer.mib= (64) MiB; veneer.url= is the server. With
# veneer.cpus= this number of processors must exist, and the last one downloads.
url=$(arg url)
mib=$(arg mib)
cpus=$(arg cpus)
by=
if [ -n "$cpus" ]; then
	expect "nproc" "$(nproc)" "$cpus"
	by="taskset -c $((cpus - 1))"
fi
say "cards: $(cards | wc -l)"
number=0
for card in $(cards); do
	if ! dhcp "$card"; then
		fail "$card: no address by DHCP"
		continue
	fi
	say "ok: $card has $(ip -4 addr show dev "$card" | sed -n 's/.*inet \([0-9.]*\).*/\1/p')"
	# shellcheck disable=SC2086 # words
	say "download $number $($by wget -q -O - "$url/down" | sha)"
	# busybox's wget posts only up to the first NUL.
	pattern ${mib:-64} "$card" >/tmp/up
	say "upload $number $(sha </tmp/up)"
	wget -q -O /dev/null --post-file=/tmp/up "$url/up$number" || fail "$card: upload"
	rm /tmp/up
	say "irqs of $card: $(grep -E "virtio[0-9]+-(input|output)|$card" /proc/interrupts | tr -s ' ' | tr '\n' ';')"
	ip link set "$card" down
	ip addr flush dev "$card"
	number=$((number + 1))
done
