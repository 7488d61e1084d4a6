/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A random guest.  Each case is a short sequence of bytes, made from a seed and interpreted as acts of a driver or of a
 * processor; the classes of cases differ in the acts that they prefer.  Meanwhile further processors change the rings.  Each
 * case ends with a verdict:
 *
 *   PASS     the device took it all           REJECT   DEVICE_NEEDS_RESET
 *   WEDGED   after a reset a good request does not complete, there or on another device
 *   ESCAPE   Veneer's memory can be read, or memory beside the buffers has changed
 *
 * (The fifth, PANIC, is in the log.)  Options: seed=N, cases=N (200), ms=N: no new case after that time, case=N: only this one,
 * gone=BDF,...: devices that the test takes away meanwhile, so that they may fail; all others have to go on.
 */
#include "smp.h"
#include "vio.h"

#define ARENA		0x10000u	/* holds all good buffers */
#define GUARD		0x1000u
#define CANARY		0x5ac3a53cu
#define ONES		0xffffffffu
#define OUTCOME_MS	5u
#define STEPS_MAX	24u
#define FREE_MEMORY	0xe0000000u
#define FREE_PORTS	0xe100u
#define IOAPIC		0xfec00000u

const char probe_name[] = "probe-random";

enum class { CHAINS, INDIRECT, INDICES, ADDRESSES, STATE, NET, BLK, MACHINE, CLASSES };
static const char *const class_name[CLASSES] = {
	"chains", "indirect", "indices", "addresses", "state", "net", "blk", "machine"
};
enum verdict { PASS, REJECT, WEDGED, ESCAPE, VERDICTS };

static unsigned int count[CLASSES][VERDICTS];
static struct range veneer;
static struct {
	uint32_t before[GUARD / 4];
	uint8_t at[ARENA];
	uint32_t behind[GUARD / 4];
} arena __attribute__((aligned(4096)));

/* --- the program of a case --- */

struct random { uint32_t state; };

static uint32_t next(struct random *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 17;
	r->state ^= r->state << 5;
	return r->state;
}

static uint32_t below(struct random *r, uint32_t n) { return (next(r) >> 4) % n; }

/*
 * Return an address that a driver may write into a ring: most are good, the others have no memory, Veneer's memory, or
 * registers.
 */
static uint64_t any_address(struct random *r, unsigned int bad_in_16)
{
	if (below(r, 16) >= bad_in_16)
		return (uint32_t)arena.at + below(r, ARENA);
	switch (below(r, 7)) {
	case 0:
		return veneer.start + below(r, (uint32_t)(veneer.end - veneer.start));
	case 1:
		return veneer.start - below(r, 64);
	case 2:
		return LAPIC + below(r, 4096);
	case 3:
		return hole_above_4g() + below(r, 4096);
	case 4:
		return ~0ull - below(r, 64);
	case 5:
		return IOAPIC + below(r, 64);
	default:
		return (uint32_t)arena.at + ARENA - below(r, 16);
	}
}

/* Return an address for a ring; the arena has room behind a good one. */
static uint64_t ring_address(struct random *r)
{
	uint64_t addr = any_address(r, 6);

	return addr - (uint32_t)arena.at < ARENA ? (uint32_t)arena.at + below(r, ARENA - 0x4000) : addr;
}

/* Return a length that ends in the arena, or one far larger than RAM: never one that covers memory beside the arena. */
static uint32_t any_length(struct random *r, uint64_t addr)
{
	uint64_t room = (uint32_t)arena.at + ARENA - addr;
	uint32_t len = below(r, 3) ? 512 * below(r, 9) : below(r, 2048);

	if (!below(r, 40))
		return 0xf0000000u + below(r, 1u << 20);
	return addr >= (uint32_t)arena.at && room <= ARENA && len > room ? (uint32_t)room : len;
}

static void any_desc(struct random *r, volatile struct vio_desc *d, uint16_t size, unsigned int bad_in_16)
{
	uint64_t addr = any_address(r, bad_in_16);

	d->addr = addr;
	d->len = any_length(r, addr);
	d->flags = below(r, 8) ? below(r, 4) : below(r, 8);
	d->next = below(r, 30) ? below(r, size) : next(r);
}

static struct vioq *any_queue(struct random *r, struct vio *v)
{
	return &v->q[v->type == VIO_NET ? below(r, 3) : 0];
}

