/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers, queue entries and Identify data of NVM Express.  Sections are those of the Base Specification 1.4; later names
 * carry their version.  All structures are little-endian, like the CPU.
 */
#ifndef NVME_REGS_H
#define NVME_REGS_H

#include <veneer/types.h>

/* Controller registers, section 3.1.  64-bit registers are accessed as two halves, the low one first. */
#define NVME_CAP	0x00		/* 64 bits */
#define  NVME_CAP_MQES		GENMASK64(15, 0)	/* 0's based */
#define  NVME_CAP_CQR		BIT64(16)
#define  NVME_CAP_TO		GENMASK64(31, 24)	/* x 500 ms */
#define  NVME_CAP_DSTRD		GENMASK64(35, 32)	/* 4 << DSTRD bytes from doorbell to doorbell */
#define  NVME_CAP_CSS_NVM	BIT64(37)
#define  NVME_CAP_CSS_IOCSS	BIT64(43)		/* supports command sets besides NVM */
#define  NVME_CAP_CSS_NOIO	BIT64(44)		/* supports admin commands only */
#define  NVME_CAP_MPSMIN	GENMASK64(51, 48)	/* 4 KiB << MPSMIN */
#define  NVME_CAP_MPSMAX	GENMASK64(55, 52)
#define  NVME_CAP_CRWMS		BIT64(59)		/* 2.0: CRTO exists */
#define NVME_VS		0x08
#define  NVME_VS_1_1		0x00010100u
#define  NVME_VS_1_3		0x00010300u
#define  NVME_VS_1_4		0x00010400u
#define NVME_INTMS	0x0c
#define NVME_INTMC	0x10
#define NVME_CC		0x14
#define  NVME_CC_EN		BIT(0)
#define  NVME_CC_CSS		GENMASK(6, 4)		/* 0: NVM command set */
#define  NVME_CC_MPS		GENMASK(10, 7)
#define  NVME_CC_AMS		GENMASK(13, 11)		/* 0: round robin */
#define  NVME_CC_SHN		GENMASK(15, 14)
#define   NVME_SHN_NORMAL	1u
#define  NVME_CC_IOSQES		GENMASK(19, 16)		/* log2 */
#define  NVME_CC_IOCQES		GENMASK(23, 20)
#define NVME_CSTS	0x1c
#define  NVME_CSTS_RDY		BIT(0)
#define  NVME_CSTS_CFS		BIT(1)
#define  NVME_CSTS_SHST		GENMASK(3, 2)
#define   NVME_SHST_BUSY	1u
#define   NVME_SHST_DONE	2u
#define NVME_AQA	0x24
#define  NVME_AQA_ASQS		GENMASK(11, 0)		/* 0's based */
#define  NVME_AQA_ACQS		GENMASK(27, 16)
#define NVME_ASQ	0x28		/* 64 bits */
#define NVME_ACQ	0x30		/* 64 bits */
#define NVME_CRTO	0x68		/* 2.0 */
#define  NVME_CRTO_CRWMT	GENMASK(15, 0)		/* x 500 ms */
#define NVME_DOORBELLS	0x1000		/* SQ y tail: 2y strides on; CQ y head: 2y + 1 */

#define NVME_ALL_ONES	0xffffffffu	/* what registers of a removed device read */

/* A submission queue entry, section 4.2. */
struct nvme_sqe {
	uint32_t cdw0;
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_sqe) == 64, "IOSQES says 64 bytes");

#define NVME_SQES		6u
#define NVME_CDW0_OPC		GENMASK(7, 0)
#define NVME_CDW0_CID		GENMASK(31, 16)

/* A completion queue entry, section 4.6. */
struct nvme_cqe {
	uint32_t dw0;		/* the result of some admin commands */
	uint32_t dw1;
	uint32_t dw2;
	uint32_t dw3;
};
_Static_assert(sizeof(struct nvme_cqe) == 16, "IOCQES says 16 bytes");

#define NVME_CQES		4u
#define NVME_DW2_SQHD		GENMASK(15, 0)
#define NVME_DW2_SQID		GENMASK(31, 16)
#define NVME_DW3_CID		GENMASK(15, 0)
#define NVME_DW3_PHASE		BIT(16)
#define NVME_DW3_STATUS		GENMASK(27, 17)		/* type and code together, as NVME_SC_* below */

