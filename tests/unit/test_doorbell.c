/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/irq/doorbell.c tests/unit/host/cpu.c */
/* MSI and MSI-X as doorbells, and which NMIs are the guest's. */
#include <string.h>
#include <veneer/doorbell.h>
#include <veneer/err.h>
#include <veneer/intx.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/cpus.h"
#include "hv/irq/doorbell.h"
#include "hv/irq/intx.h"

#define OWN_ID	6u
#define ADDRESS	(0xfee00000 | OWN_ID << 12)
#define NMI	0x400u
#define MSI	0x50
#define MSIX	0x70

static unsigned work, others_work, polls, looks, pins_asked, learned;
static bool foreign;
static struct cpu *target;
static int gsi;
static const uint8_t *learning;		/* configuration space of the device whose line is learned */

unsigned ncpus = 1;
static struct cpu boot = { .apic_id = OWN_ID };
struct cpu *cpus[MAX_CPUS] = { &boot };
struct cpu *smp_find_target(uint32_t addr) { return target; }
uint32_t lapic_id(void) { return OWN_ID; }
bool intx_look_foreign(void) { looks++; return foreign; }
int intx_borrow(struct hw_dev *dev) { pins_asked++; return gsi; }

static unsigned poll(struct hw_dev *dev)
{
	unsigned n = work;

	polls++;
	work = 0;
	if (!n && others_work) {
		others_work--;
		return 1;
	}
	return n;
}

/* Called with messages off and INTx enabled. */
void intx_learn(struct hw_dev *dev)
{
	const struct pci_dev *p = dev->pci;
	uint16_t command;

	memcpy(&command, learning + PCI_COMMAND, 2);
	CHECK(!(command & PCI_CMD_INTX_OFF));
	CHECK(!p->cap_msi || !(learning[MSI + 2] & 1));
	CHECK(!p->cap_msix || !(learning[MSIX + 3] & 0x80));
	learned++;
}

static void intx_test(struct hw_dev *dev, bool on) { }
static const struct hw_dev_ops ops = { .poll = poll, .intx_test = intx_test }, no_line = { .poll = poll };

static uint32_t get(const uint8_t *c, unsigned off, unsigned width)
{
	uint32_t v = 0;

	memcpy(&v, c + off, width);
	return v;
}

static void put(uint8_t *c, unsigned off, uint32_t v, unsigned width) { memcpy(c + off, &v, width); }

/* Set up once for all tests that ring: doorbell.c cannot undo it. */
static struct pci_dev pci[16];
static struct hw_dev devs[16];
static unsigned ndevs;

static struct hw_dev *new_dev(uint8_t **cfg, bool msi, bool msix)
{
	struct pci_dev *p = &pci[ndevs];

	devs[ndevs] = (struct hw_dev){ .ops = &ops, .pci = p, .name = "dev" };
	*p = (struct pci_dev){ .int_pin = 1, .cap_msi = msi ? MSI : 0, .cap_msix = msix ? MSIX : 0 };
	learning = *cfg = host_pci_config(p);
	return &devs[ndevs++];
}

static int attach(struct hw_dev *d)
{
	int err = doorbell_prepare(d->pci);

	return err ? err : doorbell_attach(d);
}

void ioapic_ring_at(uint32_t apic_id) { }

static uint32_t aimed_at;
static void aim_also(uint32_t id) { aimed_at = id; }

/* An IOMMU's message goes to the boot processor, whose id may change.  Before there are bells. */
TEST(the_boot_processors_new_id)
{
	doorbell_also(NULL, aim_also);
	doorbell_aim(1);
	CHECK(!aimed_at);
	boot.apic_id = 9;
	doorbell_aim(0);
	CHECK_EQ(aimed_at, 9);
	boot.apic_id = OWN_ID;
	doorbell_also(NULL, NULL);
	doorbell_aim(0);
	CHECK_EQ(aimed_at, 9);
}

