/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/irq/ioapic.c hv/dev/trap.c hv/mem/nested.c hv/mem/mtrr.c hv/mem/ptree.c tests/unit/host/cpu.c */
/* Which input follows a line, on a model of two I/O APICs; the guest's view of inputs; the state of both chips. */
#include <string.h>
#include <veneer/state.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/boot/bootinfo.h"
#include "hv/cpu/percpu.h"
#include "hv/dev/acpi.h"
#include "hv/irq/ioapic.h"
#include "hv/cpu/lapic.h"
#include "hv/dev/trap.h"
#include "hv/mem/nested.h"
#include "hv/mem/ptree.h"
#include "hv/mem/ram.h"

#define PINS		24u
#define OWN_ID		2u
#define MASKED		BIT(16)
#define NMI		(4u << 8)

struct acpi_info acpi;

/* --- the chips --- */

static struct chip { uint32_t select, entry[PINS][2]; bool line[PINS]; uint64_t base; } chips[2];
static uint32_t ended;			/* the last EOI */
static enum vector_state state;
static int wired;			/* the GSI that the device's line drives, -1 none */
static int noisy;			/* a GSI with edges of its own */

static uint64_t chip_read(void *ctx, uint32_t off, unsigned width)
{
	struct chip *c = ctx;

	CHECK_EQ(width, 4);
	if (off == 0)
		return c->select;
	CHECK_EQ(off, 0x10);
	if (c->select == 1)
		return (PINS - 1) << 16 | 0x20;
	CHECK(c->select >= 0x10 && c->select < 0x10 + 2 * PINS);
	return c->entry[(c->select - 0x10) / 2][c->select & 1];
}

static void chip_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	struct chip *c = ctx;

	CHECK_EQ(width, 4);
	if (off == 0) {
		c->select = (uint32_t)v;
	} else if (off == 0x10) {
		CHECK(c->select >= 0x10 && c->select < 0x10 + 2 * PINS);
		c->entry[(c->select - 0x10) / 2][c->select & 1] = (uint32_t)v;
	} else {
		CHECK_EQ(off, 0x40);
		ended = (uint32_t)v;
	}
}

static const struct host_model chip_model = { chip_read, chip_write };

static void edge(unsigned gsi)
{
	const uint32_t *e = chips[gsi / PINS].entry[gsi % PINS];

	if (!(e[0] & MASKED) && (e[0] & 0x700) == NMI && !(e[0] & BIT(15)) && e[1] >> 24 == OWN_ID)
		this_cpu()->nmi_count++;
}

static void noise(void)
{
	if (noisy >= 0)
		edge((unsigned)noisy);
}

/* --- what the sources need of the rest of hv --- */

uint64_t phys_limit(void) { return 1ull << 40; }
uint64_t gmem_top(void) { return 0x80000000; }
static struct cpu other;
static unsigned asked;
void smp_request(struct cpu *c, uint32_t what) { CHECK(c == &other && what == REQ_INTX); asked++; }
uint32_t lapic_id(void) { return OWN_ID; }
enum vector_state lapic_vector(uint8_t vector) { return state; }

static void set_line(void *ctx, bool on)
{
	CHECK_EQ((uintptr_t)ctx, 0x55);
	if (on && wired >= 0)
		edge((unsigned)wired);
}

static int follows(void)
{
	for (unsigned gsi = 3; gsi < 2 * PINS; gsi++)
		if (ioapic_follows(gsi, set_line, (void *)0x55, 200))
			return (int)gsi;
	return -1;
}

/* The chips stay for the whole run, because ioapic.c keeps the inputs that it has borrowed. */
static void start(void)
{
	static const struct boot_info boot = { .self_base = 0x7000000, .self_size = 0x400000 };

	host_cpu_reset();
	CHECK_EQ(nested_init(&boot, &pt_format_x86, false), 0);
	for (unsigned i = 0; i < 2; i++) {
		chips[i].base = host_mmio_new(PAGE_SIZE, &chip_model, &chips[i]);
	}
	state = VECTOR_IDLE;
	noisy = -1;
	host_time_hook = noise;
}

