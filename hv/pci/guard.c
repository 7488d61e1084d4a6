/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filters the guest's writes to its own PCI functions: registers that define the machine's memory map or bus numbers do not
 * change, and BARs and windows cannot cover hidden ranges (PCI 3.0, 6.2.5; PCI-to-PCI Bridge 1.2, 3.2.5; PCI Express 4.0, 7.8
 * and 9.3).
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/vpci.h>
#include "hv/pci/pci.h"

#define INTEL		0x8086
#define ATI		0x1002
#define AMD		0x1022
#define HYGON		0x1d94
#define HEADER_DWORDS	16u
#define HEADER_END	0x40u
#define CONFIG_END	0x0fffu
#define MAX_LINES	32u
#define MAX_DECODED	8u

#define EA_SIZE		24u		/* header, bus numbers of a bridge, one entry: held in any case */
#define EA_ENTRIES	2u
#define  EA_COUNT	GENMASK(5, 0)
#define  EA_MORE_DWORDS	GENMASK(2, 0)	/* of an entry, behind its first */
#define FPB_SIZE	0x24u
#define HT_LINK_SIZE	0x1cu		/* of a slave's or host's link registers */
#define HT_NO_LINK	GENMASK(15, 14)	/* in the command register: another type */

#define EXT_CAP_SRIOV		0x10
#define  SRIOV_CONTROL		0x08
#define  SRIOV_VF_ENABLE	BIT(0)
#define EXT_CAP_MULTICAST	0x12
#define EXT_CAP_REBAR		0x15
#define EXT_CAP_VF_REBAR	0x24

struct range { uint64_t base, size; bool io; };

struct hidden {
	struct hidden *next;
	struct range range;
};

static struct hidden *hidden;
static unsigned lines;		/* said so far; the guest can have as many as it likes */

/* --- registers that are held --- */

#define ANY	0u
#define SLOT_31	BIT(0)		/* bus 0, device 31: Intel's southbridge */
#define NO_BAR	BIT(1)

/* The bytes @first to @last are held: reads give the hardware's values, writes are lost. */
static const struct held {
	uint16_t vendor, device, class;
	uint8_t flags;
	uint16_t first, last;
} held[] = {
	/* Host bridges and the fabric: PCIEXBAR, MCHBAR, DMIBAR, TOLUD, PAM, SMRAM; AMD's SMN index and data. */
	{ ANY, ANY, 0x0600, 0, 0, CONFIG_END },
	/* Memory controllers that are not called host bridges (nForce). */
	{ ANY, ANY, 0x0500, 0, HEADER_END, CONFIG_END },
	/* Xeon's uncore: address decoders, MMCFG, VT-d's bases.  What has a BAR is a device. */
	{ INTEL, ANY, 0x0880, NO_BAR, 0, CONFIG_END },
	/* LPC and ISA bridges: PMBASE, GPIOBASE, decode ranges, RCBA.  Open between them: PIRQ routing, 60h-63h and 68h-6Bh. */
	{ INTEL, ANY, 0x0601, 0, HEADER_END, 0x5f },
	{ INTEL, ANY, 0x0601, 0, 0x64, 0x67 },
	{ INTEL, ANY, 0x0601, 0, 0x6c, CONFIG_END },
	/* PIIX4's power management: PMBA, SMBBA and their enables. */
	{ INTEL, 0x7113, ANY, 0, HEADER_END, CONFIG_END },
	/* From the 100 series on: P2SB (SBREG_BAR, where the HPET and I/O APIC decode) and PMC (ABASE, PWRMBASE). */
	{ INTEL, ANY, 0x0580, SLOT_31, 0, CONFIG_END },
	{ INTEL, ANY, 0x0680, SLOT_31, 0, CONFIG_END },
	/* AMD's FCH: the SMBus function has the bases of the whole southbridge in its own registers. */
	{ AMD, ANY, 0x0c05, 0, HEADER_END, CONFIG_END },
	{ ATI, ANY, 0x0c05, 0, HEADER_END, CONFIG_END },
	{ HYGON, ANY, 0x0c05, 0, HEADER_END, CONFIG_END },
	/* From the 300 series on: TCOBASE, in Intel's SMBus function. */
	{ INTEL, ANY, 0x0c05, 0, 0x50, 0x57 },
	/* MSAC of Intel's graphics: the size of its aperture, BAR 2. */
	{ INTEL, ANY, 0x0300, 0, 0x62, 0x62 },
	/* CardBus bridges: the ports of 16-bit cards. */
	{ ANY, ANY, 0x0607, 0, 0x44, 0x47 },
};

static bool has_bar(const struct pci_dev *d)
{
	for (unsigned n = 0; n < 6; n++)
		if (d->bar[n].size)
			return true;
	return false;
}

static bool fits(const struct held *h, const struct pci_dev *d)
{
	if ((h->vendor && h->vendor != d->vendor) || (h->device && h->device != d->device) ||
	    (h->class && h->class != d->class_code >> 8))
		return false;
	if ((h->flags & SLOT_31) && (PCI_BUS(d->bdf) || PCI_SLOT(d->bdf) != 31))
		return false;
	return !(h->flags & NO_BAR) || !has_bar(d);
}

