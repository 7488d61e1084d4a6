/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/state/state.c hv/exit/cpu_state.c hv/smp/gather.c hv/lib/crc32.c hv/svm/svm_state.c hv/svm/svm_nmi.c */
/* sources: tests/unit/host/cpu.c */
/* libs: -lpthread */
/* Save and load of the guest's processors, each on itself: registers, events, NMIs, and states that would fault in the host. */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <veneer/crc32.h>
#include <veneer/err.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/cpus.h"
#include "hv/cpu/features.h"
#include "hv/exit/cpu_state.h"
#include "hv/exit/exit.h"
#include "hv/smp/gather.h"
#include "hv/state/format.h"
#include "hv/state/state.h"
#include "hv/svm/svm.h"
#include "host/forever.h"

#define AREA	832u
#define TSC_AUX	0xc0000103u

extern __thread struct cpu host_cpu;

/* --- two processors, of which the second is a thread --- */

struct machine {
	struct svm_vcpu s;
	struct vmcb vmcb;
	struct vcpu_regs regs;
	uint8_t area[AREA];
	uint64_t xcr0, dr[4], tsc_offset;
};

static struct machine m[2];
static __thread struct machine *mine = &m[0];
struct cpu *cpus[MAX_CPUS];
unsigned ncpus;
struct cpu_features features;
const struct vcpu_ops *vcpu_ops;
const struct vcpu_state_ops vmx_state_ops;
static struct cpu *second;
static bool stop, deaf;

void smp_request(struct cpu *c, uint32_t what) { __atomic_fetch_or(&c->requests, what, __ATOMIC_SEQ_CST); }

/* All of these are the calling processor's own. */
static void get(struct vcpu *v, struct vcpu_regs *out) { CHECK(v == &mine->s.v); *out = mine->regs; }
static void set(struct vcpu *v, const struct vcpu_regs *in)
{
	CHECK(v == &mine->s.v);
	mine->regs = *in;
	v->rip = in->rip;
}
static uint64_t get_tsc_offset(struct vcpu *v) { CHECK(v == &mine->s.v); return mine->tsc_offset; }
const struct vcpu_ops svm_ops = { .get = get, .set = set, .get_tsc_offset = get_tsc_offset };
void exit_set_tsc_offset(struct vcpu *v, uint64_t offset) { CHECK(v == &mine->s.v); mine->tsc_offset = offset; }
bool xcr0_valid(uint64_t v) { return (v & 1) && !(v & ~7ull); }

void vector_facts(struct vector_facts *out, void *area) { *out = (struct vector_facts){ AREA, 0xffff, true }; }
uint64_t vector_save(const struct vector_facts *f, void *area) { memcpy(area, mine->area, AREA); return mine->xcr0; }
void vector_load(const struct vector_facts *f, const void *area, uint64_t xcr0)
{
	memcpy(mine->area, area, AREA);
	mine->xcr0 = xcr0;
}
void live_dr_get(uint64_t dr[4]) { memcpy(dr, mine->dr, sizeof(mine->dr)); }
void live_dr_set(const uint64_t dr[4]) { memcpy(mine->dr, dr, sizeof(mine->dr)); }

static void *runs(void *arg)
{
	mine = &m[1];
	host_cpu.index = 1;
	host_cpu.apic_id = 5;
	host_cpu.v = &m[1].s.v;
	__atomic_store_n(&second, &host_cpu, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		if (!__atomic_load_n(&deaf, __ATOMIC_SEQ_CST) &&
		    (__atomic_fetch_and(&host_cpu.requests, ~REQ_STATE, __ATOMIC_SEQ_CST) & REQ_STATE))
			state_wait(&host_cpu);
		sched_yield();
	}
	return NULL;
}

