/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/exit/crash.c hv/exit/crash_report.c hv/exit/crash_tables.c hv/exit/symbols.c hv/emul/walk.c */
/* sources: tests/unit/host/cpu.c hv/lib/fmt.c */
/* The report on a guest that crashed: its text for made-up states, and that garbage does no harm. */
#include <string.h>
#include <veneer/config.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/vcpu.h"
#include "hv/dev/power.h"
#include "hv/exit/symbols.h"
#include "hv/exit/crash.h"
#include "hv/lib/console.h"
#include "hv/lib/panic.h"

#define PAGES	32u

struct config config;
const struct vcpu_ops *vcpu_ops;
void machine_stopping(void) { }
void machine_leave_devices(void) { }
void machine_reset(void) { host_fail("reset", 0, "the machine was reset"); }
void debug_exit(uint8_t v) { (void)v; }
bool console_key(void) { return false; }

static uint64_t ram;
static struct vcpu_regs r;
static struct vcpu_event event;

static uint8_t *at(uint64_t off) { return (uint8_t *)(uintptr_t)(ram + off); }
static void w64(uint64_t off, uint64_t v) { memcpy(at(off), &v, 8); }
static void w32(uint64_t off, uint32_t v) { memcpy(at(off), &v, 4); }

/* 64-bit code; all of the RAM at virtual 0 by a page table at 0 to 3; GDT at 4000, IDT at 5000, TSS at 6000, stack to 9000. */
static void machine64(void)
{
	host_guest_ram_drop();
	ram = host_guest_ram(PAGES * PAGE_SIZE);
	memset(at(0), 0, PAGES * PAGE_SIZE);
	memset(&r, 0, sizeof(r));
	memset(&event, 0, sizeof(event));
	for (unsigned i = 0; i < 3; i++)
		w64(i * 0x1000, (ram + (i + 1) * 0x1000) | 3);
	for (unsigned i = 0; i < PAGES; i++)
		w64(0x3000 + 8 * i, (ram + i * 0x1000) | 3);
	w64(0x4008, 0x00af9b000000ffff);
	w64(0x4010, 0x00cf93000000ffff);
	w64(0x4018, 0x0000890060000067);
	r.cr0 = CR0_PE | CR0_PG;
	r.cr3 = ram;
	r.cr4 = CR4_PAE;
	r.efer = EFER_LME | EFER_LMA;
	r.gdtr.base = 0x4000;
	r.gdtr.limit = 0x27;
	r.idtr.base = 0x5000;
	r.idtr.limit = 0xfff;
	r.seg[SEG_CS] = (struct vcpu_seg){ .selector = 8, .attr = 0xa9b, .limit = ~0u };
	r.seg[SEG_SS] = (struct vcpu_seg){ .selector = 16, .attr = 0xc93, .limit = ~0u };
	r.seg[SEG_TR] = (struct vcpu_seg){ .selector = 0x18, .attr = 0x8b, .limit = 0x67, .base = 0x6000 };
	r.rip = 0x7100;
	r.gpr[GPR_RSP] = 0x8f00;
	event = (struct vcpu_event){ .valid = true, .has_error = true, .vector = 14, .error = 2 };
}

static void gate(unsigned vector, uint64_t handler, uint16_t selector, unsigned ist, unsigned attr)
{
	w64(0x5000 + 16 * vector, (handler & 0xffff) | (uint64_t)selector << 16 | (uint64_t)ist << 32 | (uint64_t)attr << 40 |
	    (handler >> 16 & 0xffff) << 48);
	w64(0x5008 + 16 * vector, handler >> 32);
}

#define SAYS(line) do { if (!host_log_has(line)) host_fail(__FILE__, __LINE__, "not said: %s", line); } while (0)
#define SAYS_NOT(line) do { if (host_log_has(line)) host_fail(__FILE__, __LINE__, "said: %s", line); } while (0)

static void report(void)
{
	host_log_clear();
	crash_report(&r, &event);
}

unsigned ncpus = 1;

