/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the local APICs.  Each processor saves and loads its own (gather.h).
 *
 * At rest the timer stands still, so that it expires once: here or after the load.  Interrupts that come meanwhile wait in IRR:
 * they are in no state, and a load keeps them.  Software cannot write ISR and IRR: the processor sends the vectors to itself,
 * takes those of ISR and ends none.  What a level-triggered input sent becomes an edge so; its line, if asserted, delivers once
 * more.  Not in the state: the id and the ICR's low half, whose write sends, and the errors that were seen.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/state.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/features.h"
#include "hv/cpu/lapic.h"
#include "hv/cpu/msr.h"
#include "hv/smp/gather.h"
#include "hv/smp/lapic_state.h"
#include "hv/smp/smp.h"
#include "hv/state/state.h"
#include "hv/x86.h"

#define LAPIC_ESR		0x280
#define LAPIC_TIMER_COUNT	0x390
#define VERSION_EOI_SWITCH	BIT(24)
#define SVR_KNOWN		GENMASK(9, 0)
#define SVR_NO_EOI		BIT(12)		/* ends of level-triggered interrupts stay here */
#define DESTINATION		GENMASK(31, 24)
#define DIVIDE_KNOWN		0xbu
#define DIVIDE_BY_1		0xbu
#define LVT_VECTOR		GENMASK(7, 0)
#define LVT_MODE		GENMASK(10, 8)
#define LVT_PIN			(BIT(13) | BIT(15))	/* polarity, trigger mode */
#define LVT_TIMER_MODE		GENMASK(18, 17)
#define  TIMER_PERIODIC		1u
#define  TIMER_DEADLINE		2u

#define FIRST_VECTOR		16u		/* those below are reserved */
#define TRIES			64u
#define SENT_US			1000u
#define MEASURE_US		20000u
#define RATE_CYCLES		(1ul << 24)
/* A shorter rest of a period would expire again before the exit at its first expiry. */
#define REST_US			20u
#define LEFT_MAX		BIT64(40)	/* counts; the register has 32 bits, and the rest takes some time */

/*
 * In the order of the format; @last: the entry exists if the version register tells so many (SDM vol. 3, 11.4.8); @known: all
 * that software writes.
 */
static const struct { uint16_t off; uint8_t last; uint32_t known; } lvts[LAPIC_LVTS] = {
	{ LAPIC_LVT_CMCI, 6, LVT_VECTOR | LVT_MODE | LVT_MASKED },
	{ LAPIC_LVT_TIMER, 0, LVT_VECTOR | LVT_TIMER_MODE | LVT_MASKED },
	{ LAPIC_LVT_THERMAL, 5, LVT_VECTOR | LVT_MODE | LVT_MASKED },
	{ LAPIC_LVT_PMC, 4, LVT_VECTOR | LVT_MODE | LVT_MASKED },
	{ LAPIC_LVT_LINT0, 0, LVT_VECTOR | LVT_MODE | LVT_PIN | LVT_MASKED },
	{ LAPIC_LVT_LINT1, 0, LVT_VECTOR | LVT_MODE | LVT_PIN | LVT_MASKED },
	{ LAPIC_LVT_ERROR, 0, LVT_VECTOR | LVT_MASKED },	/* last: the others may make errors */
};
#define LVT_TIMER		1u

struct lapic_part {
	struct state_part part;
	struct cpu *c;
	char name[16];
	bool there;			/* at rest: its processor is gathered */
	bool nmis;			/* NMIs came while it took interrupts, or breathed: see lapic_state_settle() */
	bool lost;			/* or may be lost, by a change of mode */
	struct lapic_image image;	/* at rest: what the state has of time, and which bits of IRR are its own */
	/* The timer counts down @written, what was left of @initial. */
	uint32_t written, initial;
	bool watch;			/* it is periodic: set @initial after the expiry, at @due in the host's TSC */
	uint32_t seen;			/* the count before the last entry */
	uint64_t due;
};

static struct lapic_part *parts[MAX_CPUS];
static uint32_t rate, last;		/* the timer's, and the number of LVT entries less one, of all processors */

/* --- the registers --- */

