/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/queue.c hv/lib/sg.c tests/unit/host/twin.c */
/* Virtqueues: chains, used entries, kicks and interrupts, and the rings of hostile guests. */
#include <string.h>
#include "host/host.h"
#include "host/twin.h"
#include "virtio/queue.h"

static unsigned broken, interrupts;
static char why[128];

static void on_broken(struct virtq *q, const char *text)
{
	broken++;
	snprintf(why, sizeof(why), "%s", text);
}

static void on_interrupt(struct virtq *q) { interrupts++; }

static const struct virtq_host host = { .broken = on_broken, .interrupt = on_interrupt };
static struct virtq vq;
static struct ring ring;
static uint8_t *mem;		/* 64 KiB of the guest's */

static void up(unsigned size, bool event_idx)
{
	twin_reset();
	broken = interrupts = 0;
	why[0] = 0;
	memset(&vq, 0, sizeof(vq));
	vq.host = &host;
	virtq_reset(&vq);
	ring_new(&ring, 0, size);
	mem = guest_alloc(65536);
	vq.st.size = (uint16_t)size;
	vq.st.desc = (uintptr_t)ring.desc;
	vq.st.avail = (uintptr_t)ring.avail;
	vq.st.used = (uintptr_t)ring.used;
	CHECK(virtq_start(&vq, event_idx));
}

static void violates(const char *text)
{
	CHECK(!virtq_pop(&vq, &vq.chain));
	CHECK_EQ(broken, 1);
	if (!strstr(why, text))
		host_fail(__FILE__, __LINE__, "\"%s\" instead of \"%s\"", why, text);
	/* The queue has failed: no more chains are taken, no more interrupts and used entries come. */
	CHECK(!virtq_pop(&vq, &vq.chain));
	virtq_push(&vq, 0, 1);
	virtq_flush(&vq);
	CHECK(!virtq_kicks_on(&vq));
	CHECK_EQ(broken, 1);
	CHECK_EQ(ring.used->idx, 0);
	CHECK_EQ(interrupts, 0);
}

TEST(a_chain_comes_as_a_checked_copy)
{
	up(16, false);
	CHECK(!virtq_pop(&vq, &vq.chain));
	unsigned head = ring_add(&ring, (struct piece[]) { { mem, 10 }, { mem + 100, 20 }, { mem + 200, 30, true } }, 3);

	CHECK(virtq_pop(&vq, &vq.chain));
	ring.desc[head].addr = 0xdead;	/* too late */
	CHECK_EQ(vq.chain.head, head);
	CHECK_EQ(vq.chain.nout, 2);
	CHECK_EQ(vq.chain.nin, 1);
	CHECK_EQ(vq.chain.out_len, 30);
	CHECK_EQ(vq.chain.in_len, 30);
	CHECK_EQ(vq.chain.out[0].addr, (uintptr_t)mem);
	CHECK_EQ(vq.chain.in[0].addr, (uintptr_t)mem + 200);
	CHECK(!virtq_pop(&vq, &vq.chain));
	CHECK_EQ(broken, 0);
}

/* The remembered range saves look-ups, but gives no permission. */
TEST(pieces_lie_in_any_range_of_ram)
{
	uint8_t *other;

	up(16, false);
	other = guest_alloc(4096);
	ring_add(&ring, (struct piece[]) { { other, 16 }, { mem, 10 }, { other + 4000, 96, true }, { mem + 9, 1, true } }, 4);
	ring_add(&ring, (struct piece[]) { { mem + 65535, 1 }, { other + 4095, 1, true } }, 2);
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK(vq.chain.nout == 2 && vq.chain.nin == 2 && vq.chain.out_len == 26 && vq.chain.in_len == 97);
	CHECK_EQ(vq.chain.in[0].addr, (uintptr_t)other + 4000);
	CHECK(virtq_pop(&vq, &vq.chain));
	ring_add(&ring, (struct piece[]) { { other, 16 }, { other + 4095, 2, true } }, 2);
	violates("outside guest RAM");
}

TEST(used_entries_appear_at_flush_with_one_interrupt)
{
	unsigned head;
	uint32_t len;

	up(16, false);
	for (unsigned i = 0; i < 3; i++)
		ring_add(&ring, (struct piece[]) { { mem, 10, true } }, 1);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(virtq_pop(&vq, &vq.chain));
		virtq_push(&vq, vq.chain.head, 5 + i);
	}
	CHECK(!ring_take(&ring, &head, &len));
	virtq_flush(&vq);
	virtq_flush(&vq);
	CHECK_EQ(interrupts, 1);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(ring_take(&ring, &head, &len));
		CHECK_EQ(head, i);
		CHECK_EQ(len, 5 + i);
	}
}

