/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A register model of a PCI device, written from its datasheet and not from a driver of ours.  It serves twice: unit tests link
 * it and call it as the device; veneer-model serves it to QEMU as a real device of the emulated machine (vfio_user.h), where
 * drivers that others wrote judge it.
 *
 * A model knows neither: what it needs of the world around is struct model_host.  Single-threaded.  Memory of a model is the
 * caller's; a model allocates nothing and closes nothing.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_BARS	6
#define MODEL_FRAME_MAX	16384u	/* longest frame on the wire */
#define MODEL_NEVER	(~0ull)

struct model_host {
	void *ctx;
	/*
	 * @len bytes of the machine's memory at @addr, for the device to read or to write; valid until the model returns.
	 * NULL, and counted as a fault, if not all of it is memory, or bus mastering is off.
	 */
	void *(*dma)(void *ctx, uint64_t addr, size_t len, bool write);
	/* Bus mastering is on.  While not, a device waits with its DMA. */
	bool (*master)(void *ctx);
	/* The device requests an interrupt, or no longer.  By message each rise is one message; as a line it is the level. */
	void (*irq)(void *ctx, bool on);
	/* A frame without FCS to the wire.  False: the wire is busy, run() comes when it is free again. */
	bool (*send)(void *ctx, const void *frame, size_t len);
	/* A driver broke a rule of the datasheet.  Does not return under unit tests. */
	void (*broken)(void *ctx, const char *text);
	uint64_t (*now_us)(void *ctx);
	/* A message by vector @n of MSI-X.  Only for models that have several; irq() rings the first. */
	void (*vector)(void *ctx, unsigned n);
};

struct model_bar {
	uint32_t size;		/* 0: there is none */
	bool io, is64, prefetch;
};

/* What configuration space says; vfio_user.c makes it from this. */
struct model_pci {
	uint16_t vendor, device, subsys_vendor, subsys;
	uint8_t revision;
	uint32_t class_code;
	struct model_bar bar[MODEL_BARS];
	bool msi, pcie;
	uint8_t msix_vectors, msix_bar;		/* 0 vectors: no MSI-X.  Table at 0, pending bits at 800h of that BAR */
};

struct model {
	const struct model_ops *ops;
	struct model_host host;
	struct model_pci pci;
	uint64_t wake_us;	/* run() is wanted at this time; MODEL_NEVER */
};

struct model_ops {
	/* Once, after the options are set. */
	void (*power_on)(struct model *m);
	/* Reset of the bus: as power-on, but for what survives a warm reboot. */
	void (*reset)(struct model *m);
	/* Width 1, 2 or 4; 8 arrives as two of 4.  @off + width is within the BAR. */
	uint32_t (*read)(struct model *m, unsigned bar, uint32_t off, unsigned width);
	void (*write)(struct model *m, unsigned bar, uint32_t off, unsigned width, uint32_t value);
	/* Whether a frame is better held back for now, as a switch does that is told to pause.  NULL: no network card. */
	bool (*paused)(struct model *m);
	/* A frame without FCS from the wire.  NULL: no network card. */
	void (*receive)(struct model *m, const uint8_t *frame, size_t len);
	/* Before power_on(): the next medium, @data, which stays the caller's, in sectors of @sector bytes.  False: no room. */
	bool (*disk)(struct model *m, uint8_t *data, uint64_t size, unsigned sector);
	/* Time has passed, or the wire is free again: go on with what waits. */
	void (*run)(struct model *m);
	/* An option before the start, or a fault or event while the model runs.  False: unknown, or not such a value. */
	bool (*set)(struct model *m, const char *name, const char *value);
};

/* A chip by name: fills in what @m points to.  NULL, or the model in it. */
struct model *model_rtl8168(const char *chip);
struct model *model_igc(const char *chip);
struct model *model_nvme(const char *chip);

#endif
