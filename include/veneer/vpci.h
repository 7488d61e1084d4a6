/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration space as the guest sees it, closed by default.  A function registered here answers by these ops, by 0xCF8 and
 * by ECAM alike.  A function that was found at the start and left to the guest is the machine's own (with the limits of
 * docs/threat-model.md).  Everything else reads as ones.
 */
#ifndef VENEER_VPCI_H
#define VENEER_VPCI_H

#include <veneer/types.h>

struct vpci_ops {
	/* @off 0..4095, @width 1, 2 or 4, never crossing a dword. */
	uint32_t (*read)(void *ctx, uint16_t off, unsigned width);
	void (*write)(void *ctx, uint16_t off, unsigned width, uint32_t value);
	bool left;	/* the real function is the guest's; it is closed if another function takes its place */
};

/*
 * Let @ops answer for @bdf from now on.  Whatever is really there is unreachable for the guest.  @ops NULL hides it.  Start
 * only.  0 or -ERR_NOMEM: the guest must not start then.
 */
int vpci_set(uint16_t bdf, const struct vpci_ops *ops, void *ctx);

/* Whether some ops answer for @bdf. */
bool vpci_answered(uint16_t bdf);

struct pci_dev;

/*
 * A bridge above a concealed device, whose bus numbers, windows and link must stay as they are: the guest reads what it wrote,
 * and nothing reaches the hardware; its bus numbers read as the hardware's.  Start only.  0 or -ERR_NOMEM, as above.
 */
int vpci_freeze(const struct pci_dev *dev);

/*
 * No BAR and no window of a function that is the guest's gets over [base, base + size) by the guest's will: memory or ports of
 * something hidden.  Start only.  0 or -ERR_NOMEM, as above.
 */
int vpci_protect(uint64_t base, uint64_t size, bool io);

#endif
