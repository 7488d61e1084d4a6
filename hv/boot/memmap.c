/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on the boot loader's memory map: hide a range, find free memory, find the firmware's tables. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/boot/bootinfo.h"
#include "hv/boot/multiboot2.h"

static uint64_t range_end(const struct mem_range *r)
{
	return r->base + r->size;
}

static bool overlap(uint64_t a, uint64_t asize, uint64_t b, uint64_t bsize)
{
	return a < b + bsize && b < a + asize;
}

/* --- the EFI map --- */

static unsigned efi_count(const struct boot_info *b)
{
	return b->efi_map_size ? b->efi_map_size / b->efi_desc_size : 0;
}

static struct efi_desc efi_get(const struct boot_info *b, unsigned i)
{
	struct efi_desc d;

	memcpy(&d, b->efi_map + (size_t)i * b->efi_desc_size, sizeof(d));
	/* Reject a descriptor whose end wraps around: every comparison would be wrong. */
	d.pages = MIN(d.pages, (~0ull - d.phys) / PAGE_SIZE);
	return d;
}

static void efi_put(struct boot_info *b, unsigned i, const struct efi_desc *d)
{
	memcpy(b->efi_map + (size_t)i * b->efi_desc_size, d, sizeof(*d));
}

/* Not boot services memory: SetVirtualAddressMap of many firmwares still accesses it. */
static bool efi_takeable(uint32_t type)
{
	return type == EFI_CONVENTIONAL || type == EFI_LOADER_CODE || type == EFI_LOADER_DATA;
}

/* Make room for a copy of descriptor @i in front of it. */
static void efi_double(struct boot_info *b, unsigned i)
{
	uint8_t *at = b->efi_map + (size_t)i * b->efi_desc_size;

	memmove(at + b->efi_desc_size, at, b->efi_map_size - (size_t)i * b->efi_desc_size);
	b->efi_map_size += b->efi_desc_size;
}

/* Cut descriptor @i in two at @at, which lies inside it. */
static void efi_split(struct boot_info *b, unsigned i, uint64_t at)
{
	struct efi_desc low = efi_get(b, i), high = low;

	low.pages = (at - low.phys) / PAGE_SIZE;
	high.phys = at;
	high.virt += high.virt ? at - low.phys : 0;
	high.pages -= low.pages;
	efi_double(b, i);
	efi_put(b, i, &low);
	efi_put(b, i + 1, &high);
}

static int efi_check(const struct boot_info *b, uint64_t base, uint64_t size)
{
	for (unsigned i = 0; i < efi_count(b); i++) {
		struct efi_desc d = efi_get(b, i);

		if (!overlap(base, size, d.phys, d.pages * PAGE_SIZE) || efi_takeable(d.type))
			continue;
		log_err("boot: %#llx-%#llx cannot be taken: EFI memory of type %u at %#llx", (unsigned long long)base,
			(unsigned long long)(base + size), d.type, (unsigned long long)d.phys);
		return -ERR_INVAL;
	}
	if (b->efi_map_size && b->efi_map_size + 2 * b->efi_desc_size > sizeof(b->efi_map)) {
		log_err("boot: no room in the EFI memory map for another range");
		return -ERR_INVAL;
	}
	return 0;
}

static void efi_hide(struct boot_info *b, uint64_t base, uint64_t size)
{
	for (unsigned i = 0; i < efi_count(b); i++) {
		struct efi_desc d = efi_get(b, i);
		uint64_t end = d.phys + d.pages * PAGE_SIZE;

		if (!overlap(base, size, d.phys, d.pages * PAGE_SIZE))
			continue;
		if (d.phys < base) {
			efi_split(b, i, base);
			continue;	/* the upper part comes next */
		}
		if (end > base + size)
			efi_split(b, i, base + size);
		d = efi_get(b, i);
		d.type = EFI_RESERVED;
		efi_put(b, i, &d);
	}
}

/* --- the ranges --- */

bool boot_info_usable(const struct boot_info *b, uint64_t base, uint64_t size, struct mem_range *blocker)
{
	uint64_t at = base, end = base + size;

	*blocker = (struct mem_range){ base, size, (enum mem_type)0 };
	if (end < base)
		return false;
	for (unsigned i = 0; i < b->nranges && at < end; i++) {
		const struct mem_range *r = &b->range[i];

		if (range_end(r) <= at)
			continue;
		if (r->base > at) {
			*blocker = (struct mem_range){ at, MIN(r->base, end) - at, (enum mem_type)0 };
			return false;
		}
		if (r->type != MEM_USABLE) {
			*blocker = *r;
			return false;
		}
		at = range_end(r);
	}
	blocker->base = at;
	blocker->size = end - MIN(at, end);
	return at >= end;
}

