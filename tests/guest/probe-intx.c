/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INTx by the 8259s and by the I/O APIC, for every virtio device by both transports: the inputs of its line, ISR read-to-clear,
 * masked lines, the command register's bit, sibling functions, lines that the guest reroutes.  Option shared=BDF,BDF: an 8254x
 * of the guest's, and a twin on the same line.
 */
#include "vio.h"

#define PATIENCE_MS	10000
#define PIC_INPUTS	0xdef8u		/* not timer, keyboard, cascade, clock, coprocessor */
#define IO_INPUTS	0xffdef8u
#define PIC_LINES	16
#define IO_LINES	24
#define MASTER		0x20
#define SLAVE		0xa0
#define CASCADE		2
#define READ_REQUESTS	0x0a
#define READ_SERVICE	0x0b

#define IOAPIC		0xfec00000u
#define SELECT		0x00
#define WINDOW		0x10
#define ENTRY(n)	(0x10 + 2 * (n))
#define VECTOR		0xffu
#define LOWEST		0x100u
#define NMI		0x400u
#define LOGICAL		0x800u
#define REMOTE_IRR	0x4000u
#define LEVEL		0xa000u		/* and active low */
#define MASKED		0x10000u
#define LAPIC_LDR	0xfee000d0u
#define LAPIC_DFR	0xfee000e0u

#define PCI_STATUS_INTX	0x0008
#define PCI_PIN		0x3d
#define PIIX_BRIDGE	(1 << 3)
#define ICH_BRIDGE	(31 << 3)
#define PIRQ_OFF	0x80

#define E1000_ICR	0x00c0		/* 8254x: causes, cleared by a read; cause set; mask set */
#define E1000_ICS	0x00c8
#define E1000_IMS	0x00d0
#define E1000_IMC	0x00d8
#define E1000_LSC	0x0004

const char probe_name[] = "probe-intx";

enum by { BY_PIC, BY_IOAPIC };

struct line {
	enum by by;
	unsigned int number;
	uint8_t vector;
	volatile uint32_t count;
};

static struct line pic_line[PIC_LINES], io_line[IO_LINES];
static struct line late_line[PIC_LINES];	/* the same lines at other vectors */
static void (*volatile in_handler)(struct line *l);
static struct vio *volatile current;
static volatile uint32_t isr_seen, unread;
static bool ich;			/* the chipset is ICH, else PIIX */
static volatile uint8_t *left;		/* the registers of the card that is the guest's */
static volatile uint32_t left_seen;

/* --- the controllers --- */

static uint32_t io_read(uint32_t reg)
{
	write32((void *)(IOAPIC + SELECT), reg);
	return read32((void *)(IOAPIC + WINDOW));
}

static void io_write(uint32_t reg, uint32_t v)
{
	write32((void *)(IOAPIC + SELECT), reg);
	write32((void *)(IOAPIC + WINDOW), v);
}

static void pic_mask(uint16_t mask)
{
	outb(MASTER + 1, mask & 0xff & ~(1u << CASCADE));
	outb(SLAVE + 1, mask >> 8);
}

static void pic_start(uint8_t base)
{
	for (unsigned int i = 0; i < 2; i++) {
		uint16_t port = i ? SLAVE : MASTER;

		outb(port, 0x11);
		outb(port + 1, base + 8 * i);
		outb(port + 1, i ? CASCADE : 1 << CASCADE);
		outb(port + 1, 1);
	}
	pic_mask(0xffff);
}

static void pic_end(unsigned int line)
{
	if (line >= 8)
		outb(SLAVE, 0x20);
	outb(MASTER, 0x20);
}

static uint16_t pic_register(uint8_t which)
{
	outb(MASTER, which);
	outb(SLAVE, which);
	return inb(MASTER) | inb(SLAVE) << 8;
}

static void entry_set(struct line *l, uint32_t low)
{
	io_write(ENTRY(l->number) + 1, apic_id() << 24);
	io_write(ENTRY(l->number), low | l->vector);
}

static void mask_all(void)
{
	pic_mask(0xffff);
	for (unsigned int i = 0; i < IO_LINES; i++)
		io_write(ENTRY(i), MASKED);
}

static void mask(struct line *l)
{
	if (l->by == BY_PIC)
		pic_mask(0xffff);
	else
		entry_set(l, LEVEL | MASKED);
}

static void unmask(struct line *l)
{
	if (l->by == BY_PIC)
		pic_mask(0xffff & ~(1u << l->number));
	else
		entry_set(l, LEVEL);
}