/* What faults in x2APIC mode only is said, and not written. */
static void put(uint32_t off, uint32_t v)
{
	if (!lapic_x2apic())
		lapic_write(off, v);
	else if (!wrmsr_safe(MSR_X2APIC + off / LAPIC_STRIDE, v))
		log_err("lapic: register %#x does not take the state's %#x", off, v);
}

static bool bit(const uint32_t set[8], unsigned vector)
{
	return set[vector / 32] & BIT(vector % 32);
}

static void read_set(uint32_t off, uint32_t set[8])
{
	for (unsigned i = 0; i < 8; i++)
		set[i] = lapic_read(off + i * LAPIC_STRIDE);
}

static bool in_chip(uint32_t off, unsigned vector)
{
	return lapic_read(off + vector / 32 * LAPIC_STRIDE) & BIT(vector % 32);
}

static uint32_t last_lvt(void)
{
	return (uint32_t)FIELD_GET(VERSION_MAX_LVT, lapic_read(LAPIC_VERSION));
}

static uint32_t mode_now(const struct cpu *c)
{
	return c->apic_off ? LAPIC_IMAGE_OFF : lapic_x2apic() ? LAPIC_IMAGE_X2APIC : LAPIC_IMAGE_XAPIC;
}

/* All but IRR and what belongs to time. */
static void read_registers(struct cpu *c, struct lapic_image *out)
{
	out->mode = mode_now(c);
	out->last_lvt = last_lvt();
	if (out->mode == LAPIC_IMAGE_OFF)
		return;
	out->svr = lapic_read(LAPIC_SVR);
	out->tpr = lapic_read(LAPIC_TPR);
	out->divide = lapic_read(LAPIC_TIMER_DIV);
	if (out->mode == LAPIC_IMAGE_XAPIC) {
		out->ldr = lapic_read(LAPIC_LDR);
		out->dfr = lapic_read(LAPIC_DFR);
		out->icr_high = lapic_read(LAPIC_ICR_HIGH) & DESTINATION;
	}
	for (unsigned i = 0; i < LAPIC_LVTS; i++)
		if (out->last_lvt >= lvts[i].last)
			out->lvt[i] = lapic_read(lvts[i].off) & lvts[i].known;
	read_set(LAPIC_ISR, out->isr);
}

/* --- time --- */

static uint32_t timer_mode(const struct lapic_image *i)
{
	return (uint32_t)FIELD_GET(LVT_TIMER_MODE, i->lvt[LVT_TIMER]);
}

static uint32_t divisor(uint32_t divide)
{
	uint32_t v = (divide & 3) | (divide >> 1 & 4);

	return v == 7 ? 1 : 2u << v;
}

/* @n * @by / @of without the overflow of the product. */
static uint64_t scale(uint64_t n, uint64_t by, uint64_t of)
{
	return n / of * by + n % of * by / of;
}

static uint64_t counts(const struct lapic_image *i, uint64_t tsc)
{
	return scale(tsc, i->rate, RATE_CYCLES) / divisor(i->divide);
}

static uint64_t cycles(const struct lapic_image *i, uint64_t count)
{
	return scale(count * divisor(i->divide), RATE_CYCLES, i->rate);
}

/* True if the timer's interrupt has come since @before. */
static bool came(const struct lapic_image *i, bool before)
{
	return !before && in_chip(LAPIC_IRR, i->lvt[LVT_TIMER] & LVT_VECTOR);
}

static void stop_deadline(struct lapic_part *p, struct lapic_image *i)
{
	bool before = in_chip(LAPIC_IRR, i->lvt[LVT_TIMER] & LVT_VECTOR);
	uint64_t deadline = rdmsr(MSR_TSC_DEADLINE);

	if (!deadline)
		return;
	wrmsr(MSR_TSC_DEADLINE, 0);
	i->deadline = came(i, before) ? 0 : deadline + vcpu_ops->get_tsc_offset(p->c->v);
}

