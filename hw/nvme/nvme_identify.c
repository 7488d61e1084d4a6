/* SPDX-License-Identifier: BSD-2-Clause */
/* Identify an NVMe controller and its namespaces, and make disks of usable namespaces.  Nearly all code is for the start. */
#include <veneer/err.h>
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "nvme.h"

#define MAX_NSIDS		1024u		/* in one active namespace list */
#define MAX_LEFT_OUT_LINES	8u
#define MAX_DISCARD_BYTES	0x40000000u	/* per command: more could take longer than the deadline */
#define MAX_PHYS_BYTES		4096u		/* file systems choose their sector size by the physical block size */

static struct nvme_sqe identify_entry(struct nvme *n, uint32_t cns, uint32_t nsid)
{
	memset(n->id_buf, 0, 4096);
	return (struct nvme_sqe){ .cdw0 = NVME_ADM_IDENTIFY, .nsid = nsid, .prp1 = mem_phys(n->id_buf), .cdw10 = cns };
}

static int identify(struct nvme *n, uint32_t cns, uint32_t nsid, const char *what)
{
	struct nvme_sqe sqe = identify_entry(n, cns, nsid);

	return nvme_admin_sync(n, &sqe, what);
}

/* For data without which the controller can be driven, or without which only one namespace is lost. */
static int identify_optional(struct nvme *n, uint32_t cns, uint32_t nsid, const char *what)
{
	struct nvme_sqe sqe = identify_entry(n, cns, nsid);

	return nvme_admin_optional(n, &sqe, what);
}

int nvme_identify_later(struct nvme *n, uint32_t cns, uint32_t nsid,
			void (*done)(struct nvme *n, unsigned status, uint32_t dw0))
{
	struct nvme_sqe sqe = identify_entry(n, cns, nsid);

	return nvme_admin_submit(n, &sqe, done);
}

/* Copy a blank-padded ASCII text, without its blanks.  Firmware may break the specification: replace other characters. */
static void copy_text(char *dst, const char *src, size_t len)
{
	size_t begin = 0;

	while (len && (src[len - 1] == ' ' || !src[len - 1]))
		len--;
	while (begin < len && src[begin] == ' ')
		begin++;
	for (; begin < len; begin++)
		*dst++ = src[begin] >= ' ' && src[begin] <= '~' ? src[begin] : '?';
	*dst = 0;
}

/* --- the controller --- */

/* MDTS counts pages of CAP.MPSMIN, whatever CC.MPS is. */
static uint64_t max_bytes(const struct nvme *n, uint8_t mdts)
{
	uint64_t min_page = 4096ull << FIELD_GET(NVME_CAP_MPSMIN, n->cap);

	return mdts && mdts < 32 ? MIN(min_page << mdts, (uint64_t)NVME_MAX_BYTES) : NVME_MAX_BYTES;
}

static int check_ctrl(const struct nvme *n, const struct nvme_id_ctrl *id)
{
	if (id->cntrltype > NVME_CNTRLTYPE_IO) {
		log_warn("%s: controller type %u has no disks; left out", n->dev.name, id->cntrltype);
		return -ERR_NODEV;
	}
	if ((id->sqes & 0xf) > NVME_SQES || (id->cqes & 0xf) > NVME_CQES) {
		log_err("%s: needs queue entries of another size (SQES %02x CQES %02x)", n->dev.name, id->sqes, id->cqes);
		return -ERR_NOTSUP;
	}
	return 0;
}

static int read_vwc(struct nvme *n, bool *on)
{
	struct nvme_sqe sqe = { .cdw0 = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_VWC };
	int err = nvme_admin_optional(n, &sqe, "Get Features (volatile write cache)");

	*on = err == -ERR_IO || (n->sync.dw0 & NVME_VWC_WCE);	/* unknown: assume that the cache is on */
	return err == -ERR_IO ? 0 : err;
}

/* Some controllers of version 1.4 and later support this Identify. */
static int read_nvm_limits(struct nvme *n)
{
	const struct nvme_id_nvm_ctrl *id = n->id_buf;
	int err;

	if (n->vs < NVME_VS_1_4 || !(n->oncs & (NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES)))
		return 0;
	err = identify_optional(n, NVME_CNS_CSI_CTRL, 0, "Identify (NVM command set limits)");
	if (!err) {
		n->dsm_blocks = id->dmrsl;
		if (id->dmsl && (!n->dsm_blocks || id->dmsl < n->dsm_blocks))
			n->dsm_blocks = (uint32_t)MIN(id->dmsl, 0xffffffffull);
		n->zero_bytes = MIN(n->zero_bytes, max_bytes(n, id->wzsl));
	}
	return err == -ERR_IO ? 0 : err;
}

