/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts among several processors: IPIs and NMIs from each to each, each device's messages to each of them by all
 * destination modes, their table rewritten under load; the effect of INIT on a local APIC; and the switch between its modes.
 * Each vector has to come as often as it was sent, at its target.
 *
 * Options: cpus=N (2 to 4), which have the APIC ids 0 to N - 1; x2apic=1: in x2APIC mode; seconds=N of load (2);
 * havoc: all of them write the registers of one device at once, and INITs come in the middle of it.
 */
#include "smp.h"
#include "vio.h"

#define MSIX_CONTROL	2
#define MSIX_ENABLE	0x8000
#define BASE		0xfee00000u
#define LOGICAL		0x4u
#define HINT		0x8u
#define LOWEST		0x100u
#define ALL		0xffu
#define FLAT		0xffffffffu
#define CLUSTERS	0x0fffffffu
#define FOLLOW_MS	150u		/* a doorbell moves at most every 100 ms */
#define NO_JOB		NULL

const char probe_name[] = "probe-dest";

struct counts { volatile uint32_t n[SMP_MAX]; };

static unsigned int cpus;
static bool want_x2;
static struct counts ipis, nmis, messages;
static uint8_t ipi_vector, message_vector;
static void (*volatile job[SMP_MAX])(void);
static volatile bool job_good[SMP_MAX], quiet[SMP_MAX], stop_rewriting;
static volatile bool x2_at_start[SMP_MAX], told[SMP_MAX];
static volatile uint32_t svr_at_start[SMP_MAX];
static struct vio *device;		/* used by the jobs */
static volatile uint32_t *table;	/* and its entry 0 */

/* --- counting --- */

static void count(void *ctx)
{
	((struct counts *)ctx)->n[apic_id() % SMP_MAX]++;
}

static void count_nmi(void)
{
	nmis.n[apic_id() % SMP_MAX]++;
}

static void let_in(void)
{
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

static void wait_ms(uint32_t ms)
{
	struct deadline end = deadline_in_ms(ms);

	while (!deadline_passed(end))
		let_in();
}

static uint32_t bits(uint32_t set)
{
	uint32_t n = 0;

	for (; set; set &= set - 1)
		n++;
	return n;
}

static uint32_t sum(const struct counts *c)
{
	uint32_t all = 0;

	for (unsigned int i = 0; i < SMP_MAX; i++)
		all += c->n[i];
	return all;
}

static void forget(struct counts *c)
{
	let_in();
	memset(c, 0, sizeof(*c));
}

/* Wait for @n interrupts in all, and check that no more come for a while. */
static bool came(const struct counts *c, uint32_t n)
{
	struct deadline end = deadline_in_ms(5000);

	while (sum(c) < n && !deadline_passed(end))
		let_in();
	wait_ms(2);
	return sum(c) == n;
}

/* Check for one interrupt at each processor of @set, and at no other. */
static bool came_at(const struct counts *c, uint32_t set)
{
	bool good = came(c, bits(set));

	for (unsigned int i = 0; i < SMP_MAX; i++)
		good &= c->n[i] == (set >> i & 1);
	return good;
}

/* --- the processors --- */

static void apic_on(void)
{
	if (want_x2 && !smp_x2apic())
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_X2);
	smp_lapic_write(0x80, 0);
	smp_lapic_write(LAPIC_SVR, 0x1ff);
}

static void ap_main(unsigned int cpu)
{
	x2_at_start[cpu] = smp_x2apic();
	svr_at_start[cpu] = smp_lapic_read(LAPIC_SVR);
	quiet[cpu] = false;
	apic_on();
	told[cpu] = true;
	for (;;) {
		if (job[cpu]) {
			job[cpu]();
			job[cpu] = NO_JOB;
		}
		if (!quiet[cpu])
			let_in();
		pause();
	}
}

