/* SPDX-License-Identifier: BSD-2-Clause */
/* The model of an NVMe controller for unit tests (contract in nvme_model.h).  tests/models has the one for emulators. */
#include <string.h>
#include "host/host.h"
#include "nvme_model.h"

#define NQ	2
#define BAR	0x4000u
#define MAX_CMDS 256
#define STRICT(cond, ...) do { if (!(cond)) host_fail(__FILE__, __LINE__, __VA_ARGS__); } while (0)

struct sqe { uint32_t cdw0, nsid, cdw2, cdw3; uint64_t mptr, prp1, prp2; uint32_t c10, c11, c12, c13, c14, c15; };
struct cqe { uint32_t dw0, dw1; uint16_t sqhd, sqid, cid, sf; };

struct model model;

static const struct pci_dev *fn;
static struct { bool on; uint64_t base; unsigned size, head, tail; } sq[NQ];
static struct { bool on; uint64_t base; unsigned size, head, tail; uint16_t phase; } cq[NQ];
static struct { bool used, hung; unsigned qid; uint64_t due; struct sqe e; } cmd[MAX_CMDS];
static uint8_t disk[3][MODEL_BLOCKS * 4096];
static uint64_t bar_base;
static uint64_t enabled_us;

static uint32_t page_size(void) { return 4096u << ((model.cc >> 7) & 15); }
static bool master(void) { return pci_read16(fn, PCI_COMMAND) & PCI_CMD_MASTER; }
static void *mem(uint64_t addr) { return (void *)(uintptr_t)addr; }
static uint32_t block_size(uint32_t nsid) { return nsid == 3 ? 4096 : 512; }
uint8_t *model_data(uint32_t nsid) { return disk[nsid - 1]; }

/* --- completions --- */

static void post(unsigned qid, uint32_t dw0, uint16_t sqid, uint16_t cid, unsigned status)
{
	struct cqe e = { .dw0 = dw0, .sqhd = (uint16_t)sq[qid].head, .sqid = sqid, .cid = cid };

	STRICT(cq[qid].on && (cq[qid].tail + 1) % cq[qid].size != cq[qid].head, "completion queue %u overrun", qid);
	e.sf = (uint16_t)(status << 1 | cq[qid].phase);
	memcpy(mem(cq[qid].base + cq[qid].tail * sizeof(e)), &e, sizeof(e));
	cq[qid].tail = (cq[qid].tail + 1) % cq[qid].size;
	if (!cq[qid].tail)
		cq[qid].phase ^= 1;
	model.rang |= model.auto_ring;
}

void model_post_raw(unsigned qid, uint16_t cid, uint16_t sqid, unsigned status) { post(qid, 0, sqid, cid, status); }

static void finish(unsigned i, uint32_t dw0, unsigned status)
{
	cmd[i].used = false;
	post(cmd[i].qid, dw0, (uint16_t)cmd[i].qid, (uint16_t)(cmd[i].e.cdw0 >> 16), status);
}

/* --- data --- */

/* Walk the Physical Region Pages exactly as specified, and move the data on the way. */
static void move(const struct sqe *e, uint8_t *data, uint32_t bytes, bool to_host)
{
	uint32_t page = page_size();
	uint64_t at = e->prp1, list = e->prp2;
	uint32_t first = page - (uint32_t)(at & (page - 1));
	bool use_list = bytes > first + page;

	STRICT(!(at & 3), "PRP1 %llx is not dword aligned", (unsigned long long)at);
	if (bytes <= first)
		STRICT(!e->prp2, "PRP2 is reserved here");
	else if (use_list)
		STRICT(!(list & 7), "PRP list not qword aligned");
	else
		STRICT(!(list & (page - 1)), "PRP2 has an offset");
	for (uint32_t chunk = MIN(first, bytes);; chunk = MIN(page, bytes)) {
		if (to_host)
			memcpy(mem(at), data, chunk);
		else
			memcpy(data, mem(at), chunk);
		data += chunk;
		bytes -= chunk;
		if (!bytes)
			return;
		if (use_list) {
			if ((list & (page - 1)) == page - 8 && bytes > page) {
				memcpy(&list, mem(list), 8);
				STRICT(!(list & (page - 1)), "next PRP list has an offset");
			}
			memcpy(&at, mem(list), 8);
			list += 8;
		} else {
			at = list;
		}
		STRICT(!(at & (page - 1)), "PRP entry %llx has an offset", (unsigned long long)at);
	}
}

