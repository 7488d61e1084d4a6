/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8259s belong to the guest, but for lines by which a device rings Veneer through the IOAPIC: such a line stays masked
 * whatever the guest writes.  Watched only while there is such a line.
 */
#ifndef HV_PIC_H
#define HV_PIC_H

#include <veneer/types.h>

void pic_keep_masked(unsigned irq);
void pic_watch(void);

#endif
