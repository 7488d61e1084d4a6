/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the guest's processors.  Each processor saves and loads its own (gather.h): registers that are live in the host,
 * and the VMCS, belong to the processor that runs.  The local APIC is no part of this
 * (hv/smp/lapic_state.c).
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/features.h"
#include "hv/cpu/msr.h"
#include "hv/exit/cpu_state.h"
#include "hv/exit/exit.h"
#include "hv/smp/gather.h"
#include "hv/state/state.h"
#include "hv/x86.h"

/* Live while the host runs; what a processor does not have is 0.  The order is the format's. */
static const uint32_t live_msrs[CPU_LIVE_MSRS] = {
	0xc0000103,			/* TSC_AUX */
	0x48, 0xc001011f,		/* SPEC_CTRL; SSBD by a hypervisor underneath */
	0xda0,				/* XSS */
	0x6a0, 0x6a4, 0x6a5, 0x6a6, 0x6a7,	/* U_CET, shadow stacks of the rings */
	0x6e1,				/* PKRS */
	0xe1, 0x140,			/* UMWAIT, faulting CPUID */
	0x1c4, 0x1c5,			/* XFD */
	0x1d9,				/* DEBUGCTL; VMX: in the VMCS, and 0 here */
};

struct cpu_part {
	struct state_part part;
	struct cpu *c;
	char name[16];
};

static const struct vcpu_state_ops *vendor;
static struct vector_facts vector;
static uint8_t *area;			/* for XSAVE: one processor works at a time */
static uint64_t has;

/* What @c has in cpu.requests, and the state's name for it. */
static const struct { uint32_t request, asked; } asks[] = {
	{ REQ_INIT, CPU_ASKED_INIT }, { REQ_NMI, CPU_ASKED_NMI }, { REQ_SIPI, CPU_ASKED_SIPI },
};

/* --- on the processor itself --- */

static void capture(struct cpu *c, void *ctx)
{
	struct cpu_image *out = ctx;

	out->whole = 1;
	vcpu_ops->get(c->v, &out->regs);
	vendor->get(c->v, &out->more);
	out->tsc = state_tsc() + vcpu_ops->get_tsc_offset(c->v);
	live_dr_get(out->dr);
	for (unsigned i = 0; i < CPU_LIVE_MSRS; i++)
		if (has & BIT64(i))
			(void)rdmsr_safe(live_msrs[i], &out->live[i]);
	out->xcr0 = vector_save(&vector, area);
	memcpy(out + 1, area, vector.size);
}

/* A value that is there already is not written. */
static void apply_msrs(const struct cpu *c, const struct cpu_image *in)
{
	for (unsigned i = 0; i < CPU_LIVE_MSRS; i++) {
		uint64_t now;

		if (!(has & BIT64(i)) || (rdmsr_safe(live_msrs[i], &now) && now == in->live[i]))
			continue;
		if (!wrmsr_safe(live_msrs[i], in->live[i]))
			log_err("cpu %u: MSR %#x does not take the state's %#lx", c->index, live_msrs[i], in->live[i]);
	}
}

static void apply(struct cpu *c, void *ctx)
{
	const struct cpu_image *in = ctx;

	vcpu_ops->set(c->v, &in->regs);
	vendor->set(c->v, &in->more);
	exit_set_tsc_offset(c->v, in->tsc + state_delta() - state_tsc());
	c->tsc_adjust = in->tsc_adjust;
	live_dr_set(in->dr);
	apply_msrs(c, in);
	memcpy(area, in + 1, vector.size);
	vector_load(&vector, area, in->xcr0);
}

/* For the test: nothing of this is what any guest has. */
static void forget(struct cpu *c, void *ctx)
{
	struct cpu_image *junk = ctx;

	memset(junk, 0, sizeof(*junk) + vector.size);
	junk->regs.rflags = BIT(1);
	junk->regs.cr0 = CR0_ET;
	junk->regs.rip = junk->regs.gpr[GPR_RBX] = junk->tsc_adjust = junk->dr[0] = junk->dr[3] = 0x5a5a5a;
	junk->more.dr6 = 0xffff0ff0;
	junk->more.dr7 = 0x400;
	junk->more.nmi_wanted = 1;
	junk->xcr0 = 1;
	junk->tsc = state_tsc() + vcpu_ops->get_tsc_offset(c->v);
	apply(c, junk);
}

/* --- save and load, for a processor --- */

