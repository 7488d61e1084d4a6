# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/dev/acpi.o
obj-y += hv/dev/clock.o
obj-y += hv/dev/trap.o
obj-y += hv/dev/power.o
obj-y += hv/dev/hpet.o
obj-$(CONFIG_STATE) += hv/dev/pit.o hv/dev/rtc.o hv/dev/hpet_state.o hv/dev/pmtimer.o
