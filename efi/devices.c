/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The controllers that Veneer conceals, taken from the firmware (UEFI 2.9, sections 7.3 and 14.4).  All
 * network and disk controllers are taken that Veneer may conceal; what Veneer leaves alone is given back later.
 *
 * The drivers' Stop() does not stop every controller: an NVMe drive goes on with queues in memory that the driver has freed.
 * So nothing is allocated between this and Veneer, which resets the controllers.
 */
#include <veneer/string.h>
#include "efi/guest.h"
#include <efipciio.h>

#define TRIES		10
#define MAX_HELD	64u

static EFI_GUID pci_guid = EFI_PCI_IO_PROTOCOL_GUID;
/* The agent of our opens: an open by an image ends with the image. */
static EFI_GUID agent_guid = { 0x3c0f7c5e, 0x6f0a, 0x4b52, { 0x9d, 0x1b, 0x56, 0x65, 0x6e, 0x65, 0x65, 0x72 } };
static EFI_GUID path_guid = DEVICE_PATH_PROTOCOL;
static EFI_HANDLE agent;
static struct { EFI_HANDLE handle; EFI_PCI_IO_PROTOCOL *pci; uint32_t id; } held[MAX_HELD];
static unsigned nheld;

static bool wanted(EFI_PCI_IO_PROTOCOL *pci)
{
	uint32_t class = 0;

	if (EFI_ERROR(pci->Pci.Read(pci, EfiPciIoWidthUint32, 8, 1, &class)))
		return false;
	class >>= 8;
	return class == 0x010601 || class == 0x010802 || class == 0x020000;
}

/* The number of drivers that have the controller open; agents like ours are none. */
static unsigned holders(EFI_HANDLE handle)
{
	EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *entry;
	UINTN n, found = 0;

	if (EFI_ERROR(bs->OpenProtocolInformation(handle, &pci_guid, &entry, &n)))
		return 0;
	for (UINTN i = 0; i < n; i++)
		found += entry[i].Attributes & EFI_OPEN_PROTOCOL_BY_DRIVER ? 1 : 0;
	bs->FreePool(entry);
	return (unsigned)found;
}

static bool take(EFI_HANDLE handle, EFI_PCI_IO_PROTOCOL *pci)
{
	EFI_STATUS status = EFI_SUCCESS;
	UINTN segment = 0, bus = 0, dev = 0, fn = 0;
	void *unused;

	/* Its status says little: some firmware says "not found" of a driver that is gone. */
	for (unsigned i = 0; i < TRIES && holders(handle); i++)
		bs->DisconnectController(handle, NULL, NULL);
	if (!holders(handle))
		status = bs->OpenProtocol(handle, &pci_guid, &unused, agent, handle,
					  EFI_OPEN_PROTOCOL_BY_DRIVER | EFI_OPEN_PROTOCOL_EXCLUSIVE);
	else
		status = EFI_ACCESS_DENIED;
	if (!EFI_ERROR(status))
		return true;
	pci->GetLocation(pci, &segment, &bus, &dev, &fn);
	say("veneer.efi: a driver of the firmware does not leave the controller at bus ", NULL);
	say_number(bus);
	say(" device ", NULL);
	say_number(dev);
	say(": ", NULL);
	say_status(status);
	return false;
}

static uint32_t id_of(EFI_PCI_IO_PROTOCOL *pci)
{
	uint32_t id = ~0u;

	pci->Pci.Read(pci, EfiPciIoWidthUint32, 0, 1, &id);
	return id;
}

