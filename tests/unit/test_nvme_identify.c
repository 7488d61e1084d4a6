/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/nvme/nvme*.c hw/disk.c hw/disk_cut.c hw/disk_start.c hv/lib/sg.c tests/unit/nvme_model.c */
/* Which namespaces become disks, and which are left out. */
#include "nvme_fixture.h"

/* A namespace of another command set than NVM is no disk; the other namespaces are. */
TEST(other_command_sets_are_left_out)
{
	static const struct { uint8_t csi; const char *log; } sets[] = {
		{ 1, "namespace 1 left out: it is a key-value store" }, { 2, "namespace 1 left out: it is zoned" },
		{ 3, "namespace 1 left out: it has a command set" }, { 0x30, "namespace 1 left out: it has a command set" },
	};

	for (unsigned several = 0; several < 2; several++)
		for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
			new_machine();
			host_log_clear();
			model.cap |= (uint64_t)several << 43;
			model.csi[0] = sets[i].csi;
			CHECK_EQ(probe(), 0);
			CHECK(host_log_has(sets[i].log));
			CHECK(dev->ndisk == 1 && d1->index == 3);
		}
}

/* A controller with several command sets must report that of each namespace; a controller with NVM only need not. */
TEST(a_command_set_that_is_not_said)
{
	size_t used;

	for (unsigned i = 0; i < 4; i++) {
		new_machine();
		host_log_clear();
		model.no_descriptors = i & 1;
		model.no_csi = !model.no_descriptors;
		if (i < 2) {
			CHECK_EQ(probe(), 0);
			CHECK_EQ(dev->ndisk, 2);
			continue;
		}
		model.cap |= 1ull << 43;
		used = host_heap_used();
		CHECK(probe() < 0 && host_log_has("does not name its command set"));
		CHECK_EQ(host_heap_used(), used);
	}
}

TEST(a_format_that_is_not_listed)
{
	new_machine();
	model.bad_format = true;
	CHECK_EQ(probe(), 0);
	CHECK(dev->ndisk == 1 && d1->index == 3 && host_log_has("namespace 1 left out: its block size"));
}

TEST(a_namespace_that_cannot_be_described)
{
	new_machine();
	model.fail_identify_ns = 1;
	CHECK_EQ(probe(), 0);
	CHECK(dev->ndisk == 1 && d1->index == 3 && host_log_has("namespace 1 left out: Identify Namespace fails"));
}

/* The table of disks is full: the other namespaces are left out, with few log lines. */
TEST(more_namespaces_than_disks)
{
	new_machine();
	model.namespaces = 1024;
	CHECK_EQ(probe(), 0);
	CHECK_EQ(dev->ndisk, 32);
	CHECK_EQ(dev->disk[31]->index, 33);
	CHECK(host_log_has("namespace 34 left out: too many") && !host_log_has("namespace 56 left out"));
	CHECK(host_log_has("992 namespaces left out altogether") && host_log_has("1024 namespaces or more"));
}

TEST_MAIN
