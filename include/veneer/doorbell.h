/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts from real devices to Veneer. */
#ifndef VENEER_DOORBELL_H
#define VENEER_DOORBELL_H

#include <veneer/hwdev.h>
#include <veneer/owner.h>
#include <veneer/types.h>

/*
 * Doorbells: a device rings by NMI, by MSI, else MSI-X entry 0, else its IOAPIC pin.  Start only.
 *
 * doorbell_prepare() programs MSI or MSI-X, before the driver's probe: emulated NVMe looks at a vector only if MSI-X was on
 * when the completion queue was made.  Nothing for devices with neither.  doorbell_silence() undoes it.
 *
 * doorbell_attach() makes each ring call @dev->ops->poll, and learns the pin of a device without MSI, or with
 * dev->by_pin, by ops->intx_test.
 * Call irq_enable afterwards.  Both: 0, or negative with a log line when the device cannot ring.
 */
int doorbell_prepare(const struct pci_dev *pci);
void doorbell_silence(const struct pci_dev *pci);
int doorbell_attach(struct hw_dev *dev);

/*
 * @n completions of a controller (NULL: of each) were found outside its doorbell (a tick, a reset): their NMIs may still come,
 * and the next @n that nothing explains are taken for them, within 10 ms and two at most (in an emulator within half a second
 * and sixteen at most).
 */
void doorbell_credit(struct owner *owner, unsigned n);

#endif
