/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile driver that knows its device: a disk that writes its data into its own rings, buffers at every edge of memory,
 * resets with requests in flight, and headers that another processor changes.  Each case may harm its own device only; after a
 * reset the device works, as do the others.  The test compares read-only disks afterwards on the host.
 * Options: cpus=N (1); rounds=N resets of each kind (20); races=N requests whose header changes (300); ro: the disks are
 * read-only.
 */
#include "smp.h"
#include "vio.h"

#define ONES		0xffffffffu
#define OUTCOME_MS	300
#define BLK_FLUSH	4
#define BLK_DISCARD	11
#define BLK_ZEROES	13
#define BLK_ERASE	14
#define READS		16u
#define READ_BYTES	16384u
#define SETTLE_US	2000u
#define IOAPIC		0xfec00000u
#define VGA		0xa0000u
#define ROM		0xf0000u

const char probe_name[] = "probe-abuse";

static struct range veneer;
static uint8_t sink[READS * READ_BYTES] __attribute__((aligned(4096)));
static volatile struct vio_desc table[256] __attribute__((aligned(4096)));

static void check_hidden(const char *after)
{
	uint32_t all = ONES;

	for (uint32_t at = veneer.start; at < veneer.end; at += 0x1000)
		all &= read32((void *)at);
	check(all, ONES, "abuse: Veneer's memory reads as ones after %s", after);
}

static bool start(struct vio *v)
{
	return vio_start(v, v->transport, F_INDIRECT);
}

/* Count the devices that do not work: @culprit after a reset, the others as they are. */
static uint32_t hurt(struct vio *culprit)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < vio_count; i++) {
		struct vio *v = &vios[i];

		if (v == culprit && !start(v))
			n++;
		else if ((vio_status(v) & S_NEEDS_RESET) || vio_request(v) != 0)
			n++;
	}
	return n;
}

/* --- a disk that writes where it should not --- */

struct place {
	const char *name;
	bool refused;			/* no RAM, or Veneer's */
	uint64_t (*at)(struct vioq *q);
};

static uint64_t own_desc(struct vioq *q) { return (uint32_t)q->desc; }
static uint64_t own_avail(struct vioq *q) { return (uint32_t)q->avail & ~1u; }
static uint64_t own_used(struct vioq *q) { return (uint32_t)q->used & ~1u; }
static uint64_t own_header(struct vioq *q) { return (uint32_t)q->v->data; }
static uint64_t own_table(struct vioq *q) { return (uint32_t)table; }
static uint64_t end_of_ram(struct vioq *q) { return veneer.start - 256; }
static uint64_t behind_veneer(struct vioq *q) { return veneer.end - 256; }
static uint64_t in_page_0(struct vioq *q) { return 0x400; }
static uint64_t into_page_0(struct vioq *q) { return 0x1000 - 256 - 512; }
static uint64_t vga(struct vioq *q) { return VGA; }
static uint64_t rom(struct vioq *q) { return ROM; }
static uint64_t ioapic(struct vioq *q) { return IOAPIC; }
static uint64_t message(struct vioq *q) { return LAPIC + 0x1000; }
static uint64_t top_of_4g(struct vioq *q) { return 0xffffff00u; }
static uint64_t sign(struct vioq *q) { return 1ull << 63; }
static uint64_t alias_1t(struct vioq *q) { return 1ull << 40 | (uint32_t)sink; }
static uint64_t c_bit(struct vioq *q) { return 1ull << 47 | (uint32_t)sink; }
static uint64_t twin_bar(struct vioq *q) { return pci_read32(q->v->bdf, 0x20) & ~15u; }
static uint64_t twin_table(struct vioq *q) { return pci_read32(q->v->bdf, 0x14) & ~15u; }

static uint64_t own_config(struct vioq *q)
{
	volatile uint8_t *e = ecam(q->v->bdf, 0);

	return e ? (uint32_t)e : IOAPIC;
}

