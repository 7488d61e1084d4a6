/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: efi/conf.c */
/* The file system that veneer.efi was loaded from, on firmware that connects as few drivers as it can. */
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

TEST_MAIN
