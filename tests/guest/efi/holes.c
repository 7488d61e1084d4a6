/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An EFI application that starts \EFI\BOOT\veneer.efi of its own disk on a machine whose memory map has more than 300 entries,
 * as those of some firmware have: every second page of a range is reserved.  Reports on COM1.
 */
#include "tests/guest/efi/guest.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

#define PAGES	320u

static EFI_GUID path_guid = DEVICE_PATH_PROTOCOL, image_guid = LOADED_IMAGE_PROTOCOL;
static EFI_BOOT_SERVICES *bs;

static EFI_STATUS make_holes(void)
{
	EFI_PHYSICAL_ADDRESS at;
	EFI_STATUS status = bs->AllocatePages(AllocateAnyPages, EfiReservedMemoryType, PAGES, &at);

	for (UINTN i = 0; i < PAGES && !EFI_ERROR(status); i += 2)
		status = bs->FreePages(at + i * EFI_PAGE_SIZE, 1);
	return status;
}

static UINTN entries(void)
{
	static uint8_t map[65536];
	UINTN size = sizeof(map), key, each = 1;
	UINT32 version;
	EFI_STATUS status = bs->GetMemoryMap(&size, (EFI_MEMORY_DESCRIPTOR *)map, &key, &each, &version);

	return EFI_ERROR(status) ? 0 : size / each;
}

/* The path of the file on the disk @device. */
static EFI_DEVICE_PATH *path_on(EFI_HANDLE device)
{
	static const CHAR16 file[] = u"\\EFI\\BOOT\\veneer.efi";
	static uint8_t path[512] __attribute__((aligned(8)));
	EFI_DEVICE_PATH *disk, *node;
	const EFI_DEVICE_PATH *end;
	UINTN size;

	if (EFI_ERROR(bs->HandleProtocol(device, &path_guid, (void **)&disk)))
		return NULL;
	for (end = disk; end->Type != END_DEVICE_PATH_TYPE;)
		end = next_node(end);
	size = (UINTN)((const uint8_t *)end - (const uint8_t *)disk);
	if (size + 4 + sizeof(file) + 4 > sizeof(path))
		return NULL;
	bs->CopyMem(path, disk, size);
	node = (EFI_DEVICE_PATH *)(path + size);
	*node = (EFI_DEVICE_PATH){ MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, { 4 + sizeof(file), 0 } };
	bs->CopyMem(node + 1, (void *)file, sizeof(file));
	node = (EFI_DEVICE_PATH *)(path + size + 4 + sizeof(file));
	*node = (EFI_DEVICE_PATH){ END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, { 4, 0 } };
	return (EFI_DEVICE_PATH *)path;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	EFI_HANDLE veneer = NULL;
	EFI_LOADED_IMAGE *self;
	EFI_DEVICE_PATH *path;
	EFI_STATUS status;

	bs = table->BootServices;
	status = make_holes();
	say_count("\nGUEST: holes, status", status & 0xff);
	say_count(", entries", entries());
	say("\n");
	if (EFI_ERROR(status) || EFI_ERROR(bs->HandleProtocol(image, &image_guid, (void **)&self)))
		return EFI_LOAD_ERROR;
	path = path_on(self->DeviceHandle);
	status = path ? bs->LoadImage(FALSE, image, path, NULL, 0, &veneer) : EFI_NOT_FOUND;
	say_count("GUEST: loaded, status", status & 0xff);
	say("\n");
	return EFI_ERROR(status) ? status : bs->StartImage(veneer, NULL, NULL);
}
