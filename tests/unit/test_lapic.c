/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/dev/lapic.c hv/cpu/msr.c hv/cpu/svm_msr.c tests/unit/host/cpu.c */
/* What reaches the real local APIC, and what a guest's MSR accesses do to the host. */
#include <string.h>
#include <veneer/irq.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/svm.h"
#include "hv/cpu/vendor.h"
#include "hv/dev/lapic.h"

#define OWN_ID		3u
#define SELF		(ICR_SELF << 18)

static uint32_t reg[0x400 / 4];
static unsigned writes, icr_writes;
static uint64_t base;
static uint32_t sent_high;	/* the destination when the ICR was written */

static uint64_t lapic_read(void *ctx, uint32_t off, unsigned width)
{
	CHECK_EQ(width, 4);
	CHECK_EQ(off % 16, 0);
	return reg[off / 4];
}

static void lapic_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	CHECK_EQ(width, 4);
	CHECK_EQ(off % 16, 0);
	reg[off / 4] = (uint32_t)v;
	writes++;
	icr_writes += off == LAPIC_ICR_LOW;
	if (off == LAPIC_ICR_LOW)
		sent_high = reg[LAPIC_ICR_HIGH / 4];
}

/* hv/cpu/ipi.c's: what it would do is another test. */
unsigned ncpus;
static unsigned emulated;
static uint32_t emulated_dest;

bool ipi_guest_sends(uint32_t low, uint32_t dest, bool x2apic)
{
	uint32_t mode = low >> 8 & 7;

	if (mode < ICR_MODE_NMI || mode > ICR_MODE_SIPI)
		return false;
	emulated++;
	emulated_dest = dest;
	return true;
}

static const struct host_model model = { lapic_read, lapic_write };

static uint64_t get_tsc_offset(struct vcpu *v) { return 0; }
static void set_tsc_offset(struct vcpu *v, uint64_t o) { }
static struct vcpu_regs regs;
static void get(struct vcpu *v, struct vcpu_regs *out) { *out = regs; }
static void set(struct vcpu *v, const struct vcpu_regs *in) { regs = *in; }
static const struct vcpu_ops ops = {
	.get = get, .set = set, .get_tsc_offset = get_tsc_offset, .set_tsc_offset = set_tsc_offset,
	.rdmsr = svm_rdmsr, .wrmsr = svm_wrmsr,
};
const struct vcpu_ops *vendor = &ops;

static void start(bool x2)
{
	ncpus = 1;
	emulated = 0;
	host_cpu_reset();
	base = host_mmio_new(PAGE_SIZE, &model, NULL);
	host_msr_set(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_BSP | (x2 ? APIC_BASE_X2APIC : 0));
	if (x2) {
		host_msr_set(MSR_X2APIC_ID, OWN_ID);
		host_msr_set(MSR_X2APIC_ICR, 0);
	}
	memset(reg, 0, sizeof(reg));
	lapic_init((uint32_t)base);
	reg[LAPIC_ID / 4] = OWN_ID << 24;
	writes = icr_writes = host_wrmsrs = 0;
	memset(&regs, 0, sizeof(regs));
}

TEST(msi_to_us_by_shorthand)
{
	start(false);
	reg[LAPIC_ICR_HIGH / 4] = 0xab000000;
	irq_send_msi(0xfee00000 | OWN_ID << 12, 0x45);
	CHECK_EQ(reg[LAPIC_ICR_LOW / 4], 0x45 | ICR_ASSERT | SELF);
	CHECK_EQ(writes, 1);
	CHECK_EQ(reg[LAPIC_ICR_HIGH / 4], 0xab000000);
}

