/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/smp/gather.c tests/unit/host/cpu.c */
/* libs: -lpthread */
/* The gathering, and a processor that waits for a real SIPI (smp.c in a build with CONFIG_STATE), which comes at any time. */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/smp/smp.c"

#define VECTOR	0x9a

extern __thread struct cpu host_cpu;

__typeof__(config) config;
struct cpu *cpus[MAX_CPUS];
unsigned ncpus;
struct cpu_features features;

uint64_t time_us(void) { return __atomic_add_fetch(&host_now_us, 10, __ATOMIC_SEQ_CST); }
bool cpu_take_poke(struct cpu *c) { return false; }
bool cpu_was_poked_with_all(void) { return false; }
void ipi_on_init(void (*fn)(void)) { }
void ipi_look_back(void) { }
void lapic_reset(void) { }
uint32_t lapic_id(void) { return 0; }
bool lapic_pmi_is_nmi(bool *masked) { return false; }
void lapic_keep_sipis(void) { }
uint32_t lapic_addr(void) { return 0xfee00000; }
uint32_t lapic_ldr(void) { return 0; }
uint32_t lapic_dfr(void) { return 0; }
int nested_readonly(uint64_t base, uint64_t size) { return 0; }
int nested_writable(uint64_t base, uint64_t size) { return 0; }
int nested_hide(uint64_t base, uint64_t size) { return 0; }
void ioapic_hold_inits(bool on) { }
bool doorbell_ring(void) { return false; }
void doorbell_credit(struct owner *o, unsigned n) { }
void doorbell_leave(uint32_t cpu) { }
void doorbell_aim(uint32_t cpu) { }
void intx_answer(void) { }
void machine_reset(void) { host_fail("machine_reset", 0, "the machine was reset"); }

static void get(struct vcpu *v, struct vcpu_regs *out) { memset(out, 0, sizeof(*out)); }
static void set(struct vcpu *v, const struct vcpu_regs *in) { }
static void init_state(struct vcpu *v) { }
static bool safe(void) { return true; }

/* --- what a processor lets in (SVM) --- */

static uint32_t breaths, nmi, noted, settled;
static void breathe(void)
{
	if (__atomic_exchange_n(&nmi, 0, __ATOMIC_SEQ_CST))
		host_cpu.nmi_count++;
	__atomic_add_fetch(&breaths, 1, __ATOMIC_SEQ_CST);
}
void lapic_state_nmis(struct cpu *c) { CHECK(c == &host_cpu); __atomic_add_fetch(&noted, 1, __ATOMIC_SEQ_CST); }
void lapic_state_settle(struct cpu *c) { CHECK(c == &host_cpu); settled++; }
static void trap_msr_write(uint32_t msr, bool on) { }

/* --- the second processor waits for a SIPI, the third runs: threads --- */

static struct cpu *second, *third;
static uint32_t waiting, sipi, awake, stop;

static void await(const uint32_t *flag)
{
	while (!__atomic_load_n(flag, __ATOMIC_SEQ_CST))
		sched_yield();
}

static void tell(uint32_t *flag) { __atomic_store_n(flag, 1, __ATOMIC_SEQ_CST); }

static int wait_sipi(struct vcpu *v)
{
	tell(&waiting);
	await(&sipi);
	tell(&awake);
	return VECTOR;
}

static const struct vcpu_ops ops = {
	.get = get, .set = set, .init_state = init_state, .init_is_safe = safe, .trap_msr_write = trap_msr_write,
	.wait_sipi = wait_sipi,
};
static const struct vcpu_ops breathing = { .breathe = breathe };
const struct vcpu_ops *vcpu_ops = &ops;

static void serves(struct cpu *c)
{
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		if (__atomic_fetch_and(&c->requests, ~REQ_STATE, __ATOMIC_SEQ_CST) & REQ_STATE)
			state_wait(c);
		sched_yield();
	}
}

