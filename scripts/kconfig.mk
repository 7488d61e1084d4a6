# SPDX-License-Identifier: BSD-2-Clause
# .config is the user's; scripts/kconfig makes $(BUILD)/auto.conf (for make) and $(BUILD)/autoconf.h (for C) from it.  The
# script rewrites autoconf.h only if its contents change, so that nothing is compiled again without a cause.
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

# Written together with auto.conf, and older than auto.conf if it did not change.
$(BUILD)/autoconf.h: $(BUILD)/auto.conf
	@test -e $@ || { rm -f $<; scripts/kconfig sync $(KCONFIG_CONFIG) $(BUILD); }

.PHONY: $(KCONFIG_TARGETS)
