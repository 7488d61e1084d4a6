/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model of an AHCI controller with SATA devices, for test_ahci.c, which includes it once.  It fetches commands from memory as
 * the hardware does, and fails the test if the driver breaks a rule of the specification.
 */
#ifndef AHCI_MODEL_H
#define AHCI_MODEL_H

#include <string.h>
#include <veneer/types.h>
#include "hw/ahci/ahci_regs.h"
#include "host/host.h"

#define MODEL_PORTS	4u
#define MODEL_BLOCKS	4096u
#define NEVER		(~0ull)

enum model_kind { MODEL_NONE, MODEL_ATA, MODEL_ATAPI, MODEL_PM };

struct model_port {
	enum model_kind kind;
	uint32_t clb, clbu, fb, fbu, is, ie, cmd, tfd, sig, sctl, serr, sact, ci;
	uint64_t link_at, ready_at, det1_at, cr_off_at;
	uint32_t pending;		/* slots whose command the device has */
	bool pending_ncq, halted, error_state;
	uint16_t id[256];
	uint8_t *media;
	uint32_t block;

	/* set by the test */
	uint64_t link_delay, ready_delay, cr_delay;
	bool hold;			/* commands complete only by model_complete() */
	uint64_t bad_lba[4], hang_lba, line_lba;	/* NEVER: none */
	bool keeps_ci;			/* as QEMU before 8.1: ST = 0 leaves PxCI and PxSACT */
	bool hang_flush, no_log, bad_log, sdb_only, refuse_cache, identify_fails_once, stuck_fr;
	bool refuse_spin_up, hang_spin_up;

	/* seen */
	uint8_t seen[256];		/* commands by code, wrapping counts */
	unsigned ncommands, comresets;
	bool cache;
	uint64_t trim_lba;
	uint32_t trim_count;
	uint8_t last_device, last_command;
};

static struct model {
	uint32_t cap, cap2, ghc, is, pi, bohc;
	uint64_t hr_done_at, bohc_at, bohc_delay, hr_delay;
	bool bios_busy, pi_lost, gone, reads_zeroes;
	unsigned hba_resets;
	struct model_port p[MODEL_PORTS];
} model;

#define MODEL_BAD(...) host_fail(__FILE__, __LINE__, __VA_ARGS__)

static void model_update_is(void)
{
	for (unsigned i = 0; i < MODEL_PORTS; i++) {
		struct model_port *p = &model.p[i];
		uint32_t is = p->is | (p->serr & BIT(16) ? AHCI_PXIS_PRCS : 0) | (p->serr & BIT(26) ? AHCI_PXIS_PCS : 0);

		if (is & p->ie)
			model.is |= BIT(i);
	}
}

static bool model_line(void)
{
	return model.is && (model.ghc & AHCI_GHC_IE);
}

static void model_raise(struct model_port *p, uint32_t bits)
{
	p->is |= bits;
	model_update_is();
}

static struct ahci_header *model_header(struct model_port *p, unsigned slot)
{
	return (struct ahci_header *)(uintptr_t)((uint64_t)p->clbu << 32 | p->clb) + slot;
}

static struct ahci_table *model_table(struct model_port *p, unsigned slot)
{
	struct ahci_header *h = model_header(p, slot);

	return (struct ahci_table *)(uintptr_t)((uint64_t)h->ctbau << 32 | h->ctba);
}

static const struct fis_h2d *model_fis(struct model_port *p, unsigned slot)
{
	return (const struct fis_h2d *)(const void *)model_table(p, slot)->cfis;
}

static uint64_t fis_lba(const struct fis_h2d *f)
{
	uint64_t lba = f->lba0 | (uint64_t)f->lba1 << 8 | (uint64_t)f->lba2 << 16 | (uint64_t)f->lba3 << 24 |
		       (uint64_t)f->lba4 << 32 | (uint64_t)f->lba5 << 40;

	if (f->command == ATA_READ_DMA || f->command == ATA_WRITE_DMA)
		lba |= (uint64_t)(f->device & 0xf) << 24;
	return lba;
}

