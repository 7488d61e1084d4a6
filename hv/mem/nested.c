/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nested paging: guest-physical = host-physical with the largest pages, and holes in the ranges that the guest must not
 * access.  Addresses above both RAM and 4 GiB are mapped on first use.
 */
#include <veneer/err.h>
#include <veneer/lock.h>
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/boot/bootinfo.h"
#include "hv/cpu/percpu.h"
#include "hv/mem/mtrr.h"
#include "hv/mem/nested.h"
#include "hv/mem/ptree.h"
#include "hv/mem/ram.h"
#include "hv/x86.h"

#define GIB	0x40000000ull

static struct pt_tree nested;
static struct lock lock;
static struct { uint64_t base, size; } own;	/* Veneer's memory */

/* Ranges that are hidden or read-only.  A range may be here twice, and ranges may overlap: each needs its own nested_show(). */
#define MAX_SPECIAL	512u
static struct { uint64_t base, size; unsigned map; } special[MAX_SPECIAL];
static unsigned nspecial;
static bool out_of_tables;		/* logged once: a guest can touch a new page a thousand times a second */

/* Ranges that show a page of ones.  Blocks of 2 MiB without any other page share one table. */
#define MAX_ONES	64u
#define BLOCK		0x200000ull
static struct { uint64_t base, size; } ones[MAX_ONES];
static unsigned nones;
static uint8_t *ones_page;
static uint64_t *ones_table;

/* Map piece by piece, as the memory type changes; for formats whose entries hold a type. */
static int set_typed(uint64_t gpa, uint64_t size, unsigned map)
{
	int err = 0;

	while (size && !err) {
		uint64_t end, type = mtrr_type(gpa, &end), n = MIN(size, end - gpa);

		err = pt_set(&nested, gpa, n, map | (unsigned)FIELD_PREP(MAP_TYPE, type));
		gpa += n;
		size -= n;
	}
	return err;
}

static bool in_ones(uint64_t gpa, uint64_t *end)
{
	for (unsigned i = 0; i < nones; i++) {
		if (gpa < ones[i].base || gpa - ones[i].base >= ones[i].size)
			continue;
		*end = ones[i].base + ones[i].size;
		return true;
	}
	return false;
}

/* Return how much of [gpa, gpa + size) lies before the next range of ones. */
static uint64_t before_ones(uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < nones; i++)
		if (ones[i].base > gpa)
			size = MIN(size, ones[i].base - gpa);
	return size;
}

/* Map the range as @map says, all but the ranges of ones in it. */
static int change(uint64_t gpa, uint64_t size, unsigned map)
{
	uint64_t at = gpa, end = gpa + size, n, behind;
	int err = 0;

	for (; !err && at < end; at += n) {
		if (in_ones(at, &behind)) {
			n = MIN(behind, end) - at;
			continue;
		}
		n = before_ones(at, end - at);
		err = map && nested.format->typed ? set_typed(at, n, map) : pt_set(&nested, at, n, map);
	}
	if (err && !out_of_tables)
		log_err("nested: no memory for page tables, first for %#lx+%#lx: what cannot be mapped is hidden", gpa, size);
	out_of_tables |= err;
	return err;
}

/* Map RAM, and everything below 4 GiB, at the start. */
int nested_init(const struct boot_info *b, const struct pt_format *format, bool pages_1g)
{
	int err = pt_tree_init(&nested, format, pages_1g);

	nones = 0;
	ones_page = NULL;
	ones_table = NULL;
	mtrr_init();
	if (!err)
		err = change(0, ALIGN_UP(MAX(gmem_top(), 4 * GIB), GIB), MAP_R | MAP_W | MAP_X);
	if (!err)
		err = nested_hide(b->self_base, b->self_size);
	own.base = b->self_base;
	own.size = b->self_size;
	return err;
}

uint64_t nested_root(void)
{
	return (uint64_t)(uintptr_t)nested.root;
}

static bool in_special(unsigned i, uint64_t base, uint64_t size)
{
	return special[i].base < base + size && special[i].base + special[i].size > base;
}

/*
 * Make a range visible, but for the special ranges in it.  If page tables run out in the middle, hide the whole range again,
 * which needs no tables: a hidden register must not show because the guest has used up the heap.
 */
static int show(uint64_t base, uint64_t size)
{
	int err = change(base, size, MAP_R | MAP_W | MAP_X);

	for (unsigned i = 0; !err && i < nspecial; i++)
		if (in_special(i, base, size) && special[i].map)
			err = change(special[i].base, special[i].size, special[i].map);
	for (unsigned i = 0; !err && i < nspecial; i++)
		if (in_special(i, base, size) && !special[i].map)
			err = change(special[i].base, special[i].size, 0);
	if (err)
		change(base, size, 0);
	return err;
}

static int make_special(uint64_t gpa, uint64_t size, unsigned map)
{
	if (nspecial == MAX_SPECIAL) {
		limit_reached("ranges that the guest must not reach", MAX_SPECIAL);
		return -ERR_NOMEM;
	}
	int err = change(gpa, size, map);

	if (err)
		return err;
	special[nspecial].base = gpa;
	special[nspecial].size = size;
	special[nspecial++].map = map;
	return 0;
}

/* Remove one entry only: a twin's BAR may have lain exactly over the hidden BAR of a real device. */
static int end_special(uint64_t gpa, uint64_t size, bool hidden)
{
	for (unsigned i = 0; i < nspecial; i++) {
		if (special[i].size != size || special[i].base != gpa || !special[i].map != hidden)
			continue;
		special[i] = special[--nspecial];
		return show(gpa, size);
	}
	return -ERR_INVAL;
}

static void (*pause_guest)(void), (*resume_guest)(void);
static struct cpu *holder;	/* shared: by nested_hold(); it has the lock */

