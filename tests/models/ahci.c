// SPDX-License-Identifier: BSD-2-Clause
/* The AHCI model's registers, and the engine and the link of each port (AHCI 1.3.1, 3, 5, 6 and 10; Serial ATA 3.0, 10.3). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ahci.h"

enum { R_CAP = 0x00, R_GHC = 0x04, R_IS = 0x08, R_PI = 0x0c, R_VS = 0x10, R_PORTS = 0x100, PORT_SIZE = 0x80 };
enum {
	P_CLB = 0x00, P_CLBU = 0x04, P_FB = 0x08, P_FBU = 0x0c, P_IS = 0x10, P_IE = 0x14, P_CMD = 0x18, P_TFD = 0x20,
	P_SIG = 0x24, P_SSTS = 0x28, P_SCTL = 0x2c, P_SERR = 0x30, P_SACT = 0x34, P_CI = 0x38,
};

#define BAR_SIZE	0x1000u
#define GHC_HR		0x1u
#define GHC_IE		0x2u
#define GHC_AE		0x80000000u

#define CMD_ST		0x1u
#define CMD_SUD		0x2u
#define CMD_POD		0x4u
#define CMD_CLO		0x8u
#define CMD_FRE		0x10u
#define CMD_CCS		0x1f00u
#define CMD_FR		0x4000u
#define CMD_CR		0x8000u
#define CMD_HPCP	0x40000u
#define CMD_WRITABLE	0x0f000013u	/* ASP, ALPE, DLAE, ATAPI; FRE, SUD, ST */

#define IS_DHRS		0x1u
#define IS_PSS		0x2u
#define IS_SDBS		0x8u
#define IS_PCS		0x40u
#define IS_PRCS		0x400000u
#define IS_HBFS		0x20000000u
#define IS_TFES		0x40000000u
#define SERR_DIAG_N	0x10000u
#define SERR_DIAG_X	0x4000000u

#define SSTS_UP		0x133u		/* active, 6 Gb/s, device and link */
#define SIGNATURE	0x101u
#define TFD_NO_DEVICE	0x7fu
#define LINK_US		10000u
#define COMRESET_US	1000u		/* least time of SCTL.DET = 1 (AHCI 1.3.1, 10.4.2) */

static uint64_t now(struct ahci *a)
{
	return a->m.host.now_us(a->m.host.ctx);
}

static unsigned count_ports(const struct ahci *a)
{
	unsigned n = 1;

	for (unsigned i = 0; i < AHCI_PORTS; i++)
		if (a->port[i].disk.data)
			n = i + 1;
	return n;
}

/*
 * Start and stop of an engine are judged from the second reset of the adapter on, for the first is the firmware's: SeaBIOS
 * stops engines and FISes in one write.  Linux's driver starts engines before a disk is there, which adapters tolerate: option
 * lenient.
 */
static bool is_strict(const struct ahci *a)
{
	return a->resets > 1 && !a->lenient;
}

static bool is_up(const struct ahci_port *p)
{
	return (p->ssts & 15) == 3;
}

/* --- interrupts --- */

/* PCS and PRCS show bits of PxSERR, and are cleared there (3.3.5). */
static uint32_t port_status(const struct ahci_port *p)
{
	return p->is | (p->serr & SERR_DIAG_X ? IS_PCS : 0) | (p->serr & SERR_DIAG_N ? IS_PRCS : 0);
}

/* @again: IS was written and is still not zero, which sends another message (10.6.2.2). */
static void update_irq(struct ahci *a, bool again)
{
	bool on;

	for (unsigned i = 0; i < AHCI_PORTS; i++)
		if (port_status(&a->port[i]) & a->port[i].ie)
			a->is |= 1u << i;
	on = a->is && a->ghc & GHC_IE;
	if (a->irq && (!on || again)) {
		a->m.host.irq(a->m.host.ctx, false);
		a->irq = false;
	}
	if (!on || a->irq)
		return;
	a->irq = true;
	if (a->lose_irqs)
		a->lose_irqs--;
	else
		a->m.host.irq(a->m.host.ctx, true);
}

/* --- FISes to the host (3.3.3, 4.2.1) --- */

