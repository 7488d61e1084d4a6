/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/cpu/cpus.c hv/cpu/ipi.c hv/cpu/features.c hv/smp/smp.c tests/unit/host/cpu.c */
/* libs: -lpthread */
/*
 * INIT, SIPI and NMIs of the guest's processors: a wait for the SIPI by the processor itself, or emulated; pokes, and posted
 * work.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <string.h>
#include <veneer/config.h>
#include <veneer/doorbell.h>
#include <veneer/err.h>
#include <veneer/owner.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/entry.h"
#include "hv/cpu/cpus.h"
#include "hv/cpu/features.h"
#include "hv/smp/smp.h"
#include "hv/cpu/vcpu.h"
#include "hv/dev/power.h"
#include "hv/irq/doorbell.h"
#include "hv/cpu/lapic.h"
#include "hv/mem/nested.h"

#define VECTOR	0x9a

extern __thread struct cpu host_cpu;

__typeof__(config) config;
static struct vcpu vcpu;
static struct vcpu_regs regs;
static unsigned sent, left, waits, watches, inits;
static struct cpu *me;

/* Time passes with each look at the clock. */
static unsigned tick_us = 10;	/* by which the time moves at each look */
uint64_t time_us(void) { return host_now_us += tick_us; }

static unsigned to_all, aimed;
static struct cpu *hears_all;		/* this processor leaves the guest if all are poked */
void lapic_send(uint32_t id, uint32_t low)
{
	sent++;
	if (FIELD_GET(ICR_SHORTHAND, low) != ICR_OTHERS)
		return;
	CHECK_EQ(FIELD_GET(ICR_MODE, low), ICR_MODE_NMI);
	to_all++;
	if (hears_all)
		smp_left(hears_all);
}
void doorbell_aim(uint32_t cpu) { aimed++; }
static jmp_buf died;
static void silence(void) { longjmp(died, 1); }
static bool nmi_in_reset;
void lapic_reset(void) { me->nmi_count += nmi_in_reset; }
static uint32_t id;
uint32_t lapic_id(void) { return id; }
bool lapic_x2apic(void) { return false; }
static bool pmi_nmi, pmi_masked;
bool lapic_pmi_is_nmi(bool *masked)
{
	*masked = pmi_masked;
	return pmi_nmi;
}
/* The ICR of the processor that looks, as the guest has written it. */
static uint32_t icr;
static unsigned kept;
bool lapic_sipi_sent(uint32_t *low, uint32_t *dest)
{
	*low = icr;
	*dest = 2;
	return FIELD_GET(ICR_MODE, icr) == ICR_MODE_SIPI;
}
void lapic_keep_sipis(void) { kept++; }
uint32_t lapic_addr(void) { return 0xfee00000; }
uint32_t lapic_ldr(void) { return 0; }
uint32_t lapic_dfr(void) { return 0; }
int nested_readonly(uint64_t base, uint64_t size) { watches++; return 0; }
static unsigned ends;
int nested_writable(uint64_t base, uint64_t size) { ends++; return 0; }
void ioapic_hold_inits(bool on) { }
static uint64_t hidden, hidden_size;
int nested_hide(uint64_t base, uint64_t size) { hidden = base; hidden_size = size; return 0; }
void nested_pause_by(void (*pause)(void), void (*resume)(void)) { }
static bool rings;
static unsigned looks;
bool doorbell_ring(void) { looks++; return rings; }
void doorbell_credit(struct owner *o, unsigned n) { }
void idt_init(void) { }
void cpu_tables_load(struct cpu *c, uint8_t *stacks) { }
void machine_reset(void) { host_fail("machine_reset", 0, "the machine was reset"); }

static unsigned answers;
void intx_answer(void) { answers++; }
void state_leave_wait(struct cpu *c) { c->waits_itself = 0; }
void doorbell_leave(uint32_t cpu)
{
	/* No bell may be aimed at this processor any more. */
	CHECK_EQ(me->state, CPU_WAITS);
	CHECK_EQ(cpu, me->index);
	CHECK_EQ(waits, 0);
	left++;
}