static bool fis_is_ncq(const struct fis_h2d *f)
{
	return f->command == ATA_READ_FPDMA || f->command == ATA_WRITE_FPDMA;
}

static uint32_t fis_blocks(const struct fis_h2d *f)
{
	uint32_t n = fis_is_ncq(f) ? f->features_lo | f->features_hi << 8 : f->count_lo | f->count_hi << 8;

	if (f->command == ATA_READ_DMA || f->command == ATA_WRITE_DMA)
		return n & 0xff ? n & 0xff : 256;
	return n ? n : 65536;
}

/* Move data by the PRDs.  Fail the test if they break section 4.2.3.3 or do not hold @len bytes. */
static void model_dma(struct model_port *p, unsigned slot, void *dev, uint32_t len, bool to_memory)
{
	struct ahci_header *h = model_header(p, slot);
	struct ahci_table *t = model_table(p, slot);
	uint8_t *at = dev;

	if (!!(h->opts & AHCI_HDR_WRITE) == to_memory)
		MODEL_BAD("slot %u: the direction bit is wrong", slot);
	for (unsigned i = 0; i < FIELD_GET(AHCI_HDR_PRDTL, h->opts); i++) {
		uint64_t a = (uint64_t)t->prd[i].dbau << 32 | t->prd[i].dba;
		uint32_t n = FIELD_GET(AHCI_PRD_DBC, t->prd[i].dbc) + 1;

		if ((a & 1) || (n & 1) || n > len)
			MODEL_BAD("PRD %u: %#llx, %u of %u bytes", i, (unsigned long long)a, n, len);
		if (to_memory)
			memcpy((void *)(uintptr_t)a, at, n);
		else
			memcpy(at, (void *)(uintptr_t)a, n);
		at += n;
		len -= n;
	}
	if (len)
		MODEL_BAD("slot %u: the PRDs are %u bytes short", slot, len);
	h->prdbc = (uint32_t)(at - (uint8_t *)dev);
}

static struct ahci_rfis *model_rfis(struct model_port *p)
{
	return (struct ahci_rfis *)(uintptr_t)((uint64_t)p->fbu << 32 | p->fb);
}

static void model_fail(struct model_port *p, unsigned slot, bool ncq)
{
	p->tfd = 0x4041 | (ncq ? 0 : 0x10);
	p->pending &= ~BIT(slot);
	if (ncq) {
		p->pending = 0;		/* the device aborts the others */
		p->error_state = true;
		model_rfis(p)->sdbfis[2] = 0x41;
		if (p->sdb_only) {
			model_raise(p, AHCI_PXIS_SDBS);
			return;
		}
	}
	p->halted = true;
	model_raise(p, AHCI_PXIS_TFES | (ncq ? AHCI_PXIS_SDBS : AHCI_PXIS_DHRS));
}

static void model_succeed(struct model_port *p, unsigned slot, bool ncq, uint32_t bits)
{
	p->pending &= ~BIT(slot);
	p->tfd = 0x50;
	p->ci &= ~BIT(slot);
	if (ncq) {
		p->sact &= ~BIT(slot);
		model_rfis(p)->sdbfis[0] = 0xa1;
		model_rfis(p)->sdbfis[2] = 0x40;
		bits = AHCI_PXIS_SDBS;
	} else {
		model_rfis(p)->rfis[0] = 0x34;
	}
	model_raise(p, bits);
}

static unsigned model_error_tag;

static void model_log(struct model_port *p, unsigned slot)
{
	uint8_t page[512] = { 0 };
	uint8_t sum = 0;

	page[0] = (uint8_t)model_error_tag;
	page[2] = 0x41;
	page[3] = 0x40;
	for (unsigned i = 0; i < 511; i++)
		sum = (uint8_t)(sum + page[i]);
	page[511] = (uint8_t)(p->bad_log ? 1 - sum : -sum);
	model_dma(p, slot, page, 512, true);
	p->error_state = false;
	model_succeed(p, slot, false, AHCI_PXIS_PSS);
}

