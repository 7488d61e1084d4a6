# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/exit/symbols.o
obj-y += hv/exit/cpuid.o
obj-y += hv/exit/crash.o
obj-y += hv/exit/crash_tables.o
obj-y += hv/exit/exit.o
obj-y += hv/exit/msr.o
