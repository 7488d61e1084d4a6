/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/dev/ioapic.c hv/dev/pic.c hv/dev/trap.c hv/mem/nested.c hv/mem/mtrr.c hv/mem/ptree.c tests/unit/host/cpu.c */
/* Learning a device's pin from a model of two IOAPICs, the guest's view of a borrowed pin, and the 8259s. */
#include <string.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/percpu.h"
#include "hv/dev/acpi.h"
#include "hv/dev/ioapic.h"
#include "hv/dev/pic.h"
#include "hv/dev/trap_internal.h"
#include "hv/hv.h"
#include "hv/mem/mem_internal.h"

#define PINS		24u
#define OWN_ID		2u
#define MASKED		BIT(16)
#define NMI		(4u << 8)

struct acpi_info acpi;

/* --- the chips --- */

static struct chip { uint32_t select, entry[PINS][2]; bool line[PINS]; uint64_t base; } chips[2];
static uint32_t sent_addr, sent_data;
static unsigned sent, watched;
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

static uint8_t imr[2], ocw[2], icw_writes;

static uint64_t pic_model_read(void *ctx, uint32_t off, unsigned width) { return off ? *(uint8_t *)ctx : 0x20; }

static void pic_model_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	uint8_t *mask = ctx;

	CHECK_EQ(width, 1);
	if (off)
		*mask = (uint8_t)v;
	else
		ocw[mask - imr] = (uint8_t)v;
	icw_writes++;
}

static const struct host_model pic_model = { pic_model_read, pic_model_write };

/* --- what the sources need of the rest of hv --- */

uint64_t phys_limit(void) { return 1ull << 40; }
uint64_t gmem_top(void) { return 0x80000000; }
uint32_t lapic_id(void) { return OWN_ID; }
void pirq_keep(void) { watched++; }
void irq_send_msi(uint64_t addr, uint32_t data) { sent_addr = (uint32_t)addr; sent_data = data; sent++; }

static void intx_test(struct hw_dev *dev, bool on)
{
	if (on && wired >= 0)
		edge((unsigned)wired);
}

static const struct hw_dev_ops dev_ops = { .intx_test = intx_test };
static struct pci_dev pci = { .int_pin = 1, .int_line = 11 };
static struct hw_dev dev = { .ops = &dev_ops, .pci = &pci, .name = "nic0" };

/* The chips live for the whole run, as ioapic.c keeps what it has borrowed. */
static void start(void)
{
	static const struct boot_info boot = { .self_base = 0x7000000, .self_size = 0x400000 };

	host_cpu_reset();
	CHECK_EQ(nested_init(&boot, &pt_format_x86, false), 0);
	for (unsigned i = 0; i < 2; i++) {
		chips[i].base = host_mmio_new(PAGE_SIZE, &chip_model, &chips[i]);
		host_pio_model((uint16_t)(i ? 0xa0 : 0x20), 2, &pic_model, &imr[i]);
	}
	sent = 0;
	noisy = -1;
	host_time_hook = noise;
}

