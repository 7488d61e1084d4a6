# SPDX-License-Identifier: BSD-2-Clause
# Host unit tests: tests/unit/test_X.c is a program; its first lines name what it is linked with:
#   /* sources: hw/nvme/nvme.c hw/disk.c */
#   /* libs: -lZydis */
UNIT_TESTS  := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_CHECKS := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_CFLAGS := -std=gnu11 -g $(UNIT_CHECKS) -fno-omit-frame-pointer \
	       -Itests/unit/include -Itests/unit -Iinclude -I. -include $(BUILD)/autoconf.h -DCONFIG_STATE=1 $(WARN) \
	       -Wno-missing-prototypes

# A source that several tests name is compiled once.  $(BUILD)/unit/links.mk says what each program is linked with.
UNIT_OBJ := $(BUILD)/unit/obj

$(UNIT_OBJ)/%.o: %.c $(BUILD)/autoconf.h $(BUILD)/unit/flags
	@mkdir -p $(@D)
	@$(HOSTCC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

# veneer.efi's sources that know the firmware are included by these.
$(UNIT_OBJ)/tests/unit/test_efi_%.o: UNIT_CFLAGS += -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -fshort-wchar \
	-DGNU_EFI_USE_MS_ABI

$(BUILD)/unit/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(HOSTCC) $(UNIT_CFLAGS)' >$@.$$$$; if cmp -s $@.$$$$ $@; then rm -f $@.$$$$; else mv -f $@.$$$$ $@; fi

$(BUILD)/unit/links.mk: scripts/unit-links $(UNIT_TESTS:%=tests/unit/%.c)
	@mkdir -p $(@D)
	@scripts/unit-links '$(BUILD)/unit' $(UNIT_TESTS:%=tests/unit/%.c) >$@

$(UNIT_TESTS:%=$(BUILD)/unit/%):
	@$(HOSTCC) $(UNIT_CFLAGS) -o $@ $(filter %.o,$^) $(UNIT_LIBS)

unit-programs: $(UNIT_TESTS:%=$(BUILD)/unit/%) ## Build the unit tests without running them

ifneq ($(filter unit unit-% $(BUILD)/unit/%,$(MAKECMDGOALS)),)
include $(BUILD)/unit/links.mk
-include $(shell find $(UNIT_OBJ) -name '*.d' 2>/dev/null)
endif

# "make unit" builds and runs all; "make unit-nvme" one.
unit-%: $(BUILD)/unit/test_%
	$<

unit: $(UNIT_TESTS:test_%=unit-%) ## Run the unit tests on the host (ASan, UBSan)

# Fuzzers: tests/fuzz/X.c, made up as the unit tests are, by clang for its libFuzzer.
FUZZERS	    := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
FUZZ_CC	    ?= clang
FUZZ_CFLAGS := $(UNIT_CFLAGS) -Itests/fuzz
FUZZ_LINK   := -fsanitize=fuzzer -T tests/fuzz/lib/state.lds
FUZZ_OBJ    := $(BUILD)/fuzz/obj
# All but the harness's own files have their variables set back before each input, and tell libFuzzer what they compare; page
# tables do so a thousand times for each input that begins with new ones.
FUZZ_STATE  := -include tests/fuzz/lib/state.inc
FUZZ_TRACE  := -fsanitize=fuzzer-no-link
FUZZ_OWN    := tests/fuzz/lib/% tests/unit/host/%
FUZZ_QUIET  := $(FUZZ_OWN) hv/mem/ptree.c

$(FUZZ_OBJ)/%.o: %.c $(BUILD)/autoconf.h $(BUILD)/fuzz/flags
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(FUZZ_CFLAGS) $(if $(filter $(FUZZ_OWN),$<),,$(FUZZ_STATE)) \
		$(if $(filter $(FUZZ_QUIET),$<),,$(FUZZ_TRACE)) -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(FUZZ_CC) $(FUZZ_CFLAGS) $(FUZZ_STATE) $(FUZZ_TRACE)' >$@.$$$$; \
		if cmp -s $@.$$$$ $@; then rm -f $@.$$$$; else mv -f $@.$$$$ $@; fi

$(BUILD)/fuzz/links.mk: scripts/unit-links $(FUZZERS:%=tests/fuzz/%.c)
	@mkdir -p $(@D)
	@scripts/unit-links '$(BUILD)/fuzz' $(FUZZERS:%=tests/fuzz/%.c) >$@

$(FUZZERS:%=$(BUILD)/fuzz/%):
	@$(FUZZ_CC) $(FUZZ_CFLAGS) $(FUZZ_LINK) -o $@ $(filter %.o,$^) $(UNIT_LIBS)

fuzz-programs: $(FUZZERS:%=$(BUILD)/fuzz/%) ## Build the fuzzers without running them

ifneq ($(filter fuzz fuzz-% $(BUILD)/fuzz/%,$(MAKECMDGOALS)),)
include $(BUILD)/fuzz/links.mk
-include $(shell find $(FUZZ_OBJ) -name '*.d' 2>/dev/null)
endif

TIME ?= 60
fuzz: fuzz-programs ## Run each fuzzer for TIME seconds (60), or those that FUZZ='queue net' names
	@BUILD='$(BUILD)' scripts/fuzz --time '$(TIME)' $(FUZZ)

planted: ## Tell which of the faults in tests/planted the tests find, with TIME seconds (60) for each fuzzer
	@scripts/planted --time '$(TIME)' $(PLANTED)

# The same programs once more, by gcc with its counters; replay.c takes the place of libFuzzer.
COVERAGE := BUILD='$(BUILD)/coverage' UNIT_CHECKS='-O1 --coverage' FUZZ_CC='$(HOSTCC)' FUZZ_STATE= FUZZ_TRACE= \
	    FUZZ_LINK=tests/fuzz/lib/replay.c
coverage: ## Measure what the unit tests and the fuzzers' kept inputs execute, and compare with the floors
	@$(MAKE) -s --no-print-directory $(COVERAGE) unit-programs
	@$(MAKE) -s --no-print-directory $(COVERAGE) fuzz-programs
	@scripts/coverage '$(BUILD)/coverage'

# Devices that no emulator has, as a process (scripts/veneer-qemu --nic r8168); the unit tests link the same models.
MODELS := $(filter-out tests/models/main.c tests/models/vfio_user.c,$(wildcard tests/models/*.c))
$(BUILD)/veneer-model: tests/models/main.c tests/models/vfio_user.c $(MODELS) $(wildcard tests/models/*.h)
	@mkdir -p $(@D)
	@$(HOSTCC) -std=gnu11 -g -O2 $(WARN) -o $@ $(filter %.c,$^)

guests: $(BUILD)/veneer-model

# The suites that scripts/run-tests runs; it builds what they need and sums up what they report.
RUN_TESTS = BUILD='$(BUILD)' CC='$(CC)' KCONFIG_CONFIG='$(KCONFIG_CONFIG)' scripts/run-tests $(TESTARGS)
check: | deps ## Run all tests but the slow ones (25 to 40 minutes); ends with "N passed, N failed"
	@$(RUN_TESTS) unit lint tools vm

check-all: | deps ## Run all tests
	@$(RUN_TESTS) --slow unit lint tools vm

check-slow: | deps ## Run only the tests that "make check-all" has and "make check" has not
	@$(RUN_TESTS) --only-slow lint tools vm

check-kvm: | deps ## Run the guests on KVM, which a Linux on an emulated machine has (three hours)
	@$(RUN_TESTS) --slow vm --filter '^kvm: '

# The table is printed whatever the runs gave; the exit code is that of the runs.
guest-matrix: | deps ## Run every guest with every device; the table goes to docs/guest-matrix.md, too
	@rm -rf $(BUILD)/guest-matrix
	@result=0; $(RUN_TESTS) --slow vm --filter '^(guests|cards): ' || result=$$?; \
		scripts/guest-matrix $(BUILD)/guest-matrix >docs/guest-matrix.md; cat docs/guest-matrix.md; exit $$result

# Exits are exact on any machine; rates need a quiet one, and are no more than ratios even there.
bench: all | deps ## Measure a Linux guest with and without Veneer (an hour; QUICK=1: 10 minutes); renews docs/performance.md
	@BUILD='$(BUILD)' scripts/bench $(if $(QUICK),--quick) --json docs/performance.json --report docs/performance.md

check-tools: ## Run the tests of the scripts and the build
	@$(RUN_TESTS) lint tools

check-vm: ## Run the tests on emulated machines (TESTARGS='--filter REGEX' chooses)
	@$(RUN_TESTS) vm

check-style: ## Measure the sources against the house style
	@scripts/check-style

check-deps: $(BUILD)/veneer.relocs ## Prove that hv, virtio and hw do not know each other, nor what stays what is unmapped
	@scripts/check-deps
	@scripts/check-symbols '$(BUILD)'
	@scripts/segments check '$(BUILD)'

.PHONY: unit unit-programs fuzz fuzz-programs planted coverage check check-all check-slow check-kvm guest-matrix bench \
	check-tools check-vm check-style check-deps
