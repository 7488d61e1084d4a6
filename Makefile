# SPDX-License-Identifier: BSD-2-Clause
# Veneer's build.  "make help" lists the targets; "make CC=clang" and "make BUILD=dir" work with each.

BUILD	?= build
ifeq ($(origin CC),default)
CC	:= gcc
endif
LD	:= ld
OBJCOPY	:= objcopy
HOSTCC	?= gcc

.DEFAULT_GOAL := all

# These targets install what they lack (scripts/install-deps), before anything else is looked at.
EARLY_DEPS := $(if $(filter run iso check check-all check-slow check-kvm guest-matrix bench,$(MAKECMDGOALS)),deps)

include scripts/kconfig.mk
ifneq ($(filter-out clean help deps deb check-style $(KCONFIG_TARGETS),$(or $(MAKECMDGOALS),all)),)
include $(BUILD)/auto.conf
endif

# A directory's build.mk adds the objects it gives to the image: obj-$(CONFIG_NVME) += hw/nvme/nvme.o
DIRS := hv hv/lib hv/mem hv/boot hv/config hv/cpu hv/dev hv/pci hv/iommu hv/irq hv/smp hv/emul hv/svm hv/vmx hv/bios hv/state \
	hv/exit hv/efi hv/load virtio virtio/net virtio/blk virtio/echo \
	hw hw/nic hw/nic/intel hw/nic/rtl8139 hw/nic/realtek hw/ahci hw/nvme conceal
obj-y :=
include $(wildcard $(DIRS:%=%/build.mk))
# Sorted: an object that two lists name is linked once.
OBJS := $(sort $(obj-y:%=$(BUILD)/%)) $(BUILD)/version.o

WARN	 := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter \
	    -Wno-missing-field-initializers
CFLAGS	 := -std=gnu11 -g -ffreestanding -fno-builtin-printf -fpie -fvisibility=hidden -m64 -march=x86-64 -mno-red-zone \
	    -mgeneral-regs-only -fno-strict-aliasing -fno-asynchronous-unwind-tables -fcf-protection=none \
	    -fstack-protector-strong -fno-delete-null-pointer-checks -ffunction-sections -fdata-sections $(WARN)
# clang puts jump tables among the constants: they would keep the code of the start that they lead to (scripts/segments).
CFLAGS	 += $(if $(findstring clang,$(CC)),-fno-jump-tables)
# Small, but for what runs for every packet and every request (tests/vm/hot.bats compares this list with a profile).  What runs
# once for an exit is not among it: an exit costs more by itself, and its code has to stay mapped.
OPT	 := -Os
HOT	 := virtio/queue.o virtio/net/rx.o virtio/net/tx.o virtio/blk/request.o hw/disk.o hw/nic/nic.o hw/nic/intel/intel_rx.o \
	    hw/nic/intel/intel_tx.o hw/nic/intel/intel_desc.o hw/nic/intel/igb_desc.o \
	    hw/nic/realtek/realtek_rings.o hw/ahci/ahci_cmd.o hw/nvme/nvme.o
CPPFLAGS := -Iinclude -I. -include $(BUILD)/autoconf.h
LDFLAGS	 := -static -pie --no-dynamic-linker -z text -z pack-relative-relocs -z noexecstack -z max-page-size=4096 \
	    --no-warn-rwx-segments -L $(BUILD)/segments -T hv/boot/veneer.lds --build-id=none
LIBFDT	  = $(shell $(CC) -print-file-name=libfdt.a)

all: $(BUILD)/veneer.elf $(BUILD)/veneer.efi tools ## Build hypervisor, UEFI loader and the installer's tools (the default)

# The flags of the last build: another compiler, another option or another list of hot objects builds everything anew.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(CPPFLAGS) $(CFLAGS)' '$(OPT) -O2: $(HOT)' '$(LD) $(LDFLAGS)' >$@.$$$$; \
		if cmp -s $@.$$$$ $@; then rm -f $@.$$$$; else mv -f $@.$$$$ $@; fi

# What this build calls itself: tag, commits since, commit, and whether the tree was changed.
$(BUILD)/version.c: FORCE
	@mkdir -p $(@D)
	@v='$(VERSION)'; [ -n "$$v" ] || \
		v=$$(git --no-optional-locks -C $(CURDIR) describe --tags --always --dirty 2>/dev/null) || v=unknown; \
		printf '#include <veneer/build.h>\n\nconst char veneer_version[] = "%s";\n' "$$v" >$@.$$$$; \
		if cmp -s $@.$$$$ $@; then rm -f $@.$$$$; else mv -f $@.$$$$ $@; fi

