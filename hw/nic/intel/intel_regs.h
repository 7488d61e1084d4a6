/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of Intel's gigabit family: 8254x (Software Developer's Manual, 8254x SDM), 82574/82583 (82574 datasheet) and the
 * controllers in ICH and PCH chipsets (I217/I218/I219 datasheets).  The three share these offsets unless a line says
 * otherwise.  Bit-name tables for dumps stand beside the bits.
 */
#ifndef INTEL_REGS_H
#define INTEL_REGS_H

#include <veneer/types.h>

/* One named bit of a register, for intel_dump(). */
struct intel_bit {
	uint32_t mask;
	const char *name;
};

#define REG_CTRL		0x00000
#define  CTRL_FD		BIT(0)
#define  CTRL_GIO_MASTER_OFF	BIT(2)		/* PCI Express only, 82574 10.2.2.1 */
#define  CTRL_LRST		BIT(3)
#define  CTRL_ASDE		BIT(5)
#define  CTRL_SLU		BIT(6)
#define  CTRL_ILOS		BIT(7)
#define  CTRL_FRCSPD		BIT(11)
#define  CTRL_FRCDPX		BIT(12)
#define  CTRL_LANPHYPC_OVERRIDE	BIT(16)		/* PCH: the next bit drives the line that switches the PHY's power */
#define  CTRL_LANPHYPC		BIT(17)
#define  CTRL_RST		BIT(26)
#define  CTRL_RFCE		BIT(27)
#define  CTRL_TFCE		BIT(28)
#define  CTRL_VME		BIT(30)		/* strips VLAN tags */
#define  CTRL_PHY_RST		BIT(31)
#define CTRL_BITS { \
	{ CTRL_FD, "FD" }, { CTRL_GIO_MASTER_OFF, "GIO_MASTER_DISABLE" }, { CTRL_LRST, "LRST" }, { CTRL_ASDE, "ASDE" }, \
	{ CTRL_SLU, "SLU" }, { CTRL_ILOS, "ILOS" }, { CTRL_FRCSPD, "FRCSPD" }, { CTRL_FRCDPX, "FRCDPX" }, \
	{ CTRL_RST, "RST" }, { CTRL_RFCE, "RFCE" }, { CTRL_TFCE, "TFCE" }, { CTRL_VME, "VME" }, { CTRL_PHY_RST, "PHY_RST" } }

#define REG_CTRL_DUP		0x00004		/* 82545GM/82546GM: shadow of CTRL, by which a reset is safe */

#define REG_STATUS		0x00008
#define  STATUS_FD		BIT(0)
#define  STATUS_LU		BIT(1)
#define  STATUS_TXOFF		BIT(4)
#define  STATUS_SPEED		GENMASK(7, 6)	/* 0: 10, 1: 100, 2 and 3: 1000 Mb/s */
#define  STATUS_LAN_INIT_DONE	BIT(9)		/* PCH */
#define  STATUS_PHYRA		BIT(10)		/* PCH: PHY reset asserted */
#define  STATUS_PCIX		BIT(13)		/* 82545/82546: the bus runs in PCI-X mode, else plain PCI */
#define  STATUS_GIO_MASTER	BIT(19)		/* PCI Express: requests may be outstanding */
#define  STATUS_2500		BIT(22)		/* igc, beside SPEED: 2500 Mb/s */
#define STATUS_BITS { \
	{ STATUS_FD, "FD" }, { STATUS_LU, "LU" }, { STATUS_TXOFF, "TXOFF" }, { STATUS_LAN_INIT_DONE, "LAN_INIT_DONE" }, \
	{ STATUS_PHYRA, "PHYRA" }, { STATUS_PCIX, "PCIX" }, { STATUS_GIO_MASTER, "GIO_MASTER_ENABLE" } }

#define REG_EECD		0x00010
#define  EECD_AUTO_RD		BIT(9)		/* 82574: the automatic read of the EEPROM is over */

#define REG_EERD		0x00014
#define  EERD_START		BIT(0)
#define  EERD_DATA		GENMASK(31, 16)
#define  EERD_DONE_8254X	BIT(4)		/* 82540, 82545, 82546: 8254x SDM 13.4.4 */
#define  EERD_ADDR_8254X	GENMASK(15, 8)
#define  EERD_DONE		BIT(1)		/* 82541, 82574 */
#define  EERD_ADDR		GENMASK(15, 2)

