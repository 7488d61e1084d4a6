/* SPDX-License-Identifier: BSD-2-Clause */
/* 82093AA IOAPIC, section 3; the redirection entry as in its section 3.2.4. */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/irq.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/time.h>
#include "hv/cpu/percpu.h"
#include "hv/dev/acpi.h"
#include "hv/dev/ioapic.h"
#include "hv/dev/lapic.h"
#include "hv/dev/pic.h"
#include "hv/dev/pirq.h"
#include "hv/dev/trap_internal.h"
#include "hv/hv.h"
#include "hv/mem/mem_internal.h"

#define IOREGSEL		0x00
#define IOWIN			0x10
#define IOEOI			0x40	/* from version 20h on */
#define IOAPIC_VERSION		0x01
#define  VERSION_MAX_ENTRY	GENMASK(23, 16)
#define IOAPIC_ENTRY(n)		(0x10 + 2 * (n))

#define RTE_VECTOR		GENMASK(7, 0)
#define RTE_MODE		GENMASK(10, 8)
#define RTE_LOGICAL		BIT(11)
#define RTE_ACTIVE_LOW		BIT(13)
#define RTE_LEVEL		BIT(15)
#define RTE_MASKED		BIT(16)
#define RTE_DEST		GENMASK(31, 24)	/* of the high half */
#define MODE_NMI		4u

#define MAX_PINS		8u
#define SETTLE_US		200u
#define CONFIRM_US		200000u

struct ioapic {
	volatile uint8_t *reg;
	uint32_t addr, gsi_base;
	unsigned npins;
	uint32_t select;		/* the guest's IOREGSEL */
	bool watched;
};

struct borrowed {
	struct ioapic *io;
	unsigned pin;
	uint32_t low, high;		/* the entry that the guest sees */
};

static struct ioapic ioapics[ACPI_MAX_IOAPICS];
static unsigned nioapics;
static struct borrowed borrowed[MAX_PINS];
static unsigned nborrowed;

static uint32_t io_read(struct ioapic *io, uint32_t index)
{
	mmio_write32(io->reg + IOREGSEL, index);
	return mmio_read32(io->reg + IOWIN);
}

static void io_write(struct ioapic *io, uint32_t index, uint32_t v)
{
	mmio_write32(io->reg + IOREGSEL, index);
	mmio_write32(io->reg + IOWIN, v);
}

void ioapic_init(void)
{
	for (unsigned i = 0; i < acpi.nioapics; i++) {
		struct ioapic *io = &ioapics[nioapics];

		io->addr = acpi.ioapic[i].addr;
		io->gsi_base = acpi.ioapic[i].gsi_base;
		io->reg = mem_map_mmio(io->addr, PAGE_SIZE);
		if (!io->reg)
			continue;
		io->npins = FIELD_GET(VERSION_MAX_ENTRY, io_read(io, IOAPIC_VERSION)) + 1;
		nioapics++;
	}
}

/* The pin as a doorbell: edge, active low as PCI's lines are, NMI to this CPU.  A level-triggered NMI would stick. */
static void arm(struct ioapic *io, unsigned pin)
{
	io_write(io, IOAPIC_ENTRY(pin) + 1, FIELD_PREP(RTE_DEST, lapic_id()));
	io_write(io, IOAPIC_ENTRY(pin), FIELD_PREP(RTE_MODE, MODE_NMI) | RTE_ACTIVE_LOW);
}

/* At start GIF is 1: the host's handler counts. */
static bool rings_within(uint64_t before, uint32_t us)
{
	return wait_until(this_cpu()->nmi_count != before, us);
}

/*
 * An edge at each of two assertions and none between them: it is this device's line and no timer's.  The first may take
 * @patience_us; the second has all the time, for a card's interrupt moderation may hold it back.
 */
static bool pin_follows(struct hw_dev *dev, uint32_t patience_us)
{
	for (unsigned round = 0; round < 2; round++) {
		if (rings_within(this_cpu()->nmi_count, SETTLE_US))
			return false;
		uint64_t before = this_cpu()->nmi_count;

		dev->ops->intx_test(dev, true);
		bool up = rings_within(before, round ? CONFIRM_US : patience_us);
		dev->ops->intx_test(dev, false);
		delay_us(SETTLE_US);
		if (!up)
			return false;
	}
	return true;
}

/* ISA's timer, keyboard, cascade and clock are no PCI lines; their edges would only confuse. */
static bool candidate(uint32_t gsi)
{
	return gsi != 0 && gsi != 1 && gsi != 2 && gsi != 8;
}

