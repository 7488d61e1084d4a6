/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a snapshot is made of, and the order of saving (contract in snapshot.h).  The start that loads it is in resume.c; the
 * partition's layout is store.c's.
 */
#include <veneer/err.h>
#include <veneer/hypercall.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/vcpu.h"
#include "hv/dev/power.h"
#include "hv/dev/trap.h"
#include "hv/pci/pci.h"
#include "hv/smp/gather.h"
#include "hv/state/parts.h"
#include "hv/state/snapshot.h"
#include "hv/state/state.h"
#include "hv/x86.h"

#define PATIENCE_US	1000000u	/* for the requests of each device, and the flush of its disk */

struct snapshot snapshot;

static struct cpu *asked;		/* shared: by this processor; NULL: by none */
static uint64_t flags;

/*
 * True if guests seldom drive such a function by DMA: then a bus master bit that the firmware has left on says nothing.
 * USB for the keyboard, the screen, bridges, whose bit some chipsets hold at 1, and the chipset's other helpers.
 */
static bool is_firmwares(const struct pci_dev *d)
{
	switch (d->class_code >> 16) {
	case CLASS_STORAGE:
	case CLASS_NETWORK:
	case CLASS_MULTIMEDIA:
	case CLASS_WIRELESS:
		return false;
	}
	return d->class_code >> 8 != CLASS_SD_HOST && d->class_code >> 8 != CLASS_FIREWIRE;
}

/* A function that is left to the guest and can do DMA: its state cannot be read, and it writes into what is being saved. */
static int check_masters(void)
{
	const struct pci_dev *d;

	for (unsigned i = 0; i < snapshot.nmasters && (d = pci_get(i)); i++)
		if (vpci_is_left(d->bdf) && is_master(d) && !(snapshot.masters[i] && is_firmwares(d))) {
			log_err("state: no snapshot: pci " PCI_FMT " (%04x:%04x) is left to the guest and does DMA",
				PCI_ARGS(d->bdf), d->vendor, d->device);
			return -ERR_NOTSUP;
		}
	return 0;
}

int64_t snapshot_ask(uint64_t wish)
{
	struct cpu *nobody = NULL;

	if (!snapshot.on)
		return -ERR_NOTSUP;
	if (vcpu_own_hypercall) {
		log_err("state: no snapshot: the guest uses the firmware's services, whose state cannot be saved");
		return -ERR_NOTSUP;
	}
	if (check_masters())
		return -ERR_NOTSUP;
	if ((wish & ~(uint64_t)VENEER_SNAPSHOT_GO_ON) || ((wish & VENEER_SNAPSHOT_GO_ON) && snapshot.writable))
		return -ERR_INVAL;
	if (!__atomic_compare_exchange_n(&asked, &nobody, this_cpu(), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return -ERR_BUSY;
	flags = wish;
	return 0;
}

static int save(uint64_t *pages)
{
	struct store *s = &snapshot.store;
	int err;

	state_save(snapshot.parts);
	/* A flush that a disk did not end at the rest is due: the guest's memory, which is saved, takes writes for stable. */
	err = store_begin(s) ?: s->m->flush_guest(s->m->ctx);
	if (!err)
		err = store_put(s, snapshot.head, snapshot.head->bytes) ?:
		      store_put(s, snapshot.parts, snapshot.head->parts);
	return err ?: ram_save(s, snapshot.scratch, pages) ?: store_end(s);
}

/* Everything is on the disks: whoever goes on now makes the snapshot useless. */
NORETURN static void switch_off(void)
{
	machine_off();
	log_err("state: the machine does not switch itself off; switch it off");
	halt_forever();
}

/* Say how the save ended.  True if the guest goes on. */
static bool goes_on(int err, uint64_t pages, uint64_t start)
{
	const struct store *s = &snapshot.store;

	if (!err) {
		log_info("state: snapshot %lu: %lu KiB for %lu pages, in %lu ms", s->h[s->slot].generation, s->pos / 1024,
			 pages, (time_us() - start) / 1000);
		return flags & VENEER_SNAPSHOT_GO_ON;
	}
	log_err("state: no snapshot: %s after %lu KiB (%s)", err == -ERR_NOMEM ? "the partition is too small" :
		"the disk failed", s->pos / 1024, err_name(err));
	if (!s->unsure || !snapshot.writable)
		return true;
	/* The snapshot fits to the disks only if the guest does not go on. */
	log_err("state: the disk may hold the snapshot all the same, and takes no other word: the machine switches itself off");
	return false;
}

/* All processors are here.  True if the guest goes on. */
static bool run(struct vcpu *v)
{
	uint64_t start = time_us(), pages = 0;
	bool on;
	int err;

	state_hold();
	trap_hold();
	state_rest(PATIENCE_US);
	/* As the guest finds itself when it is resumed. */
	v->gpr[GPR_RBX] = 1;
	err = save(&pages);
	v->gpr[GPR_RAX] = (uint64_t)(int64_t)err;
	v->gpr[GPR_RBX] = 0;
	on = goes_on(err, pages, start);
	if (on)
		state_go_on();
	trap_let_go();
	state_let_go();
	return on;
}

void snapshot_run(struct vcpu *v)
{
	int err;

	if (__atomic_load_n(&asked, __ATOMIC_SEQ_CST) != this_cpu())
		return;
	state_gather();
	/* Once more: another processor may have let a function do DMA since the call. */
	err = check_masters();
	if (err)
		v->gpr[GPR_RAX] = (uint64_t)(int64_t)err;
	else if (!run(v))
		switch_off();
	state_scatter();
	__atomic_store_n(&asked, NULL, __ATOMIC_SEQ_CST);
}
