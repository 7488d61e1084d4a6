/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/state/snapshot.c hv/state/resume.c hv/state/ram.c hv/state/store.c hv/state/lz4.c hv/state/state.c */
/* sources: hv/lib/crc32.c tests/unit/host/cpu.c */
/* A snapshot of a machine with some pages of RAM and one device: saved, resumed, refused, dropped. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <veneer/err.h>
#include <veneer/hypercall.h>
#include "host/host.h"
#include "hv/cpu/vcpu.h"
#include "hv/dev/power.h"
#include "hv/dev/trap.h"
#include "hv/mem/paging.h"
#include "hv/mem/ram.h"
#include "hv/smp/gather.h"
#include "hv/state/parts.h"
#include "hv/state/snapshot.h"
#include "hv/state/state.h"

#define DISK		(256u << 10)
#define RAM_PAGES	24u

static uint8_t disk[DISK], copy[DISK], *ram;
static struct gmem_range ranges[2];
static uint8_t device[16];
static bool device_has_ram, refuse;
static unsigned gathers, holds, rests, goes, writes_left;
static jmp_buf away;
static struct vcpu v;

/* --- the machine --- */

bool (*vcpu_own_hypercall)(struct vcpu *v, const struct vcpu_regs *r);
static bool own_hypercall(struct vcpu *cpu, const struct vcpu_regs *r) { return false; }

bool gmem_range(unsigned n, struct gmem_range *r)
{
	if (n >= ARRAY_SIZE(ranges))
		return false;
	*r = ranges[n];
	return true;
}

static void (*meanwhile)(void);		/* another processor, before it comes */
void state_gather(void)
{
	CHECK_EQ(gathers++, 0);
	if (meanwhile)
		meanwhile();
}
void state_scatter(void) { CHECK_EQ(--gathers, 0); }
static unsigned breaths;
void state_breathe(void) { CHECK(gathers && holds && rests > goes); breaths++; }
void trap_hold(void) { CHECK_EQ(holds++, 0); }
void trap_let_go(void) { CHECK_EQ(--holds, 0); }
void machine_off(void) { CHECK_EQ(holds, 0); longjmp(away, 1); }
void machine_reset(void) { longjmp(away, 2); }

static struct pci_dev functions[3] = { { .bdf = 8 }, { .bdf = 16, .header_type = PCI_HEADER_BRIDGE }, { .bdf = 24 } };
static uint16_t commands[3] = { 7, 0, 0 };

const struct pci_dev *pci_get(unsigned n) { return n < 3 ? &functions[n] : NULL; }
uint16_t pci_read16(const struct pci_dev *d, uint16_t off) { return commands[d - functions]; }
bool vpci_is_left(uint16_t bdf) { return true; }

static int disk_read(void *ctx, uint64_t block, void *buf, uint32_t n)
{
	memcpy(buf, disk + block * 512, n * 512);
	return 0;
}

static int disk_write(void *ctx, uint64_t block, const void *buf, uint32_t n)
{
	if (!writes_left)
		return -ERR_IO;
	writes_left--;
	memcpy(disk + block * 512, buf, n * 512);
	return 0;
}

static unsigned flushes_left;
static int disk_flush(void *ctx) { return flushes_left && flushes_left-- ? 0 : -ERR_IO; }

static int cache_err;
static int flush_guest(void *ctx) { CHECK(rests > goes); return cache_err; }

static const struct state_medium medium = {
	.block_size = 512, .nblocks = DISK / 512, .read = disk_read, .write = disk_write, .flush = disk_flush,
	.flush_guest = flush_guest,
};

static void rest(void *ctx, uint32_t us) { rests++; }
static void go_on(void *ctx) { goes++; }
static void save(void *ctx, void *to) { CHECK(gathers && holds && rests > goes); memcpy(to, device, sizeof(device)); }
static void load(void *ctx, const void *from) { CHECK(gathers && holds && rests > goes); memcpy(device, from, sizeof(device)); }

