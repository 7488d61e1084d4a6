/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages: MSI-X of queues and of the configuration, masked and pending, with a table that changes while in use, all
 * destination modes; messages that must never be sent; and MSI.  Every virtio device of the machine by both transports.  Option
 * x2apic=1: the local APIC is switched to x2APIC mode first (QEMU 10).
 */
#include "vio.h"

#define MSIX_CONTROL	2
#define MSIX_ENABLE	0x8000
#define MSIX_MASK_ALL	0x4000
#define MSIX_TABLE	4
#define MSIX_PBA	8
#define MSI_CONTROL	2
#define MSI_ADDRESS	4
#define MSI_DATA	8
#define MSI_ENABLE	1
#define NO_VECTOR	0xffff
#define VECTORS		4

#define BASE		0xfee00000u
#define TO_SELF		(apic_id() << 12)
#define LOGICAL		0x4u
#define HINT		0x8u		/* redirection hint */
#define LOWEST		0x100u		/* delivery mode, in the data */

#define MSR_APIC_BASE	0x1b
#define X2_MODE		(1u << 10)
#define X2_LDR		0x80d
#define LAPIC_LDR	0xfee000d0u
#define LAPIC_DFR	0xfee000e0u
#define OTHER_ID	0x37u		/* an APIC id that no processor has */

const char probe_name[] = "probe-msix";

static volatile uint32_t count[VECTORS + 1];	/* interrupts of each entry; the last counts rewritten entries */
static uint8_t vector[VECTORS + 1];
static bool x2;

struct card {
	struct vio *v;
	uint8_t cap, msi;
	volatile uint32_t *table;
	volatile uint8_t *pba;
};

static void interrupted(void *ctx)
{
	++*(volatile uint32_t *)ctx;
}

