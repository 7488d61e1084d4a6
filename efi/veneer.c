/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * veneer.efi: loads Veneer, its configuration and the guest's kernel and modules from its own directory, ends boot services and
 * enters Veneer, as a multiboot2 boot loader would; or the firmware stays, becomes Veneer's guest and starts a disk's loader.
 * A program of its own: no part of Veneer's image.
 */
#include <veneer/string.h>
#include "efi/firmware.h"
#include "efi/guest.h"
#include "efi/parts.h"
#include "hv/boot/multiboot2.h"

#define VENEER_FILE	"veneer.elf"
#define CONF_FILE	"veneer.conf"
#define MAX_FILE	0x80000000ull
#define EXIT_TRIES	8
#define MAX_WORDS	1024u
#define POOL_SIZE	(16ull << 20)	/* with the image: what Veneer may take while the firmware stays */

EFI_HANDLE this_image;
EFI_SYSTEM_TABLE *systab;
EFI_BOOT_SERVICES *bs;
bool efi_call_vmx;

/* All that is loaded and allocated; nothing of it is freed: after an error the firmware goes on, and this is not much. */
static struct {
	struct conf conf;
	struct file file[CONF_MAX_MODULES];
	char words[MAX_WORDS];		/* Veneer's own command line */
	struct image image;
	uint8_t *place;			/* the image's */
	struct info info;
	uint8_t *map;			/* for the firmware's memory map */
	UINTN map_room;
	uint8_t *jump;			/* a page for jump.S */
	struct efi_launch launch;	/* if the firmware stays */
	uint64_t msrs[STATE_MSRS];
} b;

extern uint8_t jump_code[], jump_gdt[], jump_gdtr[], jump_end[];
typedef void jump_fn(uint64_t entry, uint64_t info, uint64_t page);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

/*
 * The files beside this program are no PE, so the firmware has not checked them: Secure Boot would only seem to hold.  What was
 * signed with this program is checked.  The words of a boot entry can only make disks read-only and keep Veneer from starting
 * them, or at all; that they do not name this program's own disk opens nothing (name_own_disk()).
 */
static bool secure_boot(void)
{
	static EFI_GUID global = EFI_GLOBAL_VARIABLE;
	static CHAR16 name[] = u"SecureBoot";
	uint8_t on = 0;
	UINTN size = sizeof(on);

	if (EFI_ERROR(systab->RuntimeServices->GetVariable(name, &global, NULL, &size, &on)) || on != 1)
		return false;
	say("veneer.efi: Secure Boot is on, and no configuration was signed with this program: switch Secure Boot off, or "
	    "sign both (veneer-install --sign)\n", NULL);
	return true;
}

static bool add_words(const char *words)
{
	size_t used = strlen(b.words), more = strlen(words);

	if (!more)
		return true;
	if (used + more + 2 > sizeof(b.words))
		return false;
	if (used)
		b.words[used++] = ' ';
	memcpy(b.words + used, words, more + 1);
	return true;
}

static bool read_conf(const EFI_LOADED_IMAGE *self)
{
	char options[MAX_WORDS];
	const char *err;
	struct file f;

	if (!read_file(CONF_FILE, CONF_MAX_SIZE, &f))
		return false;
	err = conf_parse(&b.conf, (char *)f.data, f.size);
	if (err) {
		say("veneer.efi: ", CONF_FILE, ": line ", NULL);
		say_number(b.conf.bad_line);
		say(": ", err, "\n", NULL);
		return false;
	}
	if (!conf_options(self->LoadOptions, self->LoadOptions ? self->LoadOptionsSize : 0, options, sizeof(options)) ||
	    !add_words(b.conf.veneer ? b.conf.veneer : "") || !add_words(options)) {
		say("veneer.efi: the words for Veneer are longer than 1023 characters\n", NULL);
		return false;
	}
	return true;
}

/* Veneer into memory of the loader's: Veneer itself takes its place out of the memory map that the guest gets. */
static bool load_veneer(void)
{
	const char *err, *name = b.conf.hypervisor ? b.conf.hypervisor : VENEER_FILE;
	struct file f;

	if (!read_file(name, MAX_FILE, &f))
		return false;
	err = image_check(&b.image, f.data, f.size);
	if (err) {
		say("veneer.efi: ", name, ": ", err, "\n", NULL);
		return false;
	}
	b.place = b.conf.disk ? take_memory(EfiReservedMemoryType, POOL_SIZE, name) :
				take_memory(EfiLoaderData, b.image.size, name);
	if (!b.place)
		return false;
	image_place(&b.image, f.data, b.place);
	bs->FreePages((uintptr_t)f.data, EFI_SIZE_TO_PAGES(f.size + 1));
	return true;
}

static bool load_modules(void)
{
	for (unsigned i = 0; i < b.conf.nmodules; i++)
		if (!read_file(b.conf.module[i].file, MAX_FILE, &b.file[i]))
			return false;
	return true;
}

/* --- what Veneer is told --- */