TEST(no_interrupt_when_the_guest_wants_none)
{
	up(16, false);
	ring.avail->flags = VRING_AVAIL_NO_INTERRUPT;
	ring_add(&ring, (struct piece[]) { { mem, 10, true } }, 1);
	CHECK(virtq_pop(&vq, &vq.chain));
	virtq_push(&vq, 0, 0);
	virtq_flush(&vq);
	CHECK_EQ(interrupts, 0);
	CHECK_EQ(ring.used->idx, 1);
}

static void through(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		ring_add(&ring, (struct piece[]) { { mem, 10, true } }, 1);
		CHECK(virtq_pop(&vq, &vq.chain));
		virtq_push(&vq, vq.chain.head, 0);
	}
	virtq_flush(&vq);
}

TEST(used_event_decides_also_across_the_wrap)
{
	up(16, true);
	*ring_used_event(&ring) = 3;
	through(3);
	CHECK_EQ(interrupts, 0);
	through(1);
	CHECK_EQ(interrupts, 1);
	through(1);
	CHECK_EQ(interrupts, 1);
	for (unsigned i = 0; i < 8190; i++)
		through(8);
	interrupts = 0;
	CHECK_EQ((uint16_t)(5 + 8190 * 8), ring.used->idx);
	*ring_used_event(&ring) = 2;
	while (ring.used->idx != 2)
		through(1);
	CHECK_EQ(interrupts, 0);
	through(1);
	CHECK_EQ(interrupts, 1);
	CHECK_EQ(broken, 0);
}

TEST(kicks_go_off_and_on_by_flag)
{
	up(16, false);
	ring.used->flags = 0;
	virtq_kicks_off(&vq);
	CHECK_EQ(ring.used->flags, VRING_USED_NO_NOTIFY);
	CHECK(!virtq_kicks_on(&vq));
	CHECK_EQ(ring.used->flags, 0);
	virtq_kicks_off(&vq);
	ring_add(&ring, (struct piece[]) { { mem, 10, true } }, 1);
	CHECK(virtq_kicks_on(&vq));	/* added while kicks were off */
	CHECK(virtq_pop(&vq, &vq.chain));
}

/* True if a driver that moves its index from @old to @new kicks (2.7.10). */
static bool would_kick(uint16_t old, uint16_t new)
{
	return (uint16_t)(new - *ring_avail_event(&ring) - 1) < (uint16_t)(new - old);
}

TEST(kicks_go_off_and_on_by_avail_event)
{
	up(16, true);
	CHECK(would_kick(0, 1));
	through(4);
	CHECK(!virtq_kicks_on(&vq));
	CHECK_EQ(*ring_avail_event(&ring), 4);
	CHECK(would_kick(4, 5));
	through(1);
	virtq_kicks_off(&vq);
	CHECK(!would_kick(5, 6));
	CHECK(!would_kick(6, 9));
	ring_add(&ring, (struct piece[]) { { mem, 10, true } }, 1);
	CHECK(virtq_kicks_on(&vq));
}

TEST(a_peek_sees_each_change_once)
{
	up(16, false);
	CHECK(!virtq_peek(&vq));
	ring_add(&ring, (struct piece[]) { { mem, 10, true } }, 1);
	ring_add(&ring, (struct piece[]) { { mem, 10, true } }, 1);
	CHECK(virtq_peek(&vq) && !virtq_peek(&vq));
	/* It takes nothing; and what a look has found need not be taken. */
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK(!virtq_peek(&vq));
	virtq_reset(&vq);
	CHECK(!virtq_peek(&vq));
}

/* While somebody looks at the ring all the time the driver never kicks, and its first kick after that comes. */
static void polled(bool event_idx)
{
	static bool on;
	uint16_t idx = 0;

	up(16, event_idx);
	ring.used->flags = 0;
	vq.polled = &on;
	on = true;
	for (unsigned i = 0; i < 150000; i++) {
		CHECK(!virtq_kicks_on(&vq));
		if (event_idx)
			CHECK(!would_kick(idx, (uint16_t)(idx + 1)));
		else
			CHECK_EQ(ring.used->flags, VRING_USED_NO_NOTIFY);
		through(1);
		idx++;
	}
	on = false;
	CHECK(!virtq_kicks_on(&vq));
	CHECK(event_idx ? would_kick(idx, (uint16_t)(idx + 1)) : !ring.used->flags);
	/* What came before the wish could be seen is found. */
	on = true;
	CHECK(!virtq_kicks_on(&vq));
	ring_add(&ring, (struct piece[]) { { mem, 10, true } }, 1);
	CHECK(!virtq_kicks_on(&vq));
	on = false;
	CHECK(virtq_kicks_on(&vq));
}

