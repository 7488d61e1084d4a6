# SPDX-License-Identifier: BSD-2-Clause
obj-$(CONFIG_NIC_RTL8139) += hw/nic/rtl8139/rtl8139.o hw/nic/rtl8139/rtl8139_rings.o hw/nic/rtl8139/rtl8139_pci.o