static const struct place places[] = {
	{ "its descriptors", false, own_desc }, { "its available ring", false, own_avail },
	{ "its used ring", false, own_used },
	{ "its header", false, own_header }, { "its indirect table", false, own_table }, { "the end of RAM", true, end_of_ram },
	{ "the end of Veneer", true, behind_veneer }, { "page 0", true, in_page_0 }, { "the end of page 0", true, into_page_0 },
	{ "the screen", true, vga }, { "the ROM", true, rom }, { "the I/O APIC", true, ioapic },
	{ "the range of messages", true, message }, { "the end of 4 GiB", true, top_of_4g }, { "bit 63", true, sign },
	{ "bit 40", true, alias_1t }, { "bit 47", true, c_bit }, { "its registers", true, twin_bar },
	{ "its MSI-X table", true, twin_table }, { "its configuration space", true, own_config },
};

/* A chain in the ring, or in the indirect table; all of its pieces go to @at if @all says so. */
static void lay(struct vioq *q, uint64_t at, bool indirect, bool status_too)
{
	volatile struct vio_desc *d = indirect ? table : q->desc;
	uint8_t *h = q->v->data;

	memset(h, 0, 32);
	h[16] = 0xff;
	d[0] = (struct vio_desc){ (uint32_t)h, 16, D_NEXT, 1 };
	d[1] = (struct vio_desc){ at, 512, D_NEXT | D_WRITE, 2 };
	d[2] = (struct vio_desc){ status_too ? at : (uint32_t)h + 16, 1, D_WRITE, 0 };
	if (indirect)
		vio_desc_set(q, 0, (uint32_t)table, 48, D_INDIRECT, 0);
	vio_put(q, 0);
}

static bool refused(struct vioq *q, bool status_too)
{
	struct deadline end = deadline_in_ms(OUTCOME_MS);

	while (!deadline_passed(end)) {
		if (vio_status(q->v) & S_NEEDS_RESET)
			return true;
		if (q->used->idx != q->last_used)
			return !status_too && *(volatile uint8_t *)(q->v->data + 16) != BLK_S_OK;
		pause();
	}
	return false;
}

static void run_place(struct vio *v, const struct place *p)
{
	uint32_t bad = 0, n = 0, wrong = 0;

	for (unsigned int way = 0; way < 4; way++) {
		struct vioq *q = &v->q[0];
		uint64_t at;

		if (!start(v)) {
			bad++;
			continue;
		}
		at = p->at(q);
		lay(q, at, way & 1, way & 2);
		vio_kick(q);
		n = refused(q, way & 2);
		wrong += p->refused && !n;
		bad += hurt(v);
	}
	check(bad, 0, "abuse: %s: data to %s: all devices work", vio_name(v), p->name);
	check(wrong, 0, "abuse: %s: data to %s: refused", vio_name(v), p->name);
}

/* Frames into the rings of their own queue. */
static void run_receive(struct vio *v, const struct place *p)
{
	struct vioq *q = &v->q[NET_RX];
	uint32_t bad = 0;

	if (!start(v))
		bad++;
	for (uint16_t i = 0; i < 4; i++) {
		vio_desc_set(q, i, p->at(q), 1600, D_WRITE, 0);
		vio_put(q, i);
	}
	vio_kick(q);
	vio_send(v);
	delay_us(20000);
	check(bad + hurt(v), 0, "abuse: %s: frames to %s: all devices work", vio_name(v), p->name);
}

/* --- resets with requests in flight --- */

/* Requests that read to the sink, one piece each. */
static uint32_t post_reads(struct vio *v)
{
	struct vioq *q = &v->q[0];
	struct { uint32_t type, reserved; uint64_t sector; } *h = (void *)v->data;

	for (uint16_t i = 0; i < READS; i++) {
		h[i].type = BLK_IN;
		h[i].reserved = 0;
		h[i].sector = i * (READ_BYTES / 512);
		vio_desc_set(q, 3 * i, (uint32_t)&h[i], 16, D_NEXT, 3 * i + 1);
		vio_desc_set(q, 3 * i + 1, (uint32_t)sink + i * READ_BYTES, READ_BYTES, D_NEXT | D_WRITE, 3 * i + 2);
		vio_desc_set(q, 3 * i + 2, (uint32_t)v->data + 2048 + i, 1, D_WRITE, 0);
		vio_put(q, 3 * i);
	}
	vio_kick(q);
	return READS * READ_BYTES;
}

