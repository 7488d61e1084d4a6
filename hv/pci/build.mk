# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/pci/pci.o
obj-y += hv/pci/pci_space.o
obj-y += hv/pci/vpci.o
obj-y += hv/pci/guard.o
obj-y += hv/pci/vbridge.o
obj-y += hv/pci/fch.o
obj-y += hv/pci/fwcfg.o
