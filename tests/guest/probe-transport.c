/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device on PCI: identity and layout that drivers assume, registers in every width, BARs that move, decoding that is
 * switched, a kernel that starts while the previous kernel's rings are set.  Options:
 *
 *   bars=ADDR+SIZE,...	memory BARs of the real devices, hidden: a twin's BAR is put over them and away again
 *   modern_only=1	the devices have no legacy interface
 *   slots=BDF,...	devices are at these places, and nothing at gone=BDF,...
 */
#include "vio.h"

#define ONES		0xffffffffu
#define FREE_MEMORY	0xe0000000u	/* unused on the tests' machines */
#define FREE_PORTS	0xe100u
#define RAM		0x00800000u
#define CAP_PM		0x01
#define CAP_EXPRESS	0x10
#define CAP_ADVANCED	0x13
#define L_DEVICE_CONFIG	20

const char probe_name[] = "probe-transport";

static bool modern_only;

/* A check of @v, after a reset, with v->transport set. */
struct try {
	const char *name;
	bool (*fn)(struct vio *v);
};

static bool works(struct vio *v)
{
	return vio_start(v, v->transport, 0) && vio_request(v) == 0;
}

static uint32_t bar(struct vio *v, unsigned int n)
{
	return pci_read32(v->bdf, PCI_BAR0 + 4 * n);
}

static void bar_set(struct vio *v, unsigned int n, uint32_t addr)
{
	pci_write32(v->bdf, PCI_BAR0 + 4 * n, addr);
	vio_look(v);
}

/*
 * True if the common structure is at @base.  Empty addresses read as ones on a bus, as zeros in an emulator; a device's
 * registers read as neither.
 */
static bool common_at(struct vio *v, uint32_t base)
{
	return read16((void *)((base & ~15u) + M_NUM_QUEUES)) == (v->type == VIO_NET ? 3 : 1);
}

#define MARK	0x4711u

static bool table_at(uint32_t base)
{
	return read32((void *)((base & ~15u) + 8)) == MARK;
}

static void mark_table(struct vio *v)
{
	write32((void *)((bar(v, 1) & ~15u) + 8), MARK);
}

static void decode(struct vio *v, uint16_t bits)
{
	uint16_t command = pci_read16(v->bdf, PCI_COMMAND) & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY);

	pci_write16(v->bdf, PCI_COMMAND, command | bits);
}

/* --- what it looks like --- */

static bool identity(struct vio *v)
{
	uint16_t id = v->type == VIO_NET ? 0 : 1;

	if (pci_read16(v->bdf, PCI_VENDOR) != 0x1af4)
		return false;
	if (pci_read32(v->bdf, PCI_CLASS) >> 8 != (v->type == VIO_NET ? 0x020000u : 0x010000u))
		return false;
	if (modern_only)
		return pci_read16(v->bdf, PCI_DEVICE) == 0x1041 + id && pci_read8(v->bdf, PCI_CLASS) >= 1 && !bar(v, 0) &&
		       pci_read16(v->bdf, PCI_SUBSYSTEM_ID) >= 0x40;
	return pci_read16(v->bdf, PCI_DEVICE) == 0x1000 + id && pci_read8(v->bdf, PCI_CLASS) == 0 &&
	       pci_read16(v->bdf, PCI_SUBSYSTEM_ID) == 1 + id;
}

static bool layout(struct vio *v)
{
	uint32_t base = bar(v, 4);
	bool good = modern_only || ((bar(v, 0) & 3) == 1 && bar(v, 0) < 0x10000);

	good = good && !(bar(v, 1) & 15) && bar(v, 1) && !(base & 15) && base && !bar(v, 2) && !bar(v, 3) && !bar(v, 5);
	good = good && (uint32_t)v->common == base;		/* hard-wired by some drivers */
	good = good && v->notify_multiplier == 4 && v->isr && v->config && v->window_cap;
	write16(v->common + M_QUEUE_SELECT, 1);
	return good && (v->type == VIO_BLK || read16(v->common + M_QUEUE_NOTIFY_OFF) == 1);
}