TEST(registers_segments_code)
{
	machine64();
	memcpy(at(0x7100), "\x0f\x0b\xcc", 3);
	r.gpr[GPR_R15] = 0x1122334455667788;
	report();
	SAYS("guest: r15 1122334455667788");
	SAYS("guest: cs   0008 0000000000000000 ffffffff a9b 00af9b000000ffff");
	SAYS("guest: es   0000 0000000000000000 00000000 000 null");
	SAYS("guest: code 0f 0b cc 00");
	SAYS("efer 0500 rflags 00000000 cpl 0, 64-bit code");
	r.seg[SEG_DS].selector = 0x28;
	r.seg[SEG_FS].selector = 0x0c;
	r.rip = 0x7000000;
	r.efer = 0;
	r.seg[SEG_CS].attr = 0xc9b;
	report();
	SAYS("guest: ds   0028 0000000000000000 00000000 000 beyond the table's limit");
	SAYS("guest: fs   000c 0000000000000000 00000000 000 beyond the table's limit");
	SAYS("guest: the code at rip cannot be read");
	SAYS("32-bit code");
	SAYS_NOT("r15");
}

TEST(page_walk)
{
	char line[80];

	machine64();
	r.cr2 = 0x1fffff;
	report();
	snprintf(line, sizeof(line), "walk of cr2: %016llx holds %016llx p w\n", (unsigned long long)ram,
		 (unsigned long long)ram + 0x1003);
	SAYS(line);
	snprintf(line, sizeof(line), "walk of cr2: %016llx holds 0000000000000000\n", (unsigned long long)ram + 0x3ff8);
	SAYS(line);
	SAYS("cr2 00000000001fffff is not mapped");
	r.cr2 = 0x8123;
	report();
	snprintf(line, sizeof(line), "cr2 0000000000008123 is mapped to %016llx", (unsigned long long)ram + 0x8123);
	SAYS(line);
	r.cr3 = 0x12345000;
	report();
	SAYS("walk of cr2: 0000000012345000 is not the guest's memory");
	r.cr0 = CR0_PE;
	report();
	SAYS("paging is off");
}

/* Each mode's tables lead to a last entry that is absent. */
TEST(page_walk_of_every_mode)
{
	char line[80];
	static const struct { uint64_t efer, cr4, cr2; unsigned levels; } mode[] = {
		{ 0, 0, 0x00401000, 2 },
		{ 0, CR4_PAE, 0x40201000, 3 },
		{ EFER_LMA, CR4_PAE, 0x8040201000, 4 },
		{ EFER_LMA, CR4_PAE | CR4_LA57, 0x1008040201000, 5 },
	};

	for (unsigned m = 0; m < ARRAY_SIZE(mode); m++) {
		unsigned size = m ? 8 : 4;

		machine64();
		memset(at(0), 0, 0x5000);
		r.efer = mode[m].efer;
		r.cr4 = mode[m].cr4;
		r.cr2 = mode[m].cr2;
		if (!r.efer)
			r.seg[SEG_CS].attr = 0xc9b;
		/* Its second entry in each table. */
		for (unsigned i = 0; i + 1 < mode[m].levels; i++)
			w32(i * 0x1000 + size, (uint32_t)(ram + (i + 1) * 0x1000) | (m == 1 && !i ? 1 : 0x27));
		w32((mode[m].levels - 1) * 0x1000 + size, 0x6);
		report();
		for (unsigned i = 0; i + 1 < mode[m].levels; i++) {
			snprintf(line, sizeof(line), "walk of cr2: %016llx holds %016llx p%s\n",
				 (unsigned long long)ram + i * 0x1000 + size,
				 (unsigned long long)ram + (i + 1) * 0x1000 + (m == 1 && !i ? 1 : 0x27),
				 m == 1 && !i ? "" : " w u a");
			SAYS(line);
		}
		snprintf(line, sizeof(line), "walk of cr2: %016llx holds 0000000000000006 w u\n",
			 (unsigned long long)ram + (mode[m].levels - 1) * 0x1000 + size);
		SAYS(line);
		SAYS("is not mapped");
	}
}

TEST(stack)
{
	machine64();
	for (unsigned i = 0; i < 20; i++) {
		w64(0x8000 + 32 * i, 0x8000 + 32 * (i + 1));
		w64(0x8008 + 32 * i, 0xa000 + i);
	}
	r.gpr[GPR_RBP] = 0x8000;
	r.gpr[GPR_RSP] = 0x8008;
	report();
	SAYS("guest: #0 rip 0000000000007100");
	SAYS("guest: #1     000000000000a000");
	SAYS("guest: #6     000000000000a005");
	SAYS_NOT("guest: #7 ");
	SAYS("guest: stack 000000000000a000 0000000000000000 0000000000000000\n");
	w64(0x8040, 0x8000);		/* a circle */
	report();
	SAYS("guest: #3     000000000000a002");
	SAYS_NOT("guest: #4 ");
	r.gpr[GPR_RBP] = PAGES * 0x1000 - 8;
	report();
	SAYS("guest: #1 no memory is mapped at the frame pointer 1fff8");
	r.gpr[GPR_RBP] = 0;
	r.gpr[GPR_RSP] = ~0ull - 3;
	report();
	SAYS_NOT("guest: #1 ");
	SAYS("guest: stack at fffffffffffffffc: no memory is mapped there");
}