/* --- the vendor --- */

static void get(struct vcpu *v, struct vcpu_regs *out) { *out = regs; }
static void set(struct vcpu *v, const struct vcpu_regs *in) { regs = *in; }
static void init_state(struct vcpu *v) { inits++; }
static bool init_is_safe = true;
static bool safe(void) { return init_is_safe; }
static void trap_msr_write(uint32_t msr, bool on) { }
static void (*in_flush)(void);
static void flush(struct vcpu *v)
{
	if (in_flush)
		in_flush();
}

/* Another processor wants all out of the guest while this one waits: this one is out, and no NMI could reach it. */
static void *other(void *arg)
{
	guest_pause();
	guest_resume();
	smp_request(me, REQ_CLOCK);
	return NULL;
}

static int wait_sipi(struct vcpu *v)
{
	pthread_t t;

	CHECK(v == &vcpu && left);
	waits++;
	CHECK_EQ(pthread_create(&t, NULL, other, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	return VECTOR;
}

static int cannot(struct vcpu *v) { return -ERR_NOTSUP; }

static struct vcpu_ops ops = {
	.get = get, .set = set, .init_state = init_state, .init_is_safe = safe, .trap_msr_write = trap_msr_write,
	.flush = flush,
};
const struct vcpu_ops *vcpu_ops = &ops;

/* Start with a second processor that has left the guest by an INIT. */
static void start(int (*wait)(struct vcpu *))
{
	me = &host_cpu;
	memset(me, 0, sizeof(*me));
	*me = (struct cpu){ .index = 1, .apic_id = 2, .v = &vcpu, .state = CPU_RUNS, .started = true, .init_seen = 1 };
	cpus[1] = me;
	ncpus = 2;
	ops.wait_sipi = wait;
	regs = (struct vcpu_regs){ .cr0 = CR0_PE | CR0_PG | CR0_CD };
	sent = left = waits = inits = 0;
	host_cpuid_set(1, (struct cpuid_regs){ .eax = 0x306c3 });
}

/* This test runs before the watch begins, which only all_run() can end here. */
TEST(as_silicon)
{
	start(wait_sipi);
	smp_real_init(me);
	CHECK_EQ(waits, 1);
	CHECK_EQ(me->state, CPU_RUNS);
	CHECK_EQ(me->init_seen, 0);
	CHECK_EQ(inits, 1);
	CHECK(regs.seg[SEG_CS].base == VECTOR << 12 && regs.seg[SEG_CS].selector == VECTOR << 8);
	CHECK(!regs.rip && regs.cr0 == (CR0_ET | CR0_CD) && regs.gpr[GPR_RDX] == 0x306c3);
	CHECK_EQ(watches, 0);
	/* Nobody sent the processor an NMI; their requests are still set. */
	CHECK_EQ(sent, 0);
	CHECK_EQ(me->requests, REQ_FLUSH | REQ_CLOCK);
	CHECK(!me->in_guest && !me->poke);
}

TEST(what_others_want)
{
	start(wait_sipi);
	me->init_seen = 0;
	answers = 0;
	me->requests = REQ_INTX;
	smp_serve(me);
	CHECK(answers == 1 && !me->requests && me->state == CPU_RUNS);
	smp_serve(me);
	CHECK_EQ(answers, 1);
}

/* The NMI of a poke from before the INIT is over: the next poke must send another. */
TEST(a_poke_from_before)
{
	start(wait_sipi);
	me->poke = 1;
	smp_real_init(me);
	CHECK_EQ(me->poke, 0);
}

TEST(emulated_where_the_processor_cannot)
{
	int (*const ways[])(struct vcpu *) = { NULL, cannot };

	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		/* End the watch of the previous round: all run. */
		start(ways[i]);
		watches = 0;
		smp_real_init(me);
		CHECK_EQ(me->state, CPU_WAITS);
		CHECK_EQ(watches, 1);
		me->requests = REQ_SIPI;
		me->sipi = VECTOR;
		smp_serve(me);
		CHECK_EQ(me->state, CPU_RUNS);
		CHECK_EQ(regs.seg[SEG_CS].base, VECTOR << 12);
	}
}

/* The INIT was emulated, but the watch ends before the INIT is served: without another watch the SIPI would be lost. */
TEST(watched_again_where_one_waits)
{
	start(NULL);
	watches = 0;
	me->init_seen = 0;
	me->requests = REQ_INIT | REQ_SIPI;
	me->sipi = VECTOR;
	smp_serve(me);
	CHECK(watches == 1 && me->state == CPU_RUNS);
	/* The watch does not begin twice. */
	me->state = CPU_RUNS;
	CHECK_EQ(smp_watch(), 0);
	CHECK_EQ(watches, 2);		/* the watch had ended, since all run */
	CHECK_EQ(smp_watch(), 0);
	CHECK_EQ(watches, 2);
	me->requests = REQ_INIT | REQ_SIPI;
	smp_serve(me);
	CHECK_EQ(watches, 2);
}

/* The latched NMI of an earlier poke comes before the sleep: the next request has to send another. */
static unsigned sleeps;

static void sleep_until_sipi(const volatile uint32_t *wake)
{
	CHECK(me->asleep && wake == &me->requests && !*wake);
	CHECK_EQ(me->poke, 0);
	sleeps++;
	me->sipi = VECTOR;
	me->requests = REQ_SIPI;
}

TEST(a_poke_from_before_the_sleep)
{
	start(NULL);
	ops.sleep = sleep_until_sipi;
	sleeps = 0;
	me->init_seen = 0;
	me->poke = 1;
	me->requests = REQ_INIT;
	smp_serve(me);
	CHECK(sleeps == 1 && me->state == CPU_RUNS);
}

/* Which NMIs of this processor are the guest's. */
static unsigned own;
static void inject_nmi(struct vcpu *v) { own++; }

TEST(nmis)
{
	start(NULL);
	ops.inject_nmi = inject_nmi;
	own = 0;
	me->poke = 1;
	smp_nmi(me);
	CHECK(!own && !me->poke);
	smp_nmi(me);
	CHECK_EQ(own, 1);
	/* A doorbell's NMI takes the flag of a poke, whose own NMI comes later. */
	me->poke = 1;
	rings = true;
	smp_nmi(me);
	rings = false;
	smp_nmi(me);
	CHECK_EQ(own, 1);
	smp_nmi(me);
	CHECK_EQ(own, 2);
	/* Not while the processor waits for a SIPI. */
	me->state = CPU_WAITS;
	smp_nmi(me);
	CHECK_EQ(own, 2);
}

/* An NMI of a doorbell and an NMI of the guest's counters came together. */
TEST(an_nmi_of_the_counters_beside_a_doorbell)
{
	start(NULL);
	ops.inject_nmi = inject_nmi;
	host_now_us += 100000;
	own = 0;
	rings = true;
	features.pmi_masks = true;
	host_msr_set(0x38e, 0);
	pmi_nmi = pmi_masked = true;
	smp_nmi(me);
	CHECK_EQ(own, 0);		/* the guest masked it */
	host_msr_set(0x38e, BIT64(62) | 2);
	smp_nmi(me);
	CHECK_EQ(own, 1);
	/* The guest's handler still runs, or never unmasks the entry. */
	smp_nmi(me);
	host_now_us += 100000;
	smp_nmi(me);
	CHECK_EQ(own, 1);
	pmi_masked = false;
	smp_nmi(me);
	CHECK_EQ(own, 1);
	pmi_masked = true;
	smp_nmi(me);
	CHECK_EQ(own, 2);
	/* An NMI without another cause was given to the guest already. */
	pmi_masked = rings = false;
	host_now_us += 100000;
	smp_nmi(me);
	CHECK_EQ(own, 3);
	pmi_masked = rings = true;
	me->pmi_given = false;
	smp_nmi(me);
	CHECK_EQ(own, 3);
	/*
	 * The host took the second NMI during the doorbell's poll: it becomes an exit of its own, and the guest gets one NMI.
	 */
	host_now_us += 100000;
	pmi_masked = rings = true;
	me->nmi_count++;
	smp_nmi(me);
	CHECK_EQ(own, 3);
	me->nmis_reported = me->nmi_count;
	rings = false;
	smp_nmi(me);
	CHECK_EQ(own, 4);
	/* The guest got an NMI; later the entry is masked anew, without a check in between. */
	rings = true;
	host_now_us += 100000;
	smp_nmi(me);
	CHECK_EQ(own, 5);
	host_now_us += 1000000;
	smp_nmi(me);
	CHECK_EQ(own, 6);
	own = 3;
	/* The entry sends no NMIs; no silicon underneath; the processor does not run. */
	host_now_us += 100000;
	pmi_nmi = false;
	smp_nmi(me);
	pmi_nmi = true;
	features.pmi_masks = false;
	smp_nmi(me);
	features.pmi_masks = true;
	me->state = CPU_WAITS;
	smp_nmi(me);
	CHECK_EQ(own, 3);
	features.pmi_masks = rings = false;
}

/* A poke during the reset of the local APIC is over; bells may have rung meanwhile and are looked for. */
TEST(nmis_while_the_local_apic_is_reset)
{
	start(wait_sipi);
	me->poke = 1;
	nmi_in_reset = true;
	looks = 0;
	me->requests = REQ_INIT;
	me->init_seen = 0;
	config.ap_trap = AP_TRAP_ALWAYS;
	CHECK_EQ(smp_watch(), 0);
	ops.sleep = NULL;
	host_cpu.requests = REQ_INIT | REQ_SIPI;
	smp_serve(me);
	nmi_in_reset = false;
	CHECK(!me->poke && looks == 1 && me->state == CPU_RUNS);
	/* If NMIs may have been lost, the flag of the poke is cleared. */
	me->poke = 1;
	smp_nmis_lost(me);
	CHECK(!me->poke && looks == 2);
	own = 0;
	smp_nmi(me);
	CHECK_EQ(own, 0);
	smp_nmi(me);
	CHECK_EQ(own, 1);
}

static struct cpu third;

/* With the watch on, start the second processor, which is the last.  Return how often that ends the watch. */
static unsigned ends_by_start(enum config_ap_trap trap, bool is_safe)
{
	start(NULL);
	ncpus = cpus[2] ? 3 : 2;
	config.ap_trap = trap;
	init_is_safe = is_safe;
	CHECK_EQ(smp_watch(), 0);
	ends = 0;
	me->init_seen = 0;
	me->state = CPU_WAITS;
	me->requests = REQ_SIPI;
	smp_serve(me);
	CHECK_EQ(me->state, CPU_RUNS);
	init_is_safe = true;
	return ends;
}

TEST(the_watch_ends_where_that_is_safe_or_wanted)
{
	CHECK_EQ(ends_by_start(AP_TRAP_AUTO, true), 1);
	CHECK_EQ(ends_by_start(AP_TRAP_AUTO, false), 0);
	CHECK_EQ(ends_by_start(AP_TRAP_START, false), 1);
	CHECK_EQ(ends_by_start(AP_TRAP_ALWAYS, true), 0);
	/* The guest could take a parked processor, which it does not own, away from Veneer. */
	third = (struct cpu){ .index = 2, .apic_id = 4, .state = CPU_ABSENT };
	cpus[2] = &third;
	CHECK_EQ(ends_by_start(AP_TRAP_START, false), 0);
	CHECK_EQ(ends_by_start(AP_TRAP_START, true), 1);
}

/* --- before the guest has started any other processor --- */

/* Two processors: the first runs the guest, this one is parked. */
static void parked(enum config_ap_trap trap, bool is_safe)
{
	start(NULL);
	*me = (struct cpu){ .index = 1, .apic_id = 2, .v = &vcpu, .state = CPU_WAITS };
	cpus[0]->state = CPU_RUNS;
	cpus[0]->requests = 0;
	cpus[0]->started = true;
	config.ap_trap = trap;
	init_is_safe = is_safe;
	watches = ends = kept = 0;
	icr = 0;
	CHECK_EQ(smp_watch_begin(), 0);
	init_is_safe = true;
}

TEST(no_watch_before_an_init_where_that_is_safe)
{
	cpus[2] = NULL;
	CHECK_EQ(ends_by_start(AP_TRAP_AUTO, true), 1);
	/* In one test: the watch cannot be undone for another. */
	parked(AP_TRAP_NEVER, false);
	CHECK(!watches && !kept && hidden_size);
	parked(AP_TRAP_AUTO, true);
	CHECK(!watches && kept == 1);
	/* The INIT begins the watch, and running processors look for a SIPI in their ICR. */
	me->init_seen = 1;
	smp_real_init(me);
	CHECK(watches == 1 && me->state == CPU_WAITS && me->init_taken && left == 1);
	CHECK(cpus[0]->requests & REQ_SENT);
	/* There is a SIPI. */
	icr = ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_SIPI) | VECTOR;
	ipi_look_back();
	CHECK(me->requests & REQ_SIPI);
	smp_serve(me);
	CHECK(me->state == CPU_RUNS && regs.seg[SEG_CS].base == VECTOR << 12);
	CHECK(ends == 1 && !me->init_taken);
	/* An old SIPI does not start a processor again. */
	me->state = CPU_WAITS;
	me->init_taken = 1;
	me->requests = 0;
	ipi_look_back();
	CHECK_EQ(me->requests, 0);
}

