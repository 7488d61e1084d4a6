/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The surroundings of a virtio device in the unit tests: records of traps, configuration space, interrupts and the clock, and a
 * small guest that accesses registers and fills rings.
 */
#ifndef TWIN_H
#define TWIN_H

#include <veneer/types.h>
#include <veneer/virtio.h>
#include "virtio/virtio_regs.h"

#define TWIN_BDF	0x0018
#define TWIN_IO		0xc000
#define TWIN_BAR1	0xfe001000u
#define TWIN_BAR4	0xfe004000u

/* Clear all traps and records.  Call first in each test. */
void twin_reset(void);
struct virtio_place twin_place(void);

/* Access a port or memory as the guest does.  Reads return all ones if no trap is there. */
uint64_t guest_in(uint16_t port, unsigned width);
void guest_out(uint16_t port, unsigned width, uint32_t v);
uint64_t guest_read(uint64_t addr, unsigned width);
void guest_write(uint64_t addr, unsigned width, uint64_t v);
uint32_t cfg_read(unsigned off, unsigned width);
void cfg_write(unsigned off, unsigned width, uint32_t v);

extern unsigned twin_msis;		/* messages sent */
extern uint64_t twin_msi_addr;
extern uint32_t twin_msi_data;
extern int twin_clock_holds;
extern bool twin_refuse_place;		/* trap_place() fails */
extern unsigned twin_places;		/* calls of trap_place() */
extern bool twin_line;			/* INTx is high */
extern enum intx_state twin_intx;
extern unsigned twin_line_changes;

/* A ring in guest RAM. */
struct ring {
	unsigned index, size;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	unsigned next;			/* free descriptors, never reused by itself */
	uint16_t seen;			/* used entries taken */
};

struct piece {
	const volatile void *at;
	uint32_t len;
	bool in;
};

void ring_new(struct ring *r, unsigned index, unsigned size);

/* Write a chain; returns its head.  It is not in the avail ring yet. */
unsigned ring_chain(struct ring *r, const struct piece *p, unsigned n);
void ring_offer(struct ring *r, unsigned head);
unsigned ring_add(struct ring *r, const struct piece *p, unsigned n);	/* ring_chain(), and put it into the avail ring */

/* Take the next used entry; false if there is none. */
bool ring_take(struct ring *r, unsigned *head, uint32_t *len);
uint16_t *ring_used_event(struct ring *r);
uint16_t *ring_avail_event(struct ring *r);

/* Allocate memory of the guest. */
void *guest_alloc(size_t size);

/*
 * Initialize the device as a driver of the legacy or the modern interface does, with @n rings.  Accept those of @features that
 * are offered.
 */
void legacy_up(struct ring *rings, unsigned n, uint32_t features);
void modern_up(struct ring *rings, unsigned n, uint64_t features, unsigned size);
void modern_kick(unsigned q);
uint8_t modern_status(void);

#endif