static uint32_t post_receive(struct vio *v)
{
	struct vioq *q = &v->q[NET_RX];

	for (uint16_t i = 0; i < READS; i++) {
		vio_desc_set(q, i, (uint32_t)sink + i * 2048, 2048, D_WRITE, 0);
		vio_put(q, i);
	}
	vio_kick(q);
	for (unsigned int i = 0; i < 4; i++)
		vio_send(v);
	return READS * 2048;
}

enum { BY_STATUS, BY_PFN, BY_AGAIN, BY_MASTER, BY_DECODE, RESETS };
static const char *const reset_name[] = { "status 0", "address 0", "status 0 nine times", "bus master off, then status 0",
					  "decoding off and on, then status 0" };

static bool reset_by(struct vio *v, unsigned int how)
{
	uint16_t command = pci_read16(v->bdf, PCI_COMMAND);

	switch (how) {
	case BY_PFN:
		if (v->transport != VIO_LEGACY)
			break;
		outw(v->io + L_QUEUE_SELECT, 0);
		outl(v->io + L_QUEUE_PFN, 0);
		return true;
	case BY_AGAIN:
		for (unsigned int i = 0; i < 8; i++) {
			vio_set_status(v, 0);
			if (i & 1)
				vio_set_status(v, S_ACKNOWLEDGE | S_DRIVER | S_DRIVER_OK);
		}
		break;
	case BY_MASTER:
		pci_write16(v->bdf, PCI_COMMAND, command & ~PCI_COMMAND_MASTER);
		break;
	case BY_DECODE:
		pci_write16(v->bdf, PCI_COMMAND, 0);
		pci_write16(v->bdf, PCI_COMMAND, command);
		break;
	}
	if (how == BY_MASTER) {
		bool good = vio_reset(v);

		pci_write16(v->bdf, PCI_COMMAND, command);
		return good;
	}
	return vio_reset(v);
}

/* After the reset nothing may write to the buffers or the rings. */
static void run_resets(struct vio *v, unsigned int how, uint32_t rounds)
{
	uint32_t late = 0, bad = 0, no_reset = 0;

	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t n;
		struct vioq *q = &v->q[0];

		if (!start(v)) {
			bad++;
			continue;
		}
		n = v->type == VIO_BLK ? post_reads(v) : post_receive(v);
		delay_us(i * 37 % 400);
		no_reset += !reset_by(v, how);
		memset(sink, 0xa5, n);
		memset((void *)q->used, 0x5a, 64);
		delay_us(SETTLE_US);
		for (uint32_t k = 0; k < n; k++)
			late += sink[k] != 0xa5;
		for (uint32_t k = 0; k < 64; k++)
			late += ((volatile uint8_t *)q->used)[k] != 0x5a;
	}
	check(no_reset, 0, "abuse: %s: %s: resets end", vio_name(v), reset_name[how]);
	check(late, 0, "abuse: %s: %s: nothing is written after a reset", vio_name(v), reset_name[how]);
	check(bad + hurt(v), 0, "abuse: %s: %s: all devices work", vio_name(v), reset_name[how]);
}

/* --- every write to a disk that is read-only --- */

static void run_read_only(struct vio *v)
{
	static const uint32_t types[] = { BLK_OUT, BLK_DISCARD, BLK_ZEROES, BLK_ERASE, BLK_OUT | 1u << 31, 0x101, 0x10001, 3, 9,
					  15, 16, 17, 18, 20, 22, 24, 26, 28, 30 };
	static const uint64_t sectors[] = { 0, 1, 8, 1ull << 31, 1ull << 32, 1ull << 55, 1ull << 63, ~0ull, ~0ull - 7 };
	struct { uint64_t sector; uint32_t count, flags; } *r = (void *)sink;
	uint32_t taken = 0;

	if (!check(vio_open(v, v->transport) && vio_begin(v, v->transport == VIO_MODERN ? vio_offered(v) & ~F_BLK_RO : 0) &&
		   vio_queue(v, 0, 0), true, "abuse: %s: starts without RO", vio_name(v)))
		return;
	vio_go(v);
	for (unsigned int t = 0; t < ARRAY_SIZE(types); t++)
		for (unsigned int s = 0; s < ARRAY_SIZE(sectors); s++) {
			bool ranged = types[t] >= BLK_DISCARD && types[t] <= BLK_ERASE;

			memset(sink, 0xee, 4096);
			for (unsigned int i = 0; ranged && i < 16; i++) {
				r[i].sector = sectors[s] + 8 * i;
				r[i].count = s & 1 ? 0xffffffff : 8;
				r[i].flags = i & 1;
			}
			taken += vio_blk(v, types[t], sectors[s], sink, ranged ? 16u << (s & 1) : 4096) == BLK_S_OK;
		}
	check(taken, 0, "abuse: %s: no write succeeds", vio_name(v));
	check(hurt(v), 0, "abuse: %s: all devices work after writes", vio_name(v));
}

