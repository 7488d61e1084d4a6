# SPDX-License-Identifier: BSD-2-Clause
# For the guest matrix: net.sh and disks.sh for every card and every disk, and the PCI address of each.
say "processors $(grep -c '^processor' /proc/cpuinfo)"
say "kernel $(uname -r)"
number=0
for card in $(cards); do
	# A virtio device's directory lies in the PCI function's.
	say "at $(readlink -f "/sys/class/net/$card/device" | sed 's,/virtio[0-9]*$,,; s,.*/,,') card $number"
	number=$((number + 1))
done
for disk in $(disks); do
	say "at $(basename "$(readlink -f "/sys/block/$disk/device/..")") disk $disk"
done
# shellcheck source=tests/lib/linux-guest.d/net.sh
. /scripts/net.sh
# shellcheck source=tests/lib/linux-guest.d/disks.sh
. /scripts/disks.sh
lines=$(grep virtio /proc/interrupts | grep -vc MSI)
say "interrupts: $(grep -cE 'MSI.* virtio' /proc/interrupts) by MSI-X, $lines by lines"
