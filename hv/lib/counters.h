/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the counters, for the hypercall. */
#ifndef HV_COUNTERS_H
#define HV_COUNTERS_H

#include <veneer/types.h>

struct veneer_counter;

unsigned counters_count(void);
bool counters_get(uint64_t index, struct veneer_counter *out);

#endif
