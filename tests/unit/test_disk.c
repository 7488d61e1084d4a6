/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/disk.c hw/disk_cut.c hw/disk_start.c hv/lib/sg.c */
/* The disk layer over a fake controller: cuts, bounces, order, errors, windows.  The drivers have tests of their own. */
#include <string.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include "host/host.h"

#define BS	512u
#define MEDIA	4096u		/* blocks */

/* A controller that keeps its commands, checks them against the limits, and completes them when the test asks for it. */
static struct disk disk;
static struct disk_cmd *given[64];
static unsigned ngiven, kicks, most_busy;
static int refuse;			/* start() returns this */
static uint8_t *media;

static void check_conforming(const struct disk_cmd *c)
{
	const struct disk_limits *l = &disk.limits;
	uint64_t sum = 0;

	CHECK(c->tag < l->tags);
	for (unsigned i = 0; i < ngiven; i++)
		CHECK(given[i]->tag != c->tag);
	if (c->op != DISK_READ && c->op != DISK_WRITE)
		return;
	CHECK(c->nsg >= 1 && c->nsg <= l->max_segs);
	for (unsigned i = 0; i < c->nsg; i++) {
		const struct sg *s = &c->sg[i];

		CHECK(s->len && s->len <= l->max_seg_len);
		CHECK(IS_ALIGNED(s->addr, l->addr_align) && IS_ALIGNED(s->len, l->len_align));
		CHECK(s->addr + s->len - 1 <= l->dma_mask);
		if (l->page_rule && i)
			CHECK(IS_ALIGNED(s->addr, l->page_rule));
		if (l->page_rule && i + 1 < c->nsg)
			CHECK(IS_ALIGNED(s->addr + s->len, l->page_rule));
		sum += s->len;
	}
	CHECK_EQ(sum, (uint64_t)c->nblocks * disk.block_size);
	CHECK(sum <= l->max_bytes);
}

static int fake_start(struct disk *d, unsigned q, struct disk_cmd *c)
{
	if (refuse)
		return refuse;
	check_conforming(c);
	CHECK(c->deadline_us == host_now_us + d->timeout_us);
	given[ngiven++] = c;
	most_busy = MAX(most_busy, ngiven);
	return 0;
}

static void fake_kick(struct disk *d, unsigned q) { kicks++; }
static void fake_abort(struct disk *d) { ngiven = 0; }
static const struct disk_ops ops = { .start = fake_start, .kick = fake_kick, .abort_all = fake_abort };

static void complete(unsigned i, int status)
{
	struct disk_cmd *c = given[i];

	memmove(&given[i], &given[i + 1], (--ngiven - i) * sizeof(given[0]));
	if (!status && c->op == DISK_READ)
		sg_copy_to(c->sg, c->nsg, 0, media + c->lba * disk.block_size, c->nblocks * disk.block_size);
	if (!status && c->op == DISK_WRITE)
		sg_copy_from(c->sg, c->nsg, 0, media + c->lba * disk.block_size, c->nblocks * disk.block_size);
	disk_cmd_done(&disk, c, status);
}

static void complete_all(void)
{
	while (ngiven)
		complete(0, 0);
}

static void setup(void)
{
	disk = (struct disk) {
		.ops = &ops, .name = "fake0", .block_size = BS, .nblocks = MEDIA, .flush = true, .nqueues = 1,
		.write_cache = true,
		.limits = { .max_bytes = 65536, .max_segs = 16, .max_seg_len = 32768, .addr_align = 2, .len_align = 2,
			    .dma_mask = 0xffffffff, .max_discard_blocks = 100, .tags = 4 },
	};
	ngiven = kicks = most_busy = 0;
	refuse = 0;
	media = (uint8_t *)(uintptr_t)host_guest_ram(MEDIA * 4096);
	for (unsigned i = 0; i < MEDIA * BS; i++)
		media[i] = (uint8_t)(i * 7 + i / 251);
}

struct test_req {
	struct disk_req r;
	struct sg sg[DISK_MAX_SEGS];
	int status;
	unsigned done;
};