static bool lba_in(uint64_t lba, const struct fis_h2d *f)
{
	return lba != NEVER && lba >= fis_lba(f) && lba - fis_lba(f) < fis_blocks(f);
}

static void model_rw(struct model_port *p, unsigned slot, const struct fis_h2d *f)
{
	bool write = f->command == ATA_WRITE_FPDMA || f->command == ATA_WRITE_DMA_EXT || f->command == ATA_WRITE_DMA;
	uint64_t lba = fis_lba(f);

	if (lba_in(p->hang_lba, f))
		return;
	if (lba_in(p->line_lba, f)) {
		p->halted = true;
		model_raise(p, AHCI_PXIS_IFS);
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(p->bad_lba); i++) {
		if (lba_in(p->bad_lba[i], f)) {
			model_error_tag = slot;
			model_fail(p, slot, fis_is_ncq(f));
			return;
		}
	}
	if (lba + fis_blocks(f) > MODEL_BLOCKS)
		MODEL_BAD("blocks %llu+%u", (unsigned long long)lba, fis_blocks(f));
	model_dma(p, slot, p->media + lba * p->block, fis_blocks(f) * p->block, !write);
	model_succeed(p, slot, fis_is_ncq(f), AHCI_PXIS_DHRS);
}

static void model_trim(struct model_port *p, unsigned slot, const struct fis_h2d *f)
{
	uint64_t range[64];

	if (!(f->features_lo & ATA_DSM_TRIM) || f->count_lo != 1)
		MODEL_BAD("DATA SET MANAGEMENT without TRIM");
	model_dma(p, slot, range, 512, false);
	p->trim_lba = range[0] & ATA_TRIM_LBA;
	p->trim_count = 0;
	for (unsigned i = 0; i < 64; i++) {
		if ((range[i] >> 48) && (range[i] & ATA_TRIM_LBA) != p->trim_lba + p->trim_count)
			MODEL_BAD("TRIM range %u", i);
		p->trim_count += (uint32_t)(range[i] >> 48);
	}
	model_succeed(p, slot, false, AHCI_PXIS_DHRS);
}

static void model_features(struct model_port *p, unsigned slot, const struct fis_h2d *f)
{
	if (p->hang_spin_up && f->features_lo == ATA_SF_SPIN_UP)
		return;
	if (f->features_lo == ATA_SF_SPIN_UP ? p->refuse_spin_up : p->refuse_cache) {
		model_fail(p, slot, false);
		return;
	}
	if (f->features_lo == ATA_SF_SPIN_UP)
		p->id[ID_SPECIFIC] = 0;
	if (f->features_lo == ATA_SF_CACHE_ON || f->features_lo == ATA_SF_CACHE_OFF)
		p->cache = f->features_lo == ATA_SF_CACHE_ON;
	model_succeed(p, slot, false, AHCI_PXIS_DHRS);
}

/* Execute the command in @slot, as the device does. */
static void model_execute(struct model_port *p, unsigned slot)
{
	const struct fis_h2d *f = model_fis(p, slot);

	if (p->error_state && !(f->command == ATA_READ_LOG_EXT && f->lba0 == ATA_LOG_NCQ_ERROR))
		MODEL_BAD("command %02x in the NCQ error state", f->command);
	switch (f->command) {
	case ATA_IDENTIFY:
		if (p->identify_fails_once) {
			p->identify_fails_once = false;
			model_fail(p, slot, false);
			return;
		}
		model_dma(p, slot, p->id, 512, true);
		model_succeed(p, slot, false, AHCI_PXIS_PSS);
		return;
	case ATA_READ_LOG_EXT:
		if (p->no_log) {
			model_fail(p, slot, false);
			return;
		}
		model_log(p, slot);
		return;
	case ATA_FLUSH:
	case ATA_FLUSH_EXT:
		if (p->hang_flush)
			return;
		/* fall through */
	case ATA_STANDBY_IMMEDIATE:
	case ATA_CHECK_POWER_MODE:
		model_succeed(p, slot, false, AHCI_PXIS_DHRS);
		return;
	case ATA_SET_FEATURES:
		model_features(p, slot, f);
		return;
	case ATA_DSM:
		model_trim(p, slot, f);
		return;
	default:
		model_rw(p, slot, f);
	}
}

