/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every file of this small operating system uses.  It is one 32-bit program without paging: a pointer is a physical
 * address, and a physical address is what a device wants in its rings.
 */
#ifndef HOBBY_H
#define HOBBY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define PAGE_SIZE		4096u

/* --- x86 ------------------------------------------------------------------------------------------------------------- */

static inline void outb(uint16_t port, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t v) { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint64_t rdtsc(void)
{
	uint64_t v;

	__asm__ volatile("rdtsc" : "=A"(v));
	return v;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint64_t v;

	__asm__ volatile("rdmsr" : "=A"(v) : "c"(msr));
	return v;
}

static inline void wrmsr(uint32_t msr, uint64_t v) { __asm__ volatile("wrmsr" : : "A"(v), "c"(msr)); }

static inline void cpuid(uint32_t leaf, uint32_t r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

/* The compiler may not move memory accesses across barrier(); nor may the CPU a read before a write across full_fence(). */
#define barrier()	__asm__ volatile("" : : : "memory")
#define full_fence()	__asm__ volatile("lock; addl $0, (%%esp)" : : : "memory", "cc")
#define pause()		__asm__ volatile("pause")

/* --- lib.c ----------------------------------------------------------------------------------------------------------- */

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

/* Zeroed pages that are never given back; NULL (with a message) when the little arena is used up. */
void *page_alloc(size_t bytes);

/* Quotient; the remainder goes to *@rem when not NULL.  (The compiler's 64-bit division needs a library that is not here.) */
uint64_t divide(uint64_t n, uint32_t by, uint32_t *rem);

/* Decimal, or hexadecimal after 0x.  False when @s is anything else. */
bool parse_number(const char *s, uint64_t *out);

/* "10.0.2.2" -> 0x0a000202.  False when @s is anything else. */
bool parse_ip(const char *s, uint32_t *out);

/* %d %u %x %c %s %%, ll, width and zero padding; %I: an IPv4 address, %M: a pointer to a MAC address. */
void printf(const char *format, ...);
void vprintf(const char *format, va_list ap);

static inline uint16_t swap16(uint16_t v) { return v << 8 | v >> 8; }
static inline uint32_t swap32(uint32_t v) { return __builtin_bswap32(v); }

/* --- console.c ------------------------------------------------------------------------------------------------------- */

/* Serial port COM1 always; the VGA text screen only where there is one (not after UEFI). */
void console_init(bool text_screen);
void console_putc(char c);
/* A character from the serial line or the keyboard, or -1. */
int console_getc(void);

/* --- time.c ---------------------------------------------------------------------------------------------------------- */

/* Measures the time-stamp counter against the PIT. */
void time_init(void);
uint64_t time_us(void);
void delay_us(uint32_t us);

struct deadline { uint64_t tsc; };
struct deadline deadline_in_ms(uint32_t ms);
bool deadline_passed(struct deadline d);

/* --- irq.c: interrupts ----------------------------------------------------------------------------------------------- */

/*
 * How devices interrupt: not at all (IRQ_POLL runs with interrupts off), by their INTx line through the 8259 or through the
 * I/O APIC, or by messages.  The tick is the local APIC's in each mode.
 */
enum irq_mode { IRQ_POLL, IRQ_PIC, IRQ_IOAPIC, IRQ_MSIX };
extern enum irq_mode irq_mode;

struct irq_frame {
	uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;	/* pusha */
	uint32_t vector, error;
	uint32_t eip, cs, eflags;
};

typedef void (*irq_handler)(void *ctx);

void irq_init(enum irq_mode mode);
/* Give a free vector to @handler, which runs with interrupts off; the EOI is done for it.  0 when none is left. */
uint8_t irq_alloc(irq_handler handler, void *ctx);
/* The same for interrupt line @line (0 to 15), by the 8259 or the I/O APIC as the mode says.  0, or -1 after a message. */
int irq_line(uint8_t line, irq_handler handler, void *ctx);
/* Something to do while waiting: sleeps until the next interrupt, or pauses when polling. */
void irq_wait(void);
/* Start the tick that makes irq_wait() end when nothing else does; idle and timer borrow its timer. */
void irq_tick(void);
void irq_dispatch(struct irq_frame *frame);

/* --- pic.c, ioapic.c: where interrupt lines end ---------------------------------------------------------------------- */

/* Lines 0 to 15 at vectors @base to @base + 15, all masked. */
void pic_init(uint8_t base);
void pic_off(void);
void pic_unmask(uint8_t line);
/* To be asked before the EOI: it was no interrupt, and gets none. */
bool pic_spurious(uint8_t line);
void pic_eoi(uint8_t line);

void ioapic_init(void);
/* 0, or -1 after a message. */
int ioapic_route(uint8_t line, uint8_t vector);

/* --- apic.c: the local APIC ------------------------------------------------------------------------------------------ */

void apic_init(void);
uint32_t apic_id(void);
void apic_eoi(void);
/* The local timer: @hz interrupts a second, or one interrupt after @ms; each calls @handler. */
void apic_timer_periodic(uint32_t hz, irq_handler handler, void *ctx);
void apic_timer_once(uint32_t ms, irq_handler handler, void *ctx);
void apic_timer_stop(void);

/* --- acpi.c ---------------------------------------------------------------------------------------------------------- */

/* The table with this signature, by the RSDT; NULL when there is none. */
const uint8_t *acpi_table(const char *signature);

/* S5.  Comes back, with a message, when that was not possible. */
void acpi_poweroff(void);

/* --- multiboot.c ----------------------------------------------------------------------------------------------------- */

struct boot {
	char cmdline[1024];
	bool text_screen;
	uint32_t rsdp;		/* address of a copy that the loader made, or 0 */
};
extern struct boot boot;

/* False when @magic is of no loader that we know. */
bool boot_parse(uint32_t magic, uint32_t info);
/* The value of the option "@name=...", also of the forms name="a b" and "name=a b".  NULL when absent. */
const char *boot_option(const char *name);

/* --- sha256.c -------------------------------------------------------------------------------------------------------- */

struct sha256 {
	uint32_t h[8];
	uint64_t length;
	uint8_t block[64];
};
void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t n);
/* @hex takes 64 digits and the final zero. */
void sha256_end(struct sha256 *s, char hex[65]);

/* --- shell.c --------------------------------------------------------------------------------------------------------- */

struct command {
	const char *name, *usage, *help;
	int (*run)(int argc, char **argv);	/* 0, or -1 after a message */
};
extern const struct command net_commands[], disk_commands[], sys_commands[];	/* each ends with a NULL name */

/* Commands separated by ';'. */
void shell_run(const char *commands);
void shell_loop(void);

#endif
