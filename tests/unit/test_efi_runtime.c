/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of veneer.efi before the firmware's runtime services, on a made-up store of variables. */
#include <stdlib.h>
#include <string.h>
#include "host/host.h"
#include "efi/runtime.c"

#define MAX_VARS	1200u
#define MOVED		0x100000000ull

static const EFI_GUID other = { 1, 2, 3, { 4 } };
static struct var { CHAR16 name[600]; EFI_GUID vendor; UINT32 attributes; UINTN size; uint8_t data[64]; } vars[MAX_VARS];
static unsigned nvars, writes, set_fails_at, converted, resets, calls;
static bool was_vmx, start_vmx;
static EFI_STATUS set_status = EFI_OUT_OF_RESOURCES, query_status;
static uint64_t room_left = 1 << 20;
static unsigned start_fails_at, start_header = sizeof(EFI_RUNTIME_SERVICES);
static EFI_RUNTIME_SERVICES rt;
static EFI_BOOT_SERVICES boot;
static EFI_SYSTEM_TABLE table;
static struct runtime_options options;
static void (EFIAPI *moved)(EFI_EVENT event, void *arg);

static unsigned length(const CHAR16 *s)
{
	unsigned n = 0;

	while (s[n])
		n++;
	return n;
}

static struct var *find(const CHAR16 *name, const EFI_GUID *vendor)
{
	for (unsigned i = 0; i < nvars; i++)
		if (length(vars[i].name) == length(name) && !memcmp(vars[i].name, name, 2 * length(name)) &&
		    !memcmp(&vars[i].vendor, vendor, sizeof(*vendor)))
			return &vars[i];
	return NULL;
}

static void add(const CHAR16 *name, const EFI_GUID *vendor, uint8_t data)
{
	struct var *v = &vars[nvars++];

	memset(v, 0, sizeof(*v));
	memcpy(v->name, name, 2 * length(name));
	v->vendor = *vendor;
	v->attributes = 7;
	v->size = 1;
	v->data[0] = data;
}

/* --- the firmware --- */

