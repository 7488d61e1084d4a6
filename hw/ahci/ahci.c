/* SPDX-License-Identifier: BSD-2-Clause */
/* The AHCI controller: takeover from the firmware, reset, interrupts, the pass over its ports.  Ports are in ahci_port.c. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "hw/ahci/ahci.h"

/* PxSERR.DIAG.N and .X: clearing them clears PxIS.PRCS and .PCS (AHCI 1.3.1 section 3.3.5) */
#define SERR_PHYRDY	BIT(16)
#define SERR_CONNECT	BIT(26)

/* --- taking over --- */

/* Section 10.6.3.  If the firmware is busy with a disk, it sets BB, and then has two seconds to finish. */
static void bios_handoff(struct ahci *h)
{
	if (!(ahci_read(h, AHCI_CAP2) & AHCI_CAP2_BOH))
		return;
	uint32_t bohc = ahci_read(h, AHCI_BOHC);

	if (!(bohc & AHCI_BOHC_BOS))
		return;
	ahci_write(h, AHCI_BOHC, (bohc & ~AHCI_BOHC_OOC) | AHCI_BOHC_OOS);
	if (wait_until(!(ahci_read(h, AHCI_BOHC) & AHCI_BOHC_BOS), AHCI_HANDOFF_US))
		return;
	if ((ahci_read(h, AHCI_BOHC) & AHCI_BOHC_BB) &&
	    wait_until(!(ahci_read(h, AHCI_BOHC) & AHCI_BOHC_BOS), AHCI_HANDOFF_BUSY_US))
		return;
	log_warn("%s: the firmware does not hand over, BOHC %08x; taken anyway", h->dev.name, ahci_read(h, AHCI_BOHC));
}

/* Set AE, up to five times: some bridges need more than one write. */
static bool ahci_enable(struct ahci *h)
{
	for (unsigned i = 0; i < 5; i++) {
		uint32_t ghc = ahci_read(h, AHCI_GHC);

		if (ghc & AHCI_GHC_AE)
			return true;
		ahci_write(h, AHCI_GHC, ghc | AHCI_GHC_AE);
		delay_us(10);
	}
	return ahci_read(h, AHCI_GHC) & AHCI_GHC_AE;
}

/* Firmware writes CAP and PI once.  Some controllers lose them in a reset: write them again. */
static bool ahci_restore(struct ahci *h)
{
	bool ok = ahci_enable(h);

	if (ahci_read(h, AHCI_CAP) != h->cap)
		ahci_write(h, AHCI_CAP, h->cap);
	if (ahci_read(h, AHCI_PI) != h->pi)
		ahci_write(h, AHCI_PI, h->pi);
	if ((h->cap & AHCI_CAP_CCCS) && (ahci_read(h, AHCI_CCC_CTL) & AHCI_CCC_CTL_EN))
		ahci_write(h, AHCI_CCC_CTL, ahci_read(h, AHCI_CCC_CTL) & ~AHCI_CCC_CTL_EN);
	return ok;
}

static bool ahci_reset_now(struct ahci *h)
{
	ahci_write(h, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_HR);
	if (!wait_until(!(ahci_read(h, AHCI_GHC) & AHCI_GHC_HR), AHCI_HBA_RESET_US)) {
		log_err("%s: the reset does not end within %u ms, GHC %08x", h->dev.name, AHCI_HBA_RESET_US / 1000,
			ahci_read(h, AHCI_GHC));
		return false;
	}
	if (!ahci_restore(h)) {
		log_err("%s: AHCI mode does not come on, GHC %08x", h->dev.name, ahci_read(h, AHCI_GHC));
		return false;
	}
	return true;
}

/* Find the ports: those that the firmware names and whose registers lie in the BAR. */
static void ahci_read_caps(struct ahci *h)
{
	uint64_t room = h->dev.pci->bar[AHCI_BAR].size;

	h->cap = ahci_read(h, AHCI_CAP);
	h->pi = ahci_read(h, AHCI_PI);
	if (!h->pi) {
		h->pi = GENMASK(FIELD_GET(AHCI_CAP_NP, h->cap), 0);
		log_warn("%s: the firmware names no port; trying %08x", h->dev.name, h->pi);
	}
	for (unsigned i = 0; i < AHCI_MAX_PORTS; i++)
		if (AHCI_PORT(i) + AHCI_PORT_SIZE > room)
			h->pi &= ~BIT(i);
	h->nslots = FIELD_GET(AHCI_CAP_NCS, h->cap) + 1;
	h->dma_mask = ~0ull;
	if (!(h->cap & AHCI_CAP_S64A) || (h->quirks & AHCI_QUIRK_32BIT))
		h->dma_mask = 0xffffffff;
	else if (h->quirks & AHCI_QUIRK_43BIT)
		h->dma_mask = GENMASK64(42, 0);
}

