/* SPDX-License-Identifier: BSD-2-Clause */
/* 82093AA IOAPIC, section 3. */
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/limit.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/state.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/dev/acpi.h"
#include "hv/irq/ioapic.h"
#include "hv/cpu/lapic.h"
#include "hv/dev/trap.h"

#define IOREGSEL		0x00
#define IOWIN			0x10
#define IOEOI			0x40	/* from version 20h on */
#define IOAPIC_VERSION		0x01
#define  VERSION		GENMASK(7, 0)
#define   VERSION_WITH_EOI	0x20u
#define  VERSION_MAX_ENTRY	GENMASK(23, 16)
#define IOAPIC_ENTRY(n)		(0x10 + 2 * (n))

#define MAX_TAKEN		64u
#define SETTLE_US		200u
#define CONFIRM_US		200000u

struct ioapic {
	volatile uint8_t *reg;
	uint32_t addr, gsi_base;
	unsigned npins;
	bool has_eoi;
	uint32_t select;		/* the guest's IOREGSEL */
	struct trap *trap;
};

struct taken {
	struct ioapic *io;
	unsigned pin;
	uint32_t low, high;		/* the entry that the guest sees */
	bool doorbell;
	struct cpu *sent_to;		/* the processor that, as far as known, has not ended its last interrupt; NULL: none */
	uint8_t sent_vector;
};

static struct ioapic ioapics[ACPI_MAX_IOAPICS];
static unsigned nioapics;
static struct taken taken[MAX_TAKEN];
static unsigned ntaken;
static bool watched, wanted, held;
static uint32_t ring_id;		/* the boot processor's APIC id: pins ring there */
static uint64_t cnt_accesses;

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

/* Write an entry, masked while its halves disagree. */
static void entry_write(struct ioapic *io, unsigned pin, uint32_t low, uint32_t high)
{
	io_write(io, IOAPIC_ENTRY(pin), RTE_MASKED);
	io_write(io, IOAPIC_ENTRY(pin) + 1, high);
	io_write(io, IOAPIC_ENTRY(pin), low);
}

void ioapic_init(void)
{
	ring_id = lapic_id();
	for (unsigned i = 0; i < acpi.nioapics; i++) {
		struct ioapic *io = &ioapics[nioapics];

		io->addr = acpi.ioapic[i].addr;
		io->gsi_base = acpi.ioapic[i].gsi_base;
		io->reg = mem_map_mmio(io->addr, PAGE_SIZE);
		if (!io->reg)
			continue;
		uint32_t version = io_read(io, IOAPIC_VERSION);

		io->npins = FIELD_GET(VERSION_MAX_ENTRY, version) + 1;
		io->has_eoi = FIELD_GET(VERSION, version) >= VERSION_WITH_EOI;
		nioapics++;
	}
	counter_register("ioapic", "accesses", &cnt_accesses);
}

void ioapic_ring_at(uint32_t apic_id)
{
	lock_acquire(&trap_serial);
	ring_id = apic_id;
	ioapic_quiet(false);
	lock_release(&trap_serial);
}

static struct ioapic *of_gsi(unsigned gsi, unsigned *pin)
{
	for (struct ioapic *io = ioapics; io < ioapics + nioapics; io++) {
		if (gsi < io->gsi_base || gsi - io->gsi_base >= io->npins)
			continue;
		*pin = gsi - io->gsi_base;
		return io;
	}
	return NULL;
}

static struct taken *find_taken(const struct ioapic *io, unsigned pin)
{
	for (unsigned i = 0; i < ntaken; i++)
		if (taken[i].io == io && taken[i].pin == pin)
			return &taken[i];
	return NULL;
}

bool ioapic_has(unsigned gsi)
{
	unsigned pin;

	return of_gsi(gsi, &pin);
}

/* --- learning --- */

/* Let a pin ring by an edge-triggered NMI: a level-triggered one would never end. */
static void arm(struct ioapic *io, unsigned pin)
{
	entry_write(io, pin, FIELD_PREP(RTE_MODE, RTE_MODE_NMI) | RTE_ACTIVE_LOW, FIELD_PREP(RTE_DEST, ring_id));
}

void ioapic_quiet(bool on)
{
	for (unsigned i = 0; i < ntaken; i++) {
		if (on)
			io_write(taken[i].io, IOAPIC_ENTRY(taken[i].pin), RTE_MASKED);
		else if (taken[i].doorbell)
			arm(taken[i].io, taken[i].pin);
	}
}

/* True if the pin rings in time.  At the start GIF is 1: the host's handler counts NMIs. */
static bool rings_within(uint64_t before, uint32_t us)
{
	return wait_until(this_cpu()->nmi_count != before, us);
}

