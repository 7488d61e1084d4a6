/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Doorbells: the devices' interrupts as NMIs to this CPU (docs/boot-flow.md).  MSI where there is one, else MSI-X entry 0, else
 * the IOAPIC pin of the INTx line.
 */
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/irq.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/dev/doorbell.h"
#include "hv/dev/ioapic.h"
#include "hv/dev/lapic.h"

#define MAX_DOORBELLS	32u

/* PCI 3.0, 6.8.1 and 6.8.2 */
#define MSI_CONTROL	2
#define  MSI_ENABLE	BIT(0)
#define  MSI_MULTIPLE	GENMASK(6, 4)
#define  MSI_64		BIT(7)
#define  MSI_MASKABLE	BIT(8)
#define MSI_ADDR	4
#define MSI_ADDR_HIGH	8
#define MSI_DATA_32	8
#define MSI_DATA_64	12
#define MSI_MASK_32	12
#define MSI_MASK_64	16
#define MSIX_CONTROL	2
#define  MSIX_ENABLE	BIT(15)
#define  MSIX_MASK_ALL	BIT(14)
#define MSIX_TABLE	4
#define  MSIX_BIR	GENMASK(2, 0)
#define MSIX_ENTRY_ADDR		0
#define MSIX_ENTRY_ADDR_HIGH	4
#define MSIX_ENTRY_DATA		8
#define MSIX_ENTRY_CONTROL	12

#define MSI_ADDRESS	0xfee00000u
#define MSI_DATA_NMI	0x400u
#define CLASS_NVME	0x010802u

/*
 * An NMI whose work somebody has done already comes within microseconds on silicon, where the message follows the completion
 * over the same link; an emulator may take as long as its threads wait for a processor.  Later ones are the guest's.
 */
#define CREDIT_US	100000u

static struct hw_dev *devices[MAX_DOORBELLS];
static unsigned ndevices;
static uint64_t credit_until;
static bool pins;
static uint64_t cnt_rings, cnt_spurious, cnt_credited;

static uint32_t msi_address(void)
{
	return MSI_ADDRESS | (lapic_id() & 0xff) << 12;
}

/* Both are switched off first: firmware may have left one on, and a function must not have both (6.8.2). */
static void msi_off(const struct pci_dev *p)
{
	if (p->cap_msi)
		pci_write16(p, p->cap_msi + MSI_CONTROL, pci_read16(p, p->cap_msi + MSI_CONTROL) & (uint16_t)~MSI_ENABLE);
	if (p->cap_msix)
		pci_write16(p, p->cap_msix + MSIX_CONTROL, pci_read16(p, p->cap_msix + MSIX_CONTROL) & (uint16_t)~MSIX_ENABLE);
}

static void msi_on(const struct pci_dev *p)
{
	uint16_t cap = p->cap_msi, control = pci_read16(p, cap + MSI_CONTROL);
	bool is64 = control & MSI_64;

	pci_write32(p, cap + MSI_ADDR, msi_address());
	if (is64)
		pci_write32(p, cap + MSI_ADDR_HIGH, 0);
	pci_write16(p, cap + (is64 ? MSI_DATA_64 : MSI_DATA_32), MSI_DATA_NMI);
	if (control & MSI_MASKABLE)
		pci_write32(p, cap + (is64 ? MSI_MASK_64 : MSI_MASK_32), 0);
	pci_write16(p, cap + MSI_CONTROL, (uint16_t)((control & ~MSI_MULTIPLE) | MSI_ENABLE));
}