static void let_in(void)
{
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

/* True if @entry gets @n interrupts within a second, and no more for a while. */
static bool came(unsigned int entry, uint32_t n)
{
	struct deadline end = deadline_in_ms(n ? 1000 : 20);

	while (count[entry] < (n ? n : 1) && !deadline_passed(end))
		let_in();
	delay_us(500);
	let_in();
	return count[entry] == n;
}

static bool silent(void)
{
	return came(0, 0) && !count[1] && !count[2] && !count[3] && !count[VECTORS];
}

static void forget(void)
{
	let_in();
	memset((void *)count, 0, sizeof(count));
}

static void entry_set(struct card *c, unsigned int i, uint32_t addr, uint32_t data, uint32_t control)
{
	c->table[4 * i + 3] = 1;
	c->table[4 * i] = addr;
	c->table[4 * i + 1] = 0;
	c->table[4 * i + 2] = data;
	c->table[4 * i + 3] = control;
}

static void control_set(struct card *c, uint16_t bits)
{
	uint16_t control = pci_read16(c->v->bdf, c->cap + MSIX_CONTROL) & 0x7ff;

	pci_write16(c->v->bdf, c->cap + MSIX_CONTROL, control | bits);
}

static void queue_vector(struct vio *v, uint16_t q, uint16_t entry)
{
	if (v->transport == VIO_LEGACY) {
		outw(v->io + L_QUEUE_SELECT, q);
		outw(v->io + L_QUEUE_VECTOR, entry);
	} else {
		write16(v->common + M_QUEUE_SELECT, q);
		write16(v->common + M_QUEUE_VECTOR, entry);
	}
}

static void config_vector(struct vio *v, uint16_t entry)
{
	if (v->transport == VIO_LEGACY)
		outw(v->io + L_CONFIG_VECTOR, entry);
	else
		write16(v->common + M_CONFIG_VECTOR, entry);
}

/* Entry 0 for configuration changes, entry n + 1 for queue n; all to this processor. */
static bool up(struct card *c)
{
	struct vio *v = c->v;

	if (!vio_open(v, v->transport) || !vio_begin(v, 0) || !vio_queue(v, 0, 0) ||
	    (v->type == VIO_NET && !vio_queue(v, 1, 0)))
		return false;
	for (unsigned int i = 0; i < VECTORS; i++)
		entry_set(c, i, BASE | TO_SELF, vector[i], 0);
	control_set(c, MSIX_ENABLE);
	config_vector(v, 0);
	queue_vector(v, 0, 1);
	if (v->type == VIO_NET)
		queue_vector(v, 1, 2);
	vio_go(v);
	forget();
	return true;
}

/* Return the entry of the queue that vio_request() uses. */
static unsigned int busy(const struct card *c)
{
	return c->v->type == VIO_NET ? 2 : 1;
}

static bool request(struct card *c)
{
	return vio_request(c->v) == 0;
}

/* --- MSI-X --- */

static bool each_queue_its_own(struct card *c)
{
	return request(c) && came(busy(c), 1) && !count[0] && !count[3] && request(c) && came(busy(c), 2) &&
	       !count[c->v->type == VIO_NET ? 1 : 2];
}

/* A broken rule makes the device need a reset: a configuration change, for which the configuration's entry must interrupt. */
static bool configuration(struct card *c)
{
	struct vioq *q = &c->v->q[c->v->type == VIO_NET ? NET_TX : 0];

	q->avail->idx += q->size + 5;
	full_fence();
	vio_kick(q);
	return came(0, 1) && !count[busy(c)];
}

static bool no_vector(struct card *c)
{
	queue_vector(c->v, busy(c) - 1, NO_VECTOR);
	return request(c) && silent();
}

static bool one_for_all(struct card *c)
{
	queue_vector(c->v, busy(c) - 1, 0);
	return request(c) && came(0, 1) && !count[busy(c)];
}

static bool vector_changed_live(struct card *c)
{
	if (!request(c) || !came(busy(c), 1))
		return false;
	queue_vector(c->v, busy(c) - 1, 3);
	return request(c) && came(3, 1) && count[busy(c)] == 1;
}

static bool masked_entry(struct card *c)
{
	unsigned int e = busy(c);

	c->table[4 * e + 3] = 1;
	if (!request(c) || !request(c) || !silent() || !(c->pba[0] & 1u << e))
		return false;
	c->table[4 * e + 3] = 0;
	return came(e, 1) && !(c->pba[0] & 1u << e);
}

static bool masked_function(struct card *c)
{
	control_set(c, MSIX_ENABLE | MSIX_MASK_ALL);
	if (!request(c) || !silent() || !(c->pba[0] & 1u << busy(c)))
		return false;
	control_set(c, MSIX_ENABLE);
	return came(busy(c), 1) && !c->pba[0];
}

/* Both masks: the pending message is sent when the last mask is cleared. */
static bool masked_twice(struct card *c)
{
	unsigned int e = busy(c);

	control_set(c, MSIX_ENABLE | MSIX_MASK_ALL);
	c->table[4 * e + 3] = 1;
	if (!request(c))
		return false;
	control_set(c, MSIX_ENABLE);
	if (!silent())
		return false;
	c->table[4 * e + 3] = 0;
	return came(e, 1);
}

/* A pending message is sent with the entry's contents at the unmasking. */
static bool rewritten_while_pending(struct card *c)
{
	unsigned int e = busy(c);

	c->table[4 * e + 3] = 1;
	if (!request(c))
		return false;
	entry_set(c, e, BASE | TO_SELF, vector[VECTORS], 0);
	return came(VECTORS, 1) && !count[e];
}

static bool rewritten_live(struct card *c)
{
	unsigned int e = busy(c);

	if (!request(c) || !came(e, 1))
		return false;
	c->table[4 * e + 2] = vector[VECTORS];		/* without masking, as sloppy systems do */
	return request(c) && came(VECTORS, 1) && count[e] == 1;
}

static bool reset_forgets(struct card *c)
{
	unsigned int e = busy(c);

	c->table[4 * e + 3] = 1;
	if (!request(c) || !vio_reset(c->v) || c->pba[0])
		return false;
	c->table[4 * e + 3] = 0;
	return silent();
}

static bool held_back_by_if(struct card *c)
{
	for (unsigned int i = 0; i < 5; i++)
		if (!request(c))
			return false;
	/* Five messages with one vector, while interrupts are off: the processor keeps one. */
	return count[busy(c)] == 0 && came(busy(c), 1);
}

static bool off_is_off(struct card *c)
{
	control_set(c, 0);
	if (!request(c) || !silent())
		return false;
	/* INTx again, with the line disabled: ISR has the cause that did not interrupt. */
	return (vio_isr(c->v) & 1) && silent();
}

static bool not_wanted(struct card *c)
{
	c->v->q[busy(c) - 1].avail->flags = 1;
	return request(c) && silent();
}

/* --- destinations --- */

static bool delivered(struct card *c, uint32_t addr, uint32_t mode)
{
	forget();
	entry_set(c, busy(c), addr, mode | vector[busy(c)], 0);
	return request(c) && came(busy(c), 1);
}

/* Return this processor's logical id, as in a message. */
static uint32_t logical(void)
{
	if (x2)
		return (uint32_t)rdmsr(X2_LDR) & 0xff;
	write32((void *)LAPIC_DFR, 0xffffffff);		/* flat */
	write32((void *)LAPIC_LDR, 0x02000000);
	return 0x02;
}

static bool destinations(struct card *c)
{
	uint32_t l = logical();
	bool good = delivered(c, BASE | TO_SELF, 0);

	good &= delivered(c, BASE | TO_SELF, 0xc000);		/* level, asserted: a message is an edge nevertheless */
	good &= delivered(c, BASE | TO_SELF | HINT, 0);
	good &= delivered(c, BASE | TO_SELF | HINT, LOWEST);
	good &= delivered(c, BASE | l << 12 | LOGICAL, 0);
	good &= delivered(c, BASE | l << 12 | LOGICAL | HINT, LOWEST);
	good &= delivered(c, BASE | 0xff000, 0);		/* to all */
	if (!x2)
		good &= delivered(c, BASE | 0xff000 | LOGICAL | HINT, LOWEST);
	return good;
}

static bool refused(struct card *c, uint32_t addr, uint32_t data)
{
	forget();
	entry_set(c, busy(c), addr, data, 0);
	return request(c) && silent() && c->table[4 * busy(c)] == addr && c->table[4 * busy(c) + 2] == data;
}

/* An NMI would end this probe; SMI, INIT and the rest would end the machine. */
static bool never_sent(struct card *c)
{
	bool good = true;

	for (uint32_t mode = 2; mode < 8; mode++)
		good &= refused(c, BASE | TO_SELF, mode << 8 | vector[busy(c)]);
	good &= refused(c, BASE | TO_SELF, 0) && refused(c, BASE | TO_SELF, 15);
	good &= refused(c, 0x00100000, vector[busy(c)]) && refused(c, 0xfed00000, vector[busy(c)]);
	good &= refused(c, BASE | OTHER_ID << 12, vector[busy(c)]);
	c->table[4 * busy(c) + 1] = 1;				/* above 4 GiB */
	return good;
}

/* --- plain MSI --- */

static void msi_set(struct card *c, uint16_t control)
{
	pci_write32(c->v->bdf, c->msi + MSI_ADDRESS, BASE | TO_SELF);
	pci_write16(c->v->bdf, c->msi + MSI_DATA, vector[VECTORS]);
	pci_write16(c->v->bdf, c->msi + MSI_CONTROL, control);
}

static bool plain_msi(struct card *c)
{
	bool good;

	control_set(c, 0);
	msi_set(c, MSI_ENABLE);
	good = request(c) && came(VECTORS, 1) && request(c) && came(VECTORS, 2);	/* ISR is not read in between */
	good = good && (vio_isr(c->v) & 1) && !vio_isr(c->v) && !(pci_read16(c->v->bdf, PCI_STATUS) & 8);
	good = good && request(c) && came(VECTORS, 3);
	msi_set(c, 0);
	vio_isr(c->v);
	return good && request(c) && came(VECTORS, 3);
}

static bool msix_over_msi(struct card *c)
{
	bool good;

	msi_set(c, MSI_ENABLE);
	good = request(c) && came(busy(c), 1) && !count[VECTORS];
	msi_set(c, 0);
	return good;
}

/* --- without bus mastering --- */

#define LAPIC_IRR	0xfee00200u
#define LAPIC_ISR	0xfee00100u
#define X2_ISR		0x810
#define X2_IRR		0x820

static void master_set(struct card *c, bool on)
{
	uint16_t command = pci_read16(c->v->bdf, PCI_COMMAND) & ~PCI_COMMAND_MASTER;

	pci_write16(c->v->bdf, PCI_COMMAND, on ? command | PCI_COMMAND_MASTER : command);
}

/* Without the bit no message is sent, whatever is unmasked; the queue works.  Setting the bit sends pending messages. */
static bool no_master(struct card *c)
{
	unsigned int e = busy(c);

	master_set(c, false);
	if (!request(c) || !request(c) || !silent() || count[e])
		return false;
	c->table[4 * e + 3] = 1;
	c->table[4 * e + 3] = 0;
	if (!silent() || count[e])
		return false;
	master_set(c, true);
	return came(e, 1) && request(c) && came(e, 2);
}

static bool no_master_msi(struct card *c)
{
	bool good;

	control_set(c, 0);
	msi_set(c, MSI_ENABLE);
	master_set(c, false);
	good = request(c) && silent();
	master_set(c, true);
	good = good && came(VECTORS, 1) && request(c) && came(VECTORS, 2);
	msi_set(c, 0);
	vio_isr(c->v);
	return good;
}

static bool in_lapic(uint32_t page, uint32_t msr, unsigned int n)
{
	uint32_t bits = x2 ? (uint32_t)rdmsr(msr + n / 32) : read32((void *)(page + n / 32 * 16));

	return bits & 1u << n % 32;
}

/*
 * A driver that polls and does not set the bit: its vector has no handler, and a message would block all lower vectors in the
 * local APIC.
 */
static bool polls_with_a_dead_vector(struct card *c)
{
	const unsigned int dead = 0xef;

	master_set(c, false);
	entry_set(c, busy(c), BASE | TO_SELF, dead, 0);
	for (unsigned int i = 0; i < 20; i++)
		if (!request(c))
			return false;
	return !in_lapic(LAPIC_IRR, X2_IRR, dead) && !in_lapic(LAPIC_ISR, X2_ISR, dead) && !count[busy(c)];
}

/* A legacy driver that never sets the bit gets its messages: DRIVER sets the bit. */
static bool status_sets_master(struct card *c)
{
	uint16_t command;

	master_set(c, false);
	if (!up(c))
		return false;
	command = pci_read16(c->v->bdf, PCI_COMMAND);
	if (c->v->transport == VIO_MODERN)
		return !(command & PCI_COMMAND_MASTER) && request(c) && silent();
	return (command & PCI_COMMAND_MASTER) && request(c) && came(busy(c), 1);
}

/* True if the bit was clear before this probe wrote the command register (vio_scan()). */
static bool began_without_master(const struct vio *v)
{
	return !(v->first_command & PCI_COMMAND_MASTER);
}

static const struct { const char *name; bool (*fn)(struct card *c); } tries[] = {
	{ "each queue has its vector", each_queue_its_own },
	{ "the configuration has its vector", configuration },
	{ "a queue without a vector", no_vector },
	{ "one vector for all", one_for_all },
	{ "another vector while live", vector_changed_live },
	{ "an entry masked", masked_entry },
	{ "the function masked", masked_function },
	{ "both masked", masked_twice },
	{ "rewritten while pending", rewritten_while_pending },
	{ "rewritten while live", rewritten_live },
	{ "a reset forgets what pends", reset_forgets },
	{ "held back by the interrupt flag", held_back_by_if },
	{ "MSI-X off", off_is_off },
	{ "interrupts not wanted", not_wanted },
	{ "destinations", destinations },
	{ "what is never sent", never_sent },
	{ "plain MSI", plain_msi },
	{ "MSI-X holds over MSI", msix_over_msi },
	{ "bus master off", no_master },
	{ "bus master off, plain MSI", no_master_msi },
	{ "bus master off, a vector without a handler, polled", polls_with_a_dead_vector },
	{ "bus master off until DRIVER", status_sets_master },
};

static void try_all(struct card *c)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(tries); i++) {
		if (check(up(c), true, "msix: %s: %s: it starts", vio_name(c->v), tries[i].name))
			check(tries[i].fn(c), true, "msix: %s: %s", vio_name(c->v), tries[i].name);
		vio_reset(c->v);
		control_set(c, 0);
		master_set(c, true);
	}
}