static bool capabilities(struct vio *v)
{
	unsigned int types = 0;
	uint8_t cap = 0, n = 0;

	while ((cap = pci_capability(v->bdf, PCI_CAP_VENDOR, cap)) && n++ < 10)
		types |= 1u << pci_read8(v->bdf, cap + 3);
	/* No capability offers a function-level reset or power states. */
	return types == 0x3e && pci_capability(v->bdf, PCI_CAP_MSIX, 0) && pci_capability(v->bdf, PCI_CAP_MSI, 0) &&
	       !pci_capability(v->bdf, CAP_PM, 0) && !pci_capability(v->bdf, CAP_EXPRESS, 0) &&
	       !pci_capability(v->bdf, CAP_ADVANCED, 0);
}

/* All features that drivers need are offered; a driver may accept each one alone. */
static bool features(struct vio *v)
{
	uint64_t offered = vio_offered(v), unwanted = 1ull << 15 | 1ull << 22 | 1ull << 34;
	uint64_t needed = v->type == VIO_NET ? 1ull << 5 | 1ull << 16 | 1ull << 17 : 0;

	if ((offered & needed) != needed || (offered & unwanted))
		return false;
	for (unsigned int bit = 0; bit < 32; bit++) {
		/* Ring features are tested by probe-ring; this probe sends no header that requests a checksum. */
		if (!(offered & 1ull << bit) || bit == 29)
			continue;
		if (!vio_start(v, v->transport, 1ull << bit) || vio_request(v))
			return false;
	}
	return true;
}

/* One driver demands this exact number. */
static bool queue_count(struct vio *v)
{
	unsigned int want = v->type == VIO_NET ? 3 : 1, n = 0;

	if (v->transport == VIO_MODERN)
		return read16(v->common + M_NUM_QUEUES) == want;
	for (uint16_t i = 0; i < 16; i++) {
		outw(v->io + L_QUEUE_SELECT, i);
		n += inw(v->io + L_QUEUE_SIZE) != 0;
	}
	return n == want;
}

/* --- registers --- */

static bool legacy_widths(struct vio *v, uint16_t from, uint16_t to)
{
	for (uint16_t r = from; r < to; r += 4) {
		uint32_t d = inl(v->io + r);

		for (unsigned int i = 0; i < 4; i++)
			if (inb(v->io + r + i) != (uint8_t)(d >> 8 * i))
				return false;
		if (inw(v->io + r) != (d & 0xffff) || inw(v->io + r + 2) != d >> 16)
			return false;
	}
	return true;
}

static bool modern_widths(volatile uint8_t *p, uint32_t from, uint32_t to)
{
	for (uint32_t r = from; r < to; r += 4) {
		uint32_t d = read32(p + r);

		for (unsigned int i = 0; i < 4; i++)
			if (read8(p + r + i) != (uint8_t)(d >> 8 * i))
				return false;
		if (read16(p + r) != (d & 0xffff) || read16(p + r + 2) != d >> 16)
			return false;
	}
	return true;
}

/* Features, queue addresses and the device's configuration in every width; all other registers are narrower. */
static bool all_widths(struct vio *v)
{
	if (!works(v))
		return false;
	if (v->transport == VIO_LEGACY)
		return legacy_widths(v, L_DEVICE_FEATURES, L_QUEUE_SIZE) &&
		       legacy_widths(v, L_DEVICE_CONFIG, L_DEVICE_CONFIG + 12);
	write16(v->common + M_QUEUE_SELECT, 0);
	return modern_widths(v->common, 0, M_CONFIG_VECTOR) && modern_widths(v->common, M_QUEUE_DESC, M_QUEUE_DEVICE + 8) &&
	       modern_widths(v->config, 0, v->type == VIO_NET ? 12 : 60);
}

