/* SPDX-License-Identifier: BSD-2-Clause */
/* What pic.c knows of the two chips, for pic_state.c. */
#ifndef HV_PIC_CHIP_H
#define HV_PIC_CHIP_H

#include <veneer/types.h>

#define ICW1_INIT	BIT(4)
#define ICW1_NEEDS_ICW4	BIT(0)
#define ICW1_SINGLE	BIT(1)
#define ICW2_BASE	GENMASK(7, 3)
#define ICW4_AUTO_EOI	BIT(1)
#define ICW4_NESTED	BIT(4)		/* special fully nested */
#define OCW2_LEVEL	GENMASK(2, 0)
#define OCW2_EOI	BIT(5)
#define OCW2_SPECIFIC	BIT(6)
#define OCW2_ROTATE	BIT(7)
#define OCW2_SET_LOWEST	(OCW2_ROTATE | OCW2_SPECIFIC)
#define OCW3		BIT(3)
#define OCW3_SPECIAL	GENMASK(6, 5)	/* enable and value of the special mask mode */
#define  SPECIAL_OFF	2u
#define  SPECIAL_ON	3u
#define OCW3_POLL	BIT(2)
#define OCW3_READ	GENMASK(1, 0)
#define  READ_REQUESTS	2u
#define  READ_SERVICE	3u

/* As on every PC: cascaded, with ICW4, of the 8086's mode. */
#define ICW1_PC		(ICW1_INIT | ICW1_NEEDS_ICW4)
#define ICW4_PC		BIT(0)

/* One bit for each line: level-triggered (82371SB, 2.5.6, and all chipsets since).  Never timer, keyboard, cascade, clock. */
#define ELCR		0x4d0
#define ELCR_LINES	0xdef8u

#define MASTER		0u
#define SLAVE		1u
#define CASCADE		2u

struct trap;

struct pic {
	uint16_t port;
	uint8_t forced;		/* lines kept masked and level-triggered */
	uint8_t level;		/* what the guest wrote to ELCR */
	uint8_t mask;		/* what the guest wrote */
	uint8_t real_mask;	/* the chip's mask */
	uint8_t icw_left;	/* initialization words still to come */
	uint8_t icw1, base, icw3, icw4;
	uint8_t lowest;		/* the line of the lowest priority */
	uint8_t select;		/* what the guest reads: READ_REQUESTS or READ_SERVICE */
	uint8_t real_select;	/* the chip's own selection; 0: unknown */
	uint8_t line, service;	/* virtual */
	uint8_t edge;		/* virtual: requests that a load has brought, until they are taken */
	bool special, rotate_auto, polled;
	struct trap *trap;	/* while watched: both ports */
	struct trap *words;	/* else: the mask register's port, by which initialization words may come */
};

#define PICS		2u

extern struct pic pics[PICS];

/* Read the chip's requests or what it has in service; not in the middle of an initialization. */
uint8_t pic_real_read(struct pic *p, uint8_t select);

/* Write to the chip what follows from the fields: the mask, if it is another now; ELCR. */
void pic_write_mask(struct pic *p);
void pic_write_elcr(const struct pic *p);

/* Begin an initialization here, not in the chip: ICW1 is @v. */
void pic_begin_words(struct pic *p, uint8_t v);

#endif
