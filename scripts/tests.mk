# SPDX-License-Identifier: BSD-2-Clause
# Host unit tests: tests/unit/test_X.c is a program; its first lines name what it is linked with:
#   /* sources: hw/nvme/nvme.c hw/disk.c */
#   /* libs: -lZydis */
UNIT_TESTS  := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_CFLAGS := -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	       -Itests/unit/include -Itests/unit -Iinclude -I. -include $(BUILD)/autoconf.h $(WARN) -Wno-missing-prototypes

$(BUILD)/unit/%: tests/unit/%.c tests/unit/host/host.c tests/unit/host/host.h $(BUILD)/autoconf.h FORCE
	@mkdir -p $(@D)
	@$(HOSTCC) $(UNIT_CFLAGS) -o $@ $< tests/unit/host/host.c \
		$$(sed -n 's|^/\* sources: \(.*\) \*/|\1|p' $<) $$(sed -n 's|^/\* libs: \(.*\) \*/|\1|p' $<)

# "make unit" builds and runs all; "make unit-nvme" one.
unit-%: $(BUILD)/unit/test_%
	$<

unit: $(UNIT_TESTS:test_%=unit-%) ## Run the unit tests on the host (ASan, UBSan)

FORCE:
.PHONY: unit FORCE
