/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory map of a Limine kernel, and its page tables: the kernel's segments, the direct map (HHDM) of the base revision,
 * and the first 4 GiB at their own addresses, where the stub runs.  The tables are in guest memory.
 */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/boot/multiboot2.h"
#include "hv/load/limine.h"

#define ULL(x)		((unsigned long long)(x))

#define PTE_PRESENT	BIT64(0)
#define PTE_WRITE	BIT64(1)
#define PTE_PWT		BIT64(3)
#define PTE_LARGE	BIT64(7)	/* in a page directory; in a page table the PAT's bit */
#define PTE_PAT		BIT64(7)
#define PTE_PAT_LARGE	BIT64(12)
#define PTE_NX		BIT64(63)
#define PTE_ADDR	GENMASK64(51, 12)
#define ENTRIES		512u
#define LARGE		0x200000ull

/* UEFI 2.9, table 7.6. */
#define EFI_BOOT_CODE		3u
#define EFI_BOOT_DATA		4u
#define EFI_RUNTIME_CODE	5u
#define EFI_RUNTIME_DATA	6u

/* --- the map --- */

static void insert(struct limine_map *m, unsigned at, uint64_t base, uint64_t end, enum limine_type type)
{
	if (base >= end)
		return;
	if (m->n == m->max) {
		m->full = true;
		return;
	}
	memmove(&m->entry[at + 1], &m->entry[at], (m->n - at) * sizeof(*m->entry));
	m->entry[at] = (struct limine_entry){ base, end - base, type };
	m->n++;
}

/* Give [@base, @end) a type, whatever the map had there. */
static void paint(struct limine_map *m, uint64_t base, uint64_t end, enum limine_type type)
{
	unsigned i = 0;

	if (base >= end)
		return;
	while (i < m->n && m->entry[i].base + m->entry[i].length <= base)
		i++;
	if (i < m->n && m->entry[i].base < base) {
		struct limine_entry e = m->entry[i];

		m->entry[i].length = base - e.base;
		insert(m, ++i, base, e.base + e.length, (enum limine_type)e.type);
	}
	while (i < m->n && m->entry[i].base < end) {
		struct limine_entry *e = &m->entry[i];

		if (e->base + e->length > end) {
			e->length -= end - e->base;
			e->base = end;
			break;
		}
		memmove(e, e + 1, (m->n - i - 1) * sizeof(*e));
		m->n--;
	}
	insert(m, i, base, end, type);
}

/* Change the type @from to @to in [@base, @end), in whole pages; with @holes also where there is no entry. */
static void repaint(struct limine_map *m, uint64_t base, uint64_t end, enum limine_type from, enum limine_type to, bool holes)
{
	base = ALIGN_DOWN(base, PAGE_SIZE);
	end = ALIGN_UP(end, PAGE_SIZE);
	for (uint64_t at = base, next; at < end; at = next) {
		unsigned i = 0;

		while (i < m->n && m->entry[i].base + m->entry[i].length <= at)
			i++;
		if (i == m->n || m->entry[i].base > at) {
			next = i == m->n ? end : MIN(end, m->entry[i].base);
			if (holes)
				paint(m, at, next, to);
		} else {
			next = MIN(end, m->entry[i].base + m->entry[i].length);
			if (m->entry[i].type == from)
				paint(m, at, next, to);
		}
		if (m->full)
			return;
	}
}

/* Usable memory counts in whole pages.  Neighbours of a type become one entry. */
static void tidy(struct limine_map *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n; i++) {
		struct limine_entry e = m->entry[i];

		if (e.type == LIMINE_USABLE || e.type == LIMINE_RECLAIMABLE) {
			uint64_t base = ALIGN_UP(e.base, PAGE_SIZE), end = ALIGN_DOWN(e.base + e.length, PAGE_SIZE);

			if (base >= end)
				continue;
			e.base = base;
			e.length = end - base;
		}
		if (n && m->entry[n - 1].type == e.type && m->entry[n - 1].base + m->entry[n - 1].length == e.base)
			m->entry[n - 1].length += e.length;
		else
			m->entry[n++] = e;
	}
	m->n = n;
}

static enum limine_type type_of(enum mem_type type)
{
	switch (type) {
	case MEM_USABLE: return LIMINE_USABLE;
	case MEM_ACPI: return LIMINE_ACPI;
	case MEM_NVS: return LIMINE_NVS;
	case MEM_BAD: return LIMINE_BAD;
	default: return LIMINE_RESERVED;
	}
}

static void paint_claims(struct limine *l)
{
	for (unsigned i = 0; i < l->p->nclaims; i++) {
		const struct mem_range *c = &l->p->claim[i];
		uint64_t end = ALIGN_UP(c->base + c->size, PAGE_SIZE);
		const char *what = l->p->claim_what[i];

		if (i < l->nfirmware)
			repaint(&l->map, c->base, end, LIMINE_USABLE, LIMINE_RESERVED, false);
		else if (c->base == l->phys || (c->base != l->file && !strcmp(what, "a module")))
			paint(&l->map, c->base, end, LIMINE_EXECUTABLE);
		else if (strcmp(what, "a part moved aside"))
			paint(&l->map, c->base, end, LIMINE_RECLAIMABLE);
	}
}

