# SPDX-License-Identifier: BSD-2-Clause
obj-y += hw/disk.o hw/sg.o hw/match.o hw/partition.o