int nvme_identify_ctrl(struct nvme *n)
{
	const struct nvme_id_ctrl *id = n->id_buf;
	int err = identify(n, NVME_CNS_CTRL, 0, "Identify Controller");

	if (err)
		return err;
	err = check_ctrl(n, id);
	if (err)
		return err;
	copy_text(n->serial, id->sn, sizeof(id->sn));
	copy_text(n->model, id->mn, sizeof(id->mn));
	copy_text(n->firmware, id->fr, sizeof(id->fr));
	n->max_bytes = max_bytes(n, id->mdts);
	n->rtd3e_us = id->rtd3e;
	n->nn = id->nn;
	n->oncs = id->oncs;
	n->oaes = id->oaes;
	n->vwc = id->vwc & NVME_VWC_PRESENT;
	if (n->quirks & NVME_Q_NO_WRITE_ZEROES)
		n->oncs &= (uint16_t)~NVME_ONCS_WRITE_ZEROES;
	log_info("%s: \"%s\" serial \"%s\" firmware \"%s\", NVMe %u.%u, up to %u KiB a command, write cache %s", n->dev.name,
		 n->model, n->serial, n->firmware, n->vs >> 16, (n->vs >> 8) & 0xff, (unsigned)(n->max_bytes / 1024),
		 n->vwc ? "present" : "absent");
	n->zero_bytes = n->max_bytes;	/* by the specification MDTS does not limit Write Zeroes, but some firmware does */
	return read_nvm_limits(n);
}

/* --- namespaces --- */

/* Log that a namespace is left out; after the first few only count. */
static void leave_out(struct nvme *n, uint32_t nsid, const char *why)
{
	if (n->left_out++ < MAX_LEFT_OUT_LINES)
		log_warn("%s: namespace %u left out: %s", n->dev.name, nsid, why);
}

/*
 * Return the I/O command set that a list of descriptors names, or -1.  If the list names several, return one that is not NVM:
 * a namespace is a disk only if no descriptor contradicts.
 */
static int find_csi(const uint8_t *list, size_t len)
{
	int csi = -1;

	for (size_t at = 0; at + sizeof(struct nvme_ns_desc) < len; ) {
		const struct nvme_ns_desc *d = (const struct nvme_ns_desc *)(list + at);

		if (!d->nidl)
			break;
		if (d->nidt == NVME_NIDT_CSI && csi <= (int)NVME_CSI_NVM)
			csi = d->nid[0];
		at += sizeof(*d) + d->nidl;
	}
	return csi;
}

/*
 * Set *@why if the namespace does not have the NVM command set.  A controller that supports NVM alone may fail to list
 * descriptors, and firmware before 1.3 has none; a controller with several command sets must name the namespace's.
 */
static int check_command_set(struct nvme *n, uint32_t nsid, const char **why)
{
	bool several = n->cap & NVME_CAP_CSS_IOCSS;
	int err, csi = -1;

	if (!several && (n->vs < NVME_VS_1_3 || (n->quirks & NVME_Q_NO_NS_LIST)))
		return 0;
	err = n->no_descriptors ? -ERR_IO :
	      identify_optional(n, NVME_CNS_NS_DESC, nsid, "Identify (namespace identification descriptors)");
	if (err && err != -ERR_IO)
		return err;
	n->no_descriptors |= err && !n->sync.done;
	if (!err)
		csi = find_csi(n->id_buf, 4096);
	if (csi == NVME_CSI_ZONED)
		*why = "it is zoned, not an ordinary disk";
	else if (csi == NVME_CSI_KV)
		*why = "it is a key-value store, not a disk";
	else if (csi > 0)
		*why = "it has a command set that is not a disk's";
	else if (csi < 0 && several)
		*why = "the controller does not name its command set";
	return 0;
}