/* --- interrupts --- */

static void interrupted(void *ctx)
{
	struct line *l = ctx;

	l->count++;
	if (in_handler)
		in_handler(l);
	if (l->by == BY_PIC)
		pic_end(l->number);
}

/* Read the device's ISR, as every handler does. */
static void serve(struct line *l)
{
	isr_seen |= vio_isr(current);
}

/* Do so only at the @unread-th time. */
static void serve_late(struct line *l)
{
	if (!unread || !--unread)
		serve(l);
}

static void let_in(void)
{
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

/* Exit: Veneer checks asserted lines at each exit. */
static void make_exit(void)
{
	pci_read32(current->bdf, PCI_VENDOR);
}

static bool came(struct line *l, uint32_t n)
{
	struct deadline end = deadline_in_ms(n ? PATIENCE_MS : 10);

	while (l->count < (n ? n : 1) && !deadline_passed(end))
		let_in();
	for (unsigned int i = 0; i < 3; i++) {
		make_exit();
		let_in();
	}
	return l->count == n;
}

static void forget(void)
{
	mask_all();
	let_in();
	for (unsigned int i = 0; i < PIC_LINES; i++)
		pic_line[i].count = 0;
	for (unsigned int i = 0; i < IO_LINES; i++)
		io_line[i].count = 0;
	isr_seen = left_seen = unread = 0;
	in_handler = serve;
}

static void command(struct vio *v, bool intx)
{
	uint16_t c = pci_read16(v->bdf, PCI_COMMAND);

	pci_write16(v->bdf, PCI_COMMAND, intx ? c & ~PCI_COMMAND_INTX_OFF : c | PCI_COMMAND_INTX_OFF);
}

static bool status_bit(struct vio *v)
{
	return pci_read16(v->bdf, PCI_STATUS) & PCI_STATUS_INTX;
}

static struct line *line_of(struct vio *v, enum by by)
{
	uint8_t n = pci_read8(v->bdf, PCI_INTERRUPT_LINE);

	return n >= PIC_LINES ? NULL : by == BY_PIC ? &pic_line[n] : &io_line[n];
}

static bool request(struct vio *v)
{
	return vio_request(v) == 0;
}

/* --- one device --- */

/* The status register's bit 3 shows the interrupt; one read of ISR, and the line falls. */
static bool asks_once(struct vio *v, struct line *l)
{
	bool good = request(v) && status_bit(v) && came(l, 1) && isr_seen == 1 && !vio_isr(v) && !status_bit(v);

	return good && request(v) && came(l, 2);
}

static bool again_until_read(struct vio *v, struct line *l)
{
	struct deadline end = deadline_in_ms(PATIENCE_MS);

	in_handler = serve_late;
	unread = 4;
	if (!request(v))
		return false;
	while (unread && !deadline_passed(end)) {
		let_in();
		make_exit();
	}
	return came(l, 4) && isr_seen == 1;
}

static bool masked(struct vio *v, struct line *l)
{
	mask(l);
	if (!request(v) || !request(v) || !came(l, 0))
		return false;
	unmask(l);
	return came(l, 1) && isr_seen == 1;
}

static bool withdrawn(struct vio *v, struct line *l)
{
	mask(l);
	if (!request(v) || vio_isr(v) != 1)
		return false;
	unmask(l);
	return came(l, 0) && request(v) && came(l, 1);
}

static bool disabled(struct vio *v, struct line *l)
{
	command(v, false);
	if (!request(v) || !came(l, 0) || !status_bit(v))
		return false;
	command(v, true);
	return came(l, 1) && isr_seen == 1;
}

static bool reset_withdraws(struct vio *v, struct line *l)
{
	mask(l);
	if (!request(v) || !vio_reset(v) || status_bit(v))
		return false;
	unmask(l);
	return came(l, 0) && !vio_isr(v);
}

/* A broken rule causes a configuration change interrupt. */
static bool configuration(struct vio *v, struct line *l)
{
	struct vioq *q = &v->q[v->type == VIO_NET ? NET_TX : 0];

	q->avail->idx += q->size + 5;
	full_fence();
	vio_kick(q);
	return came(l, 1) && isr_seen == 2;
}

static void serve_wide(struct line *l)
{
	isr_seen |= read32(current->isr);
}

static bool wide_read(struct vio *v, struct line *l)
{
	if (v->transport == VIO_LEGACY)
		return true;
	in_handler = serve_wide;
	return request(v) && came(l, 1) && isr_seen == 1 && !vio_isr(v);
}

static bool not_wanted(struct vio *v, struct line *l)
{
	v->q[v->type == VIO_NET ? NET_TX : 0].avail->flags = 1;
	return request(v) && came(l, 0) && !vio_isr(v);
}

/* --- 8259 --- */

static volatile uint16_t service_seen;

static void serve_and_look(struct line *l)
{
	service_seen = pic_register(READ_SERVICE);
	serve(l);
}

static bool pic_registers(struct vio *v, struct line *l)
{
	uint16_t bit = 1u << l->number;

	if (l->by != BY_PIC)
		return true;
	in_handler = serve_and_look;
	mask(l);
	if (!request(v) || !(pic_register(READ_REQUESTS) & bit))
		return false;
	unmask(l);
	if (!came(l, 1) || !(service_seen & bit) || (l->number >= 8 && !(service_seen & 1u << CASCADE)))
		return false;
	return !(pic_register(READ_REQUESTS) & bit) && !pic_register(READ_SERVICE);
}

static void serve_own(struct line *l)
{
	if (l->by == BY_PIC)
		serve(l);
}

static volatile uint16_t service_after;

/*
 * The timer, which has a higher priority and is the chip's own, interrupts the handler: its EOI ends only the timer's
 * interrupt.
 */
static void serve_with_timer(struct line *l)
{
	struct deadline end = deadline_in_ms(PATIENCE_MS);

	if (l->number == 0)
		return;
	serve(l);
	outb(0x43, 0x30);
	outb(0x40, 0x00);
	outb(0x40, 0x08);
	pic_mask(0xffff & ~(1u << l->number | 1));
	while (!pic_line[0].count && !deadline_passed(end))
		let_in();
	pic_mask(0xffff & ~(1u << l->number));
	service_after = pic_register(READ_SERVICE);
}

static bool nested(struct vio *v, struct line *l)
{
	if (l->by != BY_PIC)
		return true;
	in_handler = serve_with_timer;
	return request(v) && came(l, 1) && pic_line[0].count == 1 && !pic_register(READ_SERVICE) &&
	       (service_after & (1u << l->number | 1)) == 1u << l->number;
}

#define LAPIC_ICR	0xfee00300u
#define TO_SELF		0x44000u

/* An interrupt of the local APIC comes first: the 8259's must not be lost, and must come without another exit. */
static bool beside_another(struct vio *v, struct line *l)
{
	struct line *other = &io_line[1];
	struct deadline end = deadline_in_ms(PATIENCE_MS);

	if (l->by != BY_PIC)
		return true;
	in_handler = serve_own;
	if (!request(v))
		return false;
	write32((void *)LAPIC_ICR, TO_SELF | other->vector);
	while (!l->count && !deadline_passed(end))
		let_in();
	return l->count == 1 && other->count == 1 && isr_seen == 1;
}

/* --- I/O APIC --- */

static bool by_entry(struct vio *v, struct line *l, uint32_t low, uint32_t dest, uint32_t n)
{
	bool good;

	entry_set(l, LEVEL | MASKED);
	l->count = 0;
	io_write(ENTRY(l->number) + 1, dest << 24);
	io_write(ENTRY(l->number), low | l->vector);
	good = io_read(ENTRY(l->number) + 1) == dest << 24 && (io_read(ENTRY(l->number)) & ~REMOTE_IRR) == (low | l->vector);
	good = request(v) && came(l, n) && good;
	vio_isr(v);
	return good;
}

static bool entries(struct vio *v, struct line *l)
{
	if (l->by != BY_IOAPIC)
		return true;
	write32((void *)LAPIC_DFR, 0xffffffff);		/* flat */
	write32((void *)LAPIC_LDR, 0x02000000);
	return by_entry(v, l, 0, apic_id(), 1) && by_entry(v, l, LEVEL | LOGICAL, 0x02, 1) &&
	       by_entry(v, l, LEVEL | LOGICAL | LOWEST, 0xff, 1) && by_entry(v, l, LEVEL | NMI, apic_id(), 0);
}

/* The guest gives the interrupt another vector while the line is high. */
static bool other_vector(struct vio *v, struct line *l)
{
	struct line *other = &io_line[0];

	if (l->by != BY_IOAPIC)
		return true;
	entry_set(l, LEVEL | MASKED);
	if (!request(v))
		return false;
	io_write(ENTRY(l->number), LEVEL | other->vector);
	return came(other, 1) && !l->count;
}

static const struct { const char *name; bool (*fn)(struct vio *v, struct line *l); } tries[] = {
	{ "asks once", asks_once },
	{ "again until ISR is read", again_until_read },
	{ "masked, then not", masked },
	{ "withdrawn while masked", withdrawn },
	{ "INTx disabled, then not", disabled },
	{ "a reset withdraws", reset_withdraws },
	{ "the configuration changed", configuration },
	{ "ISR read by four bytes", wide_read },
	{ "interrupts not wanted", not_wanted },
	{ "registers of the 8259", pic_registers },
	{ "the timer in the handler", nested },
	{ "beside an interrupt of the local APIC", beside_another },
	{ "entries of the I/O APIC", entries },
	{ "another vector", other_vector },
};

static bool up(struct vio *v)
{
	forget();
	current = v;
	if (!vio_start(v, v->transport, 0))
		return false;
	vio_isr(v);
	command(v, true);
	return true;
}

static void down(struct vio *v)
{
	vio_reset(v);
	command(v, false);
	forget();
}

static void try_all(struct vio *v, enum by by)
{
	struct line *l = line_of(v, by);

	if (!check(l != NULL, true, "intx: %s: there is a line", vio_name(v)))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(tries); i++) {
		bool good = up(v);

		unmask(l);
		check(good && tries[i].fn(v, l), true, "intx: %s: %s: %s", vio_name(v), by == BY_PIC ? "8259" : "I/O APIC",
		      tries[i].name);
		down(v);
	}
}

