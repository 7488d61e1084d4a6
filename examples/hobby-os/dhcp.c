/* SPDX-License-Identifier: BSD-2-Clause */
/* A DHCP client (RFC 2131) that asks, takes the first offer and never renews. */
#include "net.h"

#define CLIENT_PORT		68
#define SERVER_PORT		67
#define BOOTP_LENGTH		236u
#define MAGIC_COOKIE		0x63825363u
#define BROADCAST_PLEASE	0x8000

#define OPTION_MASK		1
#define OPTION_ROUTER		3
#define OPTION_REQUESTED_IP	50
#define OPTION_TYPE		53
#define OPTION_SERVER		54
#define OPTION_PARAMETERS	55
#define OPTION_END		255

#define DISCOVER		1
#define OFFER			2
#define REQUEST			3
#define ACK			5
#define NAK			6

struct lease {
	const struct netif *netif;
	uint32_t xid;
	uint8_t type;			/* the last answer's message type */
	uint32_t ip, mask, router, server;
};

static void read_options(struct lease *l, const uint8_t *o, const uint8_t *end)
{
	while (o + 2 <= end && *o != OPTION_END) {
		if (!*o) {
			o++;
			continue;
		}
		if (o + 2 + o[1] > end)
			return;
		if (o[0] == OPTION_TYPE && o[1] >= 1)
			l->type = o[2];
		else if (o[0] == OPTION_MASK && o[1] >= 4)
			l->mask = get32(o + 2);
		else if (o[0] == OPTION_ROUTER && o[1] >= 4)
			l->router = get32(o + 2);
		else if (o[0] == OPTION_SERVER && o[1] >= 4)
			l->server = get32(o + 2);
		o += 2 + o[1];
	}
}

static void answer(void *ctx, const struct udp_packet *p)
{
	struct lease *l = ctx;

	if (p->netif != l->netif || p->len < BOOTP_LENGTH + 4 || p->data[0] != 2 || get32(p->data + 4) != l->xid ||
	    get32(p->data + BOOTP_LENGTH) != MAGIC_COOKIE)
		return;
	l->ip = get32(p->data + 16);
	read_options(l, p->data + BOOTP_LENGTH + 4, p->data + p->len);
}

static int send(struct netif *n, const struct lease *l, uint8_t type)
{
	uint8_t m[BOOTP_LENGTH + 64] = { 1, 1, 6 }, *o = m + BOOTP_LENGTH;	/* request, Ethernet, address length */

	put32(m + 4, l->xid);
	put16(m + 10, BROADCAST_PLEASE);
	memcpy(m + 28, n->nic->mac, 6);
	put32(o, MAGIC_COOKIE);
	o += 4;
	*o++ = OPTION_TYPE;
	*o++ = 1;
	*o++ = type;
	*o++ = OPTION_PARAMETERS;
	*o++ = 2;
	*o++ = OPTION_MASK;
	*o++ = OPTION_ROUTER;
	if (type == REQUEST) {
		*o++ = OPTION_REQUESTED_IP;
		*o++ = 4;
		put32(o, l->ip);
		o += 4;
		*o++ = OPTION_SERVER;
		*o++ = 4;
		put32(o, l->server);
		o += 4;
	}
	*o = OPTION_END;
	return udp_broadcast(n, CLIENT_PORT, SERVER_PORT, m, sizeof(m));
}

/* Send @type and wait for @expected: at most four times, two seconds each. */
static int exchange(struct netif *n, struct lease *l, uint8_t type, uint8_t expected)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct deadline end = deadline_in_ms(2000);

		l->type = 0;
		if (send(n, l, type))
			return -1;
		while (l->type != expected && l->type != NAK && !deadline_passed(end)) {
			irq_wait();
			net_poll();
		}
		if (l->type == expected)
			return 0;
		if (l->type == NAK)
			break;
	}
	printf("%s: %M no DHCP %s within 8 s, link %s\n", n->nic->dev.name, n->nic->mac, expected == OFFER ? "offer" : "lease",
	       nic_link_up(n->nic) ? "up" : "down");
	return -1;
}

static unsigned int prefix(uint32_t mask)
{
	unsigned int n = 0;

	for (; mask; mask <<= 1)
		n++;
	return n;
}

int dhcp(struct netif *n)
{
	struct lease l = { .netif = n, .xid = (uint32_t)rdtsc() | 1 };
	int ret;

	n->ip = 0;
	udp_listen(CLIENT_PORT, answer, &l);
	ret = exchange(n, &l, DISCOVER, OFFER);
	if (!ret)
		ret = exchange(n, &l, REQUEST, ACK);
	udp_listen(0, NULL, NULL);
	if (ret)
		return -1;
	n->ip = l.ip;
	n->mask = l.mask ? l.mask : 0xffffff00;
	n->gateway = l.router;
	printf("%s: %M lease %I/%u gateway %I\n", n->nic->dev.name, n->nic->mac, n->ip, prefix(n->mask), n->gateway);
	return 0;
}
