# SPDX-License-Identifier: BSD-2-Clause
# virtio-net calls the core, whatever drivers there are.

obj-y += hw/nic/nic.o
obj-$(CONFIG_NIC_SKELETON) += hw/nic/skeleton.o
