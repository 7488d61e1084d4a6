/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The composition root: for each real device that the configuration selects, take it over, hide it, and put virtio twins in its
 * place.  Only this directory knows drivers and virtio together.
 */
#include <veneer/clock.h>
#include <veneer/conceal.h>
#include <veneer/config.h>
#include <veneer/disk.h>
#include <veneer/doorbell.h>
#include <veneer/err.h>
#include <veneer/intx.h>
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/nic.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include <veneer/virtio.h>
#include <veneer/vpci.h>
#include "conceal/conceal.h"
#include "conceal/need.h"
#include "conceal/medium.h"
#include "hv/iommu/iommu.h"
#include "virtio/blk/bootdisk.h"

static struct hw_dev *devices[MAX_DEVICES];
static struct owner_work ticks[MAX_DEVICES];
_Static_assert(CLOCK_WATCHES >= MAX_DEVICES, "each controller may be a network card");
static unsigned ndevices, ntwins, nnet, nblk;
static uint16_t taken_bdf[MAX_TWINS];
static bool taken_several[MAX_TWINS];	/* the twin's header has the multifunction bit */
static struct verdict *verdicts;	/* by pci_get()'s index, of every function of the machine */
static unsigned nverdicts;
static char twin_name[MAX_TWINS][8];
static bool refused;			/* the configuration demands something that this machine does not have */
static struct intx_source twin_intx[MAX_TWINS];

/* --- the places of twins --- */

static bool twin_at(uint16_t bdf)
{
	for (unsigned i = 0; i < ntwins; i++)
		if (taken_bdf[i] == bdf)
			return true;
	return false;
}

static bool bdf_taken(uint16_t bdf)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		if (d->bdf == bdf)
			return true;
	return twin_at(bdf);
}

/*
 * Guests look for functions 1 to 7 only behind a function 0.  If that one is hidden and got no twin (two SATA controllers in
 * one device, the disk at the second), or was never there, the next function's twin takes its place.
 */
static uint16_t own_bdf(const struct pci_dev *pci)
{
	uint16_t first = (uint16_t)(pci->bdf & ~7);
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		if (d->bdf == first && (verdicts[i].fate != FATE_CONCEAL || twin_at(first)))
			return pci->bdf;
	return twin_at(first) ? pci->bdf : first;
}

static bool slot_empty(unsigned slot)
{
	for (unsigned fn = 0; fn < 8; fn++)
		if (bdf_taken(PCI_BDF(0, slot, fn)))
			return false;
	return !slot_wanted(slot);
}

/* Return a free function of the device at @bdf, from @fn on; 0xffff if there is none. */
static uint16_t free_function(uint16_t bdf, unsigned fn)
{
	for (; fn < 8; fn++)
		if (!bdf_taken((uint16_t)((bdf & ~7) | fn)))
			return (uint16_t)((bdf & ~7) | fn);
	return 0xffff;
}

/* Return a free function beside a twin at function 0 of bus 0 that has the multifunction bit; 0xffff if there is none. */
static uint16_t beside_twin(void)
{
	for (unsigned i = 0; i < ntwins; i++) {
		uint16_t at = taken_bdf[i];

		if (!taken_several[i] || PCI_BUS(at) || PCI_FN(at) || slot_wanted(PCI_SLOT(at)))
			continue;
		at = free_function(at, 1);
		if (at != 0xffff)
			return at;
	}
	return 0xffff;
}

/*
 * Choose the place of a controller's next twin: the slot that @rule names, if any; else the controller's own place, then its
 * sibling functions, then free slots of bus 0, last the free functions beside twins there.  Return 0xffff if none is left.
 */
static uint16_t twin_bdf(const struct pci_dev *pci, const struct config_rule *rule)
{
	bool moved = rule && rule->has_slot;
	uint16_t bdf = own_bdf(pci);

	if (!moved && !twin_at(bdf))
		return bdf;
	bdf = moved ? free_function(PCI_BDF(0, rule->slot, 0), 0) : free_function(pci->bdf, 1);
	if (bdf != 0xffff)
		return bdf;
	for (unsigned slot = 1; slot < 32; slot++)
		if (slot_empty(slot))
			return PCI_BDF(0, slot, 0);
	return beside_twin();
}

/*
 * True if guests must look for further functions beside a twin.  In the controller's own place there may be real functions: a
 * function number other than 0 implies them.  In a slot of its own there are siblings only: @several disks, or all disks with
 * the serial number of the rule.
 */