const void *find_table(const EFI_GUID *guid)
{
	for (UINTN i = 0; i < systab->NumberOfTableEntries; i++)
		if (!memcmp(&systab->ConfigurationTable[i].VendorGuid, guid, sizeof(*guid)))
			return systab->ConfigurationTable[i].VendorTable;
	return NULL;
}

static void tell_acpi(void)
{
	static const EFI_GUID newer = ACPI_20_TABLE_GUID, older = ACPI_TABLE_GUID;
	const void *rsdp = find_table(&newer);

	if (rsdp)
		info_tag(&b.info, MB2_TAG_ACPI_NEW, rsdp, 36);
	rsdp = find_table(&older);
	if (rsdp)
		info_tag(&b.info, MB2_TAG_ACPI_OLD, rsdp, 20);
}

static EFI_GRAPHICS_OUTPUT_PROTOCOL *find_screen(void)
{
	static EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
	EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;

	if (!EFI_ERROR(bs->HandleProtocol(systab->ConsoleOutHandle, &guid, (void **)&gop)) && gop->Mode->FrameBufferBase)
		return gop;
	return EFI_ERROR(bs->LocateProtocol(&guid, NULL, (void **)&gop)) ? NULL : gop;
}

static void tell_screen(void)
{
	static const uint32_t rgb[4] = { 0xff, 0xff00, 0xff0000, 0xff000000 }, bgr[4] = { 0xff0000, 0xff00, 0xff, 0xff000000 };
	EFI_GRAPHICS_OUTPUT_PROTOCOL *gop = find_screen();
	const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *m = gop ? gop->Mode->Info : NULL;
	const uint32_t *mask = NULL;
	struct info_screen s;

	if (!m || !gop->Mode->FrameBufferBase)
		return;
	uint32_t bits[4] = { m->PixelInformation.RedMask, m->PixelInformation.GreenMask, m->PixelInformation.BlueMask,
			     m->PixelInformation.ReservedMask };

	if (m->PixelFormat == PixelRedGreenBlueReserved8BitPerColor)
		mask = rgb;
	else if (m->PixelFormat == PixelBlueGreenRedReserved8BitPerColor)
		mask = bgr;
	else if (m->PixelFormat == PixelBitMask && (bits[0] | bits[1] | bits[2] | bits[3]) >> 24)
		mask = bits;
	s = (struct info_screen){ gop->Mode->FrameBufferBase, m->PixelsPerScanLine * 4, m->HorizontalResolution,
				  m->VerticalResolution, { 0 }, { 0 } };
	if (mask && info_masks(&s, mask))
		info_screen(&b.info, &s);
}

static void tell_modules(void)
{
	for (unsigned i = 0; i < b.conf.nmodules; i++) {
		uint32_t at = (uint32_t)(uintptr_t)b.file[i].data;

		info_module(&b.info, at, at + (uint32_t)b.file[i].size, b.conf.module[i].line);
	}
}

/* Memory for the map and the information: with room for what the map grows by, for these allocations change it. */
static bool take_tables(void)
{
	UINTN size = 0, key, desc;
	UINT32 version;
	uint32_t room;
	uint8_t *buf;

	bs->GetMemoryMap(&size, NULL, &key, &desc, &version);
	if (desc < EFI_DESC_MIN || desc > 512) {
		say("veneer.efi: the firmware's memory descriptors have a size that cannot be\n", NULL);
		return false;
	}
	b.map_room = size + 64 * desc;
	room = 4096 + info_memory_size((uint32_t)b.map_room, (uint32_t)desc);
	for (unsigned i = 0; i < b.conf.nmodules; i++)
		room += (uint32_t)strlen(b.conf.module[i].line) + 32;
	b.map = take_memory(EfiLoaderData, b.map_room, "the memory map");
	buf = take_memory(EfiLoaderData, room, "Veneer's information");
	/* Code is what the firmware lets run in this type of memory, if it does not want to be asked. */
	b.jump = take_memory(EfiLoaderCode, EFI_PAGE_SIZE, "the way into Veneer");
	if (!b.map || !buf || !b.jump)
		return false;
	open_pages((uintptr_t)b.jump, EFI_PAGE_SIZE);
	info_begin(&b.info, buf, room);
	return true;
}

static void tell(void)
{
	uint64_t table = (uintptr_t)systab;

	info_string(&b.info, MB2_TAG_CMDLINE, b.words);
	info_string(&b.info, MB2_TAG_LOADER, "veneer.efi");
	info_tag(&b.info, MB2_TAG_EFI64, &table, sizeof(table));
	tell_acpi();
	tell_screen();
	tell_modules();
}

/* --- the end of boot services --- */

static void put_jump(void)
{
	uint64_t gdt = (uintptr_t)b.jump + (uintptr_t)(jump_gdt - jump_code);

	memcpy(b.jump, jump_code, (size_t)(jump_end - jump_code));
	memcpy(b.jump + (jump_gdtr - jump_code) + 2, &gdt, sizeof(gdt));
}

