/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime part's call of Veneer. */
	.text
	.globl runtime_call
	.hidden runtime_call
	.code64
	/* runtime_call(rdi: function, sil: not 0 if the processor's hypercall is VMCALL) */
runtime_call:
	movq %rdi, %rax
	testb %sil, %sil
	jnz 1f
	vmmcall
	ret
1:	vmcall
	ret

	.section .note.GNU-stack, "", @progbits
