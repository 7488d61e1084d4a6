/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/smp/lapic_state.c hv/smp/lapic_mode.c hv/cpu/lapic.c tests/unit/host/cpu.c */
/* Save and load of a local APIC: registers, interrupts in service and waiting, the timer in its modes, and foreign states. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/state.h>
#include <veneer/time.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/cpus.h"
#include "hv/cpu/features.h"
#include "hv/cpu/lapic.h"
#include "hv/smp/gather.h"
#include "hv/smp/lapic_state.h"
#include "hv/smp/smp.h"
#include "hv/state/state.h"

#define FOREVER		4096	/* bytes of the parts */
#include "host/forever.h"

#define COUNT		0x390
#define PERIODIC	BIT(17)
#define DEADLINE	BIT(18)

uint64_t phys_limit(void) { return 1ull << 40; }
bool ipi_guest_sends(uint32_t low, uint32_t dest, bool x2apic) { return false; }
static unsigned lost;
void smp_nmis_lost(struct cpu *c) { lost++; }
static unsigned nmis;
void smp_nmi(struct cpu *c) { nmis++; }

/* --- a local APIC; each test moves its timer --- */

static uint32_t reg[0x400 / 4];
static int line = -1;			/* a level-triggered input is asserted: its vector */
static int edge = -1;			/* comes at the next time that the processor takes an interrupt */
static unsigned esr_writes, timer_writes;
static bool nmi;			/* comes at the same time */
extern __thread struct cpu host_cpu;
static bool expires;			/* at the next write of the initial count */

static uint32_t *word(uint32_t set, unsigned v) { return &reg[(set + v / 32 * 16) / 4]; }
static bool has(uint32_t set, unsigned v) { return *word(set, v) & BIT(v % 32); }
static void put(uint32_t set, unsigned v, bool on)
{
	*word(set, v) = on ? *word(set, v) | BIT(v % 32) : *word(set, v) & ~BIT(v % 32);
}

static int highest(uint32_t set)
{
	for (int v = 255; v >= 0; v--)
		if (has(set, (unsigned)v))
			return v;
	return -1;
}

static void arrives(unsigned v, bool level)
{
	if (!(reg[LAPIC_SVR / 4] & SVR_ENABLE))
		return;
	put(LAPIC_IRR, v, true);
	put(LAPIC_TMR, v, level);
}

static uint64_t model_read(void *ctx, uint32_t off, unsigned width)
{
	CHECK(width == 4 && off % 16 == 0);
	return reg[off / 4];
}

static void model_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	int top = highest(LAPIC_ISR);

	CHECK(width == 4 && off % 16 == 0);
	CHECK(off != LAPIC_ID && off != COUNT);
	if (off == LAPIC_EOI) {
		if (top >= 0)
			put(LAPIC_ISR, (unsigned)top, false);
		if (top >= 0 && top == line && has(LAPIC_TMR, (unsigned)top))
			arrives((unsigned)line, true);
		return;
	}
	if (off == LAPIC_ICR_LOW) {
		CHECK_EQ(v & ~0xffull, ICR_SELF << 18 | ICR_ASSERT);
		arrives(v & 0xff, false);
	}
	/* Switched off by software, all entries are masked, and stay so. */
	if (off >= LAPIC_LVT_TIMER && off <= LAPIC_LVT_ERROR && !(reg[LAPIC_SVR / 4] & SVR_ENABLE))
		v |= LVT_MASKED;
	if (off == LAPIC_SVR && !(v & SVR_ENABLE))
		for (unsigned at = LAPIC_LVT_TIMER; at <= LAPIC_LVT_ERROR; at += 16)
			reg[at / 4] |= LVT_MASKED;
	if (off == LAPIC_TIMER_INIT) {
		if (expires)
			arrives(reg[LAPIC_LVT_TIMER / 4] & 0xff, false);
		expires = false;
		reg[COUNT / 4] = (uint32_t)v;
		timer_writes++;
	}
	esr_writes += off == 0x280;
	reg[off / 4] = (uint32_t)v;
}

static const struct host_model model = { model_read, model_write };