static bool legacy_registers(struct vio *v)
{
	struct vioq *q = &v->q[0];
	uint32_t f;

	if (v->transport != VIO_LEGACY)
		return true;
	f = inl(v->io + L_DEVICE_FEATURES);
	if (!works(v) || inl(v->io + L_DEVICE_FEATURES) != f || inb(v->io + L_STATUS) != 7)
		return false;
	outw(v->io + L_QUEUE_SELECT, 0);
	if (inw(v->io + L_QUEUE_SELECT) != 0 || inl(v->io + L_QUEUE_PFN) != (uint32_t)q->desc / 4096)
		return false;
	outl(v->io + L_DEVICE_FEATURES, ~f);			/* read-only */
	outw(v->io + L_QUEUE_SIZE, 16);				/* read-only here */
	outb(v->io + L_ISR, 0xff);
	return inl(v->io + L_DEVICE_FEATURES) == f && inw(v->io + L_QUEUE_SIZE) == q->size && vio_request(v) == 0;
}

static bool address_in_halves(struct vio *v)
{
	if (v->transport != VIO_MODERN)
		return true;
	write16(v->common + M_QUEUE_SELECT, 0);
	write32(v->common + M_QUEUE_DESC + 4, 0x12);		/* the upper half first */
	write32(v->common + M_QUEUE_DESC, 0x345000);
	write16(v->common + M_QUEUE_DESC + 2, 0x67);
	write8(v->common + M_QUEUE_DESC + 1, 0x80);
	return read32(v->common + M_QUEUE_DESC) == 0x678000 && read32(v->common + M_QUEUE_DESC + 4) == 0x12;
}

/* Accesses of 8 bytes, as 64-bit kernels make them, count as two of 4. */
static bool by_64_bits(struct vio *v)
{
	volatile uint8_t *table = (volatile uint8_t *)(bar(v, 1) & ~15u);
	bool good;

	write64(table, 0xabcdef00fee01000);
	write64(table + 8, 0x0000000100004321);
	good = read64(table) == 0xabcdef00fee01000 && read32(table + 4) == 0xabcdef00 && read32(table + 8) == 0x4321;
	write64(table, 0);
	if (v->transport != VIO_MODERN)
		return good;
	write16(v->common + M_QUEUE_SELECT, 0);
	write64(v->common + M_QUEUE_DESC, 0x123456789000);
	good = good && read64(v->common + M_QUEUE_DESC) == 0x123456789000 && read32(v->common + M_QUEUE_DESC + 4) == 0x1234;
	write64(v->common + M_DEVICE_FEATURE_SELECT, 1);
	good = good && read64(v->common + M_DEVICE_FEATURE_SELECT) >> 32 == read32(v->common + M_DEVICE_FEATURE);
	good = good && read64(v->config) == (read32(v->config) | (uint64_t)read32(v->config + 4) << 32);
	return good && works(v);
}

/* --- BARs --- */

static bool sized_while_on(struct vio *v)
{
	bool good = works(v);

	for (unsigned int n = 0; n < 6; n++) {
		uint32_t was = bar(v, n);

		pci_write32(v->bdf, PCI_BAR0 + 4 * n, ONES);
		pci_read32(v->bdf, PCI_BAR0 + 4 * n);
		pci_write32(v->bdf, PCI_BAR0 + 4 * n, was);
		good = good && bar(v, n) == was;
	}
	return good && vio_request(v) == 0;		/* it ran on */
}

/* While the device runs the registers move; the rings stay. */
static bool memory_moves(struct vio *v)
{
	uint32_t was4 = bar(v, 4), was1 = bar(v, 1);
	bool good = works(v) && common_at(v, was4) && !common_at(v, FREE_MEMORY + 0x4000);

	mark_table(v);
	good = good && table_at(was1) && !table_at(FREE_MEMORY + 0x1000);
	bar_set(v, 4, FREE_MEMORY + 0x4000);
	bar_set(v, 1, FREE_MEMORY + 0x1000);
	v->q[0].notify = v->notify;
	v->q[1].notify = v->notify + 4;
	good = good && (uint32_t)v->common == FREE_MEMORY + 0x4000 && vio_request(v) == 0;
	good = good && table_at(FREE_MEMORY + 0x1000) && !common_at(v, was4) && !table_at(was1);
	good = good && works(v);
	bar_set(v, 4, was4);
	bar_set(v, 1, was1);
	return good && !common_at(v, FREE_MEMORY + 0x4000) && table_at(was1) && works(v);
}