/* Run a function on a processor, and wait for its end. */
static bool run_on(unsigned int cpu, void (*fn)(void))
{
	struct deadline end = deadline_in_ms(20000);

	if (cpu == apic_id()) {
		fn();
		return true;
	}
	job[cpu] = fn;
	while (job[cpu] && !deadline_passed(end))
		let_in();
	return !job[cpu];
}

static void run_on_all(void (*fn)(void))
{
	for (unsigned int cpu = 0; cpu < cpus; cpu++)
		run_on(cpu, fn);
}

/* --- IPIs --- */

static volatile uint32_t ipi_dest, ipi_low;

static void send_ipi(void)
{
	smp_ipi(ipi_dest, ipi_low);
}

static bool ipi(unsigned int from, uint32_t dest, uint32_t low)
{
	ipi_dest = dest;
	ipi_low = low;
	return run_on(from, send_ipi);
}

static bool each_to_each(struct counts *c, uint32_t low)
{
	bool good = true;

	for (unsigned int from = 0; from < cpus; from++) {
		for (unsigned int to = 0; to < cpus; to++) {
			forget(c);
			good &= ipi(from, to, low) && came_at(c, 1u << to);
		}
		forget(c);
		good &= ipi(from, 0, low | IPI_OTHERS) && came_at(c, ((1u << cpus) - 1) & ~(1u << from));
	}
	return good;
}

static void try_ipis(void)
{
	check(each_to_each(&ipis, IPI_FIXED | ipi_vector), true, "dest: IPIs from each to each, and to all others");
	check(each_to_each(&nmis, IPI_NMI), true, "dest: NMIs from each to each, and to all others");
}

/* --- messages --- */

static void request(void)
{
	job_good[apic_id()] = vio_request(device) == 0;
}

/* Make a request from a processor.  Its message has to come once to each processor of @set; with LOWEST, to one of them. */
static bool message(unsigned int from, uint32_t addr, uint32_t mode, uint32_t set)
{
	bool good;

	forget(&messages);
	table[3] = 1;
	table[0] = addr;
	table[1] = 0;
	table[2] = mode | message_vector;
	table[3] = 0;
	good = run_on(from, request) && job_good[from];
	if (!(addr & HINT) || !(addr & LOGICAL))
		return good && came_at(&messages, set);
	good &= came(&messages, 1);
	for (unsigned int i = 0; i < SMP_MAX; i++)
		good &= !messages.n[i] || set >> i & 1;
	return good;
}

static bool physical(void)
{
	bool good = true;

	for (unsigned int from = 0; from < cpus; from++) {
		for (unsigned int to = 0; to < cpus; to++) {
			good &= message(from, BASE | to << 12, 0, 1u << to);
			good &= message(from, BASE | to << 12 | HINT, LOWEST, 1u << to);
		}
		good &= message(from, BASE | ALL << 12, 0, (1u << cpus) - 1);
	}
	return good;
}

/* Try each set of processors, whose logical ids are bit(cpu): a message to all, and to one of them. */
static bool sets(void)
{
	bool good = true;

	for (unsigned int from = 0; from < cpus; from++)
		for (uint32_t set = 1; set < 1u << cpus; set++) {
			good &= message(from, BASE | set << 12 | LOGICAL, 0, set);
			good &= message(from, BASE | set << 12 | LOGICAL | HINT, LOWEST, set);
		}
	return good;
}

static volatile uint32_t format;

/* Clusters of two processors each; the low half of a logical id is a bit in the cluster. */
static uint32_t logical_id(unsigned int cpu)
{
	return format == FLAT ? 1u << cpu : (cpu / 2 + 1) << 4 | 1u << cpu % 2;
}

static void set_logical(void)
{
	smp_lapic_write(LAPIC_DFR, format);
	smp_lapic_write(LAPIC_LDR, logical_id(apic_id()) << 24);
}

static bool flat(void)
{
	format = FLAT;
	run_on_all(set_logical);
	return sets();
}

