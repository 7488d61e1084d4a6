/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Veneer's own memory: the image with the first heap, at the boot loader's place, and the ranges that extend the heap while
 * the devices start.  These ranges come from the top of the memory below 4 GiB, mostly directly below the image.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/boot/bootinfo.h"
#include "hv/mem/heap.h"
#include "hv/mem/nested.h"
#include "hv/boot/own.h"
#include "hv/mem/paging.h"
#include "hv/mem/ram.h"

#define MIB		0x100000ull
#define TOP		0x100000000ull		/* devices with 32-bit addresses cannot access memory above */
#define TAIL_MAX	(2 * MIB)
#define STEP		(512 * 1024ull)		/* a full heap grows at least by this */

static struct boot_info *boot;			/* of the start: gone when the guest runs */
static struct mem_range mine[BOOT_MAX_OWN];	/* what stays of it */
static unsigned nmine;
static uint64_t missing;			/* bytes that could not be allocated */
static int (*on_take)(uint64_t base, uint64_t size);
static bool said;				/* where all is that was taken first */

static void remember(void)
{
	memcpy(mine, boot->own, sizeof(mine));
	nmine = boot->nown;
}

static int own_take(uint64_t base, uint64_t size)
{
	int err = boot_info_own(boot, base, size);

	remember();
	if (!err && on_take)
		err = on_take(base, size);
	if (!err)
		heap_add((void *)(uintptr_t)base, (size_t)size);
	return err;
}

/* Take one piece at the highest place. */
static int take_piece(uint64_t size)
{
	const struct efi_launch *l = &boot->launch;
	uint64_t min = l->version ? l->pool : MIB, max = l->version ? l->pool + l->pool_size : TOP;
	uint64_t at = boot_info_find_as(boot, BOOT_FIND_HIGH, size, PAGE_SIZE, min, max, NULL, 0);
	int err = at ? own_take(at, size) : -ERR_NOMEM;

	if (!err && said)
		log_info("memory: %lu KiB more for Veneer at %#lx-%#lx", size / 1024, at, at + size);
	return err;
}

START_ONLY_CODE static int own_grow(size_t need)
{
	uint64_t size = ALIGN_UP((uint64_t)need + PAGE_SIZE, (uint64_t)PAGE_SIZE);

	if (!take_piece(MAX(size, STEP)) || (size < STEP && !take_piece(size)))
		return 0;
	missing = MAX(missing, size);
	return -ERR_NOMEM;
}

/*
 * Also take a remainder of less than 2 MiB between Veneer and the end of the memory: some guests' boot loaders
 * round the last usable range to 2 MiB.
 */
static void take_tail(void)
{
	uint64_t end = boot->self_base + boot->self_size;

	for (unsigned i = 0; i < boot->nranges; i++) {
		struct mem_range r = boot->range[i];

		if (r.base != end || r.type != MEM_USABLE || r.size >= TAIL_MAX)
			continue;
		if (boot_info_find(boot, r.size, PAGE_SIZE, r.base, r.base + r.size, NULL, 0) == r.base)
			own_take(r.base, r.size);
		return;
	}
}

int own_init(struct boot_info *b)
{
	uint64_t base = mem_phys(veneer_start), size = (uint64_t)(veneer_end - veneer_start);
	int err = boot_info_own(b, base, size);

	if (err)
		return err;
	boot = b;
	b->self_base = base;
	b->self_size = size;
	missing = 0;
	on_take = NULL;
	remember();
	take_tail();
	heap_set_grow(own_grow);
	return 0;
}

/* Take @bytes more, in several pieces if no single one is large enough. */
static void take_more(uint64_t bytes)
{
	uint64_t piece = bytes;

	while (bytes && piece) {
		piece = MIN(piece, bytes);
		if (!take_piece(piece))
			bytes -= piece;
		else
			piece = piece > STEP ? ALIGN_UP(piece / 2, (uint64_t)PAGE_SIZE) : 0;
	}
	missing = MAX(missing, bytes);
}

static void reserve(uint64_t bytes)
{
	uint64_t have = heap_size() - heap_in_use();

	if (bytes > have)
		take_more(ALIGN_UP(bytes - have, (uint64_t)PAGE_SIZE));
}

static uint64_t own_bytes(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < boot->nown; i++)
		sum += boot->own[i].size;
	return sum;
}

void own_size(uint64_t need, uint64_t total)
{
	uint64_t image = mem_phys(veneer_heap) - boot->self_base, free = heap_size() - heap_in_use(), own = own_bytes();
	uint64_t more = MAX(need > free ? need - free : 0, own < total ? total - own : 0);

	take_more(ALIGN_UP(more, (uint64_t)PAGE_SIZE));
	for (unsigned i = 0; i < boot->nown; i++) {
		const struct mem_range *r = &boot->own[i];

		if (boot->self_base >= r->base && boot->self_base < r->base + r->size)
			log_info("memory: Veneer at %#lx-%#lx (%lu KiB, %lu KiB of it image, from %#lx on)", r->base,
				 r->base + r->size, r->size / 1024, image / 1024, boot->self_base);
		else
			log_info("memory: and %#lx-%#lx (%lu KiB)", r->base, r->base + r->size, r->size / 1024);
	}
	said = true;
}

static int hide(void)
{
	int err = 0;

	/* The image has been hidden since nested paging was set up. */
	for (unsigned i = 0; i < boot->nown && !err; i++)
		if (boot->own[i].base != boot->self_base || boot->own[i].size != boot->self_size)
			err = nested_hide(boot->own[i].base, boot->own[i].size);
	return err;
}

int own_close(uint64_t bytes)
{
	reserve(bytes);
	heap_set_grow(NULL);
	on_take = NULL;
	if (missing) {
		log_err("memory: Veneer needs %lu KiB for this machine, and has %lu KiB: no more is free below 4 GiB",
			(heap_size() + missing) / 1024, heap_size() / 1024);
		return -ERR_NOMEM;
	}
	gmem_init(boot);
	return hide();
}

bool own_memory(uint64_t addr)
{
	for (unsigned i = 0; i < nmine; i++)
		if (addr >= mine[i].base && addr - mine[i].base < mine[i].size)
			return true;
	return false;
}

bool own_piece(unsigned n, uint64_t *base, uint64_t *size)
{
	if (n >= nmine)
		return false;
	*base = mine[n].base;
	*size = mine[n].size;
	return true;
}

void own_image(uint64_t *base, uint64_t *size)
{
	*base = mem_phys(veneer_start);
	*size = mem_phys(veneer_heap) - *base;
}

void own_on_take(int (*fn)(uint64_t base, uint64_t size))
{
	on_take = fn;
}
