/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of IPv4 that fetches a file: ARP, ICMP echo, UDP, DHCP, TFTP.  No fragments, no options, no TCP.
 * Addresses are numbers in the machine's order: 10.0.2.2 is 0x0a000202.
 */
#ifndef HOBBY_NET_H
#define HOBBY_NET_H

#include "virtio_net.h"

#define UDP_MAX		1472u

struct netif {
	struct nic *nic;
	uint32_t ip, mask, gateway;		/* ip 0: not configured */
};

extern struct netif netifs[NICS_MAX];

struct udp_packet {
	struct netif *netif;
	uint32_t from;
	uint16_t from_port, to_port;
	const uint8_t *data;
	uint32_t len;
};

typedef void (*udp_handler)(void *ctx, const struct udp_packet *p);

void net_init(void);
/* Handle the received frames: answer ARP requests and pings, pass UDP to the listener.  Call this in wait loops. */
void net_poll(void);
/* Set the only listener; 0 and NULL for none. */
void udp_listen(uint16_t port, udp_handler handler, void *ctx);
/* 0, or -1 after a message ("no route", "no ARP answer").  May wait for ARP up to 3 s. */
int udp_send(uint32_t to, uint16_t from_port, uint16_t to_port, const void *data, uint32_t len);
/* Send from 0.0.0.0 to the broadcast address. */
int udp_broadcast(struct netif *n, uint16_t from_port, uint16_t to_port, const void *data, uint32_t len);
/* Send an echo request; return the microseconds until its answer, or -1 after a message. */
int net_ping(uint32_t to, uint16_t sequence);

/* Big-endian fields of packets, at any alignment. */
static inline uint16_t get16(const uint8_t *p) { return p[0] << 8 | p[1]; }
static inline uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }
static inline void put16(uint8_t *p, uint16_t v) { p[0] = v >> 8; p[1] = (uint8_t)v; }
static inline void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16); put16(p + 2, (uint16_t)v); }

/* dhcp.c: get a lease for @n, and print it.  0, or -1 after a message. */
int dhcp(struct netif *n);

/* tftp.c: fetch a file, print its size and SHA-256.  0, or -1 after a message. */
int tftp(uint32_t server, const char *file);

#endif
