# SPDX-License-Identifier: BSD-2-Clause
obj-y += hw/disk.o
obj-y += hw/match.o
obj-y += hw/partition.o