static void fill(struct machine *x, uint8_t seed)
{
	struct vmcb *c = &x->vmcb;

	memset(x, 0, sizeof(*x));
	x->s.vmcb = c;
	x->regs.rip = x->s.v.rip = 0x1000u + seed;
	x->regs.rflags = 2;
	for (unsigned i = 0; i < GPR_COUNT; i++)
		x->regs.gpr[i] = seed * 0x100u + i;
	x->regs.efer = EFER_LME;
	c->star = seed + 1u;
	c->lstar = seed + 2u;
	c->kernel_gs_base = seed + 3u;
	c->sysenter_eip = seed + 4u;
	c->gpat = 0x0007040600070406ull;
	c->dr6 = 0xffff0ff0;
	c->dr7 = 0x400u + seed;
	x->xcr0 = 7;
	x->tsc_offset = 1000u + seed;
	x->dr[2] = seed;
	memset(x->area, seed, 24);
	memset(x->area + 32, seed, 480);
	x->area[VECTOR_LEGACY] = 7;
}

static uint8_t one[16384] __attribute__((aligned(16))), two[16384] __attribute__((aligned(16)));
static uint64_t size;

static void machine(void)
{
	static pthread_t t;

	if (!second) {
		host_cpu_reset();
		host_msr_set(TSC_AUX, 9);
		features.efer = EFER_LME | EFER_LMA | EFER_SCE;
		features.xcr0 = 7;
		vcpu_ops = &svm_ops;
		host_cpu.v = &m[0].s.v;
		CHECK_EQ(pthread_create(&t, NULL, runs, NULL), 0);
		while (!__atomic_load_n(&second, __ATOMIC_SEQ_CST))
			sched_yield();
		cpus[0] = &host_cpu;
		cpus[1] = second;
		ncpus = 2;
		CHECK_EQ(state_cpus_keep(), 0);
		size = state_size();
		CHECK(size < sizeof(one));
	}
	fill(&m[0], 1);
	fill(&m[1], 2);
}

static void begin(void) { state_gather(); state_rest(0); }
static void end(void) { state_go_on(); state_scatter(); }

TEST(each_processor_is_saved_and_loaded_on_itself)
{
	struct machine was[2];

	machine();
	second->tsc_adjust = 77;
	begin();
	CHECK(state_has(&host_cpu) && state_has(second));
	state_save(one);
	memcpy(was, m, sizeof(m));
	for (unsigned i = 0; i < 2; i++) {
		fill(&m[i], 0x55);
		m[i].xcr0 = 1;
		m[i].s.nmi_wanted = true;
	}
	second->tsc_adjust = 0;
	host_msr_set(TSC_AUX, 0);
	CHECK_EQ(state_load(one, size), 0);
	for (unsigned i = 0; i < 2; i++) {
		CHECK(!memcmp(&m[i].regs, &was[i].regs, sizeof(m[i].regs)) && !memcmp(m[i].area, was[i].area, AREA));
		CHECK(!memcmp(&m[i].vmcb.star, &was[i].vmcb.star, 8 * 8) && m[i].vmcb.dr7 == was[i].vmcb.dr7);
		CHECK(m[i].xcr0 == 7 && m[i].dr[2] == i + 1 && m[i].tsc_offset == 1001 + i && !m[i].s.nmi_wanted);
		/* Nothing of another address space may stay in the processor. */
		CHECK(m[i].s.flush && m[i].s.dirty_all);
	}
	CHECK(second->tsc_adjust == 77 && host_msr(TSC_AUX) == 9);
	state_save(two);
	CHECK(!memcmp(one, two, size));
	end();
}

TEST(what_others_have_asked_for_and_waiting_for_a_sipi)
{
	machine();
	begin();
	second->requests |= REQ_NMI | REQ_SIPI | REQ_FLUSH;
	second->sipi = 0x9a;
	second->state = CPU_WAITS;
	m[1].regs.rflags = 0;		/* it has never run */
	state_save(one);
	second->requests = REQ_INIT | REQ_FLUSH;
	second->sipi = 0;
	second->state = CPU_RUNS;
	CHECK_EQ(state_load(one, size), 0);
	CHECK_EQ(second->requests, REQ_NMI | REQ_SIPI | REQ_FLUSH);
	CHECK(second->sipi == 0x9a && second->state == CPU_WAITS);
	second->requests = 0;
	second->state = CPU_RUNS;
	end();
}

