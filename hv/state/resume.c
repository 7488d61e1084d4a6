/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of snapshots: memory, the look at the partition, and the load.  Start only. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/boot/own.h"
#include "hv/dev/power.h"
#include "hv/dev/trap.h"
#include "hv/mem/ram.h"
#include "hv/pci/pci.h"
#include "hv/smp/gather.h"
#include "hv/state/parts.h"
#include "hv/state/snapshot.h"
#include "hv/state/state.h"

static const struct state_medium *medium;
static struct state_disk disks[STATE_MAX_DISKS] START_ONLY;
static unsigned ndisks, slot;

void state_use_medium(const struct state_medium *m)
{
	medium = m;
}

void state_add_disk(const struct state_disk *d)
{
	if (ndisks < STATE_MAX_DISKS)
		disks[ndisks] = *d;
	ndisks++;
	snapshot.writable |= d->writable != 0;
}

/* --- what this machine is --- */

static int make_head(void)
{
	struct gmem_range r;
	struct snapshot_head *h;
	uint32_t n = 0, bytes;
	uint8_t *at;

	while (gmem_range(n, &r))
		n++;
	bytes = (uint32_t)(sizeof(*h) + n * sizeof(r) + ndisks * sizeof(disks[0]));
	h = mem_alloc(bytes, 16);
	if (!h)
		return -ERR_NOMEM;
	*h = (struct snapshot_head){
		.version = SNAPSHOT_VERSION, .bytes = bytes, .nranges = n, .ndisks = ndisks, .parts = state_size(),
	};
	at = (uint8_t *)(h + 1);
	for (unsigned i = 0; gmem_range(i, &r); i++, at += sizeof(r))
		memcpy(at, &r, sizeof(r));
	memcpy(at, disks, ndisks * sizeof(disks[0]));
	snapshot.head = h;
	return 0;
}

/* A disk controller that is the guest's own. */
static void note_left_disks(void)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++)
		snapshot.writable |= vpci_is_left(d->bdf) &&
				     (d->class_code >> 16 == CLASS_STORAGE || d->class_code >> 8 == CLASS_SD_HOST);
}

static int note_masters(void)
{
	const struct pci_dev *d;
	unsigned n = 0;

	while (pci_get(n))
		n++;
	snapshot.masters = mem_alloc(n + 1, 16);
	if (!snapshot.masters)
		return -ERR_NOMEM;
	for (unsigned i = 0; (d = pci_get(i)); i++)
		snapshot.masters[i] = is_master(d);
	snapshot.nmasters = n;
	return 0;
}

static int take_memory(void)
{
	uint8_t *buffer = mem_alloc(STORE_BUFFER, PAGE_SIZE);
	int err = buffer ? make_head() ?: note_masters() : -ERR_NOMEM;

	snapshot.scratch = mem_alloc(sizeof(*snapshot.scratch), PAGE_SIZE);
	snapshot.parts = mem_alloc(state_size(), 16);
	if (err || !snapshot.scratch || !snapshot.parts)
		goto fail;
	err = store_open(&snapshot.store, medium, buffer);
	if (!err)
		return 0;
	log_err("state: off: the partition of snapshots cannot be used: %s (%s)", err == -ERR_INVAL ? "it is too small" :
		"it cannot be read", err_name(err));
	goto free;
fail:
	log_err("state: off: no memory for snapshots: %lu KiB", (STORE_BUFFER + state_size()) / 1024);
free:
	mem_free(snapshot.parts);
	mem_free(snapshot.scratch);
	mem_free(snapshot.masters);
	mem_free(snapshot.head);
	mem_free(buffer);
	return -ERR_NOMEM;
}

/* --- the check --- */

/* NULL, or in what the machine of the snapshot differs; @h has this machine's size. */
static const char *head_differs(const struct snapshot_head *h)
{
	const struct snapshot_head *own = snapshot.head;
	const uint8_t *a = (const uint8_t *)(h + 1), *b = (const uint8_t *)(own + 1);
	size_t ranges = own->nranges * sizeof(struct gmem_range);

	if (memcmp(a, b, ranges))
		return "a machine with other memory";
	if (memcmp(a + ranges, b + ranges, own->ndisks * sizeof(disks[0])))
		return "a machine with other disks, or other parts of them";
	return NULL;
}

