# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/irq/doorbell.o
obj-$(CONFIG_INTX) += hv/irq/intx.o hv/irq/intx_learn.o hv/irq/ioapic.o hv/irq/pic.o hv/irq/pirq.o
obj-y += hv/irq/msi.o
obj-$(if $(filter y,$(CONFIG_INTX)),$(CONFIG_STATE)) += hv/irq/pic_state.o
