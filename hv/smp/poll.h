/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The polling core (docs/exits.md): a processor that does not run the guest serves rings and controllers that have traffic.
 */
#ifndef HV_POLL_H
#define HV_POLL_H

#include "hv/cpu/percpu.h"

/* Choose the processor as the configuration says; after smp_start() and the start of the devices.  Start only. */
void poll_init(void);

extern struct poll {
	struct cpu *core;
	uint32_t idle_us;	/* polling a controller ends if nothing was found for so long */
	uint64_t begins, ends, found, looks;
} poll;

/*
 * On the core, in the place of its sleep: poll while there is traffic and nobody requests anything.  False: there was none.
 * poll_wake(): an owner has traffic (owner_on_traffic()); any processor.
 */
bool poll_run(struct cpu *c);
void poll_wake(void);

#endif
