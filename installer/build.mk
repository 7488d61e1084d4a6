# SPDX-License-Identifier: BSD-2-Clause
# What the installer's scripts need of the hypervisor's sources, for the host.
HOST_CFLAGS := -std=gnu11 -O1 -g -Iinclude -I. -include $(BUILD)/autoconf.h $(WARN)

# The parser of the hypervisor itself: a tool of its own would one day say something else.
$(BUILD)/config-check: installer/config-check.c hv/config.c hv/guess.c hv/fmt.c \
		$(wildcard include/veneer/*.h) hv/guess.h $(BUILD)/autoconf.h
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) -o $@ $(filter %.c,$^) -lfdt

tools: $(BUILD)/config-check ## Build what the installer's scripts need
.PHONY: tools