TEST(no_kicks_while_it_is_polled_by_flag) { polled(false); }
TEST(no_kicks_while_it_is_polled_by_avail_event) { polled(true); }

TEST(a_chain_can_be_put_back)
{
	up(16, false);
	ring_add(&ring, (struct piece[]) { { mem, 10 } }, 1);
	ring_add(&ring, (struct piece[]) { { mem + 50, 20 } }, 1);
	CHECK(virtq_pop(&vq, &vq.chain));
	virtq_unpop(&vq, &vq.chain);
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK_EQ(vq.chain.out_len, 10);
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK_EQ(vq.chain.out_len, 20);
	CHECK(!virtq_pop(&vq, &vq.chain));
}

TEST(indirect_tables)
{
	struct vring_desc *t;

	up(16, false);
	t = (struct vring_desc *)(void *)(mem + 4096 + 8);	/* any alignment */
	for (unsigned i = 0; i < 20; i++)			/* longer than the queue: the table's length is the limit */
		t[i] = (struct vring_desc) { (uintptr_t)mem + i, 1, i < 19 ? VRING_DESC_NEXT : VRING_DESC_WRITE,
					     (uint16_t)(i + 1) };
	ring.desc[0] = (struct vring_desc) { (uintptr_t)mem + 99, 1, VRING_DESC_NEXT, 1 };
	ring.desc[1] = (struct vring_desc) { (uintptr_t)t, 20 * 16, VRING_DESC_INDIRECT, 0 };
	ring_offer(&ring, 0);
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK_EQ(vq.chain.nout, 20);
	CHECK_EQ(vq.chain.nin, 1);
	CHECK_EQ(broken, 0);
}

TEST(bytes_can_be_skipped_at_any_place)
{
	static const unsigned cuts[] = { 0, 1, 9, 10, 11, 29, 30 };

	for (unsigned i = 0; i < ARRAY_SIZE(cuts); i++) {
		up(16, false);
		ring_add(&ring, (struct piece[]) { { mem, 10 }, { mem + 100, 20 }, { mem + 200, 5, true } }, 3);
		CHECK(virtq_pop(&vq, &vq.chain));
		virtq_chain_skip(&vq.chain, cuts[i]);
		CHECK_EQ(vq.chain.out_len, 30 - cuts[i]);
		CHECK_EQ(sg_bytes(vq.chain.out, vq.chain.nout), 30 - cuts[i]);
		CHECK_EQ(vq.chain.in[0].addr, (uintptr_t)mem + 200);
		if (cuts[i] == 11)
			CHECK_EQ(vq.chain.out[0].addr, (uintptr_t)mem + 101);
		host_guest_ram_drop();
	}
}

TEST(empty_descriptors_are_passed_over)
{
	up(16, false);
	ring_add(&ring, (struct piece[]) { { NULL, 0 }, { mem, 10 }, { NULL, 0, true }, { mem + 20, 1, true } }, 4);
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK_EQ(vq.chain.nout, 1);
	CHECK_EQ(vq.chain.nin, 1);
}

/* --- what hostile guests do --- */

TEST(hostile_avail_index)
{
	up(16, false);
	ring.avail->idx = 17;
	violates("beyond the queue");
}

TEST(hostile_avail_entry)
{
	up(16, false);
	ring_offer(&ring, 16);
	violates("outside the table");
}

TEST(hostile_chain_twice)
{
	up(16, false);
	ring_add(&ring, (struct piece[]) { { mem, 10 } }, 1);
	CHECK(virtq_pop(&vq, &vq.chain));
	ring_offer(&ring, 0);
	violates("twice");
}

TEST(hostile_loop)
{
	up(16, false);
	ring.desc[0] = (struct vring_desc) { (uintptr_t)mem, 1, VRING_DESC_NEXT, 1 };
	ring.desc[1] = (struct vring_desc) { (uintptr_t)mem, 1, VRING_DESC_NEXT, 0 };
	ring_offer(&ring, 0);
	violates("loops");
}

TEST(hostile_empty_loop)
{
	up(16, false);
	ring.desc[3] = (struct vring_desc) { 0, 0, VRING_DESC_NEXT, 3 };
	ring_offer(&ring, 3);
	violates("loops");
}

