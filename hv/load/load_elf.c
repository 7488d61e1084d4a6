/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Read a kernel's ELF file and lay out its segments, for the protocols whose kernels are ELF files.  Each protocol's own file
 * makes the data for the kernel (load_multiboot1.c, load_multiboot2.c, load_pvh.c).
 */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/load/elf.h"

#define ULL(x)	((unsigned long long)(x))

static bool in_file(const struct guest_image *img, uint64_t off, uint64_t len)
{
	return off <= img->size && len <= img->size - off;
}

bool elf_detect(const struct guest_image *img)
{
	struct elf_ident id;

	if (!in_file(img, 0, sizeof(id)))
		return false;
	memcpy(&id, img->data, sizeof(id));
	return id.magic == ELF_MAGIC;
}

int layout_add(const struct guest_image *img, struct kernel_layout *k, const struct kernel_segment *s)
{
	const char *wrong = NULL;

	if (!s->memsz)
		return 0;
	if (k->nseg == KERNEL_MAX_SEGMENTS)
		wrong = "is one more than can be loaded";
	else if (s->filesz > s->memsz)
		wrong = "has more bytes in the file than in memory";
	else if (!in_file(img, s->offset, s->filesz))
		wrong = "ends behind the end of the file (is the file complete?)";
	else if (s->paddr >= LOAD_4G || s->memsz > LOAD_4G - s->paddr)
		wrong = "ends above 4 GiB, where a kernel that starts in 32-bit mode cannot be";
	if (wrong) {
		log_err("guest: kernel segment %u (%#llx bytes at %#llx, file offset %#llx) %s", k->nseg, ULL(s->memsz),
			ULL(s->paddr), ULL(s->offset), wrong);
		return -ERR_INVAL;
	}
	k->base = k->nseg ? MIN(k->base, s->paddr) : s->paddr;
	k->end = MAX(k->end, s->paddr + s->memsz);
	k->seg[k->nseg++] = *s;
	return 0;
}

static int bad_elf(const char *what, uint64_t value)
{
	log_err("guest: the kernel's ELF header is wrong: %s (%#llx)", what, ULL(value));
	return -ERR_INVAL;
}

static int check_ident(const struct elf_ident *id)
{
	bool is64 = id->class == ELF_CLASS64;

	if (id->class != ELF_CLASS32 && !is64)
		return bad_elf("neither a 32-bit nor a 64-bit file", id->class);
	if (id->data != ELF_LITTLE)
		return bad_elf("not little-endian", id->data);
	if (id->type != ELF_EXEC && id->type != ELF_DYN)
		return bad_elf("not an executable file", id->type);
	if (id->machine != ELF_386 && id->machine != ELF_X86_64)
		return bad_elf("not for x86", id->machine);
	return 0;
}

/* Read the header of either class into the 64-bit form; print nothing. */
static const char *widen_header(const struct guest_image *img, struct elf64_header *h)
{
	struct elf32_header n;

	if (!elf_detect(img))
		return "no ELF file";
	memcpy(&h->ident, img->data, sizeof(h->ident));
	if (!in_file(img, 0, h->ident.class == ELF_CLASS64 ? sizeof(*h) : sizeof(n)))
		return "the file ends inside it";
	if (h->ident.class == ELF_CLASS64) {
		memcpy(h, img->data, sizeof(*h));
		return NULL;
	}
	memcpy(&n, img->data, sizeof(n));
	*h = (struct elf64_header){
		.ident = n.ident, .entry = n.entry, .phoff = n.phoff, .shoff = n.shoff, .flags = n.flags, .ehsize = n.ehsize,
		.phentsize = n.phentsize, .phnum = n.phnum, .shentsize = n.shentsize, .shnum = n.shnum,
		.shstrndx = n.shstrndx,
	};
	return NULL;
}

static int read_header(const struct guest_image *img, struct elf64_header *h)
{
	const char *wrong = widen_header(img, h);

	return wrong ? bad_elf(wrong, img->size) : check_ident(&h->ident);
}

