# SPDX-License-Identifier: BSD-2-Clause
obj-y += hw/disk.o hw/disk_cut.o hw/disk_start.o
obj-$(CONFIG_STATE) += hw/disk_rest.o
obj-$(CONFIG_VIRTIO_ECHO) += hw/echo.o
obj-y += hw/match.o
obj-y += hw/partition.o
