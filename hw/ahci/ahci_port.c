/* SPDX-License-Identifier: BSD-2-Clause */
/* AHCI ports: engines, link, and the way from a powered port to a disk.  But for the small helpers, start only. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "hw/ahci/ahci.h"

struct ahci_port *ahci_port_new(struct ahci *h, unsigned no)
{
	struct ahci_port *p = mem_alloc(sizeof(*p), 16);

	if (!p)
		goto no_port;
	p->mem = mem_alloc(sizeof(*p->mem), 1024);
	if (!p->mem)
		goto no_mem;
	p->hba = h;
	p->no = no;
	p->regs = h->regs + AHCI_PORT(no);
	p->state = AHCI_DEAD;
	fmt_string(p->name, sizeof(p->name), "%sp%u", h->dev.name, no);
	return p;

no_mem:
	mem_free(p);
no_port:
	log_err("%s: no memory for port %u", h->dev.name, no);
	return NULL;
}

void ahci_port_free(struct ahci_port *p)
{
	if (p->has_disk)
		disk_fini(&p->disk);
	mem_free(p->tables);
	mem_free(p->mem);
	mem_free(p);
}

/* --- engines --- */

static void port_change(struct ahci_port *p, uint32_t clear, uint32_t set)
{
	port_write(p, AHCI_PXCMD, (port_read(p, AHCI_PXCMD) & ~clear) | set);
	(void)port_read(p, AHCI_PXCMD);		/* posted */
}

void ahci_port_set_engine(struct ahci_port *p, bool on)
{
	port_change(p, on ? 0 : AHCI_PXCMD_ST, on ? AHCI_PXCMD_ST : 0);
}

static bool port_await_off(struct ahci_port *p, uint32_t bit, const char *what)
{
	if (wait_until(!(port_read(p, AHCI_PXCMD) & bit), AHCI_ENGINE_US))
		return true;
	log_warn("%s: %s does not stop within %u ms, PxCMD %08x", p->name, what, AHCI_ENGINE_US / 1000,
		 port_read(p, AHCI_PXCMD));
	return false;
}

bool ahci_port_stop(struct ahci_port *p)
{
	ahci_port_set_engine(p, false);
	return port_await_off(p, AHCI_PXCMD_CR, "the command engine");
}

bool ahci_port_quiesce(struct ahci_port *p)
{
	uint32_t cmd = port_read(p, AHCI_PXCMD);

	port_write(p, AHCI_PXIE, 0);
	/* Clear FRE only after CR is clear: AHCI 1.3.1 section 10.3.2. */
	if ((cmd & (AHCI_PXCMD_ST | AHCI_PXCMD_CR)) && !ahci_port_stop(p))
		return false;
	if (!(cmd & (AHCI_PXCMD_FRE | AHCI_PXCMD_FR)))
		return true;
	port_change(p, AHCI_PXCMD_FRE, 0);
	return port_await_off(p, AHCI_PXCMD_FR, "the FIS engine");
}

void ahci_port_clear(struct ahci_port *p)
{
	port_write(p, AHCI_PXSERR, ~0u);
	port_write(p, AHCI_PXIS, ~0u);
	ahci_write(p->hba, AHCI_IS, BIT(p->no));
	(void)port_read(p, AHCI_PXIS);
	memset(&p->mem->rfis, 0, sizeof(p->mem->rfis));
	p->events = 0;
}

/* --- link --- */

void ahci_port_set_det(struct ahci_port *p, uint32_t det)
{
	uint32_t v = port_read(p, AHCI_PXSCTL) & AHCI_PXSCTL_SPD;

	port_write(p, AHCI_PXSCTL, v | FIELD_PREP(AHCI_PXSCTL_IPM, AHCI_SCTL_IPM_OFF) | FIELD_PREP(AHCI_PXSCTL_DET, det));
	(void)port_read(p, AHCI_PXSCTL);
}

void ahci_port_power(struct ahci_port *p)
{
	uint64_t list = mem_phys(p->mem->header), fis = mem_phys(&p->mem->rfis);

	port_write(p, AHCI_PXIE, 0);
	port_write(p, AHCI_PXCLB, (uint32_t)list);
	port_write(p, AHCI_PXCLBU, (uint32_t)(list >> 32));
	port_write(p, AHCI_PXFB, (uint32_t)fis);
	port_write(p, AHCI_PXFBU, (uint32_t)(fis >> 32));
	if (port_read(p, AHCI_PXFBS) & AHCI_PXFBS_EN)
		port_write(p, AHCI_PXFBS, 0);
	ahci_port_set_det(p, 0);
	port_change(p, AHCI_PXCMD_PMA | AHCI_PXCMD_ALPE | AHCI_PXCMD_ASP | AHCI_PXCMD_ST, AHCI_PXCMD_FRE);
	port_change(p, AHCI_PXCMD_ICC, AHCI_PXCMD_POD | AHCI_PXCMD_SUD | AHCI_PXCMD_ICC_ACTIVE);
}

static bool port_is_ready(const struct ahci_port *p)
{
	return !(FIELD_GET(AHCI_PXTFD_STS, port_read(p, AHCI_PXTFD)) & (ATA_BSY | ATA_DRQ));
}

static bool port_await_ready(struct ahci_port *p)
{
	if (wait_until(port_is_ready(p), AHCI_READY_US))
		return true;
	log_warn("%s: the device is not ready after %u s, PxTFD %08x PxSSTS %08x", p->name, AHCI_READY_US / 1000000,
		 port_read(p, AHCI_PXTFD), port_read(p, AHCI_PXSSTS));
	return false;
}

