/* SPDX-License-Identifier: BSD-2-Clause */
/* A small IP stack over virtio-net: ARP, IPv4, ICMP echo and UDP.  DHCP and TFTP have files of their own; no TCP. */
#include "net.h"

#define ETH_HEADER	14u
#define ETH_IP		0x0800
#define ETH_ARP		0x0806
#define ARP_LENGTH	28u
#define ARP_REQUEST	1
#define ARP_REPLY	2
#define IP_HEADER	20u
#define IP_ICMP		1
#define IP_UDP		17
#define IP_BROADCAST	0xffffffffu
#define UDP_HEADER	8u
#define ICMP_ECHO_REPLY	0
#define ICMP_ECHO	8
#define ICMP_HEADER	8u
#define PING_PAYLOAD	56u
#define PING_ID		0x686f

struct netif netifs[NICS_MAX];

static struct { uint32_t ip; uint8_t mac[6]; } arp_cache[16];
static unsigned int arp_next;

static struct { uint16_t port; udp_handler handler; void *ctx; } listener;
static struct { bool waiting, answered; uint32_t from; uint16_t sequence; } echo;

static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* --- Ethernet and ARP --- */

/* Frames are built in place: room for the headers, then the payload. */
static int eth_send(struct netif *n, const uint8_t *to, uint16_t type, uint8_t *frame, uint32_t len)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, n->nic->mac, 6);
	put16(frame + 12, type);
	return nic_send(n->nic, frame, len);
}

static void arp_learn(uint32_t ip, const uint8_t *mac)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(arp_cache); i++)
		if (arp_cache[i].ip == ip) {
			memcpy(arp_cache[i].mac, mac, 6);
			return;
		}
	arp_cache[arp_next].ip = ip;
	memcpy(arp_cache[arp_next].mac, mac, 6);
	arp_next = (arp_next + 1) % ARRAY_SIZE(arp_cache);
}

static const uint8_t *arp_known(uint32_t ip)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(arp_cache); i++)
		if (ip && arp_cache[i].ip == ip)
			return arp_cache[i].mac;
	return NULL;
}

static void arp_send(struct netif *n, uint16_t op, const uint8_t *to_mac, uint32_t to)
{
	uint8_t frame[ETH_HEADER + ARP_LENGTH], *arp = frame + ETH_HEADER;

	put32(arp, 0x00010800);		/* Ethernet, IPv4 */
	put16(arp + 4, 0x0604);		/* their address lengths */
	put16(arp + 6, op);
	memcpy(arp + 8, n->nic->mac, 6);
	put32(arp + 14, n->ip);
	memcpy(arp + 18, to_mac, 6);
	put32(arp + 24, to);
	eth_send(n, to_mac, ETH_ARP, frame, sizeof(frame));
}

static void arp_receive(struct netif *n, const uint8_t *arp, uint32_t len)
{
	uint32_t from;

	if (len < ARP_LENGTH || get32(arp) != 0x00010800 || !n->ip || get32(arp + 24) != n->ip)
		return;
	from = get32(arp + 14);
	arp_learn(from, arp + 8);
	if (get16(arp + 6) == ARP_REQUEST)
		arp_send(n, ARP_REPLY, arp + 8, from);
}

/* Send up to three requests, a second apart. */
static const uint8_t *arp_resolve(struct netif *n, uint32_t ip)
{
	const uint8_t *mac = arp_known(ip);

	for (unsigned int i = 0; i < 3 && !mac; i++) {
		struct deadline end = deadline_in_ms(1000);

		arp_send(n, ARP_REQUEST, everybody, ip);
		while (!(mac = arp_known(ip)) && !deadline_passed(end)) {
			irq_wait();
			net_poll();
		}
	}
	if (!mac)
		printf("%s: no ARP answer from %I within 3 s\n", n->nic->dev.name, ip);
	return mac;
}

/* --- IPv4 --- */

