/* SPDX-License-Identifier: BSD-2-Clause */
/* The one place that knows both vendors. */
#ifndef HV_VCPU_CHOOSE_H
#define HV_VCPU_CHOOSE_H

/* Set vcpu_ops to the vendor whose probe() succeeds.  0, or -ERR_NOTSUP after a line for the user. */
int vcpu_choose(void);

#endif