static int msix_on(const struct pci_dev *p)
{
	uint16_t cap = p->cap_msix, control = pci_read16(p, cap + MSIX_CONTROL);
	uint32_t where = pci_read32(p, cap + MSIX_TABLE);
	unsigned bir = FIELD_GET(MSIX_BIR, where), entries = (control & 0x7ff) + 1u;
	uint32_t off = where & ~MSIX_BIR;
	volatile uint8_t *bar = bir < 6 ? pci_map_bar(p, bir, off + entries * 16ull) : NULL;

	if (!bar)
		return -ERR_NOTSUP;
	/* Decoding must be on for the table to be there; all other entries stay masked. */
	pci_enable(p);
	pci_write16(p, cap + MSIX_CONTROL, control | MSIX_ENABLE | MSIX_MASK_ALL);
	for (unsigned i = 1; i < entries; i++)
		mmio_write32(bar + off + i * 16 + MSIX_ENTRY_CONTROL, 1);
	mmio_write32(bar + off + MSIX_ENTRY_ADDR, msi_address());
	mmio_write32(bar + off + MSIX_ENTRY_ADDR_HIGH, 0);
	mmio_write32(bar + off + MSIX_ENTRY_DATA, MSI_DATA_NMI);
	mmio_write32(bar + off + MSIX_ENTRY_CONTROL, 0);
	(void)mmio_read32(bar + off + MSIX_ENTRY_CONTROL);	/* posted writes are through before the mask falls */
	pci_write16(p, cap + MSIX_CONTROL, (uint16_t)((control & ~MSIX_MASK_ALL) | MSIX_ENABLE));
	return 0;
}

static int pin_on(struct hw_dev *dev)
{
	int gsi;

	if (!dev->pci->int_pin || !dev->ops->intx_test) {
		log_err("%s: has neither MSI nor an interrupt line: it cannot ring", dev->name);
		return -ERR_NOTSUP;
	}
	pci_write16(dev->pci, PCI_COMMAND, pci_read16(dev->pci, PCI_COMMAND) & (uint16_t)~PCI_CMD_INTX_OFF);
	gsi = ioapic_learn_pin(dev);
	if (gsi < 0) {
		log_err("%s: its INTx line reaches no IOAPIC pin: it cannot ring", dev->name);
		return gsi;
	}
	pins = true;
	log_info("%s: rings by IOAPIC input %d", dev->name, gsi);
	return 0;
}

/*
 * NVMe drives are used with MSI-X by everybody, and the MSI of some (WD SN530, SN550) does not work.  All others ring by MSI:
 * with MSI-X a NIC wants its causes mapped to vectors.
 */
static bool prefers_msix(const struct pci_dev *pci)
{
	return pci->cap_msix && (!pci->cap_msi || pci->class_code == CLASS_NVME);
}

int doorbell_prepare(const struct pci_dev *pci)
{
	int err = -ERR_NOTSUP;

	msi_off(pci);
	if (prefers_msix(pci))
		err = msix_on(pci);
	if (!err || !pci->cap_msi)
		return pci->cap_msix ? err : 0;
	msi_on(pci);
	return 0;
}

void doorbell_silence(const struct pci_dev *pci)
{
	msi_off(pci);
}

int doorbell_attach(struct hw_dev *dev)
{
	const struct pci_dev *p = dev->pci;
	int err = 0;

	if (ndevices == MAX_DOORBELLS)
		return -ERR_NOMEM;
	if (!p->cap_msi && !p->cap_msix)
		err = pin_on(dev);
	if (!err)
		devices[ndevices++] = dev;
	return err;
}

void doorbell_credit(void)
{
	credit_until = time_us() + CREDIT_US;
}

bool doorbell_uses_pins(void)
{
	return pins;
}

/*
 * All devices on one pin are drained until nobody has work: while the line stays asserted a pin gives no further edge.
 * Bounded, since a device that always has work would keep the guest from running.
 */
static unsigned poll_all(void)
{
	unsigned sum = 0, now, rounds = pins ? 4 : 1;

	do {
		now = 0;
		for (unsigned i = 0; i < ndevices; i++)
			now += devices[i]->ops->poll(devices[i]);
		sum += now;
	} while (now && --rounds);
	return sum;
}

bool doorbell_ring(void)
{
	cnt_rings++;
	/* While one NMI is handled a second one can be latched, whose work is then done, too. */
	if (poll_all()) {
		doorbell_credit();
		return true;
	}
	if (time_us() < credit_until) {
		credit_until = 0;
		cnt_credited++;
		return true;
	}
	cnt_spurious++;
	return ioapic_forward_shared();
}

void doorbell_init(void)
{
	counter_register("doorbell", "rings", &cnt_rings);
	counter_register("doorbell", "unexplained", &cnt_spurious);
	counter_register("doorbell", "credited", &cnt_credited);
}