/* Add a valid chain, so that the device works during the other acts. */
static void good_chain(struct random *r, struct vioq *q)
{
	uint16_t head = below(r, q->size), at = head, n = 2 + below(r, 3), writable = below(r, n + 1u);

	for (uint16_t i = 0; i < n; i++) {
		uint16_t to = (at + 1u) % q->size, flags = (i >= n - writable ? D_WRITE : 0) | (i + 1u < n ? D_NEXT : 0);
		uint32_t addr = (uint32_t)arena.at + below(r, ARENA);

		vio_desc_set(q, at, addr, any_length(r, addr), flags, to);
		at = to;
	}
	vio_put(q, head);
}

static void blk_request(struct random *r, struct vioq *q)
{
	uint32_t header = (uint32_t)arena.at + 16 * below(r, 256), data = (uint32_t)arena.at + 0x2000 + 512 * below(r, 80);
	uint32_t type = below(r, 4) ? below(r, 2) * 8 : below(r, 16), sector = below(r, 4) ? below(r, 40000) : next(r);

	((uint32_t *)header)[0] = type;
	((uint32_t *)header)[2] = sector;
	((uint32_t *)header)[3] = below(r, 16) ? 0 : next(r);
	vio_desc_set(q, 0, header, below(r, 16) ? 16 : below(r, 32), D_NEXT, 1);
	vio_desc_set(q, 1, data, below(r, 16) ? 512 * below(r, 16) : below(r, 4096), D_NEXT | (type == 1 ? 0 : D_WRITE), 2);
	vio_desc_set(q, 2, header + 16, below(r, 16) ? 1 : below(r, 4), D_WRITE, 0);
	vio_put(q, 0);
}

static void net_frame(struct random *r, struct vio *v)
{
	uint8_t *h = arena.at + 2048 * below(r, 16);
	struct vioq *q = &v->q[NET_TX];

	for (unsigned int i = 0; i < 12; i++)
		h[i] = below(r, 2) ? 0 : next(r);
	h[0] &= 3;
	h[1] = below(r, 2) ? below(r, 6) : h[1];
	vio_arp_frame(v, h + 12);
	h[12 + 12] = below(r, 4) ? 8 : next(r);
	h[12 + 14] = below(r, 2) ? 0x45 : next(r);
	vio_desc_set(q, 0, (uint32_t)h, below(r, 8) ? vio_header_size(v) : below(r, 20), D_NEXT, 1);
	vio_desc_set(q, 1, (uint32_t)h + 12, below(r, 4) ? 60 + below(r, 1500) : below(r, 70), below(r, 4) ? 0 : D_NEXT, 2);
	vio_desc_set(q, 2, (uint32_t)arena.at, below(r, 30000), 0, 0);
	vio_put(q, 0);
}

static void net_control(struct random *r, struct vio *v)
{
	uint8_t *h = arena.at + 64 * below(r, 64);
	struct vioq *q = &v->q[2];

	h[0] = below(r, 6);
	h[1] = below(r, 4);
	vio_desc_set(q, 0, (uint32_t)h, 2, D_NEXT, 1);
	vio_desc_set(q, 1, (uint32_t)h + 2, below(r, 80), D_NEXT, 2);
	vio_desc_set(q, 2, (uint32_t)h + 1024, 1, D_WRITE, 0);
	vio_put(q, 0);
}

static void indirect(struct random *r, struct vioq *q)
{
	struct vio_desc *table = (struct vio_desc *)(arena.at + 0x8000 + 4096 * below(r, 4));
	uint16_t n = 1 + below(r, 20), at = below(r, q->size);

	for (uint16_t i = 0; i < n; i++) {
		any_desc(r, &table[i], n, 0);
		if (below(r, 8))
			table[i].flags = (i + 1u < n ? D_NEXT : 0) | (i * 2 >= n ? D_WRITE : 0);
		if (below(r, 8))
			table[i].next = i + 1;
		if (!below(r, 40))
			table[i].flags |= D_INDIRECT;
	}
	vio_desc_set(q, at, below(r, 10) ? (uint32_t)table : any_address(r, 12), below(r, 8) ? 16 * n : below(r, 5000),
		     D_INDIRECT | (below(r, 20) ? 0 : D_NEXT), at);
	vio_put(q, at);
}

static void indices(struct random *r, struct vioq *q)
{
	good_chain(r, q);
	switch (below(r, 5)) {
	case 0:
		q->avail->idx += below(r, 3 * q->size);
		break;
	case 1:
		q->avail->idx -= below(r, 8);
		break;
	case 2:
		q->avail->ring[below(r, q->size)] = below(r, 2) ? below(r, q->size) : next(r);
		break;
	case 3:
		q->avail->ring[q->size] = next(r);		/* used_event */
		break;
	default:
		q->avail->flags = below(r, 4);
	}
}