static int acknowledge(void)
{
	if (edge >= 0)
		arrives((unsigned)edge, false);
	if (nmi)
		host_cpu.nmi_count++;
	nmi = false;
	edge = -1;

	int v = highest(LAPIC_IRR), busy = MAX(highest(LAPIC_ISR), (int)reg[LAPIC_TPR / 4]);

	CHECK(reg[LAPIC_LVT_LINT0 / 4] & LVT_MASKED);	/* else this may be an interrupt of the 8259 */
	if (v < 0 || (busy >= 0 && v / 16 <= busy / 16) || !(reg[LAPIC_SVR / 4] & SVR_ENABLE))
		return -1;
	put(LAPIC_IRR, (unsigned)v, false);
	put(LAPIC_ISR, (unsigned)v, true);
	return v;
}

/* --- the machine --- */

struct cpu *cpus[MAX_CPUS];
unsigned ncpus;
struct cpu_features features;
static struct cpu waits = { .index = 1, .state = CPU_WAITS };
static uint64_t age, offset;
static struct vcpu *v0;

static uint64_t get_tsc_offset(struct vcpu *v) { CHECK(v == v0); return offset; }
static const struct vcpu_ops vops = {
	.get_tsc_offset = get_tsc_offset, .acknowledge_interrupt = acknowledge, .clock_is_intr = true,
};
const struct vcpu_ops *vcpu_ops = &vops;
uint64_t time_cycles(uint32_t us) { return us; }
uint64_t state_age(void) { return age; }
bool state_has(const struct cpu *c) { return c == &host_cpu; }
void state_on(struct cpu *c, void (*fn)(struct cpu *c, void *ctx), void *ctx) { CHECK(c == &host_cpu); fn(c, ctx); }

static struct lapic_image one, two;
static struct state_part *part[2];
static unsigned nparts;
static void add(struct state_part *p) { CHECK(nparts < 2); part[nparts++] = p; }

static void after_reset(void)
{
	memset(reg, 0, sizeof(reg));
	reg[LAPIC_VERSION / 4] = 5 << 16 | 0x14;
	reg[LAPIC_DFR / 4] = ~0u;
	reg[LAPIC_SVR / 4] = 0xff;
	for (unsigned at = LAPIC_LVT_TIMER; at <= LAPIC_LVT_ERROR; at += 16)
		reg[at / 4] = LVT_MASKED;
}

static void machine(void)
{
	uint64_t base = host_mmio_new(PAGE_SIZE, &model, NULL);

	host_cpu_reset();
	host_cpuid_set(1, (struct cpuid_regs){ .edx = BIT(9) });
	host_msr_set(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_BSP);
	host_msr_set(MSR_TSC_DEADLINE, 0);
	host_cpu.apic_off = false;
	host_cpu.v = v0 = (void *)&offset;
	features = (struct cpu_features){ .deadline = true };
	CHECK_EQ(lapic_init((uint32_t)base), 0);
	after_reset();
	line = edge = -1;
	age = offset = 0;
	expires = false;
	cpus[0] = &host_cpu;
	cpus[1] = &waits;
	ncpus = 2;
	if (!nparts) {
		CHECK_EQ(lapics_keep(add), 0);
		/* A snapshot is checked before anything comes to rest. */
		one = (struct lapic_image){ .mode = LAPIC_IMAGE_XAPIC, .last_lvt = 5, .svr = 0x1ff, .dfr = ~0u, .rate = 1 };
		CHECK(!part[0]->ops->bad(part[0], &one));
	}
	CHECK(nparts == 2 && !strcmp(part[1]->name, "lapic1") && part[0]->size == sizeof(struct lapic_image));
}

/* What firmware has used is as before; a timer that had expired does not expire once more. */
TEST(the_timer_is_measured)
{
	machine();
	ncpus = 0;
	reg[LAPIC_SVR / 4] = SVR_ENABLE | 0xff;
	for (unsigned i = 0; i < 3; i++) {
		uint32_t entry = 0xec | (i == 2 ? PERIODIC : 0);

		reg[LAPIC_LVT_TIMER / 4] = entry;
		reg[LAPIC_TIMER_DIV / 4] = 3;
		reg[LAPIC_TIMER_INIT / 4] = 5000;
		reg[COUNT / 4] = i == 1 ? 3000 : 0;
		CHECK_EQ(lapics_keep(add), 0);
		CHECK_EQ(reg[COUNT / 4], i ? 5000 : 0);
		CHECK(reg[LAPIC_LVT_TIMER / 4] == entry && reg[LAPIC_TIMER_DIV / 4] == 3);
	}
}

