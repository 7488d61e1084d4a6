/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chipset's routing of PCI interrupt lines (PIRQA to PIRQH, here 0 to 7) to the 8259's inputs, by registers of the ISA
 * bridge.  A guest that runs the firmware's ACPI code routes the lines anew.
 */
#ifndef HV_PIRQ_H
#define HV_PIRQ_H

#include <veneer/types.h>

/* Return the number of lines: 4 (PIIX), 8 (ICH and its successors), 0: a chipset whose registers are not known.  Start only. */
unsigned pirq_init(void);

/* Return the 8259's input to which a line is routed, -1: none.  As the guest has set it, and as the chipset has it. */
int pirq_irq(unsigned n);
int pirq_real_irq(unsigned n);

/* For an experiment, disconnect a line from its input, or restore its route.  Start only. */
void pirq_disconnect(unsigned n, bool on);

/*
 * A device rings by this line: if the guest disconnects the line, the chipset keeps the last route.  -1: the line is unknown,
 * so the chipset keeps the routes of all lines.  The guest reads what it wrote.  Start only.
 */
void pirq_keep(int n);

/* CONFIG_STATE: get the registers as the guest sees them, 0 for those that are none, and their number; set them. */
#define PIRQ_MAX	8u
unsigned pirq_get(uint8_t routes[PIRQ_MAX]);
void pirq_set(const uint8_t routes[PIRQ_MAX]);

/* Watch the guest's writes, and call intx_rerouted() after each.  Start only. */
void pirq_watch(void);

#endif
