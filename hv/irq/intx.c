/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INTx lines: which exist, which devices drive them, and how they reach the guest (docs/boot-flow.md, "Interrupts to the
 * guest").  The experiments that find a device's line are in intx_learn.c, the controllers in ioapic.c and pic.c.
 *
 * At the EOI of a level-triggered interrupt the local APIC sends a message to the I/O APIC.  The interrupts that Veneer raises
 * by the ICR are edge-triggered: their EOI sends nothing.  So each exit checks every asserted line, and raises its interrupt
 * again if that is neither pending nor in service.  A new cause while the handler runs is raised at once: the local APIC keeps
 * it pending until the EOI.  If the handler has already served it, the second interrupt finds nothing to do.
 *
 * Several processors: the owner of a controller changes its sources and touches only what is marked "shared".  All else, and
 * the interrupt controllers, need trap_serial.
 */
#include <veneer/clock.h>
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/intx.h>
#include <veneer/lock.h>
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/msi.h>
#include <veneer/time.h>
#include <veneer/trap.h>
#include "hv/cpu/cpus.h"
#include "hv/irq/doorbell.h"
#include "hv/irq/intx.h"
#include "hv/irq/ioapic.h"
#include "hv/cpu/lapic.h"
#include "hv/irq/pic.h"
#include "hv/irq/pirq.h"

#define MAX_LINES	32u
#define MAX_PLACES	128u
#define MAX_DEPTH	255u		/* bridges; each has its own bus number */
#define STUCK_US	10000u

/* An input of an I/O APIC that a line drives. */
struct path {
	int gsi;		/* -1: none */
	bool fresh;		/* shared: a cause arose after the last interrupt was raised */
	uint64_t stuck_since;	/* since when the chip awaits an EOI that cannot come; 0: it does not */
};

struct intx_line {
	int pirq, irq;
	int real_irq;		/* the chipset's route, if the guest's is -1; for borrowed lines */
	struct path path[2];	/* the input with the irq's number, and one with another number */
	unsigned high, able;	/* shared: sources */
	bool borrowed;		/* a device of ours interrupts by this line */
	bool foreign;		/* a device of the guest's asserts this line, which only Veneer can see */
};

struct place { uint16_t bdf; uint8_t pin; struct intx_line *line; };

static struct {
	struct intx_line line[MAX_LINES];
	unsigned nlines;
	struct place place[MAX_PLACES];	/* slots of root buses; function 0 */
	unsigned nplaces;
	unsigned pirqs;
	bool attention;			/* shared: a line is asserted, or has to be checked again */
	bool started, clock_held, pic_poked;
	uint64_t cnt_raised, cnt_again, cnt_foreign, cnt_rerouted, cnt_unstuck;
} intx;

/* --- the lines that exist --- */

static void set_irq(struct intx_line *l, int irq)
{
	l->irq = irq;
	l->path[0].gsi = irq;
	if (l->path[1].gsi == irq)
		l->path[1].gsi = -1;
}

static struct intx_line *line_by(const struct intx_route *r)
{
	for (struct intx_line *l = intx.line; l < intx.line + intx.nlines; l++)
		if (r->pirq >= 0 ? l->pirq == r->pirq : l->pirq < 0 && l->irq == r->irq && l->path[1].gsi == r->gsi)
			return l;
	return NULL;
}

static struct intx_line *line_new(const struct intx_route *r)
{
	struct intx_line *l = line_by(r);

	if (!l) {
		if (intx.nlines == MAX_LINES) {
			limit_reached("interrupt lines", MAX_LINES);
			return NULL;
		}
		l = &intx.line[intx.nlines++];
		*l = (struct intx_line){ .pirq = r->pirq, .irq = -1, .real_irq = -1, .path = { { -1 }, { -1 } } };
	}
	if (r->gsi >= 0 && r->gsi != r->irq)
		l->path[1].gsi = r->gsi;
	set_irq(l, r->irq);
	return l;
}

static const struct pci_dev *bridge_above(uint16_t bdf)
{
	const struct pci_dev *d, *up;
	uint16_t parent = 0xffff;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		if (PCI_BUS(d->bdf) == PCI_BUS(bdf))
			parent = d->parent;
	for (unsigned i = 0; parent != 0xffff && (up = pci_get(i)); i++)
		if (up->bdf == parent)
			return up;
	return NULL;
}

/* The root bus pin to which bridges route a pin behind them (PCI-to-PCI Bridge 1.2, 9.1). */
static struct place root_place(uint16_t bdf, unsigned pin)
{
	const struct pci_dev *up;

	for (unsigned n = 0; n < MAX_DEPTH && (up = bridge_above(bdf)); n++) {
		pin = (pin - 1 + PCI_SLOT(bdf)) % 4 + 1;
		bdf = up->bdf;
	}
	return (struct place){ .bdf = bdf & 0xfff8, .pin = (uint8_t)pin };
}

static struct intx_line *line_known(const struct place *p)
{
	for (unsigned i = 0; i < intx.nplaces; i++)
		if (intx.place[i].bdf == p->bdf && intx.place[i].pin == p->pin)
			return intx.place[i].line;
	return NULL;
}

static void line_remember(struct place p, struct intx_line *l)
{
	if (line_known(&p))
		return;
	if (intx.nplaces == MAX_PLACES) {
		limit_reached("places on interrupt lines", MAX_PLACES);
		return;
	}
	p.line = l;
	intx.place[intx.nplaces++] = p;
}

/*
 * Boards rotate the pins by one from slot to slot, over one group of four lines.  The chipset's own devices, from slot 25 on in
 * ICH, have individual routes: they say nothing about the rotation.
 */
static int guess_pirq(const struct place *p)
{
	for (unsigned i = 0; i < intx.nplaces; i++) {
		const struct place *q = &intx.place[i];
		unsigned turn = PCI_SLOT(p->bdf) + p->pin + 64 - PCI_SLOT(q->bdf) - q->pin;

		if (q->line->pirq < 0 || PCI_SLOT(q->bdf) >= 25)
			continue;
		return (int)(((unsigned)q->line->pirq & ~3u) | (((unsigned)q->line->pirq + turn) & 3));
	}
	if (!intx.pirqs)
		return -1;
	/* The rotation of QEMU's boards and of their chipsets' manuals: slot 1 of PIIX at PIRQA, slot 0 of ICH at PIRQE. */
	return intx.pirqs == 4 ? (PCI_SLOT(p->bdf) + p->pin + 2) & 3 : 4 + ((PCI_SLOT(p->bdf) + p->pin - 1) & 3);
}

/* On ICH and its successors PIRQA to PIRQH are inputs 16 to 23; what other lines have shown takes precedence. */
static int guess_gsi(int pirq)
{
	for (const struct intx_line *l = intx.line; l < intx.line + intx.nlines; l++)
		if (l->pirq >= 0 && l->path[1].gsi >= 0)
			return l->path[1].gsi - l->pirq + pirq;
	return intx.pirqs == 8 && ioapic_has(16u + (unsigned)pirq) ? 16 + pirq : -1;
}

/* No device asserted this pin at the start: use the chipset's rule, else the line that firmware wrote into the function. */
static struct intx_line *derive(const struct place *p, uint16_t bdf)
{
	struct intx_route r = { guess_pirq(p), -1, -1 };
	const struct pci_dev *d;

	if (r.pirq >= 0) {
		r.irq = pirq_irq((unsigned)r.pirq);
		r.gsi = guess_gsi(r.pirq);
	}
	for (unsigned i = 0; r.irq < 0 && r.gsi < 0 && (d = pci_get(i)); i++)
		if ((d->bdf & 0xfff8) == (bdf & 0xfff8) && d->int_pin && d->int_line > 2 && d->int_line < 16)
			r.irq = d->int_line;
	log_info("pci " PCI_FMT ": INT%c: 8259 line %d, I/O APIC input %d (derived)", PCI_ARGS(bdf), 'A' + p->pin - 1, r.irq,
		 r.gsi >= 0 ? r.gsi : r.irq);
	return line_new(&r);
}

/* --- learning --- */

static struct intx_line *learn(struct hw_dev *dev)
{
	struct place p = root_place(dev->pci->bdf, dev->pci->int_pin);
	struct intx_line *l = line_known(&p);
	struct intx_route r;

	if (l)
		return l;
	bool found = intx_experiment(dev, &r);

	/* The inputs of other devices were masked meanwhile: poll these. */
	doorbell_look();
	if (!found) {
		log_warn("%s: INT%c was asserted and seen nowhere", dev->name, 'A' + dev->pci->int_pin - 1);
		return NULL;
	}
	if (r.pirq >= 0 && r.gsi < 0)
		r.gsi = guess_gsi(r.pirq);
	l = line_new(&r);
	if (!l)
		return NULL;
	line_remember(p, l);
	log_info("%s: INT%c: 8259 line %d, I/O APIC input %d, chipset line %d", dev->name, 'A' + dev->pci->int_pin - 1, r.irq,
		 r.gsi >= 0 ? r.gsi : r.irq, r.pirq);
	return l;
}

static bool can_assert(const struct hw_dev *dev)
{
	return dev->ops->intx_test && dev->pci->int_pin >= 1 && dev->pci->int_pin <= 4 && (dev->nic || dev->ndisk);
}

void intx_learn(struct hw_dev *dev)
{
	if (can_assert(dev))
		(void)learn(dev);
}

/* Take the line's inputs for Veneer: the guest's entries become virtual, and the 8259 keeps the line masked. */
static int take_inputs(struct intx_line *l)
{
	int ring = l->path[1].gsi >= 0 ? l->path[1].gsi : l->real_irq, err;

	if (l->real_irq >= 0) {
		pic_keep_masked((unsigned)l->real_irq, true);
		if (l->real_irq != ring)
			(void)ioapic_take((unsigned)l->real_irq, false);
	}
	err = ioapic_take((unsigned)ring, true);
	return err ? err : ring;
}

int intx_borrow(struct hw_dev *dev)
{
	struct intx_line *l = can_assert(dev) ? learn(dev) : NULL;

	if (!l)
		return -ERR_NODEV;
	pirq_keep(l->pirq);
	l->borrowed = true;
	l->real_irq = l->irq;
	return take_inputs(l);
}

static bool borrowed_irq(int irq)
{
	for (const struct intx_line *l = intx.line; l < intx.line + intx.nlines; l++)
		if (l->borrowed && l->real_irq == irq)
			return true;
	return false;
}

/* The guest has routed a line that is a doorbell: move the doorbell to the new input. */
static bool move_inputs(struct intx_line *l)
{
	int was = l->real_irq;

	l->real_irq = l->pirq >= 0 ? pirq_real_irq((unsigned)l->pirq) : was;
	if (l->real_irq == was)
		return false;
	if (was >= 0 && !borrowed_irq(was)) {
		ioapic_release((unsigned)was);
		pic_keep_masked((unsigned)was, false);
	}
	if (take_inputs(l) < 0)
		log_err("intx: line %d cannot move from input %d to %d: its devices ring no more", l->pirq, was, l->real_irq);
	return true;
}

/* --- sources --- */

static bool is_high(const struct intx_line *l)
{
	return __atomic_load_n(&l->high, __ATOMIC_SEQ_CST) || l->foreign;
}

/* The 8259 inputs of all asserted lines, by the present routing. */
static void update_pic(void)
{
	uint16_t set = 0;

	for (const struct intx_line *l = intx.line; l < intx.line + intx.nlines; l++)
		if (l->irq >= 0 && is_high(l))
			set |= (uint16_t)BIT(l->irq);
	pic_set_lines(set);
}

/* Trap the interrupt controllers only while the guest's accesses to them matter. */
static void update_watch(void)
{
	bool wanted = false;

	if (!intx.started)
		return;
	for (const struct intx_line *l = intx.line; l < intx.line + intx.nlines; l++)
		wanted |= __atomic_load_n(&l->able, __ATOMIC_SEQ_CST) || l->borrowed;
	pic_watch(wanted);
	ioapic_watch(wanted);
}

static void set_fresh(struct path *p, bool fresh)
{
	__atomic_store_n(&p->fresh, fresh, __ATOMIC_SEQ_CST);
}

static bool is_fresh(const struct path *p)
{
	return __atomic_load_n(&p->fresh, __ATOMIC_SEQ_CST);
}

static void want_attention(void)
{
	__atomic_store_n(&intx.attention, true, __ATOMIC_SEQ_CST);
}

static void rise(struct intx_line *l)
{
	set_fresh(&l->path[0], true);
	set_fresh(&l->path[1], true);
	want_attention();
}

int intx_attach(struct intx_source *src, uint16_t bdf, unsigned pin)
{
	struct place p = root_place(bdf, pin);
	struct intx_line *l = line_known(&p);

	if (!l) {
		l = derive(&p, bdf);
		if (!l) {
			log_err("pci " PCI_FMT ": more than %u interrupt lines", PCI_ARGS(bdf), MAX_LINES);
			return -ERR_NOMEM;
		}
		line_remember(p, l);
	}
	*src = (struct intx_source){ .line = l, .state = INTX_LOW };
	l->able++;
	return 0;
}

uint8_t intx_line_register(const struct intx_source *src)
{
	const struct intx_line *l = src->line;

	return (uint8_t)(l->irq >= 0 ? l->irq : l->path[1].gsi >= 0 ? l->path[1].gsi : 0xff);
}

void intx_set(struct intx_source *src, enum intx_state state)
{
	struct intx_line *l = src->line;
	int high = (state == INTX_HIGH) - (src->state == INTX_HIGH), able = (state != INTX_OFF) - (src->state != INTX_OFF);

	src->state = state;
	__atomic_fetch_add(&l->high, (unsigned)high, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&l->able, (unsigned)able, __ATOMIC_SEQ_CST);
	if (high > 0)
		rise(l);
	else if (high || able)
		want_attention();
}

void intx_rerouted(void)
{
	bool moved = false;

	intx.cnt_rerouted++;
	for (struct intx_line *l = intx.line; l < intx.line + intx.nlines; l++) {
		int irq = l->pirq >= 0 ? pirq_irq((unsigned)l->pirq) : l->irq;

		if (l->borrowed)
			moved |= move_inputs(l);
		if (irq == l->irq)
			continue;
		set_irq(l, irq);
		want_attention();
		if (is_high(l))
			rise(l);
	}
	if (moved)
		doorbell_look();
}

/* --- devices of the guest's that share a line with one of ours --- */

/* True if a device of the guest's asserts the line: ours have no work left. */
static bool asserted(const struct intx_line *l)
{
	return l->borrowed && l->real_irq >= 0 && (pic_requests() & BIT(l->real_irq));
}

bool intx_look_foreign(void)
{
	bool any = false;

	lock_acquire(&trap_serial);
	for (struct intx_line *l = intx.line; l < intx.line + intx.nlines; l++) {
		bool now = asserted(l);

		if (now && !l->foreign) {
			intx.cnt_foreign++;
			rise(l);
		}
		l->foreign = now;
		any |= now;
	}
	lock_release(&trap_serial);
	return any;
}

/* --- delivery by the I/O APIC --- */

static uint32_t entry_msi_address(const struct ioapic_entry *e)
{
	return 0xfee00000u | FIELD_GET(RTE_DEST, e->high) << 12 | (e->low & RTE_LOGICAL ? BIT(2) : 0);
}

static void line_send(struct path *p, const struct ioapic_entry *e)
{
	if (is_fresh(p))
		intx.cnt_raised++;
	else
		intx.cnt_again++;
	set_fresh(p, false);
	p->stuck_since = 0;
	ioapic_sent((unsigned)p->gsi, ncpus == 1 ? this_cpu() : smp_find_target(entry_msi_address(e)));
	irq_send_msi(entry_msi_address(e), e->low & (RTE_VECTOR | RTE_MODE));
}

/*
 * Another processor's local APIC cannot be read: only a new cause is raised there.  If an interrupt is lost, that processor's
 * own exits find the line still asserted.
 */
static bool is_here(const struct ioapic_entry *e)
{
	return ncpus == 1 || smp_find_target(entry_msi_address(e)) == this_cpu();
}

/*
 * A real entry has Remote IRR set: a device of the guest's has interrupted on this line.  An edge on the same vector would now
 * clear the bit in the local APIC's TMR, and the I/O APIC would never get the EOI.  That has happened if the local APIC has no
 * such interrupt in service for long.
 */
static void wait_for_end(struct path *p)
{
	uint64_t now = time_us();

	if (!p->stuck_since) {
		p->stuck_since = now;
	} else if (now - p->stuck_since > STUCK_US) {
		intx.cnt_unstuck++;
		p->stuck_since = 0;
		ioapic_end((unsigned)p->gsi);
	}
}

/* Deliver an asserted line.  True if the input has to be checked again at the next exit. */
static bool raise(struct path *p)
{
	struct ioapic_entry e;

	if (p->gsi < 0 || !ioapic_entry((unsigned)p->gsi, &e))
		return false;
	if (e.low & RTE_MASKED) {
		/* Unmasking counts as a new cause. */
		set_fresh(p, true);
		return false;
	}
	if (FIELD_GET(RTE_MODE, e.low) > RTE_MODE_LOWEST)
		return false;
	bool here = is_here(&e), ending = e.real && (e.low & RTE_LEVEL) && (e.low & RTE_REMOTE_IRR);
	enum vector_state state = here ? lapic_vector(FIELD_GET(RTE_VECTOR, e.low)) : ending ? VECTOR_IN_SERVICE_LEVEL :
				  VECTOR_IN_SERVICE;

	if (state == VECTOR_IDLE && ending) {
		wait_for_end(p);
		return true;
	}
	p->stuck_since = 0;
	if (state == VECTOR_WAITING)
		set_fresh(p, false);
	else if (state == VECTOR_IN_SERVICE_LEVEL)
		return is_fresh(p);
	else if (state == VECTOR_IDLE || is_fresh(p))
		line_send(p, &e);
	return false;
}

static void line_hold_clock(bool on)
{
	if (on == intx.clock_held)
		return;
	intx.clock_held = on;
	if (on)
		clock_hold();
	else
		clock_release();
}

/* Deliver all asserted lines.  True while one is asserted. */
static bool check_lines(void)
{
	bool later = false, high = false;

	for (struct intx_line *l = intx.line; l < intx.line + intx.nlines; l++) {
		l->foreign = l->foreign && asserted(l);
		if (!is_high(l))
			continue;
		high = true;
		/* Only a further check shows that a device of the guest's has deasserted the line. */
		bool first = raise(&l->path[0]), second = raise(&l->path[1]);

		later = later || first || second || l->foreign;
	}
	line_hold_clock(later);
	return high;
}

/* True if this processor gets the 8259s' interrupts: by LINT0, or by an I/O APIC entry in ExtINT mode. */
static bool takes_pic(void)
{
	return lapic_takes_pic() || (!this_cpu()->index && ioapic_passes_pic());
}

/* If the 8259s do not interrupt this processor, ask the boot processor to take the interrupt. */
static bool pic_waits_here(void)
{
	if (pic_pending() < 0)
		return false;
	if (takes_pic())
		return true;
	if (this_cpu()->index && !intx.pic_poked) {
		intx.pic_poked = true;
		smp_request(cpus[0], REQ_CLOCK);
	}
	return false;
}

bool intx_wants_check(void)
{
	return __atomic_load_n(&intx.attention, __ATOMIC_SEQ_CST);
}

bool intx_check(bool can_take, int *vector)
{
	bool waits;

	*vector = -1;
	if (!intx_wants_check())
		return false;
	lock_acquire(&trap_serial);
	__atomic_store_n(&intx.attention, false, __ATOMIC_SEQ_CST);
	update_watch();
	if (check_lines() || (IS_ENABLED(CONFIG_STATE) && pic_has_edges()))
		want_attention();
	update_pic();
	if (!this_cpu()->index)
		intx.pic_poked = false;
	waits = pic_waits_here();
	if (waits && can_take) {
		*vector = pic_acknowledge();
		waits = pic_waits_here();
	}
	lock_release(&trap_serial);
	return waits;
}

void intx_look(void)
{
	want_attention();
}

void intx_answer(void)
{
	lock_acquire(&trap_serial);
	ioapic_answer();
	lock_release(&trap_serial);
}

/* --- start --- */

void intx_init(void)
{
	intx.pirqs = pirq_init();
}

void intx_start(void)
{
	counter_register("intx", "raised", &intx.cnt_raised);
	counter_register("intx", "raised_again", &intx.cnt_again);
	counter_register("intx", "foreign", &intx.cnt_foreign);
	counter_register("intx", "rerouted", &intx.cnt_rerouted);
	counter_register("intx", "unstuck", &intx.cnt_unstuck);
	intx.started = true;
	update_watch();
	if (intx.nlines)
		pirq_watch();
}
