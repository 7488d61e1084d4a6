# SPDX-License-Identifier: BSD-2-Clause
# Placeholder until Kconfig stands: everything on.
$(BUILD)/autoconf.h: scripts/kconfig.mk
	@mkdir -p $(@D)
	@printf '#define CONFIG_%s 1\n' SVM NIC_E1000 NIC_E1000E AHCI NVME VIRTIO_LEGACY VIRTIO_MODERN BOOT_MULTIBOOT1 BOOT_MULTIBOOT2 BOOT_LINUX CONSOLE_SERIAL CONSOLE_SCREEN > $@
$(BUILD)/auto.conf: scripts/kconfig.mk
	@mkdir -p $(@D)
	@printf 'CONFIG_%s=y\n' SVM NIC_E1000 NIC_E1000E AHCI NVME VIRTIO_LEGACY VIRTIO_MODERN BOOT_MULTIBOOT1 BOOT_MULTIBOOT2 BOOT_LINUX CONSOLE_SERIAL CONSOLE_SCREEN > $@
