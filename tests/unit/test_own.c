/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/boot/own.c hv/mem/heap.c hv/mem/gmem.c hv/boot/memmap.c */
/* Veneer's own memory: the pieces beside the image, none of which the guest sees, and the error on a machine without enough. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/mem.h>
#include "host/host.h"
#include "hv/boot/bootinfo.h"
#include "hv/mem/heap.h"
#include "hv/boot/own.h"
#include "hv/mem/paging.h"
#include "hv/mem/ram.h"
#include "hv/x86.h"

#define IMAGE	0x40000u	/* with the first heap */
#define CODE	0x10000u
#define TAIL	0x8000u
#define RAM	0x800000u

/* The rest of the memory follows the image. */
__asm__(".bss\n.balign 4096\n.globl veneer_start, veneer_heap, veneer_end\nveneer_start: .skip 0x10000\n"
	"veneer_heap: .skip 0x30000\nveneer_end: .skip 0x8000\n.text");

static struct boot_info b;
static uint64_t ram;
static struct { uint64_t base, size; } hidden[8];
static unsigned nhidden;
static int hide_error;

uint64_t rdmsr(uint32_t msr) { return 0; }
struct cpuid_regs cpuid(uint32_t leaf, uint32_t sub) { return (struct cpuid_regs){ 0 }; }

int nested_hide(uint64_t gpa, uint64_t size)
{
	hidden[nhidden].base = gpa;
	hidden[nhidden++].size = size;
	return hide_error;
}

/* A machine with RAM below 4 GiB, a module at its end, and the image with a rest behind it. */
static void start(uint64_t size, uint64_t module)
{
	uint64_t image = mem_phys(veneer_start);

	memset(&b, 0, sizeof(b));
	nhidden = 0;
	hide_error = 0;
	ram = host_guest_ram(size);
	b.range[0] = (struct mem_range){ ram, size, MEM_USABLE };
	b.range[1] = (struct mem_range){ image, IMAGE + TAIL, MEM_USABLE };
	b.nranges = 2;
	b.module[0].addr = ram + size - module;
	b.module[0].size = module;
	b.nmodules = module ? 1 : 0;
	heap_init(veneer_heap, IMAGE - CODE);
	CHECK_EQ(own_init(&b), 0);
}

static uint64_t taken(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < b.nown; i++)
		sum += b.own[i].size;
	return sum;
}

TEST(the_rest_behind_veneer_belongs_to_it)
{
	start(RAM, 0);
	CHECK_EQ(b.nown, 1);
	CHECK_EQ(b.own[0].base, mem_phys(veneer_start));
	CHECK_EQ(b.own[0].size, IMAGE + TAIL);
	CHECK_EQ(b.range[1].type, MEM_RESERVED);
	CHECK_EQ(b.nranges, 2);
	CHECK_EQ(heap_size(), IMAGE - CODE + TAIL);
	CHECK(own_memory(mem_phys(veneer_start)) && own_memory(mem_phys(veneer_end) + TAIL - 1));
	CHECK(!own_memory(mem_phys(veneer_end) + TAIL) && !own_memory(ram));
}

TEST(no_less_than_4_mib_and_no_more_than_needed)
{
	start(RAM, 0x100000);
	own_size(1u << 20, OWN_MIN);
	CHECK_EQ(taken(), OWN_MIN);
	CHECK(host_log_has("memory: Veneer at") && host_log_has("memory: and"));
	/* From the top, below the module. */
	CHECK_EQ(b.own[1].base + b.own[1].size, ram + RAM - 0x100000);
	CHECK_EQ(own_close(64 << 10), 0);
	CHECK_EQ(taken(), OWN_MIN);
	start(RAM, 0);
	own_size(6u << 20, OWN_MIN);
	CHECK(heap_size() - heap_in_use() >= 6u << 20 && heap_size() - heap_in_use() < (6u << 20) + PAGE_SIZE);
}

static uint64_t told, told_size;
static int told_error;
static int on_take(uint64_t base, uint64_t size)
{
	/* The heap does not have the range yet. */
	told = base;
	told_size = size;
	return told_error;
}

