/* SPDX-License-Identifier: BSD-2-Clause */
/* As Veneer's guest: starts the part that stays in memory when boot services end (efi/runtime.c). */
#include <veneer/string.h>
#include "efi/guest.h"
#include "efi/parts.h"
#include "efi/runtime.h"

extern const uint8_t runtime_image[], runtime_image_end[];

/*
 * The memory attributes table must say that the runtime part's code is code, and that its data may be written to; without a
 * table the system takes all of the part as code that may be written to.  EDK II makes a new table at each allocation of
 * runtime memory after it has started a boot entry (the guest's loader may allocate, shim does), so a copy that is put there
 * once does not stay.
 */
#define COPY_ROOM	0x10000u	/* some 1300 entries; firmware has 30 to 200 */

static EFI_GUID attributes_guid = { 0xdcfa911d, 0x26eb, 0x469f, { 0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20 } };

static struct {
	uint8_t *copy;
	uint32_t room;
	struct part part;
	bool odd;		/* the firmware's table was not understood, which is said once */
} attributes;

/* The pointer that the system will find: the header's checksum is over the array's address, not over the array. */
static void **attributes_table(void)
{
	for (UINTN i = 0; i < systab->NumberOfTableEntries; i++)
		if (!memcmp(&systab->ConfigurationTable[i].VendorGuid, &attributes_guid, sizeof(attributes_guid)))
			return &systab->ConfigurationTable[i].VendorTable;
	return NULL;
}

/* While EDK II makes its first table, the address of all ones stands in its place. */
static bool is_table(const void *p)
{
	return p && !((uintptr_t)p & 3) && !((uintptr_t)p >> 47);
}

/* Allocates nothing and calls no service: a copy by InstallConfigurationTable() would signal the event below again. */
bool allow_code(void)
{
	void **table = attributes_table();

	if (!attributes.copy || !table || !is_table(*table) || *table == attributes.copy)
		return true;
	bool known = attributes_allow(*table, &attributes.part, attributes.copy, attributes.room);

	*table = attributes.copy;
	return known;
}

static void allow_code_loudly(void)
{
	if (allow_code() || attributes.odd)
		return;
	attributes.odd = true;
	say("veneer.efi: the firmware's memory attributes table is not understood: the guest gets one without entries\n", NULL);
}

static void EFIAPI new_table(EFI_EVENT event, void *unused)
{
	allow_code_loudly();
}

/* Without the event, of UEFI 2.0, the table is mended when boot services end. */
static EFI_STATUS begin_allowing(const struct runtime_options *o)
{
	void **table = attributes_table();
	uint32_t size = table && is_table(*table) ? attributes_size(*table) : 0;
	EFI_STATUS status;
	EFI_EVENT event;

	attributes.part = (struct part){ o->code, o->code_end, o->end };
	attributes.room = MAX(attributes_room(size), COPY_ROOM);
	status = bs->AllocatePool(EfiBootServicesData, attributes.room, (void **)&attributes.copy);
	if (EFI_ERROR(status))
		return status;
	allow_code_loudly();
	if (bs->Hdr.HeaderSize > __builtin_offsetof(EFI_BOOT_SERVICES, CreateEventEx))
		bs->CreateEventEx(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, new_table, NULL, &attributes_guid, &event);
	return EFI_SUCCESS;
}

static void say_no_copies(EFI_STATUS status)
{
	const char *why = "the firmware does not take or read one";

	switch (status) {
	case EFI_OUT_OF_RESOURCES:
		why = "its memory for variables has no room, of which 5 KiB stay free";
		break;
	case EFI_WRITE_PROTECTED:
	case EFI_SECURITY_VIOLATION:
		why = "its variables are write-protected";
		break;
	case EFI_BUFFER_TOO_SMALL:
		why = "more than 512 are not copied yet";
		break;
	case EFI_UNSUPPORTED:
		why = "it does not tell the room in its memory for variables";
		break;
	}
	say("veneer.efi: the guest gets no copies of the firmware's boot entries: ", why, ": ", NULL);
	say_status(status);
}

/*
 * The part is no image to the firmware: with Secure Boot LoadImage() would demand a signature of its own, and one by a machine
 * owner's key (MOK) is none to the firmware.  The signature of this program covers the part.  It has no relocations, and its
 * entry is its beginning.
 */
static EFI_STATUS place_runtime(EFI_PHYSICAL_ADDRESS *at)
{
	size_t size = (size_t)(runtime_image_end - runtime_image);
	EFI_STATUS status = bs->AllocatePages(AllocateAnyPages, EfiRuntimeServicesCode, EFI_SIZE_TO_PAGES(size), at);

	if (EFI_ERROR(status))
		return status;
	open_pages(*at, EFI_SIZE_TO_PAGES(size) * EFI_PAGE_SIZE);
	memcpy((void *)(uintptr_t)*at, runtime_image, size);
	return EFI_SUCCESS;
}

bool start_runtime(void)
{
	static struct runtime_options options;
	EFI_PHYSICAL_ADDRESS at;
	EFI_STATUS status;

	options.vmx = efi_call_vmx;
	options.pass = efi_call(EFI_CALL_POLICY, 0, 0, 0, 0) == 1;
	status = place_runtime(&at);
	if (!EFI_ERROR(status))
		status = ((runtime_fn *)(uintptr_t)at)(&options, systab);
	if (!EFI_ERROR(status))
		status = begin_allowing(&options);
	if (EFI_ERROR(status)) {
		say("veneer.efi: the part that stands before the firmware's runtime services cannot be started: ", NULL);
		say_status(status);
		return false;
	}
	if (EFI_ERROR(options.copies))
		say_no_copies(options.copies);
	return true;
}
