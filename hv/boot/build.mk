# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/boot/mbi.o
obj-y += hv/boot/memmap.o
obj-y += hv/boot/need.o
obj-y += hv/boot/own.o
obj-y += hv/boot/entry.o
