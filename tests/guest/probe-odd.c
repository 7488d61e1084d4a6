/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions that nobody would use so: with memory operands in hidden or emulated ranges, privileged instructions that no
 * guest needs, and MSRs one by one.  Each may execute or fault; then the guest continues behind it, and Veneer's memory reads
 * as ones.  Option no_lapic: Bochs ends at odd accesses to its local APIC.
 */
#include "smp.h"

#define ONES		0xffffffffu
#define CR4_FPU		0x600u		/* OSFXSR, OSXMMEXCPT */
#define CR0_TS_EM	0xcu
#define VIRTIO_VENDOR	0x1af4u
#define BAR4		0x20u

const char probe_name[] = "probe-odd";

static struct range veneer;
static uint8_t buffer[8192] __attribute__((aligned(4096)));
static uint32_t tried, faulted;
uint32_t esp_before;	/* named by the macro alone */

/*
 * Execute @insn with ESI = the address, EDI = a page of the guest's, ECX = 4, and 0 in all others; then restore registers and
 * flags.
 */
#define ODD(insn) do {										\
	trap_last.vector = NO_TRAP;								\
	__asm__ volatile("pushal; pushfl; movl %%esp, esp_before; movl $1f, trap_resume\n\t"	\
			 "xorl %%eax, %%eax; xorl %%ebx, %%ebx; xorl %%edx, %%edx; movl $4, %%ecx\n\t"	\
			 insn "\n1:\n\tmovl esp_before, %%esp; popfl; popal; movl $0, trap_resume"	\
			 : : "S"(at), "D"(buffer) : "memory");					\
	tried++;										\
	faulted += trap_last.vector != NO_TRAP;							\
	} while (0)

static void memory_operands(uint32_t at)
{
	ODD("pushl (%%esi)"); ODD("popl (%%esi)"); ODD("pushw 2(%%esi)"); ODD("popw 1(%%esi)");
	ODD("lock incl (%%esi)"); ODD("lock xaddl %%eax, (%%esi)"); ODD("lock cmpxchgl %%edx, (%%esi)");
	ODD("lock cmpxchg8b (%%esi)"); ODD("xchgb %%al, (%%esi)"); ODD("lock btsl %%eax, (%%esi)");
	ODD("movl $0x7fffffff, %%eax; btl %%eax, (%%esi)"); ODD("movl $-1, %%eax; btsl %%eax, 4(%%esi)");
	ODD("shldl $3, %%eax, (%%esi)"); ODD("imull (%%esi), %%eax"); ODD("divl (%%esi)"); ODD("negl (%%esi)");
	ODD("bsfl (%%esi), %%eax"); ODD("cmovzl (%%esi), %%eax"); ODD("setzb (%%esi)"); ODD("rcll $5, (%%esi)");
	ODD("adcl $1, (%%esi)"); ODD("testl $1, (%%esi)"); ODD("notl (%%esi)"); ODD("bswap %%eax; movbe (%%esi), %%eax");
	ODD("crc32l (%%esi), %%eax"); ODD("popcntl (%%esi), %%eax"); ODD("xlatb"); ODD("boundl %%eax, (%%esi)");
	ODD("fldl (%%esi)"); ODD("fstpl (%%esi)"); ODD("fldcw (%%esi)"); ODD("fnstsw (%%esi)"); ODD("fnsave (%%esi)");
	ODD("frstor (%%esi)"); ODD("fxsave (%%esi)"); ODD("fxrstor (%%esi)"); ODD("fisttpl (%%esi)"); ODD("fninit");
	ODD("movups (%%esi), %%xmm0"); ODD("movups %%xmm0, (%%esi)"); ODD("movntdqa (%%esi), %%xmm0");
	ODD("movntps %%xmm0, (%%esi)"); ODD("movntil %%eax, (%%esi)"); ODD("movq (%%esi), %%mm0; emms");
	ODD("pushl %%edi; movl %%esi, %%edi; pcmpeqb %%xmm0, %%xmm0; maskmovdqu %%xmm0, %%xmm0; popl %%edi");
	ODD("pcmpistri $0, (%%esi), %%xmm0"); ODD("cvtsi2sdl (%%esi), %%xmm0"); ODD("ldmxcsr (%%esi)"); ODD("stmxcsr (%%esi)");
	ODD("vmovups (%%esi), %%ymm0"); ODD("vmovups %%ymm0, (%%esi)"); ODD("xsave (%%esi)"); ODD("xrstor (%%esi)");
	ODD("sgdt (%%esi)"); ODD("sidt (%%esi)"); ODD("sldt (%%esi)"); ODD("str (%%esi)"); ODD("smsw (%%esi)");
	ODD("lldt (%%esi)"); ODD("ltr (%%esi)"); ODD("verr (%%esi)"); ODD("verw (%%esi)"); ODD("lar (%%esi), %%eax");
	ODD("lsl (%%esi), %%eax"); ODD("arpl %%ax, (%%esi)"); ODD("movw (%%esi), %%gs"); ODD("movw %%gs, (%%esi)");
	ODD("lgs (%%esi), %%eax"); ODD("lss (%%esi), %%esp");
	ODD("invlpg (%%esi)"); ODD("clflush (%%esi)"); ODD("prefetcht0 (%%esi)"); ODD("prefetchw (%%esi)");
	ODD("movl %%esi, %%eax; clzero"); ODD("movl %%esi, %%eax; monitor"); ODD("cmpsl"); ODD("lodsl"); ODD("rep lodsw");
	ODD("rep movsl"); ODD("xchgl %%esi, %%edi; rep movsl"); ODD("xchgl %%esi, %%edi; rep stosl");
	ODD("xchgl %%esi, %%edi; std; rep stosl"); ODD("repne scasb"); ODD("repe cmpsb");
	ODD("xchgl %%esi, %%edi; movw $0xcf8, %%dx; rep insl"); ODD("movw $0xcfc, %%dx; rep outsb");
	ODD("movw $0xcfe, %%dx; rep outsl"); ODD("xchgl %%esi, %%edi; movw $0x64, %%dx; rep insb");
}

