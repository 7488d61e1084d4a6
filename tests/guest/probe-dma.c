/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest whose devices do DMA to what Veneer hides: QEMU's "edu" device and an NVMe controller that are left to the guest
 * write at two pages of Veneer's image, which the start alone needs, and "edu" also at a register of a concealed device.  What
 * arrived is seen on the host; here it is checked that the devices work.  Then the probe stays, without any exit.
 * Options, in hexadecimal: edu=00:04.0 nvme=00:05.0 register=ADDR.
 */
#include "vio.h"

#define EDU_ID		0x11e81234u
#define EDU_SOURCE	0x80
#define EDU_TARGET	0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define  EDU_START	1u
#define  EDU_OUT	2u
#define EDU_BUFFER	0x40000u

/* NVM Express 1.4, 3.1 and 5.15 */
#define NVME_CAP_HIGH	0x04
#define NVME_CC		0x14
#define NVME_CSTS	0x1c
#define NVME_AQA	0x24
#define NVME_ASQ	0x28
#define NVME_ACQ	0x30
#define NVME_BELLS	0x1000
#define ADM_IDENTIFY	6u
#define IDENTIFY_CTRL	1u
#define MS_WAIT		5000u

const char probe_name[] = "probe-dma";

static uint8_t page[4096] __attribute__((aligned(4096)));
static uint32_t sq[1024] __attribute__((aligned(4096))), cq[1024] __attribute__((aligned(4096)));

static bool bdf_option(const char *name, pci_bdf *out)
{
	const char *s = boot_option(name);

	return s && take_bdf(&s, out);
}

/* Veneer's image begins at the address that its log names: its first pages are for the start alone. */
static uint32_t image_base(void)
{
	static const char words[] = "of it image, from 0x";
	uint32_t at = 0;

	for (uint32_t off = 0; off < 0x10000; off += 2048) {
		uint32_t a = VENEER_CALL | VENEER_CALL_LOG, b = off, c = (uint32_t)page;

		if (try_hypercall(&a, &b, &c) != NO_TRAP || a || b <= sizeof(words))
			break;
		for (uint32_t i = 0; i + sizeof(words) + 8 < sizeof(page) && !at; i++) {
			const char *s = (const char *)page + i;

			if (!strncmp(s, words, sizeof(words) - 1)) {
				s += sizeof(words) - 1;
				take_hex(&s, &at);
			}
		}
	}
	return at;
}

static volatile uint8_t *device(pci_bdf bdf)
{
	pci_write16(bdf, PCI_COMMAND, pci_read16(bdf, PCI_COMMAND) | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return pci_memory_bar(bdf, 0);
}

static bool edu_copy(volatile uint8_t *edu, uint32_t from, uint32_t to, uint32_t count, uint32_t way)
{
	write32(edu + EDU_SOURCE, from);
	write32(edu + EDU_TARGET, to);
	write32(edu + EDU_COUNT, count);
	write32(edu + EDU_COMMAND, EDU_START | way);
	for (uint32_t i = 0; i < MS_WAIT; i++) {
		if (!(read32(edu + EDU_COMMAND) & EDU_START))
			return true;
		delay_us(1000);
	}
	return false;
}

static void try_edu(pci_bdf bdf, uint32_t veneer)
{
	static const char text[64] = "edu was here, and wrote these words over Veneer";
	static const uint32_t tail = 0x0d0d;
	static char back[64];
	volatile uint8_t *edu = device(bdf);
	const char *reg = boot_option("register");
	uint32_t bell;

	if (!check(pci_read32(bdf, PCI_VENDOR), EDU_ID, "dma: edu is there") || !edu)
		return;
	check(edu_copy(edu, (uint32_t)text, EDU_BUFFER, sizeof(text), 0), true, "dma: edu reads the guest's memory");
	check(edu_copy(edu, EDU_BUFFER, (uint32_t)back, sizeof(back), EDU_OUT), true, "dma: edu writes the guest's memory");
	check(memcmp(back, text, sizeof(text)), 0, "dma: edu copies");
	check(edu_copy(edu, EDU_BUFFER, veneer, sizeof(text), EDU_OUT), true, "dma: edu ends a write to Veneer");
	if (!reg || !take_hex(&reg, &bell))
		return;
	check(edu_copy(edu, (uint32_t)&tail, EDU_BUFFER, sizeof(tail), 0), true, "dma: edu reads the number");
	check(edu_copy(edu, EDU_BUFFER, bell, sizeof(tail), EDU_OUT), true, "dma: edu ends a write to %x", bell);
}

static bool nvme_start(volatile uint8_t *r)
{
	write32(r + NVME_CC, 0);
	for (uint32_t i = 0; read32(r + NVME_CSTS) & 1; i++) {
		if (i == MS_WAIT)
			return false;
		delay_us(1000);
	}
	memset(cq, 0, sizeof(cq));
	write32(r + NVME_AQA, 7u << 16 | 7);
	write32(r + NVME_ASQ, (uint32_t)sq);
	write32(r + NVME_ASQ + 4, 0);
	write32(r + NVME_ACQ, (uint32_t)cq);
	write32(r + NVME_ACQ + 4, 0);
	write32(r + NVME_CC, 4u << 20 | 6u << 16 | 1);
	for (uint32_t i = 0; !(read32(r + NVME_CSTS) & 1); i++) {
		if (i == MS_WAIT)
			return false;
		delay_us(1000);
	}
	return true;
}

/* Command @n is an Identify Controller whose data go to @to. */
static bool nvme_identify(volatile uint8_t *r, uint32_t n, uint32_t to)
{
	volatile uint32_t *done = &cq[4 * n + 3];

	memset(&sq[16 * n], 0, 64);
	sq[16 * n] = ADM_IDENTIFY | (n + 1) << 16;
	sq[16 * n + 6] = to;
	sq[16 * n + 10] = IDENTIFY_CTRL;
	__asm__ volatile("" : : : "memory");
	write32(r + NVME_BELLS, n + 1);
	for (uint32_t i = 0; !(*done >> 16 & 1); i++) {
		if (i == MS_WAIT)
			return false;
		delay_us(1000);
	}
	return true;
}

static void try_nvme(pci_bdf bdf, uint32_t veneer)
{
	volatile uint8_t *r = device(bdf);

	if (!r || !check(nvme_start(r), true, "dma: the left NVMe controller starts"))
		return;
	memset(page, 0, sizeof(page));
	check(nvme_identify(r, 0, (uint32_t)page), true, "dma: identify into the guest's memory");
	check(strncmp((char *)page + 24, "QEMU NVMe Ctrl", 14), 0, "dma: the data arrive there");
	check(nvme_identify(r, 1, veneer), true, "dma: identify into Veneer's memory");
}

void probe(void)
{
	uint32_t veneer = image_base();
	pci_bdf bdf;

	if (!check(veneer != 0, true, "dma: the log says where Veneer's image is"))
		return;
	if (bdf_option("edu", &bdf))
		try_edu(bdf, veneer);
	if (bdf_option("nvme", &bdf))
		try_nvme(bdf, veneer + 4096);
	note("dma: done");
	if (!option_present("stay"))
		return;
	for (;;)
		__asm__ volatile("pause");
}