static void part_rest(void *ctx, uint32_t us) { (void)ctx, (void)us; }
static void part_go_on(void *ctx) { (void)ctx; }

static void part_save(void *ctx, void *to)
{
	const struct cpu_part *p = ctx;
	struct cpu_image *out = to;
	uint32_t r = __atomic_load_n(&p->c->requests, __ATOMIC_SEQ_CST);

	memset(out, 0, p->part.size);
	out->vendor = vendor->id;
	out->apic_id = __atomic_load_n(&p->c->apic_id, __ATOMIC_SEQ_CST);
	out->run = p->c->state == CPU_RUNS ? CPU_IMAGE_RUNS : CPU_IMAGE_WAITS;
	for (unsigned i = 0; i < ARRAY_SIZE(asks); i++)
		out->asked |= r & asks[i].request ? asks[i].asked : 0;
	out->sipi = out->asked & CPU_ASKED_SIPI ? p->c->sipi : 0;
	out->started = p->c->started;
	out->tsc_adjust = p->c->tsc_adjust;
	out->has = has;
	out->vector = vector.size;
	if (state_has(p->c))
		state_on(p->c, capture, out);
}

static const char *vector_bad(const struct cpu_image *in)
{
	const uint8_t *a = (const uint8_t *)(in + 1);
	uint64_t in_use;
	uint32_t mxcsr;

	memcpy(&mxcsr, a + VECTOR_MXCSR, sizeof(mxcsr));
	if (mxcsr & ~vector.mxcsr)
		return "bits of MXCSR that this processor does not have";
	if (!vector.xsave)
		return in->xcr0 == 1 ? NULL : "XCR0, which this processor does not have";
	memcpy(&in_use, a + VECTOR_LEGACY, sizeof(in_use));
	if ((in_use & ~features.xcr0) || !xcr0_valid(in->xcr0))
		return "registers that this processor does not have";
	if (!all_zero(a + VECTOR_LEGACY + VECTOR_XCOMP, VECTOR_HEADER - VECTOR_XCOMP))
		return "an XSAVE area of another form";
	return NULL;
}

/* Types of memory that may be in PAT: not 2, 3, nor above 7 (SDM vol. 3, 12.12.2). */
static bool pat_bad(uint64_t pat)
{
	for (unsigned i = 0; i < 8; i++, pat >>= 8)
		if ((pat & 0xff) > 7 || (pat & 0xfe) == 2)
			return true;
	return false;
}

static const char *more_bad(const struct vcpu_more *m)
{
	bool exception = m->event_type == VCPU_TYPE_EXCEPTION;
	bool known = exception || m->event_type == VCPU_TYPE_INTERRUPT || m->event_type == VCPU_TYPE_NMI;

	if ((m->dr6 | m->dr7) >> 32 || pat_bad(m->msr[VCPU_PAT]))
		return "an impossible register";
	if (m->event > 1 || m->event_has_error > 1 || (m->event && !known) ||
	    (exception && m->event_vector > 31) || (m->event_has_error && !exception) ||
	    (!m->event && (m->event_type || m->event_vector || m->event_has_error)) ||
	    (!m->event_has_error && m->event_error))
		return "an impossible event";
	if ((m->blocks & ~vendor->blocks) || m->nmi_wanted > 1 || m->activity > vendor->activity ||
	    !all_zero(m->pad, sizeof(m->pad)) || (vendor->without & (m->ssp ? VCPU_WITHOUT_SSP : 0)) ||
	    ((vendor->without & VCPU_WITHOUT_VMCS) && !all_zero(m->pdpte, sizeof(m->pdpte) + sizeof(m->pending_db))))
		return "bytes that are not in use";
	return NULL;
}

/*
 * What would fault in the host is refused.  What the processor does not enter ends the guest at its next entry, with a report
 * that names the rule.
 */
static const char *registers_bad(const struct cpu_image *in)
{
	const struct vcpu_regs *r = &in->regs;

	if (r->efer & ~features.efer)
		return "bits of EFER that this processor does not have";
	for (unsigned i = 0; i < SEG_COUNT; i++)
		if (r->seg[i].attr > 0xfff)
			return "an impossible segment";
	/* One that has never run has no flags yet. */
	if (r->cr0 >> 32 || r->cpl > 3 || (in->run == CPU_IMAGE_RUNS && !(r->rflags & BIT(1))) || r->rflags >> 32)
		return "an impossible register";
	return more_bad(&in->more);
}