#define REG_CTRL_EXT		0x00018
#define  CTRL_EXT_LPCD		BIT(2)		/* PCH: the PHY has its power again */
#define  CTRL_EXT_FORCE_SMBUS	BIT(11)		/* PCH */
#define  CTRL_EXT_RO_DIS	BIT(17)
#define  CTRL_EXT_IAME		BIT(27)		/* PCI Express: a read of ICR masks the causes in IAM */
#define  CTRL_EXT_DRV_LOAD	BIT(28)		/* tells firmware that a driver has the chip */
#define CTRL_EXT_BITS { \
	{ CTRL_EXT_FORCE_SMBUS, "FORCE_SMBUS" }, { CTRL_EXT_RO_DIS, "RO_DIS" }, { CTRL_EXT_IAME, "IAME" }, \
	{ CTRL_EXT_DRV_LOAD, "DRV_LOAD" } }

#define REG_MDIC		0x00020
#define  MDIC_DATA		GENMASK(15, 0)
#define  MDIC_REG		GENMASK(20, 16)
#define  MDIC_PHY		GENMASK(25, 21)
#define  MDIC_OP_WRITE		BIT(26)
#define  MDIC_OP_READ		BIT(27)
#define  MDIC_READY		BIT(28)
#define  MDIC_ERROR		BIT(30)

#define REG_FEXTNVM6		0x00010		/* PCH, where others have EECD */
#define  FEXTNVM6_PLL_CLK	BIT(8)
#define REG_FEXTNVM4		0x00024		/* PCH */
#define  FEXTNVM4_BEACON_8US	7u
#define REG_FEXTNVM3		0x0003c		/* PCH */
#define  FEXTNVM3_COUNTER	GENMASK(27, 26)	/* until the PHY is set up */
#define   FEXTNVM3_50MS		2u
#define REG_FCAL		0x00028
#define REG_FCAH		0x0002c
#define REG_FCT			0x00030
#define REG_VET			0x00038
#define REG_ICR			0x000c0		/* reading acknowledges */
#define REG_ITR			0x000c4		/* least time between interrupts, in 256 ns */
#define REG_ICS			0x000c8
#define REG_IMS			0x000d0
#define REG_IMC			0x000d8
#define REG_IAM			0x000e0		/* PCI Express */
/* One set of bits for ICR, ICS, IMS and IMC. */
#define  INT_TXDW		BIT(0)
#define  INT_TXQE		BIT(1)
#define  INT_LSC		BIT(2)
#define  INT_RXDMT0		BIT(4)
#define  INT_RXO		BIT(6)
#define  INT_RXT0		BIT(7)
#define  INT_FER		BIT(22)		/* igb, igc: fatal error in a memory of the chip */
#define  INT_DRSTA		BIT(30)		/* igb, igc: another port's driver has reset the whole device */
#define  INT_ASSERTED		BIT(31)		/* ICR, PCI Express */
#define INT_BITS { \
	{ INT_TXDW, "TXDW" }, { INT_TXQE, "TXQE" }, { INT_LSC, "LSC" }, { INT_RXDMT0, "RXDMT0" }, { INT_RXO, "RXO" }, \
	{ INT_RXT0, "RXT0" }, { INT_ASSERTED, "INT_ASSERTED" } }

#define REG_RCTL		0x00100
#define  RCTL_EN		BIT(1)
#define  RCTL_SBP		BIT(2)
#define  RCTL_UPE		BIT(3)
#define  RCTL_MPE		BIT(4)
#define  RCTL_LPE		BIT(5)		/* while clear the chip drops frames over 1522 bytes on the wire */
#define  RCTL_MO		GENMASK(13, 12)
#define  RCTL_BAM		BIT(15)
#define  RCTL_BSIZE		GENMASK(17, 16)
#define   RCTL_BSIZE_2048	0u
#define  RCTL_VFE		BIT(18)
#define  RCTL_SECRC		BIT(26)		/* strip the FCS */
#define RCTL_BITS { \
	{ RCTL_EN, "EN" }, { RCTL_SBP, "SBP" }, { RCTL_UPE, "UPE" }, { RCTL_MPE, "MPE" }, { RCTL_LPE, "LPE" }, \
	{ RCTL_BAM, "BAM" }, { RCTL_VFE, "VFE" }, { RCTL_SECRC, "SECRC" } }