/* Read the head and the parts.  NULL, or what is wrong. */
static const char *read_head(struct store *s)
{
	const struct snapshot_head *own = snapshot.head;
	struct snapshot_head *h = mem_alloc(own->bytes, 16);
	const char *why = NULL;

	if (!h)
		return "no memory";
	if (store_get(s, h, sizeof(*h)))
		why = "cut off";
	else if (h->version != own->version || h->zero)
		why = "of an unknown version";
	else if (h->nranges != own->nranges)
		why = "a machine with other memory";
	else if (h->ndisks != own->ndisks)
		why = "a machine with other disks";
	else if (h->bytes != own->bytes || h->parts != own->parts)
		why = "a machine with other devices or processors";
	else if (store_get(s, h + 1, own->bytes - sizeof(*h)) || store_get(s, snapshot.parts, own->parts))
		why = "cut off";
	else
		why = head_differs(h);
	mem_free(h);
	return why;
}

static void machine_hold(void)
{
	state_gather();
	state_hold();
	trap_hold();
}

static void machine_let_go(void)
{
	trap_let_go();
	state_let_go();
	state_scatter();
}

/* The whole snapshot of a slot, of which nothing is loaded.  True if this machine can go on from it. */
static bool check(unsigned n)
{
	struct store *s = &snapshot.store;
	const char *why;
	int err;

	store_first(s, n);
	why = read_head(s);
	if (!why && ram_load(s, snapshot.scratch, false))
		why = "its pages are not this machine's";
	err = store_check(s);
	if (err)
		why = err == -ERR_INVAL ? "damaged: the checksum differs" : "the disk cannot be read";
	if (why) {
		log_err("state: snapshot %lu is refused: %s", s->h[n].generation, why);
		return false;
	}
	/* A processor's part asks whether the processor can be reached. */
	machine_hold();
	state_rest(0);
	err = state_check(snapshot.parts, snapshot.head->parts);
	state_go_on();
	machine_let_go();
	return !err;
}

static bool find(void)
{
	int n = store_newest(&snapshot.store, 0);

	if (n < 0)
		log_info("state: there is no snapshot to resume: the guest starts anew");
	for (unsigned i = 1; n >= 0; i++) {
		if (check((unsigned)n)) {
			slot = (unsigned)n;
			return true;
		}
		n = store_newest(&snapshot.store, i);
	}
	return false;
}

bool snapshot_start(bool resume)
{
	note_left_disks();
	if (!medium) {
		log_err("state: off: no disk has a partition \"veneer-state\" outside of what the guest sees");
		return false;
	}
	if (ndisks > STATE_MAX_DISKS) {
		log_err("state: off: %u disks, and %u is the limit for snapshots", ndisks, STATE_MAX_DISKS);
		return false;
	}
	if (take_memory())
		return false;
	snapshot.on = true;
	return resume && find();
}

/* Snapshots are off, and the partition has not been opened, or not to the end. */
static int open_to_forget(struct store *s)
{
	uint8_t *buffer = medium ? mem_alloc(STORE_BUFFER, PAGE_SIZE) : NULL;
	int err = buffer ? store_open(s, medium, buffer) : -ERR_NOMEM;

	if (err)
		mem_free(buffer);
	return err;
}

bool snapshot_forget(void)
{
	struct store *s = &snapshot.store;
	int err;

	if (!snapshot.on)
		note_left_disks();
	if (!snapshot.writable)
		return true;
	err = snapshot.on ? 0 : open_to_forget(s);
	if (err) {
		/* A partition that is too small has none. */
		if (err != -ERR_INVAL)
			log_warn("state: if a disk has a snapshot, do not resume it: the guest starts anew, and can write");
		return true;
	}
	if (store_newest(s, 0) >= 0) {
		err = store_use(s);
		if (err)
			log_err("state: the disk failed: a snapshot stays that does not fit to the disks once the guest has "
				"written");
		else
			log_warn("state: the guest starts anew and can write to its disks: the snapshot is dropped");
	}
	if (!snapshot.on)
		mem_free(s->buf);
	return !err;
}

/* --- the load --- */

static int load(void)
{
	struct store *s = &snapshot.store;
	const char *why;
	int err;

	store_first(s, slot);
	why = read_head(s);
	if (why)
		return -ERR_INVAL;
	err = ram_load(s, snapshot.scratch, true) ?: store_check(s);
	state_rest(0);
	return err ?: state_load(snapshot.parts, snapshot.head->parts) ?: store_use(s);
}

void snapshot_resume(void)
{
	uint64_t generation = snapshot.store.h[slot].generation;
	int err;

	machine_hold();
	err = load();
	if (!err)
		state_go_on();
	machine_let_go();
	if (err) {
		(void)store_use(&snapshot.store);
		log_err("state: snapshot %lu was good and cannot be loaded (%s): the machine starts again", generation,
			err_name(err));
		machine_reset();
	}
	log_info("state: the guest goes on from snapshot %lu", generation);
}
