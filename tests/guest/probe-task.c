/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hardware task switches of a 32-bit kernel: by JMP, CALL and IRET, by task gates for INT, exceptions, NMIs and #DF, with and
 * without paging.  On SVM the processor executes them, on VMX Veneer does.
 */
#include "guest.h"

#define SEL_CODE	0x08
#define SEL_DATA	0x10
#define SEL_MAIN	0x18
#define SEL_OTHER	0x20
#define SEL_LDT		0x28
#define SEL_LOCAL	0x07		/* in the LDT, RPL 3: data of ring 3 */
#define TSS_BUSY	0x02
#define VECTOR_INT	0x30
#define VECTOR_NMI	2
#define VECTOR_DF	8
#define VECTOR_GP	13
#define EFLAGS_NT	0x4000
#define EFLAGS_ID	0x200000
#define CR0_TS		0x8
#define CR0_PG		0x80000000u
#define CR4_PSE		0x10
#define DR7_LOCAL_1	0x4
#define DR7_GLOBAL_1	0x8
#define LAPIC_ICR_LOW	((void *)0xfee00300)
#define LAPIC_ICR_HIGH	((void *)0xfee00310)
#define WINDOW		0x0e000000u	/* two tasks with paging see different memory here */

const char probe_name[] = "probe-task";

struct tss {
	uint32_t link, stacks[6], cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt;
	uint16_t trap, iomap;
};

static struct tss main_tss, other_tss;
static uint64_t gdt[8], ldt[1];
static uint64_t idt[256];
static uint32_t stack[1024];

/* What the other task has seen, and its instructions. */
static volatile uint32_t runs, seen_eflags, seen_cr0, seen_error, seen_fs, seen_ebx, seen_window, seen_dr7, resume, nmis_inside;

static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t rights)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)rights << 40 |
	       (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(base >> 24) << 56;
}

static uint32_t type_of(uint32_t selector) { return (uint32_t)(gdt[selector / 8] >> 40) & 0xf; }

static void task_gate(unsigned int vector)
{
	idt[vector] = (uint64_t)SEL_OTHER << 16 | 0x850000000000ull;
}

static uint32_t read_cr0(void) { uint32_t v; __asm__ volatile("movl %%cr0, %0" : "=r"(v)); return v; }
static void clear_ts(void) { __asm__ volatile("clts"); }

/* --- the other task --- */

static void look(uint32_t ebx)
{
	uint32_t eflags, dr7, fs;

	__asm__ volatile("pushfl; popl %0; movl %%dr7, %1; movl %%fs, %2" : "=r"(eflags), "=r"(dr7), "=r"(fs));
	seen_eflags = eflags;
	seen_dr7 = dr7;
	seen_fs = fs;
	seen_ebx = ebx;
	seen_cr0 = read_cr0();
	if (seen_cr0 & CR0_PG)
		seen_window = *(volatile uint32_t *)WINDOW;
	runs++;
	if (resume)
		main_tss.eip = resume;
}

/* In an NMI's task: send two more, one of which stays pending until the IRET. */
static void other_nmis(void)
{
	uint32_t before = runs;

	for (unsigned int i = 0; nmis_inside && i < 2; i++) {
		write32(LAPIC_ICR_HIGH, apic_id() << 24);
		write32(LAPIC_ICR_LOW, 0x4400);
		delay_us(1000);
	}
	nmis_inside = 0;
	check(runs, before, "task: NMI: none comes before the IRET");
}

void other_task(uint32_t ebx);
void other_task(uint32_t ebx)
{
	look(ebx);
	if (nmis_inside)
		other_nmis();
}

/* When the task is called again it continues behind its IRET.  An error code on its stack moves the stack by one word. */
void other_entry(void);
void other_jmp(void);
__asm__(".text\nother_entry:\n\tpushl %ebx\n\tcall other_task\n\tpopl %ebx\n\tiret\n\tjmp other_entry\n"
	"other_jmp:\n\tpushl %ebx\n\tcall other_task\n\tpopl %ebx\n\tljmp $0x18, $0\n\tjmp other_jmp\n");

void other_error(void);
__asm__("other_error:\n\tpopl seen_error\n\tpushl %ebx\n\tcall other_task\n\tpopl %ebx\n\tiret\n\tjmp other_error\n");

