/* SPDX-License-Identifier: BSD-2-Clause */
/* INTx lines from Veneer to the guest. */
#ifndef VENEER_INTX_H
#define VENEER_INTX_H

#include <veneer/types.h>

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

/* Return the value for the function's interrupt line register: the 8259's input, which is an I/O APIC input, too. */
uint8_t intx_line_register(const struct intx_source *src);

/* Any time in an exit; the interrupt is delivered at its end. */
void intx_set(struct intx_source *src, enum intx_state state);

#endif