TEST(why_it_could_not_be_delivered)
{
	static const struct { unsigned ist, attr; uint16_t selector; uint64_t handler; const char *says; } t[] = {
		{ 0, 0x0e, 8, 0x7000, "the gate of #PF is not present" },
		{ 0, 0x8c, 8, 0x7000, "the gate of #PF is no interrupt or trap gate" },
		{ 0, 0x85, 8, 0x7000, "the gate of #PF is a task gate" },
		{ 0, 0x8e, 0x28, 0x7000, "the gate of #PF names a code segment that is not in the GDT" },
		{ 0, 0x8e, 16, 0x7000, "the gate of #PF names a segment that is no present code segment" },
		{ 0, 0x8f, 8, 0x700000, "the gate of #PF leads to a handler where no memory is mapped: 700000" },
		{ 1, 0x8e, 8, 0x7000, "the gate of #PF needs a stack where no memory is mapped: 0" },
		{ 7, 0x8e, 8, 0x7000, "the gate of #PF needs a stack where no memory is mapped: f0000000" },
	};

	machine64();
	w64(0x6000 + 0x24 + 6 * 8, 0xf0000000);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		gate(14, t[i].handler, t[i].selector, t[i].ist, t[i].attr);
		report();
		SAYS("guest: #PF with error 0002 (write, page absent) could not be delivered");
		SAYS(t[i].says);
		SAYS("guest: then #DF could not be delivered either");
		SAYS("guest: the gate of #DF is not present");
	}
	r.seg[SEG_TR].limit = 0x20;
	report();
	SAYS("needs a stack that the TSS does not name");
	/* A good gate, on the current stack: the report complains only that the stack is not mapped. */
	gate(14, 0x7000, 8, 0, 0x8e);
	report();
	SAYS("the gate of #PF: 0008:0000000000007000 type e dpl 0 ist 0");
	SAYS_NOT("the gate of #PF needs");
	r.gpr[GPR_RSP] = 0;
	report();
	SAYS("the gate of #PF needs a stack where no memory is mapped");
	event = (struct vcpu_event){ .valid = true, .has_error = true, .vector = 13, .error = 3 * 8 + 2 };
	r.idtr.limit = 0x8f;
	report();
	SAYS("guest: #GP with error 001a (gate 3 of the IDT) could not be delivered");
	SAYS("the gate of #BP is not present");
	SAYS("the gate of #GP lies beyond the IDT's limit (0000000000005000, limit 008f)");
	r.idtr.base = 0x7654000;
	report();
	SAYS("the gate of #DF lies where no memory is mapped");
	event.valid = false;
	report();
	SAYS_NOT("#GP");
}

TEST(user_code_needs_the_stack_of_the_tss)
{
	machine64();
	r.cpl = 3;
	gate(14, 0x7000, 8, 0, 0x8e);
	report();
	SAYS("the gate of #PF needs a stack where no memory is mapped: 0");
	w64(0x6004, 0x9000);
	report();
	SAYS_NOT("the gate of #PF needs");
}

static uint64_t seed = 88172645463325252ull;

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

/* Return an address that may be mapped or not. */
static uint64_t wild(void)
{
	uint64_t v = random64();

	return v % 4 == 0 ? v : v % 4 == 1 ? ram + v % (PAGES * PAGE_SIZE) : v % 4 == 2 ? ~(v % 64) : v % (PAGES * PAGE_SIZE);
}

static void scribble(void)
{
	for (unsigned i = 0; i < PAGES * PAGE_SIZE / 8; i += 1 + (unsigned)(random64() % 64))
		w64(8ull * i, (random64() & 1 ? wild() : ram + random64() % (PAGES * PAGE_SIZE)) | (random64() & 3));
}

