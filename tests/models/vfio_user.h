/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model as the PCI device of a QEMU, by the vfio-user protocol 0.0 (QEMU: docs/interop/vfio-user.rst; device vfio-user-pci of
 * QEMU 10.1 and later).  One device, one client.  What the client sends is checked; a message that does not fit ends the
 * connection.
 */
#ifndef VFIO_USER_H
#define VFIO_USER_H

#include "model.h"

struct vfio_user;

/* Takes the connected socket @fd for @m, and sets ctx, dma, master, irq and vector of its host.  NULL: no memory. */
struct vfio_user *vfio_user_new(struct model *m, int fd);

/* There is something to read: answer one message.  False: the client is gone, or the connection is of no more use. */
bool vfio_user_serve(struct vfio_user *v);

/* Time has passed.  Returns when this is wanted again, or MODEL_NEVER. */
uint64_t vfio_user_run(struct vfio_user *v);

/* DMA that was refused since the start. */
unsigned vfio_user_refused(const struct vfio_user *v);

#endif