static void rw(unsigned i, bool write)
{
	const struct sqe *e = &cmd[i].e;
	uint64_t lba = e->c10 | (uint64_t)e->c11 << 32;
	uint32_t n = (e->c12 & 0xffff) + 1, bs = block_size(e->nsid);

	*(write ? &model.writes : &model.reads) += 1;
	if (write && model.writes == 2)
		model.flushed_before_write = model.flushes;
	if (write && (e->c12 & BIT(30)))
		model.fua++;
	STRICT(lba + n <= MODEL_BLOCKS, "beyond the end");
	STRICT((uint64_t)n * bs <= 32ull * (4096u << ((model.cap >> 48) & 15)), "MDTS exceeded");
	STRICT(!(e->c12 & 0x3fff0000), "reserved bits in CDW12");
	if (lba == model.fail_lba) {
		finish(i, 0, model.fail_status);
		return;
	}
	move(e, disk[e->nsid - 1] + lba * bs, n * bs, !write);
	finish(i, 0, 0);
}

static void dsm(unsigned i)
{
	const struct sqe *e = &cmd[i].e;
	uint32_t range[4];

	STRICT((e->c10 & 0xff) == 0 && e->c11 == 4 && !(e->prp1 & 3), "Dataset Management");
	memcpy(range, mem(e->prp1), sizeof(range));
	STRICT(range[1] <= 2048, "DMRSL exceeded");
	model.dsms++;
	model.dsm_blocks += range[1];
	finish(i, 0, 0);
}

static void zeroes(unsigned i)
{
	const struct sqe *e = &cmd[i].e;
	uint32_t bs = block_size(e->nsid), n = (e->c12 & 0xffff) + 1;

	STRICT(e->c10 + n <= MODEL_BLOCKS && !e->prp1, "Write Zeroes");
	memset(disk[e->nsid - 1] + (size_t)e->c10 * bs, 0, (size_t)n * bs);
	model.deac += !!(e->c12 & BIT(25));
	finish(i, 0, 0);
}

static void io_command(unsigned i)
{
	const struct sqe *e = &cmd[i].e;

	STRICT(e->nsid == 1 || e->nsid == 3, "command for namespace %u", e->nsid);
	STRICT(!(e->cdw0 & 0xff00) && !e->mptr && !e->cdw2 && !e->cdw3, "reserved fields");
	if (host_now_us < model.not_ready_until_us) {
		model.reads++;
		finish(i, 0, 0x082);
		return;
	}
	switch (e->cdw0 & 0xff) {
	case 0: model.flushes++; finish(i, 0, 0); break;
	case 1: rw(i, true); break;
	case 2: rw(i, false); break;
	case 8: zeroes(i); break;
	case 9: dsm(i); break;
	default: STRICT(0, "I/O opcode %x", e->cdw0 & 0xff);
	}
}

/* --- admin --- */

static void put16(uint8_t *p, uint16_t v) { memcpy(p, &v, 2); }
static void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }

static void identify_ctrl(uint8_t *b)
{
	memcpy(b + 4, " S\x01R 1              ", 20);
	memcpy(b + 24, "Model                                   ", 40);
	memcpy(b + 64, "FW1     ", 8);
	b[77] = 5;				/* 32 pages */
	put32(b + 92, model.oaes);
	b[111] = model.cntrltype;
	b[512] = 0x66;
	b[513] = 0x44;
	put32(b + 516, MAX(model.namespaces, 8u));
	put16(b + 520, model.oncs);
	b[525] = model.vwc;
}

