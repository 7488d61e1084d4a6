/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/load/load*.c hv/exit/symbols.c hv/boot/memmap.c hv/cpu/vcpu.c tests/fuzz/lib/fuzz.c */
/* quick: 4000 */
/*
 * Guests' kernels of every format, with modules and command lines.  What is not the guest's memory faults, the file ends in
 * ASan's guard.  The memory map, the framebuffer and the protocol are chosen by the first bytes.
 */
#include "tests/fuzz/fuzz.h"
#include "loader_machine.h"

static const char *const lines[] = {
	"kernel", "kernel console=ttyS0 quiet", "kernel vga=ask mem=64M",
	"kernel \"a b\" memmap=exactmap", "kernel resolution=0x0x0",
};

static uint8_t initrd[0x5000];

static void machine_as(uint8_t how)
{
	reset_machine();
	b.has_fb = how & 1;
	b.fb.addr = 0xfd000000;
	b.fb.pitch = 4096;
	b.fb.width = 1024;
	b.fb.height = 768;
	b.fb.bpp = 32;
	b.fb.type = 1;
	b.efi = how & 2;
	b.rsdp = how & 4 ? 0xf5a40 : 0;
	if (how & 8)
		b.range[2].size = 0x300000;
	limine_facts = (struct limine_machine){
		.ncpus = 2, .cpu = { { 0, 0, { 0x10000, 0x400 } }, { 1, 1, { 0x10000, 0x400 } } },
		.x2apic_there = how & 16, .lapic = 0xfee00000, .tsc_hz = 2000000000, .nx = true, .nioapics = 1,
		.ioapic = { 0xfec00000 } };
}

static void fuzz(void)
{
	uint8_t how = fuzz8(), more = fuzz8(), line = fuzz8();
	size_t size;
	const uint8_t *kernel;

	machine_as(how);
	settings.protocol = more % 7u;
	kernel = fuzz_rest(&size);
	module_at((uintptr_t)kernel, NULL, size, lines[line % ARRAY_SIZE(lines)]);
	/* Where there is less RAM, the boot loader has put the module outside of the guest's. */
	if (more & 0x80)
		module_at(how & 8 ? (uintptr_t)initrd : 0x700000, NULL, sizeof(initrd), "initrd some words");
	if (more & 0x40)
		module_at(0x180000, NULL, 0x1234, "second");
	regs = (struct vcpu_regs){ 0 };
	if (start() < 0)
		CHECK(host_log_has("guest: "));
	else if (!(regs.cr0 & CR0_PG))
		CHECK(regs.rip < MACHINE);
	CHECK_EQ(host_heap_used(), 0);
	munmap(machine, MACHINE);
	(void)r32, (void)r64, (void)text, (void)pattern, (void)flip_all, (void)cut_everywhere;
}

FUZZ(fuzz)
