/* SPDX-License-Identifier: BSD-2-Clause */
/* The sections of the HPETs, and their parts of <veneer/state.h> (CONFIG_STATE). */
#ifndef HV_HPET_STATE_H
#define HV_HPET_STATE_H

#include <veneer/types.h>

/* From hpet.c: the registers of acpi.hpet[@i] are mapped at @reg; the guest has written here, which is aligned to @width. */
void hpet_state_of(unsigned i, volatile uint8_t *reg);
void hpet_state_wrote(const volatile uint8_t *at, unsigned width, uint64_t value);

/* Make each HPET of the ACPI tables a part, by @add.  After hpet_init().  Start only. */
struct state_part;
void hpets_keep(void (*add)(struct state_part *part));

#endif