/* --- finding the disks --- */

/* Allocate the ports.  Return those that got memory: if one got none, the others still work. */
static uint32_t ports_new(struct ahci *h)
{
	uint32_t ports = 0;

	for (unsigned i = 0; i < AHCI_MAX_PORTS; i++) {
		if (!(h->pi & BIT(i)))
			continue;
		h->port[i] = ahci_port_new(h, i);
		if (!h->port[i])
			continue;		/* the reset that follows stops the engines that firmware left running */
		ports |= BIT(i);
		(void)ahci_port_quiesce(h->port[i]);	/* if the port does not stop, the reset that follows stops it */
	}
	return ports;
}

/* Return the ports of @ports whose link comes up.  A port that detects no device at all gets a short deadline. */
static uint32_t await_links(struct ahci *h, uint32_t ports)
{
	uint64_t begin = time_us(), now = begin;
	uint32_t up = 0, left = ports;

	while (left && now - begin < AHCI_LINK_US) {
		for (uint32_t todo = left; todo; todo &= todo - 1) {
			unsigned i = (unsigned)__builtin_ctz(todo);
			uint32_t det = port_det(h->port[i]);

			if (det == AHCI_DET_UP)
				up |= BIT(i);
			if (det == AHCI_DET_UP || (det == AHCI_DET_NONE && now - begin >= AHCI_PRESENT_US))
				left &= ~BIT(i);
		}
		delay_us(100);
		now = time_us();
	}
	for (; left; left &= left - 1)
		log_warn("%s: a device without a link, PxSSTS %08x; left out", h->port[__builtin_ctz(left)]->name,
			 port_read(h->port[__builtin_ctz(left)], AHCI_PXSSTS));
	return up;
}

/* Start all ports at once, or one after the other with staggered spin-up (CAP.SSS): the motors must not start together. */
static uint32_t ports_up(struct ahci *h, uint32_t ports)
{
	uint32_t up = 0;

	for (uint32_t left = ports; left; left &= left - 1) {
		ahci_port_power(h->port[__builtin_ctz(left)]);
		if (h->cap & AHCI_CAP_SSS)
			up |= await_links(h, left & -left);
	}
	return h->cap & AHCI_CAP_SSS ? up : await_links(h, ports);
}

static void port_drop(struct ahci *h, unsigned i)
{
	(void)ahci_port_quiesce(h->port[i]);
	ahci_port_free(h->port[i]);
	h->port[i] = NULL;
}

int ahci_init(struct ahci *h)
{
	if (!ahci_enable(h)) {
		log_err("%s: AHCI mode does not come on, GHC %08x", h->dev.name, ahci_read(h, AHCI_GHC));
		return -ERR_IO;
	}
	bios_handoff(h);
	ahci_read_caps(h);
	ahci_write(h, AHCI_GHC, AHCI_GHC_AE);
	uint32_t ports = ports_new(h);
	bool no_memory = ports != h->pi;

	if (!ahci_reset_now(h))
		return -ERR_TIMEOUT;
	pci_enable(h->dev.pci);
	uint32_t up = ports_up(h, ports);

	for (uint32_t left = ports; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		int err = up & BIT(i) ? ahci_port_attach(h->port[i]) : -ERR_NODEV;

		no_memory |= err == -ERR_NOMEM;
		if (err)
			port_drop(h, i);
		else
			h->disks[h->dev.ndisk++] = &h->port[i]->disk;
	}
	h->dev.disk = h->disks;
	return !h->dev.ndisk && no_memory ? -ERR_NOMEM : (int)h->dev.ndisk;
}

void ahci_fini(struct ahci *h)
{
	ahci_write(h, AHCI_GHC, AHCI_GHC_AE);
	for (unsigned i = 0; i < AHCI_MAX_PORTS; i++)
		if (h->port[i])
			(void)ahci_port_quiesce(h->port[i]);
	/* A port that did not stop can no longer access memory. */
	pci_master_off(h->dev.pci);
	for (unsigned i = 0; i < AHCI_MAX_PORTS; i++) {
		if (h->port[i])
			ahci_port_free(h->port[i]);
		h->port[i] = NULL;
	}
}

/* --- reset at run time --- */

void ahci_reset_begin(struct ahci *h)
{
	if (h->resetting)
		return;
	h->resetting = true;
	h->reset_deadline_us = time_us() + AHCI_HBA_RESET_US;
	for (unsigned i = 0; i < AHCI_MAX_PORTS; i++)
		if (h->port[i])
			ahci_port_before_reset(h->port[i]);
	ahci_write(h, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_HR);
	(void)ahci_read(h, AHCI_GHC);
}

