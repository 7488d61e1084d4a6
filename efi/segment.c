/* SPDX-License-Identifier: BSD-2-Clause */
/* A segment register with what the processor keeps behind the register, from the descriptor.  Asks no firmware. */
#include <veneer/string.h>
#include "efi/parts.h"

#define TSS_BUSY	0x8bu

/*
 * A segment as the processor has it, from its descriptor.  A null selector, which 64-bit mode allows in all but CS, gives a
 * segment that is not present.  VMX wants the accessed bit, which a loaded segment has and a table in ROM may not.
 */
void segment_state(struct efi_launch_seg *s, uint16_t selector, const void *gdt, uint16_t limit)
{
	uint64_t d = 0;

	*s = (struct efi_launch_seg){ .selector = selector };
	if ((selector & ~7u) == 0 || selector & 4 || (selector | 7) > limit)
		return;
	memcpy(&d, (const uint8_t *)gdt + (selector & ~7u), sizeof(d));
	s->attr = (uint16_t)((d >> 40 & 0xff) | (d >> 52 & 0xf) << 8);
	if (s->attr & 0x10)
		s->attr |= 1;
	s->limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000));
	if (d >> 55 & 1)
		s->limit = s->limit << 12 | 0xfff;
	s->base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
}

/* Most firmware has a null selector in TR: then a task as after a reset, which 64-bit mode accepts in a guest, too. */
void segment_task(struct efi_launch_seg *s, uint16_t selector, const void *gdt, uint16_t limit)
{
	uint64_t high;

	segment_state(s, selector, gdt, limit);
	if (!s->attr || (selector & ~7u) + 15 > limit) {
		*s = (struct efi_launch_seg){ .attr = TSS_BUSY, .limit = 0xffff };
		return;
	}
	memcpy(&high, (const uint8_t *)gdt + (selector & ~7u) + 8, sizeof(high));
	s->attr = TSS_BUSY;
	s->base |= high << 32;
}
