/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nested paging: guest-physical = host-physical with the largest pages, and holes where the guest must not reach.
 * What lies beyond RAM and 4 GiB is mapped on first use.
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include "hv/mem/mem_internal.h"
#include "hv/x86.h"

#define GIB	0x40000000ull

static struct pt_tree nested;
static bool flush_wanted = true;

#define MAX_HIDDEN	128u
static struct { uint64_t base, size; } hidden[MAX_HIDDEN];

/* RAM, and everything below 4 GiB, is there from the start. */
int nested_init(const struct boot_info *b, const struct pt_format *format)
{
	bool pages_1g = cpuid(0x80000001, 0).edx & BIT(26);
	int err = pt_tree_init(&nested, format, pages_1g);

	if (!err)
		err = pt_set(&nested, 0, ALIGN_UP(MAX(gmem_top(), 4 * GIB), GIB), MAP_R | MAP_W | MAP_X);
	if (!err)
		err = nested_hide(b->self_base, b->self_size);
	return err;
}

uint64_t nested_root(void)
{
	return (uint64_t)(uintptr_t)nested.root;
}

static int change(uint64_t gpa, uint64_t size, unsigned map)
{
	int err = pt_set(&nested, gpa, size, map);

	flush_wanted = true;
	if (err)
		log_err("nested: out of page tables for %#lx+%#lx", gpa, size);
	return err;
}

int nested_hide(uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < MAX_HIDDEN; i++) {
		if (!hidden[i].size) {
			hidden[i].base = gpa;
			hidden[i].size = size;
			return change(gpa, size, 0);
		}
	}
	log_err("nested: no room to remember that %#lx+%#lx is hidden", gpa, size);
	return -ERR_NOMEM;
}

/* After a range became visible: what somebody else hid in it stays hidden. */
static int hide_again(uint64_t base, uint64_t size)
{
	int err = 0;

	for (unsigned i = 0; !err && i < MAX_HIDDEN; i++)
		if (hidden[i].size && hidden[i].base < base + size && hidden[i].base + hidden[i].size > base)
			err = change(hidden[i].base, hidden[i].size, 0);
	return err;
}

int nested_show(uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < MAX_HIDDEN; i++)
		if (hidden[i].size == size && hidden[i].base == gpa)
			hidden[i].size = 0;
	int err = change(gpa, size, MAP_R | MAP_W | MAP_X);
	return err ? err : hide_again(gpa, size);
}

bool nested_is_hidden(uint64_t gpa)
{
	for (unsigned i = 0; i < MAX_HIDDEN; i++)
		if (gpa >= hidden[i].base && gpa - hidden[i].base < hidden[i].size)
			return true;
	return false;
}

int nested_readonly(uint64_t gpa, uint64_t size) { return change(gpa, size, MAP_R | MAP_X); }

int nested_map_on_demand(uint64_t gpa)
{
	uint64_t size = nested.max_level == 3 ? GIB : 0x200000;
	uint64_t base = ALIGN_DOWN(gpa, size);
	int err = change(base, size, MAP_R | MAP_W | MAP_X);

	return err ? err : hide_again(base, size);
}

bool nested_take_flush(void)
{
	bool was = flush_wanted;

	flush_wanted = false;
	return was;
}
