/* SPDX-License-Identifier: BSD-2-Clause */
/* Answer INT 15h's memory sizes from the map without Veneer's range (ACPI 6.4 section 15.1; older calls by convention). */
#include <veneer/string.h>
#include "hv/bios/bios.h"
#include "hv/load/load_plan.h"

#define SMAP			0x534d4150u
#define NOT_SUPPORTED		0x86
#define KIB_16M			(15u * 1024)	/* from 1 MiB to 16 MiB */
#define MAX_KIB_88		0xfc00u		/* the most that 16-bit programs understand: up to 64 MiB */

static const struct boot_info *info;
static uint32_t upper_kib;		/* from 1 MiB to the first hole */

struct e820 {
	uint64_t base, size;
	uint32_t type;
} PACKED;

void bios_memory_init(const struct boot_info *b)
{
	info = b;
	upper_kib = boot_info_mem_upper(b);
}

static enum bios_next unsupported(struct bios_call *c)
{
	bios_set_ah(c, NOT_SUPPORTED);
	return BIOS_ERROR;
}

/* EBX: the index of the next entry; 0 at the first call and after the last entry. */
static enum bios_next e820(struct bios_call *c)
{
	uint32_t i = (uint32_t)c->gpr[GPR_RBX];
	struct e820 e;

	if ((uint32_t)c->gpr[GPR_RDX] != SMAP || (uint32_t)c->gpr[GPR_RCX] < sizeof(e) || i >= info->nranges)
		return unsupported(c);
	e = (struct e820){ info->range[i].base, info->range[i].size, (uint32_t)info->range[i].type };
	if (!bios_copy_out(c->es + bios_r16(c, GPR_RDI), &e, sizeof(e)))
		return unsupported(c);
	c->gpr[GPR_RAX] = SMAP;
	c->gpr[GPR_RBX] = i + 1 < info->nranges ? i + 1 : 0;
	c->gpr[GPR_RCX] = sizeof(e);
	return BIOS_OK;
}

/* KiB below 16 MiB and units of 64 KiB above, each up to the first hole; both pairs of registers get the same. */
static enum bios_next two_sizes(struct bios_call *c, bool wide)
{
	uint32_t low = MIN(upper_kib, KIB_16M), high = (upper_kib - low) / 64;

	if (!wide)
		high = MIN(high, 0xffffu);
	for (unsigned i = 0; i < 2; i++) {
		enum gpr a = i ? GPR_RCX : GPR_RAX, b = i ? GPR_RDX : GPR_RBX;

		if (wide) {
			c->gpr[a] = low;
			c->gpr[b] = high;
		} else {
			bios_set16(c, a, (uint16_t)low);
			bios_set16(c, b, (uint16_t)high);
		}
	}
	return BIOS_OK;
}

enum bios_next bios_int15(struct bios_call *c)
{
	uint32_t kib = upper_kib;

	switch (bios_r16(c, GPR_RAX)) {
	case 0xe820:
		return e820(c);
	case 0xe801:
		return two_sizes(c, false);
	case 0xe881:
		return two_sizes(c, true);
	case 0xda88:
		c->gpr[GPR_RCX] = (c->gpr[GPR_RCX] & ~0xffull) | (kib >> 16 & 0xff);
		bios_set16(c, GPR_RBX, (uint16_t)kib);
		bios_set16(c, GPR_RAX, 0);
		return BIOS_OK;
	}
	switch (bios_ah(c)) {
	case 0x88:
		bios_set16(c, GPR_RAX, (uint16_t)MIN(kib, MAX_KIB_88));
		return BIOS_OK;
	case 0x8a:
		bios_set16(c, GPR_RAX, (uint16_t)kib);
		bios_set16(c, GPR_RDX, (uint16_t)(kib >> 16));
		return BIOS_OK;
	default:
		return unsupported(c);
	}
}
