# SPDX-License-Identifier: BSD-2-Clause
# What is on the PCI bus, and that the real controllers' drivers find none.
lspci -nn | sed 's/^/GUEST: lspci: /'
lspci -n -v | sed 's/^/GUEST: detail: /'
# No device answers where only a concealed one is, by either way to its configuration space.
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