/* If BSY or DRQ stay set, command list override (section 3.3.7) makes the engine start nevertheless. */
static bool port_override_busy(struct ahci_port *p)
{
	if (!(p->hba->cap & AHCI_CAP_SCLO))
		return false;
	port_change(p, 0, AHCI_PXCMD_CLO);
	return port_await_off(p, AHCI_PXCMD_CLO, "the command list override");
}

static bool port_comreset(struct ahci_port *p)
{
	ahci_port_set_det(p, AHCI_SCTL_DET_INIT);
	delay_us(AHCI_COMRESET_US);
	ahci_port_set_det(p, 0);
	if (!wait_until(port_det(p) == AHCI_DET_UP, AHCI_LINK_US)) {
		log_warn("%s: no link within %u ms after COMRESET, PxSSTS %08x", p->name, AHCI_LINK_US / 1000,
			 port_read(p, AHCI_PXSSTS));
		return false;
	}
	port_write(p, AHCI_PXSERR, ~0u);
	return port_await_ready(p);
}

/* --- from a link to a disk --- */

/* True for a disk.  The log names any other device, which the driver leaves out. */
static bool port_has_ata(const struct ahci_port *p)
{
	uint32_t sig = port_read(p, AHCI_PXSIG);
	const char *what = sig == AHCI_SIG_ATAPI ? "an ATAPI drive" : sig == AHCI_SIG_PM ? "a port multiplier, not supported" :
			   sig == AHCI_SIG_SEMB ? "an enclosure" : NULL;

	if (what)
		log_info("%s: %s; left out", p->name, what);
	return !what;
}

static int port_identify_once(struct ahci_port *p)
{
	ahci_port_clear(p);
	ahci_port_set_engine(p, true);
	return ahci_exec(p, ATA_IDENTIFY, 0, 0, 0, true, AHCI_IDENTIFY_US);
}

/* Power-up in standby (ACS-3, IDENTIFY word 2): the disk spins up on command only; before, its IDENTIFY data are incomplete. */
static int port_spin_up(struct ahci_port *p)
{
	uint16_t specific = p->mem->data[ID_SPECIFIC];
	int err = 0;

	if (specific == ID_SPECIFIC_SF_PARTIAL || specific == ID_SPECIFIC_SF_FULL)
		err = ahci_exec(p, ATA_SET_FEATURES, ATA_SF_SPIN_UP, 0, 0, false, AHCI_READY_US);
	/* The disk has told all about itself, and may refuse because it spins already. */
	if (err && specific == ID_SPECIFIC_SF_FULL) {
		log_warn("%s: SET FEATURES (spin up) failed: %s", p->name, err_name(err));
		err = port_comreset(p) ? port_identify_once(p) : -ERR_NODEV;
	}
	if (!err && (specific == ID_SPECIFIC_SF_PARTIAL || specific == ID_SPECIFIC_PARTIAL))
		err = ahci_exec(p, ATA_IDENTIFY, 0, 0, 0, true, AHCI_READY_US);
	return err;
}

/* A first failure may come from a state that firmware left: send a COMRESET and try again. */
static int port_identify(struct ahci_port *p)
{
	int err = port_identify_once(p);

	if (err && port_comreset(p))
		err = port_identify_once(p);
	if (!err)
		err = port_spin_up(p);
	if (err)
		log_warn("%s: IDENTIFY failed (%s), PxTFD %08x PxIS %08x PxSERR %08x; left out", p->name, err_name(err),
			 port_read(p, AHCI_PXTFD), port_read(p, AHCI_PXIS), port_read(p, AHCI_PXSERR));
	return err;
}

static int port_make_disk(struct ahci_port *p)
{
	p->table_size = (uint32_t)(sizeof(struct ahci_table) + p->disk.limits.max_segs * sizeof(struct ahci_prd));
	p->tables = mem_alloc(p->disk.limits.tags * p->table_size, 128);
	if (!p->tables) {
		log_err("%s: no memory for %u command tables", p->name, p->disk.limits.tags);
		return -ERR_NOMEM;
	}
	int err = disk_init(&p->disk);

	p->has_disk = !err;
	return err;
}

static void port_announce(const struct ahci_port *p)
{
	const struct disk *d = &p->disk;

	log_info("%s: %s, serial %s, firmware %s", p->name, d->model, d->serial, d->firmware);
	log_info("%s: %llu blocks of %u bytes (physical %u), %s depth %u, cache %s%s%s", p->name,
		 (unsigned long long)d->nblocks, d->block_size, d->block_size << d->phys_exp,
		 p->ncq ? "NCQ" : p->lba48 ? "LBA48" : "LBA28", d->limits.tags, d->write_cache ? "on" : "off",
		 d->limits.max_discard_blocks ? ", TRIM" : "", d->removable ? ", removable" : "");
}

int ahci_port_attach(struct ahci_port *p)
{
	/* The COMINIT set PxSERR.DIAG.X; while this bit is set, some HBAs do not copy the device's first FIS into PxTFD. */
	port_write(p, AHCI_PXSERR, ~0u);
	if (!port_await_ready(p) && !port_override_busy(p) && !port_comreset(p))
		return -ERR_NODEV;
	if (!port_has_ata(p) || port_identify(p) || ahci_identify_parse(p, p->mem->data))
		return -ERR_NODEV;
	int err = port_make_disk(p);

	if (!err) {
		p->state = AHCI_RUN;
		port_announce(p);
	}
	return err;
}
