# SPDX-License-Identifier: BSD-2-Clause
# The engine is shared by three drivers and linked once.
intel-nic := $(if $(filter y,$(CONFIG_NIC_E1000) $(CONFIG_NIC_E1000E) $(CONFIG_NIC_IGB)),y,n)
intel-old := $(if $(filter y,$(CONFIG_NIC_E1000) $(CONFIG_NIC_E1000E)),y,n)

obj-$(intel-nic) += hw/nic/intel/intel.o hw/nic/intel/intel_tx.o hw/nic/intel/intel_rx.o hw/nic/intel/intel_mac.o
obj-$(intel-nic) += hw/nic/intel/intel_phy.o
obj-$(intel-old) += hw/nic/intel/intel_desc.o
obj-$(if $(filter y,$(CONFIG_NET_JUMBO)),$(intel-nic),n) += hw/nic/intel/intel_rx_long.o
obj-$(CONFIG_NIC_E1000) += hw/nic/intel/e1000.o hw/nic/intel/e1000_pci.o
obj-$(CONFIG_NIC_E1000E) += hw/nic/intel/e1000e.o hw/nic/intel/pch.o hw/nic/intel/pch_speed.o hw/nic/intel/e1000e_pci.o
obj-$(CONFIG_NIC_IGB) += hw/nic/intel/igb.o hw/nic/intel/igb_desc.o hw/nic/intel/igb_pci.o
obj-$(CONFIG_NIC_IGB) += hw/nic/intel/igc.o hw/nic/intel/igc_pci.o