static void on_done(struct disk_req *r, int status)
{
	struct test_req *t = container_of(r, struct test_req, r);

	t->status = status;
	t->done++;
}

static void submit(struct test_req *t, enum disk_op op, uint64_t lba, uint32_t n, unsigned nsg)
{
	t->r.op = op;
	t->r.lba = lba;
	t->r.nblocks = n;
	t->r.sg = t->sg;
	t->r.nsg = nsg;
	t->r.done = on_done;
	t->done = 0;
	t->status = 99;
	disk_submit(&disk, 0, &t->r);
}

TEST(one_command_goes_as_it_is)
{
	static struct test_req t;
	uint64_t buf;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	buf = host_guest_ram(8192);
	t.sg[0] = (struct sg) { buf, 8192 };
	submit(&t, DISK_READ, 3, 16, 1);
	CHECK_EQ(ngiven, 1);
	CHECK_EQ(given[0]->sg[0].addr, buf);
	CHECK_EQ(kicks, 0);
	disk_kick(&disk, 0);
	disk_kick(&disk, 0);
	CHECK_EQ(kicks, 1);
	CHECK_EQ(disk_outstanding(&disk), 1);
	complete_all();
	CHECK_EQ(t.done, 1);
	CHECK_EQ(t.status, 0);
	CHECK_EQ(disk_outstanding(&disk), 0);
	CHECK(!memcmp((void *)(uintptr_t)buf, media + 3 * BS, 8192));
	CHECK_EQ(disk.cnt_bounced, 0);
	disk_fini(&disk);
	CHECK_EQ(host_heap_used(), 0);
}

/* Pieces of 4 KiB, each on a page of its own, none adjacent to another. */
static void scatter(struct test_req *t, uint64_t ram, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		t->sg[i] = (struct sg) { ram + 8192 * i, 4096 };
}

TEST(what_keeps_every_rule_is_not_copied)
{
	static const unsigned counts[] = { 1, 2, 16 };
	static struct test_req t;
	uint64_t ram;

	setup();
	disk.limits.page_rule = 4096;
	CHECK_EQ(disk_init(&disk), 0);
	ram = host_guest_ram(20 * 8192);
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		scatter(&t, ram, counts[i]);
		submit(&t, DISK_READ, 8, 8 * counts[i], counts[i]);
		CHECK_EQ(ngiven, 1);
		CHECK(given[0]->sg == t.sg && given[0]->nsg == counts[i]);
		complete_all();
		CHECK(t.done == 1 && !t.status);
	}
	CHECK(!disk.cnt_splits && !disk.cnt_bounced);
	/* One piece too many, then too many bytes: the request is cut. */
	scatter(&t, ram, 17);
	submit(&t, DISK_READ, 8, 8 * 17, 17);
	CHECK(ngiven == 2 && given[0]->sg != t.sg);
	complete_all();
	/* The first piece may begin anywhere, the last may end anywhere; between them only whole pages. */
	scatter(&t, ram, 3);
	t.sg[0] = (struct sg) { ram + 1024, 3072 };
	t.sg[2].len = 1024;
	submit(&t, DISK_READ, 8, 16, 3);
	CHECK(ngiven == 1 && given[0]->sg == t.sg);
	complete_all();
	t.sg[1].addr += 512;
	t.sg[1].len = 3584;
	t.sg[2].len = 1536;
	submit(&t, DISK_READ, 8, 16, 3);
	CHECK(ngiven == 2 && given[0]->sg != t.sg);
	complete_all();
	CHECK(t.done == 1 && !t.status);
	disk_fini(&disk);
}

