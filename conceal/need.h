/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Upper bounds, in bytes, of Veneer's memory for a concealed device, without its driver's (struct hw_driver).  The installer's
 * veneer-hwcheck takes these numbers from here, too (installer/hw-ids.c).
 */
#ifndef CONCEAL_NEED_H
#define CONCEAL_NEED_H

#include <veneer/hwdev.h>
#include <veneer/mem.h>
#include "virtio/blk/blk.h"
#include "virtio/echo/echo.h"
#include "virtio/net/net.h"

/* Tables of fixed size. */
#define MAX_DEVICES	64u		/* concealed controllers */
#define MAX_TWINS	128u		/* virtual disks and cards for these controllers */

#define NEED_POOL	(MEM_COST(VNET_RX_BOUNCE * VNET_BOUNCE_SIZE) + VNET_BOUNCE_SIZE)
#define NEED_PLACE	(3 * MEM_COST_PAGES(PAGE_SIZE))		/* page tables for the BARs of a twin and its hidden device */
#define NEED_NET	(MEM_COST(sizeof(struct vnet)) + 2 * NEED_POOL + NEED_PLACE)
/* What a network card takes on top if its rule has an MTU. */
#define NEED_MTU	(MEM_COST(VNET_TX_BOUNCE * VNET_BOUNCE_JUMBO + VNET_RX_LOOSE * VNET_BOUNCE_SIZE) + 2 * VNET_BOUNCE_SIZE)
#define NEED_ECHO	(MEM_COST(sizeof(struct vecho)) + NEED_PLACE)
#define NEED_BLK(reqs)	(MEM_COST(sizeof(struct vblk)) + MEM_COST((reqs) * sizeof(struct vblk_req)) + NEED_PLACE)

/* Return the memory to reserve for a concealed controller with @disks disks, which share the tags if @d->shared_tags. */
static inline uint64_t need_of(const struct hw_driver *d, unsigned disks)
{
	unsigned tags = d->shared_tags && disks ? d->disk_tags / disks : d->disk_tags;

	if (d->class == HW_NIC)
		return d->memory + NEED_NET;
	if (d->class == HW_ECHO)
		return d->memory + NEED_ECHO;
	return d->memory + disks * (uint64_t)(d->disk_memory + NEED_BLK(MAX(MIN(tags, VBLK_REQS), VBLK_REQS_MIN)));
}

#endif
