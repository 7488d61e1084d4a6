/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Claim guest memory, and move data between places that overlap (contract in load_plan.h).  Kernel formats are not known here.
 */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/load/load_plan.h"
#include "hv/boot/multiboot2.h"

#define ULL(x)	((unsigned long long)(x))

struct load_plan load_plan START_ONLY;

static bool overlap(uint64_t a, uint64_t asize, uint64_t b, uint64_t bsize)
{
	return asize && bsize && a < b + bsize && b < a + asize;
}

/* --- claims --- */

static void claim(struct load_plan *p, uint64_t base, uint64_t size, const char *what)
{
	p->claim[p->nclaims] = (struct mem_range){ base, size, MEM_USABLE };
	p->claim_what[p->nclaims++] = what;
}

void load_plan_init(struct load_plan *p, const struct boot_info *b)
{
	memset(p, 0, sizeof(*p));
	p->b = b;
	claim(p, 0, PAGE_SIZE, "the BIOS's vectors and data");
	if (b->ebda && b->ebda < 0xa0000)
		claim(p, b->ebda, 0xa0000 - b->ebda, "the extended BIOS data area");
}

/* Return the index of a claim that overlaps the place, or -1. */
static int claimed(const struct load_plan *p, uint64_t base, uint64_t size)
{
	for (unsigned i = 0; i < p->nclaims; i++)
		if (overlap(base, size, p->claim[i].base, p->claim[i].size))
			return (int)i;
	return -1;
}

bool load_free(const struct load_plan *p, uint64_t base, uint64_t size)
{
	struct mem_range r;

	return boot_info_usable(p->b, base, size, &r) && claimed(p, base, size) < 0 && gmem_valid(base, size);
}

static const char *type_name(const struct boot_info *b, const struct mem_range *r)
{
	static const char *const name[] = { "an address without memory", "memory that is not the guest's", "reserved memory",
					    "ACPI tables", "ACPI non-volatile memory", "bad memory" };

	if (boot_info_is_own(b, r->base, r->size))
		return "Veneer's own memory";
	return (unsigned)r->type < ARRAY_SIZE(name) ? name[r->type] : "reserved memory";
}

int load_claim(struct load_plan *p, uint64_t base, uint64_t size, const char *what)
{
	struct mem_range r;
	const char *in_way;
	int i;

	if (!size)
		return 0;
	if (p->nclaims == LOAD_MAX_CLAIMS) {
		log_err("guest: too many parts to load: no room in the plan for %s", what);
		return -ERR_INVAL;
	}
	if (load_free(p, base, size)) {
		claim(p, base, size, what);
		return 0;
	}
	i = claimed(p, base, size);
	if (i >= 0) {
		r = p->claim[i];
		in_way = p->claim_what[i];
	} else {
		boot_info_usable(p->b, base, size, &r);
		in_way = type_name(p->b, &r);
	}
	log_err("guest: %s needs %#llx-%#llx, where %s is (%#llx-%#llx)", what, ULL(base), ULL(base + size), in_way,
		ULL(r.base), ULL(r.base + r.size));
	return -ERR_INVAL;
}

uint64_t load_find(struct load_plan *p, unsigned how, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
		   const char *what)
{
	uint64_t at;

	if (p->nclaims == LOAD_MAX_CLAIMS)
		return 0;
	/* Avoid the modules if possible: a copy that overwrites no source needs no order. */
	at = boot_info_find_as(p->b, how, size, align, min, max, p->claim, p->nclaims);
	if (!at)
		at = boot_info_find_as(p->b, how | BOOT_FIND_OVER_MODULES, size, align, min, max, p->claim, p->nclaims);
	if (!at || !gmem_valid(at, size))
		return 0;
	claim(p, at, size, what);
	return at;
}

int load_no_room(const char *what, uint64_t size, uint64_t max)
{
	log_err("guest: no free place for %s: %#llx bytes in one piece below %#llx", what, ULL(size), ULL(max));
	return -ERR_NOMEM;
}

/* --- moves --- */

static int add_move(struct load_plan *p, struct load_move m)
{
	if (!m.len || (!m.fill && m.dst == m.src))
		return 0;
	if (p->nmoves == LOAD_MAX_MOVES) {
		log_err("guest: too many parts to load: no room in the plan for %s", m.what);
		return -ERR_NOMEM;
	}
	p->move[p->nmoves++] = m;
	return 0;
}