/*
 * True if there is an edge at each of two assertions and none between them: the pin is this device's line and no timer's.  The
 * second edge has a long deadline, for a card's interrupt moderation may delay it.
 */
static bool follows(void (*set)(void *ctx, bool level), void *ctx, uint32_t patience_us)
{
	for (unsigned round = 0; round < 2; round++) {
		if (rings_within(this_cpu()->nmi_count, SETTLE_US))
			return false;
		uint64_t before = this_cpu()->nmi_count;

		set(ctx, true);
		bool up = rings_within(before, round ? CONFIRM_US : patience_us);
		set(ctx, false);
		delay_us(SETTLE_US);
		if (!up)
			return false;
	}
	return true;
}

bool ioapic_follows(unsigned gsi, void (*set)(void *ctx, bool level), void *ctx, uint32_t patience_us)
{
	unsigned pin;
	struct ioapic *io = of_gsi(gsi, &pin);

	if (!io)
		return false;
	uint32_t low = io_read(io, IOAPIC_ENTRY(pin)), high = io_read(io, IOAPIC_ENTRY(pin) + 1);

	arm(io, pin);
	bool yes = follows(set, ctx, patience_us);

	entry_write(io, pin, low, high);
	return yes;
}

int ioapic_take(unsigned gsi, bool doorbell)
{
	unsigned pin;
	struct ioapic *io = of_gsi(gsi, &pin);
	struct taken *t = io ? find_taken(io, pin) : NULL;

	if (!io)
		return -ERR_NODEV;
	if (!t) {
		if (ntaken == MAX_TAKEN) {
			limit_reached("I/O APIC inputs of devices", MAX_TAKEN);
			return -ERR_NOMEM;
		}
		t = &taken[ntaken++];
		*t = (struct taken){ .io = io, .pin = pin,
				     .low = io_read(io, IOAPIC_ENTRY(pin)) & ~(RTE_PENDING | RTE_REMOTE_IRR),
				     .high = io_read(io, IOAPIC_ENTRY(pin) + 1) };
		io_write(io, IOAPIC_ENTRY(pin), RTE_MASKED);
	}
	t->doorbell |= doorbell;
	if (t->doorbell)
		arm(io, pin);
	return 0;
}

void ioapic_release(unsigned gsi)
{
	unsigned pin;
	struct ioapic *io = of_gsi(gsi, &pin);
	struct taken *t = io ? find_taken(io, pin) : NULL;

	if (!t)
		return;
	entry_write(io, pin, t->low, t->high);
	*t = taken[--ntaken];
}

/* --- the guest's view --- */

static struct taken *selected(const struct ioapic *io)
{
	return io->select < IOAPIC_ENTRY(0) ? NULL : find_taken(io, (io->select - IOAPIC_ENTRY(0)) / 2);
}

static void look(struct taken *t)
{
	if (lapic_vector(t->sent_vector) == VECTOR_IDLE)
		t->sent_to = NULL;
}

void ioapic_sent(unsigned gsi, struct cpu *c)
{
	unsigned pin;
	struct ioapic *io = of_gsi(gsi, &pin);
	struct taken *t = io ? find_taken(io, pin) : NULL;

	if (!t)
		return;
	t->sent_to = c;
	t->sent_vector = (uint8_t)FIELD_GET(RTE_VECTOR, t->low);
}

void ioapic_answer(void)
{
	for (struct taken *t = taken; t < taken + ntaken; t++)
		if (t->sent_to == this_cpu())
			look(t);
}

/*
 * True if the handler has not ended yet: some kernels wait for its end before they move an interrupt.  Only the handler's own
 * processor can tell: any other sends it a request, and the guest has to read again.
 */
static bool is_busy(struct taken *t)
{
	if (t->sent_to == this_cpu())
		look(t);
	else if (t->sent_to)
		smp_request(t->sent_to, REQ_INTX);
	return t->sent_to;
}

static uint64_t ioapic_page_read(void *ctx, uint32_t off, unsigned width)
{
	struct ioapic *io = ctx;

	cnt_accesses++;
	if (off == IOREGSEL)
		return io->select;
	if (off != IOWIN)
		return 0;
	struct taken *t = selected(io);
	if (!t)
		return io_read(io, io->select);
	if (io->select & 1)
		return t->high;
	return t->low | ((t->low & RTE_LEVEL) && is_busy(t) ? RTE_REMOTE_IRR : 0);
}

static bool is_init(uint32_t low)
{
	return !(low & RTE_MASKED) && FIELD_GET(RTE_MODE, low) == RTE_MODE_INIT;
}

