/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: conceal/classify.c conceal/conceal.c conceal/hide.c */
/* A machine of fake controllers: which are driven, which are hidden, where the twins are. */
#include <string.h>
#include <veneer/clock.h>
#include <veneer/conceal.h>
#include <veneer/disk.h>
#include <veneer/doorbell.h>
#include <veneer/err.h>
#include <veneer/intx.h>
#include <veneer/nic.h>
#include <veneer/trap.h>
#include <veneer/virtio.h>
#include <veneer/vpci.h>
#include "conceal/conceal.h"
#include "conceal/medium.h"
#include "host/host.h"

#define NIC		PCI_BDF(3, 0, 0)
#define AHCI		PCI_BDF(0, 31, 2)
#define NVME_FAILS	PCI_BDF(0, 8, 0)
#define NIC_LEFT	PCI_BDF(0, 9, 0)
#define NVME_EMPTY	PCI_BDF(0, 10, 0)
#define EMPTY_FN0	PCI_BDF(0, 13, 0)
#define ONE_DISK_FN1	PCI_BDF(0, 13, 1)
#define DISKS		9u
#define MANY		140u

struct config config;

static struct pci_dev pci[] = {
	{ .bdf = PCI_BDF(0, 0, 0), .class_code = 0x060000, .parent = 0xffff },
	{ .bdf = PCI_BDF(0, 1, 0), .class_code = 0x060400, .header_type = 1, .parent = 0xffff },
	{ .bdf = PCI_BDF(2, 0, 0), .class_code = 0x060400, .header_type = 1, .parent = PCI_BDF(0, 1, 0) },
	{ .bdf = NIC, .class_code = 0x020000, .vendor = 1, .parent = PCI_BDF(2, 0, 0), .int_pin = 2, .int_line = 11,
	  .bar = { { .addr = 0xfe400800, .size = 0x1000 }, { .addr = 0xd020, .size = 32, .io = true }, { .size = 0x1000 } } },
	{ .bdf = NVME_FAILS, .class_code = 0x010802, .vendor = 1, .parent = 0xffff },
	{ .bdf = NIC_LEFT, .class_code = 0x020000, .vendor = 1, .parent = 0xffff },
	{ .bdf = NVME_EMPTY, .class_code = 0x010802, .vendor = 1, .parent = 0xffff },
	{ .bdf = PCI_BDF(0, 11, 0), .class_code = 0x010180, .vendor = 0x8086, .parent = 0xffff },
	{ .bdf = PCI_BDF(0, 12, 0), .class_code = 0x030000, .vendor = 1, .parent = 0xffff },
	{ .bdf = PCI_BDF(0, 31, 0), .class_code = 0x060100, .parent = 0xffff },
	{ .bdf = AHCI, .class_code = 0x010601, .vendor = 1, .parent = 0xffff, .int_pin = 3 },
	{ .bdf = EMPTY_FN0, .class_code = 0x010601, .vendor = 1, .parent = 0xffff },
	{ .bdf = ONE_DISK_FN1, .class_code = 0x010601, .vendor = 1, .parent = 0xffff },
	{ .bdf = PCI_BDF(0, 10, 1), .class_code = 0x0c0330, .parent = 0xffff },	/* behind an NVMe that gets no twin */
};

const struct pci_dev *pci_get(unsigned n) { return n < ARRAY_SIZE(pci) ? &pci[n] : NULL; }

/* --- the driver --- */