/* Jumps by and to memory of ones: an address of ones, or an instruction of ones. */
static void jumps(uint32_t at)
{
	ODD("ljmp *(%%esi)"); ODD("lcall *(%%esi)"); ODD("call *%%esi"); ODD("jmp *%%esi");
	ODD("pushl %%cs; pushl %%esi; lret");
	ODD("movl %%esi, %%eax; decl %%eax; jmp *%%eax"); ODD("pushfl; pushl %%cs; pushl %%esi; iret");
}

/* Instructions that are privileged, or of another kind of processor, without an operand or with a register. */
static void others(uint32_t at)
{
	ODD("rsm"); ODD("mwait"); ODD("vmcall"); ODD("vmmcall"); ODD("vmlaunch"); ODD("vmresume"); ODD("vmxoff");
	ODD("vmread %%eax, %%edx"); ODD("vmxon (%%edi)"); ODD("vmptrld (%%edi)"); ODD("invept (%%edi), %%eax");
	ODD("movl %%edi, %%eax; vmrun"); ODD("movl %%edi, %%eax; vmload"); ODD("movl %%edi, %%eax; vmsave"); ODD("clgi");
	ODD("stgi"); ODD("movl %%edi, %%eax; skinit"); ODD("invlpga"); ODD("getsec"); ODD("invd"); ODD("wbinvd");
	ODD("invpcid (%%edi), %%eax"); ODD("movl $1, %%ecx; xgetbv"); ODD("xorl %%ecx, %%ecx; xsetbv");
	ODD("xorl %%ecx, %%ecx; movl $-1, %%eax; movl %%eax, %%edx; xsetbv"); ODD("movl $5, %%ecx; movl $1, %%eax; xsetbv");
	ODD("movl $-1, %%ecx; rdpmc"); ODD("rdtscp"); ODD("rdrand %%eax"); ODD("monitorx"); ODD("mwaitx"); ODD("clac");
	ODD("int1"); ODD("into"); ODD("int $0x81"); ODD("ud2");
}

