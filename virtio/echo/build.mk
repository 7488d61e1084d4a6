# SPDX-License-Identifier: BSD-2-Clause
obj-$(CONFIG_VIRTIO_ECHO) += virtio/echo/echo.o
