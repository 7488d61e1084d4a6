# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/irq/doorbell.o
obj-y += hv/irq/intx.o
obj-y += hv/irq/intx_learn.o
obj-y += hv/irq/ioapic.o
obj-y += hv/irq/pic.o
obj-y += hv/irq/pirq.o
obj-y += hv/irq/msi.o
