/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program in ring 3 that may access a twin's ports and registers, and no more: INS, OUTS and MOVS between these and pages
 * that the program may not read or write.  The processor has not checked these pages when such an instruction exits.  The
 * same in ring 0 with CR0.WP.
 */
#include "vio.h"

#define CR0_PAGING	0x80010000u	/* PG, WP */
#define CR4_PSE		0x10u
#define PTE_P		1u
#define PTE_W		2u
#define PTE_U		4u
#define PTE_D		0x40u
#define ANY		(PTE_P | PTE_W | PTE_U)
#define PTE_LARGE	0x80u
#define UPPER		0xc0000000u	/* the pages: the twin's registers, then those of the list below */
#define PAGE_FAULT	14
#define USER_CODE	0x1bu
#define USER_DATA	0x23u
#define TASK		0x28u
#define GATE		0x81
#define DPL_3		(3ull << 45)
#define IOPL_3		0x3002u

const char probe_name[] = "probe-user";

static struct vio *twin;
static uint32_t dir[1024] __attribute__((aligned(4096))), table[1024] __attribute__((aligned(4096)));
static uint8_t memory[4][4096] __attribute__((aligned(4096)));
static uint8_t user_stack[8192] __attribute__((aligned(16))), gate_stack[8192] __attribute__((aligned(16)));
static struct { uint32_t link, esp0, ss0, rest[22], map; } task;
static uint64_t gdt[6];

static const struct page {
	const char *name;
	uint32_t entry;
	int user_read, user_write, kernel_read, kernel_write;	/* the error code, or -1 */
} pages[4] = {
	{ "a page of the kernel's", PTE_P | PTE_W, 5, 7, -1, -1 }, { "a read-only page", PTE_P | PTE_U, -1, 7, -1, 3 },
	{ "a page of its own", ANY, -1, -1, -1, -1 }, { "an absent page", 0, 4, 6, 0, 2 },
};

uint32_t user_esp;	/* the stack to which the way back leads */
void user_go(void (*fn)(void), uint32_t stack);
void user_back(void);
__asm__(".text\nuser_go:\n\tmovl 4(%esp), %ecx; movl 8(%esp), %edx\n\t"
	"pushl %ebx; pushl %esi; pushl %edi; pushl %ebp; movl %esp, user_esp\n\t"
	"movl $0x23, %eax; movl %eax, %ds; movl %eax, %es\n\t"
	"pushl %eax; pushl %edx; pushl $0x3002; pushl $0x1b; pushl %ecx; iret\n"
	"user_back:\n\tmovl $0x10, %eax; movl %eax, %ds; movl %eax, %es; movl %eax, %ss\n\t"
	"movl user_esp, %esp; popl %ebp; popl %edi; popl %esi; popl %ebx; ret\n");

static void reset_page(unsigned int n)
{
	memset(memory[n], 0x77, sizeof(memory[n]));
	table[n + 1] = pages[n].entry ? (uint32_t)memory[n] | pages[n].entry : 0;
}

static void expect(const char *what, unsigned int n, int vector, int error, bool write, uint32_t addr)
{
	check((uint32_t)vector, error < 0 ? (uint32_t)NO_TRAP : PAGE_FAULT, "user: %s %s", what, pages[n].name);
	if (error < 0) {
		check(table[n + 1] & PTE_D, write ? PTE_D : 0, "user: %s %s: the page is %s", what, pages[n].name,
		      write ? "dirty" : "clean");
		return;
	}
	check(trap_last.error, (uint32_t)error, "user: %s %s: the error code", what, pages[n].name);
	check(trap_last.cr2, addr, "user: %s %s: the address", what, pages[n].name);
	check(memory[n][8], 0x77, "user: %s %s: nothing is written", what, pages[n].name);
}

static void flush(void)
{
	uint32_t cr3 = (uint32_t)dir;

	__asm__ volatile("movl %0, %%cr3" : : "r"(cr3) : "memory");
}

static unsigned int now;
static int result;

static uint32_t data(void) { return UPPER + 4096 * (now + 1) + 8; }

#define STRING(insn, from, to, port)								\
	(result = TRY("movl %0, %%esi; movl %1, %%edi; movl %2, %%edx; cld; " insn,		\
		      "g"(from), "g"(to), "g"((uint32_t)(port)) : "esi", "edi", "edx", "memory"))

