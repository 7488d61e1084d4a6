# SPDX-License-Identifier: BSD-2-Clause
obj-y += conceal/conceal.o
obj-y += conceal/classify.o
obj-y += conceal/hide.o
obj-y += conceal/window.o
obj-$(CONFIG_STATE) += conceal/medium.o