static bool find(struct card *c)
{
	volatile uint8_t *bar;

	c->cap = pci_capability(c->v->bdf, PCI_CAP_MSIX, 0);
	c->msi = pci_capability(c->v->bdf, PCI_CAP_MSI, 0);
	if (!c->cap || !c->msi || (pci_read16(c->v->bdf, c->cap + MSIX_CONTROL) & 0x7ff) + 1 < VECTORS)
		return false;
	bar = pci_memory_bar(c->v->bdf, pci_read32(c->v->bdf, c->cap + MSIX_TABLE) & 7);
	c->table = (volatile uint32_t *)(bar + (pci_read32(c->v->bdf, c->cap + MSIX_TABLE) & ~7u));
	c->pba = bar + (pci_read32(c->v->bdf, c->cap + MSIX_PBA) & ~7u);
	return bar;
}

static bool to_x2apic(void)
{
	uint32_t r[4];

	cpuid(1, r);
	if (!(r[2] & 1u << 21))
		return false;
	return try_wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | X2_MODE) && (rdmsr(MSR_APIC_BASE) & X2_MODE);
}

void probe(void)
{
	if (option_number("x2apic", 0)) {
		x2 = to_x2apic();
		if (!check(x2, true, "msix: the local APIC is in x2APIC mode"))
			return;
	}
	apic_init();
	for (unsigned int i = 0; i <= VECTORS; i++)
		vector[i] = irq_alloc(interrupted, (void *)&count[i]);
	vio_scan();
	check(vio_count != 0, true, "msix: there are devices");
	for (unsigned int i = 0; i < vio_count; i++) {
		struct card c = { .v = &vios[i] };

		check(began_without_master(c.v), true, "msix: %s: no bus master at first", vio_name(c.v));
		if (!check(find(&c), true, "msix: %s: MSI-X and MSI are there", vio_name(c.v)))
			continue;
		for (enum vio_transport t = VIO_LEGACY; t <= VIO_MODERN; t++) {
			if (!vio_has(&vios[i], t))
				continue;
			vios[i].transport = t;
			try_all(&c);
		}
	}
}
