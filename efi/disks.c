/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * As Veneer's guest: the virtual disks as Block I/O of the firmware (UEFI 2.9, section 13.9).  Its partition and file system
 * drivers sit on that.  No driver for virtio-blk: the requests go to Veneer by calls.
 */
#include <veneer/err.h>
#include <veneer/string.h>
#include "efi/guest.h"

#define MAX_DISKS	16u

struct path {
	ACPI_HID_DEVICE_PATH root;
	PCI_DEVICE_PATH pci;
	struct { EFI_DEVICE_PATH head; EFI_GUID guid; uint32_t n; } __attribute__((packed)) vendor;
	EFI_DEVICE_PATH end;
} __attribute__((packed));

struct block {
	EFI_BLOCK_IO io;
	EFI_BLOCK_IO_MEDIA media;
	struct path path;
	EFI_HANDLE handle;
	unsigned n;
	bool start;
};

static EFI_GUID block_guid = BLOCK_IO_PROTOCOL, path_guid = DEVICE_PATH_PROTOCOL;
static struct block disks[MAX_DISKS];
static unsigned ndisks;

/* --- Block I/O --- */

static EFI_STATUS EFIAPI block_reset(EFI_BLOCK_IO *io, BOOLEAN extended)
{
	return EFI_SUCCESS;
}

static EFI_STATUS status_of(int64_t err)
{
	switch (err) {
	case 0:
		return EFI_SUCCESS;
	case -ERR_ROFS:
		return EFI_WRITE_PROTECTED;
	case -ERR_INVAL:
		return EFI_INVALID_PARAMETER;
	default:
		return EFI_DEVICE_ERROR;
	}
}

/*
 * A piece of at most EFI_CALL_MAX bytes.  Veneer makes one transfer at a time, so nothing that calls from an event may come in
 * between; callers are at TPL_CALLBACK at most (UEFI 2.9, table 7-3).  Interrupts stay open while the disk works.  Veneer's
 * driver of the disk has a deadline for each command, so there is none here.
 */
static EFI_STATUS transfer_piece(const struct block *b, uint64_t flags, uint64_t lba, uint64_t blocks, const void *buf)
{
	EFI_TPL tpl = bs->RaiseTPL(TPL_CALLBACK);
	int64_t err = efi_call(EFI_CALL_BEGIN, b->n | flags, lba, blocks, (uintptr_t)buf);

	while (!err && (err = efi_call(EFI_CALL_POLL, 0, 0, 0, 0)) == -ERR_BUSY) {
		__asm__ volatile("pause");
		err = 0;
	}
	bs->RestoreTPL(tpl);
	return status_of(err);
}

static EFI_STATUS transfer(EFI_BLOCK_IO *io, uint64_t flags, uint32_t media, uint64_t lba, uint64_t size, const uint8_t *buf)
{
	const struct block *b = (const struct block *)io;
	uint32_t block = b->media.BlockSize;
	EFI_STATUS status = EFI_SUCCESS;

	if (media != b->media.MediaId)
		return EFI_MEDIA_CHANGED;
	if ((flags & EFI_CALL_WRITE) && b->media.ReadOnly)
		return EFI_WRITE_PROTECTED;
	if (!size)
		return EFI_SUCCESS;
	if (size % block)
		return EFI_BAD_BUFFER_SIZE;
	if (!buf || lba > b->media.LastBlock || size / block - 1 > b->media.LastBlock - lba)
		return EFI_INVALID_PARAMETER;
	while (size && !EFI_ERROR(status)) {
		uint64_t n = MIN(size, EFI_CALL_MAX);

		status = transfer_piece(b, flags, lba, n / block, buf);
		lba += n / block;
		buf += n;
		size -= n;
	}
	return status;
}

static EFI_STATUS EFIAPI block_read(EFI_BLOCK_IO *io, UINT32 media, EFI_LBA lba, UINTN size, void *buf)
{
	return transfer(io, 0, media, lba, size, buf);
}

