/* SPDX-License-Identifier: BSD-2-Clause */
/* veneer.efi as guest, on a made-up firmware: Block I/O, the device paths, the search for a loader, and the controllers. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <veneer/err.h>
#include "host/efi_say.h"
#include "host/host.h"
#include "efi/devices.c"
#define path_guid loader_path_guid
#include "efi/loader.c"
#undef path_guid
#define path_guid disks_path_guid
#include "efi/disks.c"
#undef path_guid

#define BLOCK		4096u
#define BLOCKS		2048u
#define BLOCK_MASK	(BLOCKS - 1)

EFI_HANDLE this_image;
EFI_SYSTEM_TABLE *systab;
EFI_BOOT_SERVICES *bs;
bool efi_call_vmx;
static EFI_BOOT_SERVICES services;

void say_status(EFI_STATUS status)
{
	say("status ", NULL);
	say_number(status & ~(1ull << 63));
	say("\n", NULL);
}

static unsigned allowed, ended;
static bool pass_policy;

bool allow_code(void)
{
	CHECK(!ended);
	allowed++;
	return true;
}

/* --- Veneer behind the calls: one disk whose block n holds n --- */

static struct { uint64_t lba, blocks; const uint8_t *buf; bool write; } pieces[64];
static unsigned npieces, polls, polls_left, ndisks_there;
static int64_t begin_err, result;
static unsigned fail_piece = ~0u;
static bool running;
static EFI_TPL tpl;

static int64_t call_disk_info(uint64_t n, struct efi_disk *d)
{
	if (n >= ndisks_there)
		return -ERR_NODEV;
	*d = (struct efi_disk){ .nblocks = BLOCKS, .block_size = BLOCK, .bdf = 0x00fa, .writable = n != 1, .start = n != 2 };
	snprintf(d->name, sizeof(d->name), "disk%lu", n);
	return 0;
}

static int64_t call_begin(uint64_t disk, uint64_t lba, uint64_t blocks, uint64_t buf)
{
	CHECK_EQ(tpl, TPL_CALLBACK);
	CHECK(!running);
	CHECK(blocks && blocks * BLOCK <= EFI_CALL_MAX && lba < BLOCKS && blocks <= BLOCKS - lba);
	if (begin_err)
		return begin_err;
	pieces[npieces].lba = lba;
	pieces[npieces].blocks = blocks;
	pieces[npieces].buf = (const uint8_t *)(uintptr_t)buf;
	pieces[npieces].write = disk & EFI_CALL_WRITE;
	result = npieces == fail_piece ? -ERR_IO : 0;
	npieces++;
	running = true;
	polls_left = 3;
	return 0;
}

int64_t efi_call(uint64_t function, uint64_t rbx, uint64_t rcx, uint64_t rdx, uint64_t rsi)
{
	switch (function) {
	case EFI_CALL_POLICY:
		return pass_policy;
	case EFI_CALL_END:
		ended++;
		return 0;
	case EFI_CALL_DISK:
		return call_disk_info(rbx, (struct efi_disk *)(uintptr_t)rcx);
	case EFI_CALL_BEGIN:
		return call_begin(rbx, rcx, rdx, rsi);
	case EFI_CALL_POLL:
		polls++;
		if (polls_left && polls_left--)
			return -ERR_BUSY;
		running = false;
		return result;
	}
	return -ERR_NOTSUP;
}

/* --- the firmware --- */

static EFI_TPL EFIAPI raise_tpl(EFI_TPL to)
{
	EFI_TPL old = tpl;

	CHECK(to >= tpl);
	tpl = to;
	return old;
}

static void EFIAPI restore_tpl(EFI_TPL to)
{
	CHECK(to <= tpl && !running);
	tpl = to;
}

static struct { EFI_HANDLE handle; EFI_GUID guid; void *what; } installed[64];
static unsigned ninstalled, nconnected, ndisconnected, nhandles, install_fails_at;

