/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations for all files of this small operating system.  It is one 32-bit program without paging, so a pointer is a
 * physical address, which a device needs in its rings.
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

/* barrier() stops the compiler from moving memory accesses across it; full_fence() also the CPU from reading before a write. */
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

/* Return zeroed pages, which are never freed; NULL (with a message) if the small arena is full. */
void *page_alloc(size_t bytes);

/* Return the quotient; *@rem, if not NULL, gets the remainder.  (The compiler's 64-bit division needs a library.) */
uint64_t divide(uint64_t n, uint32_t by, uint32_t *rem);

/* Convert a decimal number, or a hexadecimal one after 0x.  False if @s is anything else. */
bool parse_number(const char *s, uint64_t *out);

/* Convert "10.0.2.2" to 0x0a000202.  False if @s is anything else. */
bool parse_ip(const char *s, uint32_t *out);

/* %d %u %x %c %s %%, ll, width and zero padding; %I: an IPv4 address, %M: a pointer to a MAC address. */
void printf(const char *format, ...);
void vprintf(const char *format, va_list ap);

static inline uint16_t swap16(uint16_t v) { return v << 8 | v >> 8; }
static inline uint32_t swap32(uint32_t v) { return __builtin_bswap32(v); }

/* --- console.c ------------------------------------------------------------------------------------------------------- */

/* Use serial port COM1, and the VGA text screen if there is one (not after UEFI). */
void console_init(bool text_screen);
void console_putc(char c);
/* Return a character from the serial line or the keyboard, or -1. */
int console_getc(void);

/* --- time.c ---------------------------------------------------------------------------------------------------------- */

/* Measure the time-stamp counter's frequency by the PIT. */
void time_init(void);
uint64_t time_us(void);
void delay_us(uint32_t us);

struct deadline { uint64_t tsc; };
struct deadline deadline_in_ms(uint32_t ms);
bool deadline_passed(struct deadline d);

/* --- irq.c: interrupts ----------------------------------------------------------------------------------------------- */

/*
 * Modes of interrupts: none (IRQ_POLL runs with interrupts off), the INTx line through the 8259 or through the I/O APIC, or
 * messages.  In each mode the local APIC's timer ticks.
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
/* Assign a free vector to @handler, which runs with interrupts off and sends no EOI.  Return 0 if no vector is left. */
uint8_t irq_alloc(irq_handler handler, void *ctx);
/* The same for interrupt line @line (0 to 15), by the 8259 or the I/O APIC as the mode says.  0, or -1 after a message. */
int irq_line(uint8_t line, irq_handler handler, void *ctx);
/* Call this in wait loops: sleeps until the next interrupt, or pauses with IRQ_POLL. */
void irq_wait(void);
/* Start the tick, which ends irq_wait() if no other interrupt does; the commands idle and timer borrow its timer. */
void irq_tick(void);
void irq_dispatch(struct irq_frame *frame);

/* --- pic.c, ioapic.c: the interrupt controllers ---------------------------------------------------------------------- */

/* Set lines 0 to 15 to vectors @base to @base + 15, all masked. */
void pic_init(uint8_t base);
void pic_off(void);
void pic_unmask(uint8_t line);
/* True for a spurious interrupt, which must get no EOI: call this before the EOI. */
bool pic_spurious(uint8_t line);
void pic_eoi(uint8_t line);

void ioapic_init(void);
/* 0, or -1 after a message. */
int ioapic_route(uint8_t line, uint8_t vector);

/* --- apic.c: the local APIC ------------------------------------------------------------------------------------------ */

void apic_init(void);
uint32_t apic_id(void);
void apic_eoi(void);
/* Start the local timer: @hz interrupts per second, or one interrupt after @ms; each calls @handler. */
void apic_timer_periodic(uint32_t hz, irq_handler handler, void *ctx);
void apic_timer_once(uint32_t ms, irq_handler handler, void *ctx);
void apic_timer_stop(void);

/* --- acpi.c ---------------------------------------------------------------------------------------------------------- */

/* Return the table with this signature, from the RSDT; NULL if there is none. */
const uint8_t *acpi_table(const char *signature);

/* Enter S5.  Returns, with a message, only if that is impossible. */
void acpi_poweroff(void);

/* --- multiboot.c ----------------------------------------------------------------------------------------------------- */

struct boot {
	char cmdline[1024];
	bool text_screen;
	uint32_t rsdp;		/* address of a copy that the loader made, or 0 */
};
extern struct boot boot;

/* False if no supported loader has this @magic. */
bool boot_parse(uint32_t magic, uint32_t info);
/* Return the value of the option "@name=...", also in the forms name="a b" and "name=a b".  NULL if absent. */
const char *boot_option(const char *name);

/* --- sha256.c -------------------------------------------------------------------------------------------------------- */

struct sha256 {
	uint32_t h[8];
	uint64_t length;
	uint8_t block[64];
};
void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t n);
/* @hex needs room for 64 digits and the final zero. */
void sha256_end(struct sha256 *s, char hex[65]);

/* --- shell.c --------------------------------------------------------------------------------------------------------- */

struct command {
	const char *name, *usage, *help;
	int (*run)(int argc, char **argv);	/* 0, or -1 after a message */
};
extern const struct command net_commands[], disk_commands[], sys_commands[];	/* each ends with a NULL name */

/* Execute commands separated by ';'. */
void shell_run(const char *commands);
void shell_loop(void);

#endif