static bool ports_move(struct vio *v)
{
	uint32_t was = bar(v, 0);
	bool good;

	if (!v->io)
		return modern_only;
	good = works(v) && inl(FREE_PORTS) == ONES;
	bar_set(v, 0, FREE_PORTS);
	good = good && v->io == FREE_PORTS && vio_request(v) == 0 && inl(was & ~3u) == ONES && works(v);
	bar_set(v, 0, was);
	return good && inl(FREE_PORTS) == ONES && works(v);
}

/* At an impossible address the BAR is off, without harm. */
static bool not_over_ram(struct vio *v)
{
	uint32_t was = bar(v, 4);
	volatile uint32_t *ram = (volatile uint32_t *)RAM;
	bool good;

	*ram = 0x13579bdf;
	bar_set(v, 4, RAM);
	good = *ram == 0x13579bdf && !common_at(v, was);
	*ram = 0;
	bar_set(v, 4, 0xfee00000);
	good = good && *ram == 0 && read32((void *)0xfee00030) != ONES;
	bar_set(v, 4, was);
	return good && works(v);
}

/* Over another twin's registers: either may answer; both work when they are apart again. */
static bool over_each_other(struct vio *v)
{
	struct vio *other = &vios[(v->number + 1) % vio_count];
	uint32_t was = bar(v, 4), theirs = bar(other, 4);
	bool good = true;

	if (other == v)
		return true;
	bar_set(v, 4, theirs);
	read32((void *)theirs);
	good = !common_at(v, was);
	bar_set(v, 4, was);
	other->transport = vio_has(other, VIO_MODERN) ? VIO_MODERN : VIO_LEGACY;
	good = good && works(other) && works(v);
	vio_reset(other);
	return good;
}

/* The range that was hidden before is hidden afterwards. */
static bool over_hidden_bars(struct vio *v)
{
	const char *s = boot_option("bars");
	uint32_t was = bar(v, 4), start, size;
	char copy[256];
	const char *p = copy;
	bool good = true;

	if (!s || strlen(s) >= sizeof(copy))
		return true;
	memcpy(copy, s, strlen(s) + 1);
	while (take_hex(&p, &start) && *p++ == '+' && take_hex(&p, &size)) {
		uint32_t at = start & ~0x3fffu;

		bar_set(v, 4, at);
		read32((void *)at);
		bar_set(v, 4, was);
		for (uint32_t off = 0; off < size; off += 256)
			good = good && read32((void *)(start + off)) == ONES;
		if (*p++ != ',')
			break;
	}
	return good && works(v);
}

