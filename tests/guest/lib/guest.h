/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared by the probe kernels.  A probe defines probe_name and probe().  Every check() prints one line, "PASS name" or "FAIL
 * name: got X expected Y"; the last line is "probe-x: N passed, M failed", and 0 or 1 goes to the debug-exit port F4.
 */
#ifndef GUEST_H
#define GUEST_H

#include "hobby.h"
#include "pci.h"
#include "veneer.h"

extern const char probe_name[];
void probe(void);

/* --- guest.c: results --- */

/* True if @got equals @expected.  @name is a printf format for the arguments behind it. */
bool check(uint32_t got, uint32_t expected, const char *name, ...);
/* For conditions that this machine cannot show: "SKIP name". */
void skip(const char *name, ...);
void note(const char *text, ...);
void probe_exit(void) __attribute__((noreturn));

/* --- guest.c: options "name=..." --- */

/* Read a hexadecimal number at *@s, and move *@s behind it.  False if there is none. */
bool take_hex(const char **s, uint32_t *out);
/* "00:1f.2" */
bool take_bdf(const char **s, pci_bdf *out);
bool option_present(const char *name);
/* Return the value of a decimal option, or @otherwise. */
uint32_t option_number(const char *name, uint32_t otherwise);

/* --- trap.c: exceptions that a probe waits for --- */

#define NO_TRAP		(-1)
#define TRAP_DB		1
#define TRAP_UD		6
#define TRAP_GP		13

extern volatile uint32_t trap_resume;
extern volatile struct trap_info { int vector; uint32_t error, eip, eflags, cr2; } trap_last;

/*
 * Execute @insn, which may fault.  The result is the exception's vector, or NO_TRAP.  After a fault execution continues behind
 * @insn with its outputs undefined: so outputs go through memory only.
 */
#define TRY(insn, ...) ({								\
	trap_last.vector = NO_TRAP;							\
	__asm__ volatile("movl $1f, trap_resume\n\t" insn "\n1:\n\tmovl $0, trap_resume"	\
			 : : __VA_ARGS__);						\
	trap_last.vector; })

/* MSR accesses that may fault: false if they did. */
bool try_rdmsr(uint32_t msr, uint64_t *out);
bool try_wrmsr(uint32_t msr, uint64_t v);

/* Call Veneer.  Return the vector of a fault, or NO_TRAP with the answer in *@a, *@b, *@c. */
int try_hypercall(uint32_t *a, uint32_t *b, uint32_t *c);

/* Handler of the guest's own NMIs; if NULL, each NMI is an error. */
extern void (*volatile nmi_handler)(void);

void trap_init(void);
void trap_load(void);		/* call on each further processor */

/* --- machine.c --- */

struct range { uint64_t start, end; };		/* end: the first byte behind the range */

/* Return range @n, from 0 on, of the usable RAM in the loader's memory map.  False if there are fewer. */
bool usable_ram(unsigned int n, struct range *out);
/* Find Veneer's memory: by the option veneer=START-END, or as the 2 to 8 MiB that are missing behind usable RAM. */
bool veneer_range(struct range *out);
/* Return an address without RAM, tables and devices, by the memory map: below 4 GiB, or above. */
uint64_t hole_above_4g(void);
void machine_init(uint32_t magic, uint32_t info);

/* Return the address of a register in ECAM; NULL: the machine has no ECAM. */
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