static bool clusters(void)
{
	bool good = true;

	format = CLUSTERS;
	run_on_all(set_logical);
	for (unsigned int from = 0; from < cpus; from++)
		for (unsigned int to = 0; to < cpus; to += 2) {
			uint32_t both = ((1u << cpus) - 1) & 3u << to, dest = (to / 2 + 1) << 4 | 3;

			good &= message(from, BASE | logical_id(to) << 12 | LOGICAL, 0, 1u << to);
			good &= message(from, BASE | dest << 12 | LOGICAL, 0, both);
			good &= message(from, BASE | dest << 12 | LOGICAL | HINT, LOWEST, both);
		}
	format = FLAT;
	run_on_all(set_logical);
	return good;
}

/* As the last processor: rewrite the entry as fast as possible, without masking, while the first processor makes requests. */
static void rewrite(void)
{
	for (uint32_t n = 0; !stop_rewriting; n++) {
		table[0] = BASE | (n % cpus) << 12;
		let_in();
	}
}

static bool retargeted(void)
{
	struct deadline end = deadline_in_ms(1000 * option_number("seconds", 2));
	uint32_t sent = 0;
	bool good = message(0, BASE, 0, 1);

	forget(&messages);
	stop_rewriting = false;
	job[cpus - 1] = rewrite;
	while (good && !deadline_passed(end)) {
		good = vio_request(device) == 0 && came(&messages, ++sent);
		/* And change the entry properly: mask, move, unmask. */
		table[3] = 1;
		table[0] = BASE | (sent % cpus) << 12;
		table[3] = 0;
	}
	stop_rewriting = true;
	good &= run_on(cpus - 1, let_in);
	for (unsigned int cpu = 0; cpu < cpus; cpu++)
		good &= messages.n[cpu] != 0;
	note("dest: %u messages, %u %u %u %u", sent, messages.n[0], messages.n[1], messages.n[2], messages.n[3]);
	return good;
}

static uint32_t moved(void)
{
	struct veneer_counter c;

	for (unsigned int i = 0; i < veneer_counters(); i++)
		if (!veneer_counter(i, &c) && !strcmp(c.name, "doorbell.moved"))
			return (uint32_t)c.value;
	return 0;
}

/* The doorbell moves from each processor to the next, and not without a cause. */
static bool doorbell_follows(void)
{
	bool good = true;

	for (unsigned int to = 0; to < 2 * cpus; to++) {
		uint32_t addr = want_x2 && to >= cpus ? BASE | (1u << to % cpus) << 12 | LOGICAL : BASE | (to % cpus) << 12;
		uint32_t before = moved();

		for (unsigned int i = 0; i < 3; i++) {
			good &= message(0, addr, 0, 1u << to % cpus);
			wait_ms(FOLLOW_MS);
		}
		good &= to == 0 || moved() == before + 1;
	}
	return good;
}

static bool device_up(struct vio *v)
{
	uint8_t cap = pci_capability(v->bdf, PCI_CAP_MSIX, 0);
	uint16_t queue = v->type == VIO_NET ? NET_TX : 0;

	device = v;
	if (!cap || !vio_open(v, VIO_MODERN) || !vio_begin(v, 0) || !vio_queue(v, 0, 0) || (queue && !vio_queue(v, queue, 0)))
		return false;
	table = (volatile uint32_t *)pci_memory_bar(v->bdf, 1);
	pci_write16(v->bdf, cap + MSIX_CONTROL, MSIX_ENABLE);
	write16(v->common + M_QUEUE_SELECT, queue);
	write16(v->common + M_QUEUE_VECTOR, 0);
	vio_go(v);
	return true;
}

