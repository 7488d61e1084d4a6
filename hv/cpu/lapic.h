/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Use of the local APIC, which belongs to the guest: Veneer reads its id and its vectors, and writes the ICR.  Veneer changes
 * other registers only to emulate INIT and the guest's own changes of the mode (lapic_mode.c).
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

/* The state of a vector at this CPU's local APIC. */
enum vector_state {
	VECTOR_IDLE,
	VECTOR_WAITING,		/* in IRR: its handler has not begun */
	VECTOR_IN_SERVICE,	/* in ISR only: its handler has not ended */
	VECTOR_IN_SERVICE_LEVEL,	/* the same, and its EOI goes to the I/O APICs, if no edge comes in between */
};
enum vector_state lapic_vector(uint8_t vector);

/* True if interrupts of the 8259s get through: LINT0 is ExtINT and not masked, or the local APIC is off. */
bool lapic_takes_pic(void);

/*
 * Once, at the start; @addr is the MADT's.  -ERR_NODEV after a line if the local APIC is off or cannot be reached: firmware
 * has a switch for it.
 */
int lapic_init(uint32_t addr);
uint32_t lapic_id(void);
uint32_t lapic_addr(void);

/* Send one interrupt: @dest as in an MSI address (8 bits), @low the ICR's low half.  The guest's ICR high does not change. */
void lapic_send(uint32_t dest, uint32_t low);

/* Send @low to this processor itself, without a write to the ICR's high half. */
void lapic_send_self(uint32_t low);

/* True if the last command of the guest's in this processor's ICR is a SIPI: its two halves.  Once for each. */
bool lapic_sipi_sent(uint32_t *low, uint32_t *dest);

/* From now on the guest's SIPIs reach the ICR: keep one that Veneer's own use of the ICR would overwrite. */
void lapic_keep_sipis(void);

/* True if the entry of the performance counters sends NMIs; *@masked: true if the entry is masked. */
bool lapic_pmi_is_nmi(bool *masked);

/* Return this processor's logical destination and its format, as in xAPIC mode (x2APIC mode: all ones, flat). */
uint32_t lapic_ldr(void);
uint32_t lapic_dfr(void);

/* True if this processor is in x2APIC mode; read and write a register by its offset in the page, in either mode. */
bool lapic_x2apic(void);
uint32_t lapic_read(uint32_t off);
void lapic_write(uint32_t off, uint32_t v);

/*
 * Do what INIT does to this processor's APIC: all but the id as after a reset, in the same mode; in x2APIC mode the logical id
 * stays, too.  Call with the host's interrupts off: this function takes those that pend, Veneer's handler takes NMIs meanwhile.
 */
void lapic_reset(void);

/*
 * The guest's accesses to IA32_APIC_BASE: transitions between disabled, xAPIC and x2APIC as on the processor, false: #GP.  The
 * page stays in its place.  The guest only reads "disabled": the hardware is in xAPIC mode then, with its pins let through.
 */
bool lapic_guest_base_write(uint64_t value);
/* The same for a caller who may not ring doorbells: *@nmis_lost is set if smp_nmis_lost() is to be called later. */
bool lapic_switch(uint64_t value, bool *nmis_lost);
uint64_t lapic_guest_base_read(void);

/*
 * Handle a trapped write of the guest's: ICR writes with INIT, SIPI or NMI are emulated (hv/cpu/ipi.c), all others go to the
 * hardware.  xAPIC by page offset, x2APIC by MSR (the whole 64 bits).
 */
void lapic_guest_write(uint32_t off, unsigned width, uint32_t value);
bool lapic_guest_x2apic_icr(uint64_t value);	/* false: #GP for the guest */

#endif
