/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An EFI application that looks at the machine as a loader would: for controllers that Veneer conceals, for protocols of the
 * firmware's drivers of such controllers, and for disks.  Then it tries to bring the drivers back, by the commands of OVMF's
 * shell and by boot services of its own, and looks again after each.  Reports on COM1.
 */
#include <efi.h>
#include <efipciio.h>
#include "tests/guest/efi/guest.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

#define VENDOR_VIRTIO	0x1af4u

static EFI_GUID pci_guid = EFI_PCI_IO_PROTOCOL_GUID, block_guid = BLOCK_IO_PROTOCOL, path_guid = DEVICE_PATH_PROTOCOL,
	image_guid = LOADED_IMAGE_PROTOCOL;
static EFI_GUID root_guid = { 0x2f707ebb, 0x4a1a, 0x11d4, { 0x9a, 0x38, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d } };
static EFI_GUID volume_guid = { 0x220e73b6, 0x6bdb, 0x4413, { 0x84, 0x05, 0xb9, 0x74, 0xb1, 0x08, 0x61, 0x9a } };
static const EFI_GUID shell_file = { 0x7c04a583, 0x9e3e, 0x4f1c, { 0xad, 0x65, 0xe0, 0x52, 0x68, 0xd0, 0xb4, 0xd1 } };
static const EFI_GUID veneer_guid = { 0x8a5d2b61, 0x0c1f, 0x4a5e, { 0xa3, 0x77, 0x56, 0x65, 0x6e, 0x65, 0x65, 0x72 } };

/* What the firmware's drivers of the concealed controllers would install. */
static struct { const char *name; EFI_GUID guid; } driver_protocols[] = {
	{ "nvme", { 0x52c78312, 0x8edc, 0x4233, { 0x98, 0xf2, 0x1a, 0x1a, 0xa5, 0xe3, 0x88, 0xa5 } } },
	{ "ata", { 0x1d3de7f0, 0x0807, 0x424f, { 0xaa, 0x69, 0x11, 0xa5, 0x4e, 0x19, 0xa4, 0x6f } } },
	{ "ide", { 0xa1e37052, 0x80d9, 0x4e65, { 0xa3, 0x17, 0x3e, 0x9a, 0x55, 0xc4, 0x3e, 0xc9 } } },
	{ "scsi", { 0x143b7632, 0xb81b, 0x4cb7, { 0xab, 0xd3, 0xb6, 0x25, 0xa5, 0xb9, 0xbf, 0xfe } } },
	{ "net", { 0xa19832b9, 0xac25, 0x11d3, { 0x9a, 0x2d, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d } } },
};

static EFI_HANDLE own_image;
static EFI_BOOT_SERVICES *bs;

static UINTN handles_of(EFI_GUID *guid, EFI_HANDLE **out)
{
	UINTN n = 0;

	*out = NULL;
	return EFI_ERROR(bs->LocateHandleBuffer(ByProtocol, guid, NULL, &n, out)) ? 0 : n;
}

static UINTN count(EFI_GUID *guid)
{
	EFI_HANDLE *handle;
	UINTN n = handles_of(guid, &handle);

	if (n)
		bs->FreePool(handle);
	return n;
}

/* --- PCI --- */

static uint32_t config(EFI_HANDLE handle, uint32_t at)
{
	EFI_PCI_IO_PROTOCOL *pci;
	uint32_t value = ~0u;

	if (!EFI_ERROR(bs->HandleProtocol(handle, &pci_guid, (void **)&pci)))
		pci->Pci.Read(pci, EfiPciIoWidthUint32, at, 1, &value);
	return value;
}

/* A controller that Veneer has a driver for. */
static bool is_real(EFI_HANDLE handle)
{
	uint32_t class = config(handle, 8) >> 8;

	return (uint16_t)config(handle, 0) != VENDOR_VIRTIO && (class == 0x010601 || class == 0x010802 || class == 0x020000);
}

static bool is_twin(EFI_HANDLE handle)
{
	return (uint16_t)config(handle, 0) == VENDOR_VIRTIO;
}

/* As a driver would open it.  Does not keep it open. */
static bool can_open(EFI_HANDLE handle)
{
	void *unused;

	if (EFI_ERROR(bs->OpenProtocol(handle, &pci_guid, &unused, own_image, handle,
				       EFI_OPEN_PROTOCOL_BY_DRIVER | EFI_OPEN_PROTOCOL_EXCLUSIVE)))
		return false;
	bs->CloseProtocol(handle, &pci_guid, own_image, handle);
	return true;
}

static void look_at_pci(void)
{
	UINTN real = 0, twins = 0, open = 0, n;
	EFI_HANDLE *handle;

	n = handles_of(&pci_guid, &handle);
	for (UINTN i = 0; i < n; i++) {
		real += is_real(handle[i]);
		twins += is_twin(handle[i]);
		open += is_twin(handle[i]) && can_open(handle[i]);
	}
	say_count(" real", real);
	say_count(", twins", twins);
	say_count(", open", open);
}

/* --- disks --- */

static bool is_virtual(const EFI_DEVICE_PATH *p)
{
	for (; p->Type != END_DEVICE_PATH_TYPE; p = next_node(p))
		if (p->Type == HARDWARE_DEVICE_PATH && p->SubType == HW_VENDOR_DP && same(p + 1, &veneer_guid, 16))
			return true;
	return false;
}

static bool on_usb(const EFI_DEVICE_PATH *p)
{
	for (; p->Type != END_DEVICE_PATH_TYPE; p = next_node(p))
		if (p->Type == MESSAGING_DEVICE_PATH && p->SubType == MSG_USB_DP)
			return true;
	return false;
}