/* One test walks through the life of a machine: the state in the sources is for one run. */
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

	/* A line that goes nowhere; and every entry is as before. */
	wired = -1;
	CHECK(ioapic_learn_pin(&dev) < 0);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned p = 0; p < PINS; p++)
			CHECK(chips[i].entry[p][0] == (MASKED | (0x30 + p)) && chips[i].entry[p][1] == 0x05000000);

	/* A pin with edges of its own in front of the right one, which is on the second chip. */
	noisy = 9;
	wired = PINS + 5;
	CHECK_EQ(ioapic_learn_pin(&dev), PINS + 5);
	noisy = -1;
	for (unsigned p = 0; p < PINS; p++)
		CHECK_EQ(chips[0].entry[p][0], MASKED | (0x30 + p));
	const uint32_t *e = chips[1].entry[5];
	CHECK_EQ(e[0], NMI | BIT(13));
	CHECK_EQ(e[1], OWN_ID << 24);
	/* A second device on the same line. */
	CHECK_EQ(ioapic_learn_pin(&dev), PINS + 5);

	imr[0] = imr[1] = 0;
	ioapic_watch();
	CHECK_EQ(watched, 1);
	CHECK_EQ(imr[1], BIT(11 - 8));
	CHECK(!trap_find_mmio(chips[0].base, &off));
	struct trap *t = trap_find_mmio(chips[1].base, &off);
	CHECK(t);

	/* The guest sees an entry of its own. */
	trap_write(t, 0, 4, 0x10 + 2 * 5);
	CHECK_EQ(trap_read(t, 0, 4), 0x1a);
	CHECK_EQ(trap_read(t, 0x10, 4), MASKED | 0x35);
	trap_write(t, 0x10, 4, 0xa061);		/* level, active low, vector 61h, open */
	trap_write(t, 0, 4, 0x11 + 2 * 5);
	trap_write(t, 0x10, 4, 0x03000000);
	CHECK_EQ(trap_read(t, 0x10, 4), 0x03000000);
	CHECK(e[0] == (NMI | BIT(13)) && e[1] == OWN_ID << 24);

	/* Its neighbours are the chip's. */
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

	/* A ring that is not the device's goes by the guest's entry. */
	CHECK(ioapic_forward_shared());
	CHECK(sent == 1 && sent_addr == (0xfee00000 | 3 << 12) && (sent_data & 0x7ff) == 0x61);
	trap_write(t, 0, 4, 0x10 + 2 * 5);
	trap_write(t, 0x10, 4, MASKED | 0xa061);
	CHECK(!ioapic_forward_shared());
	CHECK_EQ(sent, 1);
}

static struct trap *pic(unsigned chip)
{
	uint32_t off;
	struct trap *t = trap_find_pio(chip ? 0xa0 : 0x20, &off);

	CHECK(t);
	return t;
}

TEST(the_line_stays_masked_in_the_8259)
{
	start();
	trap_write(pic(1), 1, 1, 0x00);
	CHECK_EQ(imr[1], 0x08);
	CHECK_EQ(trap_read(pic(1), 1, 1) & 0xff, 0x00);
	trap_write(pic(1), 1, 1, 0xf7);
	CHECK_EQ(imr[1], 0xff);
	CHECK_EQ(trap_read(pic(1), 1, 1) & 0xff, 0xf7);
	trap_write(pic(0), 1, 1, 0xfb);
	CHECK_EQ(imr[0], 0xfb);
}

TEST(initialization_words_pass_and_the_mask_comes_back)
{
	static const struct { uint8_t icw1, words; } forms[] = { { 0x11, 3 }, { 0x10, 2 }, { 0x13, 2 }, { 0x12, 1 } };

	for (unsigned f = 0; f < ARRAY_SIZE(forms); f++) {
		start();
		trap_write(pic(1), 1, 1, 0xff);
		trap_write(pic(1), 0, 1, forms[f].icw1);
		CHECK_EQ(ocw[1], forms[f].icw1);
		for (unsigned i = 1; i < forms[f].words; i++) {
			trap_write(pic(1), 1, 1, 0x70 + i);
			CHECK_EQ(imr[1], 0x70 + i);	/* as written, no line forced */
		}
		trap_write(pic(1), 1, 1, 0x01);
		CHECK_EQ(imr[1], 0x08);
		CHECK_EQ(trap_read(pic(1), 1, 1) & 0xff, 0);
		trap_write(pic(1), 1, 1, 0xa0);
		CHECK_EQ(imr[1], 0xa8);
	}
}

TEST(sixteen_bit_accesses_are_two)
{
	start();
	trap_write(pic(1), 0, 2, 0x0020);
	CHECK_EQ(ocw[1], 0x20);
	CHECK_EQ(imr[1], 0x08);
	trap_write(pic(1), 0, 2, 0xff0b);
	CHECK_EQ(ocw[1], 0x0b);
	CHECK_EQ(imr[1], 0xff);
	CHECK_EQ(trap_read(pic(1), 0, 2) & 0xffff, 0xff20);
}

TEST_MAIN
