/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AHCI recovery: a state machine for each port, driven by poll and tick, because the guest must not stall while a disk
 * recovers.  Other ports keep working.
 *
 *   a fault  ->  engine stopped  ->  [COMRESET -> link -> ready]  ->  engine started  ->  own commands  ->  commands again
 *
 * The guilty command (AHCI 1.3.1 section 6.2.2; ACS-3, NCQ error log) is the only command in the hardware, if it was alone;
 * else the command that the NCQ error log names; if there is no log, each command is issued again alone, and the one that
 * then fails is guilty.  A guilty command fails and is never retried.  All the others are issued again.
 */
#include <veneer/clock.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "hw/ahci/ahci.h"

static const char *const fault_names[] = {
	[AHCI_FAULT_TASK] = "device error", [AHCI_FAULT_LINE] = "transport error", [AHCI_FAULT_LINK] = "link change",
	[AHCI_FAULT_TIME] = "timeout", [AHCI_FAULT_ABORT] = "abort", [AHCI_FAULT_GONE] = "other disk",
};

static bool alone(uint32_t slots)
{
	return slots && !(slots & (slots - 1));
}

static void port_enter(struct ahci_port *p, enum ahci_state state, uint32_t deadline)
{
	p->state = state;
	p->deadline_us = time_us() + deadline;
}

/* Hold the clock while a recovery runs: ticks are needed even if the guest waits for nothing any more. */
static void port_hold_clock(struct ahci_port *p)
{
	bool busy = p->state != AHCI_DEAD && (p->state != AHCI_RUN || p->wants || p->internal || p->suspects || p->requeue);

	if (busy == p->clock_held)
		return;
	p->clock_held = busy;
	if (busy)
		clock_hold();
	else
		clock_release();
}

/* --- a fault --- */

/*
 * Return the commands in the hardware that did not complete.  Read PxSACT now: clearing ST clears it.  After a change of the
 * link do not trust PxSACT: a bit that fell then need not be a completion.
 */
static uint32_t port_unfinished(struct ahci_port *p, bool trust)
{
	uint32_t done = p->queued && trust ? p->issued & ~port_read(p, AHCI_PXSACT) : 0;
	uint32_t rest = p->issued & ~done;

	ahci_port_over(p, done, 0);
	p->issued = 0;
	return rest;
}

void ahci_port_fault(struct ahci_port *p, enum ahci_fault fault)
{
	if (p->state != AHCI_RUN)
		return;
	/* No line for an abort: the client asked for it, and the lines would fill the log. */
	if (fault != AHCI_FAULT_ABORT)
		log_warn("%s: %s, commands %08x, PxIS %08x PxTFD %08x PxSSTS %08x PxSERR %08x", p->name, fault_names[fault],
			 p->issued, p->events, port_read(p, AHCI_PXTFD), port_read(p, AHCI_PXSSTS), port_read(p, AHCI_PXSERR));
	p->fault = fault;
	p->unjudged = true;
	p->victims = port_unfinished(p, fault != AHCI_FAULT_LINK);
	p->requeue |= p->fresh;
	p->fresh = 0;
	if (p->internal)
		ahci_internal_end(p, false);
	ahci_port_set_engine(p, false);
	port_enter(p, AHCI_STOP, AHCI_ENGINE_US);
}

/* --- the verdict, once no command is in the hardware any more --- */

static void port_judge(struct ahci_port *p)
{
	bool single = alone(p->victims);
	uint32_t guilty;

	switch (p->fault) {
	case AHCI_FAULT_TASK:
		if (p->queued && p->victims)
			p->wants |= AHCI_WANT_LOG;
		if (single)
			ahci_port_over(p, p->victims, -ERR_IO);
		else
			p->suspects |= p->victims;
		break;
	case AHCI_FAULT_LINE:
	case AHCI_FAULT_LINK:
		/* The device itself has not failed the command: each command gets one more try, alone. */
		guilty = single ? p->victims & p->retried : 0;
		ahci_port_over(p, guilty, -ERR_IO);
		p->suspects |= p->victims & ~guilty;
		if (single)
			p->retried |= p->victims;
		break;
	case AHCI_FAULT_TIME:
		ahci_port_over(p, p->expired & p->victims, -ERR_TIMEOUT);
		p->requeue |= p->victims & ~p->expired;
		break;
	case AHCI_FAULT_ABORT:
	case AHCI_FAULT_GONE:
		break;
	}
	p->victims = p->expired = 0;
	p->unjudged = false;
}

