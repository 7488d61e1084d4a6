// SPDX-License-Identifier: BSD-2-Clause
/*
 * veneer-model: one model of a device as a process, for QEMU.  Frames pass through a socket in the format of QEMU's "-netdev
 * stream": a length of four bytes, most significant first, then the frame without FCS.
 *
 * Usage: veneer-model CHIP DEVICE-SOCKET NET-SOCKET CONTROL-FIFO [NAME=VALUE]...
 *
 * The program makes the two sockets, and QEMU connects to each once.  A line NAME=VALUE written to the FIFO has the effect of
 * the same option: "link=0" pulls the cable.  disk=FILE, at the start only, names the next medium of a disk controller, and
 * sector=4096 before it the size of its sectors.  A driver's breach of the rules, and refused DMA, are reported on stderr in
 * lines that begin with "model:".  The program ends with the machine.  Exit codes: 0; 1 after a failure; 2 for wrong use.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "vfio_user.h"

#define OUT_ROOM	(1u << 20)

static struct {
	struct model *m;
	struct vfio_user *vfio;
	int device, net, control;		/* net: -1 before QEMU has connected */
	uint8_t in[4 + MODEL_FRAME_MAX], out[OUT_ROOM];
	size_t nin, nout;
	unsigned broken;
} p = { .device = -1, .net = -1, .control = -1 };

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "veneer-model: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void broken(void *ctx, const char *text)
{
	(void)ctx;
	if (p.broken++ < 100)
		fprintf(stderr, "model: rule broken: %s\n", text);
}

/* --- the wire --- */

/* Never block: QEMU waits for our answers and may not read meanwhile. */
static void net_flush(void)
{
	size_t done = 0;

	while (p.net >= 0 && done < p.nout) {
		ssize_t n = send(p.net, p.out + done, p.nout - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	memmove(p.out, p.out + done, p.nout - done);
	p.nout -= done;
}

static bool net_send(void *ctx, const void *frame, size_t len)
{
	uint32_t head = htonl((uint32_t)len);

	(void)ctx;
	if (p.net < 0)
		return true;		/* QEMU is not connected */
	if (p.nout + sizeof(head) + len > sizeof(p.out))
		return false;
	memcpy(p.out + p.nout, &head, sizeof(head));
	memcpy(p.out + p.nout + sizeof(head), frame, len);
	p.nout += sizeof(head) + len;
	net_flush();
	return true;
}

/* A disk controller takes no frame. */
static bool is_paused(void)
{
	return !p.m->ops->paused || p.m->ops->paused(p.m);
}

/* Pass all complete frames on, as long as the model accepts them. */
static void net_deliver(void)
{
	uint32_t len;

	while (p.nin >= sizeof(len) && !is_paused()) {
		memcpy(&len, p.in, sizeof(len));
		len = ntohl(len);
		if (len > MODEL_FRAME_MAX) {
			fprintf(stderr, "veneer-model: a frame of %u bytes from the wire\n", len);
			exit(1);
		}
		if (p.nin < sizeof(len) + len)
			return;
		p.m->ops->receive(p.m, p.in + sizeof(len), len);
		p.nin -= sizeof(len) + len;
		memmove(p.in, p.in + sizeof(len) + len, p.nin);
	}
}

static void net_read(void)
{
	ssize_t n = recv(p.net, p.in + p.nin, sizeof(p.in) - p.nin, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close(p.net);
		p.net = -1;
	}
	if (n > 0)
		p.nin += (size_t)n;
	net_deliver();
}

/* --- options and control --- */

static bool set(char *text)
{
	char *value = strchr(text, '=');

	if (!value)
		return false;
	*value++ = 0;
	return p.m->ops->set(p.m, text, value);
}

/* Shared with the file, as a disk is: what the machine wrote is there when the model is gone. */
static bool add_disk(const char *path, unsigned sector)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	void *data;

	if (fd < 0 || fstat(fd, &st))
		fail(path);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		fail(path);
	close(fd);
	return p.m->ops->disk && p.m->ops->disk(p.m, data, (uint64_t)st.st_size, sector);
}

static bool set_at_start(char *text)
{
	static unsigned sector = 512;

	if (!strncmp(text, "disk=", 5))
		return add_disk(text + 5, sector);
	if (!strncmp(text, "sector=", 7)) {
		sector = (unsigned)strtoul(text + 7, NULL, 10);
		return sector == 512 || sector == 4096;
	}
	return set(text);
}

static void control_read(void)
{
	static char line[256];
	static size_t n;
	char ch;

	while (read(p.control, &ch, 1) == 1) {
		if (ch != '\n' && n < sizeof(line) - 1) {
			line[n++] = ch;
			continue;
		}
		line[n] = 0;
		n = 0;
		fprintf(stderr, "model: told: %s\n", line);
		if (!set(line))
			fprintf(stderr, "model: not understood: %s\n", line);
	}
}

/* --- the process --- */

static int listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		fail(path);
	}
	strcpy(a.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1))
		fail(path);
	return fd;
}

