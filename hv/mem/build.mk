# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/mem/heap.o
obj-y += hv/mem/ptree.o
obj-y += hv/mem/paging.o
obj-y += hv/mem/nested.o
obj-y += hv/mem/mtrr.o
obj-y += hv/mem/gmem.o
obj-y += hv/mem/segment.o
