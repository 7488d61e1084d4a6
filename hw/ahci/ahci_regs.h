/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and memory structures of a SATA host bus adapter: Serial ATA AHCI 1.3.1 chapters 3 and 4, and the ATA commands
 * used (ACS-3).
 */
#ifndef HW_AHCI_REGS_H
#define HW_AHCI_REGS_H

#include <veneer/types.h>

#define AHCI_BAR		5
#define AHCI_MAX_PORTS		32u
#define AHCI_MAX_SLOTS		32u

/* Generic host control, section 3.1 */
#define AHCI_CAP		0x00
#define  AHCI_CAP_S64A		BIT(31)
#define  AHCI_CAP_SNCQ		BIT(30)
#define  AHCI_CAP_SSS		BIT(27)
#define  AHCI_CAP_SCLO		BIT(24)
#define  AHCI_CAP_NCS		GENMASK(12, 8)
#define  AHCI_CAP_CCCS		BIT(7)
#define  AHCI_CAP_NP		GENMASK(4, 0)
#define AHCI_GHC		0x04
#define  AHCI_GHC_AE		BIT(31)
#define  AHCI_GHC_IE		BIT(1)
#define  AHCI_GHC_HR		BIT(0)
#define AHCI_IS			0x08
#define AHCI_PI			0x0c
#define AHCI_VS			0x10
#define  AHCI_VS_MAJOR		GENMASK(31, 16)
#define  AHCI_VS_MINOR		GENMASK(15, 8)
#define AHCI_CCC_CTL		0x14
#define  AHCI_CCC_CTL_EN	BIT(0)
#define AHCI_CAP2		0x24
#define  AHCI_CAP2_BOH		BIT(0)
#define AHCI_BOHC		0x28
#define  AHCI_BOHC_BB		BIT(4)
#define  AHCI_BOHC_OOC		BIT(3)		/* OS ownership change, write 1 to clear */
#define  AHCI_BOHC_OOS		BIT(1)
#define  AHCI_BOHC_BOS		BIT(0)

/* Ports, section 3.3 */
#define AHCI_PORT(n)		(0x100 + 0x80 * (n))
#define AHCI_PORT_SIZE		0x80
#define AHCI_PXCLB		0x00
#define AHCI_PXCLBU		0x04
#define AHCI_PXFB		0x08
#define AHCI_PXFBU		0x0c
#define AHCI_PXIS		0x10
#define AHCI_PXIE		0x14
#define  AHCI_PXIS_TFES		BIT(30)		/* task file error */
#define  AHCI_PXIS_HBFS		BIT(29)		/* host bus fatal error */
#define  AHCI_PXIS_HBDS		BIT(28)		/* host bus data error */
#define  AHCI_PXIS_IFS		BIT(27)		/* interface fatal error */
#define  AHCI_PXIS_INFS		BIT(26)		/* interface error, not fatal */
#define  AHCI_PXIS_OFS		BIT(24)		/* overflow */
#define  AHCI_PXIS_PRCS		BIT(22)		/* PhyRdy changed; cleared by PxSERR.DIAG.N */
#define  AHCI_PXIS_PCS		BIT(6)		/* port connect changed; cleared by PxSERR.DIAG.X */
#define  AHCI_PXIS_SDBS		BIT(3)		/* set device bits FIS */
#define  AHCI_PXIS_DSS		BIT(2)
#define  AHCI_PXIS_PSS		BIT(1)		/* PIO setup FIS */
#define  AHCI_PXIS_DHRS		BIT(0)		/* device to host register FIS */
#define AHCI_PXCMD		0x18
#define  AHCI_PXCMD_ICC		GENMASK(31, 28)
#define  AHCI_PXCMD_ICC_ACTIVE	FIELD_PREP(AHCI_PXCMD_ICC, 1)
#define  AHCI_PXCMD_ASP		BIT(27)
#define  AHCI_PXCMD_ALPE	BIT(26)
#define  AHCI_PXCMD_ATAPI	BIT(24)
#define  AHCI_PXCMD_PMA		BIT(17)
#define  AHCI_PXCMD_CR		BIT(15)
#define  AHCI_PXCMD_FR		BIT(14)
#define  AHCI_PXCMD_FRE		BIT(4)
#define  AHCI_PXCMD_CLO		BIT(3)
#define  AHCI_PXCMD_POD		BIT(2)
#define  AHCI_PXCMD_SUD		BIT(1)
#define  AHCI_PXCMD_ST		BIT(0)
#define AHCI_PXTFD		0x20
#define  AHCI_PXTFD_ERR		GENMASK(15, 8)
#define  AHCI_PXTFD_STS		GENMASK(7, 0)
#define AHCI_PXSIG		0x24
#define  AHCI_SIG_ATA		0x00000101u
#define  AHCI_SIG_ATAPI		0xeb140101u
#define  AHCI_SIG_PM		0x96690101u
#define  AHCI_SIG_SEMB		0xc33c0101u
#define AHCI_PXSSTS		0x28
#define  AHCI_PXSSTS_SPD	GENMASK(7, 4)
#define  AHCI_PXSSTS_DET	GENMASK(3, 0)
#define  AHCI_DET_NONE		0u
#define  AHCI_DET_PRESENT	1u		/* no communication yet */
#define  AHCI_DET_UP		3u
#define AHCI_PXSCTL		0x2c
#define  AHCI_PXSCTL_IPM	GENMASK(11, 8)
#define  AHCI_PXSCTL_SPD	GENMASK(7, 4)
#define  AHCI_PXSCTL_DET	GENMASK(3, 0)
#define  AHCI_SCTL_IPM_OFF	3u		/* neither partial nor slumber: PhyRdy then changes for a reason only */
#define  AHCI_SCTL_DET_INIT	1u		/* sends COMRESET as long as it is set */
#define AHCI_PXSERR		0x30
#define AHCI_PXSACT		0x34
#define AHCI_PXCI		0x38
#define AHCI_PXFBS		0x40
#define  AHCI_PXFBS_EN		BIT(0)