static bool byte_is_held(const struct pci_dev *d, uint16_t off)
{
	if (pci_is_bridge(d) && off >= PCI_PRIMARY && off <= PCI_SUBORDINATE)
		return true;
	/* An ISA bridge of another vendor may have base registers anywhere: drop all writes behind the header. */
	if (d->class_code >> 8 == 0x0601 && d->vendor != INTEL && off >= HEADER_END)
		return true;
	for (unsigned i = 0; i < ARRAY_SIZE(held); i++)
		if (off >= held[i].first && off <= held[i].last && fits(&held[i], d))
			return true;
	return false;
}

static void log_dropped(const struct pci_dev *d, uint16_t off, uint32_t v, const char *why)
{
	if (lines < MAX_LINES && ++lines)
		log_warn("pci " PCI_FMT ": the guest's %#x to register %#x: %s: dropped", PCI_ARGS(d->bdf), v, off, why);
}

static uint16_t ea_end(const struct pci_dev *d, uint16_t at)
{
	unsigned end = at + 4u + (d->header_type == PCI_HEADER_BRIDGE ? 4 : 0);

	for (unsigned n = pci_read16(d, at + EA_ENTRIES) & EA_COUNT; n && end < 0x100; n--)
		end += 4 * (1 + FIELD_GET(EA_MORE_DWORDS, pci_read32(d, (uint16_t)end)));
	return (uint16_t)MAX(end, at + EA_SIZE);
}

/*
 * Enhanced Allocation (PCI Express 4.0, 7.8.5); Flattening Portal Bridge, whose vectors are windows and bus numbers (7.8.10);
 * the unit id of a HyperTransport device, which is its device number (HyperTransport 3.10, 7.5).
 */
static bool low_cap_is_held(const struct pci_dev *d, uint16_t off)
{
	uint16_t at;

	switch (pci_cap_at(d, off, &at)) {
	case PCI_CAP_EA:
		return off < ea_end(d, at);
	case PCI_CAP_FPB:
		return off < at + FPB_SIZE;
	case PCI_CAP_HT:
		return off < at + HT_LINK_SIZE && !(pci_read16(d, at + 2) & HT_NO_LINK);
	default:
		return false;
	}
}

/* Capabilities that give a function other addresses: the ones above, virtual functions, sizes of BARs, multicast windows. */
static bool cap_is_held(const struct pci_dev *d, uint16_t off, uint32_t v)
{
	uint16_t at, id;

	if (off < HEADER_END)
		return false;
	if (off < 0x100)
		return low_cap_is_held(d, off);
	id = pci_ext_cap_at(d, off, &at);
	if (id == EXT_CAP_SRIOV && ALIGN_DOWN(off - at, 4) == SRIOV_CONTROL) {
		if (off == at + SRIOV_CONTROL && (v & SRIOV_VF_ENABLE))
			log_dropped(d, off, v, "its virtual functions stay closed");
		return true;
	}
	return id == EXT_CAP_REBAR || id == EXT_CAP_VF_REBAR || id == EXT_CAP_MULTICAST;
}

/* --- what a function decodes --- */

static unsigned add_range(struct range *out, unsigned n, uint64_t base, uint64_t end, bool io)
{
	if (end <= base || n == MAX_DECODED)
		return n;
	out[n] = (struct range){ base, end - base, io };
	return n + 1;
}

static unsigned add_bars(const struct pci_dev *d, const uint32_t *cfg, struct range *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 6; i++) {
		const struct pci_bar *b = &d->bar[i];
		uint64_t base = cfg[PCI_BAR(i) / 4] & (b->io ? ~3u : ~15u);

		if (!b->size)
			continue;
		if (b->is64)
			base |= (uint64_t)cfg[PCI_BAR(i + 1) / 4] << 32;
		base &= ~(b->size - 1);
		n = add_range(out, n, base, base + b->size, b->io);
	}
	return n;
}

static unsigned add_rom(const struct pci_dev *d, uint32_t reg, struct range *out, unsigned n)
{
	uint64_t base = reg & ~(d->rom_size - 1) & ~0x7ffu;

	return (reg & 1) && d->rom_size ? add_range(out, n, base, base + d->rom_size, false) : n;
}

/* Registers of 16 bits, base below limit, in units of 1 MiB; and for I/O two bytes, in units of 4 KiB. */
static unsigned add_bridge(const uint32_t *cfg, struct range *out, unsigned n)
{
	uint32_t io = cfg[7], io_high = cfg[12], mem = cfg[8], pref = cfg[9];
	uint64_t high = (uint64_t)cfg[10] << 32, high_limit = (uint64_t)cfg[11] << 32;

	if ((io & 15) != 1)
		io_high = 0;
	if ((pref & 15) != 1)
		high = high_limit = 0;
	n = add_range(out, n, (io & 0xf0) << 8 | io_high << 16, ((io & 0xf000) | (io_high & 0xffff0000)) + 0x1000ull, true);
	n = add_range(out, n, (uint64_t)(mem & 0xfff0) << 16, (uint64_t)(mem & 0xfff00000) + 0x100000, false);
	return add_range(out, n, (uint64_t)(pref & 0xfff0) << 16 | high, ((pref & 0xfff00000) | high_limit) + 0x100000, false);
}

