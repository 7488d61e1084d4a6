/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Save the state of the processor that becomes Veneer's guest: struct efi_launch is for Veneer; the MSRs that an entry into the
 * guest does not load, the guest restores by itself.  Veneer does not change the rest: general registers are on the stack, x87
 * and SSE state stays in the processor.
 */
#include "efi/guest.h"
#include "efi/parts.h"

#define MSR_EFER	0xc0000080u
#define MSR_FS_BASE	0xc0000100u
#define MSR_GS_BASE	0xc0000101u

#define CPUID_VMX	(1u << 5)	/* leaf 1, ECX */

/* Kept for the guest: PAT, those of SYSENTER, SYSCALL and SWAPGS, which firmware that runs its modules in ring 3 uses. */
static const uint32_t kept_msr[] = { 0x277, 0x174, 0x175, 0x176, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102 };

_Static_assert(sizeof(kept_msr) / sizeof(kept_msr[0]) == STATE_MSRS, "one place for each");

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return low | (uint64_t)high << 32;
}

static void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(msr) : "memory");
}

/* For the installer, which reads the file. */
static const char launch_mark[] __attribute__((used)) = EFI_LAUNCH_MARK;

#define SELECTOR(reg)	({ uint16_t v_; __asm__ volatile("mov %%" reg ", %0" : "=r"(v_)); v_; })
#define CONTROL(reg)	({ uint64_t v_; __asm__ volatile("mov %%" reg ", %0" : "=r"(v_)); v_; })

/* True if VMCALL is the processor's hypercall, not VMMCALL. */
static bool has_vmx(void)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx & CPUID_VMX;
}

void state_save(struct efi_launch *l, uint64_t msrs[STATE_MSRS])
{
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) gdtr, idtr;
	uint16_t selector[6] = { SELECTOR("es"), SELECTOR("cs"), SELECTOR("ss"), SELECTOR("ds"), SELECTOR("fs"),
				 SELECTOR("gs") };
	uint16_t task;

	__asm__ volatile("sgdt %0" : "=m"(gdtr));
	__asm__ volatile("sidt %0" : "=m"(idtr));
	l->version = EFI_LAUNCH_VERSION;
	l->size = sizeof(*l);
	l->gdt_base = gdtr.base;
	l->gdt_limit = gdtr.limit;
	l->idt_base = idtr.base;
	l->idt_limit = idtr.limit;
	l->cr0 = CONTROL("cr0");
	l->cr3 = CONTROL("cr3");
	l->cr4 = CONTROL("cr4");
	l->efer = rdmsr(MSR_EFER);
	efi_call_vmx = has_vmx();
	l->call = (uintptr_t)(efi_call_vmx ? launch_vmcall : launch_vmmcall);
	for (unsigned i = 0; i < 6; i++)
		segment_state(&l->seg[i], selector[i], (const void *)(uintptr_t)gdtr.base, gdtr.limit);
	l->seg[4].base = rdmsr(MSR_FS_BASE);
	l->seg[5].base = rdmsr(MSR_GS_BASE);
	/* Firmware has no LDT, and most has no task, but a processor in a guest needs a task. */
	l->seg[6] = (struct efi_launch_seg){ .attr = 0x82, .limit = 0xffff };
	__asm__ volatile("str %0" : "=r"(task));
	segment_task(&l->seg[7], task, (const void *)(uintptr_t)gdtr.base, gdtr.limit);
	for (unsigned i = 0; i < STATE_MSRS; i++)
		msrs[i] = rdmsr(kept_msr[i]);
}

void state_restore(const uint64_t msrs[STATE_MSRS])
{
	for (unsigned i = 0; i < STATE_MSRS; i++)
		if (rdmsr(kept_msr[i]) != msrs[i])
			wrmsr(kept_msr[i], msrs[i]);
}

uint64_t irq_off(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return flags;
}

void irq_restore(uint64_t flags)
{
	if (flags & 1u << 9)
		__asm__ volatile("sti" : : : "memory");
}
