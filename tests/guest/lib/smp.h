/* SPDX-License-Identifier: BSD-2-Clause */
/* Start of the other processors by INIT and SIPI, in either mode of the local APIC.  A processor's number is its APIC id. */
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

/*
 * Put the start code into low memory.  @entry then runs on each processor, with a stack, interrupts off and this probe's IDT.
 */
void smp_prepare(void (*entry)(unsigned int cpu));

/* Send INIT and two SIPIs to all others at once; their numbers are then in no order. */
void smp_start_others(void);

/* Send INIT and SIPIs to @cpu, and wait.  False if @entry has not begun within some seconds. */
bool smp_start(unsigned int cpu);

/* Write the ICR, and wait until the message is sent. */
void smp_ipi(uint32_t dest, uint32_t low);

bool smp_x2apic(void);
uint32_t smp_lapic_read(uint32_t off);
void smp_lapic_write(uint32_t off, uint32_t v);

#endif