/*
 * Boot services end only with the key of the present map, which an event of the firmware's can change in between; after the
 * first try nothing but these two calls is allowed (UEFI 2.9, section 7.4).
 */
static EFI_STATUS end_boot_services(void)
{
	EFI_STATUS status = EFI_ABORTED;

	for (unsigned i = 0; i < EXIT_TRIES; i++) {
		UINTN size = b.map_room, key, desc;
		UINT32 version;

		status = bs->GetMemoryMap(&size, (EFI_MEMORY_DESCRIPTOR *)b.map, &key, &desc, &version);
		if (EFI_ERROR(status))
			return status;
		status = bs->ExitBootServices(this_image, key);
		if (EFI_ERROR(status))
			continue;
		info_memory(&b.info, b.map, (uint32_t)size, (uint32_t)desc, version);
		return status;
	}
	return status;
}

/*
 * The firmware's map with the pool as loader memory, which Veneer takes out of it by itself.  The firmware's own map has the
 * pool as reserved, and so has that of the guest's system.
 */
static EFI_STATUS tell_map(void)
{
	UINTN size = b.map_room, key, desc;
	UINT32 version;
	EFI_STATUS status = bs->GetMemoryMap(&size, (EFI_MEMORY_DESCRIPTOR *)b.map, &key, &desc, &version);

	for (UINTN off = 0; !EFI_ERROR(status) && off + desc <= size; off += desc) {
		EFI_MEMORY_DESCRIPTOR *d = (EFI_MEMORY_DESCRIPTOR *)(b.map + off);

		if (d->Type == EfiReservedMemoryType && d->PhysicalStart == b.launch.pool &&
		    d->NumberOfPages << 12 == b.launch.pool_size)
			d->Type = EfiLoaderData;
	}
	if (!EFI_ERROR(status))
		info_memory(&b.info, b.map, (uint32_t)size, (uint32_t)desc, version);
	return status;
}

/* The firmware becomes the guest, here, and goes on.  Returns only after an error. */
static EFI_STATUS launch_firmware(void)
{
	struct efi_launch *l = &b.launch;
	uint64_t flags;

	l->pool = (uintptr_t)b.place;
	l->pool_size = POOL_SIZE;
	if (EFI_ERROR(tell_map()))
		return EFI_LOAD_ERROR;
	flags = irq_off();
	state_save(l, b.msrs);
	/* launch() writes the last registers into the tag, which is the last but the end tag. */
	info_tag(&b.info, EFI_LAUNCH_TAG, l, sizeof(*l));
	l = (struct efi_launch *)(b.info.buf + b.info.used - sizeof(*l));
	if (!info_end(&b.info)) {
		irq_restore(flags);
		return EFI_BUFFER_TOO_SMALL;
	}
	launch((uintptr_t)b.place + b.image.entry, (uintptr_t)b.info.buf, (uintptr_t)b.jump, &l->rsp, &l->rip);
	state_restore(b.msrs);
	irq_restore(flags);
	if (!hand_over_processors((uintptr_t)b.jump))
		restart();
	give_back_controllers();
	if (!start_runtime())
		restart();
	start_disk();
}

static EFI_STATUS start(const EFI_LOADED_IMAGE *self)
{
	bool is_signed = use_signed_files(self);
	EFI_STATUS status;

	if (!is_signed && secure_boot())
		return EFI_SECURITY_VIOLATION;
	if ((!open_own_directory(self) && !is_signed) || !read_conf(self))
		return EFI_LOAD_ERROR;
	if (!name_own_disk(self, b.conf.disk, b.words, sizeof(b.words)))
		return EFI_UNSUPPORTED;
	if (!load_veneer() || !load_modules() || !take_tables())
		return EFI_LOAD_ERROR;
	tell();
	put_jump();
	if (b.conf.disk) {
		if (!take_controllers())
			return EFI_LOAD_ERROR;
		status = launch_firmware();
		give_back_controllers();
		return status;
	}
	status = end_boot_services();
	/* The room was sized for all of it: a full buffer is a fault of take_tables(). */
	if (EFI_ERROR(status) || !info_end(&b.info))
		return EFI_ERROR(status) ? status : EFI_BUFFER_TOO_SMALL;
	((jump_fn *)(uintptr_t)b.jump)((uintptr_t)b.place + b.image.entry, (uintptr_t)b.info.buf, (uintptr_t)b.jump);
	return EFI_ABORTED;
}

/* gnu-efi's start code calls this by the convention of System V. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	static EFI_GUID guid = LOADED_IMAGE_PROTOCOL;
	EFI_LOADED_IMAGE *self;
	EFI_STATUS status;

	this_image = image;
	systab = table;
	bs = table->BootServices;
	status = bs->HandleProtocol(image, &guid, (void **)&self);
	if (EFI_ERROR(status)) {
		say("veneer.efi: the firmware does not say where this program comes from: ", NULL);
		say_status(status);
		return status;
	}
	status = start(self);
	/* Some firmware clears the screen before it tries the next boot entry. */
	bs->Stall(5000000);
	return status;
}
