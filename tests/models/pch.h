/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the network cards of PCH chipsets (82579, I217, I218, I219) have apart from the rest of the family: a PHY in a chip of
 * its own, behind MDIC or, while it sleeps, behind SMBus; a flag in EXTCNF_CTRL that shares the PHY with firmware and with the
 * management engine; an NVM in the chipset's flash; the line LANPHYPC, which switches the PHY's power; and errata that a
 * driver has to work around.  A part of struct igc.
 */
#ifndef PCH_MODEL_H
#define PCH_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct igc;

/* Generations, by what differs.  I218 with ULP: those of the small chipsets (LP), and the third kind; I219T: from (13) on. */
enum pch_kind { PCH_82579, PCH_I217, PCH_I218LP, PCH_I219, PCH_I219T };

#define PCH_PAGES	64u		/* of the PHY, from 768 on */
#define PCH_PAGE_FIRST	768u
#define PCH_RFCTL	0x5008u
#define PCH_LONGEST	9022u

struct pch {
	/* what it is, and where */
	bool me;			/* a management engine runs */
	bool me_blocks;			/* ... and forbids to reset the PHY */
	bool ulp_left;			/* whoever was there before has put the PHY into ultra low power */
	bool phy_lost;			/* ... or in a state that only its power switch ends */
	bool lplu_left;			/* ... or told it to keep to 10 Mb/s */
	unsigned engine_us;		/* after each write the engine is at the registers for so long */
	/* state */
	uint16_t page[PCH_PAGES][32], page_at, low[32], wuc[256], kmrn[32], kmrn_read;
	uint32_t flash[64];
	bool ulp, ulp_ends, smbus, lost, asked, phyra;
	bool power_off;			/* by LANPHYPC */
	uint64_t power_us, lpcd_us, ready_us, done_us, quiet_us, ulp_us, engine_until;
	/* seen */
	unsigned troubled, power_cycles;
};

void pch_power_on(struct igc *c);
void pch_bus_reset(struct igc *c);
/* As igc.c reads and writes a register, before it.  True: that was all.  @v: what was read. */
bool pch_read(struct igc *c, unsigned bar, uint32_t off, unsigned width, uint32_t *v);
bool pch_write(struct igc *c, unsigned bar, uint32_t off, unsigned width, uint32_t v);
uint32_t pch_status(struct igc *c);			/* the bits of STATUS that others do not have */
/* CTRL is written with @v; it was @was.  Before and after a reset. */
void pch_ctrl(struct igc *c, uint32_t was, uint32_t v);
void pch_reset_done(struct igc *c, uint32_t ctrl);
void pch_received(struct igc *c);			/* a frame came in: is all done that errata ask for? */
void pch_run(struct igc *c);
bool pch_has_flag(const struct igc *c);

/* pch_phy.c */
void pch_mdic(struct igc *c, uint32_t v);
bool pch_phy_awake(const struct igc *c);
unsigned pch_most(const struct igc *c);			/* Mb/s that OEM bits leave */
void pch_phy_reset(struct igc *c);
void pch_phy_power(struct igc *c, bool on);
uint16_t pch_page(const struct igc *c, unsigned number, unsigned reg);	/* a register of a page */
bool pch_k1(const struct igc *c);			/* the idle state between MAC and PHY may be entered */

#endif
