/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts all processors, and checks on each that hidden things are hidden.  Then all work on the same disks and the same card
 * at once: each writes blocks of its own, reads them back, and sends frames, by queues that they share under a lock; meanwhile
 * answers to the frames are received.  All MSI-X messages go to the first processor.  If a completion does not come, the probe
 * looks for it in the used ring, without a kick: if it is there, the interrupt is lost, else the kick.
 *
 * Options: cpus=N, how many there must be; hidden=BDF[,BDF]... what no processor may see; seconds=N of work (3);
 * crash: the others die; x2apic: all switch to x2APIC mode; untrapped: that no write to the local APIC exits.
 */
#include "smp.h"
#include "vio.h"

#define MAX_CPUS	SMP_MAX
#define CF8		0xcf8
#define CFC		0xcfc
#define SLOT		4u		/* descriptors of a queue that each processor has */
#define SECTORS		8u
#define MAX_NICS	2u
#define RX_BUFFERS	64u
#define ETHERTYPE_ARP	0x0608u		/* in memory order */
#define LEAD		64u		/* rounds by which a processor may be ahead of the first */
#define STALL_MS	10000u		/* after this time a completion will never come */

const char probe_name[] = "probe-smp";

struct vector { volatile uint32_t interrupts; struct vio *v; unsigned int queue; };

static uint8_t buffers[VIO_MAX][MAX_CPUS][2][SECTORS * 512] __attribute__((aligned(4096)));
static struct { struct { uint32_t type, reserved; uint64_t sector; } header; volatile uint8_t status; uint8_t frame[76]; }
	requests[VIO_MAX][MAX_CPUS] __attribute__((aligned(64)));
static uint8_t received[MAX_NICS][RX_BUFFERS][2048] __attribute__((aligned(4096)));
static volatile bool done[VIO_MAX][MAX_CPUS];
static struct vector vectors[VIO_MAX];
static volatile uint32_t queue_lock[VIO_MAX];
static volatile uint32_t online = 1, seen_hidden, finish, go;
static volatile uint32_t rounds[MAX_CPUS], bad_data[MAX_CPUS], bad_status[MAX_CPUS], lost_interrupts, lost_kicks;
static volatile uint32_t answers;
static uint32_t hidden[8];
static unsigned int nhidden;

static void lock(volatile uint32_t *l)
{
	while (__atomic_exchange_n(l, 1, __ATOMIC_SEQ_CST))
		pause();
}

static void unlock(volatile uint32_t *l)
{
	__atomic_store_n(l, 0, __ATOMIC_SEQ_CST);
}

/* --- what must not be seen --- */

static volatile uint32_t config_lock;

static void look(void)
{
	for (unsigned int i = 0; i < nhidden; i++) {
		lock(&config_lock);
		outl(CF8, 0x80000000u | hidden[i] << 8);
		uint32_t by_port = inl(CFC);
		unlock(&config_lock);
		volatile uint8_t *by_memory = ecam((pci_bdf)hidden[i], 0);

		if ((by_port & 0xffff) != 0x1af4 || (by_memory && read16(by_memory) != 0x1af4))
			__atomic_fetch_add(&seen_hidden, 1, __ATOMIC_SEQ_CST);
	}
}

/* --- work --- */

/* Interrupts of all devices come to the first processor; the descriptor's number tells whose request it is. */
static void harvest(void *ctx)
{
	struct vector *w = ctx;
	struct vioq *q = &w->v->q[w->queue];

	w->interrupts++;
	while (q->used->idx != q->last_used) {
		barrier();
		done[w->v->number][q->used->ring[q->last_used % q->size].id / SLOT] = true;
		q->last_used++;
	}
}

/* Take the answers, and give their buffers back at once. */
static void harvest_rx(void *ctx)
{
	struct vio *v = ctx;
	struct vioq *q = &v->q[NET_RX];

	while (q->used->idx != q->last_used) {
		barrier();
		uint16_t id = (uint16_t)q->used->ring[q->last_used % q->size].id;
		const uint8_t *frame = (const uint8_t *)(uint32_t)q->desc[id].addr + vio_header_size(v);

		answers += *(const uint16_t *)(frame + 12) == ETHERTYPE_ARP;
		q->last_used++;
		vio_put(q, id);
	}
	vio_kick(q);
}

static void submit(struct vio *v, struct vioq *q, unsigned int cpu)
{
	done[v->number][cpu] = false;
	lock(&queue_lock[v->number]);
	vio_put(q, (uint16_t)(cpu * SLOT));
	unlock(&queue_lock[v->number]);
	vio_kick(q);
}

/* Wait for a completion.  False if it does not come; then count the reason. */
static bool wait_done(struct vio *v, struct vioq *q, unsigned int cpu)
{
	struct deadline end = deadline_in_ms(STALL_MS);

	while (!done[v->number][cpu]) {
		if (cpu == 0)
			__asm__ volatile("sti; nop; pause; cli");
		else
			pause();
		if (!deadline_passed(end))
			continue;
		__atomic_fetch_add(q->used->idx != q->last_used ? &lost_interrupts : &lost_kicks, 1, __ATOMIC_SEQ_CST);
		finish = true;
		return false;
	}
	return true;
}

