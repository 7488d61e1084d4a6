/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: efi/attributes.c */
/* The start of the part that stays, and the memory attributes table: a system finds it mended, however often it is made. */
#include <stdlib.h>
#include <string.h>
#include "host/efi_say.h"
#include "host/host.h"
#include "efi/stay.c"

#define DATA	0x8000000000004000ull		/* runtime, not executable */
#define CODE	0x8000000000020000ull		/* runtime, read-only */
#define CLOSED	0x8000000000024000ull		/* both: what newer EDK II says of memory without an image */

/* Empty: the part is a function below. */
const uint8_t runtime_image[1] = { 0 };
extern const uint8_t runtime_image_end[1] __attribute__((alias("runtime_image")));
EFI_SYSTEM_TABLE *systab;
EFI_BOOT_SERVICES *bs;
bool efi_call_vmx;
static EFI_BOOT_SERVICES services;
static EFI_SYSTEM_TABLE system_table;
static EFI_CONFIGURATION_TABLE tables[2];
static void (EFIAPI *signalled)(EFI_EVENT event, void *arg);
static unsigned allocations, opened;
static EFI_STATUS alloc_status, pages_status, start_status, event_status, copies_status;
static void *pool;

struct entry { uint32_t type, zero; uint64_t phys, virt, pages, attributes; };
static struct table { uint32_t version, n, size, flags; struct entry e[1700]; } firmwares[2];

void say_status(EFI_STATUS status)
{
	say("status ", NULL);
	say_number(status & ~(1ull << 63));
	say("\n", NULL);
}

static EFI_STATUS EFIAPI start_part(struct runtime_options *o, EFI_SYSTEM_TABLE *table);

/* The part's pages, before it is there and starts. */
void open_pages(uint64_t at, uint64_t size)
{
	CHECK(at == (uintptr_t)start_part && size == 0);
	opened++;
}

int64_t efi_call(uint64_t function, uint64_t rbx, uint64_t rcx, uint64_t rdx, uint64_t rsi) { return 0; }

static EFI_STATUS EFIAPI start_part(struct runtime_options *o, EFI_SYSTEM_TABLE *table)
{
	CHECK(table == &system_table && opened == 1);
	o->code = 0x12000;
	o->code_end = 0x13000;
	o->end = 0x14000;
	o->copies = copies_status;
	return start_status;
}

static EFI_STATUS EFIAPI alloc_pages(EFI_ALLOCATE_TYPE how, EFI_MEMORY_TYPE type, UINTN pages, EFI_PHYSICAL_ADDRESS *at)
{
	CHECK(how == AllocateAnyPages && type == EfiRuntimeServicesCode);
	*at = (uintptr_t)start_part;
	return pages_status;
}

static EFI_STATUS EFIAPI alloc(EFI_MEMORY_TYPE type, UINTN size, void **out)
{
	allocations++;
	CHECK(type == EfiBootServicesData);
	free(pool);
	*out = pool = malloc(size);
	return alloc_status;
}

static EFI_STATUS EFIAPI event_ex(UINT32 type, EFI_TPL tpl, EFI_EVENT_NOTIFY f, const void *arg, const EFI_GUID *group,
				  EFI_EVENT *out)
{
	CHECK(type == EVT_NOTIFY_SIGNAL && tpl == TPL_CALLBACK && !memcmp(group, &attributes_guid, sizeof(*group)));
	signalled = f;
	return event_status;
}

/* A table of the firmware's, which knows nothing of the runtime part, with @more entries behind. */
static struct table *make(struct table *t, unsigned more)
{
	*t = (struct table){ .version = 2, .n = 2 + more, .size = sizeof(t->e[0]) };
	t->e[0] = (struct entry){ 5, 0, 0x1000, 0, 1, CODE };
	t->e[1] = (struct entry){ 6, 0, 0x10000, 0, 16, CLOSED };
	for (unsigned i = 0; i < more; i++)
		t->e[2 + i] = (struct entry){ 6, 0, 0x100000 + 0x2000ull * i, 0, 1, DATA };
	return t;
}

static void setup(void *table)
{
	services = (EFI_BOOT_SERVICES){ .Hdr.HeaderSize = sizeof(services), .AllocatePages = alloc_pages, .AllocatePool = alloc,
					.CreateEventEx = event_ex };
	bs = &services;
	memset(tables, 0x55, sizeof(tables));
	system_table = (EFI_SYSTEM_TABLE){ .NumberOfTableEntries = 1, .ConfigurationTable = tables };
	systab = &system_table;
	if (table) {
		tables[1] = (EFI_CONFIGURATION_TABLE){ attributes_guid, table };
		system_table.NumberOfTableEntries = 2;
	}
	memset(&attributes, 0, sizeof(attributes));
	signalled = NULL;
	allocations = opened = 0;
	alloc_status = pages_status = start_status = event_status = copies_status = EFI_SUCCESS;
	*said = 0;
}

/* The firmware installs a table, and tells those that listen. */
static void install(void *table)
{
	tables[1].VendorTable = table;
	if (signalled)
		signalled(NULL, NULL);
}

