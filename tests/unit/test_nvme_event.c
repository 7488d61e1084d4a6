/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nvme/nvme*.c hw/disk.c hw/disk_cut.c hw/disk_start.c hv/lib/sg.c tests/unit/nvme_model.c */
/* Asynchronous events: warnings, and namespaces that grow, shrink, and disappear.  What the polling core asks. */
#include "nvme_fixture.h"

#define NOTICE		2u
#define HEALTH		1u
#define PAGE_HEALTH	2u
#define PAGE_CHANGED	4u

static unsigned told;
static void resized(struct disk *d) { told++; }

static void start(void)
{
	new_machine();
	host_log_clear();
	model.oaes = BIT(8);
	CHECK_EQ(probe(), 0);
	d1->client_resized = d2->client_resized = resized;
	told = 0;
	run(5 * MS);
}

static void event(unsigned type, unsigned info, unsigned page)
{
	CHECK(model_event(type, info, page));
	run(5 * MS);
}

static void changed(uint32_t a, uint32_t b)
{
	model.changed[0] = a;
	model.changed[1] = b;
	event(NOTICE, 0, PAGE_CHANGED);
}

TEST(warnings_are_said_and_the_next_is_asked_for)
{
	start();
	CHECK_EQ(model.events_on, 0x11f);
	model.warning = 0x09;
	event(HEALTH, 1, PAGE_HEALTH);
	CHECK(host_log_has("nvme0: critical warning 09"));
	CHECK_EQ(model.logs_read, 1);
	/* An event of another kind, and a warning that is over before the log page is read. */
	event(0, 3, 1);
	CHECK(host_log_has("nvme0: event type 0, information 03, log page 01"));
	host_log_clear();
	model.warning = 0;
	event(HEALTH, 1, PAGE_HEALTH);
	CHECK(!host_log_has("critical warning"));
	CHECK_EQ(model.logs_read, 3);
}

/* The log page of an event that stays pending gets no answer: one reset, and no more events. */
TEST(a_log_page_without_an_answer)
{
	start();
	model.hang_logs = true;
	model.warning = 1;
	event(HEALTH, 1, PAGE_HEALTH);
	run(11 * SECOND);
	CHECK_EQ(model.resets, 1);
	CHECK(!d1->gone && host_log_has("nvme0: 1 events: requesting no more"));
	CHECK(!model_event(HEALTH, 1, PAGE_HEALTH));
	struct io *io = io_rw(0, d1, DISK_READ, 3, 1, 0);

	run(SECOND);
	CHECK(io->done == 1 && io->status == 0);
}

TEST(lines_have_an_end_and_events_have_one)
{
	unsigned events = 0;

	start();
	model.warning = 1;
	for (unsigned i = 0; i < 16; i++)
		event(HEALTH, 0, PAGE_HEALTH);
	host_log_clear();
	for (unsigned i = 16; i < 2000 && model_event(HEALTH, 0, PAGE_HEALTH); i++, events++)
		run(5 * MS);
	CHECK_EQ(events, 1000 - 16);
	CHECK(!host_log_has("critical warning") && host_log_has("nvme0: 1000 events: requesting no more"));
	/* Neither after a reset. */
	model_power_cycle();
	run(SECOND);
	CHECK(!model_event(HEALTH, 0, PAGE_HEALTH));
}

TEST(a_namespace_that_grows_and_shrinks)
{
	start();
	model.blocks = MODEL_BLOCKS + 100;
	changed(1, 0);
	CHECK(d1->nblocks == MODEL_BLOCKS + 100 && d2->nblocks == MODEL_BLOCKS);
	CHECK_EQ(told, 1);
	CHECK(host_log_has("nvme0n1: 4196 blocks now, 4096 before"));
	model.blocks = 50;
	changed(3, 1);
	CHECK(d1->nblocks == 50 && told == 2);
	struct io *io = io_rw(0, d1, DISK_READ, 49, 1, 0), *beyond = io_rw(1, d1, DISK_READ, 50, 1, 4096);
	run(10 * MS);
	CHECK(io->done == 1 && !io->status && beyond->done == 1 && beyond->status == -ERR_INVAL);
	/* More namespaces have changed than the list holds: all are checked. */
	model.blocks = 60;
	changed(~0u, 0);
	CHECK(d1->nblocks == 60 && d2->nblocks == MODEL_BLOCKS && told == 3);
	/* Namespaces that are not our disks. */
	changed(2, 77);
	CHECK_EQ(told, 3);
}

