/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AHCI: the software state.  A disk command's tag is its slot and, with NCQ, its NCQ tag.  The hardware has either NCQ
 * commands or one other command, never both (Serial ATA 3.2 section 13.6).
 *
 * A command that the driver owns is in exactly one of the slot masks of struct ahci_port.  While the port's state changes,
 * completions are only marked (over); ahci_port_deliver() delivers them at the end of the pass, because done() may submit,
 * and may reset the disk.
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
#define AHCI_HANDOFF_US		25000u		/* AHCI 1.3.1 section 10.6.3: the BIOS sets BB within 25 ms, */
#define AHCI_HANDOFF_BUSY_US	2000000u	/* and then has two seconds */
#define AHCI_HBA_RESET_US	1000000u	/* section 10.4.3 */
#define AHCI_ENGINE_US		500000u		/* section 10.1.2: CR and FR clear within 500 ms */
#define AHCI_COMRESET_US	1200u		/* at least 1 ms, section 10.4.2 */
#define AHCI_PRESENT_US		200000u		/* no device detected by then: an empty port */
#define AHCI_LINK_US		1000000u
#define AHCI_READY_US		30000000u	/* a disk may have to spin up */
#define AHCI_IDENTIFY_US	10000000u
#define AHCI_LOG_US		5000000u
#define AHCI_FEATURES_US	30000000u
#define AHCI_DRAIN_US		5000000u	/* for commands in flight at shutdown */
#define AHCI_FLUSH_US		30000000u

enum ahci_state {
	AHCI_RUN,		/* the engine runs; commands are taken */
	AHCI_STOP,		/* ST = 0 written, CR awaited */
	AHCI_COMRESET,
	AHCI_LINK,		/* DET = 3 awaited */
	AHCI_READY,		/* BSY and DRQ awaited to clear */
	AHCI_HBA_RESET,		/* the whole controller is being reset */
	AHCI_DEAD,		/* no disk, or no disk any more */
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
#define AHCI_WANT_LOG		BIT(0)	/* READ LOG EXT page 10h: names the failed command, and ends the device's error state */
#define AHCI_WANT_VERIFY	BIT(1)	/* IDENTIFY: check that the disk is still the same */
#define AHCI_WANT_CACHE		BIT(2)

/* One page of memory for each port; the command tables of the disk's slots lie elsewhere. */
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
	char name[16];			/* as disk.name, but valid before the disk is */
	struct disk disk;
	bool has_disk;			/* disk is initialized */
	struct ahci_port_mem *mem;
	uint8_t *tables;		/* limits.tags of table_size bytes */
	uint32_t table_size;

	/* From IDENTIFY */
	bool lba48, ncq, flush_ext;
	bool fua;			/* the cache could not be switched off: queued writes carry FUA */
	uint16_t identity[256];		/* the words that must not change */

	enum ahci_state state;
	enum ahci_fault fault;		/* why the port left AHCI_RUN */
	uint64_t deadline_us;		/* of the state */
	bool clock_held;

	struct disk_cmd *cmd[AHCI_MAX_SLOTS];
	uint32_t fresh;			/* built, not rung */
	uint32_t issued;		/* in the hardware */
	uint32_t victims;		/* issued when the fault came; the engine may still work on them */
	uint32_t expired;		/* of the victims: their deadline had passed */
	uint32_t suspects;		/* to be issued again, one at a time */
	uint32_t requeue;		/* to be issued again */
	uint32_t over;			/* to be delivered, with status[] */
	uint32_t retried;		/* have had their second try after a transport error */
	bool queued;			/* fresh, issued, victims are NCQ commands */
	int8_t status[AHCI_MAX_SLOTS];

	uint32_t wants;			/* AHCI_WANT_ */
	uint32_t internal;		/* the command of wants that runs, or 0 */
	uint64_t internal_deadline_us;
	bool unjudged;			/* a fault came; the engine has to stop before the victims are judged */
	bool need_reset, need_gone;	/* what follows then */
	bool cache_on, cache_set;	/* what set_cache() asked for; true once it has asked */