static void post(struct ahci *a, struct ahci_port *p, unsigned at, const uint8_t *fis, unsigned len)
{
	void *to;

	if (!(p->cmd & CMD_FR))
		return;
	to = a->m.host.dma(a->m.host.ctx, p->fb + at, len, true);
	if (to) {
		memcpy(to, fis, len);
	} else {
		p->is |= IS_HBFS;
		p->failed = true;
	}
}

static void post_register(struct ahci *a, struct ahci_port *p, uint8_t status, uint8_t error, bool signature, bool irq)
{
	uint8_t fis[20] = { 0x34, irq ? 0x40 : 0, status, error };

	if (signature)
		fis[4] = fis[12] = 1;
	post(a, p, 0x40, fis, sizeof(fis));
	p->tfd = (uint32_t)error << 8 | status;
	p->is |= irq ? IS_DHRS : 0;
}

static void post_pio_setup(struct ahci *a, struct ahci_port *p, bool to_host, uint32_t bytes)
{
	uint8_t fis[20] = { 0x5f, to_host ? 0x60 : 0, ATA_DRDY | ATA_DRQ };

	fis[15] = to_host ? ATA_DRDY : ATA_BSY | ATA_DRDY;
	fis[16] = (uint8_t)bytes;
	fis[17] = (uint8_t)(bytes >> 8);
	post(a, p, 0x20, fis, sizeof(fis));
	p->tfd = fis[15];
	p->is |= to_host ? IS_PSS : 0;
}

static void post_set_bits(struct ahci *a, struct ahci_port *p, uint8_t status, uint8_t error, uint32_t done)
{
	uint8_t fis[8] = { 0xa1, 0x40, status & 0x77, error };

	for (unsigned i = 0; i < 4; i++)
		fis[4 + i] = (uint8_t)(done >> 8 * i);
	post(a, p, 0x58, fis, sizeof(fis));
	p->tfd = (uint32_t)error << 8 | (p->tfd & (ATA_BSY | ATA_DRQ)) | (status & 0x77);
	p->sact &= ~done;
	p->is |= IS_SDBS;
}

/* --- the link (10.1.2, 10.4) --- */

static void drop_link(struct ahci_port *p)
{
	p->ssts = 0;
	p->tfd = TFD_NO_DEVICE;
	p->sig = ~0u;
	p->link_us = p->ready_us = MODEL_NEVER;
	p->first_fis = p->soft_reset = false;
}

/* A COMRESET was sent: the disk, if there is one, answers. */
static void start_link(struct ahci *a, struct ahci_port *p)
{
	drop_link(p);
	if (!p->disk.plugged || !(p->cmd & CMD_SUD) || p->sctl & 15)
		return;
	p->disk.write_cache = a->write_cache;
	p->disk.look_ahead = true;
	p->disk.ncq_error = false;
	p->disk.mode = 0;
	p->link_us = now(a) + LINK_US;
	p->ready_us = p->link_us + 1000ull * a->ready_ms;
}

static void run_link(struct ahci *a, struct ahci_port *p)
{
	if (now(a) >= p->link_us) {
		p->ssts = SSTS_UP;
		p->serr |= SERR_DIAG_X | SERR_DIAG_N;
		p->tfd = ATA_BSY;
		p->link_us = MODEL_NEVER;
	}
	if (now(a) >= p->ready_us) {
		p->first_fis = true;
		p->ready_us = MODEL_NEVER;
	}
	/* The port keeps the FIS until the host takes FISes. */
	if (p->first_fis && p->cmd & CMD_FR) {
		p->first_fis = false;
		p->sig = SIGNATURE;
		post_register(a, p, ATA_DRDY, 1, true, false);
	}
}

static void write_sctl(struct ahci *a, struct ahci_port *p, unsigned n, uint32_t v)
{
	uint32_t was = p->sctl;

	p->sctl = v;
	if (!((was ^ v) & 15))
		return;
	if (p->cmd & CMD_ST)
		ahci_broken(a, "port %u: SCTL.DET written with %u while PxCMD.ST is 1", n, v & 15);
	if (v & 15) {
		drop_link(p);
		p->comreset_us = now(a);
		if ((v & 15) == 4)
			p->ssts = 4;
		return;
	}
	if ((was & 15) == 1 && now(a) - p->comreset_us < COMRESET_US)
		ahci_broken(a, "port %u: COMRESET for %u microseconds", n, (unsigned)(now(a) - p->comreset_us));
	start_link(a, p);
}

