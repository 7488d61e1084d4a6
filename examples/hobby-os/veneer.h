/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters and the log of the hypervisor Veneer, if it runs below. */
#ifndef HOBBY_VENEER_H
#define HOBBY_VENEER_H

#include <veneer/hypercall.h>
#include "hobby.h"

bool veneer_present(void);
/* Return the number of counters, 0 without Veneer. */
unsigned int veneer_counters(void);
/* Read counter @index.  0, or -1 if there is none. */
int veneer_counter(unsigned int index, struct veneer_counter *out);
void veneer_print_log(void);

/*
 * Have the machine saved and switched off.  0: it has been resumed from there; else it runs on after the (negative) error.
 */
int veneer_snapshot(void);

/* Store all counters; print those that have changed since, one "@what: NAME +N" per line. */
void veneer_mark(void);
void veneer_print_changes(const char *what);

#endif