/* Replace entry @i by up to three: the part before the hidden one, the hidden one, and the part behind. */
static void cut(struct boot_info *b, unsigned i, uint64_t base, uint64_t size)
{
	struct mem_range old = b->range[i], part[3];
	unsigned n = 0;

	if (old.base < base)
		part[n++] = (struct mem_range){ old.base, base - old.base, MEM_USABLE };
	part[n++] = (struct mem_range){ base, size, MEM_RESERVED };
	if (range_end(&old) > base + size)
		part[n++] = (struct mem_range){ base + size, range_end(&old) - base - size, MEM_USABLE };
	memmove(&b->range[i + n], &b->range[i + 1], (b->nranges - i - 1) * sizeof(b->range[0]));
	memcpy(&b->range[i], part, n * sizeof(part[0]));
	b->nranges += n - 1;
}

int boot_info_hide(struct boot_info *b, uint64_t base, uint64_t size)
{
	struct mem_range blocker;
	unsigned i = 0;

	if (!size || !IS_ALIGNED(base | size, PAGE_SIZE) || !boot_info_usable(b, base, size, &blocker)) {
		log_err("boot: %#llx-%#llx is not wholly usable memory", (unsigned long long)base,
			(unsigned long long)(base + size));
		return -ERR_INVAL;
	}
	if (b->nranges + 2 > BOOT_MAX_RANGES) {
		log_err("boot: no room in the memory map for another range");
		return -ERR_INVAL;
	}
	int err = efi_check(b, base, size);

	if (err)
		return err;
	/* Adjacent usable entries have been joined, so a usable range lies in a single entry. */
	while (range_end(&b->range[i]) <= base)
		i++;
	cut(b, i, base, size);
	efi_hide(b, base, size);
	if (!b->self_size) {
		b->self_base = base;
		b->self_size = size;
	}
	return 0;
}

bool boot_info_is_own(const struct boot_info *b, uint64_t base, uint64_t size)
{
	for (unsigned i = 0; i < b->nown; i++)
		if (overlap(base, size, b->own[i].base, b->own[i].size))
			return true;
	return b->self_size && overlap(base, size, b->self_base, b->self_size);
}

/* Add a range to own[], or extend an adjacent one. */
static struct mem_range *remember_own(struct boot_info *b, uint64_t base, uint64_t size)
{
	for (unsigned i = 0; i < b->nown; i++) {
		struct mem_range *r = &b->own[i];

		if (r->base != base + size && range_end(r) != base)
			continue;
		r->base = MIN(r->base, base);
		r->size += size;
		return r;
	}
	b->own[b->nown] = (struct mem_range){ base, size, MEM_RESERVED };
	return &b->own[b->nown++];
}

/* Join the map's entries inside @own. */
static void join(struct boot_info *b, const struct mem_range *own)
{
	for (unsigned i = 0; i + 1 < b->nranges; ) {
		struct mem_range *r = &b->range[i];

		if (r->base < own->base || range_end(&r[1]) > range_end(own)) {
			i++;
			continue;
		}
		r->size += r[1].size;
		memmove(&r[1], &r[2], (b->nranges - i - 2) * sizeof(*r));
		b->nranges--;
	}
}

int boot_info_own(struct boot_info *b, uint64_t base, uint64_t size)
{
	if (b->nown == BOOT_MAX_OWN) {
		log_err("boot: Veneer's own memory is in more than %u pieces", BOOT_MAX_OWN);
		return -ERR_NOMEM;
	}
	int err = boot_info_hide(b, base, size);

	if (!err)
		join(b, remember_own(b, base, size));
	return err;
}

/* --- finding free memory --- */

struct search {
	const struct boot_info *b;
	unsigned how;
	uint64_t size, align;
	const struct mem_range *avoid;
	unsigned navoid;
};