static void fill(uint32_t *p, uint32_t seed)
{
	for (unsigned int i = 0; i < SECTORS * 512 / 4; i++)
		p[i] = seed + i * 2654435761u;
}

static bool transfer(struct vio *v, unsigned int cpu, uint32_t type, uint32_t sector)
{
	struct vioq *q = &v->q[0];
	uint16_t at = (uint16_t)(cpu * SLOT);

	requests[v->number][cpu].header.type = type;
	requests[v->number][cpu].header.sector = sector;
	requests[v->number][cpu].status = 0xff;
	vio_desc_set(q, at, (uint32_t)&requests[v->number][cpu].header, 16, D_NEXT, at + 1);
	vio_desc_set(q, at + 1, (uint32_t)buffers[v->number][cpu][type == BLK_IN], SECTORS * 512,
		     D_NEXT | (type == BLK_IN ? D_WRITE : 0), at + 2);
	vio_desc_set(q, at + 2, (uint32_t)&requests[v->number][cpu].status, 1, D_WRITE, 0);
	submit(v, q, cpu);
	if (!wait_done(v, q, cpu))
		return false;
	bad_status[cpu] += requests[v->number][cpu].status != BLK_S_OK;
	return true;
}

static bool work_blk(struct vio *v, unsigned int cpu, uint32_t round)
{
	uint32_t sector = (cpu * 64 + round % 64) * SECTORS, *out = (void *)buffers[v->number][cpu][0];

	fill(out, round << 8 | cpu);
	memset(buffers[v->number][cpu][1], 0, SECTORS * 512);
	if (!transfer(v, cpu, BLK_OUT, sector) || !transfer(v, cpu, BLK_IN, sector))
		return false;
	bad_data[cpu] += memcmp(buffers[v->number][cpu][0], buffers[v->number][cpu][1], SECTORS * 512) != 0;
	return true;
}

static bool work_net(struct vio *v, unsigned int cpu)
{
	struct vioq *q = &v->q[NET_TX];
	uint8_t *frame = requests[v->number][cpu].frame;
	uint16_t at = (uint16_t)(cpu * SLOT);

	memset(frame, 0, vio_header_size(v));
	vio_desc_set(q, at, (uint32_t)frame, vio_header_size(v) + vio_arp_frame(v, frame + vio_header_size(v)), 0, 0);
	submit(v, q, cpu);
	return wait_done(v, q, cpu);
}

/*
 * All interrupts come to the first processor.  If each frame of another processor brings the next interrupt before the last one
 * is dealt with, the first one gets to no work of its own, and not to the end of the test either.
 */
static void leave_time(unsigned int cpu)
{
	while (!finish && rounds[cpu] > rounds[0] + LEAD)
		pause();
}

static void work(unsigned int cpu)
{
	for (uint32_t round = 0; !finish; round++) {
		leave_time(cpu);
		for (unsigned int i = 0; i < vio_count; i++)
			if (!(vios[i].type == VIO_BLK ? work_blk(&vios[i], cpu, round) : work_net(&vios[i], cpu)))
				return;
		rounds[cpu]++;
	}
}

/* --- the other processors --- */

