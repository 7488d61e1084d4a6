/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/efi/efi.c hv/efi/efi_state.c */
/* The firmware's calls to Veneer, with whatever in their registers, and from where they are not answered. */
#include <string.h>
#include <veneer/bootdisk.h>
#include <veneer/conceal.h>
#include <veneer/config.h>
#include <veneer/efi_guest.h>
#include <veneer/err.h>
#include "host/host.h"
#include "hv/efi/efi.h"

#define CALL		0x1e8d2345ull
#define BLOCKS		1000u

static struct bootdisk disk[] = {
	{ "ahci0p0", "A", "SA", 0x00fa, 512, BLOCKS, false },
	{ "nvme0n1", "N", "  SN ", 0x0100, 4096, BLOCKS, true },
	{ "nvme0n2", "N", "OWN", 0x0101, 4096, BLOCKS, true, .own = true },
};
static unsigned ndisks = 3, copies, begun, last_n;	/* @copies: behind them, of the second */
static struct sg last;
static uint64_t last_lba;
static bool last_write;
static int begin_result, poll_result;

static bool disk_get(unsigned n, struct bootdisk *out)
{
	if (n >= ndisks + copies)
		return false;
	*out = disk[n < ndisks ? n : 1];
	return true;
}

static int disk_begin(unsigned n, bool write, uint64_t lba, uint32_t nblocks, const struct sg *sg, unsigned nsg)
{
	CHECK(n < ndisks && nsg == 1 && sg->len == nblocks * disk[n].block_size);
	begun++;
	last_n = n;
	last = *sg;
	last_lba = lba;
	last_write = write;
	return begin_result;
}

static int disk_result(void) { return poll_result; }

static const struct bootdisk_ops disk_ops = { .get = disk_get, .begin = disk_begin, .result = disk_result };
static const struct composition parts = { .bootdisk = &disk_ops };

COMPOSITION(parts);

struct config config;
bool (*vcpu_own_hypercall)(struct vcpu *v, const struct vcpu_regs *r);
static struct vcpu cpu;
static struct vcpu_regs regs;
static uint64_t ram, skipped;
static unsigned stops;

void machine_stopping(void) { stops++; }

static void skip(struct vcpu *v, uint64_t rip) { skipped = rip; }

static const struct vcpu_ops ops = { .skip = skip };
const struct vcpu_ops *vcpu_ops = &ops;

bool config_same_serial(const char *wanted, const char *serial)
{
	return strstr(serial, wanted) != NULL;
}

static int start(void)
{
	static struct boot_info b;

	b.launch = (struct efi_launch){ .version = EFI_LAUNCH_VERSION, .size = sizeof(b.launch), .call = CALL, .efer = 0xd00,
					.cr0 = 0x80010033, .cr4 = 0x2668, .seg[SEG_CS] = { 0x38, 0xa9b, ~0u, 0 } };
	memset(&regs, 0xff, sizeof(regs));
	return efi_start(&b, &regs);
}

static int64_t call(uint64_t rax, uint64_t rbx, uint64_t rcx, uint64_t rdx, uint64_t rsi)
{
	cpu.gpr[GPR_RAX] = rax;
	cpu.gpr[GPR_RBX] = rbx;
	cpu.gpr[GPR_RCX] = rcx;
	cpu.gpr[GPR_RDX] = rdx;
	cpu.gpr[GPR_RSI] = rsi;
	regs.rip = CALL;
	skipped = 0;
	CHECK(vcpu_own_hypercall(&cpu, &regs));
	CHECK_EQ(skipped, CALL + 3);
	return (int64_t)cpu.gpr[GPR_RAX];
}

/* --- the processors --- */

char efi_entry32[1];
unsigned ncpus = 1;
static bool missing;
static unsigned watches;
static int watch_err, adopt_err;
static uint32_t adopted;
static void (*adopted_state)(struct vcpu_regs *r);

bool smp_missing(void) { return missing; }

int smp_watch(void)
{
	watches++;
	return watch_err;
}

