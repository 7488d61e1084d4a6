/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel of the Limine boot protocol that checks everything the loader gives it: the state at the entry, the page tables, the
 * memory map, the response to each request, the other processors.  REVISION is the base revision that the kernel requests.
 * What to expect is on the command line: efi, screen=rgb or screen=text, cpus=N; the modules' lines are "/path pattern NUMBER
 * SIZE", and 32-bit word n of each is NUMBER + n.  Variants that must not start, or not as they ask, are at the requests below.
 */
#include "../lib/bare.h"

#ifndef REVISION
#define REVISION	3
#endif
#define GIVEN		(REVISION > 6 ? 6 : REVISION)
#define MAX_CPUS	16
#define FLAGS		2u		/* what is set at an entry */
#define GIB4		0x100000000ull

struct file { uint64_t revision; uint8_t *address; uint64_t size; char *path, *string; uint32_t media, rest[17]; };
struct range { uint64_t base, length, type; };
struct cpu { uint32_t processor_id, lapic_id; uint64_t reserved; volatile uint64_t go, argument; };
struct screen {
	uint8_t *address;
	uint64_t width, height, pitch;
	uint16_t bpp;
	uint8_t model, masks[6], unused[7];
	uint64_t edid_size, edid, mode_count, **modes;
};
struct internal { const char *path, *string; uint64_t flags; };

/* --- the requests --- */

#define IN(section_)	__attribute__((used, aligned(8), section(section_)))
#define COMMON		0xc7b1dd30df4c8b88, 0x0a82e883a194f07b
/* A request with up to three words behind the response. */
struct request { uint64_t id[4], revision; volatile uint64_t *volatile response; uint64_t more[3]; };
#define ASK(name, a, b, ...) \
	static volatile struct request name IN(".limine_requests") = { { COMMON, a, b }, __VA_ARGS__ }

void start_asked(void);
void start(void);
void ap_start(void);

#ifdef MARKERS
static volatile uint64_t early_base[3] IN(".limine_before") = { 0xf9562b2d5c95a6c8, 0x6a7b384944536bdc, 1 };
static volatile struct request early IN(".limine_before") = { { COMMON, 0x48dcf1cb8ad2b852, 0x63984e959a98244b } };
static volatile struct request late IN(".limine_behind") = { { COMMON, 0x48dcf1cb8ad2b852, 0x63984e959a98244b } };
#endif
#if REVISION > 0 || defined(TAGGED)
static volatile uint64_t start_marker[4] IN(".limine_start") = {
	0xf6b8f4b39de7d1ae, 0xfab91a6940fcb9cf, 0x785c6ed015d3e316, 0x181e920a7852b9d9 };
static volatile uint64_t end_marker[2] IN(".limine_end") = { 0xadc0e0531bb10d03, 0x9572709f31764c62 };
static volatile uint64_t base_revision[3] IN(".limine_requests") = { 0xf9562b2d5c95a6c8, 0x6a7b384944536bdc, REVISION };
#endif

