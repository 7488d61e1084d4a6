/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers and layouts of the Multiboot2 Specification 2.0: the information that our boot loader gives us
 * (section 3.6), and the header of a guest kernel (section 3.1).
 */
#ifndef HV_MULTIBOOT2_H
#define HV_MULTIBOOT2_H

#include <veneer/types.h>

/* Tags of the information, 3.6.3 on. */
#define MB2_TAG_END		0u
#define MB2_TAG_CMDLINE		1u
#define MB2_TAG_LOADER		2u
#define MB2_TAG_MODULE		3u
#define MB2_TAG_MEMINFO		4u
#define MB2_TAG_BOOTDEV		5u
#define MB2_TAG_MMAP		6u
#define MB2_TAG_FRAMEBUFFER	8u
#define MB2_TAG_ELF_SECTIONS	9u
#define MB2_TAG_EFI32		11u
#define MB2_TAG_EFI64		12u
#define MB2_TAG_ACPI_OLD	14u
#define MB2_TAG_ACPI_NEW	15u
#define MB2_TAG_EFI_MMAP	17u
#define MB2_TAG_LOAD_BASE	21u
#define MB2_TAG_LAST		21u	/* the highest that the specification has */

#define MB2_FB_INDEXED		0u
#define MB2_FB_RGB		1u
#define MB2_FB_TEXT		2u

/* The header, 3.1.1. */
#define MB2_SEARCH		32768u
#define MB2_ALIGN		8u
#define MB2_HEADER_MAGIC	0xe85250d6u
#define MB2_BOOT_MAGIC		0x36d76289u
#define MB2_ARCH_I386		0u

struct mb2_header {
	uint32_t magic, arch, length, checksum;
};

/* Tags of the header, 3.1.3 on. */
#define MB2_HDR_END		0u
#define MB2_HDR_REQUEST		1u
#define MB2_HDR_ADDRESS		2u
#define MB2_HDR_ENTRY		3u
#define MB2_HDR_CONSOLE		4u
#define  MB2_CONSOLE_REQUIRED	BIT(0)
#define  MB2_CONSOLE_TEXT	BIT(1)
#define MB2_HDR_FRAMEBUFFER	5u
#define MB2_HDR_MODULE_ALIGN	6u
#define MB2_HDR_EFI_BS		7u
#define MB2_HDR_ENTRY_EFI32	8u
#define MB2_HDR_ENTRY_EFI64	9u
#define MB2_HDR_RELOCATABLE	10u

#define MB2_HDR_OPTIONAL	BIT(0)	/* in the tag's flags */

#define MB2_PREFER_HIGH		2u	/* of the relocatable tag; 0 none, 1 lowest */

/* EFI memory descriptors (UEFI 2.9 section 7.2, GetMemoryMap): their stride is the firmware's, their fields are these. */
#define EFI_DESC_MIN		40u

struct efi_desc {
	uint32_t type, pad;
	uint64_t phys, virt, pages, attr;
};

#define EFI_RESERVED		0u
#define EFI_LOADER_CODE		1u
#define EFI_LOADER_DATA		2u
#define EFI_CONVENTIONAL	7u

#endif
