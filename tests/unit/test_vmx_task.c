/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/vmx/vmx_task.c hv/emul/walk.c */
/* Task switches: the state that is saved, marked busy and loaded, and refusals before anything changes. */
#include <string.h>
#include "host/host.h"
#include "hv/vmx/vmx.h"

#define GDT		0x1000u
#define OLD		0x2000u
#define NEW		0x3000u
#define LDT		0x4000u
#define STACK		0x6000u
#define SEL_OLD		0x18u
#define SEL_NEW		0x20u
#define SEL_LDT		0x28u
#define SEL_USER_CODE	0x33u
#define SEL_USER_DATA	0x3bu
#define CODE		0x00cf9b000000ffffull
#define DATA		0x00cf93000000ffffull
#define USER_CODE	0x00cffa000000ffffull	/* not accessed */
#define USER_DATA	0x00cff3000000ffffull
#define NT		BIT(14)
#define TS		BIT(3)

static uint64_t ram;

uint64_t phys_limit(void) { return 1ull << 40; }
static struct vcpu_regs r;

static uint8_t *at(uint32_t off) { return (uint8_t *)(uintptr_t)ram + off; }
static uint32_t get32(uint32_t off) { uint32_t v; memcpy(&v, at(off), 4); return v; }
static void put32(uint32_t off, uint32_t v) { memcpy(at(off), &v, 4); }
static void gdt(uint32_t selector, uint64_t d) { memcpy(at(GDT + (selector & ~7u)), &d, 8); }

/* The low four bits of a descriptor's type. */
static unsigned type_of(uint32_t selector) { return at(GDT + (selector & ~7u) + 5)[0] & 0xf; }

static uint64_t system_descriptor(uint32_t off, uint32_t limit, uint64_t rights)
{
	uint64_t base = ram + off;

	return limit | (base & 0xffffff) << 16 | rights << 40 | (base >> 24) << 56;
}

/* Start with both tasks in ring 0, without paging; the new task is available. */
static void start(void)
{
	ram = host_guest_ram(0x8000);
	memset(at(0), 0, 0x8000);
	gdt(0x08, CODE);
	gdt(0x10, DATA);
	gdt(SEL_OLD, system_descriptor(OLD, 0x67, 0x8b));
	gdt(SEL_NEW, system_descriptor(NEW, 0x67, 0x89));
	gdt(SEL_LDT, system_descriptor(LDT, 7, 0x82));
	gdt(SEL_USER_CODE, USER_CODE);
	gdt(SEL_USER_DATA, USER_DATA);
	r = (struct vcpu_regs){ .rip = 0x1234, .rflags = 0x46, .cr0 = CR0_PE, .gdtr = { ram + GDT, 0x3f } };
	for (unsigned i = 0; i < 8; i++)
		r.gpr[i] = 0x1000 + i;
	for (unsigned i = 0; i <= SEG_GS; i++)
		r.seg[i] = (struct vcpu_seg){ i == SEG_CS ? 0x08 : 0x10, i == SEG_CS ? 0xc9b : 0xc93, ~0u, 0 };
	r.seg[SEG_TR] = (struct vcpu_seg){ SEL_OLD, 0x8b, 0x67, ram + OLD };
	put32(NEW + 0x20, 0x5678);
	put32(NEW + 0x24, 0x3000);		/* IOPL 3; bit 1 is always set */
	for (unsigned i = 0; i < 8; i++)
		put32(NEW + 0x28 + 4 * i, 0x2000 + i);
	put32(NEW + 0x38, (uint32_t)ram + STACK);
	for (unsigned i = 0; i < 6; i++)
		put32(NEW + 0x48 + 4 * i, i == SEG_CS ? 0x08 : 0x10);
	put32(NEW + 0x60, SEL_LDT);
}

static const char *go(enum task_source source, uint16_t selector)
{
	struct vmx_task t = { .selector = selector, .source = source, .return_rip = r.rip + 7 };

	return vmx_task_switch(&r, &t);
}

static void check_loaded(void)
{
	CHECK_EQ(r.rip, 0x5678);
	for (unsigned i = 0; i < 8; i++)
		CHECK(i == GPR_RSP || r.gpr[i] == 0x2000 + i);
	CHECK_EQ(r.seg[SEG_TR].base, ram + NEW);
	CHECK_EQ(r.seg[SEG_TR].attr, 0x8b);
	CHECK_EQ(r.seg[SEG_TR].selector, SEL_NEW);
	CHECK(r.seg[SEG_LDTR].base == ram + LDT && r.seg[SEG_LDTR].limit == 7);
	CHECK(r.cr0 & TS);
	CHECK_EQ(r.cpl, 0);
}