/* An expiry between the two accesses shows in IRR; on silicon some cycles late, and then the timer expires twice. */
static void stop_count(struct lapic_part *p, struct lapic_image *i)
{
	bool before = in_chip(LAPIC_IRR, i->lvt[LVT_TIMER] & LVT_VECTOR), periodic = timer_mode(i) == TIMER_PERIODIC;
	uint32_t initial = lapic_read(LAPIC_TIMER_INIT), count = lapic_read(LAPIC_TIMER_COUNT);

	/* The guest has not set the timer since the last load. */
	i->initial = p->written && initial == p->written ? p->initial : initial;
	if (!initial || (!count && !periodic))
		return;
	put(LAPIC_TIMER_INIT, 0);
	if (came(i, before))
		count = 0;
	if (!count && periodic)
		count = i->initial;
	if (count)
		i->left = count + counts(i, state_age());
}

static void stop(struct cpu *c, void *ctx)
{
	struct lapic_part *p = ctx;
	struct lapic_image *i = &p->image;

	read_registers(c, i);
	i->rate = rate;
	p->watch = false;
	if (i->mode == LAPIC_IMAGE_OFF) {
		*i = (struct lapic_image){ .mode = LAPIC_IMAGE_OFF, .last_lvt = i->last_lvt };
		return;
	}
	if (timer_mode(i) == TIMER_DEADLINE)
		stop_deadline(p, i);
	else
		stop_count(p, i);
	read_set(LAPIC_IRR, i->irr);
}

/* Return the count to write. */
static uint32_t rest_of(const struct lapic_image *i)
{
	uint64_t gone = counts(i, state_age()), left = i->left > gone ? i->left - gone : 1;
	uint64_t least = counts(i, time_cycles(REST_US));

	if (timer_mode(i) == TIMER_PERIODIC)
		left = MAX(left, MIN(least, (uint64_t)i->initial));
	return (uint32_t)MIN(left, 0xffffffffull);
}

static void start(struct cpu *c, void *ctx)
{
	struct lapic_part *p = ctx;
	const struct lapic_image *i = &p->image;

	if (i->deadline) {
		/* The entry's mode has to be there first, and a WRMSR overtakes a store to the page (SDM vol. 3, 11.5.4.1). */
		__asm__ volatile("mfence" : : : "memory");
		wrmsr(MSR_TSC_DEADLINE, i->deadline - vcpu_ops->get_tsc_offset(c->v));
	}
	/* A write would start the timer: one that has expired keeps what the register has. */
	p->written = i->initial ? lapic_read(LAPIC_TIMER_INIT) : 0;
	p->initial = i->initial;
	if (!i->left)
		return;
	p->written = rest_of(i);
	p->seen = ~0u;
	p->watch = timer_mode(i) == TIMER_PERIODIC && p->written != p->initial;
	p->due = rdtsc() + cycles(i, p->written) + time_cycles(1);
	put(LAPIC_TIMER_INIT, p->written);
}

/* True if the rest of the period has passed: the count has begun anew, or time tells so. */
static bool has_expired(struct lapic_part *p)
{
	uint32_t count = lapic_read(LAPIC_TIMER_COUNT), seen = p->seen;

	p->seen = count;
	return count > seen || (int64_t)(rdtsc() - p->due) > 0;
}

bool lapic_state_waits(const struct cpu *c)
{
	struct lapic_part *p = parts[c->index];

	if (!p || !p->watch)
		return false;
	/* The guest has set the timer itself. */
	if (c->apic_off || lapic_read(LAPIC_TIMER_INIT) != p->written ||
	    FIELD_GET(LVT_TIMER_MODE, lapic_read(LAPIC_LVT_TIMER)) != TIMER_PERIODIC) {
		p->watch = false;
	} else if (has_expired(p)) {
		put(LAPIC_TIMER_INIT, p->initial);
		p->watch = false;
		p->written = 0;
	}
	return p->watch;
}

void lapic_state_nmis(struct cpu *c)
{
	if (parts[c->index])
		parts[c->index]->nmis = true;
}

/*
 * Veneer's handler has taken an NMI while interrupts or GIF were open, and the entry does not exit for it (SVM): a poke, whose
 * flag would stay set, a doorbell, or the guest's.  Or a load has changed the mode, by which NMIs are lost.  Not during the
 * load: a doorbell on a pin waits for the device's owner, whom the gatherer holds.
 */
