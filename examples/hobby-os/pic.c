/* SPDX-License-Identifier: BSD-2-Clause */
/* The two 8259s: sixteen lines; the second chip's output is line 2 of the first. */
#include "hobby.h"

#define MASTER		0x20		/* command port; the data port follows */
#define SLAVE		0xa0
#define ICW1_INIT	0x11		/* edge-triggered (but see ELCR), cascaded, ICW4 follows */
#define ICW4_8086	0x01
#define CASCADE		2
#define EOI		0x20		/* ends the highest-priority interrupt in service */
#define READ_SERVICE	0x0b

static uint16_t mask = 0xffff & ~(1 << CASCADE);

static void write_mask(void)
{
	outb(MASTER + 1, mask & 0xff);
	outb(SLAVE + 1, mask >> 8);
}

static void init(uint16_t port, uint8_t base, uint8_t cascade)
{
	outb(port, ICW1_INIT);
	outb(port + 1, base);
	outb(port + 1, cascade);
	outb(port + 1, ICW4_8086);
}

/* Firmware's vectors (8 to 15) are those of exceptions. */
void pic_init(uint8_t base)
{
	init(MASTER, base, 1 << CASCADE);
	init(SLAVE, base + 8, CASCADE);
	write_mask();
}

void pic_off(void)
{
	outb(MASTER + 1, 0xff);
	outb(SLAVE + 1, 0xff);
}

void pic_unmask(uint8_t line)
{
	mask &= ~(1 << line);
	write_mask();
}

static bool in_service(uint16_t port, uint8_t line)
{
	outb(port, READ_SERVICE);
	return inb(port) & (1 << line);
}

/* If a request is withdrawn before the processor acknowledges it, the interrupt comes as line 7 or 15 and is not in service. */
bool pic_spurious(uint8_t line)
{
	if (line == 7)
		return !in_service(MASTER, 7);
	if (line != 15 || in_service(SLAVE, 7))
		return false;
	outb(MASTER, EOI);		/* line 2 of the first chip is in service nevertheless */
	return true;
}

void pic_eoi(uint8_t line)
{
	if (line >= 8)
		outb(SLAVE, EOI);
	outb(MASTER, EOI);
}
