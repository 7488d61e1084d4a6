/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/cpu/lapic.c hv/irq/msi.c hv/smp/lapic_mode.c hv/exit/msr.c hv/svm/svm_msr.c hv/cpu/msr.c */
/* sources: hv/exit/cpuid.c hv/cpu/features.c tests/unit/host/cpu.c */
/* Accesses that reach the real local APIC, and effects of a guest's MSR accesses on the host. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/msi.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/cpus.h"
#include "hv/smp/smp.h"
#include "hv/cpu/vcpu.h"
#include "hv/exit/exit.h"
#include "hv/svm/svm.h"
#include "hv/cpu/features.h"
#include "hv/cpu/lapic.h"

uint64_t phys_limit(void) { return 1ull << 40; }
bool mtrr_read(uint32_t msr, uint64_t *value) { return false; }
bool mtrr_write(uint32_t msr, uint64_t value) { return false; }

#define OWN_ID		3u
#define SELF		(ICR_SELF << 18)

static uint32_t reg[0x400 / 4];
static unsigned writes, icr_writes;
static uint64_t base;
static uint32_t sent_high;	/* the destination when the ICR was written */

static uint64_t model_read(void *ctx, uint32_t off, unsigned width)
{
	CHECK_EQ(width, 4);
	CHECK_EQ(off % 16, 0);
	return reg[off / 4];
}

/* Return the highest bit of a set, or -1. */
static int highest(uint32_t set)
{
	for (int v = 255; v >= 0; v--)
		if (reg[(set + v / 32 * 16) / 4] & BIT(v % 32))
			return v;
	return -1;
}

static void model_eoi(void)
{
	int v = highest(LAPIC_ISR);

	if (v >= 0)
		reg[(LAPIC_ISR + v / 32 * 16) / 4] &= ~BIT(v % 32);
}

/* Return the vector that the processor would take now: with the APIC on, the highest pending one above those in service. */
static int acknowledge(void)
{
	int v = highest(LAPIC_IRR);

	if (v < 0 || v / 16 <= highest(LAPIC_ISR) / 16 || !(reg[LAPIC_SVR / 4] & SVR_ENABLE) || reg[LAPIC_TPR / 4])
		return -1;
	reg[(LAPIC_IRR + v / 32 * 16) / 4] &= ~BIT(v % 32);
	reg[(LAPIC_ISR + v / 32 * 16) / 4] |= BIT(v % 32);
	return v;
}

static void model_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	CHECK_EQ(width, 4);
	CHECK_EQ(off % 16, 0);
	if (off == LAPIC_EOI)
		model_eoi();
	reg[off / 4] = (uint32_t)v;
	writes++;
	icr_writes += off == LAPIC_ICR_LOW;
	if (off == LAPIC_ICR_LOW)
		sent_high = reg[LAPIC_ICR_HIGH / 4];
}

/* In the place of hv/cpu/ipi.c, which has a test of its own. */
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

static struct cpu *running[2];		/* last known processors with logical ids 1 and 2 */
struct cpu *cpus[MAX_CPUS];
extern __thread struct cpu host_cpu;
static unsigned lost;

void smp_nmis_lost(struct cpu *c) { lost++; }

struct cpu *smp_find_target(uint32_t addr)
{
	uint32_t dest = addr >> 12 & 0xff;

	CHECK(addr & 4);
	return (dest & 0xf) <= 2 ? running[(dest & 0xf) - 1] : NULL;
}

static const struct host_model model = { model_read, model_write };

static uint64_t get_tsc_offset(struct vcpu *v) { return 0; }
static void set_tsc_offset(struct vcpu *v, uint64_t o) { }
static struct vcpu_regs regs;
static void get(struct vcpu *v, struct vcpu_regs *out) { *out = regs; }
static void set(struct vcpu *v, const struct vcpu_regs *in) { regs = *in; }
static const struct vcpu_ops ops = {
	.get = get, .set = set, .get_tsc_offset = get_tsc_offset, .set_tsc_offset = set_tsc_offset,
	.rdmsr = svm_rdmsr, .wrmsr = svm_wrmsr, .acknowledge_interrupt = acknowledge,
};
const struct vcpu_ops *vcpu_ops = &ops;

