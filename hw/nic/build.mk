# SPDX-License-Identifier: BSD-2-Clause
# The Intel engine is shared by three drivers and linked once.
intel-nic := $(if $(filter y,$(CONFIG_NIC_E1000) $(CONFIG_NIC_E1000E) $(CONFIG_NIC_IGB)),y,n)

obj-$(intel-nic) += hw/nic/intel_ring.o hw/nic/intel_mac.o hw/nic/intel_phy.o hw/nic/intel_nic.o
obj-$(CONFIG_NIC_E1000) += hw/nic/e1000.o hw/nic/e1000_pci.o
obj-$(CONFIG_NIC_E1000E) += hw/nic/e1000e.o hw/nic/e1000e_pci.o
obj-$(CONFIG_NIC_IGB) += hw/nic/igb.o hw/nic/igb_desc.o hw/nic/igb_pci.o
obj-$(CONFIG_NIC_RTL8139) += hw/nic/rtl8139.o hw/nic/rtl8139_mac.o hw/nic/rtl8139_tx.o hw/nic/rtl8139_rx.o
obj-$(CONFIG_NIC_RTL8139) += hw/nic/rtl8139_probe.o hw/nic/rtl8139_pci.o
obj-$(CONFIG_NIC_SKELETON) += hw/nic/skeleton.o