/* --- where lines lead --- */

/* The line stays high, and may also interrupt by other inputs. */
static void mask_own(struct line *l)
{
	uint16_t port = l->number < 8 ? MASTER : SLAVE;

	if (l->by == BY_PIC)
		outb(port + 1, inb(port + 1) | 1u << (l->number & 7));
	else
		entry_set(l, LEVEL | MASKED);
}

/* Return all inputs at which an interrupt of @v arrives while all are unmasked. */
static uint32_t inputs_of(struct vio *v, enum by by)
{
	uint32_t set = 0;

	if (!up(v))
		return 0;
	if (by == BY_PIC)
		pic_mask(0xffff & ~PIC_INPUTS);
	for (unsigned int i = 0; by == BY_IOAPIC && i < IO_LINES; i++)
		if (IO_INPUTS & 1u << i)
			entry_set(&io_line[i], LEVEL);
	in_handler = mask_own;
	if (!request(v))
		return 0;
	for (unsigned int i = 0; i < 4; i++) {
		let_in();
		make_exit();
	}
	mask_all();
	vio_isr(v);
	for (unsigned int i = 0; i < (by == BY_PIC ? PIC_LINES : IO_LINES); i++)
		if ((by == BY_PIC ? pic_line : io_line)[i].count)
			set |= 1u << i;
	down(v);
	return set;
}

