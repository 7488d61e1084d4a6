/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Use of the local APIC, which belongs to the guest: Veneer reads its id and its vectors, writes the ICR, and touches nothing
 * else but for what INIT and the guest's own changes of its mode do (lapic_mode.c).
 */
#ifndef HV_LAPIC_H
#define HV_LAPIC_H

#include <veneer/types.h>

#define LAPIC_STRIDE		0x010u
#define LAPIC_ID		0x020
#define LAPIC_VERSION		0x030
#define  VERSION_MAX_LVT	GENMASK(23, 16)
#define LAPIC_TPR		0x080
#define LAPIC_EOI		0x0b0
#define LAPIC_LDR		0x0d0
#define LAPIC_DFR		0x0e0
#define LAPIC_SVR		0x0f0
#define  SVR_VECTOR		GENMASK(7, 0)
#define  SVR_ENABLE		BIT(8)
#define LAPIC_ISR		0x100		/* and TMR, IRR: 256 bits in eight registers */
#define LAPIC_TMR		0x180
#define LAPIC_IRR		0x200
#define LAPIC_LVT_CMCI		0x2f0
#define LAPIC_LVT_TIMER		0x320
#define  LVT_MASKED		BIT(16)
#define LAPIC_LVT_THERMAL	0x330
#define LAPIC_LVT_PMC		0x340
#define LAPIC_LVT_LINT0		0x350
#define LAPIC_LVT_LINT1		0x360
#define LAPIC_LVT_ERROR		0x370
#define LAPIC_TIMER_INIT	0x380
#define LAPIC_TIMER_DIV		0x3e0
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
#define   ICR_ALL		2u
#define   ICR_OTHERS		3u

/* What becomes of a vector at this CPU's local APIC. */
enum vector_state {
	VECTOR_IDLE,
	VECTOR_WAITING,		/* in IRR: the handler has not begun */
	VECTOR_IN_SERVICE,	/* in ISR only: it has not ended */
	VECTOR_IN_SERVICE_LEVEL,	/* and its end goes to the I/O APICs, if no edge comes in between */
};
enum vector_state lapic_vector(uint8_t vector);

/* Whether LINT0, where the 8259s are, comes through as ExtINT. */
bool lapic_takes_pic(void);

void lapic_init(uint32_t addr);
uint32_t lapic_id(void);
uint32_t lapic_addr(void);

/* Send one interrupt: destination as in an MSI address (8 bits), @low the ICR's low half.  The guest's ICR high is kept. */
void lapic_send(uint32_t dest, uint32_t low);

/* Send @low to this processor itself: its ICR high is not touched. */
void lapic_send_self(uint32_t low);

/* Whether the entry of the performance counters is for NMIs; *@masked, too. */
bool lapic_pmi_is_nmi(bool *masked);

/* The logical destination and its format, of this processor, as xAPIC mode has them (x2APIC mode: all ones, flat). */
uint32_t lapic_ldr(void);
uint32_t lapic_dfr(void);

/* Of this processor, in whichever mode it is: whether that is x2APIC, and a register by its offset in the page. */
bool lapic_x2apic(void);
uint32_t lapic_read(uint32_t off);
void lapic_write(uint32_t off, uint32_t v);

/*
 * What INIT does to this processor's: all but the id as after a reset, in the same mode; in x2APIC mode the logical id
 * stays, too.  With the host's interrupts off: those that pend are taken here, and NMIs meanwhile by Veneer's handler.
 */
void lapic_reset(void);

/*
 * The guest's IA32_APIC_BASE: transitions between disabled, xAPIC and x2APIC as the processor has them, false: #GP.  The page
 * stays in its place.  Disabled is only shown: the hardware is in xAPIC mode then, with its pins let through.
 */
bool lapic_guest_base_write(uint64_t value);
uint64_t lapic_guest_base_read(void);

/*
 * A guest write that was trapped: ICR writes with INIT, SIPI or NMI are emulated (hv/cpu/ipi.c), all the rest goes to the
 * hardware.  xAPIC by page offset, x2APIC by MSR (the whole 64 bits).
 */
void lapic_guest_write(uint32_t off, unsigned width, uint32_t value);
bool lapic_guest_x2apic_icr(uint64_t value);	/* false: #GP for the guest */

#endif
