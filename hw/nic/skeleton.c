/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A NIC driver that compiles and matches no device: copy this file, rename "skel", and fill in the steps in their order.
 * docs/porting-a-nic.md says what each step must achieve and which test shows it; <veneer/nic.h> is the contract.
 * CONFIG_NIC_SKELETON links this file, so that the build keeps compiling it.
 *
 * Every operation already obeys its contract, as a NIC without link, frames and interrupts does: you can bind an unfinished
 * driver.
 */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/nic.h>
#include <veneer/string.h>
#include <veneer/time.h>

/* Step 1: put the registers into <chip>_regs.h, one mask per field, with the section of the datasheet. */
#define SKEL_REG_SPACE	0x1000u
#define SKEL_SLOTS	64u	/* descriptors, and the maximum of frames in flight: a power of two */
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
 * Step 2, reset.  Mask the interrupts, disable receiver and transmitter, then set the reset bit.  Each wait has a deadline
 * (wait_until()) and, if it ends late, a log line that names the register.  After the return there is no DMA: nic_stop()
 * relies on this.
 */
static int skel_reset(struct nic *nic)
{
	return 0;
}

/* After each reset: set the registers that stay until the next reset, except rings, filter and address. */
static void skel_setup(struct nic *nic)
{
}

/* Step 4, link.  The core calls this often: read a status register; do not make slow PHY accesses. */
static void skel_link(struct nic *nic, struct nic_link *out)
{
	memset(out, 0, sizeof(*out));
}

/*
 * Empty the rings, write their base addresses, enable receiver and transmitter.  If @again, give the chip the posted receive
 * buffers once more.
 */
static void skel_run(struct nic *nic, bool again)
{
}

/*
 * Step 5, transmit.  Write all descriptors of a frame that the core has checked, or none; the frame's number is
 * nic->txq[q].sent - 1.  skel_drain() returns frames with nic_tx_done(), in their order.
 */
static int skel_tx(struct nic *nic, unsigned q, const struct nic_tx *pkt)
{
	return -ERR_BUSY;
}

/* After dma_wmb(), make one register write for all frames since the last kick. */
static void skel_tx_kick(struct nic *nic, unsigned q)
{
}

/*
 * Step 6, receive.  Find out how many bytes the chip writes at most, errors and FCS included: every buffer must have that much
 * room, because the memory behind the buffer is the guest's.  If the chip has no such maximum, set NIC_CAP_RX_COPY.
 */
static int skel_rx_post(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token)
{
	return -ERR_BUSY;
}

static void skel_rx_kick(struct nic *nic, unsigned q)
{
}

/* Step 7, interrupt.  Read and acknowledge the causes, so that an INTx line falls.  Return NIC_GONE if they read all ones. */
static uint32_t skel_ack(struct nic *nic)
{
	return 0;
}

/* Pass completed descriptors to nic_rx_done() and nic_tx_done(), at most one ring's worth. */
static unsigned skel_drain(struct nic *nic, unsigned q, bool *more)
{
	return 0;
}

static void skel_irq(struct nic *nic, bool on)
{
}

/* Raise the interrupt, by the chip's software interrupt or its timer. */
static void skel_ring(struct nic *nic)
{
}

/* Step 8, hang.  Write the registers that help to understand why the transmitter hangs into @text. */
static void skel_hung(struct nic *nic, char *text, size_t size)
{
	fmt_string(text, size, "descriptor %u", nic->txq[0].done % SKEL_SLOTS);
}

/* Step 9, filter.  Keep the filter in the chip's format; skel_filter_write() writes it and nic->addr into the chip. */
static void skel_filter_make(struct nic *nic, const struct nic_rx_filter *f)
{
}

static void skel_filter_write(struct nic *nic)
{
}

/* Map the registers, allocate, reset.  Step 3: read the permanent address, from the chip after its reset or from its EEPROM. */
START_ONLY_CODE static int skel_attach(struct nic *nic)
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

START_ONLY_CODE static void skel_detach(struct nic *nic)
{
	mem_free(to_skel(nic)->rings);
}

static const struct nic_ops skel_ops = {
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
	START_ONLY_TABLE static const struct nic_driver drv = {
		"skel", sizeof(struct skel), SKEL_SLOTS, skel_attach, skel_detach, NULL
	};

	return nic_probe(&drv, &skel_ops, pci, id, unit, out);
}

/* No function has this class.  Without the class, HW_ANY as vendor and device would match every function. */
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