static void do_ins(void) { STRING("insb", 0, data(), twin->io + L_STATUS); }
static void do_outs(void) { STRING("outsb", data(), 0, twin->io + L_QUEUE_SELECT); }
static void do_from(void) { STRING("movsb", UPPER + M_STATUS, data(), 0); }
static void do_to(void) { STRING("movsb", data(), UPPER + M_QUEUE_SELECT, 0); }

static void in_user(void (*fn)(void))
{
	user_go(fn, (uint32_t)user_stack + sizeof(user_stack) - 16);
}

#define USER(name) static void user_##name(void) { do_##name(); __asm__ volatile("int $0x81"); }
USER(ins)
USER(outs)
USER(from)
USER(to)

static void run(bool user)
{
	static void (*const kernel_way[])(void) = { do_ins, do_outs, do_from, do_to };
	static void (*const user_way[])(void) = { user_ins, user_outs, user_from, user_to };
	static const char *const name[2][4] = {
		{ "the kernel's INS to", "the kernel's OUTS from", "the kernel's MOVS to", "the kernel's MOVS from" },
		{ "INS to", "OUTS from", "MOVS to", "MOVS from" },
	};

	for (now = 0; now < ARRAY_SIZE(pages); now++)
		for (unsigned int way = 0; way < 4; way++) {
			const struct page *p = &pages[now];
			bool write = !(way & 1);
			int in_ring_3 = write ? p->user_write : p->user_read;
			int in_ring_0 = write ? p->kernel_write : p->kernel_read;
			int error = user ? in_ring_3 : in_ring_0;

			reset_page(now);
			flush();
			if (user)
				in_user(user_way[way]);
			else
				kernel_way[way]();
			expect(name[user][way], now, result, error, write, data());
		}
}

static void page_tables(void)
{
	struct { uint16_t limit; uint32_t base; } __attribute__((packed)) p = { sizeof(gdt) - 1, (uint32_t)gdt }, idt;
	uint32_t at = (uint32_t)&task, limit = sizeof(task) - 1;

	for (uint32_t i = 0; i < 1024; i++)
		dir[i] = i << 22 | ANY | PTE_LARGE;
	dir[UPPER >> 22] = (uint32_t)table | ANY;
	table[0] = (uint32_t)twin->common | ANY;
	gdt[1] = 0x00cf9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	gdt[3] = 0x00cffb000000ffff;
	gdt[4] = 0x00cff3000000ffff;
	gdt[5] = limit | (uint64_t)(at & 0xffffff) << 16 | 0x89ull << 40 | (uint64_t)(at >> 24) << 56;
	task.esp0 = (uint32_t)gate_stack + sizeof(gate_stack);
	task.ss0 = 0x10;
	task.map = sizeof(task) << 16;
	__asm__ volatile("lgdt %0; ltr %w1; sidt %2" : : "m"(p), "r"(TASK), "m"(idt) : "memory");
	at = (uint32_t)user_back;
	((uint64_t *)idt.base)[GATE] = (at & 0xffff) | 8u << 16 | 0x8e0000000000ull | DPL_3 | (uint64_t)(at >> 16) << 48;
	flush();
	__asm__ volatile("movl %%cr4, %%eax; orl %0, %%eax; movl %%eax, %%cr4\n\t"
			 "movl %%cr0, %%eax; orl %1, %%eax; movl %%eax, %%cr0"
			 : : "i"(CR4_PSE), "i"(CR0_PAGING) : "eax", "memory");
}

void probe(void)
{
	vio_scan();
	for (unsigned int i = 0; i < vio_count; i++)
		if (vio_has(&vios[i], VIO_LEGACY) && vio_has(&vios[i], VIO_MODERN))
			twin = &vios[i];
	if (!check(twin != NULL, true, "user: there is a device"))
		return;
	page_tables();
	run(false);
	run(true);
	/* The twin's registers may lie where the pages were. */
	__asm__ volatile("movl %%cr0, %%eax; andl $0x7fffffff, %%eax; movl %%eax, %%cr0" : : : "eax", "memory");
	twin->transport = VIO_MODERN;
	check(vio_reset(twin), true, "user: the device goes on");
}