/* A SIPI for a processor that has not had its INIT yet, and a SIPI that the guest sends under the watch. */
TEST(the_sipi_comes_after_the_watch)
{
	parked(AP_TRAP_AUTO, true);
	icr = ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_SIPI) | 1;
	ipi_look_back();
	CHECK_EQ(me->requests, 0);
	icr = ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_INIT);
	me->init_seen = 1;
	smp_real_init(me);
	ipi_look_back();
	CHECK_EQ(me->requests & REQ_SIPI, 0);
	CHECK(ipi_guest_sends(ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_SIPI) | VECTOR, 2, false));
	smp_serve(me);
	CHECK(me->state == CPU_RUNS && ends == 1);
	/* Other processors are parked: that is no reason to watch. */
	parked(AP_TRAP_AUTO, true);
	third = (struct cpu){ .index = 2, .apic_id = 4, .state = CPU_WAITS };
	cpus[2] = &third;
	ncpus = 3;
	me->init_seen = 1;
	smp_real_init(me);
	me->requests = REQ_SIPI;
	smp_serve(me);
	CHECK(watches == 1 && ends == 1);
	ncpus = 2;
}

/* A processor that is not the guest's continues to sleep. */
TEST(an_init_for_a_processor_that_the_guest_has_not)
{
	parked(AP_TRAP_AUTO, true);
	me->state = CPU_ABSENT;
	me->v = NULL;
	me->init_seen = 1;
	smp_real_init(me);
	CHECK(me->state == CPU_ABSENT && !me->init_seen && !watches && !left);
}