/* Status: type << 8 | code, figures 126 to 128 of 1.4. */
#define NVME_SC_OPCODE		0x001u
#define NVME_SC_FIELD		0x002u
#define NVME_SC_ABORT_REQ	0x007u
#define NVME_SC_ABORT_SQ	0x008u
#define NVME_SC_NS_INVALID	0x00bu
#define NVME_SC_NS_WRITE_PROT	0x020u
#define NVME_SC_LBA_RANGE	0x080u
#define NVME_SC_NS_NOT_READY	0x082u
#define NVME_SC_READ_ONLY	0x182u

/* Admin commands, section 5. */
#define NVME_ADM_CREATE_SQ	0x01u
#define NVME_ADM_GET_LOG_PAGE	0x02u
#define NVME_ADM_CREATE_CQ	0x05u
#define NVME_ADM_IDENTIFY	0x06u
#define NVME_ADM_ABORT		0x08u
#define NVME_ADM_SET_FEATURES	0x09u
#define NVME_ADM_GET_FEATURES	0x0au
#define NVME_ADM_ASYNC_EVENT	0x0cu

#define NVME_QUEUE_QID		GENMASK(15, 0)		/* CDW10 of Create ... Queue */
#define NVME_QUEUE_QSIZE	GENMASK(31, 16)		/* 0's based */
#define NVME_CQ_PC		BIT(0)			/* CDW11 */
#define NVME_CQ_IEN		BIT(1)
#define NVME_CQ_IV		GENMASK(31, 16)
#define NVME_SQ_PC		BIT(0)
#define NVME_SQ_QPRIO		GENMASK(2, 1)
#define  NVME_QPRIO_MEDIUM	2u
#define NVME_SQ_CQID		GENMASK(31, 16)

#define NVME_ABORT_SQID		GENMASK(15, 0)		/* CDW10 of Abort */
#define NVME_ABORT_CID		GENMASK(31, 16)
#define NVME_ABORT_NOT		BIT(0)			/* completion DW0: the command was not aborted */

#define NVME_FEAT_VWC		0x06u
#define  NVME_VWC_WCE		BIT(0)
#define NVME_FEAT_NUM_QUEUES	0x07u			/* both counts 0's based: 0 asks for one pair */

#define NVME_FEAT_EVENTS	0x0bu
#define  NVME_EVENT_HEALTH	GENMASK(4, 0)		/* the critical warnings of 1.0 */
#define  NVME_EVENT_NS		BIT(8)			/* namespaces that change, are made or removed */

#define NVME_AER_TYPE		GENMASK(2, 0)		/* DW0 of an Asynchronous Event Request, figure 145 */
#define NVME_AER_INFO		GENMASK(15, 8)
#define NVME_AER_PAGE		GENMASK(23, 16)		/* the log page to read */

#define NVME_LOG_NUMDL		GENMASK(31, 16)		/* CDW10 of Get Log Page: dwords, 0's based */
#define NVME_LOG_HEALTH		0x02u			/* its first byte: critical warnings */
#define NVME_LOG_CHANGED_NS	0x04u
#define NVME_CHANGED_MAX	1024u			/* numbers in it; FFFFFFFFh alone: more than that */
#define NVME_LOG_HEAD		64u			/* bytes to read of other pages */

#define NVME_CNS_NS		0x00u
#define NVME_CNS_CTRL		0x01u
#define NVME_CNS_ACTIVE_NS	0x02u
#define NVME_CNS_NS_DESC	0x03u			/* from 1.3 on */
#define NVME_CNS_CSI_CTRL	0x06u			/* 2.0, and 1.4 controllers with TP 4056 */

/* NVM commands, section 6. */
#define NVME_IO_FLUSH		0x00u
#define NVME_IO_WRITE		0x01u
#define NVME_IO_READ		0x02u
#define NVME_IO_WRITE_ZEROES	0x08u
#define NVME_IO_DSM		0x09u

#define NVME_RW_NLB		GENMASK(15, 0)		/* CDW12, 0's based */
#define NVME_RW_DEAC		BIT(25)			/* Write Zeroes */
#define NVME_RW_FUA		BIT(30)
#define NVME_DSM_AD		BIT(2)			/* CDW11: deallocate */
#define NVME_MAX_NLB		0x10000u

/* One range of Dataset Management, section 6.7. */
struct nvme_dsm_range {
	uint32_t attributes;
	uint32_t nblocks;
	uint64_t slba;
};