void ahci_port_gone(struct ahci_port *p)
{
	uint32_t all = p->fresh | p->issued | p->victims | p->suspects | p->requeue;

	if (p->state == AHCI_DEAD)
		return;
	log_err("%s: the disk is gone, PxSSTS %08x", p->name, port_read(p, AHCI_PXSSTS));
	port_write(p, AHCI_PXIE, 0);
	p->disk.gone = true;
	p->fresh = p->issued = p->victims = p->expired = p->suspects = p->requeue = 0;
	p->wants = p->internal = 0;
	p->state = AHCI_DEAD;
	ahci_port_over(p, all, -ERR_NODEV);
}

/* --- the way back --- */

static void port_begin_comreset(struct ahci_port *p)
{
	p->need_reset = false;
	/* The reset ends the error state for which the log was wanted; the settings are the disk's defaults again. */
	p->wants &= ~AHCI_WANT_LOG;
	p->wants |= AHCI_WANT_VERIFY | (p->cache_set ? AHCI_WANT_CACHE : 0);
	ahci_port_set_det(p, AHCI_SCTL_DET_INIT);
	port_enter(p, AHCI_COMRESET, AHCI_COMRESET_US);
}

static void port_restart(struct ahci_port *p)
{
	uint32_t stale = port_read(p, AHCI_PXCI);

	/* ST = 0 clears PxCI (section 3.3.14).  If it does not (QEMU before 8.1), an old command would start again now. */
	if (stale)
		ahci_defuse(p, stale);
	ahci_port_clear(p);
	ahci_port_set_engine(p, true);
	p->state = AHCI_RUN;
}

static bool port_is_busy(const struct ahci_port *p)
{
	return FIELD_GET(AHCI_PXTFD_STS, port_read(p, AHCI_PXTFD)) & (ATA_BSY | ATA_DRQ);
}

/*
 * After a task file error only the engine has to be restarted.  After other faults the device may still work on its
 * commands; the memory that they use is given back only after the COMRESET has ended this work, too.
 */
static void port_stopped(struct ahci_port *p)
{
	if (p->fault == AHCI_FAULT_TASK)
		port_judge(p);
	if (p->need_gone)
		ahci_port_gone(p);
	else if (p->need_reset || p->unjudged || port_is_busy(p))	/* section 10.3.1: no start with BSY or DRQ */
		port_begin_comreset(p);
	else
		port_restart(p);
}

/* Do one step of the recovery; false if there is nothing to do but wait. */
static bool port_step(struct ahci_port *p)
{
	bool late = time_us() >= p->deadline_us;

	switch (p->state) {
	case AHCI_STOP:
		if (!(port_read(p, AHCI_PXCMD) & AHCI_PXCMD_CR)) {
			port_stopped(p);
			return true;
		}
		if (late) {
			log_err("%s: the command engine does not stop within %u ms, PxCMD %08x; resetting the controller",
				p->name, AHCI_ENGINE_US / 1000, port_read(p, AHCI_PXCMD));
			ahci_reset_begin(p->hba);
		}
		return false;
	case AHCI_COMRESET:
		if (!late)
			return false;
		ahci_port_set_det(p, 0);
		if (p->unjudged)
			port_judge(p);
		port_enter(p, AHCI_LINK, AHCI_LINK_US);
		return true;
	case AHCI_LINK:
		if (port_det(p) == AHCI_DET_UP) {
			port_write(p, AHCI_PXSERR, ~0u);
			port_enter(p, AHCI_READY, AHCI_READY_US);
			return true;
		}
		if (late)
			ahci_port_gone(p);
		return false;
	case AHCI_READY:
		if (!port_is_busy(p) && port_det(p) == AHCI_DET_UP) {
			port_restart(p);
			return true;
		}
		if (late) {
			log_err("%s: the disk is not ready %u s after a reset, PxTFD %08x", p->name, AHCI_READY_US / 1000000,
				port_read(p, AHCI_PXTFD));
			ahci_port_gone(p);
		}
		return false;
	default:
		return false;
	}
}