static void prepare(void (*entry)(void))
{
	gdt[SEL_OTHER / 8] = descriptor((uint32_t)&other_tss, sizeof(other_tss) - 1, 0x89);
	other_tss = (struct tss){ .eip = (uint32_t)entry, .eflags = 2 | EFLAGS_ID, .ebx = 0x600dcafe,
				  .esp = (uint32_t)(stack + 1024), .es = SEL_DATA, .cs = SEL_CODE, .ss = SEL_DATA,
				  .ds = SEL_DATA, .fs = SEL_LOCAL, .gs = 0, .ldt = SEL_LDT, .iomap = sizeof(other_tss) };
	__asm__ volatile("movl %%cr3, %0" : "=r"(other_tss.cr3));
	nmis_inside = 0;
	runs = seen_eflags = seen_cr0 = seen_fs = seen_ebx = resume = 0;
	seen_error = ~0u;
	clear_ts();
}

/* --- the main task --- */

static void init_tables(void)
{
	struct { uint16_t limit; uint32_t base; } __attribute__((packed)) p, old;

	__asm__ volatile("sidt %0" : "=m"(old));
	memcpy(idt, (void *)old.base, sizeof(idt));
	gdt[1] = 0x00cf9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	ldt[0] = 0x00cff2000000ffff;		/* not accessed yet */
	gdt[SEL_MAIN / 8] = descriptor((uint32_t)&main_tss, sizeof(main_tss) - 1, 0x89);
	gdt[SEL_LDT / 8] = descriptor((uint32_t)ldt, sizeof(ldt) - 1, 0x82);
	p.limit = sizeof(gdt) - 1;
	p.base = (uint32_t)gdt;
	__asm__ volatile("lgdt %0" : : "m"(p));
	p.limit = sizeof(idt) - 1;
	p.base = (uint32_t)idt;
	__asm__ volatile("lidt %0; ltr %w1" : : "m"(p), "r"(SEL_MAIN));
}

/* Check the main task's registers across a switch by @insn. */
#define SWITCH(insn) ({									\
	uint32_t b_ = 0x11111111, s_ = 0x22222222, d_ = 0x33333333, ok_;			\
	__asm__ volatile("stc; " insn "; setc %b0; movzbl %b0, %0"				\
			 : "=a"(ok_), "+b"(b_), "+S"(s_), "+D"(d_) : : "ecx", "edx", "memory", "cc");	\
	ok_ && b_ == 0x11111111 && s_ == 0x22222222 && d_ == 0x33333333; })

static void check_arrival(const char *how, bool nested)
{
	check(runs, 1, "task: %s: the other task runs", how);
	check(seen_ebx, 0x600dcafe, "task: %s: with its registers", how);
	check(seen_fs, SEL_LOCAL, "task: %s: and a segment of its LDT", how);
	check(seen_eflags & (EFLAGS_ID | EFLAGS_NT), EFLAGS_ID | (nested ? EFLAGS_NT : 0), "task: %s: and its flags", how);
	check(seen_cr0 & CR0_TS, CR0_TS, "task: %s: CR0.TS is set", how);
	check(type_of(SEL_MAIN), 0xb, "task: %s: the main task's TSS is busy again", how);
	check(type_of(SEL_OTHER), 0x9, "task: %s: the other's is not", how);
	check(main_tss.eflags & EFLAGS_NT, 0, "task: %s: no NT is left behind", how);
}

static void check_jmp(void)
{
	bool same;

	prepare(other_jmp);
	__asm__ volatile("movl %0, %%dr7" : : "r"(DR7_LOCAL_1 | DR7_GLOBAL_1 | 0x400));
	same = SWITCH("ljmp $0x20, $0");
	check(same, true, "task: JMP: the main task goes on as it was");
	check_arrival("JMP", false);
	check(seen_dr7 & (DR7_LOCAL_1 | DR7_GLOBAL_1), DR7_GLOBAL_1, "task: JMP: local breakpoints are gone");
	__asm__ volatile("movl %0, %%dr7" : : "r"(0x400));
	check((uint32_t)(ldt[0] >> 40) & 1, 1, "task: JMP: the descriptor has been marked as accessed");
	same = SWITCH("ljmp $0x20, $0");
	check(same && runs == 2, true, "task: JMP: the other task goes on where it was");
}