/* Return the chipset's line of a card, by the chipset's manual and the boards' usual wiring. */
static unsigned int pirq_of(const struct vio *v)
{
	unsigned int turn = DEVICE(v->bdf) + pci_read8(v->bdf, PCI_PIN);

	return ich ? 4 + ((turn - 1) & 3) : (turn + 2) & 3;
}

static uint8_t pirq_register(unsigned int n)
{
	return n < 4 ? 0x60 + n : 0x68 + n - 4;
}

static void pirq_write(unsigned int n, uint8_t v)
{
	pci_bdf bridge = ich ? ICH_BRIDGE : PIIX_BRIDGE;
	uint8_t reg = pirq_register(n);
	uint32_t shift = 8 * (reg & 3), old = pci_read32(bridge, reg & ~3u);

	pci_write32(bridge, reg & ~3u, (old & ~(0xffu << shift)) | (uint32_t)v << shift);
}

static uint8_t pirq_read(unsigned int n)
{
	return pci_read8(ich ? ICH_BRIDGE : PIIX_BRIDGE, pirq_register(n));
}

/* The line has the same number at the 8259s and the I/O APIC; on ICH also another input of the I/O APIC. */
static void leads_right(struct vio *v)
{
	uint8_t line = pci_read8(v->bdf, PCI_INTERRUPT_LINE), pin = pci_read8(v->bdf, PCI_PIN);
	uint32_t inputs = 1u << line;

	check(pin >= 1 && pin <= 4 && line < PIC_LINES && (PIC_INPUTS & 1u << line), true, "intx: %s: pin and line registers",
	      vio_name(v));
	check(inputs_of(v, BY_PIC), 1u << line, "intx: %s: inputs of the 8259s", vio_name(v));
	if (ich)
		inputs |= 1u << (DEVICE(v->bdf) == 31 ? 15u + pin : 16 + pirq_of(v));
	check(inputs_of(v, BY_IOAPIC), inputs, "intx: %s: inputs of the I/O APIC", vio_name(v));
}