TEST(msi_of_each_layout)
{
	for (unsigned layout = 0; layout < 4; layout++) {
		bool is64 = layout & 1, maskable = layout & 2;
		uint8_t *c;
		struct hw_dev *d = new_dev(&c, true, true);

		put(c, MSI + 2, (is64 ? BIT(7) : 0) | (maskable ? BIT(8) : 0) | 3 << 4, 2);
		put(c, MSIX + 2, BIT(15) | 3, 2);
		put(c, MSI + 8, 0xffffffff, 4);
		put(c, MSI + 12, 0xffffffff, 4);
		put(c, MSI + 16, 0xffffffff, 4);
		CHECK_EQ(attach(d), 0);
		CHECK_EQ(get(c, MSI + 4, 4), ADDRESS);
		CHECK_EQ(get(c, MSI + (is64 ? 12 : 8), 2), NMI);
		if (is64)
			CHECK_EQ(get(c, MSI + 8, 4), 0);
		if (maskable)
			CHECK_EQ(get(c, MSI + (is64 ? 16 : 12), 4), 0);
		/* MSI is on with one vector; MSI and MSI-X are never both on. */
		CHECK_EQ(get(c, MSI + 2, 2) & 0x71, 1);
		CHECK_EQ(get(c, MSIX + 2, 2) & BIT(15), 0);
		doorbell_silence(d->pci);
		CHECK_EQ(get(c, MSI + 2, 2) & 1, 0);
	}
}

static uint32_t table[4][4];

static uint64_t table_read(void *ctx, uint32_t off, unsigned width)
{
	CHECK(off >= 0x2000 && off < 0x2040 && width == 4);
	return table[(off - 0x2000) / 16][off / 4 % 4];
}

static void table_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	CHECK(off >= 0x2000 && off < 0x2040 && width == 4);
	table[(off - 0x2000) / 16][off / 4 % 4] = (uint32_t)v;
}

static const struct host_model table_model = { table_read, table_write };

TEST(msix_entry_0)
{
	uint8_t *c;
	struct hw_dev *d = new_dev(&c, false, true);
	struct pci_dev *p = (struct pci_dev *)(uintptr_t)d->pci;

	p->bar[2] = (struct pci_bar){ .addr = host_mmio_new(0x4000, &table_model, NULL), .size = 0x4000 };
	memset(table, 0, sizeof(table));
	put(c, MSIX + 2, 3 | BIT(14), 2);
	put(c, MSIX + 4, 0x2000 | 2, 4);
	CHECK_EQ(attach(d), 0);
	CHECK(table[0][0] == ADDRESS && !table[0][1] && table[0][2] == NMI && !table[0][3]);
	for (unsigned i = 1; i < 4; i++)
		CHECK_EQ(table[i][3] & 1, 1);
	CHECK_EQ(get(c, MSIX + 2, 2) & 0xc000, BIT(15));
	CHECK_EQ(get(c, PCI_COMMAND, 2) & PCI_CMD_MEM, PCI_CMD_MEM);
}

TEST(nvme_rings_by_msix_where_it_has_both)
{
	uint8_t *c;
	struct hw_dev *d = new_dev(&c, true, true);
	struct pci_dev *p = (struct pci_dev *)(uintptr_t)d->pci;

	p->class_code = 0x010802;
	p->bar[2] = (struct pci_bar){ .addr = host_mmio_new(0x4000, &table_model, NULL), .size = 0x4000 };
	put(c, MSIX + 2, 3, 2);
	put(c, MSIX + 4, 0x2000 | 2, 4);
	CHECK_EQ(attach(d), 0);
	CHECK_EQ(get(c, MSIX + 2, 2) & 0xc000, BIT(15));
	CHECK_EQ(get(c, MSI + 2, 2) & 1, 0);

	p->class_code = 0x020000;		/* a NIC would have to map its causes */
	CHECK_EQ(doorbell_prepare(p), 0);
	CHECK_EQ(get(c, MSIX + 2, 2) & BIT(15), 0);
	CHECK_EQ(get(c, MSI + 2, 2) & 1, 1);

	p->class_code = 0x010802;
	put(c, MSIX + 4, 0x2000 | 6, 4);	/* a table outside of any BAR */
	CHECK_EQ(doorbell_prepare(p), 0);
	CHECK_EQ(get(c, MSI + 2, 2) & 1, 1);
}