static bool multifunction(const struct pci_dev *pci, const struct config_rule *rule, bool several)
{
	if (rule && rule->has_slot)
		return several || rule->match == MATCH_SERIAL;
	return several || (pci->bdf & 7) || (pci_read8(pci, PCI_HEADER_TYPE) & PCI_HEADER_MULTI);
}

static void drive_line(void *ctx, enum intx_state state)
{
	intx_set(ctx, state);
}

/* Use the real device's pin, so that all its twins share its line; in another slot use INTA, as for a single function. */
static void connect_intx(const struct pci_dev *pci, struct virtio_place *place)
{
	struct intx_source *src = &twin_intx[ntwins];
	bool in_place = (place->bdf & ~7) == (pci->bdf & ~7);

	place->int_pin = in_place && pci->int_pin >= 1 && pci->int_pin <= 4 ? pci->int_pin : 1;
	place->int_line = 0xff;
	if (!IS_ENABLED(CONFIG_INTX)) {
		place->int_pin = 0;
		return;
	}
	if (intx_attach(src, place->bdf, place->int_pin))
		return;
	place->int_line = intx_line_register(src);
	place->intx = drive_line;
	place->intx_ctx = src;
}

static void disconnect_intx(const struct virtio_place *place)
{
	if (IS_ENABLED(CONFIG_INTX) && place->intx)
		intx_set(place->intx_ctx, INTX_OFF);
}

/* Fill in the place except the BDF and the multifunction bit.  False if the bus has no room for the BARs. */
static bool find_place(const struct pci_dev *pci, struct virtio_place *place, bool modern_only, uint32_t io_size)
{
	place->modern_only = modern_only || !IS_ENABLED(CONFIG_VIRTIO_LEGACY);
	if (!place->modern_only) {
		place->io_base = (uint16_t)pci_alloc_bar(place->bdf, true, io_size);
		if (!place->io_base) {
			log_warn("pci " PCI_FMT ": no I/O window reaches this bus: modern-only", PCI_ARGS(place->bdf));
			place->modern_only = true;
		}
	}
	if (place->modern_only && !IS_ENABLED(CONFIG_VIRTIO_MODERN)) {
		log_err("pci " PCI_FMT ": %s: hidden", PCI_ARGS(place->bdf), IS_ENABLED(CONFIG_VIRTIO_LEGACY) ?
			"the modern interface is not in this build" : "neither virtio interface is in this build");
		return false;
	}
	place->bar1 = (uint32_t)pci_alloc_bar(place->bdf, false, VIRTIO_BAR1_SIZE);
	place->bar4 = (uint32_t)pci_alloc_bar(place->bdf, false, VIRTIO_BAR4_SIZE);
	place->command = PCI_CMD_IO | PCI_CMD_MEM;
	if (!place->bar1 || !place->bar4)
		log_err("pci " PCI_FMT ": no free memory window for a twin", PCI_ARGS(place->bdf));
	else
		connect_intx(pci, place);
	return place->bar1 && place->bar4;
}

static const char *next_name(const char *kind, unsigned n)
{
	fmt_string(twin_name[ntwins], sizeof(twin_name[0]), "%s%u", kind, n);
	return twin_name[ntwins];
}

static void remember_twin(const struct virtio_place *place)
{
	taken_several[ntwins] = place->multifunction;
	taken_bdf[ntwins++] = place->bdf;
}

/* True if one more twin has room, at @bdf; else log the device or disk @name. */
static bool has_room(const char *name, uint16_t bdf)
{
	if (ntwins < MAX_TWINS && bdf != 0xffff)
		return true;
	if (ntwins == MAX_TWINS)
		limit_reached("disks and cards", MAX_TWINS);
	log_err("%s: no free PCI function is left for its twin: hidden", name);
	return false;
}

/* --- twins --- */

static void make_net(struct hw_dev *dev, const struct config_rule *rule)
{
	struct virtio_place place = { .bdf = twin_bdf(dev->pci, rule), .multifunction = multifunction(dev->pci, rule, false) };
	struct virtio_net_conf conf = { .nic = dev->nic, .mac = rule && rule->has_mac ? rule->mac : NULL,
					.mtu = rule ? rule->mtu : 0 };

	place.owner = &dev->owner;
	if (!has_room(dev->name, place.bdf) ||
	    !find_place(dev->pci, &place, rule && rule->modern_only, VIRTIO_BAR0_SIZE_NET))
		return;
	const char *name = next_name("net", nnet);
	struct virtio_dev *twin = virtio_net_new(name, &conf, &place);

	if (!twin) {
		disconnect_intx(&place);
		return;
	}
	if (IS_ENABLED(CONFIG_STATE))
		virtio_net_keep(twin);
	nnet++;
	remember_twin(&place);
	log_info("%s: virtio-net at " PCI_FMT " for %s%s", name, PCI_ARGS(place.bdf), dev->name,
		 place.modern_only ? ", modern-only" : "");
}