/* --- routed anew --- */

static bool follows(struct vio *v, unsigned int pirq, uint8_t to)
{
	uint32_t io = ich ? 1u << (16 + pirq) : 0, both = to < PIC_LINES ? 1u << to : 0;

	pirq_write(pirq, to);
	return pirq_read(pirq) == to && inputs_of(v, BY_PIC) == both && inputs_of(v, BY_IOAPIC) == (both | io);
}

static bool moves_while_high(struct vio *v, unsigned int pirq, uint8_t from, uint8_t to)
{
	bool good = up(v);

	pic_mask(0xffff & ~(1u << to));
	good = good && request(v) && came(&pic_line[to], 0);
	pirq_write(pirq, to);
	good = good && came(&pic_line[to], 1) && isr_seen == 1;
	pirq_write(pirq, from);
	down(v);
	return good;
}

static void routed_anew(struct vio *v)
{
	unsigned int pirq = pirq_of(v);
	uint8_t was = pirq_read(pirq), to = was == 5 ? 6 : 5;

	if (DEVICE(v->bdf) >= 25)
		return;
	check(was, pci_read8(v->bdf, PCI_INTERRUPT_LINE), "intx: %s: its route is as its line register says", vio_name(v));
	check(follows(v, pirq, to), true, "intx: %s: routed to %u", vio_name(v), to);
	check(follows(v, pirq, PIRQ_OFF | to), true, "intx: %s: disconnected", vio_name(v));
	check(follows(v, pirq, to + 1), true, "intx: %s: routed to %u", vio_name(v), to + 1);
	check(follows(v, pirq, was), true, "intx: %s: routed back", vio_name(v));
	check(moves_while_high(v, pirq, was, to), true, "intx: %s: routed to %u while it is high", vio_name(v), to);
}

/* --- 8259s initialized while nothing can use a line --- */

static bool initialized_late(struct vio *v, struct line *lines)
{
	struct line *l = &lines[line_of(v, BY_PIC)->number];
	bool good;

	for (unsigned int i = 0; i < vio_count; i++)
		down(&vios[i]);
	make_exit();
	pic_start(lines[0].vector);
	good = inb(MASTER + 1) == 0xfb && inb(SLAVE + 1) == 0xff && up(v);
	l->count = 0;
	unmask(l);
	good = good && request(v) && came(l, 1) && isr_seen == 1;
	down(v);
	return good;
}

/* --- siblings --- */

static struct vio *sibling;

static void serve_two(struct line *l)
{
	uint8_t first = vio_isr(current);

	/* Serve one device at a time, so that the line stays high and interrupts again. */
	isr_seen = isr_seen << 4 | (first ? 1 : vio_isr(sibling) ? 2 : 0);
}

static bool side_by_side(struct vio *a, struct vio *b, enum by by)
{
	struct line *l = line_of(a, by);
	bool good = up(a);

	sibling = b;
	good = good && vio_start(b, a->transport, 0);
	vio_isr(b);
	command(b, true);
	in_handler = serve_two;
	unmask(l);
	good = good && request(a) && came(l, 1) && isr_seen == 1 && request(b) && came(l, 2) && isr_seen == 0x12;
	mask(l);
	isr_seen = 0;
	good = good && request(b) && request(a);
	unmask(l);
	good = good && came(l, 4) && isr_seen == 0x12;
	down(b);
	down(a);
	return good;
}

static void siblings(struct vio *a, struct vio *b)
{
	check(pci_read16(a->bdf, PCI_INTERRUPT_LINE) == pci_read16(b->bdf, PCI_INTERRUPT_LINE), true,
	      "intx: %s: line and pin of its sibling %s", vio_name(a), vio_name(b));
	check(side_by_side(a, b, BY_PIC), true, "intx: %s and %s by the 8259", vio_name(a), vio_name(b));
	check(side_by_side(a, b, BY_IOAPIC), true, "intx: %s and %s by the I/O APIC", vio_name(a), vio_name(b));
}

/* --- a line shared with a device of the guest's own --- */

static void serve_both(struct line *l)
{
	left_seen |= read32(left + E1000_ICR) & E1000_LSC;
	isr_seen |= vio_isr(current);
}