static void move_bar(struct random *r, struct vio *v)
{
	const uint32_t places[] = { FREE_MEMORY, FREE_MEMORY + 0x100000, (uint32_t)veneer.start, LAPIC, IOAPIC, 0, ONES,
				    0xfffff000u, (uint32_t)arena.at };
	unsigned int n = below(r, 3);

	pci_write32(v->bdf, PCI_BAR0 + 4 * (n == 2 ? 4 : n), n ? places[below(r, ARRAY_SIZE(places))] :
		    below(r, 2) ? FREE_PORTS : below(r, 0x10000));
}

static void state(struct random *r, struct vio *v)
{
	volatile uint8_t *reg = v->common;

	switch (below(r, 9)) {
	case 0:
		vio_set_status(v, below(r, 2) ? next(r) : 1u << below(r, 8));
		break;
	case 1:
		pci_write16(v->bdf, PCI_COMMAND, below(r, 8));
		break;
	case 2:
		move_bar(r, v);
		break;
	case 3:
		(void)vio_isr(v);
		(void)vio_status(v);
		break;
	case 4:
		if (v->transport == VIO_LEGACY)
			outl(v->io + (below(r, 2) ? L_QUEUE_SIZE + 4 * below(r, 13) : L_DRIVER_FEATURES), next(r));
		else
			write32(reg + 4 * below(r, 8), below(r, 2) ? below(r, 8) : next(r));
		break;
	case 5:
		if (v->transport == VIO_LEGACY)
			(void)inl(v->io + below(r, 64));
		else
			(void)read32(reg + below(r, 0x3000));
		break;
	case 6:
		pci_write32(v->bdf, 4 * below(r, 64), next(r));
		break;
	case 7:
		vio_set_queue(v, below(r, 4), ring_address(r), ring_address(r), ring_address(r));
		break;
	default:
		vio_set_features(v, (uint64_t)next(r) << 32 | next(r));
	}
}

/* --- the processor --- */

static volatile unsigned int nmis;
static void count_nmi(void) { nmis++; }

static uint32_t any_msr(struct random *r)
{
	static const uint32_t bases[] = {
		0, 0x100, 0x200, 0x400, 0x480, 0x800, 0xc0000000, 0xc0000080, 0xc0010000, 0xc0010100
	};

	return below(r, 8) ? bases[below(r, ARRAY_SIZE(bases))] + below(r, 256) : next(r);
}

/* MSRs whose random values, if they reached the processor, would harm Veneer only. */
static const uint32_t writable[] = {
	0x174, 0x175, 0x176, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102,
	0x3a, 0x480, 0x48d, 0xc0010114, 0xc0010117, 0xc0010115, 0x79,
};

static void processor(struct random *r)
{
	uint32_t a = VENEER_CALL | below(r, 5), b = next(r), c = (uint32_t)any_address(r, 8);
	uint32_t regs[4];
	uint64_t value;

	switch (below(r, 6)) {
	case 0:
		(void)try_rdmsr(any_msr(r), &value);
		break;
	case 1:
		(void)try_wrmsr(writable[below(r, ARRAY_SIZE(writable))], (uint64_t)next(r) << 32 | next(r));
		break;
	case 2:
		/* Do not write a log to the arena's end: the answer takes 4 KiB. */
		if (c >= (uint32_t)arena.at + ARENA - 4096 && c < (uint32_t)arena.at + ARENA)
			c -= 4096;
		(void)try_hypercall(&a, &b, &c);
		break;
	case 3:
		cpuid(below(r, 2) ? below(r, 32) : 0x40000000u * below(r, 3) + below(r, 16), regs);
		break;
	case 4:
		/* Store to Veneer's memory, where stores have no effect. */
		write32((void *)((uint32_t)veneer.start + (below(r, (uint32_t)(veneer.end - veneer.start)) & ~3u)), next(r));
		break;
	default:
		(void)pci_read32(next(r), below(r, 64) * 4);
	}
}

/* --- the other processors --- */

static unsigned int processors = 1;
static struct vio *volatile target;		/* the device whose rings the other processors change; NULL: they wait */
static volatile bool working[SMP_MAX];
static uint32_t worker_seed;

/* Make no access that may fault, and none by CF8 and CFC, which the first processor uses at the same time. */
static void work(unsigned int cpu)
{
	uint32_t regs[4];
	struct random r = { worker_seed + cpu * 0x9e3779b9u + 1 };

	for (;;) {
		struct vio *v = target;

		working[cpu] = v;
		full_fence();
		if (!v || target != v) {
			working[cpu] = false;
			pause();
			continue;
		}
		struct vioq *q = any_queue(&r, v);

		if (below(&r, 4))
			any_desc(&r, &q->desc[below(&r, q->size)], q->size, 2);
		else
			vio_kick(q);
		if (!below(&r, 16))
			cpuid(below(&r, 32), regs);
	}
}