static struct elf64_segment read_segment(const uint8_t *at, bool is64)
{
	struct elf64_segment w;
	struct elf32_segment n;

	if (is64) {
		memcpy(&w, at, sizeof(w));
		return w;
	}
	memcpy(&n, at, sizeof(n));
	return (struct elf64_segment){ .type = n.type, .flags = n.flags, .offset = n.offset, .vaddr = n.vaddr, .paddr = n.paddr,
				       .filesz = n.filesz, .memsz = n.memsz, .align = n.align };
}

/*
 * The kernel is entered without paging, but a kernel linked for high virtual addresses names its entry by a virtual address:
 * the segment that holds the entry gives the physical address.  Other kernels name the physical address themselves.
 */
static uint64_t physical_entry(const struct kernel_layout *k, uint64_t entry)
{
	for (unsigned i = 0; i < k->nseg; i++) {
		const struct kernel_segment *s = &k->seg[i];

		if (entry >= s->vaddr && entry - s->vaddr < s->memsz)
			return entry - s->vaddr + s->paddr;
	}
	return entry;
}

int layout_check_entry(const struct kernel_layout *k)
{
	for (unsigned i = 0; i < k->nseg; i++)
		if (k->entry >= k->seg[i].paddr && k->entry - k->seg[i].paddr < k->seg[i].memsz)
			return 0;
	log_err("guest: the kernel's entry point %#llx lies outside of what is loaded (%#llx-%#llx)", ULL(k->entry),
		ULL(k->base), ULL(k->end));
	return -ERR_INVAL;
}

void layout_note_sections(const struct guest_image *img, struct kernel_layout *k, const struct elf64_header *h)
{
	uint32_t size = k->elf64 ? sizeof(struct elf64_section) : sizeof(struct elf32_section);

	if (h->shnum > KERNEL_MAX_SECTIONS)
		log_warn("guest: the kernel's file has %u sections, more than %u: none is handed over", h->shnum,
			 KERNEL_MAX_SECTIONS);
	if (h->shentsize != size || h->shnum > KERNEL_MAX_SECTIONS || !in_file(img, h->shoff, (uint64_t)h->shnum * size))
		return;
	k->shoff = h->shoff;
	k->shnum = h->shnum;
	k->shentsize = size;
	k->shstrndx = h->shstrndx;
}

/* Get program header @i; the caller has checked that the table lies in the file. */
struct elf64_segment elf_segment(const struct guest_image *img, const struct elf64_header *h, unsigned i)
{
	return read_segment(img->data + h->phoff + (uint64_t)i * h->phentsize, h->ident.class == ELF_CLASS64);
}

static const char *check_segments(const struct guest_image *img, const struct elf64_header *h)
{
	size_t size = h->ident.class == ELF_CLASS64 ? sizeof(struct elf64_segment) : sizeof(struct elf32_segment);

	if (h->phentsize < size)
		return "short program headers";
	if (!in_file(img, h->phoff, (uint64_t)h->phnum * h->phentsize))
		return "the file ends before the program headers";
	return NULL;
}

bool elf_note_segment(const struct guest_image *img, unsigned i, struct kernel_segment *s)
{
	struct elf64_header h;

	if (widen_header(img, &h) || check_segments(img, &h))
		return false;
	for (unsigned n = 0; n < h.phnum; n++) {
		struct elf64_segment e = elf_segment(img, &h, n);

		if (e.type != ELF_PT_NOTE || !in_file(img, e.offset, e.filesz) || i--)
			continue;
		*s = (struct kernel_segment){ .offset = e.offset, .filesz = e.filesz };
		return true;
	}
	return false;
}

int elf_header(const struct guest_image *img, struct elf64_header *h)
{
	int err = read_header(img, h);
	const char *wrong = err ? NULL : check_segments(img, h);

	return wrong ? bad_elf(wrong, h->phoff) : err;
}

