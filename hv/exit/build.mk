# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/exit/cpuid.o
obj-y += hv/exit/crash.o
obj-$(CONFIG_CRASH_REPORT) += hv/exit/crash_report.o hv/exit/crash_tables.o hv/exit/symbols.o
obj-y += hv/exit/exit.o
obj-y += hv/exit/msr.o
obj-$(CONFIG_STATE) += hv/exit/cpu_state.o