int smp_adopt(uint32_t apic_id, void (*state)(struct vcpu_regs *r))
{
	adopted = apic_id;
	adopted_state = state;
	return adopt_err;
}

static void setup(void)
{
	memset(&config, 0, sizeof(config));
	ndisks = 3;
	copies = 0;
	begun = 0;
	begin_result = poll_result = 0;
	ram = host_guest_ram(2 << 20);
	ncpus = 1;
	missing = false;
	watches = 0;
	watch_err = adopt_err = 0;
	CHECK_EQ(start(), 0);
	CHECK_EQ(call(EFI_CALL_CPUS, 0, 0, 0, 0), 0);
	CHECK_EQ(watches, 0);
}

TEST(the_first_state_hides_vmx)
{
	setup();
	CHECK(regs.cr4 == 0x668 && regs.efer == 0xd00 && regs.rflags == BIT(1) && !regs.cpl && !regs.gpr[GPR_RAX]);
}

TEST(disks_are_described)
{
	struct efi_disk *d;

	setup();
	d = (struct efi_disk *)(uintptr_t)ram;
	CHECK_EQ(call(EFI_CALL_DISK, 1, ram, 0, 0), 0);
	CHECK(d->nblocks == BLOCKS && d->block_size == 4096 && d->bdf == 0x0100 && d->writable && d->start);
	CHECK(!strcmp(d->name, "nvme0n1"));
	CHECK_EQ(call(EFI_CALL_DISK, 0, ram, 0, 0), 0);
	CHECK(!d->writable && d->start);
	/* Veneer's own disk can be read, but is not started again. */
	CHECK_EQ(call(EFI_CALL_DISK, 2, ram, 0, 0), 0);
	CHECK(!d->start);
	CHECK_EQ(call(EFI_CALL_DISK, 3, ram, 0, 0), -ERR_NODEV);
	CHECK_EQ(call(EFI_CALL_DISK, 1ull << 32, ram, 0, 0), -ERR_NODEV);
	CHECK_EQ(call(EFI_CALL_DISK, 0, 0x10, 0, 0), -ERR_INVAL);
	CHECK_EQ(call(EFI_CALL_DISK, 0, ~0ull, 0, 0), -ERR_INVAL);
}

TEST(the_named_disk_alone_is_started)
{
	struct efi_disk *d;

	setup();
	strcpy(config.boot_disk, "SN");
	CHECK_EQ(start(), 0);
	CHECK_EQ(call(EFI_CALL_CPUS, 0, 0, 0, 0), 0);
	d = (struct efi_disk *)(uintptr_t)ram;
	call(EFI_CALL_DISK, 0, ram, 0, 0);
	CHECK(!d->start);
	call(EFI_CALL_DISK, 1, ram, 0, 0);
	CHECK(d->start);
	strcpy(config.boot_disk, "NONE");
	CHECK(start() < 0);
	CHECK(host_log_has("none has the serial number of veneer,boot-disk, NONE"));
	strcpy(config.boot_disk, "OWN");
	CHECK(start() < 0);
	ndisks = 0;
	*config.boot_disk = 0;
	CHECK(start() < 0);
	CHECK(host_log_has("there is none"));
}

/* The table of disks that may be started has 128 places.  The others can be read, and a line says so. */
TEST(behind_128_disks_none_is_started)
{
	struct efi_disk *d;

	setup();
	d = (struct efi_disk *)(uintptr_t)ram;
	copies = 125;
	CHECK_EQ(start(), 0);
	CHECK(!host_log_has("more than 128 disks"));
	copies = 127;
	CHECK_EQ(start(), 0);
	CHECK(host_log_has("more than 128 disks: the guest is not started from the others"));
	CHECK_EQ(call(EFI_CALL_CPUS, 0, 0, 0, 0), 0);
	for (unsigned n = 0; n < 130; n++) {
		CHECK_EQ(call(EFI_CALL_DISK, n, ram, 0, 0), 0);
		CHECK_EQ(d->start, n < 128 && n != 2);
	}
	CHECK_EQ(call(EFI_CALL_DISK, 130, ram, 0, 0), -ERR_NODEV);
}

