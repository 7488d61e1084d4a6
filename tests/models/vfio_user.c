// SPDX-License-Identifier: BSD-2-Clause
/*
 * The server's side of vfio-user, as far as QEMU's vfio-user-pci uses it: configuration space, BARs without mmap, INTx, MSI and
 * MSI-X by eventfds, DMA in memory that the client passes as file descriptors.  Not here: migration, DMA by messages, BARs that
 * the client maps, several clients.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "vfio_user.h"

enum {
	VU_VERSION = 1, VU_DMA_MAP, VU_DMA_UNMAP, VU_INFO, VU_REGION_INFO, VU_REGION_IO_FDS, VU_IRQ_INFO, VU_SET_IRQS, VU_READ,
	VU_WRITE, VU_RESET = 13,
};

#define FLAG_REPLY	0x1u
#define FLAG_NO_REPLY	0x10u
#define FLAG_ERROR	0x20u

#define MAX_MESSAGE	8192u
#define MAX_ACCESS	4096u	/* bytes of a region at once: all of configuration space */
#define MAX_FDS		8u
#define MAX_MAPS	64u
#define MAX_VECTORS	32u
#define AGAIN_US	20000u

#define REGIONS		9u
#define REGION_CONFIG	7u
#define CONFIG_SIZE	4096u	/* with extended space; a PCI device's ends at 256 */

enum { IRQ_INTX, IRQ_MSI, IRQ_MSIX, IRQS = 5 };
#define SET_NONE	0x01u	/* of SET_IRQS: what comes with it, and what to do */
#define SET_EVENTFD	0x04u
#define SET_MASK	0x08u
#define SET_UNMASK	0x10u
#define SET_TRIGGER	0x20u

#define MAP_WRITE	0x2u
#define UNMAP_ALL	0x2u

#define CFG_COMMAND	0x04
#define  COMMAND_MASTER	0x4u
#define  COMMAND_INTX_OFF 0x400u
#define CFG_CAP		0x34
#define AT_PM		0x40	/* where the capabilities are */
#define AT_MSI		0x50
#define AT_EXP		0x70
#define AT_MSIX		0xb0

struct header {
	uint16_t id, command;
	uint32_t size, flags, error;
};

struct map {
	uint64_t addr, size;
	uint8_t *mem;		/* NULL: no memory of the client's, nothing to reach */
	bool writable;
};

struct vfio_user {
	struct model *m;
	int fd;
	uint8_t cfg[CONFIG_SIZE], cfg_mask[CONFIG_SIZE];	/* bits that take writes */
	uint8_t msix[4096];		/* what is written to the BAR of MSI-X: the client keeps its own */
	struct map map[MAX_MAPS];
	unsigned nmaps;
	int event[3][MAX_VECTORS];	/* -1: none */
	bool line, masked;
	uint64_t again_us;		/* the line, if it is still asserted, is told again from then on */
	unsigned refused;
	int fds[MAX_FDS];
	unsigned nfds;
	bool bad;
};

/* --- memory --- */

static void *vu_dma(void *ctx, uint64_t addr, size_t len, bool write)
{
	struct vfio_user *v = ctx;

	if (v->cfg[CFG_COMMAND] & COMMAND_MASTER)
		for (unsigned i = 0; i < v->nmaps; i++) {
			const struct map *p = &v->map[i];

			if (p->mem && addr >= p->addr && len <= p->size && addr - p->addr <= p->size - len &&
			    (p->writable || !write))
				return p->mem + (addr - p->addr);
		}
	v->refused++;
	fprintf(stderr, "model: DMA refused: %s %#llx, %zu bytes%s\n", write ? "write to" : "read from",
		(unsigned long long)addr, len, v->cfg[CFG_COMMAND] & COMMAND_MASTER ? "" : ", bus mastering is off");
	return NULL;
}

static bool vu_master(void *ctx)
{
	return ((struct vfio_user *)ctx)->cfg[CFG_COMMAND] & COMMAND_MASTER;
}

static void map_drop(struct vfio_user *v, unsigned i)
{
	if (v->map[i].mem)
		munmap(v->map[i].mem, v->map[i].size);
	v->map[i] = v->map[--v->nmaps];
}

