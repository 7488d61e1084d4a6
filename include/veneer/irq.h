/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts: from real devices to Veneer (doorbells), and from Veneer to the guest.
 */
#ifndef VENEER_IRQ_H
#define VENEER_IRQ_H

#include <veneer/hwdev.h>
#include <veneer/owner.h>
#include <veneer/types.h>

/*
 * Doorbells: a device rings by NMI, by MSI, else MSI-X entry 0, else its IOAPIC pin.  Start only.
 *
 * doorbell_prepare() programs MSI or MSI-X, before the driver's probe: emulated NVMe looks at a vector only if MSI-X was on
 * when the completion queue was made.  Nothing for devices with neither.  doorbell_silence() undoes it.
 *
 * doorbell_attach() makes each ring call @dev->ops->poll, and learns the pin of a device without MSI by ops->intx_test.
 * Call irq_enable afterwards.  Both: 0, or negative with a log line when the device cannot ring.
 */
int doorbell_prepare(const struct pci_dev *pci);
void doorbell_silence(const struct pci_dev *pci);
int doorbell_attach(struct hw_dev *dev);

/*
 * Work of a controller (NULL: of each) was done outside its doorbell (a tick, a reset): the NMI for it may already be under
 * way, and the next one within half a second that nothing explains is taken for it.
 */
void doorbell_credit(struct owner *owner);

/*
 * Send one message-signalled interrupt of the guest's choosing: @addr and @data are what it wrote into an MSI or MSI-X
 * table.  Only fixed and lowest-priority delivery, vector >= 16 and addresses FEExxxxx go out; anything else is
 * dropped and counted.  Any time in an exit.
 */
void irq_send_msi(uint64_t addr, uint32_t data);

/*
 * INTx: the lines of the twins (docs/boot-flow.md).  Where a twin's pin leads, to which input of the 8259s and of the I/O
 * APICs, is learned at start from the devices themselves (doorbell_attach() does it) or derived from others, and followed when
 * the guest routes the chipset's PIRQs anew.  The line is virtual: it is delivered through the guest's entry of the I/O APIC by
 * the local APIC's ICR, and through the virtual part of the 8259s by injection, on whichever of them the guest has unmasked.
 *
 * A line is high while one of its sources is; it stays pending while it is masked, and is raised again while it is high and its
 * interrupt is neither waiting nor in service.
 */
enum intx_state {
	INTX_OFF,	/* cannot interrupt by this line: MSI-X is on, or the command register's INTx disable */
	INTX_LOW,
	INTX_HIGH,
};

struct intx_line;

/* One function's INTx pin; the caller's memory, for ever. */
struct intx_source {
	struct intx_line *line;
	enum intx_state state;
};

/*
 * Connect @src, INTX_LOW, to the line that pin @pin (1 to 4, INTA to INTD) of function @bdf drives; the function need not be
 * there.  0 or -ERR_NOMEM.  Start only.
 */
int intx_attach(struct intx_source *src, uint16_t bdf, unsigned pin);

/* What belongs into the function's interrupt line register: the 8259's input, which is an I/O APIC input, too. */
uint8_t intx_line_register(const struct intx_source *src);

/* Any time in an exit; the interrupt is delivered at its end. */
void intx_set(struct intx_source *src, enum intx_state state);

#endif
