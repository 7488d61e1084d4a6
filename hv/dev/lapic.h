/* SPDX-License-Identifier: BSD-2-Clause */
/* Use of the local APIC, which belongs to the guest: Veneer reads its id, writes the ICR, and touches nothing else. */
#ifndef HV_LAPIC_H
#define HV_LAPIC_H

#include <veneer/types.h>
#include <veneer/vcpu.h>

#define LAPIC_STRIDE		0x010u
#define LAPIC_ID		0x020
#define LAPIC_EOI		0x0b0
#define LAPIC_SVR		0x0f0
#define LAPIC_ICR_LOW		0x300
#define LAPIC_ICR_HIGH		0x310
#define  ICR_VECTOR		GENMASK(7, 0)
#define  ICR_MODE		GENMASK(10, 8)
#define   ICR_MODE_FIXED	0u
#define   ICR_MODE_LOWEST	1u
#define   ICR_MODE_RESERVED	3u
#define   ICR_MODE_NMI		4u
#define   ICR_MODE_INIT		5u
#define   ICR_MODE_SIPI		6u
#define   ICR_MODE_EXTINT	7u
#define  ICR_X2_RESERVED	0xfff33000ull	/* a wrmsr that sets one of these is #GP (x2APIC: no delivery status) */
#define  ICR_LOGICAL		BIT(11)
#define  ICR_PENDING		BIT(12)
#define  ICR_ASSERT		BIT(14)
#define  ICR_LEVEL		BIT(15)
#define  ICR_SHORTHAND		GENMASK(19, 18)
#define   ICR_SELF		1u

void lapic_init(uint32_t addr);
uint32_t lapic_id(void);
uint32_t lapic_addr(void);

/* Send one interrupt: destination as in an MSI address (8 bits), @low the ICR's low half.  The guest's ICR high is kept. */
void lapic_send(uint32_t dest, uint32_t low);

/*
 * A guest write that was trapped: ICR writes with INIT or SIPI, or with an NMI for another CPU, are swallowed, all the rest
 * goes to the hardware.  xAPIC by page offset, x2APIC by MSR (the whole 64 bits).
 */
void lapic_guest_write(uint32_t off, unsigned width, uint32_t value);
bool lapic_guest_x2apic_icr(uint64_t value);	/* false: #GP for the guest */

#endif
