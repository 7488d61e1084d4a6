# SPDX-License-Identifier: BSD-2-Clause
obj-$(CONFIG_BOOT_EFI) += hv/efi/efi.o hv/efi/efi_state.o
obj-$(and $(CONFIG_BOOT_EFI),$(CONFIG_SMP)) += hv/efi/efi_entry.o
