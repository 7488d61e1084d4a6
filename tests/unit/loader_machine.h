/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine into which the loaders' tests load. */
#ifndef LOADER_MACHINE_H
#define LOADER_MACHINE_H

#include <string.h>
#include <sys/mman.h>
#include <veneer/build.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include "host/host.h"
#include "hv/bios/bios.h"
#include "hv/load/limine.h"
#include "hv/load/load_plan.h"

/*
 * A machine with 32 MiB at physical address 0.  Memory that the guest must not have faults on any access.  Source modules may
 * also lie in the test's own heap, where ASan guards their ends.
 */
#define MACHINE		0x2000000ull
#define SELF		0x1c00000ull
#define EBDA		0x9c000ull
#define LOW_END		0x9f000ull

static uint8_t *machine;
static struct boot_info b;
static struct vcpu_regs regs;

bool gmem_valid(uint64_t gpa, uint64_t len)
{
	for (unsigned i = 0; i < b.nranges; i++)
		if (b.range[i].type == MEM_USABLE && gpa >= b.range[i].base && gpa - b.range[i].base < b.range[i].size &&
		    len <= b.range[i].size - (gpa - b.range[i].base))
			return true;
	return false;
}

void *gmem_ptr(uint64_t gpa, uint64_t len) { return gmem_valid(gpa, len) && gpa + len <= MACHINE ? machine + gpa : NULL; }

/* In the place of hv/bios/bios.c: records where a real-mode kernel begins. */
static struct { bool prepared; uint16_t cs, ds, sp; } real UNUSED;

int bios_prepare(struct boot_info *info, int boot_disk)
{
	real.prepared = true;
	return info->efi ? -ERR_NOTSUP : 0;
}

void bios_start_kernel(const struct boot_info *info, struct vcpu_regs *r, uint16_t cs, uint16_t ds, uint16_t sp)
{
	real.cs = cs;
	real.ds = ds;
	real.sp = sp;
}

/* In the place of hv/load/load_limine_stub.S and limine_machine.c: a page that never runs, and the test's own machine. */
const uint8_t limine_stub[0x300] = { 0xeb, 0xfe };
const uint32_t limine_stub_size = sizeof(limine_stub), limine_stub_ap32_at = 0x200, limine_stub_ap64_at = 0x280;
const char veneer_version[] = "Veneer of a test";
static struct limine_machine limine_facts UNUSED;
void limine_ask_machine(struct limine_machine *m) { *m = limine_facts; }

static void range(uint64_t base, uint64_t end, enum mem_type type)
{
	b.range[b.nranges++] = (struct mem_range){ base, end - base, type };
}

static void reset_machine(void)
{
	if (machine)
		munmap(machine, MACHINE);
	machine = mmap(NULL, MACHINE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (machine == MAP_FAILED)
		abort();
	mprotect(machine, 0x1000, PROT_NONE);
	mprotect(machine + EBDA, 0x100000 - EBDA, PROT_NONE);
	mprotect(machine + SELF, MACHINE - SELF, PROT_NONE);
	memset(&b, 0, sizeof(b));
	range(0, LOW_END, MEM_USABLE);
	range(LOW_END, 0xa0000, MEM_RESERVED);
	range(0x100000, SELF, MEM_USABLE);
	range(SELF, MACHINE - 0x100000, MEM_RESERVED);
	range(MACHINE - 0x100000, MACHINE, MEM_ACPI);
	b.self_base = SELF;
	b.self_size = MACHINE - 0x100000 - SELF;
	b.ebda = EBDA;
}

static struct boot_module *module_at(uint64_t addr, const void *data, uint64_t size, const char *line)
{
	struct boot_module *m = &b.module[b.nmodules++];

	m->addr = addr;
	m->size = size;
	m->cmdline = line;
	if (data && addr < MACHINE)
		memcpy(machine + addr, data, size);
	return m;
}

static void pattern(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + seed);
}

static uint32_t r32(uint64_t gpa) { uint32_t v; memcpy(&v, machine + gpa, 4); return v; }
static uint64_t r64(uint64_t gpa) { uint64_t v; memcpy(&v, machine + gpa, 8); return v; }
static void UNUSED w32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }
static const char *text(uint64_t gpa) { return (const char *)machine + gpa; }

static struct config settings = { .bootargs = "default args" };

static int start(void) { return loader_start_guest(&b, &settings, &regs); }

static void UNUSED check_flat32(void)
{
	CHECK_EQ(regs.cr0 & (CR0_PE | CR0_PG), CR0_PE);
	CHECK_EQ(regs.rflags & RFLAGS_IF, 0);
	CHECK_EQ(regs.efer, 0);
	CHECK_EQ(regs.seg[SEG_CS].attr & (SEG_ATTR_DB | SEG_ATTR_L), SEG_ATTR_DB);
	for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
		CHECK_EQ(regs.seg[i].base, 0);
		CHECK_EQ(regs.seg[i].limit, 0xffffffff);
	}
}

/* The kernel file that the test builds. */
static uint8_t file[0x20000];
static uint64_t file_size;

/*
 * Flip each byte of the file.  The file may be loaded or refused; ASan guards its end, and mprotect() the memory that is not
 * the guest's.
 */
static void flip_all(uint64_t from, uint64_t to)
{
	static const uint8_t flip[] = { 0xff, 0x01, 0x80, 0x10 };

	for (uint64_t at = from; at < to; at++) {
		for (unsigned k = 0; k < ARRAY_SIZE(flip); k++) {
			uint8_t *copy = malloc(file_size);

			memcpy(copy, file, file_size);
			copy[at] ^= flip[k];
			b.nmodules = 0;
			module_at((uintptr_t)copy, NULL, file_size, "kernel");
			module_at(0x700000, NULL, 0x5000, "initrd");
			host_log_clear();
			if (start() < 0)
				CHECK(host_log_has("guest: "));
			CHECK_EQ(host_heap_used(), 0);
			free(copy);
		}
	}
}

/* Check that the file is refused if it is cut off at any place. */
static void cut_everywhere(void)
{
	for (uint64_t n = 0; n < file_size; n += n < 0x300 ? 1 : 97) {
		uint8_t *copy = malloc(n ? n : 1);

		memcpy(copy, file, n);
		b.nmodules = 0;
		module_at((uintptr_t)copy, NULL, n, "kernel");
		host_log_clear();
		CHECK(start() < 0);
		CHECK(host_log_has("guest: "));
		free(copy);
	}
}

#endif
