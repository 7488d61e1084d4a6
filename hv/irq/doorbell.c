/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Doorbells: devices interrupt Veneer by NMIs (docs/boot-flow.md), each device one processor.  A device uses MSI if it has it,
 * else MSI-X entry 0, else the I/O APIC input of its INTx line.  The interrupts that the guest gets are sent by msi.c and
 * intx.c.
 */
#include <veneer/counters.h>
#include <veneer/doorbell.h>
#include <veneer/err.h>
#include <veneer/intx.h>
#include <veneer/io.h>
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/irq/doorbell.h"
#include "hv/irq/intx.h"
#include "hv/cpu/lapic.h"
#include "hv/irq/ioapic.h"
#include "hv/x86.h"

#define MAX_DOORBELLS	64u

/* PCI 3.0, 6.8.1 and 6.8.2 */
#define MSI_CONTROL	2
#define  MSI_ENABLE	BIT(0)
#define  MSI_MULTIPLE	GENMASK(6, 4)
#define  MSI_64		BIT(7)
#define  MSI_MASKABLE	BIT(8)
#define MSI_ADDR	4
#define MSI_ADDR_HIGH	8
#define MSI_DATA_32	8
#define MSI_DATA_64	12
#define MSI_MASK_32	12
#define MSI_MASK_64	16
#define MSIX_CONTROL	2
#define  MSIX_ENABLE	BIT(15)
#define  MSIX_MASK_ALL	BIT(14)
#define MSIX_TABLE	4
#define  MSIX_BIR	GENMASK(2, 0)
#define MSIX_ENTRY_ADDR		0
#define MSIX_ENTRY_ADDR_HIGH	4
#define MSIX_ENTRY_DATA		8
#define MSIX_ENTRY_CONTROL	12

#define MSI_ADDRESS	0xfee00000u
#define MSI_DATA_NMI	0x400u
#define CLASS_NVME	0x010802u

/*
 * A device's work may be done before its NMI arrives.  On silicon that NMI comes within microseconds, because the message
 * follows the completion over the same link (milliseconds if an SMI intervenes); in an emulator it may take as long as its
 * threads wait for a processor.  An NMI that comes later is the guest's.
 */
#define CREDIT_US		10000u
#define CREDIT_EMULATED_US	500000u
/*
 * NMIs without work that one bell may account for in this time.  On silicon: one that the processor has latched, and one on its
 * way.  In an emulator each message may come late.
 */
#define CREDITS			2u
#define CREDITS_EMULATED	16u

/* Guests move vectors between processors while they start; a bell follows them at most this often. */
#define MOVE_US		100000u

struct bell {
	struct hw_dev *dev;
	struct owner_work work;
	volatile uint8_t *entry;	/* MSI-X; NULL: MSI or a pin */
	bool pin;
	uint32_t cpu;			/* shared: the processor that it interrupts */
	uint32_t old_cpu;		/* shared: the processor before the last move: an NMI may still be on its way there */
	uint64_t moved_us;		/* shared */
	uint64_t credit_until;		/* shared: until then NMIs without work are attributed to this bell, */
	uint32_t credits;		/* shared: so many at most */
	bool worked;			/* the poll of doorbell_ring() found work */
};

static struct bell bells[MAX_DOORBELLS];
static unsigned nbells;
static bool pins, emulated;
static bool (*also)(void);
static void (*aim_also)(uint32_t id);
static uint32_t credit_us = CREDIT_US, most_credits = CREDITS;
static uint64_t cnt_rings, cnt_spurious, cnt_credited, cnt_moved;

static uint32_t msi_address(uint32_t apic_id)
{
	return MSI_ADDRESS | (apic_id & 0xff) << 12;
}

/* Disable both MSI and MSI-X: firmware may have left one enabled, and a function must not use both (6.8.2). */
static void msi_off(const struct pci_dev *p)
{
	if (p->cap_msi)
		pci_write16(p, p->cap_msi + MSI_CONTROL, pci_read16(p, p->cap_msi + MSI_CONTROL) & (uint16_t)~MSI_ENABLE);
	if (p->cap_msix)
		pci_write16(p, p->cap_msix + MSIX_CONTROL, pci_read16(p, p->cap_msix + MSIX_CONTROL) & (uint16_t)~MSIX_ENABLE);
}