/* Remote IRR follows the local APIC; the guest cannot write it. */
static void remote_irr(struct trap *t)
{
	trap_write(t, 0, 4, 0x10 + 2 * 5);
	trap_write(t, 0x10, 4, 0xa061 | BIT(14) | BIT(12));
	CHECK_EQ(trap_read(t, 0x10, 4), 0xa061);
	state = VECTOR_IN_SERVICE;
	CHECK_EQ(trap_read(t, 0x10, 4), 0xa061);		/* another interrupt on the same vector */
	ioapic_sent(PINS + 5, this_cpu());
	CHECK_EQ(trap_read(t, 0x10, 4), 0xa061 | BIT(14));
	trap_write(t, 0x10, 4, 0xa062);				/* moved to another vector before its EOI */
	CHECK_EQ(trap_read(t, 0x10, 4), 0xa062 | BIT(14));
	trap_write(t, 0x10, 4, 0x2061);				/* an edge-triggered entry has no Remote IRR */
	CHECK_EQ(trap_read(t, 0x10, 4), 0x2061);
	trap_write(t, 0x10, 4, 0xa061);
	state = VECTOR_IDLE;
	CHECK_EQ(trap_read(t, 0x10, 4), 0xa061);
	state = VECTOR_IN_SERVICE;
	CHECK_EQ(trap_read(t, 0x10, 4), 0xa061);
	/* Sent to another processor, which answers; this one's local APIC is not read. */
	ioapic_sent(PINS + 5, &other);
	state = VECTOR_IDLE;
	CHECK(trap_read(t, 0x10, 4) == (0xa061 | BIT(14)) && asked == 1);
	ioapic_answer();
	CHECK(trap_read(t, 0x10, 4) == (0xa061 | BIT(14)) && asked == 2);
	ioapic_sent(PINS + 5, this_cpu());			/* as if this processor were the target */
	ioapic_answer();
	CHECK(trap_read(t, 0x10, 4) == 0xa061 && asked == 2);
	ioapic_sent(PINS + 5, NULL);
	CHECK_EQ(trap_read(t, 0x10, 4), 0xa061);
}

/* --- the state --- */

static struct state_part *kept[2];
static unsigned nkept;
static void add(struct state_part *part)
{
	CHECK(nkept < 2);
	kept[nkept++] = part;
}

#define IMAGE_SIZE	(16 + 8 * PINS)
#define SELECT		2		/* words of the image */
#define LOW(pin)	(4 + 2 * (pin))

static void is_bad(const uint32_t *good, unsigned word, uint32_t v, const char *why)
{
	uint32_t image[IMAGE_SIZE / 4];
	const char *bad;

	memcpy(image, good, IMAGE_SIZE);
	image[word] = v;
	bad = kept[1]->ops->bad(kept[1]->ctx, image);
	CHECK(bad && strstr(bad, why));
}

/* Input 5 of the second chip is Veneer's: the guest's entry is the virtual one. */
static void saved_and_loaded(struct trap *t)
{
	uint32_t was[PINS][2], one[IMAGE_SIZE / 4], two[IMAGE_SIZE / 4];

	CHECK_EQ(ioapic_take(PINS + 5, true), 0);
	ioapic_watch(true);
	trap_write(t, 0, 4, 0x10 + 2 * 5);
	trap_write(t, 0x10, 4, 0xa061);
	chips[1].entry[7][0] = 0x8071 | BIT(14);		/* level-triggered, not ended yet */
	CHECK_EQ(ioapic_keep(add), 0);
	CHECK(nkept == 2 && kept[1]->size == IMAGE_SIZE && !strcmp(kept[1]->name, "ioapic1"));
	kept[1]->ops->save(kept[1]->ctx, one);
	CHECK(one[0] == PINS && one[1] == PINS && one[SELECT] == 0x10 + 2 * 5 && !one[3]);
	CHECK(one[LOW(5)] == 0xa061 && one[LOW(7)] == 0x8071);
	memcpy(was, chips[1].entry, sizeof(was));

	trap_write(t, 0x10, 4, MASKED);
	trap_write(t, 0, 4, 0);
	for (unsigned p = 0; p < PINS; p++)
		if (p != 5 && p != 7)
			chips[1].entry[p][0] = chips[1].entry[p][1] = MASKED;
	CHECK(!kept[1]->ops->bad(kept[1]->ctx, one));
	kept[1]->ops->load(kept[1]->ctx, one);
	/* Also the entries as they are, Remote IRR too; Veneer's own input rings on. */
	CHECK(!memcmp(was, chips[1].entry, sizeof(was)));
	kept[1]->ops->save(kept[1]->ctx, two);
	CHECK(!memcmp(one, two, sizeof(one)));
	CHECK_EQ(trap_read(t, 0x10, 4), 0xa061);

	is_bad(one, 0, 0, "other inputs");
	is_bad(one, 1, PINS + 1, "other inputs");
	is_bad(one, SELECT, 256, "impossible register");
	is_bad(one, 3, 1, "impossible register");
	is_bad(one, LOW(3), BIT(17), "impossible entry");
	is_bad(one, LOW(3), BIT(14), "impossible entry");
	is_bad(one, LOW(3), 0x530, "sends INIT");
	CHECK(!memcmp(was, chips[1].entry, sizeof(was)));
}