	uint32_t events;		/* PxIS bits that were read and cleared, but not handled yet */
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
	bool irq_on, masked;
	struct disk *disks[AHCI_MAX_PORTS];
	struct ahci_port *port[AHCI_MAX_PORTS];	/* NULL: port not implemented, or no disk */
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

/* Begin a reset of the controller; ahci_reset_step() is true once the reset is over, successful or not. */
void ahci_reset_begin(struct ahci *h);
bool ahci_reset_step(struct ahci *h);

/* --- ahci_port.c: engine, link, bring-up --- */
struct ahci_port *ahci_port_new(struct ahci *h, unsigned no);
void ahci_port_free(struct ahci_port *p);

/* Stop the command and FIS engines, with deadlines; false (and a log line) if they do not stop.  Start and shutdown only. */
bool ahci_port_quiesce(struct ahci_port *p);

/* Set addresses, power, spin-up and FIS receive; switch link power management off. */
void ahci_port_power(struct ahci_port *p);
void ahci_port_set_engine(struct ahci_port *p, bool on);

/* Stop the command engine and wait for the stop; false (and a log line) if it does not stop. */
bool ahci_port_stop(struct ahci_port *p);

/* Clear old errors and events. */
void ahci_port_clear(struct ahci_port *p);

/* Write PxSCTL.DET, keeping the speed limit. */
void ahci_port_set_det(struct ahci_port *p, uint32_t det);

/* Bring a powered port to a disk that is ready to use, or return -ERR_NODEV.  Start only. */
int ahci_port_attach(struct ahci_port *p);

/* --- ahci_ident.c --- */

/* Fill in the disk from IDENTIFY data.  0, or -ERR_NOTSUP with a log line. */
int ahci_identify_parse(struct ahci_port *p, const uint16_t *id);
bool ahci_identify_same(const struct ahci_port *p, const uint16_t *id);

/* --- ahci_cmd.c: commands --- */
extern const struct disk_ops ahci_disk_ops, ahci_disk_ops_fixed_cache;

/* Issue a command of the driver's own in slot 0, with 512 bytes into mem->data if @data. */
void ahci_issue_own(struct ahci_port *p, uint8_t command, uint16_t features, uint16_t count, uint64_t lba, bool data);

/* The same, and wait.  0, -ERR_IO or -ERR_TIMEOUT, silently; a failure leaves the engine stopped.  Start and shutdown only. */
int ahci_exec(struct ahci_port *p, uint8_t command, uint16_t features, uint16_t count, uint64_t lba, bool data, uint32_t us);

/* Build the command in its slot (again), but do not issue it. */
void ahci_build(struct ahci_port *p, struct disk_cmd *cmd);
void ahci_ring(struct ahci_port *p);

/* Replace the commands that are still set in PxCI of a stopped engine by harmless ones: no data, no effect. */
void ahci_defuse(struct ahci_port *p, uint32_t slots);

/* Mark the slots over; deliver what is over to disk.c.  Return the number delivered. */
void ahci_port_over(struct ahci_port *p, uint32_t slots, int status);
unsigned ahci_port_deliver(struct ahci_port *p);

/* Mark what the hardware has completed, in AHCI_RUN only. */
void ahci_port_drain(struct ahci_port *p);

/* --- ahci_error.c: recovery --- */

/* The port leaves AHCI_RUN. */
void ahci_port_fault(struct ahci_port *p, enum ahci_fault fault);

/*
 * Advance as far as possible without waiting: recovery, then the driver's own commands, then the commands to be issued again.
 */
void ahci_port_advance(struct ahci_port *p);

/* The controller is about to be reset; the reset is over (successful or not). */
void ahci_port_before_reset(struct ahci_port *p);
void ahci_port_after_reset(struct ahci_port *p, bool ok);

/* The driver's own command is over. */
void ahci_internal_end(struct ahci_port *p, bool ok);

void ahci_port_check_deadlines(struct ahci_port *p, uint64_t now_us);
void ahci_port_gone(struct ahci_port *p);
void ahci_abort_all(struct disk *disk);

#endif