/* The guest's window stays the same. */
TEST(a_window_does_not_move)
{
	start();
	CHECK_EQ(disk_set_window(d1, 0, 1000), 0);
	CHECK_EQ(disk_set_window(d2, 100, MODEL_BLOCKS - 100), 0);
	model.blocks = MODEL_BLOCKS * 2;
	changed(1, 3);
	CHECK(d1->nblocks == 1000 && d2->nblocks == MODEL_BLOCKS - 100 && !told);
}

TEST(a_namespace_that_goes_takes_its_disk_along)
{
	start();
	struct io *other = io_rw(1, d2, DISK_READ, 0, 1, 4096);

	model.inactive_ns = 1;
	changed(1, 0);
	CHECK(d1->gone && !d2->gone && host_log_has("nvme0n1: its namespace was removed: its disk is gone"));
	struct io *io = io_rw(0, d1, DISK_READ, 0, 1, 0);
	run(10 * MS);
	CHECK(io->done == 1 && io->status == -ERR_NODEV && other->done == 1 && !other->status);
	/* A namespace that comes back is a new one. */
	model.inactive_ns = 0;
	changed(1, 0);
	CHECK(d1->gone);
	dev->ops->shutdown(dev);
	CHECK_EQ(model.flushes, 1);
}

TEST(a_namespace_with_another_format_is_another_disk)
{
	start();
	model.bad_format = true;
	changed(1, 0);
	CHECK(d1->gone && host_log_has("nvme0n1: its blocks have another format: its disk is gone"));
	start();
	model.fail_identify_ns = 3;
	changed(3, 0);
	CHECK(d2->gone && !d1->gone);
}

/* A reset drops the request: the driver sends a new one, and sets the feature again. */
TEST(after_a_reset_events_come_again)
{
	start();
	model_power_cycle();
	model.events_on = 0;
	run(SECOND);
	CHECK_EQ(model.events_on, 0x11f);
	model.warning = 4;
	event(HEALTH, 0, PAGE_HEALTH);
	CHECK(host_log_has("critical warning 04"));
}

/* Also while an event is handled. */
TEST(a_reset_while_an_event_is_looked_at)
{
	start();
	model.blocks = 99;
	model.changed[0] = 1;
	CHECK(model_event(NOTICE, 0, PAGE_CHANGED));
	dev->ops->poll(dev);
	model_power_cycle();
	run(SECOND);
	CHECK_EQ(d1->nblocks, MODEL_BLOCKS);
	changed(1, 0);
	CHECK_EQ(d1->nblocks, 99);
}

TEST(controllers_without_events_or_that_fail)
{
	new_machine();
	model.no_events = true;
	CHECK_EQ(probe(), 0);
	run(SECOND);
	CHECK_EQ(model.events_on, 0x1f);
	CHECK(!model_event(HEALTH, 0, PAGE_HEALTH));
	/* If a log page cannot be read only that event is lost. */
	start();
	model.fail_admin = 0x02;
	model.changed[0] = 1;
	event(NOTICE, 0, PAGE_CHANGED);
	model.fail_admin = 0;
	model.warning = 2;
	event(HEALTH, 0, PAGE_HEALTH);
	CHECK(host_log_has("critical warning 02") && !told);
	/* A log page that hangs is handled as any admin command. */
	model.hang_admin = 0x02;
	CHECK(model_event(HEALTH, 0, PAGE_HEALTH));
	run(12 * SECOND);
	CHECK(host_log_has("an admin command was not completed"));
}

/* --- the polling core --- */

TEST(masked_and_peeked_at)
{
	start_two();
	dev->ops->irq_enable(dev, true);
	CHECK(dev->ops->mask(dev, true) && !dev->ops->peek(dev));
	CHECK_EQ(model.int_writes, 0);		/* MSI-X: who masks is the table */
	io_rw(0, d1, DISK_READ, 0, 1, 0);
	host_now_us += 5 * MS;
	model_run();
	unsigned reads = host_accesses;

	CHECK(dev->ops->peek(dev));
	CHECK_EQ(host_accesses, reads);		/* memory only */
	CHECK_EQ(dev->ops->poll(dev), 1);
	CHECK(!dev->ops->peek(dev));
	CHECK(dev->ops->mask(dev, false));
}

/* Without MSI-X: and irq_enable() leaves that mask alone. */
TEST(masked_by_its_own_register)
{
	new_machine();
	cfg[0x43] = 0;
	CHECK_EQ(probe(), 0);
	dev->ops->irq_enable(dev, true);
	CHECK_EQ(model.intm, 0);
	CHECK(dev->ops->mask(dev, true));
	CHECK_EQ(model.intm, 1);
	dev->ops->irq_enable(dev, true);
	CHECK_EQ(model.intm, 1);
	CHECK(dev->ops->mask(dev, false));
	CHECK_EQ(model.intm, 0);
}

TEST_MAIN
