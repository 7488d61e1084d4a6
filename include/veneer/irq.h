/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts: from real devices to Veneer (doorbells), and from Veneer to the guest.
 */
#ifndef VENEER_IRQ_H
#define VENEER_IRQ_H

#include <veneer/hwdev.h>
#include <veneer/types.h>

/*
 * Doorbells.  Make @dev ring by NMI: by MSI, else MSI-X entry 0, else by its IOAPIC pin, which is learned with
 * ops->intx_test.  At each ring @dev->ops->poll is called.  Start only; call irq_enable afterwards.
 * 0, or negative with a log line when the device cannot ring.
 */
int doorbell_attach(struct hw_dev *dev);

/*
 * Work of a device was done outside its doorbell (a tick, a reset): the NMI for it may already be under way, and the next
 * one within a millisecond that nothing explains is taken for it.
 */
void doorbell_credit(void);

/*
 * Send one message-signalled interrupt of the guest's choosing: @addr and @data are what it wrote into an MSI or MSI-X
 * table.  Only fixed and lowest-priority delivery, vector >= 16 and addresses FEExxxxx go out; anything else is
 * dropped and counted.  Any time in an exit.
 */
void irq_send_msi(uint64_t addr, uint32_t data);

#endif