static void check_saved(uint32_t eip, uint32_t eflags)
{
	CHECK_EQ(get32(OLD + 0x20), eip);
	CHECK_EQ(get32(OLD + 0x24), eflags);
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(get32(OLD + 0x28 + 4 * i), 0x1000 + i);
	CHECK(get32(OLD + 0x48) == 0x10 && get32(OLD + 0x4c) == 0x08);
	/* Neither CR3 nor the LDT is written. */
	CHECK(!get32(OLD + 0x1c) && !get32(OLD + 0x60));
}

TEST(jmp)
{
	start();
	CHECK(!go(TASK_JMP, SEL_NEW));
	check_loaded();
	check_saved(0x1234 + 7, 0x46);
	CHECK_EQ(r.rflags, 0x3002);
	CHECK(type_of(SEL_OLD) == 9 && type_of(SEL_NEW) == 11);
	CHECK_EQ(get32(NEW), 0);
}

TEST(call_and_iret)
{
	start();
	CHECK(!go(TASK_CALL, SEL_NEW));
	check_loaded();
	CHECK_EQ(r.rflags, 0x3002 | NT);
	CHECK(type_of(SEL_OLD) == 11 && type_of(SEL_NEW) == 11);
	CHECK_EQ(get32(NEW), SEL_OLD);
	CHECK(!go(TASK_IRET, SEL_OLD));
	CHECK_EQ(r.rip, 0x1234 + 7);
	CHECK(!(r.rflags & NT) && !(get32(NEW + 0x24) & NT));
	CHECK(type_of(SEL_OLD) == 11 && type_of(SEL_NEW) == 9);
}

TEST(an_exception_with_an_error_code)
{
	struct vmx_task t = { SEL_NEW, TASK_GATE, true, 0x7f8, 0x1234 };

	start();
	CHECK(!vmx_task_switch(&r, &t));
	check_loaded();
	check_saved(0x1234, 0x46);
	CHECK_EQ(r.gpr[GPR_RSP], ram + STACK - 4);
	CHECK_EQ(get32(STACK - 4), 0x7f8);
	CHECK(r.rflags & NT);
}

TEST(another_ring)
{
	start();
	for (unsigned i = 0; i < 6; i++)
		put32(NEW + 0x48 + 4 * i, i == SEG_CS ? SEL_USER_CODE : SEL_USER_DATA);
	put32(NEW + 0x54, 0);
	CHECK(!go(TASK_JMP, SEL_NEW));
	CHECK_EQ(r.cpl, 3);
	CHECK_EQ(r.seg[SEG_CS].attr, 0xcfb);
	CHECK_EQ(type_of(SEL_USER_CODE), 11);
	/* DS may be null, and is unusable then. */
	CHECK_EQ(r.seg[SEG_DS].attr, 0);
}

TEST(virtual_8086)
{
	start();
	put32(NEW + 0x24, RFLAGS_VM | 2);
	put32(NEW + 0x4c, 0xf000);
	CHECK(!go(TASK_JMP, SEL_NEW));
	CHECK(r.seg[SEG_CS].base == 0xf0000 && r.seg[SEG_CS].attr == 0xf3 && r.seg[SEG_CS].limit == 0xffff);
	CHECK_EQ(r.cpl, 3);
}

/* --- what is refused, with nothing changed --- */

static void wrong_32(uint32_t off, uint32_t v, const char *why)
{
	struct vcpu_regs before;
	const char *said;

	start();
	put32(off, v);
	before = r;
	said = go(TASK_JMP, SEL_NEW);
	if (!said || !strstr(said, why))
		host_fail(__FILE__, __LINE__, "%s, not %s", said ? said : "done", why);
	CHECK(!memcmp(&before, &r, sizeof(r)));
	CHECK(!get32(OLD + 0x20) && type_of(SEL_OLD) == 11);
}

