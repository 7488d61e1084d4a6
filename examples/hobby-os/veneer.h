/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor underneath, when there is one: its counters and its log. */
#ifndef HOBBY_VENEER_H
#define HOBBY_VENEER_H

#include <veneer/hypercall.h>
#include "hobby.h"

bool veneer_present(void);
/* The number of counters, 0 without Veneer. */
unsigned int veneer_counters(void);
/* Counter @index.  0, or -1 when there is none. */
int veneer_counter(unsigned int index, struct veneer_counter *out);
void veneer_print_log(void);

/* Remember all counters; print those that have changed since, one "@what: NAME +N" a line. */
void veneer_mark(void);
void veneer_print_changes(const char *what);

#endif