static void check_call(void)
{
	bool same;

	prepare(other_entry);
	same = SWITCH("lcall $0x20, $0");
	check(same, true, "task: CALL: the main task goes on as it was");
	check_arrival("CALL and IRET", true);
	check(other_tss.link, SEL_MAIN, "task: CALL: the other task knows who called");
	same = SWITCH("lcall $0x20, $0");
	check(same && runs == 2, true, "task: CALL: the other task goes on behind its IRET");
}

static void check_gates(void)
{
	uint64_t gp = idt[VECTOR_GP];
	bool same;

	prepare(other_entry);
	task_gate(VECTOR_INT);
	same = SWITCH("int $0x30");
	check(same, true, "task: INT: the main task goes on as it was");
	check_arrival("INT", true);
	prepare(other_error);
	task_gate(VECTOR_GP);
	same = SWITCH("movl $1f, resume; movl $0x7f8, %%ecx; movl %%ecx, %%gs\n1:");
	check(same, true, "task: #GP: the main task goes on where the other put it");
	check_arrival("#GP", true);
	check(seen_error, 0x7f8, "task: #GP: with the error code on the stack");
	/* A #GP whose gate is not present is a #DF. */
	prepare(other_error);
	idt[VECTOR_GP] = 0;
	task_gate(VECTOR_DF);
	same = SWITCH("movl $1f, resume; movl $0x7f8, %%ecx; movl %%ecx, %%gs\n1:");
	check(same, true, "task: #DF: the main task goes on where the other put it");
	check_arrival("#DF", true);
	check(seen_error, 0, "task: #DF: with its error code of 0");
	idt[VECTOR_GP] = gp;
}

static void check_nmi(void)
{
	uint64_t gate = idt[VECTOR_NMI];

	apic_init();
	prepare(other_entry);
	task_gate(VECTOR_NMI);
	nmis_inside = 1;
	write32(LAPIC_ICR_HIGH, apic_id() << 24);
	write32(LAPIC_ICR_LOW, 0x4400);
	for (unsigned int i = 0; i < 200 && runs < 2; i++)
		delay_us(1000);
	check(runs, 2, "task: NMI: the one that came in the NMI's task is kept for behind its IRET");
	check(type_of(SEL_OTHER), 0x9, "task: NMI: the other's TSS is free");
	idt[VECTOR_NMI] = gate;
}

/* Identity mapping by 4 MiB pages, except for the window; afterwards the main task's tables again. */
static void check_paging(void)
{
	static uint32_t directory[2][1024] __attribute__((aligned(4096)));
	uint32_t cr0 = read_cr0(), cr4, cr3;

	for (uint32_t i = 0; i < 1024; i++)
		directory[0][i] = directory[1][i] = i << 22 | 0x83;
	directory[1][WINDOW >> 22] = (WINDOW - 0x400000) | 0x83;
	*(volatile uint32_t *)WINDOW = 1;
	*(volatile uint32_t *)(WINDOW - 0x400000) = 2;
	__asm__ volatile("movl %%cr4, %0; movl %%cr3, %1" : "=r"(cr4), "=r"(cr3));
	__asm__ volatile("movl %0, %%cr4; movl %1, %%cr3; movl %2, %%cr0" : : "r"(cr4 | CR4_PSE), "r"(directory[0]),
			 "r"(cr0 | CR0_PG) : "memory");
	main_tss.cr3 = (uint32_t)directory[0];
	prepare(other_entry);
	other_tss.cr3 = (uint32_t)directory[1];
	SWITCH("lcall $0x20, $0");
	check(runs, 1, "task: paging: the other task runs");
	check(seen_window, 2, "task: paging: by its own page tables");
	check(*(volatile uint32_t *)WINDOW, 1, "task: paging: and the main task by its");
	__asm__ volatile("movl %0, %%cr0; movl %1, %%cr4; movl %2, %%cr3" : : "r"(cr0), "r"(cr4), "r"(cr3) : "memory");
}

void probe(void)
{
	init_tables();
	check_jmp();
	check_call();
	check_gates();
	check_nmi();
	check_paging();
	if (option_present("bad")) {
		/* CS is not a code segment: the guest ends with a report. */
		prepare(other_entry);
		other_tss.cs = SEL_DATA;
		__asm__ volatile("ljmp $0x20, $0");
	}
}
