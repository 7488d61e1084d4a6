/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of fixed size.  If a table is full while Veneer scans the machine and starts its devices, an error line says so, once
 * for each table, and the start stops before the guest runs: nothing is left out silently.
 */
#ifndef VENEER_LIMIT_H
#define VENEER_LIMIT_H

#include <veneer/types.h>

/* @what, a string that lives on ("pci functions"), are more than the @max that there is room for. */
void limit_reached(const char *what, unsigned max);

/* How many tables were full. */
unsigned limits_reached(void);

#endif