static unsigned shut, irqs;
static struct nic the_nic;
static struct disk disk[MANY], *disks[MANY];
static void irq_enable(struct hw_dev *d, bool on) { irqs += on; }
static void shutdown(struct hw_dev *d) { shut++; }
static unsigned tick_found, credits;
static unsigned found_by_tick(struct hw_dev *d, uint64_t now_us) { return tick_found; }
void doorbell_credit(struct owner *owner, unsigned n) { credits += n; }
static const struct hw_dev_ops ops = { .irq_enable = irq_enable, .tick = found_by_tick, .shutdown = shutdown };
static struct hw_dev net_dev = { .ops = &ops, .pci = &pci[3], .name = "nic0", .nic = &the_nic };
static struct hw_dev disk_dev = { .ops = &ops, .pci = &pci[10], .name = "ahci0", .disk = disks, .ndisk = DISKS };
static struct disk one_disk, *one_disks = &one_disk;
static struct hw_dev one_disk_dev = { .ops = &ops, .pci = &pci[12], .name = "ahci1", .disk = &one_disks, .ndisk = 1 };

static int probe(const struct pci_dev *p, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	*out = p->bdf == NIC ? &net_dev : p->bdf == ONE_DISK_FN1 ? &one_disk_dev : &disk_dev;
	return p->bdf == NVME_FAILS ? -ERR_TIMEOUT : p->bdf == NVME_EMPTY || p->bdf == EMPTY_FN0 ? -ERR_NODEV : 0;
}

static const struct hw_id ids = { .model = "model" };
static const struct hw_driver driver = { .name = "driver", .probe = probe };

const struct hw_driver *hw_match(const struct pci_dev *p, const struct hw_id **id)
{
	*id = &ids;
	return p->vendor == 1 ? &driver : NULL;
}

/* --- the rest of the machine --- */

static struct { uint16_t bdf; bool frozen; } seen[64];
static unsigned nseen, mastered_off, alloc_io;
static struct { uint64_t base, size; } hid[8];
static unsigned nhid, nports;
static uint64_t port_base;

static int iommu_error;
static unsigned iommu_hidden;
static int confine_error;

/* Called before any device is touched. */
int iommu_hide(void)
{
	CHECK_EQ(nseen, 0);
	iommu_hidden++;
	return iommu_error;
}

static unsigned confined;

/* When all is hidden from the guest that speaks of IOMMUs, and no device is touched yet. */
int iommu_confine(void)
{
	CHECK(iommu_hidden && !nseen);
	confined++;
	return confine_error;
}

static uint16_t stub_bdf;
static const struct vpci_ops *stub;
int vpci_set(uint16_t bdf, const struct vpci_ops *o, void *ctx)
{
	if (o) {
		stub_bdf = bdf;
		stub = o;
	} else {
		seen[nseen++].bdf = bdf;
	}
	return 0;
}

static bool has_twin(uint16_t bdf);
bool vpci_answered(uint16_t bdf) { return has_twin(bdf); }
static struct disk *booted[MANY];
static unsigned nbooted;

static int freeze_error;
int vpci_freeze(const struct pci_dev *d)
{
	seen[nseen].bdf = d->bdf;
	seen[nseen++].frozen = true;
	return freeze_error;
}

int nested_hide(uint64_t base, uint64_t size) { hid[nhid].base = base; hid[nhid++].size = size; return 0; }
static unsigned nprotected;
int vpci_protect(uint64_t base, uint64_t size, bool io) { nprotected++; return 0; }
struct trap *trap_new_pio(const char *n, uint32_t size, const struct trap_ops *o, void *ctx)
{
	CHECK(size == 32 && (uint32_t)o->read(ctx, 0, 4) == ~0u);
	nports++;
	return (struct trap *)&port_base;
}
struct trap *trap_new_mmio(const char *n, uint32_t size, const struct trap_ops *o, void *ctx) { return NULL; }
int trap_place(struct trap *t, uint64_t base) { port_base = base; return 0; }
int doorbell_prepare(const struct pci_dev *p) { return 0; }
void doorbell_silence(const struct pci_dev *p) { }
int doorbell_attach(struct hw_dev *d) { return 0; }
static struct { uint16_t bdf; unsigned pin; } attached[2 * MANY];
static unsigned nattached;
static enum intx_state driven;
int intx_attach(struct intx_source *src, uint16_t bdf, unsigned pin)
{
	attached[nattached].bdf = bdf;
	attached[nattached++].pin = pin;
	return 0;
}
uint8_t intx_line_register(const struct intx_source *src) { return 11; }
void intx_set(struct intx_source *src, enum intx_state state) { driven = state; }
static struct owner_work *ticked[64];
static unsigned nticked;
int clock_register(void (*tick)(void *, uint64_t), void *ctx)
{
	ticked[nticked++ % ARRAY_SIZE(ticked)] = ctx;
	return 0;
}
void disk_counters(struct disk *d) { }
const struct bootdisk_ops bootdisk_ops;
void bootdisk_add(struct disk *d, uint16_t bdf, bool writable, bool own) { booted[nbooted++] = d; }
void pci_master_off(const struct pci_dev *d) { mastered_off++; }

