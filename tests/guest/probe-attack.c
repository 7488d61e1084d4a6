/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attacks on the machine itself by the guest's processor, none of which may harm Veneer.  Without options: all attacks that the
 * guest survives, one after the other; after each, Veneer's memory reads as ones.  Options, each the end of the guest, with a
 * report:
 *
 *   end=nw, end=cr4, end=cs	a state that the processor does not enter
 *   end=idt			an exception whose delivery meets hidden memory
 */
#include "smp.h"

#define ONES		0xffffffffu
#define CR0_NW		(1u << 29)
#define CR4_VMXE	(1u << 13)
#define MSR_EFER	0xc0000080u
#define EFER_LME	0x100u

const char probe_name[] = "probe-attack";

static struct range veneer;

static uint32_t read_cr0(void) { uint32_t v; __asm__ volatile("movl %%cr0, %0" : "=r"(v)); return v; }
static uint32_t read_cr4(void) { uint32_t v; __asm__ volatile("movl %%cr4, %0" : "=r"(v)); return v; }
static void write_cr0(uint32_t v) { __asm__ volatile("movl %0, %%cr0" : : "r"(v) : "memory"); }
static void write_cr4(uint32_t v) { __asm__ volatile("movl %0, %%cr4" : : "r"(v) : "memory"); }

/* Exit, on any processor. */
static void leave(void)
{
	uint32_t r[4];

	cpuid(1, r);
}

/* Check that Veneer works and is hidden: its first, its last, and a middle page. */
static void check_hidden(const char *after)
{
	uint32_t all = ONES;

	leave();
	for (uint32_t at = veneer.start; at < veneer.end; at += 0x1000)
		all &= read32((void *)at);
	check(all, ONES, "attack: Veneer's memory reads as ones after %s", after);
}

/* --- survived --- */

/* EFER.LME before CR4.PAE, as a kernel may set them on the way to long mode. */
static void long_mode_half_way(void)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_LME);
	leave();
	check_hidden("an exit with EFER.LME and without CR4.PAE");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_LME);
}

/* mov ecx, C0000080h; rdmsr; cpuid; ret, at physical 0: a SIPI with vector 0 starts there. */
static void code_in_page_0(void)
{
	static const uint8_t code[] = { 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x31, 0xc0, 0x0f, 0xa2, 0xc3 };
	uint8_t saved[sizeof(code)];
	uint32_t at = 0;
	int vector;

	__asm__ volatile("rep movsb" : : "S"(at), "D"(saved), "c"(sizeof(saved)) : "memory");
	__asm__ volatile("" : "+r"(at));
	for (uint32_t i = 0; i < sizeof(code); i++)
		__asm__ volatile("movb %b0, (%1)" : : "q"(code[i]), "r"(at + i) : "memory");
	vector = TRY("movl %%esp, %%ebp; call *%%edi; movl %%ebp, %%esp",
		     "D"(at) : "eax", "ebx", "ecx", "edx", "ebp", "memory");
	for (uint32_t i = 0; i < sizeof(saved); i++)
		__asm__ volatile("movb %b0, (%1)" : : "q"(saved[i]), "r"(at + i) : "memory");
	check((uint32_t)vector, (uint32_t)NO_TRAP, "attack: RDMSR and CPUID are carried out in page 0");
}

/* After each way an exit, and a read of Veneer's odd megabytes, which would be the even ones with A20 off. */
static void a20(void)
{
	outb(0x92, 0);
	check_hidden("port 92h with A20 masked");
	__asm__ volatile("outw %0, %1" : : "a"((uint16_t)0), "Nd"((uint16_t)0x91));
	check_hidden("port 92h from below");
	outb(0x64, 0xd1);
	outb(0x60, 0xdd);
	check_hidden("the keyboard controller's output port with A20 masked");
	outb(0x64, 0xdd);
	check_hidden("the keyboard controller's command DDh");
	for (uint8_t pulse = 0xf1; pulse < 0xff; pulse += 2)
		outb(0x64, pulse);
	check_hidden("pulses on the output port");
	outb(0x64, 0xdf);
	outb(0x92, 2);
}

/* A data breakpoint: its #DB exits, and the guest sees the same as on a bare processor. */
static void debug_exception(void)
{
	static volatile uint32_t word;
	uint32_t dr6, control = 0xd0001, off = 0;
	int vector;

	__asm__ volatile("movl %0, %%dr0; movl %1, %%dr6; movl %2, %%dr7" : : "r"(&word), "r"(off), "r"(control));
	vector = TRY("movl $7, (%0)", "r"(&word) : "memory");
	__asm__ volatile("movl %%dr6, %0; movl %1, %%dr7" : "=r"(dr6) : "r"(off));
	check((uint32_t)vector, TRAP_DB, "attack: a breakpoint on data is #DB");
	check(dr6 & 0xf, 1, "attack: DR6 says which");
}

/* --- the HPET, whose comparators can write a value to an address instead of an interrupt (FSB) --- */

#define HPET		0xfed00000u
#define HPET_CONFIG	0x010
#define HPET_COUNTER	0x0f0
#define COMPARATOR	0x100		/* the first one */
#define AT		(COMPARATOR + 0x08)
#define FSB_VALUE	(COMPARATOR + 0x10)
#define FSB_ADDR	(COMPARATOR + 0x14)
#define ENABLE_FSB	0x4004u

