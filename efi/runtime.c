/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of veneer.efi that stays when boot services end: it stands before some of the firmware's runtime services (UEFI 2.9,
 * sections 8.2 and 8.5).  A reset lets Veneer flush the disks first, capsules are refused, and the guest's boot entries are a
 * copy, so that the machine goes on starting Veneer.  All else is the firmware's.
 *
 * A program of its own, in runtime memory: the system may reuse the memory of an application.  Its code runs at a virtual
 * address after SetVirtualAddressMap(), and so may not hold an address that the linker put there: no table of pointers, no
 * string by a pointer (efi/build.mk checks that there is no relocation).
 */
#include <efi.h>
#include <veneer/efi_guest.h>
#include "efi/runtime.h"

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *table);

/* The longest name that is told apart, with its end; Linux has the same limit. */
#define NAME_ROOM	512u

#define MAX_OPTIONS	RUNTIME_MAX_OPTIONS	/* that are copied */
#define OPTION_MAX	24u	/* of those names, with the end: "PlatformRecovery0000" */
#define ROOM_LEFT	5120u	/* bytes of the memory for variables that stay free; Linux leaves as many */
#define VARIABLE_HEAD	96u	/* what a variable takes beside name and data: in EDK II up to 63 */

/* Of the mark, which a system without Veneer can see and remove, and of what the firmware is asked for room for. */
#define KEPT	(EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)

/* The guest's copies have the names of the firmware's variables, and this vendor. */
static const EFI_GUID global = EFI_GLOBAL_VARIABLE,
	copies = { 0x5b1e6a0d, 0x7d0f, 0x4d3c, { 0x8e, 0x21, 0x56, 0x65, 0x6e, 0x65, 0x65, 0x72 } };
static const CHAR16 mark[] = u"VeneerCopied";

/* The firmware's own, converted with the address map. */
static struct {
	EFI_GET_VARIABLE get;
	EFI_SET_VARIABLE set;
	EFI_GET_NEXT_VARIABLE_NAME next;
	EFI_RESET_SYSTEM reset;
} firmware;

/* Of the linker script. */
extern const char _text[] __attribute__((visibility("hidden"))), _etext[] __attribute__((visibility("hidden"))),
	_edata[] __attribute__((visibility("hidden")));

static EFI_RUNTIME_SERVICES *services;
static bool vmx;
static CHAR16 name_of_next[NAME_ROOM];

/* --- names --- */

static bool same_guid(const EFI_GUID *a, const EFI_GUID *b)
{
	const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;

	for (unsigned i = 0; i < sizeof(*a); i++)
		if (x[i] != y[i])
			return false;
	return true;
}

/* What follows @word in @name, or NULL if @name begins in another way. */
static const CHAR16 *behind(const CHAR16 *name, const CHAR16 *word)
{
	while (*word)
		if (*name++ != *word++)
			return NULL;
	return name;
}

static bool is(const CHAR16 *name, const CHAR16 *word)
{
	const CHAR16 *rest = behind(name, word);

	return rest && !*rest;
}

/* An option, such as "Boot001A". */
static bool is_option(const CHAR16 *name, const CHAR16 *word)
{
	const CHAR16 *rest = behind(name, word);
	unsigned i = 0;

	for (; rest && i < 4; i++) {
		CHAR16 c = rest[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'F') && !(c >= 'a' && c <= 'f'))
			return false;
	}
	return rest && !rest[i];
}

/* The variables by which a system decides what the firmware starts next, or loads before that (section 3.3). */
static bool decides_start(const CHAR16 *name, const EFI_GUID *vendor)
{
	return same_guid(vendor, &global) &&
	       (is(name, u"BootOrder") || is(name, u"BootNext") || is(name, u"OsIndications") || is(name, u"DriverOrder") ||
		is(name, u"SysPrepOrder") || is_option(name, u"Boot") || is_option(name, u"Driver") ||
		is_option(name, u"SysPrep") || is_option(name, u"Key") || is_option(name, u"PlatformRecovery"));
}

static EFI_GUID *vendor_of(const CHAR16 *name, EFI_GUID *vendor)
{
	return name && vendor && decides_start(name, vendor) ? (EFI_GUID *)&copies : vendor;
}

/* --- the services --- */

static EFI_STATUS EFIAPI get_variable(CHAR16 *name, EFI_GUID *vendor, UINT32 *attributes, UINTN *size, void *data)
{
	return firmware.get(name, vendor_of(name, vendor), attributes, size, data);
}

static EFI_STATUS EFIAPI set_variable(CHAR16 *name, EFI_GUID *vendor, UINT32 attributes, UINTN size, void *data)
{
	return firmware.set(name, vendor_of(name, vendor), attributes, size, data);
}

/* The size of @name with its end in bytes; more than @max bytes: 0. */
static UINTN size_of_name(const CHAR16 *name, UINTN max)
{
	UINTN n = 0;

	while (n < max / sizeof(*name))
		if (!name[n++])
			return n * sizeof(*name);
	return 0;
}

static void copy_name(CHAR16 *to, const CHAR16 *from, UINTN size)
{
	for (UINTN i = 0; i < size / sizeof(*to); i++)
		to[i] = from[i];
}

