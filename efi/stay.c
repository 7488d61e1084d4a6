/* SPDX-License-Identifier: BSD-2-Clause */
/* As Veneer's guest: loads and starts the part that stays in memory when boot services end (efi/runtime.c). */
#include "efi/guest.h"
#include "efi/parts.h"
#include "efi/runtime.h"

extern const uint8_t runtime_image[], runtime_image_end[];

/* A path of its own: some firmware loads no image without one. */
static struct {
	struct { EFI_DEVICE_PATH head; EFI_GUID guid; } __attribute__((packed)) vendor;
	EFI_DEVICE_PATH end;
} __attribute__((packed)) runtime_path = {
	{ { HARDWARE_DEVICE_PATH, HW_VENDOR_DP, { 20, 0 } },
	  { 0x0e3d7a52, 0x41f8, 0x4b0c, { 0x9f, 0x6d, 0x56, 0x65, 0x6e, 0x65, 0x65, 0x72 } } },
	{ END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, { 4, 0 } },
};

/* Tell the system that the runtime part's code is code.  Without such a table the system takes all of the memory as code. */
static EFI_STATUS allow_code(const struct runtime_options *o)
{
	static EFI_GUID guid = { 0xdcfa911d, 0x26eb, 0x469f, { 0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20 } };
	const uint8_t *table = find_table(&guid);
	uint32_t size = table ? attributes_size(table) : 0;
	EFI_STATUS status;
	void *copy;

	if (!table)
		return EFI_SUCCESS;
	status = bs->AllocatePool(EfiBootServicesData, attributes_room(size) + 1, &copy);
	if (EFI_ERROR(status))
		return status;
	if (!attributes_with_code(table, size, o->code, o->code_end, copy, attributes_room(size)))
		return EFI_COMPROMISED_DATA;
	return bs->InstallConfigurationTable(&guid, copy);
}

bool start_runtime(void)
{
	static EFI_GUID loaded_guid = LOADED_IMAGE_PROTOCOL;
	static struct runtime_options options;
	EFI_LOADED_IMAGE *loaded;
	EFI_HANDLE image = NULL;
	EFI_STATUS status;

	options.vmx = efi_call_vmx;
	options.pass = efi_call(EFI_CALL_POLICY, 0, 0, 0, 0) == 1;
	status = bs->LoadImage(FALSE, this_image, (EFI_DEVICE_PATH *)&runtime_path, (void *)runtime_image,
			       (UINTN)(runtime_image_end - runtime_image), &image);
	if (!EFI_ERROR(status))
		status = bs->HandleProtocol(image, &loaded_guid, (void **)&loaded);
	if (!EFI_ERROR(status)) {
		loaded->LoadOptions = &options;
		loaded->LoadOptionsSize = sizeof(options);
		status = bs->StartImage(image, NULL, NULL);
	}
	if (!EFI_ERROR(status))
		status = allow_code(&options);
	if (EFI_ERROR(status)) {
		say("veneer.efi: the part that stands before the firmware's runtime services cannot be started: ", NULL);
		say_status(status);
		return false;
	}
	if (options.no_room)
		say("veneer.efi: the firmware has no room for copies of its boot entries: the guest does not see all\n",
		    NULL);
	return true;
}