/* As a guest has it in the middle of its work. */
static void in_use(void)
{
	reg[LAPIC_SVR / 4] = SVR_ENABLE | 0xff;
	reg[LAPIC_TPR / 4] = 0x20;
	reg[LAPIC_LDR / 4] = 0x01000000;
	reg[LAPIC_ICR_HIGH / 4] = 0x03000000;
	reg[LAPIC_TIMER_DIV / 4] = 3;
	reg[LAPIC_LVT_TIMER / 4] = 0xec;
	reg[LAPIC_LVT_THERMAL / 4] = 0xfa;
	reg[LAPIC_LVT_LINT0 / 4] = 0x700;
	reg[LAPIC_LVT_LINT1 / 4] = 0x400;
	reg[LAPIC_LVT_ERROR / 4] = 0xfe;
	reg[LAPIC_TIMER_INIT / 4] = 5000000;
	reg[COUNT / 4] = 3000000;
	put(LAPIC_ISR, 0x60, true);
	put(LAPIC_ISR, 0x80, true);
	put(LAPIC_IRR, 0x70, true);
	put(LAPIC_IRR, 0x90, true);
}

static void rest(void) { part[0]->ops->rest(part[0], 0); }
static void save(struct lapic_image *to) { part[0]->ops->save(part[0], to); }
static void go_on(void) { part[0]->ops->go_on(part[0]); }
static void load(const struct lapic_image *from)
{
	const char *why = part[0]->ops->bad(part[0], from);

	if (why)
		host_fail(__FILE__, __LINE__, "refused: %s", why);
	part[0]->ops->load(part[0], from);
}

static void saved_again(void)
{
	save(&two);
	CHECK(!memcmp(&one, &two, sizeof(one)));
}

TEST(what_a_guest_has_goes_to_an_apic_after_reset)
{
	machine();
	in_use();
	rest();
	CHECK_EQ(reg[LAPIC_TIMER_INIT / 4], 0);
	save(&one);
	CHECK(one.left == 3000000 && one.initial == 5000000);
	go_on();
	after_reset();
	rest();
	esr_writes = 0;
	load(&one);
	CHECK(has(LAPIC_ISR, 0x60) && has(LAPIC_ISR, 0x80) && !has(LAPIC_ISR, 0x90));
	CHECK(has(LAPIC_IRR, 0x70) && has(LAPIC_IRR, 0x90));
	CHECK(reg[LAPIC_TPR / 4] == 0x20 && reg[LAPIC_SVR / 4] == (SVR_ENABLE | 0xff) && reg[LAPIC_LDR / 4] == 0x01000000);
	CHECK(reg[LAPIC_LVT_TIMER / 4] == 0xec && reg[LAPIC_LVT_LINT0 / 4] == 0x700 && reg[LAPIC_LVT_ERROR / 4] == 0xfe);
	CHECK(reg[LAPIC_ICR_HIGH / 4] == 0x03000000 && reg[LAPIC_TIMER_DIV / 4] == 3 && esr_writes);
	CHECK(host_cpu.ldr == 0x01000000);
	CHECK_EQ(reg[LAPIC_TIMER_INIT / 4], 0);
	saved_again();
	/* Nothing to do: nothing is written to the ICR. */
	reg[LAPIC_ICR_LOW / 4] = 0;
	load(&one);
	CHECK_EQ(reg[LAPIC_ICR_LOW / 4], 0);
	go_on();
	CHECK_EQ(reg[LAPIC_TIMER_INIT / 4], 3000000);
	/* The next state has the guest's own count again. */
	reg[COUNT / 4] = 1000000;
	rest();
	save(&two);
	CHECK(two.initial == 5000000 && two.left == 1000000);
	go_on();
}

