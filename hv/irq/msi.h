/* SPDX-License-Identifier: BSD-2-Clause */
/* hv's side of <veneer/msi.h>. */
#ifndef HV_MSI_H
#define HV_MSI_H

/* Register the counters of messages. */
void irq_init(void);

#endif
