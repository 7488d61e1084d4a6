# SPDX-License-Identifier: BSD-2-Clause
# Host unit tests: tests/unit/test_X.c is a program; its first lines name what it is linked with:
#   /* sources: hw/nvme/nvme.c hw/disk.c */
#   /* libs: -lZydis */
UNIT_TESTS  := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_CFLAGS := -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	       -Itests/unit/include -Itests/unit -Iinclude -I. -include $(BUILD)/autoconf.h $(WARN) -Wno-missing-prototypes

$(BUILD)/unit/%: tests/unit/%.c tests/unit/host/host.c tests/unit/host/host.h $(BUILD)/autoconf.h FORCE
	@mkdir -p $(@D)
	@$(HOSTCC) $(UNIT_CFLAGS) -o $@ $< tests/unit/host/host.c hv/cpu/owner.c \
		$$(sed -n 's|^/\* sources: \(.*\) \*/|\1|p' $<) $$(sed -n 's|^/\* libs: \(.*\) \*/|\1|p' $<)

.PRECIOUS: $(BUILD)/unit/%

# "make unit" builds and runs all; "make unit-nvme" one.
unit-%: $(BUILD)/unit/test_%
	$<

unit: $(UNIT_TESTS:test_%=unit-%) ## Run the unit tests on the host (ASan, UBSan)

# The suites that scripts/run-tests runs; it builds what they need and sums up what they report.
RUN_TESTS = BUILD='$(BUILD)' CC='$(CC)' KCONFIG_CONFIG='$(KCONFIG_CONFIG)' scripts/run-tests $(TESTARGS)
check: | deps ## Run all tests but the slow ones (25 to 40 minutes); ends with "N passed, N failed"
	@$(RUN_TESTS) unit lint tools vm

check-all: | deps ## Run all tests
	@$(RUN_TESTS) --slow unit lint tools vm

# The table is printed whatever the runs gave; the exit code is that of the runs.
guest-matrix: | deps ## Run every guest with every device; the table goes to docs/guest-matrix.md, too
	@rm -rf $(BUILD)/guest-matrix
	@result=0; $(RUN_TESTS) --slow vm --filter '^guests: ' || result=$$?; \
		scripts/guest-matrix $(BUILD)/guest-matrix >docs/guest-matrix.md; cat docs/guest-matrix.md; exit $$result

check-tools: ## Run the tests of the scripts and the build
	@$(RUN_TESTS) lint tools

check-vm: ## Run the tests on emulated machines (TESTARGS='--filter REGEX' chooses)
	@$(RUN_TESTS) vm

check-style: ## Measure the sources against the house style
	@scripts/check-style

check-deps: ## Prove that hv, virtio and hw do not know each other
	@scripts/check-deps

.PHONY: unit check check-all guest-matrix check-tools check-vm check-style check-deps
