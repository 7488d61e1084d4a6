/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of fixed size.  One that is full while the machine is looked at and its devices start is an error line, once for each
 * table, and stops the start before the guest runs: nothing is left out in silence.
 */
#ifndef VENEER_LIMIT_H
#define VENEER_LIMIT_H

#include <veneer/types.h>

/* @what, a string that lives on ("pci functions"), are more than the @max that there is room for. */
void limit_reached(const char *what, unsigned max);

/* How many tables were full. */
unsigned limits_reached(void);

#endif
