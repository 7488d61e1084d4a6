/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile driver: chains and rings that break one rule at a time, on every virtio device by both transports.  Each must end
 * in DEVICE_NEEDS_RESET or in an error of that request; afterwards the device works again, and no other device was disturbed.
 * Options: veneer=START-END (else from the memory map); native=1: also accept what QEMU's own devices do.
 */
#include "vio.h"

#define ON_BLK		1u
#define ON_RX		2u
#define ON_TX		4u
#define ON_ALL		(ON_BLK | ON_RX | ON_TX)
#define NOT_NATIVE	8u		/* QEMU's own device aborts or hangs the emulator, or sends an NMI */

/* Outcomes of a case. */
#define O_RESET		1u		/* DEVICE_NEEDS_RESET */
#define O_ERROR		2u		/* the request failed */
#define O_DONE		4u		/* the request succeeded; on a NIC: it was used */
#define O_SILENT	8u		/* no outcome within OUTCOME_MS */
#define O_REFUSED	(O_RESET | O_ERROR)
#define O_ANY		(O_REFUSED | O_DONE | O_SILENT)

#define OUTCOME_MS	300
#define DATA		1		/* the descriptor of the payload, behind the header's */
#define STATUS		2		/* blk only */
#define BUFFER		1526u		/* length of a receive buffer */
#define LAPIC		0xfee00000u

const char probe_name[] = "probe-ring";

struct ring_case {
	const char *name;
	unsigned int on;
	unsigned int allowed;
	void (*spoil)(struct vioq *q);
};

static uint16_t head;			/* the head to put into the avail ring */
static struct range veneer;
static volatile struct vio_desc table[512] __attribute__((aligned(4096)));

static void entry(volatile struct vio_desc *d, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	d->addr = addr;
	d->len = len;
	d->flags = flags;
	d->next = next;
}

/* --- heads, links, indices --- */

static void head_out(struct vioq *q) { head = q->size; }
static void head_far_out(struct vioq *q) { head = 0xffff; }
static void next_out(struct vioq *q) { q->desc[0].next = q->size; }
static void next_far_out(struct vioq *q) { q->desc[0].next = 0xffff; }
static void loop_one(struct vioq *q) { q->desc[0].next = 0; }
static void jump(struct vioq *q) { q->avail->idx += q->size + 1; }
static void jump_back(struct vioq *q) { q->avail->idx -= 3; }

static void loop_two(struct vioq *q)
{
	q->desc[DATA].flags |= D_NEXT;
	q->desc[DATA].next = 0;
}

static void loop_late(struct vioq *q)
{
	for (uint16_t i = DATA; i < q->size; i++)
		vio_desc_set(q, i, q->desc[DATA].addr, 16, q->desc[DATA].flags | D_NEXT, i + 1u < q->size ? i + 1 : DATA);
}

/* --- indirect tables --- */

/* Move the chain into an indirect table, to which descriptor 0 points. */
static void move_to_table(struct vioq *q, uint32_t len)
{
	for (unsigned int i = 0; i < 3; i++)
		entry(&table[i], q->desc[i].addr, q->desc[i].len, q->desc[i].flags, q->desc[i].next);
	vio_desc_set(q, 0, (uint32_t)table, len, D_INDIRECT, 0);
}

static void indirect_twice(struct vioq *q)
{
	move_to_table(q, 3 * 16);
	entry(&table[0], (uint32_t)&table[16], 3 * 16, D_INDIRECT, 0);
}

static void indirect_length_17(struct vioq *q) { move_to_table(q, 17); }
static void indirect_length_0(struct vioq *q) { move_to_table(q, 0); }
static void indirect_huge(struct vioq *q) { move_to_table(q, 0xfffffff0); }
static void indirect_in_hole(struct vioq *q) { vio_desc_set(q, 0, hole_above_4g(), 48, D_INDIRECT, 0); }
static void indirect_in_veneer(struct vioq *q) { vio_desc_set(q, 0, veneer.start, 48, D_INDIRECT, 0); }

static void indirect_next_out(struct vioq *q)
{
	move_to_table(q, 3 * 16);
	table[0].next = 3;
}

static void indirect_loop(struct vioq *q)
{
	move_to_table(q, 3 * 16);
	table[DATA].flags |= D_NEXT;
	table[DATA].next = 0;
}

static void indirect_and_next(struct vioq *q)
{
	move_to_table(q, 3 * 16);
	q->desc[0].flags |= D_NEXT;
	q->desc[0].next = 1;
}