static int borrow(struct hw_dev *dev, struct ioapic *io, unsigned pin, uint32_t low, uint32_t high)
{
	if (nborrowed == MAX_PINS) {
		io_write(io, IOAPIC_ENTRY(pin), RTE_MASKED);
		return -ERR_NOMEM;
	}
	borrowed[nborrowed++] = (struct borrowed){ io, pin, low | RTE_MASKED, high };
	if (dev->pci->int_line < 16)
		pic_keep_masked(dev->pci->int_line);
	return (int)(io->gsi_base + pin);
}

static int learn(struct hw_dev *dev, uint32_t patience_us)
{
	/* Another device on a pin that is borrowed already? */
	for (unsigned i = 0; i < nborrowed; i++)
		if (pin_follows(dev, patience_us))
			return (int)(borrowed[i].io->gsi_base + borrowed[i].pin);
	for (struct ioapic *io = ioapics; io < ioapics + nioapics; io++) {
		for (unsigned pin = 0; pin < io->npins; pin++) {
			uint32_t low = io_read(io, IOAPIC_ENTRY(pin)), high = io_read(io, IOAPIC_ENTRY(pin) + 1);

			if (!candidate(io->gsi_base + pin))
				continue;
			arm(io, pin);
			if (pin_follows(dev, patience_us))
				return borrow(dev, io, pin, low, high);
			io_write(io, IOAPIC_ENTRY(pin), RTE_MASKED);
			io_write(io, IOAPIC_ENTRY(pin) + 1, high);
			io_write(io, IOAPIC_ENTRY(pin), low);
		}
	}
	return -ERR_NODEV;
}

int ioapic_learn_pin(struct hw_dev *dev)
{
	/* Silicon answers in microseconds.  An emulator on a busy machine may not: once more, and once more, slower. */
	static const uint32_t patience_us[] = { SETTLE_US, 5000, 50000 };
	int gsi = -ERR_NODEV;

	for (unsigned i = 0; i < ARRAY_SIZE(patience_us) && gsi < 0; i++)
		gsi = learn(dev, patience_us[i]);
	return gsi;
}

/* --- the guest's view --- */

static struct borrowed *lookup(const struct ioapic *io, uint32_t index)
{
	for (unsigned i = 0; i < nborrowed; i++)
		if (borrowed[i].io == io && (index & ~1u) == IOAPIC_ENTRY(borrowed[i].pin))
			return &borrowed[i];
	return NULL;
}

static uint64_t page_read(void *ctx, uint32_t off, unsigned width)
{
	struct ioapic *io = ctx;

	if (off == IOREGSEL)
		return io->select;
	if (off != IOWIN)
		return 0;
	struct borrowed *b = lookup(io, io->select);
	if (b)
		return io->select & 1 ? b->high : b->low;
	return io_read(io, io->select);
}

static void page_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	struct ioapic *io = ctx;
	struct borrowed *b = lookup(io, io->select);

	/* Elsewhere chips decode the two registers again: there the borrowed entry would be reached. */
	if (off == IOREGSEL)
		io->select = (uint32_t)value & 0xff;
	else if (off == IOEOI)
		mmio_write32(io->reg + IOEOI, (uint32_t)value);
	else if (off != IOWIN)
		return;
	else if (!b)
		io_write(io, io->select, (uint32_t)value);
	else if (io->select & 1)
		b->high = (uint32_t)value;
	else
		b->low = (uint32_t)value;
}

static const struct trap_ops page_ops = { page_read, page_write };

void ioapic_watch(void)
{
	for (unsigned i = 0; i < nborrowed; i++) {
		struct ioapic *io = borrowed[i].io;

		if (io->watched)
			continue;
		struct trap *t = trap_new_mmio("ioapic", PAGE_SIZE, &page_ops, io);
		if (!t || trap_place_system(t, ALIGN_DOWN((uint64_t)io->addr, (uint64_t)PAGE_SIZE)))
			log_err("ioapic at %#x: cannot be watched; the guest may silence a doorbell", io->addr);
		io->watched = true;
	}
	if (nborrowed) {
		pic_watch();
		pirq_keep();
	}
}

bool ioapic_forward_shared(void)
{
	bool sent = false;

	for (unsigned i = 0; i < nborrowed; i++) {
		const struct borrowed *b = &borrowed[i];

		if (b->low & RTE_MASKED)
			continue;
		irq_send_msi(0xfee00000u | FIELD_GET(RTE_DEST, b->high) << 12 | (b->low & RTE_LOGICAL ? BIT(2) : 0),
			     b->low & (RTE_VECTOR | RTE_MODE));
		sent = true;
	}
	return sent;
}