TEST(a_whole_command_that_is_refused_keeps_its_place)
{
	static struct test_req a, b, c;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	a.sg[0] = b.sg[0] = c.sg[0] = (struct sg) { host_guest_ram(4096), 512 };
	refuse = -ERR_BUSY;
	submit(&a, DISK_READ, 1, 1, 1);
	submit(&b, DISK_READ, 2, 1, 1);
	refuse = 0;
	submit(&c, DISK_READ, 3, 1, 1);		/* does not overtake */
	CHECK_EQ(ngiven, 0);
	disk_run(&disk);
	CHECK_EQ(ngiven, 3);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(given[i]->lba, i + 1);
	complete(1, -ERR_IO);
	CHECK_EQ(b.status, -ERR_IO);
	complete_all();
	CHECK(a.done == 1 && b.done == 1 && c.done == 1 && !a.status && !c.status);
	/* More requests than tags: the last ones wait for a completion. */
	static struct test_req many[6];

	for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
		many[i].sg[0] = a.sg[0];
		submit(&many[i], DISK_READ, i, 1, 1);
	}
	CHECK_EQ(ngiven, 4);
	complete(0, 0);
	CHECK_EQ(given[3]->lba, 4);
	complete_all();
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		CHECK(many[i].done == 1 && !many[i].status);
	CHECK_EQ(disk_outstanding(&disk), 0);
	disk_fini(&disk);
}

TEST(long_requests_are_cut_at_blocks)
{
	static struct test_req t;
	uint64_t buf;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	buf = host_guest_ram(1 << 20);
	t.sg[0] = (struct sg) { buf, 1 << 19 };
	t.sg[1] = (struct sg) { buf + (1 << 19) + 4096, 1 << 19 };
	submit(&t, DISK_READ, 0, 2048, 1);
	CHECK_EQ(t.status, -ERR_INVAL);
	submit(&t, DISK_READ, 0, 1024, 1);
	CHECK_EQ(ngiven, 4);		/* all tags are in use */
	complete_all();
	CHECK_EQ(t.status, 0);
	CHECK_EQ(disk.cnt_commands, 8);
	CHECK_EQ(disk.cnt_splits, 7);
	CHECK(!memcmp((void *)(uintptr_t)buf, media, 1 << 19));
	disk_fini(&disk);
}

/* A block across two odd pieces cannot be cut, so it is bounced; the aligned blocks around it are not. */
TEST(only_what_no_cut_helps_is_bounced)
{
	static struct test_req t;
	uint64_t buf;
	uint8_t *at;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	buf = host_guest_ram(65536);
	t.sg[0] = (struct sg) { buf, 512 * 4 + 101 };		/* four blocks, 101 bytes of the fifth */
	t.sg[1] = (struct sg) { buf + 8192, 411 + 512 * 2 };	/* the fifth's rest, then two at odd addresses */
	t.sg[2] = (struct sg) { buf + 16384, 512 };
	submit(&t, DISK_WRITE, 10, 8, 3);
	at = (uint8_t *)(uintptr_t)buf;
	(void)at;
	complete_all();
	CHECK_EQ(t.status, 0);
	CHECK_EQ(disk.cnt_bounced_bytes, 3 * 512);
	CHECK(!memcmp(media + 10 * BS, at, 4 * 512 + 101));
	CHECK(!memcmp(media + 10 * BS + 4 * 512 + 101, at + 8192, 411 + 1024));
	CHECK(!memcmp(media + 17 * BS, at + 16384, 512));
	disk_fini(&disk);
}

TEST(bounced_reads_arrive)
{
	static struct test_req t;
	uint64_t buf;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	buf = host_guest_ram(256 * 1024);
	t.sg[0] = (struct sg) { buf + 1, 128 * 1024 };		/* more than all bounce memory */
	submit(&t, DISK_READ, 7, 256, 1);
	CHECK(ngiven >= 1);
	complete_all();
	CHECK_EQ(t.done, 1);
	CHECK_EQ(t.status, 0);
	CHECK_EQ(disk.cnt_bounced_bytes, 128 * 1024);
	CHECK(!memcmp((void *)(uintptr_t)(buf + 1), media + 7 * BS, 128 * 1024));
	disk_fini(&disk);
}