static void start(bool x2)
{
	ncpus = 1;
	cpus[0] = &host_cpu;
	memset(&host_cpu, 0, sizeof(host_cpu));
	memset(running, 0, sizeof(running));
	emulated = lost = 0;
	host_cpu_reset();
	features_init();
	base = host_mmio_new(PAGE_SIZE, &model, NULL);
	host_msr_set(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_BSP | (x2 ? APIC_BASE_X2APIC : 0));
	if (x2) {
		host_msr_set(MSR_X2APIC_ID, OWN_ID);
		host_msr_set(MSR_X2APIC_ICR, 0);
	}
	memset(reg, 0, sizeof(reg));
	host_cpuid_set(1, (struct cpuid_regs){ .edx = BIT(9) });
	CHECK_EQ(lapic_init((uint32_t)base), 0);
	reg[LAPIC_ID / 4] = OWN_ID << 24;
	writes = icr_writes = host_wrmsrs = 0;
	memset(&regs, 0, sizeof(regs));
}

TEST(an_apic_that_firmware_switched_off_is_said_and_its_msr_not_read)
{
	host_cpu_reset();
	host_log_clear();
	CHECK_EQ(lapic_init(0xfee00000), -ERR_NODEV);
	CHECK(host_log_has("lapic: it is off"));
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
		/* lowest priority: one of the set, this processor if it is in it (logical id 4) */
		{ 0xfee00000 | 6 << 12 | 4, 0x131, 4, 0x31 | ICR_ASSERT | ICR_LOGICAL },
		{ 0xfee00000 | 10 << 12 | 4, 0x131, 2, 0x31 | ICR_ASSERT | ICR_LOGICAL },
		{ 0xfee00000 | 5 << 12, 0x131, 5, 0x31 | ICR_ASSERT },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(msi); i++) {
		start(false);
		ncpus = 4;
		running[1] = &host_cpu;
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
	host_cpu.ldr = 0x02000000;
	lapic_reset();
	CHECK(reg[LAPIC_LVT_TIMER / 4] == LVT_MASKED && reg[LAPIC_SVR / 4] == 0xff && reg[LAPIC_DFR / 4] == ~0u);
	CHECK(!reg[LAPIC_LVT_CMCI / 4] && reg[LAPIC_LVT_PMC / 4] == LVT_MASKED);
	CHECK_EQ(icr_writes, 0);
	CHECK(!host_cpu.ldr && host_cpu.dfr == ~0u);
}

/* Vectors in service; pending vectors above, below and in the same class; the guest's TPR is high and its APIC off. */
TEST(init_forgets_interrupts)
{
	start(false);
	reg[LAPIC_ISR / 4 + 4] = BIT(5) | BIT(20);
	reg[LAPIC_IRR / 4 + 4] = BIT(5) | BIT(21);
	reg[LAPIC_IRR / 4 + 7 * 4] = ~0u;
	reg[LAPIC_TPR / 4] = 0xf0;
	lapic_reset();
	CHECK(highest(LAPIC_ISR) < 0 && highest(LAPIC_IRR) < 0);
	CHECK_EQ(reg[LAPIC_SVR / 4], 0xff);
}

TEST(with_several_processors_lowest_priority_is_one_that_runs)
{
	start(false);
	ncpus = 4;
	reg[LAPIC_LDR / 4] = 4u << 24;
	reg[LAPIC_DFR / 4] = ~0u;
	running[1] = &host_cpu;
	/* without this processor: of 1, 2 and 8 the second is known */
	irq_send_msi(0xfee00000 | 11 << 12 | 4, 0x131);
	CHECK_EQ(sent_high, 2u << 24);
	/* none is known: all are asked */
	running[1] = NULL;
	irq_send_msi(0xfee00000 | 11 << 12 | 4, 0x131);
	CHECK_EQ(sent_high, 11u << 24);
	reg[LAPIC_DFR / 4] = 0x0fffffff;
	irq_send_msi(0xfee00000 | 0x2b << 12 | 4, 0x131);
	CHECK_EQ(sent_high, 0x2bu << 24);
}

