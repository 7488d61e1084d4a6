/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load kernels of the Limine boot protocol: place the ELF file in one piece of memory, relocate it, find its tags, and make the
 * state at the kernel's entry.  Memory map, page tables and responses are in load_limine_map.c and load_limine_info.c.
 *
 * The protocol's requests and responses are in the loaded image; so the plan runs first, with the kernel, the kernel's file and
 * the modules, and all other data is made afterwards in the guest's free memory.  If anything is wrong then, the guest is not
 * started.
 */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/exit/symbols.h"
#include "hv/load/limine.h"

#define ULL(x)			((unsigned long long)(x))
#define KERNEL			"the kernel"
#define CHUNK			0x20000ull	/* of the arena, at least */
#define MAX_ALIGN		0x40000000ull

#define COMMON_A		0xc7b1dd30df4c8b88ull
#define COMMON_B		0x0a82e883a194f07bull
#define BASE_A			0xf9562b2d5c95a6c8ull
#define BASE_B			0x6a7b384944536bdcull
#define STACK_SIZE_A		0x224ef0460a8e8926ull
#define STACK_SIZE_B		0xe1cb0fc25f46ea3dull
#define ENTRY_A			0x13d86c035a1cd3e1ull
#define ENTRY_B			0x2b0caa89d8f3026aull
#define MAX_STACK		(64ull << 20)
static const uint64_t start_marker[4] = { 0xf6b8f4b39de7d1ae, 0xfab91a6940fcb9cf, 0x785c6ed015d3e316, 0x181e920a7852b9d9 };
static const uint64_t end_marker[2] = { 0xadc0e0531bb10d03, 0x9572709f31764c62 };

#define DT_PLTRELSZ		2
#define DT_SYMTAB		6
#define DT_RELA			7
#define DT_RELASZ		8
#define DT_JMPREL		23
#define DT_RELRSZ		35
#define DT_RELR			36
#define DT_KNOWN		37
#define R_NONE			0u
#define R_64			1u
#define R_GLOB_DAT		6u
#define R_JUMP_SLOT		7u
#define R_RELATIVE		8u

/* The GDT that the protocol describes: null, 16-, 32- and 64-bit code and data. */
static const uint64_t gdt[7] = { 0, 0x00009b000000ffff, 0x000093000000ffff, 0x00cf9b000000ffff, 0x00cf93000000ffff,
				 0x00af9b000000ffff, 0x00cf93000000ffff };
#define CODE32			0x18
#define CODE64			0x28
#define DATA64			0x30
#define SEG_ATTR_CODE64		0xa9b
#define PAT			0x0000010500070406ull	/* WB WT UC- UC WP WC, and two that nobody names */

extern const uint8_t limine_stub[];
extern const uint32_t limine_stub_size, limine_stub_ap32_at, limine_stub_ap64_at;

/* Of them one runs, once. */
static struct limine limine START_ONLY;
static struct limine_machine machine START_ONLY;
static struct kernel_layout layout START_ONLY;