#define REG_FCTTV		0x00170
#define REG_TCTL		0x00400
#define  TCTL_EN		BIT(1)
#define  TCTL_PSP		BIT(3)
#define  TCTL_CT		GENMASK(11, 4)
#define   TCTL_CT_DEFAULT	0x0fu
#define  TCTL_COLD		GENMASK(21, 12)
#define   TCTL_COLD_FD		0x40u
#define  TCTL_RTLC		BIT(24)
#define TCTL_BITS { { TCTL_EN, "EN" }, { TCTL_PSP, "PSP" }, { TCTL_RTLC, "RTLC" } }

#define REG_TIPG		0x00410
#define  TIPG_IPGT		GENMASK(9, 0)
#define   IPGT			8u
#define   IPGT_I219		12u		/* at 10 and 100 Mb/s, full duplex */
#define   IPGT_SLOWEST		255u		/* PCH: 10 Mb/s, half duplex */
#define  TIPG_8254X_COPPER	0x00602008u	/* IPGT 8, IPGR1 8, IPGR2 6: 8254x SDM 14.5 */

#define REG_EXTCNF_CTRL		0x00f00
#define  EXTCNF_SWFLAG		BIT(5)		/* PCH: software owns PHY and NVM; 82574: MDIO_SW_OWNERSHIP, the same bit */
#define REG_IOSFPC		0x00f28		/* PCH with I219, first generation */
#define  IOSFPC_HANG_FIX	BIT(16)

#define REG_RDBAL		0x02800
#define REG_RDBAH		0x02804
#define REG_RDLEN		0x02808		/* a multiple of 128 */
#define REG_RDH			0x02810
#define REG_RDT			0x02818
#define REG_RDTR		0x02820
#define REG_RXDCTL		0x02828
#define  RXDCTL_THRESHOLDS	GENMASK(13, 0)
#define  RXDCTL_PTHRESH		GENMASK(5, 0)
#define  RXDCTL_HTHRESH		GENMASK(13, 8)
#define  RXDCTL_GRAN		BIT(24)
#define REG_RADV		0x0282c
#define REG_KABGTXD		0x03004		/* PCH */
#define  KABGTXD_BGSQLBIAS	0x00050000u
#define REG_TDBAL		0x03800
#define REG_TDBAH		0x03804
#define REG_TDLEN		0x03808
#define REG_TDH			0x03810
#define REG_TDT			0x03818
#define REG_TIDV		0x03820		/* 1.024 us */
#define REG_TXDCTL		0x03828
#define  TXDCTL_PTHRESH		GENMASK(5, 0)
#define  TXDCTL_HTHRESH		GENMASK(13, 8)	/* must not be 0 unless PTHRESH is */
#define  TXDCTL_WTHRESH		GENMASK(21, 16)
#define  TXDCTL_COUNT_DESC	BIT(22)		/* PCI Express: must be 1 */
#define  TXDCTL_GRAN		BIT(24)		/* thresholds count descriptors, not cache lines */
#define REG_TADV		0x0382c
#define REG_TARC0		0x03840		/* PCI Express */
#define  TARC0_REQUESTS		GENMASK(29, 28)
#define REG_RXCSUM		0x05000
#define REG_RLPML		0x05004		/* 82575 on, perhaps 82574: longest frame with LPE, FCS included */
#define  RXCSUM_IPOFL		BIT(8)
#define  RXCSUM_TUOFL		BIT(9)
#define REG_RFCTL		0x05008
#define  RFCTL_NFSW_DIS		BIT(6)
#define  RFCTL_NFSR_DIS		BIT(7)
#define  RFCTL_EXSTEN		BIT(15)		/* extended receive descriptors; off: the ring's are legacy descriptors */
#define REG_MTA(i)		(0x05200 + 4 * (i))
#define  MTA_WORDS		128u		/* 8254x, 82574 */
#define  MTA_WORDS_PCH		32u
#define REG_RAL(i)		(0x05400 + 8 * (i))
#define REG_RAH(i)		(0x05404 + 8 * (i))
#define  RAH_ADDR		GENMASK(15, 0)
#define  RAH_AV			BIT(31)
#define REG_VFTA(i)		(0x05600 + 4 * (i))
#define  VFTA_WORDS		128u
#define REG_WUC			0x05800
#define REG_MANC		0x05820
#define  MANC_ARP_EN		BIT(13)		/* 8254x: firmware swallows ARP */
#define REG_GCR			0x05b00
#define  GCR_82574_FIX		BIT(22)
#define REG_H2ME		0x05b50		/* PCH: host to management engine */
#define  H2ME_ULP		BIT(11)
#define  H2ME_ENFORCE		BIT(12)
#define REG_FWSM		0x05b54		/* PCH: firmware status */
#define  FWSM_RSPCIPHY		BIT(6)		/* clear: the management engine forbids PHY resets */
#define  FWSM_ULP_CFG_DONE	BIT(10)
#define  FWSM_FW_VALID		BIT(15)
#define  FWSM_PCIM2PCI		BIT(24)		/* the engine holds the register path */
#define FWSM_BITS { \
	{ FWSM_RSPCIPHY, "RSPCIPHY" }, { FWSM_ULP_CFG_DONE, "ULP_CFG_DONE" }, { FWSM_FW_VALID, "FW_VALID" }, \
	{ FWSM_PCIM2PCI, "PCIM2PCI" } }
