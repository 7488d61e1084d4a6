# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/boot/ap.o
obj-y += hv/boot/mbi.o
obj-y += hv/boot/memmap.o
obj-y += hv/boot/loader.o
obj-y += hv/boot/load_plan.o
obj-y += hv/boot/load_elf.o
obj-y += hv/boot/symbols.o
obj-$(CONFIG_BOOT_MULTIBOOT1) += hv/boot/load_multiboot1.o
obj-$(CONFIG_BOOT_MULTIBOOT2) += hv/boot/load_multiboot2.o
obj-$(CONFIG_BOOT_PVH) += hv/boot/load_pvh.o
obj-$(CONFIG_BOOT_LINUX) += hv/boot/load_linux.o
obj-$(CONFIG_BOOT_BIOS) += hv/boot/bios.o hv/boot/bios_disk.o hv/boot/bios_memory.o hv/boot/bios_stub.o hv/boot/load_real.o
obj-y += hv/boot/entry.o
