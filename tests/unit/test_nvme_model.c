/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nvme/nvme*.c hw/disk.c hw/disk_cut.c hw/disk_start.c hv/lib/sg.c */
/* sources: tests/models/model.c tests/models/nvme.c tests/models/nvme_admin.c tests/models/nvme_io.c */
/*
 * The NVMe driver on the model that Linux's driver accepts (tests/models): one test for each fault and each option of the
 * model.  Not: resets, write cache, Identify in all its forms; the other test_nvme*.c have these.
 */
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include <veneer/mem.h>
#include <veneer/time.h>
#include "disk_requests.h"
#include "tests/models/nvme.h"

#define SPACE_SIZE	0x100000u

extern const struct hw_driver *const __start_veneer_drivers[];

static struct nvme chip;
static struct pci_dev pci;
static uint8_t *cfg;
static struct hw_dev *dev;
static struct disk *d1, *d2;
static uint8_t space[4][SPACE_SIZE];
static bool rang;

static void *to_memory(void *ctx, uint64_t addr, size_t len, bool write) { return (void *)(uintptr_t)addr; }
static bool masters(void *ctx) { return cfg[PCI_COMMAND] & PCI_CMD_MASTER; }
static void message(void *ctx, bool on) { rang |= on; }
static void rule_broken(void *ctx, const char *text) { host_fail(__FILE__, __LINE__, "%s", text); }
static uint64_t model_now(void *ctx) { return host_now_us; }
static uint64_t bar_read(void *ctx, uint32_t off, unsigned width) { return chip.m.ops->read(&chip.m, 0, off, width); }
static void bar_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	chip.m.ops->write(&chip.m, 0, off, width, (uint32_t)v);
}
static const struct host_model bar_model = { bar_read, bar_write };

static void set(const char *name, const char *value) { CHECK(chip.m.ops->set(&chip.m, name, value)); }
static void time_passes(void) { chip.m.ops->run(&chip.m); }

/* Make a controller with two namespaces of 1 MiB, as at power-on; options can be set until probe(). */
static void new_machine(void)
{
	memset(&pci, 0, sizeof(pci));
	cfg = host_pci_config(&pci);
	pci.cap_msix = 0x40;
	cfg[0x43] = 0x80;
	nvme_init(&chip);
	chip.m.host = (struct model_host) {
		.dma = to_memory, .master = masters, .irq = message, .broken = rule_broken, .now_us = model_now,
	};
	pci.bar[0] = (struct pci_bar) { .addr = host_mmio_new(chip.m.pci.bar[0].size, &bar_model, NULL),
					.size = chip.m.pci.bar[0].size };
	for (unsigned i = 0; i < 2; i++)
		CHECK(chip.m.ops->disk(&chip.m, space[i], SPACE_SIZE, 512));
	ram = host_guest_ram(RAM_SIZE);
	host_time_hook = time_passes;
	rang = false;
	dev = NULL;
}

static int probe(void)
{
	const struct hw_driver *drv = __start_veneer_drivers[0];
	int err;

	chip.m.ops->power_on(&chip.m);
	err = drv->probe(&pci, &drv->ids[drv->nids - 1], 0, &dev);
	if (!err) {
		d1 = dev->disk[0];
		d2 = dev->ndisk > 1 ? dev->disk[1] : NULL;
	}
	return err;
}

static void start(void)
{
	new_machine();
	CHECK_EQ(probe(), 0);
	CHECK_EQ(dev->ndisk, 2);
}

/* Let @us microseconds pass in steps of a millisecond, with a tick in each, and a poll if the controller has interrupted. */
static void run(uint64_t us)
{
	for (uint64_t end = host_now_us + us; host_now_us < end; ) {
		host_now_us += MS;
		time_passes();
		if (rang) {
			rang = false;
			dev->ops->poll(dev);
		}
		dev->ops->tick(dev, host_now_us);
	}
}

