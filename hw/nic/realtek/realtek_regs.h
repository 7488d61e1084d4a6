/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of Realtek's gigabit family: RTL8169 and 8110 (PCI), RTL8168, 8111, 8411 and 810xE (PCI Express), from the
 * datasheets of the RTL8169S and RTL8168B.  Registers marked "undocumented" are those on which the public drivers agree.
 */
#ifndef REALTEK_REGS_H
#define REALTEK_REGS_H

#include <veneer/types.h>

#define RTK_REG_SPACE		0x100u

#define RTK_IDR			0x00	/* station address, 6 bytes; written by dwords, while unlocked (9346CR) */
#define RTK_MAR			0x08	/* multicast hash, 64 bits; in reverse byte order on PCI Express chips */
#define RTK_TNPDS		0x20	/* transmit ring, 64 bits, a multiple of 256 */
#define RTK_CR			0x37	/* byte */
#define  CR_TE			BIT(2)
#define  CR_RE			BIT(3)
#define  CR_RST			BIT(4)		/* reads 0 when done */
#define  CR_STOP		BIT(7)		/* undocumented: finish the transfers in progress */
#define RTK_TPPOLL		0x38	/* byte */
#define  TPPOLL_NPQ		BIT(6)		/* the normal ring has frames to send */
#define RTK_IMR			0x3c	/* word */
#define RTK_ISR			0x3e	/* word; a 1 clears */
#define  INT_ROK		BIT(0)
#define  INT_RER		BIT(1)
#define  INT_TOK		BIT(2)
#define  INT_TER		BIT(3)
#define  INT_RDU		BIT(4)		/* a frame found no descriptor */
#define  INT_LINK		BIT(5)
#define  INT_FOVW		BIT(6)		/* the receiver's FIFO overflowed */
#define  INT_TIMEOUT		BIT(14)		/* TCTR has reached TIMERINT */
#define  INT_SERR		BIT(15)		/* error on the bus */
#define RTK_TCR			0x40
#define  TCR_MXDMA		GENMASK(10, 8)	/* 7: no limit */
#define  TCR_AUTO_FIFO		BIT(7)		/* 8168E-VL on */
#define  TCR_EMPTY		BIT(11)		/* 8168E-VL on: the transmitter is empty */
#define  TCR_IFG		GENMASK(25, 24)	/* 3: as 802.3 requires */
#define  TCR_VERSION		GENMASK(31, 20)	/* with holes: realtek_chip.c */
#define RTK_RCR			0x44
#define  RCR_AAP		BIT(0)		/* accept all unicast */
#define  RCR_APM		BIT(1)		/* accept unicast that matches IDR */
#define  RCR_AM			BIT(2)		/* accept multicast by MAR */
#define  RCR_AB			BIT(3)		/* accept broadcast */
#define  RCR_ACCEPT		GENMASK(5, 0)
#define RTK_TCTR		0x48	/* counts bus clocks; any write sets it to 0 */
#define RTK_9346CR		0x50	/* byte */
#define  EEM			GENMASK(7, 6)
#define   EEM_LOCKED		0u
#define   EEM_CONFIG		3u		/* IDR and CONFIG registers may be written */
#define RTK_CONFIG2		0x53	/* bytes */
#define  CONFIG2_66MHZ		BIT(0)		/* PCI */
#define  CONFIG2_MSI		BIT(5)		/* PCI */
#define  CONFIG2_CLKREQ		BIT(7)		/* undocumented; 8168E on */
#define RTK_CONFIG3		0x54
#define  CONFIG3_BEACON		BIT(0)
#define  CONFIG3_L23		BIT(1)		/* 8168G on: allow L2/L3 Ready */
#define  CONFIG3_JUMBO		BIT(2)
#define RTK_CONFIG4		0x55
#define  CONFIG4_JUMBO_B	BIT(0)		/* 8168B, 8168E */
#define  CONFIG4_JUMBO_C	BIT(1)		/* 8168C, 8168D */
#define RTK_CONFIG5		0x56
#define  CONFIG5_ASPM		BIT(0)		/* undocumented; 8168E on */
#define RTK_TIMERINT		0x58	/* 0: off */
#define RTK_PHYAR		0x60
#define  PHYAR_FLAG		BIT(31)		/* written 1: a write access; reads 1 after a read, 0 after a write */
#define  PHYAR_REG		GENMASK(20, 16)
#define  PHYAR_DATA		GENMASK(15, 0)
#define RTK_PHYSTATUS		0x6c	/* byte */
#define  PHYSTATUS_FULL		BIT(0)
#define  PHYSTATUS_LINK		BIT(1)
#define  PHYSTATUS_10		BIT(2)
#define  PHYSTATUS_100		BIT(3)
#define  PHYSTATUS_1000		BIT(4)
#define RTK_SC_CLOCK		0x7c	/* undocumented; 8169SC */
#define RTK_RMS			0xda	/* word: longest frame to receive, with FCS */
#define RTK_CPCR		0xe0	/* word */
#define  CPCR_MULRW		BIT(3)		/* PCI: whole cache lines */
#define  CPCR_NORMAL		BIT(13)
#define  CPCR_14		BIT(14)		/* undocumented; 8169S and 8110S: 1 */
#define RTK_MITIGATE		0xe2	/* word, undocumented: interrupt moderation */
#define RTK_RDSAR		0xe4	/* receive ring, like TNPDS */
#define RTK_MTPS		0xec	/* byte: longest frame to send, x 128 bytes; on PCI the early-send threshold, x 32 */