bool ahci_reset_step(struct ahci *h)
{
	if (!h->resetting)
		return true;
	uint32_t ghc = ahci_read(h, AHCI_GHC);
	bool ok = !(ghc & AHCI_GHC_HR);

	if (!ok && time_us() < h->reset_deadline_us)
		return false;
	ok = ok && ahci_restore(h);
	h->resetting = false;
	if (!ok) {
		log_err("%s: the controller does not come back from a reset, GHC %08x", h->dev.name, ghc);
		pci_master_off(h->dev.pci);
	}
	for (unsigned i = 0; i < AHCI_MAX_PORTS; i++)
		if (h->port[i])
			ahci_port_after_reset(h->port[i], ok);
	if (ok && h->irq_on && !h->masked)
		ahci_write(h, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE);
	return true;
}

/* --- the pass --- */

/* Clear PxIS before IS, or IS would be set again at once (section 5.6.2); PRCS and PCS are cleared by PxSERR. */
static void take_events(struct ahci *h, uint32_t ports)
{
	for (; ports; ports &= ports - 1) {
		struct ahci_port *p = h->port[__builtin_ctz(ports)];
		uint32_t is = p && p->state != AHCI_DEAD ? port_read(p, AHCI_PXIS) : 0;

		if (!is)
			continue;
		if (is & AHCI_PXIS_LINK)
			port_write(p, AHCI_PXSERR, SERR_PHYRDY | SERR_CONNECT);
		port_write(p, AHCI_PXIS, is);
		p->events |= is;
	}
}

static unsigned port_pass(struct ahci_port *p)
{
	if (p->state == AHCI_RUN)
		ahci_port_drain(p);
	ahci_port_advance(p);
	unsigned n = ahci_port_deliver(p);

	disk_run(&p->disk);
	return n;
}

/*
 * True if the controller was pulled: its registers read all ones, which GHC never does otherwise.  With some bridges and
 * emulators they read zeroes; then the configuration space tells.
 */
static bool ahci_is_gone(struct ahci *h)
{
	uint32_t ghc = ahci_read(h, AHCI_GHC);

	return ghc == ~0u || (!ghc && pci_read16(h->dev.pci, PCI_VENDOR_ID) == 0xffff);
}

static void ahci_gone(struct ahci *h)
{
	for (unsigned i = 0; i < AHCI_MAX_PORTS; i++)
		if (h->port[i])
			ahci_port_gone(h->port[i]);
}

static unsigned ahci_pass(struct ahci *h)
{
	unsigned n = 0;

	(void)ahci_reset_step(h);
	for (unsigned i = 0; i < h->dev.ndisk; i++)
		n += port_pass(container_of(h->disks[i], struct ahci_port, disk));
	return n;
}

static unsigned ahci_poll(struct hw_dev *dev)
{
	struct ahci *h = container_of(dev, struct ahci, dev);
	uint32_t is = ahci_read(h, AHCI_IS);

	if (is == ~0u && ahci_is_gone(h)) {
		ahci_gone(h);
		is = 0;
	}
	if (is && !h->resetting) {
		take_events(h, is);
		ahci_write(h, AHCI_IS, is);
	}
	unsigned n = ahci_pass(h);

	/* The number of completions.  An interrupt with another cause is explained, too, but counts as one, never as two. */
	return n ? n : is != 0;
}

/* Read the ports' own registers, not IS: find errors even if the interrupt is off or was lost. */
static unsigned ahci_tick(struct hw_dev *dev, uint64_t now_us)
{
	struct ahci *h = container_of(dev, struct ahci, dev);
	unsigned n = 0;

	if (ahci_is_gone(h)) {
		ahci_gone(h);
		return ahci_pass(h);
	}
	if (!h->resetting)
		take_events(h, h->pi);
	(void)ahci_reset_step(h);
	for (unsigned i = 0; i < AHCI_MAX_PORTS; i++) {
		struct ahci_port *p = h->port[i];

		if (!p)
			continue;
		if (p->state == AHCI_RUN)
			ahci_port_drain(p);
		ahci_port_check_deadlines(p, now_us);
		n += port_pass(p);
	}
	return n;
}

/* --- interrupts --- */

static void ahci_irq_enable(struct hw_dev *dev, bool on)
{
	struct ahci *h = container_of(dev, struct ahci, dev);

	/* Clear causes only the first time: a cause that is pending later makes the edge that the caller wants. */
	for (unsigned i = 0; on && !h->irq_started && i < AHCI_MAX_PORTS; i++) {
		if (!h->port[i] || h->port[i]->state == AHCI_DEAD)
			continue;
		ahci_port_clear(h->port[i]);
		port_write(h->port[i], AHCI_PXIE, AHCI_PXIE_WANTED);
	}
	h->irq_started |= on;
	h->irq_on = on;
	if (h->resetting)
		return;
	ahci_write(h, AHCI_GHC, AHCI_GHC_AE | (on && !h->masked ? AHCI_GHC_IE : 0));
	(void)ahci_read(h, AHCI_GHC);
}

