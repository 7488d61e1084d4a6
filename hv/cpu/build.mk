# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/cpu/owner.o
obj-y += hv/cpu/entry.o
obj-y += hv/cpu/features.o
obj-y += hv/cpu/idt.o
obj-y += hv/cpu/ipi.o
obj-y += hv/cpu/cpus.o hv/cpu/vcpu.o
obj-y += hv/cpu/lapic.o
obj-y += hv/cpu/msr.o
