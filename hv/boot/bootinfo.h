/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot loader's information, copied into Veneer's own memory before any other memory is written
 * (multiboot2 1.6/2.0 section 3.6; GRUB may put the information and modules below 1 MiB).
 */
#ifndef HV_BOOTINFO_H
#define HV_BOOTINFO_H

#include <veneer/efi_guest.h>
#include <veneer/types.h>

#define BOOT_MAX_RANGES		1024u
#define BOOT_MAX_MODULES	64u
#define BOOT_MAX_CMDLINE	1024u
#define BOOT_MAX_TEXT		17408u	/* 16 KiB, and one line of any length */
#define BOOT_MAX_EFI_MAP	65536u
#define BOOT_MAX_OWN		16u

enum mem_type { MEM_USABLE = 1, MEM_RESERVED = 2, MEM_ACPI = 3, MEM_NVS = 4, MEM_BAD = 5 };	/* E820's numbers */

struct mem_range {
	uint64_t base, size;
	enum mem_type type;
};

struct boot_module {
	uint64_t addr, size;
	const char *cmdline;		/* BOOT_MAX_CMDLINE - 1 characters at most; in boot_info.text */
};

struct boot_info {
	struct mem_range range[BOOT_MAX_RANGES];	/* sorted, without overlaps, unknown types reserved */
	unsigned nranges;
	struct boot_module module[BOOT_MAX_MODULES];
	unsigned nmodules;
	char text[BOOT_MAX_TEXT];	/* the modules' command lines */
	unsigned text_used;
	char cmdline[BOOT_MAX_CMDLINE];
	char loader_name[64];

	uint64_t rsdp;		/* physical address of the firmware's RSDP if found, else of our copy in rsdp_copy; 0 none */
	uint8_t rsdp_copy[36];
	uint8_t rsdp_size;
	/* SMBIOS's entry points and tables, of the 32-bit and of the 64-bit form; 0 unknown. */
	struct { uint64_t entry, table; uint32_t entry_size, table_size; } smbios[2];
	uint64_t ebda;			/* start of the extended BIOS data area, 0 unknown */

	uint16_t low_kib;		/* conventional memory, as the BIOS counts it; 0 unknown */
	uint8_t boot_sector[512];	/* the sector that a BIOS loaded to 7C00h, if not overwritten since */

	bool has_fb;
	struct {
		uint64_t addr;
		uint32_t pitch, width, height;
		uint8_t bpp, type;		/* 0 indexed, 1 RGB, 2 EGA text */
		uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
	} fb;

	bool efi;
	bool efi32;			/* the firmware is a 32-bit one */
	uint64_t efi_systab;
	uint32_t efi_map_size, efi_desc_size, efi_desc_version;
	uint8_t efi_map[BOOT_MAX_EFI_MAP];
	struct efi_launch launch;	/* of veneer.efi, if the firmware stays; version 0: none */
	bool has_bootdev;
	uint32_t bootdev, bootdev_part, bootdev_sub;

	/* Veneer's image and first heap; boot_info_hide() has made them MEM_RESERVED in range[]. */
	uint64_t self_base, self_size;

	/* All ranges of boot_info_own(), unsorted, adjacent ones joined: MEM_RESERVED in range[]. */
	struct mem_range own[BOOT_MAX_OWN];
	unsigned nown;
};

/*
 * Copy the multiboot2 information at @info into @b (zeroed by this function).  Bounded by its total_size and by our tables.
 * 0, or negative after a log line.
 */
int boot_info_parse(struct boot_info *b, const void *info);

/*
 * Find the firmware's RSDP and SMBIOS, in the EFI system table or by the search of ACPI 6.4 section 5.2.5.1 and SMBIOS 3.0
 * section 5.2, and read the BIOS data in low memory.  @phys is the mapping of physical address 0 and of all memory below 4 GiB:
 * call before page 0 is unmapped.  If no RSDP is found below 4 GiB, b->rsdp does not change.
 */
void boot_info_find_rsdp(struct boot_info *b, const uint8_t *phys);

/*
 * Mark [base, base + size) reserved in the map (and in the copy of the EFI map).  -ERR_INVAL, and nothing has changed, if the
 * range is not wholly usable or not page-aligned.  The first call also sets self_base and self_size.  In the EFI map the
 * descriptor is split, the piece becomes EfiReservedMemoryType; only conventional, loader code or loader data memory may be
 * taken.
 */
int boot_info_hide(struct boot_info *b, uint64_t base, uint64_t size);

/*
 * The same for memory that Veneer keeps: the range is added to own[], and joined with adjacent ranges of own[] in the map.
 * -ERR_NOMEM if own[] is full.
 */
int boot_info_own(struct boot_info *b, uint64_t base, uint64_t size);

/* True if Veneer's own memory overlaps [base, base + size). */
bool boot_info_is_own(const struct boot_info *b, uint64_t base, uint64_t size);

/*
 * Find the lowest @size usable bytes, aligned to @align, in [@min, @max), clear of the modules and of @avoid; 0: none.
 * With an EFI map only memory that boot_info_hide() accepts is found, hence none that runtime services may access.
 */
uint64_t boot_info_find(const struct boot_info *b, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
			const struct mem_range *avoid, unsigned navoid);

/* The same with options: the highest place instead of the lowest; also places that hold modules now. */
#define BOOT_FIND_HIGH		BIT(0)
#define BOOT_FIND_OVER_MODULES	BIT(1)
uint64_t boot_info_find_as(const struct boot_info *b, unsigned how, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
			   const struct mem_range *avoid, unsigned navoid);

/*
 * True if all of [base, base + size) is usable memory.  If not, *@blocker is the lowest range that is not usable
 * (type 0: a hole in the memory map).
 */
bool boot_info_usable(const struct boot_info *b, uint64_t base, uint64_t size, struct mem_range *blocker);

/* KiB from 0 and from 1 MiB up to the first hole, as multiboot counts memory. */
uint32_t boot_info_mem_lower(const struct boot_info *b);
uint32_t boot_info_mem_upper(const struct boot_info *b);

#endif