ASK(q_loader, 0xf55038d8e2a1202f, 0x279426fcf5f59740, 0);
ASK(q_cmdline, 0x4b161536e598651e, 0xb390ad4a2f1f303a, 0);
ASK(q_firmware, 0x8c2f75d90bef28a8, 0x7045a4688eac00c3, 0);
ASK(q_stack, 0x224ef0460a8e8926, 0xe1cb0fc25f46ea3d, 0, 0, { 0x20000 });
ASK(q_hhdm, 0x48dcf1cb8ad2b852, 0x63984e959a98244b, 0);
ASK(q_screen, 0x9d5827dcd881dd75, 0xa3148604f6fab11b, 1);
#ifdef FIVE
ASK(q_paging, 0x95c1a0edab0944cb, 0xa4e5cb3842f7488a, 1, 0, { 1, 1, 1 });
#else
ASK(q_paging, 0x95c1a0edab0944cb, 0xa4e5cb3842f7488a, 1, 0, { 1, 1, 0 });	/* five levels are allowed, not required */
#endif
ASK(q_mp, 0x95a67b819a1b857e, 0xa0b61b723b6a73e0, 0, 0, { REVISION >= 5 });
ASK(q_map, 0x67cf3d9d378a806f, 0xe304acdfc50c3c62, 0);
ASK(q_entry, 0x13d86c035a1cd3e1, 0x2b0caa89d8f3026a, 0, 0, { (uint64_t)start_asked });
ASK(q_file, 0xad97e90e83f1ed67, 0x31eb5d1c5ff23b69, 0);
static const struct internal wanted = { "second.bin", "from inside", 1 }, unwanted = { "absent.bin", "", 0 };
static const struct internal *const internals[2] = { &wanted, &unwanted };
ASK(q_modules, 0x3e7e279702be32af, 0xca1c4f3bd1280cee, 1, 0, { 2, (uint64_t)internals });
ASK(q_rsdp, 0xc5e77b6b397e7b43, 0x27637845accdcf3c, 0);
ASK(q_smbios, 0x9e9046f11e095391, 0xaa4a520fefbde5ee, 0);
ASK(q_efi, 0x5ceba5163eaaf6d6, 0x0a6981610cf65fcc, 0);
ASK(q_efi_map, 0x7df62a431d6872d5, 0xa4fcdfb3e57306c8, 0);
ASK(q_date, 0x502746e184c088aa, 0xfbc5ec83e6327893, 0);
ASK(q_address, 0x71ba76863cc55f63, 0xb2644a48c516a487, 0);
ASK(q_tsc, 0x10f2ee1d87d195e4, 0xf747a2b78f6ddb31, 0);
ASK(q_unknown, 0x1122334455667788, 0x8877665544332211, 0, (volatile uint64_t *)0x1234);
#ifdef TWICE
ASK(q_tsc_again, 0x10f2ee1d87d195e4, 0xf747a2b78f6ddb31, 0);
#endif
#ifdef MANY
/* With the 20 above these are exactly MANY requests. */
static volatile struct request many[MANY - 20] IN(".limine_requests") = {
#define M1(n) { { COMMON, 0x5500, n } }
#define M4(n) M1(n), M1(n + 1), M1(n + 2), M1(n + 3)
#define M36(n) M4(n), M4(n + 4), M4(n + 8), M4(n + 12), M4(n + 16), M4(n + 20), M4(n + 24), M4(n + 28), M4(n + 32)
	M36(1), M36(37), M36(73),
#if MANY > 128
	M1(109),
#endif
};
#endif
#ifndef SECTION
#define BY_SECTION	0
#else
#define BY_SECTION	1
static volatile void *volatile list[] IN(".limine_reqs") = { &q_hhdm, &q_cmdline, &q_map, 0 };
#endif

/* --- the basics --- */

extern char image_start[] __attribute__((visibility("hidden"))), image_end[] __attribute__((visibility("hidden")));
extern char rodata_start[] __attribute__((visibility("hidden"))), data_start[] __attribute__((visibility("hidden")));
uint64_t at_entry[18];
volatile uint32_t entered_as_asked;
static uint64_t hhdm;
static volatile uint32_t arrived, ap_bad;
static struct range *range[256];
static uint64_t nranges;
static volatile uint32_t zeros[20000];

void limine_main(void);
void ap_main(struct cpu *c, uint64_t rsp, uint64_t others, uint64_t flags);

static const char *cmdline = "";

static bool starts(const char *s, const char *with)
{
	for (; *with; s++, with++)
		if (*s != *with)
			return false;
	return true;
}

static const char *option(const char *name)
{
	const char *s = cmdline, *n;

	for (n = name; *n; n++)
		;
	for (; *s; s++)
		if (starts(s, name))
			return s + (n - name);
	return 0;
}

static bool is_bits(uint64_t got, uint64_t expected, const char *name)
{
	bool good = got == expected;

	if (!good) {
		print("     got ");
		print_hex((uint32_t)(got >> 32));
		print_hex((uint32_t)got);
		print("\n");
	}
	return check(good, true, name);
}

static uint64_t cr0(void) { uint64_t v; __asm__ volatile("mov %%cr0, %0" : "=r"(v)); return v; }
static uint64_t cr3(void) { uint64_t v; __asm__ volatile("mov %%cr3, %0" : "=r"(v)); return v; }
static uint64_t cr4(void) { uint64_t v; __asm__ volatile("mov %%cr4, %0" : "=r"(v)); return v; }

static uint64_t rdmsr(uint32_t n)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(n));
	return low | (uint64_t)high << 32;
}