/* --- the driver's own commands --- */

static void internal_begin(struct ahci_port *p)
{
	uint32_t us = AHCI_FEATURES_US;

	p->internal = p->wants & -p->wants;
	p->wants &= ~p->internal;
	switch (p->internal) {
	case AHCI_WANT_LOG:
		us = AHCI_LOG_US;
		ahci_issue_own(p, ATA_READ_LOG_EXT, 0, 1, ATA_LOG_NCQ_ERROR, true);
		break;
	case AHCI_WANT_VERIFY:
		us = AHCI_IDENTIFY_US;
		ahci_issue_own(p, ATA_IDENTIFY, 0, 0, 0, true);
		break;
	default:
		ahci_issue_own(p, ATA_SET_FEATURES, p->cache_on ? ATA_SF_CACHE_ON : ATA_SF_CACHE_OFF, 0, 0, false);
	}
	p->internal_deadline_us = time_us() + us;
}

/* Return the tag that the NCQ error log names, or -1. */
static int log_culprit(const struct ahci_port *p)
{
	const uint8_t *page = (const uint8_t *)p->mem->data;
	uint8_t sum = 0;

	for (unsigned i = 0; i < 512; i++)
		sum = (uint8_t)(sum + page[i]);
	if (sum || (page[0] & ATA_LOG_NCQ_NQ))
		return -1;
	/* A page of zeros also has a correct sum; a real entry holds the status of an error. */
	if (!(page[2] & (ATA_ERR | ATA_DF)))
		return -1;
	return (int)FIELD_GET(ATA_LOG_NCQ_TAG, (uint32_t)page[0]);
}

void ahci_internal_end(struct ahci_port *p, bool ok)
{
	uint32_t which = p->internal;
	int tag;

	p->internal = 0;
	if (which == AHCI_WANT_LOG) {
		tag = ok ? log_culprit(p) : -1;
		if (!ok)
			p->need_reset = true;	/* the device may still be in its error state */
		if (tag >= 0 && (p->suspects & BIT(tag))) {
			ahci_port_over(p, BIT(tag), -ERR_IO);
			p->requeue |= p->suspects & ~BIT(tag);
			p->suspects = 0;
		}
	} else if (which == AHCI_WANT_VERIFY) {
		if (!ok || !ahci_identify_same(p, p->mem->data)) {
			log_err("%s: after a reset %s", p->name,
				ok ? "another disk answers: it must not get this one's writes" : "IDENTIFY fails");
			p->need_gone = true;
		}
	} else if (ok) {
		p->disk.write_cache = p->cache_on;
		p->fua = false;
	} else {
		log_err("%s: the write cache cannot be turned %s", p->name, p->cache_on ? "on" : "off");
		p->fua = !p->cache_on && p->ncq;
		p->cache_set = false;
	}
	if (ok && p->need_gone)
		ahci_port_fault(p, AHCI_FAULT_GONE);
}

/* --- commands again --- */

static void reissue(struct ahci_port *p, unsigned slot)
{
	struct disk_cmd *cmd = p->cmd[slot];

	cmd->deadline_us = time_us() + p->disk.timeout_us;
	ahci_build(p, cmd);
}

/* Choose all queued commands together, or the first of the others. */
static void reissue_group(struct ahci_port *p)
{
	uint32_t group = 0;

	for (uint32_t left = p->ncq ? p->requeue : 0; left; left &= left - 1) {
		unsigned slot = (unsigned)__builtin_ctz(left);

		if (p->cmd[slot]->op == DISK_READ || p->cmd[slot]->op == DISK_WRITE)
			group |= BIT(slot);
	}
	if (!group)
		group = p->requeue & -p->requeue;
	p->requeue &= ~group;
	for (; group; group &= group - 1)
		reissue(p, (unsigned)__builtin_ctz(group));
}

