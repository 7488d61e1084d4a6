/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of Veneer by a fault of its own: one line, an exit code for an emulator, and a halt. */
#include <veneer/io.h>
#include <veneer/log.h>
#include "hv/lib/panic.h"
#include "hv/x86.h"

static void (*stop_other_cpus)(void);
static uint16_t debug_port;

void panic_init(void (*stop_others)(void))
{
	stop_other_cpus = stop_others;
}

void debug_exit_init(uint16_t port)
{
	debug_port = port;
}

void debug_exit(uint8_t value)
{
	if (debug_port)
		pio_write32(debug_port, value);
}

void panic(const char *fmt, ...)
{
	static bool again;
	char line[224];
	va_list ap;

	if (again)
		halt_forever();
	again = true;
	if (stop_other_cpus)
		stop_other_cpus();
	va_start(ap, fmt);
	fmt_vstring(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_err("%s", line);
	log_err("stopped.  Please report this line.");
	debug_exit(DEBUG_EXIT_PANIC);
	halt_forever();
}

/* The compiler's code calls this if a function's canary was overwritten. */
NORETURN void __stack_chk_fail(void);

void __stack_chk_fail(void)
{
	panic("stack smashed, found by the function that returns to %p", __builtin_return_address(0));
}