static EFI_STATUS EFIAPI install(EFI_HANDLE *handle, EFI_GUID *guid, EFI_INTERFACE_TYPE type, void *what)
{
	if (ninstalled + 1 == install_fails_at)
		return EFI_OUT_OF_RESOURCES;
	if (!*handle)
		*handle = (EFI_HANDLE)(uintptr_t)(0x1000 + 16 * nhandles++);
	installed[ninstalled].handle = *handle;
	installed[ninstalled].guid = *guid;
	installed[ninstalled++].what = what;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI connect(EFI_HANDLE handle, EFI_HANDLE *driver, EFI_DEVICE_PATH *rest, BOOLEAN all)
{
	CHECK(handle && !driver && !rest && all);
	nconnected++;
	return EFI_SUCCESS;
}

static void setup(unsigned n)
{
	memset(&services, 0, sizeof(services));
	services.RaiseTPL = raise_tpl;
	services.RestoreTPL = restore_tpl;
	services.InstallProtocolInterface = install;
	services.ConnectController = connect;
	bs = &services;
	tpl = TPL_APPLICATION;
	npieces = polls = ninstalled = nconnected = ndisconnected = nhandles = ndisks = install_fails_at = 0;
	begin_err = 0;
	running = false;
	fail_piece = ~0u;
	ndisks_there = n;
	*said = 0;
}

static EFI_BLOCK_IO *block_io(unsigned n)
{
	for (unsigned i = 0; i < ninstalled; i++)
		if (!memcmp(&installed[i].guid, &block_guid, sizeof(block_guid)) && !n--)
			return installed[i].what;
	return NULL;
}

/* --- Block I/O --- */

TEST(each_disk_is_block_io)
{
	EFI_BLOCK_IO *io;

	setup(3);
	CHECK_EQ(add_disks(), 3);
	CHECK_EQ(nconnected, 3);
	io = block_io(0);
	CHECK(io->Media->BlockSize == BLOCK && io->Media->LastBlock == BLOCKS - 1 && !io->Media->ReadOnly);
	CHECK(io->Media->MediaPresent && !io->Media->RemovableMedia && !io->Media->LogicalPartition);
	CHECK(!io->Media->WriteCaching && io->Media->IoAlign <= 1);
	CHECK(block_io(1)->Media->ReadOnly);
	CHECK_EQ(io->Reset(io, TRUE), EFI_SUCCESS);
	CHECK_EQ(io->FlushBlocks(io), EFI_SUCCESS);
	CHECK_EQ(npieces, 0);
	CHECK(!*said);
}

TEST(long_reads_are_cut)
{
	const uint64_t size = 0x9b0000 & ~(BLOCK - 1ull);
	uint8_t *buf = malloc(size / 2);
	EFI_BLOCK_IO *io;
	uint64_t lba = 5, blocks = size / 2 / BLOCK;

	setup(1);
	add_disks();
	io = block_io(0);
	CHECK_EQ(io->ReadBlocks(io, 1, lba, blocks * BLOCK, buf), EFI_SUCCESS);
	CHECK_EQ(npieces, (blocks * BLOCK + EFI_CALL_MAX - 1) / EFI_CALL_MAX);
	for (unsigned i = 0; i < npieces; i++) {
		CHECK(pieces[i].lba == lba && pieces[i].buf == buf + (lba - 5) * BLOCK && !pieces[i].write);
		lba += pieces[i].blocks;
	}
	CHECK_EQ(lba, 5 + blocks);
	CHECK_EQ(polls, npieces * 4);
	CHECK_EQ(tpl, TPL_APPLICATION);
	free(buf);
}

/* The caller is at TPL_CALLBACK already: it stays there. */
TEST(the_level_is_restored)
{
	static uint8_t buf[BLOCK];
	EFI_BLOCK_IO *io;

	setup(1);
	add_disks();
	io = block_io(0);
	tpl = TPL_CALLBACK;
	CHECK_EQ(io->WriteBlocks(io, 1, 0, BLOCK, buf), EFI_SUCCESS);
	CHECK(pieces[0].write && tpl == TPL_CALLBACK);
	begin_err = -ERR_BUSY;
	CHECK_EQ(io->WriteBlocks(io, 1, 0, BLOCK, buf), EFI_DEVICE_ERROR);
	CHECK_EQ(tpl, TPL_CALLBACK);
}

TEST(what_the_disk_fails_is_a_device_error)
{
	static const struct { int64_t err; EFI_STATUS status; } errors[] = {
		{ -ERR_IO, EFI_DEVICE_ERROR }, { -ERR_TIMEOUT, EFI_DEVICE_ERROR }, { -ERR_NODEV, EFI_DEVICE_ERROR },
		{ -ERR_ABORTED, EFI_DEVICE_ERROR }, { -ERR_ROFS, EFI_WRITE_PROTECTED }, { -ERR_INVAL, EFI_INVALID_PARAMETER },
	};
	uint8_t *buf = malloc(3 * EFI_CALL_MAX);
	EFI_BLOCK_IO *io;

	setup(1);
	add_disks();
	io = block_io(0);
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		begin_err = errors[i].err;
		CHECK_EQ(io->ReadBlocks(io, 1, 0, BLOCK, buf), errors[i].status);
	}
	/* The second of three pieces: the third is not tried. */
	begin_err = 0;
	fail_piece = 1;
	CHECK_EQ(io->ReadBlocks(io, 1, 0, 3 * EFI_CALL_MAX, buf), EFI_DEVICE_ERROR);
	CHECK_EQ(npieces, 2);
	CHECK_EQ(tpl, TPL_APPLICATION);
	free(buf);
}

