/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration space as the guest sees it.  A function registered here answers by these ops, by 0xCF8 and by ECAM alike; a
 * hidden one reads all ones; all others are the machine's own (with the limits of docs/threat-model.md).
 */
#ifndef VENEER_VPCI_H
#define VENEER_VPCI_H

#include <veneer/types.h>

struct vpci_ops {
	/* @off 0..4095, @width 1, 2 or 4, never crossing a dword. */
	uint32_t (*read)(void *ctx, uint16_t off, unsigned width);
	void (*write)(void *ctx, uint16_t off, unsigned width, uint32_t value);
};

/*
 * Let @ops answer for @bdf from now on.  Whatever is really there is unreachable for the guest.  @ops NULL hides it.  Start
 * only. 0 or -ERR_NOMEM.
 */
int vpci_set(uint16_t bdf, const struct vpci_ops *ops, void *ctx);

struct pci_dev;

/*
 * The guest may read this function's configuration space but not change it: bridges above a concealed device, whose bus
 * numbers, windows and link must stay as they are.  Start only.
 */
void vpci_freeze(const struct pci_dev *dev);

#endif
