# SPDX-License-Identifier: BSD-2-Clause
# Probe kernels: 32-bit multiboot programs that look from the guest's side.  They share the basics (entry, printf, time, PCI
# ports, LAPIC) with examples/hobby-os, whose build.mk must be included too; alone:
#   make -f tests/guest/build.mk BUILD=build guest
BUILD		?= build

ifndef HOBBY_CFLAGS
include examples/hobby-os/build.mk
endif

GUEST_PROBES	:= $(patsubst tests/guest/%.c,$(BUILD)/guest/%.elf,$(wildcard tests/guest/probe-*.c))
GUEST_LIB	:= $(patsubst tests/guest/lib/%.c,$(BUILD)/guest/lib/%.o,$(wildcard tests/guest/lib/*.c)) \
		   $(addprefix $(BUILD)/hobby-os/,boot.o lib.o console.o time.o multiboot.o acpi.o pci.o apic.o \
		     pic.o ioapic.o veneer.o)
GUEST_CFLAGS	:= $(HOBBY_CFLAGS) -Iexamples/hobby-os -Itests/guest/lib

# Two small kernels of their own that die, in 32-bit and in 64-bit mode.
GUEST_PROBES	+= $(BUILD)/guest/crash32.elf $(BUILD)/guest/crash64.elf
CRASH_CFLAGS	:= -O0 -ffreestanding -fno-pic -fno-stack-protector -mgeneral-regs-only -fno-asynchronous-unwind-tables \
		   -fcf-protection=none -mno-red-zone -Wall -Wextra -Werror -nostdlib -static -Wl,--build-id=none \
		   -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096
$(BUILD)/guest/crash%.elf: tests/guest/crash/start.S tests/guest/crash/crash.c tests/guest/crash/crash.lds
	@mkdir -p $(@D)
	$(CC) -m$* $(CRASH_CFLAGS) -T $(filter %.lds,$^) -o $@ $(filter-out %.lds,$^)

# A boot sector and its program, in real mode.
BIOS_CFLAGS	:= -m16 -march=i686 -std=gnu11 -Os -ffreestanding -fno-pic -fno-stack-protector -mgeneral-regs-only \
		   -fno-strict-aliasing -fno-asynchronous-unwind-tables -fcf-protection=none -fno-jump-tables -Wall -Wextra \
		   -Werror -Wno-array-bounds
GUEST_IMAGES	:= $(BUILD)/guest/bios-probe.bin $(BUILD)/guest/bios-smp.bin
$(BUILD)/guest/bios-%.bin: tests/guest/bios/start.S tests/guest/bios/%.c tests/guest/bios/bios.lds tests/guest/lib/bare.h
	@mkdir -p $(@D)
	$(CC) $(BIOS_CFLAGS) -c -o $(@:.bin=-start.o) $(filter %.S,$^)
	$(CC) $(BIOS_CFLAGS) -c -o $(@:.bin=-main.o) $(filter %.c,$^)
	$(LD) -m elf_i386 -static -z noexecstack --no-warn-rwx-segments --build-id=none -T $(filter %.lds,$^) \
		-o $(@:.bin=.elf) $(@:.bin=-start.o) $(@:.bin=-main.o)
	$(OBJCOPY) -O binary $(@:.bin=.elf) $@

# One kernel with the headers of each boot protocol; it runs wherever it is put.
MB_FLAGS_mb1	:= -DMB1
MB_FLAGS_mb1-flat := -DMB1 -DFLAT
MB_FLAGS_mb1-screen := -DMB1 -DSCREEN
MB_FLAGS_mb2	:= -DMB2
MB_FLAGS_mb2-flat := -DMB2 -DFLAT
MB_FLAGS_mb2-screen := -DMB2 -DSCREEN
MB_FLAGS_mb2-efi := -DMB2 -DEFI_ENTRY
MB_FLAGS_mb2-low := -DMB2 -DRELOCATABLE=1
MB_FLAGS_mb2-high := -DMB2 -DRELOCATABLE=2
MB_FLAGS_pvh	:= -DPVH
MB_CFLAGS	:= $(filter-out -fno-pic -O2,$(HOBBY_CFLAGS)) -Os -fpie -fvisibility=hidden -fno-jump-tables
MB_SOURCES	:= $(addprefix tests/guest/multiboot/,start.S probe.c multiboot.lds) tests/guest/lib/bare.h
GUEST_PROBES	+= $(patsubst %,$(BUILD)/guest/mb/%.elf,mb1 mb1-screen mb2 mb2-screen mb2-efi mb2-low mb2-high pvh)
GUEST_IMAGES	+= $(patsubst %,$(BUILD)/guest/mb/%.bin,mb1-flat mb2-flat)
$(BUILD)/guest/mb/%.elf: $(MB_SOURCES)
	@mkdir -p $(@D)
	$(CC) $(MB_CFLAGS) $(MB_FLAGS_$*) -c -o $(@:.elf=-start.o) $(filter %.S,$^)
	$(CC) $(MB_CFLAGS) $(MB_FLAGS_$*) -c -o $(@:.elf=-main.o) $(filter %.c,$^)
	$(LD) -m elf_i386 -static -z noexecstack --no-warn-rwx-segments --build-id=none -T $(filter %.lds,$^) \
		-o $@ $(@:.elf=-start.o) $(@:.elf=-main.o)
$(BUILD)/guest/mb/%.bin: $(BUILD)/guest/mb/%.elf
	$(OBJCOPY) -O binary $< $@

# A kernel of the Limine protocol for each base revision, a relocatable one, and some that ask for what they cannot get.
LIMINE_FLAGS_0	:= -DREVISION=0
LIMINE_FLAGS_0-section := -DREVISION=0 -DSECTION
LIMINE_FLAGS_1	:= -DREVISION=1
LIMINE_FLAGS_2	:= -DREVISION=2
LIMINE_FLAGS_2-markers := -DREVISION=2 -DMARKERS
LIMINE_FLAGS_3	:= -DREVISION=3
LIMINE_FLAGS_3-pie := -DREVISION=3 -DPIE
LIMINE_FLAGS_3-twice := -DREVISION=3 -DTWICE
LIMINE_FLAGS_3-five := -DREVISION=3 -DFIVE
LIMINE_FLAGS_3-128 := -DREVISION=3 -DMANY=128
LIMINE_FLAGS_3-129 := -DREVISION=3 -DMANY=129
LIMINE_FLAGS_4	:= -DREVISION=4
LIMINE_FLAGS_5	:= -DREVISION=5
LIMINE_FLAGS_6	:= -DREVISION=6
LIMINE_FLAGS_7	:= -DREVISION=7
LIMINE_KERNELS	:= $(patsubst LIMINE_FLAGS_%,%,$(filter LIMINE_FLAGS_%,$(.VARIABLES)))
LIMINE_CFLAGS	:= -m64 -std=gnu11 -O1 -ffreestanding -fno-stack-protector -mgeneral-regs-only -mno-red-zone \
		   -fcf-protection=none -fno-strict-aliasing -fno-asynchronous-unwind-tables \
		   -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -Wno-missing-field-initializers
GUEST_PROBES	+= $(LIMINE_KERNELS:%=$(BUILD)/guest/limine/%.elf)
$(BUILD)/guest/limine/%.elf: $(addprefix tests/guest/,limine/start.S limine/probe.c limine/limine.lds lib/bare.h build.mk)
	@mkdir -p $(@D)
	$(CC) $(LIMINE_CFLAGS) -c -o $(@:.elf=-start.o) $(filter %.S,$^)
	$(CC) $(LIMINE_CFLAGS) $(LIMINE_FLAGS_$*) \
		$(if $(findstring pie,$*),-fpie -fvisibility=hidden,-fno-pic -mcmodel=kernel) \
		-c -o $(@:.elf=-main.o) $(filter %/probe.c,$^)
	$(LD) -m elf_x86_64 -static $(if $(findstring pie,$*),-pie --no-dynamic-linker --defsym LINKED=0,--defsym \
		LINKED=0xffffffff80000000) -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments --build-id=none \
		-T tests/guest/limine/limine.lds -o $@ $(@:.elf=-start.o) $(@:.elf=-main.o)

include tests/guest/efi/build.mk

# The kernel of docs/first-hour.md, as the page has it.
GUEST_PROBES	+= $(BUILD)/guest/first-hour.elf
$(BUILD)/guest/first-hour.elf: docs/first-hour.md tests/lib/extract-code $(GUEST_LIB) examples/hobby-os/hobby.lds
	@mkdir -p $(@D)
	tests/lib/extract-code $< >$(@:.elf=.c)
	$(CC) $(GUEST_CFLAGS) -c -o $(@:.elf=.o) $(@:.elf=.c)
	$(LD) -m elf_i386 -static -z noexecstack --no-warn-rwx-segments --build-id=none -T examples/hobby-os/hobby.lds \
		-o $@ $(@:.elf=.o) $(addprefix $(BUILD)/hobby-os/,boot.o lib.o console.o time.o)

guest: $(GUEST_PROBES) $(GUEST_IMAGES) ## Build the probe kernels

$(BUILD)/guest/%.elf: $(BUILD)/guest/%.o $(GUEST_LIB) examples/hobby-os/hobby.lds
	$(LD) -m elf_i386 -static -z noexecstack --no-warn-rwx-segments --build-id=none -T examples/hobby-os/hobby.lds \
		-o $@ $(filter %.o,$^)

$(BUILD)/guest/%.o: tests/guest/%.c
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

-include $(GUEST_PROBES:.elf=.d) $(wildcard $(BUILD)/guest/lib/*.d)

.PHONY: guest
.SECONDARY: $(GUEST_PROBES:.elf=.o) $(GUEST_LIB)