static void msi_on(const struct pci_dev *p)
{
	uint16_t cap = p->cap_msi, control = pci_read16(p, cap + MSI_CONTROL);
	bool is64 = control & MSI_64;

	pci_write32(p, cap + MSI_ADDR, msi_address(lapic_id()));
	if (is64)
		pci_write32(p, cap + MSI_ADDR_HIGH, 0);
	pci_write16(p, cap + (is64 ? MSI_DATA_64 : MSI_DATA_32), MSI_DATA_NMI);
	if (control & MSI_MASKABLE)
		pci_write32(p, cap + (is64 ? MSI_MASK_64 : MSI_MASK_32), 0);
	pci_write16(p, cap + MSI_CONTROL, (uint16_t)((control & ~MSI_MULTIPLE) | MSI_ENABLE));
}

static volatile uint8_t *msix_table(const struct pci_dev *p, unsigned entries)
{
	uint32_t where = pci_read32(p, p->cap_msix + MSIX_TABLE), off = where & ~MSIX_BIR;
	unsigned bir = FIELD_GET(MSIX_BIR, where);
	volatile uint8_t *bar = bir < 6 ? pci_map_bar(p, bir, off + entries * 16ull) : NULL;

	return bar ? bar + off : NULL;
}

/* Aim an entry at a processor.  The read at the end flushes the posted writes before the next interrupt can come. */
static void msix_aim(volatile uint8_t *entry, uint32_t apic_id, bool masked)
{
	mmio_write32(entry + MSIX_ENTRY_CONTROL, 1);
	mmio_write32(entry + MSIX_ENTRY_ADDR, msi_address(apic_id));
	mmio_write32(entry + MSIX_ENTRY_ADDR_HIGH, 0);
	mmio_write32(entry + MSIX_ENTRY_DATA, MSI_DATA_NMI);
	mmio_write32(entry + MSIX_ENTRY_CONTROL, masked);
	(void)mmio_read32(entry + MSIX_ENTRY_CONTROL);
}

static int msix_on(const struct pci_dev *p)
{
	uint16_t cap = p->cap_msix, control = pci_read16(p, cap + MSIX_CONTROL);
	unsigned entries = (control & 0x7ff) + 1u;
	volatile uint8_t *table = msix_table(p, entries);

	if (!table)
		return -ERR_NOTSUP;
	/* The table is accessible only with memory decoding on; all other entries stay masked. */
	pci_enable(p);
	pci_write16(p, cap + MSIX_CONTROL, control | MSIX_ENABLE | MSIX_MASK_ALL);
	for (unsigned i = 1; i < entries; i++)
		mmio_write32(table + i * 16 + MSIX_ENTRY_CONTROL, 1);
	msix_aim(table, lapic_id(), false);
	pci_write16(p, cap + MSIX_CONTROL, (uint16_t)((control & ~MSIX_MASK_ALL) | MSIX_ENABLE));
	return 0;
}

static int pin_on(struct hw_dev *dev)
{
	int gsi;

	if (!dev->pci->int_pin || !dev->ops->intx_test) {
		log_err("%s: has neither MSI nor an interrupt line: it cannot ring", dev->name);
		return -ERR_NOTSUP;
	}
	if (!IS_ENABLED(CONFIG_INTX)) {
		log_err("%s: has neither MSI nor MSI-X, and this build no INTX: it cannot ring", dev->name);
		return -ERR_NOTSUP;
	}
	pci_write16(dev->pci, PCI_COMMAND, pci_read16(dev->pci, PCI_COMMAND) & (uint16_t)~PCI_CMD_INTX_OFF);
	gsi = intx_borrow(dev);
	if (gsi < 0) {
		log_err("%s: its INTx line reaches no IOAPIC pin: it cannot ring", dev->name);
		return gsi;
	}
	pins = true;
	log_info("%s: rings by IOAPIC input %d", dev->name, gsi);
	return 0;
}

/*
 * Learn the device's INTx line, which the twin will use.  A device with messages enabled does not assert it: disable them
 * first.
 */
