/* SPDX-License-Identifier: BSD-2-Clause */
/* The list behind <veneer/bootdisk.h>. */
#ifndef VIRTIO_BLK_BOOTDISK_H
#define VIRTIO_BLK_BOOTDISK_H

#include <veneer/bootdisk.h>
#include <veneer/disk.h>

extern const struct bootdisk_ops bootdisk_ops;

/* Let firmware interfaces have @disk, whose twin is @bdf.  @own: Veneer itself starts from it.  Start only. */
void bootdisk_add(struct disk *disk, uint16_t bdf, bool writable, bool own);

#endif