void lapic_state_settle(struct cpu *c)
{
	struct lapic_part *p = parts[c->index];

	if (!p || !(p->nmis | p->lost))
		return;
	if (p->nmis)
		smp_nmi(c);
	if (p->lost)
		smp_nmis_lost(c);
	p->nmis = p->lost = false;
}

/* --- interrupts in service, and those that wait --- */

static void send(unsigned vector)
{
	lapic_send_self(FIELD_PREP(ICR_SHORTHAND, ICR_SELF) | ICR_ASSERT | vector);
	(void)wait_until(in_chip(LAPIC_IRR, vector), SENT_US);
}

static bool any(const uint32_t set[8])
{
	return !all_zero(set, 8 * sizeof(set[0]));
}

static void end_all(void)
{
	uint32_t isr[8];

	/* One for each class of priority at most; a second look costs nothing. */
	for (unsigned n = 0; n < 2 * 16; n++) {
		read_set(LAPIC_ISR, isr);
		if (!any(isr))
			return;
		lapic_write(LAPIC_EOI, 0);
	}
}

/* Note in @edges a vector that was taken and is to be sent again; a line sends its own again, once ended. */
static void note(uint32_t edges[8], unsigned vector)
{
	if (!in_chip(LAPIC_TMR, vector))
		edges[vector / 32] |= BIT(vector % 32);
}

/* Take all that wait, and end them.  A line that is asserted comes again and again: not more than once each. */
static void take_all(uint32_t edges[8])
{
	uint32_t irr[8], taken[8] = { 0 };
	int v;

	for (unsigned n = 0; n < 256; n++) {
		read_set(LAPIC_IRR, irr);
		v = any(irr) ? vcpu_ops->acknowledge_interrupt() : -1;
		if (v < 0)
			return;
		note(edges, (unsigned)v);
		lapic_write(LAPIC_EOI, 0);
		if (bit(taken, (unsigned)v))
			return;
		taken[v / 32] |= BIT(v % 32);
	}
}

/* Have @vector in service, above those that are; what comes in between is ended, and noted. */
static void serve(unsigned vector, uint32_t edges[8])
{
	for (unsigned n = 0; n < TRIES; n++) {
		if (!in_chip(LAPIC_IRR, vector))
			send(vector);
		int v = vcpu_ops->acknowledge_interrupt();

		if (v == (int)vector)
			return;
		if (v < 0)
			continue;
		note(edges, (unsigned)v);
		lapic_write(LAPIC_EOI, 0);
	}
	log_err("lapic: vector %#x cannot be brought in service: IRR %#x", vector,
		lapic_read(LAPIC_IRR + vector / 32 * LAPIC_STRIDE));
}

/* All that is in service and waits in @in; and what has come since the rest.  Nothing is masked, and the APIC is on. */
static void set_interrupts(const struct lapic_image *was, const struct lapic_image *in)
{
	uint32_t edges[8] = { 0 };

	end_all();
	take_all(edges);
	for (unsigned v = FIRST_VECTOR; v < 256; v++)
		if (bit(in->isr, v))
			serve(v, edges);
	for (unsigned v = FIRST_VECTOR; v < 256; v++) {
		bool new = bit(edges, v) && !bit(was->irr, v);

		/* An edge on a line's vector would clear its mark in TMR, and the line's end would be lost. */
		if ((new || bit(in->irr, v)) && !in_chip(LAPIC_IRR, v))
			send(v);
	}
}

/* --- load --- */

