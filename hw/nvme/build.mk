# SPDX-License-Identifier: BSD-2-Clause
obj-$(CONFIG_NVME) += hw/nvme/nvme.o hw/nvme/nvme_event.o hw/nvme/nvme_recover.o hw/nvme/nvme_identify.o hw/nvme/nvme_pci.o
