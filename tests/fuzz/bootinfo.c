/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/boot/mbi.c hv/boot/memmap.c tests/fuzz/lib/fuzz.c */
/* quick: 20000 */
/*
 * The boot loader's information (multiboot2), and what is done with the memory map afterwards.  The loader guarantees the total
 * size alone: it is made to fit.  The places of hidden memory are the input's, too.
 */
#include <veneer/err.h>
#include "tests/fuzz/fuzz.h"
#include "hv/boot/bootinfo.h"
#include "hv/boot/multiboot2.h"

static struct boot_info b;

static void check_map(void)
{
	CHECK(b.nranges <= BOOT_MAX_RANGES && b.nmodules <= BOOT_MAX_MODULES && b.text_used <= BOOT_MAX_TEXT);
	for (unsigned i = 0; i < b.nranges; i++) {
		CHECK(b.range[i].size && b.range[i].base + b.range[i].size > b.range[i].base);
		if (i)
			CHECK(b.range[i - 1].base + b.range[i - 1].size <= b.range[i].base);
		if (b.range[i].type == MEM_USABLE)
			CHECK(IS_ALIGNED(b.range[i].base | b.range[i].size, PAGE_SIZE));
	}
	for (unsigned i = 0; i < b.nmodules; i++)
		CHECK(strlen(b.module[i].cmdline) < BOOT_MAX_CMDLINE);
}

/* Memory that is found can be hidden, and is then found no more. */
static void find_and_hide(uint64_t size, uint64_t align, unsigned how)
{
	uint64_t at = boot_info_find_as(&b, how, size, align, 0x100000, 1ull << 40, NULL, 0);

	if (!at)
		return;
	CHECK(IS_ALIGNED(at, align));
	if (boot_info_hide(&b, at, size))
		return;
	check_map();
	CHECK(boot_info_is_own(&b, at, size) || b.self_base != at);
	uint64_t again = boot_info_find_as(&b, how, size, align, 0x100000, 1ull << 40, NULL, 0);

	CHECK(!again || again + size <= at || again >= at + size);
}

static void fuzz(void)
{
	uint64_t size = (1 + fuzz8() % 64u) * PAGE_SIZE, align = PAGE_SIZE << fuzz8() % 10;
	unsigned how = fuzz8() & 3;
	uint64_t base = (uint64_t)fuzz16() * PAGE_SIZE;
	size_t len;
	uint8_t *info = fuzz_rest(&len), *copy;
	uint32_t total;

	if (len < 8)
		return;
	memcpy(&total, info, 4);
	if (total > len)
		total = (uint32_t)len;
	memcpy(info, &total, 4);
	copy = aligned_alloc(8, ALIGN_UP(len, 8));
	memcpy(copy, info, len);
	int result = boot_info_parse(&b, copy);

	free(copy);		/* all that is needed of it has been copied */
	if (result) {
		CHECK(host_log_has("boot"));
		return;
	}
	check_map();
	find_and_hide(size, align, how);
	boot_info_own(&b, base, size);
	check_map();
}

FUZZ(fuzz)