static int dma_map(struct vfio_user *v, const uint8_t *body, size_t size)
{
	struct { uint32_t argsz, flags; uint64_t offset, addr, size; } r;
	struct map *p = &v->map[v->nmaps];
	void *mem = NULL;

	if (size < sizeof(r) || v->nmaps == MAX_MAPS)
		return EINVAL;
	memcpy(&r, body, sizeof(r));
	if (!r.size || r.addr + r.size < r.addr)
		return EINVAL;
	if (v->nfds) {
		mem = mmap(NULL, r.size, PROT_READ | (r.flags & MAP_WRITE ? PROT_WRITE : 0), MAP_SHARED, v->fds[0],
			   (off_t)r.offset);
		if (mem == MAP_FAILED)
			return errno;
	}
	*p = (struct map) { .addr = r.addr, .size = r.size, .mem = mem, .writable = r.flags & MAP_WRITE };
	v->nmaps++;
	return 0;
}

static int dma_unmap(struct vfio_user *v, const uint8_t *body, size_t size)
{
	struct { uint32_t argsz, flags; uint64_t addr, size; } r;

	if (size < sizeof(r))
		return EINVAL;
	memcpy(&r, body, sizeof(r));
	for (unsigned i = v->nmaps; i-- > 0;)
		if ((r.flags & UNMAP_ALL) || (v->map[i].addr >= r.addr && v->map[i].addr + v->map[i].size <= r.addr + r.size))
			map_drop(v, i);
	return 0;
}

/* --- interrupts --- */

static uint64_t now(const struct vfio_user *v)
{
	return v->m->host.now_us(v->m->host.ctx);
}

static bool ring_vector(struct vfio_user *v, unsigned kind, unsigned n)
{
	uint64_t one = 1;

	return v->event[kind][n] >= 0 && write(v->event[kind][n], &one, sizeof(one)) == sizeof(one);
}

static bool ring(struct vfio_user *v, unsigned kind)
{
	return ring_vector(v, kind, 0);
}

/*
 * A line is signalled once and then masked.  QEMU takes each access to the device for the end of the interrupt: it
 * withdraws the line and unmasks it.  The first access of a driver's handler reads the cause, and only a later access
 * makes the line fall: a signal right after the first would be a spurious interrupt.  So a line that stays asserted is
 * signalled again after a while.  If the line falls before QEMU has noticed the signal, the signal is withdrawn.
 */
static void intx(struct vfio_user *v)
{
	uint16_t command = (uint16_t)(v->cfg[CFG_COMMAND] | v->cfg[CFG_COMMAND + 1] << 8);

	if (v->line && !v->masked && !(command & COMMAND_INTX_OFF) && v->event[IRQ_MSI][0] < 0 && v->event[IRQ_MSIX][0] < 0 &&
	    now(v) >= v->again_us)
		v->masked = ring(v, IRQ_INTX);
}

static void intx_unmask(struct vfio_user *v)
{
	if (v->masked && v->line)
		v->again_us = now(v) + AGAIN_US;
	v->masked = false;
}

static void vu_irq(void *ctx, bool on)
{
	struct vfio_user *v = ctx;
	bool rose = on && !v->line;
	uint64_t told;

	v->line = on;
	if (!on) {
		v->again_us = 0;
		if (v->masked && v->event[IRQ_INTX][0] >= 0 && read(v->event[IRQ_INTX][0], &told, sizeof(told)) == sizeof(told))
			v->masked = false;
	}
	if (rose && (v->cfg[CFG_COMMAND] & COMMAND_MASTER) && (ring(v, IRQ_MSIX) || ring(v, IRQ_MSI)))
		return;
	intx(v);
}

static void vu_vector(void *ctx, unsigned n)
{
	struct vfio_user *v = ctx;

	if (n < MAX_VECTORS && (v->cfg[CFG_COMMAND] & COMMAND_MASTER))
		(void)ring_vector(v, IRQ_MSIX, n);
}

static void event_set(struct vfio_user *v, unsigned kind, unsigned n, int fd)
{
	if (v->event[kind][n] >= 0)
		close(v->event[kind][n]);
	v->event[kind][n] = fd;
}