/* Write 8 blocks and read them back: both have to succeed. */
static void check_disk(struct disk *d, unsigned first)
{
	struct io *io;

	fill_ram(0, 4096, first);
	io = io_rw(first, d, DISK_WRITE, 8, 8, 0);
	run(SECOND);
	CHECK(io->done == 1 && !io->status);
	io = io_rw(first + 1, d, DISK_READ, 8, 8, 8192);
	run(SECOND);
	CHECK(io->done == 1 && !io->status);
	CHECK(!memcmp((void *)(uintptr_t)ram, (void *)(uintptr_t)(ram + 8192), 4096));
}

/* --- options --- */

TEST(two_namespaces)
{
	start();
	check_disk(d1, 0);
	check_disk(d2, 4);
}

TEST(one_queue)
{
	new_machine();
	set("queues", "1");
	CHECK_EQ(probe(), 0);
	check_disk(d1, 0);
}

TEST(entries_of_128_bytes_are_refused)
{
	new_machine();
	set("entry", "7");
	CHECK_EQ(probe(), -ERR_NOTSUP);
	CHECK(host_log_has("nvme0: needs queue entries of another size"));
	CHECK_EQ(host_heap_used(), 0);
}

TEST(zones_and_metadata_are_left_out)
{
	new_machine();
	CHECK(chip.m.ops->disk(&chip.m, space[2], SPACE_SIZE, 4096));
	set("kind1", "zoned");
	set("kind2", "meta");
	CHECK_EQ(probe(), 0);
	CHECK_EQ(dev->ndisk, 1);
	CHECK_EQ(d1->index, 3);
	CHECK(host_log_has("namespace 1 left out: it is zoned"));
	CHECK(host_log_has("namespace 2 left out: its blocks carry metadata"));
	check_disk(d1, 0);
}

/* CAP.TO allows 127.5 s.  Time passes in larger steps. */
static void coarse_time(void)
{
	host_now_us += 10 * MS;
	time_passes();
}

TEST(a_start_of_two_minutes)
{
	new_machine();
	set("timeout", "255");
	set("ready-ms", "120000");
	host_time_hook = coarse_time;
	CHECK_EQ(probe(), 0);
	host_time_hook = time_passes;
	check_disk(d1, 0);
	new_machine();
	set("timeout", "255");
	set("ready-ms", "130000");
	host_time_hook = coarse_time;
	CHECK(probe() < 0);
	CHECK(host_log_has("nvme0: CSTS.RDY = 1 awaited for 128000 ms"));
}

TEST(small_transfers)
{
	new_machine();
	set("mdts", "1");
	CHECK_EQ(probe(), 0);
	CHECK_EQ(d1->limits.max_bytes, 8192);
	struct io *io = io_rw(0, d1, DISK_READ, 0, 100, 4);
	run(SECOND);
	CHECK(io->done == 1 && !io->status);
}

/* --- events --- */

TEST(a_warning_is_an_event)
{
	start();
	set("warning", "4");
	run(10 * MS);
	CHECK(host_log_has("nvme0: critical warning 04"));
	host_log_clear();
	set("warning", "9");
	run(10 * MS);
	CHECK(host_log_has("nvme0: critical warning 09"));
	check_disk(d1, 0);
}

TEST(an_event_of_another_type)
{
	start();
	set("event", "0x010300");
	run(10 * MS);
	CHECK(host_log_has("nvme0: event type 0, information 03, log page 01"));
	check_disk(d1, 0);
}

TEST(a_namespace_that_is_removed)
{
	start();
	struct io *io = io_rw(0, d2, DISK_READ, 0, 8, 0);
	run(10 * MS);
	CHECK(io->done == 1 && !io->status);
	set("kind2", "none");
	run(10 * MS);
	CHECK(!d1->gone && d2->gone && host_log_has("nvme0n2: its namespace was removed: its disk is gone"));
	check_disk(d1, 1);
}

/* --- faults --- */