int elf_layout(const struct guest_image *img, struct kernel_layout *k)
{
	struct elf64_header h;
	int err = elf_header(img, &h);

	if (err)
		return err;
	k->elf64 = h.ident.class == ELF_CLASS64;
	for (unsigned i = 0; i < h.phnum; i++) {
		struct elf64_segment s = elf_segment(img, &h, i);
		struct kernel_segment seg = { s.paddr, s.vaddr, s.offset, s.filesz, s.memsz };

		err = s.type == ELF_PT_LOAD ? layout_add(img, k, &seg) : 0;
		if (err)
			return err;
	}
	if (!k->nseg)
		return bad_elf("nothing to load", h.phnum);
	layout_note_sections(img, k, &h);
	k->entry = physical_entry(k, h.entry);
	return 0;
}

bool layout_fits(const struct kernel_layout *k, const struct load_plan *p, uint64_t delta)
{
	for (unsigned i = 0; i < k->nseg; i++)
		if (!load_free(p, k->seg[i].paddr + delta, k->seg[i].memsz))
			return false;
	return true;
}

int layout_load(const struct guest_image *img, const struct kernel_layout *k, struct load_plan *p, uint64_t delta)
{
	for (unsigned i = 0; i < k->nseg; i++) {
		const struct kernel_segment *s = &k->seg[i];
		uint64_t dst = s->paddr + delta;
		int err = load_claim(p, dst, s->memsz, "the kernel");

		err = err ?: load_copy(p, dst, img->addr + s->offset, s->filesz, "the kernel");
		err = err ?: load_fill(p, dst + s->filesz, s->memsz - s->filesz, "the kernel's zeroed memory");
		if (err)
			return err;
	}
	return 0;
}

#define MAX_FILE_SECTIONS	32u

/*
 * Claim a place for a section that no segment loads.  Return its address, or 0 if there is none: the guest then does without.
 */
static uint64_t load_table(const struct guest_image *img, struct load_plan *p, uint64_t off, uint64_t size)
{
	uint64_t at;

	if (!size || !in_file(img, off, size))
		return 0;
	at = load_find(p, 0, size, PAGE_SIZE, LOAD_MIB, LOAD_4G, "a section of the file");
	return at && !load_copy(p, at, img->addr + off, size, "a section of the file") ? at : 0;
}

/* Symbols, strings, debugging information: multiboot1 3.3 wants all sections loaded. */
static bool wanted(uint32_t type, uint64_t flags, uint64_t addr)
{
	return !addr && type && type != ELF_NOBITS && !(flags & ELF_ALLOC);
}

static void load_section(const struct guest_image *img, struct load_plan *p, uint8_t *at, bool is64)
{
	struct elf64_section w;
	struct elf32_section n;

	if (is64) {
		memcpy(&w, at, sizeof(w));
		if (wanted(w.type, w.flags, w.addr))
			w.addr = load_table(img, p, w.offset, w.size);
		memcpy(at, &w, sizeof(w));
	} else {
		memcpy(&n, at, sizeof(n));
		if (wanted(n.type, n.flags, n.addr))
			n.addr = (uint32_t)load_table(img, p, n.offset, n.size);
		memcpy(at, &n, sizeof(n));
	}
}

bool layout_sections(const struct guest_image *img, const struct kernel_layout *k, struct load_plan *p, struct load_blob *o,
		     uint32_t *at)
{
	unsigned loaded = 0;

	if (!k->shnum)
		return false;
	*at = blob_add(o, img->data + k->shoff, k->shnum * k->shentsize, 4);
	for (unsigned i = 0; i < k->shnum && !o->overflow && loaded < MAX_FILE_SECTIONS; i++) {
		unsigned before = p->nclaims;

		load_section(img, p, o->buf + *at + i * k->shentsize, k->elf64);
		loaded += p->nclaims - before;
	}
	return true;
}