static void learn_line(struct hw_dev *dev)
{
	const struct pci_dev *p = dev->pci;
	uint16_t msi = p->cap_msi ? pci_read16(p, p->cap_msi + MSI_CONTROL) : 0;
	uint16_t msix = p->cap_msix ? pci_read16(p, p->cap_msix + MSIX_CONTROL) : 0;
	uint16_t command = pci_read16(p, PCI_COMMAND);

	msi_off(p);
	pci_write16(p, PCI_COMMAND, command & (uint16_t)~PCI_CMD_INTX_OFF);
	intx_learn(dev);
	pci_write16(p, PCI_COMMAND, command);
	if (p->cap_msi)
		pci_write16(p, p->cap_msi + MSI_CONTROL, msi);
	if (p->cap_msix)
		pci_write16(p, p->cap_msix + MSIX_CONTROL, msix);
}

/*
 * Use MSI-X for NVMe drives: every driver does, and the MSI of some drives (WD SN530, SN550) does not work.  Use MSI for all
 * others: with MSI-X a NIC needs its causes mapped to vectors.
 */
static bool prefers_msix(const struct pci_dev *pci)
{
	return pci->cap_msix && (!pci->cap_msi || pci->class_code == CLASS_NVME);
}

int doorbell_prepare(const struct pci_dev *pci)
{
	int err = -ERR_NOTSUP;

	msi_off(pci);
	if (prefers_msix(pci))
		err = msix_on(pci);
	if (!err || !pci->cap_msi)
		return pci->cap_msix ? err : 0;
	msi_on(pci);
	return 0;
}

void doorbell_silence(const struct pci_dev *pci)
{
	msi_off(pci);
}

/* @n messages may still come.  If another processor does the same at this moment, one of the two counts may be lost. */
static void credit(struct bell *b, unsigned n)
{
	uint64_t now = time_us();
	bool over = now >= __atomic_load_n(&b->credit_until, __ATOMIC_RELAXED);
	unsigned left = over ? 0 : __atomic_load_n(&b->credits, __ATOMIC_RELAXED);

	n = MIN(n, most_credits);
	__atomic_store_n(&b->credits, MIN(left + n, most_credits), __ATOMIC_RELAXED);
	__atomic_store_n(&b->credit_until, now + credit_us, __ATOMIC_RELAXED);
}

void doorbell_credit(struct owner *owner, unsigned n)
{
	for (struct bell *b = bells; b < bells + nbells; b++)
		if (!owner || owner == &b->dev->owner)
			credit(b, n);
}

static void aim(struct bell *b, const struct cpu *to)
{
	if (b->entry)
		msix_aim(b->entry, to->apic_id, b->dev->owner.polled);
	else
		pci_write32(b->dev->pci, b->dev->pci->cap_msi + MSI_ADDR, msi_address(to->apic_id));
}

static void move(struct bell *b, const struct cpu *to)
{
	__atomic_store_n(&b->old_cpu, b->cpu, __ATOMIC_SEQ_CST);
	__atomic_store_n(&b->cpu, to->index, __ATOMIC_SEQ_CST);
	aim(b, to);
	counter_add(&cnt_moved, 1);
}

/*
 * Move the bell to the processor that got the device's last interrupt for the guest, so that one processor does Veneer's work
 * and the guest's.  As owner.  MSI without a mask bit: only the destination in the low address changes, in one write, as
 * drivers do with such devices; an earlier completion interrupts the old processor, and the poll that follows finds it.  Pins
 * stay.
 */
static bool follow(struct bell *b)
{
	uint32_t addr = b->dev->owner.msi_addr;
	uint64_t now;

	if (ncpus == 1 || b->pin || !addr)
		return false;
	now = time_us();
	if (now - b->moved_us < MOVE_US)
		return false;
	struct cpu *to = smp_find_target(addr);

	__atomic_store_n(&b->moved_us, now, __ATOMIC_RELAXED);
	if (!to || to->index == b->cpu || to->apic_id > 0xff)
		return false;
	move(b, to);
	return true;
}

/*
 * True if one completion accounts for the NMI that is being handled.  False if a processor other than the bell's did the work
 * or the bell has just moved; also for pins, which make edges of their own, and for emulated cards, which repeat a message
 * whose cause is not read for some time.
 */
static bool rings_for(const struct bell *b)
{
	const struct cpu *c = this_cpu();

	return !pins && !emulated && c->ringing && b->cpu == c->index && (ncpus == 1 || time_us() - b->moved_us >= credit_us);
}

