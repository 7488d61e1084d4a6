/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INTx: the interrupt line that a PCI device shares with others.  The line stays asserted until the driver removes the cause;
 * for virtio, until the driver reads the ISR byte.  So every handler of a line reads its own device, and does nothing if that
 * device did not interrupt.
 *
 * The interrupt line register (3Ch) names the line: firmware wrote the 8259's input there.  Without an AML interpreter a kernel
 * cannot know the I/O APIC's inputs 16 to 23, which many chipsets use instead; the input of the same number works on emulated
 * PCs, and on Veneer everywhere.
 */
#include "virtio.h"

#define NO_LINE		0xff
#define LINES		16
#define SHARING		8
#define ISR_QUEUE	1
#define ISR_CONFIG	2

static struct virtio_dev *sharing[LINES][SHARING];

static void line_interrupt(void *ctx)
{
	struct virtio_dev **d = ctx;

	for (unsigned int i = 0; i < SHARING && d[i]; i++) {
		uint8_t isr = virtio_isr(d[i]);	/* the read withdraws the device's request */

		if (isr & ISR_CONFIG)
			d[i]->config_changed = true;
		/* ISR does not name the queue: serve all. */
		for (unsigned int q = 0; (isr & ISR_QUEUE) && q < VIRTIO_QUEUES; q++)
			d[i]->vq[q].signalled = true;
	}
}

int intx_enable(struct virtio_dev *d)
{
	uint8_t line = pci_read8(d->bdf, PCI_INTERRUPT_LINE);
	struct virtio_dev **d_list;
	unsigned int n = 0;

	if (line == NO_LINE || line >= LINES) {
		printf("%s: no interrupt line (%u)\n", d->name, line);
		return -1;
	}
	d_list = sharing[line];
	while (n < SHARING && d_list[n])
		n++;
	if (n == SHARING) {
		printf("%s: more than %u devices on line %u\n", d->name, SHARING, line);
		return -1;
	}
	d_list[n] = d;
	d->waits_for_interrupt = true;
	pci_write16(d->bdf, PCI_COMMAND, pci_read16(d->bdf, PCI_COMMAND) & ~PCI_COMMAND_INTX_OFF);
	return n ? 0 : irq_line(line, line_interrupt, d_list);
}

void intx_forget(struct virtio_dev *d)
{
	for (unsigned int line = 0; line < LINES; line++)
		for (unsigned int i = 0; i < SHARING; i++) {
			if (sharing[line][i] != d)
				continue;
			for (; i + 1 < SHARING; i++)
				sharing[line][i] = sharing[line][i + 1];
			sharing[line][i] = NULL;
		}
}
