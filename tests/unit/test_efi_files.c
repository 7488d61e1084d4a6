/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: efi/archive.c efi/conf.c */
/*
 * The file system that veneer.efi was loaded from, on firmware that connects as few drivers as it can; the files that were
 * signed with it.
 */
#include <stdlib.h>
#include <string.h>
#include "host/host.h"
#include "efi/files.c"

EFI_HANDLE this_image;
EFI_SYSTEM_TABLE *systab;
EFI_BOOT_SERVICES *bs;
static EFI_BOOT_SERVICES services;
static EFI_SYSTEM_TABLE table;
static SIMPLE_TEXT_OUTPUT_INTERFACE console;
static EFI_FILE_IO_INTERFACE volume;
static EFI_FILE directory;
static unsigned connects, opens, works_after;	/* connects that it takes to have a file system */
static EFI_STATUS open_status;
static char printed[1024];

static struct {
	FILEPATH_DEVICE_PATH file;
	uint8_t name[60];
} __attribute__((packed)) path;

static EFI_STATUS EFIAPI print(SIMPLE_TEXT_OUTPUT_INTERFACE *out, CHAR16 *text)
{
	size_t n = strlen(printed);

	for (; *text && n < sizeof(printed) - 1; text++)
		printed[n++] = (char)*text;
	printed[n] = 0;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI open_volume_of(EFI_FILE_IO_INTERFACE *fs, EFI_FILE **out)
{
	opens++;
	*out = &directory;
	return open_status;
}

static EFI_STATUS EFIAPI protocol(EFI_HANDLE h, EFI_GUID *guid, void **out)
{
	CHECK(h == (EFI_HANDLE)5 && !memcmp(guid, &loaded_from_guid, sizeof(*guid)));
	if (connects < works_after)
		return EFI_UNSUPPORTED;
	*out = &volume;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI connect(EFI_HANDLE h, EFI_HANDLE *driver, EFI_DEVICE_PATH *rest, BOOLEAN all)
{
	CHECK(h == (EFI_HANDLE)5 && !driver && !rest && all);
	connects++;
	return EFI_SUCCESS;
}

static bool open_with(unsigned after)
{
	static const CHAR16 name[] = u"\\EFI\\BOOT\\BOOTX64.EFI";
	const uint16_t size = sizeof(EFI_DEVICE_PATH) + sizeof(name);
	static EFI_LOADED_IMAGE self;
	EFI_DEVICE_PATH end = { END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, { 4, 0 } };

	path.file.Header = (EFI_DEVICE_PATH){ MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, { (uint8_t)size, 0 } };
	memcpy((uint8_t *)&path + sizeof(EFI_DEVICE_PATH), name, sizeof(name));
	memcpy((uint8_t *)&path + size, &end, sizeof(end));
	self = (EFI_LOADED_IMAGE){ .DeviceHandle = (EFI_HANDLE)5, .FilePath = (EFI_DEVICE_PATH *)&path };
	console.OutputString = print;
	table.ConOut = &console;
	systab = &table;
	services = (EFI_BOOT_SERVICES){ .HandleProtocol = protocol, .ConnectController = connect };
	bs = &services;
	volume.OpenVolume = open_volume_of;
	root = NULL;
	connects = opens = 0;
	works_after = after;
	*printed = 0;
	return open_own_directory(&self);
}

TEST(a_file_system_is_there)
{
	CHECK(open_with(0));
	CHECK(!connects && opens == 1 && root == &directory && !*printed);
	CHECK(!memcmp(own_dir, u"\\EFI\\BOOT\\", 22));
}

/* A fast start: no file system driver sits on the disk yet. */
TEST(a_file_system_is_connected)
{
	CHECK(open_with(1));
	CHECK(connects == 1 && opens == 1 && root == &directory && !*printed);
}

TEST(there_is_no_file_system)
{
	CHECK(!open_with(2));
	CHECK(connects == 1 && !opens && strstr(printed, "has no file system: status 3"));
	open_status = EFI_DEVICE_ERROR;
	CHECK(!open_with(0));
	CHECK(connects == 1 && opens == 2 && strstr(printed, "(device error)"));
	open_status = EFI_SUCCESS;
}

/* --- memory that may not be executed --- */

static struct memory_attributes protection;
static EFI_STATUS located, clear_status;
static unsigned cleared;

static EFI_STATUS EFIAPI locate(EFI_GUID *guid, void *key, void **out)
{
	static const EFI_GUID want = { 0xf4560cf6, 0x40ec, 0x4b4a, { 0xa1, 0x92, 0xbf, 0x1d, 0x57, 0xd0, 0xb1, 0x89 } };

	CHECK(!memcmp(guid, &want, sizeof(want)));
	*out = &protection;
	return located;
}

static EFI_STATUS EFIAPI clear(struct memory_attributes *self, EFI_PHYSICAL_ADDRESS at, UINT64 size, UINT64 attributes)
{
	/* Not executable, and read-only (UEFI 2.9, table 7-6). */
	CHECK(self == &protection && at == 0x12000 && size == 0x3000 && attributes == (0x4000 | 0x20000));
	cleared++;
	return clear_status;
}

TEST(pages_are_opened_if_the_firmware_is_to_be_asked)
{
	CHECK(open_with(0));
	services.LocateProtocol = locate;
	protection.clear = clear;
	open_pages(0x12000, 0x3000);
	CHECK(cleared == 1 && !*printed);
	clear_status = EFI_UNSUPPORTED;
	open_pages(0x12000, 0x3000);
	CHECK(cleared == 2 && strstr(printed, "the firmware does not let memory be executed: status 3"));
	*printed = 0;
	located = EFI_NOT_FOUND;
	open_pages(0x12000, 0x3000);
	CHECK(cleared == 2 && !*printed);
}

/* --- signed files --- */

/* As the image lies in memory: headers, a section of code, ".veneer". */
static struct {
	uint8_t dos[0x40];
	uint8_t pe[24], optional[16];
	uint8_t section[2][40];
	uint8_t files[64];
} __attribute__((packed)) image;

static EFI_FILE beside;
static const char *beside_text;		/* of the file of the same name in the directory; NULL: there is none */
static uint64_t beside_attribute;
static EFI_STATUS info_status;
static unsigned closed;
static uint8_t *pages;

static EFI_STATUS EFIAPI open_beside(EFI_FILE *dir, EFI_FILE **out, CHAR16 *name, UINT64 mode, UINT64 attributes)
{
	*out = &beside;
	return beside_text ? EFI_SUCCESS : EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI info_beside(EFI_FILE *f, EFI_GUID *type, UINTN *size, void *out)
{
	((EFI_FILE_INFO *)out)->FileSize = strlen(beside_text);
	((EFI_FILE_INFO *)out)->Attribute = beside_attribute;
	return info_status;
}

static EFI_STATUS EFIAPI read_beside(EFI_FILE *f, UINTN *size, void *out)
{
	CHECK(!(beside_attribute & EFI_FILE_DIRECTORY));
	memcpy(out, beside_text, *size);
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI close_beside(EFI_FILE *f)
{
	closed++;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI take_pages(EFI_ALLOCATE_TYPE how, EFI_MEMORY_TYPE type, UINTN n, EFI_PHYSICAL_ADDRESS *at)
{
	free(pages);
	*at = (uintptr_t)(pages = malloc(n * 4096));
	return EFI_SUCCESS;
}

static void set32(uint8_t *p, uint32_t v) { memcpy(p, &v, sizeof(v)); }

static bool use(const char *files, uint32_t size)
{
	EFI_LOADED_IMAGE self = { .ImageBase = &image, .ImageSize = sizeof(image) };

	CHECK(open_with(0));
	memset(&image, 0, sizeof(image));
	set32(image.dos + 0x3c, offsetof(typeof(image), pe));
	memcpy(image.pe, "PE\0", 4);
	image.pe[6] = 2;
	image.pe[20] = sizeof(image.optional);
	memcpy(image.section[0], ".text", 5);
	memcpy(image.section[1], ".veneer", 7);
	set32(image.section[1] + 8, size);
	set32(image.section[1] + 12, offsetof(typeof(image), files));
	memcpy(image.files, files, strlen(files));
	directory.Open = open_beside;
	beside = (EFI_FILE){ .GetInfo = info_beside, .Read = read_beside, .Close = close_beside };
	beside_text = NULL;
	beside_attribute = 0;
	info_status = EFI_SUCCESS;
	closed = 0;
	services.AllocatePages = take_pages;
	return use_signed_files(&self);
}

static bool reads(const char *name, const char *text)
{
	struct file f;

	return read_file(name, 64, &f) && f.size == strlen(text) && !memcmp(f.data, text, f.size);
}

#define TWO	"3 a\nabc0 empty\n5 b c\nhello"

TEST(signed_files_are_read)
{
	CHECK(use(TWO, sizeof(TWO) - 1));
	CHECK(reads("a", "abc") && reads("b c", "hello") && reads("empty", ""));
	CHECK(!*printed && !closed);
	/* No other file is. */
	beside_text = "x";
	CHECK(!reads("b", ""));
	CHECK(strstr(printed, "veneer.efi: b: was not signed together with this program"));
	archive = NULL;
}

#define SETTINGS	"3 config.dtb\nabc3 veneer.conf\nabc3 kernel\nabc"

TEST(changed_settings_beside_are_refused)
{
	static const char *const name[] = { "veneer.conf", "config.dtb" };

	for (unsigned i = 0; i < ARRAY_SIZE(name); i++) {
		CHECK(use(SETTINGS, sizeof(SETTINGS) - 1));
		beside_text = "abc";
		CHECK(reads(name[i], "abc"));
		CHECK(closed == 1 && !*printed);
		beside_text = "abd";
		CHECK(!reads(name[i], "abc"));
		CHECK(strstr(printed, name[i]) &&
		      strstr(printed, ": differs from the file in veneer.efi: remove it or sign again"));
		*printed = 0;
		beside_text = "abcd";
		CHECK(!reads(name[i], "abc"));
		CHECK(closed == 3 && *printed);
		*printed = 0;
		beside_text = "abc";
		info_status = EFI_DEVICE_ERROR;
		CHECK(!reads(name[i], "abc"));
		CHECK(closed == 4 && *printed);
	}
	archive = NULL;
}

/* Somebody's kernel, and a directory. */
TEST(other_neighbours_are_no_matter)
{
	CHECK(use(SETTINGS, sizeof(SETTINGS) - 1));
	beside_text = "abd";
	CHECK(reads("kernel", "abc") && !closed);
	beside_attribute = EFI_FILE_DIRECTORY;
	CHECK(reads("veneer.conf", "abc") && reads("config.dtb", "abc"));
	CHECK(closed == 2 && !*printed);
	archive = NULL;
}

TEST(no_signed_files)
{
	CHECK(use(TWO, sizeof(TWO) - 1));
	CHECK(!archive_section((uint8_t *)&image, 0x3f, &archive_length));
	for (size_t size = 0x40; size < offsetof(typeof(image), files) + sizeof(TWO) - 1; size++)
		CHECK(!archive_section((uint8_t *)&image, size, &archive_length));
	CHECK(archive_section((uint8_t *)&image, offsetof(typeof(image), files) + sizeof(TWO) - 1, &archive_length));
	image.section[1][1] = 'w';
	CHECK(!archive_section((uint8_t *)&image, sizeof(image), &archive_length));
	image.pe[0] = 'N';
	CHECK(!archive_section((uint8_t *)&image, sizeof(image), &archive_length));
	CHECK(!use(TWO, ~0u));
	archive = NULL;
}

TEST(damaged_files)
{
	static const char *const bad[] = { "", "3 a", "3 a\nab", "99999999999999999999 a\n", "x a\n", "3a\nabc", " a\n",
					   "-1 a\n", "3 b\nabc\n3 a\nabc", "4294967295 a\nabc" };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t size;
		size_t n = strlen(bad[i]);
		uint8_t *copy = malloc(n + !n);

		/* Exactly as long: a read behind the end is seen. */
		memcpy(copy, bad[i], n);
		CHECK(!archive_find(copy, (uint32_t)n, "a", &size));
		free(copy);
	}
	free(pages);
	pages = NULL;
}

TEST_MAIN