#define REG_GCR2		0x05b64
#define  GCR2_82574_FIX		BIT(0)
#define REG_FFLT_DBG		0x05f04		/* PCH */
#define  FFLT_DBG_DMA_CLK	BIT(12)		/* never gate the clock of DMA */
#define REG_FEXTNVM7		0x000e4		/* PCH */
#define  FEXTNVM7_SMB_PERST_OFF	BIT(5)
#define REG_FEXTNVM11		0x05bbc		/* PCH with I219 */
#define  FEXTNVM11_MULR_FIX_OFF	BIT(13)

#define REG_SPACE		0x06000u	/* bytes of BAR 0 that the driver maps */

/* PCI Express capability: Link Control. */
#define EXP_LINK_CONTROL	0x10
#define  LINK_ASPM		GENMASK(1, 0)

/* PCH with I219, configuration space: descriptors are stuck in the chip. */
#define PCI_DESC_RING_STATUS	0xe4
#define  DESC_RING_FLUSH	BIT(8)

/* PHY registers.  PCH: "page << 5 | register", pages from 768 answer at PHY address 1, the others at 2. */
#define PHY_BMCR		0
#define  BMCR_AN_RESTART	BIT(9)
#define  BMCR_POWER_DOWN	BIT(11)
#define  BMCR_AN_ENABLE		BIT(12)
#define PHY_BMSR		1
#define  BMSR_AN_COMPLETE	BIT(5)
#define PHY_ID1			2
#define PHY_EMI_AT		16		/* PCH */
#define PHY_EMI_DATA		17
#define  EMI_RX_82579		0x3412u		/* receive latency: 1; 0: small */
#define  EMI_RX_I217		0xb20cu
#define PHY_PAGE_SELECT		31
#define PHY_PAGE_SELECT_I210	22		/* the page's number */
#define PHY_PAGED(page, reg)	((uint32_t)(page) << 5 | (reg))
#define PHY_PAGE		GENMASK(15, 5)
#define PHY_REG			GENMASK(4, 0)
#define PHY_OEM			PHY_PAGED(768, 25)
#define  OEM_LPLU		BIT(2)		/* as slow a link as there is */
#define  OEM_GBE_OFF		BIT(6)
#define  OEM_AN_RESTART		BIT(10)
#define PHY_LPI_CTRL		PHY_PAGED(772, 20)
#define  LPI_CTRL_ON		GENMASK(14, 13)	/* at 100, at 1000 Mb/s */
#define PHY_PM_CTRL		PHY_PAGED(770, 17)
#define  PM_CTRL_K1		BIT(14)
#define  PM_CTRL_CLK_REQ	BIT(9)		/* K1 asks for its clock at 1000 Mb/s */
#define PHY_CLOCK_GATE		PHY_PAGED(772, 28)
#define  CLOCK_GATE		GENMASK(10, 0)
#define   CLOCK_GATE_SLOW	0x3e8u		/* 10 and 100 Mb/s */
#define   CLOCK_GATE_GIGA	0x0fau
#define   CLOCK_GATE_MTL	0x1d5u
#define PHY_DISTANCE		PHY_PAGED(776, 20)
#define  DISTANCE		GENMASK(11, 2)
#define   DISTANCE_GIGA		0x18u		/* at least */
#define  DISTANCE_SLOW		0xc023u		/* the whole register */
#define PHY_SMB_CTRL		PHY_PAGED(769, 23)
#define  SMB_CTRL_FORCE		BIT(0)
#define PHY_ULP_CONFIG1		PHY_PAGED(779, 16)
#define  ULP_START		BIT(0)
#define  ULP_IND		BIT(2)
#define  ULP_STICKY		BIT(4)
#define  ULP_INBAND_EXIT	BIT(5)
#define  ULP_WOL_HOST		BIT(6)
#define  ULP_RESET_TO_SMBUS	BIT(8)
#define  ULP_EN_LANPHYPC	BIT(10)
#define  ULP_STICKY_ON_PERST	BIT(11)
#define  ULP_SMB_PERST_OFF	BIT(12)

