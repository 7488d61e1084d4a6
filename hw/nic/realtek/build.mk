# SPDX-License-Identifier: BSD-2-Clause
obj-$(CONFIG_NIC_REALTEK) += hw/nic/realtek/realtek.o hw/nic/realtek/realtek_chip.o hw/nic/realtek/realtek_rings.o \
	hw/nic/realtek/realtek_pci.o
