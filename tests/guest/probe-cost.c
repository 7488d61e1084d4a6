/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cost of a packet and of a block request: the instructions that this processor runs outside of the guest while they are in
 * flight.  For QEMU's -icount shift=0, with which the time-stamp counter counts instructions; elsewhere it counts cycles.  The
 * guest polls, and counts each gap in its loop as Veneer's.  One line for each device and depth:
 *   COST <device> <what> depth D: I instructions, E exits for N requests; per 100: I E
 * Options: rounds=N (of each depth; 64), depth=N (only that one)
 */
#include "vio.h"

#define MAX_DEPTH	32u
#define BLOCK		4096u
#define FRAME		1400u
#define EXITS_PER_100	20u		/* a full batch has a kick and one or two doorbells */
#define WAIT_TICKS	2000000000ull
#define ETHERTYPE	0x88b5		/* for local experiments: no answer comes */

const char probe_name[] = "probe-cost";

static uint8_t blocks[MAX_DEPTH][BLOCK] __attribute__((aligned(4096)));
static uint8_t frames[MAX_DEPTH][2048] __attribute__((aligned(4096)));
static uint8_t buffers[MAX_DEPTH][2048] __attribute__((aligned(4096)));
static struct { uint32_t type, reserved; uint64_t sector; } headers[MAX_DEPTH];
static volatile uint8_t status[MAX_DEPTH];
static uint32_t depths[2] = { 1, MAX_DEPTH };
static uint32_t reading_exits;			/* exits by exits() itself */
static uint32_t loop_ticks;			/* of an uninterrupted pass of the loop */

static uint32_t exits(void)
{
	struct veneer_counter c;
	uint32_t sum = 0;

	for (unsigned int i = 0; i < veneer_counters(); i++)
		if (!veneer_counter(i, &c) && !strncmp(c.name, "exit.", 5))
			sum += (uint32_t)c.value;
	return sum;
}

/*
 * Kick, then poll until @a has @na more used entries, and @b, if not NULL, @nb more.  Add the ticks outside of the guest to
 * *@others.
 */
static bool run(struct vioq *a, uint16_t na, const struct vioq *b, uint16_t nb, uint64_t *others)
{
	uint64_t start = rdtsc(), last = start, now;

	na += a->last_used;
	nb += b ? b->last_used : 0;
	if (na != a->last_used)
		vio_kick(a);
	while (a->used->idx != na || (b && b->used->idx != nb)) {
		now = rdtsc();
		if (now - last > 2 * loop_ticks)
			*others += now - last - loop_ticks;
		last = now;
		if (now - start > WAIT_TICKS)
			return false;
	}
	now = rdtsc();
	if (now - last > 2 * loop_ticks)
		*others += now - last - loop_ticks;
	a->last_used = na;
	return true;
}

static void calibrate(void)
{
	uint64_t last = rdtsc(), now;

	loop_ticks = ~0u;
	for (unsigned int i = 0; i < 1000; i++, last = now) {
		now = rdtsc();
		if (now - last < loop_ticks)
			loop_ticks = (uint32_t)(now - last);
	}
	/* The loop of run() also reads two indices and a deadline. */
	loop_ticks += 12;
}

static void result(const struct vio *v, const char *what, uint32_t depth, uint32_t rounds, uint64_t others, uint32_t n)
{
	uint32_t requests = depth * rounds, ticks = (uint32_t)others;

	note("COST %s %s depth %u: %u instructions, %u exits for %u requests; per 100: %u %u", vio_name(v), what, depth, ticks,
	     n, requests, ticks / requests * 100 + ticks % requests * 100 / requests, n * 100 / requests);
	if (depth == MAX_DEPTH)
		check(n * 100 <= requests * EXITS_PER_100, true, "cost: %s, %s: a batch shares its exits", vio_name(v), what);
}

static void measure_disk(struct vio *v, uint32_t type, uint32_t depth, uint32_t rounds)
{
	struct vioq *q = &v->q[0];
	uint64_t others = 0;
	uint32_t before = exits(), bad = 0;
	bool done = true;

	for (uint32_t r = 0; r < rounds && done; r++) {
		for (uint16_t i = 0; i < depth; i++) {
			headers[i].type = type;
			headers[i].sector = (r * depth + i) % 1024 * (BLOCK / 512);
			status[i] = 0xff;
			vio_desc_set(q, 3 * i, (uint32_t)&headers[i], sizeof(headers[i]), D_NEXT, 3 * i + 1);
			vio_desc_set(q, 3 * i + 1, (uint32_t)blocks[i], BLOCK,
				     D_NEXT | (type == BLK_IN ? D_WRITE : 0), 3 * i + 2);
			vio_desc_set(q, 3 * i + 2, (uint32_t)&status[i], 1, D_WRITE, 0);
			vio_put(q, 3 * i);
		}
		done = run(q, (uint16_t)depth, NULL, 0, &others);
		for (uint32_t i = 0; i < depth; i++)
			bad += status[i] != BLK_S_OK;
	}
	result(v, type == BLK_IN ? "read" : "write", depth, rounds, others, exits() - before - reading_exits);
	check(done && !bad, true, "cost: %s, all %s succeed", vio_name(v), type == BLK_IN ? "reads" : "writes");
}