static void ap_main(unsigned int cpu)
{
	if (option_present("crash")) {
		static const uint16_t no_idt[3];

		__asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
	}
	if (option_present("x2apic"))
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_X2);
	look();
	__atomic_fetch_add(&online, 1, __ATOMIC_SEQ_CST);
	while (!go)
		pause();
	work(cpu);
	__atomic_fetch_sub(&online, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void start_others(uint32_t expected)
{
	struct deadline end = deadline_in_ms(20000);

	smp_prepare(ap_main);
	smp_start_others();
	while (online < expected && !deadline_passed(end))
		pause();
	delay_us(500000);
	check(online, expected, "smp: so many processors run");
	check(seen_hidden, 0, "smp: no processor sees a concealed device");
}

/* --- devices --- */

/* Set the entry with the queue's number to a vector of this processor. */
static bool queue_entry(struct vio *v, unsigned int queue, uint8_t vector)
{
	volatile uint8_t *entry = (volatile uint8_t *)pci_memory_bar(v->bdf, 1) + queue * 16;

	write32(entry, 0xfee00000u | apic_id() << 12);
	write32(entry + 4, 0);
	write32(entry + 8, vector);
	write32(entry + 12, 0);
	write16(v->common + M_QUEUE_SELECT, (uint16_t)queue);
	write16(v->common + M_QUEUE_VECTOR, (uint16_t)queue);
	return vector && read16(v->common + M_QUEUE_VECTOR) == queue;
}

static bool use_msix(struct vio *v, unsigned int queue)
{
	uint8_t cap = pci_capability(v->bdf, 0x11, 0);

	vectors[v->number].v = v;
	vectors[v->number].queue = queue;
	if (!cap || !pci_memory_bar(v->bdf, 1))
		return false;
	pci_write16(v->bdf, cap + 2, 0x8000);
	return queue_entry(v, queue, irq_alloc(harvest, &vectors[v->number])) &&
	       (v->type != VIO_NET || queue_entry(v, NET_RX, irq_alloc(harvest_rx, v)));
}

static void post_buffers(struct vio *v)
{
	static unsigned int nics;

	for (uint16_t i = 0; nics < MAX_NICS && i < RX_BUFFERS; i++) {
		vio_desc_set(&v->q[NET_RX], i, (uint32_t)received[nics][i], sizeof(received[nics][i]), D_WRITE, 0);
		vio_put(&v->q[NET_RX], i);
	}
	nics++;
	vio_kick(&v->q[NET_RX]);
}

static bool start_device(struct vio *v)
{
	unsigned int queue = v->type == VIO_NET ? NET_TX : 0;

	if (!vio_open(v, VIO_MODERN) || !vio_begin(v, F_NET_MAC) || !use_msix(v, queue))
		return false;
	if (!vio_queue(v, 0, 0) || (v->type == VIO_NET && !vio_queue(v, NET_TX, 0)))
		return false;
	vio_go(v);
	if (v->type == VIO_NET)
		post_buffers(v);
	return true;
}

/* Check for a received frame that is in the ring for a second without an interrupt. */
static void check_received(void)
{
	struct deadline end = deadline_in_ms(1000);
	uint32_t nics = 0, left = 0;

	while (!deadline_passed(end))
		__asm__ volatile("sti; nop; pause; cli");
	for (unsigned int i = 0; i < vio_count; i++)
		if (vios[i].type == VIO_NET) {
			left += vios[i].q[NET_RX].used->idx != vios[i].q[NET_RX].last_used;
			nics++;
		}
	if (!nics)
		return;
	note("smp: %u answers received", answers);
	check(answers > 0, true, "smp: answers are received");
	check(left, 0, "smp: no frame without its interrupt");
}

static void read_hidden(void)
{
	const char *s = boot_option("hidden");
	pci_bdf bdf;

	while (s && nhidden < ARRAY_SIZE(hidden) && take_bdf(&s, &bdf)) {
		hidden[nhidden++] = bdf;
		if (*s == ',')
			s++;
	}
}

static void torture(uint32_t cpus, uint32_t seconds)
{
	struct deadline end;

	for (unsigned int i = 0; i < vio_count; i++)
		check(start_device(&vios[i]), true, "smp: %s starts with MSI-X", vio_name(&vios[i]));
	go = 1;
	end = deadline_in_ms(seconds * 1000);
	for (uint32_t round = 0; !finish && !deadline_passed(end); round++) {
		for (unsigned int i = 0; i < vio_count && !finish; i++)
			finish |= !(vios[i].type == VIO_BLK ? work_blk(&vios[i], 0, round) : work_net(&vios[i], 0));
		rounds[0]++;
	}
	finish = true;
	end = deadline_in_ms(2 * STALL_MS);
	while (online > 1 && !deadline_passed(end))
		__asm__ volatile("sti; nop; pause; cli");
	check(online, 1, "smp: all processors came to an end");
	for (unsigned int cpu = 0; cpu < cpus; cpu++) {
		note("smp: CPU %u: %u rounds", cpu, rounds[cpu]);
		check(rounds[cpu] > 0, true, "smp: CPU %u worked", cpu);
		check(bad_data[cpu], 0, "smp: CPU %u reads what it wrote", cpu);
		check(bad_status[cpu], 0, "smp: CPU %u: all requests succeed", cpu);
	}
	check_received();
	check(lost_interrupts, 0, "smp: no completion without its interrupt");
	check(lost_kicks, 0, "smp: no kick is lost");
}

static void none(void *ctx)
{
}

/* Once all processors run the local APIC is no longer watched. */
static void check_untrapped(void)
{
	struct veneer_counter before, after;
	unsigned int n = veneer_counters(), seen = 0;
	uint8_t nothing = irq_alloc(none, NULL);

	for (unsigned int i = 0; i < n; i++) {
		if (veneer_counter(i, &before) || strcmp(before.name, smp_x2apic() ? "exit.wrmsr" : "exit.npf"))
			continue;
		for (unsigned int w = 0; w < 100; w++)
			smp_ipi(apic_id(), IPI_FIXED | nothing);
		__asm__ volatile("sti; nop; nop; cli");
		veneer_counter(i, &after);
		check((uint32_t)(after.value - before.value), 0, "smp: writes to the local APIC do not exit");
		seen++;
	}
	check(seen, 1, "smp: there is a counter of these exits");
}

void probe(void)
{
	uint32_t cpus = option_number("cpus", 2);

	if (option_present("x2apic"))
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_X2);
	apic_init();
	read_hidden();
	vio_scan();
	start_others(cpus);
	if (online != cpus)
		return;
	if (option_present("untrapped"))
		check_untrapped();
	torture(cpus, option_number("seconds", 3));
}
