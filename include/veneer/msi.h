/* SPDX-License-Identifier: BSD-2-Clause */
/* Message-signalled interrupts from Veneer to the guest. */
#ifndef VENEER_MSI_H
#define VENEER_MSI_H

#include <veneer/types.h>

/*
 * Send a message-signalled interrupt for the guest: @addr and @data are the guest's values of an MSI capability or MSI-X table.
 * Only fixed and lowest-priority delivery, vectors >= 16 and addresses FEExxxxx are sent; other messages are dropped and
 * counted.  Any time in an exit.
 */
void irq_send_msi(uint64_t addr, uint32_t data);

#endif
