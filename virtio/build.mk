# SPDX-License-Identifier: BSD-2-Clause
obj-y += virtio/access.o
obj-y += virtio/queue.o virtio/transport.o virtio/pci_config.o virtio/msix.o
obj-$(CONFIG_VIRTIO_LEGACY) += virtio/legacy.o
obj-$(CONFIG_STATE) += virtio/state.o
obj-$(CONFIG_VIRTIO_MODERN) += virtio/modern.o