/* From x2APIC to xAPIC mode, and back, by the ways that a guest has. */
static void set_mode(struct cpu *c, uint32_t mode)
{
	uint64_t base = rdmsr(MSR_APIC_BASE) & ~(APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	bool *lost = &parts[c->index]->lost;

	if (mode_now(c) == mode)
		return;
	if (mode == LAPIC_IMAGE_OFF || mode_now(c) == LAPIC_IMAGE_X2APIC)
		(void)lapic_switch(base, lost);
	if (mode != LAPIC_IMAGE_OFF)
		(void)lapic_switch(base | APIC_BASE_ENABLE, lost);
	if (mode == LAPIC_IMAGE_X2APIC)
		(void)lapic_switch(base | APIC_BASE_ENABLE | APIC_BASE_X2APIC, lost);
}

static void set_entries(const struct lapic_image *now, const struct lapic_image *in)
{
	if (now->divide != in->divide)
		put(LAPIC_TIMER_DIV, in->divide);
	for (unsigned i = 0; i < LAPIC_LVTS; i++) {
		/* What the writes so far did wrong is nobody's business. */
		if (lvts[i].off == LAPIC_LVT_ERROR)
			put(LAPIC_ESR, 0);
		if (now->last_lvt >= lvts[i].last && (lapic_read(lvts[i].off) & lvts[i].known) != in->lvt[i])
			put(lvts[i].off, in->lvt[i]);
	}
}

static void set_destination(struct cpu *c, const struct lapic_image *now, const struct lapic_image *in)
{
	if (now->dfr != in->dfr)
		put(LAPIC_DFR, in->dfr);
	if (now->ldr != in->ldr)
		put(LAPIC_LDR, in->ldr);
	if (now->icr_high != in->icr_high)
		put(LAPIC_ICR_HIGH, in->icr_high);
	__atomic_store_n(&c->dfr, lapic_dfr(), __ATOMIC_RELAXED);
	__atomic_store_n(&c->ldr, lapic_ldr(), __ATOMIC_RELAXED);
}

/* Nothing of time: start() does that.  What has not changed is not written: the state may be this machine's. */
static void apply(struct cpu *c, struct lapic_part *p, const struct lapic_image *in)
{
	struct lapic_image now = { 0 };
	uint32_t irr[8], differ = 0;
	uint64_t nmis = c->nmi_count;

	set_mode(c, in->mode);
	if (in->mode == LAPIC_IMAGE_OFF)
		return;
	read_registers(c, &now);
	read_set(LAPIC_IRR, irr);
	for (unsigned i = 0; i < 8; i++)
		differ |= (now.isr[i] ^ in->isr[i]) | (in->irr[i] & ~irr[i]) | (irr[i] & p->image.irr[i] & ~in->irr[i]);
	/* While it is off, all entries are masked, and stay so; emulators leave those as they are that were open before. */
	if (now.svr != in->svr || differ || memcmp(now.lvt, in->lvt, sizeof(now.lvt)))
		put(LAPIC_SVR, in->svr | SVR_ENABLE);
	if (differ) {
		/*
		 * But the timer, which stands still, or has expired: in some emulators its interrupt comes a little later than
		 * its count says, and a write of its entry takes the interrupt away.
		 */
		for (unsigned i = 0; i < LAPIC_LVTS; i++)
			if (i != LVT_TIMER && now.last_lvt >= lvts[i].last)
				put(lvts[i].off, lapic_read(lvts[i].off) | LVT_MASKED);
		put(LAPIC_TPR, 0);
		set_interrupts(&p->image, in);
		p->nmis |= c->nmi_count != nmis && vcpu_ops->clock_is_intr;
	}
	set_entries(&now, in);
	if (in->mode == LAPIC_IMAGE_XAPIC)
		set_destination(c, &now, in);
	put(LAPIC_TPR, in->tpr);
	if (lapic_read(LAPIC_SVR) != in->svr)
		put(LAPIC_SVR, in->svr);
}

static void take_image(struct cpu *c, void *ctx)
{
	struct lapic_part *p = parts[c->index];
	const struct lapic_image *in = ctx;

	if (in->mode == LAPIC_IMAGE_RESET) {
		uint64_t nmis = c->nmi_count;

		set_mode(c, LAPIC_IMAGE_XAPIC);
		lapic_reset();
		p->nmis |= c->nmi_count != nmis && vcpu_ops->clock_is_intr;
	} else {
		apply(c, p, in);
	}
	p->image = *in;
}

/* For the test: only what loses no interrupt.  Logical ids stay. */
static void forget(struct cpu *c, void *ctx)
{
	struct lapic_part *p = ctx;
	struct lapic_image junk = p->image;

	if (junk.mode < LAPIC_IMAGE_XAPIC)
		return;
	memset(junk.isr, 0, sizeof(junk.isr) + sizeof(junk.irr));
	junk.svr = SVR_ENABLE | 0x5f;
	junk.tpr = 0x5a;
	/* See apply(). */
	if (junk.left || junk.deadline) {
		junk.divide ^= 1;
		junk.lvt[LVT_TIMER] = LVT_MASKED | 0x5a;
	}
	apply(c, p, &junk);
}

/* --- the part --- */

static void part_rest(void *ctx, uint32_t us)
{
	struct lapic_part *p = ctx;

	(void)us;
	p->image = (struct lapic_image){ .mode = LAPIC_IMAGE_RESET };
	p->there = state_has(p->c);
	if (p->there)
		state_on(p->c, stop, p);
}

static void part_go_on(void *ctx)
{
	struct lapic_part *p = ctx;

	if (p->there && p->image.mode >= LAPIC_IMAGE_XAPIC)
		state_on(p->c, start, p);
}

/* Registers and ISR anew, so that a test sees what a load has set. */
static void capture(struct cpu *c, void *ctx)
{
	struct lapic_image *out = ctx;
	uint32_t irr[8];

	memset(out->isr, 0, sizeof(out->isr));
	read_registers(c, out);
	read_set(LAPIC_IRR, irr);
	for (unsigned i = 0; i < 8; i++)
		out->irr[i] &= irr[i];
}

static void part_save(void *ctx, void *to)
{
	const struct lapic_part *p = ctx;
	struct lapic_image *out = to;

	*out = p->image;
	if (p->there && out->mode >= LAPIC_IMAGE_XAPIC)
		state_on(p->c, capture, out);
}

static const char *vectors_bad(const struct lapic_image *in)
{
	for (unsigned class = 0; class < 16; class++) {
		uint32_t isr = in->isr[class / 2] >> (class % 2 * 16) & 0xffff;
		uint32_t irr = in->irr[class / 2] >> (class % 2 * 16) & 0xffff;

		/* One in service keeps the others of its class waiting. */
		if ((isr & (isr - 1)) || (!class && (isr | irr)))
			return "impossible interrupts";
	}
	return NULL;
}

static const char *time_bad(const struct lapic_image *in)
{
	uint32_t mode = timer_mode(in), apart = in->rate > rate ? in->rate - rate : rate - in->rate;

	/* The guest has measured it. */
	if (apart > rate / 200)
		return "a timer of another rate";
	if (mode > TIMER_DEADLINE || (mode == TIMER_DEADLINE && !features.deadline))
		return "a mode that this timer does not have";
	if (mode == TIMER_DEADLINE ? in->left : in->deadline)
		return "an impossible timer";
	if (in->left > LEFT_MAX || (in->left && !in->initial) || (mode == TIMER_PERIODIC && in->initial && !in->left))
		return "an impossible timer";
	return NULL;
}

static const char *entries_bad(const struct lapic_image *in)
{
	for (unsigned i = 0; i < LAPIC_LVTS; i++)
		if ((in->lvt[i] & ~lvts[i].known) || (in->lvt[i] && in->last_lvt < lvts[i].last))
			return "an impossible entry";
	return NULL;
}

static const char *registers_bad(const struct lapic_image *in)
{
	bool x2 = in->mode == LAPIC_IMAGE_X2APIC;

	if ((in->svr & ~(SVR_KNOWN | SVR_NO_EOI)) || in->tpr > 0xff || (in->divide & ~DIVIDE_KNOWN) || in->zero)
		return "an impossible register";
	if (x2 ? in->ldr || in->dfr || in->icr_high :
	    ((in->ldr | in->icr_high) & ~DESTINATION) || (in->dfr | 0xf0000000) != ~0u)
		return "an impossible destination";
	return entries_bad(in) ?: vectors_bad(in) ?: time_bad(in);
}

static bool has_mode(uint32_t mode)
{
	if (mode == LAPIC_IMAGE_X2APIC)
		return features.x2apic;
	for (unsigned i = 0; i < ncpus; i++)
		if (cpus[i]->apic_id >= 255)
			return false;
	return mode <= LAPIC_IMAGE_XAPIC;
}

static const char *part_bad(void *ctx, const void *from)
{
	const struct lapic_part *p = ctx;
	const struct lapic_image *in = from;
	size_t after = offsetof(struct lapic_image, svr);

	if (in->mode == LAPIC_IMAGE_RESET)
		return !p->c->index || !all_zero(in, sizeof(*in)) ? "an impossible mode" : NULL;
	if (!state_has(p->c))
		return "a processor that waits for a SIPI by itself here";
	if (!has_mode(in->mode))
		return "a mode that this machine does not have";
	if (in->last_lvt != last)
		return "a local APIC with other entries";
	if (in->mode == LAPIC_IMAGE_OFF)
		return all_zero((const uint8_t *)in + after, sizeof(*in) - after) ? NULL : "bytes that are not in use";
	return registers_bad(in);
}

static void part_load(void *ctx, const void *from)
{
	struct lapic_part *p = ctx;

	if (p->there)
		state_on(p->c, take_image, (void *)(uintptr_t)from);
}

static void part_scribble(void *ctx)
{
	struct lapic_part *p = ctx;

	if (p->there)
		state_on(p->c, forget, p);
}

static const struct state_ops ops = {
	.rest = part_rest, .save = part_save, .bad = part_bad, .load = part_load, .go_on = part_go_on,
	.scribble = IS_ENABLED(CONFIG_STATE_TEST) ? part_scribble : NULL,
};

/* --- the start --- */

/* The timer's count and the TSC at one moment: the narrowest of some looks, for an SMI or an emulator may come between. */
static uint32_t look(uint64_t *tsc)
{
	uint64_t narrowest = ~0ull;
	uint32_t count = 0;

	for (unsigned n = 0; n < 5; n++) {
		uint64_t t = rdtsc();
		uint32_t c = lapic_read(LAPIC_TIMER_COUNT);
		uint64_t took = rdtsc() - t;

		if (took >= narrowest)
			continue;
		narrowest = took;
		count = c;
		*tsc = t + took / 2;
	}
	return count;
}

/* If firmware's own use counts, it goes on with a new period; a timer that has expired stays so. */
static uint32_t measure(void)
{
	uint32_t lvt = lapic_read(LAPIC_LVT_TIMER), divide = lapic_read(LAPIC_TIMER_DIV);
	bool counts = lapic_read(LAPIC_TIMER_COUNT) || FIELD_GET(LVT_TIMER_MODE, lvt) == TIMER_PERIODIC;
	uint32_t initial = counts ? lapic_read(LAPIC_TIMER_INIT) : 0;
	uint64_t deadline = features.deadline ? rdmsr(MSR_TSC_DEADLINE) : 0, from, to;
	uint32_t before, after;

	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | (lvt & LVT_VECTOR));
	lapic_write(LAPIC_TIMER_DIV, DIVIDE_BY_1);
	lapic_write(LAPIC_TIMER_INIT, ~0u);
	before = look(&from);
	delay_us(MEASURE_US);
	after = look(&to);
	lapic_write(LAPIC_TIMER_INIT, 0);
	lapic_write(LAPIC_TIMER_DIV, divide);
	lapic_write(LAPIC_LVT_TIMER, lvt);
	lapic_write(LAPIC_TIMER_INIT, initial);
	if (deadline) {
		__asm__ volatile("mfence" : : : "memory");
		wrmsr(MSR_TSC_DEADLINE, deadline);
	}
	return (uint32_t)scale(before - after, RATE_CYCLES, MAX(to - from, 1ull));
}

static int keep(struct cpu *c, void (*add)(struct state_part *part))
{
	struct lapic_part *p = mem_alloc(sizeof(*p), 16);

	if (!p)
		return -ERR_NOMEM;
	memset(p, 0, sizeof(*p));
	p->c = c;
	fmt_string(p->name, sizeof(p->name), "lapic%u", c->index);
	p->part = (struct state_part){
		.name = p->name, .version = LAPIC_IMAGE_VERSION, .size = sizeof(struct lapic_image), .ops = &ops, .ctx = p,
	};
	parts[c->index] = p;
	add(&p->part);
	return 0;
}

int lapics_keep(void (*add)(struct state_part *part))
{
	int err = 0;

	rate = MAX(measure(), 1u);
	last = last_lvt();
	log_info("lapic: timer: %u counts in %lu cycles of the TSC", rate, RATE_CYCLES);
	for (unsigned i = 0; !err && i < ncpus; i++)
		if (cpus[i]->state != CPU_ABSENT)
			err = keep(cpus[i], add);
	return err;
}
