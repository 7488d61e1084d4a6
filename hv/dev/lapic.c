/* SPDX-License-Identifier: BSD-2-Clause */
#include <veneer/counters.h>
#include <veneer/io.h>
#include <veneer/irq.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include "hv/dev/lapic.h"
#include "hv/x86.h"

static volatile uint8_t *page;
static uint32_t page_addr;
static uint64_t cnt_sent, cnt_refused, cnt_swallowed;

#define MSI_ADDR_BASE		0xfee00000u
#define MSI_ADDR_DEST		GENMASK(19, 12)
#define MSI_ADDR_LOGICAL	BIT(2)
#define MSI_DATA_VECTOR		GENMASK(7, 0)
#define MSI_DATA_MODE		GENMASK(10, 8)

#define ICR_WAIT		100000u		/* polls of the delivery status: some milliseconds on silicon */

static bool x2apic(void)
{
	return rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
}

void lapic_init(uint32_t addr)
{
	page_addr = (uint32_t)(rdmsr(MSR_APIC_BASE) & 0xfffff000);
	if (page_addr != addr)
		log_warn("lapic: the MADT says %#x, the processor %#x", addr, page_addr);
	page = mem_map_mmio(page_addr, PAGE_SIZE);
	if (!page)
		panic("lapic: cannot map %#x", page_addr);
	counter_register("irq", "sent", &cnt_sent);
	counter_register("irq", "refused", &cnt_refused);
	counter_register("irq", "init_sipi_swallowed", &cnt_swallowed);
}

uint32_t lapic_addr(void)
{
	return page_addr;
}

uint32_t lapic_id(void)
{
	return x2apic() ? (uint32_t)rdmsr(MSR_X2APIC_ID) : mmio_read32(page + LAPIC_ID) >> 24;
}

static void wait_idle(void)
{
	static bool said;

	for (unsigned i = 0; i < ICR_WAIT; i++) {
		if (!(mmio_read32(page + LAPIC_ICR_LOW) & ICR_PENDING))
			return;
		cpu_relax();
	}
	log_err_once(said, "lapic: delivery status still pending, ICR %#x", mmio_read32(page + LAPIC_ICR_LOW));
}

void lapic_send(uint32_t dest, uint32_t low)
{
	if (x2apic()) {
		wrmsr(MSR_X2APIC_ICR, (uint64_t)dest << 32 | low);
		return;
	}
	uint32_t high = mmio_read32(page + LAPIC_ICR_HIGH);

	wait_idle();
	mmio_write32(page + LAPIC_ICR_HIGH, dest << 24);
	mmio_write32(page + LAPIC_ICR_LOW, low);
	wait_idle();
	mmio_write32(page + LAPIC_ICR_HIGH, high);
}

static void send_self(uint32_t low)
{
	if (x2apic()) {
		wrmsr(MSR_X2APIC_ICR, low);
		return;
	}
	wait_idle();		/* an IPI of the guest's may be on its way */
	mmio_write32(page + LAPIC_ICR_LOW, low);
}

/*
 * Lowest-priority delivery does not exist in the ICR of recent processors; with one guest CPU running it is fixed delivery to
 * that CPU.  INIT, SMI, NMI and ExtINT from a guest's table would be sent by Veneer itself, so they never are.
 */
void irq_send_msi(uint64_t addr, uint32_t data)
{
	uint32_t mode = FIELD_GET(MSI_DATA_MODE, data), vector = FIELD_GET(MSI_DATA_VECTOR, data);

	if ((addr & ~0xfffffull) != MSI_ADDR_BASE || mode > ICR_MODE_LOWEST || vector < 16) {
		cnt_refused++;
		return;
	}
	uint32_t dest = FIELD_GET(MSI_ADDR_DEST, (uint32_t)addr);
	uint32_t low = vector | ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_FIXED);

	cnt_sent++;
	/*
	 * A set of processors means the guest's one: logical addresses of x2APIC mode do not fit into 8 bits, and a broadcast
	 * would reach processors that are not the guest's.  By shorthand no destination register is touched.
	 */
	if (mode == ICR_MODE_LOWEST || (addr & MSI_ADDR_LOGICAL) || dest == 0xff || dest == lapic_id())
		send_self(low | FIELD_PREP(ICR_SHORTHAND, ICR_SELF));
	else
		lapic_send(dest, low);
}

/*
 * INIT and SIPI would start a processor outside Veneer, and so would an NMI for one that idles in the firmware's code, by
 * descriptor tables in memory that is the guest's by now.  An NMI for the guest's own processor is its own business.
 */
static bool swallowed(uint32_t low, uint32_t dest)
{
	uint32_t mode = FIELD_GET(ICR_MODE, low), shorthand = FIELD_GET(ICR_SHORTHAND, low);
	bool self = shorthand == ICR_SELF || (!shorthand && !(low & ICR_LOGICAL) && dest == lapic_id());

	return mode == ICR_MODE_INIT || mode == ICR_MODE_SIPI || (mode == ICR_MODE_NMI && !self);
}

void lapic_guest_write(uint32_t off, unsigned width, uint32_t value)
{
	/*
	 * Registers stand 16 bytes apart and are written as aligned dwords; what other accesses do, chips decide differently.
	 */
	if (width != 4 || off % LAPIC_STRIDE)
		return;
	if (off == LAPIC_ICR_LOW && swallowed(value, mmio_read32(page + LAPIC_ICR_HIGH) >> 24)) {
		cnt_swallowed++;
		return;
	}
	mmio_write32(page + off, value);
}

bool lapic_guest_x2apic_icr(uint64_t value)
{
	uint32_t mode = FIELD_GET(ICR_MODE, (uint32_t)value);

	/* Where the guest would get #GP the write must not be ours. */
	if (!x2apic() || (value & ICR_X2_RESERVED) || mode == ICR_MODE_RESERVED || mode == ICR_MODE_EXTINT)
		return false;
	if (swallowed((uint32_t)value, value >> 32))
		cnt_swallowed++;
	else
		wrmsr(MSR_X2APIC_ICR, value);
	return true;
}
