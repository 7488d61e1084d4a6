# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/cpu/owner.o
obj-y += hv/cpu/ap_entry.o
obj-y += hv/cpu/entry.o
obj-y += hv/cpu/idt.o
obj-y += hv/cpu/smp.o
obj-y += hv/cpu/ap.o
obj-y += hv/cpu/ipi.o
