# SPDX-License-Identifier: BSD-2-Clause
obj-$(CONFIG_STATE) += hv/state/state.o
obj-$(CONFIG_STATE) += hv/state/live.o
obj-$(CONFIG_STATE) += hv/state/lz4.o
obj-$(CONFIG_STATE) += hv/state/store.o
obj-$(CONFIG_STATE_TEST) += hv/state/hook.o
