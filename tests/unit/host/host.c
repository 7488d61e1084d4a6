/* SPDX-License-Identifier: BSD-2-Clause */
/* The fake machine of the unit tests, and the runner of a test program (contract in host.h). */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <veneer/counters.h>
#include <veneer/doorbell.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/io.h>
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/state.h>
#include <veneer/time.h>
#include "host.h"

#define MAX_TESTS	256
#define MAX_RANGES	32
#define MAX_ALLOCS	4096

static struct { const char *name; void (*fn)(void); } tests[MAX_TESTS];
static unsigned ntests;
static jmp_buf failed;

static char log_text[1 << 18];
static size_t log_used;

static struct { uint64_t base; size_t size; const struct host_model *m; void *ctx; } models[MAX_RANGES];
static unsigned nmodels;
static struct { uint16_t base, size; const struct host_model *m; void *ctx; } ports[MAX_RANGES];
static unsigned nports;
static struct { uint64_t base; size_t size; } ram[MAX_RANGES];
static unsigned nram;

static struct { void *raw, *p; size_t size, map; } allocs[MAX_ALLOCS];
static unsigned fail_at;

static struct { const struct pci_dev *dev; uint8_t cfg[4096]; } pci[MAX_RANGES];
static unsigned npci;

uint64_t host_now_us = 1000000;
void (*host_time_hook)(void);

void host_add_test(const char *name, void (*fn)(void))
{
	if (ntests == MAX_TESTS)
		abort();
	tests[ntests].name = name;
	tests[ntests++].fn = fn;
}

void host_clear(void)
{
	nmodels = nports = npci = 0;
	host_guest_ram_drop();
	host_time_hook = NULL;
	fail_at = 0;
	log_used = 0;
	log_text[0] = 0;
	for (unsigned i = 0; i < MAX_ALLOCS; i++)
		if (allocs[i].p)
			mem_free(allocs[i].p);
}

int host_run(void)
{
	volatile unsigned bad = 0;

	printf("1..%u\n", ntests);
	for (volatile unsigned i = 0; i < ntests; i++) {
		host_clear();
		if (!setjmp(failed)) {
			tests[i].fn();
			printf("ok %u %s\n", i + 1, tests[i].name);
		} else {
			printf("not ok %u %s\n", i + 1, tests[i].name);
			bad++;
		}
		fflush(stdout);
	}
	host_clear();
	return bad ? 1 : 0;
}

bool host_try(void (*fn)(void))
{
	host_clear();
	if (setjmp(failed))
		return false;
	fn();
	return true;
}

void host_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("# %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (log_used)
		printf("# log:\n%s", log_text);
	longjmp(failed, 1);
}

/* --- log --- */

static void log_line(const char *fmt, va_list ap)
{
	size_t room = sizeof(log_text) - log_used;
	int n = vsnprintf(log_text + log_used, room, fmt, ap);

	if (n > 0 && (size_t)n + 2 < room) {
		log_used += (size_t)n;
		log_text[log_used++] = '\n';
		log_text[log_used] = 0;
	}
}

__attribute__((weak)) void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
	(void)level;
}

__attribute__((weak)) void log_report(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
}

bool host_log_has(const char *needle) { return strstr(log_text, needle) != NULL; }
void host_log_clear(void) { log_used = 0; log_text[0] = 0; }

__attribute__((weak)) int fmt_vstring(char *buf, size_t size, const char *fmt, va_list ap)
{
	return vsnprintf(buf, size, fmt, ap);
}