uint32_t nvme_lba_format(const struct nvme_id_ns *id)
{
	unsigned i = FIELD_GET(NVME_FLBAS_LOW, id->flbas);

	if (id->nlbaf >= 16)
		i |= FIELD_GET(NVME_FLBAS_HIGH, id->flbas) << 4;
	return i <= id->nlbaf ? id->lbaf[i] : 0;
}

/* Return why a namespace cannot be a disk, or NULL. */
static const char *unusable(const struct nvme_id_ns *id, uint32_t lbaf)
{
	unsigned lbads = FIELD_GET(NVME_LBAF_LBADS, lbaf);

	if (FIELD_GET(NVME_LBAF_MS, lbaf) || FIELD_GET(NVME_DPS_PIT, id->dps))
		return "its blocks carry metadata or protection information";
	if (lbads < 9 || lbads > 12)
		return "its block size is not 512 to 4096";
	if (id->nsze >> (63 - lbads))
		return "its size is impossible";
	return NULL;
}

/* Set the topology hints, all in logical blocks. */
static void set_hints(const struct nvme *n, struct disk *d, const struct nvme_id_ns *id)
{
	if (id->nsfeat & NVME_NSFEAT_OPTPERF) {
		d->min_io_blocks = id->npwg + 1u;
		d->opt_io_blocks = id->nows ? id->nows + 1u : 0;
		while (!(d->min_io_blocks & ((2u << d->phys_exp) - 1)) && d->block_size << (d->phys_exp + 1) <= MAX_PHYS_BYTES)
			d->phys_exp++;
	}
	if (!d->opt_io_blocks)
		d->opt_io_blocks = id->noiob;
	if (!d->opt_io_blocks && (n->quirks & NVME_Q_STRIPE))
		d->opt_io_blocks = (uint32_t)(n->max_bytes / d->block_size);
}

static void set_limits(const struct nvme *n, struct disk *d)
{
	struct disk_limits *l = &d->limits;

	l->max_bytes = (uint32_t)n->max_bytes;
	l->max_segs = DISK_MAX_SEGS;
	l->max_seg_len = MAX(l->max_bytes, 2 * n->page_size);
	l->addr_align = 4;
	l->len_align = 4;
	l->page_rule = n->page_size;
	l->dma_mask = ~0ull;
	if (n->oncs & NVME_ONCS_DSM) {
		l->max_discard_blocks = MAX_DISCARD_BYTES / d->block_size;
		if (n->dsm_blocks)
			l->max_discard_blocks = MIN(l->max_discard_blocks, n->dsm_blocks);
	}
	if (n->oncs & NVME_ONCS_WRITE_ZEROES)
		l->max_zero_blocks = (uint32_t)MIN(n->zero_bytes / d->block_size, (uint64_t)NVME_MAX_NLB);
}

static void fill_disk(struct nvme *n, struct disk *d, uint32_t nsid, const struct nvme_id_ns *id)
{
	d->ctrl = &n->dev;
	d->index = nsid;
	fmt_string(d->name, sizeof(d->name), "%sn%u", n->dev.name, nsid);
	memcpy(d->serial, n->serial, sizeof(d->serial));
	memcpy(d->model, n->model, sizeof(d->model));
	memcpy(d->firmware, n->firmware, sizeof(d->firmware));
	d->block_size = 1u << FIELD_GET(NVME_LBAF_LBADS, nvme_lba_format(id));
	d->nblocks = id->nsze;
	d->flush = true;	/* Flush is mandatory; without a volatile cache it does nothing */
	d->can_set_cache = n->vwc;
	d->ops = n->vwc ? &nvme_disk_ops : &nvme_disk_ops_nocache;
	d->hw_read_only = id->nsattr & NVME_NSATTR_WP;
	d->nqueues = 1;
	set_hints(n, d, id);
	set_limits(n, d);
}

static int make_disk(struct nvme *n, uint32_t nsid)
{
	const struct nvme_id_ns *id = n->id_buf;
	struct nvme_ns *ns = mem_alloc(sizeof(*ns), 16);

	if (!ns) {
		leave_out(n, nsid, "no memory");
		return -ERR_NOMEM;
	}
	ns->n = n;
	ns->nsze = id->nsze;
	ns->format = nvme_lba_format(id);
	ns->deac = (id->dlfeat & NVME_DLFEAT_WZ_DEAC) && FIELD_GET(NVME_DLFEAT_READS, id->dlfeat) == NVME_DLFEAT_READS_0;
	fill_disk(n, &ns->disk, nsid, id);
	n->ns[n->dev.ndisk] = ns;
	n->disks[n->dev.ndisk++] = &ns->disk;
	return 0;
}

