/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/cpu/ipi.c tests/unit/host/cpu.c */
/* The guest's INITs, SIPIs and NMIs: which processors get them. */
#include <string.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/cpus.h"
#include "hv/cpu/lapic.h"

#define CPUS	4u
#define INIT	(ICR_MODE_INIT << 8 | ICR_ASSERT)
#define SIPI	(ICR_MODE_SIPI << 8 | ICR_ASSERT | 0x9a)
#define NMI	(ICR_MODE_NMI << 8 | ICR_ASSERT)
#define ALL	(ICR_ALL << 18)
#define OTHERS	(ICR_OTHERS << 18)
#define SELF	(ICR_SELF << 18)

struct cpu *cpus[MAX_CPUS];
unsigned ncpus;
extern __thread struct cpu host_cpu;
static struct cpu other[CPUS];

static bool x2;
bool lapic_x2apic(void) { return x2; }
static uint32_t icr;
bool lapic_sipi_sent(uint32_t *low, uint32_t *dest)
{
	*low = icr;
	*dest = 4;
	return icr;
}
static unsigned real;
void lapic_send(uint32_t id, uint32_t low) { real++; }
void smp_request(struct cpu *c, uint32_t what) { c->requests |= what; }

/* APIC ids 0, 2, 4, 6; logical ids 1, 2, 4, 8.  This processor is the second. */
static void start(void)
{
	memset(other, 0, sizeof(other));
	memset(&host_cpu, 0, sizeof(host_cpu));
	for (unsigned i = 0; i < CPUS; i++) {
		cpus[i] = i == 1 ? &host_cpu : &other[i];
		*cpus[i] = (struct cpu){ .index = i, .apic_id = 2 * i, .ldr = BIT(24 + i), .dfr = ~0u };
		cpus[i]->state = i < 2 ? CPU_RUNS : CPU_WAITS;
	}
	ncpus = CPUS;
}

/* Return the requests as a number, one digit for each processor. */
static uint32_t asked(void)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < CPUS; i++) {
		v = v << 4 | cpus[i]->requests;
		cpus[i]->requests = 0;
	}
	return v;
}

TEST(destinations)
{
	static const struct { uint32_t low, dest; bool x2; uint32_t asked; } send[] = {
		{ NMI, 4, false, 0x0040 }, { NMI, 5, false, 0 }, { NMI, 0xff, false, 0x4444 }, { NMI, 0xff, true, 0 },
		{ NMI, ~0u, true, 0x4444 }, { NMI | SELF, 6, false, 0x0400 }, { NMI | ALL, 6, false, 0x4444 },
		{ NMI | OTHERS, 6, false, 0x4044 },
		{ NMI | ICR_LOGICAL, 5, false, 0x4040 }, { NMI | ICR_LOGICAL, 0x10, false, 0 },
		/* x2APIC: ids 0 to 15 are cluster 0, one bit each */
		{ NMI | ICR_LOGICAL, 0x14, true, 0x0440 }, { NMI | ICR_LOGICAL, 0x10014, true, 0 },
	};

	start();
	other[2].state = other[3].state = CPU_RUNS;
	for (unsigned i = 0; i < ARRAY_SIZE(send); i++) {
		CHECK(ipi_guest_sends(send[i].low, send[i].dest, send[i].x2));
		CHECK_EQ(asked(), send[i].asked);
	}
	/* clusters: the upper halves of the ids must match */
	for (unsigned i = 0; i < CPUS; i++) {
		cpus[i]->dfr = 0x0fffffff;
		cpus[i]->ldr = (i < 2 ? 0x10u : 0x20u) << 24 | BIT(24 + i % 2);
	}
	ipi_guest_sends(NMI | ICR_LOGICAL, 0x23, false);
	CHECK_EQ(asked(), 0x0044);
}

TEST(what_goes_to_the_hardware)
{
	start();
	CHECK(!ipi_guest_sends(0x40 | ICR_ASSERT, 4, false));
	CHECK(!ipi_guest_sends(0x40 | ICR_MODE_LOWEST << 8, 4, false));
	CHECK(!ipi_guest_sends(2 << 8, 4, false));		/* SMI */
	CHECK_EQ(asked(), 0);
}