/* One test for the whole life of a machine: the state in the sources lasts for one run. */
TEST(a_borrowed_pin)
{
	uint32_t off;

	start();
	acpi.nioapics = 2;
	for (unsigned i = 0; i < 2; i++) {
		acpi.ioapic[i].addr = (uint32_t)chips[i].base;
		acpi.ioapic[i].gsi_base = i * PINS;
		for (unsigned p = 0; p < PINS; p++) {
			chips[i].entry[p][0] = MASKED | (0x30 + p);
			chips[i].entry[p][1] = 0x05000000;
		}
	}
	ioapic_init();

	CHECK(ioapic_has(0) && ioapic_has(2 * PINS - 1) && !ioapic_has(2 * PINS));

	/* A line that reaches no input: every entry is as before. */
	wired = -1;
	CHECK_EQ(follows(), -1);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned p = 0; p < PINS; p++)
			CHECK(chips[i].entry[p][0] == (MASKED | (0x30 + p)) && chips[i].entry[p][1] == 0x05000000);

	/* The right pin is on the second chip; a pin before it has edges of its own. */
	noisy = 9;
	wired = PINS + 5;
	CHECK_EQ(follows(), PINS + 5);
	noisy = -1;
	for (unsigned p = 0; p < PINS; p++)
		CHECK_EQ(chips[0].entry[p][0], MASKED | (0x30 + p));
	const uint32_t *e = chips[1].entry[5];
	CHECK_EQ(e[0], MASKED | 0x35);
	CHECK_EQ(ioapic_take(PINS + 5, true), 0);
	CHECK_EQ(e[0], NMI | BIT(13));
	CHECK_EQ(e[1], OWN_ID << 24);
	/* The pin does not ring while other lines are learned. */
	ioapic_quiet(true);
	CHECK_EQ(e[0] & MASKED, MASKED);
	ioapic_quiet(false);
	CHECK_EQ(e[0], NMI | BIT(13));
	CHECK(ioapic_take(2 * PINS, true) < 0);

	/* A borrowed input keeps the page watched. */
	ioapic_watch(false);
	CHECK(trap_find_mmio(chips[0].base, &off));
	struct trap *t = trap_find_mmio(chips[1].base, &off);
	CHECK(t);

	/* The guest reads a virtual entry. */
	trap_write(t, 0, 4, 0x10 + 2 * 5);
	CHECK_EQ(trap_read(t, 0, 4), 0x1a);
	CHECK_EQ(trap_read(t, 0x10, 4), MASKED | 0x35);
	trap_write(t, 0x10, 4, 0xa061);		/* level, active low, vector 61h, open */
	trap_write(t, 0, 4, 0x11 + 2 * 5);
	trap_write(t, 0x10, 4, 0x03000000);
	CHECK_EQ(trap_read(t, 0x10, 4), 0x03000000);
	CHECK(e[0] == (NMI | BIT(13)) && e[1] == OWN_ID << 24);

	/* The entries beside it are the chip's. */
	trap_write(t, 0, 4, 0x10 + 2 * 6);
	trap_write(t, 0x10, 4, 0x77);
	CHECK_EQ(chips[1].entry[6][0], 0x77);
	CHECK_EQ(trap_read(t, 0x10, 4), 0x77);

	/* No other offset reaches the chip but EOI: the model would fail the test. */
	for (uint32_t at = 0; at < PAGE_SIZE; at += 4) {
		if (at == 0 || at == 0x10)
			continue;
		trap_write(t, at, 4, 0x1a);
		CHECK_EQ(trap_read(t, at, 4), 0);
	}
	CHECK_EQ(e[0], NMI | BIT(13));

	struct ioapic_entry seen;

	remote_irr(t);
	CHECK(ioapic_entry(PINS + 5, &seen) && !seen.real && seen.low == 0xa061 && seen.high == 0x03000000);
	CHECK(ioapic_entry(PINS + 6, &seen) && seen.real && seen.low == 0x77);
	CHECK(!ioapic_entry(2 * PINS, &seen));

	/* End an interrupt whose EOI was lost. */
	ioapic_end(PINS + 6);
	CHECK_EQ(ended, 0x77);

	/* ExtINT at input 0. */
	CHECK(!ioapic_passes_pic());
	chips[0].entry[0][0] = 7 << 8;
	CHECK(ioapic_passes_pic());
	chips[0].entry[0][0] |= MASKED;
	CHECK(!ioapic_passes_pic());

	/* Given back, the chip's entry has the guest's value, and the page is no longer watched if nobody needs that. */
	trap_write(t, 0, 4, 0x13);
	ioapic_release(PINS + 5);
	CHECK(e[0] == 0xa061 && e[1] == 0x03000000);
	ioapic_watch(false);
	CHECK(!trap_find_mmio(chips[1].base, &off));
	CHECK_EQ(chips[1].select, 0x13);
	chips[1].select = 0x21;
	ioapic_watch(true);
	CHECK_EQ(trap_find_mmio(chips[1].base, &off), t);
	CHECK_EQ(trap_read(t, 0, 4), 0x21);

	/* While INIT is held no input sends INIT: neither an entry from before nor a new one. */
	ioapic_watch(false);
	chips[0].entry[3][0] = 5 << 8;
	ioapic_hold_inits(true);
	CHECK_EQ(chips[0].entry[3][0], MASKED | 5 << 8);
	CHECK_EQ(trap_find_mmio(chips[1].base, &off), t);
	trap_write(t, 0, 4, 0x10 + 2 * 6);
	trap_write(t, 0x10, 4, 5 << 8 | 0x77);
	CHECK_EQ(chips[1].entry[6][0], MASKED | 5 << 8 | 0x77);
	trap_write(t, 0x10, 4, 0x77);
	CHECK_EQ(chips[1].entry[6][0], 0x77);
	ioapic_hold_inits(false);
	CHECK(!trap_find_mmio(chips[1].base, &off));
	saved_and_loaded(t);
}

TEST_MAIN