/* Receive descriptor, legacy format: 8254x SDM 3.2.3.  Second quadword. */
#define RXD_LENGTH		GENMASK64(15, 0)
#define RXD_STATUS		GENMASK64(39, 32)
#define  RXD_DD			BIT64(32)
#define  RXD_EOP		BIT64(33)
#define  RXD_IXSM		BIT64(34)	/* ignore the checksum bits */
#define  RXD_TCPCS		BIT64(37)	/* the chip has checked the TCP or UDP checksum */
#define  RXD_CE			BIT64(40)	/* FCS or alignment error */
#define  RXD_SE			BIT64(41)
#define  RXD_SEQ		BIT64(42)
#define  RXD_CXE		BIT64(44)
#define  RXD_TCPE		BIT64(45)
#define  RXD_IPE		BIT64(46)
#define  RXD_RXE		BIT64(47)

/* Transmit descriptor, extended formats: 8254x SDM 3.3.6 and 3.3.7.  Second quadword; DTYP 0 is context, 1 is data. */
#define TXD_LENGTH		GENMASK64(19, 0)
#define TXD_DTYP		GENMASK64(23, 20)
#define  TXD_DTYP_CONTEXT	0u
#define  TXD_DTYP_DATA		1u
#define TXD_EOP			BIT64(24)
#define TXD_IFCS		BIT64(25)
#define TXD_TUCMD_TCP		BIT64(24)	/* context */
#define TXD_TUCMD_IP		BIT64(25)	/* context: IPv4 */
#define TXD_TSE			BIT64(26)	/* in context and data: segment */
#define TXD_RS			BIT64(27)
#define TXD_DEXT		BIT64(29)
#define TXD_IDE			BIT64(31)	/* delay the interrupt of this descriptor by TIDV */
#define TXD_DD			BIT64(32)
#define TXD_IXSM		BIT64(40)	/* insert the IP checksum that the context describes */
#define TXD_TXSM		BIT64(41)	/* insert the TCP or UDP checksum */
#define TXC_HDRLEN		GENMASK64(47, 40)
#define TXC_MSS			GENMASK64(63, 48)
/* First quadword of a context. */
#define TXC_IPCSS		GENMASK64(7, 0)
#define TXC_IPCSO		GENMASK64(15, 8)
#define TXC_IPCSE		GENMASK64(31, 16)
#define TXC_TUCSS		GENMASK64(39, 32)
#define TXC_TUCSO		GENMASK64(47, 40)
#define TXC_TUCSE		GENMASK64(63, 48)	/* 0: to the end of the frame */
#define TXC_CSUM_REACH		255u

#endif