/* One that waits for a real SIPI takes no request; it can neither be saved whole nor loaded. */
TEST(a_processor_that_waits_by_itself)
{
	machine();
	begin();
	state_save(two);
	end();
	deaf = true;
	second->waits_itself = 1;
	second->state = CPU_WAITS;
	begin();
	CHECK(!state_has(second));
	state_save(one);
	CHECK_EQ(state_load(one, size), 0);
	host_log_clear();
	CHECK_EQ(state_load(two, size), -ERR_INVAL);
	CHECK(host_log_has("cpu1: a processor that waits for a SIPI by itself here"));
	end();
	second->waits_itself = 0;
	second->state = CPU_RUNS;
	deaf = false;
}

static struct cpu_image *image(unsigned i)
{
	uint8_t *at = two + sizeof(struct state_header) + sizeof(struct state_section);
	size_t step = sizeof(struct state_section) + ALIGN_UP(sizeof(struct cpu_image) + AREA, 16u);

	return (struct cpu_image *)(void *)(at + i * step);
}

static void refused(const char *why)
{
	struct state_header *h = (void *)two, copy;
	uint32_t crc;

	h->crc = 0;
	copy = *h;
	crc = crc32(0, &copy, sizeof(copy));
	h->crc = crc32(crc, h + 1, size - sizeof(*h));
	host_log_clear();
	CHECK_EQ(state_load(two, size), -ERR_INVAL);
	if (!host_log_has(why))
		host_fail(__FILE__, __LINE__, "no line has \"%s\"", why);
}

#define WITH(change, why) do { memcpy(two, one, size); change; refused(why); } while (0)
#define XSAVE(i) ((uint8_t *)(image(i) + 1))

TEST(what_does_not_fit_or_would_fault_is_refused)
{
	machine();
	begin();
	state_save(one);
	WITH(image(0)->vendor = 2, "cpu0: another vendor's");
	WITH(image(1)->apic_id = 4, "cpu1: a processor with another APIC id");
	WITH(image(1)->has |= 2, "with other MSRs");
	WITH(image(1)->vector--, "with other MSRs");
	WITH(image(0)->run = CPU_IMAGE_WAITS, "an impossible state of a processor");
	WITH(image(1)->run = 2, "an impossible state of a processor");
	WITH(image(1)->asked = 8, "an impossible state of a processor");
	WITH(image(1)->sipi = 256, "an impossible state of a processor");
	WITH(image(1)->whole = 0, "runs without registers");
	WITH(image(0)->live[1] = 1, "an MSR that this processor does not have");
	WITH(image(0)->regs.efer |= EFER_SVME, "bits of EFER");
	WITH(image(0)->regs.cr0 |= BIT64(32), "an impossible register");
	WITH(image(0)->regs.rflags = 0, "an impossible register");
	WITH(image(0)->regs.cpl = 4, "an impossible register");
	WITH(image(0)->more.dr7 |= BIT64(32), "an impossible register");
	WITH(image(0)->more.dr6 |= BIT64(63), "an impossible register");
	WITH(image(0)->more.msr[VCPU_PAT] = 2, "an impossible register");
	WITH(image(0)->more.msr[VCPU_PAT] = 3ull << 56, "an impossible register");
	WITH(image(0)->more.msr[VCPU_PAT] = 8, "an impossible register");
	WITH(image(0)->more.event = 2, "an impossible event");
	WITH(image(0)->more.event_vector = 2, "an impossible event");
	WITH(image(0)->more.event_error = 2, "an impossible event");
	WITH((image(0)->more.event = 1, image(0)->more.event_type = 4), "an impossible event");
	WITH((image(0)->more.event = 1, image(0)->more.event_type = 3, image(0)->more.event_vector = 32),
	     "an impossible event");
	WITH((image(0)->more.event = 1, image(0)->more.event_has_error = 1), "an impossible event");
	WITH(image(0)->more.blocks = VCPU_BLOCK_MOV_SS, "bytes that are not in use");
	WITH(image(0)->more.pdpte[0] = 1, "bytes that are not in use");
	WITH(image(0)->more.pending_db = 1, "bytes that are not in use");
	WITH(image(0)->regs.seg[SEG_TR].attr = 0x1000, "an impossible segment");
	WITH(image(0)->more.nmi_wanted = 2, "bytes that are not in use");
	WITH(image(0)->more.activity = 1, "bytes that are not in use");
	WITH(image(0)->more.pad[4] = 1, "bytes that are not in use");
	WITH(image(0)->xcr0 = 6, "registers that this processor does not have");
	WITH(XSAVE(0)[VECTOR_LEGACY + 1] = 1, "registers that this processor does not have");
	WITH(XSAVE(0)[VECTOR_MXCSR + 2] = 1, "bits of MXCSR");
	WITH(XSAVE(1)[VECTOR_LEGACY + VECTOR_XCOMP + 7] = 0x80, "an XSAVE area of another form");
	WITH(XSAVE(1)[VECTOR_LEGACY + VECTOR_HEADER - 1] = 1, "an XSAVE area of another form");
	CHECK(m[0].regs.rip == 0x1001 && m[1].regs.rip == 0x1002);
	end();
}

