/* SPDX-License-Identifier: BSD-2-Clause */
/* The way into Veneer that comes back: as its guest.  And the guest's calls. */
	.text
	.globl launch, launch_vmmcall, launch_vmcall, efi_call
	.hidden launch, launch_vmmcall, launch_vmcall, efi_call
	.code64
	/* launch(rdi: entry, rsi: information, rdx: copy of jump_code, rcx: place for rsp, r8: for rip); interrupts off */
launch:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rcx)
	leaq 1f(%rip), %rax
	movq %rax, (%r8)
	jmp *%rdx
1:	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	/* efi_call(rdi: function, rsi: rbx, rdx: rcx, rcx: rdx, r8: rsi) */
efi_call:
	pushq %rbx
	movq %rdi, %rax
	movq %rsi, %rbx
	movq %r8, %rsi
	xchgq %rcx, %rdx
	cmpb $0, efi_call_vmx(%rip)
	jne launch_vmcall
launch_vmmcall:
	vmmcall
	popq %rbx
	ret
launch_vmcall:
	vmcall
	popq %rbx
	ret

	.section .note.GNU-stack, "", @progbits