#define AHCI_PXIS_LINK		(AHCI_PXIS_PRCS | AHCI_PXIS_PCS)
#define AHCI_PXIS_FATAL		(AHCI_PXIS_HBFS | AHCI_PXIS_HBDS | AHCI_PXIS_IFS | AHCI_PXIS_OFS)
#define AHCI_PXIE_WANTED	(AHCI_PXIS_TFES | AHCI_PXIS_FATAL | AHCI_PXIS_LINK | AHCI_PXIS_SDBS | AHCI_PXIS_PSS | \
				 AHCI_PXIS_DHRS)

/* Command header, section 4.2.2 */
struct ahci_header {
	uint32_t opts;
#define AHCI_HDR_PRDTL		GENMASK(31, 16)
#define AHCI_HDR_PREFETCH	BIT(7)
#define AHCI_HDR_WRITE		BIT(6)
#define AHCI_HDR_CFL		GENMASK(4, 0)	/* dwords of the command FIS */
	uint32_t prdbc;
	uint32_t ctba, ctbau;
	uint32_t reserved[4];
};
_Static_assert(sizeof(struct ahci_header) == 32, "command header");

/* Physical region descriptor, section 4.2.3.3 */
struct ahci_prd {
	uint32_t dba, dbau;
	uint32_t reserved;
	uint32_t dbc;
#define AHCI_PRD_DBC		GENMASK(21, 0)	/* bytes - 1, odd */
};
#define AHCI_PRD_MAX		(4u << 20)
_Static_assert(sizeof(struct ahci_prd) == 16, "PRD");

/* Command table, section 4.2.3; followed by the PRDs.  128-byte aligned. */
struct ahci_table {
	uint8_t cfis[64];
	uint8_t acmd[16];
	uint8_t reserved[48];
	struct ahci_prd prd[];
};
_Static_assert(sizeof(struct ahci_table) == 128, "command table");

/* Received FIS area, section 4.2.1 */
struct ahci_rfis {
	uint8_t dsfis[28], reserved0[4];
	uint8_t psfis[20], reserved1[12];
	uint8_t rfis[20], reserved2[4];
	uint8_t sdbfis[8];		/* byte 2: status, byte 3: error */
	uint8_t ufis[64], reserved3[96];
};
_Static_assert(sizeof(struct ahci_rfis) == 256, "received FIS");

/* Host to device register FIS, Serial ATA 3.2 section 10.5.5 */
struct fis_h2d {
	uint8_t type;			/* FIS_H2D */
	uint8_t flags;
#define FIS_H2D			0x27
#define FIS_H2D_COMMAND		BIT(7)
#define FIS_H2D_DWORDS		5u
	uint8_t command, features_lo;
	uint8_t lba0, lba1, lba2, device;
	uint8_t lba3, lba4, lba5, features_hi;
	uint8_t count_lo, count_hi, icc, control;
	uint8_t aux[4];
};
_Static_assert(sizeof(struct fis_h2d) == 20, "register FIS");