/* Read a register of the local APIC in its present mode.  Veneer maps the first 4 GiB at their own addresses. */
static uint32_t apic(uint32_t reg)
{
	return rdmsr(0x1b) & 0x400 ? (uint32_t)rdmsr(0x800 + (reg >> 4)) : *(volatile uint32_t *)(0xfee00000ull + reg);
}

static uint16_t idt_limit(void)
{
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) idtr;

	__asm__ volatile("sidt %0" : "=m"(idtr));
	return idtr.limit;
}

/*
 * From revision 5 on: enabled, TPR 0, all LVT entries masked, LINT1 for NMIs, by this machine's ACPI tables.  The boot
 * processor's LINT0 keeps the ExtINT that both firmwares set.
 */
static bool apic_as_promised(bool boot)
{
	uint32_t last = apic(0x30) >> 16 & 0xff, all;

	if (GIVEN < 5)
		return true;
	all = apic(0x320) & apic(0x350) & apic(0x360) & apic(0x370);
	if (last >= 4)
		all &= apic(0x340);
	if (last >= 5)
		all &= apic(0x330);
	return apic(0xf0) == 0x1ff && !apic(0x80) && (all & 0x10000) && (apic(0x360) & 0x700) == 0x400 &&
	       (apic(0x350) & 0x700) == (boot ? 0x700 : 0);
}

static void *mapped(uint64_t phys) { return (void *)(phys + hhdm); }

/* The page table entry that maps @addr, whatever its size; 0: none.  mapped_pat becomes its PAT bit's place. */
static uint64_t mapped_pat;

static uint64_t entry_of(uint64_t addr)
{
	uint64_t e = cr3();

	for (int shift = 39; ; shift -= 9) {
		e = ((uint64_t *)mapped(e & 0x000ffffffffff000))[(addr >> shift) & 511];
		mapped_pat = shift == 12 ? 0x80 : 0x1000;
		if (!(e & 1) || shift == 12 || (shift < 39 && (e & 0x80)))
			return e & 1 ? e : 0;
	}
}

static struct range *find(uint64_t phys)
{
	for (uint64_t i = 0; i < nranges; i++)
		if (phys >= range[i]->base && phys - range[i]->base < range[i]->length)
			return range[i];
	return 0;
}

/* --- the checks --- */

static void check_entry(void)
{
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) gdtr;
	static const uint64_t access[7] = { 0, 0x9a, 0x92, 0x9a, 0x92, 0x9a, 0x92 };
	uint64_t or = 0;
	uint16_t cs, ss, ds;

	for (int i = 0; i < 15; i++)
		or |= at_entry[i];
	is_bits(or, 0, "entry: general registers");
	is_bits(at_entry[15], FLAGS, "entry: flags");
	check_true(apic_as_promised(true), "entry: local APIC");
	is_bits(idt_limit(), 0, "entry: IDT's limit");
	is_bits(at_entry[16] & 15, 8, "entry: stack alignment");
	is_bits(at_entry[17], 0, "entry: return address");
	is_bits(cr0() & 0x80010001, 0x80010001, "entry: CR0");
	is_bits(cr4() & 0x1020, 0x20, "entry: CR4");
	is_bits(rdmsr(0xc0000080) & 0xd00, 0xd00, "entry: EFER");
	is_bits(rdmsr(0x277) & 0xffffffffffff, 0x010500070406, "entry: PAT");
	__asm__("mov %%cs, %0; mov %%ss, %1; mov %%ds, %2" : "=r"(cs), "=r"(ss), "=r"(ds));
	check_true(cs == 0x28 && ss == 0x30 && ds == 0x30, "entry: selectors");
	__asm__ volatile("sgdt %0" : "=m"(gdtr));
	check_true(gdtr.limit >= 55, "entry: GDT's limit");
	for (int i = 0; i < 7; i++) {
		uint64_t d = ((uint64_t *)gdtr.base)[i];

		is_bits((d >> 40) & 0xfe, access[i], "entry: GDT");
		if (i == 5)
			is_bits((d >> 53) & 3, 1, "entry: 64-bit code");
	}
	is_bits(inb(0x21) << 8 | inb(0xa1), 0xffff, "entry: 8259s");
	check_true(zeros[0] == 0 && zeros[19999] == 0, "entry: bss");
}

