/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that has its state saved while it works, and looks afterwards whether anything is lost: a byte in each page of 64 MiB
 * is incremented in each round, and a pattern goes to each virtio-blk device and comes back.  In the middle of round 3 it asks
 * for a snapshot.  It polls, and uses no timer.
 * Options: go-on: ask to run on.  expect=N: what the call answers in EBX.  refused: the call is to fail.  master=N: before it,
 * let the function at 00:N.0 master the bus.
 */
#include "vio.h"

#define FROM		0x4000000u
#define PAGES		(64u << 8)
#define PAGE		4096u
#define ROUNDS		7u
#define AT_ROUND	3u
#define CHUNK		32768u
#define CHUNKS		32u

const char probe_name[] = "probe-snapshot";

static uint8_t buf[CHUNK] __attribute__((aligned(4096)));

/* The counter and the number of page @i: each page has them in other places. */
static uint8_t *counter(uint32_t i) { return (uint8_t *)(FROM + i * PAGE + i * 61 % (PAGE - 8)); }
static uint32_t *number(uint32_t i) { return (uint32_t *)(FROM + i * PAGE + (i * 61 + 2048) % (PAGE - 8) / 4 * 4 + 4); }

static void pages_begin(void)
{
	struct range r;
	bool there = false;

	for (unsigned int n = 0; usable_ram(n, &r); n++)
		there |= r.start <= FROM && r.end >= FROM + PAGES * PAGE;
	check(there, true, "64 MiB at 64 MiB");
	memset((void *)FROM, 0, PAGES * PAGE);
	for (uint32_t i = 0; i < PAGES; i++) {
		/* Each fourth page cannot be compressed. */
		uint32_t seed = i * 2654435761u;

		for (uint32_t at = 0; i % 4 == 3 && at < PAGE / 4; at++, seed = seed * 1664525u + 1013904223u)
			((uint32_t *)(FROM + i * PAGE))[at] = seed;
		*number(i) = i ^ 0x12345678;
		*counter(i) = 0;
	}
}

static void pages_count(uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		++*counter(i);
}

static void pages_end(void)
{
	uint32_t counters = 0, numbers = 0, rest = 0;

	for (uint32_t i = 0; i < PAGES; i++) {
		uint32_t seed = i * 2654435761u, bad = 0;

		counters += *counter(i) != ROUNDS;
		numbers += *number(i) != (i ^ 0x12345678);
		for (uint32_t at = 0; at < PAGE / 4; at++, seed = seed * 1664525u + 1013904223u) {
			uint32_t *p = (uint32_t *)(FROM + i * PAGE) + at;

			if (p != number(i) && (counter(i) - (uint8_t *)p) / 4)
				bad += *p != (i % 4 == 3 ? seed : 0);
		}
		rest += bad > 1;
	}
	check(counters, 0, "a byte in each of %u pages was incremented in each round", PAGES);
	check(numbers, 0, "the numbers of the pages");
	check(rest, 0, "the rest of the pages");
}

static void pattern(uint32_t disk, uint32_t chunk)
{
	for (uint32_t i = 0; i < CHUNK / 4; i++)
		((uint32_t *)buf)[i] = (disk << 28) + chunk * (CHUNK / 4) + i;
}

static void disks_write(uint32_t chunk)
{
	for (unsigned int n = 0; n < vio_count; n++) {
		if (vios[n].type != VIO_BLK || (vios[n].features & F_BLK_RO))
			continue;
		pattern(n, chunk);
		check(vio_blk(&vios[n], BLK_OUT, chunk * (CHUNK / 512), buf, CHUNK), BLK_S_OK, "%s: write", vio_name(&vios[n]));
	}
}

static void disks_verify(void)
{
	for (unsigned int n = 0; n < vio_count; n++) {
		uint32_t bad = 0;

		if (vios[n].type != VIO_BLK || (vios[n].features & F_BLK_RO))
			continue;
		for (uint32_t chunk = 0; chunk < CHUNKS; chunk++) {
			memset(buf, 0, CHUNK);
			bad += vio_blk(&vios[n], BLK_IN, chunk * (CHUNK / 512), buf, CHUNK) != BLK_S_OK;
			for (uint32_t i = 0; i < CHUNK / 4; i++)
				bad += ((uint32_t *)buf)[i] != (n << 28) + chunk * (CHUNK / 4) + i;
		}
		check(bad, 0, "%s: the pattern is read back", vio_name(&vios[n]));
	}
}

/* Page 0 belongs to the machine, too: a word of the interrupt vectors that nothing here uses. */
static volatile uint32_t low = 0x3c0;

static void snapshot(void)
{
	uint32_t a = VENEER_CALL | VENEER_CALL_SNAPSHOT, b = option_present("go-on"), c = 0;
	uint32_t key = 0x5eed;

	write32((void *)low, 0x0badcafe);
	if (option_present("master"))
		pci_write16((pci_bdf)(option_number("master", 0) << 3), PCI_COMMAND, 4);
	note("asks for a snapshot");
	check(try_hypercall(&a, &b, &c), NO_TRAP, "the call does not fault");
	if (option_present("refused")) {
		check((int32_t)a < 0, true, "the call fails");
		return;
	}
	check(a, 0, "the call's result");
	check(b, option_number("expect", 1), "resumed");
	check(read32((void *)low), 0x0badcafe, "page 0");
	check(key, 0x5eed, "the stack");
}

void probe(void)
{
	vio_scan();
	for (unsigned int n = 0; n < vio_count; n++)
		if (vios[n].type == VIO_BLK)
			check(vio_start(&vios[n], n & 1 ? VIO_LEGACY : VIO_MODERN, 0), true, "%s: starts", vio_name(&vios[n]));
	pages_begin();
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t half = PAGES / 2 + 77;

		pages_count(0, half);
		for (uint32_t chunk = round; chunk < CHUNKS; chunk += ROUNDS)
			disks_write(chunk);
		if (round == AT_ROUND)
			snapshot();
		pages_count(half, PAGES);
	}
	pages_end();
	disks_verify();
}