static void make_blk(struct hw_dev *dev, unsigned n)
{
	struct disk *disk = dev->disk[n];
	struct config_rule *rule = config_find_disk(&config, dev->pci, disk->serial);
	struct virtio_place place = { .bdf = twin_bdf(dev->pci, rule),
				      .multifunction = multifunction(dev->pci, rule, dev->ndisk > 1) };
	struct virtio_blk_conf conf = { .disk = disk, .writable = rule ? rule->writable : config.default_writable };

	bool own = (conf.writable || config.boot == BOOT_DISK) && window_own_disk(disk);
	struct partition part;
	bool state = IS_ENABLED(CONFIG_STATE) && config.state && window_state(disk, &part);

	place.owner = &dev->owner;
	if (rule)
		rule->used = true;
	if (window_place(disk, rule, own, &conf.writable)) {
		refused = true;
		return;
	}
	if (state)
		medium_offer(disk, &part);
	disk->timeout_us = 1000 * (rule && rule->has_timeout ? rule->timeout_ms : CONFIG_DISK_TIMEOUT_MS);
	if (!has_room(disk->name, place.bdf) ||
	    !find_place(dev->pci, &place, rule && rule->modern_only, VIRTIO_BAR0_SIZE_BLK))
		return;
	const char *name = next_name("blk", nblk);
	struct virtio_dev *twin = virtio_blk_new(name, &conf, &place);

	if (!twin) {
		disconnect_intx(&place);
		return;
	}
	if (IS_ENABLED(CONFIG_STATE)) {
		virtio_blk_keep(twin);
		medium_disk(name, disk, conf.writable && !disk->hw_read_only);
	}
	nblk++;
	remember_twin(&place);
	bootdisk_add(disk, place.bdf, conf.writable, own && window_shows_own(disk, rule));
	log_info("%s: virtio-blk at " PCI_FMT " for %s \"%s\" serial \"%s\", %lu blocks of %u, %s%s", name, PCI_ARGS(place.bdf),
		 disk->name, disk->model, disk->serial, disk->nblocks, disk->block_size,
		 conf.writable && !disk->hw_read_only ? "writable" : "read-only", place.modern_only ? ", modern-only" : "");
}

static void make_echo(struct hw_dev *dev, const struct config_rule *rule)
{
	struct virtio_place place = { .bdf = twin_bdf(dev->pci, rule), .multifunction = multifunction(dev->pci, rule, false),
				      .owner = &dev->owner };
	static unsigned n START_ONLY;

	if (!has_room(dev->name, place.bdf) || !find_place(dev->pci, &place, true, VIRTIO_BAR0_SIZE_NET))
		return;
	const char *name = next_name("echo", n);

	if (!virtio_echo_new(name, &place)) {
		disconnect_intx(&place);
		return;
	}
	n++;
	remember_twin(&place);
	log_info("%s: virtio-echo at " PCI_FMT " for %s", name, PCI_ARGS(place.bdf), dev->name);
}

static void make_twins(struct hw_dev *dev, const struct config_rule *rule)
{
	if (IS_ENABLED(CONFIG_VIRTIO_ECHO) && dev->echo) {
		make_echo(dev, rule);
		return;
	}
	if (dev->nic)
		make_net(dev, rule);
	for (unsigned i = 0; i < dev->ndisk; i++)
		make_blk(dev, i);
	if (!dev->nic && !dev->ndisk)
		log_info("%s: no disk found: hidden", dev->name);
}

/* As owner. */
static void run_tick(void *ctx, uint32_t bits)
{
	struct hw_dev *dev = ctx;

	unsigned n = dev->ops->tick(dev, time_us());

	/*
	 * The tick may have completed work whose doorbell NMIs are still to come; or handled a cause of a disk controller that
	 * is no completion.  A network card's tick counts such causes itself, and mostly has read none: each credit is one NMI
	 * that the guest may lose.  While the polling core serves the device, its interrupts are masked.
	 */
	if (!dev->nic)
		n = MAX(n, 1u);
	if (n && !dev->owner.polled)
		doorbell_credit(&dev->owner, n);
}