static bool model_can_work(const struct model_port *p)
{
	return (p->cmd & AHCI_PXCMD_CR) && (p->cmd & AHCI_PXCMD_ST) && !p->halted;
}

static void model_complete(struct model_port *p, unsigned slot)
{
	if (model_can_work(p) && (p->pending & BIT(slot)))
		model_execute(p, slot);
}

static void model_settle(struct model_port *p)
{
	if (p->cr_off_at && host_now_us >= p->cr_off_at) {
		p->cmd &= ~AHCI_PXCMD_CR;
		p->cr_off_at = 0;
	}
	if (p->kind != MODEL_NONE && host_now_us >= p->ready_at && (p->tfd & 0xff) == 0x80 && (p->cmd & AHCI_PXCMD_FRE) &&
	    !(p->serr & BIT(26))) {
		p->tfd = 0x50;
		p->sig = p->kind == MODEL_ATA ? AHCI_SIG_ATA : p->kind == MODEL_ATAPI ? AHCI_SIG_ATAPI : AHCI_SIG_PM;
	}
}

/* As time passes, complete the commands that the test does not hold back. */
static void model_step(void)
{
	if ((model.ghc & AHCI_GHC_HR) && host_now_us >= model.hr_done_at)
		model.ghc = 0;
	if ((model.bohc & AHCI_BOHC_OOS) && host_now_us >= model.bohc_at)
		model.bohc &= ~(AHCI_BOHC_BOS | AHCI_BOHC_BB);
	for (unsigned i = 0; i < MODEL_PORTS; i++) {
		struct model_port *p = &model.p[i];

		model_settle(p);
		for (unsigned slot = 0; slot < 32 && !p->hold; slot++)
			if (model_can_work(p) && (p->pending & BIT(slot)))
				model_execute(p, slot);
	}
}

static void model_link_reset(struct model_port *p)
{
	p->pending = 0;
	p->error_state = p->halted = false;
	p->comresets++;
	p->cache = true;
	p->link_at = host_now_us + p->link_delay;
	p->ready_at = p->link_at + p->ready_delay;
	p->tfd = p->kind == MODEL_NONE ? 0x7f : 0x80;
	p->sig = ~0u;
	if (p->keeps_ci)
		p->sact = 0;
	if (p->kind != MODEL_NONE)
		p->serr |= BIT(16) | BIT(26);
	model_update_is();
}

static void model_issue(struct model_port *p, uint32_t v)
{
	uint32_t fresh = v & ~p->ci;

	if (!(p->cmd & AHCI_PXCMD_ST))
		MODEL_BAD("PxCI written with ST = 0");
	if ((p->tfd & 0x88) && !p->pending)
		MODEL_BAD("a command for a busy device, PxTFD %08x", p->tfd);
	for (; fresh; fresh &= fresh - 1) {
		unsigned slot = (unsigned)__builtin_ctz(fresh);
		const struct fis_h2d *f = model_fis(p, slot);
		bool ncq = fis_is_ncq(f);

		if (f->type != FIS_H2D || !(f->flags & FIS_H2D_COMMAND))
			MODEL_BAD("slot %u: not a command FIS", slot);
		if (p->pending && ncq != p->pending_ncq)
			MODEL_BAD("NCQ and non-NCQ commands mixed (%02x)", f->command);
		if (ncq && (!(p->sact & BIT(slot)) || FIELD_GET(ATA_NCQ_TAG, (uint32_t)f->count_lo) != slot))
			MODEL_BAD("slot %u: PxSACT %08x, tag byte %02x", slot, p->sact, f->count_lo);
		p->pending |= BIT(slot);
		p->pending_ncq = ncq;
		p->ncommands++;
		p->seen[f->command]++;
		p->last_command = f->command;
		p->last_device = f->device;
		if (!ncq)
			p->ci |= BIT(slot);
	}
}

