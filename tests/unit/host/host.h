/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands in for hv under the unit tests: a heap, a clock that the test moves, a log that can be searched, register
 * models, a fake configuration space, and the checks.  All memory has virtual = "physical" addresses.
 */
#ifndef HOST_H
#define HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <veneer/pci.h>
#include <veneer/types.h>

/* A test program is a list of TEST(name) { ... } bodies and "int main(void) { return host_run(); }" via TEST_MAIN. */
void host_add_test(const char *name, void (*fn)(void));
int host_run(void);
#define TEST(name) \
	static void test_##name(void); \
	__attribute__((constructor)) static void add_##name(void) { host_add_test(#name, test_##name); } \
	static void test_##name(void)
#define TEST_MAIN int main(void) { return host_run(); }

/* Forget what tests leave: registers, RAM, allocations, the log. */
void host_clear(void);

/* One run of @fn as a test runs, outside of the list.  False, after the text on standard output, if a check failed. */
bool host_try(void (*fn)(void));

/* A failed check prints and ends the current test as failed (longjmp). */
NORETURN void host_fail(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define CHECK(cond) do { if (!(cond)) host_fail(__FILE__, __LINE__, "not true: %s", #cond); } while (0)
#define CHECK_EQ(a, b) do { \
	unsigned long long a_ = (unsigned long long)(a), b_ = (unsigned long long)(b); \
	if (a_ != b_) host_fail(__FILE__, __LINE__, "%s = %#llx, expected %s = %#llx", #a, a_, #b, b_); \
	} while (0)

/* Register models: accesses to [base, base + size) go to the functions.  @base comes from host_mmio_new(). */
struct host_model {
	uint64_t (*read)(void *ctx, uint32_t off, unsigned width);
	void (*write)(void *ctx, uint32_t off, unsigned width, uint64_t v);
};
/* An address range that no memory backs (a direct access faults); any size. Returns its "physical" address, below 4 GiB. */
uint64_t host_mmio_new(size_t size, const struct host_model *m, void *ctx);
void host_pio_model(uint16_t base, uint16_t size, const struct host_model *m, void *ctx);

/* The clock: time_us() returns it; delay_us() moves it. Each time it moves the hook (if any) is called. */
extern uint64_t host_now_us;
extern void (*host_time_hook)(void);

/* How often a processor left posted work to another one: owner_continue() is that one's. */
extern unsigned host_handed_on;

/* "Physical" memory of a fake guest: gmem_valid() is true inside. Below 4 GiB, page aligned, poisoned around the ends. */
uint64_t host_guest_ram(size_t size);
extern void (*host_gmem_hook)(void);	/* called when a buffer is looked for, each time; the guest on another processor */
void host_guest_ram_drop(void);		/* forget all; also done between tests */

/* Heap accounting: bytes that mem_alloc() gave and mem_free() did not take back; and fail the nth allocation from now. */
size_t host_heap_used(void);
void host_heap_fail_at(unsigned n);	/* 0: never */

/* The log since the test began. */
bool host_log_has(const char *needle);
void host_log_clear(void);

/* A fake function: fills in a pci_dev with 256 bytes of config space behind it; writes are plain stores. */
uint8_t *host_pci_config(struct pci_dev *dev);

#endif
