/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/irq/intx.c tests/unit/host/cpu.c */
/*
 * INTx lines: the inputs that they reach, when their interrupts are raised and raised again, and when the interrupt controllers
 * are watched.
 */
#include <string.h>
#include <veneer/intx.h>
#include <veneer/lock.h>
#include <veneer/msi.h>
#include <veneer/trap.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/cpus.h"
#include "hv/irq/doorbell.h"
#include "hv/irq/intx.h"
#include "hv/irq/ioapic.h"
#include "hv/cpu/lapic.h"
#include "hv/irq/pic.h"
#include "hv/irq/pirq.h"

struct lock trap_serial;
struct cpu *cpus[MAX_CPUS];
unsigned ncpus = 1;
struct cpu *smp_find_target(uint32_t addr) { return this_cpu(); }
void smp_request(struct cpu *c, uint32_t what) { }
static unsigned looked;
void doorbell_look(void) { looked++; }

/* --- the interrupt controllers --- */

static struct ioapic_entry entry[24];
static enum vector_state state[256];
static unsigned sent, ended, holds, taken_gsi, rings;
static uint32_t last_data;
static uint16_t pic_lines, requests, kept_masked;
static int pic_irq, route[8] = { 10, 10, 11, 11, 10, 10, 11, 11 };
static bool pic_watched, ioapic_watched;

bool ioapic_has(unsigned gsi) { return gsi < 24; }
int ioapic_take(unsigned gsi, bool doorbell)
{
	taken_gsi |= BIT(gsi);
	entry[gsi].real = false;
	if (doorbell)
		rings |= BIT(gsi);
	return 0;
}
void ioapic_release(unsigned gsi) { taken_gsi &= ~BIT(gsi); rings &= ~BIT(gsi); entry[gsi].real = true; }
void ioapic_watch(bool on) { ioapic_watched = on; }
bool ioapic_entry(unsigned gsi, struct ioapic_entry *out) { *out = entry[gsi]; return gsi < 24; }
void ioapic_sent(unsigned gsi, struct cpu *c) { CHECK(c == this_cpu()); }
static unsigned answered;
void ioapic_answer(void) { answered++; }
void ioapic_end(unsigned gsi) { ended++; entry[gsi].low &= ~RTE_REMOTE_IRR; }
bool ioapic_passes_pic(void) { return false; }
enum vector_state lapic_vector(uint8_t vector) { return state[vector]; }
bool lapic_takes_pic(void) { return true; }
void pic_keep_masked(unsigned irq, bool on) { kept_masked = (uint16_t)(on ? kept_masked | BIT(irq) : kept_masked & ~BIT(irq)); }
void pic_watch(bool on) { pic_watched = on; }
void pic_set_lines(uint16_t lines) { pic_lines = lines; }
bool pic_has_edges(void) { return false; }
int pic_pending(void) { return pic_irq; }
uint8_t pic_acknowledge(void) { uint8_t v = (uint8_t)(0x30 + pic_irq); pic_irq = -1; return v; }
uint16_t pic_requests(void) { return requests; }
unsigned pirq_init(void) { return 8; }
int pirq_irq(unsigned n) { return route[n]; }
int pirq_real_irq(unsigned n) { return route[n]; }
static int kept_pirq = 99;
void pirq_keep(int n) { kept_pirq = n; }
void pirq_watch(void) { }
void clock_hold(void) { holds++; }
void clock_release(void) { holds--; }
void irq_send_msi(uint64_t addr, uint32_t data) { sent++; last_data = data; state[data & 0xff] = VECTOR_WAITING; }
bool intx_experiment(struct hw_dev *dev, struct intx_route *r)
{
	int n = dev->pci->bdf >> 3 == 31 ? 0 : 4 + ((dev->pci->bdf >> 3) & 3);

	/* A device whose chipset line was not found. */
	if (dev->pci->bdf == PCI_BDF(0, 4, 0)) {
		*r = (struct intx_route){ -1, 9, -1 };
		return true;
	}
	*r = (struct intx_route){ n, route[n], 16 + n };
	return true;
}

/* Bridges, each in slot 0 behind the previous one: slot 0 does not rotate interrupt pins. */
#define BELOW(n)	{ .bdf = PCI_BDF(n, 0, 0), .parent = PCI_BDF(n - 1, 0, 0) }

