/* SPDX-License-Identifier: BSD-2-Clause */
/* The composition root, as hv calls it. */
#ifndef VENEER_CONCEAL_H
#define VENEER_CONCEAL_H

#include <veneer/types.h>

/*
 * Name every PCI network and storage device in the log; take over those that the configuration selects, hide them, and make
 * their twins.  After PCI enumeration, before the guest is loaded.  What cannot be taken over is hidden or left as the log
 * says, and the guest starts all the same.  0; with nothing touched yet -ERR_NOMEM, when a device cannot be hidden, or
 * -ERR_TIMEOUT, when an IOMMU does not let itself be switched off; -ERR_INVAL, with all devices stopped again and nothing
 * written, when the configuration does not fit: a window its disk, a slot this machine.
 */
int conceal_start(void);

/*
 * Name every PCI network and storage device, its driver, how far that was ever tried, what would become of it, and what
 * shares its slot or interrupt line; nothing is touched.  The number of those that conceal_start() would conceal, or -ERR_INVAL
 * after a line that names the rule of the configuration that does not fit these devices.
 */
int conceal_check(void);

/* The machine goes down: stop DMA, flush disks, every controller.  Bounded. */
void conceal_shutdown(void);

#endif