TEST(what_the_test_forgets_comes_back)
{
	machine();
	in_use();
	rest();
	save(&one);
	/* Lines that are asserted, and edges that come meanwhile, are not lost. */
	if (part[0]->ops->scribble)
		part[0]->ops->scribble(part[0]);
	edge = 0x41;
	load(&one);
	saved_again();
	go_on();
}

TEST(an_edge_that_comes_meanwhile_is_kept)
{
	machine();
	in_use();
	rest();
	save(&one);
	*word(LAPIC_ISR, 0x80) &= ~BIT(0x80 % 32);
	edge = 0xd1;
	nmi = true;
	nmis = 0;
	load(&one);
	/* What the handler has taken may be a poke: its flag must not stay set. */
	CHECK_EQ(nmis, 0);
	lapic_state_settle(&host_cpu);
	lapic_state_settle(&host_cpu);
	lapic_state_settle(&waits);
	CHECK_EQ(nmis, 1);
	CHECK(has(LAPIC_IRR, 0xd1) && !has(LAPIC_ISR, 0xd1) && has(LAPIC_ISR, 0x80) && has(LAPIC_ISR, 0x60));
	saved_again();
	go_on();
}

TEST(what_the_state_does_not_have_is_dropped)
{
	machine();
	in_use();
	rest();
	save(&one);
	put(LAPIC_ISR, 0xa1, true);
	put(LAPIC_IRR, 0xb1, true);
	rest();
	put(LAPIC_IRR, 0xc1, true);		/* it has come since */
	load(&one);
	CHECK(!has(LAPIC_ISR, 0xa1) && !has(LAPIC_IRR, 0xb1) && has(LAPIC_IRR, 0xc1));
	saved_again();
	go_on();
}

/* The line delivers again by itself, level-triggered: an edge on its vector would clear TMR, and its end would be lost. */
TEST(a_line_stays_level_triggered)
{
	machine();
	in_use();
	arrives(0x31, true);
	line = 0x31;
	rest();
	save(&one);
	CHECK(one.irr[1] & BIT(0x11));
	put(LAPIC_ISR, 0x80, false);
	load(&one);
	CHECK(has(LAPIC_IRR, 0x31) && has(LAPIC_TMR, 0x31) && has(LAPIC_ISR, 0x80));
	saved_again();
	go_on();
}

TEST(an_apic_that_is_switched_off_by_software_keeps_its_masks)
{
	machine();
	in_use();
	model_write(NULL, LAPIC_SVR, 4, 0x1f);
	rest();
	save(&one);
	go_on();
	after_reset();
	rest();
	load(&one);
	CHECK(reg[LAPIC_SVR / 4] == 0x1f && reg[LAPIC_LVT_LINT0 / 4] == (0x700 | LVT_MASKED));
	CHECK(has(LAPIC_ISR, 0x80) && has(LAPIC_IRR, 0x70));
	saved_again();
	go_on();
}

/* As emulators have it: what was open before the switch is open. */
TEST(an_apic_that_is_switched_off_by_software_with_an_open_entry)
{
	machine();
	in_use();
	reg[LAPIC_SVR / 4] = 0x1f;
	reg[LAPIC_LVT_TIMER / 4] = LVT_MASKED;
	rest();
	save(&one);
	load(&one);
	saved_again();
	CHECK(reg[LAPIC_SVR / 4] == 0x1f && reg[LAPIC_LVT_LINT0 / 4] == 0x700);
	go_on();
}

TEST(an_apic_that_is_switched_off_by_its_msr)
{
	machine();
	CHECK(lapic_guest_base_write(host_msr(MSR_APIC_BASE) & ~APIC_BASE_ENABLE));
	rest();
	save(&one);
	CHECK_EQ(one.mode, LAPIC_IMAGE_OFF);
	CHECK(lapic_guest_base_write(host_msr(MSR_APIC_BASE)));
	in_use();
	rest();
	save(&two);
	lost = nmis = 0;
	load(&one);
	/* The devices' owners are held: their doorbells ring when all has been let go. */
	CHECK_EQ(lost, 0);
	CHECK(host_cpu.apic_off && reg[LAPIC_LVT_LINT0 / 4] == 0x700 && (reg[LAPIC_SVR / 4] & SVR_ENABLE));
	saved_again();
	go_on();
	lapic_state_settle(&host_cpu);
	lapic_state_settle(&host_cpu);
	CHECK(lost == 1 && !nmis);
	rest();
	save(&one);
	one = (struct lapic_image){ .mode = LAPIC_IMAGE_XAPIC, .last_lvt = 5, .svr = 0x1ff, .dfr = ~0u, .rate = 1 };
	load(&one);
	CHECK(!host_cpu.apic_off && lost == 1);
	saved_again();
	go_on();
	lapic_state_settle(&host_cpu);
	CHECK_EQ(lost, 2);
}