TEST(callers_that_are_wrong)
{
	static uint8_t buf[2 * BLOCK];
	EFI_BLOCK_IO *io, *ro;

	setup(2);
	add_disks();
	io = block_io(0);
	ro = block_io(1);
	CHECK_EQ(io->ReadBlocks(io, 2, 0, BLOCK, buf), EFI_MEDIA_CHANGED);
	CHECK_EQ(ro->WriteBlocks(ro, 2, 0, BLOCK, buf), EFI_MEDIA_CHANGED);
	CHECK_EQ(ro->WriteBlocks(ro, 1, 0, BLOCK, buf), EFI_WRITE_PROTECTED);
	CHECK_EQ(io->ReadBlocks(io, 1, 0, 0, NULL), EFI_SUCCESS);
	CHECK_EQ(io->ReadBlocks(io, 1, 0, BLOCK + 512, buf), EFI_BAD_BUFFER_SIZE);
	CHECK_EQ(io->ReadBlocks(io, 1, 0, BLOCK, NULL), EFI_INVALID_PARAMETER);
	CHECK_EQ(io->ReadBlocks(io, 1, BLOCKS, BLOCK, buf), EFI_INVALID_PARAMETER);
	CHECK_EQ(io->ReadBlocks(io, 1, BLOCKS - 1, 2 * BLOCK, buf), EFI_INVALID_PARAMETER);
	CHECK_EQ(io->ReadBlocks(io, 1, ~0ull, BLOCK, buf), EFI_INVALID_PARAMETER);
	CHECK_EQ(io->ReadBlocks(io, 1, 1, ~(uint64_t)BLOCK + 1, buf), EFI_INVALID_PARAMETER);
	CHECK_EQ(npieces, 0);
	CHECK_EQ(io->ReadBlocks(io, 1, BLOCKS - 1, BLOCK, buf), EFI_SUCCESS);
}

TEST(the_table_of_disks_is_full)
{
	setup(MAX_DISKS + 2);
	CHECK_EQ(add_disks(), MAX_DISKS);
	CHECK(strstr(said, "more than 16 disks"));
	setup(3);
	install_fails_at = 4;
	CHECK_EQ(add_disks(), 1);
	CHECK(strstr(said, "does not take the disk disk1"));
}

/* --- device paths --- */

TEST(paths_are_unique_and_whole)
{
	size_t size, size1;
	const EFI_DEVICE_PATH *a, *b, *p;
	unsigned nodes = 0;

	setup(3);
	add_disks();
	a = startable_disk(0, &size);
	b = startable_disk(1, &size1);
	CHECK(a && b && !startable_disk(2, &size1) && size == size1 && memcmp(a, b, size));
	for (p = a; p->Type != END_DEVICE_PATH_TYPE; nodes++)
		p = (const void *)((const uint8_t *)p + (p->Length[0] | p->Length[1] << 8));
	CHECK_EQ(nodes, 3);
	CHECK_EQ((size_t)((const uint8_t *)p - (const uint8_t *)a), size);
	CHECK_EQ(p->SubType, END_ENTIRE_DEVICE_PATH_SUBTYPE);
	const PCI_DEVICE_PATH *pci = (const void *)((const uint8_t *)a + sizeof(ACPI_HID_DEVICE_PATH));

	CHECK(pci->Device == 0x1f && pci->Function == 2);
}