static int parks, park_err;
static int park_once(struct vcpu *v, const volatile uint32_t *wake)
{
	CHECK(v == &vcpu && me->asleep && !regs.rip);
	parks++;
	me->init_seen = !park_err;
	icr = ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_SIPI) | VECTOR;
	return park_err;
}

static void sleep_for_sipi(const volatile uint32_t *wake)
{
	ipi_look_back();
	if (park_err)
		CHECK(ipi_guest_sends(icr, 2, false));
	CHECK(*wake & REQ_SIPI);
}

/* An INIT ends the sleep; if the processor has no such sleep, the watch begins. */
TEST(parked_so_that_an_init_ends_the_sleep)
{
	for (park_err = 0; park_err >= -1; park_err--) {
		parked(AP_TRAP_AUTO, true);
		ops.park = park_once;
		ops.sleep = sleep_for_sipi;
		parks = 0;
		smp_serve(me);
		CHECK(parks == 1 && watches == 1 && me->state == CPU_RUNS);
		if (park_err)
			break;
	}
	ops.park = NULL;
}

/* --- the polling core --- */

static unsigned idles, given_back;
static bool idle(struct cpu *c)
{
	CHECK(c == me && !c->asleep);
	if (c->state == CPU_RUNS || c->init_seen) {
		given_back++;
		return false;
	}
	/* A poke's NMI comes meanwhile, and at last the SIPI. */
	if (!idles++)
		c->nmi_count++;
	else
		c->requests = REQ_SIPI;
	return true;
}

