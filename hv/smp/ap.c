/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts the other processors and parks them until the guest sends a SIPI (SDM vol. 3, 9.4.4; APM vol. 2, 14.6). */
#include <veneer/config.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "hv/boot/bootinfo.h"
#include "hv/cpu/cpus.h"
#include "hv/smp/smp.h"
#include "hv/cpu/vcpu.h"
#include "hv/dev/acpi.h"
#include "hv/cpu/lapic.h"
#include "hv/mem/heap.h"
#include "hv/mem/nested.h"
#include "hv/mem/paging.h"

#define AP_STACK	12288u
#define LOW_END		0xa0000u

#define INIT_US		10000u
#define SIPI_US		200u
#define START_US	5000000u	/* microseconds on silicon; an emulator on a busy machine may not find the time */

extern const char ap_trampoline[], ap_trampoline_gdt[], ap_trampoline_gdtr[], ap_trampoline_cr3[], ap_trampoline_target[],
	ap_trampoline_end[];
extern char ap_entry64[], boot_pml4[];

uint64_t ap_stack;
void ap_main(void);

static struct cpu *starting;
static void (*run_guest)(void);
static void (*first_state)(struct vcpu_regs *regs);	/* of a processor that the firmware hands over; NULL: it is parked */
static uint32_t up;		/* shared: the new processor 1 runs, 2 is parked, 3 failed */

/* --- on the new processor --- */

/* The firmware had this processor until now, and the guest's first code is the firmware's. */
static void adopt(struct cpu *c)
{
	struct vcpu_regs regs;

	first_state(&regs);
	vcpu_ops->set(c->v, &regs);
	c->started = true;
	c->parked = true;
	__atomic_store_n(&c->state, CPU_RUNS, __ATOMIC_SEQ_CST);
}

void ap_main(void)
{
	struct cpu *c = starting;
	const char *why = NULL;

	write_cr3(host_root());
	cpu_tables_load(c, (uint8_t *)c->exception_stacks);
	__atomic_store_n(&up, 1, __ATOMIC_SEQ_CST);
	if (vcpu_ops->probe(&why) || vcpu_ops->cpu_on())
		goto fail;
	if (c->state != CPU_ABSENT) {
		c->v = vcpu_ops->vcpu_new(nested_root());
		if (!c->v)
			goto fail;
	}
	if (first_state)
		adopt(c);
	__atomic_store_n(&up, 2, __ATOMIC_SEQ_CST);
	run_guest();

fail:
	log_err("cpu %u: stays off: %s", c->index, why ? why : "no memory");
	c->state = CPU_ABSENT;
	__atomic_store_n(&up, 3, __ATOMIC_SEQ_CST);
	halt_forever();
}

/* --- on the boot processor --- */

/* Return the highest page below the video memory that Veneer may borrow; page 0 is absent from Veneer's tables. */
static uint8_t *low_page(const struct boot_info *b)
{
	uint64_t best = 0;

	for (unsigned i = 0; i < b->nranges; i++) {
		uint64_t end = MIN(b->range[i].base + b->range[i].size, (uint64_t)LOW_END);
		uint64_t page = ALIGN_DOWN(end, (uint64_t)PAGE_SIZE) - PAGE_SIZE;

		if (b->range[i].type != MEM_USABLE || end < 2 * PAGE_SIZE || page < PAGE_SIZE || page < b->range[i].base)
			continue;
		best = MAX(best, page);
	}
	return (uint8_t *)(uintptr_t)best;
}

static void put32(uint8_t *page, const char *label, unsigned off, uint64_t v)
{
	uint32_t low = (uint32_t)v;

	memcpy(page + (label - ap_trampoline) + off, &low, sizeof(low));
}

