// SPDX-License-Identifier: BSD-2-Clause
/* The NVMe model: its registers, its doorbells and its queues (NVM Express 1.4, 3.1, 4.1, 7.6). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "nvme.h"

enum {
	R_CAP = 0x00, R_VS = 0x08, R_INTMS = 0x0c, R_INTMC = 0x10, R_CC = 0x14, R_CSTS = 0x1c, R_NSSR = 0x20, R_AQA = 0x24,
	R_ASQ = 0x28, R_ACQ = 0x30, R_DOORBELLS = 0x1000,
};

#define BAR_SIZE	0x2000u
#define CC_EN		0x1u
#define CC_SHN		0xc000u
#define CSTS_RDY	0x1u
#define CSTS_CFS	0x2u
#define CSTS_SHST_BUSY	0x4u
#define CSTS_SHST_DONE	0x8u
#define CSTS_NSSRO	0x10u
#define NSSR_MAGIC	0x4e564d65u
#define SHUTDOWN_US	5000u

static uint64_t now(struct nvme *n)
{
	return n->m.host.now_us(n->m.host.ctx);
}

static bool ready(const struct nvme *n)
{
	return n->csts & CSTS_RDY && !(n->csts & CSTS_CFS);
}

/* --- interrupts --- */

/* True if INTx is asserted, which follows the completion queues (1.4, 7.5.1.1). */
static bool asserted(const struct nvme *n)
{
	for (unsigned i = 0; i < NVME_QUEUES; i++)
		if (n->cq[i].size && n->cq[i].irq && n->cq[i].head != n->cq[i].tail && !(n->intms & 1))
			return true;
	return false;
}

static void update_irq(struct nvme *n)
{
	n->m.host.irq(n->m.host.ctx, asserted(n));
}

/* Send a message for each completion: if the interrupt is asserted already, raise it again. */
static void ring(struct nvme *n)
{
	if (!asserted(n))
		return;
	if (n->lose_irqs) {
		n->lose_irqs--;
		return;
	}
	n->m.host.irq(n->m.host.ctx, false);
	n->m.host.irq(n->m.host.ctx, true);
}

/* --- queues --- */

static bool is_full(const struct nvme_queue *q)
{
	return (q->tail + 1) % q->size == q->head;
}

void nvme_complete(struct nvme *n, unsigned sq, uint16_t id, uint32_t result, unsigned status)
{
	struct nvme_queue *cq = &n->cq[n->sq[sq].cq];
	uint32_t entry[4] = { result, 0, n->sq[sq].head | (uint32_t)sq << 16, id | (status << 17) };
	uint8_t *to;

	if (is_full(cq)) {
		nvme_broken(n, "no room in completion queue %u", n->sq[sq].cq);
		return;
	}
	to = n->m.host.dma(n->m.host.ctx, cq->addr + 16ull * cq->tail, 16, true);
	if (!to) {
		n->csts |= CSTS_CFS;
		return;
	}
	entry[3] |= cq->phase ? 0x10000u : 0;
	memcpy(to, entry, 12);
	/* Write the phase tag last: the driver polls it without a lock. */
	__atomic_store_n((uint32_t *)(to + 12), entry[3], __ATOMIC_RELEASE);
	cq->tail = (cq->tail + 1) % cq->size;
	cq->phase ^= !cq->tail;
	if (cq->irq)
		ring(n);
}

static void check_command(struct nvme *n, unsigned sq, const struct nvme_command *c)
{
	if (c->flags)
		nvme_broken(n, "queue %u, command %02x: FUSE or PSDT is %02x", sq, c->opcode, c->flags);
	if (c->id == 0xffff)
		nvme_broken(n, "queue %u, command %02x: the identifier is FFFFh", sq, c->opcode);
	for (unsigned i = 0; i < NVME_HELD; i++)
		if (n->held[i].used && n->held[i].sq == sq && n->held[i].id == c->id)
			nvme_broken(n, "queue %u, command %02x: identifier %u is in use", sq, c->opcode, c->id);
}

/* Execute one command of a queue.  False if there is none, no room for its completion, or no DMA. */
static bool serve_one(struct nvme *n, unsigned i)
{
	struct nvme_queue *q = &n->sq[i];
	struct nvme_command c;
	uint32_t result = 0;
	unsigned status;
	const void *from;

	if (!q->size || q->head == q->tail || is_full(&n->cq[q->cq]))
		return false;
	from = n->m.host.dma(n->m.host.ctx, q->addr + ((uint64_t)q->head << n->entry), sizeof(c), false);
	if (!from) {
		n->csts |= CSTS_CFS;
		return false;
	}
	memcpy(&c, from, sizeof(c));
	q->head = (q->head + 1) % q->size;
	check_command(n, i, &c);
	status = i ? nvme_io(n, i, &c) : nvme_admin(n, &c, &result);
	/* A deleted queue has no completions; the command that deletes it is in the admin queue. */
	if (status != NVME_LATER && q->size)
		nvme_complete(n, i, c.id, result, status);
	return true;
}

