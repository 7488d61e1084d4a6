/* SPDX-License-Identifier: BSD-2-Clause */
/* What the pieces of hv share among themselves. */
#ifndef HV_H
#define HV_H

#include <veneer/vcpu.h>
#include "hv/boot/bootinfo.h"

void time_init(void);
uint64_t time_cycles(uint32_t us);	/* of the TSC */

/*
 * Console: serial and screen.  console_early(): the serial port only.  console_init(): after paging_init(), as the
 * configuration says; again when that has changed.
 */
void console_early(void);
void console_init(const struct boot_info *b);
void console_write(const char *s, size_t len);
/* Whether there was something from the keyboard's controller (a key, not the mouse) or the serial port; takes it from there. */
bool console_key(void);

/* From here on the guest runs: only errors go to the console. */
void log_guest_runs(void);
/* Copy of the log ring from @off on; returns the bytes copied. */
size_t log_read(size_t off, char *buf, size_t size);

/* The table of the handlers of Veneer's own exceptions, one for all processors. */
void idt_init(void);

/* Let one pending physical interrupt in and return its vector, or -1 when none was (hv/cpu/entry). */
int intr_acknowledge(void);

/* Sleep in the host until an NMI comes, unless *@wake is set; see hv/cpu/entry.S. */
void host_sleep(const volatile uint32_t *wake);

/* The machine is about to go down by the guest's will: stop DMA and flush disks, once.  And then reset it ourselves. */
void machine_stopping(void);
NORETURN void machine_reset(void);

/* The guest died or Veneer did: tells an isa-debug-exit device if the configuration names one. */
void debug_exit(uint8_t value);

NORETURN void veneer_main(uint64_t magic, const void *info);

#endif