static void wild_regs(void)
{
	for (unsigned i = 0; i < GPR_COUNT; i++)
		r.gpr[i] = wild();
	for (unsigned i = 0; i < SEG_COUNT; i++)
		r.seg[i] = (struct vcpu_seg){ (uint16_t)random64(), (uint16_t)(random64() & 0xfff), (uint32_t)wild(), wild() };
	r.rip = wild();
	r.cr0 = wild();
	r.cr2 = wild();
	r.cr3 = random64() % 4 ? ram + random64() % PAGES * PAGE_SIZE : wild();
	r.cr4 = random64();
	r.efer = random64();
	r.gdtr.base = wild();
	r.gdtr.limit = (uint16_t)random64();
	r.idtr.base = wild();
	r.idtr.limit = (uint16_t)random64();
	r.cpl = (uint8_t)(random64() & 3);
}

TEST(garbage)
{
	for (unsigned i = 0; i < 3000; i++) {
		if (i % 16 == 0) {
			machine64();
			scribble();
		}
		if (i % 2)
			machine64();
		else
			wild_regs();
		if (i % 4 == 1)
			scribble();
		event = (struct vcpu_event){ random64() & 1, random64() & 1, (uint8_t)random64(), (uint32_t)random64() };
		report();
		SAYS("guest: #0 ");
	}
}

/* --- names --- */

struct sym64 { uint32_t name; uint8_t info, other; uint16_t section; uint64_t value, size; };

/* A file of section headers at 0 (none, code, symbols, strings), symbols at 1000, strings at 2000. */
static uint8_t file[0x3000];
static struct guest_image img = { .data = file, .size = sizeof(file) };
static struct kernel_layout k;
static unsigned nsyms, ntext;

static void kernel(void)
{
	struct elf64_section s[4] = {
		[1] = { .type = 1, .flags = 6 }, [2] = { .type = ELF_SYMTAB, .offset = 0x1000, .link = 3 },
		[3] = { .type = ELF_STRTAB, .offset = 0x2000, .size = 0x1000 },
	};

	s[2].size = nsyms * sizeof(struct sym64);
	memcpy(file, s, sizeof(s));
	memset(&k, 0, sizeof(k));
	k.elf64 = true;
	k.shnum = 4;
	k.shentsize = sizeof(s[0]);
	k.nseg = 1;
}

static void symbol(const char *name, uint8_t info, uint16_t section, uint64_t value, uint64_t size)
{
	struct sym64 s = { ntext, info, 0, section, value, size };

	memcpy(file + 0x1000 + nsyms++ * sizeof(s), &s, sizeof(s));
	strcpy((char *)file + 0x2000 + ntext, name);
	ntext += (unsigned)strlen(name) + 1;
}

static void is(uint64_t addr, const char *name, uint32_t offset)
{
	uint32_t off = 0;
	const char *found = symbols_find(addr, &off);

	if (!found != !name || (name && (strcmp(found, name) || off != offset)))
		host_fail(__FILE__, __LINE__, "at %#llx: %s+%#x", (unsigned long long)addr, found ? found : "nothing", off);
}

static void some_symbols(void)
{
	memset(file, 0, sizeof(file));
	nsyms = 0;
	ntext = 1;
	symbol("late", 0x12, 1, 0x2000, 0x100);
	symbol("early", 0x12, 1, 0x1000, 0x80);
	symbol("variable", 0x11, 1, 0x1010, 4);
	symbol("label", 0x10, 1, 0x3000, 0);
	symbol("elsewhere", 0x12, 0, 0x1020, 4);
	symbol("absolute", 0x10, 0xfff1, 0x1030, 4);
	symbol("a_name_of_more_characters_than_a_line_of_the_report_on_a_screen_should_hold", 0x12, 1, 0x4000, 4);
	kernel();
}