static void write_window(struct ioapic *io, uint32_t value)
{
	static bool said;
	struct taken *t = selected(io);

	if (!t && held && io->select >= IOAPIC_ENTRY(0) && !(io->select & 1) && is_init(value)) {
		log_err_once(said, "ioapic: the guest would have an input send INIT: masked");
		value |= RTE_MASKED;
	}
	if (!t)
		io_write(io, io->select, value);
	else if (io->select & 1)
		t->high = value;
	else
		t->low = value & ~(RTE_PENDING | RTE_REMOTE_IRR);
}

static void ioapic_page_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	struct ioapic *io = ctx;

	cnt_accesses++;
	/* Drop other offsets: some chips decode the two registers there again, and the guest would reach a taken entry. */
	if (off == IOREGSEL) {
		io->select = (uint32_t)value & 0xff;
		/* Another processor's last access, while the page was given back. */
		if (!watched)
			mmio_write32(io->reg + IOREGSEL, io->select);
	} else if (off == IOEOI) {
		mmio_write32(io->reg + IOEOI, (uint32_t)value);
	} else if (off == IOWIN) {
		write_window(io, (uint32_t)value);
	}
}

static const struct trap_ops page_ops = { ioapic_page_read, ioapic_page_write };

static void ioapic_watch_page(struct ioapic *io)
{
	if (!io->trap)
		io->trap = trap_new_mmio("ioapic", PAGE_SIZE, &page_ops, io);
	io->select = mmio_read32(io->reg + IOREGSEL) & 0xff;
	if (!io->trap || trap_place_system(io->trap, ALIGN_DOWN((uint64_t)io->addr, (uint64_t)PAGE_SIZE)))
		log_err("ioapic at %#x: cannot be watched; the guest may silence a doorbell, and INTx may fail", io->addr);
}

static void place_watch(void)
{
	bool on = wanted || held || ntaken;

	if (on == watched)
		return;
	watched = on;
	for (struct ioapic *io = ioapics; io < ioapics + nioapics; io++) {
		if (watched) {
			ioapic_watch_page(io);
		} else if (io->trap) {
			/* Restore the register that the guest selected. */
			mmio_write32(io->reg + IOREGSEL, io->select);
			trap_remove(io->trap);
		}
	}
}

void ioapic_watch(bool on)
{
	wanted = on;
	place_watch();
}

void ioapic_hold_inits(bool on)
{
	lock_acquire(&trap_serial);
	held = on;
	place_watch();
	for (struct ioapic *io = ioapics; held && io < ioapics + nioapics; io++) {
		for (unsigned pin = 0; pin < io->npins; pin++) {
			uint32_t low = io_read(io, IOAPIC_ENTRY(pin));

			if (is_init(low))
				io_write(io, IOAPIC_ENTRY(pin), low | RTE_MASKED);
		}
	}
	lock_release(&trap_serial);
}

bool ioapic_entry(unsigned gsi, struct ioapic_entry *out)
{
	unsigned pin;
	struct ioapic *io = watched ? of_gsi(gsi, &pin) : NULL;
	const struct taken *t = io ? find_taken(io, pin) : NULL;

	if (!io)
		return false;
	out->real = !t;
	out->low = t ? t->low : io_read(io, IOAPIC_ENTRY(pin));
	out->high = t ? t->high : io_read(io, IOAPIC_ENTRY(pin) + 1);
	return true;
}

void ioapic_end(unsigned gsi)
{
	unsigned pin;
	struct ioapic *io = of_gsi(gsi, &pin);

	if (!io)
		return;
	uint32_t low = io_read(io, IOAPIC_ENTRY(pin));

	if (io->has_eoi) {
		mmio_write32(io->reg + IOEOI, FIELD_GET(RTE_VECTOR, low));
		return;
	}
	/* An edge-triggered entry has no Remote IRR. */
	io_write(io, IOAPIC_ENTRY(pin), (low & ~RTE_LEVEL) | RTE_MASKED);
	io_write(io, IOAPIC_ENTRY(pin), low);
}

bool ioapic_passes_pic(void)
{
	struct ioapic_entry e;

	/* If the 8259 is at any input, it is at input 0 (82371SB and MP 1.4, 3.6.2.2). */
	return ioapic_entry(0, &e) && !(e.low & RTE_MASKED) && FIELD_GET(RTE_MODE, e.low) == RTE_MODE_EXTINT;
}

/*
 * --- the state (CONFIG_STATE) ---
 *
 * The guest's processors are gathered, so that nobody else is in here: trap_serial, which comes before what a load holds, is
 * not taken.  Neither Remote IRR nor the delivery status can be written: a line that is still asserted delivers once more.
 */

/* The section's data: plain. */
struct ioapic_image {
	uint32_t gsi_base, npins;
	uint32_t select;		/* the guest's IOREGSEL */
	uint32_t zero;
	struct { uint32_t low, high; } entry[];
};