/* --- the VMCB's part --- */

static struct vcpu_more again(struct machine *x)
{
	struct vcpu_more first, then;

	svm_state_ops.get(&x->s.v, &first);
	memset(&x->vmcb, 0x33, sizeof(x->vmcb));
	x->s.pending_event = 0x33;
	svm_state_ops.set(&x->s.v, &first);
	svm_state_ops.get(&x->s.v, &then);
	CHECK(!memcmp(&first, &then, sizeof(first)));
	return then;
}

TEST(events_and_shadows)
{
	struct vcpu_more r;

	fill(&m[0], 1);
	m[0].s.pending_event = svm_event(EVENT_INTR, 0x41);
	m[0].vmcb.shadow = SHADOW_INTERRUPT;
	r = again(&m[0]);
	CHECK(r.event && r.event_type == VCPU_TYPE_INTERRUPT && r.event_vector == 0x41 && r.blocks == VCPU_BLOCK_STI);
	CHECK_EQ(m[0].s.pending_event, svm_event(EVENT_INTR, 0x41));
	CHECK_EQ(m[0].vmcb.shadow, SHADOW_INTERRUPT);
	m[0].s.pending_event = svm_event(EVENT_EXCEPTION, 14) | EVENT_HAS_ERROR | FIELD_PREP(EVENT_ERROR, 0x10007u);
	r = again(&m[0]);
	CHECK(r.event_type == VCPU_TYPE_EXCEPTION && r.event_has_error && r.event_error == 0x10007);
	CHECK_EQ(m[0].s.pending_event, svm_event(EVENT_EXCEPTION, 14) | EVENT_HAS_ERROR | FIELD_PREP(EVENT_ERROR, 0x10007u));
}

TEST(blocked_nmis)
{
	fill(&m[0], 1);
	CHECK_EQ(again(&m[0]).blocks, 0);
	m[0].s.nmi = SVM_NMI_BLOCKED;
	m[0].s.nmi_wanted = true;
	CHECK(again(&m[0]).blocks == VCPU_BLOCK_NMI && again(&m[0]).nmi_wanted && m[0].s.nmi == SVM_NMI_BLOCKED);
	/* The IRET has exited and has not been executed: it exits again. */
	m[0].s.nmi = SVM_NMI_IRET;
	m[0].s.iret_rip = m[0].s.v.rip;
	CHECK(again(&m[0]).blocks == VCPU_BLOCK_NMI && m[0].s.nmi == SVM_NMI_BLOCKED);
	m[0].s.nmi = SVM_NMI_IRET;
	m[0].s.iret_rip = m[0].s.v.rip + 1;
	CHECK(!again(&m[0]).blocks && m[0].s.nmi == SVM_NMI_OPEN);
}

TEST(nmis_that_the_processor_tracks)
{
	fill(&m[0], 1);
	m[0].s.vnmi = true;
	m[0].vmcb.vintr = VINTR_NMI_ENABLE | VINTR_NMI | VINTR_NMI_MASK;
	CHECK(again(&m[0]).nmi_wanted && again(&m[0]).blocks == VCPU_BLOCK_NMI);
	/* The wish is injected at the next entry, as before. */
	CHECK((m[0].vmcb.vintr & VINTR_NMI_MASK) && (m[0].vmcb.vintr & VINTR_NMI_ENABLE) && m[0].s.nmi_wanted);
}

TEST_MAIN
