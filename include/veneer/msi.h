/* SPDX-License-Identifier: BSD-2-Clause */
/* Message-signalled interrupts from Veneer to the guest. */
#ifndef VENEER_MSI_H
#define VENEER_MSI_H

#include <veneer/types.h>

/*
 * Send one message-signalled interrupt of the guest's choosing: @addr and @data are what it wrote into an MSI or MSI-X
 * table.  Only fixed and lowest-priority delivery, vector >= 16 and addresses FEExxxxx go out; anything else is
 * dropped and counted.  Any time in an exit.
 */
void irq_send_msi(uint64_t addr, uint32_t data);

#endif