TEST(with_one_processor_a_set_means_us)
{
	static const struct { uint32_t addr, data; } set_of[] = {
		{ 0xfee00000 | 0xff << 12, 0x31 }, { 0xfee00000 | 1 << 12 | 4, 0x31 }, { 0xfee00000, 0x131 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(set_of); i++) {
		start(i & 1);
		irq_send_msi(set_of[i].addr, set_of[i].data);
		uint64_t icr = i & 1 ? host_msr(MSR_X2APIC_ICR) : reg[LAPIC_ICR_LOW / 4];
		CHECK_EQ(icr, 0x31 | ICR_ASSERT | SELF);
	}
}

TEST(msi_elsewhere_keeps_the_guests_icr_high)
{
	start(false);
	reg[LAPIC_ICR_HIGH / 4] = 0x11000000;
	irq_send_msi(0xfee00000 | 7 << 12, 0x99);
	CHECK_EQ(reg[LAPIC_ICR_LOW / 4], 0x99 | ICR_ASSERT);
	CHECK_EQ(reg[LAPIC_ICR_HIGH / 4], 0x11000000);
	CHECK_EQ(writes, 3);
}

TEST(modes_and_addresses_that_are_not_the_guests_to_send)
{
	start(false);
	for (unsigned mode = 2; mode < 8; mode++)
		irq_send_msi(0xfee00000 | OWN_ID << 12, mode << 8 | 0x40);
	for (unsigned vector = 0; vector < 16; vector++)
		irq_send_msi(0xfee00000 | OWN_ID << 12, vector);
	irq_send_msi(0xfed00000, 0x40);
	irq_send_msi(0x1fee00000ull, 0x40);
	irq_send_msi(0, 0x40);
	CHECK_EQ(writes, 0);
}

TEST(startup_ipis_are_swallowed_at_every_offset_and_width)
{
	for (unsigned mode = ICR_MODE_INIT; mode <= ICR_MODE_SIPI; mode++) {
		start(false);
		for (uint32_t off = LAPIC_ICR_LOW; off < LAPIC_ICR_HIGH; off++)
			for (unsigned width = 1; width <= 8; width *= 2)
				lapic_guest_write(off, width, mode << 8 | 0x9a | ICR_ASSERT);
		lapic_guest_write(LAPIC_ICR_LOW - 1, 4, mode << 16);
		CHECK_EQ(writes, 0);
	}
}

TEST(other_writes_pass)
{
	start(false);
	lapic_guest_write(LAPIC_EOI, 4, 0);
	lapic_guest_write(LAPIC_ICR_HIGH, 4, 5u << 24);
	lapic_guest_write(LAPIC_ICR_LOW, 4, 0x40 | ICR_ASSERT);
	CHECK_EQ(writes, 3);
	CHECK_EQ(reg[LAPIC_ICR_LOW / 4], 0x40 | ICR_ASSERT);
}

TEST(nmis_and_startup_ipis_are_emulated)
{
	start(false);
	lapic_guest_write(LAPIC_ICR_HIGH, 4, 7u << 24);
	lapic_guest_write(LAPIC_ICR_LOW, 4, ICR_MODE_NMI << 8);
	CHECK(emulated == 1 && emulated_dest == 7);
	lapic_guest_write(LAPIC_ICR_LOW, 4, ICR_MODE_INIT << 8 | ICR_ASSERT);
	lapic_guest_write(LAPIC_ICR_LOW, 4, ICR_MODE_SIPI << 8 | 8);
	CHECK_EQ(emulated, 3);
	CHECK_EQ(icr_writes, 0);
}

TEST(with_several_processors_a_set_is_a_set)
{
	static const struct { uint32_t addr, data, high, low; } msi[] = {
		{ 0xfee00000 | 2 << 12 | 4, 0x31, 2, 0x31 | ICR_ASSERT | ICR_LOGICAL },
		{ 0xfee00000 | 6 << 12 | 4, 0x31, 6, 0x31 | ICR_ASSERT | ICR_LOGICAL },
		{ 0xfee00000 | 0xff << 12, 0x31, 0xff, 0x31 | ICR_ASSERT },
		/* lowest priority: one of them, this processor where it is one (logical id 4) */
		{ 0xfee00000 | 6 << 12 | 4, 0x131, 4, 0x31 | ICR_ASSERT | ICR_LOGICAL },
		{ 0xfee00000 | 10 << 12 | 4, 0x131, 2, 0x31 | ICR_ASSERT | ICR_LOGICAL },
		{ 0xfee00000 | 5 << 12, 0x131, 5, 0x31 | ICR_ASSERT },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(msi); i++) {
		start(false);
		ncpus = 4;
		reg[LAPIC_LDR / 4] = 4u << 24;
		reg[LAPIC_DFR / 4] = ~0u;
		sent_high = 0;
		irq_send_msi(msi[i].addr, msi[i].data);
		CHECK_EQ(reg[LAPIC_ICR_LOW / 4], msi[i].low);
		CHECK_EQ(sent_high, msi[i].high << 24);
	}
	/* clusters of four: the high half of the id is the cluster */
	reg[LAPIC_DFR / 4] = 0x0fffffff;
	reg[LAPIC_LDR / 4] = 0x21u << 24;
	irq_send_msi(0xfee00000 | 0x36 << 12 | 4, 0x131);
	CHECK_EQ(sent_high, 0x32u << 24);
	irq_send_msi(0xfee00000 | 0x23 << 12 | 4, 0x131);
	CHECK_EQ(sent_high, 0x21u << 24);
}

TEST(init_resets_the_local_apic)
{
	start(false);
	reg[LAPIC_VERSION / 4] = 0x00050014;
	reg[LAPIC_LVT_TIMER / 4] = 0x200ec;
	reg[LAPIC_SVR / 4] = 0x1ff;
	lapic_reset();
	CHECK(reg[LAPIC_LVT_TIMER / 4] == LVT_MASKED && reg[LAPIC_SVR / 4] == 0xff && reg[LAPIC_DFR / 4] == ~0u);
	CHECK(!reg[LAPIC_LVT_CMCI / 4] && reg[LAPIC_LVT_PMC / 4] == LVT_MASKED);
	CHECK_EQ(icr_writes, 0);
}

/* --- MSRs --- */

static bool write_msr(uint32_t msr, uint64_t value)
{
	struct vcpu v = { .gpr = { [GPR_RCX] = msr, [GPR_RAX] = (uint32_t)value, [GPR_RDX] = value >> 32 } };

	return exit_wrmsr(&v);
}

TEST(x2apic_icr)
{
	start(true);
	CHECK(write_msr(MSR_X2APIC_ICR, 0x40));
	CHECK_EQ(host_msr(MSR_X2APIC_ICR), 0x40);
	CHECK(write_msr(MSR_X2APIC_ICR, 7ull << 32 | ICR_MODE_INIT << 8));
	CHECK(write_msr(MSR_X2APIC_ICR, 7ull << 32 | ICR_MODE_SIPI << 8 | 9));
	CHECK(write_msr(MSR_X2APIC_ICR, 7ull << 32 | ICR_MODE_NMI << 8));
	CHECK_EQ(host_wrmsrs, 1);
	/* What is #GP on the processor is one for the guest, and never done by us. */
	for (unsigned bit = 0; bit < 32; bit++)
		if (ICR_X2_RESERVED & BIT(bit))
			CHECK(!write_msr(MSR_X2APIC_ICR, BIT64(bit) | 0x40));
	CHECK_EQ(host_wrmsrs, 1);
}

TEST(x2apic_icr_in_xapic_mode_is_gp)
{
	start(false);
	CHECK(!write_msr(MSR_X2APIC_ICR, 0x40));
}

TEST(apic_base)
{
	start(false);
	uint64_t now = host_msr(MSR_APIC_BASE);

	CHECK(!write_msr(MSR_APIC_BASE, now | APIC_BASE_X2APIC));
	CHECK(write_msr(MSR_APIC_BASE, 0xfed00000 | APIC_BASE_ENABLE));
	CHECK(write_msr(MSR_APIC_BASE, 0));
	CHECK_EQ(host_msr(MSR_APIC_BASE), now);
	host_cpuid_set(1, (struct cpuid_regs){ .ecx = BIT(21) });
	CHECK(write_msr(MSR_APIC_BASE, now | APIC_BASE_X2APIC));
	CHECK_EQ(host_msr(MSR_APIC_BASE), now | APIC_BASE_X2APIC);
}

TEST(efer_takes_what_the_processor_has)
{
	start(false);
	for (unsigned bit = 0; bit < 64; bit++) {
		bool ok = BIT64(bit) & (EFER_SCE | EFER_LME | EFER_LMA);

		CHECK_EQ(write_msr(MSR_EFER, BIT64(bit)), ok);
	}
	host_cpuid_set(0x80000001, (struct cpuid_regs){ .edx = BIT(20) | BIT(25), .ecx = BIT(17) });
	CHECK(write_msr(MSR_EFER, EFER_NXE | EFER_FFXSR | EFER_TCE | EFER_LME));
	CHECK_EQ(regs.efer, EFER_NXE | EFER_FFXSR | EFER_TCE | EFER_LME);
	CHECK(!write_msr(MSR_EFER, EFER_SVME));
	regs.cr0 = CR0_PG;
	CHECK(!write_msr(MSR_EFER, 0));
	regs.efer |= EFER_LMA;
	CHECK(write_msr(MSR_EFER, EFER_LME));
	CHECK_EQ(regs.efer, EFER_LME | EFER_LMA);
}

TEST(machine_msrs_seem_written)
{
	static const uint32_t ignored[] = {
		0xc0010010, 0xc0010015, 0xc001001a, 0xc001001d, 0xc0010020, 0xc0010058, 0xc0010111,
	};

	start(false);
	for (unsigned i = 0; i < ARRAY_SIZE(ignored); i++)
		CHECK(write_msr(ignored[i], ~0ull));
	CHECK(!write_msr(MSR_VM_CR, 0));
	CHECK(!write_msr(MSR_VM_HSAVE_PA, 0));
	CHECK(!write_msr(0xc0020000, 0));
	CHECK(!write_msr(0x480, 0));
	CHECK_EQ(host_wrmsrs, 0);
}

TEST_MAIN