TEST(a_held_command_is_aborted)
{
	start();
	d1->timeout_us = 2 * SECOND;
	set("hold", "1");
	struct io *held = io_rw(0, d1, DISK_READ, 0, 8, 0), *other = io_rw(1, d2, DISK_READ, 0, 8, 8192);

	run(SECOND);
	CHECK(!held->done && other->done == 1 && !other->status);
	run(3 * SECOND);
	CHECK_EQ(held->done, 1);
	CHECK_EQ(held->status, -ERR_TIMEOUT);
	CHECK(!host_log_has("controller reset"));
	check_disk(d1, 2);
}

TEST(a_held_command_that_abort_does_not_end)
{
	start();
	d1->timeout_us = d2->timeout_us = 2 * SECOND;
	set("no-abort", "1");
	set("hold", "1");
	struct io *held = io_rw(0, d1, DISK_READ, 0, 8, 0);

	run(5 * SECOND);
	CHECK(host_log_has("nvme0: Abort did not help"));
	CHECK(held->done == 1 && held->status == -ERR_TIMEOUT);
	check_disk(d2, 2);
}

TEST(all_commands_held)
{
	struct io *io[20];

	start();
	d1->timeout_us = 2 * SECOND;
	set("no-abort", "1");
	set("hold", "64");
	for (unsigned i = 0; i < ARRAY_SIZE(io); i++)
		io[i] = io_rw(i, d1, DISK_READ, 8 * i, 8, 4096 * i);
	run(10 * SECOND);
	for (unsigned i = 0; i < ARRAY_SIZE(io); i++)
		CHECK_EQ(io[i]->done, 1);
	set("hold", "0");
	check_disk(d1, 40);
}

TEST(a_command_that_fails)
{
	start();
	set("fail", "1");
	struct io *io = io_rw(0, d1, DISK_READ, 0, 8, 0);
	run(SECOND);
	CHECK(io->done == 1 && io->status == -ERR_IO);
	check_disk(d1, 1);
}

TEST(lost_interrupts)
{
	start();
	set("lose-irqs", "2");
	check_disk(d1, 0);
}

TEST(a_fatal_status)
{
	start();
	set("fatal", "1");
	struct io *io = io_rw(0, d1, DISK_READ, 0, 8, 0);
	run(SECOND);
	CHECK(host_log_has("nvme0: fatal status"));
	CHECK(io->done == 1 && !io->status);
	check_disk(d1, 1);
}

/* What was in the queues is gone with the subsystem's reset; the driver sends it again. */
TEST(the_subsystem_is_reset)
{
	new_machine();
	set("subsystem", "1");
	CHECK_EQ(probe(), 0);
	set("hold", "1");
	struct io *io = io_rw(0, d1, DISK_READ, 0, 8, 0);
	run(5 * MS);
	set("nssr", "1");
	struct io *later = io_rw(1, d2, DISK_READ, 0, 8, 8192);
	run(SECOND);
	CHECK(host_log_has("nvme0: it is no longer ready"));
	CHECK(io->done == 1 && !io->status && later->done == 1 && !later->status);
	/* Events come again. */
	set("warning", "1");
	run(10 * MS);
	CHECK(host_log_has("nvme0: critical warning 01"));
	check_disk(d1, 2);
}

TEST(a_controller_that_is_pulled)
{
	start();
	set("hold", "1");
	struct io *io = io_rw(0, d1, DISK_READ, 0, 8, 0);
	run(5 * MS);
	set("gone", "1");
	run(SECOND);
	CHECK(host_log_has("nvme0: removed: nothing answers"));
	CHECK(io->done == 1 && io->status == -ERR_NODEV);
	struct io *later = io_rw(1, d2, DISK_READ, 0, 8, 0);
	run(SECOND);
	CHECK(later->done == 1 && later->status == -ERR_NODEV);
	dev->ops->shutdown(dev);
}

TEST(a_controller_that_never_gets_ready)
{
	new_machine();
	set("stuck", "1");
	host_time_hook = coarse_time;
	CHECK(probe() < 0);
	CHECK(host_log_has("nvme0: CSTS.RDY = 1 awaited for 10500 ms"));
	CHECK_EQ(host_heap_used(), 0);
}

TEST_MAIN