static void left_asserts(void)
{
	write32(left + E1000_IMS, E1000_LSC);
	write32(left + E1000_ICS, E1000_LSC);
}

static bool seen(struct line *l, uint32_t theirs, uint32_t ours)
{
	bool good = l->count && left_seen == theirs && isr_seen == ours;

	l->count = left_seen = isr_seen = 0;
	return good;
}

static bool wait_for_line(struct line *l)
{
	struct deadline end = deadline_in_ms(PATIENCE_MS);

	while (!l->count && !deadline_passed(end))
		let_in();
	make_exit();
	let_in();
	return l->count;
}

static bool shared(struct vio *v, struct line *l)
{
	bool good = up(v);

	in_handler = serve_both;
	unmask(l);
	for (unsigned int i = 0; good && i < 50; i++) {
		left_asserts();
		good = wait_for_line(l) && seen(l, E1000_LSC, 0) && request(v) && wait_for_line(l) && seen(l, 0, 1);
		if (!good)
			break;
		mask(l);
		left_asserts();
		good = request(v);
		unmask(l);
		good = good && wait_for_line(l) && seen(l, E1000_LSC, 1);
	}
	write32(left + E1000_IMC, ~0u);
	(void)read32(left + E1000_ICR);
	down(v);
	return good;
}

static void try_shared(void)
{
	const char *s = boot_option("shared");
	pci_bdf theirs, ours;

	if (!s)
		return;
	if (!check(take_bdf(&s, &theirs) && *s++ == ',' && take_bdf(&s, &ours), true, "intx: shared= has two addresses"))
		return;
	pci_write16(theirs, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	left = pci_memory_bar(theirs, 0);
	for (unsigned int i = 0; i < vio_count; i++) {
		struct vio *v = &vios[i];
		unsigned int chip_input = 16 + pirq_of(v);

		if (v->bdf != ours)
			continue;
		v->transport = VIO_LEGACY;
		check(pci_read8(ours, PCI_INTERRUPT_LINE), pci_read8(theirs, PCI_INTERRUPT_LINE), "intx: they share a line");
		check(shared(v, line_of(v, BY_PIC)), true, "intx: a shared line by the 8259");
		if (!ich)
			chip_input = pci_read8(v->bdf, PCI_INTERRUPT_LINE);
		check(shared(v, &io_line[chip_input]), true, "intx: a shared line by the I/O APIC");
		return;
	}
	check(false, true, "intx: there is a twin to share with");
}

/*
 * Let firmware's timer end before the 8259s start: once from 1 in mode 0.  Else its last edge stays latched while it is masked,
 * and nested() gets that one and its own.
 */
static void timer_end(void)
{
	struct deadline end = deadline_in_ms(10);

	outb(0x43, 0x30);
	outb(0x40, 0x01);
	outb(0x40, 0x00);
	while (!deadline_passed(end))
		;
}

void probe(void)
{
	for (unsigned int i = 0; i < PIC_LINES; i++)
		pic_line[i] = (struct line){ BY_PIC, i, irq_alloc(interrupted, &pic_line[i]), 0 };
	for (unsigned int i = 0; i < IO_LINES; i++)
		io_line[i] = (struct line){ BY_IOAPIC, i, irq_alloc(interrupted, &io_line[i]), 0 };
	for (unsigned int i = 0; i < PIC_LINES; i++)
		late_line[i] = (struct line){ BY_PIC, i, irq_alloc(interrupted, &late_line[i]), 0 };
	apic_init();
	timer_end();
	pic_start(pic_line[0].vector);
	ich = pci_read32(ICH_BRIDGE, PCI_VENDOR) != 0xffffffff;
	vio_scan();
	check(vio_count != 0, true, "intx: there are devices");
	for (unsigned int i = 0; i < vio_count; i++) {
		struct vio *v = &vios[i];

		for (enum vio_transport t = VIO_LEGACY; t <= VIO_MODERN; t++) {
			v->transport = t;
			if (!vio_has(v, t))
				continue;
			try_all(v, BY_PIC);
			try_all(v, BY_IOAPIC);
		}
		leads_right(v);
		routed_anew(v);
		for (unsigned int k = 0; k < i; k++)
			if (vios[k].bdf >> 3 == v->bdf >> 3)
				siblings(&vios[k], v);
		/* Restore the vectors in any case, or later checks would fail, too. */
		bool late = initialized_late(v, late_line), back = initialized_late(v, pic_line);

		check(late && back, true, "intx: %s: the 8259 initialized while no device could interrupt", vio_name(v));
	}
	try_shared();
}