static bool held_here(void)
{
	return IS_ENABLED(CONFIG_STATE) && __atomic_load_n(&holder, __ATOMIC_RELAXED) == this_cpu();
}

void nested_pause_by(void (*pause)(void), void (*resume)(void))
{
	pause_guest = pause;
	resume_guest = resume;
}

/* Keep all processors out of the guest while the tables are between two states: a hidden page must never show. */
static void change_begin(void)
{
	if (held_here())
		return;
	lock_acquire(&lock);
	if (pause_guest)
		pause_guest();
}

static int change_end(int err)
{
	if (held_here())
		return err;
	if (resume_guest)
		resume_guest();
	lock_release(&lock);
	return err;
}

void nested_hold(void)
{
	change_begin();
	__atomic_store_n(&holder, this_cpu(), __ATOMIC_RELAXED);
}

void nested_let_go(void)
{
	__atomic_store_n(&holder, NULL, __ATOMIC_RELAXED);
	(void)change_end(0);
}

int nested_hide(uint64_t gpa, uint64_t size)
{
	change_begin();
	return change_end(make_special(gpa, size, 0));
}

int nested_readonly(uint64_t gpa, uint64_t size)
{
	change_begin();
	return change_end(make_special(gpa, size, MAP_R | MAP_X));
}

int nested_show(uint64_t gpa, uint64_t size)
{
	change_begin();
	return change_end(end_special(gpa, size, true));
}

int nested_writable(uint64_t gpa, uint64_t size)
{
	change_begin();
	return change_end(end_special(gpa, size, false));
}

bool nested_is_hidden(uint64_t gpa)
{
	bool held = held_here();
	uint64_t behind;

	if (!held)
		lock_acquire(&lock);
	bool hidden = in_ones(gpa, &behind);

	for (unsigned i = 0; !hidden && i < nspecial; i++)
		hidden = !special[i].map && gpa >= special[i].base && gpa - special[i].base < special[i].size;
	if (!held)
		lock_release(&lock);
	return hidden;
}

void nested_stray_write(uint64_t gpa)
{
	static bool said;

	if (gpa >= own.base && gpa - own.base < own.size)
		log_err_once(said, "guest: it writes to Veneer's memory at %#lx: ignored, as are further writes there", gpa);
}

int nested_map_on_demand(uint64_t gpa)
{
	uint64_t size = nested.max_level == 3 ? GIB : 0x200000;

	change_begin();
	return change_end(show(ALIGN_DOWN(gpa, size), size));
}

static int retype_all(void)
{
	uint64_t at = 0, size, entry;
	int err = 0;

	while (!err && (entry = pt_next(&nested, &at, &size))) {
		uint64_t behind;

		/* A page of ones, or of read-only registers, keeps its type for ever. */
		if (in_ones(at, &behind)) {
			at = behind;
			continue;
		}
		err = change(at, size, entry & (MAP_R | MAP_W | MAP_X));
		at += size;
	}
	return err;
}

/* If page tables run out, the rest keeps its old type. */
void nested_retype(void)
{
	if (!nested.format->typed)
		return;
	change_begin();
	change_end(retype_all());
}

/* --- ranges of ones --- */

static unsigned with_type(unsigned map, enum cache_type type)
{
	return nested.format->typed ? map | (unsigned)FIELD_PREP(MAP_TYPE, type) : map;
}

/* Nothing writes the page again, so it may be cached, whatever the type of the memory around. */
static uint64_t ones_entry(void)
{
	return mem_phys(ones_page) | nested.format->leaf(with_type(MAP_R, CACHE_WB));
}

static bool make_ones(void)
{
	if (ones_table)
		return true;
	if (!ones_page)
		ones_page = mem_alloc(PAGE_SIZE, PAGE_SIZE);
	if (ones_page)
		ones_table = mem_alloc(PAGE_SIZE, PAGE_SIZE);
	if (!ones_table)
		return false;
	memset(ones_page, 0xff, PAGE_SIZE);
	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*ones_table); i++)
		ones_table[i] = ones_entry();
	return true;
}

static int fill(uint64_t gpa, uint64_t size)
{
	int err = 0;

	for (uint64_t at = gpa, n; !err && at < gpa + size; at += n) {
		n = IS_ALIGNED(at, BLOCK) && gpa + size - at >= BLOCK ? BLOCK : PAGE_SIZE;
		err = n == BLOCK ? pt_share(&nested, at, ones_table) :
		      pt_unshare(&nested, at, ones_table) ?:
		      pt_redirect(&nested, at, mem_phys(ones_page), with_type(MAP_R, CACHE_WB));
	}
	return err;
}

static int add_ones(uint64_t gpa, uint64_t size)
{
	int err = nones < MAX_ONES && make_ones() ? fill(gpa, size) : -ERR_NOMEM;

	if (err) {
		log_err("nested: no room for %#lx+%#lx to read as ones", gpa, size);
		return err;
	}
	ones[nones].base = gpa;
	ones[nones++].size = size;
	return 0;
}

int nested_ones(uint64_t gpa, uint64_t size)
{
	change_begin();
	return change_end(add_ones(gpa, size));
}

int nested_ones_page(uint64_t gpa, enum ones_page what)
{
	change_begin();
	int err = pt_unshare(&nested, gpa, ones_table);

	if (!err && what == PAGE_ONES)
		err = pt_redirect(&nested, gpa, mem_phys(ones_page), with_type(MAP_R, CACHE_WB));
	else if (!err)
		err = pt_set(&nested, gpa, PAGE_SIZE, what == PAGE_OWN ? with_type(MAP_R, CACHE_UC) : 0);
	if (err)
		log_err("nested: out of page tables for the page %#lx", gpa);
	return change_end(err);
}