static int set_irqs(struct vfio_user *v, const uint8_t *body, size_t size)
{
	struct { uint32_t argsz, flags, index, start, count; } r;

	if (size < sizeof(r))
		return EINVAL;
	memcpy(&r, body, sizeof(r));
	if (r.index >= IRQS || r.start > MAX_VECTORS || r.count > MAX_VECTORS - r.start)
		return EINVAL;
	if (r.index > IRQ_MSIX)
		return 0;
	if (r.flags & SET_TRIGGER) {
		bool all = (r.flags & SET_NONE) && !r.count;

		for (unsigned i = all ? 0 : r.start, end = all ? MAX_VECTORS : r.start + r.count; i < end; i++) {
			unsigned k = i - r.start;
			bool have = (r.flags & SET_EVENTFD) && k < v->nfds;

			event_set(v, r.index, i, have ? v->fds[k] : -1);
			if (have)
				v->fds[k] = -1;		/* kept */
		}
		v->masked = r.index == IRQ_INTX ? false : v->masked;
	}
	if (r.index == IRQ_INTX && (r.flags & SET_MASK))
		v->masked = true;
	if (r.index == IRQ_INTX && (r.flags & SET_UNMASK))
		intx_unmask(v);
	intx(v);
	return 0;
}

/* --- configuration space --- */

static void put(uint8_t *at, uint32_t value, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* Add a capability of @len bytes at @at after the one whose next pointer is at @link.  Return the offset of its own. */
static unsigned cap(struct vfio_user *v, unsigned link, unsigned at, uint8_t id)
{
	v->cfg[link] = (uint8_t)at;
	v->cfg[at] = id;
	return at + 1;
}

static void make_bars(struct vfio_user *v)
{
	const struct model_pci *p = &v->m->pci;

	for (unsigned i = 0; i < MODEL_BARS; i++) {
		const struct model_bar *b = &p->bar[i];

		if (!b->size)
			continue;
		put(v->cfg + 0x10 + 4 * i, b->io ? 1 : (b->is64 ? 4u : 0u) | (b->prefetch ? 8u : 0u), 4);
		put(v->cfg_mask + 0x10 + 4 * i, ~(b->size - 1), 4);
		if (b->is64)
			put(v->cfg_mask + 0x14 + 4 * i, ~0u, 4);
	}
}

static void make_config(struct vfio_user *v)
{
	const struct model_pci *p = &v->m->pci;
	unsigned link = CFG_CAP;

	memset(v->cfg, 0, sizeof(v->cfg));
	memset(v->cfg_mask, 0, sizeof(v->cfg_mask));
	put(v->cfg, p->vendor | (uint32_t)p->device << 16, 4);
	put(v->cfg + 6, 0x0010, 2);
	put(v->cfg + 8, p->revision | p->class_code << 8, 4);
	put(v->cfg + 0x2c, p->subsys_vendor | (uint32_t)p->subsys << 16, 4);
	v->cfg[0x3d] = 1;
	put(v->cfg_mask + CFG_COMMAND, 0x0557, 2);
	put(v->cfg_mask + 0x0c, 0xffff, 2);
	v->cfg_mask[0x3c] = 0xff;
	make_bars(v);
	link = cap(v, link, AT_PM, 0x01);
	put(v->cfg + AT_PM + 2, 0xc803, 2);		/* version 3; PME from D3 */
	put(v->cfg_mask + AT_PM + 4, 0x0103, 2);
	put(v->cfg + AT_PM + 4, 0x0008, 2);		/* no reset from D3hot to D0 */
	if (p->msi) {
		link = cap(v, link, AT_MSI, 0x05);
		put(v->cfg + AT_MSI + 2, 0x0080, 2);	/* one vector, 64-bit address */
		put(v->cfg_mask + AT_MSI + 2, 0x0071, 2);
		put(v->cfg_mask + AT_MSI + 4, ~3u, 4);
		put(v->cfg_mask + AT_MSI + 8, ~0u, 4);
		put(v->cfg_mask + AT_MSI + 12, 0xffff, 2);
	}
	if (p->pcie) {
		link = cap(v, link, AT_EXP, 0x10);
		put(v->cfg + AT_EXP + 2, 0x0002, 2);	/* an endpoint, version 2 */
		put(v->cfg + AT_EXP + 4, 0x00008dc0, 4);
		put(v->cfg_mask + AT_EXP + 8, 0x7fff, 2);
		put(v->cfg + AT_EXP + 8, 0x2010, 2);
		put(v->cfg + AT_EXP + 12, 0x0047fc11, 4);	/* x1, 2.5 GT/s, L0s, L1, clock request */
		put(v->cfg_mask + AT_EXP + 16, 0x01fb, 2);
		put(v->cfg + AT_EXP + 16, 0x0103, 2);	/* ASPM as firmware leaves it: on */
		put(v->cfg + AT_EXP + 18, 0x1011, 2);
	}
	if (p->msix_vectors) {
		(void)cap(v, link, AT_MSIX, 0x11);
		put(v->cfg + AT_MSIX + 2, p->msix_vectors - 1u, 2);
		put(v->cfg_mask + AT_MSIX + 2, 0xc000, 2);
		put(v->cfg + AT_MSIX + 4, p->msix_bar, 4);
		put(v->cfg + AT_MSIX + 8, 0x800u | p->msix_bar, 4);
	}
}

static uint32_t config_size(const struct vfio_user *v)
{
	return v->m->pci.pcie ? CONFIG_SIZE : 256;
}

static void config_write(struct vfio_user *v, uint32_t off, const uint8_t *data, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint8_t mask = v->cfg_mask[off + i];

		v->cfg[off + i] = (uint8_t)((v->cfg[off + i] & ~mask) | (data[i] & mask));
	}
	intx(v);
}