static void *second_runs(void *arg)
{
	host_cpu = (struct cpu){ .self = &host_cpu, .index = 1, .state = CPU_RUNS, .started = true, .init_seen = 1 };
	__atomic_store_n(&second, &host_cpu, __ATOMIC_SEQ_CST);
	smp_real_init(&host_cpu);
	serves(&host_cpu);
	return NULL;
}

static void *third_runs(void *arg)
{
	host_cpu = (struct cpu){ .self = &host_cpu, .index = 2, .state = CPU_RUNS, .started = true };
	__atomic_store_n(&third, &host_cpu, __ATOMIC_SEQ_CST);
	serves(&host_cpu);
	return NULL;
}

static bool meanwhile;		/* the SIPI comes while the third processor is asked */

static void comes_to_second(void)
{
	tell(&sipi);
	await(&awake);
	/* Time for what it must not do. */
	usleep(20000);
}

void smp_request(struct cpu *c, uint32_t what)
{
	if (meanwhile && c == third)
		comes_to_second();
	__atomic_fetch_or(&c->requests, what, __ATOMIC_SEQ_CST);
}

static pthread_t thread[2];

static void machine(void)
{
	host_cpu = (struct cpu){ .self = &host_cpu, .state = CPU_RUNS, .started = true };
	second = third = NULL;
	waiting = sipi = awake = stop = 0;
	CHECK_EQ(pthread_create(&thread[0], NULL, second_runs, NULL), 0);
	CHECK_EQ(pthread_create(&thread[1], NULL, third_runs, NULL), 0);
	while (!__atomic_load_n(&second, __ATOMIC_SEQ_CST) || !__atomic_load_n(&third, __ATOMIC_SEQ_CST))
		sched_yield();
	cpus[0] = &host_cpu;
	cpus[1] = second;
	cpus[2] = third;
	ncpus = 3;
	await(&waiting);
}

static uint32_t state_of(const struct cpu *c) { return __atomic_load_n(&c->state, __ATOMIC_SEQ_CST); }

static void end(void)
{
	state_scatter();
	while (state_of(second) != CPU_RUNS)
		sched_yield();
	/* The next gathering has it. */
	state_gather();
	CHECK(state_has(second) && state_has(third));
	state_scatter();
	tell(&stop);
	CHECK(!pthread_join(thread[0], NULL) && !pthread_join(thread[1], NULL));
}

TEST(a_sipi_that_comes_while_all_are_gathered)
{
	machine();
	meanwhile = false;
	state_gather();
	CHECK(!state_has(second) && state_has(third));
	comes_to_second();
	CHECK(state_of(second) == CPU_WAITS && !state_has(second));
	end();
}

/* Before the gatherer looks again: it must not wait for a processor that nobody has asked. */
TEST(a_sipi_that_comes_while_they_are_asked)
{
	machine();
	meanwhile = true;
	state_gather();
	meanwhile = false;
	CHECK(state_of(second) == CPU_WAITS && !state_has(second) && state_has(third));
	end();
}

/* What NMIs came so have no exit: they are settled after the gathering, also on one that waits for its SIPI. */
TEST(who_waits_for_long_lets_smis_in)
{
	machine();
	vcpu_ops = &breathing;
	breaths = noted = 0;
	state_gather();
	nmi = 1;
	while (__atomic_load_n(&breaths, __ATOMIC_SEQ_CST) < 3)
		sched_yield();
	CHECK_EQ(__atomic_load_n(&noted, __ATOMIC_SEQ_CST), 1);
	state_scatter();
	/* The gatherer, not more than once in a millisecond. */
	breaths = 0;
	host_now_us += 1000;
	for (unsigned i = 0; i < 20; i++)
		state_breathe();
	CHECK_EQ(breaths, 1);
	nmi = 1;
	host_now_us += 1000;
	state_breathe();
	CHECK(breaths == 2 && noted == 2);
	serve(&host_cpu, REQ_STATE);
	CHECK_EQ(settled, 1);
	vcpu_ops = &ops;
	tell(&sipi);
	tell(&stop);
	CHECK(!pthread_join(thread[0], NULL) && !pthread_join(thread[1], NULL));
}

TEST_MAIN
