/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables and registers of IOMMUs: Intel's VT-d Architecture Specification 4.1 (chapters 8 and 11), AMD's I/O Virtualization
 * Technology Specification 3.08 (chapters 3 and 5).
 */
#ifndef HV_IOMMU_REGS_H
#define HV_IOMMU_REGS_H

#include <veneer/types.h>

/* --- the table DMAR, 8.1: an ACPI header, then two bytes of its own, then structures of a type and a length --- */

#define DMAR_WIDTH		36	/* host address width, less one */
#define DMAR_FLAGS		37
#define  DMAR_INTR_REMAP	BIT(0)
#define  DMAR_X2APIC_OPT_OUT	BIT(1)
#define  DMAR_DMA_OPT_IN	BIT(2)	/* firmware asks for protection from the start */
#define DMAR_STRUCTURES		48

#define DMAR_DRHD		0
#define  DRHD_FLAGS		4
#define   DRHD_ALL		BIT(0)
#define  DRHD_SIZE		5
#define   DRHD_SIZE_PAGES	GENMASK(3, 0)	/* a power of two of them */
#define  DRHD_SEGMENT		6
#define  DRHD_BASE		8
#define  DRHD_SCOPES		16
#define DMAR_RMRR		1
#define  RMRR_SEGMENT		6
#define  RMRR_BASE		8
#define  RMRR_LIMIT		16	/* the last byte */
#define  RMRR_SCOPES		24
#define DMAR_ATSR		2
#define  ATSR_SCOPES		8
#define DMAR_RHSA		3
#define  RHSA_LENGTH		20
#define DMAR_ANDD		4
#define  ANDD_NAME		8
#define DMAR_SATC		5
#define  SATC_SCOPES		8
#define DMAR_SIDP		6
#define  SIDP_SCOPES		8

/* Device scope, 8.3.1: a type, a length, and a path of device and function numbers. */
#define SCOPE_ID		4
#define SCOPE_BUS		5
#define SCOPE_PATH		6
#define SCOPE_MIN		8
#define SCOPE_ENDPOINT		1
#define SCOPE_BRIDGE		2
#define SCOPE_IOAPIC		3
#define SCOPE_HPET		4
#define SCOPE_ACPI		5

/* --- VT-d registers, 11.4 --- */

#define VTD_VER			0x00
#define  VTD_VER_MAJOR		GENMASK(7, 4)
#define  VTD_VER_MINOR		GENMASK(3, 0)
#define VTD_CAP			0x08
#define  VTD_CAP_RWBF		BIT(4)			/* the write buffer has to be flushed by hand */
#define  VTD_CAP_PLMR		BIT(5)
#define  VTD_CAP_PHMR		BIT(6)
#define  VTD_CAP_SAGAW_39	BIT(9)			/* tables of three levels */
#define  VTD_CAP_SAGAW_48	BIT(10)			/* of four */
#define  VTD_CAP_MGAW		GENMASK(21, 16)		/* bits of an address, less one */
#define  VTD_CAP_FRO		0x3ff000000ull		/* fault records: their offset in 16 bytes */
#define  VTD_CAP_2M		BIT64(34)		/* leaves of 2 MiB */
#define  VTD_CAP_1G		BIT64(35)
#define  VTD_CAP_NFR		0xff0000000000ull	/* how many, less one */
#define VTD_ECAP		0x10
#define  VTD_ECAP_C		BIT(0)			/* the unit snoops when it reads its tables */
#define  VTD_ECAP_QI		BIT(1)
#define  VTD_ECAP_IRO		GENMASK(17, 8)		/* the IOTLB's two registers: their offset in 16 bytes */
#define  VTD_ECAP_IR		BIT(3)
/* The end of the fault records and of the IOTLB's registers, whichever is later (11.1). */
static inline uint64_t vtd_end(uint64_t cap, uint64_t ecap)
{
	uint64_t faults = 16 * (FIELD_GET(VTD_CAP_FRO, cap) + FIELD_GET(VTD_CAP_NFR, cap) + 1);
	uint64_t iotlb = 16 * (FIELD_GET(VTD_ECAP_IRO, ecap) + 1);

	return faults > iotlb ? faults : iotlb;
}

