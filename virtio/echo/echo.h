/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-echo, internal: its size is a part of the memory that a machine needs. */
#ifndef VIRTIO_ECHO_ECHO_H
#define VIRTIO_ECHO_ECHO_H

#include "../transport.h"

struct vecho {
	struct virtio_dev dev;
	struct virtq vq;
};

#endif
