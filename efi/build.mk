# SPDX-License-Identifier: BSD-2-Clause
# veneer.efi, the loader that UEFI firmware starts: a program of its own, with gnu-efi's headers and start code.  It holds a
# second one, its runtime part.
GNU_EFI	    := /usr/lib
EFI_SOURCES := efi/archive.c efi/conf.c efi/cpus.c efi/image.c efi/info.c efi/files.c efi/veneer.c \
	       efi/jump.S efi/launch.S efi/devices.c efi/disks.c efi/loader.c efi/segment.c \
	       efi/state.c efi/attributes.c efi/stay.c efi/runtime_image.S efi/sbat.S hv/lib/string.c
EFI_OBJS    := $(addprefix $(BUILD)/efi/obj/,$(addsuffix .o,$(basename $(EFI_SOURCES))))
EFI_CFLAGS  := -std=gnu11 -g -Os -ffreestanding -fpic -fvisibility=hidden -m64 -march=x86-64 -mno-red-zone -mgeneral-regs-only \
	       -fshort-wchar -fno-strict-aliasing -fno-asynchronous-unwind-tables -fno-stack-protector -fcf-protection=none \
	       -maccumulate-outgoing-args -DGNU_EFI_USE_MS_ABI $(WARN)
# clang does not have these options.  It keeps the outgoing arguments in place by itself, and -ffreestanding leaves loops loops.
EFI_ONLY_GCC := -maccumulate-outgoing-args -fno-tree-loop-distribute-patterns
EFI_COPTS    = $(if $(findstring clang,$(CC)),$(filter-out $(EFI_ONLY_GCC),$(EFI_CFLAGS)),$(EFI_CFLAGS))
# -I for those that read this file (check-style); the compiler takes them as system headers, which may warn.
EFI_INCLUDE := -I/usr/include/efi -I/usr/include/efi/x86_64 -isystem /usr/include/efi -isystem /usr/include/efi/x86_64

$(BUILD)/efi/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) -Iinclude -I. $(EFI_INCLUDE) $(EFI_COPTS) -MMD -MP -c -o $@ $<

$(BUILD)/efi/obj/%.o: %.S $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(EFI_COPTS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

EFI_LINK    = $(LD) -nostdlib -znocombreloc -shared -Bsymbolic -T $(GNU_EFI)/elf_x86_64_efi.lds --no-warn-rwx-segments \
	      -z noexecstack --build-id=none
EFI_PARTS   := -j .text -j .sbat -j .sdata -j .data -j .dynamic -j .dynsym -j .rel -j .rela -j '.rel.*' -j '.rela.*' -j .reloc

# It moves to virtual addresses, and nobody would adapt an address in it.
EFI_RUNTIME_OBJS := $(BUILD)/efi/obj/efi/runtime.o $(BUILD)/efi/obj/efi/runtime_call.o
$(BUILD)/efi/runtime.bin: $(EFI_RUNTIME_OBJS) efi/build.mk
	$(EFI_LINK) -o $(BUILD)/efi/runtime.so $(GNU_EFI)/crt0-efi-x86_64.o $(EFI_RUNTIME_OBJS) -L $(GNU_EFI) -lgnuefi
	@! nm -u $(BUILD)/efi/runtime.so | grep . || { echo "$@: undefined symbols" >&2; exit 1; }
	@! readelf -rW $(BUILD)/efi/runtime.so | grep R_X86_64 || { echo "$@: addresses in it" >&2; exit 1; }
	@! readelf -SW $(BUILD)/efi/runtime.so | grep -wF .bss || { echo "$@: data behind its end" >&2; exit 1; }
	@nm $(BUILD)/efi/runtime.so | awk '$$3 == "_start" || $$3 == "_text" { n += !at[$$1]++ } END { exit n != 1 }' || \
		{ echo "$@: does not begin with its entry" >&2; exit 1; }
	$(OBJCOPY) -O binary -j .text -j .data -j .dynamic -j .dynsym $(BUILD)/efi/runtime.so $@

$(BUILD)/efi/obj/efi/runtime.o: EFI_CFLAGS += -fno-jump-tables -fno-tree-loop-distribute-patterns
$(BUILD)/efi/obj/efi/runtime_image.o: EFI_CFLAGS += -Wa,-I$(BUILD)/efi
$(BUILD)/efi/obj/efi/runtime_image.o: $(BUILD)/efi/runtime.bin

$(BUILD)/veneer.efi: $(EFI_OBJS) efi/build.mk
	$(EFI_LINK) -o $(BUILD)/efi/veneer.so $(GNU_EFI)/crt0-efi-x86_64.o $(EFI_OBJS) -L $(GNU_EFI) -lgnuefi
	@! nm -u $(BUILD)/efi/veneer.so | grep . || { echo "$@: undefined symbols" >&2; exit 1; }
	$(OBJCOPY) $(EFI_PARTS) --target efi-app-x86_64 --subsystem 10 $(BUILD)/efi/veneer.so $@

-include $(EFI_OBJS:.o=.d) $(EFI_RUNTIME_OBJS:.o=.d)
