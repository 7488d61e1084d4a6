/* SPDX-License-Identifier: BSD-2-Clause */
/* The surroundings of a virtio device in the unit tests (contract in twin.h). */
#include <string.h>
#include <veneer/clock.h>
#include <veneer/err.h>
#include <veneer/intx.h>
#include <veneer/msi.h>
#include <veneer/owner.h>
#include <veneer/trap.h>
#include <veneer/vpci.h>
#include "host.h"
#include "twin.h"

struct trap {
	bool pio, on;
	uint32_t size;
	uint64_t base;
	const struct trap_ops *ops;
	void *ctx;
};

static struct trap traps[8];
static unsigned ntraps;
static const struct vpci_ops *vpci;
static void *vpci_ctx;
static struct owner owner;

unsigned twin_msis, twin_places, twin_line_changes;
uint64_t twin_msi_addr;
uint32_t twin_msi_data;
int twin_clock_holds;
bool twin_refuse_place, twin_line;
enum intx_state twin_intx;

void twin_reset(void)
{
	ntraps = 0;
	vpci = NULL;
	twin_msis = twin_places = twin_line_changes = 0;
	twin_clock_holds = 0;
	twin_refuse_place = twin_line = false;
	twin_intx = INTX_LOW;
}

static void line(void *ctx, enum intx_state state)
{
	CHECK_EQ((uintptr_t)ctx, 0x77);
	CHECK(state != twin_intx);
	twin_intx = state;
	twin_line = state == INTX_HIGH;
	twin_line_changes++;
}

struct virtio_place twin_place(void)
{
	memset(&owner, 0, sizeof(owner));
	return (struct virtio_place) {
		.bdf = TWIN_BDF, .io_base = TWIN_IO, .bar1 = TWIN_BAR1, .bar4 = TWIN_BAR4, .int_line = 11, .int_pin = 1,
		.command = 7, .owner = &owner, .intx = line, .intx_ctx = (void *)0x77,
	};
}

/* --- what hv gives --- */

static struct trap *new(bool pio, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	if (ntraps == ARRAY_SIZE(traps))
		return NULL;
	traps[ntraps] = (struct trap) { .pio = pio, .size = size, .ops = ops, .ctx = ctx };
	return &traps[ntraps++];
}

struct trap *trap_new_mmio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	return new(false, size, ops, ctx);
}

struct trap *trap_new_pio(const char *name, uint32_t size, const struct trap_ops *ops, void *ctx)
{
	return new(true, size, ops, ctx);
}

int trap_place(struct trap *t, uint64_t base)
{
	twin_places++;
	t->on = !twin_refuse_place;
	t->base = base;
	return t->on ? 0 : -ERR_BUSY;
}

void trap_remove(struct trap *t) { t->on = false; }

int vpci_set(uint16_t bdf, const struct vpci_ops *ops, void *ctx)
{
	CHECK_EQ(bdf, TWIN_BDF);
	vpci = ops;
	vpci_ctx = ctx;
	return 0;
}

void irq_send_msi(uint64_t addr, uint32_t data)
{
	twin_msis++;
	twin_msi_addr = addr;
	twin_msi_data = data;
}

void clock_hold(void) { twin_clock_holds++; }
void clock_release(void) { twin_clock_holds--; }

/* --- accesses --- */

static struct trap *at(bool pio, uint64_t addr)
{
	for (unsigned i = 0; i < ntraps; i++)
		if (traps[i].on && traps[i].pio == pio && addr >= traps[i].base && addr - traps[i].base < traps[i].size)
			return &traps[i];
	return NULL;
}

static uint64_t access_read(bool pio, uint64_t addr, unsigned width)
{
	struct trap *t = at(pio, addr);
	uint64_t mask = width == 8 ? ~0ull : (1ull << (8 * width)) - 1;

	return (t ? t->ops->read(t->ctx, (uint32_t)(addr - t->base), width) : ~0ull) & mask;
}

static void access_write(bool pio, uint64_t addr, unsigned width, uint64_t v)
{
	struct trap *t = at(pio, addr);

	if (t)
		t->ops->write(t->ctx, (uint32_t)(addr - t->base), width, v);
}

uint64_t guest_in(uint16_t port, unsigned width) { return access_read(true, port, width); }
void guest_out(uint16_t port, unsigned width, uint32_t v) { access_write(true, port, width, v); }
uint64_t guest_read(uint64_t addr, unsigned width) { return access_read(false, addr, width); }
void guest_write(uint64_t addr, unsigned width, uint64_t v) { access_write(false, addr, width, v); }

uint32_t cfg_read(unsigned off, unsigned width)
{
	return vpci->read(vpci_ctx, (uint16_t)off, width);
}

void cfg_write(unsigned off, unsigned width, uint32_t v)
{
	vpci->write(vpci_ctx, (uint16_t)off, width, v);
}

/* --- rings --- */

