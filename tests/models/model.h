/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Register models of PCI devices, written from their datasheets and not from our drivers.  A model has two uses: unit
 * tests link it and call it as the device; veneer-model serves it to QEMU as a device of the emulated machine
 * (vfio_user.h), where other authors' drivers test it.
 *
 * A model does not know its user: struct model_host has the functions that it needs.  Models are single-threaded.  The caller
 * owns a model's memory; a model allocates nothing and closes nothing.
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
	/* True if bus mastering is on.  While it is off, a device delays its DMA. */
	bool (*master)(void *ctx);
	/* Request or withdraw an interrupt.  With messages each rise sends one; with a line @on is its level. */
	void (*irq)(void *ctx, bool on);
	/* Send a frame without FCS.  False: the wire is busy; run() is called when it is free again. */
	bool (*send)(void *ctx, const void *frame, size_t len);
	/* A driver broke a rule of the datasheet.  Does not return under unit tests. */
	void (*broken)(void *ctx, const char *text);
	uint64_t (*now_us)(void *ctx);
	/* Send the message of MSI-X vector @n.  Only for models with several vectors; irq() sends the first. */
	void (*vector)(void *ctx, unsigned n);
};

struct model_bar {
	uint32_t size;		/* 0: there is none */
	bool io, is64, prefetch;
};

/* The data from which vfio_user.c makes configuration space. */
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
	uint64_t wake_us;	/* call run() at this time; or MODEL_NEVER */
};

struct model_ops {
	/* Called once, after the options are set. */
	void (*power_on)(struct model *m);
	/* Bus reset: like power-on, except for the state that survives a warm reboot. */
	void (*reset)(struct model *m);
	/* @width is 1, 2 or 4; an access of 8 bytes comes as two of 4.  @off + @width is within the BAR. */
	uint32_t (*read)(struct model *m, unsigned bar, uint32_t off, unsigned width);
	void (*write)(struct model *m, unsigned bar, uint32_t off, unsigned width, uint32_t value);
	/* Return true to hold frames back, as a switch does on a pause frame.  NULL: no network card. */
	bool (*paused)(struct model *m);
	/* Take a frame without FCS from the wire.  NULL: no network card. */
	void (*receive)(struct model *m, const uint8_t *frame, size_t len);
	/* Before power_on(): take the next medium: @data, the caller's, in sectors of @sector bytes.  False: no room. */
	bool (*disk)(struct model *m, uint8_t *data, uint64_t size, unsigned sector);
	/* Time has passed, or the wire is free again: go on with delayed work. */
	void (*run)(struct model *m);
	/* Set an option before the start, or a fault or event while the model runs.  False: unknown name, or bad value. */
	bool (*set)(struct model *m, const char *name, const char *value);
};

/* --- for models (model.c) --- */

/* A driver broke a rule of the datasheet: host.broken() with a text of at most 159 characters. */
void model_broken(struct model *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An option of a chip: a bool (0, or another number up to @most) or an unsigned (up to @most) of the chip's struct. */
struct model_option {
	const char *name;
	size_t at;
	unsigned most;
	bool is_switch;
};
#define MODEL_SWITCH(chip, name, field, most)	{ name, offsetof(struct chip, field), most, true }
#define MODEL_NUMBER(chip, name, field, most)	{ name, offsetof(struct chip, field), most, false }

/* Set the option @name of @chip.  False: the table lacks the name, or @value is too large. */
bool model_set(void *chip, const struct model_option *table, size_t count, const char *name, unsigned value);

/* Write one half of a 64-bit register. */
void model_set_half(uint64_t *reg, bool high, uint32_t v);

/* True, with one fewer to come, if a fault is planned for this command. */
bool model_planned(unsigned *faults);

/* Read an option's value.  False: @value is no such thing. */
bool model_number(const char *value, unsigned *to);
bool model_mac(const char *value, uint8_t to[6]);

/* Return the model of a chip, by name; NULL if there is no such chip. */
struct model *model_rtl8168(const char *chip);
struct model *model_igc(const char *chip);
struct model *model_nvme(const char *chip);
struct model *model_ahci(const char *chip);

#endif