static EFI_STATUS EFIAPI block_write(EFI_BLOCK_IO *io, UINT32 media, EFI_LBA lba, UINTN size, void *buf)
{
	return transfer(io, EFI_CALL_WRITE, media, lba, size, buf);
}

/* Each write is on stable media when it ends. */
static EFI_STATUS EFIAPI block_flush(EFI_BLOCK_IO *io)
{
	return EFI_SUCCESS;
}

/* --- the handles --- */

static void set_node(EFI_DEVICE_PATH *head, uint8_t type, uint8_t subtype, size_t size)
{
	*head = (EFI_DEVICE_PATH){ type, subtype, { (uint8_t)size, (uint8_t)(size >> 8) } };
}

/* The function that the guest's system sees, too; on bus 0 or not, the disk's number makes the path unique. */
static void set_path(struct path *p, const struct efi_disk *d, unsigned n)
{
	static const EFI_GUID guid = { 0x8a5d2b61, 0x0c1f, 0x4a5e, { 0xa3, 0x77, 0x56, 0x65, 0x6e, 0x65, 0x65, 0x72 } };

	p->root.HID = 0x0a0341d0;	/* PNP0A03 */
	p->root.UID = 0;
	p->pci.Function = d->bdf & 7;
	p->pci.Device = d->bdf >> 3 & 31;
	p->vendor.guid = guid;
	p->vendor.n = n;
	set_node(&p->root.Header, ACPI_DEVICE_PATH, ACPI_DP, sizeof(p->root));
	set_node(&p->pci.Header, HARDWARE_DEVICE_PATH, HW_PCI_DP, sizeof(p->pci));
	set_node(&p->vendor.head, HARDWARE_DEVICE_PATH, HW_VENDOR_DP, sizeof(p->vendor));
	set_node(&p->end, END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, sizeof(p->end));
}

/* 0, or an error after which there is no further disk. */
static int add_disk(unsigned n)
{
	struct block *b = &disks[ndisks];
	struct efi_disk d;

	if (efi_call(EFI_CALL_DISK, n, (uintptr_t)&d, 0, 0))
		return -ERR_NODEV;
	if (ndisks == MAX_DISKS) {
		say("veneer.efi: more than 16 disks: the firmware gets the first 16\n", NULL);
		return -ERR_NOMEM;
	}
	b->n = n;
	b->start = d.start;
	b->media = (EFI_BLOCK_IO_MEDIA){ .MediaId = 1, .MediaPresent = TRUE, .ReadOnly = !d.writable, .BlockSize = d.block_size,
					 .LastBlock = d.nblocks - 1 };
	b->io = (EFI_BLOCK_IO){ EFI_BLOCK_IO_INTERFACE_REVISION, &b->media, block_reset, block_read, block_write, block_flush };
	set_path(&b->path, &d, n);
	b->handle = NULL;
	if (EFI_ERROR(bs->InstallProtocolInterface(&b->handle, &path_guid, EFI_NATIVE_INTERFACE, &b->path)) ||
	    EFI_ERROR(bs->InstallProtocolInterface(&b->handle, &block_guid, EFI_NATIVE_INTERFACE, &b->io))) {
		say("veneer.efi: the firmware does not take the disk ", d.name, "\n", NULL);
		return -ERR_NOMEM;
	}
	ndisks++;
	bs->ConnectController(b->handle, NULL, NULL, TRUE);
	return 0;
}

unsigned add_disks(void)
{
	for (unsigned n = 0; !add_disk(n); n++)
		;
	return ndisks;
}

const EFI_DEVICE_PATH *startable_disk(unsigned n, size_t *size)
{
	*size = sizeof(disks[n].path) - sizeof(disks[n].path.end);
	return disks[n].start ? (const EFI_DEVICE_PATH *)&disks[n].path : NULL;
}