static const char *part_bad(void *ctx, const void *from)
{
	const struct cpu_part *p = ctx;
	const struct cpu_image *in = from;
	size_t start = offsetof(struct cpu_image, regs);

	if (in->vendor != vendor->id)
		return "another vendor's processor";
	if (in->apic_id != p->c->apic_id)
		return "a processor with another APIC id";
	if (in->has != has || in->vector != vector.size)
		return "a processor with other MSRs or registers";
	if (in->run > CPU_IMAGE_WAITS || in->started > 1 || in->whole > 1 || in->sipi > 0xff ||
	    in->asked >= BIT(ARRAY_SIZE(asks)) || (!p->c->index && in->run != CPU_IMAGE_RUNS))
		return "an impossible state of a processor";
	if (!in->whole)
		return in->run == CPU_IMAGE_WAITS && !in->tsc && all_zero(in->dr, sizeof(in->dr) + sizeof(in->xcr0)) &&
		       all_zero(in->live, sizeof(in->live)) && all_zero((const uint8_t *)in + start, p->part.size - start) ?
		       NULL : "a processor that runs without registers";
	if (!state_has(p->c))
		return "a processor that waits for a SIPI by itself here";
	for (unsigned i = 0; i < CPU_LIVE_MSRS; i++)
		if (in->live[i] && !(has & BIT64(i)))
			return "an MSR that this processor does not have";
	return registers_bad(in) ?: vector_bad(in);
}

static void part_load(void *ctx, const void *from)
{
	const struct cpu_part *p = ctx;
	const struct cpu_image *in = from;
	struct cpu *c = p->c;
	uint32_t asked = 0, known = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(asks); i++) {
		known |= asks[i].request;
		asked |= in->asked & asks[i].asked ? asks[i].request : 0;
	}
	__atomic_store_n(&c->sipi, in->sipi, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&c->requests, ~(known & ~asked), __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&c->requests, asked, __ATOMIC_SEQ_CST);
	c->started = in->started;
	if (in->whole)
		state_on(c, apply, (void *)(uintptr_t)in);
	__atomic_store_n(&c->state, in->run == CPU_IMAGE_RUNS ? CPU_RUNS : CPU_WAITS, __ATOMIC_SEQ_CST);
}

static void part_scribble(void *ctx)
{
	static struct cpu_image *junk;
	const struct cpu_part *p = ctx;

	if (!junk)
		junk = mem_alloc(p->part.size, 16);
	if (junk && state_has(p->c))
		state_on(p->c, forget, junk);
}

static const struct state_ops ops = {
	.rest = part_rest, .save = part_save, .bad = part_bad, .load = part_load, .go_on = part_go_on,
	.scribble = IS_ENABLED(CONFIG_STATE_TEST) ? part_scribble : NULL,
};

/* --- the start --- */

static int keep(struct cpu *c)
{
	struct cpu_part *p = mem_alloc(sizeof(*p), 16);

	if (!p)
		return -ERR_NOMEM;
	p->c = c;
	fmt_string(p->name, sizeof(p->name), "cpu%u", c->index);
	p->part = (struct state_part){
		.name = p->name, .version = CPU_IMAGE_VERSION, .size = (uint32_t)sizeof(struct cpu_image) + vector.size,
		.ops = &ops, .ctx = p,
	};
	state_add(&p->part);
	return 0;
}

/* Read on the boot processor: all are alike. */
static int look(void)
{
	uint64_t value;

	vendor = IS_ENABLED(CONFIG_SVM) && vcpu_ops == svm_state_ops.of ? &svm_state_ops : NULL;
	if (IS_ENABLED(CONFIG_VMX) && !vendor)
		vendor = &vmx_state_ops;
	for (unsigned i = 0; i < CPU_LIVE_MSRS; i++)
		if (rdmsr_safe(live_msrs[i], &value))
			has |= BIT64(i);
	vector_facts(&vector, NULL);
	area = mem_alloc(vector.size, VECTOR_ALIGN);
	if (area)
		vector_facts(&vector, area);
	return area ? 0 : -ERR_NOMEM;
}

int state_cpus_keep(void)
{
	int err = look();

	for (unsigned i = 0; !err && i < ncpus; i++)
		if (cpus[i]->state != CPU_ABSENT)
			err = keep(cpus[i]);
	return err;
}
