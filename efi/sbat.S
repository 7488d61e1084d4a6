/* SPDX-License-Identifier: BSD-2-Clause */
/* What shim asks for in each image: its name, and the generation of its faults (shim's SBAT.md). */
	.section .sbat, "a", @progbits
	.balign 4096
	.ascii "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n"
	.ascii "veneer,1,Veneer,veneer,1,docs/installing.md\n"

	.section .note.GNU-stack, "", @progbits
