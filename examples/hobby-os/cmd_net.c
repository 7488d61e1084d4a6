/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands of the shell that use the network.  The protocols are in net.c, dhcp.c and tftp.c. */
#include "net.h"
#include "veneer.h"

static int cmd_net(int argc, char **argv)
{
	for (unsigned int i = 0; i < nic_count; i++)
		printf("%s: %M address %I link %s, %llu frames sent, %llu received\n", nics[i].dev.name, nics[i].mac,
		       netifs[i].ip, nic_link_up(&nics[i]) ? "up" : "down", nics[i].sent, nics[i].received);
	return 0;
}

static int cmd_dhcp(int argc, char **argv)
{
	int ret = nic_count ? 0 : -1;

	if (!nic_count)
		printf("dhcp: no NIC\n");
	for (unsigned int i = 0; i < nic_count; i++)
		ret |= dhcp(&netifs[i]);
	return ret;
}

static int cmd_ping(int argc, char **argv)
{
	uint64_t count = 1;
	uint32_t to;
	int us;

	if (argc < 2 || !parse_ip(argv[1], &to) || (argc > 2 && !parse_number(argv[2], &count))) {
		printf("ping: ADDRESS [COUNT]\n");
		return -1;
	}
	for (uint16_t i = 1; i <= count; i++) {
		us = net_ping(to, i);
		if (us < 0)
			return -1;
		printf("ping: %I answers, seq %u, %d us\n", to, i, us);
	}
	return 0;
}

static int cmd_tftp(int argc, char **argv)
{
	uint32_t server;

	if (argc < 3 || !parse_ip(argv[1], &server)) {
		printf("tftp: SERVER FILE\n");
		return -1;
	}
	return tftp(server, argv[2]);
}

static int cmd_flood(int argc, char **argv)
{
	static uint8_t data[UDP_MAX];
	uint64_t port, count, size = UDP_MAX, start;
	uint32_t to;

	if (argc < 4 || !parse_ip(argv[1], &to) || !parse_number(argv[2], &port) || !parse_number(argv[3], &count) ||
	    (argc > 4 && !parse_number(argv[4], &size)) || size > UDP_MAX) {
		printf("flood: ADDRESS PORT COUNT [SIZE]\n");
		return -1;
	}
	veneer_mark();
	start = time_us();
	for (uint64_t i = 0; i < count; i++) {
		put32(data, i);
		if (udp_send(to, 9, port, data, size))
			return -1;
		if (i % 16 == 15)
			net_poll();
	}
	printf("flood: %llu packets of %llu bytes in %llu us\n", count, size, time_us() - start);
	veneer_print_changes("flood");
	return 0;
}

static int cmd_wait(int argc, char **argv)
{
	struct deadline end;
	uint64_t seconds;

	if (argc < 2 || !parse_number(argv[1], &seconds) || seconds > 86400) {
		printf("wait: SECONDS\n");
		return -1;
	}
	end = deadline_in_ms(seconds * 1000);
	while (!deadline_passed(end)) {
		net_poll();
		irq_wait();
	}
	return 0;
}

const struct command net_commands[] = {
	{ "net", "", "the NICs", cmd_net },
	{ "dhcp", "", "ask for an address for every NIC", cmd_dhcp },
	{ "ping", "ADDRESS [COUNT]", "ICMP echo", cmd_ping },
	{ "tftp", "SERVER FILE", "fetch a file; print its size and SHA-256", cmd_tftp },
	{ "flood", "ADDRESS PORT COUNT [SIZE]", "send UDP packets as fast as they go", cmd_flood },
	{ "wait", "SECONDS", "answer pings for a while", cmd_wait },
	{ NULL, NULL, NULL, NULL },
};