static void let_work(struct vio *v)
{
	struct deadline end = deadline_in_ms(2000);

	target = v;
	full_fence();
	for (unsigned int i = 1; !v && i < processors; i++)
		while (working[i] && !deadline_passed(end))
			pause();
}

static void poke(struct random *r)
{
	unsigned int cpu = 1 + below(r, processors - 1);

	if (below(r, 4)) {
		smp_ipi(cpu, IPI_NMI);
		return;
	}
	/* During its work, perhaps during an exit. */
	smp_ipi(cpu, IPI_INIT);
	working[cpu] = false;
	check(smp_start(cpu), true, "random: processor %u starts again after an INIT", cpu);
}

/* --- a case --- */

static void one_step(struct random *r, enum class class, struct vio *v)
{
	struct vioq *q = any_queue(r, v);

	switch (class) {
	case CHAINS:
		any_desc(r, &q->desc[below(r, q->size)], q->size, 1);
		if (below(r, 2))
			vio_put(q, below(r, 20) ? below(r, q->size) : next(r));
		break;
	case INDIRECT:
		indirect(r, q);
		break;
	case INDICES:
		indices(r, q);
		break;
	case ADDRESSES:
		good_chain(r, q);
		q->desc[below(r, q->size)].addr = any_address(r, 8);
		break;
	case STATE:
		good_chain(r, q);
		state(r, v);
		break;
	case NET:
		if (below(r, 3))
			net_frame(r, v);
		else
			net_control(r, v);
		break;
	case BLK:
		blk_request(r, q);
		break;
	default:
		processor(r);
		if (processors > 1 && !below(r, 12))
			poke(r);
	}
	if (class != MACHINE && below(r, 2))
		vio_kick(q);
}

static const char *why = "";

/* Check the memory beside the arena, and set it anew.  True if it was unchanged. */
static bool guards(void)
{
	bool same = true;

	for (unsigned int i = 0; i < GUARD / 4; i++) {
		same &= arena.before[i] == CANARY && arena.behind[i] == CANARY;
		arena.before[i] = arena.behind[i] = CANARY;
	}
	return same;
}

static const char *escaped(void)
{
	if (!guards())
		return "memory beside the buffers has changed";
	for (uint32_t at = (uint32_t)veneer.start; at < veneer.end; at += 0x1000)
		if (read32((void *)at) != ONES)
			return "Veneer's memory can be read";
	return NULL;
}

struct places { uint32_t bar[6]; uint16_t command; };

static struct places places_of(struct vio *v)
{
	struct places p = { .command = pci_read16(v->bdf, PCI_COMMAND) };

	for (unsigned int i = 0; i < 6; i++)
		p.bar[i] = pci_read32(v->bdf, PCI_BAR0 + 4 * i);
	return p;
}

static void put_back(struct vio *v, const struct places *p)
{
	for (unsigned int i = 0; i < 6; i++)
		pci_write32(v->bdf, PCI_BAR0 + 4 * i, p->bar[i]);
	pci_write16(v->bdf, PCI_COMMAND, p->command);
	vio_look(v);
}

static bool start(struct vio *v, enum vio_transport t)
{
	if (!vio_open(v, t) || !vio_begin(v, ~0ull) || !vio_queue(v, 0, 0))
		return false;
	if (v->type == VIO_NET && (!vio_queue(v, 1, 0) || !vio_queue(v, 2, 0)))
		return false;
	vio_go(v);
	return true;
}

/* True if a good request completes, also on a machine that was slow to calibrate its clock. */
static bool answers(struct vio *v)
{
	int got = vio_request(v);
	uint32_t id, len;

	for (unsigned int i = 0; got < 0 && i < 20; i++)
		if (vio_wait(&v->q[v->type == VIO_NET ? NET_TX : 0], 10000, &id, &len) && !id)
			got = v->type == VIO_BLK ? v->data[16] : 0;
	return got == 0;
}

/* True if the device is in gone=. */
static bool may_fail(const struct vio *v)
{
	const char *s = boot_option("gone");
	pci_bdf b;

	while (s && take_bdf(&s, &b)) {
		if (b == v->bdf)
			return true;
		if (*s++ != ',')
			break;
	}
	return false;
}

static const struct vio *blamed;