static void check_base(void)
{
#if REVISION > 0 || defined(TAGGED)
	is_bits(base_revision[1], GIVEN, "base revision: given");
	is_bits(base_revision[2], REVISION > 6 ? REVISION : 0, "base revision: supported");
#endif
#ifdef MARKERS
	check_true(!early.response && !late.response, "markers: what is outside is not seen");
	is_bits(early_base[2], 1, "markers: the base revision tag outside, too");
#endif
}

static void check_map(void)
{
	uint64_t last = 0, usable = 0, **list;
	bool sorted = true, aligned = true, zero = true, types = true;

	nranges = q_map.response[1];
	list = (uint64_t **)q_map.response[2];
	if (!check_true(nranges && nranges <= 256, "map: its size"))
		nranges = 0;
	for (uint64_t i = 0; i < nranges; i++) {
		struct range *r = range[i] = (struct range *)list[i];
		bool ours = r->type == 0 || r->type == 5;

		sorted &= r->base >= last && r->length;
		last = r->base + r->length;
		aligned &= !ours || !((r->base | r->length) & 0xfff);
		zero &= r->base || r->type != 0;
		types &= r->type <= 8 && (r->type != 8 || GIVEN >= 4);
		usable += r->type == 0 ? r->length : 0;
	}
	check_true(sorted, "map: sorted, without overlaps");
	check_true(aligned, "map: aligned");
	check_true(zero, "map: page 0 is not usable");
	check_true(types, "map: types");
	check_true(usable > 64 << 20, "map: usable memory");
}

static bool expected_in_map(const struct range *r)
{
	if (GIVEN < 3 && r->base < GIB4)
		return true;
	if (GIVEN == 3)
		return r->type == 0 || r->type >= 5;
	return !GIVEN || (r->type != 1 && r->type != 4);
}

static void check_direct_map(void)
{
	bool good = true, caching = true;

	for (uint64_t i = 0; i < nranges; i++) {
		struct range *r = range[i];
		uint64_t at[2] = { r->base & ~0xfffull, (r->base + r->length - 1) & ~0xfffull };

		for (int k = 0; k < 2; k++) {
			uint64_t e = entry_of(hhdm + at[k]);

			if (!!e != expected_in_map(r) || (e && !(e & 2)) || (e >> 63)) {
				good = false;
				print("     direct map: ");
				print_hex((uint32_t)(at[k] >> 32));
				print_hex((uint32_t)at[k]);
				print(" type ");
				print_decimal((uint32_t)r->type);
				print("\n");
			}
			/* The framebuffer uses the PAT's entry 5, all other memory entry 0. */
			caching &= !e || (r->type == 7 ? (e & 0x18) == 8 && (e & mapped_pat) :
					  !(e & 0x18) && !(e & mapped_pat));
		}
	}
	check_true(good, "direct map: entries");
	check_true(caching, "direct map: caching");
	check_true(!GIVEN ? entry_of(0xfee00000) != 0 : true, "identity map of revision 0");
}

static void check_segments(void)
{
	uint64_t phys = q_address.response[1], virt = q_address.response[2];
	uint64_t text = entry_of((uint64_t)image_start), ro = entry_of((uint64_t)rodata_start);
	uint64_t data = entry_of((uint64_t)data_start);

	is_bits(virt, (uint64_t)image_start, "image: virtual base");
	is_bits(text & 0x000ffffffffff000, phys, "image: physical base");
	check_true(!(text & 2) && !(text >> 63), "image: text is read and executed");
	check_true(!(ro & 2) && (ro >> 63), "image: constants are read");
	check_true((data & 2) && (data >> 63), "image: data is written");
	is_bits(*(uint64_t *)mapped(phys), *(uint64_t *)image_start, "image: by the direct map");
	check_true(find(phys) && find(phys)->type == 6, "image: in the memory map");
	check_true(find(at_entry[16] - hhdm) && find(at_entry[16] - hhdm)->type == 5, "stack: in the memory map");
	check_true(find(cr3()) && find(cr3())->type == 5, "page tables: in the memory map");
	/* 128 KiB, as requested. */
	for (uint64_t n = 0; n < 0x20000; n += 0x1000)
		if (find(at_entry[16] - hhdm - n) == 0 || find(at_entry[16] - hhdm - n)->type != 5)
			check_true(false, "stack: its size");
}