/* --- the engine (5.3) --- */

/* A register FIS without the C bit: the software reset (10.4.1), whose second FIS is answered with the signature. */
static void control(struct ahci *a, struct ahci_port *p, unsigned slot, const uint8_t fis[20])
{
	bool reset = fis[15] & 4;

	p->ci &= ~(1u << slot);
	if (p->soft_reset && !reset) {
		p->disk.ncq_error = false;
		post_register(a, p, ATA_DRDY, 1, true, true);
	}
	p->soft_reset = reset;
}

static void finish(struct ahci *a, struct ahci_port *p, unsigned slot, const uint8_t fis[20], struct ahci_header *header,
		   enum ahci_end end)
{
	bool queued = ahci_is_queued(fis[2]), failed = end == AHCI_FAILED;
	uint8_t status = (uint8_t)(ATA_DRDY | (failed ? ATA_ERR : 0));

	if (end == AHCI_NO_DMA) {
		p->is |= IS_HBFS;
		p->failed = true;
		return;
	}
	if (queued) {
		p->ci &= ~(1u << slot);
		post_register(a, p, ATA_DRDY, 0, false, false);
	}
	if (end == AHCI_LATER) {
		p->held |= 1u << slot;
		p->tfd |= queued ? 0 : ATA_BSY;
		return;
	}
	if (queued)
		post_set_bits(a, p, status, p->disk.error, failed ? 0 : 1u << slot);
	else if (ahci_is_pio(fis[2]) && !failed && !(header->flags & 0x40))
		post_pio_setup(a, p, true, header->prdbc);
	else
		post_register(a, p, status, p->disk.error, false, true);
	if (failed) {
		p->is |= IS_TFES;
		p->failed = true;
	} else {
		p->ci &= ~(1u << slot);
	}
}

static void check_header(struct ahci *a, const struct ahci_port *p, unsigned slot, const struct ahci_header *h,
			 const uint8_t fis[20])
{
	if ((h->flags & 0x1f) != 5 || fis[0] != 0x27)
		ahci_broken(a, "slot %u: a FIS %02x of %u double words", slot, fis[0], h->flags & 0x1f);
	if (h->table & 0x7f)
		ahci_broken(a, "slot %u: the command table is at %llx", slot, (unsigned long long)h->table);
	if (!(fis[1] & 0x80))
		return;
	if (ahci_is_queued(fis[2]) ? !(p->sact & 1u << slot) : p->sact)
		ahci_broken(a, "slot %u: command %02x while SActive is %08x", slot, fis[2], p->sact);
}

static void issue(struct ahci *a, unsigned n, unsigned slot)
{
	struct ahci_port *p = &a->port[n];
	uint32_t *raw = a->m.host.dma(a->m.host.ctx, p->clb + 32ull * slot, 32, true);
	struct ahci_header h;
	const uint8_t *from = NULL;
	uint8_t fis[20];

	p->cmd = (p->cmd & ~CMD_CCS) | slot << 8;
	if (raw) {
		h = (struct ahci_header) { .flags = raw[0], .table = raw[2] | (uint64_t)raw[3] << 32 };
		if (raw[3] && !a->addr64)
			ahci_broken(a, "slot %u: the command table is beyond 4 GiB", slot);
		from = a->m.host.dma(a->m.host.ctx, h.table, sizeof(fis), false);
	}
	if (!from) {
		p->is |= IS_HBFS;
		p->failed = true;
		return;
	}
	memcpy(fis, from, sizeof(fis));
	check_header(a, p, slot, &h, fis);
	if (!(fis[1] & 0x80)) {
		control(a, p, slot, fis);
		return;
	}
	finish(a, p, slot, fis, &h, ahci_ata(a, n, slot, &h, fis));
	raw[1] = h.prdbc;
}