TEST(page_rule_is_kept_by_cutting_first)
{
	static struct test_req t;
	uint64_t buf;
	uint8_t *p;

	setup();
	disk.limits.page_rule = 4096;
	disk.limits.addr_align = disk.limits.len_align = 4;
	CHECK_EQ(disk_init(&disk), 0);
	buf = host_guest_ram(65536);
	p = (uint8_t *)(uintptr_t)buf;
	t.sg[0] = (struct sg) { buf + 512, 3584 + 4096 };	/* a valid first and middle piece */
	t.sg[1] = (struct sg) { buf + 16384, 1024 };		/* ends inside a page: cut after it */
	t.sg[2] = (struct sg) { buf + 24576 + 1024, 2048 };
	submit(&t, DISK_READ, 1, 15 + 2 + 4, 3);
	CHECK_EQ(ngiven, 2);
	complete_all();
	CHECK_EQ(t.status, 0);
	CHECK_EQ(disk.cnt_bounced, 0);
	CHECK(!memcmp(p + 512, media + BS, 7680));
	CHECK(!memcmp(p + 16384, media + 16 * BS, 1024));
	CHECK(!memcmp(p + 25600, media + 18 * BS, 2048));
	/* A block across two pieces that do not meet at a page boundary cannot be cut. */
	t.sg[0] = (struct sg) { buf, 256 };
	t.sg[1] = (struct sg) { buf + 4096, 256 };
	submit(&t, DISK_READ, 1, 1, 2);
	complete_all();
	CHECK_EQ(disk.cnt_bounced_bytes, 512);
	CHECK(!memcmp(p + 4096, media + BS + 256, 256));
	disk_fini(&disk);
}

/* Random lists, checked by fake_start() and by the data. */
TEST(random_lists_keep_every_rule)
{
	static struct test_req t;
	uint64_t buf;
	uint32_t seed = 12345;

	setup();
	disk.limits.page_rule = 4096;
	disk.limits.addr_align = disk.limits.len_align = 4;
	CHECK_EQ(disk_init(&disk), 0);
	buf = host_guest_ram(1 << 20);
	for (unsigned round = 0; round < 3000; round++) {
		uint64_t at = buf, total = 0;
		unsigned n = 0, pieces = 1 + round % 20;

		for (; n < pieces; n++) {
			seed = seed * 1103515245 + 12345;
			uint32_t len = round & 1 ? 1 + (seed >> 16) % 6000 : 256 * (1 + (seed >> 16) % 24);

			at += (seed >> 8) % 3 ? 0 : round & 2 ? 4096 - at % 4096 : (seed >> 20) % 64;
			t.sg[n] = (struct sg) { at, len };
			at += len;
			total += len;
		}
		if (total % BS)
			t.sg[n++] = (struct sg) { at + 12, BS - (uint32_t)(total % BS) };
		total = ALIGN_UP(total, BS);
		memset((void *)(uintptr_t)buf, 0, 1 << 20);
		submit(&t, DISK_READ, round % 100, (uint32_t)(total / BS), n);
		while (ngiven)
			complete((seed >> 3) % ngiven, 0);
		CHECK_EQ(t.done, 1);
		CHECK_EQ(t.status, 0);
		for (uint64_t i = 0, off = 0; i < n; off += t.sg[i++].len)
			CHECK(!memcmp((void *)(uintptr_t)t.sg[i].addr, media + round % 100 * BS + off, t.sg[i].len));
	}
	disk_fini(&disk);
}

TEST(memory_beyond_the_mask_is_bounced)
{
	static struct test_req t;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	t.sg[0] = (struct sg) { 0xfffff800, 4096 };	/* never touched: the commands are not completed */
	submit(&t, DISK_READ, 0, 8, 1);
	CHECK_EQ(ngiven, 2);
	CHECK_EQ(given[0]->sg[0].addr, 0xfffff800);
	CHECK_EQ(given[0]->nblocks, 4);
	CHECK_EQ(disk.cnt_bounced_bytes, 2048);
	disk_reset(&disk);
	disk_fini(&disk);
}

