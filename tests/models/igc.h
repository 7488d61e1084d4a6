/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intel's I210, I211 and I350, I225 and I226, and the network cards of PCH chipsets as a model: registers, resets, one PHY
 * behind MDIC, four receive and four transmit queues with advanced and legacy descriptors, checksums and segmentation, MSI-X by
 * EICR and IVAR, MSI by ICR.  By the datasheets of I210 and I350; of I225 and I226, whose registers are the I210's for the most
 * part, by what public drivers agree on.
 *
 * PCH: 82579, I217, I218 and I219, by their datasheets and by what public drivers agree on.  They share the 8254x's registers
 * with the others, and have its descriptors; pch.h has what is theirs alone.
 *
 * Unit tests may set the fields below; veneer-model sets them by name (igc.c: set()).
 */
#ifndef IGC_MODEL_H
#define IGC_MODEL_H

#include "model.h"
#include "pch.h"

enum igc_reg {
	I_CTRL = 0x0000, I_STATUS = 0x0008, I_EECD = 0x0010, I_CTRL_EXT = 0x0018, I_MDIC = 0x0020, I_RCTL = 0x0100,
	I_TCTL = 0x0400, I_MDICNFG = 0x0e04, I_PHPM = 0x0e14, I_EEER = 0x0e30, I_IPCNFG = 0x0e38,
	I_ICR = 0x1500, I_ICS = 0x1504, I_IMS = 0x1508, I_IMC = 0x150c, I_IAM = 0x1510, I_GPIE = 0x1514,
	I_EICS = 0x1520, I_EIMS = 0x1524, I_EIMC = 0x1528, I_EIAC = 0x152c, I_EIAM = 0x1530, I_EICR = 0x1580,
	I_EITR = 0x1680, I_IVAR = 0x1700, I_IVAR_MISC = 0x1740,
	I_RXPBS = 0x2404, I_TXPBS = 0x3404, I_STATS = 0x4000, I_MPC = 0x4010, I_STATS_END = 0x4140,
	I_RXCSUM = 0x5000, I_RLPML = 0x5004, I_MTA = 0x5200, I_RAL = 0x5400, I_RAH = 0x5404, I_VFTA = 0x5600, I_MRQC = 0x5818,
	I_SWSM = 0x5b50, I_FWSM = 0x5b54, I_SW_FW_SYNC = 0x5b5c, I_RETA = 0x5c00, I_RSSRK = 0x5c80,
	I_RX = 0xc000, I_TX = 0xe000,			/* rings, 40h each */
	I_EERD = 0x12014, I_CFG_DONE = 0x12030, I_INVM = 0x12120, I_INVM_END = 0x12220, I_SPACE = 0x20000,
	/* also where older chips have them: the interrupt registers, the first ring, and all rings of I210 and I350 */
	I_ICR_OLD = 0xc0, I_ICS_OLD = 0xc8, I_IMS_OLD = 0xd0, I_IMC_OLD = 0xd8, I_IAM_OLD = 0xe0, I_RX_OLD = 0x2800,
	I_TX_OLD = 0x3800, I_EERD_OLD = 0x14,
};

/* Registers of a ring. */
enum {
	RING_BAL = 0x00, RING_BAH = 0x04, RING_LEN = 0x08, RING_SRRCTL = 0x0c, RING_HEAD = 0x10, RING_TAIL = 0x18,
	RING_DCTL = 0x28,
};