#define VTD_GCMD		0x18
#define  VTD_GCMD_KEEP		0x96ffffffu		/* what of the status is written back: all but the one-shot bits */
#define  VTD_SRTP		BIT(30)			/* one-shot: take the root table; in both */
#define  VTD_WBF		BIT(27)			/* one-shot: flush the write buffer; set in GSTS while that lasts */
#define  VTD_QIE		BIT(26)			/* invalidation by queue, in both */
#define VTD_GSTS		0x1c
#define  VTD_TE			BIT(31)			/* translation, in both */
#define  VTD_IRE		BIT(25)			/* interrupt remapping, in both */
#define VTD_RTADDR		0x20
#define VTD_CCMD		0x28
#define  VTD_CCMD_ICC		BIT64(63)
#define  VTD_CCMD_GLOBAL	BIT64(61)
#define VTD_FSTS		0x34
#define  VTD_FSTS_PFO		BIT(0)			/* faults were lost */
#define  VTD_FSTS_PPF		BIT(1)			/* a record is not empty */
#define  VTD_FSTS_QUEUE		(BIT(4) | BIT(5) | BIT(6))	/* errors of the invalidation queue */
#define  VTD_FSTS_FRI		GENMASK(15, 8)		/* the oldest record */
#define VTD_FECTL		0x38
#define  VTD_FECTL_IM		BIT(31)
#define VTD_FEDATA		0x3c
#define VTD_FEADDR		0x40
#define VTD_FEUADDR		0x44
#define VTD_IQH			0x80
#define VTD_IQT			0x88
#define VTD_IQA			0x90
#define VTD_PMEN		0x64			/* protected memory */
#define  VTD_PMEN_EPM		BIT(31)
#define  VTD_PMEN_PRS		BIT(0)

/* The IOTLB's register, behind that of an address. */
#define VTD_IOTLB		8
#define  VTD_IOTLB_IVT		BIT64(63)
#define  VTD_IOTLB_GLOBAL	BIT64(60)
#define  VTD_IOTLB_DRAIN	(BIT64(49) | BIT64(48))	/* reads and writes under way end first */

/* A fault record, 11.4.14: 16 bytes. */
#define VTD_FRCD_ADDR		0			/* of the page */
#define VTD_FRCD_INFO		8
#define  VTD_FRCD_F		BIT64(63)
#define  VTD_FRCD_READ		BIT64(62)
#define  VTD_FRCD_REASON	GENMASK64(39, 32)
#define  VTD_FRCD_SOURCE	GENMASK64(15, 0)

/* Descriptors of the invalidation queue, 6.5.2. */
#define VTD_QI_CONTEXT		(1ull | BIT64(4))	/* of all devices */
#define VTD_QI_IOTLB		(2ull | BIT64(4) | BIT64(6) | BIT64(7))	/* of all domains, drained */
#define VTD_QI_WAIT		(5ull | BIT64(5))	/* store a status */
#define VTD_QI_STATUS		GENMASK64(63, 32)

/* Root and context entries, 9.1 and 9.3: 16 bytes each. */
#define VTD_ENTRY_P		BIT64(0)
#define VTD_CONTEXT_WIDTH	GENMASK64(2, 0)		/* of the second half: levels, less two */
#define VTD_CONTEXT_DOMAIN	GENMASK64(23, 8)

/* --- the table IVRS, 5.2: an ACPI header, 12 bytes of its own, then blocks of a type, flags and a length --- */

#define IVRS_INFO		36
#define  IVRS_PREBOOT		BIT(1)	/* firmware had remapping on before the start */
#define IVRS_BLOCKS		48

#define IVHD_10			0x10
#define IVHD_11			0x11
#define IVHD_40			0x40
#define  IVHD_FLAGS		1
#define   IVHD_HT_TUNNEL	BIT(0)
#define   IVHD_PASS_PW		BIT(1)
#define   IVHD_RES_PASS_PW	BIT(2)
#define   IVHD_ISOC		BIT(3)
#define  IVHD_BDF		4
#define  IVHD_CAP		6
#define  IVHD_BASE		8
#define  IVHD_SEGMENT		16
#define  IVHD_10_ENTRIES	24
#define  IVHD_ENTRIES		40
#define IVMD_ALL		0x20
#define IVMD_ONE		0x21
#define IVMD_RANGE		0x22
#define  IVMD_FLAGS		1
#define   IVMD_EXCLUSION	BIT(3)
#define  IVMD_BDF		4
#define  IVMD_LAST		6
#define  IVMD_SEGMENT		8
#define  IVMD_BASE		16
#define  IVMD_BYTES		24
#define  IVMD_LENGTH		32

