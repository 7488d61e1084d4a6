/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of Realtek's RTL8139 in its classic mode, from the datasheet of the RTL8139C(L)/D, chapters 6 and 7.  The driver
 * does not use C+ mode (descriptors in memory); chips that have C+ mode start in classic mode.
 */
#ifndef RTL8139_REGS_H
#define RTL8139_REGS_H

#include <veneer/types.h>

#define RTL_REG_SPACE		0x100u

#define RTL_IDR			0x00	/* station address, 6 bytes; read in any width, written by dwords only */
#define RTL_MAR			0x08	/* multicast hash, 64 bits; written by dwords only */
#define RTL_TSD(n)		(0x10 + 4 * (n))
#define  TSD_SIZE		GENMASK(12, 0)	/* at most 1792; the chip does not pad */
#define  TSD_OWN		BIT(13)		/* 1: the chip has read the buffer; the driver owns it */
#define  TSD_TUN		BIT(14)		/* the FIFO ran dry; the frame may have gone out broken */
#define  TSD_TOK		BIT(15)
#define  TSD_ERTXTH		GENMASK(21, 16)	/* fill of the FIFO at which sending begins, x 32 bytes */
#define  TSD_OWC		BIT(29)		/* late collision */
#define  TSD_TABT		BIT(30)		/* given up after too many collisions; TCR_CLRABT sends again */
#define  TSD_CRS		BIT(31)		/* carrier lost while sending */
#define RTL_TSAD(n)		(0x20 + 4 * (n))	/* buffer, aligned to 4 */
#define RTL_RBSTART		0x30
#define RTL_CR			0x37	/* byte */
#define  CR_BUFE		BIT(0)		/* the receive buffer is empty */
#define  CR_TE			BIT(2)
#define  CR_RE			BIT(3)
#define  CR_RST			BIT(4)		/* reads 0 when done; IDR, MAR and configuration space stay */
#define RTL_CAPR		0x38	/* word: software's read offset, minus 16 */
#define RTL_CBR			0x3a	/* word: the chip's write offset */
#define RTL_IMR			0x3c	/* word */
#define RTL_ISR			0x3e	/* word; a 1 clears */
#define  INT_ROK		BIT(0)
#define  INT_RER		BIT(1)
#define  INT_TOK		BIT(2)
#define  INT_TER		BIT(3)
#define  INT_RXOVW		BIT(4)		/* the buffer is full */
#define  INT_PUN		BIT(5)		/* link change; also CAPR written with an empty buffer */
#define  INT_FOVW		BIT(6)		/* the FIFO overflowed */
#define  INT_TIMEOUT		BIT(14)		/* TCTR has reached TIMERINT */
#define  INT_SERR		BIT(15)		/* PCI error */
#define RTL_TCR			0x40
#define  TCR_CLRABT		BIT(0)
#define  TCR_MXDMA		GENMASK(10, 8)	/* 16 bytes << n */
#define  TCR_IFG		GENMASK(25, 24)	/* 3: 960 ns at 100 Mb/s, the only value that 802.3 allows */
#define  TCR_HWVER		(GENMASK(30, 26) | GENMASK(23, 22))
#define   HWVER_8139		0x60000000u
#define   HWVER_8139A		0x70000000u
#define   HWVER_8139AG		0x74000000u	/* 8139A-G and 8139C alike */
#define   HWVER_8139B		0x78000000u
#define RTL_RCR			0x44
#define  RCR_AAP		BIT(0)		/* accept all unicast */
#define  RCR_APM		BIT(1)		/* accept unicast that matches IDR */
#define  RCR_AM			BIT(2)		/* accept multicast by MAR */
#define  RCR_AB			BIT(3)		/* accept broadcast */
#define  RCR_AR			BIT(4)		/* accept runts */
#define  RCR_AER		BIT(5)		/* accept frames with errors */
#define  RCR_WRAP		BIT(7)		/* the last frame runs past the buffer's end and does not wrap */
#define  RCR_MXDMA		GENMASK(10, 8)	/* 7: no limit */
#define  RCR_RBLEN		GENMASK(12, 11)	/* 8 KiB << n, plus 16 */
#define  RCR_RXFTH		GENMASK(15, 13)	/* 7: a frame goes to memory when it is complete */
#define RTL_TCTR		0x48	/* counts PCI clocks; any write sets it to 0 */
#define RTL_MPC			0x4c	/* frames missed; any write sets it to 0 */
#define RTL_9346CR		0x50	/* byte */
#define  EEM			GENMASK(7, 6)
#define   EEM_NORMAL		0u
#define   EEM_AUTOLOAD		1u		/* loads the EEPROM again, reads as normal when done (2 ms) */
#define   EEM_CONFIG		3u		/* CONFIG registers and BMCR may be written */
#define RTL_CONFIG1		0x52	/* byte */
#define  CONFIG1_PWRDN		BIT(0)		/* power-down; this bit and the next on 8139 and 8139A only */
#define  CONFIG1_SLEEP		BIT(1)
#define RTL_TIMERINT		0x54	/* 0: off */
#define RTL_MSR			0x58	/* byte */
#define  MSR_LINKB		BIT(2)		/* 1: no link */
#define  MSR_SPEED_10		BIT(3)
#define RTL_HLTCLK		0x5b	/* byte, 8139 and 8139A */
#define  HLTCLK_RUN		0x52u		/* the clock runs */
#define RTL_MULINT		0x5c	/* word */
#define  MULINT_EARLY		GENMASK(11, 0)	/* 0: no interrupt before a frame is complete */
#define RTL_BMCR		0x62	/* word, like MII register 0 */
#define  BMCR_FULL		BIT(8)
#define  BMCR_RESTART_AN	BIT(9)
#define  BMCR_ANE		BIT(12)
#define RTL_BMSR		0x64	/* word, like MII register 1 */
#define  BMSR_AN_DONE		BIT(5)
#define RTL_ANAR		0x66	/* word, like MII register 4 */
#define RTL_ANLPAR		0x68	/* word, like MII register 5 */
#define  AN_10_FULL		BIT(6)
#define  AN_100_HALF		BIT(7)
#define  AN_100_FULL		BIT(8)
#define RTL_CPCR		0xe0	/* word, C+ only */
#define  CPCR_TX		BIT(0)
#define  CPCR_RX		BIT(1)

/* Before each frame in the receive buffer: status and length; the length includes the FCS. */
#define RX_HEADER		4u
#define  RX_ROK			BIT(0)
#define  RX_ERRORS		(GENMASK(5, 1))	/* FAE, CRC, LONG, RUNT, ISE */
#define RX_UNFINISHED		0xfff0u		/* the length while the frame is still being written */

#endif