/* --- regions --- */

static uint32_t region_size(const struct vfio_user *v, uint32_t region)
{
	if (region == REGION_CONFIG)
		return config_size(v);
	return region < MODEL_BARS ? v->m->pci.bar[region].size : 0;
}

static bool is_msix(const struct vfio_user *v, uint32_t region)
{
	return v->m->pci.msix_vectors && region == v->m->pci.msix_bar;
}

static uint32_t take(const uint8_t *p, unsigned width)
{
	uint32_t value = 0;

	memcpy(&value, p, width);
	return value;
}

/* Make the processor's accesses; split widths that are not a power of two, which no processor makes, into bytes. */
static void region_access(struct vfio_user *v, uint32_t region, uint32_t off, uint8_t *data, uint32_t count, bool write)
{
	const struct model_ops *ops = v->m->ops;
	unsigned width = count == 1 || count == 2 || count == 4 ? count : count == 8 ? 4 : 1;

	if (region == REGION_CONFIG && write)
		config_write(v, off, data, count);
	else if (region == REGION_CONFIG)
		memcpy(data, v->cfg + off, count);
	else if (is_msix(v, region) && off + count <= sizeof(v->msix))
		write ? memcpy(v->msix + off, data, count) : memcpy(data, v->msix + off, count);
	else if (is_msix(v, region))
		memset(data, 0, count);
	else
		for (uint32_t i = 0; i < count; i += width) {
			if (write)
				ops->write(v->m, region, off + i, width, take(data + i, width));
			else
				put(data + i, ops->read(v->m, region, off + i, width), width);
		}
}

/* --- messages --- */

static bool read_all(struct vfio_user *v, uint8_t *to, size_t len)
{
	while (len) {
		union { char buf[CMSG_SPACE(sizeof(int) * MAX_FDS)]; struct cmsghdr align; } control;
		struct iovec iov = { to, len };
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
		};
		ssize_t n = recvmsg(v->fd, &msg, MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			int fds[MAX_FDS];
			size_t size = c->cmsg_type == SCM_RIGHTS ? c->cmsg_len - CMSG_LEN(0) : 0;

			memcpy(fds, CMSG_DATA(c), size);
			for (size_t i = 0; i < size / sizeof(int); i++) {
				if (v->nfds < MAX_FDS)
					v->fds[v->nfds++] = fds[i];
				else
					close(fds[i]);
			}
		}
		to += n;
		len -= (size_t)n;
	}
	return true;
}

static bool write_all(struct vfio_user *v, const uint8_t *from, size_t len)
{
	while (len) {
		ssize_t n = send(v->fd, from, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		len -= (size_t)n;
	}
	return true;
}

static size_t say_version(uint8_t *out)
{
	static const char caps[] = "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":4096}}";

	put(out, 0, 4);
	memcpy(out + 4, caps, sizeof(caps));
	return 4 + sizeof(caps);
}

static size_t words(uint8_t *out, unsigned n, ...)
{
	va_list ap;

	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		put(out + 4 * i, va_arg(ap, uint32_t), 4);
	va_end(ap);
	return 4 * n;
}

static int region_info(struct vfio_user *v, const uint8_t *body, size_t size, uint8_t *out, size_t *n)
{
	uint32_t index;

	if (size < 12)
		return EINVAL;
	index = take(body + 8, 4);
	if (index >= REGIONS)
		return EINVAL;
	/* Readable and writable; nothing to map. */
	*n = words(out, 8, 32u, region_size(v, index) ? 3u : 0u, index, 0u, region_size(v, index), 0u, 0u, 0u);
	return 0;
}