/* Two windows of memory and two of ports (PC Card 8.0, 4.5). */
static unsigned add_cardbus(const uint32_t *cfg, struct range *out, unsigned n)
{
	n = add_range(out, n, cfg[7] & ~0xfffu, (uint64_t)(cfg[8] & ~0xfffu) + 0x1000, false);
	n = add_range(out, n, cfg[9] & ~0xfffu, (uint64_t)(cfg[10] & ~0xfffu) + 0x1000, false);
	n = add_range(out, n, cfg[11] & 0xfffc, (uint64_t)(cfg[12] & 0xfffc) + 4, true);
	return add_range(out, n, cfg[13] & 0xfffc, (uint64_t)(cfg[14] & 0xfffc) + 4, true);
}

/* All ranges that the function with header @cfg decodes or forwards, or would with decoding enabled. */
static unsigned decoded(const struct pci_dev *d, const uint32_t *cfg, struct range *out)
{
	unsigned n = add_bars(d, cfg, out);

	if (d->header_type == PCI_HEADER_CARDBUS)
		return add_cardbus(cfg, out, n);
	if (d->header_type == PCI_HEADER_BRIDGE)
		return add_bridge(cfg, out, add_rom(d, cfg[PCI_BRIDGE_ROM / 4], out, n));
	return add_rom(d, cfg[PCI_ROM / 4], out, n);
}

static bool meets(const struct range *a, const struct range *b)
{
	return a->io == b->io && a->base < b->base + b->size && b->base < a->base + a->size;
}

static bool reaches(const struct pci_dev *d, const uint32_t *cfg, const struct range *r)
{
	struct range out[MAX_DECODED];
	unsigned n = decoded(d, cfg, out);

	if (!(cfg[1] & (r->io ? PCI_CMD_IO : PCI_CMD_MEM)))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (meets(&out[i], r))
			return true;
	return false;
}

/* True if this write would make the function cover a hidden range that it does not cover yet. */
static bool would_cover(const struct pci_dev *d, uint16_t off, unsigned width, uint32_t value)
{
	uint32_t cfg[HEADER_DWORDS], after[HEADER_DWORDS];
	unsigned shift = 8 * (off & 3u);
	uint32_t mask = (width == 4 ? ~0u : (1u << (8 * width)) - 1) << shift;

	for (unsigned i = 0; i < HEADER_DWORDS; i++)
		after[i] = cfg[i] = pci_read32(d, (uint16_t)(4 * i));
	after[off / 4] = (cfg[off / 4] & ~mask) | (value << shift & mask);
	for (const struct hidden *h = hidden; h; h = h->next)
		if (reaches(d, after, &h->range) && !reaches(d, cfg, &h->range))
			return true;
	return false;
}

void guard_init(void)
{
	hidden = NULL;
	lines = 0;
}

int vpci_protect(uint64_t base, uint64_t size, bool io)
{
	struct hidden *h = mem_alloc(sizeof(*h), 8);

	if (!h)
		return -ERR_NOMEM;
	h->range = (struct range){ base, size, io };
	h->next = hidden;
	hidden = h;
	return 0;
}

/* --- the write --- */

static void guarded_write(const struct pci_dev *d, uint16_t off, unsigned width, uint32_t value)
{
	/* Registers that select decoded ranges: command, BARs, windows, ROM; not cache line size, latency, interrupt line. */
	bool decodes = off < HEADER_END && (ALIGN_DOWN(off, 4) == PCI_COMMAND || (off >= PCI_BAR(0) && off < PCI_INT_LINE));

	if (decodes && would_cover(d, off, width, value)) {
		log_dropped(d, off, value, "it would answer where a hidden device is");
		/* Keep the decoding bits; the guest writes the rest of the command register. */
		if (off != PCI_COMMAND)
			return;
		value = (value & ~3u) | (pci_read8(d, PCI_COMMAND) & value & 3u);
	}
	if (!cap_is_held(d, off, value))
		pci_cfg_write(d->bdf, off, width, value);
}

void guard_write(const struct pci_dev *dev, uint16_t off, unsigned width, uint32_t value)
{
	unsigned open = 0;

	if (!vpci_is_itself(dev))
		return;
	for (unsigned i = 0; i < width; i++)
		open += !byte_is_held(dev, (uint16_t)(off + i));
	if (open == width) {
		guarded_write(dev, off, width, value);
		return;
	}
	for (unsigned i = 0; open && i < width; i++)
		if (!byte_is_held(dev, (uint16_t)(off + i)))
			guarded_write(dev, (uint16_t)(off + i), 1, value >> (8 * i) & 0xff);
}
