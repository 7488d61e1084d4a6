# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/config/config.o
obj-y += hv/config/config_props.o
obj-y += hv/config/config_rules.o
obj-y += hv/config/guess.o
