/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of trapped memory and ports. */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/lock.h>
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/lapic.h"
#include "hv/dev/trap.h"
#include "hv/mem/nested.h"
#include "hv/boot/own.h"
#include "hv/mem/paging.h"
#include "hv/mem/ram.h"

#define MAX_TRAPS	512u
#define MAX_FIXED	24u
#define MAX_COMPLAINTS	16u

struct trap {
	const char *name;
	const struct trap_ops *ops;
	void *ctx;
	uint64_t base;
	uint64_t wanted;	/* the place to take when it is free; 0: none */
	uint32_t size;
	bool pio, on;
	unsigned complaints;	/* limited: the guest can cause any number */
};

struct lock trap_serial;

/* Held to change the tables below.  A look-up takes no lock and reads each field once. */
static struct lock lock;
static struct cpu *holder;	/* shared: by trap_hold(); it has the lock */
static struct { uint16_t base; unsigned n; } fixed[MAX_FIXED];
static unsigned nfixed;
static struct trap traps[MAX_TRAPS];
static unsigned ntraps;
static struct trap *last_mmio, *last_pio;
static uint8_t early_bitmap[8192 + 1], *bitmap = early_bitmap;

static struct trap *new_trap(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx, bool pio)
{
	if (ntraps == MAX_TRAPS) {
		limit_reached("traps", MAX_TRAPS);
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

static bool held_here(void)
{
	return IS_ENABLED(CONFIG_STATE) && __atomic_load_n(&holder, __ATOMIC_RELAXED) == this_cpu();
}

static void change_begin(void)
{
	if (!held_here())
		lock_acquire(&lock);
}

static void change_end(void)
{
	if (!held_here())
		lock_release(&lock);
}

/* Take what place() may wait for before the pause, in this order; the next trap_let_go() also flushes the port bitmap. */
void trap_hold(void)
{
	lock_acquire(&lock);
	nested_hold();
	__atomic_store_n(&holder, this_cpu(), __ATOMIC_RELAXED);
}

void trap_let_go(void)
{
	__atomic_store_n(&holder, NULL, __ATOMIC_RELAXED);
	nested_let_go();
	lock_release(&lock);
}

/* Return the offset in the trap, or its size if it does not cover the address.  Another processor may be moving the trap. */
static uint32_t offset_in(const struct trap *t, uint64_t addr)
{
	uint64_t base = __atomic_load_n(&t->base, __ATOMIC_RELAXED);
	bool on = __atomic_load_n(&t->on, __ATOMIC_RELAXED);

	return on && addr >= base && addr - base < t->size ? (uint32_t)(addr - base) : t->size;
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

bool trap_port_exits(uint16_t port)
{
	return bitmap[port / 8] >> (port % 8) & 1;
}

/* Processors may have cached the bitmap: make them flush it, as after a change of nested tables. */
static void ports_changed(void)
{
	if (held_here())
		return;
	guest_pause();
	guest_resume();
}

/* True for configuration, sleep and reset ports: a BAR that is put there and taken away would remove their intercepts. */
static bool meets_fixed(uint64_t base, uint32_t size)
{
	for (unsigned i = 0; i < nfixed; i++)
		if (base < fixed[i].base + fixed[i].n && fixed[i].base < base + size)
			return true;
	return false;
}

/* True if no BAR may go there: RAM, Veneer, the local APIC, the surroundings of the I/O APIC. */
static bool forbidden(const struct trap *t, uint64_t base)
{
	if (t->pio)
		return base >= 0x10000 || base + t->size > 0x10000 || meets_fixed(base, t->size);
	if (!IS_ALIGNED(base, (uint64_t)PAGE_SIZE) || base + t->size < base || base + t->size > phys_limit())
		return true;
	if (base < 0x100000 || (base < 0xfef00000 && base + t->size > 0xfec00000))
		return true;
	for (uint64_t p = base; p < base + t->size; p += PAGE_SIZE)
		if (gmem_valid(p, 1) || own_memory(p))
			return true;
	return false;
}

static int trap_put(struct trap *t, uint64_t base)
{
	if (t->pio)
		mark_ports(base, t->size, true);
	else if (nested_hide(base, t->size))
		return -ERR_BUSY;
	__atomic_store_n(&t->base, base, __ATOMIC_RELAXED);
	__atomic_store_n(&t->on, true, __ATOMIC_RELEASE);
	if (t->pio)
		ports_changed();
	return 0;
}

/* A range has become free: place the traps that wait for it. */
static void place_waiting(void)
{
	for (struct trap *t = traps; t < traps + ntraps; t++) {
		uint64_t base = t->wanted;

		if (!base || taken(t, base))
			continue;
		t->wanted = 0;
		if (trap_put(t, base))
			log_warn("%s: cannot answer at %#lx", t->name, base);
	}
}

static void take_away(struct trap *t)
{
	t->wanted = 0;
	if (!t->on)
		return;
	t->on = false;
	if (t->pio) {
		mark_ports(t->base, t->size, false);
		ports_changed();
	} else {
		nested_show(t->base, t->size);
	}
	place_waiting();
}

static int place(struct trap *t, uint64_t base)
{
	if (t->on && t->base == base)
		return 0;
	take_away(t);
	bool never = forbidden(t, base);

	if (never || taken(t, base)) {
		if (t->complaints++ < MAX_COMPLAINTS)
			log_warn("%s: cannot answer at %#lx: the range is in use", t->name, base);
		t->wanted = never ? 0 : base;
		return -ERR_BUSY;
	}
	return trap_put(t, base);
}

int trap_place(struct trap *t, uint64_t base)
{
	change_begin();
	int err = place(t, base);
	change_end();
	return err;
}

int trap_place_system(struct trap *t, uint64_t base)
{
	change_begin();
	int err = trap_put(t, base);
	change_end();
	return err;
}

void trap_place_mapped(struct trap *t, uint64_t base)
{
	change_begin();
	t->base = base;
	__atomic_store_n(&t->on, true, __ATOMIC_RELEASE);
	change_end();
}

void trap_remove(struct trap *t)
{
	change_begin();
	take_away(t);
	change_end();
}

static struct trap *find_trap(struct trap **last, bool pio, uint64_t addr, uint32_t *off)
{
	struct trap *t = __atomic_load_n(last, __ATOMIC_RELAXED);

	if (t && (*off = offset_in(t, addr)) < t->size)
		return t;
	for (t = traps; t < traps + ntraps; t++) {
		if (t->pio != pio || (*off = offset_in(t, addr)) >= t->size)
			continue;
		__atomic_store_n(last, t, __ATOMIC_RELAXED);
		return t;
	}
	return NULL;
}

struct trap *trap_find_mmio(uint64_t gpa, uint32_t *off)
{
	return find_trap(&last_mmio, false, gpa, off);
}

struct trap *trap_find_pio(uint16_t port, uint32_t *off)
{
	return find_trap(&last_pio, true, port, off);
}

static uint64_t serve_read(struct trap *t, uint32_t off, unsigned width)
{
	if (off + width <= t->size)
		return t->ops->read(t->ctx, off, width);
	uint64_t v = ~0ull;

	for (unsigned i = 0; off + i < t->size; i++)
		v = (v & ~(0xffull << (8 * i))) | (t->ops->read(t->ctx, off + i, 1) & 0xff) << (8 * i);
	return v;
}

static void serve_write(struct trap *t, uint32_t off, unsigned width, uint64_t value)
{
	if (off + width <= t->size) {
		t->ops->write(t->ctx, off, width, value);
		return;
	}
	for (unsigned i = 0; off + i < t->size; i++)
		t->ops->write(t->ctx, off + i, 1, (value >> (8 * i)) & 0xff);
}

uint64_t trap_read(struct trap *t, uint32_t off, unsigned width)
{
	if (t->ops->concurrent)
		return serve_read(t, off, width);
	lock_acquire(&trap_serial);
	uint64_t v = serve_read(t, off, width);
	lock_release(&trap_serial);
	return v;
}

void trap_write(struct trap *t, uint32_t off, unsigned width, uint64_t value)
{
	if (t->ops->concurrent) {
		serve_write(t, off, width, value);
		return;
	}
	lock_acquire(&trap_serial);
	serve_write(t, off, width, value);
	lock_release(&trap_serial);
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