/* --- the timer --- */

TEST(time_passes_until_the_timer_goes_on)
{
	machine();
	in_use();
	reg[LAPIC_TIMER_DIV / 4] = 0xb;
	age = 5ull << 24;		/* the slowest rate, in this machine */
	rest();
	save(&one);
	CHECK_EQ(one.left, 3000005);
	age = 25ull << 24;
	go_on();
	CHECK_EQ(reg[LAPIC_TIMER_INIT / 4], 3000005 - 25);
	/* A late one expires at once. */
	rest();
	age = 1ull << 60;
	go_on();
	CHECK_EQ(reg[LAPIC_TIMER_INIT / 4], 1);
}

TEST(a_timer_that_expires_meanwhile_expires_once)
{
	machine();
	in_use();
	expires = true;
	rest();
	save(&one);
	CHECK(!one.left && (one.irr[7] & BIT(0xc)));
	timer_writes = 0;
	go_on();
	CHECK_EQ(timer_writes, 0);
	/* One that had expired before is not touched at all. */
	reg[LAPIC_TIMER_INIT / 4] = 777;
	reg[COUNT / 4] = 0;
	rest();
	save(&one);
	go_on();
	CHECK(!one.left && one.initial == 777 && !timer_writes);
	rest();
	save(&one);
	CHECK_EQ(one.initial, 777);
	go_on();
}

static void periodic(void)
{
	machine();
	in_use();
	reg[LAPIC_LVT_TIMER / 4] = PERIODIC | 0xec;
	reg[LAPIC_TIMER_INIT / 4] = 4000000000u;
	reg[COUNT / 4] = 3000000000u;
	rest();
	save(&one);
	go_on();
	CHECK_EQ(reg[LAPIC_TIMER_INIT / 4], 3000000000u);
}

TEST(a_periodic_timer_has_its_whole_period_after_the_rest_of_one)
{
	periodic();
	CHECK(lapic_state_waits(&host_cpu));
	reg[COUNT / 4] = 5;
	CHECK(lapic_state_waits(&host_cpu) && reg[LAPIC_TIMER_INIT / 4] == 3000000000u);
	reg[COUNT / 4] = 2999999999u;
	CHECK(!lapic_state_waits(&host_cpu));
	CHECK_EQ(reg[LAPIC_TIMER_INIT / 4], 4000000000u);
	reg[COUNT / 4] = 1;
	CHECK(!lapic_state_waits(&host_cpu) && reg[LAPIC_TIMER_INIT / 4] == 4000000000u);
	CHECK(!lapic_state_waits(&waits));
}

TEST(a_periodic_timer_that_comes_to_rest_again_or_is_set_by_the_guest)
{
	periodic();
	reg[COUNT / 4] = 2000000000u;
	rest();
	save(&two);
	CHECK(two.initial == 4000000000u && two.left == 2000000000u);
	CHECK(!lapic_state_waits(&host_cpu));
	go_on();
	reg[LAPIC_TIMER_INIT / 4] = 1000;
	CHECK(!lapic_state_waits(&host_cpu) && reg[LAPIC_TIMER_INIT / 4] == 1000);
	periodic();
	reg[LAPIC_LVT_TIMER / 4] = 0xec;
	CHECK(!lapic_state_waits(&host_cpu) && reg[LAPIC_TIMER_INIT / 4] == 3000000000u);
}