TEST(requests_that_must_not_pass)
{
	static struct test_req t;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	t.sg[0] = (struct sg) { host_guest_ram(4096), 512 };
	submit(&t, DISK_READ, MEDIA, 1, 1);
	CHECK_EQ(t.status, -ERR_INVAL);
	submit(&t, DISK_READ, ~0ull, 1, 1);
	CHECK_EQ(t.status, -ERR_INVAL);
	submit(&t, DISK_DISCARD, MEDIA - 1, 2, 0);
	CHECK_EQ(t.status, -ERR_INVAL);
	submit(&t, DISK_DISCARD, 1, ~0u, 0);
	CHECK_EQ(t.status, -ERR_INVAL);
	submit(&t, DISK_READ, 0, 0, 0);
	CHECK_EQ(t.status, -ERR_INVAL);
	submit(&t, DISK_READ, 0, 2, 1);
	CHECK_EQ(t.status, -ERR_INVAL);
	submit(&t, DISK_WRITE_ZEROES, 0, 2, 0);
	CHECK_EQ(t.status, -ERR_NOTSUP);
	submit(&t, (enum disk_op)77, 0, 2, 0);
	CHECK_EQ(t.status, -ERR_NOTSUP);
	disk.hw_read_only = true;
	submit(&t, DISK_WRITE, 0, 1, 1);
	CHECK_EQ(t.status, -ERR_ROFS);
	disk.flush = false;
	submit(&t, DISK_FLUSH, 0, 0, 0);
	CHECK_EQ(t.status, -ERR_NOTSUP);
	disk.write_cache = false;
	submit(&t, DISK_FLUSH, 0, 0, 0);
	CHECK_EQ(t.status, 0);
	CHECK_EQ(ngiven, 0);
	CHECK_EQ(disk_outstanding(&disk), 0);
	disk_fini(&disk);
}

TEST(discards_are_cut_too)
{
	static struct test_req t;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	submit(&t, DISK_DISCARD, 5, 250, 0);
	CHECK_EQ(ngiven, 3);
	CHECK_EQ(given[2]->lba, 205);
	CHECK_EQ(given[2]->nblocks, 50);
	complete_all();
	CHECK_EQ(t.status, 0);
	disk_fini(&disk);
}

TEST(first_failure_ends_a_request_once)
{
	static struct test_req t;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	t.sg[0] = (struct sg) { host_guest_ram(1 << 19), 1 << 19 };
	submit(&t, DISK_READ, 0, 1024, 1);
	CHECK_EQ(ngiven, 4);
	complete(1, -ERR_IO);
	CHECK_EQ(t.done, 0);
	CHECK_EQ(ngiven, 3);		/* the rest is not started */
	complete(0, -ERR_TIMEOUT);
	complete_all();
	CHECK_EQ(t.done, 1);
	CHECK_EQ(t.status, -ERR_IO);
	CHECK_EQ(disk.cnt_errors, 2);
	CHECK_EQ(disk.cnt_timeouts, 1);
	CHECK_EQ(disk_outstanding(&disk), 0);
	disk_fini(&disk);
}

TEST(order_is_kept_while_busy)
{
	static struct test_req a, b;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	a.sg[0] = b.sg[0] = (struct sg) { host_guest_ram(4096), 512 };
	refuse = -ERR_BUSY;
	submit(&a, DISK_FLUSH, 0, 0, 0);
	submit(&b, DISK_READ, 0, 1, 1);
	CHECK_EQ(ngiven, 0);
	refuse = 0;
	disk_run(&disk);
	CHECK_EQ(ngiven, 2);
	CHECK_EQ(given[0]->op, DISK_FLUSH);
	CHECK_EQ(kicks, 1);
	complete_all();
	CHECK(a.done == 1 && b.done == 1);
	/* A driver's permanent refusal fails the request. */
	refuse = -ERR_NODEV;
	submit(&b, DISK_READ, 0, 1, 1);
	CHECK_EQ(b.status, -ERR_NODEV);
	disk_fini(&disk);
}