TEST(msix_tables_that_are_nowhere)
{
	static const uint32_t where[] = { 0x2000 | 7, 0x2000 | 6, 0x2000 | 1, 0x3fd0 | 2, 0xfffffff0 | 2 };

	for (unsigned i = 0; i < ARRAY_SIZE(where); i++) {
		uint8_t *c;
		struct hw_dev *d = new_dev(&c, false, true);
		struct pci_dev *p = (struct pci_dev *)(uintptr_t)d->pci;

		p->bar[2] = (struct pci_bar){ .addr = host_mmio_new(0x4000, &table_model, NULL), .size = 0x4000 };
		put(c, MSIX + 2, 3, 2);
		put(c, MSIX + 4, where[i], 4);
		CHECK_EQ(attach(d), -ERR_NOTSUP);
		ndevs--;
	}
}

TEST(the_line_is_learned_without_messages_and_they_come_back)
{
	uint8_t *c;
	struct hw_dev *d = new_dev(&c, true, true);

	put(c, PCI_COMMAND, PCI_CMD_INTX_OFF | PCI_CMD_MEM, 2);
	learned = 0;
	CHECK_EQ(attach(d), 0);
	CHECK_EQ(learned, 1);
	CHECK_EQ(get(c, MSI + 2, 2) & 1, 1);
	CHECK_EQ(get(c, PCI_COMMAND, 2), PCI_CMD_INTX_OFF | PCI_CMD_MEM);
}

/* Take an NMI whose poll finds @completions.  True if it is a doorbell's. */
static bool ring(unsigned completions)
{
	work = completions;
	return doorbell_ring();
}

TEST(an_nmi_is_ours_with_work_and_once_more_where_two_may_have_been_sent)
{
	/* One completion accounts for one NMI. */
	CHECK(ring(1));
	CHECK(!ring(0));
	CHECK(ring(1));
	CHECK(ring(1));
	CHECK(!ring(0));
	/* A second NMI may have been latched while the first was handled. */
	CHECK(ring(2));
	CHECK(ring(0));
	CHECK(!ring(0));
	/* Each of two devices sends an NMI of its own. */
	others_work = 1;
	CHECK(ring(1));
	CHECK(ring(0));
	CHECK(!ring(0));
	CHECK_EQ(looks, 0);
}

static unsigned asked;
static bool explains;
static bool also(void)
{
	asked++;
	return explains;
}

/* An IOMMU's message: asked for what no device explains, and before a credit is taken. */
TEST(an_nmi_that_is_no_devices)
{
	doorbell_also(also, NULL);
	CHECK(ring(2) && !asked);
	explains = true;
	CHECK(ring(0) && asked == 1);
	explains = false;
	CHECK(ring(0) && asked == 2);
	CHECK(!ring(0) && asked == 3);
	doorbell_also(NULL, NULL);
}

/* The owner of the controller may have done the work: the NMI then finds none. */
TEST(an_nmi_is_expected_whose_work_another_processor_took)
{
	static struct cpu second = { .index = 1, .apic_id = 9 };
	uint8_t *c;
	struct hw_dev *d = new_dev(&c, true, false);
	struct owner *o = &d->owner;

	CHECK_EQ(attach(d), 0);
	ncpus = 2;
	host_now_us += 1000000;
	CHECK(ring(1));
	CHECK(!ring(0));
	this_cpu()->index = 1;			/* as that other processor, which kicks */
	work = 1;
	o->pending = BIT64(o->works->shift);
	owner_acquire(o);
	owner_release(o);
	this_cpu()->index = 0;
	CHECK(ring(0));
	CHECK(!ring(0));
	/* For some time after a move, too. */
	target = &second;
	o->msi_addr = 0xfee09000;
	CHECK(ring(1));
	CHECK_EQ(get(c, MSI + 4, 4), 0xfee09000);
	this_cpu()->index = 1;
	CHECK(ring(1));
	CHECK(ring(0));
	host_now_us += 20000;
	CHECK(ring(1));
	CHECK(!ring(0));
	this_cpu()->index = 0;
	target = NULL;
	o->msi_addr = 0;
	doorbell_leave(1);
	ncpus = 1;
	host_now_us += 1000000;
}

TEST(a_credit_is_for_one_and_ends)
{
	doorbell_credit(&devs[0].owner, 1);
	CHECK(doorbell_ring());
	CHECK(!doorbell_ring());
	doorbell_credit(&devs[1].owner, 1);
	host_now_us += 9000;
	CHECK(doorbell_ring());
	doorbell_credit(&devs[1].owner, 1);
	host_now_us += 11000;
	CHECK(!doorbell_ring());
}

static unsigned rings_until_unknown(void)
{
	unsigned n = 0;

	while (doorbell_ring())
		n++;
	return n;
}

