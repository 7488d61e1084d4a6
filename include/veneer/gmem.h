/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only door to guest memory.  Guest-physical = host-physical, so an address that passes here can go to hardware as
 * it stands.  Guest RAM is what the firmware's map calls usable or ACPI-reclaimable, less Veneer's own range and page 0; MMIO,
 * holes and reserved memory never pass.
 */
#ifndef VENEER_GMEM_H
#define VENEER_GMEM_H

#include <veneer/types.h>

/* A range of guest RAM.  Guest RAM does not change after the start, so callers may keep a range. */
struct gmem_range {
	uint64_t base, size;
};

/* Whether every byte of [@gpa, @gpa + @len) lies in @r; an empty range does when @gpa does. */
static inline bool gmem_within(const struct gmem_range *r, uint64_t gpa, uint64_t len)
{
	uint64_t off = gpa - r->base;

	return off < r->size && len <= r->size - off;
}

/* Whether every byte of [@gpa, @gpa + @len) is guest RAM.  Wrapping ranges are not; an empty range is when @gpa is. */
bool gmem_valid(uint64_t gpa, uint64_t len);

/* As gmem_valid().  If true, *@r becomes the whole range of guest RAM around it; else *@r does not change. */
bool gmem_find(uint64_t gpa, uint64_t len, struct gmem_range *r);

/*
 * Return a pointer to guest RAM, or NULL if the range is not wholly guest RAM.  The guest may change the memory at any moment:
 * read each field once into a local copy, check the copy, use the copy.
 */
void *gmem_ptr(uint64_t gpa, uint64_t len);

#endif