/* It polls in the place of its sleep, hears of its NMIs, and gives back what it polls before the guest runs or waits there. */
TEST(the_polling_core_does_not_sleep)
{
	parked(AP_TRAP_AUTO, true);
	smp_on_idle(idle);
	me->polls = true;
	me->poke = 1;
	idles = given_back = looks = 0;
	ops.sleep = NULL;
	smp_serve(me);
	CHECK(idles == 2 && given_back == 1 && me->state == CPU_RUNS);
	CHECK(looks == 1 && !me->poke);		/* or nobody would send it another */
	parked(AP_TRAP_AUTO, true);
	me->polls = true;
	me->init_seen = 1;
	me->requests = REQ_SIPI;
	smp_serve(me);
	CHECK(given_back == 3 && me->state == CPU_RUNS);
}

/* The guest has changed its APIC id: NMIs to the old id reach no processor. */

static void third_in_guest(void)
{
	start(NULL);
	me->init_seen = 0;
	third = (struct cpu){ .index = 2, .apic_id = 4, .state = CPU_RUNS, .in_guest = 1 };
	cpus[2] = &third;
	ncpus = 3;
	cpus[0]->in_guest = 0;
	to_all = 0;
}

TEST(poked_by_whatever_id)
{
	third_in_guest();
	hears_all = &third;
	guest_pause();
	CHECK_EQ(to_all, 1);
	CHECK(third.requests & REQ_ID);
	guest_resume();
	/* The processor publishes its new id, once, and its bells are aimed at that id. */
	id = 9;
	aimed = 0;
	me->requests = REQ_ID;
	smp_serve(me);
	CHECK(me->apic_id == 9 && aimed == 1);
	smp_look_at_id(me);
	CHECK_EQ(aimed, 1);
	/* The NMI to all, which this processor also gets, is not the guest's. */
	ops.inject_nmi = inject_nmi;
	own = 0;
	smp_nmi(me);
	CHECK_EQ(own, 0);
	host_now_us += 2000000;
	smp_nmi(me);
	CHECK_EQ(own, 1);
}

