# SPDX-License-Identifier: BSD-2-Clause
# What the installer's scripts need of the hypervisor's sources, for the host.
HOST_CFLAGS := -std=gnu11 -O1 -g -Iinclude -I. -include $(BUILD)/autoconf.h $(WARN)

# The parser of the hypervisor itself: a tool of its own would one day say something else.
$(BUILD)/config-check: installer/config-check.c $(wildcard hv/config/*.c) hv/lib/fmt.c \
		$(wildcard include/veneer/*.h) $(wildcard hv/config/*.h) $(BUILD)/autoconf.h
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) -o $@ $(filter %.c,$^) -lfdt

# The drivers' own tables, for veneer-hwcheck and localconfig.
$(BUILD)/hw-ids: scripts/hw-ids installer/hw-ids.c $(wildcard hw/*/*_pci.c hw/*/*/*_pci.c hw/*/build.mk hw/*/*/build.mk) \
		hw/nic/skeleton.c hv/svm/build.mk hv/vmx/build.mk conceal/need.h hv/boot/need.h hv/boot/bootinfo.h \
		hv/dev/acpi.h hv/iommu/iommu.h $(BUILD)/autoconf.h \
		$(wildcard virtio/*.h virtio/*/*.h hw/*/*.h hw/*/*/*.h include/veneer/*.h)
	@mkdir -p $(@D)
	scripts/hw-ids $(HOSTCC) $(HOST_CFLAGS) >$@

tools: $(BUILD)/config-check $(BUILD)/hw-ids ## Build what the installer's scripts need
.PHONY: tools
