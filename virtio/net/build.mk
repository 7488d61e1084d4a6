# SPDX-License-Identifier: BSD-2-Clause
obj-y += virtio/net/net.o virtio/net/tx.o virtio/net/tso.o virtio/net/rx.o virtio/net/ctrl.o
obj-$(CONFIG_NET_JUMBO) += virtio/net/merge.o
obj-$(CONFIG_STATE) += virtio/net/state.o
