/* SPDX-License-Identifier: BSD-2-Clause */
/* Veneer's own address space: virtual = physical, writable or executable but never both. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include "hv/boot/bootinfo.h"
#include "hv/mem/paging.h"
#include "hv/mem/ptree.h"
#include "hv/mem/ram.h"
#include "hv/x86.h"

#define GIB		0x40000000ull
#define HOST_LIMIT	(1ull << 47)	/* virtual = physical: the lower canonical half */
#define CPUID_1G_PAGES	BIT(26)		/* 80000001h EDX */

static struct pt_tree host;
static uint8_t first_page[PAGE_SIZE] ALIGNED(PAGE_SIZE);	/* its address shows physical page 0 */

int paging_map_image(void)
{
	uint64_t start = mem_phys(veneer_start), rodata = mem_phys(veneer_rodata), data = mem_phys(veneer_data);
	uint64_t end = mem_phys(veneer_end);
	int err = pt_set(&host, start, rodata - start, MAP_R | MAP_X);

	/* Read-only data and the relocated pointers behind them. */
	if (!err)
		err = pt_set(&host, rodata, data - rodata, MAP_R);
	if (!err)
		err = pt_set(&host, data, end - data, MAP_R | MAP_W);
	if (!err)
		err = pt_redirect(&host, mem_phys(first_page), 0, MAP_R | MAP_W);
	return err;
}

int paging_init(const struct boot_info *b)
{
	uint64_t top = 4 * GIB;

	for (unsigned i = 0; i < b->nranges; i++)
		if (b->range[i].type == MEM_USABLE || b->range[i].type == MEM_ACPI || b->range[i].type == MEM_NVS)
			top = MAX(top, b->range[i].base + b->range[i].size);
	top = ALIGN_UP(top, GIB);

	int err = pt_tree_init(&host, &pt_format_x86, cpuid(0x80000001, 0).edx & CPUID_1G_PAGES);
	if (!err)
		err = pt_set(&host, 0, top, MAP_R | MAP_W);
	if (!err)
		err = paging_map_image();
	/* A NULL pointer faults.  Veneer reads nothing in page 0: what GRUB left there was copied before. */
	if (!err)
		err = pt_set(&host, 0, PAGE_SIZE, 0);
	if (err)
		return err;
	write_cr3(mem_phys(host.root));
	return 0;
}

int paging_unmap(uint64_t base, uint64_t size)
{
	return pt_set(&host, base, size, 0);
}

int paging_map_plain(uint64_t base, uint64_t size)
{
	return pt_set(&host, base, size, MAP_R | MAP_W);
}

bool paging_is_mapped(uint64_t addr)
{
	return pt_get(&host, addr);
}

uint64_t host_root(void)
{
	return mem_phys(host.root);
}

uint8_t *paging_first_page(void)
{
	return first_page;
}

volatile void *mem_map_mmio(uint64_t phys, uint64_t size)
{
	uint64_t base = ALIGN_DOWN(phys, PAGE_SIZE), end = ALIGN_UP(phys + size, PAGE_SIZE);

	if (end <= base || end > MIN(phys_limit(), HOST_LIMIT) || pt_set(&host, base, end - base, MAP_R | MAP_W | MAP_UC))
		return NULL;
	/* Flush the old translations of this range: flush all, since this is the start. */
	write_cr3(mem_phys(host.root));
	return (volatile void *)(uintptr_t)phys;
}