static void serve(struct nvme *n)
{
	bool more = true;

	while (more && ready(n) && !n->fatal && n->m.host.master(n->m.host.ctx)) {
		more = false;
		for (unsigned i = 0; i < NVME_QUEUES; i++)
			more |= ready(n) && serve_one(n, i);
		if (n->nevents)
			nvme_report_events(n);
	}
}

static void doorbell(struct nvme *n, uint32_t off, uint32_t value)
{
	unsigned i = (off - R_DOORBELLS) / 8;
	bool is_cq = off & 4;
	struct nvme_queue *q = i < NVME_QUEUES ? (is_cq ? &n->cq[i] : &n->sq[i]) : NULL;

	/* The driver cannot know yet that others have reset the subsystem. */
	if (n->csts & CSTS_NSSRO && !(n->cc & CC_EN))
		return;
	if (!ready(n) || !q || !q->size || value >= q->size) {
		nvme_broken(n, "doorbell of %s queue %u: %u", is_cq ? "completion" : "submission", i, value);
		return;
	}
	if (!is_cq) {
		q->tail = value;
		return;
	}
	if ((value + q->size - q->head) % q->size > (q->tail + q->size - q->head) % q->size)
		nvme_broken(n, "completion queue %u: head %u is beyond tail %u", i, value, q->tail);
	q->head = value;
	update_irq(n);
}

/* --- enable, disable, shutdown --- */

static void forget(struct nvme *n)
{
	memset(n->sq, 0, sizeof(n->sq));
	memset(n->cq, 0, sizeof(n->cq));
	memset(n->held, 0, sizeof(n->held));
	n->granted = n->nevents = n->events_masked = n->event_config = 0;
	n->intms = 0;
	update_irq(n);
}

static void enable(struct nvme *n)
{
	if (n->cc >> 7 & 15)
		nvme_broken(n, "CC.MPS %u: CAP.MPSMAX is 0", n->cc >> 7 & 15);
	if ((n->cc >> 4 & 7) != 0 && (n->cc >> 4 & 7) != 6)
		nvme_broken(n, "CC.CSS %u", n->cc >> 4 & 7);
	if ((n->asq | n->acq) & (NVME_PAGE - 1) || !(n->aqa & 0xfff) || !(n->aqa >> 16))
		nvme_broken(n, "the admin queues: AQA %08x, ASQ %llx, ACQ %llx", n->aqa, (unsigned long long)n->asq,
			    (unsigned long long)n->acq);
	n->sq[0] = (struct nvme_queue) { .addr = n->asq, .size = (n->aqa & 0xfff) + 1 };
	n->cq[0] = (struct nvme_queue) { .addr = n->acq, .size = (n->aqa >> 16 & 0xfff) + 1, .phase = true, .irq = true };
	n->csts &= ~(CSTS_CFS | CSTS_SHST_BUSY | CSTS_SHST_DONE);
	n->ready_us = now(n) + 1000ull * n->ready_ms;
}

static void write_cc(struct nvme *n, uint32_t v)
{
	uint32_t was = n->cc;

	if (was & v & CC_EN && (was ^ v) & ~(CC_EN | CC_SHN))
		nvme_broken(n, "CC from %08x to %08x while enabled", was, v);
	if ((was ^ v) & CC_EN && n->ready_us != MODEL_NEVER && now(n) < n->overdue_us)
		nvme_broken(n, "CC.EN turned over before CSTS.RDY followed");
	n->cc = v;
	/* When CAP.TO is over the controller has broken the rule. */
	if ((was ^ v) & CC_EN)
		n->overdue_us = now(n) + 500000ull * n->timeout;
	if (~was & v & CC_EN) {
		enable(n);
	} else if (was & ~v & CC_EN) {
		forget(n);
		n->fatal = false;
		n->ready_us = now(n) + 1000;
	}
	if (v & CC_SHN && !(was & CC_SHN)) {
		n->csts = (n->csts & ~CSTS_SHST_DONE) | CSTS_SHST_BUSY;
		n->shutdown_us = now(n) + SHUTDOWN_US;
	}
}