static void indirect_too_long(struct vioq *q)
{
	move_to_table(q, sizeof(table));
	for (unsigned int i = DATA; i < ARRAY_SIZE(table); i++) {
		uint16_t next = i + 1 < ARRAY_SIZE(table) ? D_NEXT : 0;

		entry(&table[i], q->desc[DATA].addr, 16, (q->desc[DATA].flags & D_WRITE) | next, i + 1);
	}
}

/* --- addresses and lengths --- */

static void data_in_veneer(struct vioq *q) { q->desc[DATA].addr = veneer.start; }
static void data_into_veneer(struct vioq *q) { q->desc[DATA].addr = veneer.start - 16; }
static void data_out_of_veneer(struct vioq *q) { q->desc[DATA].addr = veneer.end - 16; }
static void data_in_lapic(struct vioq *q) { q->desc[DATA].addr = LAPIC; }
static void data_in_hole(struct vioq *q) { q->desc[DATA].addr = hole_above_4g(); }
static void data_at_top(struct vioq *q) { q->desc[DATA].addr = ~0ull - 3; }
static void data_empty(struct vioq *q) { q->desc[DATA].len = 0; }
static void data_huge(struct vioq *q) { q->desc[DATA].len = 0xffffffff; }
static void header_in_hole(struct vioq *q) { q->desc[0].addr = hole_above_4g(); }
static void header_in_veneer(struct vioq *q) { q->desc[0].addr = veneer.start; }
static void header_empty(struct vioq *q) { q->desc[0].len = 0; }

static void data_in_registers(struct vioq *q)
{
	q->desc[DATA].addr = (uint32_t)(q->v->common ? q->v->common : (volatile uint8_t *)LAPIC);
}

static void data_4g_in_all(struct vioq *q)
{
	for (uint16_t i = DATA; i < DATA + 8; i++)
		vio_desc_set(q, i, q->desc[DATA].addr, 0x20000000, q->desc[DATA].flags | D_NEXT, i + 1);
	q->desc[DATA + 8].flags &= ~D_NEXT;
}

/* --- what only a disk minds --- */

static void blk_status_in_hole(struct vioq *q) { q->desc[STATUS].addr = hole_above_4g(); }
static void blk_status_in_veneer(struct vioq *q) { q->desc[STATUS].addr = veneer.start; }
static void blk_status_empty(struct vioq *q) { q->desc[STATUS].len = 0; }
static void blk_status_readable(struct vioq *q) { q->desc[STATUS].flags = 0; }
static void blk_header_writable(struct vioq *q) { q->desc[0].flags |= D_WRITE; }
static void blk_header_short(struct vioq *q) { q->desc[0].len = 8; }
static void blk_only_header(struct vioq *q) { q->desc[0].flags = 0; }
static void blk_only_status(struct vioq *q) { head = STATUS; }
static void blk_length_100(struct vioq *q) { q->desc[DATA].len = 100; }
static void blk_type(struct vioq *q) { *(uint32_t *)q->v->data = 0x77; }
static void blk_sector_out(struct vioq *q) { *(uint64_t *)(q->v->data + 8) = 1ull << 60; }
static void blk_sector_wraps(struct vioq *q) { *(uint64_t *)(q->v->data + 8) = ~0ull; }

static void blk_write_first(struct vioq *q)
{
	q->desc[0].flags = D_NEXT | D_WRITE;
	q->desc[DATA].flags = D_NEXT;
}

/* --- what only a NIC minds --- */

static void net_wrong_way(struct vioq *q)
{
	q->desc[0].flags ^= D_WRITE;
	q->desc[DATA].flags ^= D_WRITE;
}

static void net_only_4_bytes(struct vioq *q)
{
	q->desc[0].len = 4;
	q->desc[0].flags &= ~D_NEXT;
}

static void net_only_header(struct vioq *q) { q->desc[0].flags &= ~D_NEXT; }
static void net_64k(struct vioq *q) { q->desc[DATA].len = 65537 + 14; }

/* An unknown GSO type; all other fields are far outside of the frame. */
static void net_odd_header(struct vioq *q) { memset(q->v->data, 0xff, 10); }

static void net_odd_checksum(struct vioq *q)
{
	q->v->data[0] = 1;			/* NEEDS_CSUM */
	*(uint16_t *)(q->v->data + 6) = 0xfff0;	/* start */
	*(uint16_t *)(q->v->data + 8) = 0xfff0;	/* offset */
}