/* What the system finds has the code as code, and the data as data. */
static bool good(unsigned n)
{
	const struct table *t = tables[1].VendorTable;

	return t != &firmwares[0] && t != &firmwares[1] && t->n == n && t->e[2].phys == 0x12000 && t->e[2].pages == 1 &&
	       t->e[2].attributes == CODE && t->e[1].attributes == CLOSED && t->e[3].phys == 0x13000 &&
	       t->e[3].pages == 1 && t->e[3].attributes == DATA && t->e[4].attributes == CLOSED;
}

static bool no_entries(void)
{
	const struct table *t = tables[1].VendorTable;

	return t == (void *)attributes.copy && t->version == 1 && !t->n && t->size == 40;
}

TEST(the_code_is_code)
{
	setup(make(&firmwares[0], 0));
	CHECK(start_runtime());
	CHECK(good(5) && !*said);
}

/* At each allocation of runtime memory EDK II makes a table anew. */
TEST(a_new_table_is_mended)
{
	setup(make(&firmwares[0], 0));
	CHECK(start_runtime());
	for (unsigned i = 0; i < 5; i++) {
		install(make(&firmwares[i & 1], i));
		CHECK(good(5 + i));
	}
	/* No event came: at the end of boot services, without memory. */
	signalled = NULL;
	install(make(&firmwares[0], 1));
	CHECK(!good(6));
	CHECK(allow_code());
	CHECK(good(6));
	CHECK(allow_code());
	CHECK(good(6) && allocations == 1 && !*said);
}

TEST(the_first_table_comes_later)
{
	setup(NULL);
	CHECK(start_runtime());
	CHECK(allow_code());
	tables[1].VendorGuid = attributes_guid;
	system_table.NumberOfTableEntries = 2;
	/* As EDK II does: first a place without a table. */
	install((void *)~0ull);
	CHECK(tables[1].VendorTable == (void *)~0ull);
	install(NULL);
	CHECK(!tables[1].VendorTable);
	install(make(&firmwares[0], 0));
	CHECK(good(5) && !*said);
}

/* Firmware of UEFI 1.10 has no such event, and some may refuse it. */
TEST(without_the_event)
{
	setup(make(&firmwares[0], 0));
	services.Hdr.HeaderSize = __builtin_offsetof(EFI_BOOT_SERVICES, CreateEventEx);
	CHECK(start_runtime());
	CHECK(!signalled);
	install(make(&firmwares[1], 0));
	CHECK(allow_code() && good(5));
	setup(make(&firmwares[0], 0));
	event_status = EFI_OUT_OF_RESOURCES;
	CHECK(start_runtime());
	signalled = NULL;
	install(make(&firmwares[1], 0));
	CHECK(allow_code() && good(5));
}

TEST(a_large_table_has_room_at_the_start)
{
	setup(make(&firmwares[0], 1690));
	CHECK(start_runtime());
	CHECK(good(1695) && !*said);
}

/* What is not understood, or too large later, is replaced by a table without entries; the guest starts. */
TEST(not_understood)
{
	setup(make(&firmwares[0], 0));
	firmwares[0].size = 39;
	CHECK(start_runtime());
	CHECK(no_entries());
	CHECK(strstr(said, "memory attributes table is not understood"));
	/* Said once. */
	*said = 0;
	make(&firmwares[1], 0)->e[1].pages = 1ull << 52;
	install(&firmwares[1]);
	CHECK(no_entries() && !*said);
	install(make(&firmwares[0], 0));
	CHECK(good(5));
	setup(make(&firmwares[0], 0));
	CHECK(start_runtime());
	install(make(&firmwares[1], 1690));
	CHECK(no_entries() && *said);
	*said = 0;
	make(&firmwares[0], 0)->n = ~0u;
	tables[1].VendorTable = &firmwares[0];
	CHECK(!allow_code());
	CHECK(no_entries() && !*said);
}

TEST(what_fails_is_said)
{
	setup(make(&firmwares[0], 0));
	start_status = EFI_SECURITY_VIOLATION;
	CHECK(!start_runtime());
	CHECK(strstr(said, "cannot be started: status 26"));
	setup(make(&firmwares[0], 0));
	pages_status = EFI_OUT_OF_RESOURCES;
	CHECK(!start_runtime());
	CHECK(strstr(said, "cannot be started: status 9"));
	setup(make(&firmwares[0], 0));
	alloc_status = EFI_OUT_OF_RESOURCES;
	CHECK(!start_runtime());
	CHECK(strstr(said, "cannot be started: status 9"));
}

TEST(why_there_are_no_copies)
{
	static const struct { EFI_STATUS status; const char *line; } why[] = {
		{ EFI_OUT_OF_RESOURCES, "its memory for variables has no room, of which 5 KiB stay free: status 9" },
		{ EFI_WRITE_PROTECTED, "its variables are write-protected: status 8" },
		{ EFI_SECURITY_VIOLATION, "its variables are write-protected: status 26" },
		{ EFI_BUFFER_TOO_SMALL, "more than 512 are not copied yet: status 5" },
		{ EFI_UNSUPPORTED, "it does not tell the room in its memory for variables: status 3" },
		{ EFI_DEVICE_ERROR, "the firmware does not take or read one: status 7" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(why); i++) {
		setup(make(&firmwares[0], 0));
		copies_status = why[i].status;
		/* The guest starts without them. */
		CHECK(start_runtime());
		CHECK(strstr(said, "the guest gets no copies of the firmware's boot entries: ") && strstr(said, why[i].line));
	}
}

TEST_MAIN
