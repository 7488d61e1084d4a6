# SPDX-License-Identifier: BSD-2-Clause
# Prints Linux's complaints about the PCI bus, tries to renumber bridges, and uses a card that is left to the guest by the
# card's own driver.
dmesg | grep -iE "firmware bug|can't size|error updating|no compatible bridge|invalid.*bar|timeout on hotplug" |
	sed 's/^/GUEST: strange: /'
lspci -n | sed 's/^/GUEST: lspci: /'
# Print the bus numbers of every bridge, before and after a write of zeros.
for bridge in /sys/bus/pci/devices/*; do
	case $(cat "$bridge/class") in
	0x0604*) ;;
	*) continue ;;
	esac
	before=$(dd if="$bridge/config" bs=1 skip=24 count=3 2>/dev/null | od -An -tx1)
	printf '\0\0\0' | dd of="$bridge/config" bs=1 seek=24 conv=notrunc 2>/dev/null
	after=$(dd if="$bridge/config" bs=1 skip=24 count=3 2>/dev/null | od -An -tx1)
	expect "bus numbers of ${bridge##*/} ($before)" "$after" "$before"
done
modprobe e1000e
sleep 1
for card in $(cards); do
	driver=$(readlink "/sys/class/net/$card/device/driver")
	if dhcp "$card"; then
		say "ok: a card of ${driver##*/} has $(ip -4 addr show dev "$card" | sed -n 's/.*inet \([0-9.]*\).*/\1/p')"
	else
		fail "$card of ${driver##*/}: no address by DHCP"
	fi
	ip link set "$card" down
	ip addr flush dev "$card"
done
for disk in $(disks); do
	say "disk $disk: $(dd if="/dev/$disk" bs=1M count=4 2>/dev/null | sha)"
done