static void lay_trampoline(uint8_t *page)
{
	memcpy(page, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
	put32(page, ap_trampoline_gdtr, 2, mem_phys(page) + (uint64_t)(ap_trampoline_gdt - ap_trampoline));
	put32(page, ap_trampoline_cr3, 0, mem_phys(boot_pml4));
	put32(page, ap_trampoline_target, 0, mem_phys(ap_entry64));
}

static bool is_up(uint32_t at_least, uint32_t us)
{
	return wait_until(__atomic_load_n(&up, __ATOMIC_SEQ_CST) >= at_least, us);
}

/* NULL: the list or the memory is full. */
static struct cpu *add_cpu(uint32_t apic_id, bool for_guest)
{
	struct cpu *c;
	uint8_t *stacks, *stack;

	if (ncpus == MAX_CPUS)
		return NULL;
	c = mem_alloc(sizeof(*c), 64);
	stacks = mem_alloc(EXCEPTION_STACKS, 64);
	stack = mem_alloc(AP_STACK, 64);
	if (!c || !stacks || !stack) {
		mem_free(stack);
		mem_free(stacks);
		mem_free(c);
		return NULL;
	}
	c->apic_id = apic_id;
	c->index = ncpus;
	c->exception_stacks = stacks;
	c->kept = config.poll == (int)c->index;
	c->state = for_guest && !c->kept ? CPU_WAITS : CPU_ABSENT;
	c->stack = (uintptr_t)stack + AP_STACK;
	cpus[ncpus] = c;
	__atomic_store_n(&ncpus, ncpus + 1, __ATOMIC_SEQ_CST);
	return c;
}

/* The next processor that comes to ap_main() is @c. */
static void expect_cpu(struct cpu *c)
{
	starting = c;
	ap_stack = c->stack;
	up = 0;
}

/*
 * Start a processor; true if it is parked then.  A processor that does not come never runs any code of Veneer's but the
 * trampoline.  Veneer keeps its entry, and drops the guest's requests for it: they would start the processor outside Veneer.
 */
static bool start(struct cpu *c, uint8_t *page)
{
	expect_cpu(c);
	lapic_send(c->apic_id, ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_INIT));
	delay_us(INIT_US);
	for (unsigned i = 0; i < 2 && !is_up(1, SIPI_US); i++)
		lapic_send(c->apic_id, ICR_ASSERT | FIELD_PREP(ICR_MODE, ICR_MODE_SIPI) | (uint32_t)(mem_phys(page) >> 12));
	if (is_up(2, START_US) && up == 2)
		return true;
	if (up < 2)
		log_err("cpu %u: did not start within %u ms of its SIPI (APIC id %u, at step %u)", c->index, START_US / 1000,
			c->apic_id, up);
	c->state = CPU_ABSENT;
	return false;
}

static void start_all(uint8_t *page)
{
	unsigned limit = config.cpus ? config.cpus : MAX_CPUS, for_guest = 1, parked = 0;
	uint64_t before = heap_in_use();

	for (unsigned i = 0; i < acpi.ncpus && i < ACPI_MAX_CPUS; i++) {
		if (acpi.cpu_id[i] == cpus[0]->apic_id)
			continue;
		/* Id 255 is the broadcast, and of a greater id xAPIC mode can send only the low eight bits. */
		if (acpi.cpu_id[i] >= 0xff && !lapic_x2apic()) {
			log_err("cpu: APIC id %u: cannot be reached, the firmware has not switched x2APIC on: not used",
				acpi.cpu_id[i]);
			smp_unused_cpu();
			continue;
		}
		struct cpu *c = add_cpu(acpi.cpu_id[i], for_guest < limit);

		if (!c) {
			log_err("cpu: APIC id %u: no room for another processor: not used", acpi.cpu_id[i]);
			smp_unused_cpu();
			continue;
		}
		c->parked = start(c, page);
		if (!c->parked)
			smp_unused_cpu();
		parked += c->parked;
		for_guest += c->state == CPU_WAITS;
	}
	log_info("cpu: %u processors, %u for the guest; %u started and parked, %u KiB each", acpi.ncpus, for_guest, parked,
		 parked ? (unsigned)((heap_in_use() - before) / 1024 / parked) : 0);
}

void smp_start(const struct boot_info *b, void (*run)(void))
{
	uint8_t *page = low_page(b), *saved;

	run_guest = run;
	if (acpi.ncpus < 2)
		return;
	saved = mem_alloc(PAGE_SIZE, 64);
	if (!page || !saved) {
		log_err("cpu: no free page below 640 KiB: the other processors cannot be started, the guest gets one");
		smp_unused_cpu();
		return;
	}
	/* The page may hold a module, or data that the guest will look for. */
	memcpy(saved, page, PAGE_SIZE);
	lay_trampoline(page);
	start_all(page);
	memcpy(page, saved, PAGE_SIZE);
	mem_free(saved);
}

/* --- processors that the firmware hands over --- */

int smp_expect(void (*run)(void))
{
	run_guest = run;
	for (unsigned i = 0; i < acpi.ncpus && i < ACPI_MAX_CPUS; i++) {
		if (acpi.cpu_id[i] == cpus[0]->apic_id)
			continue;
		if (!add_cpu(acpi.cpu_id[i], false))
			return -ERR_NOMEM;
	}
	return 0;
}

int smp_adopt(uint32_t apic_id, void (*state)(struct vcpu_regs *regs))
{
	for (unsigned i = 1; i < ncpus; i++) {
		struct cpu *c = cpus[i];

		if (c->apic_id != apic_id || c->parked)
			continue;
		c->state = CPU_WAITS;
		expect_cpu(c);
		first_state = state;
		return 0;
	}
	return -ERR_NODEV;
}

bool smp_missing(void)
{
	for (unsigned i = 1; i < ncpus; i++)
		if (__atomic_load_n(&cpus[i]->state, __ATOMIC_SEQ_CST) != CPU_RUNS)
			return true;
	return false;
}