$(BUILD)/version.o: $(BUILD)/version.c $(BUILD)/autoconf.h $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The list of objects: a driver that was switched off must leave the image although nothing became newer.
$(BUILD)/objects: FORCE
	@mkdir -p $(@D)
	@echo '$(OBJS)' >$@.$$$$; if cmp -s $@.$$$$ $@; then rm -f $@.$$$$; else mv -f $@.$$$$ $@; fi

# What of the image stays once the guest runs, as lists for the linker.
$(BUILD)/veneer.elf: $(OBJS) $(BUILD)/objects hv/boot/veneer.lds hv/boot/segments scripts/segments
	@scripts/segments layout $(BUILD) $(OBJS) $(LIBFDT)
	$(LD) $(LDFLAGS) -Map $(BUILD)/veneer.map -o $@.full $(OBJS) $(LIBFDT)
	@if readelf -rW $@.full | grep R_X86_64; then echo "$@: relocations that entry.S does not apply" >&2; exit 1; fi
	$(OBJCOPY) --strip-all --remove-section .rela.dyn $@.full $@

# The same with the relocations, for check-deps.
$(BUILD)/veneer.relocs: $(BUILD)/veneer.elf
	@$(LD) $(LDFLAGS) --emit-relocs -o $@ $(OBJS) $(LIBFDT)

sizes: $(BUILD)/veneer.elf ## Print the parts of the image with their sizes and budgets
	@scripts/segments sizes $(BUILD)

$(BUILD)/%.o: %.c $(BUILD)/autoconf.h $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(if $(filter $(HOT),$*.o),-O2,$(OPT)) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.S $(BUILD)/autoconf.h $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

-include $(OBJS:.o=.d)

# The guests: the example system, and the probes of tests/guest (GUEST_PROBES, GUEST_IMAGES).
-include examples/hobby-os/build.mk
-include tests/guest/build.mk

GUESTS := $(BUILD)/hobby-os.elf $(BUILD)/hobby-os-limine.elf $(GUEST_PROBES) $(GUEST_IMAGES)

guests: $(GUESTS) ## Build the hobby OS and the guests of the tests

-include installer/build.mk
-include efi/build.mk

include scripts/tests.mk

run: all $(BUILD)/hobby-os.elf | deps ## Try it in an emulator: the hobby OS, KERNEL=file INITRD=file CMDLINE='...', DISK=image
	@BUILD='$(BUILD)' KERNEL='$(KERNEL)' INITRD='$(INITRD)' TIMEOUT='$(TIMEOUT)' DISK='$(DISK)' NATIVE='$(NATIVE)' \
		FIRMWARE='$(FIRMWARE)' SNAPSHOT='$(SNAPSHOT)' \
		CMDLINE='$(subst ','\'',$(value CMDLINE))' scripts/run

# For one of the goals run, deb and iso what that needs; else everything.
DEPS_FOR := $(filter run deb iso bench,$(MAKECMDGOALS))
DEPS_FOR := $(if $(filter-out run deb iso bench,$(MAKECMDGOALS))$(word 2,$(DEPS_FOR)),,$(DEPS_FOR:%=--for %))

deps: ## Install the Debian packages that are missing
	@scripts/install-deps $(DEPS_FOR) --check --quiet || scripts/install-deps $(DEPS_FOR)

deb: | deps ## Build Debian packages, veneer and veneer-tools, in build/deb
	@scripts/make-deb '$(BUILD)'

iso: all $(BUILD)/hobby-os.elf | deps ## Build the installer ISO, build/veneer.iso (ISO_ARGS='--add FILE --answer FILE')
	@BUILD='$(BUILD)' installer/iso/make-iso $(ISO_ARGS) '$(BUILD)/veneer.iso'

config-docs: tools ## Renew the tables of docs/configuration.md from hv/config
	@scripts/config-docs '$(BUILD)/config-check'

clean: ## Remove everything that was built (keeps .config)
	rm -rf $(BUILD)

help: ## List the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

FORCE:
.PHONY: all guests sizes run deps deb iso config-docs clean help FORCE
.DELETE_ON_ERROR:
