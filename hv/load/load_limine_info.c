/* SPDX-License-Identifier: BSD-2-Clause */
/* The responses to a Limine kernel's requests.  Unknown requests stay unchanged, so the kernel finds no response. */
#include <veneer/build.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/boot/multiboot2.h"
#include "hv/load/limine.h"

#define ULL(x)			((unsigned long long)(x))
#define FIRMWARE_BIOS		0u
#define FIRMWARE_EFI32		1u
#define FIRMWARE_EFI64		2u
#define MODEL_RGB		1u
#define MP_WANTS_X2APIC		BIT64(0)
#define MODULE_REQUIRED		BIT64(0)
#define MODULE_REVISION		1u		/* 2 would promise to decompress modules */
#define HASH_DIGITS		128u
#define FRAMEBUFFER_REVISION	1u		/* with modes */
#define REQUEST_SIZE		48u
#define RESPONSE		40u		/* in a request */
#define XAPIC_IDS		255u

static uint64_t word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Take guest memory, with the kernel's pointer to it in the direct map. */
static void *take(struct limine *l, uint64_t size, uint64_t *pointer)
{
	void *p = limine_take(l, size, 16, pointer);

	*pointer += LIMINE_HHDM;
	return p;
}

static uint64_t take_string(struct limine *l, const char *s)
{
	uint64_t pointer;
	char *p = take(l, strlen(s) + 1, &pointer);

	if (p)
		memcpy(p, s, strlen(s) + 1);
	return p ? pointer : 0;
}

/* A response at @pointer. */
static int respond(uint8_t *request, uint64_t pointer)
{
	memcpy(request + RESPONSE, &pointer, sizeof(pointer));
	return 0;
}

static int respond_as(struct limine *l, uint8_t *request, uint64_t revision, const uint64_t w[4])
{
	uint64_t pointer;
	struct limine_response *r = take(l, sizeof(*r), &pointer);

	if (!r)
		return -ERR_NOMEM;
	*r = (struct limine_response){ revision, { w[0], w[1], w[2], w[3] } };
	return respond(request, pointer);
}

static int respond_words(struct limine *l, uint8_t *request, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return respond_as(l, request, 0, (uint64_t[4]){ a, b, c, d });
}

/* --- the simple ones --- */

static int loader_info(struct limine *l, uint8_t *q)
{
	return respond_words(l, q, take_string(l, "Veneer"), take_string(l, veneer_version), 0, 0);
}

static int cmdline(struct limine *l, uint8_t *q)
{
	return respond_words(l, q, take_string(l, l->img->cmdline), 0, 0, 0);
}

static int firmware_type(struct limine *l, uint8_t *q)
{
	return respond_words(l, q, !l->b->efi ? FIRMWARE_BIOS : l->b->efi32 ? FIRMWARE_EFI32 : FIRMWARE_EFI64, 0, 0, 0);
}

/* load_limine.c has carried it out. */
static int carried_out(struct limine *l, uint8_t *q)
{
	return respond_words(l, q, 0, 0, 0, 0);
}

static int direct_map(struct limine *l, uint8_t *q)
{
	return respond_words(l, q, LIMINE_HHDM, 0, 0, 0);
}

static int executable_address(struct limine *l, uint8_t *q)
{
	return respond_words(l, q, l->phys, l->virt, 0, 0);
}

static int date(struct limine *l, uint8_t *q)
{
	if (l->m->date)
		return respond_words(l, q, (uint64_t)l->m->date, 0, 0, 0);
	log_warn("guest: the CMOS clock tells no date: the kernel gets none");
	return 0;
}

static int tsc_frequency(struct limine *l, uint8_t *q)
{
	return respond_words(l, q, l->m->tsc_hz, 0, 0, 0);
}

/* --- the firmware's tables --- */

static uint64_t mapped(const struct limine *l, uint64_t addr, unsigned physical_from, unsigned mapped_from)
{
	return !addr || (l->revision >= physical_from && l->revision < mapped_from) ? addr : addr + LIMINE_HHDM;
}

static int rsdp(struct limine *l, uint8_t *q)
{
	const struct boot_info *b = l->b;
	uint64_t addr = b->rsdp;
	void *copy;

	if (!b->rsdp_size)
		return 0;
	/* The guest cannot see our own copy of the RSDP. */
	if (addr == (uintptr_t)b->rsdp_copy) {
		copy = limine_take(l, sizeof(b->rsdp_copy), 16, &addr);
		if (!copy)
			return -ERR_NOMEM;
		memcpy(copy, b->rsdp_copy, b->rsdp_size);
	}
	return respond_words(l, q, mapped(l, addr, 3, 4), 0, 0, 0);
}

static int smbios(struct limine *l, uint8_t *q)
{
	const struct boot_info *b = l->b;

	if (!b->smbios[0].entry && !b->smbios[1].entry)
		return 0;
	return respond_words(l, q, mapped(l, b->smbios[0].entry, 3, 5), mapped(l, b->smbios[1].entry, 3, 5), 0, 0);
}

static int efi_system_table(struct limine *l, uint8_t *q)
{
	return l->b->efi ? respond_words(l, q, mapped(l, l->b->efi_systab, 3, 5), 0, 0, 0) : 0;
}

static int efi_map(struct limine *l, uint8_t *q)
{
	const struct boot_info *b = l->b;
	uint64_t pointer;
	void *map;

	if (!b->efi || !b->efi_map_size)
		return 0;
	map = take(l, b->efi_map_size, &pointer);
	if (!map)
		return -ERR_NOMEM;
	memcpy(map, b->efi_map, b->efi_map_size);
	return respond_words(l, q, pointer, b->efi_map_size, b->efi_desc_size, b->efi_desc_version);
}

/* --- the screen --- */

static int framebuffer(struct limine *l, uint8_t *q)
{
	const struct boot_info *b = l->b;
	uint64_t screen_at, mode_at, modes_at, list_at, *list, *modes;
	struct limine_framebuffer *f;
	struct limine_mode *m;

	if (!b->has_fb || b->fb.type != MB2_FB_RGB) {
		log_warn("guest: the kernel asks for a framebuffer: this machine started without one");
		return 0;
	}
	f = take(l, sizeof(*f), &screen_at);
	m = take(l, sizeof(*m), &mode_at);
	modes = take(l, sizeof(*modes), &modes_at);
	list = take(l, sizeof(*list), &list_at);
	if (!f || !m || !modes || !list)
		return -ERR_NOMEM;
	*m = (struct limine_mode){ .pitch = b->fb.pitch, .width = b->fb.width, .height = b->fb.height, .bpp = b->fb.bpp,
		.model = MODEL_RGB, .red_size = b->fb.red_size, .red_shift = b->fb.red_pos, .green_size = b->fb.green_size,
		.green_shift = b->fb.green_pos, .blue_size = b->fb.blue_size, .blue_shift = b->fb.blue_pos };
	*f = (struct limine_framebuffer){ .address = b->fb.addr + LIMINE_HHDM, .width = m->width, .height = m->height,
		.pitch = m->pitch, .bpp = m->bpp, .model = MODEL_RGB, .red_size = m->red_size, .red_shift = m->red_shift,
		.green_size = m->green_size, .green_shift = m->green_shift, .blue_size = m->blue_size,
		.blue_shift = m->blue_shift, .mode_count = 1, .modes = modes_at };
	*modes = mode_at;
	*list = screen_at;
	return respond_as(l, q, FRAMEBUFFER_REVISION, (uint64_t[4]){ 1, list_at });
}

/* Four levels: refuse a kernel that needs five. */
static int paging_mode(struct limine *l, uint8_t *q)
{
	uint64_t revision = word(q + 32), min = 0, max = word(q + 48);

	if (revision >= 1 && limine_image(l, l->virt + (uint64_t)(q - l->image), 72)) {
		max = word(q + 56);
		min = word(q + 64);
	}
	if (max < min) {
		log_err("guest: the kernel's paging request has a maximum (%llu) below its minimum (%llu)", ULL(max), ULL(min));
		return -ERR_INVAL;
	}
	if (min) {
		log_err("guest: the kernel cannot do with less than five levels of page tables (minimum mode %llu): Veneer "
			"starts Limine kernels with four", ULL(min));
		return -ERR_NOTSUP;
	}
	return respond_words(l, q, 0, 0, 0, 0);
}

/* --- files --- */

static int take_file(struct limine *l, uint64_t addr, uint64_t size, uint64_t path, uint64_t string, uint64_t *pointer)
{
	struct limine_file *f = take(l, sizeof(*f), pointer);

	if (!f)
		return -ERR_NOMEM;
	*f = (struct limine_file){ .address = addr + LIMINE_HHDM, .size = size, .path = path, .string = string };
	return path && string ? 0 : -ERR_NOMEM;
}

static int executable_file(struct limine *l, uint8_t *q)
{
	uint64_t file;
	int err = take_file(l, l->file, l->img->size, take_string(l, "/kernel"), take_string(l, l->img->cmdline), &file);

	return err ?: respond_words(l, q, file, 0, 0, 0);
}

/* Return the path on a module's line: the first word, if it begins with a slash. *@len becomes its length, else 0. */
static const char *line_path(const char *line, size_t *len)
{
	for (*len = 0; *line == '/' && line[*len] && line[*len] != ' '; (*len)++)
		;
	return line;
}

