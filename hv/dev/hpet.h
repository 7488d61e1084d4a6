/* SPDX-License-Identifier: BSD-2-Clause */
/* The HPET's messages: see hpet.c. */
#ifndef HV_HPET_H
#define HV_HPET_H

#include <veneer/types.h>

/*
 * Make the places where an HPET is or can be read-only, so that Veneer sees the guest's writes; reads do not exit.  Call once,
 * after acpi_init() and trap_new_mmio() can be used.  Start only.  0, or -ERR_NOMEM after a log line.
 */
int hpet_init(void);

/* True if a guest may send this message. */
bool hpet_message_is_good(uint32_t value, uint32_t addr);

#endif
