# SPDX-License-Identifier: BSD-2-Clause
obj-$(CONFIG_SMP) += hv/smp/ap.o hv/smp/ap_entry.o
obj-y += hv/smp/lapic_mode.o
obj-y += hv/smp/smp.o
obj-$(CONFIG_POLL) += hv/smp/poll.o hv/smp/poll_start.o
obj-$(CONFIG_STATE) += hv/smp/gather.o hv/smp/lapic_state.o