static const struct pci_dev funcs[] = { { .bdf = PCI_BDF(0, 3, 0), .int_pin = 1, .parent = 0xffff },
					{ .bdf = PCI_BDF(0, 31, 2), .int_pin = 1, .parent = 0xffff },
					{ .bdf = PCI_BDF(0, 5, 0), .parent = 0xffff },
					{ .bdf = PCI_BDF(1, 2, 0), .parent = PCI_BDF(0, 5, 0) },
					{ .bdf = PCI_BDF(0, 4, 0), .int_pin = 1, .parent = 0xffff },
					{ .bdf = PCI_BDF(1, 0, 0), .parent = PCI_BDF(0, 5, 0) },
					BELOW(2), BELOW(3), BELOW(4), BELOW(5), BELOW(6), BELOW(7), BELOW(8),
					BELOW(9), BELOW(10), BELOW(11), BELOW(12), BELOW(13), BELOW(14), BELOW(15),
					BELOW(16), BELOW(17), BELOW(18), BELOW(19), BELOW(20) };

const struct pci_dev *pci_get(unsigned n) { return n < ARRAY_SIZE(funcs) ? &funcs[n] : NULL; }

static void intx_test(struct hw_dev *dev, bool on) { }
static const struct hw_dev_ops ops = { .intx_test = intx_test };
static struct hw_dev nic = { .ops = &ops, .pci = &funcs[0], .name = "nic0", .nic = (struct nic *)0x10 };
static struct hw_dev disk = { .ops = &ops, .pci = &funcs[1], .name = "ahci0", .ndisk = 1 };

static struct hw_dev odd = { .ops = &ops, .pci = &funcs[4], .name = "nic1", .nic = (struct nic *)0x10 };

static struct intx_source net, blk, blk2, moved, behind, deep;

static int check(bool can)
{
	int vector;

	intx_check(can, &vector);
	return vector;
}

/* Begin or end the handler of @vector. */
static void handler(uint8_t vector, bool on) { state[vector] = on ? VECTOR_IN_SERVICE : VECTOR_IDLE; }

/* The tests depend on their order: lines stay once they are learned. */
TEST(lines_are_learned_and_derived)
{
	pic_irq = -1;
	for (unsigned i = 0; i < 24; i++)
		entry[i] = (struct ioapic_entry){ .low = RTE_MASKED, .real = true };
	intx_init();
	intx_learn(&nic);
	/* Edges of devices that ring by a line may have been lost meanwhile. */
	CHECK_EQ(looked, 1);
	intx_learn(&disk);
	CHECK_EQ(intx_attach(&net, PCI_BDF(0, 3, 0), 1), 0);
	CHECK_EQ(intx_attach(&blk, PCI_BDF(0, 31, 2), 1), 0);
	CHECK_EQ(intx_attach(&blk2, PCI_BDF(0, 31, 3), 1), 0);		/* a sibling */
	CHECK(blk.line == blk2.line && blk.line != net.line);
	CHECK(intx_line_register(&net) == 11 && intx_line_register(&blk) == 10);
	/* Slot 7 has slot 3's line, four slots further.  INTA of slot 2 behind the bridge in slot 5 is the bridge's INTC. */
	CHECK_EQ(intx_attach(&moved, PCI_BDF(0, 7, 0), 1), 0);
	CHECK(moved.line == net.line);
	CHECK_EQ(intx_attach(&behind, PCI_BDF(1, 2, 0), 1), 0);
	CHECK(behind.line == net.line);
	CHECK_EQ(intx_attach(&deep, PCI_BDF(20, 2, 0), 1), 0);
	CHECK(deep.line == net.line);
	intx_start();
	CHECK(pic_watched && ioapic_watched);
}

TEST(raised_once_and_again_while_it_is_high)
{
	entry[23].low = RTE_LEVEL | 0x61;
	intx_set(&net, INTX_HIGH);
	CHECK_EQ(check(false), -1);
	CHECK_EQ(pic_lines, BIT(11));
	CHECK(sent == 1 && last_data == 0x61);
	check(false);
	CHECK_EQ(sent, 1);			/* pending */
	handler(0x61, true);
	check(false);
	CHECK_EQ(sent, 1);			/* in service */
	handler(0x61, false);
	check(false);
	CHECK_EQ(sent, 2);			/* ISR was not read */
	handler(0x61, true);
	intx_set(&net, INTX_LOW);
	intx_set(&net, INTX_HIGH);
	check(false);
	CHECK_EQ(sent, 3);			/* a new cause while the handler runs */
	intx_set(&net, INTX_LOW);
	handler(0x61, false);
	check(false);
	check(false);
	CHECK(sent == 3 && pic_lines == 0);
}