TEST(a_disk_that_is_gone_fails_what_waits)
{
	static struct test_req a, b;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	a.sg[0] = b.sg[0] = (struct sg) { host_guest_ram(4096), 512 };
	refuse = -ERR_BUSY;
	submit(&a, DISK_READ, 0, 1, 1);
	submit(&b, DISK_READ, 0, 1, 1);
	disk.gone = true;
	disk_run(&disk);
	CHECK(a.status == -ERR_NODEV && b.status == -ERR_NODEV);
	submit(&a, DISK_READ, 0, 1, 1);
	CHECK_EQ(a.status, -ERR_NODEV);
	disk_fini(&disk);
}

TEST(reset_forgets_silently)
{
	static struct test_req t[8];

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	for (unsigned i = 0; i < 8; i++) {
		t[i].sg[0] = (struct sg) { host_guest_ram(4096) + 1, 512 };
		submit(&t[i], DISK_READ, i, 1, 1);
	}
	CHECK_EQ(disk_outstanding(&disk), 8);
	disk_reset(&disk);
	CHECK_EQ(disk_outstanding(&disk), 0);
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(t[i].done, 0);
	for (unsigned i = 0; i < 8; i++)
		submit(&t[i], DISK_READ, i, 1, 1);
	CHECK_EQ(ngiven, 4);
	complete_all();
	CHECK_EQ(t[7].done, 1);
	disk_fini(&disk);
}

static unsigned again, depth, deepest;
static void resubmit(struct disk_req *r, int status)
{
	depth++;
	deepest = MAX(deepest, depth);
	if (again-- > 1)
		disk_submit(&disk, 0, r);
	depth--;
}

/* A client that submits bad requests from its done(), as a guest can cause it, does not use up the stack. */
TEST(done_that_submits_does_not_nest)
{
	static struct test_req t;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	again = 100000;
	t.r = (struct disk_req) { .op = DISK_READ, .done = resubmit };
	disk_submit(&disk, 0, &t.r);
	CHECK_EQ(again, 0);
	CHECK_EQ(deepest, 1);
	disk_fini(&disk);
}

static void reset_in_done(struct disk_req *r, int status)
{
	on_done(r, status);
	disk_reset(&disk);
}

TEST(done_may_reset)
{
	static struct test_req t[6];

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	for (unsigned i = 0; i < 6; i++) {
		t[i].sg[0] = (struct sg) { host_guest_ram(4096), 512 };
		submit(&t[i], DISK_READ, i, 1, 1);
	}
	t[0].r.done = reset_in_done;
	complete(0, 0);
	CHECK_EQ(t[0].done, 1);
	CHECK_EQ(ngiven, 0);
	CHECK_EQ(disk_outstanding(&disk), 0);
	disk_fini(&disk);
}

TEST(no_memory_leaves_nothing)
{
	for (unsigned n = 1; n <= 5; n++) {
		setup();
		disk.nqueues = 2;
		host_heap_fail_at(n);
		CHECK_EQ(disk_init(&disk), -ERR_NOMEM);
		CHECK_EQ(host_heap_used(), 0);
	}
	host_heap_fail_at(6);
	CHECK_EQ(disk_init(&disk), 0);
	host_heap_fail_at(0);
	CHECK(host_heap_used() <= 128 * 1024);
	disk_fini(&disk);
	CHECK_EQ(host_heap_used(), 0);
}

TEST(sg_slices)
{
	struct sg list[3] = { { 0x1000, 100 }, { 0x2000, 200 }, { 0x3000, 300 } }, out[3];

	CHECK_EQ(sg_bytes(list, 3), 600);
	CHECK_EQ(sg_slice(list, 3, 50, 300, out, 3), 3);
	CHECK(out[0].addr == 0x1032 && out[0].len == 50 && out[1].len == 200 && out[2].addr == 0x3000 && out[2].len == 50);
	CHECK_EQ(sg_slice(list, 3, 100, 200, out, 1), 1);
	CHECK_EQ(sg_slice(list, 3, 50, 300, out, 2), -ERR_NOMEM);
	CHECK_EQ(sg_slice(list, 3, 500, 101, out, 3), -ERR_INVAL);
}