static void hpet_set(uint32_t reg, uint32_t value) { write32((void *)(HPET + reg), value); }
static uint32_t hpet_get(uint32_t reg) { return read32((void *)(HPET + reg)); }

static void hpet(void)
{
	static volatile uint32_t target;
	uint32_t config = hpet_get(HPET_CONFIG);

	if (!check(hpet_get(0) != ONES, true, "attack: there is an HPET"))
		return;
	hpet_set(HPET_CONFIG, 0);
	hpet_set(HPET_COUNTER, 0);
	hpet_set(HPET_COUNTER + 4, 0);
	hpet_set(FSB_VALUE, 0x0badc0de);
	hpet_set(FSB_ADDR, (uint32_t)&target);
	hpet_set(AT, 1000);
	hpet_set(COMPARATOR, ENABLE_FSB);
	hpet_set(HPET_CONFIG, 1);
	/* 0.2 s at least, and no end if the counter stands still: the test's deadline is one. */
	while (hpet_get(HPET_COUNTER) < 20000000)
		__asm__ volatile("pause");
	check(target, 0, "attack: the HPET writes nothing to memory");
	hpet_set(COMPARATOR, 0);
	hpet_set(FSB_VALUE, 0x4500);
	hpet_set(FSB_ADDR, 0xfee00000);
	check(hpet_get(FSB_VALUE) != 0x4500, true, "attack: the HPET sends no INIT");
	hpet_set(FSB_VALUE, 0x4041);
	hpet_set(COMPARATOR, ENABLE_FSB);
	check(hpet_get(FSB_VALUE), 0x4041, "attack: its interrupts are the guest's");
	check(hpet_get(FSB_ADDR), 0xfee00000, "attack: also where they go");
	hpet_set(COMPARATOR, 0);
	hpet_set(HPET_CONFIG, config);
}

/* --- QEMU's fw_cfg, which accesses the memory that two ports name --- */

#define FW_CFG_READ	0x0au		/* select item 0, and read it to memory */
#define FW_CFG_ERROR	1u

static uint32_t fw_cfg_to(uint32_t at)
{
	static volatile struct { uint32_t control, length; uint64_t address; } d;

	d.control = __builtin_bswap32(FW_CFG_READ);
	d.length = __builtin_bswap32(4);
	d.address = __builtin_bswap64(at);
	outl(0x514, 0);
	outl(0x518, __builtin_bswap32((uint32_t)&d));
	return __builtin_bswap32(d.control);
}

static void fw_cfg(void)
{
	static volatile uint32_t target;

	if (inl(0x514) != 0x554d4551)
		return;
	check(fw_cfg_to((uint32_t)&target), 0, "attack: fw_cfg reads an item to the guest's memory");
	check(target, 0x554d4551, "attack: it is the signature");
	check(fw_cfg_to(veneer.start), FW_CFG_ERROR, "attack: fw_cfg writes not to Veneer's memory");
	check(fw_cfg_to(veneer.end - 4), FW_CFG_ERROR, "attack: nor to its end");
	check(fw_cfg_to(veneer.start - 2), FW_CFG_ERROR, "attack: nor half");
	check(fw_cfg_to(HPET), FW_CFG_ERROR, "attack: nor to registers");
}

/* --- the end --- */

static void end_by_cs(void)
{
	/* 64-bit and 32-bit at once, an entry's invalid state. */
	static const uint64_t gdt[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00ef9b000000ffff };
	static const struct {
		uint16_t limit;
		const uint64_t *base;
	} __attribute__((packed)) pointer = { sizeof(gdt) - 1, gdt };

	__asm__ volatile("lgdt %0" : : "m"(pointer));
	/* Enter long mode by a first access, then enable paging again with that code segment. */
	(void)read64(&veneer);
	__asm__ volatile("lgdt %0\n\tmovl $long_pml4, %%eax; movl %%eax, %%cr3\n\t"
			 "movl %%cr4, %%eax; orl $0x20, %%eax; movl %%eax, %%cr4\n\t"
			 "movl $0xc0000080, %%ecx; rdmsr; orl $0x100, %%eax; wrmsr\n\t"
			 "movl %%cr0, %%eax; orl $0x80000000, %%eax; movl %%eax, %%cr0\n\t"
			 "ljmp $0x18, $1f\n1:\txorl %%eax, %%eax; cpuid; hlt" : : "m"(pointer) : "eax", "ecx", "memory");
}

static void end_by_idt(void)
{
	struct { uint16_t limit; uint32_t base; } __attribute__((packed)) pointer = { 0x7ff, veneer.start };

	__asm__ volatile("lidt %0; ud2" : : "m"(pointer));
}

static bool end(const char *how)
{
	if (!how)
		return false;
	printf("attack: the end by %s\n", how);
	if (!strcmp(how, "nw"))
		write_cr0(read_cr0() | CR0_NW);
	else if (!strcmp(how, "cr4"))
		write_cr4(read_cr4() | CR4_VMXE);
	else if (!strcmp(how, "cs"))
		end_by_cs();
	else
		end_by_idt();
	leave();
	return true;
}

void probe(void)
{
	if (!check(veneer_range(&veneer), true, "attack: Veneer is somewhere"))
		return;
	if (end(boot_option("end")))
		return;
	check_hidden("nothing");
	long_mode_half_way();
	code_in_page_0();
	a20();
	debug_exception();
	hpet();
	fw_cfg();
}