/*
 * The firmware's list without what the guest does not see, each copy by its name's proper vendor.  The caller's name changes
 * only with success, as the firmware has it.  No two calls are made at a time (section 8.1), so one buffer does.
 */
static EFI_STATUS EFIAPI get_next(UINTN *size, CHAR16 *name, EFI_GUID *vendor)
{
	EFI_GUID at;
	EFI_STATUS status;
	UINTN room;

	room = size && name && vendor ? size_of_name(name, *size < sizeof(name_of_next) ? *size : sizeof(name_of_next)) : 0;
	if (!room)
		return EFI_INVALID_PARAMETER;
	copy_name(name_of_next, name, room);
	at = *vendor_of(name, vendor);
	do {
		room = sizeof(name_of_next);
		status = firmware.next(&room, name_of_next, &at);
		if (EFI_ERROR(status))
			return status == EFI_BUFFER_TOO_SMALL ? EFI_DEVICE_ERROR : status;
	} while (decides_start(name_of_next, &at) || (same_guid(&at, &copies) && !decides_start(name_of_next, &global)));
	room = size_of_name(name_of_next, sizeof(name_of_next));
	if (room > *size || !room) {
		*size = room;
		return room ? EFI_BUFFER_TOO_SMALL : EFI_DEVICE_ERROR;
	}
	*size = room;
	copy_name(name, name_of_next, room);
	*vendor = same_guid(&at, &copies) ? global : at;
	return EFI_SUCCESS;
}

/* Veneer stops the devices and flushes the disks.  A reset by the firmware can be one that Veneer does not see, in SMM. */
static EFI_STATUS EFIAPI reset_system(EFI_RESET_TYPE type, EFI_STATUS why, UINTN size, CHAR16 *data)
{
	runtime_call(EFI_CALL_STOP, vmx);
	return firmware.reset(type, why, size, data);
}

