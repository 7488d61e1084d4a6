/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nvme/nvme*.c hw/disk.c hw/disk_cut.c hw/disk_start.c hv/lib/sg.c tests/unit/nvme_model.c */
/* Admin commands that get no answer: which of them may cost a drive. */
#include "nvme_fixture.h"

static void works(struct disk *d)
{
	struct io *io = io_rw(0, d, DISK_READ, 3, 1, 0);

	run(10 * MS);
	CHECK(io->done == 1 && io->status == 0);
}

/* A command without which the drive works may get no answer: it costs time, and what it would have told. */
TEST(optional_commands_without_an_answer)
{
	static const struct { uint32_t cns, fids; unsigned hung; } kinds[] = {
		{ BIT(6), 0, 1 }, { BIT(3), 0, 1 }, { BIT(2), 0, 1 }, { BIT(6) | BIT(3) | BIT(2), BIT(6) | BIT(0xb), 5 },
		{ 0, BIT(6), 1 }, { 0, BIT(0xb), 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		new_machine();
		host_time_hook = run_coarsely;
		model.hang_cns = kinds[i].cns;
		model.hang_fids = kinds[i].fids;
		CHECK_EQ(probe(), 0);
		CHECK_EQ(dev->ndisk, 2);
		CHECK_EQ(model.hung, kinds[i].hung);
		CHECK_EQ(model.resets, kinds[i].hung);
		CHECK(d1->write_cache);		/* unknown means on */
		works(d1);
		works(d2);
	}
}

/* The answer to a command without which nothing works was lost once. */
TEST(mandatory_commands_without_an_answer_once)
{
	new_machine();
	host_time_hook = run_coarsely;
	model.hang_admin = 0x06;
	model.hang_once = true;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(model.resets, 1);
	works(d1);
}

/* No namespace can be described: the start ends nevertheless, long before the last of 1024. */
TEST(silence_at_the_start_is_bounded)
{
	uint64_t before;

	new_machine();
	host_time_hook = run_coarsely;
	model.namespaces = 1024;
	model.hang_cns = BIT(0);
	before = host_now_us;
	CHECK(probe() < 0 && host_log_has("Identify Namespace not completed"));
	CHECK(model.hung <= 9 && host_now_us - before < 100 * SECOND);
}

/* The feature hangs after a reset at run time only: the reset succeeds without it. */
TEST(optional_steps_of_a_reset_without_an_answer)
{
	start_two();
	model.hang_fids = BIT(6) | BIT(0xb);
	model.hang_lba = 50;
	struct io *bad = io_rw(0, d1, DISK_READ, 50, 1, 0);

	run(80 * SECOND);
	CHECK(bad->done == 1 && bad->status == -ERR_TIMEOUT);
	CHECK(!d1->gone && host_log_has("step 4 not completed"));
	CHECK_EQ(model.hung, 2);
	works(d1);
	works(d2);
}

TEST_MAIN