static const char *bad(void *ctx, const void *from)
{
	CHECK(gathers);
	device_has_ram = state_has_ram();
	return refuse || (device_has_ram && ram[0] == 0xee) ? "the test wants so" : NULL;
}

static const struct state_ops ops = { .rest = rest, .save = save, .bad = bad, .load = load, .go_on = go_on };
static struct state_part part = { .name = "dev", .version = 1, .size = sizeof(device), .ops = &ops };

/* --- */

static uint8_t *page(unsigned i) { return ram + i * PAGE_SIZE; }

/* Page 5 is zero, page 6 has noise, the others a text; the second range begins and ends within a page. */
static void fill(uint8_t seed)
{
	memset(ram, 0, RAM_PAGES * PAGE_SIZE);
	for (unsigned i = 0; i < RAM_PAGES * PAGE_SIZE; i++)
		if (i / PAGE_SIZE != 5)
			ram[i] = i / PAGE_SIZE == 6 ? (uint8_t)rand() : (uint8_t)(i / 100 + seed);
	memset(paging_first_page(), seed, PAGE_SIZE);
	memset(device, seed, sizeof(device));
}

static void setup(bool writable)
{
	static bool added;
	const struct state_disk d = { .name = "blk0", .serial = "S1", .nblocks = 1000, .block_size = 512, .writable = 1 };

	if (!added) {
		ram = mmap(NULL, RAM_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ranges[0] = (struct gmem_range){ (uintptr_t)ram, 8 * PAGE_SIZE };
		ranges[1] = (struct gmem_range){ (uintptr_t)ram + 10 * PAGE_SIZE + 0x200, 9 * PAGE_SIZE };
		state_add(&part);
		CHECK(!snapshot_start(true));
		CHECK(host_log_has("no disk has a partition \"veneer-state\""));
		CHECK_EQ(snapshot_ask(0), -ERR_NOTSUP);
		/* Of several partitions none is used, and one may have a snapshot. */
		snapshot.writable = true;
		CHECK(snapshot_forget());
		CHECK(host_log_has("if a disk has a snapshot, do not resume it"));
		state_use_medium(&medium);
		state_add_disk(&d);
		added = true;
	}
	memset(disk, 0, sizeof(disk));
	writes_left = flushes_left = 1000000;
	gathers = holds = rests = goes = 0;
	refuse = false;
	fill(1);
	CHECK(!snapshot_start(true));
	snapshot.writable = writable;
}

/* A snapshot that ends with the machine switched off. */
static void take(void)
{
	CHECK_EQ(snapshot_ask(0), 0);
	CHECK_EQ(snapshot_ask(0), -ERR_BUSY);
	breaths = 0;
	if (!setjmp(away)) {
		snapshot_run(&v);
		host_fail(__FILE__, __LINE__, "the machine is still on");
	}
	/* With each page, but the hole's: a save takes long. */
	CHECK(breaths >= RAM_PAGES / 2);
	/* Another machine from now on, without this wish. */
	gathers = 0;
	writes_left = 0;
	snapshot_run(&v);
	writes_left = 1000000;
	rests = goes = 0;
	v = (struct vcpu){ 0 };
}

/* True if the machine resumes, with all that fill(@seed) wrote. */
static bool resumes(uint8_t seed)
{
	static uint8_t was[RAM_PAGES * PAGE_SIZE];
	uint8_t *hole = page(8);

	memcpy(was, ram, sizeof(was));
	memset(ram, 0xcc, RAM_PAGES * PAGE_SIZE);
	memset(paging_first_page(), 0xcc, PAGE_SIZE);
	memset(device, 0xcc, sizeof(device));
	device_has_ram = true;
	rests = goes = 0;
	if (!snapshot_start(true)) {
		/* Nothing was loaded. */
		CHECK(ram[0] == 0xcc && paging_first_page()[0] == 0xcc && device[0] == 0xcc);
		memcpy(ram, was, sizeof(was));
		return false;
	}
	CHECK(!device_has_ram && ram[0] == 0xcc && device[0] == 0xcc);
	snapshot_resume();
	CHECK(device_has_ram && goes == 2 && !gathers && !holds);
	CHECK(device[3] == seed && paging_first_page()[4095] == seed);
	CHECK(!memcmp(ram, was, 8 * PAGE_SIZE));
	CHECK(!memcmp(page(10) + 0x200, was + 10 * PAGE_SIZE + 0x200, 9 * PAGE_SIZE));
	/* What is no RAM of the guest's stays. */
	for (unsigned i = 0; i < 2 * PAGE_SIZE + 0x200; i++)
		CHECK_EQ(hole[i], 0xcc);
	CHECK_EQ(page(19)[0x200], 0xcc);
	return true;
}

TEST(saved_and_resumed_once)
{
	setup(true);
	take();
	CHECK(resumes(1));
	/* It is used now. */
	CHECK(!resumes(1));
	CHECK(host_log_has("there is no snapshot to resume"));
}

/* Also if no disk is writable: both guests would have the same keys. */
TEST(resumed_once_with_disks_that_are_read_only)
{
	setup(false);
	take();
	snapshot.writable = false;
	CHECK(resumes(1));
	snapshot.writable = false;
	CHECK(!resumes(1));
}

TEST(a_failed_snapshot_leaves_the_guest_running)
{
	setup(true);
	CHECK_EQ(snapshot_ask(0), 0);
	writes_left = 2;
	v.gpr[GPR_RBX] = 77;
	snapshot_run(&v);
	CHECK_EQ(v.gpr[GPR_RAX], (uint64_t)(int64_t)-ERR_IO);
	CHECK_EQ(v.gpr[GPR_RBX], 0);
	CHECK(goes == 1 && !gathers && !holds);
	CHECK(host_log_has("state: no snapshot: the disk failed"));
	/* The next one works. */
	writes_left = 1000000;
	rests = goes = 0;
	take();
	CHECK(resumes(1));
}

/* The disk may have the header that says "good".  The guest does not write to disks to which a good snapshot fits. */
static void header_that_may_be_there(bool writable)
{
	setup(writable);
	CHECK_EQ(snapshot_ask(0), 0);
	flushes_left = 2;
	if (!setjmp(away)) {
		snapshot_run(&v);
		CHECK(!snapshot.writable && v.gpr[GPR_RAX] == (uint64_t)(int64_t)-ERR_IO && goes == 1);
		return;
	}
	CHECK(snapshot.writable && !goes);
	CHECK(host_log_has("the disk may hold the snapshot all the same"));
	/* The processor's wish ends with the machine. */
	gathers = writes_left = 0;
	snapshot_run(&v);
	v = (struct vcpu){ 0 };
}

TEST(a_header_that_may_be_there)
{
	header_that_may_be_there(false);
	header_that_may_be_there(true);
}

TEST(going_on)
{
	setup(true);
	CHECK_EQ(snapshot_ask(VENEER_SNAPSHOT_GO_ON), -ERR_INVAL);
	CHECK_EQ(snapshot_ask(2), -ERR_INVAL);
	snapshot.writable = false;
	CHECK_EQ(snapshot_ask(VENEER_SNAPSHOT_GO_ON), 0);
	snapshot_run(&v);
	CHECK(!v.gpr[GPR_RAX] && !v.gpr[GPR_RBX] && goes == 1);
	/* Another processor's call that asked for nothing. */
	snapshot_run(&v);
	CHECK_EQ(goes, 1);
	goes = rests = 0;
	CHECK(resumes(1));
}

/* The firmware's bus master, a bridge, and a function that is gone do not count. */
TEST(a_device_of_the_guest_that_does_dma)
{
	setup(true);
	commands[1] = 7;
	commands[2] = 0xffff;
	take();
	commands[2] = 6;
	CHECK_EQ(snapshot_ask(0), -ERR_NOTSUP);
	CHECK(host_log_has("state: no snapshot: pci 00:03.0 (0000:0000) is left to the guest and does DMA"));
	commands[2] = 0;
	CHECK(resumes(1));
}

/* What guests do drive by DMA counts also if the firmware has left the bit on. */
TEST(a_controller_that_the_firmware_has_driven)
{
	static const struct { uint32_t class_code; bool counts, disk; } row[] = {
		{ 0x010601, true, true }, { 0x010802, true, true }, { 0x080501, true, true }, { 0x020000, true, false },
		{ 0x040300, true, false }, { 0x0d1100, true, false }, { 0x0c0010, true, false }, { 0x0c0330, false, false },
		{ 0x030000, false, false }, { 0x060100, false, false }, { 0x078000, false, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		functions[0].class_code = row[i].class_code;
		setup(true);
		host_log_clear();
		if (row[i].counts) {
			CHECK_EQ(snapshot_ask(0), -ERR_NOTSUP);
			CHECK(host_log_has("is left to the guest and does DMA"));
		} else {
			take();
		}
		/* A disk that is the guest's own can be written to. */
		snapshot.writable = false;
		CHECK(!snapshot_start(false));
		CHECK_EQ(snapshot.writable, row[i].disk);
		snapshot = (struct snapshot){ 0 };
		CHECK(snapshot_forget());
		CHECK_EQ(snapshot.writable, row[i].disk);
	}
	functions[0].class_code = 0;
}

static void allow_dma(void) { commands[2] = 6; }

TEST(dma_between_the_call_and_the_snapshot)
{
	setup(true);
	CHECK_EQ(snapshot_ask(0), 0);
	meanwhile = allow_dma;
	snapshot_run(&v);
	meanwhile = NULL;
	commands[2] = 0;
	CHECK(v.gpr[GPR_RAX] == (uint64_t)(int64_t)-ERR_NOTSUP && !gathers && !holds && !rests && !goes);
	v = (struct vcpu){ 0 };
	take();
	CHECK(resumes(1));
}

/* What the saved memory takes for stable would be lost. */
TEST(a_disk_of_the_guest_that_does_not_write_its_cache)
{
	setup(true);
	CHECK_EQ(snapshot_ask(0), 0);
	cache_err = -ERR_TIMEOUT;
	snapshot_run(&v);
	cache_err = 0;
	CHECK(v.gpr[GPR_RAX] == (uint64_t)(int64_t)-ERR_TIMEOUT && goes == 1);
	CHECK(host_log_has("state: no snapshot: the disk failed after 0 KiB"));
	CHECK(!resumes(1));
}

/* The stub of INT 13h would call a Veneer that does not know of it. */
TEST(a_guest_that_uses_the_firmware)
{
	setup(true);
	vcpu_own_hypercall = own_hypercall;
	CHECK_EQ(snapshot_ask(0), -ERR_NOTSUP);
	CHECK(host_log_has("state: no snapshot: the guest uses the firmware's services"));
	vcpu_own_hypercall = NULL;
	take();
	CHECK(resumes(1));
}

TEST(a_fresh_start_drops_it)
{
	setup(true);
	take();
	CHECK(!snapshot_start(false));
	snapshot.writable = false;
	CHECK(snapshot_forget());
	memcpy(copy, disk, DISK);
	CHECK(!memcmp(copy, disk, DISK));
	snapshot.writable = true;
	CHECK(snapshot_forget());
	CHECK(host_log_has("the snapshot is dropped"));
	CHECK(!resumes(1));
}

TEST(a_snapshot_that_cannot_be_dropped)
{
	setup(true);
	take();
	CHECK(!snapshot_start(false));
	writes_left = 0;
	CHECK(!snapshot_forget());
	CHECK(host_log_has("state: the disk failed: a snapshot stays"));
	writes_left = 1000;
	CHECK(resumes(1));
	/* Without one the start goes on. */
	CHECK(!snapshot_start(false));
	writes_left = 0;
	CHECK(snapshot_forget());
}

TEST(a_fresh_start_with_snapshots_off_drops_it)
{
	for (unsigned n = 0; n < 3; n++) {
		setup(true);
		take();
		snapshot = (struct snapshot){ .writable = n };
		host_heap_fail_at(1);
		CHECK(!snapshot_start(false) && !snapshot.on);
		uint64_t used = host_heap_used();

		host_log_clear();
		if (n == 2)
			host_heap_fail_at(1);
		CHECK(snapshot_forget());
		CHECK_EQ(host_log_has("the snapshot is dropped"), n == 1);
		CHECK_EQ(host_log_has("if a disk has a snapshot, do not resume it"), n == 2);
		CHECK_EQ(host_heap_used(), used);
		CHECK_EQ(resumes(1), n != 1);
	}
}

TEST(another_machine)
{
	setup(true);
	take();
	ranges[1].size += PAGE_SIZE;
	CHECK(!resumes(1));
	CHECK(host_log_has("state: snapshot 1 is refused: a machine with other memory"));
	ranges[1].size -= PAGE_SIZE;
	part.size--;
	CHECK(!resumes(1));
	CHECK(host_log_has("is refused: a machine with other devices or processors") || host_log_has("state: refused:"));
	part.size++;
	part.version++;
	CHECK(!resumes(1));
	CHECK(host_log_has("state: refused: section 0, dev: an unknown version"));
	part.version--;
	refuse = true;
	CHECK(!resumes(1));
	CHECK(host_log_has("state: refused: section 0, dev: the test wants so"));
	refuse = false;
	CHECK(resumes(1));
}

/* Each byte of what is used, changed: the older snapshot, or none; never a load. */
TEST(damage)
{
	setup(false);
	take();
	memcpy(copy, disk, DISK);
	uint64_t used = snapshot.store.pos;
	uint64_t at0 = 2 * STORE_BLOCK + snapshot.store.slot * snapshot.store.slot_size;

	for (uint64_t at = 0; at < used; at += 1 + used / 97) {
		disk[at0 + at] ^= 0x10;
		host_log_clear();
		CHECK(!resumes(1));
		CHECK(host_log_has("damaged: the checksum differs"));
		memcpy(disk, copy, DISK);
	}
	CHECK(resumes(1));
}

/* Rings that the loaded RAM does not have: too late to start anew, so the machine starts again, without this snapshot. */
TEST(refused_by_what_is_in_its_ram)
{
	setup(true);
	ram[0] = 0xee;
	take();
	memset(ram, 0, PAGE_SIZE);
	CHECK(snapshot_start(true));
	if (setjmp(away) != 2) {
		snapshot_resume();
		host_fail(__FILE__, __LINE__, "the machine did not start again");
	}
	CHECK(host_log_has("was good and cannot be loaded") && goes == 1);
	gathers = holds = 0;
	CHECK(!snapshot_start(true));
}

TEST(a_partition_that_is_too_small)
{
	setup(true);
	for (unsigned i = 0; i < 8 * PAGE_SIZE; i++)
		ram[i] = (uint8_t)rand();
	for (unsigned i = 0; i < 9 * PAGE_SIZE; i++)
		page(10)[0x200 + i] = (uint8_t)rand();
	CHECK_EQ(snapshot_ask(0), 0);
	struct store *s = &snapshot.store;

	s->slot_size = 10 * STORE_BLOCK;
	snapshot_run(&v);
	CHECK_EQ(v.gpr[GPR_RAX], (uint64_t)(int64_t)-ERR_NOMEM);
	CHECK(host_log_has("the partition is too small"));
}

TEST(no_memory)
{
	setup(true);
	uint64_t used = host_heap_used();

	for (unsigned n = 1; n <= 5; n++) {
		snapshot = (struct snapshot){ 0 };
		host_heap_fail_at(n);
		CHECK(!snapshot_start(false));
		CHECK(host_log_has("state: off: no memory for snapshots"));
		host_log_clear();
		CHECK_EQ(host_heap_used(), used);
	}
}

TEST_MAIN
