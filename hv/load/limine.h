/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Limine boot protocol, base revisions 0 to 6 (the protocol's PROTOCOL.md): tags, requests and responses as a kernel sees
 * them, and declarations that the loader's files share.  load_limine.c places the kernel and finds its requests,
 * load_limine_map.c makes the memory map and the page tables, load_limine_info.c the responses, load_limine_stub.S enters the
 * kernel, limine_machine.c asks the machine.
 */
#ifndef HV_LIMINE_H
#define HV_LIMINE_H

/* Offsets in struct limine_start for the stub, and of its code. */
#define LIMINE_STUB_AP		0x1a0
#define LIMINE_STUB_CODE	0x1e0
#define LIMINE_STUB_MAX		0x1000
#define LS_CR3			8
#define LS_EFER			12
#define LS_GDTR_LOW		16
#define LS_FAR32		24
#define LS_FAR64		32
#define LS_GDTR			46
#define LS_ENTRY		56
#define LS_STACK		64
#define LS_PAT			72
#define LS_LAPIC		80
#define LS_TSC_MS		88
#define LS_APIC_MODE		96
#define LS_LVT			100
#define LS_MP			104
#define LS_CURRENT		112
#define LS_LINT			120
#define LS_ARRIVED		128
#define LS_NIOAPICS		132
#define LS_IOAPIC_ALL		136
#define LS_LINT_NOW		144
#define LS_IOAPIC		152

#define LIMINE_APIC_KEEP	0
#define LIMINE_APIC_X2APIC	1
#define LIMINE_APIC_XAPIC	2

#ifndef __ASSEMBLER__

#include "hv/dev/acpi.h"
#include "hv/load/elf.h"

#define LIMINE_LAST_REVISION	6u
#define LIMINE_MAX_REQUESTS	128u
#define LIMINE_KERNEL_SPACE	0xffffffff80000000ull
#define LIMINE_HHDM		0xffff800000000000ull
/* The largest direct map: a quarter of the address space of four levels. */
#define LIMINE_HHDM_MAX		(1ull << 46)
#define LIMINE_STACK		65536u
#define LIMINE_NONE		(~0ull)

/* --- what a kernel sees --- */

struct limine_request {
	uint64_t id[4], revision, response;
};

/* Response revision 0, and one word: most responses have no more. */
struct limine_response {
	uint64_t revision, word[4];
};

struct limine_file {
	uint64_t revision, address, size, path, string;
	uint32_t media, unused, tftp_ip, tftp_port, partition, mbr_disk_id;
	uint8_t uuid[3][16];
};

struct limine_mode {
	uint64_t pitch, width, height;
	uint16_t bpp;
	uint8_t model, red_size, red_shift, green_size, green_shift, blue_size, blue_shift;
};

struct limine_framebuffer {
	uint64_t address, width, height, pitch;
	uint16_t bpp;
	uint8_t model, red_size, red_shift, green_size, green_shift, blue_size, blue_shift, unused[7];
	uint64_t edid_size, edid, mode_count, modes;
};

struct limine_cpu {
	uint32_t processor_id, lapic_id;
	uint64_t stack;			/* "reserved" */
	uint64_t goto_address, extra;
};

struct limine_mp {
	uint64_t revision;
	uint32_t flags, bsp_lapic_id;
	uint64_t cpu_count, cpus;
};

struct limine_entry {
	uint64_t base, length, type;
};

enum limine_type {
	LIMINE_USABLE, LIMINE_RESERVED, LIMINE_ACPI, LIMINE_NVS, LIMINE_BAD, LIMINE_RECLAIMABLE, LIMINE_EXECUTABLE,
	LIMINE_FRAMEBUFFER, LIMINE_RESERVED_MAPPED
};

/* --- what the loader's files share --- */

/* The machine as the protocol tells of it. */
struct limine_machine {
	unsigned ncpus;
	struct { uint32_t uid, apic_id, lint[2]; } cpu[ACPI_MAX_CPUS];	/* lint: the two LVTs: NMI, masked, or only the mask */
	uint32_t bsp_apic_id;
	bool x2apic_there, x2apic_on;
	uint64_t lapic, tsc_hz;
	int64_t date;			/* seconds since 1970, 0: no clock */
	bool nx;
	unsigned nioapics;
	uint32_t ioapic[ACPI_MAX_IOAPICS];
	unsigned ntables;
	struct { uint64_t addr, len; } table[ACPI_MAX_TABLES];	/* ACPI's own */
};
void limine_ask_machine(struct limine_machine *m);

struct limine_map {
	struct limine_entry *entry;
	unsigned n, max;
	bool full;
};

/* Guest memory out of which tables and responses are made. */
struct limine_arena {
	uint64_t at, end;
};

struct limine {
	const struct guest_image *img;
	const struct boot_info *b;
	struct load_plan *p;
	struct limine_machine *m;
	uint64_t virt, phys, size;	/* the image's first address, its place, its size with bss, in pages */
	uint64_t slide;			/* displacement of virtual addresses from those in the file */
	uint64_t searched;		/* bytes of the image that come from the file */
	uint8_t *image;			/* the same in Veneer's own address space */
	struct kernel_layout *k;	/* in k, paddr is the offset in the image */
	uint32_t flags[KERNEL_MAX_SEGMENTS];	/* of the segments */
	uint64_t entry;			/* virtual */
	uint64_t revision;
	uint64_t request[LIMINE_MAX_REQUESTS];	/* offsets in the image */
	unsigned nrequests;
	uint64_t file, module[BOOT_MAX_MODULES];	/* places of the kernel's file and the modules */
	unsigned nfirmware;		/* how many of the plan's claims are the firmware's */
	struct limine_arena arena;
	struct limine_map map;
	uint64_t pml4, gdt, stub;
	uint64_t stack_size, mp, lint, nmp;
	unsigned apic_mode;
};

/*
 * Take @size bytes of guest memory, zeroed, of the reclaimable kind; NULL after a line.  *@gpa becomes their address.  The
 * memory is never freed.
 */
void *limine_take(struct limine *l, uint64_t size, uint64_t align, uint64_t *gpa);

/* Return the request in the image, if it has at least @size bytes before bss; else NULL. */
uint8_t *limine_request(const struct limine *l, uint64_t a, uint64_t b, uint64_t size);

/* Return a pointer to [@addr, @addr + @size) of the image, by virtual address; NULL if the range is not before bss. */
uint8_t *limine_image(const struct limine *l, uint64_t addr, uint64_t size);

/* A string in the image that ends there, or NULL. */
const char *limine_image_string(const struct limine *l, uint64_t addr);

/* Make l->map anew: firmware's ranges, framebuffer, the plan's claims. 0, or negative after a line. */
int limine_build_map(struct limine *l);

/* Make the page tables, and set l->pml4. 0, or negative after a line. */
int limine_build_tables(struct limine *l);

/* Answer all requests, the memory map last. 0, or negative after a line. */
int limine_answer(struct limine *l);
int limine_answer_map(struct limine *l);

#endif
#endif
