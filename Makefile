# SPDX-License-Identifier: BSD-2-Clause
# Veneer's build.  "make help" lists the targets.

BUILD	?= build
CC	?= gcc
ifeq ($(origin CC),default)
CC	:= gcc
endif
LD	:= ld
OBJCOPY	:= objcopy
HOSTCC	?= gcc

.DEFAULT_GOAL := all

# Configuration: .config is the user's; auto.conf and autoconf.h are made from it (scripts/kconfig.mk).
include scripts/kconfig.mk
-include $(BUILD)/auto.conf

DIRS := hv hv/boot hv/cpu hv/mem hv/dev virtio virtio/net virtio/blk hw hw/nic hw/ahci hw/nvme conceal
obj-y :=
include $(wildcard $(DIRS:%=%/build.mk))
OBJS := $(obj-y:%=$(BUILD)/%)

WARN	 := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter \
	    -Wno-missing-field-initializers
CFLAGS	 := -std=gnu11 -O2 -g -ffreestanding -fno-builtin-printf -fpie -fvisibility=hidden -m64 -march=x86-64 -mno-red-zone \
	    -mgeneral-regs-only -fno-strict-aliasing -fno-asynchronous-unwind-tables -fcf-protection=none \
	    -fstack-protector-strong -fno-delete-null-pointer-checks $(WARN)
CPPFLAGS := -Iinclude -I. -include $(BUILD)/autoconf.h
LDFLAGS	 := -static -pie --no-dynamic-linker -z text -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments \
	    -T hv/boot/veneer.lds --build-id=none
LIBFDT	 := $(shell $(CC) -print-file-name=libfdt.a)

all: $(BUILD)/veneer.elf ## Build the hypervisor image

$(BUILD)/veneer.elf: $(OBJS) hv/boot/veneer.lds
	$(LD) $(LDFLAGS) -o $@.full $(OBJS) $(LIBFDT)
	$(OBJCOPY) --strip-debug $@.full $@

$(BUILD)/%.o: %.c $(BUILD)/autoconf.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.S $(BUILD)/autoconf.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

-include $(OBJS:.o=.d)

include scripts/tests.mk

clean: ## Remove everything that was built (keeps .config)
	rm -rf $(BUILD)

help: ## List the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: all clean help
.DELETE_ON_ERROR:
