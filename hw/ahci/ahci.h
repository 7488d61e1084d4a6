/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AHCI: the software state.  A disk command's tag is its slot and, with NCQ, its NCQ tag.  Either NCQ commands are in the
 * hardware or one other command, never both (Serial ATA 3.2 section 13.6).
 *
 * A command that the driver owns stands in exactly one of the slot masks of struct ahci_port.  Completions are only
 * marked (over) while the port's state changes and delivered at the end of the pass (ahci_port_deliver), because done()
 * may submit, and may reset the disk.
 */
#ifndef HW_AHCI_H
#define HW_AHCI_H

#include <veneer/disk.h>
#include <veneer/hwdev.h>
#include <veneer/io.h>
#include "hw/ahci/ahci_regs.h"

/* Quirks of the id table */
#define AHCI_QUIRK_NO_NCQ	BIT(0)
#define AHCI_QUIRK_32BIT	BIT(1)	/* claims 64-bit addressing that does not work */
#define AHCI_QUIRK_43BIT	BIT(2)
#define AHCI_QUIRK_255		BIT(3)	/* commands of 256 blocks and more fail */

/* Deadlines, microseconds */
#define AHCI_HANDOFF_US		25000u		/* AHCI 1.3.1 section 10.6.3: the BIOS says BB within 25 ms, */
#define AHCI_HANDOFF_BUSY_US	2000000u	/* and has then two seconds */
#define AHCI_HBA_RESET_US	1000000u	/* section 10.4.3 */
#define AHCI_ENGINE_US		500000u		/* section 10.1.2: CR and FR clear within 500 ms */
#define AHCI_COMRESET_US	1200u		/* at least 1 ms, section 10.4.2 */
#define AHCI_PRESENT_US		200000u		/* nothing seen on the wire by then: an empty port */
#define AHCI_LINK_US		1000000u
#define AHCI_READY_US		30000000u	/* a disk may have to spin up */
#define AHCI_IDENTIFY_US	10000000u
#define AHCI_LOG_US		5000000u
#define AHCI_FEATURES_US	30000000u
#define AHCI_DRAIN_US		5000000u	/* for what is in flight at shutdown */
#define AHCI_FLUSH_US		30000000u

enum ahci_state {
	AHCI_RUN,		/* the engine runs; commands are taken */
	AHCI_STOP,		/* ST = 0 written, CR awaited */
	AHCI_COMRESET,
	AHCI_LINK,		/* DET = 3 awaited */
	AHCI_READY,		/* BSY and DRQ awaited to clear */
	AHCI_HBA_RESET,		/* the whole controller is being reset */
	AHCI_DEAD,		/* not there (any more) */
};

enum ahci_fault {
	AHCI_FAULT_TASK,	/* the device failed a command */
	AHCI_FAULT_LINE,	/* transport or host bus */
	AHCI_FAULT_LINK,	/* the link changed */
	AHCI_FAULT_TIME,	/* a deadline passed */
	AHCI_FAULT_ABORT,	/* the client dropped its commands */
	AHCI_FAULT_GONE,	/* another disk answers, or none */
};

/* The driver's own commands at run time, lowest first; each runs alone. */
#define AHCI_WANT_LOG		BIT(0)	/* READ LOG EXT page 10h: names the culprit, and ends the device's error state */
#define AHCI_WANT_VERIFY	BIT(1)	/* IDENTIFY: is it still the same disk? */
#define AHCI_WANT_CACHE		BIT(2)

/* One page of memory for each port; the command tables of the disk's slots are apart. */
struct ahci_port_mem {
	struct ahci_header header[AHCI_MAX_SLOTS];	/* 1 KiB aligned */
	struct ahci_rfis rfis;				/* 256 */
	uint8_t table[128 + sizeof(struct ahci_prd)] ALIGNED(128);	/* for the driver's own commands */
	uint16_t data[256] ALIGNED(512);		/* of these commands */
	uint64_t trim[ATA_TRIM_RANGES];
};

struct ahci;

struct ahci_port {
	struct ahci *hba;
	unsigned no;
	volatile uint8_t *regs;
	char name[16];			/* as disk.name, from before there is a disk */
	struct disk disk;
	bool has_disk;			/* disk is initialized */
	struct ahci_port_mem *mem;
	uint8_t *tables;		/* limits.tags of table_size bytes */
	uint32_t table_size;

	/* From IDENTIFY */
	bool lba48, ncq, flush_ext;
	bool fua;			/* the cache could not be turned off: queued writes carry FUA */
	uint16_t identity[256];		/* what must not change */

	enum ahci_state state;
	enum ahci_fault fault;		/* why it left AHCI_RUN */
	uint64_t deadline_us;		/* of the state */
	bool clock_held;

	struct disk_cmd *cmd[AHCI_MAX_SLOTS];
	uint32_t fresh;			/* built, not rung */
	uint32_t issued;		/* in the hardware */
	uint32_t victims;		/* were issued when the fault came; the engine may still work on them */
	uint32_t expired;		/* of the victims: their deadline had passed */
	uint32_t suspects;		/* to be issued again, one at a time */
	uint32_t requeue;		/* to be issued again */
	uint32_t over;			/* to be delivered, with status[] */
	uint32_t retried;		/* had its one more try after a transport error */
	bool queued;			/* fresh, issued, victims are NCQ commands */
	int8_t status[AHCI_MAX_SLOTS];

	uint32_t wants;			/* AHCI_WANT_ */
	uint32_t internal;		/* the one of them that runs, or 0 */
	uint64_t internal_deadline_us;
	bool unjudged;			/* a fault whose victims' fate is open until the engine has stopped */
	bool need_reset, need_gone;	/* what follows then */
	bool cache_on, cache_set;	/* what set_cache() asked for; whether it ever did */

