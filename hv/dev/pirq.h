/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chipset's routing of PCI interrupt lines.  A guest that runs its ACPI code routes them anew, and a doorbell by INTx would
 * then arrive at another IOAPIC pin than the one that was learned.
 */
#ifndef HV_PIRQ_H
#define HV_PIRQ_H

/* From now on the routing stays as firmware left it: writes are dropped, and the guest reads what is true.  Start only. */
void pirq_keep(void);

#endif