TEST(lowest_priority_in_x2apic_mode_goes_by_the_id)
{
	start(true);
	ncpus = 4;
	irq_send_msi(0xfee00000 | 0xf << 12 | 4, 0x131);
	CHECK_EQ(host_msr(MSR_X2APIC_ICR), 8ull << 32 | 0x31 | ICR_ASSERT | ICR_LOGICAL);
	running[0] = &host_cpu;
	irq_send_msi(0xfee00000 | 0x7 << 12 | 4, 0x131);
	CHECK_EQ(host_msr(MSR_X2APIC_ICR), 1ull << 32 | 0x31 | ICR_ASSERT | ICR_LOGICAL);
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
	/* An access that is #GP on the processor is #GP for the guest, and Veneer does not execute it. */
	for (unsigned bit = 0; bit < 32; bit++)
		if (ICR_X2_RESERVED & BIT(bit))
			CHECK(!write_msr(MSR_X2APIC_ICR, BIT64(bit) | 0x40));
	CHECK_EQ(host_wrmsrs, 1);
	/* Veneer also survives a #GP that only this processor raises. */
	host_cpu_reset();
	host_msr_set(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	CHECK(!write_msr(MSR_X2APIC_ICR, 0x40));
}

/* The page has no registers in x2APIC mode.  Veneer never writes a mode that silicon may refuse. */
TEST(x2apic_mode_has_no_page)
{
	start(true);
	lapic_guest_write(LAPIC_ICR_LOW, 4, ICR_MODE_INIT << 8 | ICR_ASSERT);
	lapic_guest_write(LAPIC_SVR, 4, 0);
	CHECK(!emulated && !writes);
	CHECK(!write_msr(MSR_X2APIC_ICR, ICR_MODE_LOWEST << 8 | 0x40));
	CHECK_EQ(host_wrmsrs, 0);
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
	for (unsigned bit = 0; bit < 64; bit++)
		if (bit < 8 || bit == 9 || bit >= 40)
			CHECK(!write_msr(MSR_APIC_BASE, now | BIT64(bit)));
	CHECK_EQ(host_msr(MSR_APIC_BASE), now);
	host_cpuid_set(1, (struct cpuid_regs){ .ecx = BIT(21) });
	features_init();
	CHECK(write_msr(MSR_APIC_BASE, now | APIC_BASE_X2APIC));
	CHECK_EQ(host_msr(MSR_APIC_BASE), now | APIC_BASE_X2APIC);
}

static uint64_t read_base(void)
{
	struct vcpu v = { .gpr = { [GPR_RCX] = MSR_APIC_BASE } };

	CHECK(exit_rdmsr(&v));
	return v.gpr[GPR_RDX] << 32 | v.gpr[GPR_RAX];
}

/* The transitions of SDM vol. 3, figure 11-27. */
TEST(modes_of_the_local_apic)
{
	const uint64_t x = APIC_BASE_ENABLE, x2 = APIC_BASE_ENABLE | APIC_BASE_X2APIC;

	start(false);
	uint64_t at = host_msr(MSR_APIC_BASE) & ~x2;

	host_cpuid_set(1, (struct cpuid_regs){ .ecx = BIT(21) });
	features_init();
	CHECK(!write_msr(MSR_APIC_BASE, at | APIC_BASE_X2APIC));
	CHECK(write_msr(MSR_APIC_BASE, at));
	/* The guest reads "disabled"; the hardware still passes the 8259's interrupts and NMIs. */
	CHECK_EQ(read_base(), at);
	CHECK_EQ(host_msr(MSR_APIC_BASE), at | x);
	CHECK(reg[LAPIC_SVR / 4] == 0x1ff && reg[LAPIC_LVT_LINT0 / 4] == 0x700 && reg[LAPIC_LVT_LINT1 / 4] == 0x400);
	CHECK_EQ(lost, 1);
	CHECK(!write_msr(MSR_APIC_BASE, at | x2));
	CHECK(write_msr(MSR_APIC_BASE, at | x));
	CHECK_EQ(read_base(), at | x);
	CHECK(reg[LAPIC_SVR / 4] == 0xff && reg[LAPIC_LVT_LINT0 / 4] == LVT_MASKED);
	CHECK(write_msr(MSR_APIC_BASE, at | x2));
	CHECK_EQ(read_base(), at | x2);
	CHECK(!write_msr(MSR_APIC_BASE, at | x));
	CHECK_EQ(host_msr(MSR_APIC_BASE), at | x2);
	/* By way of the disabled state, in which the hardware is in xAPIC mode. */
	CHECK(write_msr(MSR_APIC_BASE, at));
	CHECK_EQ(host_msr(MSR_APIC_BASE), at | x);
	CHECK(write_msr(MSR_APIC_BASE, at | x));
	CHECK_EQ(read_base(), at | x);
	/* Refused if a processor could then not be addressed. */
	CHECK(write_msr(MSR_APIC_BASE, at | x2));
	host_cpu.apic_id = 255;
	CHECK(!write_msr(MSR_APIC_BASE, at));
	CHECK_EQ(host_msr(MSR_APIC_BASE), at | x2);
}

/* An access to a missing register would be #GP for Veneer: only these registers exist here. */
TEST(init_in_x2apic_mode)
{
	static const uint16_t there[] = { LAPIC_TPR, LAPIC_EOI, LAPIC_SVR, LAPIC_LVT_TIMER, LAPIC_LVT_LINT0, LAPIC_LVT_LINT1,
					  LAPIC_LVT_ERROR, LAPIC_TIMER_INIT, LAPIC_TIMER_DIV };

	start(true);
	for (unsigned i = 0; i < ARRAY_SIZE(there); i++)
		host_msr_set(MSR_X2APIC + there[i] / 16, 0xec);
	for (unsigned i = 0; i < 8; i++) {
		host_msr_set(MSR_X2APIC + LAPIC_ISR / 16 + i, 0);
		host_msr_set(MSR_X2APIC + LAPIC_IRR / 16 + i, 0);
	}
	host_msr_set(MSR_X2APIC + LAPIC_VERSION / 16, 0x00030014);
	lapic_reset();
	CHECK_EQ(host_msr(MSR_X2APIC + LAPIC_LVT_TIMER / 16), LVT_MASKED);
	CHECK_EQ(host_msr(MSR_X2APIC + LAPIC_SVR / 16), 0xff);
	CHECK_EQ(host_msr(MSR_X2APIC + LAPIC_TPR / 16), 0);
	CHECK_EQ(host_msr(MSR_X2APIC_ICR), 0);
	CHECK(host_msr(MSR_APIC_BASE) & APIC_BASE_X2APIC);
}

TEST(efer_takes_what_the_processor_has)
{
	start(false);
	for (unsigned bit = 0; bit < 64; bit++) {
		bool ok = BIT64(bit) & (EFER_SCE | EFER_LME | EFER_LMA);

		CHECK_EQ(write_msr(MSR_EFER, BIT64(bit)), ok);
	}
	host_cpuid_set(0x80000001, (struct cpuid_regs){ .edx = BIT(20) | BIT(25), .ecx = BIT(17) });
	features_init();
	CHECK(write_msr(MSR_EFER, EFER_NXE | EFER_FFXSR | EFER_TCE | EFER_LME));
	CHECK_EQ(regs.efer, EFER_NXE | EFER_FFXSR | EFER_TCE | EFER_LME);
	CHECK(!write_msr(MSR_EFER, EFER_SVME));
	regs.cr0 = CR0_PG;
	CHECK(!write_msr(MSR_EFER, 0));
	regs.efer |= EFER_LMA;
	CHECK(write_msr(MSR_EFER, EFER_LME));
	CHECK_EQ(regs.efer, EFER_LME | EFER_LMA);
}

TEST(xcr0_takes_what_the_processor_has)
{
	static const uint64_t good[] = { 1, 3, 7, 0x1f, 0xe7, 0x600e7 };
	static const uint64_t bad[] = { 0, 2, 5, 0xb, 0x13, 0x27, 0xe3, 0x200e7, 0x20007, 0x107, BIT64(63) | 7 };

	start(false);
	host_cpuid_set(1, (struct cpuid_regs){ .ecx = BIT(26) });
	host_cpuid_set(0xd, (struct cpuid_regs){ .eax = 0x600ff });
	features_init();
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		CHECK(xcr0_valid(good[i]));
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(!xcr0_valid(bad[i]));
}

static struct cpuid_regs guest_cpuid(uint32_t leaf, uint32_t sub)
{
	struct vcpu v = { .gpr = { [GPR_RAX] = leaf, [GPR_RCX] = sub } };

	exit_cpuid(&v);
	return (struct cpuid_regs){ (uint32_t)v.gpr[GPR_RAX], (uint32_t)v.gpr[GPR_RBX], (uint32_t)v.gpr[GPR_RCX],
				    (uint32_t)v.gpr[GPR_RDX] };
}

/* With these features a guest's writes to their MSRs would be lost, or their instructions be #UD. */
TEST(cpuid_hides_what_has_no_msrs)
{
	struct cpuid_regs c;

	start(false);
	host_cpuid_set(7, (struct cpuid_regs){ ~0u, ~0u, ~0u, ~0u });
	c = guest_cpuid(7, 0);
	CHECK_EQ(c.edx & (BIT(5) | BIT(18) | BIT(19)), 0);
	CHECK_EQ(c.ecx & (BIT(4) | BIT(29)), 0);
	CHECK(c.edx & BIT(26) && c.ecx & BIT(16));
	c = guest_cpuid(7, 1);
	CHECK_EQ(c.eax & (BIT(17) | BIT(27)), 0);
	CHECK_EQ(c.ebx & BIT(1), 0);
	CHECK_EQ(c.edx & BIT(15), 0);
	CHECK(c.eax & BIT(18) && c.ecx == ~0u);
	regs.cr4 = CR4_PKE;
	CHECK(guest_cpuid(7, 0).ecx & BIT(4));
}

/* In Bochs XSETBV exits in ring 3, too: Veneer checks privileges itself. */
TEST(xsetbv_is_for_ring_0)
{
	struct vcpu v = { .gpr = { [GPR_RAX] = 3 } };

	start(false);
	host_cpuid_set(1, (struct cpuid_regs){ .ecx = BIT(26) });
	host_cpuid_set(0xd, (struct cpuid_regs){ .eax = 7 });
	features_init();
	host_xcr0 = 1;
	regs.cpl = 3;
	CHECK(!exit_xsetbv(&v));
	CHECK_EQ(host_xcr0, 1);
	regs.cpl = 0;
	CHECK(exit_xsetbv(&v));
	CHECK_EQ(host_xcr0, 3);
	v.gpr[GPR_RCX] = 1;
	CHECK(!exit_xsetbv(&v));
	CHECK_EQ(host_xcr0, 3);
}

/* An unknown MSR has changed CPUID: Veneer's decisions must stay as at the start. */
TEST(what_cpuid_says_later_changes_no_decision)
{
	uint64_t now;

	start(false);
	now = host_msr(MSR_APIC_BASE);
	host_cpuid_set(1, (struct cpuid_regs){ .ecx = BIT(21) | BIT(24) | BIT(26) });
	host_cpuid_set(0xd, (struct cpuid_regs){ .eax = 7 });
	host_cpuid_set(0x80000001, (struct cpuid_regs){ .edx = BIT(20) });
	CHECK(!write_msr(MSR_EFER, EFER_NXE));
	CHECK(!write_msr(MSR_TSC_DEADLINE, 0));
	CHECK(!write_msr(MSR_APIC_BASE, now | APIC_BASE_X2APIC));
	CHECK(!xcr0_valid(7));
	/* And vice versa. */
	features_init();
	host_cpu_reset();
	host_msr_set(MSR_APIC_BASE, now);
	host_msr_set(MSR_TSC_DEADLINE, 0);
	CHECK(write_msr(MSR_EFER, EFER_NXE));
	CHECK(write_msr(MSR_TSC_DEADLINE, 0));
	CHECK(xcr0_valid(7));
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