static void identify_ns(uint8_t *b, uint32_t nsid)
{
	if (nsid < 1 || nsid > MAX(model.namespaces, 3u) || model.no_namespaces || nsid == model.inactive_ns)
		return;
	put32(b, nsid == 1 && model.blocks ? (uint32_t)model.blocks : MODEL_BLOCKS);
	b[25] = 2;
	b[26] = nsid >= 3 ? 1 : nsid == 2 ? 2 : model.bad_format ? 3 : 0;
	put32(b + 140, 9 << 16);		/* beyond the list, whose NLBAF is for three */
	put32(b + 128, 9 << 16);
	put32(b + 132, 12 << 16);
	put32(b + 136, 9 << 16 | 8);		/* with metadata */
	b[33] = 0x09;				/* reads zeroes, DEAC */
	if (nsid == 1) {
		b[24] = BIT(4);
		put16(b + 64, 15);		/* NPWG */
		put16(b + 72, 63);		/* NOWS */
	}
	put16(b + 46, 32);			/* NOIOB */
	b[99] = nsid == 3;			/* NSATTR */
}

/* An EUI64, the command set, and a UUID. */
static void identify_descriptors(uint8_t *b, uint32_t nsid)
{
	b[0] = 1;
	b[1] = 8;
	b += 12;
	if (!model.no_csi) {
		b[0] = 4;
		b[1] = 1;
		b[4] = model.csi[nsid - 1];
		b += 5;
	}
	b[0] = 3;
	b[1] = 16;
	b[4] = 4;		/* the UUID's bytes look like a descriptor */
	b[5] = 1;
	b[8] = 2;
}

static void identify(unsigned i)
{
	const struct sqe *e = &cmd[i].e;
	uint8_t b[4096] = { 0 };
	unsigned cns = e->c10 & 0xff;

	STRICT(cns < 2 || model.vs >= 0x10100, "CNS %u in a 1.0 controller", cns);
	if (cns == 0 && e->nsid == model.fail_identify_ns) {
		finish(i, 0, 0x00b);
		return;
	}
	if (cns == 0) {
		identify_ns(b, e->nsid);
	} else if (cns == 1) {
		identify_ctrl(b);
	} else if (cns == 2 && !model.no_namespaces) {
		for (unsigned k = 0; k < (model.namespaces ? model.namespaces : 3); k++)
			put32(b + 4 * k, k + 1);
	} else if (cns == 3) {
		STRICT(model.vs >= 0x10300, "CNS 3 before 1.3");
		if (model.no_descriptors) {
			finish(i, 0, 0x002);
			return;
		}
		identify_descriptors(b, MIN(e->nsid, 3u));
	} else if (cns == 6) {
		put32(b + 4, 2048);		/* DMRSL */
	}
	move(e, b, sizeof(b), true);
	finish(i, 0, 0);
}

static void create(unsigned i, bool is_cq)
{
	const struct sqe *e = &cmd[i].e;
	unsigned size = (e->c10 >> 16) + 1;

	STRICT((e->c10 & 0xffff) == 1 && size >= 2 && size <= (model.cap & 0xffff) + 1, "queue id or size");
	STRICT((e->c11 & 1) && !(e->prp1 & (page_size() - 1)), "queue not contiguous or not page aligned");
	if (is_cq) {
		STRICT(!cq[1].on && e->c11 == 3, "Create I/O Completion Queue");
		cq[1].on = true;
		cq[1].base = e->prp1;
		cq[1].size = size;
		cq[1].head = cq[1].tail = 0;
		cq[1].phase = 1;
	} else {
		STRICT(cq[1].on && !sq[1].on && e->c11 == (1 << 16 | 1), "Create I/O Submission Queue");
		sq[1].on = true;
		sq[1].base = e->prp1;
		sq[1].size = size;
		sq[1].head = sq[1].tail = 0;
	}
	finish(i, 0, 0);
}

