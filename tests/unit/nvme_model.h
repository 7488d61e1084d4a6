/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model of an NVMe 1.4 controller with namespaces 1 (512 bytes), 2 (with metadata) and 3 (4096 bytes, write protected), for
 * unit tests.  Stricter than a real controller: anything that the specification leaves undefined fails the test.  Nothing
 * happens by itself: model_run() does what is due at host_now_us.
 */
#ifndef NVME_MODEL_H
#define NVME_MODEL_H

#include <veneer/pci.h>
#include <veneer/types.h>

#define MODEL_BLOCKS	4096u
#define MODEL_SCRIBBLE	0xa5a5a5a5a5a5a5a5ull	/* a hung read writes this as the controller is disabled */

enum model_abort { MODEL_NOT_ABORTED, MODEL_ABORTS, MODEL_ABORT_HANGS };

struct model {
	/* registers */
	uint64_t cap, asq, acq;
	uint32_t vs, intm, cc, csts, aqa;
	uint64_t event_us;		/* the time when CSTS.RDY follows CC.EN; 0: no change is pending */

	/* behaviour, for the test to set */
	uint64_t rdy_delay_us, off_delay_us, latency_us, not_ready_until_us;
	bool never_ready, never_off, cfs_on_enable, removed, cfs, never_shut, no_namespaces, hang_all, auto_ring;
	uint64_t fail_lba, hang_lba, cfs_lba;
	unsigned fail_status, fail_admin, hang_admin;	/* opcodes; 0: none */
	uint32_t hang_cns, hang_fids;		/* bit per kind of Identify, and per feature */
	bool hang_once, hang_logs;		/* only the first of them; Get Log Page */
	enum model_abort abort_mode;
	uint16_t oncs;
	uint8_t vwc, cntrltype;
	uint8_t csi[3];				/* index: namespace */
	bool reads_zeroes;			/* a removed controller reads as zeros instead of ones */
	bool no_descriptors, no_csi;		/* CNS 03h fails; its list has no CSI */
	bool bad_format;			/* namespace 1 uses a format that it does not list */
	unsigned namespaces;			/* 0: the three; else their number, all like the third */
	unsigned fail_identify_ns;		/* Identify Namespace fails for this number */
	uint64_t blocks;			/* of namespace 1, if not 0 */
	unsigned inactive_ns;			/* Identify Namespace returns zeros for this number */
	uint32_t oaes;
	bool no_events;				/* Asynchronous Event Request fails */
	uint8_t warning;			/* critical warning in the health log page */
	uint32_t changed[4];			/* the log page of changed namespaces */

	/* what was seen */
	bool rang, vwc_on;
	unsigned resets, sq_rings, cq_rings, int_writes, aborts, shutdowns;
	unsigned reads, writes, fua, flushes, flushed_before_write, dsms, deac;
	uint64_t dsm_blocks;
	uint32_t events_on;			/* Asynchronous Event Configuration */
	unsigned logs_read, hung;
};

extern struct model model;

/* Set the state after a reset, and @pci's BAR 0. */
void model_init(struct pci_dev *pci);
void model_firmware_enabled(void);
void model_power_cycle(void);		/* lose power for a moment, or a function-level reset */
void model_run(void);
bool model_line(void);			/* INTx */
uint8_t *model_data(uint32_t nsid);

/* Complete the outstanding Asynchronous Event Request; false: there is none. */
bool model_event(unsigned type, unsigned info, unsigned page);

/* Post a completion that belongs to no command. */
void model_post_raw(unsigned qid, uint16_t cid, uint16_t sqid, unsigned status);

#endif