uint64_t pci_alloc_bar(uint16_t bdf, bool io, uint32_t size)
{
	static uint64_t next = 0xfe000000;

	/* No I/O window behind the bridge. */
	if (io && PCI_BUS(bdf))
		return 0;
	return io ? 0xc000 + 128 * alloc_io++ : (next += 0x4000);
}

struct config_rule *config_find_dev(struct config *c, const struct pci_dev *p)
{
	for (unsigned i = 0; i < c->nrules; i++)
		if (c->rule[i].match == MATCH_BDF && c->rule[i].bdf == p->bdf)
			return &c->rule[i];
	return NULL;
}

struct config_rule *config_find_disk(struct config *c, const struct pci_dev *p, const char *serial)
{
	for (unsigned i = 0; i < c->nrules; i++)
		if (c->rule[i].match == MATCH_SERIAL && !strcmp(c->rule[i].serial, serial))
			return &c->rule[i];
	return NULL;
}

static struct { struct virtio_place place; bool net, writable; const struct disk *disk; } twin[MANY];
static unsigned ntwins;

static bool has_twin(uint16_t bdf)
{
	for (unsigned i = 0; i < ntwins; i++)
		if (twin[i].place.bdf == bdf)
			return true;
	return false;
}

static struct virtio_dev *new_twin(const struct virtio_place *place, bool net)
{
	twin[ntwins].place = *place;
	twin[ntwins].net = net;
	return (struct virtio_dev *)&twin[ntwins++];
}

struct virtio_dev *virtio_net_new(const char *name, const struct virtio_net_conf *c, const struct virtio_place *place)
{
	CHECK(c->nic == &the_nic && !strncmp(name, "net", 3));
	return new_twin(place, true);
}

static unsigned keeps;
void virtio_net_keep(struct virtio_dev *d) { keeps++; }
void virtio_blk_keep(struct virtio_dev *d) { keeps++; }

struct virtio_dev *virtio_blk_new(const char *name, const struct virtio_blk_conf *c, const struct virtio_place *place)
{
	twin[ntwins].writable = c->writable;
	twin[ntwins].disk = c->disk;
	return new_twin(place, false);
}

/* veneer,state: each disk is looked at before its window is cut, and told of after that; one has the partition. */
static unsigned looks, offers, settles, told;
bool window_state(struct disk *d, struct partition *out) { looks++; return d == &disk[2]; }
void medium_offer(struct disk *d, const struct partition *part) { CHECK(d == &disk[2]); offers++; }
void medium_settle(void) { settles++; }
void medium_disk(const char *name, struct disk *d, bool writable)
{
	CHECK_EQ(writable, twin[ntwins - 1].writable);
	told++;
}

static const struct config_rule *windowed;
bool window_own_disk(struct disk *d)
{
	return false;
}

bool window_shows_own(struct disk *d, const struct config_rule *rule) { return true; }

int window_place(struct disk *d, const struct config_rule *rule, bool own, bool *writable)
{
	if (rule && rule->window)
		windowed = rule;
	return rule && rule->window ? -ERR_INVAL : 0;
}

