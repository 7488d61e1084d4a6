/* SPDX-License-Identifier: BSD-2-Clause */
/* AHCI on PCI: the id table with its quirks, and probe. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include "hw/ahci/ahci.h"

#define CLASS_AHCI	0x010601
#define CLASS_ALL	0xffffff

/* Lines with ids are for quirks only; the last line matches every controller of AHCI's class. */
static const struct hw_id ahci_ids[] = {
	{ 0x1002, 0x4380, CLASS_AHCI, CLASS_ALL, "ATI SB600", AHCI_QUIRK_32BIT | AHCI_QUIRK_255 },
	{ 0x1106, 0x3349, CLASS_AHCI, CLASS_ALL, "VIA VT8251", AHCI_QUIRK_NO_NCQ },
	{ 0x1b21, 0x0601, CLASS_AHCI, CLASS_ALL, "ASMedia ASM1060", AHCI_QUIRK_43BIT },
	{ 0x1b21, 0x0602, CLASS_AHCI, CLASS_ALL, "ASMedia ASM1060", AHCI_QUIRK_43BIT },
	{ 0x1b21, 0x0611, CLASS_AHCI, CLASS_ALL, "ASMedia ASM1061", AHCI_QUIRK_43BIT },
	{ 0x1b21, 0x0612, CLASS_AHCI, CLASS_ALL, "ASMedia ASM1062", AHCI_QUIRK_43BIT },
	{ 0x1b21, 0x0621, CLASS_AHCI, CLASS_ALL, "ASMedia ASM1061R", AHCI_QUIRK_43BIT },
	{ 0x1b21, 0x0622, CLASS_AHCI, CLASS_ALL, "ASMedia ASM1062R", AHCI_QUIRK_43BIT },
	{ 0x1b21, 0x0624, CLASS_AHCI, CLASS_ALL, "ASMedia ASM1062 with JMB575", AHCI_QUIRK_43BIT },
	{ 0x8086, 0x2922, CLASS_AHCI, CLASS_ALL, "Intel ICH9", 0, true },
	{ HW_ANY, HW_ANY, CLASS_AHCI, CLASS_ALL, "AHCI 1.x", 0 },
};

/* Intel's "RST" mode hides NVMe drives behind this controller (its registers 0xa4 and 0x800). */
#define RST_VSCAP		0xa4
#define  RST_VSCAP_PRESENT	BIT(0)
#define RST_REMAP_CAP		0x800
#define  RST_REMAP_DEVICES	GENMASK(2, 0)
#define RST_MIN_BAR		(512u << 10)

static void warn_of_remapping(const struct ahci *h)
{
	const struct pci_dev *pci = h->dev.pci;

	if (pci->vendor != 0x8086 || pci->bar[AHCI_BAR].size < RST_MIN_BAR || !(ahci_read(h, RST_VSCAP) & RST_VSCAP_PRESENT))
		return;
	if (ahci_read(h, RST_REMAP_CAP) & RST_REMAP_DEVICES)
		log_warn("%s: hides NVMe drives (Intel RST): set the SATA mode to AHCI in the firmware's setup to use them",
			 h->dev.name);
}

static int ahci_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	struct ahci *h = mem_alloc(sizeof(*h), 16);
	int n = -ERR_NODEV;

	if (!h) {
		log_err("ahci%u: no memory for the controller", unit);
		return -ERR_NOMEM;
	}
	fmt_string(h->dev.name, sizeof(h->dev.name), "ahci%u", unit);
	h->dev.ops = &ahci_dev_ops;
	h->dev.pci = pci;
	h->quirks = id->quirks;
	pci_power_on(pci);
	h->regs = pci_map_bar(pci, AHCI_BAR, AHCI_PORT(1));
	if (!h->regs)
		goto no_regs;
	/* Bus mastering is switched on later, after the ports that firmware left running have stopped. */
	pci_write16(pci, PCI_COMMAND, pci_read16(pci, PCI_COMMAND) | PCI_CMD_MEM);
	n = ahci_init(h);
	if (n >= 0)
		warn_of_remapping(h);	/* even if there is no disk: above all then */
	if (n <= 0)
		goto no_disks;
	for (unsigned i = 0; i < h->dev.ndisk; i++)
		disk_counters(h->dev.disk[i]);
	log_info("%s: %s at " PCI_FMT ", version %x.%x, ports %08x, %d disks", h->dev.name, id->model, PCI_ARGS(pci->bdf),
		 FIELD_GET(AHCI_VS_MAJOR, ahci_read(h, AHCI_VS)), FIELD_GET(AHCI_VS_MINOR, ahci_read(h, AHCI_VS)), h->pi, n);
	*out = &h->dev;
	return 0;

no_disks:
	if (!n)
		log_info("%s: no disk at " PCI_FMT, h->dev.name, PCI_ARGS(pci->bdf));
	ahci_fini(h);
no_regs:
	mem_free(h);
	return n ? n : -ERR_NODEV;
}

/* Count the ports whose link is up.  A disk that firmware left without power is found only when the controller starts. */
static unsigned count_disks(const struct pci_dev *pci)
{
	uint64_t base = pci_read32(pci, PCI_BAR(AHCI_BAR)) & ~15u;
	volatile uint8_t *regs = NULL;
	unsigned n = 0;
	uint32_t pi;

	if (base && (pci_read16(pci, PCI_COMMAND) & PCI_CMD_MEM))
		regs = mem_map_mmio(base, AHCI_PORT(AHCI_MAX_PORTS));
	pi = regs ? mmio_read32(regs + AHCI_PI) : 0;
	if (pi == ~0u)
		return 1;
	for (; pi; pi &= pi - 1) {
		unsigned port = (unsigned)__builtin_ctz(pi);

		n += FIELD_GET(AHCI_PXSSTS_DET, mmio_read32(regs + AHCI_PORT(port) + AHCI_PXSSTS)) == AHCI_DET_UP;
	}
	return MAX(n, 1u);
}

/* A disk has as many tags as a port has slots. */
#define PORT_MEMORY	(MEM_COST(sizeof(struct ahci_port)) + MEM_COST(sizeof(struct ahci_port_mem)) + 1024 + \
			 MEM_COST(AHCI_MAX_SLOTS * (sizeof(struct ahci_table) + DISK_MAX_SEGS * sizeof(struct ahci_prd))) + 128)

const struct hw_driver ahci_driver = {
	.name = "ahci",
	.class = HW_STORAGE,
	.ids = ahci_ids,
	.nids = ARRAY_SIZE(ahci_ids),
	.memory = MEM_COST(sizeof(struct ahci)),
	.disk_memory = PORT_MEMORY + DISK_MEMORY(AHCI_MAX_SLOTS),
	.disk_tags = AHCI_MAX_SLOTS,
	.count_disks = count_disks,
	.probe = ahci_probe,
};
HW_DRIVER(ahci_driver);
