/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of the executing processor's local APIC, and the guest's trapped writes to them.  No emulated APIC. */
#include <veneer/counters.h>
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/lapic.h"
#include "hv/cpu/msr.h"
#include "hv/x86.h"

static volatile uint8_t *page;
static uint32_t page_addr;
static uint64_t cnt_emulated, cnt_accesses;

#define CPUID_APIC		BIT(9)		/* 1h EDX */
#define ICR_WAIT		100000u		/* polls of the delivery status: some milliseconds on silicon */

bool lapic_x2apic(void)
{
	return rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
}

int lapic_init(uint32_t addr)
{
	/* CPUID's bit is 0 while the local APIC is off (SDM vol. 3, 11.4.3; APM vol. 2, 16.3.1): then there may be no MSR. */
	if (!(cpuid(1, 0).edx & CPUID_APIC)) {
		log_err("lapic: it is off: devices could not interrupt Veneer");
		return -ERR_NODEV;
	}
	page_addr = (uint32_t)(rdmsr(MSR_APIC_BASE) & 0xfffff000);
	if (page_addr != addr)
		log_warn("lapic: the MADT says %#x, the processor %#x", addr, page_addr);
	page = mem_map_mmio(page_addr, PAGE_SIZE);
	if (!page) {
		log_err("lapic: cannot map %#x", page_addr);
		return -ERR_NODEV;
	}
	counter_register("irq", "ipis_emulated", &cnt_emulated);
	counter_register("lapic", "accesses", &cnt_accesses);
	return 0;
}

uint32_t lapic_addr(void)
{
	return page_addr;
}

uint32_t lapic_id(void)
{
	return lapic_x2apic() ? (uint32_t)rdmsr(MSR_X2APIC_ID) : mmio_read32(page + LAPIC_ID) >> 24;
}

uint32_t lapic_read(uint32_t off)
{
	return lapic_x2apic() ? (uint32_t)rdmsr(MSR_X2APIC + off / LAPIC_STRIDE) : mmio_read32(page + off);
}

void lapic_write(uint32_t off, uint32_t v)
{
	if (lapic_x2apic())
		wrmsr(MSR_X2APIC + off / LAPIC_STRIDE, v);
	else
		mmio_write32(page + off, v);
}

static bool vector_bit(uint32_t set, uint8_t vector)
{
	return lapic_read(set + vector / 32 * LAPIC_STRIDE) & BIT(vector % 32);
}

enum vector_state lapic_vector(uint8_t vector)
{
	if (vector_bit(LAPIC_IRR, vector))
		return VECTOR_WAITING;
	if (!vector_bit(LAPIC_ISR, vector))
		return VECTOR_IDLE;
	return vector_bit(LAPIC_TMR, vector) ? VECTOR_IN_SERVICE_LEVEL : VECTOR_IN_SERVICE;
}

bool lapic_takes_pic(void)
{
	uint32_t lint0;

	if (!(rdmsr(MSR_APIC_BASE) & APIC_BASE_ENABLE))
		return true;
	lint0 = lapic_read(LAPIC_LVT_LINT0);
	return !(lint0 & LVT_MASKED) && FIELD_GET(ICR_MODE, lint0) == ICR_MODE_EXTINT;
}

static bool keep_sipis;

void lapic_keep_sipis(void)
{
	keep_sipis = true;
}

/* An INIT makes an earlier SIPI history. */
static void keep_sipi(uint32_t low, uint32_t dest)
{
	struct cpu *c = this_cpu();

	if (FIELD_GET(ICR_MODE, low) == ICR_MODE_SIPI) {
		c->sipi_low = low;
		c->sipi_dest = dest;
	} else if (FIELD_GET(ICR_MODE, low) == ICR_MODE_INIT) {
		c->sipi_low = 0;
	}
}

/* The ICR reads as it was written last (SDM vol. 3, 11.6.1). */
static void keep_icr(void)
{
	uint64_t both = lapic_x2apic() ? rdmsr(MSR_X2APIC_ICR) : 0;

	if (lapic_x2apic())
		keep_sipi((uint32_t)both, (uint32_t)(both >> 32));
	else
		keep_sipi(mmio_read32(page + LAPIC_ICR_LOW), mmio_read32(page + LAPIC_ICR_HIGH) >> 24);
}