static uint64_t word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void set_word(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* --- the file --- */

/* True if [@off, @off + @size) of the file has a tag of the protocol; the alignment in the file is that in the image. */
static bool has_tag(const struct guest_image *img, uint64_t off, uint64_t size)
{
	uint64_t end;

	if (off > img->size)
		return false;
	end = off + MIN(size, img->size - off);
	for (off = ALIGN_UP(off, 8); off < end && end - off >= 16; off += 8) {
		uint64_t a = word(img->data + off), b = word(img->data + off + 8);

		if ((a == BASE_A && b == BASE_B) || (a == COMMON_A && b == COMMON_B))
			return true;
	}
	return false;
}

/* True if a later format recognizes the file. */
static bool detect_other(const struct guest_image *img)
{
	return (IS_ENABLED(CONFIG_BOOT_MULTIBOOT2) && guest_multiboot2.detect(img)) ||
	       (IS_ENABLED(CONFIG_BOOT_MULTIBOOT1) && guest_multiboot1.detect(img)) ||
	       (IS_ENABLED(CONFIG_BOOT_PVH) && guest_pvh.detect(img));
}

/*
 * True if a loaded segment has a tag.  A boot loader that another protocol starts contains the words of a tag, too; such a file
 * is linked at an address that this protocol does not allow.
 */
static bool detect_limine(const struct guest_image *img)
{
	uint64_t low = ~0ull;
	struct elf64_header h;
	bool tag = false;

	if (!elf_detect(img) || img->size < sizeof(h))
		return false;
	memcpy(&h, img->data, sizeof(h));
	if (h.ident.class != ELF_CLASS64 || h.ident.machine != ELF_X86_64 || h.phentsize < sizeof(struct elf64_segment) ||
	    h.phoff > img->size || h.phnum * (uint64_t)h.phentsize > img->size - h.phoff)
		return false;
	for (unsigned i = 0; i < h.phnum; i++) {
		struct elf64_segment s = elf_segment(img, &h, i);

		if (s.type != ELF_PT_LOAD)
			continue;
		low = MIN(low, s.vaddr);
		tag = tag || has_tag(img, s.offset, s.filesz);
	}
	return tag && (h.ident.type == ELF_DYN || low >= LIMINE_KERNEL_SPACE || !detect_other(img));
}

static int bad_segment(const struct elf64_segment *s, const char *wrong)
{
	log_err("guest: kernel segment at %#llx (%#llx bytes, file offset %#llx) %s", ULL(s->vaddr), ULL(s->memsz),
		ULL(s->offset), wrong);
	return -ERR_INVAL;
}

static int add_segment(struct limine *l, const struct elf64_segment *s)
{
	struct kernel_layout *k = l->k;

	if (k->nseg == KERNEL_MAX_SEGMENTS)
		return bad_segment(s, "is one more than can be loaded");
	if (s->filesz > s->memsz)
		return bad_segment(s, "has more bytes in the file than in memory");
	if (s->offset > l->img->size || s->filesz > l->img->size - s->offset)
		return bad_segment(s, "ends behind the end of the file (is the file complete?)");
	if (s->vaddr + s->memsz < s->vaddr || s->memsz >= LOAD_4G)
		return bad_segment(s, "ends behind the last address");
	l->flags[k->nseg] = s->flags;
	k->seg[k->nseg++] = (struct kernel_segment){ .vaddr = s->vaddr, .offset = s->offset, .filesz = s->filesz,
						     .memsz = s->memsz };
	return 0;
}

/* Set the image's beginning and end in the address space; move a relocatable file up there. */
static int place_image(struct limine *l, uint64_t low, uint64_t high, uint64_t align, bool relocatable)
{
	if (align > MAX_ALIGN || (align & (align - 1))) {
		log_err("guest: the kernel's segments want an alignment of %#llx", ULL(align));
		return -ERR_INVAL;
	}
	l->slide = relocatable && low < LIMINE_KERNEL_SPACE ? LIMINE_KERNEL_SPACE : 0;
	l->virt = ALIGN_DOWN(low + l->slide, align);
	if (low + l->slide < LIMINE_KERNEL_SPACE || high + l->slide < low + l->slide) {
		log_err("guest: the kernel is linked for %#llx-%#llx: a Limine kernel lies at or above %#llx, or is "
			"relocatable", ULL(low), ULL(high), LIMINE_KERNEL_SPACE);
		return -ERR_NOTSUP;
	}
	l->size = ALIGN_UP(high + l->slide - l->virt, PAGE_SIZE);
	return 0;
}

static int read_file(struct limine *l)
{
	uint64_t low = ~0ull, high = 0, align = PAGE_SIZE;
	struct kernel_layout *k = l->k;
	struct elf64_header h;
	int err = elf_header(l->img, &h);

	for (unsigned i = 0; !err && i < h.phnum; i++) {
		struct elf64_segment s = elf_segment(l->img, &h, i);

		if (s.type != ELF_PT_LOAD || !s.memsz)
			continue;
		err = add_segment(l, &s);
		low = MIN(low, s.vaddr);
		high = MAX(high, s.vaddr + s.memsz);
		align = MAX(align, s.align);
	}
	if (!err && !k->nseg) {
		log_err("guest: the kernel's file has nothing to load");
		err = -ERR_INVAL;
	}
	err = err ?: place_image(l, low, high, align, h.ident.type == ELF_DYN);
	if (err)
		return err;
	k->elf64 = true;
	layout_note_sections(l->img, k, &h);
	l->entry = h.entry + l->slide;
	/* Paging is on: the loaders' "physical" address is the segment's place in the image. */
	for (unsigned i = 0; i < k->nseg; i++) {
		k->seg[i].paddr = k->seg[i].vaddr + l->slide - l->virt;
		if (k->seg[i].filesz)
			l->searched = MAX(l->searched, k->seg[i].paddr + k->seg[i].filesz);
	}
	l->phys = load_find(l->p, 0, l->size, align, LOAD_MIB, LOAD_4G, KERNEL);
	return l->phys ? 0 : load_no_room(KERNEL, l->size, LOAD_4G);
}

/* List copies of the segments, and fills between and behind them. */
static int list_moves(struct limine *l)
{
	int err = 0;

	for (unsigned i = 0; !err && i < l->k->nseg; i++) {
		const struct kernel_segment *s = &l->k->seg[i];

		for (unsigned j = 0; j < i; j++) {
			const struct kernel_segment *o = &l->k->seg[j];

			if (s->paddr < o->paddr + o->memsz && o->paddr < s->paddr + s->memsz) {
				log_err("guest: the kernel's segments at %#llx and %#llx overlap", ULL(o->vaddr),
					ULL(s->vaddr));
				return -ERR_INVAL;
			}
		}
		err = load_copy(l->p, l->phys + s->paddr, l->img->addr + s->offset, s->filesz, KERNEL);
	}
	return err;
}

/* Claim a place for the file, like that of a module: a request may ask for the file, but requests are not known yet. */
static int place_files(struct limine *l)
{
	const struct boot_module *all[BOOT_MAX_MODULES + 1];
	struct boot_module self = { l->img->addr, l->img->size, "" };
	struct guest_image files = *l->img;
	uint64_t place[BOOT_MAX_MODULES + 1];
	int err;

	memcpy(all, l->img->module, l->img->nmodules * sizeof(all[0]));
	all[l->img->nmodules] = &self;
	files.module = all;
	files.nmodules = l->img->nmodules + 1;
	err = load_modules(l->p, &files, l->phys + l->size, place);
	memcpy(l->module, place, l->img->nmodules * sizeof(place[0]));
	l->file = place[l->img->nmodules];
	return err;
}

/* Clear the gaps between the segments: the plan's fills and copies have no order. */
static void clear_gaps(struct limine *l)
{
	uint64_t at = 0;

	while (at < l->size) {
		uint64_t next = l->size, end = at;

		for (unsigned i = 0; i < l->k->nseg; i++) {
			const struct kernel_segment *s = &l->k->seg[i];

			if (s->paddr <= at && at < s->paddr + s->filesz)
				end = MAX(end, s->paddr + s->filesz);
			else if (s->paddr > at && s->filesz)
				next = MIN(next, s->paddr);
		}
		if (end == at) {
			memset(l->image + at, 0, next - at);
			end = next;
		}
		at = end;
	}
}

/* --- the loaded image --- */

static uint8_t *image_at(const struct limine *l, uint64_t addr, uint64_t size, uint64_t limit)
{
	uint64_t off = addr - l->virt;

	return addr >= l->virt && off <= limit && size <= limit - off ? l->image + off : NULL;
}

uint8_t *limine_image(const struct limine *l, uint64_t addr, uint64_t size)
{
	return image_at(l, addr, size, l->searched);
}

const char *limine_image_string(const struct limine *l, uint64_t addr)
{
	const char *s = (const char *)limine_image(l, addr, 1);
	uint64_t left = l->virt + l->searched - addr;

	return s && strnlen(s, left) < left ? s : NULL;
}

static int bad_relocation(const char *what, uint64_t value)
{
	log_err("guest: the kernel's relocations are wrong: %s (%#llx)", what, ULL(value));
	return -ERR_INVAL;
}

static int relocate_one(struct limine *l, const uint8_t *rela, uint64_t symbols)
{
	uint64_t info = word(rela + 8), value = word(rela + 16);
	uint8_t *at = image_at(l, word(rela) + l->slide, 8, l->size), *symbol;
	uint32_t type = (uint32_t)info;

	if (type == R_NONE)
		return 0;
	if (type != R_RELATIVE && type != R_64 && type != R_GLOB_DAT && type != R_JUMP_SLOT)
		return bad_relocation("a type that a kernel does not have", type);
	if (!at)
		return bad_relocation("a place outside of the image", word(rela));
	if (type == R_RELATIVE) {
		set_word(at, value + l->slide);
		return 0;
	}
	symbol = symbols ? image_at(l, symbols + l->slide + (info >> 32) * 24, 24, l->size) : NULL;
	if (!symbol || !(symbol[6] | symbol[7]))
		return bad_relocation("a symbol that the file does not define", info >> 32);
	set_word(at, word(symbol + 8) + l->slide + (type == R_64 ? value : 0));
	return 0;
}

static int relocate_table(struct limine *l, uint64_t addr, uint64_t size, uint64_t symbols)
{
	const uint8_t *table = size ? image_at(l, addr + l->slide, size, l->size) : NULL;
	int err = 0;

	if (size && !table)
		return bad_relocation("a table outside of the image", addr);
	for (uint64_t off = 0; !err && off + 24 <= size; off += 24)
		err = relocate_one(l, table + off, symbols);
	return err;
}

/* The packed form: an address, then bitmaps for the 63 words behind it. */
static int relocate_packed(struct limine *l, uint64_t addr, uint64_t size)
{
	const uint8_t *table = size ? image_at(l, addr + l->slide, size, l->size) : NULL;
	uint64_t where = 0;

	if (size && !table)
		return bad_relocation("a table outside of the image", addr);
	for (uint64_t off = 0; off + 8 <= size; off += 8) {
		uint64_t v = word(table + off), bits = v & 1 ? v >> 1 : 1;

		if (!(v & 1))
			where = v;
		for (unsigned i = 0; bits; bits >>= 1, i++) {
			uint8_t *at = image_at(l, where + i * 8 + l->slide, 8, l->size);

			if (!(bits & 1))
				continue;
			if (!at)
				return bad_relocation("a place outside of the image", where + i * 8);
			set_word(at, word(at) + l->slide);
		}
		where += v & 1 ? 63 * 8 : 8;
	}
	return 0;
}

static int relocate(struct limine *l)
{
	uint64_t dt[DT_KNOWN] = { 0 };
	struct elf64_header h;
	int err = elf_header(l->img, &h);

	if (err || h.ident.type != ELF_DYN)
		return err;
	for (unsigned i = 0; i < h.phnum; i++) {
		struct elf64_segment s = elf_segment(l->img, &h, i);

		if (s.type != ELF_PT_DYNAMIC)
			continue;
		for (uint64_t off = 0; off + 16 <= s.memsz; off += 16) {
			const uint8_t *d = image_at(l, s.vaddr + l->slide + off, 16, l->size);

			if (!d)
				return bad_relocation("a table outside of the image", s.vaddr);
			if (word(d) < DT_KNOWN)
				dt[word(d)] = word(d + 8);
			if (!word(d))
				break;
		}
	}
	err = relocate_table(l, dt[DT_RELA], dt[DT_RELASZ], dt[DT_SYMTAB]);
	err = err ?: relocate_table(l, dt[DT_JMPREL], dt[DT_PLTRELSZ], dt[DT_SYMTAB]);
	return err ?: relocate_packed(l, dt[DT_RELR], dt[DT_RELRSZ]);
}

/* --- the tags --- */

/* The result of a scan of the image; the counts are of tags that the markers exclude. */
struct tags {
	uint64_t base;			/* offset of the base revision tag; LIMINE_NONE */
	unsigned before, behind;
	bool ended;
};

static bool tag_is(const struct limine *l, uint64_t off, const uint64_t *tag, unsigned words)
{
	return off + words * 8 <= l->searched && !memcmp(l->image + off, tag, words * 8);
}

static int take_base(struct limine *l, struct tags *t, uint64_t off)
{
	if (t->base != LIMINE_NONE) {
		log_err("guest: the kernel has two base revision tags, at %#llx and %#llx", ULL(l->virt + t->base),
			ULL(l->virt + off));
		return -ERR_INVAL;
	}
	t->base = off;
	return 0;
}

static int take_request(struct limine *l, uint64_t off)
{
	const uint8_t *id = l->image + off;

	for (unsigned i = 0; i < l->nrequests; i++) {
		if (memcmp(l->image + l->request[i], id, 32) != 0)
			continue;
		log_err("guest: the kernel makes the request %#llx %#llx twice, at %#llx and %#llx", ULL(word(id + 16)),
			ULL(word(id + 24)), ULL(l->virt + l->request[i]), ULL(l->virt + off));
		return -ERR_INVAL;
	}
	if (l->nrequests == LIMINE_MAX_REQUESTS) {
		log_err("guest: the kernel makes more than %u requests", LIMINE_MAX_REQUESTS);
		return -ERR_INVAL;
	}
	l->request[l->nrequests++] = off;
	return 0;
}

static int scan(struct limine *l, struct tags *t)
{
	static const uint64_t base[2] = { BASE_A, BASE_B }, common[2] = { COMMON_A, COMMON_B };
	int err = 0;

	for (uint64_t off = 0; !err && off + 16 <= l->searched; off += 8) {
		if (tag_is(l, off, start_marker, 4) && !t->ended) {
			t->before += l->nrequests + (t->base != LIMINE_NONE);
			t->base = LIMINE_NONE;
			l->nrequests = 0;
		} else if (tag_is(l, off, end_marker, 2)) {
			t->ended = true;
		} else if (tag_is(l, off, base, 2) && off + 24 <= l->searched) {
			if (t->ended)
				t->behind++;
			else
				err = take_base(l, t, off);
		} else if (tag_is(l, off, common, 2) && off + 32 <= l->searched) {
			if (t->ended)
				t->behind++;
			else
				err = take_request(l, off);
		}
	}
	return err;
}

/* Revision 0 may list its requests in a section: pointers, 0 at the end.  False if there is none. */
static bool request_section(struct limine *l, int *err)
{
	const struct kernel_layout *k = l->k;
	const uint8_t *table = l->img->data + k->shoff;
	struct elf64_section names, s;

	*err = 0;
	if (!k->shnum || k->shstrndx >= k->shnum)
		return false;
	memcpy(&names, table + k->shstrndx * sizeof(names), sizeof(names));
	for (unsigned i = 0; i < k->shnum; i++) {
		static const char wanted[] = ".limine_reqs";

		memcpy(&s, table + i * sizeof(s), sizeof(s));
		if (names.offset > l->img->size || s.name > l->img->size - names.offset ||
		    sizeof(wanted) > l->img->size - names.offset - s.name ||
		    memcmp(l->img->data + names.offset + s.name, wanted, sizeof(wanted)) != 0)
			continue;
		l->nrequests = 0;
		for (uint64_t at = s.addr + l->slide; !*err; at += 8) {
			const uint8_t *p = limine_image(l, at, 8);
			const uint8_t *r = p ? limine_image(l, word(p), 32) : NULL;

			if (p && !word(p))
				break;
			if (!r || !IS_ALIGNED(word(p), 8)) {
				log_err("guest: the kernel's section .limine_reqs leads outside of its image, at %#llx",
					ULL(at));
				*err = -ERR_INVAL;
			} else {
				*err = take_request(l, word(p) - l->virt);
			}
		}
		return true;
	}
	return false;
}

static int find_requests(struct limine *l)
{
	struct tags t = { .base = LIMINE_NONE };
	uint64_t asked = 0;
	int err = scan(l, &t);

	if (err)
		return err;
	if (t.before || t.behind)
		log_warn("guest: %u tags before the start marker and %u behind the end marker are not seen", t.before,
			 t.behind);
	if (t.base != LIMINE_NONE)
		asked = word(l->image + t.base + 16);
	l->revision = MIN(asked, (uint64_t)LIMINE_LAST_REVISION);
	if (asked > l->revision)
		log_warn("guest: the kernel asks for base revision %llu, and gets %llu", ULL(asked), ULL(l->revision));
	if (t.base != LIMINE_NONE) {
		set_word(l->image + t.base + 8, l->revision);
		if (asked == l->revision)
			set_word(l->image + t.base + 16, 0);
	}
	if (!l->revision && request_section(l, &err) && err)
		return err;
	log_info("guest: Limine base revision %llu%s, %u requests, at %#llx, which is %#llx", ULL(l->revision),
		 t.base == LIMINE_NONE ? " (no tag)" : "", l->nrequests, ULL(l->virt), ULL(l->phys));
	return 0;
}

uint8_t *limine_request(const struct limine *l, uint64_t a, uint64_t b, uint64_t size)
{
	for (unsigned i = 0; i < l->nrequests; i++) {
		uint8_t *r = l->image + l->request[i];

		if (word(r + 16) == a && word(r + 24) == b)
			return size <= l->searched - l->request[i] ? r : NULL;
	}
	return NULL;
}

/* --- memory for what the kernel is given --- */

void *limine_take(struct limine *l, uint64_t size, uint64_t align, uint64_t *gpa)
{
	const char *what = "the Limine tables";
	uint64_t at = ALIGN_UP(l->arena.at, align), chunk = ALIGN_UP(MAX(size, CHUNK), PAGE_SIZE);
	void *p;

	if (at > l->arena.end || size > l->arena.end - at) {
		at = size < LOAD_4G ? load_find(l->p, 0, chunk, MAX(align, PAGE_SIZE), LOAD_MIB, LOAD_4G, what) : 0;
		if (!at) {
			load_no_room(what, size, LOAD_4G);
			return NULL;
		}
		l->arena.end = at + chunk;
	}
	l->arena.at = at + size;
	p = gmem_ptr(at, size);
	if (!p) {
		load_no_room(what, size, LOAD_4G);
		return NULL;
	}
	memset(p, 0, size);
	*gpa = at;
	return p;
}

/* --- the start --- */

/* Take the stack's size and the entry that the kernel requests. */
static int read_wishes(struct limine *l)
{
	uint8_t *r = limine_request(l, STACK_SIZE_A, STACK_SIZE_B, 56);
	const struct kernel_segment *s;

	l->stack_size = MAX(r ? word(r + 48) : 0, (uint64_t)LIMINE_STACK);
	if (l->stack_size > MAX_STACK) {
		log_err("guest: the kernel asks for a stack of %#llx bytes; at most %#llx", ULL(l->stack_size), MAX_STACK);
		return -ERR_INVAL;
	}
	l->stack_size = ALIGN_UP(l->stack_size, PAGE_SIZE);
	r = limine_request(l, ENTRY_A, ENTRY_B, 56);
	if (r)
		l->entry = word(r + 48);
	for (unsigned i = 0; i < l->k->nseg; i++) {
		s = &l->k->seg[i];
		if ((l->flags[i] & ELF_PF_X) && l->entry - l->virt >= s->paddr && l->entry - l->virt - s->paddr < s->memsz)
			return 0;
	}
	log_err("guest: the kernel's entry point %#llx lies in none of its executable segments", ULL(l->entry));
	return -ERR_INVAL;
}

/* Place the page, below 1 MiB, that enters the kernel and at which other processors begin. */
static int lay_stub(struct limine *l, uint64_t stack)
{
	const char *what = "the page where processors start";
	uint64_t gdtr = (l->gdt << 16) | (sizeof(gdt) - 1);
	uint32_t ap32, ap64;
	uint8_t *p;

	l->stub = load_find(l->p, 0, PAGE_SIZE, PAGE_SIZE, LOAD_LOW_START, LOAD_LOW_END, what);
	p = l->stub ? gmem_ptr(l->stub, PAGE_SIZE) : NULL;
	if (!p)
		return load_no_room(what, PAGE_SIZE, LOAD_LOW_END);
	memset(p, 0, PAGE_SIZE);
	memcpy(p, limine_stub, limine_stub_size);
	ap32 = (uint32_t)l->stub + limine_stub_ap32_at;
	ap64 = (uint32_t)l->stub + limine_stub_ap64_at;
	memcpy(p + LS_CR3, &(uint32_t){ (uint32_t)l->pml4 }, 4);
	memcpy(p + LS_EFER, &(uint32_t){ EFER_LME | (l->m->nx ? EFER_NXE : 0) }, 4);
	memcpy(p + LS_GDTR_LOW, &gdtr, 6);
	set_word(p + LS_FAR32, ap32 | (uint64_t)CODE32 << 32);
	set_word(p + LS_FAR64, ap64 | (uint64_t)CODE64 << 32);
	memcpy(p + LS_GDTR, &(uint16_t){ sizeof(gdt) - 1 }, 2);
	set_word(p + LS_GDTR + 2, l->gdt + LIMINE_HHDM);
	set_word(p + LS_ENTRY, l->entry);
	set_word(p + LS_STACK, stack);
	set_word(p + LS_PAT, PAT);
	set_word(p + LS_LAPIC, l->m->lapic);
	set_word(p + LS_TSC_MS, l->m->tsc_hz / 1000);
	memcpy(p + LS_APIC_MODE, &(uint32_t){ l->apic_mode }, 4);
	memcpy(p + LS_LVT, &(uint32_t){ l->revision >= 5 }, 4);
	set_word(p + LS_MP, l->mp);
	set_word(p + LS_LINT, l->lint);
	for (unsigned i = 0; i < l->m->ncpus; i++)
		if (l->m->cpu[i].apic_id == l->m->bsp_apic_id)
			memcpy(p + LS_LINT_NOW, l->m->cpu[i].lint, 8);
	memcpy(p + LS_NIOAPICS, &(uint32_t){ l->m->nioapics }, 4);
	memcpy(p + LS_IOAPIC_ALL, &(uint32_t){ l->revision >= 5 }, 4);
	memcpy(p + LS_IOAPIC, l->m->ioapic, l->m->nioapics * 4);
	return 0;
}

static void set_regs(const struct limine *l, struct vcpu_regs *regs, uint64_t stack)
{
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		regs->seg[i].selector = i == SEG_CS ? CODE64 : DATA64;
	regs->seg[SEG_CS].attr = SEG_ATTR_CODE64;
	regs->gdtr.base = l->gdt + LIMINE_HHDM;
	regs->gdtr.limit = sizeof(gdt) - 1;
	regs->cr3 = l->pml4;
	regs->cr4 = CR4_PAE;
	regs->cr0 |= CR0_PG | CR0_WP;
	regs->efer = EFER_LME | EFER_LMA | (l->m->nx ? EFER_NXE : 0);
	regs->rip = l->stub + LIMINE_STUB_CODE;
	regs->gpr[GPR_RSP] = stack;
}

static int make_gdt(struct limine *l, uint64_t *stack)
{
	void *g = limine_take(l, sizeof(gdt), 16, &l->gdt);

	if (!g || !limine_take(l, l->stack_size, PAGE_SIZE, stack))
		return -ERR_NOMEM;
	memcpy(g, gdt, sizeof(gdt));
	*stack += l->stack_size + LIMINE_HHDM;
	return 0;
}

/* Do everything after the kernel's placement; the guest's memory changes from here on. */
static int prepare(struct limine *l, struct vcpu_regs *regs)
{
	uint64_t stack = 0;
	int err = load_plan_run(l->p);

	l->image = err ? NULL : gmem_ptr(l->phys, l->size);
	if (!l->image)
		return err ?: -ERR_FAULT;
	clear_gaps(l);
	limine_ask_machine(l->m);
	err = relocate(l) ?: find_requests(l) ?: read_wishes(l);
	err = err ?: make_gdt(l, &stack);
	err = err ?: limine_answer(l);
	err = err ?: limine_build_tables(l);
	err = err ?: lay_stub(l, stack);
	err = err ?: limine_answer_map(l);
	if (!err)
		set_regs(l, regs, stack);
	return err;
}

static int load_limine(const struct guest_image *img, struct boot_info *b, struct vcpu_regs *regs)
{
	struct limine *l = &limine;
	int err;

	memset(l, 0, sizeof(*l));
	memset(&layout, 0, sizeof(layout));
	l->img = img;
	l->b = b;
	l->p = &load_plan;
	l->m = &machine;
	l->k = &layout;
	load_plan_init(l->p, b);
	l->nfirmware = l->p->nclaims;
	err = read_file(l) ?: list_moves(l) ?: place_files(l);
	if (err)
		return err;
	if (IS_ENABLED(CONFIG_CRASH_REPORT))
		symbols_keep(img, l->k, l->slide);
	/* Each paint adds two entries at most. */
	l->map.max = b->nranges + 2 * (LOAD_MAX_CLAIMS + ACPI_MAX_TABLES + 16);
	if (b->efi_desc_size)
		l->map.max += 2 * b->efi_map_size / b->efi_desc_size;
	l->map.entry = mem_alloc(l->map.max * sizeof(*l->map.entry), 8);
	if (!l->map.entry) {
		log_err("guest: no memory of Veneer's own for the kernel's memory map");
		return -ERR_NOMEM;
	}
	err = prepare(l, regs);
	mem_free(l->map.entry);
	return err;
}

const struct guest_format guest_limine = {
	.name = "Limine", .protocol = PROTOCOL_LIMINE, .detect = detect_limine, .load = load_limine
};