static void features(unsigned i, bool set)
{
	const struct sqe *e = &cmd[i].e;
	unsigned fid = e->c10 & 0xff;

	STRICT(fid == 6 || fid == 7 || fid == 0xb, "feature %x", fid);
	if (fid == 0xb) {
		STRICT(set && !(e->c11 & ~(0x1fu | model.oaes)), "events %x", e->c11);
		model.events_on = e->c11;
		finish(i, 0, 0);
		return;
	}
	if (fid == 7) {
		STRICT(!set || !cq[1].on, "number of queues set after queues were made");
		finish(i, 0x00070007, 0);
		return;
	}
	STRICT(model.vwc, "no volatile write cache");
	if (set)
		model.vwc_on = e->c11 & 1;
	finish(i, model.vwc_on, 0);
}

static void do_abort(unsigned i)
{
	const struct sqe *e = &cmd[i].e;

	model.aborts++;
	if (model.abort_mode == MODEL_ABORT_HANGS)
		return;
	for (unsigned k = 0; model.abort_mode == MODEL_ABORTS && k < MAX_CMDS; k++) {
		if (!cmd[k].used || cmd[k].qid != (e->c10 & 0xffff) || cmd[k].e.cdw0 >> 16 != e->c10 >> 16)
			continue;
		finish(k, 0, 0x007);
		finish(i, 0, 0);
		return;
	}
	finish(i, 1, 0);
}

/* AERL is 0: one at a time. */
static void event_request(unsigned i)
{
	STRICT(!cmd[i].e.nsid && !cmd[i].e.prp1 && !cmd[i].e.c10, "reserved fields");
	for (unsigned k = 0; k < MAX_CMDS; k++)
		STRICT(k == i || !cmd[k].used || cmd[k].qid || (cmd[k].e.cdw0 & 0xff) != 0x0c, "a second event request");
	if (model.no_events)
		finish(i, 0, 0x001);
	else
		cmd[i].hung = true;
}

bool model_event(unsigned type, unsigned info, unsigned page)
{
	for (unsigned i = 0; i < MAX_CMDS; i++) {
		if (!cmd[i].used || cmd[i].qid || !cmd[i].hung || (cmd[i].e.cdw0 & 0xff) != 0x0c)
			continue;
		finish(i, page << 16 | info << 8 | type, 0);
		return true;
	}
	return false;
}

static void log_page(unsigned i)
{
	const struct sqe *e = &cmd[i].e;
	unsigned page = e->c10 & 0xff;
	uint32_t bytes = ((e->c10 >> 16) + 1) * 4;
	uint8_t b[4096] = { 0 };

	STRICT(!(e->c10 & 0xff00) && !e->c11 && bytes <= sizeof(b), "Get Log Page");
	if (page == 2)
		b[0] = model.warning;
	else if (page == 4)
		memcpy(b, model.changed, sizeof(model.changed));
	model.logs_read++;
	move(e, b, bytes, true);
	finish(i, 0, 0);
}

static bool hangs(unsigned op, uint32_t cdw10)
{
	uint32_t kind = BIT(cdw10 & 31);

	if (model.hang_once && model.hung)
		return false;
	return op == model.hang_admin || (op == 0x06 && (model.hang_cns & kind)) || (op == 0x02 && model.hang_logs) ||
	       ((op == 0x09 || op == 0x0a) && (model.hang_fids & kind));
}

static void admin_command(unsigned i)
{
	unsigned op = cmd[i].e.cdw0 & 0xff;

	if (hangs(op, cmd[i].e.c10)) {
		cmd[i].hung = true;
		model.hung++;
		return;
	}
	if (op == model.fail_admin) {
		finish(i, 0, 0x002);
		return;
	}
	switch (op) {
	case 0x01: create(i, false); break;
	case 0x02: log_page(i); break;
	case 0x05: create(i, true); break;
	case 0x06: identify(i); break;
	case 0x08: cmd[i].hung = model.abort_mode == MODEL_ABORT_HANGS; do_abort(i); break;
	case 0x09: features(i, true); break;
	case 0x0a: features(i, false); break;
	case 0x0c: event_request(i); break;
	default: STRICT(0, "admin opcode %x", op);
	}
}

/* --- time --- */