static void check_hidden(void)
{
	static const struct { uint16_t bdf; bool frozen; } want[] = {
		{ NIC, false }, { PCI_BDF(2, 0, 0), true }, { PCI_BDF(0, 1, 0), true },
		{ NVME_FAILS, false }, { NVME_EMPTY, false }, { AHCI, false }, { EMPTY_FN0, false }, { ONE_DISK_FN1, false },
	};

	CHECK_EQ(nseen, ARRAY_SIZE(want));
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++)
		CHECK(seen[i].bdf == want[i].bdf && seen[i].frozen == want[i].frozen);
	/* Whole pages are hidden, and no BAR without an address. */
	CHECK(nhid == 1 && hid[0].base == 0xfe400000 && hid[0].size == 0x2000);
	CHECK(nports == 1 && port_base == 0xd020 && nprotected == 2);
}

static void check_net(void)
{
	CHECK(twin[0].net && twin[0].place.bdf == NIC);
	CHECK(twin[0].place.modern_only && !twin[0].place.io_base);
	CHECK(twin[0].place.int_pin == 2 && twin[0].place.int_line == 11 && !twin[0].place.multifunction);
	CHECK(attached[0].bdf == NIC && attached[0].pin == 2);
	twin[0].place.intx(twin[0].place.intx_ctx, INTX_HIGH);
	CHECK_EQ(driven, INTX_HIGH);
	for (unsigned i = 0; i < ntwins; i++)	/* only the driver makes the twin a bus master */
		CHECK_EQ(twin[i].place.command, PCI_CMD_IO | PCI_CMD_MEM);
	CHECK(twin[0].place.bar1 && twin[0].place.bar4 && twin[0].place.bar1 != twin[0].place.bar4);
}

/*
 * The disks' places: 31.2 itself, its free siblings 1 and 3-7, then the first empty device numbers; and the place that a rule
 * asks for.
 */
static void check_disks(void)
{
	static const uint16_t want[DISKS] = {
		AHCI, PCI_BDF(0, 31, 1), PCI_BDF(0, 31, 3), PCI_BDF(0, 31, 4), PCI_BDF(0, 31, 5), PCI_BDF(0, 31, 6),
		PCI_BDF(0, 20, 0), PCI_BDF(0, 31, 7), PCI_BDF(0, 3, 0),
	};

	CHECK_EQ(ntwins, 2 + DISKS);
	CHECK(looks == DISKS + 1 && offers == 1 && settles == 1 && told == DISKS + 1);
	CHECK_EQ(keeps, ntwins);		/* CONFIG_STATE, which the unit tests have: each can be saved */
	for (unsigned i = 0; i < DISKS; i++) {
		/* All functions of the concealed device use its pin; a twin that is a device of its own has INTA. */
		unsigned pin = PCI_SLOT(want[i]) == PCI_SLOT(AHCI) ? 3 : 1;

		CHECK(attached[1 + i].bdf == want[i] && attached[1 + i].pin == pin);
		CHECK_EQ(twin[1 + i].place.int_pin, pin);
		CHECK_EQ(twin[1 + i].place.bdf, want[i]);
		CHECK(twin[1 + i].disk == &disk[i] && twin[1 + i].place.multifunction && twin[1 + i].place.io_base);
		/* Read-only unless a rule names the disk. */
		CHECK_EQ(twin[1 + i].writable, i == 4);
		CHECK(booted[i] == &disk[i]);
		CHECK_EQ(disk[i].timeout_us, i == 4 ? 7000000 : 1000 * CONFIG_DISK_TIMEOUT_MS);
	}
}

/* Guests look for functions 1 to 7 only if function 0 exists, and function 0 is hidden. */
static void check_function_0(void)
{
	CHECK(twin[1 + DISKS].disk == &one_disk);
	CHECK_EQ(twin[1 + DISKS].place.bdf, EMPTY_FN0);
	CHECK(twin[1 + DISKS].place.multifunction);
	/* The guest also finds functions that are left beside a hidden function 0. */
	CHECK_EQ(stub_bdf, NVME_EMPTY);
	CHECK_EQ(stub->read(NULL, 0, 4), 0x10f01af4);
	CHECK_EQ(stub->read(NULL, PCI_HEADER_TYPE, 1) & 0xff, PCI_HEADER_MULTI);
	CHECK_EQ(stub->read(NULL, 11, 1) & 0xff, 0xff);
	CHECK_EQ(stub->read(NULL, PCI_BAR(0), 4) | stub->read(NULL, 0x100, 4), 0);
}