__attribute__((weak)) int fmt_string(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

__attribute__((weak)) void panic(const char *fmt, ...)
{
	va_list ap;
	char line[512];

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	host_fail("panic", 0, "%s", line);
}

__attribute__((weak)) const char *err_name(int err) { (void)err; return "error"; }
__attribute__((weak)) void doorbell_credit(struct owner *owner, unsigned n) { (void)n; }
unsigned host_handed_on;
__attribute__((weak)) bool state_has_ram(void) { return true; }
__attribute__((weak)) void smp_hand_on(void) { host_handed_on++; }
__attribute__((weak)) void counter_register(const char *o, const char *w, const uint64_t *v) { (void)o; (void)w; (void)v; }
__attribute__((weak)) void segment_use(const void *code) { (void)code; }

/* --- memory --- */

__attribute__((weak)) void *mem_alloc(size_t size, size_t align)
{
	if (fail_at && --fail_at == 0)
		return NULL;
	if (align < 16)
		align = 16;
	for (unsigned i = 0; i < MAX_ALLOCS; i++) {
		if (allocs[i].p)
			continue;
		/*
		 * Put each block into a mapping of its own, below 2 GiB.  The block ends as close before a faulting page as its
		 * alignment allows.
		 */
		size_t body = ALIGN_UP(size, align), map = ALIGN_UP(body, (size_t)PAGE_SIZE) + align + 2 * PAGE_SIZE;
		char *raw = mmap(NULL, map, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		if (raw == MAP_FAILED)
			return NULL;
		char *end = (char *)ALIGN_DOWN((uintptr_t)(raw + map - PAGE_SIZE), (uintptr_t)PAGE_SIZE);
		mprotect(end, PAGE_SIZE, PROT_NONE);
		char *p = (char *)ALIGN_DOWN((uintptr_t)(end - body), (uintptr_t)align);
		allocs[i].raw = raw;
		allocs[i].map = map;
		allocs[i].p = p;
		allocs[i].size = size;
		return p;
	}
	return NULL;
}

__attribute__((weak)) void mem_free(void *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < MAX_ALLOCS; i++) {
		if (allocs[i].p == p) {
			munmap(allocs[i].raw, allocs[i].map);
			allocs[i].p = NULL;
			return;
		}
	}
	host_fail(__FILE__, __LINE__, "mem_free of %p, which is not allocated", p);
}

size_t host_heap_used(void)
{
	size_t sum = 0;

	for (unsigned i = 0; i < MAX_ALLOCS; i++)
		if (allocs[i].p)
			sum += allocs[i].size;
	return sum;
}

void host_heap_fail_at(unsigned n) { fail_at = n; }

__attribute__((weak)) volatile void *mem_map_mmio(uint64_t phys, uint64_t size)
{
	(void)size;
	return (volatile void *)(uintptr_t)phys;
}

uint64_t host_guest_ram(size_t size)
{
	size_t body = ALIGN_UP(size, (size_t)PAGE_SIZE);
	char *raw = mmap(NULL, body + 2 * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (raw == MAP_FAILED || nram == MAX_RANGES) {
		fprintf(stderr, "host_guest_ram: no memory, or more than %d pieces in one test\n", MAX_RANGES);
		abort();
	}
	mprotect(raw + PAGE_SIZE, body, PROT_READ | PROT_WRITE);
	ram[nram].base = (uintptr_t)(raw + PAGE_SIZE);
	ram[nram].size = body;
	return ram[nram++].base;
}

void host_guest_ram_drop(void)
{
	for (unsigned i = 0; i < nram; i++)
		munmap((void *)(uintptr_t)(ram[i].base - PAGE_SIZE), ram[i].size + 2 * PAGE_SIZE);
	nram = 0;
}

__attribute__((weak)) void limit_reached(const char *what, unsigned max)
{
	log_err("limit: more than %u %s", max, what);
}

void (*host_gmem_hook)(void);

__attribute__((weak)) bool gmem_find(uint64_t gpa, uint64_t len, struct gmem_range *r)
{
	for (unsigned i = 0; i < nram; i++) {
		if (gpa < ram[i].base || gpa - ram[i].base >= ram[i].size || len > ram[i].size - (gpa - ram[i].base))
			continue;
		*r = (struct gmem_range){ ram[i].base, ram[i].size };
		if (host_gmem_hook) {
			*r = (struct gmem_range){ gpa, len };
			host_gmem_hook();
		}
		return true;
	}
	return false;
}

__attribute__((weak)) bool gmem_valid(uint64_t gpa, uint64_t len)
{
	struct gmem_range r;

	return gmem_find(gpa, len, &r);
}

__attribute__((weak)) void *gmem_ptr(uint64_t gpa, uint64_t len)
{
	return gmem_valid(gpa, len) ? (void *)(uintptr_t)gpa : NULL;
}

/* Page 0 of the fake guest, which is not part of its RAM. */
static uint8_t first_page[PAGE_SIZE];
__attribute__((weak)) uint8_t *paging_first_page(void) { return first_page; }
/* Without the real nested tables, only RAM can be read. */
__attribute__((weak)) bool nested_is_hidden(uint64_t gpa) { (void)gpa; return true; }
struct trap;
__attribute__((weak)) struct trap *trap_find_mmio(uint64_t gpa, uint32_t *off) { (void)gpa; (void)off; return NULL; }

/* --- time --- */

__attribute__((weak)) uint64_t time_us(void) { return host_now_us; }

void delay_us(uint32_t us)
{
	host_now_us += us;
	if (host_time_hook)
		host_time_hook();
}

/* --- registers --- */

uint64_t host_mmio_new(size_t size, const struct host_model *m, void *ctx)
{
	char *p = mmap(NULL, ALIGN_UP(size, (size_t)PAGE_SIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED || nmodels == MAX_RANGES)
		abort();
	models[nmodels].base = (uintptr_t)p;
	models[nmodels].size = size;
	models[nmodels].m = m;
	models[nmodels++].ctx = ctx;
	return (uintptr_t)p;
}

void host_pio_model(uint16_t base, uint16_t size, const struct host_model *m, void *ctx)
{
	unsigned i = 0;

	while (i < nports && ports[i].base != base)
		i++;
	if (i == MAX_RANGES)
		abort();
	nports = MAX(nports, i + 1);
	ports[i].base = base;
	ports[i].size = size;
	ports[i].m = m;
	ports[i].ctx = ctx;
}

unsigned host_accesses;

static uint64_t model_read(uint64_t addr, unsigned width)
{
	host_accesses++;
	for (unsigned i = 0; i < nmodels; i++)
		if (addr >= models[i].base && addr + width <= models[i].base + models[i].size)
			return models[i].m->read(models[i].ctx, (uint32_t)(addr - models[i].base), width);
	host_fail(__FILE__, __LINE__, "read of %u bytes at %#llx, where no model is", width, (unsigned long long)addr);
}

static void model_write(uint64_t addr, unsigned width, uint64_t v)
{
	host_accesses++;
	for (unsigned i = 0; i < nmodels; i++) {
		if (addr >= models[i].base && addr + width <= models[i].base + models[i].size) {
			models[i].m->write(models[i].ctx, (uint32_t)(addr - models[i].base), width, v);
			return;
		}
	}
	host_fail(__FILE__, __LINE__, "write of %u bytes at %#llx, where no model is", width, (unsigned long long)addr);
}

static uint64_t port_read(uint16_t port, unsigned width)
{
	for (unsigned i = 0; i < nports; i++)
		if (port >= ports[i].base && port - ports[i].base < ports[i].size)
			return ports[i].m->read(ports[i].ctx, (uint32_t)(port - ports[i].base), width);
	return ~0ull;
}

static void port_write(uint16_t port, unsigned width, uint64_t v)
{
	for (unsigned i = 0; i < nports; i++)
		if (port >= ports[i].base && port - ports[i].base < ports[i].size)
			ports[i].m->write(ports[i].ctx, (uint32_t)(port - ports[i].base), width, v);
}

#define DEFINE_ACCESS(bits) \
	uint##bits##_t mmio_read##bits(const volatile void *reg) \
	{ return (uint##bits##_t)model_read((uintptr_t)reg, bits / 8); } \
	void mmio_write##bits(volatile void *reg, uint##bits##_t v) { model_write((uintptr_t)reg, bits / 8, v); }
DEFINE_ACCESS(8)
DEFINE_ACCESS(16)
DEFINE_ACCESS(32)
DEFINE_ACCESS(64)

#define DEFINE_PORT(bits) \
	uint##bits##_t pio_read##bits(uint16_t port) { return (uint##bits##_t)port_read(port, bits / 8); } \
	void pio_write##bits(uint16_t port, uint##bits##_t v) { port_write(port, bits / 8, v); }
DEFINE_PORT(8)
DEFINE_PORT(16)
DEFINE_PORT(32)

/* --- PCI --- */

uint8_t *host_pci_config(struct pci_dev *dev)
{
	if (npci == MAX_RANGES)
		abort();
	pci[npci].dev = dev;
	memset(pci[npci].cfg, 0, sizeof(pci[npci].cfg));
	return pci[npci++].cfg;
}

static uint8_t *config_of(const struct pci_dev *dev)
{
	for (unsigned i = 0; i < npci; i++)
		if (pci[i].dev == dev)
			return pci[i].cfg;
	host_fail(__FILE__, __LINE__, "configuration space of an unknown function");
}

#define DEFINE_CONFIG(bits) \
	__attribute__((weak)) uint##bits##_t pci_read##bits(const struct pci_dev *dev, uint16_t off) \
	{ uint##bits##_t v; memcpy(&v, config_of(dev) + off, sizeof(v)); return v; } \
	__attribute__((weak)) void pci_write##bits(const struct pci_dev *dev, uint16_t off, uint##bits##_t v) \
	{ memcpy(config_of(dev) + off, &v, sizeof(v)); }
DEFINE_CONFIG(8)
DEFINE_CONFIG(16)
DEFINE_CONFIG(32)

__attribute__((weak)) uint8_t pci_find_cap(const struct pci_dev *dev, uint8_t id)
{
	uint8_t *c = config_of(dev);

	for (uint8_t at = c[PCI_CAP_PTR], n = 0; at && n < 48; at = c[at + 1], n++)
		if (c[at] == id)
			return at;
	return 0;
}

__attribute__((weak)) volatile void *pci_map_bar(const struct pci_dev *dev, unsigned n, uint64_t min_size)
{
	if (!dev->bar[n].addr || dev->bar[n].io || dev->bar[n].size < min_size)
		return NULL;
	return (volatile void *)(uintptr_t)dev->bar[n].addr;
}

__attribute__((weak)) void pci_enable(const struct pci_dev *dev)
{
	pci_write16(dev, PCI_COMMAND, pci_read16(dev, PCI_COMMAND) | PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
}

__attribute__((weak)) void pci_master_off(const struct pci_dev *dev)
{
	pci_write16(dev, PCI_COMMAND, pci_read16(dev, PCI_COMMAND) & (uint16_t)~PCI_CMD_MASTER);
}

__attribute__((weak)) void pci_power_on(const struct pci_dev *dev) { (void)dev; }