static uint32_t efi_type(const uint8_t *d)
{
	uint32_t type;

	memcpy(&type, d, sizeof(type));
	return type;
}

/*
 * The firmware's boot services leave tables, and some firmware's runtime services still use memory of theirs: the kernel
 * decides when to reclaim this memory.  The boot loader's own, GRUB's heap, holds nothing for the kernel.
 */
static void paint_boot_services(struct limine *l)
{
	const struct boot_info *b = l->b;
	uint64_t d[4];

	if (b->efi_desc_size < sizeof(d))
		return;
	for (uint32_t at = 0; at + b->efi_desc_size <= b->efi_map_size; at += b->efi_desc_size) {
		uint32_t type = efi_type(b->efi_map + at);

		memcpy(d, b->efi_map + at, sizeof(d));		/* type, physical address, virtual address, pages */
		if ((type == EFI_BOOT_CODE || type == EFI_BOOT_DATA) && d[1] < 1ull << 52 && d[3] < 1ull << 40)
			repaint(&l->map, d[1], d[1] + d[3] * PAGE_SIZE, LIMINE_USABLE, LIMINE_RECLAIMABLE, false);
	}
}

/* From revision 4 on ACPI's tables are in mapped entries; from revision 5 on SMBIOS and EFI's runtime services, too. */
static void paint_tables(struct limine *l)
{
	const struct boot_info *b = l->b;
	uint64_t d[4];

	if (l->revision < 4)
		return;
	if (b->rsdp_size && b->rsdp != (uintptr_t)b->rsdp_copy)
		repaint(&l->map, b->rsdp, b->rsdp + b->rsdp_size, LIMINE_RESERVED, LIMINE_RESERVED_MAPPED, true);
	for (unsigned i = 0; i < l->m->ntables; i++)
		repaint(&l->map, l->m->table[i].addr, l->m->table[i].addr + l->m->table[i].len, LIMINE_RESERVED,
			LIMINE_RESERVED_MAPPED, true);
	if (l->revision < 5)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(b->smbios); i++) {
		repaint(&l->map, b->smbios[i].entry, b->smbios[i].entry + b->smbios[i].entry_size, LIMINE_RESERVED,
			LIMINE_RESERVED_MAPPED, true);
		repaint(&l->map, b->smbios[i].table, b->smbios[i].table + b->smbios[i].table_size, LIMINE_RESERVED,
			LIMINE_RESERVED_MAPPED, true);
	}
	if (b->efi_desc_size < sizeof(d))
		return;
	for (uint32_t at = 0; at + b->efi_desc_size <= b->efi_map_size; at += b->efi_desc_size) {
		uint32_t type = efi_type(b->efi_map + at);

		memcpy(d, b->efi_map + at, sizeof(d));		/* type, physical address, virtual address, pages */
		if ((type == EFI_RUNTIME_CODE || type == EFI_RUNTIME_DATA) && d[3] < 1ull << 40)
			repaint(&l->map, d[1], d[1] + d[3] * PAGE_SIZE, LIMINE_RESERVED, LIMINE_RESERVED_MAPPED, true);
	}
}

static bool has_screen(const struct limine *l)
{
	return l->b->has_fb && l->b->fb.type == MB2_FB_RGB;
}

int limine_build_map(struct limine *l)
{
	const struct boot_info *b = l->b;

	l->map.n = 0;
	l->map.full = false;
	for (unsigned i = 0; i < b->nranges; i++)
		paint(&l->map, b->range[i].base, b->range[i].base + b->range[i].size, type_of(b->range[i].type));
	paint_claims(l);
	paint_boot_services(l);
	paint_tables(l);
	if (has_screen(l))
		paint(&l->map, ALIGN_DOWN(b->fb.addr, PAGE_SIZE),
		      ALIGN_UP(b->fb.addr + (uint64_t)b->fb.pitch * b->fb.height, PAGE_SIZE), LIMINE_FRAMEBUFFER);
	tidy(&l->map);
	if (!l->map.full)
		return 0;
	log_err("guest: the kernel's memory map has more than %u entries", l->map.max);
	return -ERR_NOMEM;
}

/* --- page tables --- */

static uint64_t *table(uint64_t entry)
{
	return gmem_ptr(entry & PTE_ADDR, PAGE_SIZE);
}

