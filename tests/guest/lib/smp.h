/* SPDX-License-Identifier: BSD-2-Clause */
/* The other processors: started by INIT and SIPI in whichever mode the local APIC is; their numbers are their APIC ids. */
#ifndef SMP_H
#define SMP_H

#include "guest.h"

#define SMP_MAX		8u

#define LAPIC		0xfee00000u
#define MSR_APIC_BASE	0x1b
#define APIC_X2		(1u << 10)
#define APIC_ON		(1u << 11)
#define MSR_X2APIC	0x800		/* + offset / 16 */
#define LAPIC_LDR	0xd0
#define LAPIC_DFR	0xe0
#define LAPIC_SVR	0xf0
#define IPI_NMI		0x00004400u
#define IPI_INIT	0x00004500u
#define IPI_FIXED	0x00004000u
#define IPI_LOGICAL	0x00000800u
#define IPI_OTHERS	(3u << 18)

/* Put what they start with into low memory: @entry runs on each, with a stack, interrupts off and this probe's IDT. */
void smp_prepare(void (*entry)(unsigned int cpu));

/* INIT and two SIPIs to all others at once: which number each gets is open. */
void smp_start_others(void);

/* INIT and SIPIs to one, and wait: false when @entry has not begun within some seconds. */
bool smp_start(unsigned int cpu);

/* Write the ICR, and wait until it is sent. */
void smp_ipi(uint32_t dest, uint32_t low);

bool smp_x2apic(void);
uint32_t smp_lapic_read(uint32_t off);
void smp_lapic_write(uint32_t off, uint32_t v);

#endif
