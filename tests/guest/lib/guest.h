/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What probe kernels share.  A probe defines probe_name and probe(); every check() prints one line, "PASS name" or
 * "FAIL name: got X expected Y"; at the end stands "probe-x: N passed, M failed", and 0 or 1 goes to the debug-exit port F4.
 */
#ifndef GUEST_H
#define GUEST_H

#include "hobby.h"
#include "pci.h"
#include "veneer.h"

extern const char probe_name[];
void probe(void);

/* --- guest.c: results --- */

/* @name is a printf format for what follows.  True when they are equal. */
bool check(uint32_t got, uint32_t expected, const char *name, ...);
/* For conditions that this machine cannot show: "SKIP name". */
void skip(const char *name, ...);
void note(const char *text, ...);
void probe_exit(void) __attribute__((noreturn));

/* --- guest.c: options "name=..." --- */

/* One hexadecimal number from *@s, which is moved behind it.  False when there is none. */
bool take_hex(const char **s, uint32_t *out);
/* "00:1f.2" */
bool take_bdf(const char **s, pci_bdf *out);
bool option_present(const char *name);
/* A decimal option, or @otherwise. */
uint32_t option_number(const char *name, uint32_t otherwise);

/* --- trap.c: exceptions that a probe waits for --- */

#define NO_TRAP		(-1)
#define TRAP_DB		1
#define TRAP_UD		6
#define TRAP_GP		13

extern volatile uint32_t trap_resume;
extern volatile struct trap_info { int vector; uint32_t error, eip, eflags; } trap_last;

/*
 * Execute @insn, which may fault: the exception's vector, or NO_TRAP.  A fault continues behind @insn, whose outputs are then
 * undefined: so there are none but by memory.
 */
#define TRY(insn, ...) ({								\
	trap_last.vector = NO_TRAP;							\
	__asm__ volatile("movl $1f, trap_resume\n\t" insn "\n1:\n\tmovl $0, trap_resume"	\
			 : : __VA_ARGS__);						\
	trap_last.vector; })

/* MSR accesses that may fault: false when they did. */
bool try_rdmsr(uint32_t msr, uint64_t *out);
bool try_wrmsr(uint32_t msr, uint64_t v);

/* Call Veneer.  The vector when it faulted, else NO_TRAP with the answer in *@a, *@b, *@c. */
int try_hypercall(uint32_t *a, uint32_t *b, uint32_t *c);

/* Takes the guest's own NMIs; without one each is an error. */
extern void (*volatile nmi_handler)(void);

void trap_init(void);
void trap_load(void);		/* on a further processor */

/* --- machine.c --- */

struct range { uint64_t start, end; };		/* end: the first byte behind */

/* From the loader's memory map.  @n counts from 0; false when there are fewer. */
bool usable_ram(unsigned int n, struct range *out);
/* Where Veneer is: by the option veneer=START-END, or the 2 to 8 MiB that miss behind usable RAM. */
bool veneer_range(struct range *out);
/* An address below 4 GiB where no RAM, no table and no device is, as far as the memory map tells; above 4 GiB likewise. */
uint64_t hole_above_4g(void);
void machine_init(uint32_t magic, uint32_t info);

/* The memory-mapped configuration space; NULL on a machine without. */
volatile uint8_t *ecam(pci_bdf bdf, uint32_t off);
uint32_t ecam_last_bus(void);

static inline uint8_t read8(volatile const void *p) { return *(volatile const uint8_t *)p; }
static inline uint16_t read16(volatile const void *p) { return *(volatile const uint16_t *)p; }
static inline uint32_t read32(volatile const void *p) { return *(volatile const uint32_t *)p; }
static inline void write8(volatile void *p, uint8_t v) { *(volatile uint8_t *)p = v; }
static inline void write16(volatile void *p, uint16_t v) { *(volatile uint16_t *)p = v; }
static inline void write32(volatile void *p, uint32_t v) { *(volatile uint32_t *)p = v; }

/* --- long.c: one instruction in long mode; interrupts must be off --- */

uint64_t read64(volatile const void *p);
void write64(volatile void *p, uint64_t v);

#endif
