# SPDX-License-Identifier: BSD-2-Clause
obj-$(CONFIG_BOOT_EFI) += hv/efi/efi.o hv/efi/efi_state.o