static uint32_t hex(const char **s)
{
	uint32_t v = 0;

	while (**s == ' ')
		(*s)++;
	for (; (**s >= '0' && **s <= '9') || (**s >= 'a' && **s <= 'f'); (*s)++)
		v = v << 4 | (uint32_t)(**s <= '9' ? **s - '0' : **s - 'a' + 10);
	return v;
}

static void check_module(struct file *f, uint32_t pattern, uint32_t size)
{
	bool same = f->size == size;

	for (uint32_t i = 0; same && i < size / 4; i++)
		same &= ((uint32_t *)f->address)[i] == pattern + i;
	check_true(same, "module: its bytes");
	check_true(!((uint64_t)f->address & 0xfff), "module: aligned");
	check_true(find((uint64_t)f->address - hhdm) && find((uint64_t)f->address - hhdm)->type == 6, "module: in the map");
}

static void check_files(void)
{
	struct file *self = (struct file *)q_file.response[1], **m;

	check_true(*(uint32_t *)self->address == 0x464c457f, "file: the kernel's own");
	check_true(starts(self->string, cmdline), "file: its string");
	if (!check_true(q_modules.response && q_modules.response[1] == 2, "modules: two"))
		return;
	m = (struct file **)q_modules.response[2];
	/* The kernel itself names "second.bin", so it comes first. */
	check_true(starts(m[0]->path, "/boot/second.bin") && starts(m[0]->string, "from inside"), "modules: internal");
	check_module(m[0], 0x22220000, 70000);
	check_true(starts(m[1]->path, "/first"), "modules: path");
	if (check_true(starts(m[1]->string, "pattern "), "modules: string")) {
		const char *s = m[1]->string + 8;
		uint32_t pattern = hex(&s);

		check_module(m[1], pattern, hex(&s));
	}
}

static void check_screen(void)
{
	struct screen *s;
	uint32_t v = 0x00ff8040;

	if (option("screen=text")) {
		check_true(!q_screen.response, "screen: none");
		return;
	}
	if (!check_true(q_screen.response && q_screen.response[1] == 1, "screen: one"))
		return;
	s = *(struct screen **)q_screen.response[2];
	check_true(s->width >= 640 && s->height >= 400 && s->pitch >= s->width * s->bpp / 8, "screen: size");
	check_true(s->model == 1 && s->mode_count == 1 && s->modes[0][1] == s->width, "screen: mode");
	check_true(find((uint64_t)s->address - hhdm) && find((uint64_t)s->address - hhdm)->type == 7, "screen: in the map");
	*(volatile uint32_t *)s->address = v;
	check_true(*(volatile uint32_t *)s->address == v, "screen: written");
}