/* Identify Controller, figure 247. */
struct nvme_id_ctrl {
	uint16_t vid, ssvid;
	char sn[20];
	char mn[40];
	char fr[8];
	uint8_t rab, ieee[3], cmic;
	uint8_t mdts;			/* log2 of a number of pages of CAP.MPSMIN; 0: no limit */
	uint16_t cntlid;
	uint32_t ver, rtd3r;
	uint32_t rtd3e;			/* microseconds that a normal shutdown may take; 0: not reported */
	uint32_t oaes;			/* optional events, by their bits in NVME_FEAT_EVENTS */
	uint8_t rsvd96[15];
	uint8_t cntrltype;		/* 0: before 1.4 */
	uint8_t rsvd112[144];
	uint16_t oacs;
	uint8_t acl, aerl;
	uint8_t rsvd260[252];
	uint8_t sqes, cqes;		/* low half: required, high half: largest; log2 */
	uint16_t maxcmd;
	uint32_t nn;
	uint16_t oncs, fuses;
	uint8_t fna, vwc;
	uint8_t rsvd526[3570];
} PACKED;
_Static_assert(sizeof(struct nvme_id_ctrl) == 4096 && offsetof(struct nvme_id_ctrl, oacs) == 256 &&
	       offsetof(struct nvme_id_ctrl, cntrltype) == 111 && offsetof(struct nvme_id_ctrl, sqes) == 512 &&
	       offsetof(struct nvme_id_ctrl, vwc) == 525, "Identify Controller");

#define NVME_CNTRLTYPE_IO	1u
#define NVME_ONCS_DSM		BIT(2)
#define NVME_ONCS_WRITE_ZEROES	BIT(3)
#define NVME_VWC_PRESENT	BIT(0)

/* Identify Namespace, figure 245. */
struct nvme_id_ns {
	uint64_t nsze, ncap, nuse;
	uint8_t nsfeat, nlbaf, flbas, mc, dpc, dps, nmic, rescap, fpi, dlfeat;
	uint16_t nawun, nawupf, nacwu, nabsn, nabo, nabspf, noiob;
	uint8_t nvmcap[16];
	uint16_t npwg, npwa, npdg, npda, nows;	/* 0's based, blocks; valid with NVME_NSFEAT_OPTPERF */
	uint8_t rsvd74[25];
	uint8_t nsattr;
	uint8_t rsvd100[28];
	uint32_t lbaf[64];			/* 2.0: 64; before: 16 */
	uint8_t rsvd384[3712];
} PACKED;
_Static_assert(sizeof(struct nvme_id_ns) == 4096 && offsetof(struct nvme_id_ns, noiob) == 46 &&
	       offsetof(struct nvme_id_ns, nsattr) == 99 && offsetof(struct nvme_id_ns, lbaf) == 128, "Identify Namespace");

#define NVME_NSFEAT_OPTPERF	BIT(4)
#define NVME_FLBAS_LOW		GENMASK(3, 0)
#define NVME_FLBAS_HIGH		GENMASK(6, 5)		/* 2.0; used when NLBAF > 16 */
#define NVME_DPS_PIT		GENMASK(2, 0)
#define NVME_DLFEAT_READS	GENMASK(2, 0)
#define  NVME_DLFEAT_READS_0	1u			/* deallocated blocks read as zeroes */
#define NVME_DLFEAT_WZ_DEAC	BIT(3)
#define NVME_NSATTR_WP		BIT(0)
#define NVME_LBAF_MS		GENMASK(15, 0)
#define NVME_LBAF_LBADS		GENMASK(23, 16)

/* A namespace identification descriptor, 2.0 figure 277; NIDL bytes follow.  NIDL = 0 ends the list. */
struct nvme_ns_desc {
	uint8_t nidt, nidl, rsvd2[2];
	uint8_t nid[];
};

#define NVME_NIDT_CSI		4u			/* one byte: the namespace's I/O command set */
#define NVME_CSI_NVM		0u
#define NVME_CSI_KV		1u
#define NVME_CSI_ZONED		2u

/* I/O command set specific Identify Controller for the NVM command set, figure 101 of its specification 1.0. */
struct nvme_id_nvm_ctrl {
	uint8_t vsl;
	uint8_t wzsl;			/* Write Zeroes, in MDTS's unit; 0: no limit */
	uint8_t wusl, dmrl;
	uint32_t dmrsl;			/* blocks in one range of Dataset Management; 0: not reported */
	uint64_t dmsl;			/* blocks in all ranges of one command; 0: not reported */
	uint8_t rsvd16[4080];
} PACKED;

#endif