static const struct ring_case cases[] = {
	{ "head out of range", ON_ALL, O_RESET, head_out },
	{ "head far out of range", ON_ALL, O_RESET, head_far_out },
	{ "next out of range", ON_ALL, O_RESET, next_out },
	{ "next far out of range", ON_ALL, O_RESET, next_far_out },
	{ "a loop of one", ON_ALL, O_RESET, loop_one },
	{ "a loop of two", ON_ALL, O_RESET, loop_two },
	{ "a loop through the whole table", ON_ALL, O_RESET, loop_late },
	{ "available index too far ahead", ON_ALL, O_RESET, jump },
	{ "available index backwards", ON_ALL, O_RESET, jump_back },
	{ "indirect within indirect", ON_ALL, O_RESET, indirect_twice },
	{ "indirect of 17 bytes", ON_ALL, O_RESET, indirect_length_17 },
	{ "indirect of 0 bytes", ON_ALL, O_RESET, indirect_length_0 },
	{ "indirect of 4 GiB", ON_ALL, O_RESET, indirect_huge },
	{ "indirect in a hole", ON_ALL, O_RESET, indirect_in_hole },
	{ "indirect in Veneer", ON_ALL, O_RESET, indirect_in_veneer },
	{ "indirect with next out of it", ON_ALL, O_RESET, indirect_next_out },
	{ "indirect with a loop", ON_ALL, O_RESET, indirect_loop },
	{ "indirect and next at once", ON_ALL, O_ANY, indirect_and_next },
	{ "indirect longer than the queue", ON_ALL, O_ANY, indirect_too_long },
	{ "data in Veneer", ON_ALL, O_REFUSED, data_in_veneer },
	{ "data that runs into Veneer", ON_ALL, O_REFUSED, data_into_veneer },
	{ "data that runs out of Veneer", ON_ALL, O_REFUSED, data_out_of_veneer },
	{ "data in the LAPIC", ON_ALL | NOT_NATIVE, O_REFUSED, data_in_lapic },
	{ "data in device registers", ON_ALL | NOT_NATIVE, O_REFUSED, data_in_registers },
	{ "data in a hole", ON_ALL, O_REFUSED, data_in_hole },
	{ "data over the end of 64 bits", ON_ALL, O_REFUSED, data_at_top },
	{ "data of no length", ON_ALL, O_ANY, data_empty },
	{ "data of 4 GiB", ON_ALL, O_REFUSED, data_huge },
	{ "data of 4 GiB in eight parts", ON_ALL, O_REFUSED, data_4g_in_all },
	{ "header in a hole", ON_ALL, O_REFUSED, header_in_hole },
	{ "header in Veneer", ON_ALL, O_REFUSED, header_in_veneer },
	{ "header of no length", ON_ALL, O_ANY, header_empty },
	{ "status in a hole", ON_BLK, O_RESET, blk_status_in_hole },
	{ "status in Veneer", ON_BLK, O_RESET, blk_status_in_veneer },
	{ "status of no length", ON_BLK, O_ANY, blk_status_empty },
	{ "status not writable", ON_BLK, O_ANY, blk_status_readable },
	{ "header writable", ON_BLK, O_REFUSED, blk_header_writable },
	{ "header of 8 bytes", ON_BLK, O_REFUSED, blk_header_short },
	{ "nothing but a header", ON_BLK, O_RESET, blk_only_header },
	{ "nothing but a status", ON_BLK, O_REFUSED, blk_only_status },
	{ "written before read", ON_BLK, O_REFUSED, blk_write_first },
	{ "100 bytes of a sector", ON_BLK, O_REFUSED, blk_length_100 },
	{ "an unknown request", ON_BLK, O_REFUSED, blk_type },
	{ "a sector beyond the end", ON_BLK, O_REFUSED, blk_sector_out },
	{ "a sector beyond 64 bits", ON_BLK, O_REFUSED, blk_sector_wraps },
	{ "descriptors of the wrong direction", ON_RX | ON_TX, O_REFUSED | O_DONE, net_wrong_way },
	{ "four bytes in all", ON_RX | ON_TX | NOT_NATIVE, O_ANY, net_only_4_bytes },
	{ "a header and no frame", ON_RX | ON_TX | NOT_NATIVE, O_ANY, net_only_header },
	{ "a frame of 64 KiB", ON_TX, O_RESET | O_DONE, net_64k },
	{ "a header of ones", ON_TX, O_RESET | O_DONE, net_odd_header },
	{ "a checksum outside of the frame", ON_TX, O_RESET | O_DONE, net_odd_checksum },
};