TEST(bad_new_tasks)
{
	wrong_32(NEW + 0x4c, 0x10, "CS cannot");	/* data */
	wrong_32(NEW + 0x4c, 0, "CS cannot");
	wrong_32(NEW + 0x4c, 0x0b, "CS cannot");	/* DPL 0, RPL 3 */
	wrong_32(NEW + 0x50, 0x08, "SS cannot");
	wrong_32(NEW + 0x50, 0, "SS cannot");
	wrong_32(NEW + 0x50, 0x13, "SS cannot");
	wrong_32(NEW + 0x54, 0x48, "DS cannot");	/* beyond the table */
	wrong_32(NEW + 0x48, SEL_OLD, "ES cannot");	/* no segment */
	wrong_32(NEW + 0x58, 0x13, "FS cannot");	/* DPL 0, RPL 3 */
	wrong_32(NEW + 0x5c, 0x0c, "GS cannot");	/* not in the LDT */
	wrong_32(NEW + 0x60, 0x10, "LDT cannot");
	wrong_32(NEW + 0x60, 0x04, "LDT cannot");
	wrong_32(NEW + 0x64, 1, "debug flag");
	/* TSSs that are busy, of 16 bits, absent, too short, not in memory. */
	wrong_32(GDT + SEL_NEW + 4, (uint32_t)(system_descriptor(NEW, 0x67, 0x8b) >> 32), "wrong state");
	wrong_32(GDT + SEL_NEW + 4, (uint32_t)(system_descriptor(NEW, 0x67, 0x81) >> 32), "wrong state");
	wrong_32(GDT + SEL_NEW + 4, (uint32_t)(system_descriptor(NEW, 0x67, 0x09) >> 32), "wrong state");
	wrong_32(GDT + SEL_NEW, (uint32_t)system_descriptor(NEW, 0x66, 0x89), "wrong state");
	wrong_32(GDT + SEL_NEW + 4, (uint32_t)(system_descriptor(NEW, 0x67, 0x89) >> 32) ^ 0x80000000, "not in memory");
}

/* With these PDPTEs an entry would fail, as a MOV to CR3 would. */
TEST(bad_pointers_of_pae_paging)
{
	static const uint64_t bad[] = { BIT64(1), BIT64(2), BIT64(5), BIT64(8), BIT64(40), BIT64(63) };
	uint64_t *pointer;

	for (unsigned i = 0; i < 4 * ARRAY_SIZE(bad); i++) {
		start();
		/* One table of 2 MiB pages, identity-mapped. */
		pointer = (uint64_t *)at(0x7000);
		for (unsigned k = 0; k < 512; k++)
			((uint64_t *)at(0x5000))[k] = (ALIGN_DOWN(ram, 1ull << 30) + k * 0x200000ull) | 0x83;
		for (unsigned k = 0; k < 4; k++)
			pointer[k] = (ram + 0x5000) | 1;
		r.cr0 |= CR0_PG;
		r.cr4 = CR4_PAE;
		r.cr3 = ram + 0x7000;
		put32(NEW + 0x1c, (uint32_t)ram + 0x7020);
		memcpy(at(0x7020), pointer, 32);
		pointer[4 + i % 4] |= bad[i / 4];
		CHECK(strstr(go(TASK_JMP, SEL_NEW), "page directory pointers"));
		pointer[4 + i % 4] &= ~BIT64(0);
		CHECK(i % 4 == ram >> 30 || !go(TASK_JMP, SEL_NEW));
	}
}

TEST(bad_switches)
{
	start();
	CHECK(strstr(go(TASK_IRET, SEL_NEW), "wrong state"));
	CHECK(strstr(go(TASK_JMP, SEL_NEW | 4), "cannot be read"));
	CHECK(strstr(go(TASK_JMP, 0x48), "cannot be read"));
	CHECK(strstr(go(TASK_JMP, 0), "cannot be read"));
	r.seg[SEG_TR].attr = 0x83;
	CHECK(strstr(go(TASK_JMP, SEL_NEW), "16 bits"));
	/* Hidden memory, and a device's. */
	start();
	r.seg[SEG_TR].base = 0xf0000000;
	CHECK(strstr(go(TASK_JMP, SEL_NEW), "not in memory"));
	start();
	put32(NEW + 0x38, 0xf0000010);
	struct vmx_task t = { SEL_NEW, TASK_GATE, true, 1, 0 };
	CHECK(strstr(vmx_task_switch(&r, &t), "stack"));
}

TEST_MAIN