/* Write values that the processor or Veneer has to refuse, one bit at a time. */
static void control_registers(uint32_t at)
{
	/*
	 * Bits that stay: there are no tables for paging, and reserved bits end the guest if an emulator accepts them
	 * (probe-attack).
	 */
	static const uint32_t keep0 = 0x7fffffffu, keep4 = 0x00370fffu;
	uint32_t cr0, cr4;

	__asm__ volatile("movl %%cr0, %0; movl %%cr4, %1" : "=r"(cr0), "=r"(cr4));
	for (uint32_t bit = 0; bit < 32; bit++) {
		uint32_t v0 = (cr0 ^ 1u << bit) & keep0, v4 = (cr4 ^ 1u << bit) & keep4;

		if (bit != 0 && bit != 29 && bit != 31)
			TRY("movl %0, %%cr0; xorl %%eax, %%eax; cpuid", "r"(v0) : "eax", "ebx", "ecx", "edx", "memory");
		__asm__ volatile("movl %0, %%cr0" : : "r"(cr0));
		TRY("movl %0, %%cr4; xorl %%eax, %%eax; cpuid", "r"(v4) : "eax", "ebx", "ecx", "edx", "memory");
		__asm__ volatile("movl %0, %%cr4" : : "r"(cr4));
		tried += 2;
	}
	ODD("movl $-1, %%eax; movl %%eax, %%dr7; xorl %%eax, %%eax; movl %%eax, %%dr7");
	ODD("movl $0x2000, %%eax; movl %%eax, %%dr7; movl %%dr0, %%edx");
	ODD("xorl %%eax, %%eax; movl %%eax, %%dr7"); ODD("lmsw (%%esi)"); ODD("clts"); ODD("movw $1, %%ax; lmsw %%ax");
}

/* Write each readable MSR's own value back, and the inverse value if the MSR is closed. */
static void msrs(uint32_t first, uint32_t n)
{
	uint64_t v, again;

	for (uint32_t msr = first; msr < first + n; msr++) {
		tried++;
		if (!try_rdmsr(msr, &v)) {
			faulted++;
			(void)try_wrmsr(msr, 0);
			continue;
		}
		if (try_wrmsr(msr, v) && try_rdmsr(msr, &again))
			continue;
	}
}

/* Return the address of a twin's registers on bus 0; 0: there is none. */
static uint32_t twin_registers(void)
{
	for (uint32_t slot = 0; slot < 32; slot++)
		if ((pci_read32((uint16_t)(slot << 3), 0) & 0xffff) == VIRTIO_VENDOR)
			return pci_read32((uint16_t)(slot << 3), BAR4) & ~15u;
	return 0;
}

static void check_hidden(const char *after)
{
	uint32_t all = ONES;

	for (uint32_t at = veneer.start; at < veneer.end; at += 0x1000)
		all &= read32((void *)at);
	check(all, ONES, "odd: Veneer's memory reads as ones after %s", after);
	printf("odd: %u tried, %u faulted\n", tried, faulted);
	tried = faulted = 0;
}

void probe(void)
{
	uint32_t cr, twin;

	if (!check(veneer_range(&veneer), true, "odd: Veneer is somewhere"))
		return;
	__asm__ volatile("movl %%cr4, %0; orl %1, %0; movl %0, %%cr4" : "=&r"(cr) : "i"(CR4_FPU));
	__asm__ volatile("movl %%cr0, %0; andl %1, %0; movl %0, %%cr0" : "=&r"(cr) : "i"(~CR0_TS_EM));
	memory_operands(veneer.start);
	jumps(veneer.start);
	check_hidden("operands in it");
	memory_operands(veneer.start + 0xffd);
	check_hidden("operands on two of its pages");
	memory_operands(veneer.start - 2);
	check_hidden("operands that begin before it");
	if (!option_present("no_lapic")) {
		memory_operands(0xfee00040);
		check_hidden("operands in the local APIC's page");
	}
	twin = twin_registers();
	for (uint32_t off = 0; twin && off <= 0x4000; off += 0x7ff)
		memory_operands(twin + off);
	if (twin)
		check_hidden("operands in the registers of a twin");
	others(veneer.start);
	check_hidden("instructions that a guest has no use for");
	control_registers(veneer.start);
	check_hidden("control registers");
	msrs(0, 0x2000);
	msrs(0x40000000, 0x200);
	msrs(0xc0000000, 0x2000);
	msrs(0xc0010000, 0x2000);
	check_hidden("all MSRs");
}