static void run_engine(struct ahci *a, unsigned n)
{
	struct ahci_port *p = &a->port[n];

	while (p->cmd & CMD_CR && p->cmd & CMD_ST && !p->failed && is_up(p) && p->ci &&
	       !(p->tfd & (ATA_BSY | ATA_DRQ)) && a->m.host.master(a->m.host.ctx))
		issue(a, n, (unsigned)__builtin_ctz(p->ci));
}

static void start_engine(struct ahci *a, struct ahci_port *p, unsigned n)
{
	if (is_strict(a) && (!(p->cmd & CMD_FRE) || p->tfd & (ATA_BSY | ATA_DRQ) || !is_up(p)))
		ahci_broken(a, "port %u: PxCMD.ST set, PxCMD %08x, PxTFD %08x, PxSSTS %08x", n, p->cmd, p->tfd, p->ssts);
	if (p->clb & 0x3ff || p->fb & 0xff || (!a->addr64 && (p->clb | p->fb) >> 32))
		ahci_broken(a, "port %u: command list at %llx, FISes at %llx", n, (unsigned long long)p->clb,
			    (unsigned long long)p->fb);
	p->cmd |= CMD_CR;
}

/* What the port was doing is forgotten; a disk that was busy stays busy. */
static void stop_engine(struct ahci *a, struct ahci_port *p)
{
	p->ci = p->sact = p->held = 0;
	p->failed = false;
	p->cmd &= ~CMD_CCS;
	if (!a->stuck)
		p->cmd &= ~CMD_CR;
}

static void write_cmd(struct ahci *a, struct ahci_port *p, unsigned n, uint32_t v)
{
	uint32_t was = p->cmd;

	p->cmd = (was & ~CMD_WRITABLE) | (v & CMD_WRITABLE) | (a->staggered ? 0 : CMD_SUD);
	if (v & CMD_CLO) {
		if (was & CMD_ST)
			ahci_broken(a, "port %u: PxCMD.CLO set while PxCMD.ST is 1", n);
		p->tfd &= ~(ATA_BSY | ATA_DRQ);
	}
	if (p->cmd & CMD_FRE)
		p->cmd |= CMD_FR;
	if (~was & v & CMD_ST)
		start_engine(a, p, n);
	if (was & ~v & CMD_ST)
		stop_engine(a, p);
	if (was & ~v & CMD_FRE) {
		if (is_strict(a) && was & (CMD_ST | CMD_CR))
			ahci_broken(a, "port %u: PxCMD.FRE cleared, PxCMD is %08x", n, was);
		p->cmd &= ~CMD_FR;
	}
	if (~was & p->cmd & CMD_SUD)
		start_link(a, p);
}

/* --- registers --- */

static uint32_t capabilities(const struct ahci *a)
{
	/* Speed 6 Gb/s, CLO, AHCI only, slumber and partial. */
	return (count_ports(a) - 1) | (a->slots - 1) << 8 | 3u << 13 | 1u << 18 | 3u << 20 | 1u << 24 |
	       (uint32_t)a->staggered << 27 | (uint32_t)a->ncq << 30 | (uint32_t)a->addr64 << 31;
}

static void reset_port(struct ahci *a, struct ahci_port *p)
{
	p->is = p->ie = p->serr = p->sctl = p->sact = p->ci = p->held = 0;
	p->failed = false;
	p->cmd = CMD_POD | (a->staggered ? 0 : CMD_SUD) | (a->hot_plug ? CMD_HPCP : 0);
	start_link(a, p);
}

/* GHC.HR: all but the addresses of lists and FISes (10.4.3). */
static void reset_adapter(struct ahci *a)
{
	a->ghc = GHC_AE;
	a->is = 0;
	for (unsigned i = 0; i < AHCI_PORTS; i++)
		reset_port(a, &a->port[i]);
}

static void run(struct model *m)
{
	struct ahci *a = ahci_of(m);

	if (a->gone)
		return;
	m->wake_us = MODEL_NEVER;
	for (unsigned i = 0; i < count_ports(a); i++) {
		struct ahci_port *p = &a->port[i];

		run_link(a, p);
		run_engine(a, i);
		if (p->link_us < m->wake_us)
			m->wake_us = p->link_us;
		if (p->ready_us < m->wake_us)
			m->wake_us = p->ready_us;
	}
	update_irq(a, false);
}

