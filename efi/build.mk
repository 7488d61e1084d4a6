# SPDX-License-Identifier: BSD-2-Clause
# veneer.efi, the loader that UEFI firmware starts: a program of its own, with gnu-efi's headers and start code.
GNU_EFI	    := /usr/lib
EFI_SOURCES := efi/conf.c efi/cpus.c efi/image.c efi/info.c efi/files.c efi/veneer.c \
	       efi/jump.S efi/launch.S efi/devices.c efi/disks.c efi/loader.c efi/segment.c \
	       efi/state.c hv/lib/string.c
EFI_OBJS    := $(addprefix $(BUILD)/efi/obj/,$(addsuffix .o,$(basename $(EFI_SOURCES))))
EFI_CFLAGS  := -std=gnu11 -g -Os -ffreestanding -fpic -fvisibility=hidden -m64 -march=x86-64 -mno-red-zone -mgeneral-regs-only \
	       -fshort-wchar -fno-strict-aliasing -fno-asynchronous-unwind-tables -fno-stack-protector -fcf-protection=none \
	       -maccumulate-outgoing-args -DGNU_EFI_USE_MS_ABI $(WARN)
# clang has no such option, and keeps the outgoing arguments in place by itself.
EFI_CFLAGS  := $(if $(findstring clang,$(CC)),$(filter-out -maccumulate-outgoing-args,$(EFI_CFLAGS)),$(EFI_CFLAGS))
# -I for those that read this file (check-style); the compiler takes them as system headers, which may warn.
EFI_INCLUDE := -I/usr/include/efi -I/usr/include/efi/x86_64 -isystem /usr/include/efi -isystem /usr/include/efi/x86_64

$(BUILD)/efi/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) -Iinclude -I. $(EFI_INCLUDE) $(EFI_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/efi/obj/%.o: %.S $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(EFI_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

$(BUILD)/veneer.efi: $(EFI_OBJS) efi/build.mk
	$(LD) -nostdlib -znocombreloc -shared -Bsymbolic -T $(GNU_EFI)/elf_x86_64_efi.lds --no-warn-rwx-segments \
		-z noexecstack --build-id=none -o $(BUILD)/efi/veneer.so \
		$(GNU_EFI)/crt0-efi-x86_64.o $(EFI_OBJS) -L $(GNU_EFI) -lgnuefi
	@! nm -u $(BUILD)/efi/veneer.so | grep . || { echo "$@: undefined symbols" >&2; exit 1; }
	$(OBJCOPY) -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j .rel -j .rela -j '.rel.*' -j '.rela.*' -j .reloc \
		--target efi-app-x86_64 --subsystem 10 $(BUILD)/efi/veneer.so $@

-include $(EFI_OBJS:.o=.d)