bool lapic_sipi_sent(uint32_t *low, uint32_t *dest)
{
	struct cpu *c = this_cpu();

	keep_icr();
	*low = c->sipi_low;
	*dest = c->sipi_dest;
	c->sipi_low = 0;
	return *low;
}

static void wait_idle(void)
{
	static bool said;

	for (unsigned i = 0; i < ICR_WAIT; i++) {
		uint32_t low = mmio_read32(page + LAPIC_ICR_LOW);

		if (!(low & ICR_PENDING)) {
			if (keep_sipis && FIELD_GET(ICR_MODE, low) >= ICR_MODE_INIT)
				keep_icr();
			return;
		}
		cpu_relax();
	}
	log_err_once(said, "lapic: delivery status still pending, ICR %#x", mmio_read32(page + LAPIC_ICR_LOW));
}

/*
 * Unlike a store to the page, a WRMSR does not wait for earlier stores (SDM vol. 3, 11.12.3): the data that the interrupt
 * announces must be visible first.  Emulators do not show the difference.
 */
static bool x2apic_icr(uint64_t value)
{
	if (keep_sipis)
		keep_icr();
	__asm__ volatile("mfence; lfence" : : : "memory");
	return wrmsr_safe(MSR_X2APIC_ICR, value);
}

void lapic_send(uint32_t dest, uint32_t low)
{
	if (lapic_x2apic()) {
		x2apic_icr((uint64_t)dest << 32 | low);
		return;
	}
	uint32_t high = mmio_read32(page + LAPIC_ICR_HIGH);

	wait_idle();
	mmio_write32(page + LAPIC_ICR_HIGH, dest << 24);
	mmio_write32(page + LAPIC_ICR_LOW, low);
	wait_idle();
	mmio_write32(page + LAPIC_ICR_HIGH, high);
}

void lapic_send_self(uint32_t low)
{
	if (lapic_x2apic()) {
		x2apic_icr(low);
		return;
	}
	wait_idle();		/* an IPI of the guest's may be on its way */
	mmio_write32(page + LAPIC_ICR_LOW, low);
}

bool lapic_pmi_is_nmi(bool *masked)
{
	uint32_t v = lapic_read(LAPIC_LVT_PMC);

	*masked = v & LVT_MASKED;
	return FIELD_GET(ICR_MODE, v) == ICR_MODE_NMI;
}

uint32_t lapic_ldr(void)
{
	return lapic_x2apic() ? ~0u : mmio_read32(page + LAPIC_LDR);
}

uint32_t lapic_dfr(void)
{
	return lapic_x2apic() ? ~0u : mmio_read32(page + LAPIC_DFR);
}

void lapic_guest_write(uint32_t off, unsigned width, uint32_t value)
{
	counter_add(&cnt_accesses, 1);
	/*
	 * Registers are 16 bytes apart and are written as aligned dwords; the effect of other accesses differs between chips.
	 * In x2APIC mode the page has no registers.
	 */
	if (width != 4 || off % LAPIC_STRIDE || lapic_x2apic())
		return;
	/*
	 * Offsets below the id are reserved: emulators take a store there for a message, possibly an INIT.  The guest does not
	 * change the id, to which doorbells and pokes are sent.
	 */
	if (off <= LAPIC_ID)
		return;
	if (off == LAPIC_ICR_LOW && ipi_guest_sends(value, mmio_read32(page + LAPIC_ICR_HIGH) >> 24, false)) {
		counter_add(&cnt_emulated, 1);
		return;
	}
	mmio_write32(page + off, value);
	if (off == LAPIC_LDR)
		__atomic_store_n(&this_cpu()->ldr, value, __ATOMIC_RELAXED);
	else if (off == LAPIC_DFR)
		__atomic_store_n(&this_cpu()->dfr, value, __ATOMIC_RELAXED);
}

bool lapic_guest_x2apic_icr(uint64_t value)
{
	uint32_t mode = FIELD_GET(ICR_MODE, (uint32_t)value);

	counter_add(&cnt_accesses, 1);
	/* Three modes are reserved (11.12.9); what else a processor refuses is #GP, too. */
	if (!lapic_x2apic() || (value & ICR_X2_RESERVED) || mode == ICR_MODE_LOWEST || mode == ICR_MODE_RESERVED ||
	    mode == ICR_MODE_EXTINT)
		return false;
	if (ipi_guest_sends((uint32_t)value, value >> 32, true))
		counter_add(&cnt_emulated, 1);
	else
		return x2apic_icr(value);
	return true;
}