static uint32_t read_port(const struct ahci_port *p, uint32_t reg)
{
	switch (reg) {
	case P_CLB: return (uint32_t)p->clb;
	case P_CLBU: return (uint32_t)(p->clb >> 32);
	case P_FB: return (uint32_t)p->fb;
	case P_FBU: return (uint32_t)(p->fb >> 32);
	case P_IS: return port_status(p);
	case P_IE: return p->ie;
	case P_CMD: return p->cmd;
	case P_TFD: return p->tfd;
	case P_SIG: return p->sig;
	case P_SSTS: return p->ssts;
	case P_SCTL: return p->sctl;
	case P_SERR: return p->serr;
	case P_SACT: return p->sact;
	case P_CI: return p->ci;
	}
	return 0;
}

static uint32_t read_reg(struct model *m, unsigned bar, uint32_t off, unsigned width)
{
	struct ahci *a = ahci_of(m);
	unsigned n = (off - R_PORTS) / PORT_SIZE;

	(void)bar;
	run(m);
	if (a->gone)
		return ~0u;
	if (width != 4 || off & 3)
		ahci_broken(a, "register %x read by %u bytes", off, width);
	switch (off) {
	case R_CAP: return capabilities(a);
	case R_GHC: return a->ghc;
	case R_IS: return a->is;
	case R_PI: return (1u << count_ports(a)) - 1;
	case R_VS: return 0x10301;
	}
	return off >= R_PORTS && n < count_ports(a) ? read_port(&a->port[n], off % PORT_SIZE) : 0;
}

/* PxCI and PxSACT take ones only, and only while PxCMD.ST is 1 (3.3.13, 3.3.14). */
static void write_commands(struct ahci *a, struct ahci_port *p, unsigned n, uint32_t *reg, uint32_t v)
{
	if (!(p->cmd & CMD_ST)) {
		ahci_broken(a, "port %u: command %08x while PxCMD.ST is 0", n, v);
		return;
	}
	if (v & *reg || (a->slots < 32 && v >> a->slots))
		ahci_broken(a, "port %u: commands %08x while %08x are there, %u slots", n, v, *reg, a->slots);
	*reg |= v;
}

static void write_port(struct ahci *a, unsigned n, uint32_t reg, uint32_t v)
{
	struct ahci_port *p = &a->port[n];

	if (reg <= P_FBU && p->cmd & (reg <= P_CLBU ? CMD_ST | CMD_CR : CMD_FRE | CMD_FR))
		ahci_broken(a, "port %u: register %02x written while PxCMD is %08x", n, reg, p->cmd);
	switch (reg) {
	case P_CLB: case P_CLBU: model_set_half(&p->clb, reg & 4, v); break;
	case P_FB: case P_FBU: model_set_half(&p->fb, reg & 4, v); break;
	case P_IS: p->is &= ~v; break;
	case P_IE: p->ie = v; break;
	case P_CMD: write_cmd(a, p, n, v); break;
	case P_SCTL: write_sctl(a, p, n, v); break;
	case P_SERR: p->serr &= ~v; break;
	case P_SACT: write_commands(a, p, n, &p->sact, v); break;
	case P_CI: write_commands(a, p, n, &p->ci, v); break;
	}
}

static void write_reg(struct model *m, unsigned bar, uint32_t off, unsigned width, uint32_t v)
{
	struct ahci *a = ahci_of(m);
	unsigned n = (off - R_PORTS) / PORT_SIZE;
	bool again = false;

	(void)bar;
	run(m);
	if (a->gone)
		return;
	if (width != 4 || off & 3) {
		ahci_broken(a, "register %x written by %u bytes", off, width);
		return;
	}
	if (off == R_GHC) {
		a->ghc = GHC_AE | (v & GHC_IE);
		if (v & GHC_HR) {
			a->resets++;
			reset_adapter(a);
		}
	} else if (off == R_IS) {
		a->is &= ~v;
		again = true;
	} else if (off >= R_PORTS && n < count_ports(a)) {
		write_port(a, n, off % PORT_SIZE, v);
	}
	update_irq(a, again);
	run(m);
}

