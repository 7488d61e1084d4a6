/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An EFI application that wants the next start of the machine for itself, as a system's installer does: it writes boot entries,
 * asks for a capsule, writes a block of its disk and resets the machine, warm, then cold.  Reports at each start on COM1 what
 * has become of all that.
 */
#include "tests/guest/efi/guest.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

#define KEPT	(EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)

static EFI_GUID global = EFI_GLOBAL_VARIABLE, path_guid = DEVICE_PATH_PROTOCOL, image_guid = LOADED_IMAGE_PROTOCOL,
	block_guid = BLOCK_IO_PROTOCOL;
static EFI_GUID own = { 0x3f0c5a1e, 0x7a0b, 0x4a55, { 0x93, 0x11, 0x70, 0x72, 0x6f, 0x62, 0x65, 0x31 } };
static EFI_GUID copies = { 0x5b1e6a0d, 0x7d0f, 0x4d3c, { 0x8e, 0x21, 0x56, 0x65, 0x6e, 0x65, 0x65, 0x72 } };
static EFI_RUNTIME_SERVICES *rt;
static EFI_BOOT_SERVICES *bs;

static bool behind_veneer(void)
{
	uint32_t a = 0x40000000, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return b == 0x656e6556;		/* "Vene" */
}

/* --- boot entries --- */

/* Add an entry for the file that this program is, by the short path that begins with the partition; "Boot00AA" is 00AAh. */
static void write_entry(EFI_HANDLE partition)
{
	static const CHAR16 name[] = u"own", file[] = u"\\EFI\\BOOT\\BOOTX64.EFI";
	static uint8_t entry[256];
	EFI_DEVICE_PATH *path, *node;
	UINTN used = 6 + sizeof(name), size;

	if (EFI_ERROR(bs->HandleProtocol(partition, &path_guid, (void **)&path)))
		return;
	for (; path->Type != MEDIA_DEVICE_PATH; path = (EFI_DEVICE_PATH *)next_node(path))
		if (path->Type == END_DEVICE_PATH_TYPE)
			return;
	entry[0] = 1;				/* active */
	bs->CopyMem(entry + 6, (void *)name, sizeof(name));
	bs->CopyMem(entry + used, path, node_size(path));
	size = used + node_size(path);
	node = (EFI_DEVICE_PATH *)(entry + size);
	*node = (EFI_DEVICE_PATH){ MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, { 4 + sizeof(file), 0 } };
	bs->CopyMem(node + 1, (void *)file, sizeof(file));
	size += 4 + sizeof(file);
	node = (EFI_DEVICE_PATH *)(entry + size);
	*node = (EFI_DEVICE_PATH){ END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, { 4, 0 } };
	size += 4;
	entry[4] = (uint8_t)(size - used);
	say_count("GUEST: entry written, status", rt->SetVariable(u"Boot00AA", &global, KEPT, size, entry) & 0xff);
	say("\n");
}

static void write_order(void)
{
	static uint16_t number = 0xaa;
	static uint64_t setup = 1;		/* to the firmware's setup */

	say_count("GUEST: order written, status", rt->SetVariable(u"BootOrder", &global, KEPT, 2, &number) & 0xff);
	say_count(", next", rt->SetVariable(u"BootNext", &global, KEPT, 2, &number) & 0xff);
	say_count(", indications", rt->SetVariable(u"OsIndications", &global, KEPT, 8, &setup) & 0xff);
	say("\n");
}

static void read_order(void)
{
	uint16_t order[64], next;
	UINTN size = sizeof(order), entry = 0;
	EFI_STATUS status = rt->GetVariable(u"BootOrder", &global, NULL, &size, order);

	say_count("GUEST: order of", EFI_ERROR(status) ? 0 : size / 2);
	say_count(", first", EFI_ERROR(status) ? 0 : order[0]);
	rt->GetVariable(u"Boot00AA", &global, NULL, &entry, NULL);
	say_count(", own entry", entry ? 1 : 0);
	size = sizeof(next);
	say_count(", next", EFI_ERROR(rt->GetVariable(u"BootNext", &global, NULL, &size, &next)) ? 0 : next);
	say("\n");
}

static bool is_name(const CHAR16 *a, const CHAR16 *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* By the list of all names: each once, and none of Veneer's. */
static void list(void)
{
	CHAR16 name[256];
	UINTN n = 0, entries = 0, orders = 0, hidden = 0, size;
	EFI_GUID vendor;

	name[0] = 0;
	while (size = sizeof(name), !EFI_ERROR(rt->GetNextVariableName(&size, name, &vendor)) && n < 1000) {
		n++;
		hidden += same(&vendor, &copies, sizeof(vendor));
		entries += same(&vendor, &global, sizeof(vendor)) && is_name(name, u"Boot00AA");
		orders += same(&vendor, &global, sizeof(vendor)) && is_name(name, u"BootOrder");
	}
	say(n > 20 && n < 1000 ? "GUEST: many names" : "GUEST: few names");
	say_count(", own entry", entries);
	say_count(", orders", orders);
	say_count(", Veneer's", hidden);
	say("\n");
}

static void ask_for_capsule(void)
{
	EFI_CAPSULE_HEADER capsule = { .HeaderSize = sizeof(capsule), .CapsuleImageSize = sizeof(capsule) }, *some = &capsule;
	UINT64 max;
	EFI_RESET_TYPE reset;

	say_count("GUEST: capsule, status", rt->UpdateCapsule(&some, 1, 0) & 0xff);
	say_count(", query", rt->QueryCapsuleCapabilities(&some, 1, &max, &reset) & 0xff);
	say("\n");
}

/* --- the disk --- */

/* A block of the disk, right before the reset; no flush. */
static void last_block(EFI_HANDLE partition, uint8_t mark, bool write)
{
	static uint8_t block[4096] __attribute__((aligned(4096)));
	EFI_BLOCK_IO *io;
	EFI_STATUS status;

	if (EFI_ERROR(bs->HandleProtocol(partition, &block_guid, (void **)&io)))
		return;
	bs->SetMem(block, sizeof(block), mark);
	if (write)
		status = io->WriteBlocks(io, io->Media->MediaId, io->Media->LastBlock, io->Media->BlockSize, block);
	else
		status = io->ReadBlocks(io, io->Media->MediaId, io->Media->LastBlock, io->Media->BlockSize, block);
	say_count(write ? "GUEST: block written, status" : "GUEST: block read, status", status & 0xff);
	say_count(", mark", block[7]);
	say("\n");
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	EFI_LOADED_IMAGE *self;
	uint8_t phase = 0;
	UINTN size = 1;

	bs = table->BootServices;
	rt = table->RuntimeServices;
	if (EFI_ERROR(bs->HandleProtocol(image, &image_guid, (void **)&self)))
		return EFI_LOAD_ERROR;
	rt->GetVariable(u"Phase", &own, NULL, &size, &phase);
	say_count("\nGUEST: start", phase);
	say(behind_veneer() ? " behind Veneer\n" : " without Veneer\n");
	read_order();
	list();
	if (phase)
		last_block(self->DeviceHandle, 0, false);
	if (!phase) {
		ask_for_capsule();
		write_entry(self->DeviceHandle);
		write_order();
		read_order();
		list();
	}
	if (phase == 2)
		finish(0);
	phase++;
	rt->SetVariable(u"Phase", &own, KEPT, 1, &phase);
	last_block(self->DeviceHandle, (uint8_t)(0x40 + phase), true);
	rt->ResetSystem(phase == 1 ? EfiResetWarm : EfiResetCold, EFI_SUCCESS, 0, NULL);
	return EFI_SUCCESS;
}