bool take_controllers(void)
{
	EFI_HANDLE *handle;
	UINTN n;
	bool ok = true;

	if (EFI_ERROR(bs->InstallProtocolInterface(&agent, &agent_guid, EFI_NATIVE_INTERFACE, NULL)) ||
	    EFI_ERROR(bs->LocateHandleBuffer(ByProtocol, &pci_guid, NULL, &n, &handle))) {
		say("veneer.efi: the firmware does not say which PCI devices there are\n", NULL);
		return false;
	}
	for (UINTN i = 0; i < n && ok; i++) {
		EFI_PCI_IO_PROTOCOL *pci;

		if (EFI_ERROR(bs->HandleProtocol(handle[i], &pci_guid, (void **)&pci)) || !wanted(pci))
			continue;
		if (nheld == MAX_HELD) {
			say("veneer.efi: more than 64 network and disk controllers\n", NULL);
			ok = false;
			break;
		}
		ok = take(handle[i], pci);
		held[nheld].handle = handle[i];
		held[nheld].pci = pci;
		held[nheld++].id = id_of(pci);
	}
	bs->FreePool(handle);
	if (!ok)
		give_back_controllers();
	return ok;
}

/* What Veneer conceals has another id now, or none. */
void give_back_controllers(void)
{
	for (unsigned i = 0; i < nheld; i++) {
		if (id_of(held[i].pci) != held[i].id)
			continue;
		bs->CloseProtocol(held[i].handle, &pci_guid, agent, held[i].handle);
		bs->ConnectController(held[i].handle, NULL, NULL, TRUE);
	}
}

/* --- the disk that this program lies on --- */

/*
 * The PARTUUID, 16 bytes, or NULL if the disk has no GPT (UEFI 2.9, section 10.3.5.1); nodes are at any address.  *@taken: the
 * disk lies behind a controller that is taken.
 */
static const uint8_t *partition_of(EFI_HANDLE disk, bool *taken)
{
	EFI_DEVICE_PATH *path, *rest;
	EFI_PCI_IO_PROTOCOL *pci;
	EFI_HANDLE handle;
	size_t size;

	*taken = false;
	if (EFI_ERROR(bs->HandleProtocol(disk, &path_guid, (void **)&path)))
		return NULL;
	rest = path;
	if (!EFI_ERROR(bs->LocateDevicePath(&pci_guid, &rest, &handle)) &&
	    !EFI_ERROR(bs->HandleProtocol(handle, &pci_guid, (void **)&pci)))
		*taken = wanted(pci);
	for (; path->Type != END_DEVICE_PATH_TYPE; path = (void *)((uint8_t *)path + size)) {
		size = path->Length[0] | (size_t)path->Length[1] << 8;
		const uint8_t *node = (const uint8_t *)path;

		if (path->Type == MEDIA_DEVICE_PATH && path->SubType == MEDIA_HARDDRIVE_DP)
			return node[__builtin_offsetof(HARDDRIVE_DEVICE_PATH, SignatureType)] == SIGNATURE_TYPE_GUID ?
			       node + __builtin_offsetof(HARDDRIVE_DEVICE_PATH, Signature) : NULL;
	}
	return NULL;
}

/* A PARTUUID in text: the first three fields are little-endian. */
static void put_uuid(char *out, const uint8_t *sig)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = "0123456789abcdef"[sig[order[i]] >> 4];
		*out++ = "0123456789abcdef"[sig[order[i]] & 15];
	}
	*out = 0;
}

bool name_own_disk(const EFI_LOADED_IMAGE *self, bool stays, char *words, size_t room)
{
	static const char word[] = "--own-partition=";
	const uint8_t *uuid;
	size_t used = strlen(words);
	bool taken;

	uuid = partition_of(self->DeviceHandle, &taken);
	if (!taken)
		return true;
	if (!uuid) {
		if (!stays)
			return true;
		say("veneer.efi: this program lies on a disk that Veneer conceals, and that has no GPT: Veneer could not "
		    "tell it from the guest's disk\n", NULL);
		return false;
	}
	if (used + sizeof(word) + 38 > room) {
		say("veneer.efi: the words for Veneer leave no room for a partition's name\n", NULL);
		return false;
	}
	if (used)
		words[used++] = ' ';
	memcpy(words + used, word, sizeof(word));
	put_uuid(words + used + sizeof(word) - 1, uuid);
	return true;
}