/* As at power-on, but CSTS.NSSRO is set. */
static void reset_subsystem(struct nvme *n)
{
	n->cc = n->aqa = 0;
	n->asq = n->acq = 0;
	n->csts = CSTS_NSSRO;
	n->ready_us = n->shutdown_us = MODEL_NEVER;
	n->fatal = false;
	forget(n);
}

static void run(struct model *m)
{
	struct nvme *n = nvme_of(m);

	if (now(n) >= n->ready_us && !n->stuck) {
		n->csts = (n->csts & ~CSTS_RDY) | (n->cc & CC_EN ? CSTS_RDY : 0);
		n->ready_us = MODEL_NEVER;
	}
	if (now(n) >= n->shutdown_us) {
		n->csts = (n->csts & ~CSTS_SHST_BUSY) | CSTS_SHST_DONE;
		n->shutdown_us = MODEL_NEVER;
	}
	m->wake_us = n->stuck || n->shutdown_us < n->ready_us ? n->shutdown_us : n->ready_us;
	serve(n);
}

/* --- registers --- */

static uint64_t capabilities(const struct nvme *n)
{
	/* CQR; NSSRS; the NVM command set, and others by CC.CSS = 110b; 4 KiB pages only. */
	return (NVME_DEPTH - 1) | 1ull << 16 | (uint64_t)n->timeout << 24 | (uint64_t)n->subsystem << 36 | 1ull << 37 |
	       1ull << 43;
}

static uint32_t read_reg(struct model *m, unsigned bar, uint32_t off, unsigned width)
{
	struct nvme *n = nvme_of(m);
	uint64_t cap = capabilities(n);

	(void)bar;
	run(m);
	if (n->gone)
		return ~0u;
	if (width != 4 || off & 3)
		nvme_broken(n, "register %x read by %u bytes", off, width);
	switch (off) {
	case R_CAP: return (uint32_t)cap;
	case R_CAP + 4: return (uint32_t)(cap >> 32);
	case R_VS: return 0x10400;
	case R_INTMS: case R_INTMC: return n->intms;
	case R_CC: return n->cc;
	case R_CSTS: return n->csts | (n->fatal ? CSTS_CFS : 0);
	case R_AQA: return n->aqa;
	case R_ASQ: return (uint32_t)n->asq;
	case R_ASQ + 4: return (uint32_t)(n->asq >> 32);
	case R_ACQ: return (uint32_t)n->acq;
	case R_ACQ + 4: return (uint32_t)(n->acq >> 32);
	}
	return 0;
}

static void write_reg(struct model *m, unsigned bar, uint32_t off, unsigned width, uint32_t v)
{
	struct nvme *n = nvme_of(m);

	(void)bar;
	run(m);
	if (n->gone)
		return;
	if (width != 4 || off & 3) {
		nvme_broken(n, "register %x written by %u bytes", off, width);
		return;
	}
	if (off >= R_AQA && off < R_ACQ + 8 && n->cc & CC_EN)
		nvme_broken(n, "register %x written while enabled", off);
	switch (off) {
	case R_INTMS: n->intms |= v; update_irq(n); break;
	case R_INTMC: n->intms &= ~v; update_irq(n); break;
	case R_CC: write_cc(n, v); break;
	case R_CSTS: n->csts &= ~(v & CSTS_NSSRO); break;
	case R_AQA: n->aqa = v; break;
	case R_ASQ: case R_ASQ + 4: model_set_half(&n->asq, off & 4, v); break;
	case R_ACQ: case R_ACQ + 4: model_set_half(&n->acq, off & 4, v); break;
	case R_NSSR:
		if (n->subsystem && v == NSSR_MAGIC)
			reset_subsystem(n);
		else
			nvme_broken(n, "NSSR written with %x", v);
		break;
	default:
		if (off >= R_DOORBELLS)
			doorbell(n, off, v);
		else
			nvme_broken(n, "register %x written with %x", off, v);
	}
	run(m);
}

static void power_on(struct model *m)
{
	struct nvme *n = nvme_of(m);

	reset_subsystem(n);
	n->csts = 0;
	m->wake_us = MODEL_NEVER;
}

/* --- options --- */

/* event=N: dword 0 of the completion (1.4, 5.2). */
static bool set_event(struct nvme *n, uint32_t event)
{
	if (n->nevents == NVME_EVENTS)
		return false;
	n->event[n->nevents++] = event;
	nvme_report_events(n);
	return true;
}

