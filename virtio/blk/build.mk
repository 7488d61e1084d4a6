# SPDX-License-Identifier: BSD-2-Clause
obj-y += virtio/blk/blk.o virtio/blk/request.o virtio/blk/bootdisk.o
obj-$(CONFIG_STATE) += virtio/blk/state.o