TEST(masked_lines_wait_for_the_unmask)
{
	sent = 0;
	entry[23].low |= RTE_MASKED;
	intx_set(&net, INTX_HIGH);
	check(false);
	CHECK_EQ(sent, 0);
	handler(0x61, true);			/* unmasked while the handler runs */
	entry[23].low &= ~RTE_MASKED;
	check(false);
	CHECK_EQ(sent, 1);
	intx_set(&net, INTX_LOW);
	handler(0x61, false);
	check(false);
	/* NMI, SMI and the like in the guest's entry are not sent. */
	entry[23].low |= FIELD_PREP(RTE_MODE, RTE_MODE_NMI);
	intx_set(&net, INTX_HIGH);
	check(false);
	CHECK_EQ(sent, 1);
	intx_set(&net, INTX_LOW);
	entry[23].low &= ~RTE_MODE;
}

TEST(a_level_triggered_interrupt_of_the_chips_ends_first)
{
	sent = ended = 0;
	entry[23].low |= RTE_REMOTE_IRR;
	state[0x61] = VECTOR_IN_SERVICE_LEVEL;
	intx_set(&net, INTX_HIGH);
	check(false);
	CHECK(sent == 0 && holds == 1);
	/* The local APIC has no such interrupt, for long: the EOI was lost. */
	state[0x61] = VECTOR_IDLE;
	check(false);
	host_now_us += 5000;
	check(false);
	CHECK(sent == 0 && ended == 0);
	host_now_us += 20000;
	check(false);
	CHECK_EQ(ended, 1);
	check(false);
	CHECK(sent == 1 && holds == 0);
	intx_set(&net, INTX_LOW);
	state[0x61] = VECTOR_IDLE;
	check(false);
}

TEST(the_8259_when_the_guest_can)
{
	pic_irq = 10;
	intx_set(&blk, INTX_HIGH);
	CHECK_EQ(check(false), -1);
	CHECK_EQ(pic_irq, 10);
	CHECK_EQ(check(true), 0x3a);
	intx_set(&blk2, INTX_HIGH);
	intx_set(&blk, INTX_LOW);
	check(true);
	CHECK_EQ(pic_lines, BIT(10));		/* the sibling's */
	intx_set(&blk2, INTX_LOW);
	check(true);
	CHECK_EQ(pic_lines, 0);
}

TEST(routed_anew_by_the_guest)
{
	intx_set(&net, INTX_HIGH);
	route[7] = 5;
	intx_rerouted();
	check(false);
	CHECK_EQ(pic_lines, BIT(5));
	route[7] = -1;
	intx_rerouted();
	check(false);
	CHECK_EQ(pic_lines, 0);
	route[7] = 11;
	intx_rerouted();
	intx_set(&net, INTX_LOW);
	check(false);
	state[0x61] = VECTOR_IDLE;
}

TEST(watched_only_while_one_can_use_it)
{
	struct intx_source *const all[] = { &net, &blk, &blk2, &moved, &behind, &deep };

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		CHECK(pic_watched && ioapic_watched);
		intx_set(all[i], INTX_OFF);
		check(false);
	}
	CHECK(!pic_watched && !ioapic_watched);
	intx_set(&blk, INTX_LOW);
	check(false);
	CHECK(pic_watched && ioapic_watched);
}

TEST(a_line_by_which_a_device_rings)
{
	CHECK_EQ(intx_borrow(&nic), 23);
	CHECK(rings == BIT(23) && taken_gsi == (BIT(23) | BIT(11)) && kept_masked == BIT(11));
	/* A device of the guest's asserts the line. */
	sent = 0;
	CHECK(!intx_look_foreign());
	requests = BIT(11);
	CHECK(intx_look_foreign());
	check(false);
	CHECK(sent == 1 && holds == 1 && (pic_lines & BIT(11)));
	requests = 0;
	check(false);
	CHECK(holds == 0 && pic_lines == 0);
	/* The doorbell's other input follows the guest. */
	route[7] = 5;
	intx_rerouted();
	CHECK(taken_gsi == (BIT(23) | BIT(5)) && kept_masked == BIT(5));
	intx_set(&blk, INTX_OFF);
	check(false);
	CHECK(pic_watched && ioapic_watched);
}

/* The line keeps its input, and the chipset all of its routes, whatever the guest writes. */
TEST(a_ringing_line_of_unknown_route)
{
	CHECK_EQ(kept_pirq, 7);
	CHECK_EQ(intx_borrow(&odd), 9);
	CHECK_EQ(kept_pirq, -1);
	CHECK((rings & BIT(9)) && (kept_masked & BIT(9)));
	for (unsigned i = 0; i < 8; i++)
		route[i] = 6;
	intx_rerouted();
	CHECK((rings & BIT(9)) && (taken_gsi & BIT(9)) && (kept_masked & BIT(9)));
	CHECK((taken_gsi & BIT(6)) && !(taken_gsi & BIT(5)) && (rings & BIT(23)));
}

TEST_MAIN