TEST(a_machine)
{
	config.default_action = ACTION_CONCEAL;
	config.state = true;
	config.nrules = 7;
	/* A rule of another machine: no message, even if its slot is in use on this machine. */
	config.rule[5] = (struct config_rule){ .node = "elsewhere", .match = MATCH_BDF, .bdf = PCI_BDF(9, 0, 0),
					       .has_slot = true, .slot = PCI_SLOT(NIC_LEFT), .optional = true };
	config.rule[6] = (struct config_rule){ .node = "other-disk", .match = MATCH_SERIAL, .serial = "YY", .optional = true };
	config.rule[0] = (struct config_rule){ .node = "left", .match = MATCH_BDF, .bdf = NIC_LEFT, .action = ACTION_LEAVE };
	config.rule[1] = (struct config_rule){ .node = "disk", .match = MATCH_SERIAL, .serial = "S4", .writable = true,
					       .has_timeout = true, .timeout_ms = 7000 };
	config.rule[2] = (struct config_rule){ .node = "nobody", .match = MATCH_SERIAL, .serial = "ZZ" };
	config.rule[3] = (struct config_rule){ .node = "moved", .match = MATCH_SERIAL, .serial = "S6", .has_slot = true,
					       .slot = 20 };
	/* The slot that an absent device asks for stays free. */
	config.rule[4] = (struct config_rule){ .node = "absent", .match = MATCH_BDF, .bdf = PCI_BDF(7, 0, 0), .has_slot = true,
					       .slot = 2 };
	for (unsigned i = 0; i < DISKS; i++) {
		disks[i] = &disk[i];
		disk[i].serial[0] = 'S';
		disk[i].serial[1] = (char)('0' + i);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(pci); i++)
		host_pci_config(&pci[i]);
	CHECK_EQ(conceal_start(), 0);
	CHECK_EQ(iommu_hidden, 1);
	check_hidden();
	check_net();
	check_disks();
	check_function_0();
	CHECK_EQ(mastered_off, 3);
	CHECK_EQ(irqs, 3);
	CHECK(host_log_has("left to the guest by the configuration"));
	CHECK(host_log_has("could not start it: hidden"));
	CHECK(host_log_has("nothing is connected: hidden"));
	CHECK(host_log_has("policy/nobody matches no device"));
	CHECK(!host_log_has("policy/elsewhere") && !host_log_has("policy/other-disk"));
	CHECK(!host_log_has("policy/disk matches") && !host_log_has("policy/left matches"));
	CHECK(host_log_has("no I/O window reaches this bus"));
	conceal_shutdown();
	CHECK_EQ(shut, 3);
}

/*
 * Check that each twin has a function of its own that guests look for: function 0, or another one if function 0 is
 * multi-function.
 */
static void check_functions(unsigned from)
{
	for (unsigned i = from; i < ntwins; i++) {
		const struct virtio_place *p = &twin[i].place, *first = NULL;

		for (unsigned k = 0; k < i; k++)
			CHECK(twin[k].place.bdf != p->bdf);
		for (unsigned k = 0; pci_get(k); k++)
			CHECK(pci_get(k)->bdf != p->bdf || pci_get(k) == disk_dev.pci || pci_get(k) == net_dev.pci ||
			      pci_get(k) == one_disk_dev.pci);
		for (unsigned k = 0; k <= i; k++)
			if (twin[k].place.bdf == (p->bdf & ~7))
				first = &twin[k].place;
		CHECK(PCI_SLOT(p->bdf) == PCI_SLOT(AHCI) || (first && (first == p || first->multifunction)));
		CHECK(PCI_SLOT(p->bdf) != 2);
	}
}