#define RTE_STATUS	(RTE_PENDING | RTE_REMOTE_IRR)
#define RTE_LOW		GENMASK(16, 0)

struct ioapic_part {
	struct state_part part;
	struct ioapic *io;
	char name[16];
};

static void no_rest(void *ctx, uint32_t us) { (void)ctx, (void)us; }
static void no_go_on(void *ctx) { (void)ctx; }

static uint32_t guest_select(struct ioapic *io)
{
	return watched ? io->select : mmio_read32(io->reg + IOREGSEL) & 0xff;
}

static void set_guest_select(struct ioapic *io, uint32_t select)
{
	io->select = select;
	if (!watched)
		mmio_write32(io->reg + IOREGSEL, select);
}

static void io_save(void *ctx, void *to)
{
	const struct ioapic_part *p = ctx;
	struct ioapic *io = p->io;
	struct ioapic_image *out = to;

	out->gsi_base = io->gsi_base;
	out->npins = io->npins;
	out->select = guest_select(io);
	out->zero = 0;
	for (unsigned pin = 0; pin < io->npins; pin++) {
		const struct taken *t = find_taken(io, pin);

		out->entry[pin].low = t ? t->low : io_read(io, IOAPIC_ENTRY(pin)) & ~RTE_STATUS;
		out->entry[pin].high = t ? t->high : io_read(io, IOAPIC_ENTRY(pin) + 1);
	}
	set_guest_select(io, out->select);
}

static const char *io_bad(void *ctx, const void *from)
{
	const struct ioapic_part *p = ctx;
	const struct ioapic_image *in = from;

	if (in->gsi_base != p->io->gsi_base || in->npins != p->io->npins)
		return "an I/O APIC with other inputs";
	if (in->select > 0xff || in->zero)
		return "an impossible register";
	for (unsigned pin = 0; pin < in->npins; pin++) {
		uint32_t low = in->entry[pin].low;

		if ((low & ~RTE_LOW) || (low & RTE_STATUS))
			return "an impossible entry";
		if (is_init(low) && !find_taken(p->io, pin))
			return "an input that sends INIT";
	}
	return NULL;
}

static void io_load(void *ctx, const void *from)
{
	const struct ioapic_part *p = ctx;
	const struct ioapic_image *in = from;
	struct ioapic *io = p->io;

	for (unsigned pin = 0; pin < io->npins; pin++) {
		struct taken *t = find_taken(io, pin);
		uint32_t low = in->entry[pin].low, high = in->entry[pin].high;

		if (t) {
			t->low = low;
			t->high = high;
			continue;
		}
		/* What has not changed is not written: an edge that comes while the entry is masked is lost. */
		if ((io_read(io, IOAPIC_ENTRY(pin)) & ~RTE_STATUS) != low || io_read(io, IOAPIC_ENTRY(pin) + 1) != high)
			entry_write(io, pin, low, high);
	}
	set_guest_select(io, in->select);
}

/* Only what can lose no interrupt. */
static void io_scribble(void *ctx)
{
	const struct ioapic_part *p = ctx;
	struct ioapic *io = p->io;
	uint32_t select = guest_select(io);

	for (unsigned pin = 0; pin < io->npins; pin++) {
		struct taken *t = find_taken(io, pin);

		if (t)
			t->low = t->high = 0x5a5a5a;
		else if (io_read(io, IOAPIC_ENTRY(pin)) & RTE_MASKED)
			entry_write(io, pin, RTE_MASKED | 0x5a, FIELD_PREP(RTE_DEST, 0x5au));
	}
	set_guest_select(io, ~select & 0xff);
}

static const struct state_ops io_ops = {
	.rest = no_rest, .save = io_save, .bad = io_bad, .load = io_load, .go_on = no_go_on,
	.scribble = IS_ENABLED(CONFIG_STATE_TEST) ? io_scribble : NULL,
};

int ioapic_keep(void (*add)(struct state_part *part))
{
	const struct ioapic_image *none = NULL;

	for (unsigned i = 0; IS_ENABLED(CONFIG_STATE) && i < nioapics; i++) {
		struct ioapic_part *p = mem_alloc(sizeof(*p), 16);

		if (!p)
			return -ERR_NOMEM;
		p->io = &ioapics[i];
		fmt_string(p->name, sizeof(p->name), "ioapic%u", i);
		p->part = (struct state_part){
			.name = p->name, .version = 1, .ops = &io_ops, .ctx = p,
			.size = (uint32_t)(sizeof(*none) + p->io->npins * sizeof(none->entry[0])),
		};
		add(&p->part);
	}
	return 0;
}