void *guest_alloc(size_t size)
{
	void *p = (void *)(uintptr_t)host_guest_ram(size);

	memset(p, 0, size);
	return p;
}

void ring_new(struct ring *r, unsigned index, unsigned size)
{
	/* The legacy layout is valid for both interfaces. */
	size_t used = ALIGN_UP(16 * size + 6 + 2 * size, (size_t)VRING_LEGACY_ALIGN);
	char *p = guest_alloc(used + 6 + 8 * size);

	memset(r, 0, sizeof(*r));
	r->index = index;
	r->size = size;
	r->desc = (struct vring_desc *)p;
	r->avail = (struct vring_avail *)(void *)(p + 16 * size);
	r->used = (struct vring_used *)(void *)(p + used);
}

unsigned ring_chain(struct ring *r, const struct piece *p, unsigned n)
{
	unsigned head = r->next % r->size;

	for (unsigned i = 0; i < n; i++) {
		struct vring_desc *d = &r->desc[r->next++ % r->size];

		d->addr = (uintptr_t)p[i].at;
		d->len = p[i].len;
		d->flags = (uint16_t)((p[i].in ? VRING_DESC_WRITE : 0) | (i + 1 < n ? VRING_DESC_NEXT : 0));
		d->next = (uint16_t)(r->next % r->size);
	}
	return head;
}

void ring_offer(struct ring *r, unsigned head)
{
	r->avail->ring[r->avail->idx % r->size] = (uint16_t)head;
	r->avail->idx++;
}

unsigned ring_add(struct ring *r, const struct piece *p, unsigned n)
{
	unsigned head = ring_chain(r, p, n);

	ring_offer(r, head);
	return head;
}

bool ring_take(struct ring *r, unsigned *head, uint32_t *len)
{
	const struct vring_used_elem *e = &r->used->ring[r->seen % r->size];

	if (r->seen == r->used->idx)
		return false;
	r->seen++;
	if (head)
		*head = e->id;
	if (len)
		*len = e->len;
	return true;
}

uint16_t *ring_used_event(struct ring *r) { return &r->avail->ring[r->size]; }
uint16_t *ring_avail_event(struct ring *r) { return (uint16_t *)&r->used->ring[r->size]; }

/* --- drivers --- */

void legacy_up(struct ring *rings, unsigned n, uint32_t features)
{
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 0);
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 1);
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 3);
	guest_out(TWIN_IO + LEGACY_DRIVER_FEATURES, 4, features & (uint32_t)guest_in(TWIN_IO, 4));
	for (unsigned i = 0; i < n; i++) {
		guest_out(TWIN_IO + LEGACY_QUEUE_SELECT, 2, i);
		CHECK_EQ(guest_in(TWIN_IO + LEGACY_QUEUE_SIZE, 2), 256);
		ring_new(&rings[i], i, 256);
		guest_out(TWIN_IO + LEGACY_QUEUE_PFN, 4, (uint32_t)((uintptr_t)rings[i].desc / 4096));
	}
	guest_out(TWIN_IO + LEGACY_STATUS, 1, 7);
}

static void common(unsigned off, unsigned width, uint64_t v)
{
	guest_write(TWIN_BAR4 + off, width, v);
}

void modern_up(struct ring *rings, unsigned n, uint64_t features, unsigned size)
{
	common(COMMON_STATUS, 1, 0);
	common(COMMON_STATUS, 1, 3);
	for (unsigned w = 0; w < 2; w++) {
		common(COMMON_DEVICE_FEATURE_SELECT, 4, w);
		common(COMMON_DRIVER_FEATURE_SELECT, 4, w);
		common(COMMON_DRIVER_FEATURE, 4, guest_read(TWIN_BAR4 + COMMON_DEVICE_FEATURE, 4) & (features >> (32 * w)));
	}
	common(COMMON_STATUS, 1, 11);
	CHECK_EQ(modern_status(), 11);
	for (unsigned i = 0; i < n; i++) {
		ring_new(&rings[i], i, size);
		common(COMMON_QUEUE_SELECT, 2, i);
		common(COMMON_QUEUE_SIZE, 2, size);
		common(COMMON_QUEUE_DESC, 8, (uintptr_t)rings[i].desc);
		common(COMMON_QUEUE_DRIVER, 4, (uint32_t)(uintptr_t)rings[i].avail);
		common(COMMON_QUEUE_DRIVER + 4, 4, (uintptr_t)rings[i].avail >> 32);
		common(COMMON_QUEUE_DEVICE, 8, (uintptr_t)rings[i].used);
		common(COMMON_QUEUE_ENABLE, 2, 1);
	}
	common(COMMON_STATUS, 1, 15);
}

void modern_kick(unsigned q)
{
	guest_write(TWIN_BAR4 + BAR4_NOTIFY + q * NOTIFY_MULTIPLIER, 2, q);
}

uint8_t modern_status(void)
{
	return (uint8_t)guest_read(TWIN_BAR4 + COMMON_STATUS, 1);
}
