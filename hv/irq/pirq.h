/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chipset's routing of PCI interrupt lines (PIRQA to PIRQH, here 0 to 7) to the 8259's inputs, by registers of the ISA
 * bridge.  A guest that runs its ACPI code routes them anew.
 */
#ifndef HV_PIRQ_H
#define HV_PIRQ_H

#include <veneer/types.h>

/* How many there are: 4 (PIIX), 8 (ICH and its successors), 0: a chipset whose registers are not known.  Start. */
unsigned pirq_init(void);

/* The 8259's input that a line is routed to, -1: none.  As the guest has it, and as the chipset has it. */
int pirq_irq(unsigned n);
int pirq_real_irq(unsigned n);

/* Route it for an experiment: take it from its input, or put back what was there.  Start only. */
void pirq_disconnect(unsigned n, bool on);

/*
 * A device rings by this line: where the guest disconnects it, the chipset keeps its last route.  -1: it is not known which
 * line it is, so the chipset keeps all of them as they are.  The guest reads what it wrote.  Start only.
 */
void pirq_keep(int n);

/* Look at what the guest writes: intx_rerouted() is called afterwards.  Start only. */
void pirq_watch(void);

#endif
