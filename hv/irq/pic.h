/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8259s belong to the guest.  While they are watched, the lines of twins are merged in: a virtual request and a virtual
 * in-service bit beside each real one.  The guest reads real and virtual bits together; an EOI ends the interrupt in service
 * with the highest priority, real or virtual, as if both were one chip.  Lines are numbered 0 to 15, the second chip's from 8
 * on.
 */
#ifndef HV_PIC_H
#define HV_PIC_H

#include <veneer/types.h>

/*
 * Keep a line by which a device rings through the I/O APIC masked in the chip, whatever the guest writes, and level-triggered,
 * so that pic_requests() shows whether the line is asserted.
 */
void pic_keep_masked(unsigned irq, bool on);

/*
 * Trap the chips' ports and ELCR's, or untrap them.  After the watch the chips are the guest's alone, but the ports of their
 * mask registers stay trapped: Veneer learns initialization words at any time, and what other commands set (priorities,
 * special mask mode) only while watching.
 */
void pic_watch(bool on);

/* Watch until the power-off, whatever pic_watch() is called with: priorities and modes cannot be read back.  Start only. */
void pic_keep_watched(void);

/* True if a request that a load has brought (pic_state.c) has not been taken yet. */
bool pic_has_edges(void);

/*
 * CONFIG_STATE: make both chips, ELCR, and the routing of PCI's lines to them one part of <veneer/state.h>, by @add, and keep
 * the watch (veneer,state).  Start only.
 */
struct state_part;
void pic_keep(void (*add)(struct state_part *part));

/* Set the twins' lines as they are now.  Only while watched. */
void pic_set_lines(uint16_t lines);

/* Return the virtual line that would interrupt now: unmasked, and nothing of its priority or above in service.  -1: none. */
int pic_pending(void);

/* Take pic_pending()'s interrupt, as the processor does: it is in service then.  Return its vector. */
uint8_t pic_acknowledge(void);

/* Return the chips' own requests, masked ones too: an asserted level-triggered input shows here. */
uint16_t pic_requests(void);

/* Mask all lines and make them level-triggered while pins are learned, whatever firmware set; then restore them. */
void pic_quiet(bool on);

#endif
