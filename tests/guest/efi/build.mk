# SPDX-License-Identifier: BSD-2-Clause
# EFI applications that are guests.  tests/guest/build.mk includes this.
# -I for those that read this file (check-style); the compiler takes them as system headers, which may warn.
EFI_PROBE_INCLUDE := -I/usr/include/efi -I/usr/include/efi/x86_64 -isystem /usr/include/efi -isystem /usr/include/efi/x86_64
EFI_PROBE_FLAGS	:= -m64 -std=gnu11 -O1 -ffreestanding -fpic -fvisibility=hidden -fno-stack-protector -mgeneral-regs-only \
		   -mno-red-zone -fshort-wchar -fcf-protection=none -fno-strict-aliasing -fno-asynchronous-unwind-tables \
		   $(if $(findstring clang,$(CC)),,-maccumulate-outgoing-args) -DGNU_EFI_USE_MS_ABI \
		   $(EFI_PROBE_INCLUDE) -I. -Wall -Wextra -Werror
EFI_PROBES	:= $(patsubst tests/guest/efi/%.c,$(BUILD)/guest/efi/%.efi,$(wildcard tests/guest/efi/*.c))
GUEST_IMAGES	+= $(EFI_PROBES)
$(BUILD)/guest/efi/%.efi: tests/guest/efi/%.c tests/guest/efi/guest.h
	@mkdir -p $(@D)
	$(CC) $(EFI_PROBE_FLAGS) -c -o $(@:.efi=.o) $<
	$(LD) -nostdlib -znocombreloc -shared -Bsymbolic -T /usr/lib/elf_x86_64_efi.lds --no-warn-rwx-segments \
		-z noexecstack --build-id=none -o $(@:.efi=.so) /usr/lib/crt0-efi-x86_64.o $(@:.efi=.o) -L /usr/lib -lgnuefi
	$(OBJCOPY) -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j '.rel*' -j .reloc \
		--target efi-app-x86_64 --subsystem 10 $(@:.efi=.so) $@