/* nssr=1: another host, or firmware, resets the subsystem; all that the driver has set up is gone (1.4, 7.3.1). */
static bool set_nssr(struct nvme *n, unsigned on)
{
	if (on != 1 || !n->subsystem)
		return false;
	reset_subsystem(n);
	return true;
}

/* kindN=nvm, zoned or meta; none removes namespace N, with an event. */
static bool set_kind(struct nvme *n, unsigned nsid, const char *value)
{
	static const char *const kinds[] = { [NVME_NVM] = "nvm", [NVME_ZONED] = "zoned", [NVME_META] = "meta" };

	if (!nsid || nsid > NVME_SPACES)
		return false;
	if (!strcmp(value, "none")) {
		n->space[nsid - 1].data = NULL;
		n->changed |= 1u << nsid;
		return set_event(n, 0x040002);
	}
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(value, kinds[i])) {
			n->space[nsid - 1].kind = (enum nvme_kind)i;
			return true;
		}
	return false;
}

static bool set(struct model *m, const char *name, const char *value)
{
	static const struct model_option options[] = {
		MODEL_NUMBER(nvme, "queues", queues, NVME_QUEUES - 1), MODEL_NUMBER(nvme, "ready-ms", ready_ms, 200000),
		MODEL_NUMBER(nvme, "timeout", timeout, 255), MODEL_NUMBER(nvme, "mdts", mdts, 9),
		MODEL_NUMBER(nvme, "entry", entry, 8), MODEL_NUMBER(nvme, "hold", hold, NVME_HELD),
		MODEL_NUMBER(nvme, "fail", fail, 1000000), MODEL_NUMBER(nvme, "lose-irqs", lose_irqs, 1000000),
		MODEL_SWITCH(nvme, "stuck", stuck, 1), MODEL_SWITCH(nvme, "fatal", fatal, 1),
		MODEL_SWITCH(nvme, "gone", gone, 1), MODEL_SWITCH(nvme, "subsystem", subsystem, 1),
		MODEL_SWITCH(nvme, "write-cache", write_cache, 1), MODEL_SWITCH(nvme, "no-abort", no_abort, 1),
	};
	struct nvme *n = nvme_of(m);
	unsigned v;

	if (!strcmp(name, "serial")) {
		snprintf(n->serial, sizeof(n->serial), "%s", value);
		return strlen(value) < sizeof(n->serial);
	}
	if (!strncmp(name, "kind", 4))
		return set_kind(n, (unsigned)strtoul(name + 4, NULL, 10), value);
	if (!model_number(value, &v))
		return false;
	if (!strcmp(name, "event"))
		return set_event(n, v);
	if (!strcmp(name, "nssr"))
		return set_nssr(n, v);
	if (!strcmp(name, "warning")) {
		/* An event of type "SMART / health status", with information "temperature" and log page 02h. */
		n->warning = v & 0x1f;
		return set_event(n, 0x020101);
	}
	return model_set(n, options, sizeof(options) / sizeof(*options), name, v);
}

static bool disk(struct model *m, uint8_t *data, uint64_t size, unsigned sector)
{
	struct nvme *n = nvme_of(m);

	for (unsigned i = 0; i < NVME_SPACES; i++)
		if (!n->space[i].data) {
			n->space[i] = (struct nvme_space) {
				.data = data, .blocks = size / sector, .shift = sector == 4096 ? 12 : 9,
			};
			return size >= sector;
		}
	return false;
}

static const struct model_ops ops = {
	.power_on = power_on, .reset = power_on, .read = read_reg, .write = write_reg, .run = run, .set = set, .disk = disk,
};

void nvme_init(struct nvme *n)
{
	memset(n, 0, sizeof(*n));
	n->m.ops = &ops;
	n->m.pci = (struct model_pci) {
		.vendor = 0x1d1d, .device = 0x0001, .subsys_vendor = 0x1d1d, .subsys = 0x0001, .class_code = 0x010802,
		.msi = true, .pcie = true,
	};
	n->m.pci.bar[0] = (struct model_bar) { .size = BAR_SIZE, .is64 = true };
	strcpy(n->serial, "MODEL0");
	n->queues = NVME_QUEUES - 1;
	n->ready_ms = 10;
	n->timeout = 20;
	n->mdts = 5;
	n->entry = 6;
	n->write_cache = true;
	n->ready_us = n->shutdown_us = MODEL_NEVER;
}

struct model *model_nvme(const char *chip)
{
	static struct nvme n;

	if (strcmp(chip, "nvme") != 0)
		return NULL;
	nvme_init(&n);
	return &n.m;
}