static void tick(void *ctx, uint64_t now_us)
{
	struct owner_work *work = ctx;
	struct hw_dev *dev = work->ctx;

	owner_post(&dev->owner, work, 1);
}

static int register_tick(struct hw_dev *dev)
{
	struct owner_work *work = &ticks[ndevices];

	work->run = run_tick;
	work->ctx = dev;
	owner_add(&dev->owner, work);
	return clock_register(tick, work);
}

/* Return the unit number of a driver's next device. */
static unsigned next_unit(const struct hw_driver *driver)
{
	static struct { const struct hw_driver *driver; unsigned n; } units[16] START_ONLY;

	for (unsigned i = 0; i < ARRAY_SIZE(units); i++) {
		if (units[i].driver && units[i].driver != driver)
			continue;
		units[i].driver = driver;
		return units[i].n++;
	}
	return ndevices;
}

static void take_over(const struct pci_dev *pci, const struct verdict *v)
{
	struct hw_dev *dev = NULL;

	if (ndevices == MAX_DEVICES) {
		limit_reached("controllers to conceal", MAX_DEVICES);
		return;
	}
	pci_power_on(pci);
	int err = doorbell_prepare(pci);
	if (!err)
		err = v->driver->probe(pci, v->id, next_unit(v->driver), &dev);
	if (err == -ERR_NODEV) {
		log_info("pci " PCI_FMT ": nothing is connected: hidden", PCI_ARGS(pci->bdf));
		doorbell_silence(pci);
		pci_master_off(pci);
		return;
	}
	if (err) {
		doorbell_silence(pci);
		/* Keep it hidden: by its disk controller the guest could write to disks that no rule makes writable. */
		log_err("pci " PCI_FMT ": %s could not start it: hidden from the guest", PCI_ARGS(pci->bdf), v->driver->name);
		pci_master_off(pci);
		return;
	}
	if (doorbell_attach(dev)) {
		log_err("%s: cannot ring: hidden from the guest", dev->name);
		dev->ops->shutdown(dev);
		return;
	}
	if (dev->ops->tick && register_tick(dev))
		log_err("%s: no clock is left: its timeouts will go unnoticed", dev->name);
	devices[ndevices++] = dev;
	segment_use(dev->ops->shutdown);
	for (unsigned i = 0; i < dev->ndisk; i++)
		disk_counters(dev->disk[i]);
	make_twins(dev, v->rule);
	dev->ops->irq_enable(dev, true);
}

static void report_unused_rules(void)
{
	for (unsigned i = 0; i < config.nrules; i++)
		if (!config.rule[i].used && !config.rule[i].optional)
			log_warn("config: policy/%s matches no device of this machine", config.rule[i].node);
}

static bool any_concealed(void)
{
	for (unsigned i = 0; i < nverdicts; i++)
		if (verdicts[i].fate == FATE_CONCEAL)
			return true;
	return false;
}

/*
 * Reject disk properties in the rule of a network card and vice versa: such a property would silently have no effect.  A rule
 * by class may cover both kinds, unless it names a part of a disk.
 */
static bool kind_fits(const struct pci_dev *pci, const struct config_rule *rule)
{
	bool card = pci->class_code >> 16 == 2, disk = pci->class_code >> 16 == 1;
	const char *wrong = card ? rule->disk_prop : disk ? rule->card_prop : NULL;

	if (!wrong || (rule->match == MATCH_CLASS && !(card && rule->window)))
		return true;
	log_err("config: /policy/%s: %s: expected a rule for a %s, pci " PCI_FMT " is a %s", rule->node, wrong,
		card ? "disk controller" : "network card", PCI_ARGS(pci->bdf), card ? "network card" : "disk controller");
	return false;
}

/* Allocate a verdict for each function of the machine. */
static int make_verdicts(void)
{
	for (nverdicts = 0; pci_get(nverdicts); nverdicts++)
		;
	verdicts = mem_alloc(nverdicts * sizeof(*verdicts), 8);
	if (verdicts)
		return 0;
	log_err("pci: no memory to decide about %u functions", nverdicts);
	nverdicts = 0;
	return -ERR_NOMEM;
}

/* Free the verdicts: they refer to drivers and ids, which are unmapped when the guest runs. */
static void forget_verdicts(void)
{
	mem_free(verdicts);
	verdicts = NULL;
	nverdicts = 0;
}

