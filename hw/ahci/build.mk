# SPDX-License-Identifier: BSD-2-Clause
obj-$(CONFIG_AHCI) += hw/ahci/ahci.o hw/ahci/ahci_port.o hw/ahci/ahci_cmd.o hw/ahci/ahci_error.o hw/ahci/ahci_ident.o \
		      hw/ahci/ahci_pci.o