/*
 * More disks than free device numbers: twins take all functions there before a disk gets none.  The table of twins is bounded.
 */
TEST(more_disks_than_places)
{
	static const struct config_rule absent = { .node = "absent", .match = MATCH_BDF, .bdf = PCI_BDF(7, 0, 0),
						   .has_slot = true, .slot = 2 };
	const struct config kept = config;
	unsigned before = ntwins;

	/* The twins of the test before stay. */
	CHECK_EQ(before, 2 + DISKS);
	config.rule[0] = absent;
	config.nrules = 1;
	config.default_action = ACTION_LEAVE;
	for (unsigned i = 0; i < MANY; i++)
		disks[i] = &disk[i];
	config.rule[1] = (struct config_rule){ .node = "taken", .match = MATCH_BDF, .bdf = AHCI, .action = ACTION_CONCEAL };
	config.nrules = 2;
	disk_dev.ndisk = 100;
	nseen = nhid = 0;
	host_log_clear();
	CHECK_EQ(conceal_start(), 0);
	CHECK_EQ(ntwins - before, 100);
	CHECK(!host_log_has("no free PCI function") && !host_log_has("limit: "));
	check_functions(before);
	nseen = nhid = 0;
	CHECK_EQ(conceal_start(), 0);
	CHECK_EQ(ntwins, 128);
	CHECK(host_log_has("limit: more than 128 disks and cards"));
	CHECK(host_log_has("no free PCI function is left for its twin: hidden"));
	check_functions(before);
	conceal_shutdown();
	disk_dev.ndisk = DISKS;
	shut = nseen = 0;
	config = kept;
}

TEST(what_has_no_driver_is_named_and_stays)
{
	CHECK_EQ(classify(&pci[7]).fate, FATE_UNSUPPORTED);
	CHECK(host_log_has("00:0b.0"));
	host_log_clear();
	CHECK_EQ(classify(&pci[8]).fate, FATE_IGNORE);
	CHECK(!host_log_has("0c.0"));
	config.default_action = ACTION_LEAVE;
	CHECK_EQ(classify(&pci[10]).fate, FATE_LEAVE);
	config.rule[0].action = ACTION_CONCEAL;
	CHECK_EQ(classify(&pci[5]).fate, FATE_CONCEAL);
}

/* Without a driver the guest would get its disks, whatever the policy for disks is. */
TEST(a_raid_function_stops_the_start_unless_a_rule_leaves_it)
{
	struct config_rule kept = config.rule[0];
	unsigned nrules = config.nrules;

	nseen = iommu_hidden = 0;
	pci[7].class_code = 0x010400;
	config.default_action = ACTION_CONCEAL;
	config.nrules = 0;
	CHECK_EQ(conceal_start(), -ERR_INVAL);
	CHECK(!nseen && !iommu_hidden);
	CHECK(host_log_has("00:0b.0: 8086:0000: RAID or VMD mode"));
	CHECK(host_log_has("unless a rule says veneer,action = \"leave\""));
	CHECK(conceal_check() < 0);
	/* The default is not a rule for this function. */
	config.default_action = ACTION_LEAVE;
	CHECK_EQ(conceal_start(), -ERR_INVAL);
	CHECK(conceal_check() < 0);
	config.default_action = ACTION_CONCEAL;
	/* A rule for this function that has another property. */
	config.rule[0] = (struct config_rule){ .node = "r", .match = MATCH_BDF, .bdf = pci[7].bdf };
	config.nrules = 1;
	CHECK_EQ(conceal_start(), -ERR_INVAL);
	config.rule[0].action = ACTION_LEAVE;
	CHECK(conceal_check() > 0);
	CHECK_EQ(classify(&pci[7]).fate, FATE_UNSUPPORTED);
	pci[7].class_code = 0x010180;
	config.rule[0] = kept;
	config.nrules = nrules;
}