static int connected(int listener)
{
	int fd;

	do
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		fail("accept");
	return fd;
}

static int milliseconds(void)
{
	uint64_t now = now_us(NULL), wake = vfio_user_run(p.vfio);

	if (p.m->wake_us < wake)
		wake = p.m->wake_us;
	if (wake == MODEL_NEVER)
		return -1;
	return wake <= now ? 0 : (int)((wake - now) / 1000 + 1);
}

static void serve(int net)
{
	for (;;) {
		bool held = p.nin == sizeof(p.in) || (p.net >= 0 && is_paused());
		int wire = p.net < 0 ? net : p.net;
		struct pollfd f[3] = { { p.device, POLLIN, 0 }, { p.control, POLLIN, 0 }, { wire, POLLIN, 0 } };

		f[2].events = (short)((held ? 0 : POLLIN) | (p.nout ? POLLOUT : 0));
		if (poll(f, 3, milliseconds()) < 0 && errno != EINTR)
			fail("poll");
		if (f[0].revents && !vfio_user_serve(p.vfio))
			return;
		if (f[1].revents & POLLIN)
			control_read();
		if (p.net < 0 && f[2].revents)
			p.net = connected(net);
		else if (f[2].revents & (POLLIN | POLLHUP))
			net_read();
		net_flush();
		net_deliver();
		p.m->ops->run(p.m);
	}
}

int main(int argc, char **argv)
{
	int device, net;

	if (argc < 5) {
		fprintf(stderr, "Usage: veneer-model CHIP DEVICE-SOCKET NET-SOCKET CONTROL-FIFO [NAME=VALUE]...\n");
		return 2;
	}
	p.m = model_rtl8168(argv[1]);
	if (!p.m)
		p.m = model_igc(argv[1]);
	if (!p.m)
		p.m = model_nvme(argv[1]);
	if (!p.m)
		p.m = model_ahci(argv[1]);
	if (!p.m) {
		fprintf(stderr, "veneer-model: %s: no such chip\n", argv[1]);
		return 2;
	}
	p.m->host = (struct model_host) { .send = net_send, .broken = broken, .now_us = now_us };
	if (mkfifo(argv[4], 0600) || (p.control = open(argv[4], O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0)
		fail(argv[4]);
	device = listen_at(argv[2]);
	net = listen_at(argv[3]);
	p.device = connected(device);
	p.vfio = vfio_user_new(p.m, p.device);
	if (!p.vfio)
		fail("vfio-user");
	for (int i = 5; i < argc; i++)
		if (!set_at_start(argv[i])) {
			fprintf(stderr, "veneer-model: %s: unknown, or no such value\n", argv[i]);
			return 2;
		}
	p.m->ops->power_on(p.m);
	serve(net);
	fprintf(stderr, "model: ends, %u rules broken, %u DMA refused\n", p.broken, vfio_user_refused(p.vfio));
	return 0;
}
