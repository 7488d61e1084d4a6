/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of 82576, I350, I210 and I211 that intel_regs.h does not have, or that differ there: chapter 8 of their datasheets.
 * The registers of queue 0 also answer at the offsets that the older chips use.
 */
#ifndef IGB_REGS_H
#define IGB_REGS_H

#include "intel_regs.h"

#define EECD_FLASH_I210		BIT(19)		/* I210: a flash is present, else only the chip's fuses */
#define STATUS_LAN_ID		GENMASK(3, 2)	/* the port that this function drives */
#define CTRL_EXT_EXT_VLAN	BIT(26)		/* frames may have two VLAN tags, thus 1526 bytes */

#define REG_GPIE		0x01514		/* 0: one vector; ICR has the causes */
#define  GPIE_MULTIPLE_MSIX	BIT(4)
#define REG_EIMC		0x01528
#define REG_EITR0		0x01680		/* least time between interrupts; without MSI-X the only EITR in use */
#define  EITR_INTERVAL		GENMASK(14, 2)	/* microseconds */
#define REG_IVAR0		0x01700
#define  IVAR_RX0		GENMASK(7, 0)	/* vector and valid bit */
#define  IVAR_TX0		GENMASK(15, 8)
#define  IVAR_VALID		0x80u

#define REG_SRRCTL		0x0280c
#define REG_SRRCTL_IGC		0x0c00c
#define  SRRCTL_BSIZEPACKET	GENMASK(6, 0)	/* KiB */
#define  SRRCTL_DESCTYPE	GENMASK(27, 25)
#define   SRRCTL_ADV_ONE	1u		/* advanced, one buffer */
#define   SRRCTL_ONE_2K		(FIELD_PREP(SRRCTL_BSIZEPACKET, 2) | FIELD_PREP(SRRCTL_DESCTYPE, SRRCTL_ADV_ONE))
/* RXDCTL and TXDCTL: thresholds of five bits, and the queue's enable bit. */
#define  DCTL_PTHRESH		GENMASK(4, 0)
#define  DCTL_HTHRESH		GENMASK(12, 8)
#define  DCTL_WTHRESH		GENMASK(20, 16)
#define  DCTL_ENABLE		BIT(25)
#define REG_TDWBAL		0x03838		/* bit 0: write the head to this address, instead of writing descriptors back */
#define REG_TDWBAH		0x0383c
#define REG_MRQC		0x05818		/* 0: all frames go to queue 0 */

#define REG_SWSM		0x05b50
#define  SWSM_SMBI		BIT(0)		/* semaphore between drivers: a read that returns 0 has acquired it */
#define  SWSM_SWESMBI		BIT(1)		/* semaphore between driver and firmware: acquired if a written 1 reads as 1 */
#define REG_SW_FW_SYNC		0x05b5c		/* owners of resources: drivers in the lower half, firmware in the upper */
#define  SYNC_FW_SHIFT		16u

/* I225 and I226. */
#define REG_EEER		0x00e30
#define  EEER_LPI		GENMASK(18, 16)	/* low power idle: in transmission, in reception, with flow control */
#define REG_IPCNFG		0x00e38
#define  IPCNFG_EEE		GENMASK(4, 2)	/* advertised at 100, 1000, 2500 Mb/s */
#define REG_RXPBS		0x02404		/* sizes of the packet buffers in KiB */
#define  RXPBS_DEFAULT		0x000000a2u
#define REG_TXPBS		0x03404
#define  TXPBS_DEFAULT		0x04000014u
#define REG_DMACR		0x02508
#define  DMACR_EN		BIT(31)		/* DMA coalescing: received frames wait in the chip for more */
#define IGC_SPACE		0x10000u

/* I210, PHY: 255 if the PHY's clock failed at power-on (an erratum). */
#define PHY_PLL_FREQ		PHY_PAGED(252, 14)
#define  PLL_FREQ		GENMASK(7, 0)
#define   PLL_UNSET		255u

/* Advanced transmit descriptors, second quadword: 82576 datasheet 7.2.2. */
#define ATXD_LENGTH		GENMASK64(15, 0)	/* data */
#define ATXD_DTYP		GENMASK64(23, 20)
#define  ATXD_DTYP_CONTEXT	2u
#define  ATXD_DTYP_DATA		3u
#define ATXD_EOP		BIT64(24)
#define ATXD_IFCS		BIT64(25)
#define ATXD_RS			BIT64(27)
#define ATXD_DEXT		BIT64(29)
#define ATXD_TSE		BIT64(31)
#define ATXD_DD			BIT64(32)		/* descriptor done */
#define ATXD_IXSM		BIT64(40)		/* POPTS */
#define ATXD_TXSM		BIT64(41)
#define ATXD_PAYLEN		GENMASK64(63, 46)	/* length of the frame; with TSE, of the TCP payload */
/* A context: first quadword, then second. */
#define ATXC_IPLEN		GENMASK64(8, 0)
#define ATXC_MACLEN		GENMASK64(15, 9)
#define ATXC_IPV4		BIT64(10)
#define ATXC_L4T		GENMASK64(12, 11)
#define  ATXC_L4T_UDP		0u
#define  ATXC_L4T_TCP		1u
#define ATXC_L4LEN		GENMASK64(47, 40)
#define ATXC_MSS		GENMASK64(63, 48)

/* Advanced receive descriptor as the chip writes it back, second quadword: 82576 datasheet 7.1. */
#define ARXD_DD			BIT64(0)
#define ARXD_EOP		BIT64(1)
#define ARXD_L4CS		BIT64(5)
#define ARXD_CE			BIT64(24)	/* CE, SE, SEQ: reserved (0) on most of these chips */
#define ARXD_SE			BIT64(25)
#define ARXD_SEQ		BIT64(26)
#define ARXD_CXE		BIT64(28)
#define ARXD_L4E		BIT64(29)
#define ARXD_IPE		BIT64(30)
#define ARXD_RXE		BIT64(31)
#define ARXD_LENGTH		GENMASK64(47, 32)

#endif