TEST(the_path_is_the_configured_one)
{
	setup();
	memset((void *)(uintptr_t)ram, 0xcc, EFI_PATH_MAX + 1);
	CHECK_EQ(call(EFI_CALL_PATH, 0, ram, 0, 0), 0);
	CHECK(!*(char *)(uintptr_t)ram);
	strcpy(config.efi_path, "/EFI/x.efi");
	CHECK_EQ(start(), 0);
	CHECK_EQ(call(EFI_CALL_CPUS, 0, 0, 0, 0), 0);
	CHECK_EQ(call(EFI_CALL_PATH, 0, ram, 0, 0), 0);
	CHECK(!strcmp((char *)(uintptr_t)ram, "/EFI/x.efi"));
	CHECK_EQ(((uint8_t *)(uintptr_t)ram)[EFI_PATH_MAX], 0xcc);
	CHECK_EQ(call(EFI_CALL_PATH, 0, 0x10, 0, 0), -ERR_INVAL);
}

TEST(transfers_are_checked)
{
	setup();
	CHECK_EQ(call(EFI_CALL_BEGIN, 1 | EFI_CALL_WRITE, 998, 2, ram), 0);
	CHECK(begun == 1 && last_n == 1 && last_lba == 998 && last.addr == ram && last.len == 8192 && last_write);
	CHECK_EQ(call(EFI_CALL_BEGIN, 0, 0, 999, ram), 0);
	CHECK(begun == 2 && !last_write);
	static const struct { uint64_t disk, lba, n; int64_t err; } bad[] = {
		{ 3, 0, 1, -ERR_NODEV }, { 1, 0, 0, -ERR_INVAL }, { 1, 0, 257, -ERR_INVAL }, { 1, 999, 2, -ERR_INVAL },
		{ 1, 1000, 1, -ERR_INVAL }, { 1, ~0ull, 2, -ERR_INVAL }, { 1, 0, 1ull << 32, -ERR_INVAL },
		{ 1, 0, ~0ull, -ERR_INVAL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(call(EFI_CALL_BEGIN, bad[i].disk, bad[i].lba, bad[i].n, ram), bad[i].err);
	/* Not wholly guest RAM. */
	CHECK_EQ(call(EFI_CALL_BEGIN, 1, 0, 1, ram + (2 << 20) - 4095), -ERR_INVAL);
	CHECK_EQ(call(EFI_CALL_BEGIN, 1, 0, 1, ~0ull - 4095), -ERR_INVAL);
	CHECK_EQ(begun, 2);
	begin_result = -ERR_BUSY;
	CHECK_EQ(call(EFI_CALL_BEGIN, 1, 0, 1, ram), -ERR_BUSY);
	poll_result = -ERR_IO;
	CHECK_EQ(call(EFI_CALL_POLL, 0, 0, 0, 0), -ERR_IO);
	CHECK_EQ(call(EFI_CALL_STOP + 1, 0, 0, 0, 0), -ERR_NOTSUP);
}

TEST(boot_entries_by_policy)
{
	setup();
	CHECK_EQ(call(EFI_CALL_POLICY, 0, 0, 0, 0), 0);
	config.efi_boot_order = EFI_BOOT_ORDER_PASS;
	CHECK_EQ(call(EFI_CALL_POLICY, 0, 0, 0, 0), 1);
}

/* Before a reset: wherever the call is, in ring 0, and after the end of boot services. */
TEST(stop_from_anywhere)
{
	struct vcpu_regs r;

	setup();
	stops = 0;
	CHECK_EQ(call(EFI_CALL_STOP, 0, 0, 0, 0), 0);
	CHECK_EQ(stops, 1);
	call(EFI_CALL_END, 0, 0, 0, 0);
	r = regs;
	r.rip = 0xffffffff80001234;
	r.efer = 0;
	cpu.gpr[GPR_RAX] = EFI_CALL_STOP;
	CHECK(vcpu_own_hypercall(&cpu, &r) && !cpu.gpr[GPR_RAX] && skipped == r.rip + 3);
	CHECK_EQ(stops, 2);
	r.cpl = 3;
	cpu.gpr[GPR_RAX] = EFI_CALL_STOP;
	CHECK(!vcpu_own_hypercall(&cpu, &r));
	CHECK_EQ(stops, 2);
}

/* Nothing but the handover is answered before all processors are in the guest; then the watch begins, once. */
TEST(processors_come_first)
{
	struct efi_launch *l;
	struct vcpu_regs r;

	setup();
	ncpus = 3;
	missing = true;
	CHECK_EQ(start(), 0);
	l = (struct efi_launch *)(uintptr_t)ram;
	CHECK_EQ(call(EFI_CALL_DISK, 0, ram, 0, 0), -ERR_NOTSUP);
	CHECK_EQ(call(EFI_CALL_BEGIN, 0, 0, 1, ram), -ERR_NOTSUP);
	CHECK(call(EFI_CALL_CPU, 7, ram, 0, 0) > 0);
	CHECK_EQ(adopted, 7);
	*l = (struct efi_launch){ .rip = 0x1234, .efer = 0xd00, .cr4 = 0x2668 };
	adopted_state(&r);
	CHECK(r.rip == 0x1234 && r.cr4 == 0x668 && r.efer == 0xd00);
	CHECK_EQ(call(EFI_CALL_CPU, 7, 0x10, 0, 0), -ERR_INVAL);
	CHECK_EQ(call(EFI_CALL_CPU, 1ull << 32, ram, 0, 0), -ERR_NODEV);
	adopt_err = -ERR_NODEV;
	CHECK_EQ(call(EFI_CALL_CPU, 9, ram, 0, 0), -ERR_NODEV);
	/* One is missing: it goes on so. */
	CHECK_EQ(call(EFI_CALL_CPUS, 0, 0, 0, 0), -ERR_TIMEOUT);
	CHECK_EQ(call(EFI_CALL_DISK, 0, ram, 0, 0), -ERR_NOTSUP);
	CHECK_EQ(watches, 0);
	missing = false;
	watch_err = -ERR_NOMEM;
	CHECK_EQ(call(EFI_CALL_CPUS, 0, 0, 0, 0), -ERR_NOMEM);
	CHECK_EQ(call(EFI_CALL_DISK, 0, ram, 0, 0), -ERR_NOTSUP);
	watch_err = 0;
	CHECK_EQ(call(EFI_CALL_CPUS, 0, 0, 0, 0), 0);
	CHECK_EQ(watches, 2);
	CHECK_EQ(call(EFI_CALL_DISK, 0, ram, 0, 0), 0);
	/* Now no processor is handed over any more. */
	CHECK_EQ(call(EFI_CALL_CPU, 7, ram, 0, 0), -ERR_NOTSUP);
}

TEST(only_the_firmware_may_call)
{
	struct vcpu_regs r;

	setup();
	call(EFI_CALL_POLL, 0, 0, 0, 0);
#define NOT_ANSWERED(change) do { \
		r = regs; change; cpu.gpr[GPR_RAX] = EFI_CALL_POLL; \
		CHECK(!vcpu_own_hypercall(&cpu, &r) && cpu.gpr[GPR_RAX] == EFI_CALL_POLL); \
	} while (0)
	NOT_ANSWERED(r.rip++);
	NOT_ANSWERED(r.cpl = 3);
	NOT_ANSWERED(r.efer = 0);
	NOT_ANSWERED(r.seg[SEG_CS].attr = 0xc9b);
	/* Boot services have ended. */
	CHECK_EQ(call(EFI_CALL_END, 0, 0, 0, 0), 0);
	NOT_ANSWERED((void)0);
}

TEST_MAIN
