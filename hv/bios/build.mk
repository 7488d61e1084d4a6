# SPDX-License-Identifier: BSD-2-Clause
obj-$(CONFIG_BOOT_BIOS) += hv/bios/bios.o
obj-$(CONFIG_BOOT_BIOS) += hv/bios/bios_disk.o
obj-$(CONFIG_BOOT_BIOS) += hv/bios/bios_memory.o
obj-$(CONFIG_BOOT_BIOS) += hv/bios/bios_stub.o