/* Return a negative error only if the controller does not answer any more: an unusable namespace must not cost the others. */
static int add_ns(struct nvme *n, uint32_t nsid)
{
	const struct nvme_id_ns *id = n->id_buf;
	const char *why = NULL;
	int err;

	if (n->dev.ndisk == NVME_MAX_DISKS) {
		limit_reached("namespaces of one NVMe controller", NVME_MAX_DISKS);
		leave_out(n, nsid, "too many namespaces");
		return 0;
	}
	err = check_command_set(n, nsid, &why);
	if (err)
		return err;
	if (why) {
		leave_out(n, nsid, why);
		return 0;
	}
	err = identify_optional(n, NVME_CNS_NS, nsid, "Identify Namespace");
	if (err == -ERR_IO) {
		leave_out(n, nsid, "Identify Namespace fails");
		return 0;
	}
	if (err || !id->nsze)		/* inactive */
		return err;
	why = unusable(id, nvme_lba_format(id));
	if (why)
		leave_out(n, nsid, why);
	else if (make_disk(n, nsid) == -ERR_NOMEM)
		n->no_memory = true;
	return 0;
}

/* Controllers before 1.1 have no list: every number up to NN may be a namespace, and inactive ones have size 0. */
static int scan_numbers(struct nvme *n)
{
	int err = 0;

	if (n->nn > MAX_NSIDS)
		log_warn("%s: up to %u namespaces; those above %u are left out", n->dev.name, n->nn, MAX_NSIDS);
	for (uint32_t nsid = 1; !err && nsid <= MIN(n->nn, MAX_NSIDS); nsid++)
		err = add_ns(n, nsid);
	return err;
}

/* The list ascends (1.4 section 5.15.2.3): leave out a number that does not. */
static int scan_list(struct nvme *n)
{
	uint32_t *list = mem_alloc(MAX_NSIDS * sizeof(*list), 16);
	int err = 0;
	unsigned i;

	if (!list) {
		log_err("%s: no memory for the list of namespaces", n->dev.name);
		return -ERR_NOMEM;
	}
	memcpy(list, n->id_buf, MAX_NSIDS * sizeof(*list));	/* add_ns() needs the buffer */
	for (i = 0; !err && i < MAX_NSIDS && list[i]; i++) {
		if (list[i] > n->nn || (i && list[i] <= list[i - 1]))
			leave_out(n, list[i], "its number is out of order, or beyond the largest");
		else
			err = add_ns(n, list[i]);
	}
	if (i == MAX_NSIDS)
		log_warn("%s: %u namespaces or more; those after number %u are left out", n->dev.name, MAX_NSIDS,
			 list[i - 1]);
	mem_free(list);
	return err;
}

/* All namespaces share one hardware queue: divide its slots, so that a namespace that hangs cannot take them all. */
static int share_out(struct nvme *n)
{
	bool cache_on = false;
	int err = n->vwc ? read_vwc(n, &cache_on) : 0;

	for (unsigned i = 0; i < n->dev.ndisk; i++) {
		n->disks[i]->write_cache = cache_on;
		n->disks[i]->limits.tags = (uint16_t)MAX(n->nslots / n->dev.ndisk, 1u);
	}
	return err;
}

int nvme_scan(struct nvme *n)
{
	int err = -ERR_IO;

	if (n->vs >= NVME_VS_1_1 && !(n->quirks & NVME_Q_NO_NS_LIST))
		err = identify_optional(n, NVME_CNS_ACTIVE_NS, 0, "Identify (active namespaces)");
	if (!err)
		err = scan_list(n);
	else if (err == -ERR_IO)
		err = scan_numbers(n);
	if (n->left_out > MAX_LEFT_OUT_LINES)
		log_warn("%s: %u namespaces left out altogether", n->dev.name, n->left_out);
	if (!err && !n->dev.ndisk) {
		log_warn("%s: no usable namespace", n->dev.name);
		err = n->no_memory ? -ERR_NOMEM : -ERR_NODEV;
	}
	return err ? err : share_out(n);
}