TEST(start_up)
{
	start();
	/* INIT level de-assert, which old systems send after INIT. */
	CHECK(ipi_guest_sends(ICR_MODE_INIT << 8 | ICR_LEVEL, 4, false));
	CHECK_EQ(asked(), 0);
	CHECK(ipi_guest_sends(INIT | OTHERS, 0, false));
	CHECK_EQ(asked(), 0x2022);
	/* A SIPI has an effect on a processor that waits; a running one ignores it, unless an INIT for it is on its way. */
	CHECK(ipi_guest_sends(SIPI, 4, false));
	CHECK(asked() == 0x0080 && other[2].sipi == 0x9a);
	CHECK(ipi_guest_sends(SIPI, 0, false));
	CHECK_EQ(asked(), 0);
	/* INIT, SIPI, INIT: the processor waits for another SIPI. */
	ipi_guest_sends(SIPI, 4, false);
	ipi_guest_sends(INIT, 4, false);
	CHECK_EQ(asked(), 0x0020);
	other[0].requests = REQ_INIT;
	CHECK(ipi_guest_sends(SIPI, 0, false));
	CHECK_EQ(asked(), (REQ_INIT | REQ_SIPI) << 12);
}

TEST(processors_that_are_not_the_guests)
{
	start();
	other[3].state = CPU_ABSENT;
	CHECK(ipi_guest_sends(INIT | OTHERS, 0, false));
	CHECK(ipi_guest_sends(SIPI | OTHERS, 0, false));
	CHECK(ipi_guest_sends(NMI | OTHERS, 0, false));
	CHECK_EQ(asked() & 0xf, 0);
}

/* The configuration keeps it for Veneer: one line tells why it does not start. */
TEST(the_polling_core_that_the_guest_does_not_get)
{
	start();
	other[3].state = CPU_ABSENT;
	other[3].kept = true;
	CHECK(ipi_guest_sends(INIT | OTHERS, 0, false));
	CHECK(!host_log_has("dropped"));
	CHECK(ipi_guest_sends(SIPI | OTHERS, 0, false));
	CHECK_EQ(asked() & 0xf, 0);
	CHECK(host_log_has("cpu 3: polls for Veneer: its SIPI is dropped"));
}

/* More processors than a word has bits. */
TEST(many_processors)
{
	static struct cpu many[200];

	start();
	for (unsigned i = 0; i < 200; i++) {
		many[i] = (struct cpu){ .index = i, .apic_id = i, .state = CPU_WAITS };
		cpus[i] = &many[i];
	}
	ncpus = 200;
	CHECK(ipi_guest_sends(INIT, 70, false));
	CHECK(many[70].requests == REQ_INIT && !many[6].requests);
	CHECK(ipi_guest_sends(NMI | OTHERS, 0, false));
	CHECK(many[0].requests == REQ_NMI && many[199].requests == REQ_NMI && many[64].requests == REQ_NMI);
	CHECK_EQ(real, 0);
}

TEST(where_an_msi_lands)
{
	start();
	CHECK(smp_find_target(0xfee00000 | 2 << 12) == cpus[1]);
	CHECK(smp_find_target(0xfee00000 | 2 << 12 | 4) == cpus[1]);
	CHECK(!smp_find_target(0xfee00000 | 4 << 12));		/* the processor waits */
	CHECK_EQ(asked(), 0);
	/* If no known logical id matches, the processors are asked. */
	CHECK(!smp_find_target(0xfee00000 | 0x40 << 12 | 4));
	CHECK_EQ(asked(), REQ_LDR << 12 | REQ_LDR << 8);
	/* In x2APIC mode the logical ids follow from the ids, and the values of xAPIC mode do not count. */
	x2 = true;
	CHECK(smp_find_target(0xfee00000 | 4 << 12 | 4) == cpus[1]);
	CHECK(!smp_find_target(0xfee00000 | 2 << 12 | 4));
	x2 = false;
	CHECK_EQ(asked(), 0);
}

/* A SIPI in the sender's ICR is for processors that had an INIT and wait for their first SIPI. */
TEST(looking_back)
{
	start();
	ipi_look_back();
	CHECK_EQ(asked(), 0);
	icr = SIPI;
	ipi_look_back();
	CHECK_EQ(asked(), 0);
	cpus[2]->init_taken = cpus[3]->init_taken = 1;
	ipi_look_back();
	CHECK_EQ(asked(), REQ_SIPI << 4);
	CHECK_EQ(cpus[2]->sipi, 0x9a);
	icr = SIPI | OTHERS;
	cpus[2]->started = true;
	ipi_look_back();
	CHECK_EQ(asked(), REQ_SIPI);
	icr = 0;
}

TEST_MAIN