/* The string is what follows the path, else the whole line. */
static int take_module(struct limine *l, unsigned i, const char *string, uint64_t *pointer)
{
	const struct boot_module *m = l->img->module[i];
	char path[BOOT_MAX_CMDLINE];
	size_t len;
	const char *line = line_path(m->cmdline, &len);

	if (len)
		fmt_string(path, sizeof(path), "%.*s", (int)len, line);
	else
		fmt_string(path, sizeof(path), "/module%u", i);
	if (!string)
		for (string = line + len; len && *string == ' '; string++)
			;
	return take_file(l, l->module[i], m->size, take_string(l, path), take_string(l, string), pointer);
}

static bool hex_digit(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Return the length of a path without the file's hash that may follow: '#' and hexadecimal digits. */
static size_t without_hash(const char *path)
{
	size_t n = strlen(path), digits = 0;

	while (digits < n && hex_digit(path[n - 1 - digits]))
		digits++;
	return digits == HASH_DIGITS && n > digits && path[n - 1 - digits] == '#' ? n - 1 - digits : n;
}

/* True if the kernel's @path, relative to the kernel's folder or absolute, can be the path on a module's line. */
static bool same_path(const char *line, const char *path)
{
	size_t len, n;

	while (path[0] == '.' && path[1] == '/')
		path += 2;
	while (*path == '/')
		path++;
	n = without_hash(path);
	line_path(line, &len);
	return n && len > n && line[len - n - 1] == '/' && !memcmp(line + len - n, path, n);
}

/* The modules that the kernel itself names (request revision 1) come first. */
static int internal_modules(struct limine *l, const uint8_t *q, uint64_t *list, unsigned *n, bool *used)
{
	uint64_t count = 0, array = 0;
	int err = 0;

	if (word(q + 32) >= 1 && limine_image(l, l->virt + (uint64_t)(q - l->image), 64)) {
		count = word(q + REQUEST_SIZE);
		array = word(q + REQUEST_SIZE + 8);
	}
	for (uint64_t i = 0; !err && i < count; i++) {
		const uint8_t *at = limine_image(l, array + i * 8, 8), *m = at ? limine_image(l, word(at), 24) : NULL;
		const char *path = m ? limine_image_string(l, word(m)) : NULL;
		const char *string = m ? limine_image_string(l, word(m + 8)) : NULL;
		unsigned k = 0;

		if (!path || !string) {
			log_err("guest: the kernel's internal module %llu of %llu is not in its image", ULL(i), ULL(count));
			return -ERR_INVAL;
		}
		while (k < l->img->nmodules && (used[k] || !same_path(l->img->module[k]->cmdline, path)))
			k++;
		if (k < l->img->nmodules) {
			used[k] = true;
			err = take_module(l, k, string, &list[(*n)++]);
		} else if (word(m + 16) & MODULE_REQUIRED) {
			log_err("guest: the kernel requires the module \"%s\": no module's line begins with that path", path);
			return -ERR_NOTSUP;
		}
	}
	return err;
}

static int modules(struct limine *l, uint8_t *q)
{
	uint64_t pointer, *list;
	bool used[BOOT_MAX_MODULES] = { false };
	unsigned n = 0;
	int err;

	list = take(l, (BOOT_MAX_MODULES + 1) * sizeof(*list), &pointer);
	err = list ? internal_modules(l, q, list, &n, used) : -ERR_NOMEM;
	for (unsigned i = 0; !err && i < l->img->nmodules; i++)
		if (!used[i])
			err = take_module(l, i, NULL, &list[n++]);
	if (err || !n)
		return err;
	return respond_as(l, q, MODULE_REVISION, (uint64_t[4]){ n, pointer });
}

/* --- processors --- */

static bool must_stay_x2apic(const struct limine_machine *m)
{
	for (unsigned i = 0; i < m->ncpus; i++)
		if (m->cpu[i].apic_id >= XAPIC_IDS)
			return true;
	return false;
}

/* Make the list, with a stack for each processor but the first.  The stub starts them, and drops those that do not arrive. */
static int processors(struct limine *l, uint8_t *q)
{
	bool x2 = (word(q + REQUEST_SIZE) & MP_WANTS_X2APIC) && l->m->x2apic_there;
	uint64_t at, list_at, stacks, lint_at, *list;
	struct limine_cpu *c;
	struct limine_mp *mp;
	uint32_t (*lint)[2];

	if (!x2 && l->m->x2apic_on && must_stay_x2apic(l->m)) {
		log_err("guest: the kernel does not ask for x2APIC mode, without which processors of APIC id %u and above "
			"cannot be reached", XAPIC_IDS);
		return -ERR_NOTSUP;
	}
	mp = take(l, sizeof(*mp), &l->mp);
	c = take(l, l->m->ncpus * sizeof(*c), &at);
	list = take(l, l->m->ncpus * sizeof(*list), &list_at);
	lint = take(l, l->m->ncpus * sizeof(*lint), &lint_at);
	if (!mp || !c || !list || !lint || !limine_take(l, l->m->ncpus * l->stack_size, PAGE_SIZE, &stacks))
		return -ERR_NOMEM;
	for (unsigned i = 0; i < l->m->ncpus; i++) {
		c[i].processor_id = l->m->cpu[i].uid;
		c[i].lapic_id = l->m->cpu[i].apic_id;
		if (c[i].lapic_id != l->m->bsp_apic_id)
			c[i].stack = stacks + LIMINE_HHDM + (i + 1) * l->stack_size;
		list[i] = at + i * sizeof(*c);
		memcpy(lint[i], l->m->cpu[i].lint, sizeof(lint[i]));
	}
	*mp = (struct limine_mp){ 0, x2, l->m->bsp_apic_id, l->m->ncpus, list_at };
	l->lint = lint_at;
	l->apic_mode = x2 ? LIMINE_APIC_X2APIC : l->apic_mode;
	return respond(q, l->mp);
}

/* --- all of them --- */

static const struct {
	uint64_t id[2];
	uint64_t size;
	int (*answer)(struct limine *l, uint8_t *q);
} answers[] = {
	{ { 0x95c1a0edab0944cb, 0xa4e5cb3842f7488a }, 56, paging_mode },
	{ { 0x13d86c035a1cd3e1, 0x2b0caa89d8f3026a }, 56, carried_out },	/* entry point */
	{ { 0x224ef0460a8e8926, 0xe1cb0fc25f46ea3d }, 56, carried_out },	/* stack size */
	{ { 0xf55038d8e2a1202f, 0x279426fcf5f59740 }, 48, loader_info },
	{ { 0x4b161536e598651e, 0xb390ad4a2f1f303a }, 48, cmdline },
	{ { 0x8c2f75d90bef28a8, 0x7045a4688eac00c3 }, 48, firmware_type },
	{ { 0x71ba76863cc55f63, 0xb2644a48c516a487 }, 48, executable_address },
	{ { 0x48dcf1cb8ad2b852, 0x63984e959a98244b }, 48, direct_map },
	{ { 0xc5e77b6b397e7b43, 0x27637845accdcf3c }, 48, rsdp },
	{ { 0x9e9046f11e095391, 0xaa4a520fefbde5ee }, 48, smbios },
	{ { 0x5ceba5163eaaf6d6, 0x0a6981610cf65fcc }, 48, efi_system_table },
	{ { 0x7df62a431d6872d5, 0xa4fcdfb3e57306c8 }, 48, efi_map },
	{ { 0xad97e90e83f1ed67, 0x31eb5d1c5ff23b69 }, 48, executable_file },
	{ { 0x3e7e279702be32af, 0xca1c4f3bd1280cee }, 48, modules },
	{ { 0x9d5827dcd881dd75, 0xa3148604f6fab11b }, 48, framebuffer },
	{ { 0x502746e184c088aa, 0xfbc5ec83e6327893 }, 48, date },
	{ { 0x10f2ee1d87d195e4, 0xf747a2b78f6ddb31 }, 48, tsc_frequency },
	{ { 0x95a67b819a1b857e, 0xa0b61b723b6a73e0 }, 56, processors },
};

int limine_answer(struct limine *l)
{
	int err = 0;

	/* A kernel that does not ask for processors cannot say that it knows x2APIC mode. */
	if (l->m->x2apic_on && !must_stay_x2apic(l->m))
		l->apic_mode = LIMINE_APIC_XAPIC;
	for (unsigned i = 0; !err && i < ARRAY_SIZE(answers); i++) {
		uint8_t *q = limine_request(l, answers[i].id[0], answers[i].id[1], answers[i].size);

		if (q)
			err = answers[i].answer(l, q);
	}
	return err;
}

/* Make the map last, after all memory was taken, the map's own included. */
int limine_answer_map(struct limine *l)
{
	uint8_t *q = limine_request(l, 0x67cf3d9d378a806f, 0xe304acdfc50c3c62, REQUEST_SIZE);
	uint64_t at, list_at, *list, pointer;
	struct limine_response *r;
	struct limine_entry *e;
	int err;

	if (!q)
		return 0;
	r = take(l, sizeof(*r), &pointer);
	e = take(l, l->map.max * sizeof(*e), &at);
	list = take(l, l->map.max * sizeof(*list), &list_at);
	err = r && e && list ? limine_build_map(l) : -ERR_NOMEM;
	if (err)
		return err;
	memcpy(e, l->map.entry, l->map.n * sizeof(*e));
	for (unsigned i = 0; i < l->map.n; i++)
		list[i] = at + i * sizeof(*e);
	*r = (struct limine_response){ 0, { l->map.n, list_at } };
	return respond(q, pointer);
}