static void disk(struct vio *v, uint32_t rounds)
{
	bool writable;

	if (!check(vio_start(v, VIO_MODERN, F_BLK_RO), true, "cost: %s starts", vio_name(v)))
		return;
	writable = !(v->features & F_BLK_RO);
	for (unsigned int i = 0; i < ARRAY_SIZE(depths); i++) {
		measure_disk(v, BLK_IN, depths[i], rounds);
		if (writable)
			measure_disk(v, BLK_OUT, depths[i], rounds);
	}
}

/* @answered: each frame is an ARP request, whose answer is received; else no answer comes. */
static void measure_net(struct vio *v, bool answered, uint32_t depth, uint32_t rounds)
{
	struct vioq *tx = &v->q[NET_TX], *rx = &v->q[NET_RX];
	uint32_t header = vio_header_size(v), len, before;
	uint64_t others = 0;
	bool done = true;

	for (uint16_t i = 0; i < depth; i++) {
		memset(frames[i], 0, header);
		len = vio_arp_frame(v, frames[i] + header);
		if (!answered) {
			len = FRAME;
			frames[i][header + 12] = ETHERTYPE >> 8;
			frames[i][header + 13] = ETHERTYPE & 0xff;
		}
		vio_desc_set(tx, i, (uint32_t)frames[i], header + len, 0, 0);
		vio_desc_set(rx, i, (uint32_t)buffers[i], sizeof(buffers[i]), D_WRITE, 0);
	}
	before = exits();
	for (uint32_t r = 0; r < rounds && done; r++) {
		for (uint16_t i = 0; answered && i < depth; i++)
			vio_put(rx, i);
		if (answered)
			done = run(rx, 0, NULL, 0, &others);
		for (uint16_t i = 0; i < depth; i++)
			vio_put(tx, i);
		if (answered)
			vio_kick(rx);
		done = done && run(tx, (uint16_t)depth, rx, answered ? (uint16_t)depth : 0, &others);
		if (answered)
			rx->last_used += depth;
	}
	result(v, answered ? "send and receive" : "send", depth, rounds, others, exits() - before - reading_exits);
	check(done, true, "cost: %s, all frames go", vio_name(v));
}

/* The null device gives the bytes back that it gets: all of them, or none. */
static void measure_echo(struct vio *v, uint32_t bytes, uint32_t depth, uint32_t rounds)
{
	struct vioq *q = &v->q[0];
	uint64_t others = 0;
	uint32_t before = exits(), bad = 0;
	bool done = true;

	for (uint32_t r = 0; r < rounds && done; r++) {
		for (uint16_t i = 0; i < depth; i++) {
			memset(frames[i], (int)(r + i), FRAME);
			memset(buffers[i], 0xff, FRAME);
			vio_desc_set(q, 2 * i, (uint32_t)frames[i], bytes ? bytes : 1, bytes ? D_NEXT : 0, 2 * i + 1);
			vio_desc_set(q, 2 * i + 1, (uint32_t)buffers[i], bytes, D_WRITE, 0);
			vio_put(q, 2 * i);
		}
		uint16_t first = q->last_used;

		done = run(q, (uint16_t)depth, NULL, 0, &others);
		for (uint16_t i = 0; i < depth; i++)
			bad += memcmp(frames[i], buffers[i], bytes) || q->used->ring[(first + i) % q->size].len != bytes;
	}
	result(v, bytes ? "echo of 1400 bytes" : "request", depth, rounds, others, exits() - before - reading_exits);
	check(done && !bad, true, "cost: %s gives back what it got", vio_name(v));
}

static void echo(struct vio *v, uint32_t rounds)
{
	if (!check(vio_start(v, VIO_MODERN, 0), true, "cost: %s starts", vio_name(v)))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(depths); i++) {
		measure_echo(v, 0, depths[i], rounds);
		measure_echo(v, FRAME, depths[i], rounds);
	}
}

static void card(struct vio *v, uint32_t rounds)
{
	if (!check(vio_start(v, VIO_MODERN, F_NET_MAC), true, "cost: %s starts", vio_name(v)))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(depths); i++) {
		measure_net(v, false, depths[i], rounds);
		measure_net(v, true, depths[i], rounds);
	}
}

void probe(void)
{
	uint32_t rounds = option_number("rounds", 64);

	uint32_t depth = option_number("depth", 0);

	if (depth && depth <= MAX_DEPTH)
		depths[0] = depths[1] = depth;
	calibrate();
	delay_us(100000);
	reading_exits = exits();
	reading_exits = exits() - reading_exits;
	vio_scan();
	for (unsigned int i = 0; i < vio_count; i++) {
		if (vios[i].type == VIO_NET)
			card(&vios[i], rounds);
		else if (vios[i].type == VIO_ECHO)
			echo(&vios[i], rounds);
		else
			disk(&vios[i], rounds);
		vio_reset(&vios[i]);
	}
}