int load_copy(struct load_plan *p, uint64_t dst, uint64_t src, uint64_t len, const char *what)
{
	return add_move(p, (struct load_move){ .dst = dst, .src = src, .len = len, .what = what });
}

int load_fill(struct load_plan *p, uint64_t dst, uint64_t len, const char *what)
{
	return add_move(p, (struct load_move){ .dst = dst, .len = len, .what = what, .fill = true });
}

/* A source may be in Veneer's own memory, which is not guest memory. */
static const void *source(uint64_t src, uint64_t len)
{
	const void *p = gmem_ptr(src, len);

	return p ? p : (const void *)(uintptr_t)src;
}

/* True if @m would overwrite the source of another move that is not done. */
static bool blocked(const struct load_plan *p, const struct load_move *m)
{
	for (unsigned i = 0; i < p->nmoves; i++) {
		const struct load_move *o = &p->move[i];

		if (o != m && !o->done && !o->fill && overlap(m->dst, m->len, o->src, o->len))
			return true;
	}
	return false;
}

/* True if @m's source lies in the destination of another move. */
static bool in_the_way(const struct load_plan *p, const struct load_move *m)
{
	for (unsigned i = 0; i < p->nmoves; i++) {
		const struct load_move *o = &p->move[i];

		if (o != m && !o->done && overlap(o->dst, o->len, m->src, m->len))
			return true;
	}
	return false;
}

static void carry_out(struct load_move *m)
{
	void *dst = gmem_ptr(m->dst, m->len);

	if (m->fill)
		memset(dst, 0, m->len);
	else
		memmove(dst, source(m->src, m->len), m->len);
	m->done = true;
}

/* Break a circle: move the smallest source that lies in another's destination to a free place. */
static int make_way(struct load_plan *p)
{
	struct load_move *best = NULL;
	uint64_t at;

	for (unsigned i = 0; i < p->nmoves; i++) {
		struct load_move *m = &p->move[i];

		if (!m->done && !m->fill && (!best || m->len < best->len) && in_the_way(p, m))
			best = m;
	}
	/* The other sources lie in the modules' places: do not overwrite them. */
	at = !best || p->nclaims == LOAD_MAX_CLAIMS ? 0 :
	     boot_info_find(p->b, best->len, PAGE_SIZE, LOAD_MIB, ~0ull, p->claim, p->nclaims);
	if (!at || !gmem_valid(at, best->len)) {
		log_err("guest: no free memory to move %s aside for a moment", best ? best->what : "a part");
		return -ERR_NOMEM;
	}
	claim(p, at, best->len, "a part moved aside");
	memcpy(gmem_ptr(at, best->len), source(best->src, best->len), best->len);
	best->src = at;
	return 0;
}

static int check_moves(const struct load_plan *p)
{
	for (unsigned i = 0; i < p->nmoves; i++) {
		const struct load_move *m = &p->move[i];

		if (gmem_valid(m->dst, m->len))
			continue;
		log_err("guest: %s would go to %#llx-%#llx, which is not guest memory", m->what, ULL(m->dst),
			ULL(m->dst + m->len));
		return -ERR_FAULT;
	}
	return 0;
}

int load_plan_run(struct load_plan *p)
{
	unsigned left = p->nmoves;
	int err = check_moves(p);

	while (!err && left) {
		unsigned before = left;

		for (unsigned i = 0; i < p->nmoves; i++) {
			if (p->move[i].done || blocked(p, &p->move[i]))
				continue;
			carry_out(&p->move[i]);
			left--;
		}
		if (left == before)
			err = make_way(p);
	}
	return err;
}

/* --- what the multiboot loaders share --- */

int load_modules(struct load_plan *p, const struct guest_image *img, uint64_t after, uint64_t *place)
{
	const char *what = "a module";

	for (unsigned i = 0; i < img->nmodules; i++) {
		const struct boot_module *m = img->module[i];
		uint64_t size = ALIGN_UP(m->size, PAGE_SIZE), at = m->addr;
		int err;

		place[i] = at;
		if (!size)
			continue;
		if (IS_ALIGNED(at, PAGE_SIZE) && at >= LOAD_MIB && at + size <= LOAD_4G && load_free(p, at, size)) {
			err = load_claim(p, at, size, what);
		} else {
			at = load_find(p, 0, size, PAGE_SIZE, MAX(after, LOAD_MIB), LOAD_4G, what);
			if (!at)
				at = load_find(p, 0, size, PAGE_SIZE, LOAD_MIB, LOAD_4G, what);
			err = at ? 0 : load_no_room(what, size, LOAD_4G);
		}
		err = err ?: load_copy(p, at, m->addr, m->size, what);
		if (err)
			return err;
		place[i] = at;
	}
	return 0;
}

