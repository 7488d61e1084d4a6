/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QEMU's firmware configuration device reads and writes memory for whoever gives it an address by two ports, past each
 * IOMMU (QEMU, docs/specs/fw_cfg.rst, "DMA interface").  Veneer reads the guest's descriptor once, and has the device carry
 * out a copy if the memory is the guest's.  The device's other ports are the guest's.
 */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include <veneer/trap.h>
#include "hv/dev/ports.h"
#include "hv/mem/paging.h"
#include "hv/pci/pci.h"

#define PCI_SUBSYSTEM	0x2c
#define QEMU		0x11001af4u	/* subsystem of QEMU's host bridges */
#define SELECTOR	0x510
#define DATA		0x511
#define  KEY_SIGNATURE	0
#define DMA		0x514		/* the address's upper half, then its lower half, which begins the transfer */
#define DMA_PORTS	8u
#define DMA_TIMEOUT_US	1000000u

/* All of it is big-endian. */
struct descriptor {
	uint32_t control, length;
	uint64_t address;
};

#define CONTROL_ERROR	BIT(0)
#define CONTROL_READ	BIT(1)
#define CONTROL_WRITE	BIT(4)

static volatile struct descriptor copy __attribute__((aligned(16)));
static uint32_t upper;

/* Page 0, too, is the guest's memory: QEMU's machines have RAM there. */
static volatile uint8_t *byte_at(uint64_t gpa)
{
	return gpa < PAGE_SIZE ? paging_first_page() + gpa : gmem_ptr(gpa, 1);
}

static bool is_guests(uint64_t gpa, uint64_t len)
{
	uint64_t first = gpa < PAGE_SIZE ? MIN(len, PAGE_SIZE - gpa) : 0;

	return first == len || gmem_valid(gpa + first, len - first);
}

/* True if the device may do what the descriptor says: it touches memory to read and to write items. */
static bool allowed(const struct descriptor *d)
{
	uint32_t control = __builtin_bswap32(d->control), length = __builtin_bswap32(d->length);

	return !(control & (CONTROL_READ | CONTROL_WRITE)) || !length || is_guests(__builtin_bswap64(d->address), length);
}

/* Have the device carry out the copy.  Return what it leaves in the control word. */
static uint32_t transfer(const struct descriptor *d)
{
	uint64_t at = mem_phys((const void *)&copy);

	copy.length = d->length;
	copy.address = d->address;
	copy.control = d->control;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	pio_write32(DMA, __builtin_bswap32((uint32_t)(at >> 32)));
	pio_write32(DMA + 4, __builtin_bswap32((uint32_t)at));
	if (wait_until(!(__builtin_bswap32(copy.control) & ~CONTROL_ERROR), DMA_TIMEOUT_US))
		return copy.control;
	log_err("fw_cfg: a transfer did not end within 1 s: control word %#x", __builtin_bswap32(copy.control));
	return __builtin_bswap32(CONTROL_ERROR);
}

/* The descriptor may lie anywhere, and cross pages. */
static void begin(uint64_t gpa)
{
	static bool said;
	struct descriptor d;
	uint8_t *byte = (uint8_t *)&d;

	if (!is_guests(gpa, sizeof(d)))
		return;
	for (unsigned i = 0; i < sizeof(d); i++)
		byte[i] = *byte_at(gpa + i);
	if (allowed(&d)) {
		d.control = transfer(&d);
	} else {
		log_err_once(said, "fw_cfg: the guest's transfer at %#lx is refused: no memory of the guest's",
			     __builtin_bswap64(d.address));
		d.control = __builtin_bswap32(CONTROL_ERROR);
	}
	for (unsigned i = 0; i < sizeof(d.control); i++)
		*byte_at(gpa + i) = byte[i];
}

static uint64_t dma_read(void *ctx, uint32_t off, unsigned width)
{
	return port_in((uint16_t)(DMA + off), width);
}

/* The device takes words of 32 bits. */
static void dma_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	uint64_t high = (uint64_t)upper << 32;

	if (width != 4 || off % 4)
		return;
	upper = off ? 0 : __builtin_bswap32((uint32_t)value);
	if (off)
		begin(high | __builtin_bswap32((uint32_t)value));
}

static bool is_there(void)
{
	static const char signature[4] = { 'Q', 'E', 'M', 'U' };
	const struct pci_dev *d = pci_find(0);
	bool is = d && pci_read32(d, PCI_SUBSYSTEM) == QEMU;

	if (!is)
		return false;
	pio_write16(SELECTOR, KEY_SIGNATURE);
	for (unsigned i = 0; i < sizeof(signature); i++)
		is &= pio_read8(DATA) == (uint8_t)signature[i];
	return is;
}

int fwcfg_init(void)
{
	static const struct trap_ops ops = { .read = dma_read, .write = dma_write };
	struct trap *t;

	if (!is_there())
		return 0;
	t = trap_new_pio("fw_cfg", DMA_PORTS, &ops, NULL);
	return t ? trap_place(t, DMA) : -ERR_NOMEM;
}