static bool ahci_mask(struct hw_dev *dev, bool on)
{
	struct ahci *h = container_of(dev, struct ahci, dev);

	h->masked = on;
	ahci_irq_enable(dev, h->irq_on);
	return true;
}

/*
 * A command ends with a FIS that the controller writes to memory: set device bits if it is queued, else device to host
 * register.  The drain clears their types before it reads what they announce.
 */
static bool port_peek(const struct ahci_port *p)
{
	const volatile struct ahci_rfis *f = &p->mem->rfis;

	return p->state == AHCI_RUN && p->issued && (p->queued ? f->sdbfis[0] : f->rfis[0]);
}

static bool ahci_peek(struct hw_dev *dev)
{
	struct ahci *h = container_of(dev, struct ahci, dev);

	for (unsigned i = 0; i < h->dev.ndisk; i++)
		if (port_peek(container_of(h->disks[i], struct ahci_port, disk)))
			return true;
	return false;
}

/* IDENTIFY left its FIS bits in PxIS: enabling those of one port raises the line, and has no other effect. */
static void ahci_intx_test(struct hw_dev *dev, bool assert)
{
	struct ahci *h = container_of(dev, struct ahci, dev);
	struct ahci_port *p = container_of(dev->disk[0], struct ahci_port, disk);
	const uint32_t cause = AHCI_PXIS_PSS | AHCI_PXIS_DHRS;

	if (p->state != AHCI_RUN)
		return;
	if (assert && !(port_read(p, AHCI_PXIS) & cause))
		(void)ahci_exec(p, ATA_IDENTIFY, 0, 0, 0, true, AHCI_IDENTIFY_US);
	port_write(p, AHCI_PXIE, assert ? cause : 0);
	ahci_write(h, AHCI_GHC, AHCI_GHC_AE | (assert ? AHCI_GHC_IE : 0));
	if (!assert)
		ahci_write(h, AHCI_IS, ~0u);
	(void)ahci_read(h, AHCI_GHC);
}

/* --- the end --- */

static bool port_is_idle(const struct ahci_port *p)
{
	return !port_read(p, AHCI_PXCI) && !port_read(p, AHCI_PXSACT);
}

/*
 * STANDBY IMMEDIATE makes an SSD write its tables and a drive park its heads before the power goes.  Before a mere reset the
 * command costs a spin-up, which does less harm than power lost while the drive runs.
 */
static void port_shutdown(struct ahci_port *p)
{
	if (p->state == AHCI_DEAD)
		return;
	if (p->state == AHCI_RUN && wait_until(port_is_idle(p), AHCI_DRAIN_US)) {
		int err = 0;

		if (p->disk.flush)
			err = ahci_exec(p, p->flush_ext ? ATA_FLUSH_EXT : ATA_FLUSH, 0, 0, 0, false, AHCI_FLUSH_US);
		if (!err)
			err = ahci_exec(p, ATA_STANDBY_IMMEDIATE, 0, 0, 0, false, AHCI_FLUSH_US);
		if (err)
			log_err("%s: flush and standby failed (%s), PxTFD %08x", p->name, err_name(err),
				port_read(p, AHCI_PXTFD));
	} else {
		log_err("%s: shut down without a flush: recovering, or commands hang, PxCI %08x PxSACT %08x", p->name,
			port_read(p, AHCI_PXCI), port_read(p, AHCI_PXSACT));
	}
	(void)ahci_port_quiesce(p);
	p->state = AHCI_DEAD;
}

static void ahci_shutdown(struct hw_dev *dev)
{
	struct ahci *h = container_of(dev, struct ahci, dev);

	if (h->resetting)
		(void)wait_until(ahci_reset_step(h), AHCI_HBA_RESET_US);
	ahci_write(h, AHCI_GHC, AHCI_GHC_AE);
	for (unsigned i = 0; i < AHCI_MAX_PORTS; i++)
		if (h->port[i])
			port_shutdown(h->port[i]);
	pci_master_off(dev->pci);
}

const struct hw_dev_ops ahci_dev_ops = {
	.poll = ahci_poll,
	.peek = ahci_peek,
	.mask = ahci_mask,
	.irq_enable = ahci_irq_enable,
	.intx_test = ahci_intx_test,
	.tick = ahci_tick,
	.shutdown = ahci_shutdown,
};