TEST(silence_is_the_guests_end)
{
	third_in_guest();
	hears_all = NULL;
	tick_us = 10000;	/* each look gives the processor away, which takes long on a busy machine */
	cpus_on_silence(silence);
	if (!setjmp(died)) {
		guest_pause();
		host_fail(__FILE__, __LINE__, "it went on");
	}
	CHECK(to_all > 1);
	tick_us = 10;
	third.in_guest = 0;
	guest_resume();
}

/* --- posted work that another processor goes on with --- */

static struct owner owner;
static unsigned endless;

static void always(void *ctx, uint32_t bits)
{
	if (endless && endless--)
		owner_post(&owner, ctx, 1);
}

static struct owner_work work = { .run = always, .ctx = &work };

static void post(unsigned runs)
{
	if (!owner.works)
		owner_add(&owner, &work);
	endless = runs;
	owner_post(&owner, &work, 1);
}

TEST(work_goes_to_a_processor_that_runs)
{
	third_in_guest();
	third.requests = 0;
	post(50);
	CHECK(endless && third.requests == REQ_WORK && sent == 1);
	/* The processor runs some of the work before it enters the guest, and hands the rest on. */
	CHECK_EQ(me->requests & REQ_WORK, 0);
	third.state = CPU_WAITS;
	cpus[0]->state = CPU_RUNS;
	cpus[0]->requests = 0;
	post(50);
	CHECK(endless && (cpus[0]->requests & REQ_WORK));
	cpus[0]->state = CPU_WAITS;
	post(50);
	CHECK(endless && me->requests == REQ_WORK);
	while (me->requests)
		smp_serve(me);
	CHECK(!endless && !owner.pending);
	cpus[0]->state = CPU_RUNS;
	cpus[0]->requests = 0;
	third.in_guest = 0;
}