static EFI_STATUS EFIAPI update_capsule(EFI_CAPSULE_HEADER **list, UINTN n, EFI_PHYSICAL_ADDRESS scatter)
{
	return EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI query_capsule(EFI_CAPSULE_HEADER **list, UINTN n, UINT64 *max, EFI_RESET_TYPE *reset)
{
	return EFI_UNSUPPORTED;
}

/* --- the start --- */

/* The system's address map takes effect: this image's own code has been moved by the firmware. */
static void EFIAPI convert(EFI_EVENT event, void *unused)
{
	services->ConvertPointer(0, (void **)&firmware.get);
	services->ConvertPointer(0, (void **)&firmware.set);
	services->ConvertPointer(0, (void **)&firmware.next);
	services->ConvertPointer(0, (void **)&firmware.reset);
	services->ConvertPointer(0, (void **)&services);
}

static EFI_STATUS size_of_variable(CHAR16 *name, const EFI_GUID *vendor, UINT32 *attributes, UINTN *size)
{
	EFI_GUID of = *vendor;
	EFI_STATUS status;

	*size = 0;
	status = firmware.get(name, &of, attributes, size, NULL);
	return status == EFI_BUFFER_TOO_SMALL ? EFI_SUCCESS : status;
}

static void remove_copy(CHAR16 *name)
{
	EFI_GUID vendor = copies;

	/* No attributes: others than those that the variable has would be refused. */
	firmware.set(name, &vendor, 0, 0, NULL);
}

static EFI_STATUS copy_variable(EFI_BOOT_SERVICES *bs, CHAR16 *name)
{
	EFI_GUID from = global, to = copies;
	UINT32 attributes = 0;
	UINTN size;
	void *data;
	EFI_STATUS status = size_of_variable(name, &global, &attributes, &size);

	if (EFI_ERROR(status))
		return status;
	status = bs->AllocatePool(EfiBootServicesData, size, &data);
	if (EFI_ERROR(status))
		return status;
	status = firmware.get(name, &from, &attributes, &size, data);
	if (!EFI_ERROR(status))
		status = firmware.set(name, &to, attributes, size, data);
	bs->FreePool(data);
	return status;
}

/*
 * Collect the names of the variables that the guest has no copy of: changes may upset the order of the list.  A copy that is
 * there without the mark is the guest's own, or of a start that was cut off.
 */
static EFI_STATUS find_options(CHAR16 (*found)[OPTION_MAX], unsigned *n)
{
	EFI_GUID at = { 0 };
	UINTN size;

	name_of_next[0] = 0;
	while (size = sizeof(name_of_next), !EFI_ERROR(firmware.next(&size, name_of_next, &at))) {
		if (!decides_start(name_of_next, &at) ||
		    !EFI_ERROR(size_of_variable(name_of_next, &copies, NULL, &size)))
			continue;
		if (*n == MAX_OPTIONS)
			return EFI_BUFFER_TOO_SMALL;
		copy_name(found[(*n)++], name_of_next, size_of_name(name_of_next, sizeof(*found)));
	}
	return EFI_SUCCESS;
}

/* Some firmware does not start again with its memory for variables full: leave room.  Unknown room is none. */
static EFI_STATUS has_room(CHAR16 (*found)[OPTION_MAX], unsigned n)
{
	UINT64 max = 0, left = 0, largest = 0, need = ROOM_LEFT;
	EFI_STATUS status;

	/* UEFI 1.10 does not tell. */
	if (services->Hdr.HeaderSize < __builtin_offsetof(EFI_RUNTIME_SERVICES, QueryVariableInfo) + sizeof(void *))
		return EFI_UNSUPPORTED;
	for (unsigned i = 0; i < n; i++) {
		UINTN size;

		status = size_of_variable(found[i], &global, NULL, &size);
		if (EFI_ERROR(status))
			return status;
		need += size + sizeof(*found) + VARIABLE_HEAD;
	}
	status = services->QueryVariableInfo(KEPT, &max, &left, &largest);
	if (EFI_ERROR(status))
		return status;
	return left < need ? EFI_OUT_OF_RESOURCES : EFI_SUCCESS;
}

static EFI_STATUS set_mark(void)
{
	EFI_GUID vendor = copies;
	uint8_t yes = 1;

	return firmware.set((CHAR16 *)mark, &vendor, KEPT, sizeof(yes), &yes);
}

/* All and the mark, or nothing. */
static EFI_STATUS copy_options(EFI_BOOT_SERVICES *bs, CHAR16 (*found)[OPTION_MAX], unsigned n)
{
	EFI_STATUS status = EFI_SUCCESS;
	unsigned i = 0;

	for (; i < n && !EFI_ERROR(status); i++)
		status = copy_variable(bs, found[i]);
	if (!EFI_ERROR(status))
		status = set_mark();
	while (EFI_ERROR(status) && i)
		remove_copy(found[--i]);
	return status;
}

static EFI_STATUS copy_all(EFI_BOOT_SERVICES *bs)
{
	CHAR16 (*found)[OPTION_MAX];
	EFI_STATUS status = bs->AllocatePool(EfiBootServicesData, MAX_OPTIONS * sizeof(*found), (void **)&found);
	unsigned n = 0;

	if (EFI_ERROR(status))
		return status;
	status = find_options(found, &n);
	if (!EFI_ERROR(status))
		status = has_room(found, n);
	if (!EFI_ERROR(status))
		status = copy_options(bs, found, n);
	bs->FreePool(found);
	return status;
}

/* Copies once in the life of a machine; from then on they are the guest's own. */
static EFI_STATUS begin_copies(EFI_BOOT_SERVICES *bs)
{
	static CHAR16 next[] = u"BootNext", os[] = u"OsIndications";
	EFI_STATUS status = EFI_SUCCESS;
	UINT32 attributes = 0;
	UINTN size;

	if (EFI_ERROR(size_of_variable((CHAR16 *)mark, &copies, &attributes, &size))) {
		status = copy_all(bs);
	} else if (attributes != KEPT) {
		/* The mark of an older Veneer, which no system could see. */
		remove_copy((CHAR16 *)mark);
		status = set_mark();
	}
	/* What the firmware would do: they are for one start. */
	remove_copy(next);
	remove_copy(os);
	return status;
}

static void stand_before(EFI_BOOT_SERVICES *bs, bool pass)
{
	if (!pass) {
		services->GetVariable = get_variable;
		services->SetVariable = set_variable;
		services->GetNextVariableName = get_next;
	}
	services->ResetSystem = reset_system;
	/* UEFI 1.10 has no capsules. */
	if (services->Hdr.HeaderSize >= __builtin_offsetof(EFI_RUNTIME_SERVICES, QueryVariableInfo)) {
		services->UpdateCapsule = update_capsule;
		services->QueryCapsuleCapabilities = query_capsule;
	}
	services->Hdr.CRC32 = 0;
	bs->CalculateCrc32(services, services->Hdr.HeaderSize, &services->Hdr.CRC32);
}

/* gnu-efi's start code calls this by the convention of System V. */
EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *table)
{
	struct runtime_options *options = handle;
	EFI_BOOT_SERVICES *bs = table->BootServices;
	EFI_STATUS status;
	EFI_EVENT event;

	services = table->RuntimeServices;
	firmware.get = services->GetVariable;
	firmware.set = services->SetVariable;
	firmware.next = services->GetNextVariableName;
	firmware.reset = services->ResetSystem;
	vmx = options->vmx;
	status = bs->CreateEvent(EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE, TPL_NOTIFY, convert, NULL, &event);
	if (EFI_ERROR(status))
		return status;
	options->code = (uintptr_t)_text & ~(uint64_t)(EFI_PAGE_SIZE - 1);
	options->code_end = ((uintptr_t)_etext + EFI_PAGE_SIZE - 1) & ~(uint64_t)(EFI_PAGE_SIZE - 1);
	/* All that is written to lies below: .bss, too, is in .data. */
	options->end = ((uintptr_t)_edata + EFI_PAGE_SIZE - 1) & ~(uint64_t)(EFI_PAGE_SIZE - 1);
	options->copies = options->pass ? EFI_SUCCESS : begin_copies(bs);
	stand_before(bs, options->pass);
	return EFI_SUCCESS;
}