/* Return the table below entry @i; split a large page there.  NULL if out of memory. */
static uint64_t *below(struct limine *l, uint64_t *t, unsigned i)
{
	uint64_t old = t[i], gpa, *sub;

	if ((old & PTE_PRESENT) && !(old & PTE_LARGE))
		return table(old);
	sub = limine_take(l, PAGE_SIZE, PAGE_SIZE, &gpa);
	if (!sub)
		return NULL;
	for (unsigned k = 0; (old & PTE_PRESENT) && k < ENTRIES; k++)
		sub[k] = (old & ~(PTE_LARGE | PTE_PAT_LARGE)) + k * PAGE_SIZE + (old & PTE_PAT_LARGE ? PTE_PAT : 0);
	t[i] = gpa | PTE_PRESENT | PTE_WRITE;
	return sub;
}

/* Map whole pages, with pages of 2 MiB where possible, and replace earlier mappings.  @flags as in a page table. */
static int map_pages(struct limine *l, uint64_t virt, uint64_t phys, uint64_t size, uint64_t flags)
{
	while (size) {
		uint64_t *t = table(l->pml4), step = PAGE_SIZE;
		unsigned pd;

		t = below(l, t, (virt >> 39) % ENTRIES);
		t = t ? below(l, t, (virt >> 30) % ENTRIES) : NULL;
		if (!t)
			return -ERR_NOMEM;
		pd = (virt >> 21) % ENTRIES;
		if (IS_ALIGNED(virt | phys, LARGE) && size >= LARGE && (!t[pd] || (t[pd] & PTE_LARGE))) {
			t[pd] = phys | (flags & ~PTE_PAT) | PTE_LARGE | (flags & PTE_PAT ? PTE_PAT_LARGE : 0);
			step = LARGE;
		} else {
			t = below(l, t, pd);
			if (!t)
				return -ERR_NOMEM;
			t[(virt >> 12) % ENTRIES] = phys | flags;
		}
		virt += step;
		phys += step;
		size -= step;
	}
	return 0;
}

static bool in_direct_map(const struct limine *l, uint64_t type)
{
	switch (type) {
	case LIMINE_USABLE:
	case LIMINE_RECLAIMABLE:
	case LIMINE_EXECUTABLE:
	case LIMINE_FRAMEBUFFER:
		return true;
	case LIMINE_RESERVED:
	case LIMINE_BAD:
		return !l->revision;
	default:
		return l->revision != 3;
	}
}

/* Up to revision 2 the direct map has the whole first 4 GiB; revision 0 maps all entries at their own addresses, too. */
static int map_entry(struct limine *l, const struct limine_entry *e)
{
	uint64_t base = ALIGN_DOWN(e->base, PAGE_SIZE), end = ALIGN_UP(e->base + e->length, PAGE_SIZE);
	uint64_t flags = PTE_PRESENT | PTE_WRITE;
	int err = 0;

	if (!in_direct_map(l, e->type))
		return 0;
	if (end > LIMINE_HHDM_MAX) {
		log_err("guest: memory at %#llx is higher than four levels of page tables can map directly", ULL(base));
		return -ERR_NOTSUP;
	}
	if (e->type == LIMINE_FRAMEBUFFER)
		flags |= PTE_PAT | PTE_PWT;		/* the PAT's fifth: WC */
	else if (l->revision < 3)
		base = MAX(base, LOAD_4G);
	if (base >= end)
		return 0;
	if (!l->revision)
		err = map_pages(l, base, base, end - base, flags);
	return err ?: map_pages(l, LIMINE_HHDM + base, base, end - base, flags);
}

/* A page shared by two segments gets the permissions of both. */
static int map_kernel(struct limine *l)
{
	int err = 0;

	for (uint64_t off = 0; !err && off < l->size; off += PAGE_SIZE) {
		bool there = false, write = false, exec = false;

		for (unsigned i = 0; i < l->k->nseg; i++) {
			const struct kernel_segment *s = &l->k->seg[i];

			if (s->paddr >= off + PAGE_SIZE || s->paddr + s->memsz <= off)
				continue;
			there = true;
			write |= l->flags[i] & ELF_PF_W;
			exec |= l->flags[i] & ELF_PF_X;
		}
		if (there)
			err = map_pages(l, l->virt + off, l->phys + off, PAGE_SIZE, PTE_PRESENT | (write ? PTE_WRITE : 0) |
					(exec || !l->m->nx ? 0 : PTE_NX));
	}
	return err;
}

int limine_build_tables(struct limine *l)
{
	int err = limine_build_map(l);

	if (err)
		return err;
	if (!limine_take(l, PAGE_SIZE, PAGE_SIZE, &l->pml4))
		return -ERR_NOMEM;
	err = map_pages(l, 0, 0, LOAD_4G, PTE_PRESENT | PTE_WRITE);
	if (!err)
		/* Null pointers fault: no revision promises page 0 at its own address. */
		err = map_pages(l, 0, 0, PAGE_SIZE, 0);
	if (!err && l->revision < 3)
		err = map_pages(l, LIMINE_HHDM, 0, LOAD_4G, PTE_PRESENT | PTE_WRITE);
	for (unsigned i = 0; !err && i < l->map.n; i++)
		err = map_entry(l, &l->map.entry[i]);
	return err ?: map_kernel(l);
}