/* As owner, on any processor.  A second NMI can be latched while one is handled; this poll does its work, too. */
static void run_bell(void *ctx, uint32_t bits)
{
	struct bell *b = ctx;
	unsigned n = b->dev->ops->poll(b->dev);

	if (b->dev->owner.polled) {
		b->worked = n;
		return;
	}
	if (follow(b))
		n += b->dev->ops->poll(b->dev);
	if (!n)
		return;
	if (rings_for(b))
		n--;
	if (n)
		credit(b, n);
	b->worked = true;
	owner_traffic(&b->dev->owner);
}

/* --- the polling core --- */

static uint32_t peek_bell(void *ctx, bool *busy)
{
	const struct bell *b = ctx;

	return b->dev->ops->peek(b->dev);
}

/*
 * By the table's entry, if there is one: what comes meanwhile stays pending there, and rings once when the mask is taken off.
 * The read makes sure that the write has arrived.  A masked device withdraws its line, which other devices may share; without
 * the mask the line rises again, which is an edge.
 */
static bool quiet_bell(void *ctx, bool on)
{
	const struct bell *b = ctx;

	if (!b->dev->ops->peek || !b->dev->ops->mask(b->dev, on))
		return false;
	if (b->entry) {
		mmio_write32(b->entry + MSIX_ENTRY_CONTROL, on);
		(void)mmio_read32(b->entry + MSIX_ENTRY_CONTROL);
	}
	return true;
}

/*
 * Take the ownership of one bell after the other: a follow() in progress ends first, and a later one finds that this processor
 * does not run.  Pins interrupt the boot processor.
 */
void doorbell_leave(uint32_t cpu)
{
	for (struct bell *b = bells; b < bells + nbells; b++) {
		if (b->pin)
			continue;
		owner_acquire(&b->dev->owner);
		if (b->cpu == cpu) {
			__atomic_store_n(&b->moved_us, time_us(), __ATOMIC_RELAXED);
			move(b, cpus[0]);
			/* Serve the bells that interrupted this processor until now. */
			(void)b->dev->ops->poll(b->dev);
			credit(b, 1);
		}
		owner_release(&b->dev->owner);
	}
}

/* An NMI sent to the old APIC id reached no processor, or another one: do its work here. */
void doorbell_aim(uint32_t cpu)
{
	for (struct bell *b = bells; b < bells + nbells; b++) {
		if (b->pin)
			continue;
		owner_acquire(&b->dev->owner);
		if (b->cpu == cpu) {
			aim(b, cpus[cpu]);
			(void)b->dev->ops->poll(b->dev);
			credit(b, 1);
		}
		owner_release(&b->dev->owner);
	}
	if (aim_also && !cpu)
		aim_also(cpus[0]->apic_id);
	if (!pins || cpu)
		return;
	ioapic_ring_at(cpus[0]->apic_id);
	doorbell_look();
}

/* Disable MSI and MSI-X first: a function with either enabled asserts no line (6.1.4.3 of PCI Express). */
static int ring_by_pin(struct bell *b)
{
	const struct pci_dev *p = b->dev->pci;
	int err;

	msi_off(p);
	err = pin_on(b->dev);
	if (!err || !(p->cap_msi || p->cap_msix))
		return err;
	log_warn("%s: rings by message, which its chip may not do well", b->dev->name);
	b->pin = false;
	return doorbell_prepare(p);
}

int doorbell_attach(struct hw_dev *dev)
{
	const struct pci_dev *p = dev->pci;
	struct bell *b = &bells[nbells];
	int err = 0;

	if (nbells == MAX_DOORBELLS) {
		limit_reached("doorbells", MAX_DOORBELLS);
		return -ERR_NOMEM;
	}
	*b = (struct bell){ .dev = dev, .work = { .run = run_bell, .ctx = b, .quiet = quiet_bell, .all = 1 } };
	if (dev->ops->peek)
		b->work.peek = peek_bell;
	b->pin = dev->by_pin || (!p->cap_msi && !p->cap_msix);
	if (b->pin)
		err = ring_by_pin(b);
	else if (IS_ENABLED(CONFIG_INTX))
		learn_line(dev);
	if (p->cap_msix && (pci_read16(p, p->cap_msix + MSIX_CONTROL) & MSIX_ENABLE))
		b->entry = msix_table(p, 1);
	if (err)
		return err;
	owner_add(&dev->owner, &b->work);
	nbells++;
	return 0;
}