/* The chosen processor waits for its SIPI, and takes no requests meanwhile. */
static int wait_and_look(struct vcpu *v)
{
	CHECK(!(me->requests & REQ_WORK) && !owner.pending);
	waits++;
	return VECTOR;
}

TEST(work_is_done_before_the_wait_for_a_sipi)
{
	start(wait_and_look);
	owner.pending = 1;
	endless = 0;
	me->requests = REQ_WORK;
	smp_real_init(me);
	CHECK(waits == 1 && !owner.pending);
}

/* --- INIT and SIPI at any moment --- */

#define ICR(mode)	(FIELD_PREP(ICR_MODE, ICR_MODE_##mode) | ICR_ASSERT)

static void send_sipi(void)
{
	in_flush = NULL;
	CHECK(ipi_guest_sends(ICR(SIPI) | VECTOR, me->apic_id, false));
}

static void sleep_never(const volatile uint32_t *wake)
{
	if (!*wake)
		host_fail(__FILE__, __LINE__, "it sleeps, and its SIPI is gone");
}

/* The processor has taken the INIT, and does not wait yet. */
TEST(a_sipi_right_behind_its_init)
{
	start(NULL);
	ops.sleep = sleep_never;
	me->init_seen = 0;
	in_flush = send_sipi;
	me->requests = REQ_INIT | REQ_FLUSH;
	smp_serve(me);
	CHECK(me->state == CPU_RUNS && !me->requests && !in_flush);
	CHECK_EQ(regs.seg[SEG_CS].base, VECTOR << 12);
}

static void send_init(void)
{
	in_flush = NULL;
	CHECK(ipi_guest_sends(ICR(INIT), me->apic_id, false));
}

/* INIT, SIPI, INIT: the processor waits for another SIPI, even if the second INIT comes while the first two are served. */
static void sleep_once(const volatile uint32_t *wake)
{
	CHECK(me->state == CPU_WAITS && !*wake);
	sleeps++;
	CHECK(ipi_guest_sends(ICR(SIPI) | (VECTOR + 1), me->apic_id, false));
}

TEST(an_init_takes_back_a_sipi_that_is_being_served)
{
	start(NULL);
	ops.sleep = sleep_once;
	sleeps = 0;
	me->init_seen = 0;
	me->sipi = VECTOR;
	in_flush = send_init;
	me->requests = REQ_INIT | REQ_SIPI | REQ_FLUSH;
	smp_serve(me);
	CHECK(me->state == CPU_RUNS && sleeps == 1);
	CHECK_EQ(regs.seg[SEG_CS].base, (VECTOR + 1) << 12);
}

/* The last processor starts while an INIT for another is on its way, whose SIPI has to be emulated. */
TEST(no_end_of_the_watch_while_an_init_is_on_its_way)
{
	start(NULL);
	config.ap_trap = AP_TRAP_AUTO;
	ops.sleep = sleep_never;
	CHECK_EQ(smp_watch(), 0);
	third = (struct cpu){ .index = 2, .apic_id = 4, .state = CPU_RUNS, .requests = REQ_INIT };
	cpus[2] = &third;
	ncpus = 3;
	me->init_seen = ends = 0;
	me->sipi = VECTOR;
	me->requests = REQ_INIT | REQ_SIPI;
	smp_serve(me);
	CHECK(me->state == CPU_RUNS && !ends);
	third.requests = 0;
	me->requests = REQ_INIT | REQ_SIPI;
	smp_serve(me);
	CHECK_EQ(ends, 1);
	/* The watch ended during the emulation of an INIT: it begins again before the sender continues. */
	smp_init();
	watches = 0;
	CHECK(ipi_guest_sends(ICR(INIT), 4, false));
	CHECK_EQ(watches, 1);
	ncpus = 2;
}