int blob_new(struct load_blob *o, struct load_plan *p, uint32_t size, const char *what)
{
	memset(o, 0, sizeof(*o));
	/* Low, as GRUB does: small kernels map little memory before they read these tables. */
	o->gpa = load_find(p, 0, size, PAGE_SIZE, LOAD_LOW_START, LOAD_LOW_END, what);
	if (!o->gpa)
		o->gpa = load_find(p, 0, size, PAGE_SIZE, LOAD_MIB, LOAD_4G, what);
	if (!o->gpa)
		return load_no_room(what, size, LOAD_4G);
	o->size = size;
	o->buf = mem_alloc(size, PAGE_SIZE);
	if (o->buf)
		return 0;
	log_err("guest: no memory of Veneer's own to build %s (%u bytes)", what, size);
	return -ERR_NOMEM;
}

uint32_t blob_add(struct load_blob *o, const void *data, uint32_t size, uint32_t align)
{
	uint32_t at = ALIGN_UP(o->used, align);

	if (o->overflow || at > o->size || size > o->size - at) {
		o->overflow = true;
		return 0;
	}
	if (data)
		memcpy(o->buf + at, data, size);
	o->used = at + size;
	return at;
}

uint32_t blob_add_string(struct load_blob *o, const char *s)
{
	return blob_add(o, s, (uint32_t)strlen(s) + 1, 1);
}

int blob_finish(struct load_blob *o, struct load_plan *p, int err, const char *what)
{
	if (!err && o->overflow) {
		log_err("guest: %s is longer than the %u bytes planned", what, o->size);
		err = -ERR_NOMEM;
	}
	if (!err)
		err = load_copy(p, o->gpa, (uintptr_t)o->buf, o->used, what);
	if (!err)
		err = load_plan_run(p);
	mem_free(o->buf);
	o->buf = NULL;
	return err;
}

/* If a BIOS boot loader reports no screen, the text screen is active. */
static bool has_text_screen(const struct boot_info *b)
{
	return b->has_fb ? b->fb.type == MB2_FB_TEXT : !b->efi;
}

static bool mode_differs(const struct boot_info *b, const struct screen_wish *w)
{
	return (w->width && w->width != b->fb.width) || (w->height && w->height != b->fb.height) ||
	       (w->depth && w->depth != b->fb.bpp);
}

static const char *understood(const struct screen_wish *w)
{
	if (w->graphics)
		return w->text ? "a framebuffer or text" : "a framebuffer";
	return w->text ? "text" : "none named";
}

int load_check_screen(const struct boot_info *b, const struct screen_wish *w, const char *protocol)
{
	bool graphics = b->has_fb && b->fb.type != MB2_FB_TEXT, text = has_text_screen(b);
	const char *what = text ? "a text screen" : graphics ? "a framebuffer" : "no screen that the boot loader tells of";

	if (w->graphics_required && !graphics) {
		log_err("guest: the %s header requires a framebuffer (%ux%u, %u bits), and this machine started with %s: "
			"set gfxpayload in GRUB's menu entry, after the line that loads veneer.elf", protocol, w->width,
			w->height, w->depth, what);
		return -ERR_NOTSUP;
	}
	if (w->any_required && !(w->graphics && graphics) && !(w->text && text)) {
		log_err("guest: the %s header requires a screen that the kernel understands (%s), and this machine started "
			"with %s: set gfxpayload in GRUB's menu entry, after the line that loads veneer.elf", protocol,
			understood(w), what);
		return -ERR_NOTSUP;
	}
	if (w->graphics && !graphics)
		log_warn("guest: the %s header asks for a framebuffer (%ux%u, %u bits): there is %s", protocol, w->width,
			 w->height, w->depth, what);
	else if (w->graphics && mode_differs(b, w))
		log_warn("guest: the %s header asks for %ux%u, %u bits: the boot loader chose %ux%u, %u bits", protocol,
			 w->width, w->height, w->depth, b->fb.width, b->fb.height, b->fb.bpp);
	return 0;
}