/* An obstacle to a place at @at. */
static bool conflict(const struct search *s, uint64_t at, struct mem_range *hit)
{
	const struct boot_info *b = s->b;

	for (unsigned i = 0; i < s->navoid; i++) {
		*hit = s->avoid[i];
		if (hit->size && overlap(at, s->size, hit->base, hit->size))
			return true;
	}
	for (unsigned i = 0; i < b->nmodules && !(s->how & BOOT_FIND_OVER_MODULES); i++) {
		*hit = (struct mem_range){ b->module[i].addr, b->module[i].size, MEM_USABLE };
		if (hit->size && overlap(at, s->size, hit->base, hit->size))
			return true;
	}
	for (unsigned i = 0; i < efi_count(b); i++) {
		struct efi_desc d = efi_get(b, i);

		*hit = (struct mem_range){ d.phys, d.pages * PAGE_SIZE, MEM_RESERVED };
		if (hit->size && !efi_takeable(d.type) && overlap(at, s->size, hit->base, hit->size))
			return true;
	}
	return false;
}

/* Search [@lo, @hi), which is all usable.  Each round passes at least one obstacle, so the loop ends. */
static uint64_t find_low(const struct search *s, uint64_t lo, uint64_t hi)
{
	struct mem_range hit;
	uint64_t at = ALIGN_UP(lo, s->align);

	while (at >= lo && at < hi && hi - at >= s->size) {
		if (!conflict(s, at, &hit))
			return at;
		lo = range_end(&hit);
		at = ALIGN_UP(lo, s->align);
	}
	return 0;
}

static uint64_t find_high(const struct search *s, uint64_t lo, uint64_t hi)
{
	struct mem_range hit;

	while (hi > lo && hi - lo >= s->size) {
		uint64_t at = ALIGN_DOWN(hi - s->size, s->align);

		if (at < lo)
			return 0;
		if (!conflict(s, at, &hit))
			return at;
		hi = hit.base;
	}
	return 0;
}

uint64_t boot_info_find_as(const struct boot_info *b, unsigned how, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
			   const struct mem_range *avoid, unsigned navoid)
{
	struct search s = { b, how, size, MAX(align, 1ull), avoid, navoid };

	if (!size)
		return 0;
	/* Never return page 0: it holds the real-mode vectors and the BIOS data, and 0 means "none". */
	min = MAX(min, (uint64_t)PAGE_SIZE);
	for (unsigned i = 0; i < b->nranges; i++) {
		const struct mem_range *r = &b->range[how & BOOT_FIND_HIGH ? b->nranges - 1 - i : i];
		uint64_t lo = MAX(r->base, min), hi = MIN(range_end(r), max), at;

		if (r->type != MEM_USABLE || lo >= hi)
			continue;
		at = how & BOOT_FIND_HIGH ? find_high(&s, lo, hi) : find_low(&s, lo, hi);
		if (at)
			return at;
	}
	return 0;
}

uint64_t boot_info_find(const struct boot_info *b, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
			const struct mem_range *avoid, unsigned navoid)
{
	return boot_info_find_as(b, 0, size, align, min, max, avoid, navoid);
}

/* --- the firmware's tables --- */

#define SMBIOS_ENTRY_MAX	0x20u

static uint64_t read_at(const uint8_t *phys, uint64_t addr, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, phys + addr, bytes);
	return v;
}

/* True if the address may be read: the memory map has it and the first page tables map it. */
static bool known(const struct boot_info *b, uint64_t addr, uint64_t len)
{
	if (addr >= 1ull << 32 || len > (1ull << 32) - addr)
		return false;
	for (unsigned i = 0; i < b->nranges; i++)
		if (addr >= b->range[i].base && addr < range_end(&b->range[i]) && len <= range_end(&b->range[i]) - addr)
			return true;
	return false;
}

/* ACPI 6.4 section 5.2.5.3: signature and checksum over 20 bytes; and the boot loader's copy must agree. */
static bool take_rsdp(struct boot_info *b, const uint8_t *phys, uint64_t addr)
{
	uint8_t sum = 0, size;

	if (memcmp(phys + addr, "RSD PTR ", 8))
		return false;
	for (unsigned i = 0; i < 20; i++)
		sum = (uint8_t)(sum + phys[addr + i]);
	if (sum || (b->rsdp_size && memcmp(phys + addr, b->rsdp_copy, b->rsdp_size)))
		return false;
	size = phys[addr + 15] >= 2 ? 36 : 20;
	if (!b->rsdp_size) {
		memcpy(b->rsdp_copy, phys + addr, size);
		b->rsdp_size = size;
	}
	b->rsdp = addr;
	return true;
}