/* Device entries, 5.2.2.1: the top two bits of the type are the length, as a power of two of 4 bytes. */
#define IVHD_DEV_PAD		0
#define IVHD_DEV_ALL		1
#define IVHD_DEV_ONE		2
#define IVHD_DEV_START		3
#define IVHD_DEV_END		4
#define IVHD_DEV_ALIAS		66
#define IVHD_DEV_ALIAS_START	67
#define  ALIAS_ID		5
#define IVHD_DEV_EXT		70
#define IVHD_DEV_EXT_START	71
#define IVHD_DEV_SPECIAL	72
#define  SPECIAL_HANDLE		4
#define  SPECIAL_BDF		5
#define  SPECIAL_VARIETY	7
#define   SPECIAL_IOAPIC	1
#define   SPECIAL_HPET		2
#define IVHD_DEV_VARIABLE	240	/* from here on not by the top bits */
#define IVHD_DEV_ACPI		240
#define  ACPI_UID_LENGTH	21
#define  ACPI_UID		22

/* --- AMD-Vi registers, 3.4 and, in the capability of the PCI function, 3.2 --- */

#define AMDVI_DEVICES		0x00	/* the device table, and its pages, less one */
#define AMDVI_COMMANDS		0x08
#define  AMDVI_LENGTH		GENMASK64(59, 56)	/* of commands and events: a power of two entries */
#define AMDVI_EVENTS		0x10
#define AMDVI_CONTROL		0x18
#define  AMDVI_ENABLE		BIT(0)
#define  AMDVI_EVENT_LOG	BIT(2)
#define  AMDVI_EVENT_INT	BIT(3)
#define  AMDVI_COHERENT		BIT(10)			/* tables and commands are read with snoop */
#define  AMDVI_RUN_COMMANDS	BIT(12)
#define  AMDVI_BUS		(BIT(1) | GENMASK(9, 5) | BIT(11))	/* how the unit speaks with its bus */
#define AMDVI_EXCLUSION		0x20	/* memory that no device has translated */
#define AMDVI_EFR		0x30
#define  AMDVI_EFR_IA		BIT(6)	/* one command that flushes all */
#define  AMDVI_EFR_PC		BIT(9)	/* performance counters, from 256 KiB on */
#define AMDVI_CMD_HEAD		0x2000
#define AMDVI_CMD_TAIL		0x2008
#define AMDVI_EVENT_HEAD	0x2010
#define AMDVI_EVENT_TAIL	0x2018
#define AMDVI_STATUS		0x2020
#define  AMDVI_EVENTS_LOST	BIT(0)	/* the log is full and stands; write one */
#define  AMDVI_EVENT		BIT(1)	/* write one */
#define  AMDVI_LOG_RUNS		BIT(3)
#define  AMDVI_CMD_RUNS		BIT(4)
#define AMDVI_SIZE		0x4000u
#define AMDVI_SIZE_PC		0x80000u

/* Device table entries, 2.2.2.1: 32 bytes. */
#define DTE_V			BIT64(0)
#define DTE_TV			BIT64(1)
#define DTE_MODE		GENMASK64(11, 9)	/* levels; 0: untranslated, as the two bits below allow */
#define DTE_IR			BIT64(61)
#define DTE_IW			BIT64(62)
#define DTE_DOMAIN		GENMASK64(15, 0)	/* of the second quarter */
#define DTE_SYSMGT_INTX		BIT64(41)		/* INTx messages pass, other system management requests do not */
#define DTE_PASS		(BIT64(56) | BIT64(57) | BIT64(58))	/* INIT, ExtINT and NMI messages pass */

/* Commands, 2.4: 16 bytes. */
#define CMD_WAIT		(1ull << 60 | BIT64(0))	/* store the second half when all before is done */
#define CMD_DEVICE		(2ull << 60)		/* forget the entry of a device */
#define CMD_PAGES		(3ull << 60)		/* forget translations of a domain */
#define  CMD_DOMAIN		GENMASK64(47, 32)
#define  CMD_ALL_PAGES		0x7ffffffffffff003ull	/* second half */
#define CMD_ALL			(8ull << 60)

/* Events, 2.5: 16 bytes, of which the second half is an address. */
#define EVENT_CODE		GENMASK64(63, 60)	/* 0: not written yet */
#define EVENT_WRITE		BIT64(53)
#define EVENT_ID		GENMASK64(15, 0)

#define PCI_CAP_SECURE		0x0f
#define  AMDVI_CAP_EFR		BIT(27)

#endif