TEST(hostile_next)
{
	up(16, false);
	ring.desc[0] = (struct vring_desc) { (uintptr_t)mem, 1, VRING_DESC_NEXT, 16 };
	ring_offer(&ring, 0);
	violates("next index");
}

static void bad_piece(uint64_t addr, uint32_t len, unsigned flags, const char *text)
{
	up(16, false);
	ring.desc[0] = (struct vring_desc) { addr, len, (uint16_t)flags, 1 };
	ring.desc[1] = (struct vring_desc) { (uintptr_t)mem, 1, 0, 0 };
	ring_offer(&ring, 0);
	violates(text);
}

TEST(hostile_address) { bad_piece(0x1000, 1, 0, "outside guest RAM"); }
TEST(hostile_wrap) { bad_piece(~0ull - 3, 8, 0, "outside guest RAM"); }

TEST(hostile_end)
{
	up(16, false);
	ring_add(&ring, (struct piece[]) { { mem + 65530, 7 } }, 1);
	violates("outside guest RAM");
}

TEST(hostile_readable_after_writable)
{
	up(16, false);
	ring_add(&ring, (struct piece[]) { { mem, 1, true }, { mem, 1 } }, 2);
	violates("after a writable one");
}

static void bad_indirect(uint64_t addr, uint32_t len, unsigned flags, const char *text)
{
	up(16, false);
	ring.desc[0] = (struct vring_desc) { addr ? addr : (uintptr_t)mem, len, (uint16_t)(VRING_DESC_INDIRECT | flags), 1 };
	ring_offer(&ring, 0);
	violates(text);
}

TEST(hostile_indirect_length) { bad_indirect(0, 17, 0, "bad length"); }
TEST(hostile_indirect_empty) { bad_indirect(0, 0, 0, "bad length"); }
TEST(hostile_indirect_long) { bad_indirect(0, 257 * 16, 0, "bad length"); }
TEST(hostile_indirect_next) { bad_indirect(0, 16, VRING_DESC_NEXT, "with a next"); }
TEST(hostile_indirect_place) { bad_indirect(0x2000, 16, 0, "table outside guest RAM"); }

TEST(hostile_indirect_nested)
{
	up(16, false);
	struct vring_desc *t = (struct vring_desc *)(void *)mem;

	t[0] = (struct vring_desc) { (uintptr_t)mem, 16, VRING_DESC_INDIRECT, 0 };
	ring.desc[0] = (struct vring_desc) { (uintptr_t)mem, 16, VRING_DESC_INDIRECT, 0 };
	ring_offer(&ring, 0);
	violates("in an indirect table");
}

TEST(hostile_indirect_into_the_ring_itself)
{
	up(16, false);
	ring.desc[0] = (struct vring_desc) { (uintptr_t)ring.desc, 16, VRING_DESC_INDIRECT, 0 };
	ring_offer(&ring, 0);
	violates("in an indirect table");
}

TEST(hostile_indirect_loop)
{
	up(16, false);
	struct vring_desc *t = (struct vring_desc *)(void *)mem;

	t[0] = (struct vring_desc) { (uintptr_t)mem + 4096, 16, VRING_DESC_NEXT, 0 };
	ring.desc[0] = (struct vring_desc) { (uintptr_t)mem, 16, VRING_DESC_INDIRECT, 0 };
	ring_offer(&ring, 0);
	violates("loops");
}

TEST(hostile_too_many_pieces)
{
	up(256, false);
	struct vring_desc *t = (struct vring_desc *)(void *)mem;

	for (unsigned i = 0; i < 256; i++)
		t[i] = (struct vring_desc) { (uintptr_t)mem, 1, i < 255 ? VRING_DESC_NEXT : 0, (uint16_t)(i + 1) };
	ring.desc[0] = (struct vring_desc) { (uintptr_t)mem + 8192, 1, VRING_DESC_NEXT, 1 };
	ring.desc[1] = (struct vring_desc) { (uintptr_t)mem, 4096, VRING_DESC_INDIRECT, 0 };
	ring_offer(&ring, 0);
	violates("too many");
}

static void bad_ring(int64_t desc, int64_t avail, int64_t used, const char *text)
{
	up(16, false);
	vq.live = false;
	vq.st.desc += (uint64_t)desc;
	vq.st.avail += (uint64_t)avail;
	vq.st.used += (uint64_t)used;
	CHECK(!virtq_start(&vq, false));
	CHECK_EQ(broken, 1);
	CHECK(strstr(why, text) != NULL);
}