static uint32_t sum_words(uint32_t sum, const uint8_t *p, uint32_t len)
{
	for (; len > 1; len -= 2, p += 2)
		sum += get16(p);
	return len ? sum + (*p << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void ip_header(struct netif *n, uint8_t *ip, uint8_t protocol, uint32_t to, uint32_t payload)
{
	static uint16_t id;

	put32(ip, 0x45000000 | (IP_HEADER + payload));
	put32(ip + 4, (uint32_t)++id << 16);
	put32(ip + 8, 0x40000000 | protocol << 16);	/* 64 hops, the checksum still 0 */
	put32(ip + 12, n->ip);
	put32(ip + 16, to);
	put16(ip + 10, fold(sum_words(0, ip, IP_HEADER)));
}

static struct netif *route(uint32_t to, uint32_t *hop)
{
	for (unsigned int i = 0; i < nic_count; i++)
		if (netifs[i].ip && !((netifs[i].ip ^ to) & netifs[i].mask)) {
			*hop = to;
			return &netifs[i];
		}
	for (unsigned int i = 0; i < nic_count; i++)
		if (netifs[i].ip && netifs[i].gateway) {
			*hop = netifs[i].gateway;
			return &netifs[i];
		}
	printf("net: no route to %I\n", to);
	return NULL;
}

static int ip_send(uint32_t to, uint8_t protocol, uint8_t *frame, uint32_t payload)
{
	uint32_t hop;
	struct netif *n = route(to, &hop);
	const uint8_t *mac = n ? arp_resolve(n, hop) : NULL;

	if (!mac)
		return -1;
	ip_header(n, frame + ETH_HEADER, protocol, to, payload);
	return eth_send(n, mac, ETH_IP, frame, ETH_HEADER + IP_HEADER + payload);
}

/* --- ICMP --- */

static void icmp_receive(struct netif *n, const uint8_t *frame, const uint8_t *icmp, uint32_t len, uint32_t from)
{
	static uint8_t reply[FRAME_MAX];
	uint8_t *out = reply + ETH_HEADER + IP_HEADER;

	if (len < ICMP_HEADER || fold(sum_words(0, icmp, len)))
		return;
	if (icmp[0] == ICMP_ECHO_REPLY && echo.waiting && from == echo.from && get16(icmp + 4) == PING_ID &&
	    get16(icmp + 6) == echo.sequence)
		echo.answered = true;
	if (icmp[0] != ICMP_ECHO || len > FRAME_MAX - ETH_HEADER - IP_HEADER)
		return;
	memcpy(out, icmp, len);
	put32(out, ICMP_ECHO_REPLY << 24);
	put16(out + 2, fold(sum_words(0, out, len)));
	ip_header(n, reply + ETH_HEADER, IP_ICMP, from, len);
	eth_send(n, frame + 6, ETH_IP, reply, ETH_HEADER + IP_HEADER + len);	/* to the Ethernet sender: no ARP needed */
}

int net_ping(uint32_t to, uint16_t sequence)
{
	uint8_t frame[ETH_HEADER + IP_HEADER + ICMP_HEADER + PING_PAYLOAD], *icmp = frame + ETH_HEADER + IP_HEADER;
	struct deadline end;
	uint64_t start;

	put32(icmp, ICMP_ECHO << 24);
	put16(icmp + 4, PING_ID);
	put16(icmp + 6, sequence);
	for (uint32_t i = 0; i < PING_PAYLOAD; i++)
		icmp[ICMP_HEADER + i] = i;
	put16(icmp + 2, fold(sum_words(0, icmp, ICMP_HEADER + PING_PAYLOAD)));
	echo.waiting = true;
	echo.answered = false;
	echo.from = to;
	echo.sequence = sequence;
	if (ip_send(to, IP_ICMP, frame, ICMP_HEADER + PING_PAYLOAD))
		return -1;
	start = time_us();
	end = deadline_in_ms(2000);
	while (!echo.answered && !deadline_passed(end)) {
		irq_wait();
		net_poll();
	}
	echo.waiting = false;
	if (echo.answered)
		return (int)(time_us() - start);
	printf("ping: no answer from %I within 2 s\n", to);
	return -1;
}

/* --- UDP --- */

static uint16_t udp_checksum(const uint8_t *ip, const uint8_t *udp, uint32_t len)
{
	return fold(sum_words(sum_words(IP_UDP + len, ip + 12, 8), udp, len));
}

static void udp_receive(struct netif *n, const uint8_t *ip, const uint8_t *udp, uint32_t len)
{
	struct udp_packet p = { .netif = n };

	if (len < UDP_HEADER || get16(udp + 4) < UDP_HEADER || get16(udp + 4) > len)
		return;
	len = get16(udp + 4);
	if (get16(udp + 6) && udp_checksum(ip, udp, len)) {
		printf("%s: a UDP packet with a wrong checksum\n", n->nic->dev.name);
		return;
	}
	p.from = get32(ip + 12);
	p.from_port = get16(udp);
	p.to_port = get16(udp + 2);
	p.data = udp + UDP_HEADER;
	p.len = len - UDP_HEADER;
	if (listener.handler && p.to_port == listener.port)
		listener.handler(listener.ctx, &p);
}

void udp_listen(uint16_t port, udp_handler handler, void *ctx)
{
	listener.port = port;
	listener.handler = handler;
	listener.ctx = ctx;
}

static uint32_t udp_build(uint8_t *frame, uint16_t from_port, uint16_t to_port, const void *data, uint32_t len)
{
	uint8_t *udp = frame + ETH_HEADER + IP_HEADER;

	put16(udp, from_port);
	put16(udp + 2, to_port);
	put16(udp + 4, UDP_HEADER + len);
	put16(udp + 6, 0);		/* no checksum: allowed with IPv4, and the addresses are not known yet */
	memcpy(udp + UDP_HEADER, data, len);
	return UDP_HEADER + len;
}

int udp_send(uint32_t to, uint16_t from_port, uint16_t to_port, const void *data, uint32_t len)
{
	static uint8_t frame[FRAME_MAX];

	if (len > UDP_MAX)
		return -1;
	return ip_send(to, IP_UDP, frame, udp_build(frame, from_port, to_port, data, len));
}

int udp_broadcast(struct netif *n, uint16_t from_port, uint16_t to_port, const void *data, uint32_t len)
{
	static uint8_t frame[FRAME_MAX];
	uint32_t payload;

	if (len > UDP_MAX)
		return -1;
	payload = udp_build(frame, from_port, to_port, data, len);
	ip_header(n, frame + ETH_HEADER, IP_UDP, IP_BROADCAST, payload);
	return eth_send(n, everybody, ETH_IP, frame, ETH_HEADER + IP_HEADER + payload);
}

/* --- receiving --- */

static void ip_receive(struct netif *n, const uint8_t *frame, const uint8_t *ip, uint32_t len)
{
	uint32_t header, total, to;

	if (len < IP_HEADER || ip[0] >> 4 != 4)
		return;
	header = (ip[0] & 15) * 4;
	total = get16(ip + 2);
	to = get32(ip + 16);
	if (header < IP_HEADER || total < header || total > len || fold(sum_words(0, ip, header)))
		return;
	if ((get16(ip + 6) & 0x3fff) || (n->ip && to != n->ip && to != IP_BROADCAST))
		return;				/* a fragment, or for another address */
	if (ip[9] == IP_ICMP && to == n->ip)
		icmp_receive(n, frame, ip + header, total - header, get32(ip + 12));
	else if (ip[9] == IP_UDP)
		udp_receive(n, ip, ip + header, total - header);
}

void net_poll(void)
{
	static uint8_t frame[2048];
	static bool inside;
	uint32_t len;

	if (inside)
		return;				/* no recursion: an answer may wait for ARP, which receives frames */
	inside = true;
	for (unsigned int i = 0; i < nic_count; i++) {
		nic_watch(&nics[i]);
		for (unsigned int budget = 32; budget && (len = nic_receive(&nics[i], frame)); budget--) {
			if (len >= ETH_HEADER && get16(frame + 12) == ETH_IP)
				ip_receive(&netifs[i], frame, frame + ETH_HEADER, len - ETH_HEADER);
			else if (len >= ETH_HEADER && get16(frame + 12) == ETH_ARP)
				arp_receive(&netifs[i], frame + ETH_HEADER, len - ETH_HEADER);
		}
	}
	inside = false;
}

void net_init(void)
{
	nic_init_all();
	for (unsigned int i = 0; i < nic_count; i++)
		netifs[i].nic = &nics[i];
}