static bool scan_rsdp(struct boot_info *b, const uint8_t *phys, uint64_t base, uint64_t size)
{
	for (uint64_t at = base; at + 36 <= base + size; at += 16)
		if (take_rsdp(b, phys, at))
			return true;
	return false;
}

/* SMBIOS 3.0, 5.2.1 and 5.2.2: anchor, and a sum over the length that the entry point states. */
static void take_smbios(struct boot_info *b, const uint8_t *phys, uint64_t at)
{
	bool wide = !memcmp(phys + at, "_SM3_", 5);
	uint8_t sum = 0, size = phys[at + (wide ? 6 : 5)];

	if ((!wide && memcmp(phys + at, "_SM_", 4)) || size < (wide ? 0x18 : 0x1e) || size > SMBIOS_ENTRY_MAX ||
	    b->smbios[wide].entry)
		return;
	for (unsigned i = 0; i < size; i++)
		sum = (uint8_t)(sum + phys[at + i]);
	if (sum)
		return;
	b->smbios[wide].entry = at;
	b->smbios[wide].entry_size = size;
	b->smbios[wide].table = wide ? read_at(phys, at + 0x10, 8) : read_at(phys, at + 0x18, 4);
	b->smbios[wide].table_size = (uint32_t)(wide ? read_at(phys, at + 0xc, 4) : read_at(phys, at + 0x16, 2));
}

static void find_bios(struct boot_info *b, const uint8_t *phys)
{
	uint64_t ebda = read_at(phys, 0x40e, 2) << 4;

	b->low_kib = (uint16_t)read_at(phys, 0x413, 2);
	memcpy(b->boot_sector, phys + 0x7c00, sizeof(b->boot_sector));
	if (ebda >= 0x80000 && ebda < 0xa0000)
		b->ebda = ebda;
	if (!b->ebda || !scan_rsdp(b, phys, b->ebda, 1024))
		scan_rsdp(b, phys, 0xe0000, 0x20000);
	for (uint64_t at = 0xf0000; at + SMBIOS_ENTRY_MAX <= 0x100000; at += 16)
		take_smbios(b, phys, at);
}

/* UEFI 2.9 sections 4.3 and 4.6: the configuration table's entries are a GUID and a pointer. */
static void find_efi(struct boot_info *b, const uint8_t *phys)
{
	static const uint8_t guid[4][16] = {	/* ACPI 2.0, ACPI 1.0, SMBIOS 3, SMBIOS */
		{ 0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11, 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 },
		{ 0x30, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11, 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d },
		{ 0x44, 0x15, 0xfd, 0xf2, 0x94, 0x97, 0x2c, 0x4a, 0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94 },
		{ 0x31, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11, 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d },
	};
	unsigned word = b->efi32 ? 4 : 8, stride = 16 + word;
	uint64_t count, table, addr;
	bool found = false;

	if (!known(b, b->efi_systab, 0x78) || memcmp(phys + b->efi_systab, "IBI SYST", 8))
		return;
	count = read_at(phys, b->efi_systab + (b->efi32 ? 0x40 : 0x68), word);
	table = read_at(phys, b->efi_systab + (b->efi32 ? 0x44 : 0x70), word);
	if (count > 256 || !known(b, table, count * stride))
		return;
	for (unsigned pass = 0; pass < ARRAY_SIZE(guid); pass++) {
		for (unsigned i = 0; i < count; i++) {
			if (memcmp(phys + table + i * stride, guid[pass], 16))
				continue;
			addr = read_at(phys, table + i * stride + 16, word);
			if (!known(b, addr, 36))
				continue;
			if (pass < 2)
				found = found || take_rsdp(b, phys, addr);
			else
				take_smbios(b, phys, addr);
		}
	}
}

void boot_info_find_rsdp(struct boot_info *b, const uint8_t *phys)
{
	if (b->efi)
		find_efi(b, phys);
	else
		find_bios(b, phys);
}

static uint32_t usable_from(const struct boot_info *b, uint64_t at)
{
	for (unsigned i = 0; i < b->nranges; i++) {
		const struct mem_range *r = &b->range[i];

		if (r->type == MEM_USABLE && r->base <= at && r->base + r->size > at)
			return (uint32_t)MIN((r->base + r->size - at) >> 10, 0xffffffffull);
	}
	return 0;
}

uint32_t boot_info_mem_lower(const struct boot_info *b)
{
	return MIN(usable_from(b, 0), 640u);
}

uint32_t boot_info_mem_upper(const struct boot_info *b)
{
	return usable_from(b, 0x100000);
}
