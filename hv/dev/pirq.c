/* SPDX-License-Identifier: BSD-2-Clause */
#include <veneer/log.h>
#include <veneer/vpci.h>
#include "hv/dev/pci_internal.h"
#include "hv/dev/pirq.h"

#define CLASS_ISA_BRIDGE	0x0601
#define INTEL			0x8086

/* PIRQRC[A:D] of PIIX3 (82371SB, 2.2.6) and of ICH's LPC bridge, whose PIRQ[E:H] follow (82801IB, 13.1.18). */
#define PIRQ_A_D		0x60u
#define PIRQ_E_H		0x68u
#define PIRQ_COUNT		4u

static bool is_route(uint16_t off)
{
	return (off >= PIRQ_A_D && off < PIRQ_A_D + PIRQ_COUNT) || (off >= PIRQ_E_H && off < PIRQ_E_H + PIRQ_COUNT);
}

static uint32_t bridge_read(void *ctx, uint16_t off, unsigned width)
{
	const struct pci_dev *d = ctx;

	return pci_cfg_read(d->bdf, off, width);
}

static void bridge_write(void *ctx, uint16_t off, unsigned width, uint32_t value)
{
	const struct pci_dev *d = ctx;

	for (unsigned i = 0; i < width; i++)
		if (is_route((uint16_t)(off + i)))
			return;
	pci_cfg_write(d->bdf, off, width, value);
}

static const struct vpci_ops bridge_ops = { bridge_read, bridge_write };

void pirq_keep(void)
{
	const struct pci_dev *d;

	for (unsigned i = 0; (d = pci_get(i)); i++) {
		if (d->class_code >> 8 != CLASS_ISA_BRIDGE || d->vendor != INTEL)
			continue;
		if (vpci_set(d->bdf, &bridge_ops, (void *)(uintptr_t)d))
			log_err("pci " PCI_FMT ": its interrupt routing cannot be watched", PCI_ARGS(d->bdf));
	}
}
