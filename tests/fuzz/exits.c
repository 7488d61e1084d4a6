/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/emul/mmio.c hv/emul/pio.c hv/emul/walk.c hv/emul/decode.c hv/emul/emulate.c hv/lib/counters.c hv/lib/limit.c */
/* sources: hv/lib/log.c hv/dev/trap.c hv/mem/nested.c hv/mem/mtrr.c hv/mem/ptree.c tests/unit/host/cpu.c */
/* sources: hv/mem/gmem.c tests/fuzz/lib/fuzz.c */
/* quick: 4000 */
/*
 * Exits by hypercalls, by accesses to memory and by ports, with any registers and modes, instructions and page tables in the
 * guest's memory.  The machine and the vendor are test_exits.c's; devices, interrupts and other processors do nothing.
 */
#include "tests/fuzz/fuzz.h"
#undef TEST_MAIN
#define TEST_MAIN
#include "test_exits.c"
#include "hv/exit/exit.c"
#include "hv/boot/bootinfo.h"
#include "hv/mem/ram.h"

#define PAGES	16u

extern __thread struct cpu host_cpu;
bool (*vcpu_own_hypercall)(struct vcpu *v, const struct vcpu_regs *r);

/* What dispatch() calls beside the handlers that are under test. */
void smp_nmi(struct cpu *c) { }
void smp_look_at_id(struct cpu *c) { }
int64_t snapshot_ask(uint64_t flags) { return 0; }
void snapshot_run(struct vcpu *v) { }
void smp_real_init(struct cpu *c) { }
bool smp_enter(struct cpu *c) { return true; }
void smp_left(struct cpu *c) { }
void smp_serve(struct cpu *c) { }
bool lapic_state_waits(const struct cpu *c) { return false; }
void lapic_state_settle(struct cpu *c) { }
void smp_flush_host(void) { }
void segment_drop(void (*flush)(void)) { }
void cpus_on_silence(void (*fn)(void)) { }
void guest_crash_silent(void) { abort(); }
void guest_crash_remember(struct vcpu *v, const struct vmexit *x) { }
void guest_crash(struct vcpu *v, const struct vmexit *x, const char *why) { host_fail("guest_crash", 0, "%s", why); }
void exit_cpuid(struct vcpu *v) { }
bool exit_rdmsr(struct vcpu *v) { return true; }
bool exit_wrmsr(struct vcpu *v) { return true; }
bool exit_xsetbv(struct vcpu *v) { return true; }
bool clock_wanted(struct cpu *c) { return false; }
void clock_check(bool exited) { }
bool doorbell_ring(void) { return false; }
bool intx_wants_check(void) { return false; }
bool intx_check(bool can, int *vector) { *vector = -1; return false; }
void console_write(const char *s, size_t len) { }
void console_share(void) { }

/* Hide what the process has not mapped: of the machine's memory below 4 GiB only RAM, the device and page 0 can be read. */
static void hide_the_rest(void)
{
	const uint64_t end = ram + PAGES * PAGE_SIZE;
	const struct { uint64_t from, to; } gaps[] = {
		{ PAGE_SIZE, 0x7000000 }, { 0x7400000, ram }, { end, HIDDEN }, { HIDDEN + PAGE_SIZE, BAR },
		{ BAR + sizeof(dev), 1ull << 32 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(gaps); i++)
		CHECK_EQ(nested_hide(gaps[i].from, gaps[i].to - gaps[i].from), 0);
}

/* As the guest's memory is at the addresses of the host, pointers in the input are offsets of pages. */
static uint64_t any_pointer(void)
{
	uint8_t kind = fuzz8();
	uint16_t off = fuzz16();

	switch (kind % 8) {
	case 0:
		return fuzz64();
	case 1:
		return BAR + off % 0x3000;
	case 2:
		return HIDDEN + off % 0x2000;
	case 3:
		return ram + PAGES * PAGE_SIZE - off % 64;
	case 4:
		return LAPIC + off % PAGE_SIZE;
	default:
		return ram + off;
	}
}

/* Page tables of any shape: entries that point into the guest's pages. */
static void make_tables(void)
{
	unsigned n = fuzz8() % 32;

	for (unsigned i = 0; i < n; i++) {
		unsigned page = 1 + fuzz8() % 8, slot = fuzz8();
		uint64_t e = ALIGN_DOWN(any_pointer(), (uint64_t)PAGE_SIZE) | fuzz8() | (uint64_t)(fuzz8() & 1) << 63;

		memcpy((uint8_t *)(uintptr_t)ram + page * PAGE_SIZE + 8 * slot, &e, 8);
	}
}

static void any_state(void)
{
	uint8_t how = fuzz8();

	for (unsigned i = 0; i < GPR_COUNT; i++)
		vcpu.gpr[i] = how & 1 << i % 3 ? any_pointer() : fuzz16();
	regs.cr3 = ram + PAGE_SIZE * (1 + fuzz8() % 8);
	regs.cr4 = how & 8 ? CR4_PAE : 0;
	regs.cr0 = (how & 16 ? CR0_PG : 0) | CR0_PE;
	if (how & 32) {
		regs.efer = EFER_LMA | EFER_LME;
		regs.cr4 |= CR4_PAE | (how & 64 ? BIT(12) : 0);
		regs.cr0 |= CR0_PG;
		regs.seg[SEG_CS].attr = SEG_ATTR_L;
	} else if (how & 64) {
		regs.seg[SEG_CS].attr = 0;
	}
	regs.cpl = how & 128 ? 3 : 0;
	if (fuzz8() & 1)
		vcpu.rip = any_pointer();
	vcpu.rflags = 2 | (fuzz16() & 0xfd5);
}

static void one_exit(void)
{
	struct vmexit x = { .kind = EXIT_HYPERCALL };
	uint8_t what = fuzz8();

	exception = -1;
	if (what % 3 == 1)
		x = (struct vmexit){ .kind = EXIT_NPF, .npf = { .gpa = any_pointer(), .write = what & 4, .fetch = what & 8,
								.walk = what & 16 } };
	else if (what % 3 == 2)
		x = (struct vmexit){ .kind = EXIT_PIO, .next_rip = what & 4 ? vcpu.rip + 2 : 0,
			.pio = { .port = fuzz8() & 1 ? PORT + fuzz8() % 70u : fuzz16(), .width = (uint8_t)(1u << fuzz8() % 3),
				 .in = what & 8, .string = what & 16 } };
	else
		vcpu.gpr[GPR_RAX] = what & 4 ? VENEER_CALL | (what >> 3 & 3) : fuzz32();
	dispatch(&vcpu, &x);
}

static void fuzz(void)
{
	static uint64_t value = 7;
	struct boot_info boot = { .nranges = 1 };

	start();
	boot.range[0] = (struct mem_range){ ram, PAGES * PAGE_SIZE, MEM_USABLE };
	gmem_init(&boot);
	memset(&host_cpu, 0, sizeof(host_cpu));
	hide_the_rest();
	for (unsigned i = 0; i < 5; i++)
		counter_register("fuzz", "count", &value);
	any_state();
	make_tables();
	fuzz_bytes((void *)(uintptr_t)CODE_RIP, 16);
	for (unsigned i = 0; i < 4; i++)
		one_exit();
}

FUZZ(fuzz)
