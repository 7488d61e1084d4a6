/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF as kernels use it (System V ABI, chapters 4 and 5), and the layout of a kernel in memory, which can also come from the
 * address fields of a multiboot header.
 */
#ifndef HV_ELF_H
#define HV_ELF_H

#include "hv/load/load_plan.h"

#define ELF_MAGIC	0x464c457fu
#define ELF_CLASS32	1
#define ELF_CLASS64	2
#define ELF_LITTLE	1
#define ELF_EXEC	2
#define ELF_DYN		3
#define ELF_386		3
#define ELF_X86_64	62
#define ELF_PT_LOAD	1
#define ELF_PT_NOTE	4
#define ELF_SYMTAB	2
#define ELF_STRTAB	3
#define ELF_NOBITS	8
#define ELF_ALLOC	0x2u		/* in a section's flags */

struct elf_ident {
	uint32_t magic;
	uint8_t class, data, version, pad[9];
	uint16_t type, machine;
	uint32_t version2;
};

struct elf32_header {
	struct elf_ident ident;
	uint32_t entry, phoff, shoff, flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf64_header {
	struct elf_ident ident;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf32_segment {
	uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

struct elf64_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf32_section {
	uint32_t name, type, flags, addr, offset, size, link, info, addralign, entsize;
};

struct elf64_section {
	uint32_t name, type;
	uint64_t flags, addr, offset, size;
	uint32_t link, info;
	uint64_t addralign, entsize;
};

#define KERNEL_MAX_SEGMENTS	64u
#define KERNEL_MAX_SECTIONS	512u

struct kernel_segment {
	uint64_t paddr, vaddr, offset, filesz, memsz;
};

/* A checked layout: every segment's file part lies in the file; no segment wraps or passes 4 GiB. */
struct kernel_layout {
	struct kernel_segment seg[KERNEL_MAX_SEGMENTS];
	unsigned nseg;
	uint64_t base, end;		/* of all segments */
	uint64_t entry;			/* physical */
	bool elf64;
	uint64_t shoff;			/* section headers in the file; shnum 0: none */
	uint32_t shnum, shentsize, shstrndx;
};

#define ELF_PT_DYNAMIC	2
#define ELF_PF_X	BIT(0)
#define ELF_PF_W	BIT(1)

bool elf_detect(const struct guest_image *img);

/*
 * Read the header, widened, and check that the file is an x86 executable whose program headers lie in it: 0, or -ERR_INVAL
 * after a line.  Then elf_segment() is program header @i, widened, for i < h->phnum.
 */
int elf_header(const struct guest_image *img, struct elf64_header *h);
struct elf64_segment elf_segment(const struct guest_image *img, const struct elf64_header *h, unsigned i);

/* Note where the section headers are, if they lie in the file. */
void layout_note_sections(const struct guest_image *img, struct kernel_layout *k, const struct elf64_header *h);

/* Get the notes of segment @i, which lie in the file; false if there are no more. */
bool elf_note_segment(const struct guest_image *img, unsigned i, struct kernel_segment *s);

/* Read the program headers.  0, or -ERR_INVAL after a line. */
int elf_layout(const struct guest_image *img, struct kernel_layout *k);

/* Append a segment and check it against the file.  0, or -ERR_INVAL after a line. */
int layout_add(const struct guest_image *img, struct kernel_layout *k, const struct kernel_segment *s);

/* Check that the entry lies in a segment.  0, or -ERR_INVAL after a line. */
int layout_check_entry(const struct kernel_layout *k);

/* Claim all segments' places, moved by @delta, and list their copies and fills.  0 or negative after a line. */
int layout_load(const struct guest_image *img, const struct kernel_layout *k, struct load_plan *p, uint64_t delta);

/* True if all those places are free. */
bool layout_fits(const struct kernel_layout *k, const struct load_plan *p, uint64_t delta);

/*
 * Put the kernel's section headers for the multiboot information at offset *@at of @o.  Sections that no segment loads
 * (symbols, strings, debugging information; at most 32) get places of their own.  False (and no places) if there are no
 * headers.
 */
bool layout_sections(const struct guest_image *img, const struct kernel_layout *k, struct load_plan *p, struct load_blob *o,
		     uint32_t *at);

#endif