/* True if the disk's second block is a GPT's head. */
static bool has_gpt(EFI_BLOCK_IO *io)
{
	static uint8_t block[4096] __attribute__((aligned(4096)));

	return io->Media->BlockSize <= sizeof(block) &&
	       !EFI_ERROR(io->ReadBlocks(io, io->Media->MediaId, 1, io->Media->BlockSize, block)) && same(block, "EFI PART", 8);
}

static void look_at_disks(void)
{
	UINTN virtual = 0, other = 0, gpts = 0, n;
	EFI_HANDLE *handle;

	n = handles_of(&block_guid, &handle);
	for (UINTN i = 0; i < n; i++) {
		EFI_DEVICE_PATH *path;
		EFI_BLOCK_IO *io;

		if (EFI_ERROR(bs->HandleProtocol(handle[i], &path_guid, (void **)&path)) ||
		    EFI_ERROR(bs->HandleProtocol(handle[i], &block_guid, (void **)&io)) || io->Media->LogicalPartition)
			continue;
		virtual += is_virtual(path);
		gpts += is_virtual(path) && has_gpt(io);
		other += !is_virtual(path) && !on_usb(path);
	}
	say_count(", disks", virtual);
	say_count(", with a GPT", gpts);
	say_count(", other disks", other);
}

static void look(const char *when)
{
	/* The firmware's console is on this port, too. */
	say("\nGUEST: ");
	say(when);
	say(":");
	look_at_pci();
	look_at_disks();
	for (UINTN i = 0; i < sizeof(driver_protocols) / sizeof(driver_protocols[0]); i++) {
		say(", ");
		say_count(driver_protocols[i].name, count(&driver_protocols[i].guid));
	}
	say("\n");
}

/* --- the shell --- */

/* Load the shell out of the firmware. */
static EFI_HANDLE load_shell(void)
{
	EFI_HANDLE *handle, shell = NULL;
	UINTN n = handles_of(&volume_guid, &handle);

	for (UINTN i = 0; i < n && !shell; i++) {
		uint8_t path[128] __attribute__((aligned(8)));
		EFI_DEVICE_PATH *volume, *node = (EFI_DEVICE_PATH *)path;
		const EFI_DEVICE_PATH *end;
		UINTN size;

		if (EFI_ERROR(bs->HandleProtocol(handle[i], &path_guid, (void **)&volume)))
			continue;
		for (end = volume; end->Type != END_DEVICE_PATH_TYPE;)
			end = next_node(end);
		size = (UINTN)((const uint8_t *)end - (const uint8_t *)volume);
		if (size + 20 + 4 > sizeof(path))
			continue;
		bs->CopyMem(path, volume, size);
		node = (EFI_DEVICE_PATH *)(path + size);
		*node = (EFI_DEVICE_PATH){ MEDIA_DEVICE_PATH, 6, { 20, 0 } };
		bs->CopyMem(node + 1, (void *)&shell_file, sizeof(shell_file));
		node = (EFI_DEVICE_PATH *)(path + size + 20);
		*node = (EFI_DEVICE_PATH){ END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, { 4, 0 } };
		if (EFI_ERROR(bs->LoadImage(FALSE, own_image, (EFI_DEVICE_PATH *)path, NULL, 0, &shell)))
			shell = NULL;
	}
	return shell;
}

static void run_shell(const CHAR16 *command, UINTN size, const char *name)
{
	EFI_HANDLE shell = load_shell();
	EFI_LOADED_IMAGE *loaded;
	EFI_STATUS status;

	if (!shell || EFI_ERROR(bs->HandleProtocol(shell, &image_guid, (void **)&loaded))) {
		say("GUEST: the firmware has no shell\n");
		return;
	}
	loaded->LoadOptions = (void *)command;
	loaded->LoadOptionsSize = (UINT32)size;
	status = bs->StartImage(shell, NULL, NULL);
	say("GUEST: shell: ");
	say(name);
	say_count(", status", status & 0xff);
	say("\n");
}

#define SHELL(text)	do { \
		static const CHAR16 command_[] = u"Shell.efi -nostartup -exit " text; \
		run_shell(command_, sizeof(command_), #text); \
		look("after " #text); \
	} while (0)

/* --- boot services --- */

static void connect_all(void)
{
	UINTN n = 0;
	EFI_HANDLE *handle;

	if (EFI_ERROR(bs->LocateHandleBuffer(AllHandles, NULL, NULL, &n, &handle)))
		return;
	for (UINTN i = 0; i < n; i++)
		bs->ConnectController(handle[i], NULL, NULL, TRUE);
	bs->FreePool(handle);
}

/* Take the hidden controllers from whoever holds them. */
static void disconnect_twins(void)
{
	EFI_HANDLE *handle;
	UINTN n = handles_of(&pci_guid, &handle);

	for (UINTN i = 0; i < n; i++)
		if (is_twin(handle[i]) || is_real(handle[i]))
			bs->DisconnectController(handle[i], NULL, NULL);
}

static void cycle_roots(void)
{
	EFI_HANDLE *handle;
	UINTN n = handles_of(&root_guid, &handle);

	for (UINTN i = 0; i < n; i++)
		bs->DisconnectController(handle[i], NULL, NULL);
	for (UINTN i = 0; i < n; i++)
		bs->ConnectController(handle[i], NULL, NULL, TRUE);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	own_image = image;
	bs = table->BootServices;
	look("at the start");
	SHELL("reconnect -r");
	SHELL("map -r");
	SHELL("connect -r");
	connect_all();
	look("after ConnectController");
	disconnect_twins();
	connect_all();
	look("after DisconnectController");
	cycle_roots();
	connect_all();
	look("after a cycle of the root bridge");
	say("GUEST: end\n");
	finish(0);
	return EFI_SUCCESS;
}
