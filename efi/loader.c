/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * As Veneer's guest: looks for the guest's loader on the virtual disks and starts that, as the firmware's boot manager starts a
 * boot entry.  Never returns to the firmware, which would take this program's memory back, and with that the disks.
 */
#include <veneer/string.h>
#include "efi/guest.h"

#define DEFAULT_FILE	"\\EFI\\BOOT\\BOOTX64.EFI"
#define SECOND		1000000u

static EFI_GUID path_guid = DEVICE_PATH_PROTOCOL, fs_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;

static size_t path_size(const EFI_DEVICE_PATH *p)
{
	size_t size = 0, node;

	for (; p->Type != END_DEVICE_PATH_TYPE; size += node, p = (const void *)((const uint8_t *)p + node))
		node = p->Length[0] | (size_t)p->Length[1] << 8;
	return size;
}

static EFI_DEVICE_PATH *add_node(EFI_DEVICE_PATH *at, uint8_t type, uint8_t subtype, size_t size)
{
	*at = (EFI_DEVICE_PATH){ type, subtype, { (uint8_t)size, (uint8_t)(size >> 8) } };
	return (EFI_DEVICE_PATH *)((uint8_t *)at + size);
}

/* The path of @file in the file system @fs into @out, if that lies on disk @disk. */
static bool file_path(unsigned disk, EFI_HANDLE fs, const char *file, uint8_t *out, size_t room)
{
	size_t prefix, size, chars = strlen(file) + 1, node = sizeof(EFI_DEVICE_PATH) + chars * sizeof(CHAR16);
	const EFI_DEVICE_PATH *own = startable_disk(disk, &prefix);
	EFI_DEVICE_PATH *path, *at;

	if (!own || EFI_ERROR(bs->HandleProtocol(fs, &path_guid, (void **)&path)))
		return false;
	size = path_size(path);
	if (size < prefix || memcmp(path, own, prefix) || size + node + sizeof(EFI_DEVICE_PATH) > room)
		return false;
	memcpy(out, path, size);
	at = (EFI_DEVICE_PATH *)(out + size);
	for (size_t i = 0; i < chars; i++) {
		CHAR16 c = file[i] == '/' ? '\\' : (CHAR16)(uint8_t)file[i];

		memcpy(out + size + sizeof(EFI_DEVICE_PATH) + i * sizeof(c), &c, sizeof(c));
	}
	at = add_node(at, MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, node);
	add_node(at, END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, sizeof(*at));
	return true;
}

/* Start the file, if there is one.  Its status when it returns. */
static EFI_STATUS try_file(unsigned disk, EFI_HANDLE fs, const char *file)
{
	uint8_t path[768] __attribute__((aligned(8)));
	EFI_HANDLE image = NULL;
	EFI_STATUS status;

	if (!file_path(disk, fs, file, path, sizeof(path)))
		return EFI_NOT_FOUND;
	status = bs->LoadImage(FALSE, this_image, (EFI_DEVICE_PATH *)path, NULL, 0, &image);
	if (EFI_ERROR(status)) {
		if (status != EFI_NOT_FOUND) {
			say("veneer.efi: ", file, " on a virtual disk cannot be loaded: ", NULL);
			say_status(status);
		}
		/* Some firmware loads what Secure Boot refuses, for a later decision. */
		if (status == EFI_SECURITY_VIOLATION && image)
			bs->UnloadImage(image);
		return status;
	}
	bs->SetWatchdogTimer(0, 0, 0, NULL);
	status = bs->StartImage(image, NULL, NULL);
	say("veneer.efi: ", file, " has ended: ", NULL);
	say_status(status);
	return EFI_SUCCESS;
}

/* The number of loaders that were started. */
static unsigned try_disks(unsigned ndisks, const char *file)
{
	unsigned started = 0;
	EFI_HANDLE *fs;
	UINTN n;

	if (EFI_ERROR(bs->LocateHandleBuffer(ByProtocol, &fs_guid, NULL, &n, &fs)))
		return 0;
	for (unsigned d = 0; d < ndisks; d++)
		for (UINTN i = 0; i < n; i++)
			started += !EFI_ERROR(try_file(d, fs[i], file));
	bs->FreePool(fs);
	return started;
}

/*
 * shim's fallback (fbx64.efi beside BOOTX64.EFI) writes boot entries and, if there is a TPM, restarts the machine so that the
 * firmware starts one of them.  The firmware starts Veneer, and Veneer this file: for ever.  By this variable, until the next
 * start, fallback goes on with the first entry that it wrote.  It reads 32 bits.
 */
static void keep_fallback_from_restarting(void)
{
	static EFI_GUID shim = { 0x605dab50, 0xe046, 0x4300, { 0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23 } };
	static CHAR16 name[] = u"FB_NO_REBOOT";
	uint32_t yes = 1;
	EFI_STATUS status;

	/* The guest's entries are the machine's own. */
	if (efi_call(EFI_CALL_POLICY, 0, 0, 0, 0) == 1)
		return;
	status = systab->RuntimeServices->SetVariable(name, &shim, EFI_VARIABLE_BOOTSERVICE_ACCESS, sizeof(yes), &yes);
	/* Invalid: it is there with other attributes, by the user's choice. */
	if (!EFI_ERROR(status) || status == EFI_INVALID_PARAMETER)
		return;
	say("veneer.efi: the firmware does not take the variable FB_NO_REBOOT: ", NULL);
	say_status(status);
}

static void EFIAPI boot_services_end(EFI_EVENT event, void *unused)
{
	allow_code();
	efi_call(EFI_CALL_END, 0, 0, 0, 0);
}

void restart(void)
{
	say("veneer.efi: the machine restarts in 10 seconds\n", NULL);
	bs->Stall(10 * SECOND);
	systab->RuntimeServices->ResetSystem(EfiResetCold, EFI_SUCCESS, 0, NULL);
	for (;;)
		bs->Stall(SECOND);
}

void start_disk(void)
{
	char file[EFI_PATH_MAX] = "";
	EFI_EVENT event;
	unsigned ndisks;

	if (efi_call(EFI_CALL_PATH, 0, (uintptr_t)file, 0, 0) || !*file)
		memcpy(file, DEFAULT_FILE, sizeof(DEFAULT_FILE));
	ndisks = add_disks();
	keep_fallback_from_restarting();
	if (EFI_ERROR(bs->CreateEvent(EVT_SIGNAL_EXIT_BOOT_SERVICES, TPL_CALLBACK, boot_services_end, NULL, &event)))
		say("veneer.efi: the firmware has no memory for an event\n", NULL);
	else if (!try_disks(ndisks, file))
		say("veneer.efi: no virtual disk that may be started has a loader ", file, "\n", NULL);
	restart();
}
