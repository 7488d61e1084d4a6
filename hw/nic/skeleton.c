/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A NIC driver that compiles and matches no device: copy it, rename "skel", and fill in the steps in their order.
 * docs/porting-a-nic.md says what each step must achieve and which test shows it.  CONFIG_NIC_SKELETON links it, so that it
 * keeps compiling.
 *
 * Every operation already behaves as its contract allows for a NIC that has nothing: a driver in progress can be bound.
 */
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/nic.h>
#include <veneer/string.h>
#include <veneer/time.h>

/* Step 1: registers belong into <chip>_regs.h, one mask per field, with the section of the datasheet. */
#define SKEL_REG_SPACE	0x1000u
#define SKEL_SLOTS	64u

struct skel {
	struct hw_dev hw;
	struct nic nic;
	volatile uint8_t *regs;
	uint8_t mac[6];
	bool running;
};

static struct skel *from_nic(struct nic *nic)
{
	return container_of(nic, struct skel, nic);
}

static struct skel *from_hw(struct hw_dev *hw)
{
	return container_of(hw, struct skel, hw);
}

/*
 * Step 2, reset.  Interrupts masked first, then receiver and transmitter off, then the reset bit, each with a deadline and a
 * line that names the register.  On return no DMA is under way: stop() relies on it.
 */
static int skel_reset(struct skel *s)
{
	s->running = false;
	return 0;
}

/* Step 3, address: from the chip after its reset, else from its EEPROM; multicast and all-zero addresses are refused. */
static int skel_read_mac(struct skel *s)
{
	static const uint8_t placeholder[6] = { 0x02 };

	memcpy(s->nic.mac, placeholder, 6);
	memcpy(s->mac, s->nic.mac, 6);
	return 0;
}

/* Step 4, link.  Called often: from a status register, no PHY access that takes long. */
static void skel_link(struct nic *nic, struct nic_link *out)
{
	memset(out, 0, sizeof(*out));
}

/* Rings empty, base addresses written, receiver and transmitter on, filter and MAC as last set. */
static int skel_start(struct nic *nic)
{
	struct skel *s = from_nic(nic);

	s->running = true;
	return 0;
}

/* After this the client's memory belongs to somebody else.  When in doubt whether the chip is quiet: reset it. */
static void skel_stop(struct nic *nic)
{
	(void)skel_reset(from_nic(nic));
}

/*
 * Step 5, transmit.  Check everything first (lengths, addresses against dma_mask), then take descriptors: a frame is queued
 * whole or not at all.  Return every token exactly once, from poll, in the order of the frames.
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
 * Step 6, receive.  Think hard about how many bytes the chip may write at most, errors included: that much room must be
 * behind every address, for it is the guest's own memory.  A chip that cannot be bounded takes NIC_CAP_RX_COPY.
 */
static int skel_rx_post(struct nic *nic, unsigned q, uint64_t addr, uint32_t len, void *token)
{
	return -ERR_BUSY;
}

static void skel_rx_kick(struct nic *nic, unsigned q)
{
}

/*
 * Step 7, interrupt.  Acknowledge first, drain afterwards: what comes between rings again.  A line (INTx) must have fallen when
 * this returns.  At most one ring's worth per call; flush() once when any token went back.  A chip without MSI also needs
 * hw_dev_ops.intx_test, and one whose transmitter can hang (step 8) hw_dev_ops.tick.
 */
static unsigned skel_poll(struct hw_dev *hw)
{
	return 0;
}

static void skel_irq_enable(struct hw_dev *hw, bool on)
{
}

/* Step 9, filter.  What the hardware cannot hold makes it wider, never narrower; a reset must not lose it. */
static void skel_set_mac(struct nic *nic, const uint8_t mac[6])
{
	memcpy(from_nic(nic)->mac, mac, 6);
}

static void skel_set_filter(struct nic *nic, const struct nic_rx_filter *f)
{
}

/* Step 10, close.  Twice is harmless. */
static void skel_shutdown(struct hw_dev *hw)
{
	(void)skel_reset(from_hw(hw));
	pci_master_off(hw->pci);
}

static const struct nic_ops skel_nic_ops = {
	.start = skel_start,
	.stop = skel_stop,
	.tx = skel_tx,
	.tx_kick = skel_tx_kick,
	.rx_post = skel_rx_post,
	.rx_kick = skel_rx_kick,
	.link = skel_link,
	.set_mac = skel_set_mac,
	.set_filter = skel_set_filter,
};

static const struct hw_dev_ops skel_hw_ops = {
	.poll = skel_poll,
	.irq_enable = skel_irq_enable,
	.shutdown = skel_shutdown,
};

static void skel_describe(struct skel *s, const struct pci_dev *pci)
{
	s->hw.ops = &skel_hw_ops;
	s->hw.pci = pci;
	s->hw.nic = &s->nic;
	s->nic.ops = &skel_nic_ops;
	s->nic.name = s->hw.name;
	s->nic.dma_mask = 0xffffffffull;
	s->nic.nqueues = 1;
	s->nic.tx_slots = s->nic.rx_slots = SKEL_SLOTS;
}

/* Everything in one ladder: each undo stands above the label that needs it. */
static int skel_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	struct skel *s = mem_alloc(sizeof(*s), 16);
	int err = -ERR_NOMEM;

	if (!s)
		goto failed;
	fmt_string(s->hw.name, sizeof(s->hw.name), "skel%u", unit);
	pci_power_on(pci);
	err = -ERR_NODEV;
	s->regs = pci_map_bar(pci, 0, SKEL_REG_SPACE);
	if (!s->regs)
		goto free_skel;
	pci_enable(pci);
	skel_describe(s, pci);
	err = skel_reset(s);
	if (!err)
		err = skel_read_mac(s);
	if (err)
		goto quiet;
	*out = &s->hw;
	return 0;

quiet:
	pci_master_off(pci);
free_skel:
	mem_free(s);
failed:
	log_err("skel%u: %s at " PCI_FMT " not taken over: %s", unit, id->model, PCI_ARGS(pci->bdf), err_name(err));
	return err;
}

/* Vendor and device FFFF with a class that no function has: HW_ANY in both would match them all without the class. */
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