/* If a step of hiding fails the start stops: no guest gets anything. */
TEST(a_bridge_that_cannot_be_frozen_stops_the_start)
{
	unsigned nrules = config.nrules;

	nseen = nhid = nports = 0;
	config.default_action = ACTION_CONCEAL;
	config.nrules = 0;
	freeze_error = -ERR_NOMEM;
	CHECK_EQ(conceal_start(), -ERR_NOMEM);
	CHECK(host_log_has("03:00.0: cannot be hidden"));
	freeze_error = 0;
	config.nrules = nrules;
}

/* If an IOMMU does not stop translating, no device is touched.  If Veneer takes no device, the IOMMU stays the guest's. */
TEST(an_iommu_that_does_not_stop)
{
	unsigned nrules = config.nrules;

	nseen = iommu_hidden = confined = 0;
	config.default_action = ACTION_CONCEAL;
	config.nrules = 0;
	iommu_error = -ERR_TIMEOUT;
	CHECK_EQ(conceal_start(), -ERR_TIMEOUT);
	CHECK(iommu_hidden == 1 && !nseen && !confined);
	config.default_action = ACTION_LEAVE;
	CHECK_EQ(conceal_start(), 0);
	CHECK_EQ(iommu_hidden, 1);
	iommu_error = 0;
	/* Unless DMA has to be confined.  If it cannot be, no device is touched either. */
	config.iommu = DMA_REQUIRE;
	CHECK_EQ(conceal_start(), 0);
	CHECK(iommu_hidden == 2 && confined == 1);
	confine_error = -ERR_NOTSUP;
	config.default_action = ACTION_CONCEAL;
	CHECK_EQ(conceal_start(), -ERR_NOTSUP);
	CHECK(confined == 2 && !nseen);
	confine_error = 0;
	config.iommu = DMA_AUTO;
	config.nrules = nrules;
}

/* The guest must not start with another disk than configured; controllers that were started are stopped. */
TEST(a_window_that_does_not_fit_stops_the_start)
{
	nseen = nhid = nports = ntwins = nbooted = shut = 0;
	config.default_action = ACTION_CONCEAL;
	config.rule[1].window = WINDOW_NUMBER;
	for (unsigned i = 0; i < ARRAY_SIZE(pci); i++)
		host_pci_config(&pci[i]);
	CHECK_EQ(conceal_start(), -ERR_INVAL);
	CHECK(windowed == &config.rule[1]);
	for (unsigned i = 0; i < ntwins; i++)
		CHECK(twin[i].disk != &disk[4]);
	CHECK(shut >= 3);
}

/* Check one rule; nothing may touch a device before. */
static int with_rule(struct config_rule r)
{
	struct config_rule kept = config.rule[0];
	unsigned nrules = config.nrules;

	nseen = 0;
	config.default_action = ACTION_CONCEAL;
	config.rule[0] = r;
	config.nrules = 1;
	int err = conceal_start();

	/* conceal_check() returns the same. */
	CHECK_EQ(conceal_check() < 0, err == -ERR_INVAL);
	config.rule[0] = kept;
	config.nrules = nrules;
	CHECK(!err || !nseen);
	return err;
}

TEST(a_rule_of_the_wrong_kind_stops_the_start)
{
	iommu_error = -ERR_TIMEOUT;		/* the start gets here if the rule is good */
	struct config_rule r = { .match = MATCH_BDF, .bdf = NIC, .node = "r" };

	CHECK_EQ(with_rule(r), -ERR_TIMEOUT);
	r.window = WINDOW_NUMBER;
	r.disk_prop = "veneer,partition";
	CHECK_EQ(with_rule(r), -ERR_INVAL);
	CHECK(host_log_has("veneer,partition: expected a rule for a disk controller, pci 03:00.0 is a network card"));
	r.window = WINDOW_NONE;
	r.writable = true;
	r.disk_prop = "veneer,writable";
	CHECK_EQ(with_rule(r), -ERR_INVAL);
	r.bdf = AHCI;
	CHECK_EQ(with_rule(r), -ERR_TIMEOUT);
	r.has_mac = true;
	r.card_prop = "local-mac-address";
	CHECK_EQ(with_rule(r), -ERR_INVAL);
	CHECK(host_log_has("local-mac-address: expected a rule for a network card, pci 00:1f.2 is a disk controller"));
	/* A rule for all classes may have properties of both. */
	r.match = MATCH_CLASS;
	CHECK_EQ(with_rule(r), -ERR_TIMEOUT);
	iommu_error = 0;
}