/* Whatever a client asks for, no command leaves the window. */
TEST(window)
{
	static const struct { uint64_t lba; uint32_t n; } outside[] = {
		{ 100, 1 }, { 99, 2 }, { 0, 101 }, { 1, 100 }, { ~0ull, 1 }, { ~0ull, 2 }, { ~0ull - 999, 1000 }, { 0, ~0u },
		{ 1ull << 55, 1 }, { 0ull - 1000, 1 },
	};
	static const enum disk_op ops_to_try[] = { DISK_READ, DISK_WRITE, DISK_DISCARD, DISK_WRITE_ZEROES };
	static struct test_req t;
	uint64_t buf;

	setup();
	disk.limits.max_zero_blocks = 100;
	disk.phys_exp = 3;
	disk.align_offset = 1;
	CHECK_EQ(disk_init(&disk), 0);
	CHECK_EQ(disk_set_window(&disk, MEDIA, 1), -ERR_INVAL);
	CHECK_EQ(disk_set_window(&disk, 1000, MEDIA - 999), -ERR_INVAL);
	CHECK_EQ(disk_set_window(&disk, 1000, ~0ull), -ERR_INVAL);
	CHECK_EQ(disk_set_window(&disk, 1000, 0), -ERR_INVAL);
	CHECK_EQ(disk_set_window(&disk, 1002, 100), 0);
	CHECK_EQ(disk.nblocks, 100);
	CHECK_EQ(disk.align_offset, 7);
	buf = host_guest_ram(512 * 100);
	for (unsigned op = 0; op < ARRAY_SIZE(ops_to_try); op++) {
		for (unsigned i = 0; i < ARRAY_SIZE(outside); i++) {
			t.sg[0] = (struct sg) { buf, outside[i].n * 512 };
			submit(&t, ops_to_try[op], outside[i].lba, outside[i].n, 1);
			CHECK_EQ(t.done, 1);
			CHECK_EQ(t.status, -ERR_INVAL);
		}
	}
	CHECK_EQ(ngiven, 0);
	/* The whole window, cut into several commands. */
	for (unsigned op = 0; op < ARRAY_SIZE(ops_to_try); op++) {
		uint64_t next = 1002;

		disk.limits.max_bytes = 16384;
		t.sg[0] = (struct sg) { buf, 51200 };
		submit(&t, ops_to_try[op], 0, 100, 1);
		while (ngiven) {
			CHECK_EQ(given[0]->lba, next);
			next += given[0]->nblocks;
			complete(0, 0);
		}
		CHECK_EQ(next, 1102);
		CHECK_EQ(t.status, 0);
	}
	disk_fini(&disk);
}

/* A controller that is only polled. */
static unsigned polls, ticks;
static unsigned fake_poll(struct hw_dev *d) { return ++polls < 3 ? 0 : (complete_all(), 1); }
static unsigned dead_poll(struct hw_dev *d) { return 0; }
static unsigned fake_tick(struct hw_dev *d, uint64_t now) { ticks++; host_now_us += 1000; return 0; }

TEST(read_now)
{
	static const struct hw_dev_ops polled = { .poll = fake_poll, .tick = fake_tick };
	static const struct hw_dev_ops dead = { .poll = dead_poll, .tick = fake_tick };
	struct hw_dev ctrl = { .ops = &polled };
	uint8_t *buf;

	setup();
	CHECK_EQ(disk_init(&disk), 0);
	disk.ctrl = &ctrl;
	buf = (uint8_t *)(uintptr_t)host_guest_ram(4096);
	CHECK_EQ(disk_read_now(&disk, 5, buf, 2), 0);
	CHECK(!memcmp(buf, media + 5 * BS, 2 * BS));
	CHECK(polls == 3 && ticks == 2 && kicks == 1);
	CHECK_EQ(disk_read_now(&disk, MEDIA, buf, 1), -ERR_INVAL);
	ctrl.ops = &dead;
	CHECK_EQ(disk_read_now(&disk, 5, buf, 1), -ERR_TIMEOUT);
	CHECK_EQ(disk_outstanding(&disk), 0);
	CHECK(host_log_has("fake0: a read of block 0x5 did not end"));
	disk_fini(&disk);
}

TEST_MAIN
