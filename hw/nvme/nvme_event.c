/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asynchronous events of a live controller (section 5.2): log critical warnings, identify changed namespaces again.  The
 * controller always has one event request.  Reading the log page that its completion names enables the next event of this
 * kind.  Each step starts when the one before completes.  No function here calls a client.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "nvme.h"

#define MAX_EVENTS	1000u		/* since the start; limited, because a broken controller may never stop */
#define MAX_LINES	16u
#define NEVER		~0ull

static void next_namespace(struct nvme *n);

static bool may_say(struct nvme *n)
{
	return n->event.lines < MAX_LINES && ++n->event.lines;
}

static void event_done(struct nvme *n, unsigned status, uint32_t dw0);

void nvme_event_request(struct nvme *n)
{
	struct nvme_sqe sqe = { .cdw0 = NVME_ADM_ASYNC_EVENT };

	n->event.due = 0;
	n->event.busy = false;
	if (n->event.off || n->event.count == MAX_EVENTS) {
		log_err("%s: %u events: requesting no more", n->dev.name, n->event.count);
		return;
	}
	/* The command completes when an event occurs, possibly never. */
	if (!nvme_admin_submit(n, &sqe, event_done))
		n->admin_cmd[FIELD_GET(NVME_CDW0_CID, sqe.cdw0)].deadline_us = NEVER;
}

/* --- namespaces --- */

static void ns_gone(struct nvme_ns *ns, const char *why)
{
	log_err("%s: %s: its disk is gone", ns->disk.name, why);
	ns->disk.gone = true;
	ns->n->offer = true;
}

/* A window of the disk keeps its size: the controller fails requests for blocks that no longer exist. */
static void ns_resize(struct nvme_ns *ns, uint64_t nsze)
{
	struct disk *d = &ns->disk;

	if (nsze == ns->nsze)
		return;
	if (may_say(ns->n))
		log_warn("%s: %llu blocks now, %llu before", d->name, (unsigned long long)nsze, (unsigned long long)ns->nsze);
	if (!d->first_block && d->nblocks == ns->nsze) {
		d->nblocks = nsze;
		ns->resized = true;
		ns->n->offer = true;
	}
	ns->nsze = nsze;
}

static void ns_done(struct nvme *n, unsigned status, uint32_t dw0)
{
	struct nvme_ns *ns = n->ns[__builtin_ctz(n->event.due)];
	const struct nvme_id_ns *id = n->id_buf;
	uint32_t format = nvme_lba_format(id);

	n->event.due &= n->event.due - 1;
	if (status == NVME_SC_NS_INVALID || (!status && !id->nsze))
		ns_gone(ns, "its namespace was removed");
	else if (!status && (format != ns->format || id->nsze >> (63 - FIELD_GET(NVME_LBAF_LBADS, format))))
		ns_gone(ns, "its blocks have another format");
	else if (!status)
		ns_resize(ns, id->nsze);
	next_namespace(n);
}

static void next_namespace(struct nvme *n)
{
	if (!n->event.due || nvme_identify_later(n, NVME_CNS_NS, n->ns[__builtin_ctz(n->event.due)]->disk.index, ns_done))
		nvme_event_request(n);
}

/* --- log pages --- */

static void warning_done(struct nvme *n, unsigned status, uint32_t dw0)
{
	const uint8_t *log = n->id_buf;

	if (!status && log[0] && may_say(n))
		log_err("%s: critical warning %02x (spare 01, temperature 02, reliability 04, read-only 08, backup 10)",
			n->dev.name, log[0]);
	nvme_event_request(n);
}

static void list_done(struct nvme *n, unsigned status, uint32_t dw0)
{
	const uint32_t *list = n->id_buf;

	for (unsigned i = 0; !status && i < n->dev.ndisk; i++)
		for (unsigned k = 0; k < NVME_CHANGED_MAX && list[k]; k++)
			if ((list[k] == n->disks[i]->index || list[0] == NVME_ALL_ONES) && !n->disks[i]->gone)
				n->event.due |= BIT(i);
	next_namespace(n);
}

static void other_done(struct nvme *n, unsigned status, uint32_t dw0)
{
	nvme_event_request(n);
}

static void event_done(struct nvme *n, unsigned status, uint32_t dw0)
{
	uint32_t page = FIELD_GET(NVME_AER_PAGE, dw0);
	bool health = page == NVME_LOG_HEALTH, list = page == NVME_LOG_CHANGED_NS;
	struct nvme_sqe sqe = {
		.cdw0 = NVME_ADM_GET_LOG_PAGE,
		.nsid = NVME_ALL_ONES,
		.prp1 = mem_phys(n->id_buf),
		.cdw10 = page | FIELD_PREP(NVME_LOG_NUMDL, list ? NVME_CHANGED_MAX - 1 : NVME_LOG_HEAD / 4 - 1),
	};

	/* The controller does not support events, or has aborted the request. */
	if (status)
		return;
	n->event.count++;
	n->event.busy = true;
	if (!health && !list && may_say(n))
		log_warn("%s: event type %u, information %02x, log page %02x", n->dev.name, FIELD_GET(NVME_AER_TYPE, dw0),
			 FIELD_GET(NVME_AER_INFO, dw0), page);
	memset(n->id_buf, 0, 4096);
	if (nvme_admin_submit(n, &sqe, health ? warning_done : list ? list_done : other_done))
		nvme_event_request(n);
}

/* --- setup --- */

int nvme_send_events(struct nvme *n, void (*done)(struct nvme *n, unsigned status, uint32_t dw0))
{
	struct nvme_sqe sqe = {
		.cdw0 = NVME_ADM_SET_FEATURES,
		.cdw10 = NVME_FEAT_EVENTS,
		.cdw11 = NVME_EVENT_HEALTH | (n->oaes & NVME_EVENT_NS),
	};

	return nvme_admin_submit(n, &sqe, done);
}