static void fetch(unsigned qid)
{
	while (sq[qid].head != sq[qid].tail) {
		unsigned i = 0;

		while (i < MAX_CMDS && cmd[i].used)
			i++;
		STRICT(i < MAX_CMDS, "too many commands");
		memcpy(&cmd[i].e, mem(sq[qid].base + sq[qid].head * 64ull), 64);
		for (unsigned k = 0; k < MAX_CMDS; k++)
			STRICT(!cmd[k].used || cmd[k].qid != qid || cmd[k].e.cdw0 >> 16 != cmd[i].e.cdw0 >> 16,
			       "CID %u used twice", cmd[i].e.cdw0 >> 16);
		sq[qid].head = (sq[qid].head + 1) % sq[qid].size;
		cmd[i].used = true;
		cmd[i].qid = qid;
		cmd[i].due = host_now_us + (qid ? model.latency_us : 100);
		cmd[i].hung = qid && (model.hang_all || cmd[i].e.c10 == model.hang_lba);
		if (qid && cmd[i].e.c10 == model.cfs_lba)
			model.cfs = true;
	}
}

/* The controller is disabled: a hung read writes to memory at this very moment, if it still can. */
static void go_off(void)
{
	for (unsigned i = 0; i < MAX_CMDS; i++)
		if (cmd[i].used && cmd[i].qid && cmd[i].hung && (cmd[i].e.cdw0 & 0xff) == 2 && master())
			memset(mem(cmd[i].e.prp1), 0xa5, 8);
	memset(cmd, 0, sizeof(cmd));
	memset(sq, 0, sizeof(sq));
	memset(cq, 0, sizeof(cq));
	model.csts = 0;
	model.cfs = false;
	model.intm = 0;
	model.vwc_on = model.vwc;
}

static void go_ready(void)
{
	if (model.cfs_on_enable) {
		model.csts = 2;
		return;
	}
	model.csts = 1;
	sq[0].on = cq[0].on = true;
	sq[0].base = model.asq;
	cq[0].base = model.acq;
	sq[0].size = (model.aqa & 0xfff) + 1;
	cq[0].size = ((model.aqa >> 16) & 0xfff) + 1;
	cq[0].phase = 1;
}

void model_run(void)
{
	if (model.event_us && host_now_us >= model.event_us) {
		model.event_us = 0;
		if (model.cc & 1)
			go_ready();
		else
			go_off();
	}
	if (model.removed || model.cfs || !master() || !(model.csts & 1))
		return;
	for (unsigned i = 0; i < MAX_CMDS; i++) {
		unsigned q = cmd[i].qid;

		if (!cmd[i].used || cmd[i].hung || host_now_us < cmd[i].due || (cq[q].tail + 1) % cq[q].size == cq[q].head)
			continue;
		if (q)
			io_command(i);
		else
			admin_command(i);
	}
}

/* --- registers --- */

static void write_cc(uint32_t v)
{
	uint32_t old = model.cc;

	model.cc = v;
	if ((v & 1) && !(old & 1)) {
		STRICT(!(model.csts & 1), "CC.EN set while CSTS.RDY is 1");
		STRICT((v >> 16 & 15) == 6 && (v >> 20 & 15) == 4 && !(v & 0x3870), "CC %08x", v);
		STRICT((v >> 7 & 15) >= (model.cap >> 48 & 15) && (v >> 7 & 15) <= (model.cap >> 52 & 15), "CC.MPS");
		STRICT(!((model.asq | model.acq) & (page_size() - 1)) && model.asq && model.acq, "ASQ, ACQ");
		STRICT((model.aqa & 0xfff) && (model.aqa >> 16), "AQA");
		enabled_us = host_now_us;
		model.event_us = model.never_ready ? 0 : host_now_us + model.rdy_delay_us + 1;
	} else if (!(v & 1) && (old & 1)) {
		STRICT((model.csts & 3) || host_now_us - enabled_us >= 2000000, "CC.EN cleared while CSTS.RDY is 0");
		model.resets++;
		model.event_us = model.never_off ? 0 : host_now_us + model.off_delay_us + 1;
	} else if ((v & 1) && (v >> 14 & 3) && !(old >> 14 & 3)) {
		model.shutdowns++;
		model.csts |= model.never_shut ? 4 : 8;
	}
}