static bool decoding_off(struct vio *v)
{
	bool good = works(v);

	mark_table(v);
	decode(v, 0);
	good = good && !common_at(v, bar(v, 4)) && !table_at(bar(v, 1));
	if (v->io)
		good = good && inl(v->io) == ONES;
	outl(v->io ? v->io : FREE_PORTS, 0);
	write32((void *)(bar(v, 4) & ~15u), 0);
	decode(v, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	return good && vio_request(v) == 0;		/* it ran on */
}

/* With one kind of decoding on, the interface that uses it works. */
static bool decoding_half(struct vio *v)
{
	bool good;

	decode(v, v->transport == VIO_LEGACY ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY);
	good = works(v);
	if (v->transport == VIO_LEGACY)
		good = good && !common_at(v, bar(v, 4));
	else if (v->io)
		good = good && inl(v->io) == ONES;
	decode(v, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	return good;
}

/* --- lives --- */

/* As a system does around sleep: all registers off, then restored. */
static bool suspended(struct vio *v)
{
	uint32_t saved[16];
	bool good = works(v);

	for (unsigned int i = 0; i < 16; i++)
		saved[i] = pci_read32(v->bdf, 4 * i);
	vio_set_status(v, 0);
	pci_write16(v->bdf, PCI_COMMAND, 0);
	for (unsigned int n = 0; n < 6; n++)
		pci_write32(v->bdf, PCI_BAR0 + 4 * n, 0);
	for (unsigned int i = 16; i--; )
		pci_write32(v->bdf, 4 * i, saved[i]);
	vio_look(v);
	return good && works(v);
}

/* After a soft reboot the first kernel's rings are still set, and the second kernel begins without a reset. */
static bool starts_over(struct vio *v)
{
	for (unsigned int round = 0; round < 3; round++) {
		if (!vio_start(v, v->transport, 0))
			return false;
		for (unsigned int i = 0; i < 7; i++)
			if (vio_request(v))
				return false;
		memset(v->q, 0, sizeof(v->q));
		v->features = 0;
		if (!vio_begin(v, 0) || !vio_queue(v, 0, 0) || (v->type == VIO_NET && !vio_queue(v, 1, 0)))
			return false;
		vio_go(v);
		if (vio_request(v) || vio_request(v))
			return false;
	}
	return true;
}

static bool by_turns(struct vio *v)
{
	enum vio_transport t = v->transport;
	bool good = true;

	for (unsigned int i = 0; i < 6; i++) {
		v->transport = i & 1 ? VIO_MODERN : VIO_LEGACY;
		if (vio_has(v, v->transport))
			good = good && works(v);
	}
	v->transport = t;
	return good && works(v);
}

static const struct try tries[] = {
	{ "ids and classes", identity },
	{ "BARs and structures", layout },
	{ "capabilities", capabilities },
	{ "features, none or one", features },
	{ "number of queues", queue_count },
	{ "registers in all widths", all_widths },
	{ "legacy registers", legacy_registers },
	{ "addresses in halves and bytes", address_in_halves },
	{ "accesses of 64 bits", by_64_bits },
	{ "BARs sized while on", sized_while_on },
	{ "memory BARs moved", memory_moves },
	{ "I/O BAR moved", ports_move },
	{ "a BAR over RAM and the APIC", not_over_ram },
	{ "a BAR over another device's", over_each_other },
	{ "a BAR over hidden registers", over_hidden_bars },
	{ "decoding off and on", decoding_off },
	{ "decoding of one kind", decoding_half },
	{ "suspended and resumed", suspended },
	{ "a second kernel without a reset", starts_over },
	{ "both interfaces by turns", by_turns },
};

static void check_places(const char *option, bool there)
{
	const char *s = boot_option(option), *p;
	char copy[128];
	pci_bdf b;

	if (!s || strlen(s) >= sizeof(copy))
		return;
	memcpy(copy, s, strlen(s) + 1);
	for (p = copy; check(take_bdf(&p, &b), true, "transport: an address in %s=", option); p++) {
		check(pci_read16(b, PCI_VENDOR), there ? 0x1af4 : 0xffff, "transport: %02x:%02x.%x has %s", BUS(b), DEVICE(b),
		      FUNCTION(b), there ? "a device" : "nothing");
		if (ecam(b, 0))
			check(read16(ecam(b, 0)), there ? 0x1af4 : 0xffff, "transport: the same by ECAM");
		if (*p != ',')
			break;
	}
}

void probe(void)
{
	modern_only = option_number("modern_only", 0);
	check_places("slots", true);
	check_places("gone", false);
	vio_scan();
	check(vio_count != 0, true, "transport: there are devices");
	for (unsigned int i = 0; i < vio_count; i++)
		for (enum vio_transport t = VIO_LEGACY; t <= VIO_MODERN; t++) {
			struct vio *v = &vios[i];

			if (!vio_has(v, t)) {
				check(modern_only && t == VIO_LEGACY, true, "transport: %s: an interface is missing",
				      vio_name(v));
				continue;
			}
			v->transport = t;
			for (unsigned int k = 0; k < ARRAY_SIZE(tries); k++) {
				if (!check(vio_open(v, t), true, "transport: %s: reset before: %s", vio_name(v),
					   tries[k].name))
					continue;
				check(tries[k].fn(v), true, "transport: %s: %s", vio_name(v), tries[k].name);
				vio_reset(v);
			}
		}
}
