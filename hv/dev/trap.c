/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of trapped memory and ports. */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/dev/lapic.h"
#include "hv/dev/trap_internal.h"
#include "hv/mem/mem_internal.h"

#define MAX_TRAPS	160u
#define MAX_FIXED	8u
#define MAX_COMPLAINTS	16u

struct trap {
	const char *name;
	const struct trap_ops *ops;
	void *ctx;
	uint64_t base;
	uint64_t wanted;	/* where it goes when that is free; 0: nowhere */
	uint32_t size;
	bool pio, on;
	unsigned complaints;	/* the guest can have as many as it likes */
};

static struct { uint16_t base; unsigned n; } fixed[MAX_FIXED];
static unsigned nfixed;
static struct trap traps[MAX_TRAPS];
static unsigned ntraps;
static struct trap *last_mmio, *last_pio;
static uint8_t early_bitmap[8192 + 1], *bitmap = early_bitmap;

static struct trap *new_trap(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx, bool pio)
{
	if (ntraps == MAX_TRAPS) {
		log_err("%s: no room for another trap (%u)", name, MAX_TRAPS);
		return NULL;
	}
	traps[ntraps] = (struct trap){ .name = name, .ops = ops, .ctx = ctx, .size = size, .pio = pio };
	return &traps[ntraps++];
}

struct trap *trap_new_mmio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	return new_trap(name, size, ops, ctx, false);
}

struct trap *trap_new_pio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	return new_trap(name, size, ops, ctx, true);
}

static bool covers(const struct trap *t, uint64_t addr)
{
	return t->on && addr >= t->base && addr - t->base < t->size;
}

static bool taken(const struct trap *self, uint64_t base)
{
	for (struct trap *t = traps; t < traps + ntraps; t++)
		if (t != self && t->on && t->pio == self->pio && base < t->base + t->size && t->base < base + self->size)
			return true;
	return false;
}

static void mark_ports(uint64_t base, uint32_t size, bool on)
{
	for (uint64_t p = base; p < base + size && p < 0x10000; p++) {
		if (on)
			bitmap[p / 8] |= (uint8_t)(1u << (p % 8));
		else
			bitmap[p / 8] &= (uint8_t)~(1u << (p % 8));
	}
}

/* A BAR that came and went would take the intercept with it: configuration, sleep and reset ports have to keep theirs. */
static bool meets_fixed(uint64_t base, uint32_t size)
{
	for (unsigned i = 0; i < nfixed; i++)
		if (base < fixed[i].base + fixed[i].n && fixed[i].base < base + size)
			return true;
	return false;
}

/* RAM, Veneer, the local APIC and the IOAPIC's neighbourhood are no place for a BAR. */
static bool forbidden(const struct trap *t, uint64_t base)
{
	if (t->pio)
		return base >= 0x10000 || base + t->size > 0x10000 || meets_fixed(base, t->size);
	if (!IS_ALIGNED(base, (uint64_t)PAGE_SIZE) || base + t->size < base || base + t->size > phys_limit())
		return true;
	if (base < 0x100000 || (base < 0xfef00000 && base + t->size > 0xfec00000))
		return true;
	for (uint64_t p = base; p < base + t->size; p += PAGE_SIZE)
		if (gmem_valid(p, 1) || (p >= mem_phys(veneer_start) && p < mem_phys(veneer_end)))
			return true;
	return false;
}

int trap_place(struct trap *t, uint64_t base)
{
	if (t->on && t->base == base)
		return 0;
	trap_remove(t);
	bool never = forbidden(t, base);

	if (never || taken(t, base)) {
		if (t->complaints++ < MAX_COMPLAINTS)
			log_warn("%s: cannot answer at %#lx: the range is in use", t->name, base);
		t->wanted = never ? 0 : base;
		return -ERR_BUSY;
	}
	return trap_place_system(t, base);
}

int trap_place_system(struct trap *t, uint64_t base)
{
	if (t->pio)
		mark_ports(base, t->size, true);
	else if (nested_hide(base, t->size))
		return -ERR_BUSY;
	t->base = base;
	t->on = true;
	return 0;
}

/* A range came free: a trap may wait for it. */
static void place_waiting(void)
{
	for (struct trap *t = traps; t < traps + ntraps; t++) {
		uint64_t base = t->wanted;

		if (!base || taken(t, base))
			continue;
		t->wanted = 0;
		if (trap_place_system(t, base))
			log_warn("%s: cannot answer at %#lx", t->name, base);
	}
}

void trap_remove(struct trap *t)
{
	t->wanted = 0;
	if (!t->on)
		return;
	t->on = false;
	if (t->pio)
		mark_ports(t->base, t->size, false);
	else
		nested_show(t->base, t->size);
	place_waiting();
}

static struct trap *find(struct trap **last, bool pio, uint64_t addr, uint32_t *off)
{
	struct trap *t = *last;

	if (!t || !covers(t, addr)) {
		for (t = traps; t < traps + ntraps; t++)
			if (t->pio == pio && covers(t, addr))
				break;
		if (t == traps + ntraps)
			return NULL;
		*last = t;
	}
	*off = (uint32_t)(addr - t->base);
	return t;
}

struct trap *trap_find_mmio(uint64_t gpa, uint32_t *off)
{
	return find(&last_mmio, false, gpa, off);
}

struct trap *trap_find_pio(uint16_t port, uint32_t *off)
{
	return find(&last_pio, true, port, off);
}

uint64_t trap_read(struct trap *t, uint32_t off, unsigned width)
{
	if (off + width <= t->size)
		return t->ops->read(t->ctx, off, width);
	uint64_t v = ~0ull;

	for (unsigned i = 0; off + i < t->size; i++)
		v = (v & ~(0xffull << (8 * i))) | (t->ops->read(t->ctx, off + i, 1) & 0xff) << (8 * i);
	return v;
}

void trap_write(struct trap *t, uint32_t off, unsigned width, uint64_t value)
{
	if (off + width <= t->size) {
		t->ops->write(t->ctx, off, width, value);
		return;
	}
	for (unsigned i = 0; off + i < t->size; i++)
		t->ops->write(t->ctx, off + i, 1, (value >> (8 * i)) & 0xff);
}

void trap_set_io_bitmap(uint8_t *b)
{
	memcpy(b, bitmap, sizeof(early_bitmap));
	bitmap = b;
}

void trap_intercept_ports(uint16_t base, unsigned n)
{
	if (nfixed == MAX_FIXED)
		panic("ports %#x+%u: no room to intercept them", base, n);
	fixed[nfixed].base = base;
	fixed[nfixed++].n = n;
	mark_ports(base, n, true);
}

bool trap_port_is_fixed(uint16_t port)
{
	return meets_fixed(port, 1);
}