static void try_messages(struct vio *v)
{
	if (!check(device_up(v), true, "dest: %s: it starts with MSI-X", vio_name(v)))
		return;
	check(physical(), true, "dest: %s: physical destinations", vio_name(v));
	if (want_x2) {
		check(sets(), true, "dest: %s: logical destinations by x2APIC id", vio_name(v));
	} else {
		check(flat(), true, "dest: %s: logical destinations, flat", vio_name(v));
		check(clusters(), true, "dest: %s: logical destinations, clusters", vio_name(v));
	}
	check(retargeted(), true, "dest: %s: entries rewritten under load", vio_name(v));
	check(doorbell_follows(), true, "dest: %s: the doorbell follows", vio_name(v));
	vio_reset(v);
}

/* --- INIT --- */

static void be_quiet(void)
{
	quiet[apic_id()] = true;
}

/* smp_start() returns before ap_main() has noted the state of its local APIC, and switched it on. */
static bool starts(unsigned int cpu)
{
	struct deadline end = deadline_in_ms(5000);

	told[cpu] = false;
	if (!smp_start(cpu))
		return false;
	while (!told[cpu] && !deadline_passed(end))
		pause();
	return told[cpu];
}

/* INIT clears pending interrupts, and keeps the mode. */
static void try_init(void)
{
	for (unsigned int cpu = 1; cpu < cpus; cpu++) {
		if (!check(run_on(cpu, be_quiet), true, "dest: CPU %u takes no more interrupts", cpu))
			return;
		forget(&ipis);
		smp_ipi(cpu, IPI_FIXED | ipi_vector);
		wait_ms(5);
		check(sum(&ipis), 0, "dest: CPU %u holds an interrupt back", cpu);
		if (!check(starts(cpu), true, "dest: CPU %u starts again", cpu))
			return;
		check(x2_at_start[cpu], want_x2, "dest: CPU %u: INIT leaves the mode as it is", cpu);
		check(svr_at_start[cpu], 0xff, "dest: CPU %u: INIT has switched it off", cpu);
		check(came(&ipis, 0), true, "dest: CPU %u: INIT has dropped it", cpu);
		smp_ipi(cpu, IPI_FIXED | ipi_vector);
		check(came_at(&ipis, 1u << cpu), true, "dest: CPU %u: and the next one comes", cpu);
	}
}

/* --- all at once --- */

static volatile uint32_t bar4;
static uint8_t scratch[2 * 65536] __attribute__((aligned(4096)));	/* rings are in this memory, or at invalid addresses */

/* Write arbitrary values to the registers of one device: queues, status, table, BARs, decoding. */
static void break_in(uint32_t n)
{
	volatile uint8_t *config = ecam(device->bdf, 0);
	uint32_t r = n * 2654435761u;

	write32(device->common + M_QUEUE_SELECT, r >> 28 & 3);
	write32(device->common + M_QUEUE_DESC + (r >> 20 & 0x18),
		r & 1 << 19 ? (uint32_t)scratch + (r & 0xffff) : r | 0x80000000);
	write16(device->common + M_QUEUE_ENABLE, 1);
	write8(device->common + M_STATUS, (uint8_t)(n % 5 ? r >> 24 & 0x8f : 0));
	table[r >> 16 & 15] = r >> 24 & 1 ? 1 : BASE | (r & 0x3000);
	vio_kick(&device->q[0]);
	if (!config || n % 8)
		return;
	write32(config + 0x20, n % 16 ? bar4 : bar4 ^ 0x4000);
	write16(config + 4, (uint16_t)(n % 32 ? 7 : 5));
}

static void break_in_for_ever(void)
{
	for (uint32_t n = apic_id(); !stop_rewriting; n++) {
		break_in(n);
		let_in();
	}
}

