/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks the messages of the HPET.  If a comparator's FSB interrupts are on, it writes a value of the guest's to an address of
 * the guest's (IA-PC HPET 1.0a, 2.3.8 and 2.3.9.2): into Veneer's memory, or as INIT to any processor, past most IOMMUs.  So
 * only interrupts pass that a guest may send: fixed and lowest-priority ones with vectors from 16 on, to FEExxxxxh.  All else
 * of the HPET is the guest's.
 */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include "hv/cpu/lapic.h"
#include "hv/dev/acpi.h"
#include "hv/dev/hpet.h"
#include "hv/dev/hpet_state.h"
#include "hv/dev/trap.h"
#include "hv/mem/nested.h"

/* Intel's chipsets have it at one of four pages, which a register in memory chooses (HPTC at RCBA or behind P2SB). */
#define INTEL_AT	0xfed00000u
#define INTEL_SIZE	0x4000u
#define BLOCK_SIZE	0x400u		/* a page has up to four */
#define CAPABILITIES	0x00u
#define  CAP_REVISION	GENMASK(7, 0)	/* not 0 */
#define  CAP_LAST	GENMASK(12, 8)	/* the number of the last comparator */
#define PERIOD		0x04u		/* in femtoseconds, not 0 */
#define  PERIOD_MAX	0x05f5e100u
#define COMPARATORS	0x100u		/* from here on, each 20h bytes */
#define COMPARATOR_SIZE	0x20u
#define IN_BLOCK	((BLOCK_SIZE - COMPARATORS) / COMPARATOR_SIZE)	/* further ones reach into the next block's place */
#define CONFIG		0x00u
#define  CONFIG_FSB	BIT(14)
#define FSB_VALUE	0x10u
#define FSB_ADDR	0x14u
#define  FSB_FIRST	GENMASK(31, 20)
#define  FSB_LAPICS	0xfee00000u
#define  VALUE_VECTOR	GENMASK(7, 0)

static bool value_is_good(uint32_t value)
{
	return FIELD_GET(ICR_MODE, value) <= ICR_MODE_LOWEST && (value & VALUE_VECTOR) >= 16;
}

static bool addr_is_good(uint32_t addr)
{
	return (addr & FSB_FIRST) == FSB_LAPICS;
}

bool hpet_message_is_good(uint32_t value, uint32_t addr)
{
	return value_is_good(value) && addr_is_good(addr);
}

/* Messages of the comparator at @c, as they would be if switched on now. */
static bool message_is_good(const volatile uint8_t *c)
{
	return hpet_message_is_good(mmio_read32(c + FSB_VALUE), mmio_read32(c + FSB_ADDR));
}

/* False: the write is lost.  A comparator's first bytes are at @c; the write is one of 4 or 8 bytes, and aligned. */
static bool comparator_write_allowed(const volatile uint8_t *c, uint32_t reg, unsigned width, uint64_t *value)
{
	switch (reg) {
	case CONFIG:
		if ((*value & CONFIG_FSB) && !message_is_good(c))
			*value &= ~(uint64_t)CONFIG_FSB;
		return true;
	case FSB_VALUE:
		return value_is_good((uint32_t)*value) && (width == 4 || addr_is_good((uint32_t)(*value >> 32)));
	case FSB_ADDR:
		return addr_is_good((uint32_t)*value);
	default:
		return true;
	}
}

static unsigned comparators(const volatile uint8_t *block)
{
	return (unsigned)FIELD_GET(CAP_LAST, mmio_read32(block + CAPABILITIES)) + 1;
}

/* Whether an HPET answers there, whose registers these are. */
static bool is_block(const volatile uint8_t *block)
{
	uint32_t period = mmio_read32(block + PERIOD);

	return period && period <= PERIOD_MAX && (mmio_read32(block + CAPABILITIES) & CAP_REVISION);
}

/* Whether a comparator can be at @off of the page at @page: the guest may switch an HPET on later. */
static bool is_comparator(const volatile uint8_t *page, uint32_t off)
{
	if (off % BLOCK_SIZE >= COMPARATORS)
		return true;
	return off / BLOCK_SIZE == 1 && comparators(page) > IN_BLOCK;
}

/* A guest that writes nothing (0) or ends its use of a message (Linux) needs no line. */
static void say_dropped(uint32_t off, uint64_t value)
{
	static bool said;

	if (value && !said) {
		said = true;
		log_warn("hpet: the guest's %#lx to register %#x: no interrupt of the guest's: dropped", value, off);
	}
}

static uint64_t hpet_read(void *ctx, uint32_t off, unsigned width)
{
	const volatile uint8_t *p = (const volatile uint8_t *)ctx + off;

	return width == 1 ? mmio_read8(p) : width == 2 ? mmio_read16(p) : width == 4 ? mmio_read32(p) : mmio_read64(p);
}

/* Registers are accessed by aligned words of 32 or 64 bits (2.2); what else hardware makes of them is not known: drop that. */
static void hpet_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	volatile uint8_t *p = (volatile uint8_t *)ctx + off;
	uint32_t reg = off % COMPARATOR_SIZE, in_page = off & (PAGE_SIZE - 1);
	uint64_t asked = value;

	if (width < 4 || off % width)
		return;
	if (is_comparator(p - in_page, in_page) && !comparator_write_allowed(p - reg, reg, width, &value)) {
		say_dropped(off, asked);
		return;
	}
	if (value != asked)
		say_dropped(off, asked);
	if (width == 4)
		mmio_write32(p, (uint32_t)value);
	else
		mmio_write64(p, value);
	if (IS_ENABLED(CONFIG_STATE))
		hpet_state_wrote(p, width, value);
}

/* Firmware's messages, if they are none that a guest may send. */
static void end_messages(volatile uint8_t *block)
{
	if (!is_block(block))
		return;
	for (unsigned i = comparators(block); i--;) {
		volatile uint8_t *c = block + COMPARATORS + i * COMPARATOR_SIZE;
		uint32_t config = mmio_read32(c);

		if (config != ~0u && (config & CONFIG_FSB) && !message_is_good(c))
			mmio_write32(c, config & ~CONFIG_FSB);
	}
}

static int watch(uint64_t base, uint32_t size)
{
	static const struct trap_ops ops = { .read = hpet_read, .write = hpet_write };
	volatile uint8_t *p = mem_map_mmio(base, size);
	struct trap *t = p ? trap_new_mmio("hpet", size, &ops, (void *)(uintptr_t)p) : NULL;

	if (!t || nested_readonly(base, size)) {
		log_err("hpet: no memory to watch %#lx", base);
		return -ERR_NOMEM;
	}
	for (uint32_t at = 0; at < size; at += BLOCK_SIZE)
		end_messages(p + at);
	trap_place_mapped(t, base);
	for (unsigned i = 0; IS_ENABLED(CONFIG_STATE) && i < acpi.nhpets; i++)
		if (acpi.hpet[i] - base < size)
			hpet_state_of(i, p + (acpi.hpet[i] - base));
	return 0;
}

int hpet_init(void)
{
	int err = watch(INTEL_AT, INTEL_SIZE);

	for (unsigned i = 0; !err && i < acpi.nhpets; i++)
		if (acpi.hpet[i] - INTEL_AT >= INTEL_SIZE)
			err = watch(acpi.hpet[i], PAGE_SIZE);
	return err;
}
