# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/load/loader.o
obj-y += hv/load/load_plan.o
obj-y += hv/load/load_elf.o
obj-$(CONFIG_BOOT_MULTIBOOT1) += hv/load/load_multiboot1.o
obj-$(CONFIG_BOOT_MULTIBOOT2) += hv/load/load_multiboot2.o
obj-$(CONFIG_BOOT_PVH) += hv/load/load_pvh.o
obj-$(CONFIG_BOOT_LINUX) += hv/load/load_linux.o
obj-$(CONFIG_BOOT_BIOS) += hv/load/load_real.o
obj-$(CONFIG_BOOT_LIMINE) += hv/load/load_limine.o hv/load/load_limine_map.o hv/load/load_limine_info.o
obj-$(CONFIG_BOOT_LIMINE) += hv/load/load_limine_stub.o hv/load/limine_machine.o
