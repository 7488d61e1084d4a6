/* SPDX-License-Identifier: BSD-2-Clause */
/* MII's registers as every PHY has them (IEEE 802.3, clauses 22 and 40). */
#ifndef MODEL_MII_H
#define MODEL_MII_H

#define BMCR_RESET	0x8000u
#define BMCR_AN		0x1000u
#define BMCR_PDOWN	0x0800u
#define BMCR_ANRESTART	0x0200u
#define BMSR_FIXED	0x7949u		/* all kinds of 10 and 100, extended status, can negotiate */
#define BMSR_LINK	0x0004u
#define BMSR_AN_DONE	0x0020u
#define AN_10		0x0061u
#define AN_100H		0x0080u
#define AN_100F		0x0100u
#define AN_PAUSE	0x0c00u
#define GBCR_1000F	0x0200u

enum { BMCR = 0, BMSR, PHYID1, PHYID2, ANAR, ANLPAR, ANER, GBCR = 9, GBSR, ESTATUS = 15 };

#endif