/* ATA status, device register, commands */
#define ATA_BSY			BIT(7)
#define ATA_DF			BIT(5)
#define ATA_DRQ			BIT(3)
#define ATA_ERR			BIT(0)
#define ATA_DEV_LBA		BIT(6)
#define ATA_DEV_FUA		BIT(7)		/* READ/WRITE FPDMA QUEUED */
#define ATA_NCQ_TAG		GENMASK(7, 3)	/* in count 7:0 */

#define ATA_DSM			0x06
#define  ATA_DSM_TRIM		BIT(0)
#define ATA_READ_DMA_EXT	0x25
#define ATA_READ_LOG_EXT	0x2f
#define  ATA_LOG_NCQ_ERROR	0x10
#define  ATA_LOG_NCQ_NQ		BIT(7)		/* byte 0: the failed command was not a queued one */
#define  ATA_LOG_NCQ_TAG	GENMASK(4, 0)
#define ATA_WRITE_DMA_EXT	0x35
#define ATA_READ_FPDMA		0x60
#define ATA_WRITE_FPDMA		0x61
#define ATA_READ_DMA		0xc8
#define ATA_WRITE_DMA		0xca
#define ATA_STANDBY_IMMEDIATE	0xe0
#define ATA_CHECK_POWER_MODE	0xe5
#define ATA_FLUSH		0xe7
#define ATA_FLUSH_EXT		0xea
#define ATA_IDENTIFY		0xec
#define ATA_SET_FEATURES	0xef
#define  ATA_SF_CACHE_ON	0x02
#define  ATA_SF_CACHE_OFF	0x82
#define  ATA_SF_SPIN_UP		0x07

/* DATA SET MANAGEMENT payload: ranges of a 48-bit LBA and a 16-bit count */
#define ATA_TRIM_RANGES		64u		/* in 512 bytes */
#define ATA_TRIM_COUNT		GENMASK64(63, 48)
#define ATA_TRIM_LBA		GENMASK64(47, 0)
#define ATA_TRIM_RANGE_MAX	0xffffu

/* IDENTIFY DEVICE words, ACS-3 section 7.12.7 */
#define ID_GENERAL		0
#define  ID_GENERAL_ATAPI	BIT(15)
#define  ID_GENERAL_REMOVABLE	BIT(7)
#define ID_SPECIFIC		2
#define  ID_SPECIFIC_SF_PARTIAL	0x37c8		/* in standby: SET FEATURES needed, this data incomplete */
#define  ID_SPECIFIC_SF_FULL	0x738c		/* SET FEATURES needed, this data complete */
#define  ID_SPECIFIC_PARTIAL	0x8c73		/* spins up by itself, this data incomplete */
#define ID_SERIAL		10
#define ID_FIRMWARE		23
#define ID_MODEL		27
#define ID_CAPS			49
#define  ID_CAPS_LBA		BIT(9)
#define  ID_CAPS_DMA		BIT(8)
#define ID_SECTORS28		60
#define ID_QUEUE_DEPTH		75
#define  ID_QUEUE_DEPTH_MASK	GENMASK(4, 0)
#define ID_SATA_CAPS		76
#define  ID_SATA_NCQ		BIT(8)
#define ID_CMD_SET1		82
#define  ID_CMD1_CACHE		BIT(5)
#define ID_CMD_SET2		83
#define  ID_CMD2_FLUSH_EXT	BIT(13)
#define  ID_CMD2_FLUSH		BIT(12)
#define  ID_CMD2_LBA48		BIT(10)
#define ID_CMD_ON1		85
#define ID_SECTORS48		100
#define ID_SECTOR_SIZE		106
#define  ID_SS_MULTIPLE		BIT(13)		/* several logical in one physical */
#define  ID_SS_LARGE		BIT(12)		/* logical larger than 512: words 117-118 */
#define  ID_SS_EXP		GENMASK(3, 0)
#define ID_LOGICAL_WORDS	117
#define ID_SECURITY		128
#define  ID_SECURITY_LOCKED	BIT(2)
#define ID_DSM			169
#define  ID_DSM_TRIM		BIT(0)
#define ID_ALIGNMENT		209
#define  ID_ALIGNMENT_OFFSET	GENMASK(13, 0)
#define ID_VALID		GENMASK(15, 14)	/* of words 83, 106, 209: */
#define  ID_VALID_YES		1u

#endif
