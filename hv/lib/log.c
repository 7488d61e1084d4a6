/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: a ring in memory, and by level the console. */
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/lib/console.h"
#include "hv/lib/logring.h"

#define RING_SIZE	32768u
#define LINE_MAX	256
#define LOCK_TRIES	10000000u	/* some hundred milliseconds; a line takes ten on the serial port */

static char ring[RING_SIZE];
static uint64_t ring_head;		/* bytes ever written */
static enum log_level console_level = LOG_INFO;
static bool guest_runs;
static struct lock lock;

static const char *const level_word[] = { "error: ", "warning: ", "", "" };

static void ring_put(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ring[(ring_head + i) % RING_SIZE] = s[i];
	ring_head += len;
}

/* Held for one line.  A processor that was stopped or failed while it held the lock must not silence the others. */
static bool line_lock(void)
{
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (lock_try(&lock))
			return true;
		cpu_relax();
	}
	return false;
}

static void emit(bool to_console, const char *s, size_t len)
{
	ring_put(s, len);
	if (to_console)
		console_write(s, len);
}

static void log_line(bool to_console, const char *word, const char *fmt, va_list ap)
{
	char line[LINE_MAX];
	int n = fmt_vstring(line, sizeof(line) - 1, fmt, ap);
	size_t len = MIN((size_t)n, sizeof(line) - 2);

	line[len++] = '\n';
	bool locked = line_lock();
	emit(to_console, "veneer: ", 8);
	emit(to_console, word, strlen(word));
	emit(to_console, line, len);
	if (locked)
		lock_release(&lock);
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(level <= console_level && (!guest_runs || level == LOG_ERR), level_word[level], fmt, ap);
	va_end(ap);
}

void log_report(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(true, "", fmt, ap);
	va_end(ap);
}

void log_set_level(enum log_level level)
{
	console_level = level;
}

void log_guest_runs(void)
{
	guest_runs = true;
	console_share();
}

size_t log_read(size_t off, char *buf, size_t size)
{
	uint64_t start = ring_head > RING_SIZE ? ring_head - RING_SIZE : 0, at = start + off;
	size_t n = 0;

	while (at < ring_head && n < size)
		buf[n++] = ring[at++ % RING_SIZE];
	return n;
}
