/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fake machine of the unit tests, in the place of hv: a heap, a clock that the test moves, a log that the test can search,
 * register models, a fake configuration space, and the checks.  A "physical" address equals the virtual address.
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

/* Clear what a test leaves: registers, RAM, allocations, the log. */
void host_clear(void);

/* Run @fn as a test, outside of the list.  Return false if a check failed, after its text on standard output. */
bool host_try(void (*fn)(void));

/* A failed check prints and ends the current test as failed (longjmp). */
NORETURN void host_fail(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define CHECK(cond) do { if (!(cond)) host_fail(__FILE__, __LINE__, "not true: %s", #cond); } while (0)
#define CHECK_EQ(a, b) do { \
	unsigned long long a_ = (unsigned long long)(a), b_ = (unsigned long long)(b); \
	if (a_ != b_) host_fail(__FILE__, __LINE__, "%s = %#llx, expected %s = %#llx", #a, a_, #b, b_); \
	} while (0)

/* Register models: these functions get all accesses to [base, base + size). host_mmio_new() returns @base. */
struct host_model {
	uint64_t (*read)(void *ctx, uint32_t off, unsigned width);
	void (*write)(void *ctx, uint32_t off, unsigned width, uint64_t v);
};
/*
 * Reserve an address range of any size, without memory behind it: a direct access faults.  Return its "physical" address, below
 * 4 GiB.
 */
uint64_t host_mmio_new(size_t size, const struct host_model *m, void *ctx);
extern unsigned host_accesses;		/* of all models by memory, so far */
void host_pio_model(uint16_t base, uint16_t size, const struct host_model *m, void *ctx);

/* The clock: time_us() returns it, delay_us() moves it.  Each move calls the hook, if there is one. */
extern uint64_t host_now_us;
extern void (*host_time_hook)(void);

/* How often a processor left posted work to another processor, which calls owner_continue(). */
extern unsigned host_handed_on;

/*
 * Allocate "physical" memory of a fake guest, in which gmem_valid() is true: below 4 GiB, page aligned, poisoned around the
 * ends.
 */
uint64_t host_guest_ram(size_t size);
extern void (*host_gmem_hook)(void);	/* called at each look-up of a buffer, as the guest's other processor */
void host_guest_ram_drop(void);		/* free all; also done between tests */

/* Heap accounting: the bytes that are allocated now. host_heap_fail_at(): fail the nth allocation from now on. */
size_t host_heap_used(void);
void host_heap_fail_at(unsigned n);	/* 0: never */

/* True if the log since the test began contains @needle. */
bool host_log_has(const char *needle);
void host_log_clear(void);

/* Make a fake PCI function: fill in @dev, and return its 256 bytes of configuration space.  Writes are plain stores. */
uint8_t *host_pci_config(struct pci_dev *dev);

#endif