/* --- running them --- */

/* Make a good chain: header, data, and for a disk a status. */
static void lay_good(struct vioq *q, unsigned int on)
{
	struct vio *v = q->v;

	memset(v->data, 0, 64);
	memset((void *)table, 0, sizeof(table));
	head = 0;
	if (on == ON_BLK) {
		v->data[16] = 0xff;
		vio_desc_set(q, 0, (uint32_t)v->data, 16, D_NEXT, DATA);
		vio_desc_set(q, DATA, (uint32_t)v->data + 4096, 512, D_NEXT | D_WRITE, STATUS);
		vio_desc_set(q, STATUS, (uint32_t)v->data + 16, 1, D_WRITE, 0);
	} else {
		uint16_t way = on == ON_RX ? D_WRITE : 0;

		vio_desc_set(q, 0, (uint32_t)v->data, vio_header_size(v), D_NEXT | way, DATA);
		vio_desc_set(q, DATA, (uint32_t)v->data + 64, on == ON_RX ? BUFFER : vio_arp_frame(v, v->data + 64), way, 0);
	}
}

static unsigned int outcome(struct vioq *q, unsigned int on)
{
	struct deadline end = deadline_in_ms(OUTCOME_MS);
	struct vio *v = q->v;

	while (!deadline_passed(end)) {
		if (vio_status(v) & S_NEEDS_RESET)
			return O_RESET;
		if (q->used->idx != q->last_used)
			return on == ON_BLK && *(volatile uint8_t *)(v->data + 16) ? O_ERROR : O_DONE;
		pause();
	}
	return O_SILENT;
}

static const char *outcome_name(unsigned int o)
{
	return o == O_RESET ? "needs reset" : o == O_ERROR ? "error" : o == O_DONE ? "done" : "silence";
}

/* The device may read a receive chain only when a frame arrives: make the test network's gateway send one. */
static unsigned int allowed_for(const struct ring_case *c, unsigned int on)
{
	unsigned int allowed = c->allowed;

	if (on == ON_RX)
		allowed |= O_SILENT;
	if (on == ON_TX && allowed == O_REFUSED)
		allowed |= O_DONE;	/* "sent": a frame may always be lost */
	return option_present("native") ? O_ANY : allowed;
}

/* Count the other devices that do not work as before. */
static unsigned int others_hurt(const struct vio *culprit)
{
	unsigned int hurt = 0;

	for (unsigned int i = 0; i < vio_count; i++)
		if (&vios[i] != culprit)
			hurt += (vio_status(&vios[i]) & S_NEEDS_RESET) || vio_request(&vios[i]) != 0;
	return hurt;
}

static void check_aftermath(struct vio *v, const char *name)
{
	enum vio_transport t = v->transport;
	char who[32];

	memcpy(who, vio_name(v), 24);
	check(others_hurt(v), 0, "ring: %s: %s: the other devices", who, name);
	check(vio_reset(v), true, "ring: %s: %s: reset", who, name);
	check(vio_start(v, t, F_INDIRECT) && vio_request(v) == 0, true, "ring: %s: %s: works again", who, name);
}

static const char *ring_name(unsigned int on)
{
	return on == ON_BLK ? "" : on == ON_RX ? " receive" : " transmit";
}

static bool needs_veneer(const struct ring_case *c)
{
	return c->spoil == data_in_veneer || c->spoil == data_into_veneer || c->spoil == data_out_of_veneer ||
	       c->spoil == indirect_in_veneer || c->spoil == header_in_veneer || c->spoil == blk_status_in_veneer;
}

static void run_case(struct vio *v, const struct ring_case *c, unsigned int on)
{
	struct vioq *q = &v->q[on == ON_TX ? NET_TX : 0];
	unsigned int got;

	if ((c->on & NOT_NATIVE) && option_present("native")) {
		skip("ring: %s: not for native devices", c->name);
		return;
	}
	if (needs_veneer(c) && !veneer.start) {
		skip("ring: %s: where Veneer is, is not known", c->name);
		return;
	}
	if (!check(vio_start(v, v->transport, F_INDIRECT), true, "ring: %s%s: %s: start", vio_name(v), ring_name(on), c->name))
		return;
	lay_good(q, on);
	c->spoil(q);
	vio_put(q, head);
	vio_kick(q);
	if (on == ON_RX)
		vio_send(v);		/* causes an answer */
	got = outcome(q, on);
	check(got & allowed_for(c, on), got, "ring: %s%s: %s: %s", vio_name(v), ring_name(on), c->name, outcome_name(got));
	check_aftermath(v, c->name);
}