static void doorbell(uint32_t off, uint32_t v)
{
	uint32_t stride = 4u << ((model.cap >> 32) & 15), i = (off - 0x1000) / stride, qid = i / 2;

	STRICT(!((off - 0x1000) % stride) && i < 2 * NQ, "no doorbell at %x", off);
	STRICT((model.cc & 1) && (model.csts & 1), "doorbell of a disabled controller");
	if (i & 1) {
		STRICT(cq[qid].on && v < cq[qid].size, "CQ head");
		model.cq_rings += qid;
		cq[qid].head = v;
	} else {
		STRICT(sq[qid].on && v < sq[qid].size && v != sq[qid].tail, "SQ tail");
		model.sq_rings += qid;
		sq[qid].tail = v;
		fetch(qid);
	}
}

static uint64_t reg_read(void *ctx, uint32_t off, unsigned width)
{
	(void)ctx;
	STRICT(width == 4, "access of %u bytes", width);
	if (model.removed)
		return model.reads_zeroes ? 0 : ~0ull;
	switch (off) {
	case 0x00: return (uint32_t)model.cap;
	case 0x04: return model.cap >> 32;
	case 0x08: return model.vs;
	case 0x14: return model.cc;
	case 0x1c: return model.csts | (model.cfs ? 2 : 0);
	}
	STRICT(0, "read of register %x", off);
	return 0;
}

static void reg_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	uint32_t x = (uint32_t)v;

	(void)ctx;
	STRICT(width == 4, "access of %u bytes", width);
	if (model.removed)
		return;
	if (off >= 0x24 && off < 0x38)
		STRICT(!(model.cc & 1), "admin queue moved while enabled");
	switch (off) {
	case 0x0c:
	case 0x10:
		STRICT(!(fn->cap_msix && (pci_read16(fn, fn->cap_msix + 2) & BIT(15))), "INTMS or INTMC with MSI-X");
		model.int_writes++;
		model.intm = off == 0x0c ? model.intm | x : model.intm & ~x;
		return;
	case 0x14: write_cc(x); return;
	case 0x24: model.aqa = x; return;
	case 0x28: model.asq = (model.asq & ~0xffffffffull) | x; return;
	case 0x2c: model.asq = (uint32_t)model.asq | v << 32; return;
	case 0x30: model.acq = (model.acq & ~0xffffffffull) | x; return;
	case 0x34: model.acq = (uint32_t)model.acq | v << 32; return;
	}
	STRICT(off >= 0x1000, "write of register %x", off);
	doorbell(off, x);
}

bool model_line(void)
{
	bool pending = false;

	for (unsigned i = 0; i < NQ; i++)
		pending |= cq[i].on && cq[i].head != cq[i].tail;
	return pending && !(model.intm & 1);
}

static const struct host_model regs = { reg_read, reg_write };

void model_init(struct pci_dev *pci)
{
	fn = pci;
	memset(&model, 0, sizeof(model));
	memset(cmd, 0, sizeof(cmd));
	memset(sq, 0, sizeof(sq));
	memset(cq, 0, sizeof(cq));
	memset(disk, 0, sizeof(disk));
	/* 2 s to be ready, 4 to 64 KiB pages */
	model.cap = 1023 | 1ull << 16 | 4ull << 24 | 1ull << 37 | 1ull << 44 | 4ull << 52;
	model.vs = 0x00010400;
	model.latency_us = 1000;
	model.fail_lba = model.hang_lba = model.cfs_lba = ~0ull;
	model.oncs = 0x0c;
	model.vwc = model.vwc_on = 1;
	model.auto_ring = true;
	if (!pci->bar[0].addr)
		bar_base = host_mmio_new(BAR, &regs, NULL);
	pci->bar[0].addr = bar_base;
	pci->bar[0].size = BAR;
}

void model_firmware_enabled(void)
{
	enabled_us = host_now_us;
	model.cc = 0x00460001;
	model.csts = 1;
}

void model_power_cycle(void)
{
	go_off();
	model.cc = model.aqa = 0;
	model.asq = model.acq = 0;
	model.event_us = 0;
}