static void model_write_cmd(struct model_port *p, uint32_t v)
{
	uint32_t was = p->cmd;

	if ((was & AHCI_PXCMD_FRE) && !(v & AHCI_PXCMD_FRE) && (was & AHCI_PXCMD_CR))
		MODEL_BAD("FRE cleared while CR is set");
	if (!(was & AHCI_PXCMD_ST) && (v & AHCI_PXCMD_ST)) {
		if (!(v & AHCI_PXCMD_FRE) || (p->tfd & 0x88) || (was & AHCI_PXCMD_CR))
			MODEL_BAD("ST set: PxCMD %08x PxTFD %08x", was, p->tfd);
		if (p->pending)
			MODEL_BAD("ST set while the device holds commands %08x", p->pending);
		if (!p->clb || (p->clb & 1023) || (p->fb & 255))
			MODEL_BAD("ST set: PxCLB %08x PxFB %08x", p->clb, p->fb);
	}
	p->cmd = (v & ~(AHCI_PXCMD_CR | AHCI_PXCMD_FR | AHCI_PXCMD_CLO)) | (was & AHCI_PXCMD_CR);
	if (v & AHCI_PXCMD_CLO)
		p->tfd &= ~0x88u;
	if ((v & AHCI_PXCMD_FRE) || p->stuck_fr)
		p->cmd |= AHCI_PXCMD_FR;
	if (v & AHCI_PXCMD_ST)
		p->cmd |= AHCI_PXCMD_CR;
	if ((was & AHCI_PXCMD_ST) && !(v & AHCI_PXCMD_ST)) {
		if (!p->keeps_ci)
			p->ci = p->sact = 0;
		p->halted = false;
		p->cr_off_at = p->cr_delay == NEVER ? NEVER : host_now_us + p->cr_delay;
		if (!p->cr_delay) {
			p->cmd &= ~AHCI_PXCMD_CR;
			p->cr_off_at = 0;
		}
	}
	if ((v & AHCI_PXCMD_ST) && p->keeps_ci && p->ci) {
		p->pending = p->ci;
		p->pending_ncq = false;
		model_step();
	}
	model_settle(p);
}

static void model_write_sctl(struct model_port *p, uint32_t v)
{
	uint32_t was = FIELD_GET(AHCI_PXSCTL_DET, p->sctl), is = FIELD_GET(AHCI_PXSCTL_DET, v);

	if (was != 1 && is == 1) {
		if (p->cmd & (AHCI_PXCMD_ST | AHCI_PXCMD_CR))
			MODEL_BAD("COMRESET with the engine running");
		p->det1_at = host_now_us;
	}
	if (was == 1 && is == 0) {
		if (host_now_us - p->det1_at < 1000)
			MODEL_BAD("COMRESET for %llu us", (unsigned long long)(host_now_us - p->det1_at));
		model_link_reset(p);
	}
	p->sctl = v;
}

static uint32_t model_ssts(const struct model_port *p)
{
	if (p->kind == MODEL_NONE || FIELD_GET(AHCI_PXSCTL_DET, p->sctl))
		return 0;
	return host_now_us < p->link_at ? 1 : 0x133;
}

static uint64_t model_port_read(struct model_port *p, uint32_t reg)
{
	switch (reg) {
	case AHCI_PXCLB: return p->clb;
	case AHCI_PXFB: return p->fb;
	case AHCI_PXIS:
		return p->is | (p->serr & BIT(16) ? AHCI_PXIS_PRCS : 0) | (p->serr & BIT(26) ? AHCI_PXIS_PCS : 0);
	case AHCI_PXIE: return p->ie;
	case AHCI_PXCMD: return p->cmd;
	case AHCI_PXTFD: return p->tfd;
	case AHCI_PXSIG: return p->sig;
	case AHCI_PXSSTS: return model_ssts(p);
	case AHCI_PXSCTL: return p->sctl;
	case AHCI_PXSERR: return p->serr;
	case AHCI_PXSACT: return p->sact;
	case AHCI_PXCI: return p->ci;
	case AHCI_PXFBS: return 0;
	}
	MODEL_BAD("read of port register %#x", reg);
}