/* A tick found several completions: each message may come late, but only so many as the processor can still receive. */
TEST(credits_are_counted)
{
	doorbell_credit(&devs[0].owner, 2);
	CHECK_EQ(rings_until_unknown(), 2);
	doorbell_credit(&devs[0].owner, 1);
	doorbell_credit(&devs[0].owner, 1);
	CHECK_EQ(rings_until_unknown(), 2);
	doorbell_credit(&devs[0].owner, 5);
	CHECK_EQ(rings_until_unknown(), 2);
	doorbell_credit(&devs[0].owner, 2);
	host_now_us += 11000;
	CHECK_EQ(rings_until_unknown(), 0);
	/* What is over does not count towards the next ones. */
	doorbell_credit(&devs[0].owner, 1);
	CHECK_EQ(rings_until_unknown(), 1);
	/* In an emulator each of them may be late. */
	host_cpuid_set(1, (struct cpuid_regs){ .ecx = CPUID_HYPERVISOR });
	doorbell_init();
	doorbell_credit(&devs[0].owner, 5);
	doorbell_credit(&devs[0].owner, 3);
	CHECK_EQ(rings_until_unknown(), 8);
	doorbell_credit(&devs[0].owner, 1000);
	CHECK_EQ(rings_until_unknown(), 16);
	host_cpuid_set(1, (struct cpuid_regs){ 0 });
	doorbell_init();
}

/* A processor waits for a SIPI: its bells move to the boot processor, which polls these devices once. */
TEST(bells_leave_a_processor_that_takes_no_nmi)
{
	static struct cpu second = { .index = 2, .apic_id = 9 };
	uint8_t *c;
	struct hw_dev *d = new_dev(&c, true, false);

	CHECK_EQ(attach(d), 0);
	ncpus = 3;
	target = &second;
	d->owner.msi_addr = 0xfee09000;
	host_now_us += 1000000;
	work = 1;
	CHECK(doorbell_ring());
	CHECK_EQ(get(c, MSI + 4, 4), 0xfee09000);
	target = NULL;
	polls = 0;
	doorbell_leave(1);
	CHECK_EQ(get(c, MSI + 4, 4), 0xfee09000);
	CHECK_EQ(polls, 0);
	doorbell_leave(2);
	CHECK_EQ(get(c, MSI + 4, 4), ADDRESS);
	CHECK_EQ(polls, 1);
	ncpus = 1;
	host_now_us += 1000000;
}

/* --- the polling core --- */

static bool dev_masked, peek_finds;
static bool mask(struct hw_dev *dev, bool on) { dev_masked = on; return true; }
static bool peek(struct hw_dev *dev) { return peek_finds; }
static const struct hw_dev_ops pollable = { .poll = poll, .intx_test = intx_test, .peek = peek, .mask = mask };
static unsigned woken;
static void wake(void) { woken++; }

/* The device's mask, and that of the table's entry, which stays wherever the bell is aimed. */
TEST(what_is_polled_does_not_ring)
{
	static struct cpu second = { .index = 1, .apic_id = 9 };
	uint8_t *c;
	struct hw_dev *d = new_dev(&c, false, true);
	struct pci_dev *p = (struct pci_dev *)(uintptr_t)d->pci;
	struct owner_work *w;
	bool busy = false;

	d->ops = &pollable;
	p->bar[2] = (struct pci_bar){ .addr = host_mmio_new(0x4000, &table_model, NULL), .size = 0x4000 };
	memset(table, 0, sizeof(table));
	put(c, MSIX + 2, 3, 2);
	put(c, MSIX + 4, 0x2000 | 2, 4);
	CHECK_EQ(attach(d), 0);
	w = d->owner.works;
	CHECK(w->all && !w->peek(w->ctx, &busy) && !busy);
	peek_finds = true;
	CHECK(w->peek(w->ctx, &busy));
	/* It rings on the second processor, which the guest stops. */
	ncpus = 2;
	cpus[1] = target = &second;
	d->owner.msi_addr = 0xfee09000;
	host_now_us += 1000000;
	work = 1;
	w->run(w->ctx, 1);
	CHECK_EQ(table[0][0], 0xfee09000);
	CHECK(w->quiet(w->ctx, true));
	CHECK(dev_masked && table[0][3] == 1);
	d->owner.polled = true;
	doorbell_leave(1);
	CHECK(table[0][0] == ADDRESS && table[0][3] == 1);
	/* What it finds is no reason to wake somebody; nor does the bell follow the guest's interrupts meanwhile. */
	owner_on_traffic(wake);
	host_now_us += 1000000;
	work = 3;
	w->run(w->ctx, 1);
	CHECK(!woken && !work && table[0][0] == ADDRESS);
	d->owner.polled = false;
	CHECK(w->quiet(w->ctx, false));
	CHECK(!dev_masked && !table[0][3]);
	work = 1;
	w->run(w->ctx, 1);
	CHECK(woken == 1 && d->owner.traffic && table[0][0] == 0xfee09000);
	owner_on_traffic(NULL);
	target = NULL;
	d->owner.msi_addr = 0;
	doorbell_leave(1);
	ncpus = 1;
	host_now_us += 1000000;
}