TEST(hostile_rings)
{
	bad_ring(1 << 30, 0, 0, "outside guest RAM");
	bad_ring(0, 1 << 30, 0, "outside guest RAM");
	bad_ring(0, 0, 4096 - 100, "outside guest RAM");
	bad_ring(0, 1, 0, "odd address");
	bad_ring(0, 0, 1, "odd address");
}

TEST(a_chain_read_again_is_checked_again)
{
	up(16, false);
	ring_add(&ring, (struct piece[]) { { mem, 10, true } }, 1);
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK(virtq_refetch(&vq, 0, &vq.chain));
	ring.desc[0].addr = 0x3000;
	CHECK(!virtq_refetch(&vq, 0, &vq.chain));
	CHECK_EQ(broken, 1);
}

/* --- carried chains --- */

static unsigned add(void) { return ring_add(&ring, (struct piece[]) { { mem, 16 }, { mem + 64, 8, true } }, 2); }

/* As after a halt and a load: the same state in another queue. */
static void again(void)
{
	struct virtq_state st = vq.st;

	virtq_reset(&vq);
	vq.st = st;
	virtq_carry(&vq);
	CHECK(virtq_start(&vq, false));
}

TEST(carried_chains_come_once_more_and_first)
{
	unsigned head[4];

	up(16, false);
	for (unsigned i = 0; i < 4; i++)
		head[i] = add();
	for (unsigned i = 0; i < 3; i++)
		CHECK(virtq_pop(&vq, &vq.chain));
	virtq_push(&vq, (uint16_t)head[1], 8);
	virtq_flush(&vq);
	again();
	CHECK_EQ(vq.carried, 2);
	CHECK(virtq_kicks_on(&vq));		/* there is something to serve */
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK_EQ(vq.chain.head, head[0]);
	CHECK_EQ(vq.chain.out_len, 16);
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK_EQ(vq.chain.head, head[2]);
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK_EQ(vq.chain.head, head[3]);
	CHECK(!virtq_pop(&vq, &vq.chain));
	for (unsigned i = 0; i < 4; i++)
		if (i != 1)
			virtq_push(&vq, (uint16_t)head[i], 8);
	virtq_flush(&vq);
	CHECK_EQ(ring.used->idx, 4);
	CHECK_EQ(add(), 8);
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK_EQ(broken, 0);
}

TEST(a_carried_chain_is_given_back)
{
	up(16, false);
	unsigned first = add(), second = add();

	CHECK(virtq_pop(&vq, &vq.chain) && virtq_pop(&vq, &vq.chain));
	again();
	CHECK(virtq_pop(&vq, &vq.chain));
	virtq_unpop(&vq, &vq.chain);
	CHECK_EQ(vq.st.last_avail, 2);		/* the ring's own index has not moved */
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK_EQ(vq.chain.head, first);
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK_EQ(vq.chain.head, second);
	virtq_push(&vq, (uint16_t)first, 0);
	/* The driver uses the same descriptors again: now a chain of the ring, and given back as one. */
	ring_offer(&ring, first);
	CHECK(virtq_pop(&vq, &vq.chain));
	virtq_unpop(&vq, &vq.chain);
	CHECK_EQ(vq.st.last_avail, 2);
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK_EQ(vq.chain.head, first);
	CHECK_EQ(broken, 0);
}

TEST(a_carried_chain_is_checked_anew)
{
	up(16, false);
	unsigned head = add();

	CHECK(virtq_pop(&vq, &vq.chain));
	ring.desc[head].addr = 8;
	again();
	violates("outside guest RAM");
}

TEST(a_held_queue_hands_out_nothing)
{
	up(16, false);
	add();
	add();
	CHECK(virtq_pop(&vq, &vq.chain));
	virtq_hold(&vq);
	CHECK(!virtq_pop(&vq, &vq.chain));
	CHECK(!virtq_kicks_on(&vq));
	virtq_push(&vq, vq.chain.head, 0);	/* but takes back */
	virtq_flush(&vq);
	CHECK_EQ(ring.used->idx, 1);
	again();
	CHECK(virtq_pop(&vq, &vq.chain));
	CHECK(!virtq_pop(&vq, &vq.chain));
}

TEST(rings_that_a_loaded_state_must_not_have)
{
	struct virtq_state st;

	up(16, false);
	CHECK(!virtq_rings_bad(&vq.st));
	st = vq.st;
	st.avail++;
	CHECK(virtq_rings_bad(&st));
	st = vq.st;
	st.used = 16;
	CHECK(virtq_rings_bad(&st));
	st = vq.st;
	st.last_avail = 1;		/* ahead of the guest's index */
	CHECK(virtq_rings_bad(&st));
}

TEST_MAIN
