/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a concealed device costs of Veneer's memory beside its driver's own (struct hw_driver), in bytes: bounds.  The
 * installer's veneer-hwcheck has these numbers from here, too (installer/hw-ids.c).
 */
#ifndef CONCEAL_NEED_H
#define CONCEAL_NEED_H

#include <veneer/hwdev.h>
#include <veneer/mem.h>
#include "virtio/blk/blk.h"
#include "virtio/net/net.h"

/* Tables of fixed size. */
#define MAX_DEVICES	64u		/* controllers that are concealed */
#define MAX_TWINS	128u		/* disks and cards that the guest gets for them */

#define NEED_POOL	(MEM_COST(VNET_RX_BOUNCE * VNET_BOUNCE_SIZE) + VNET_BOUNCE_SIZE)
#define NEED_PLACE	(3 * MEM_COST_PAGES(PAGE_SIZE))		/* page tables for the BARs of a twin and of what it hides */
#define NEED_NET	(MEM_COST(sizeof(struct vnet)) + 2 * NEED_POOL + NEED_PLACE)
#define NEED_BLK(reqs)	(MEM_COST(sizeof(struct vblk)) + MEM_COST((reqs) * sizeof(struct vblk_req)) + NEED_PLACE)

/* What the start counts on for a concealed controller with @disks disks, which share @d's tags if it says so. */
static inline uint64_t need_of(const struct hw_driver *d, unsigned disks)
{
	unsigned tags = d->shared_tags && disks ? d->disk_tags / disks : d->disk_tags;

	if (d->class == HW_NIC)
		return d->memory + NEED_NET;
	return d->memory + disks * (uint64_t)(d->disk_memory + NEED_BLK(MAX(MIN(tags, VBLK_REQS), VBLK_REQS_MIN)));
}

#endif