int rules_check(verdict_fn look)
{
	const struct pci_dev *pci;
	int err = make_verdicts();

	if (err)
		return err;
	for (unsigned i = 0; (pci = pci_get(i)); i++)
		verdicts[i] = look(pci);
	err = slot_check(verdicts, nverdicts);
	for (unsigned i = 0; (pci = pci_get(i)); i++) {
		if (verdicts[i].fate == FATE_CONCEAL && verdicts[i].rule && !kind_fits(pci, verdicts[i].rule))
			err = -ERR_INVAL;
		if (verdicts[i].fate == FATE_REFUSED) {
			log_err("pci " PCI_FMT ": %04x:%04x: %s.  As it is the guest would get its disks, and nothing would "
				"protect them: stopped, unless a rule says veneer,action = \"leave\"", PCI_ARGS(pci->bdf),
				pci->vendor, pci->device, no_driver_hint(pci));
			err = -ERR_INVAL;
		}
	}
	return err;
}

/*
 * If function 0 of a device is hidden and other functions are left to the guest, put a function that no driver matches in its
 * place: guests look for functions 1 to 7 only if function 0 exists.
 */
static uint32_t stub_read(void *ctx, uint16_t off, unsigned width)
{
	/* An id that its vendor reserves for experiments; class "unassigned". */
	static const uint32_t header[] = { 0x10f01af4, 0, 0xff000000, (uint32_t)PCI_HEADER_MULTI << 16 };
	uint32_t v = off < sizeof(header) ? header[off / 4] : 0;

	return v >> (8 * (off & 3));
}

static void stub_write(void *ctx, uint16_t off, unsigned width, uint32_t value)
{
}

static const struct vpci_ops stub_ops = { stub_read, stub_write };

/* True if a function of this device behind function 0 is left to the guest. */
static bool has_open_sibling(const struct pci_dev *pci)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		if (d != pci && (d->bdf & ~7) == pci->bdf && verdicts[i].fate != FATE_CONCEAL)
			return true;
	return false;
}

static int fill_functions_0(void)
{
	const struct pci_dev *pci;
	int err = 0;

	for (unsigned i = 0; !err && (pci = pci_get(i)); i++)
		if (!PCI_FN(pci->bdf) && verdicts[i].fate == FATE_CONCEAL && !vpci_answered(pci->bdf) && has_open_sibling(pci))
			err = vpci_set(pci->bdf, &stub_ops, NULL);
	return err;
}

int conceal_start(void)
{
	const struct pci_dev *pci;

	int err = rules_check(classify);

	/*
	 * Take the IOMMU before any device does DMA.  If Veneer drives no device, the guest keeps the IOMMU, unless the
	 * configuration requires confinement.
	 */
	if (!err && (any_concealed() || config.iommu == DMA_REQUIRE))
		err = iommu_hide() ?: IS_ENABLED(CONFIG_IOMMU) ? iommu_confine() : iommu_off();
	if (err)
		return err;
	/*
	 * All are hidden before the first is touched: a twin's place must not be a device that goes away later.  Half hidden, a
	 * disk would be writable behind the configuration's back.
	 */
	for (unsigned i = 0; (pci = pci_get(i)); i++)
		if (verdicts[i].fate == FATE_CONCEAL && hide_function(pci))
			return -ERR_NOMEM;
	for (unsigned i = 0; (pci = pci_get(i)); i++)
		if (verdicts[i].fate == FATE_CONCEAL)
			take_over(pci, &verdicts[i]);
	if (refused) {
		conceal_shutdown();
		return -ERR_INVAL;
	}
	if (fill_functions_0()) {
		conceal_shutdown();
		return -ERR_NOMEM;
	}
	if (IS_ENABLED(CONFIG_STATE))
		medium_settle();
	forget_verdicts();
	report_unused_rules();
	if (!nnet && !nblk)
		log_warn("no supported network or storage device found: the guest starts without one");
	return 0;
}

void conceal_shutdown(void)
{
	for (unsigned i = 0; i < ndevices; i++) {
		owner_acquire(&devices[i]->owner);
		devices[i]->ops->shutdown(devices[i]);
		owner_release(&devices[i]->owner);
	}
}

static const struct composition parts = {
	.start = conceal_start,
	.check = conceal_check,
	.need = conceal_need,
	.conceals = conceal_takes,
	.shutdown = conceal_shutdown,
	.bootdisk = &bootdisk_ops,
};

COMPOSITION(parts);