/* Return the slot by one rule, before the start. */
static int slot_of(struct config_rule r, const uint16_t *bdf, unsigned n)
{
	struct verdict v[ARRAY_SIZE(pci)] = { 0 };

	config.nrules = 1;
	config.rule[0] = r;
	for (unsigned i = 0; i < ARRAY_SIZE(pci); i++)
		for (unsigned k = 0; k < n; k++)
			if (pci[i].bdf == bdf[k])
				v[i] = (struct verdict){ .fate = FATE_CONCEAL, .rule = &config.rule[0] };
	return slot_check(v, ARRAY_SIZE(v));
}

TEST(a_slot_that_cannot_be_is_refused)
{
	const struct config_rule r = { .node = "lan", .match = MATCH_ID, .has_slot = true, .slot = 6 };
	struct config_rule taken = r, hidden = r;

	taken.slot = 12;
	hidden.slot = 8;
	CHECK_EQ(slot_of(r, (uint16_t[]) { NIC }, 1), 0);
	CHECK_EQ(slot_of(taken, (uint16_t[]) { NIC }, 1), -ERR_INVAL);
	CHECK(host_log_has("config: /policy/lan: veneer,slot = <12>: expected a free device number, but there is 00:0c.0"));
	CHECK_EQ(slot_of(hidden, (uint16_t[]) { NIC, NVME_FAILS }, 1), -ERR_INVAL);
	CHECK_EQ(slot_of(r, (uint16_t[]) { NVME_FAILS, NVME_EMPTY }, 2), -ERR_INVAL);
	CHECK(host_log_has("config: /policy/lan: veneer,slot = <6>: expected a rule that matches one controller, but it also "
			   "matches 00:0a.0"));
}

TEST(one_mac_address_for_two_cards_is_refused)
{
	const struct config_rule r = { .node = "lan", .match = MATCH_CLASS, .has_mac = true };

	CHECK_EQ(slot_of(r, (uint16_t[]) { NIC }, 1), 0);
	/* A rule for all classes: only a network card gets a slot. */
	CHECK_EQ(slot_of(r, (uint16_t[]) { NIC, NVME_FAILS, NVME_EMPTY }, 3), 0);
	CHECK_EQ(slot_of(r, (uint16_t[]) { NIC, NIC_LEFT }, 2), -ERR_INVAL);
	CHECK(host_log_has("lan: local-mac-address: expected a rule that matches one card, but it also matches 00:09.0"));
}

static unsigned credited(const struct hw_dev *dev, unsigned found)
{
	credits = 0;
	tick_found = found;
	for (unsigned i = 0; i < nticked; i++)
		if (ticked[i]->ctx == dev) {
			ticked[i]->run(ticked[i]->ctx, 1);
			return credits;
		}
	CHECK(false);
	return 0;
}

/* Each credit may cost the guest an NMI of its own: a card's tick that read no cause gets none. */
TEST(what_a_tick_expects_of_the_doorbell)
{
	CHECK_EQ(credited(&net_dev, 0), 0);
	CHECK_EQ(credited(&net_dev, 3), 3);
	CHECK_EQ(credited(&disk_dev, 0), 1);
	CHECK_EQ(credited(&disk_dev, 3), 3);
	disk_dev.owner.polled = true;
	CHECK_EQ(credited(&disk_dev, 3), 0);
	disk_dev.owner.polled = false;
}

TEST_MAIN