static void model_port_write(struct model_port *p, uint32_t reg, uint32_t v)
{
	switch (reg) {
	case AHCI_PXCLB: p->clb = v; break;
	case AHCI_PXCLBU: p->clbu = v; break;
	case AHCI_PXFB: p->fb = v; break;
	case AHCI_PXFBU: p->fbu = v; break;
	case AHCI_PXIS: p->is &= ~v; break;
	case AHCI_PXIE: p->ie = v; break;
	case AHCI_PXCMD: model_write_cmd(p, v); break;
	case AHCI_PXSCTL: model_write_sctl(p, v); break;
	case AHCI_PXSERR: p->serr &= ~v; break;
	case AHCI_PXSACT: p->sact |= v; break;
	case AHCI_PXCI: model_issue(p, v); break;
	default: MODEL_BAD("write of port register %#x", reg);
	}
	model_update_is();
}

static void model_hba_reset(void)
{
	model.hba_resets++;
	model.ghc = AHCI_GHC_AE | AHCI_GHC_HR;
	model.hr_done_at = model.hr_delay == NEVER ? NEVER : host_now_us + model.hr_delay;
	model.is = 0;
	if (model.pi_lost)
		model.pi = 0;
	for (unsigned i = 0; i < MODEL_PORTS; i++) {
		struct model_port *p = &model.p[i];

		p->clb = p->clbu = p->fb = p->fbu = p->is = p->ie = p->cmd = p->sctl = p->ci = 0;
		p->cr_off_at = 0;
		model_link_reset(p);
		p->comresets--;
	}
	model.is = 0;
}

static void model_write_ghc(uint32_t v)
{
	if (v & AHCI_GHC_HR)
		model_hba_reset();
	else if (!(model.ghc & AHCI_GHC_HR))
		model.ghc = v;
}

static uint64_t model_read(void *ctx, uint32_t off, unsigned width)
{
	if (width != 4)
		MODEL_BAD("access of %u bytes at %#x", width, off);
	if (model.gone)
		return model.reads_zeroes ? 0 : 0xffffffff;
	model_step();
	if (off >= 0x100)
		return model_port_read(&model.p[(off - 0x100) / 0x80], off & 0x7f);
	switch (off) {
	case AHCI_CAP: return model.cap;
	case AHCI_GHC: return model.ghc;
	case AHCI_IS: return model.is;
	case AHCI_PI: return model.pi;
	case AHCI_VS: return 0x00010301;
	case AHCI_CAP2: return model.cap2;
	case AHCI_BOHC: return model.bohc;
	}
	MODEL_BAD("read of register %#x", off);
}

static void model_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	if (model.gone)
		return;
	if (off >= 0x100) {
		model_port_write(&model.p[(off - 0x100) / 0x80], off & 0x7f, (uint32_t)v);
		return;
	}
	switch (off) {
	case AHCI_CAP: model.cap = (uint32_t)v; break;
	case AHCI_GHC: model_write_ghc((uint32_t)v); break;
	case AHCI_IS: model.is &= ~(uint32_t)v; model_update_is(); break;
	case AHCI_PI: model.pi = (uint32_t)v; break;
	case AHCI_BOHC:
		model.bohc = (uint32_t)v | (model.bios_busy ? AHCI_BOHC_BB : 0);
		model.bohc_at = host_now_us + model.bohc_delay;
		break;
	default: MODEL_BAD("write of register %#x", off);
	}
}

static const struct host_model model_ops = { model_read, model_write };

#endif