/* --- queue addresses --- */

static void run_queue_at(struct vio *v, const char *name, uint64_t desc, uint64_t avail, uint64_t used)
{
	uint16_t index = v->type == VIO_NET ? NET_TX : 0;
	struct vioq *q = &v->q[index];
	unsigned int got;

	if (!check(vio_open(v, v->transport) && vio_begin(v, 0) && vio_layout(v, index, 0), true, "ring: %s: queue %s: start",
		   vio_name(v), name))
		return;
	lay_good(q, v->type == VIO_NET ? ON_TX : ON_BLK);
	vio_set_queue(v, index, desc ? desc : (uint32_t)q->desc, avail ? avail : (uint32_t)q->avail,
		      used ? used : (uint32_t)q->used);
	vio_go(v);
	vio_put(q, 0);
	vio_kick(q);
	vio_kick(q);
	got = outcome(q, v->type == VIO_NET ? ON_TX : ON_BLK);
	/* The bytes between two descriptors may happen to be a good descriptor. */
	check(got & (O_RESET | O_SILENT | (desc & 15 ? O_DONE : 0)), got, "ring: %s: queue %s: %s", vio_name(v), name,
	      outcome_name(got));
	check_aftermath(v, name);
}

static void run_queues(struct vio *v)
{
	uint64_t hole = hole_above_4g();
	uint32_t own = (uint32_t)table;

	if (v->transport == VIO_LEGACY) {
		run_queue_at(v, "in the LAPIC", LAPIC, 0, 0);
		run_queue_at(v, "at 4 GiB - 4 KiB", 0xfffff000u, 0, 0);
		run_queue_at(v, "over the end of legacy addresses", 0xfffffffull << 12, 0, 0);
		if (veneer.start)
			run_queue_at(v, "in Veneer", veneer.start, 0, 0);
		return;
	}
	run_queue_at(v, "descriptors in a hole", hole, 0, 0);
	run_queue_at(v, "available ring in a hole", 0, hole, 0);
	run_queue_at(v, "used ring in a hole", 0, 0, hole);
	run_queue_at(v, "descriptors over the end of 64 bits", ~0ull - 15, 0, 0);
	run_queue_at(v, "used ring in the LAPIC", 0, 0, LAPIC);
	run_queue_at(v, "descriptors not aligned", own + 1, 0, 0);
	run_queue_at(v, "rings that all lie on one page", own, own, own);
	if (!veneer.start)
		return;
	run_queue_at(v, "descriptors in Veneer", veneer.start, 0, 0);
	run_queue_at(v, "available ring in Veneer", 0, veneer.start, 0);
	run_queue_at(v, "used ring in Veneer", 0, 0, veneer.start);
	run_queue_at(v, "used ring that runs into Veneer", 0, 0, veneer.start - 16);
}

static void run_all(struct vio *v, enum vio_transport t)
{
	v->transport = t;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		if (v->type == VIO_BLK && (cases[i].on & ON_BLK))
			run_case(v, &cases[i], ON_BLK);
		if (v->type == VIO_NET && (cases[i].on & ON_RX))
			run_case(v, &cases[i], ON_RX);
		if (v->type == VIO_NET && (cases[i].on & ON_TX))
			run_case(v, &cases[i], ON_TX);
	}
	run_queues(v);
}

void probe(void)
{
	uint32_t a = VENEER_CALL | VENEER_CALL_VERSION, b = 0, c = 0;

	if (!veneer_range(&veneer))
		veneer.start = 0;
	check(veneer.start != 0 || !veneer_present(), true, "ring: where Veneer is");
	vio_scan();
	check(vio_count != 0, true, "ring: there are devices");
	for (unsigned int i = 0; i < vio_count; i++)
		check(vio_start(&vios[i], vio_has(&vios[i], VIO_MODERN) ? VIO_MODERN : VIO_LEGACY, F_INDIRECT), true,
		      "ring: %s starts", vio_name(&vios[i]));
	for (unsigned int i = 0; i < vio_count; i++) {
		if (vio_has(&vios[i], VIO_LEGACY))
			run_all(&vios[i], VIO_LEGACY);
		if (vio_has(&vios[i], VIO_MODERN))
			run_all(&vios[i], VIO_MODERN);
	}
	if (veneer_present())
		check(try_hypercall(&a, &b, &c) == NO_TRAP && b == 1, true, "ring: Veneer lives on");
}