#define I_CTRL_MASTER_OFF	0x00000004u
#define I_CTRL_SLU		0x00000040u
#define I_CTRL_RST		0x04000000u
#define I_CTRL_DEV_RST		0x20000000u
#define I_CTRL_PHY_RST		0x80000000u
#define I_STATUS_MASTER		0x00080000u
#define I_STATUS_2500		0x00400000u
#define I_EECD_AUTO_RD		0x00000200u
#define I_EECD_FLASH		0x00080000u
#define I_SWSM_SMBI		0x1u
#define I_SWSM_SWESMBI		0x2u
#define I_SYNC_PHY		0x2u
#define I_INT_TXDW		0x00000001u
#define I_INT_LSC		0x00000004u
#define I_INT_RXDMT		0x00000010u
#define I_INT_RXO		0x00000040u
#define I_INT_RXDW		0x00000080u
#define I_INT_FER		0x00400000u	/* a bus error, fatal */
#define I_INT_DRSTA		0x40000000u
#define I_INT_ASSERTED		0x80000000u
#define I_GPIE_MSIX		0x00000010u
#define I_GPIE_EIAME		0x40000000u
#define I_EN			0x2u		/* RCTL and TCTL */
#define I_RCTL_UPE		0x00000008u
#define I_RCTL_MPE		0x00000010u
#define I_RCTL_LPE		0x00000020u
#define I_RCTL_BAM		0x00008000u
#define I_RCTL_VFE		0x00040000u
#define I_RCTL_SECRC		0x04000000u
#define I_DCTL_ENABLE		0x02000000u
#define I_CFG_DONE_PORT0	0x00040000u
#define I_RXPBS_DEFAULT		0x000000a2u
#define I_TXPBS_DEFAULT		0x04000014u

#define IGC_QUEUES		4u
#define IGC_VECTORS		5u
#define IGC_RARS		16u
#define IGC_MMD			64u		/* registers of the PHY behind MMD that the model can store */
#define IGC_NVM		0x140u		/* words */
#define IGC_FRAME_MAX		(65536u + 256u)	/* before segmentation */

enum igc_kind { IGC_I225, IGC_I210, IGC_I350, IGC_PCH };

struct igc_chip {
	const char *name;
	uint16_t device;
	uint8_t revision;
	uint32_t phy_id;
	enum igc_kind kind;
	bool flash;
	enum pch_kind pch;
};

/* A register of clause 45; of an I210's PHY also one of a page, whose @dev is IGC_PAGE and the page's number. */
#define IGC_PAGE		0x100u
#define IGC_EMI			0x200u		/* PCH: @reg is the number in the PHY's EMI */

struct igc_mmd {
	uint16_t dev, reg, value;
};

struct igc_queue {
	uint64_t on_us;			/* the enable bit reads as 1 from this time on; MODEL_NEVER: the queue is off */
};

/*
 * What the last context said, per queue and index: where the headers begin, where their sums are (0: nowhere), how long they
 * are together.
 */
struct igc_context {
	bool valid, can_cut;
	uint32_t ip, ip_end, ip_sum, l4, l4_sum, head, mss, payload;
	bool ipv4, udp;
};

struct igc {
	struct model m;
	const struct igc_chip *chip;

	/* the chip, and its surroundings */
	uint8_t mac[6];
	bool flash;			/* an NVM with a checksum; else the chip's fuses */
	bool cable, partner_half;
	unsigned mbps;			/* the partner's highest speed */
	uint64_t autoneg_us;
	bool pll_unset;			/* I210: the clock of the PHY did not come up */
	bool phy_off;			/* a previous driver has left the PHY powered down */
	unsigned fw_has_phy;		/* reads of SW_FW_SYNC that show firmware as the PHY's owner */
	unsigned fw_has_swsm;		/* requests for SWESMBI that fail */
	bool swsm_left;			/* a previous driver has left SMBI taken */
	bool pbs_left;			/* ... or packet buffers of 1 KiB */

	struct pch pch;

	/* faults */
	bool reset_stuck, gone, phy_dead, master_stuck, never_read, queue_stuck;
	bool no_autoload;		/* a reset loads no address */
	bool tx_hang;			/* the chip sends nothing */
	bool tx_stuck;			/* ... until a reset */
	unsigned lose_irqs;		/* the next interrupts to lose */
	unsigned lose_tails;		/* the next writes to a transmit tail to lose */
	uint64_t bad_rx;		/* inverts these bits in the next frame's descriptor */