/* Issue the next commands, if the port is idle; in AHCI_RUN only. */
static void port_next(struct ahci_port *p)
{
	if (p->issued || p->internal || p->fresh)
		return;
	if (p->wants) {
		internal_begin(p);
	} else if (p->suspects) {
		unsigned slot = (unsigned)__builtin_ctz(p->suspects);

		p->suspects &= ~BIT(slot);
		reissue(p, slot);
		ahci_ring(p);
	} else if (p->requeue) {
		reissue_group(p);
		ahci_ring(p);
	}
}

void ahci_port_advance(struct ahci_port *p)
{
	while (port_step(p))
		;
	if (p->state == AHCI_RUN)
		port_next(p);
	port_hold_clock(p);
}

void ahci_port_check_deadlines(struct ahci_port *p, uint64_t now_us)
{
	uint32_t late = 0;

	if (p->state != AHCI_RUN)
		return;
	for (uint32_t left = p->issued; left; left &= left - 1) {
		unsigned slot = (unsigned)__builtin_ctz(left);

		if (now_us >= p->cmd[slot]->deadline_us)
			late |= BIT(slot);
	}
	if (late) {
		p->expired = late;
		log_err("%s: no answer to commands %08x (first lba %llu) within %u ms", p->name, late,
			(unsigned long long)p->cmd[__builtin_ctz(late)]->lba, p->disk.timeout_us / 1000);
	}
	if (late || (p->internal && now_us >= p->internal_deadline_us))
		ahci_port_fault(p, AHCI_FAULT_TIME);
}

/* --- around a reset of the controller --- */

void ahci_port_before_reset(struct ahci_port *p)
{
	if (p->state == AHCI_DEAD)
		return;
	if (p->state == AHCI_RUN) {
		/* No command of this port is guilty. */
		p->requeue |= port_unfinished(p, true) | p->fresh;
		p->fresh = 0;
		p->wants |= p->internal & ~AHCI_WANT_LOG;
		p->internal = 0;
	}
	p->state = AHCI_HBA_RESET;
}

/* After the controller's reset no command is in the hardware: continue the port's own recovery from that state. */
void ahci_port_after_reset(struct ahci_port *p, bool ok)
{
	if (p->state == AHCI_DEAD)
		return;
	if (p->unjudged)
		port_judge(p);
	if (!ok || p->need_gone) {
		ahci_port_gone(p);
		return;
	}
	ahci_port_power(p);
	if (p->hba->irq_started)
		port_write(p, AHCI_PXIE, AHCI_PXIE_WANTED);
	port_begin_comreset(p);
}

/* --- the client's reset --- */

/* The only wait at run time: the guest frees its buffers when this function returns.  Normally some microseconds. */
void ahci_abort_all(struct disk *disk)
{
	struct ahci_port *p = container_of(disk, struct ahci_port, disk);
	struct ahci *h = p->hba;

	if (p->state == AHCI_RUN && p->issued)
		ahci_port_fault(p, AHCI_FAULT_ABORT);
	if (p->state == AHCI_STOP && !ahci_port_stop(p) && !h->resetting)
		ahci_reset_begin(h);
	p->fresh = p->victims = p->expired = p->suspects = p->requeue = p->over = 0;
	memset(p->cmd, 0, sizeof(p->cmd));
	if (h->resetting)
		(void)wait_until(ahci_reset_step(h), AHCI_HBA_RESET_US + AHCI_ENGINE_US);
	ahci_port_advance(p);
	/* The device itself drops its commands at the end of the COMRESET. */
	if (p->state == AHCI_COMRESET && wait_until(time_us() >= p->deadline_us, 2 * AHCI_COMRESET_US))
		ahci_port_advance(p);
}
