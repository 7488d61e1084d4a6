/* SPDX-License-Identifier: BSD-2-Clause */
/* The console: a 16550 and the text screen, both polled and neither waited for long. */
#include <veneer/config.h>
#include <veneer/io.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/hv.h"
#include "hv/mem/mem_internal.h"

#define UART_DATA	0
#define UART_IER	1
#define UART_FCR	2
#define UART_LCR	3
#define  LCR_8N1	0x03
#define  LCR_DLAB	BIT(7)
#define UART_MCR	4
#define  MCR_DTR_RTS	0x03
#define UART_LSR	5
#define  LSR_THRE	BIT(5)

#define VGA_TEXT	0xb8000u
#define VGA_ATTR	0x07

static uint16_t uart;			/* 0: none */
static uint16_t *screen;
static unsigned cols, rows, row, col;

static void uart_start(uint16_t port, uint32_t baud)
{
	uint16_t divisor = (uint16_t)(115200 / (baud ? baud : 115200));

	uart = 0;
	/* An absent port reads all ones. */
	if (pio_read8(port + UART_LSR) == 0xff)
		return;
	pio_write8(port + UART_IER, 0);
	pio_write8(port + UART_LCR, LCR_DLAB);
	pio_write8(port + UART_DATA, (uint8_t)divisor);
	pio_write8(port + UART_IER, (uint8_t)(divisor >> 8));
	pio_write8(port + UART_LCR, LCR_8N1);
	pio_write8(port + UART_FCR, 0x07);
	pio_write8(port + UART_MCR, MCR_DTR_RTS);
	uart = port;
}

static void uart_put(char c)
{
	/* 100 us a character at 115200 baud: about 100 port reads.  A stuck port loses characters, never time. */
	for (unsigned i = 0; i < 10000 && !(pio_read8(uart + UART_LSR) & LSR_THRE); i++)
		cpu_relax();
	pio_write8(uart + UART_DATA, (uint8_t)c);
}

static void screen_newline(void)
{
	col = 0;
	if (++row < rows)
		return;
	row = rows - 1;
	memmove(screen, screen + cols, (rows - 1) * cols * 2);
	for (unsigned i = 0; i < cols; i++)
		screen[row * cols + i] = VGA_ATTR << 8 | ' ';
}

static void screen_put(char c)
{
	if (c == '\n') {
		screen_newline();
		return;
	}
	screen[row * cols + col] = (uint16_t)(VGA_ATTR << 8 | (uint8_t)c);
	if (++col == cols)
		screen_newline();
}

void console_write(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (uart) {
			if (s[i] == '\n')
				uart_put('\r');
			uart_put(s[i]);
		}
		if (screen)
			screen_put(s[i]);
	}
}

void console_early(void)
{
	if (config.serial_on)
		uart_start(config.serial_port, config.serial_baud);
}

static void screen_start(const struct boot_info *b)
{
	if (b->has_fb && b->fb.type == 2) {
		screen = (uint16_t *)(uintptr_t)b->fb.addr;
		cols = b->fb.width;
		rows = b->fb.height;
	} else if (!b->has_fb && !b->efi) {
		screen = (uint16_t *)(uintptr_t)VGA_TEXT;
		cols = 80;
		rows = 25;
	} else {
		return;
	}
	if (cols > 200 || rows > 100 || !cols || !rows || (uintptr_t)screen < 0xa0000 || (uintptr_t)screen >= 0xc0000) {
		screen = NULL;
		return;
	}
	memset(screen, 0, cols * rows * 2);
}

void console_init(const struct boot_info *b)
{
	uart = 0;
	screen = NULL;
	if (config.serial_on)
		uart_start(config.serial_port, config.serial_baud);
	if (config.screen_on)
		screen_start(b);
}