static int irq_info(struct vfio_user *v, const uint8_t *body, size_t size, uint8_t *out, size_t *n)
{
	const struct model_pci *p = &v->m->pci;
	uint32_t index, count = 0;

	if (size < 12)
		return EINVAL;
	index = take(body + 8, 4);
	if (index >= IRQS)
		return EINVAL;
	if (index == IRQ_INTX || (index == IRQ_MSI && p->msi))
		count = 1;
	else if (index == IRQ_MSIX)
		count = p->msix_vectors;
	/* By eventfd; a line can be masked, and masks itself. */
	*n = words(out, 4, 16u, index == IRQ_INTX ? 7u : 9u, index, count);
	return 0;
}

static int access_region(struct vfio_user *v, bool write, uint8_t *body, size_t size, uint8_t *out, size_t *n)
{
	uint64_t off;
	uint32_t region, count;

	if (size < 16)
		return EINVAL;
	memcpy(&off, body, 8);
	region = take(body + 8, 4);
	count = take(body + 12, 4);
	if (!count || count > MAX_ACCESS || off > region_size(v, region) || count > region_size(v, region) - off ||
	    (write && size < 16 + count))
		return EINVAL;
	memcpy(out, body, 16);
	*n = 16;
	if (write) {
		region_access(v, region, (uint32_t)off, body + 16, count, true);
	} else {
		region_access(v, region, (uint32_t)off, out + 16, count, false);
		*n += count;
	}
	return 0;
}

static void device_reset(struct vfio_user *v)
{
	make_config(v);
	v->m->ops->reset(v->m);
	vu_irq(v, false);
}

/* Return an error number, or 0 with @n bytes of answer. */
static int command(struct vfio_user *v, unsigned what, uint8_t *body, size_t size, uint8_t *out, size_t *n)
{
	switch (what) {
	case VU_VERSION: *n = say_version(out); return 0;
	case VU_DMA_MAP: return dma_map(v, body, size);
	case VU_DMA_UNMAP:
		if (size >= 24)
			memcpy(out, body, *n = 24);
		return dma_unmap(v, body, size);
	case VU_INFO: *n = words(out, 4, 16u, 3u, REGIONS, (uint32_t)IRQS); return 0;	/* PCI, can be reset */
	case VU_REGION_INFO: return region_info(v, body, size, out, n);
	case VU_IRQ_INFO: return irq_info(v, body, size, out, n);
	case VU_SET_IRQS: return set_irqs(v, body, size);
	case VU_READ: return access_region(v, false, body, size, out, n);
	case VU_WRITE: return access_region(v, true, body, size, out, n);
	case VU_RESET: device_reset(v); return 0;
	}
	return ENOTSUP;
}

bool vfio_user_serve(struct vfio_user *v)
{
	uint8_t in[MAX_MESSAGE], out[MAX_MESSAGE];
	struct header h, answer;
	size_t n = 0;
	int err;

	v->nfds = 0;
	if (!read_all(v, (uint8_t *)&h, sizeof(h)) || h.size < sizeof(h) || h.size > sizeof(in) ||
	    !read_all(v, in, h.size - sizeof(h)))
		return false;
	err = command(v, h.command, in, h.size - sizeof(h), out + sizeof(h), &n);
	for (unsigned i = 0; i < v->nfds; i++)
		if (v->fds[i] >= 0)
			close(v->fds[i]);
	if (h.flags & FLAG_NO_REPLY)
		return true;
	if (err)
		n = 0;
	answer = (struct header) {
		h.id, h.command, (uint32_t)(sizeof(h) + n), FLAG_REPLY | (err ? FLAG_ERROR : 0), (uint32_t)err,
	};
	memcpy(out, &answer, sizeof(answer));
	return write_all(v, out, sizeof(answer) + n);
}

uint64_t vfio_user_run(struct vfio_user *v)
{
	intx(v);
	return v->line && !v->masked && v->again_us ? v->again_us : MODEL_NEVER;
}

unsigned vfio_user_refused(const struct vfio_user *v)
{
	return v->refused;
}

struct vfio_user *vfio_user_new(struct model *m, int fd)
{
	struct vfio_user *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->m = m;
	v->fd = fd;
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < MAX_VECTORS; k++)
			v->event[i][k] = -1;
	m->host.ctx = v;
	m->host.dma = vu_dma;
	m->host.master = vu_master;
	m->host.irq = vu_irq;
	m->host.vector = vu_vector;
	make_config(v);
	return v;
}