TEST(a_device_without_a_peek_is_not_polled)
{
	uint8_t *c;
	struct hw_dev *d = new_dev(&c, true, false);

	CHECK_EQ(attach(d), 0);
	CHECK(!d->owner.works->peek && !d->owner.works->quiet(d->owner.works->ctx, true));
}

/* This test is the last: once a pin exists, each ring polls until no device has work. */
TEST(pins)
{
	uint8_t *c;
	struct hw_dev *d = new_dev(&c, false, false);

	put(c, PCI_COMMAND, PCI_CMD_INTX_OFF | PCI_CMD_MEM, 2);
	gsi = -ERR_NODEV;
	CHECK_EQ(attach(d), -ERR_NODEV);
	CHECK(host_log_has("cannot ring"));
	d->ops = &no_line;
	CHECK_EQ(attach(d), -ERR_NOTSUP);
	d->ops = &ops;
	pci[ndevs - 1].int_pin = 0;
	CHECK_EQ(attach(d), -ERR_NOTSUP);
	CHECK_EQ(pins_asked, 1);
	pci[ndevs - 1].int_pin = 1;
	gsi = 21;
	CHECK_EQ(attach(d), 0);
	CHECK_EQ(get(c, PCI_COMMAND, 2) & PCI_CMD_INTX_OFF, 0);
	work = 1;
	polls = 0;
	CHECK(doorbell_ring());
	CHECK_EQ(polls, 2 * ndevs);
	/* A device of the guest's on such a pin is looked for after our devices are drained, whether they had work or not. */
	CHECK_EQ(looks, 1);
	CHECK(doorbell_ring());		/* the credit */
	foreign = true;
	CHECK(doorbell_ring());
	CHECK_EQ(looks, 3);
	foreign = false;
	CHECK(!doorbell_ring());
}

/* The device alone holds its line low. */
TEST(a_pin_is_polled)
{
	uint8_t *c;
	struct hw_dev *d = new_dev(&c, false, false);
	struct owner_work *w;

	d->ops = &pollable;
	gsi = 21;
	CHECK_EQ(attach(d), 0);
	w = d->owner.works;
	CHECK(w->quiet(w->ctx, true) && dev_masked);
	d->owner.polled = true;
	work = 3;
	w->run(w->ctx, 1);
	CHECK(!work && !doorbell_ring());	/* what is polled expects no interrupt */
	d->owner.polled = false;
	CHECK(w->quiet(w->ctx, false) && !dev_masked);
}

/* Such a device rings by its line, with messages off; if it has no line, by message, which is better than nothing. */
TEST(messages_that_are_not_trusted)
{
	uint8_t *c;
	struct hw_dev *d = new_dev(&c, true, false);

	d->by_pin = true;
	gsi = 22;
	pins_asked = 0;
	CHECK_EQ(attach(d), 0);
	CHECK_EQ(pins_asked, 1);
	CHECK_EQ(get(c, MSI + 2, 2) & 1, 0);
	CHECK_EQ(get(c, PCI_COMMAND, 2) & PCI_CMD_INTX_OFF, 0);
	d = new_dev(&c, true, false);
	d->by_pin = true;
	gsi = -ERR_NODEV;
	CHECK_EQ(attach(d), 0);
	CHECK_EQ(get(c, MSI + 2, 2) & 1, 1);
	CHECK(host_log_has("rings by message, which its chip may not do well"));
}

TEST_MAIN