/* RTL8125 and RTL8126: these registers have other offsets and widths; the others are the family's.  No datasheet is public. */
#define RTK25_REG_SPACE		0x8000u
#define RTK25_INT_CFG0		0x34	/* byte; bit 0: causes in another layout, from 150h on */
#define RTK25_IMR		0x38	/* dword */
#define RTK25_ISR		0x3c	/* dword; the same bits as in RTK_ISR */
#define RTK25_INT_CFG1		0x7a	/* word; 8125B, 8126 */
#define RTK25_TPPOLL		0x90	/* word */
#define  TPPOLL25_Q0		BIT(0)
#define  PHYSTATUS_2500		BIT(10)	/* the register is a word */
#define  PHYSTATUS_5000		BIT(12)
#define RTK26_D8		0xd8	/* byte; 8126: bit 1 off */
#define RTK25_MITIGATE		0xa00	/* to 0xaff, 8125B and 8126 to 0xa7f: interrupt moderation, dwords */
#define RTK25_MAC		0x19e0	/* the factory address */

/* Undocumented from here on. */
#define RTK_ERIDR		0x70	/* 8168E-VL on: access to further registers of the MAC */
#define RTK_ERIAR		0x74
#define  ERIAR_FLAG		BIT(31)		/* like PHYAR_FLAG */
#define  ERIAR_BYTES		GENMASK(15, 12)
#define  ERIAR_ADDR		GENMASK(11, 0)
#define RTK_OCPDR		0xb0	/* 8168G on: the MAC's 16-bit registers */
#define RTK_PHYOCP		0xb8	/* 8168G on: the PHY's */
#define  OCP_FLAG		BIT(31)
#define  OCP_ADDR		GENMASK(30, 16)	/* address / 2 */
#define  OCP_DATA		GENMASK(15, 0)
#define RTK_DLLPR		0xd0	/* byte */
#define  DLLPR_PFM		BIT(6)
#define RTK_MCU			0xd3	/* byte; 8168E-VL on */
#define  MCU_LIST_READY		BIT(1)
#define  MCU_OOB_RESET		BIT(2)		/* 8105E, 8106E */
#define  MCU_NDP		BIT(3)
#define  MCU_RX_EMPTY		BIT(4)
#define  MCU_TX_EMPTY		BIT(5)
#define  MCU_OOB		BIT(7)		/* management owns the receiver */
#define RTK_MISC		0xf0	/* 8168E on */
#define  MISC_GATE		BIT(19)		/* 8168G on: no frame reaches the receiver */
#define  MISC_PWM		BIT(22)

/* Registers behind ERIAR. */
#define ERI_MAC			0xe0u		/* and 0xe4: the factory address */
#define ERI_MAC_COPY		0xf0u		/* and 0xf4: the same address, shifted by two bytes */
#define ERI_FILTER		0xdcu		/* bit 0 cleared and set: restarts the receive filter */

/* Registers behind OCPDR. */
#define OCP_LIST		0xe8deu
#define  LIST_OFF		BIT(14)
#define  LIST_BUILD		BIT(15)
#define OCP_L1_2		0xe092u		/* 8168H, 8125: low byte 0, no L1.2 */
#define OCP_READY		0xe00eu		/* 8125 */
#define  OCP_NOT_YET		BIT(13)

/* The PHY: IEEE 802.3, clause 22. */
#define OCP_PHY			0xa400u		/* address of the PHY's register 0 behind PHYOCP */
#define MII_BMCR		0u
#define  BMCR_RESTART		BIT(9)
#define  BMCR_PDOWN		BIT(11)
#define  BMCR_AN		BIT(12)
#define MII_ANAR		4u
#define  ANAR_10_100		GENMASK(8, 5)	/* both speeds in both duplexes */
#define MII_GBCR		9u
#define  GBCR_1000_FULL		BIT(9)
#define MII_MMD_DATA		14u
#define MII_ESTATUS		15u
#define  ESTATUS_1000_FULL	BIT(13)
#define MII_PAGE		31u
#define PHY_ADV_2500		0xeau		/* 8125: at A5D4h, as a register number of phy_read() */
#define  ADV_2500		BIT(7)
#define  ADV_5000		BIT(8)		/* 8126 */

/* Descriptors of both rings: four dwords, of which the last two are the buffer's address. */
#define DESC_OWN		BIT(31)		/* the chip owns the descriptor */
#define DESC_EOR		BIT(30)		/* last descriptor of the ring */
#define DESC_FIRST		BIT(29)
#define DESC_LAST		BIT(28)
#define RX_ERRORS		BIT(21)		/* set with any of the errors */
#define RX_LENGTH		GENMASK(12, 0)	/* with FCS; the 8168 has one bit more, which is 0 because of RMS */

#endif