/*
 * Return NULL, or the name of what does not work, and set @blamed: first check the other devices without a reset, then this
 * device after a reset.
 */
static const char *wedged(struct vio *v, enum vio_transport t)
{
	for (unsigned int i = 0; i < vio_count; i++) {
		if (&vios[i] == v || may_fail(&vios[i]))
			continue;
		blamed = &vios[i];
		if (vio_status(&vios[i]) & S_NEEDS_RESET)
			return "another device needs a reset";
		if (!answers(&vios[i]))
			return "another device does not answer";
	}
	blamed = v;
	if (!vio_reset(v))
		return "its reset does not end";
	if (!vio_start(v, t, 0))
		return "it does not start";
	return answers(v) ? NULL : "it does not answer";
}

static enum verdict judge(struct vio *v, enum vio_transport t, const struct places *p)
{
	struct deadline end = deadline_in_ms(OUTCOME_MS);
	bool rejected = false;

	while (!rejected && !deadline_passed(end)) {
		rejected = vio_status(v) & S_NEEDS_RESET;
		pause();
	}
	put_back(v, p);
	v->transport = t;
	rejected |= !!(vio_status(v) & S_NEEDS_RESET);
	why = wedged(v, t);
	if (why && (blamed != v || !may_fail(v)))
		return WEDGED;
	rejected |= !!why;
	why = escaped();
	return why ? ESCAPE : rejected ? REJECT : PASS;
}

static void run_case(uint32_t seed, unsigned int n)
{
	static const char *const verdict_name[] = { "PASS", "REJECT", "WEDGED", "ESCAPE" };
	struct random r = { seed * 0x01000193u + n * 0x9e3779b9u + 1 };
	enum class class;
	struct vio *v;

	for (unsigned int i = 0; i < 8; i++)
		next(&r);
	class = n % CLASSES;
	do
		v = &vios[below(&r, vio_count)];
	while ((class == NET && v->type != VIO_NET) || (class == BLK && v->type != VIO_BLK));
	enum vio_transport t = below(&r, 2) && vio_has(v, VIO_LEGACY) ? VIO_LEGACY : VIO_MODERN;
	struct places p = places_of(v);
	enum verdict verdict = may_fail(v) ? REJECT : WEDGED;

	why = "it does not start";
	blamed = v;
	if (start(v, t)) {
		let_work(processors > 1 && below(&r, 2) ? v : NULL);
		for (unsigned int i = 1 + below(&r, STEPS_MAX); i; i--)
			one_step(&r, class, v);
		let_work(NULL);
		verdict = judge(v, t, &p);
	}
	count[class][verdict]++;
	if (verdict >= WEDGED)
		check(verdict, PASS, "random: seed=%u case=%u (%s, %s): %s: %s: %s", seed, n, class_name[class], vio_name(v),
		      verdict_name[verdict], why ? why : "", vio_name(blamed));
}

static void prepare(uint32_t seed)
{
	uint32_t r[4];

	guards();
	nmi_handler = count_nmi;
	worker_seed = seed;
	smp_prepare(work);
	cpuid(1, r);
	while (processors < option_number("cpus", 1) && processors < SMP_MAX && smp_start(processors))
		processors++;
	check(processors, option_number("cpus", 1), "random: processors");
	for (unsigned int i = 0; i < vio_count; i++)
		check(vio_start(&vios[i], VIO_MODERN, 0), true, "random: %s starts", vio_name(&vios[i]));
}

void probe(void)
{
	uint32_t seed = option_number("seed", 1), cases = option_number("cases", 200), only = option_number("case", ONES);
	struct deadline end = deadline_in_ms(option_number("ms", 1000000));
	uint32_t a = VENEER_CALL | VENEER_CALL_VERSION, b = 0, c = 0;

	vio_scan();
	if (!check(veneer_range(&veneer), true, "random: where Veneer is"))
		return;
	if (!check(vio_count > 1, true, "random: two devices"))
		return;
	prepare(seed);
	for (unsigned int n = 0; n < cases && !deadline_passed(end); n++)
		if (only == ONES || n == only)
			run_case(seed, n);
	for (unsigned int i = 0; i < CLASSES; i++) {
		note("random: %s: %u PASS, %u REJECT, %u WEDGED, %u ESCAPE", class_name[i], count[i][PASS], count[i][REJECT],
		     count[i][WEDGED], count[i][ESCAPE]);
		check(count[i][WEDGED] + count[i][ESCAPE], 0, "random: %s", class_name[i]);
	}
	check(try_hypercall(&a, &b, &c) == NO_TRAP && b == 1, true, "random: Veneer lives on");
}