/* --- a header, descriptors and an indirect table that change while the device reads them --- */

static volatile bool changing;
static struct vio *volatile changed;

static void change(unsigned int cpu)
{
	for (;;) {
		struct vio *v = changed;
		volatile uint32_t *h;

		if (!changing || !v) {
			pause();
			continue;
		}
		h = (volatile uint32_t *)v->data;
		h[0] = BLK_OUT;
		v->q[0].desc[1].addr = veneer.start;
		v->q[0].desc[1].len = 0xfffff000;
		table[1].addr = veneer.start + 4096;
		table[1].flags = D_NEXT | D_WRITE | D_INDIRECT;
		h[2] = ONES;
		h[3] = ONES;
		v->q[0].desc[0].next = 0;
		h[0] = BLK_IN;
		v->q[0].desc[1].addr = (uint32_t)sink;
		v->q[0].desc[1].len = 512;
		table[1].addr = (uint32_t)sink;
		table[1].flags = D_NEXT | D_WRITE;
		h[2] = 0;
		h[3] = 0;
		v->q[0].desc[0].next = 1;
	}
}

static void run_races(struct vio *v, uint32_t races)
{
	uint32_t bad = 0, resets = 0;

	for (uint32_t i = 0; i < races; i++) {
		struct vioq *q = &v->q[0];
		struct deadline end = deadline_in_ms(20);

		if (!q->desc || (vio_status(v) & S_NEEDS_RESET) || !(vio_status(v) & S_DRIVER_OK)) {
			changing = false;
			delay_us(20);
			resets++;
			bad += !start(v);
		}
		lay(q, (uint32_t)sink, i & 1, false);
		changed = v;
		changing = true;
		vio_kick(q);
		while (q->used->idx == q->last_used && !(vio_status(v) & S_NEEDS_RESET) && !deadline_passed(end))
			pause();
		q->last_used = q->used->idx;
	}
	changing = false;
	delay_us(1000);
	note("abuse: %s: %u resets in %u races", vio_name(v), resets, races);
	check(bad + hurt(v), 0, "abuse: %s: all devices work after races", vio_name(v));
}

static void run(struct vio *v, enum vio_transport t, uint32_t rounds, uint32_t races)
{
	if (!vio_has(v, t))
		return;
	v->transport = t;
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		if (v->type == VIO_BLK)
			run_place(v, &places[i]);
		else
			run_receive(v, &places[i]);
	check_hidden("data to wrong places");
	for (unsigned int how = 0; how < RESETS; how++)
		run_resets(v, how, rounds);
	check_hidden("resets");
	if (v->type == VIO_BLK && option_present("ro"))
		run_read_only(v);
	if (v->type == VIO_BLK && option_number("cpus", 1) > 1)
		run_races(v, races);
	check_hidden("races");
}

void probe(void)
{
	uint32_t cpus = option_number("cpus", 1);

	if (!check(veneer_range(&veneer), true, "abuse: Veneer is somewhere"))
		return;
	vio_scan();
	check(vio_count != 0, true, "abuse: there are devices");
	if (cpus > 1) {
		smp_prepare(change);
		for (unsigned int i = 1; i < cpus; i++)
			check(smp_start(i), true, "abuse: CPU %u starts", i);
	}
	for (unsigned int i = 0; i < vio_count; i++)
		vio_start(&vios[i], vio_has(&vios[i], VIO_MODERN) ? VIO_MODERN : VIO_LEGACY, F_INDIRECT);
	for (unsigned int i = 0; i < vio_count; i++) {
		run(&vios[i], VIO_LEGACY, option_number("rounds", 20), option_number("races", 300));
		run(&vios[i], VIO_MODERN, option_number("rounds", 20), option_number("races", 300));
	}
}
