/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An AHCI host bus adapter with its SATA disks as a model, by AHCI 1.3.1, Serial ATA 3.0 (FIS types, native command queuing)
 * and ATA8-ACS.  It has what QEMU's adapter lacks: disks with sectors of 4096 bytes, an adapter that reaches only 4 GiB, disks
 * that are plugged in and pulled out, staggered spin-up, slow disks, and faults on request: commands that fail or never end,
 * an engine that does not stop, lost interrupts.
 *
 * ahci.c has the registers and the engine of a port, ahci_ata.c the disk.
 */
#ifndef AHCI_MODEL_H
#define AHCI_MODEL_H

#include "model.h"

#define AHCI_PORTS	6u
#define AHCI_SLOTS	32u
#define AHCI_SERIAL	20u

/* Bits of PxTFD's status, and of its error. */
#define ATA_BSY		0x80u
#define ATA_DRDY	0x50u		/* ready, and seek complete */
#define ATA_DRQ		0x08u
#define ATA_ERR		0x01u
#define ATA_ABRT	0x04u
#define ATA_IDNF	0x10u
#define ATA_UNC		0x40u

/* What the device asks its port to do after a command. */
enum ahci_end { AHCI_DONE, AHCI_FAILED, AHCI_LATER, AHCI_NO_DMA };

struct ahci_disk {
	uint8_t *data;			/* the caller's; NULL: no such disk */
	uint64_t blocks;
	unsigned sector;
	bool plugged, write_cache, look_ahead;
	bool ncq_error;			/* every command is aborted until log page 10h is read (Serial ATA 3.0, 13.6) */
	uint8_t ncq_tag, ncq_reason;
	uint64_t ncq_lba;
	unsigned mode;			/* by SET FEATURES 03h */
	uint8_t error;			/* of the last command, for PxTFD */
};

struct ahci_port {
	uint64_t clb, fb;
	uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
	uint64_t comreset_us;		/* when SCTL.DET became 1 */
	uint64_t link_us, ready_us;	/* the link is up, the first FIS comes; or MODEL_NEVER */
	bool first_fis;			/* the device's signature waits for PxCMD.FRE */
	bool soft_reset, failed;	/* SRST is set; the engine halts until PxCMD.ST is cleared */
	uint32_t held;			/* commands that never end */
	struct ahci_disk disk;
};

struct ahci_header {
	uint32_t flags, prdbc;
	uint64_t table;
};

struct ahci {
	struct model m;
	uint32_t ghc, is;
	bool irq;
	unsigned resets;
	struct ahci_port port[AHCI_PORTS];
	char serial[AHCI_SERIAL + 1];

	/* Options. */
	bool addr64, ncq, staggered, write_cache, hot_plug, gone, stuck, lenient;
	unsigned slots, ready_ms, hold, fail, lose_irqs;
};

static inline struct ahci *ahci_of(struct model *m) { return (struct ahci *)m; }

void ahci_init(struct ahci *a);

/*
 * Run the command of @fis (a register FIS, 20 bytes) in @slot of port @p.  The command's state ends up in the disk; the FIS
 * of the answer is the port's.  Data goes by the PRD table of @header.
 */
enum ahci_end ahci_ata(struct ahci *a, unsigned port, unsigned slot, struct ahci_header *header, const uint8_t fis[20]);

/* Move @len bytes between @buf and the memory of the PRD table; false: DMA was refused, or the table is too short. */
bool ahci_transfer(struct ahci *a, struct ahci_header *header, void *buf, size_t len, bool to_host);

/* True for READ and WRITE FPDMA QUEUED. */
bool ahci_is_queued(uint8_t command);

/* True for commands whose data comes or goes by PIO, so that a PIO Setup FIS announces each part. */
bool ahci_is_pio(uint8_t command);

#define ahci_broken(a, ...)	model_broken(&(a)->m, __VA_ARGS__)

#endif
