# SPDX-License-Identifier: BSD-2-Clause
# Prints the devices on the PCI bus, and checks that the real controllers' drivers find none.
lspci -nn | sed 's/^/GUEST: lspci: /'
lspci -n -v | sed 's/^/GUEST: detail: /'
# Check that concealed devices do not answer, by either way to configuration space.
for mech in intel-conf1 linux-sysfs; do
	lspci -n -A $mech 2>/dev/null | cut -d ' ' -f 1,3 | sed "s/^/GUEST: $mech: /"
done
for name in e1000 e1000e igb 8139cp 8139too ahci nvme; do
	modprobe $name
done
sleep 2
for name in e1000 e1000e igb 8139cp 8139too ahci nvme; do
	say "bound to $name: $(ls /sys/bus/pci/drivers/$name | grep -c '^0000:')"
done
say "disks: $(disks | wc -l) cards: $(cards | wc -l)"
