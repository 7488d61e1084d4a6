/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log.  One line per call, no trailing newline; every line starts with its object: "nvme0 sq1: ...".
 *
 * Lines go to the ring and, depending on their level, to serial port and screen.  While the guest runs, serial port and screen
 * belong to the guest, and get errors only (see docs/debugging.md).  Callable everywhere except in an NMI handler.
 *
 * Conversions: %d %i %u %x %X %p %s %c %%, with l, ll, z, width, zero padding, '-' and precision for %s.
 */
#ifndef VENEER_LOG_H
#define VENEER_LOG_H

#include <stdarg.h>
#include <veneer/types.h>

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_at(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Log a line of the report on a crashed guest: always to serial port and screen, too. */
void log_report(const char *fmt, ...) PRINTF_LIKE(1, 2);

#define log_err(...)	log_at(LOG_ERR, __VA_ARGS__)
#define log_warn(...)	log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)	log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	log_at(LOG_DEBUG, __VA_ARGS__)

/* Log an error the first time only; the caller keeps @flag, which records that. */
#define log_err_once(flag, ...) \
	do { \
		if (!(flag)) { \
			(flag) = true; \
			log_err(__VA_ARGS__); \
		} \
	} while (0)

/* Format into @buf, terminated if @size > 0.  Returns the length that the whole text would have. */
int fmt_string(char *buf, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
int fmt_vstring(char *buf, size_t size, const char *fmt, va_list ap);

/* Print the line and, for a fault of Veneer's own, the registers, then halt this CPU.  Never returns. */
NORETURN void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