/* True if an NMI on this processor may come from this bell. */
static bool rings_here(const struct bell *b, uint32_t cpu, uint64_t now)
{
	if (__atomic_load_n(&b->cpu, __ATOMIC_SEQ_CST) == cpu)
		return true;
	return __atomic_load_n(&b->old_cpu, __ATOMIC_SEQ_CST) == cpu &&
	       now - __atomic_load_n(&b->moved_us, __ATOMIC_RELAXED) < credit_us;
}

/*
 * Poll one device.  1 if it had work; *@busy is set if another processor owns the device, which then polls it once more.  For a
 * device on a pin wait for the ownership instead: its line must fall before the return.
 */
static unsigned poll_one(struct bell *b, bool *busy)
{
	struct owner *o = &b->dev->owner;

	b->worked = false;
	if (!b->pin) {
		if (!owner_post(o, &b->work, 1))
			*busy = true;
		return b->worked;
	}
	owner_acquire(o);
	run_bell(b, 1);
	bool worked = b->worked;
	owner_release(o);
	return worked;
}

/*
 * Poll all devices on one pin until none has work: while the line stays asserted the pin gives no further edge.  Bounded,
 * because a device that always has work would keep the guest from running.
 */
static unsigned poll_all(uint32_t cpu, uint64_t time, bool *busy)
{
	struct bell *first = NULL;
	unsigned sum = 0, now, rounds = pins ? 4 : 1;

	do {
		now = 0;
		for (struct bell *b = bells; b < bells + nbells; b++)
			if (rings_here(b, cpu, time) && poll_one(b, busy)) {
				/* Every other device sends an NMI of its own, so one poll is enough. */
				if (first)
					credit(b, 1);
				else
					first = b;
				now++;
			}
		sum += now;
	} while (now && --rounds);
	return sum;
}

static bool take_credit(uint32_t cpu, uint64_t now)
{
	for (struct bell *b = bells; b < bells + nbells; b++) {
		uint32_t left = __atomic_load_n(&b->credits, __ATOMIC_RELAXED);

		if (!rings_here(b, cpu, now) || now >= __atomic_load_n(&b->credit_until, __ATOMIC_RELAXED))
			continue;
		while (left)
			if (__atomic_compare_exchange_n(&b->credits, &left, left - 1, false, __ATOMIC_SEQ_CST,
							__ATOMIC_RELAXED))
				return true;
	}
	return false;
}

void doorbell_look(void)
{
	for (struct bell *b = bells; b < bells + nbells; b++)
		if (b->pin)
			(void)owner_post(&b->dev->owner, &b->work, 1);
}

bool doorbell_ring(void)
{
	uint32_t cpu = this_cpu()->index;
	uint64_t now = time_us();
	bool busy = false, worked, foreign;

	counter_add(&cnt_rings, 1);
	this_cpu()->ringing = true;
	worked = poll_all(cpu, now, &busy);
	this_cpu()->ringing = false;
	/* If a pin is still asserted after that, a device of the guest's asserts it. */
	foreign = IS_ENABLED(CONFIG_INTX) && pins && intx_look_foreign();
	if (worked || busy || foreign || (also && also()))
		return true;
	if (take_credit(cpu, now)) {
		counter_add(&cnt_credited, 1);
		return true;
	}
	counter_add(&cnt_spurious, 1);
	return false;
}

void doorbell_also(bool (*explains)(void), void (*aim_at)(uint32_t id))
{
	also = explains;
	aim_also = aim_at;
}

void doorbell_init(void)
{
	emulated = cpuid(1, 0).ecx & CPUID_HYPERVISOR;
	credit_us = emulated ? CREDIT_EMULATED_US : CREDIT_US;
	most_credits = emulated ? CREDITS_EMULATED : CREDITS;
	counter_register("doorbell", "rings", &cnt_rings);
	counter_register("doorbell", "unexplained", &cnt_spurious);
	counter_register("doorbell", "credited", &cnt_credited);
	counter_register("doorbell", "moved", &cnt_moved);
}
