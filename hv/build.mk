# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/string.o
obj-y += hv/fmt.o
obj-y += hv/console.o
obj-y += hv/log.o
obj-y += hv/main.o
obj-y += hv/time.o
obj-y += hv/config.o
