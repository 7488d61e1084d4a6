/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime part, as it lies in memory. */
	.section .rodata
	.globl runtime_image, runtime_image_end
	.hidden runtime_image, runtime_image_end
	.balign 16
runtime_image:
	.incbin "runtime.bin"
runtime_image_end:

	.section .note.GNU-stack, "", @progbits