TEST(a_deadline_is_the_guests)
{
	machine();
	in_use();
	reg[LAPIC_LVT_TIMER / 4] = DEADLINE | 0xec;
	offset = 1000;
	host_msr_set(MSR_TSC_DEADLINE, 555000);
	rest();
	save(&one);
	CHECK(one.deadline == 556000 && !one.left && !host_msr(MSR_TSC_DEADLINE));
	offset = 2000;
	reg[LAPIC_LVT_TIMER / 4] = LVT_MASKED;
	load(&one);
	saved_again();
	CHECK_EQ(host_msr(MSR_TSC_DEADLINE), 0);
	go_on();
	CHECK(host_msr(MSR_TSC_DEADLINE) == 554000 && reg[LAPIC_LVT_TIMER / 4] == (DEADLINE | 0xec));
}

/* --- what does not fit --- */

TEST(what_does_not_fit_is_refused)
{
	struct lapic_image was;
	const struct state_ops *ops;
	static uint32_t before[ARRAY_SIZE(reg)];

	machine();
	ops = part[0]->ops;
	in_use();
	rest();
	save(&was);
	memcpy(before, reg, sizeof(reg));
#define WITH(change, why) do { \
	one = was; \
	change; \
	const char *got = ops->bad(part[0], &one); \
	if (!got || strcmp(got, why)) \
		host_fail(__FILE__, __LINE__, "%s: %s", #change, got ?: "taken"); \
} while (0)
	CHECK(!ops->bad(part[0], &was));
	WITH(one.mode = LAPIC_IMAGE_RESET, "an impossible mode");
	WITH(one.mode = LAPIC_IMAGE_X2APIC, "a mode that this machine does not have");
	WITH(one.mode = 4, "a mode that this machine does not have");
	WITH(one.mode = LAPIC_IMAGE_OFF, "bytes that are not in use");
	WITH(one.last_lvt = 6, "a local APIC with other entries");
	WITH(one.svr |= BIT(10), "an impossible register");
	WITH(one.tpr = 0x100, "an impossible register");
	WITH(one.divide = 4, "an impossible register");
	WITH(one.zero = 1, "an impossible register");
	WITH(one.ldr |= 1, "an impossible destination");
	WITH(one.icr_high |= 1, "an impossible destination");
	WITH(one.dfr = 0, "an impossible destination");
	WITH(one.lvt[0] = LVT_MASKED, "an impossible entry");
	WITH(one.lvt[4] |= BIT(12), "an impossible entry");
	WITH(one.isr[0] |= 1, "impossible interrupts");
	WITH(one.irr[0] |= BIT(15), "impossible interrupts");
	WITH(one.isr[3] |= BIT(1), "impossible interrupts");
	WITH(one.rate++, "a timer of another rate");
	WITH(one.lvt[1] |= PERIODIC | DEADLINE, "a mode that this timer does not have");
	WITH(one.lvt[1] |= DEADLINE, "an impossible timer");
	WITH(one.deadline = 1, "an impossible timer");
	WITH(one.left = BIT64(41), "an impossible timer");
	WITH(one.initial = 0, "an impossible timer");
	WITH((one.lvt[1] |= PERIODIC, one.left = 0), "an impossible timer");
	features.deadline = false;
	WITH((one.lvt[1] |= DEADLINE, one.left = 0), "a mode that this timer does not have");
	waits.apic_id = 255;
	WITH(one.tpr = 1, "a mode that this machine does not have");
	waits.apic_id = 1;
	CHECK(!memcmp(before, reg, sizeof(reg)));
	go_on();
}

/* The second processor takes no request: its APIC is as after INIT. */
TEST(a_processor_that_waits_by_itself)
{
	machine();
	rest();
	part[1]->ops->rest(part[1], 0);
	part[1]->ops->save(part[1], &one);
	CHECK(!one.mode && !part[1]->ops->bad(part[1], &one));
	part[1]->ops->load(part[1], &one);
	one.tpr = 1;
	CHECK(!strcmp(part[1]->ops->bad(part[1], &one), "an impossible mode"));
	save(&two);
	CHECK(!strcmp(part[1]->ops->bad(part[1], &two), "a processor that waits for a SIPI by itself here"));
	part[1]->ops->go_on(part[1]);
	go_on();
}

TEST_MAIN
