/* SPDX-License-Identifier: BSD-2-Clause */
/* All processors of the guest at rest between two exits, while one of them saves or loads (CONFIG_STATE). */
#ifndef HV_SMP_GATHER_H
#define HV_SMP_GATHER_H

#include "hv/cpu/percpu.h"

/*
 * Gather the guest's processors, and let them go.  Called between two exits, on a processor that owns nothing and holds no
 * lock; by one processor at a time.  Bounded: a processor that does not come is a panic.
 */
void state_gather(void);
void state_scatter(void);

/* True if the processor is this one, or is gathered.  One that waits for a real SIPI, which takes no request, is not. */
bool state_has(const struct cpu *c);

/* While they are gathered: let @c, which state_has(), make this call, and wait for its end. */
void state_on(struct cpu *c, void (*call)(struct cpu *c, void *ctx), void *ctx);

/* The gatherer calls this often during what takes long, once the guest has run here: vcpu_ops->breathe, each millisecond. */
void state_breathe(void);

/* REQ_STATE: wait until the gathering ends; then call lapic_state_settle(). */
void state_wait(struct cpu *c);

/*
 * A processor has waited for a real SIPI: let it wait so no more.  If others are gathered this takes until the gathering ends,
 * and the SIPI has come after the state.
 */
void state_leave_wait(struct cpu *c);

#endif