/* The watch began while the processor waits for the SIPI by itself: the emulated SIPI has to be sent to it. */
TEST(a_sipi_for_one_that_waits_itself)
{
	start(NULL);
	me->state = CPU_WAITS;
	me->waits_itself = 1;
	CHECK(ipi_guest_sends(ICR(SIPI) | VECTOR, me->apic_id, false));
	CHECK(sent == 1 && me->requests == REQ_SIPI);
}

#define STORM	3000u
static uint32_t began, storm_ends;

static void sleep_for_storm(const volatile uint32_t *wake)
{
	while (!*wake)
		sched_yield();
}

static void yield(void) { sched_yield(); }

static void *hit(void *arg)
{
	struct cpu *c = this_cpu();

	*c = (struct cpu){ .index = 1, .apic_id = 2, .v = &vcpu, .state = CPU_RUNS, .started = true };
	me = c;
	__atomic_store_n(&cpus[1], c, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&storm_ends, __ATOMIC_SEQ_CST)) {
		if (smp_enter(c)) {
			sched_yield();
			smp_left(c);
			continue;
		}
		smp_serve(c);
		__atomic_store_n(&began, (uint32_t)(regs.seg[SEG_CS].base >> 12), __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static bool begins_at(uint32_t vector)
{
	for (unsigned i = 0; i < 2000000; i++) {
		if (__atomic_load_n(&began, __ATOMIC_SEQ_CST) == vector)
			return true;
		sched_yield();
	}
	return false;
}

/* Each SIPI starts the processor, without time between INIT and SIPI, whatever came before. */
TEST(a_storm_of_inits)
{
	bool all = true;
	pthread_t t;

	start(NULL);
	ops.sleep = sleep_for_storm;
	in_flush = yield;
	*cpus[0] = (struct cpu){ .index = 0, .state = CPU_RUNS };
	cpus[1] = NULL;
	storm_ends = 0;
	CHECK_EQ(pthread_create(&t, NULL, hit, NULL), 0);
	while (!__atomic_load_n(&cpus[1], __ATOMIC_SEQ_CST))
		sched_yield();
	for (uint32_t i = 0; i < STORM && all; i++) {
		uint32_t vector = 0x10 + i % 0xe0;

		for (unsigned n = 0; n < i % 4; n++) {
			ipi_guest_sends(ICR(INIT), 2, false);
			ipi_guest_sends(ICR(SIPI) | 1, 2, false);
		}
		__atomic_fetch_or(&cpus[1]->requests, REQ_FLUSH, __ATOMIC_SEQ_CST);
		ipi_guest_sends(ICR(INIT), 2, false);
		if (i % 2)
			sched_yield();
		ipi_guest_sends(ICR(SIPI) | vector, 2, false);
		all = begins_at(vector);
	}
	if (!all)
		ipi_guest_sends(ICR(SIPI) | 2, 2, false);
	__atomic_store_n(&storm_ends, 1, __ATOMIC_SEQ_CST);
	pthread_join(t, NULL);
	in_flush = NULL;
	CHECK(all);
}

/* With veneer,ap-trap = "always", and while some processors do not run, a SIPI never reaches the hardware. */
TEST(emulated_while_watched)
{
	config.ap_trap = AP_TRAP_ALWAYS;
	start(wait_sipi);
	CHECK_EQ(smp_watch(), 0);
	/* A store beside the local APIC cannot send a message. */
	CHECK(hidden == 0xfee01000 && hidden_size == 0xff000);
	smp_real_init(me);
	CHECK_EQ(waits, 0);
	CHECK_EQ(me->state, CPU_WAITS);
}

/* A processor that never reached Veneer waits for its SIPI outside. */
TEST(processors_outside_of_veneer)
{
	smp_unused_cpu();
	CHECK_EQ(ends_by_start(AP_TRAP_START, true), 0);
	parked(AP_TRAP_AUTO, true);
	CHECK(!kept);
}

TEST_MAIN
