# SPDX-License-Identifier: BSD-2-Clause
# The hobby OS: a 32-bit multiboot kernel, compiled with flags of its own.  Included by the top Makefile, or used alone:
#   make -f examples/hobby-os/build.mk BUILD=build build/hobby-os.elf
BUILD		?= build

HOBBY_SRC	:= examples/hobby-os
HOBBY_OBJS	:= $(addprefix $(BUILD)/hobby-os/,boot.o main.o multiboot.o lib.o console.o time.o irq.o pic.o ioapic.o apic.o \
		   intx.o pci.o acpi.o virtio.o msix.o virtio_net.o virtio_blk.o net.o dhcp.o tftp.o sha256.o shell.o \
		   cmd_net.o cmd_disk.o cmd_sys.o veneer.o)
HOBBY_CFLAGS	:= -m32 -march=i686 -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-stack-protector -mgeneral-regs-only \
		   -fno-strict-aliasing -fno-asynchronous-unwind-tables -fcf-protection=none -Wall -Wextra -Werror -Wshadow \
		   -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter -Iinclude

$(BUILD)/hobby-os.elf: $(HOBBY_OBJS) $(HOBBY_SRC)/hobby.lds
	$(LD) -m elf_i386 -static -z noexecstack --no-warn-rwx-segments --build-id=none -T $(HOBBY_SRC)/hobby.lds \
		-o $@ $(HOBBY_OBJS)

$(BUILD)/hobby-os/%.o: $(HOBBY_SRC)/%.c
	@mkdir -p $(@D)
	$(CC) $(HOBBY_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/hobby-os/%.o: $(HOBBY_SRC)/%.S
	@mkdir -p $(@D)
	$(CC) $(HOBBY_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

# The same for loaders of the Limine protocol: a 64-bit kernel that has the file above inside.
HOBBY_CFLAGS64	:= $(filter-out -m32 -march=i686 -Iinclude,$(HOBBY_CFLAGS)) -m64 -mcmodel=kernel -mno-red-zone \
		   -fno-tree-loop-distribute-patterns
$(BUILD)/hobby-os-limine.elf: $(BUILD)/hobby-os.elf $(addprefix $(HOBBY_SRC)/,limine.c limine_start.S limine.lds)
	$(CC) $(HOBBY_CFLAGS64) -D__ASSEMBLY__ -DHOBBY_FILE='"$(BUILD)/hobby-os.elf"' -c -o $(BUILD)/hobby-os/limine_start.o \
		$(HOBBY_SRC)/limine_start.S
	$(CC) $(HOBBY_CFLAGS64) -c -o $(BUILD)/hobby-os/limine.o $(HOBBY_SRC)/limine.c
	$(LD) -m elf_x86_64 -static -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments --build-id=none \
		-T $(HOBBY_SRC)/limine.lds -o $@ $(BUILD)/hobby-os/limine_start.o $(BUILD)/hobby-os/limine.o

-include $(HOBBY_OBJS:.o=.d)
