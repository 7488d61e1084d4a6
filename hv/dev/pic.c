/* SPDX-License-Identifier: BSD-2-Clause */
/* 8259A: the initialization words come through the mask register's port, so their sequence is followed. */
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/trap.h>
#include "hv/dev/pic.h"
#include "hv/dev/trap_internal.h"

#define ICW1_INIT	BIT(4)
#define ICW1_NEEDS_ICW4	BIT(0)
#define ICW1_SINGLE	BIT(1)

struct pic {
	uint16_t port;
	uint8_t forced;		/* lines kept masked */
	uint8_t mask;		/* what the guest wrote */
	uint8_t init_left;	/* initialization words still to come */
};

static struct pic pics[2] = { { .port = 0x20 }, { .port = 0xa0 } };

void pic_keep_masked(unsigned irq)
{
	if (irq < 16 && irq != 2)
		pics[irq / 8].forced |= (uint8_t)BIT(irq % 8);
}

static uint64_t pic_read(void *ctx, uint32_t off, unsigned width)
{
	struct pic *p = ctx;

	if (off)
		return p->mask;
	return pio_read8(p->port) | (width > 1 ? (uint32_t)p->mask << 8 : 0);
}

static void write_byte(struct pic *p, uint32_t off, uint8_t v)
{
	if (!off) {
		if (v & ICW1_INIT)
			p->init_left = (uint8_t)(1 + !(v & ICW1_SINGLE) + !!(v & ICW1_NEEDS_ICW4));
		pio_write8(p->port, v);
	} else if (p->init_left) {
		pio_write8(p->port + 1, v);
		/* The sequence clears the mask register in the chip. */
		if (!--p->init_left) {
			p->mask = 0;
			pio_write8(p->port + 1, p->forced);
		}
	} else {
		p->mask = v;
		pio_write8(p->port + 1, v | p->forced);
	}
}

/* A wider access is one to each port: ISA has 8 bits here. */
static void pic_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	for (unsigned i = 0; i < width && off + i < 2; i++)
		write_byte(ctx, off + i, (uint8_t)(value >> (8 * i)));
}

static const struct trap_ops pic_ops = { pic_read, pic_write };

void pic_watch(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(pics); i++) {
		struct pic *p = &pics[i];
		struct trap *t = trap_new_pio("8259", 2, &pic_ops, p);

		p->mask = pio_read8(p->port + 1);
		pio_write8(p->port + 1, p->mask | p->forced);
		if (!t || trap_place(t, p->port))
			log_err("8259 at %#x: cannot be watched", p->port);
	}
}
