/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A NIC driver that compiles and matches no device: copy it, rename "skel", and fill in the steps in their order.
 * docs/porting-a-nic.md says what each step must achieve and which test shows it; <veneer/nic.h> is the contract.
 * CONFIG_NIC_SKELETON links this file, so that it keeps compiling.
 *
 * Every operation already behaves as its contract allows for a NIC that has nothing: a driver in progress can be bound.
 */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/nic.h>
#include <veneer/string.h>
#include <veneer/time.h>

/* Step 1: registers belong into <chip>_regs.h, one mask per field, with the section of the datasheet. */
#define SKEL_REG_SPACE	0x1000u
#define SKEL_SLOTS	64u	/* descriptors, and frames under way at most: a power of two */
#define SKEL_INT_LINK	BIT(0)

struct skel {
	struct nic nic;		/* first */
	volatile uint8_t *regs;
	void *rings;
};

static struct skel *to_skel(struct nic *nic)
{
	return container_of(nic, struct skel, nic);
}

/*
 * Step 2, reset.  Interrupts masked first, then receiver and transmitter off, then the reset bit, each with a deadline and a
 * line that names the register: wait_until().  When this returns no DMA is under way: nic_stop() relies on it.
 */
static int skel_reset(struct nic *nic)
{
	return 0;
}

/* After each reset: set the registers that stay until the next reset, except rings, filter and address. */
static void skel_setup(struct nic *nic)
{
}

/* Step 4, link.  Called often: read a status register; do not make slow PHY accesses. */
static void skel_link(struct nic *nic, struct nic_link *out)
{
	memset(out, 0, sizeof(*out));
}

/* Rings empty, base addresses written, both units on.  @again: receive buffers that were posted are told once more. */
static void skel_run(struct nic *nic, bool again)
{
}

/*
 * Step 5, transmit.  Descriptors for a frame that the core has checked, whole or not at all: frame number
 * nic->txq[q].sent - 1.  Return frames with nic_tx_done(), from skel_drain(), in their order.
 */
static int skel_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt)
{
	return -ERR_BUSY;
}

/* One register write for all frames since the last kick, after dma_wmb(). */
static void skel_tx_kick(struct nic *nic, unsigned q)
{
}

/*
 * Step 6, receive.  Think hard about how many bytes the chip may write at most, errors and FCS included: that much room must be
 * behind every address, for the memory is the guest's own.  A chip that cannot be bounded takes NIC_CAP_RX_COPY.
 */
static int skel_rx_post(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token)
{
	return -ERR_BUSY;
}

static void skel_rx_kick(struct nic *nic, unsigned q)
{
}

/* Step 7, interrupt.  Read the causes and write them back; an INTx line must fall by this.  ~0: NIC_GONE. */
static uint32_t skel_ack(struct nic *nic)
{
	return 0;
}

/* Pass completed descriptors to nic_rx_done() and nic_tx_done(), at most one ring of them. */
static unsigned skel_drain(struct nic *nic, unsigned q, bool *more)
{
	return 0;
}

static void skel_irq(struct nic *nic, bool on)
{
}

/* By a software interrupt, or a timer. */
static void skel_ring(struct nic *nic)
{
}

/* Step 8, hang: log the registers that help to understand why the transmitter hangs. */
static void skel_hung(struct nic *nic, char *text, size_t size)
{
	fmt_string(text, size, "descriptor %u", nic->txq[0].done % SKEL_SLOTS);
}

/* Step 9, filter: into the driver's own form, and from there, with nic->addr, into the chip. */
static void skel_filter_make(struct nic *nic, const struct nic_rx_filter *f)
{
}

static void skel_filter_write(struct nic *nic)
{
}

/* Registers, memory, reset, step 3: the permanent address, from the chip after its reset, else from its EEPROM. */
static int skel_attach(struct nic *nic)
{
	static const uint8_t placeholder[6] = { 0x02 };
	struct skel *s = to_skel(nic);
	int err;

	s->regs = pci_map_bar(nic->hw.pci, 0, SKEL_REG_SPACE);
	if (!s->regs)
		return -ERR_NODEV;
	s->rings = mem_alloc(PAGE_SIZE, PAGE_SIZE);
	if (!s->rings)
		return -ERR_NOMEM;
	err = skel_reset(nic);
	if (err)
		return err;
	memcpy(nic->mac, placeholder, 6);
	nic->tx_slots = nic->rx_slots = SKEL_SLOTS - 1;
	nic->link_cause = SKEL_INT_LINK;
	return 0;
}

static void skel_detach(struct nic *nic)
{
	mem_free(to_skel(nic)->rings);
}

static const struct nic_ops skel_ops = {
	.attach = skel_attach,
	.detach = skel_detach,
	.reset = skel_reset,
	.setup = skel_setup,
	.run = skel_run,
	.link = skel_link,
	.tx = skel_tx,
	.tx_kick = skel_tx_kick,
	.rx_post = skel_rx_post,
	.rx_kick = skel_rx_kick,
	.ack = skel_ack,
	.drain = skel_drain,
	.irq = skel_irq,
	.ring = skel_ring,
	.filter_make = skel_filter_make,
	.filter_write = skel_filter_write,
	.hung = skel_hung,
};

static int skel_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	const struct nic_driver drv = { "skel", sizeof(struct skel), SKEL_SLOTS, &skel_ops };

	return nic_probe(&drv, pci, id, unit, out);
}

/* A class that no function has: HW_ANY in both would match them all without the class. */
static const struct hw_id skel_ids[] = {
	{ .vendor = HW_ANY, .device = HW_ANY, .class_code = 0xffffff, .class_mask = 0xffffff, .model = "skeleton" },
};

static const struct hw_driver skel_driver = {
	.name = "skel",
	.class = HW_NIC,
	.ids = skel_ids,
	.nids = ARRAY_SIZE(skel_ids),
	.probe = skel_probe,
};

HW_DRIVER(skel_driver);