static EFI_STATUS EFIAPI fw_get(CHAR16 *name, EFI_GUID *vendor, UINT32 *attributes, UINTN *size, void *data)
{
	struct var *v = find(name, vendor);
	UINTN room = *size;

	if (!v)
		return EFI_NOT_FOUND;
	*size = v->size;
	if (attributes)
		*attributes = v->attributes;
	if (room < v->size)
		return EFI_BUFFER_TOO_SMALL;
	memcpy(data, v->data, v->size);
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fw_set(CHAR16 *name, EFI_GUID *vendor, UINT32 attributes, UINTN size, void *data)
{
	struct var *v = find(name, vendor);

	if (++writes == set_fails_at)
		return set_status;
	if (v && attributes && attributes != v->attributes)
		return EFI_INVALID_PARAMETER;
	if (!size) {
		if (!v)
			return EFI_NOT_FOUND;
		memmove(v, v + 1, (size_t)(&vars[--nvars] - v) * sizeof(*v));
		return EFI_SUCCESS;
	}
	if (!v) {
		add(name, vendor, 0);
		v = &vars[nvars - 1];
	}
	v->attributes = attributes;
	v->size = size;
	memcpy(v->data, data, size);
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fw_next(UINTN *size, CHAR16 *name, EFI_GUID *vendor)
{
	struct var *v = *name ? find(name, vendor) : vars - 1;
	UINTN room = *size;

	if (!v)
		return EFI_INVALID_PARAMETER;
	if (++v == &vars[nvars])
		return EFI_NOT_FOUND;
	*size = 2 * (length(v->name) + 1);
	if (*size > room)
		return EFI_BUFFER_TOO_SMALL;
	memcpy(name, v->name, *size);
	*vendor = v->vendor;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fw_query(UINT32 attributes, UINT64 *max, UINT64 *left, UINT64 *largest)
{
	CHECK_EQ(attributes, 7);
	*max = 1 << 20;
	*left = room_left;
	*largest = 1024;
	return query_status;
}

static EFI_STATUS EFIAPI fw_reset(EFI_RESET_TYPE type, EFI_STATUS why, UINTN size, CHAR16 *data)
{
	CHECK_EQ(calls, resets + 1);
	CHECK(type == EfiResetWarm && why == 5 && size == 6);
	resets++;
	return EFI_SUCCESS;
}

const char _text[1] = { 0 }, _etext[1] = { 0 };

int64_t runtime_call(uint64_t function, bool is_vmx)
{
	CHECK_EQ(function, EFI_CALL_STOP);
	was_vmx = is_vmx;
	calls++;
	return 0;
}

static EFI_STATUS EFIAPI fw_convert(UINTN how, void **p)
{
	CHECK(!how);
	*p = (void *)((uintptr_t)*p + MOVED);
	converted++;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI bs_event(UINT32 type, EFI_TPL tpl, EFI_EVENT_NOTIFY f, void *arg, EFI_EVENT *out)
{
	CHECK(type == EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE && tpl == TPL_NOTIFY);
	moved = f;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI bs_alloc(EFI_MEMORY_TYPE type, UINTN size, void **out)
{
	*out = malloc(size);
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI bs_free(void *p)
{
	free(p);
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI bs_crc(void *data, UINTN size, UINT32 *out)
{
	CHECK(data == &rt && size == rt.Hdr.HeaderSize && !rt.Hdr.CRC32);
	*out = 0x1234;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fw_capsule(EFI_CAPSULE_HEADER **list, UINTN n, EFI_PHYSICAL_ADDRESS scatter) { return EFI_SUCCESS; }

static EFI_STATUS start(bool pass)
{
	rt = (EFI_RUNTIME_SERVICES){ .Hdr.HeaderSize = start_header, .GetVariable = fw_get, .SetVariable = fw_set,
				     .GetNextVariableName = fw_next, .ResetSystem = fw_reset, .ConvertPointer = fw_convert,
				     .UpdateCapsule = fw_capsule, .QueryVariableInfo = fw_query };
	boot = (EFI_BOOT_SERVICES){ .CreateEvent = bs_event, .AllocatePool = bs_alloc,
				    .FreePool = bs_free, .CalculateCrc32 = bs_crc };
	table = (EFI_SYSTEM_TABLE){ .RuntimeServices = &rt, .BootServices = &boot };
	options = (struct runtime_options){ .pass = pass, .vmx = start_vmx };
	set_fails_at = start_fails_at;
	writes = converted = resets = calls = 0;
	return efi_main(&options, &table);
}

/* A machine with entries of its own, and others' variables between them. */
static void setup(bool pass)
{
	nvars = 0;
	add(u"Lang", &global, 1);
	add(u"Boot0000", &global, 10);
	add(u"BootOrder", &global, 11);
	add(u"BootOrder", &other, 12);
	add(u"BootCurrent", &global, 13);
	add(u"OsIndications", &global, 14);
	CHECK_EQ(start(pass), EFI_SUCCESS);
}

static int value(const CHAR16 *name, const EFI_GUID *vendor)
{
	uint8_t data[64];
	UINTN size = sizeof(data);
	EFI_GUID v = *vendor;

	return EFI_ERROR(rt.GetVariable((CHAR16 *)name, &v, NULL, &size, data)) ? -1 : data[0];
}

static EFI_STATUS put(const CHAR16 *name, const EFI_GUID *vendor, uint8_t data, UINTN size)
{
	EFI_GUID v = *vendor;

	return rt.SetVariable((CHAR16 *)name, &v, 7, size, &data);
}

static int real(const CHAR16 *name)
{
	struct var *v = find(name, &global);

	return v ? v->data[0] : -1;
}

/* The number of variables that the guest lists, and of those with that name. */
static unsigned listed(const CHAR16 *wanted, const EFI_GUID *vendor, unsigned *hits)
{
	CHAR16 name[600] = u"";
	EFI_GUID at = { 0 };
	unsigned n = 0;
	UINTN size;

	*hits = 0;
	while (size = sizeof(name), !EFI_ERROR(rt.GetNextVariableName(&size, name, &at))) {
		CHECK_EQ(size, 2 * (length(name) + 1));
		CHECK(memcmp(&at, &copies, sizeof(at)));
		*hits += length(name) == length(wanted) && !memcmp(name, wanted, size) && !memcmp(&at, vendor, sizeof(at));
		CHECK(++n < 1000);
	}
	return n;
}

TEST(the_guest_writes_a_copy)
{
	unsigned hits;

	setup(false);
	CHECK(!EFI_ERROR(options.copies) && rt.Hdr.CRC32 == 0x1234);
	CHECK(!(options.code % EFI_PAGE_SIZE) && !(options.code_end % EFI_PAGE_SIZE));
	CHECK(options.code <= (uintptr_t)_text && options.code_end >= (uintptr_t)_etext);
	CHECK(!(options.end % EFI_PAGE_SIZE) && options.end > options.code_end && options.end >= (uintptr_t)_edata);
	/* What was there is there for the guest, too; OsIndications is for one start. */
	CHECK(value(u"Boot0000", &global) == 10 && value(u"BootOrder", &global) == 11 && value(u"Lang", &global) == 1);
	CHECK_EQ(value(u"OsIndications", &global), -1);
	CHECK_EQ(listed(u"BootOrder", &global, &hits), 5);
	CHECK_EQ(hits, 1);
	CHECK_EQ(put(u"BootOrder", &global, 99, 1), EFI_SUCCESS);
	CHECK_EQ(put(u"Boot00aB", &global, 98, 1), EFI_SUCCESS);
	CHECK_EQ(put(u"BootNext", &global, 97, 1), EFI_SUCCESS);
	CHECK_EQ(put(u"Boot0000", &global, 0, 0), EFI_SUCCESS);
	CHECK(value(u"BootOrder", &global) == 99 && value(u"Boot00aB", &global) == 98 && value(u"BootNext", &global) == 97);
	CHECK_EQ(value(u"Boot0000", &global), -1);
	CHECK(real(u"BootOrder") == 11 && real(u"Boot0000") == 10 && real(u"Boot00aB") == -1 && real(u"BootNext") == -1);
	listed(u"Boot00aB", &global, &hits);
	CHECK_EQ(hits, 1);
	listed(u"Boot0000", &global, &hits);
	CHECK_EQ(hits, 0);
}

TEST(all_that_decides_a_start_is_copied)
{
	static const CHAR16 names[][24] = { u"BootOrder", u"BootNext", u"OsIndications", u"DriverOrder", u"SysPrepOrder",
					    u"Boot0010", u"BootFFFF", u"Driver0000", u"SysPrep0001", u"Key0002",
					    u"PlatformRecovery0000" };
	static const CHAR16 free_names[][24] = { u"BootCurrent", u"Timeout", u"Boot001", u"Boot00100", u"Boot001G", u"BootOrde",
						 u"BootOrderX", u"Boot", u"", u"ConOut" };

	setup(false);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK_EQ(put(names[i], &global, 1, 1), EFI_SUCCESS);
		CHECK(find(names[i], &copies));
		CHECK(real(names[i]) != 1);
		/* Another vendor's variable of that name is no boot entry. */
		put(names[i], &other, 2, 1);
		CHECK(find(names[i], &other) && value(names[i], &other) == 2);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(free_names); i++) {
		put(free_names[i], &global, 3, 1);
		CHECK(!find(free_names[i], &copies) && real(free_names[i]) == 3);
	}
}

TEST(copies_outlive_a_start)
{
	unsigned hits;

	setup(false);
	put(u"BootOrder", &global, 99, 1);
	put(u"BootNext", &global, 97, 1);
	put(u"OsIndications", &global, 96, 1);
	put(u"Boot0000", &global, 0, 0);
	/* The machine's own entries change; the guest keeps its own. */
	find(u"BootOrder", &global)->data[0] = 55;
	CHECK_EQ(start(false), EFI_SUCCESS);
	CHECK(value(u"BootOrder", &global) == 99 && value(u"Boot0000", &global) == -1);
	/* For one start only. */
	CHECK(value(u"BootNext", &global) == -1 && value(u"OsIndications", &global) == -1);
	CHECK(real(u"BootOrder") == 55 && real(u"OsIndications") == 14);
	listed(u"BootOrder", &global, &hits);
	CHECK_EQ(hits, 1);
}

TEST(passed_on_if_configured)
{
	setup(true);
	CHECK_EQ(put(u"BootOrder", &global, 99, 1), EFI_SUCCESS);
	CHECK(real(u"BootOrder") == 99 && rt.GetNextVariableName == fw_next);
	CHECK(rt.UpdateCapsule(NULL, 0, 0) == EFI_UNSUPPORTED);
}

static unsigned copies_there(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nvars; i++)
		n += !memcmp(&vars[i].vendor, &copies, sizeof(copies));
	return n;
}

/*
 * The firmware's memory for variables is full: nothing of the machine's is written, no copy stays, and veneer.efi says so.  The
 * guest's own writes outlive a start that has room again.
 */
TEST(without_room)
{
	for (unsigned at = 1; at <= 4; at++) {
		nvars = 0;
		add(u"Boot0000", &global, 10);
		add(u"BootOrder", &global, 11);
		start_fails_at = at;
		CHECK_EQ(start(false), EFI_SUCCESS);
		start_fails_at = 0;
		/* Two copies and the mark; the fourth write is for one start. */
		CHECK_EQ(options.copies, at <= 3 ? EFI_OUT_OF_RESOURCES : EFI_SUCCESS);
		CHECK_EQ(copies_there(), at <= 3 ? 0 : 3);
		set_fails_at = writes + 1;
		CHECK_EQ(put(u"BootOrder", &global, 99, 1), EFI_OUT_OF_RESOURCES);
		CHECK_EQ(real(u"BootOrder"), 11);
		CHECK_EQ(put(u"BootOrder", &global, 98, 1), EFI_SUCCESS);
		start_fails_at = at == 3 ? 2 : 0;
		CHECK_EQ(start(false), EFI_SUCCESS);
		start_fails_at = 0;
		CHECK_EQ(options.copies, at == 3 ? EFI_OUT_OF_RESOURCES : EFI_SUCCESS);
		CHECK_EQ(copies_there(), at == 3 ? 1 : 3);
		CHECK(value(u"BootOrder", &global) == 98 && real(u"BootOrder") == 11);
		CHECK_EQ(value(u"Boot0000", &global), at == 3 ? -1 : 10);
	}
}

/* Some firmware does not start again with its memory for variables full. */
TEST(room_is_left)
{
	const unsigned need = ROOM_LEFT + 4 * (1 + sizeof(CHAR16[OPTION_MAX]) + VARIABLE_HEAD);

	room_left = need - 1;
	nvars = 0;
	add(u"Boot0000", &global, 10);
	add(u"Boot0001", &global, 10);
	add(u"Driver0000", &global, 10);
	add(u"BootOrder", &global, 11);
	CHECK_EQ(start(false), EFI_SUCCESS);
	CHECK_EQ(options.copies, EFI_OUT_OF_RESOURCES);
	CHECK(!copies_there() && nvars == 4);
	room_left = need;
	CHECK_EQ(start(false), EFI_SUCCESS);
	CHECK(!options.copies && copies_there() == 5);
	/* There is nothing to copy any more: the room does not matter. */
	room_left = 0;
	CHECK_EQ(start(false), EFI_SUCCESS);
	CHECK(!options.copies && copies_there() == 5);
	room_left = 1 << 20;
}

TEST(the_status_of_no_copies)
{
	nvars = 0;
	add(u"Boot0000", &global, 10);
	set_status = EFI_WRITE_PROTECTED;
	start_fails_at = 1;
	CHECK_EQ(start(false), EFI_SUCCESS);
	CHECK(options.copies == EFI_WRITE_PROTECTED && !copies_there());
	set_status = EFI_OUT_OF_RESOURCES;
	start_fails_at = 0;
	query_status = EFI_INVALID_PARAMETER;
	CHECK_EQ(start(false), EFI_SUCCESS);
	CHECK(options.copies == EFI_INVALID_PARAMETER && !copies_there());
	query_status = EFI_SUCCESS;
	/* UEFI 1.10 has no such service. */
	start_header = __builtin_offsetof(EFI_RUNTIME_SERVICES, QueryVariableInfo);
	CHECK_EQ(start(false), EFI_SUCCESS);
	start_header = sizeof(rt);
	CHECK(options.copies == EFI_UNSUPPORTED && !copies_there());
}

/* A start was cut off: what is there stays, what is missing comes. */
TEST(half_of_the_copies)
{
	nvars = 0;
	add(u"Boot0000", &global, 10);
	add(u"Boot0001", &global, 20);
	add(u"Boot0000", &copies, 30);
	CHECK_EQ(start(false), EFI_SUCCESS);
	CHECK(!options.copies && value(u"Boot0000", &global) == 30 && value(u"Boot0001", &global) == 20);
}

/* A system without Veneer sees and removes the mark, also that of an older Veneer. */
TEST(the_mark_can_be_removed)
{
	setup(false);
	CHECK(find(mark, &copies)->attributes == KEPT);
	find(mark, &copies)->attributes = EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS;
	put(u"Boot0000", &global, 0, 0);
	CHECK_EQ(start(false), EFI_SUCCESS);
	CHECK(!options.copies && find(mark, &copies)->attributes == KEPT);
	/* Nothing is copied again. */
	CHECK_EQ(value(u"Boot0000", &global), -1);
}

TEST(more_entries_than_copies)
{
	CHAR16 name[] = u"Boot0000";

	for (unsigned n = MAX_OPTIONS; n <= MAX_OPTIONS + 1; n++) {
		nvars = 0;
		for (unsigned i = 0; i < n; i++) {
			for (unsigned k = 0; k < 4; k++)
				name[4 + k] = (CHAR16)"0123456789ABCDEF"[i >> 4 * (3 - k) & 15];
			add(name, &global, 1);
		}
		CHECK_EQ(start(false), EFI_SUCCESS);
		CHECK_EQ(options.copies, n > MAX_OPTIONS ? EFI_BUFFER_TOO_SMALL : EFI_SUCCESS);
		/* Those without a copy are not the guest's, and so stay the machine's. */
		put(name, &global, 5, 1);
		CHECK_EQ(real(name), 1);
	}
}

TEST(names_of_any_length)
{
	CHAR16 name[600] = u"", long_name[600] = u"";
	EFI_GUID at = { 0 };
	UINTN size = 4;

	setup(false);
	/* The caller's room is too small: nothing of the caller's changes. */
	CHECK_EQ(rt.GetNextVariableName(&size, name, &at), EFI_BUFFER_TOO_SMALL);
	CHECK(size == 10 && !*name && !at.Data1);
	CHECK_EQ(rt.GetNextVariableName(&size, name, &at), EFI_SUCCESS);
	CHECK(!memcmp(name, u"Lang", 10));
	/* Behind it comes a variable that is not shown, then BootOrder of another vendor: as before, nothing changes. */
	size = 10;
	CHECK_EQ(rt.GetNextVariableName(&size, name, &at), EFI_BUFFER_TOO_SMALL);
	CHECK(size == 20 && !memcmp(name, u"Lang", 10) && same_guid(&at, &global));
	CHECK_EQ(rt.GetNextVariableName(&size, name, &at), EFI_SUCCESS);
	CHECK(!memcmp(name, u"BootOrder", 20) && same_guid(&at, &other));
	/* No end, no size, no vendor. */
	size = 8;
	CHECK_EQ(rt.GetNextVariableName(&size, name, &at), EFI_INVALID_PARAMETER);
	size = 0;
	CHECK_EQ(rt.GetNextVariableName(&size, name, &at), EFI_INVALID_PARAMETER);
	CHECK_EQ(rt.GetNextVariableName(NULL, name, &at), EFI_INVALID_PARAMETER);
	size = sizeof(name);
	CHECK_EQ(rt.GetNextVariableName(&size, name, NULL), EFI_INVALID_PARAMETER);
	/* The longest name, and one that is longer. */
	for (unsigned i = 0; i < NAME_ROOM - 1; i++)
		long_name[i] = 'x';
	nvars = 0;
	add(long_name, &other, 1);
	*name = 0;
	size = sizeof(name);
	CHECK_EQ(rt.GetNextVariableName(&size, name, &at), EFI_SUCCESS);
	CHECK_EQ(size, 2 * NAME_ROOM);
	vars[0].name[NAME_ROOM - 1] = 'x';
	*name = 0;
	size = sizeof(name);
	CHECK_EQ(rt.GetNextVariableName(&size, name, &at), EFI_DEVICE_ERROR);
}

TEST(a_reset_stops_veneer_first)
{
	setup(false);
	rt.ResetSystem(EfiResetWarm, 5, 6, NULL);
	CHECK(resets == 1 && calls == 1 && !was_vmx);
	start_vmx = true;
	CHECK_EQ(start(false), EFI_SUCCESS);
	start_vmx = false;
	rt.ResetSystem(EfiResetWarm, 5, 6, NULL);
	CHECK(resets == 1 && calls == 1 && was_vmx);
}

TEST(capsules_are_refused)
{
	setup(false);
	CHECK_EQ(rt.UpdateCapsule(NULL, 0, 0), EFI_UNSUPPORTED);
	CHECK_EQ(rt.QueryCapsuleCapabilities(NULL, 0, NULL, NULL), EFI_UNSUPPORTED);
	/* Older firmware has a shorter table. */
	start_header = (unsigned)((uint8_t *)&rt.UpdateCapsule - (uint8_t *)&rt);
	CHECK_EQ(start(false), EFI_SUCCESS);
	start_header = sizeof(rt);
	CHECK(rt.UpdateCapsule == fw_capsule && rt.ResetSystem == reset_system);
}

TEST(the_firmwares_addresses_move)
{
	setup(false);
	moved(NULL, NULL);
	CHECK_EQ(converted, 5);
	CHECK((uintptr_t)firmware.get == (uintptr_t)fw_get + MOVED && (uintptr_t)firmware.set == (uintptr_t)fw_set + MOVED);
	CHECK((uintptr_t)firmware.next == (uintptr_t)fw_next + MOVED && (uintptr_t)services == (uintptr_t)&rt + MOVED);
	CHECK((uintptr_t)firmware.reset == (uintptr_t)fw_reset + MOVED);
}

TEST_MAIN