static uint8_t sum(const uint8_t *p, uint32_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

static bool pointer_kind(uint64_t p, int physical_from, int mapped_from)
{
	return (p >= hhdm) == (GIVEN < physical_from || GIVEN >= mapped_from);
}

/*
 * By the direct map, if the revision maps it there; in revision 3 the addresses are physical, and the first 4 GiB are mapped at
 * their own addresses.
 */
static void check_firmware(void)
{
	uint64_t p;

	is_bits(q_firmware.response[1], option("efi") ? 2 : 0, "firmware: type");
	if (check_true(q_rsdp.response, "RSDP: there")) {
		p = q_rsdp.response[1];
		check_true(pointer_kind(p, 3, 4), "RSDP: kind of pointer");
		check_true(starts((char *)p, "RSD PTR ") && !sum((uint8_t *)p, 20), "RSDP: found");
		if (GIVEN >= 4)
			check_true(entry_of(hhdm + *(uint32_t *)(p + 16)), "RSDT: mapped");
	}
	if (check_true(q_smbios.response, "SMBIOS: there")) {
		p = q_smbios.response[1] ? q_smbios.response[1] : q_smbios.response[2];
		check_true(pointer_kind(p, 3, 5), "SMBIOS: kind of pointer");
		check_true(starts((char *)p, "_SM"), "SMBIOS: found");
	}
	check_true(!!q_efi.response == !!option("efi"), "EFI: system table");
	check_true(!!q_efi_map.response == !!option("efi"), "EFI: memory map");
	if (q_efi.response) {
		p = q_efi.response[1];
		check_true(pointer_kind(p, 3, 5) && starts((char *)p, "IBI SYST"), "EFI: system table's signature");
		check_true(q_efi_map.response[2] >= q_efi_map.response[3] && q_efi_map.response[3] >= 40, "EFI: map's size");
	}
}

/* Requested from revision 5 on. */
static bool x2apic_expected(void)
{
	uint32_t a = 1, c = 0;

	__asm__("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
	return REVISION >= 5 && (c & 1u << 21);
}

void ap_main(struct cpu *c, uint64_t rsp, uint64_t others, uint64_t flags)
{
	uint16_t cs;

	__asm__("mov %%cs, %0" : "=r"(cs));
	if (others || (rsp & 15) != 8 || *(uint64_t *)rsp || flags != FLAGS || cs != 0x28 || c->argument != 77 ||
	    (cr0() & 0x80010001) != 0x80010001 || (rdmsr(0x277) & 0xffffffffffff) != 0x010500070406 ||
	    !(rdmsr(0x1b) & 0x400) == x2apic_expected() || idt_limit() || !apic_as_promised(false))
		__atomic_fetch_or(&ap_bad, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void check_cpus(void)
{
	const char *s = option("cpus=");
	uint32_t expected = s ? (uint32_t)(*s - '0') : 1, bsp;
	struct cpu **c;

	if (!check_true(q_mp.response, "processors: a list"))
		return;
	c = (struct cpu **)q_mp.response[3];
	is_bits(q_mp.response[2], expected, "processors: their number");
	bsp = (uint32_t)(q_mp.response[1] >> 32);
	is_bits((uint32_t)q_mp.response[1], x2apic_expected(), "processors: x2APIC");
	for (uint32_t i = 0; i < expected; i++) {
		if (c[i]->lapic_id == bsp)
			continue;
		c[i]->argument = 77;
		__atomic_store_n(&c[i]->go, (uint64_t)ap_start, __ATOMIC_SEQ_CST);
	}
	for (uint32_t n = 0; n < 500000000 && arrived < expected - 1; n++)
		__asm__ volatile("pause");
	is_bits(arrived, expected - 1, "processors: all go");
	is_bits(ap_bad, 0, "processors: their state");
}

/* Find the twins on the first bus. */
static void find_twins(void)
{
	uint32_t found = 0, v;

	for (uint32_t f = 0; f < 256; f++) {
		outl(0xcf8, 0x80000000 | f << 8);
		__asm__ volatile("inl %w1, %0" : "=a"(v) : "Nd"(0xcfc));
		if ((v & 0xffff) == 0x1af4) {
			print("     virtio at ");
			print_hex(f);
			print(": ");
			print_hex(v);
			print("\n");
			found++;
		}
	}
	check_true(found >= 1, "PCI: a virtio device");
}

/* Check the responses to the full list of requests. */
static void check_all(void)
{
	check_true(starts((char *)q_loader.response[1], "Veneer"), "loader: its name");
	check_true(q_stack.response && q_entry.response, "stack and entry: answered");
	is_bits(entered_as_asked, 1, "entry: point asked for");
	is_bits(q_paging.response[1], 0, "paging: four levels");
	is_bits((uint64_t)q_unknown.response, 0x1234, "an unknown request is left alone");
	check_true(q_date.response && q_date.response[1] > 1577836800 && q_date.response[1] < 4102444800, "date: plausible");
	check_true(q_tsc.response && q_tsc.response[1] > 100000000 && q_tsc.response[1] < 10000000000, "TSC: plausible");
	check_segments();
	check_files();
	check_screen();
	check_firmware();
	check_cpus();
}

void limine_main(void)
{
	print("probe-limine: revision ");
	print_decimal(REVISION);
	print("\n");
	if (q_cmdline.response)
		cmdline = (const char *)q_cmdline.response[1];
	print("     cmdline: <");
	print(cmdline);
	print(">\n");
	if (q_hhdm.response)
		hhdm = q_hhdm.response[1];
	check_base();
	check_entry();
	check_map();
	check_direct_map();
	if (BY_SECTION)
		check_true(!q_loader.response && !q_stack.response, "requests: those of the section only");
	else
		check_all();
	find_twins();
	print("probe-limine: ");
	print_decimal(passed);
	print(" passed, ");
	print_decimal(failed);
	print(" failed\n");
	outl(DEBUG_EXIT, failed ? 1 : 0);
	/* If that port does not end the machine. */
	for (;;)
		__asm__ volatile("cli; hlt");
}
