# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/emul/decode.o
obj-y += hv/emul/emulate.o
obj-y += hv/emul/mmio.o
obj-y += hv/emul/pio.o
obj-y += hv/emul/walk.o
