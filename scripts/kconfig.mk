# SPDX-License-Identifier: BSD-2-Clause
# .config is the user's; $(BUILD)/auto.conf (for make) and $(BUILD)/autoconf.h (for C) are made from it.  scripts/kconfig does
# the work; it rewrites autoconf.h only when that changes, so that nothing is compiled anew without a cause.
KCONFIG_CONFIG ?= .config
KCONFIG_TARGETS := menuconfig nconfig defconfig olddefconfig savedefconfig allyesconfig allnoconfig localconfig

menuconfig: $(KCONFIG_CONFIG) ## Change the configuration in menus
nconfig: $(KCONFIG_CONFIG) ## The same with another look
defconfig: ## Configure as configs/defconfig says (a missing .config means this)
olddefconfig: $(KCONFIG_CONFIG) ## Complete .config by the defaults
savedefconfig: $(KCONFIG_CONFIG) ## Write what differs from the defaults to configs/defconfig
allyesconfig: ## Configure everything on
allnoconfig: ## Configure everything off
localconfig: $(BUILD)/hw-ids ## Configure the drivers for this machine, or LSPCI=file ("lspci -nnmm" of another)
$(KCONFIG_TARGETS):
	@BUILD='$(BUILD)' LSPCI='$(LSPCI)' scripts/kconfig $@ $(KCONFIG_CONFIG)

$(KCONFIG_CONFIG): | $(EARLY_DEPS)
	@scripts/kconfig defconfig $@

$(BUILD)/auto.conf: $(KCONFIG_CONFIG) Kconfig scripts/kconfig | $(EARLY_DEPS)
	@scripts/kconfig sync $(KCONFIG_CONFIG) $(BUILD)

# Written beside auto.conf, and older than it where it did not change.
$(BUILD)/autoconf.h: $(BUILD)/auto.conf
	@test -e $@ || { rm -f $<; scripts/kconfig sync $(KCONFIG_CONFIG) $(BUILD); }

.PHONY: $(KCONFIG_TARGETS)