/* All processors do that to the same device, and get INITs meanwhile. */
static void try_havoc(struct vio *v)
{
	bool started = true, moved = true;

	if (!check(device_up(v), true, "dest: havoc: %s starts", vio_name(v)))
		return;
	bar4 = pci_read32(v->bdf, 0x20) & ~0xfu;
	stop_rewriting = false;
	for (unsigned int round = 0; round < 10 && started; round++)
		for (unsigned int cpu = 1; cpu < cpus && started; cpu++) {
			for (unsigned int other = 1; other < cpus; other++)
				job[other] = break_in_for_ever;
			for (uint32_t n = 0; n < 50 + 13 * round; n++)
				break_in(n * cpus + round);
			job[cpu] = NO_JOB;
			started = smp_start(cpu);
		}
	check(started, true, "dest: havoc: each comes back from its INITs");
	stop_rewriting = true;
	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		moved &= run_on(cpu, let_in);
	check(moved, true, "dest: havoc: all come to an end");
	pci_write32(v->bdf, 0x20, bar4);
	pci_write16(v->bdf, 4, 7);
	vio_look(v);
	forget(&messages);
	for (unsigned int i = 0; i < vio_count; i++)
		if (check(device_up(&vios[i]), true, "dest: havoc: %s starts again", vio_name(&vios[i])))
			check(message(0, BASE, 0, 1), true, "dest: havoc: %s works", vio_name(&vios[i]));
}

/* --- modes --- */

static volatile uint32_t wrong;

static void expect(bool good, uint32_t bit)
{
	if (!good)
		wrong |= 1u << bit;
}

static bool cpuid_says_apic(void)
{
	uint32_t r[4];

	cpuid(1, r);
	return r[3] & 1u << 9;
}

/* Switch from x2APIC mode to xAPIC mode, by way of the disabled state. */
static void back_to_xapic(void)
{
	uint64_t at = rdmsr(MSR_APIC_BASE) & ~(uint64_t)(APIC_X2 | APIC_ON);

	expect(!try_wrmsr(MSR_APIC_BASE, at | APIC_ON), 0);
	expect(!try_wrmsr(MSR_APIC_BASE, at | APIC_X2), 1);
	expect(cpuid_says_apic(), 2);
	expect(try_wrmsr(MSR_APIC_BASE, at), 3);
	expect(rdmsr(MSR_APIC_BASE) == at, 4);
	expect(!cpuid_says_apic(), 5);
	expect(!try_wrmsr(MSR_APIC_BASE, at | APIC_X2 | APIC_ON), 6);
	expect(!try_wrmsr(MSR_X2APIC + LAPIC_SVR / 16, 0x1ff), 7);
	expect(try_wrmsr(MSR_APIC_BASE, at | APIC_ON), 8);
	expect(rdmsr(MSR_APIC_BASE) == (at | APIC_ON), 9);
	expect(cpuid_says_apic(), 10);
	expect(!(read32((void *)(LAPIC + LAPIC_SVR)) & 0x100), 11);
	apic_on();
}

static void try_modes(void)
{
	want_x2 = false;
	for (unsigned int cpu = cpus; cpu--;) {
		wrong = 0;
		check(run_on(cpu, back_to_xapic), true, "dest: CPU %u goes back to xAPIC mode", cpu);
		check(wrong, 0, "dest: CPU %u: each step as the processor has it", cpu);
	}
	apic_init();
	try_ipis();
	try_init();
	try_messages(&vios[0]);
}

void probe(void)
{
	cpus = option_number("cpus", 2);
	want_x2 = option_number("x2apic", 0);
	apic_init();
	ipi_vector = irq_alloc(count, &ipis);
	message_vector = irq_alloc(count, &messages);
	nmi_handler = count_nmi;
	vio_scan();
	check(vio_count != 0, true, "dest: there are devices");
	smp_prepare(ap_main);
	/* The first processor sends its SIPIs in x2APIC mode already; the others start in xAPIC mode. */
	apic_on();
	apic_init();
	check(smp_x2apic(), want_x2, "dest: the local APIC is in the mode that was asked for");
	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		if (!check(smp_start(cpu), true, "dest: CPU %u starts", cpu))
			return;
	try_ipis();
	for (unsigned int i = 0; i < vio_count; i++)
		try_messages(&vios[i]);
	try_init();
	if (option_present("havoc"))
		try_havoc(&vios[0]);
	if (want_x2)
		try_modes();
}