TEST(names)
{
	host_heap_fail_at(0);
	some_symbols();
	symbols_keep(&img, &k, 0);
	is(0xfff, NULL, 0);
	is(0x1000, "early", 0);
	is(0x107f, "early", 0x7f);
	is(0x1080, NULL, 0);
	is(0x20ff, "late", 0xff);
	is(0x3010, "label", 0x10);
	is(0x4001, "a_name_of_more_characters_than_a_line_of_the_report_on_a_screen", 1);
	memset(file, 0xff, sizeof(file));		/* the guest uses the file's memory now */
	is(0x1001, "early", 1);
	machine64();
	r.rip = 0x1004;
	r.gpr[GPR_RBP] = 0x8000;
	w64(0x8008, 0x2100);				/* the return address of a call that does not return */
	report();
	SAYS("guest: #0 rip 0000000000001004 early+0x4");
	SAYS("guest: #1     0000000000002100 late+0x100");
	/* Moved by the loader, and linked high. */
	some_symbols();
	k.seg[0].vaddr = 0x900;
	symbols_keep(&img, &k, 0x10000000);
	is(0x10001001, "early", 1);
	is(0x10000700, "early", 0);
	is(0x1001, NULL, 0);
	k.shnum = 0;
	symbols_keep(&img, &k, 0);
	is(0x1001, NULL, 0);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(names_of_a_broken_file)
{
	for (unsigned i = 0; i < 4 * 64 + nsyms * 24; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			some_symbols();
			file[i < 4 * 64 ? i : 0x1000 + i - 4 * 64] ^= (uint8_t)(1u << bit);
			symbols_keep(&img, &k, 0);
			for (uint64_t a = 0x800; a < 0x5000; a += 0x7f) {
				uint32_t off;
				const char *name = symbols_find(a, &off);

				CHECK(!name || strlen(name) < 64);
			}
		}
	}
	some_symbols();
	host_heap_fail_at(1);
	symbols_keep(&img, &k, 0);
	is(0x1001, NULL, 0);
	CHECK(host_log_has("a crash report will have none"));
	k.shnum = 0;
	symbols_keep(&img, &k, 0);
}

TEST(words_of_32_bit_code)
{
	machine64();
	r.cr0 = CR0_PE;
	r.efer = 0;
	r.cr4 = 0;
	r.seg[SEG_CS].attr = 0xc9b;
	r.gpr[GPR_RBP] = ram + 0x8000;
	r.gpr[GPR_RSP] = ram + 0x8000;
	r.gdtr.base += ram;
	r.idtr.base += ram;
	w32(0x8000, 0);
	w32(0x8004, 0x1234);
	w64(0x4008, 0x00cf9b000000ffff);
	w64(0x5000 + 8 * 14, 0x00008e0000080000 | ((ram + 0x7000) & 0xffff) | ((ram + 0x7000) >> 16 & 0xffff) << 48);
	report();
	SAYS("guest: #1     0000000000001234");
	SAYS("guest: stack 00000000 00001234");
	SAYS("type e dpl 0 ist 0");
	SAYS_NOT("the gate of #PF needs");
	SAYS_NOT("the gate of #PF leads");
}

TEST(real_mode)
{
	char line[80];

	machine64();
	r.cr0 = r.cr4 = r.efer = 0;
	r.seg[SEG_CS] = (struct vcpu_seg){ .selector = ram >> 4, .base = ram, .attr = 0x9b, .limit = 0xffff };
	r.seg[SEG_SS] = (struct vcpu_seg){ .selector = ram >> 4, .base = ram, .attr = 0x93, .limit = 0xffff };
	r.idtr.base = ram + 0x5000;
	r.idtr.limit = 0x3f;
	memcpy(at(0x7100), "\x0f\x01\x1e\x20", 4);
	w64(0x8f00, 0x4444333322221111);
	w32(0x5000 + 4 * 8, 0xf000ff53);
	event = (struct vcpu_event){ .valid = true, .has_error = true, .vector = 13, .error = 0x20 << 3 | 2 };
	report();
	SAYS("cpl 0, 16-bit code");
	SAYS("guest: paging is off");
	SAYS("guest: code 0f 01 1e 20 00");
	SAYS("guest: stack 1111 2222 3333 4444 0000 0000\n");
	SAYS("real mode");
	snprintf(line, sizeof(line), "guest: #0 %04x:00007100, linear %08llx\n", (unsigned)(uint16_t)(ram >> 4),
		 (unsigned long long)ram + 0x7100);
	SAYS(line);
	SAYS_NOT("guest: #1 ");
	SAYS("guest: the vector of vector 32 lies beyond the interrupt table's limit");
	SAYS("guest: the vector of #GP: 0000:0000");
	SAYS("guest: the vector of #DF: f000:ff53");
	r.idtr.limit = 3;
	r.idtr.base = 0;
	report();
	SAYS("guest: the vector of #DF lies beyond the interrupt table's limit (0, limit 0003)");
	r.idtr.limit = 0x3ff;
	report();
	SAYS("guest: the vector of #DF: 0000:0000");
	/* The address is not hidden, but the guest has no memory there. */
	r.idtr.base = 0xf0000000;
	report();
	SAYS("guest: the vector of #DF lies where no memory is (f0000000)");
}

TEST_MAIN