static void power_on(struct model *m)
{
	struct ahci *a = ahci_of(m);

	for (unsigned i = 0; i < AHCI_PORTS; i++)
		a->port[i].clb = a->port[i].fb = 0;
	reset_adapter(a);
	a->irq = false;
	a->resets = 0;
	m->host.irq(m->host.ctx, false);
	run(m);
}

/* --- options --- */

/* plugN=0 pulls the disk of port N out, plugN=1 puts it back. */
static bool set_plug(struct ahci *a, unsigned n, unsigned v)
{
	struct ahci_port *p = &a->port[n];

	if (n >= AHCI_PORTS || !p->disk.data || v > 1)
		return false;
	if (p->disk.plugged == v)
		return true;
	p->disk.plugged = v;
	if (is_up(p))
		p->serr |= SERR_DIAG_N;
	start_link(a, p);
	run(&a->m);
	return true;
}

static bool set(struct model *m, const char *name, const char *value)
{
	static const struct model_option options[] = {
		MODEL_NUMBER(ahci, "slots", slots, AHCI_SLOTS), MODEL_NUMBER(ahci, "ready-ms", ready_ms, 60000),
		MODEL_NUMBER(ahci, "hold", hold, 1000000), MODEL_NUMBER(ahci, "fail", fail, 1000000),
		MODEL_NUMBER(ahci, "lose-irqs", lose_irqs, 1000000), MODEL_SWITCH(ahci, "addr64", addr64, 1),
		MODEL_SWITCH(ahci, "ncq", ncq, 1), MODEL_SWITCH(ahci, "staggered", staggered, 1),
		MODEL_SWITCH(ahci, "write-cache", write_cache, 1), MODEL_SWITCH(ahci, "hot-plug", hot_plug, 1),
		MODEL_SWITCH(ahci, "gone", gone, 1), MODEL_SWITCH(ahci, "stuck", stuck, 1),
		MODEL_SWITCH(ahci, "lenient", lenient, 1),
	};
	struct ahci *a = ahci_of(m);
	unsigned v;

	if (!strcmp(name, "serial")) {
		snprintf(a->serial, sizeof(a->serial), "%s", value);
		return strlen(value) < sizeof(a->serial);
	}
	if (!model_number(value, &v) || (!strcmp(name, "slots") && !v))
		return false;
	if (!strncmp(name, "plug", 4))
		return set_plug(a, (unsigned)strtoul(name + 4, NULL, 10), v);
	return model_set(a, options, sizeof(options) / sizeof(*options), name, v);
}

static bool disk(struct model *m, uint8_t *data, uint64_t size, unsigned sector)
{
	struct ahci *a = ahci_of(m);

	for (unsigned i = 0; i < AHCI_PORTS; i++)
		if (!a->port[i].disk.data) {
			a->port[i].disk = (struct ahci_disk) {
				.data = data, .blocks = size / sector, .sector = sector, .plugged = true,
			};
			return size >= sector;
		}
	return false;
}

static const struct model_ops ops = {
	.power_on = power_on, .reset = power_on, .read = read_reg, .write = write_reg, .run = run, .set = set, .disk = disk,
};

void ahci_init(struct ahci *a)
{
	memset(a, 0, sizeof(*a));
	a->m.ops = &ops;
	a->m.pci = (struct model_pci) {
		.vendor = 0x1d1d, .device = 0x0002, .subsys_vendor = 0x1d1d, .subsys = 0x0002, .class_code = 0x010601,
		.msi = true, .pcie = true,
	};
	a->m.pci.bar[5] = (struct model_bar) { .size = BAR_SIZE };
	strcpy(a->serial, "MODEL0");
	a->addr64 = a->ncq = a->write_cache = true;
	a->slots = AHCI_SLOTS;
	a->ready_ms = 20;
	for (unsigned i = 0; i < AHCI_PORTS; i++)
		a->port[i].link_us = a->port[i].ready_us = MODEL_NEVER;
}

struct model *model_ahci(const char *chip)
{
	static struct ahci a;

	if (strcmp(chip, "ahci") != 0)
		return NULL;
	ahci_init(&a);
	return &a.m;
}