	/* state */
	uint32_t r[I_SPACE / 4];
	uint16_t phy[32], mmd_at, nvm[IGC_NVM];
	struct igc_mmd mmd[IGC_MMD];
	unsigned nmmd;
	struct igc_queue rx[IGC_QUEUES], tx[IGC_QUEUES];
	struct igc_context context[IGC_QUEUES][2];
	uint64_t reset_us, read_us, mdic_us, phy_reset_us, link_us;
	bool phy_in_reset;
	bool link_told, irq_told;
	uint32_t eicr_told;
	bool dead;			/* after an error on the bus, until a reset */
	/* the frame that is being sent */
	bool busy, ready;		/* @ready: sent[] has a frame for the wire */
	unsigned busy_queue;
	uint32_t busy_end, frame_len, frame_at, cut, ncut;
	struct igc_context how;
	bool sum_l4, sum_ip;
	uint8_t frame[IGC_FRAME_MAX];

	/* seen */
	unsigned resets, phy_resets, nsent, nreceived, missed, refused_dma;
	uint32_t sent_len;		/* length of the last frame for the wire */
	uint8_t sent[MODEL_FRAME_MAX];
};

/* Make @c the chip of this name, at power-on; the caller then sets the host's functions.  False if there is no such chip. */
bool igc_init(struct igc *c, const char *chip);
/* Plug or pull the cable. */
void igc_cable(struct igc *c, bool in);
bool igc_has_link(const struct igc *c);

/* --- among the files of the model --- */

static inline uint32_t *igc_r(struct igc *c, uint32_t off) { return &c->r[off / 4]; }
static inline uint32_t igc_get(const struct igc *c, uint32_t off) { return c->r[off / 4]; }
static inline bool igc_is(const struct igc *c, enum igc_kind kind) { return c->chip->kind == kind; }
static inline uint64_t igc_now(const struct igc *c) { return c->m.host.now_us(c->m.host.ctx); }

/* True if the chip may make bus requests. */
static inline bool igc_master(const struct igc *c)
{
	return c->m.host.master(c->m.host.ctx) && !(igc_get(c, I_CTRL) & I_CTRL_MASTER_OFF);
}

#define igc_broken(chip, ...)	model_broken(&(chip)->m, __VA_ARGS__)
void igc_cause(struct igc *c, uint32_t bits);
/* Raise the interrupt of a queue, by the vector in IVAR and by ICR. */
void igc_queue_cause(struct igc *c, unsigned queue, bool tx);
void igc_count(struct igc *c, bool out, const uint8_t *frame, size_t len);
void igc_irq(struct igc *c);

/* igc_phy.c.  Registers 0 to 15 of the first page, and a place for a register of a kind (NULL: the table is full). */
uint16_t igc_mii_read(struct igc *c, unsigned reg);
void igc_mii_write(struct igc *c, unsigned reg, uint16_t value);
uint16_t *igc_mmd(struct igc *c, unsigned dev, unsigned reg);
void igc_negotiate(struct igc *c);
void igc_phy_power_on(struct igc *c);
void igc_phy_reset(struct igc *c);
void igc_phy_defaults(struct igc *c);
bool igc_phy_has_link(const struct igc *c);
unsigned igc_speed(const struct igc *c);
void igc_mdic(struct igc *c, uint32_t value);
uint32_t igc_status(const struct igc *c);		/* link, duplex, speed, as in STATUS */
/* Report the link if it has changed.  Return the time of its next change, or MODEL_NEVER. */
uint64_t igc_phy_run(struct igc *c);

/* igc_rings.c */
bool igc_queue_on(const struct igc *c, const struct igc_queue *q);
void igc_send(struct igc *c);
void igc_receive(struct igc *c, const uint8_t *frame, size_t len);
bool igc_rx_full(struct igc *c);

/* igc_offload.c.  Make the next frame for the wire, in c->sent, from c->frame by c->how.  False if there is none left. */
bool igc_next_frame(struct igc *c);
/* Return the status bits of a received frame: which checksums the chip has checked, and which are right. */
uint32_t igc_rx_sums(const struct igc *c, const uint8_t *frame, size_t len);
/* Return the queue of a received frame. */
unsigned igc_rss(const struct igc *c, const uint8_t *frame, size_t len);

#endif