/* --- the loader --- */

static EFI_HANDLE fs_handles[4];
static uint8_t fs_paths[4][128];
static unsigned nfs, nloaded, nstarted;
static EFI_STATUS load_status, start_status;
static uint8_t loaded_path[768];
static bool watchdog_off;

static EFI_STATUS EFIAPI locate_fs(EFI_LOCATE_SEARCH_TYPE type, EFI_GUID *guid, void *key, UINTN *n, EFI_HANDLE **out)
{
	*n = nfs;
	*out = fs_handles;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pool(void *p) { return EFI_SUCCESS; }

static EFI_STATUS EFIAPI fs_path(EFI_HANDLE handle, EFI_GUID *guid, void **out)
{
	for (unsigned i = 0; i < nfs; i++)
		if (fs_handles[i] == handle)
			*out = fs_paths[i];
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI load_image(BOOLEAN policy, EFI_HANDLE parent, EFI_DEVICE_PATH *path, void *buf, UINTN size,
				    EFI_HANDLE *image)
{
	CHECK(!policy && !buf && !size);
	memcpy(loaded_path, path, sizeof(loaded_path));
	nloaded++;
	*image = (EFI_HANDLE)7;
	return load_status;
}

static EFI_STATUS EFIAPI start_image(EFI_HANDLE image, UINTN *size, CHAR16 **data)
{
	CHECK(image == (EFI_HANDLE)7 && watchdog_off);
	nstarted++;
	return start_status;
}

static EFI_STATUS EFIAPI set_watchdog(UINTN timeout, UINT64 code, UINTN size, CHAR16 *data)
{
	watchdog_off = !timeout;
	return EFI_SUCCESS;
}

/* A partition of the disk @disk, or of another disk if @disk is -1. */
static void add_fs(int disk)
{
	static const uint8_t tail[] = { 4, 1, 8, 0, 1, 2, 3, 4, 0x7f, 0xff, 4, 0 }, other[] = { 1, 1, 6, 0, 2, 0x1f };
	size_t size = sizeof(other);

	fs_handles[nfs] = (EFI_HANDLE)(uintptr_t)(0x9000 + nfs);
	memcpy(fs_paths[nfs], other, size);
	if (disk >= 0) {
		size = sizeof(disks[disk].path) - sizeof(disks[disk].path.end);
		memcpy(fs_paths[nfs], &disks[disk].path, size);
	}
	memcpy(fs_paths[nfs++] + size, tail, sizeof(tail));
}

static void setup_loader(unsigned n)
{
	setup(n);
	services.LocateHandleBuffer = locate_fs;
	services.FreePool = free_pool;
	services.HandleProtocol = fs_path;
	services.LoadImage = load_image;
	services.StartImage = start_image;
	services.SetWatchdogTimer = set_watchdog;
	nfs = nloaded = nstarted = 0;
	load_status = start_status = EFI_SUCCESS;
	watchdog_off = false;
	add_disks();
}

TEST(the_loader_is_a_file_of_the_disk)
{
	static const uint16_t want[] = u"\\EFI\\a\\b.efi";
	size_t size;
	const uint8_t *p;

	setup_loader(1);
	add_fs(-1);
	add_fs(0);
	CHECK_EQ(try_disks(1, "/EFI/a\\b.efi"), 1);
	CHECK_EQ(nloaded, 1);
	CHECK_EQ(nstarted, 1);
	startable_disk(0, &size);
	p = loaded_path + size + 8;
	CHECK(p[0] == MEDIA_DEVICE_PATH && p[1] == MEDIA_FILEPATH_DP && (size_t)(p[2] | p[3] << 8) == 4 + sizeof(want));
	CHECK(!memcmp(p + 4, want, sizeof(want)));
	CHECK(!memcmp(p + 4 + sizeof(want), "\x7f\xff\x04\0", 4));
}

TEST(other_disks_are_tried)
{
	setup_loader(3);
	load_status = EFI_NOT_FOUND;
	add_fs(2);		/* must not be started */
	add_fs(1);
	add_fs(0);
	CHECK_EQ(try_disks(3, DEFAULT_FILE), 0);
	CHECK_EQ(nloaded, 2);
	CHECK(!*said);
	load_status = EFI_SECURITY_VIOLATION;
	services.UnloadImage = (EFI_IMAGE_UNLOAD)free_pool;
	CHECK_EQ(try_disks(3, DEFAULT_FILE), 0);
	CHECK(strstr(said, "cannot be loaded"));
	load_status = EFI_SUCCESS;
	start_status = EFI_ABORTED;
	nstarted = 0;
	CHECK_EQ(try_disks(3, DEFAULT_FILE), 2);
	CHECK_EQ(nstarted, 2);
}

TEST(a_path_without_room)
{
	uint8_t out[256];

	setup_loader(1);
	add_fs(0);
	for (size_t room = 0; room < sizeof(out); room++) {
		memset(out, 0xcc, sizeof(out));
		bool ok = file_path(0, fs_handles[0], "/a", out, room);

		CHECK_EQ(out[room], 0xcc);
		if (ok)
			return;
	}
	CHECK(false);
}

/* --- the controllers --- */

#define CONTROLLERS	3u

static struct {
	EFI_PCI_IO_PROTOCOL io;
	uint32_t class, id;
	unsigned drivers;	/* that have it open */
	bool stubborn, held;
} fn[CONTROLLERS];
static EFI_HANDLE fn_handles[MAX_HELD + 2];
static EFI_OPEN_PROTOCOL_INFORMATION_ENTRY holder = { .Attributes = EFI_OPEN_PROTOCOL_BY_DRIVER };
static unsigned nfn;

static unsigned fn_of(const void *handle)
{
	for (unsigned i = 0; i < CONTROLLERS; i++)
		if (handle == &fn[i])
			return i;
	CHECK(false);
	return 0;
}

static EFI_STATUS EFIAPI pci_read(EFI_PCI_IO_PROTOCOL *io, EFI_PCI_IO_PROTOCOL_WIDTH width, UINT32 off, UINTN n, void *out)
{
	uint32_t v = off == 8 ? fn[fn_of(io)].class << 8 | 2 : fn[fn_of(io)].id;

	CHECK(width == EfiPciIoWidthUint32 && n == 1 && (off == 8 || !off));
	memcpy(out, &v, 4);
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI pci_where(EFI_PCI_IO_PROTOCOL *io, UINTN *segment, UINTN *bus, UINTN *dev, UINTN *function)
{
	*dev = fn_of(io);
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fn_protocol(EFI_HANDLE handle, EFI_GUID *guid, void **out)
{
	*out = handle;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI locate_fn(EFI_LOCATE_SEARCH_TYPE type, EFI_GUID *guid, void *key, UINTN *n, EFI_HANDLE **out)
{
	*n = nfn;
	*out = fn_handles;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI open_info(EFI_HANDLE handle, EFI_GUID *guid, EFI_OPEN_PROTOCOL_INFORMATION_ENTRY **out, UINTN *n)
{
	*out = &holder;
	*n = fn[fn_of(handle)].drivers ? 1 : 0;
	return EFI_SUCCESS;
}

/* The status lies, as OVMF's does of a driver from an option ROM; one driver goes at a time. */
static EFI_STATUS EFIAPI disconnect(EFI_HANDLE handle, EFI_HANDLE driver, EFI_HANDLE child)
{
	unsigned i = fn_of(handle);

	if (!fn[i].stubborn)
		fn[i].drivers--;
	ndisconnected++;
	return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI open_fn(EFI_HANDLE handle, EFI_GUID *guid, void **out, EFI_HANDLE by, EFI_HANDLE controller,
				 UINT32 how)
{
	unsigned i = fn_of(handle);

	CHECK(!fn[i].drivers && how == (EFI_OPEN_PROTOCOL_BY_DRIVER | EFI_OPEN_PROTOCOL_EXCLUSIVE));
	/* The agent is a handle of its own: an open by an image ends with the image. */
	CHECK(by == agent && by != this_image && controller == handle);
	fn[i].held = true;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI close_fn(EFI_HANDLE handle, EFI_GUID *guid, EFI_HANDLE by, EFI_HANDLE controller)
{
	fn[fn_of(handle)].held = false;
	return EFI_SUCCESS;
}

static void setup_controllers(void)
{
	static const uint32_t class[CONTROLLERS] = { 0x010802, 0x0c0330, 0x020000 };

	setup(0);
	memset(fn, 0, sizeof(fn));
	services.LocateHandleBuffer = locate_fn;
	services.FreePool = free_pool;
	services.HandleProtocol = fn_protocol;
	services.OpenProtocolInformation = open_info;
	services.DisconnectController = disconnect;
	services.OpenProtocol = open_fn;
	services.CloseProtocol = close_fn;
	for (unsigned i = 0; i < CONTROLLERS; i++) {
		fn[i].io.Pci.Read = pci_read;
		fn[i].io.GetLocation = pci_where;
		fn[i].class = class[i];
		fn[i].id = 0x12340000 + i;
		fn[i].drivers = 2 * i;
		fn_handles[i] = &fn[i];
	}
	nfn = CONTROLLERS;
	nheld = 0;
	agent = NULL;
}

static unsigned nset;
static EFI_STATUS set_status;

static EFI_STATUS EFIAPI set_variable(CHAR16 *name, EFI_GUID *vendor, UINT32 attributes, UINTN size, void *data)
{
	static const uint32_t one = 1;
	static const EFI_GUID shim = { 0x605dab50, 0xe046, 0x4300, { 0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23 } };

	CHECK(!memcmp(name, u"FB_NO_REBOOT", 26) && !memcmp(vendor, &shim, sizeof(shim)));
	/* Gone with the next start, and no system sees it. */
	CHECK_EQ(attributes, EFI_VARIABLE_BOOTSERVICE_ACCESS);
	CHECK(size == 4 && !memcmp(data, &one, 4) && !nstarted);
	nset++;
	return set_status;
}

/* start_disk() never returns: it leaves by the restart. */
static jmp_buf out_of_reset;

static void EFIAPI reset(EFI_RESET_TYPE type, EFI_STATUS why, UINTN size, CHAR16 *data) { longjmp(out_of_reset, 1); }
static EFI_STATUS EFIAPI stall(UINTN us) { return EFI_SUCCESS; }

static EFI_STATUS EFIAPI event(UINT32 type, EFI_TPL level, EFI_EVENT_NOTIFY f, void *arg, EFI_EVENT *out)
{
	CHECK(type == EVT_SIGNAL_EXIT_BOOT_SERVICES && f == boot_services_end);
	return EFI_SUCCESS;
}

static void start_once(void)
{
	static EFI_RUNTIME_SERVICES rt = { .SetVariable = set_variable, .ResetSystem = (void *)reset };
	static EFI_SYSTEM_TABLE table = { .RuntimeServices = &rt };

	setup_loader(1);
	add_fs(0);
	systab = &table;
	services.Stall = stall;
	services.CreateEvent = event;
	ndisks = 0;
	nset = 0;
	if (!setjmp(out_of_reset))
		start_disk();
}

/* shim's fallback would restart the machine for ever: the entries that it writes are copies. */
TEST(fallback_does_not_restart)
{
	set_status = EFI_SUCCESS;
	pass_policy = false;
	start_once();
	CHECK(nset == 1 && nstarted == 1 && !strstr(said, "FB_NO_REBOOT"));
	set_status = EFI_OUT_OF_RESOURCES;
	start_once();
	CHECK(nset == 1 && nstarted == 1 && strstr(said, "FB_NO_REBOOT: status 9"));
	/* The user has set it by another program. */
	set_status = EFI_INVALID_PARAMETER;
	start_once();
	CHECK(nset == 1 && nstarted == 1 && !strstr(said, "FB_NO_REBOOT"));
	pass_policy = true;
	start_once();
	CHECK(!nset && nstarted == 1);
	pass_policy = false;
}

TEST(what_is_left_when_boot_services_end)
{
	setup(1);
	allowed = ended = 0;
	boot_services_end(NULL, NULL);
	CHECK(allowed == 1 && ended == 1);
}

TEST(controllers_are_held_exclusively)
{
	setup_controllers();
	CHECK(take_controllers());
	CHECK(fn[0].held && !fn[1].held && fn[2].held);
	CHECK_EQ(ndisconnected, 4);
	CHECK_EQ(fn[1].drivers, 2);
	/* The first is concealed: a twin has another id.  The other is left to the guest. */
	fn[0].id = 0x10421af4;
	give_back_controllers();
	CHECK(fn[0].held && !fn[2].held);
	CHECK_EQ(nconnected, 1);
}

TEST(a_driver_that_stays_is_named)
{
	setup_controllers();
	fn[2].stubborn = true;
	CHECK(!take_controllers());
	CHECK(strstr(said, "a driver of the firmware does not leave the controller at bus 0 device 2: "));
	CHECK_EQ(ndisconnected, TRIES);
	/* The others go back. */
	CHECK(!fn[0].held);
}

/* --- the disk that this program lies on --- */

static struct {
	PCI_DEVICE_PATH pci;
	HARDDRIVE_DEVICE_PATH part;
	EFI_DEVICE_PATH end;
} __attribute__((packed)) own_path;

static EFI_STATUS EFIAPI own_protocol(EFI_HANDLE handle, EFI_GUID *guid, void **out)
{
	*out = !memcmp(guid, &pci_guid, sizeof(*guid)) ? handle : &own_path;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI own_controller(EFI_GUID *guid, EFI_DEVICE_PATH **path, EFI_HANDLE *out)
{
	CHECK(*path == (EFI_DEVICE_PATH *)&own_path);
	*out = &fn[0];
	return EFI_SUCCESS;
}

/* On an NVMe drive with a GPT. */
static void setup_own_disk(void)
{
	setup_controllers();
	services.HandleProtocol = own_protocol;
	services.LocateDevicePath = own_controller;
	memset(&own_path, 0, sizeof(own_path));
	set_node(&own_path.pci.Header, HARDWARE_DEVICE_PATH, HW_PCI_DP, sizeof(own_path.pci));
	set_node(&own_path.part.Header, MEDIA_DEVICE_PATH, MEDIA_HARDDRIVE_DP, sizeof(own_path.part));
	set_node(&own_path.end, END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, sizeof(own_path.end));
	own_path.part.SignatureType = SIGNATURE_TYPE_GUID;
	for (unsigned i = 0; i < 16; i++)
		own_path.part.Signature[i] = (uint8_t)(0xa0 + i);
}

static bool names(bool stays, const char *words, size_t room, const char *want)
{
	static char buf[128];
	EFI_LOADED_IMAGE self = { .DeviceHandle = &fn[2] };
	bool ok;

	snprintf(buf, sizeof(buf), "%s", words);
	ok = name_own_disk(&self, stays, buf, room);
	CHECK(!strcmp(buf, want));
	return ok;
}

#define OWN	"--own-partition=a3a2a1a0-a5a4-a7a6-a8a9-aaabacadaeaf"

/* A boot entry may have no words: a kernel's guest does not write to this disk for all that. */
TEST(the_own_disk_is_named)
{
	setup_own_disk();
	for (unsigned stays = 0; stays < 2; stays++) {
		CHECK(names(stays, "", 128, OWN) && names(stays, "--check-only", 128, "--check-only " OWN));
		CHECK(names(stays, "", sizeof(OWN) + 2, OWN) && !*said);
		/* Long words do not keep it out. */
		CHECK(!names(stays, "x", sizeof(OWN) + 2, "x") && strstr(said, "no room for a partition's name"));
		*said = 0;
	}
	/* A stick: nothing to protect. */
	fn[0].class = 0x0c0330;
	CHECK(names(false, "a", 128, "a") && names(true, "a", 128, "a") && !*said);
}

TEST(the_own_disk_without_a_gpt)
{
	setup_own_disk();
	own_path.part.SignatureType = SIGNATURE_TYPE_MBR;
	CHECK(names(false, "a", 128, "a") && !*said);
	CHECK(!names(true, "a", 128, "a") && strstr(said, "has no GPT"));
	*said = 0;
	set_node(&own_path.part.Header, MEDIA_DEVICE_PATH, MEDIA_CDROM_DP, sizeof(own_path.part));
	CHECK(names(false, "a", 128, "a") && !*said);
	CHECK(!names(true, "a", 128, "a"));
}

TEST(the_table_of_controllers_is_full)
{
	setup_controllers();
	for (nfn = 0; nfn < MAX_HELD + 1; nfn++)
		fn_handles[nfn] = &fn[0];
	CHECK(!take_controllers());
	CHECK(strstr(said, "more than 64 network and disk controllers"));
	CHECK(!fn[0].held);
}

TEST_MAIN