TEST(what_is_taken_is_told_first)
{
	uint64_t base, size;
	void *p;

	start(RAM, 0);
	own_size(0, OWN_MIN);
	CHECK(own_piece(0, &base, &size) && base == mem_phys(veneer_start) && size == IMAGE + TAIL);
	CHECK(own_piece(1, &base, &size) && base + size == ram + RAM && !own_piece(2, &base, &size));
	own_image(&base, &size);
	CHECK(base == mem_phys(veneer_start) && size == CODE);
	own_on_take(on_take);
	while (!told)
		CHECK(mem_alloc(200 << 10, 4096));
	CHECK(own_memory(told) && told_size >= 200 << 10);
	/* A range that is refused is nobody's. */
	told_error = -ERR_IO;
	size = heap_size();
	base = told;
	do {
		p = mem_alloc(200 << 10, 4096);
	} while (p);
	CHECK(told != base && heap_size() == size);
	CHECK_EQ(own_close(0), -ERR_NOMEM);
	CHECK(own_memory(told));
	told = 0;
}

TEST(what_was_not_foreseen_comes_in_steps_and_is_hidden)
{
	void *p[64];
	unsigned n = 0;

	start(RAM, 0);
	own_size(0, OWN_MIN);
	while (n < 64 && heap_size() < 6u << 20)
		CHECK((p[n++] = mem_alloc(200 << 10, 4096)));
	CHECK(host_log_has("KiB more for Veneer at"));
	CHECK_EQ(own_close(0), 0);
	/* Once the guest runs, the start's copy of the boot loader's map is gone. */
	struct boot_info was = b;

	memset(&b, 0xa5, sizeof(b));
	for (unsigned i = 0; i < n; i++)
		CHECK(own_memory(mem_phys(p[i])));
	b = was;
	/* The steps are adjacent: two pieces in all, both hidden from the guest. */
	CHECK_EQ(b.nown, 2);
	CHECK_EQ(nhidden, 2);
	for (unsigned i = 0; i < n; i++)
		CHECK(own_memory(mem_phys(p[i])) && !gmem_valid(mem_phys(p[i]), 1));
	CHECK(gmem_valid(ram, 4096));
	CHECK(!gmem_valid(b.own[1].base, 4096) && !gmem_valid(b.own[1].base + b.own[1].size - 1, 1));
	/* From now on the heap does not grow. */
	CHECK(!mem_alloc(4u << 20, 64));
	CHECK_EQ(nhidden, 2);
}

TEST(pieces_where_no_place_is_large_enough)
{
	start(RAM, 0);
	/* A hole in the middle: 6 MiB in one piece are not free, but 7 MiB in two. */
	b.range[2] = b.range[1];
	b.range[1] = (struct mem_range){ ram + RAM / 2 + 0x80000, RAM / 2 - 0x80000, MEM_USABLE };
	b.range[0].size = RAM / 2 - 0x80000;
	b.nranges = 3;
	own_size(6u << 20, OWN_MIN);
	CHECK_EQ(own_close(0), 0);
	CHECK(heap_size() - heap_in_use() >= 6u << 20);
}

TEST(too_little_memory_names_need_and_have)
{
	start(0x200000, 0);
	own_size(8u << 20, OWN_MIN);
	CHECK(!mem_alloc(3u << 20, 64));
	CHECK_EQ(own_close(0), -ERR_NOMEM);
	CHECK(host_log_has("memory: Veneer needs ") && host_log_has(" KiB for this machine, and has "));
	/* Also if there is room for the devices, but not for the rest. */
	start(0x500000, 0);
	own_size(0, OWN_MIN);
	CHECK_EQ(own_close(6u << 20), -ERR_NOMEM);
	/* And if the memory cannot be hidden. */
	start(RAM, 0);
	own_size(0, OWN_MIN);
	hide_error = -ERR_NOMEM;
	CHECK_EQ(own_close(0), -ERR_NOMEM);
}

TEST_MAIN