	uint32_t events;		/* PxIS, taken and not yet looked at */
};

struct ahci {
	struct hw_dev dev;
	volatile uint8_t *regs;
	uint32_t quirks;
	uint32_t cap, pi;		/* as firmware left them */
	unsigned nslots;
	uint64_t dma_mask;
	bool resetting;
	uint64_t reset_deadline_us;
	bool irq_started;		/* PxIE is set; before, PxIS keeps what IDENTIFY left, for intx_test */
	bool irq_on;
	struct disk *disks[AHCI_MAX_PORTS];
	struct ahci_port *port[AHCI_MAX_PORTS];	/* NULL where nothing is implemented, or no disk is */
};

static inline uint32_t ahci_read(const struct ahci *h, uint32_t reg)
{
	return mmio_read32(h->regs + reg);
}

static inline void ahci_write(struct ahci *h, uint32_t reg, uint32_t v)
{
	mmio_write32(h->regs + reg, v);
}

static inline uint32_t port_read(const struct ahci_port *p, uint32_t reg)
{
	return mmio_read32(p->regs + reg);
}

static inline void port_write(struct ahci_port *p, uint32_t reg, uint32_t v)
{
	mmio_write32(p->regs + reg, v);
}

static inline uint32_t port_det(const struct ahci_port *p)
{
	return FIELD_GET(AHCI_PXSSTS_DET, port_read(p, AHCI_PXSSTS));
}

/* --- ahci_pci.c --- */
extern const struct hw_driver ahci_driver;

/* --- ahci.c: the controller --- */

/* Take over, reset, find the disks.  The number of disks, or negative; either way ahci_fini() undoes it.  Start only. */
int ahci_init(struct ahci *h);
void ahci_fini(struct ahci *h);
extern const struct hw_dev_ops ahci_dev_ops;

/* Begin a reset of the controller; ahci_reset_step() is true once it is over, well or badly. */
void ahci_reset_begin(struct ahci *h);
bool ahci_reset_step(struct ahci *h);

/* --- ahci_port.c: engine, link, bring-up --- */
struct ahci_port *ahci_port_new(struct ahci *h, unsigned no);
void ahci_port_free(struct ahci_port *p);

/* Stop command and FIS engines with deadlines; false (and a log line) when they would not.  Start and shutdown only. */
bool ahci_port_quiesce(struct ahci_port *p);

/* Addresses, power, spin-up, FIS receive; link power management off. */
void ahci_port_power(struct ahci_port *p);
void ahci_port_set_engine(struct ahci_port *p, bool on);

/* Stop the command engine and wait for it; false (and a log line) when it would not. */
bool ahci_port_stop(struct ahci_port *p);

/* Forget old errors and events. */
void ahci_port_clear(struct ahci_port *p);

/* Write PxSCTL.DET, keeping the speed limit. */
void ahci_port_set_det(struct ahci_port *p, uint32_t det);

/* A powered port to a disk that is ready to use, or -ERR_NODEV.  Start only. */
int ahci_port_attach(struct ahci_port *p);

/* --- ahci_ident.c --- */

/* Fill in the disk from IDENTIFY data.  0, or -ERR_NOTSUP with a log line. */
int ahci_identify_parse(struct ahci_port *p, const uint16_t *id);
bool ahci_identify_same(const struct ahci_port *p, const uint16_t *id);

/* --- ahci_cmd.c: commands --- */
extern const struct disk_ops ahci_disk_ops, ahci_disk_ops_fixed_cache;

/* A command of the driver's own, with 512 bytes into mem->data when @data.  Put into slot 0 and rung. */
void ahci_issue_own(struct ahci_port *p, uint8_t command, uint16_t features, uint16_t count, uint64_t lba, bool data);

/* The same, waiting.  0, -ERR_IO or -ERR_TIMEOUT, silently; the engine is left stopped on failure.  Start and shutdown only. */
int ahci_exec(struct ahci_port *p, uint8_t command, uint16_t features, uint16_t count, uint64_t lba, bool data, uint32_t us);

/* Build the command in its slot (again); not rung. */
void ahci_build(struct ahci_port *p, struct disk_cmd *cmd);
void ahci_ring(struct ahci_port *p);

/* Make the commands that still stand in PxCI of a stopped engine harmless: no data, no effect. */
void ahci_defuse(struct ahci_port *p, uint32_t slots);

/* Mark the slots over, and hand what is over to disk.c; the number handed over. */
void ahci_port_over(struct ahci_port *p, uint32_t slots, int status);
unsigned ahci_port_deliver(struct ahci_port *p);

/* Look at what the hardware completed, in AHCI_RUN only. */
void ahci_port_drain(struct ahci_port *p);

/* --- ahci_error.c: recovery --- */

/* The port leaves AHCI_RUN. */
void ahci_port_fault(struct ahci_port *p, enum ahci_fault fault);

/* Go on as far as it goes without waiting: recovery, then the driver's own commands, then those to be issued again. */
void ahci_port_advance(struct ahci_port *p);

/* The controller is about to be reset, and was (or not). */
void ahci_port_before_reset(struct ahci_port *p);
void ahci_port_after_reset(struct ahci_port *p, bool ok);

/* The driver's own command is over. */
void ahci_internal_end(struct ahci_port *p, bool ok);

void ahci_port_check_deadlines(struct ahci_port *p, uint64_t now_us);
void ahci_port_gone(struct ahci_port *p);
void ahci_abort_all(struct disk *disk);

#endif
