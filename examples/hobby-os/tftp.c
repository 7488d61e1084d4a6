/* SPDX-License-Identifier: BSD-2-Clause */
/* A TFTP client (RFC 1350, block size by RFC 2348) that hashes the file and does not keep it. */
#include "net.h"

#define SERVER_PORT	69
#define RRQ		1
#define DATA		3
#define ACK		4
#define ERROR		5
#define OACK		6
#define BLOCK_WANTED	"1428"
#define BLOCK_WITHOUT	512u

#define TRIES		5
#define TRY_MS		1000

struct transfer {
	uint32_t server;
	uint16_t port, server_port;		/* the server answers from another port; 0 until then */
	uint16_t block;				/* the last block received */
	uint32_t block_size;
	uint64_t size;
	bool news, done, failed;
	struct sha256 hash;
};

static void send_ack(struct transfer *t)
{
	uint8_t m[4];

	put16(m, ACK);
	put16(m + 2, t->block);
	udp_send(t->server, t->port, t->server_port, m, sizeof(m));
}

static void receive_data(struct transfer *t, const struct udp_packet *p)
{
	uint32_t len = p->len - 4;

	if (get16(p->data + 2) != (uint16_t)(t->block + 1) || len > t->block_size)
		return;				/* a duplicate: the timeout repeats the acknowledgement */
	t->block++;
	t->size += len;
	sha256_add(&t->hash, p->data + 4, len);
	t->done = len < t->block_size;
	t->news = true;
}

static void receive_oack(struct transfer *t, const struct udp_packet *p)
{
	const char *o = (const char *)p->data + 2, *end = (const char *)p->data + p->len;
	uint64_t value;

	if (t->block || end[-1])
		return;
	while (o < end) {
		const char *name = o, *text = name + strlen(name) + 1;

		if (text >= end)
			break;
		if (!strcmp(name, "blksize") && parse_number(text, &value) && value >= 8 && value <= UDP_MAX - 4)
			t->block_size = (uint32_t)value;
		o = text + strlen(text) + 1;
	}
	t->news = true;
}

static void receive(void *ctx, const struct udp_packet *p)
{
	struct transfer *t = ctx;

	if (p->from != t->server || p->len < 4 || (t->server_port && p->from_port != t->server_port))
		return;
	t->server_port = p->from_port;
	switch (get16(p->data)) {
	case DATA:
		receive_data(t, p);
		break;
	case OACK:
		receive_oack(t, p);
		break;
	case ERROR:
		printf("tftp: the server says error %u: ", get16(p->data + 2));
		for (uint32_t i = 4; i < p->len && p->data[i]; i++)
			console_putc(p->data[i]);
		console_putc('\n');
		t->failed = true;
		break;
	}
}

static int send_request(struct transfer *t, const char *file)
{
	static const char rest[] = "octet\0blksize\0" BLOCK_WANTED;	/* with its final zero */
	uint8_t m[256];
	size_t n = strlen(file);

	if (2 + n + 1 + sizeof(rest) > sizeof(m)) {
		printf("tftp: the name is too long\n");
		return -1;
	}
	put16(m, RRQ);
	memcpy(m + 2, file, n + 1);
	memcpy(m + 3 + n, rest, sizeof(rest));
	return udp_send(t->server, t->port, SERVER_PORT, m, 3 + n + sizeof(rest));
}

/* Repeat the last packet sent until a new block comes. */
static int step(struct transfer *t, const char *file)
{
	for (unsigned int i = 0; i < TRIES; i++) {
		struct deadline end = deadline_in_ms(TRY_MS);

		if (t->server_port)
			send_ack(t);
		else if (send_request(t, file))
			return -1;
		t->news = false;
		while (!t->news && !t->failed && !deadline_passed(end)) {
			net_poll();
			if (!t->news && !t->failed)
				irq_wait();
		}
		if (t->news || t->failed)
			return t->failed ? -1 : 0;
	}
	printf("tftp: %I is silent for %u s after block %u\n", t->server, TRIES * TRY_MS / 1000, t->block);
	return -1;
}

int tftp(uint32_t server, const char *file)
{
	static uint16_t next_port = 2000;
	struct transfer t = { .server = server, .port = next_port++, .block_size = BLOCK_WITHOUT };
	uint64_t start = time_us();
	char hex[65];
	int ret = 0;

	sha256_init(&t.hash);
	udp_listen(t.port, receive, &t);
	while (!ret && !t.done)
		ret = step(&t, file);
	if (t.done)
		send_ack(&t);
	udp_listen(0, NULL, NULL);
	if (ret)
		return -1;
	sha256_end(&t.hash, hex);
	printf("tftp: %s %llu bytes in %llu ms sha256 %s\n", file, t.size, divide(time_us() - start, 1000, NULL), hex);
	return 0;
}
