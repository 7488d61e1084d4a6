/* SPDX-License-Identifier: BSD-2-Clause */
/* The console: a 16550, and the text screen or a framebuffer; polled, with short waits only. */
#include <veneer/config.h>
#include <veneer/io.h>
#include <veneer/string.h>
#include "hv/boot/bootinfo.h"
#include "hv/lib/console.h"
#include "hv/lib/fbcon.h"
#include "hv/lib/logring.h"

#define UART_DATA	0
#define UART_IER	1
#define UART_FCR	2
#define  FCR_ON_EMPTY	0x07			/* on, both FIFOs emptied */
#define UART_IIR	2
#define  IIR_FIFOS	0xc0			/* both bits: a 16550A, whose FIFOs work */
#define FIFO_SIZE	16u
#define UART_LCR	3
#define  LCR_8N1	0x03
#define  LCR_DLAB	BIT(7)
#define UART_MCR	4
#define  MCR_DTR_RTS	0x03
#define UART_LSR	5
#define  LSR_DR		BIT(0)
#define  LSR_THRE	BIT(5)
#define  LSR_TEMT	BIT(6)

#define KBC_DATA	0x60
#define KBC_STATUS	0x64
#define  KBC_FULL	BIT(0)
#define  KBC_MOUSE	BIT(5)

#define VGA_TEXT	0xb8000u
#define VGA_ATTR	0x07

static uint16_t uart;			/* 0: none */
static uint32_t uart_baud;
static unsigned uart_fifo;		/* characters that fit once the FIFO is empty */
static unsigned uart_room;		/* characters that certainly still fit */
static uint16_t *screen;
static unsigned cols, rows, row, col;
static struct fbcon fb;			/* fb.base NULL: none */

/* 100 us a character at 115200 baud: about 100 port reads.  A stuck port loses characters, never time. */
static void uart_wait(uint8_t bits)
{
	for (unsigned i = 0; i < 10000 && (pio_read8(uart + UART_LSR) & bits) != bits; i++)
		cpu_relax();
}

static void uart_start(uint16_t port, uint32_t baud)
{
	uint16_t divisor = (uint16_t)(115200 / (baud ? baud : 115200));

	if (uart == port && uart_baud == baud)
		return;
	/* The set-up clears the FIFO: send its contents first. */
	if (uart)
		uart_wait(LSR_THRE | LSR_TEMT);
	uart = 0;
	/* An absent port reads all ones. */
	if (pio_read8(port + UART_LSR) == 0xff)
		return;
	pio_write8(port + UART_IER, 0);
	pio_write8(port + UART_LCR, LCR_DLAB);
	pio_write8(port + UART_DATA, (uint8_t)divisor);
	pio_write8(port + UART_IER, (uint8_t)(divisor >> 8));
	pio_write8(port + UART_LCR, LCR_8N1);
	pio_write8(port + UART_FCR, FCR_ON_EMPTY);
	/* An 8250 has none, and the FIFOs of the first 16550 lose characters. */
	uart_fifo = (pio_read8(port + UART_IIR) & IIR_FIFOS) == IIR_FIFOS ? FIFO_SIZE : 1;
	uart_room = 0;
	pio_write8(port + UART_MCR, MCR_DTR_RTS);
	uart = port;
	uart_baud = baud;
}

static bool has_uart(void)
{
	return IS_ENABLED(CONFIG_CONSOLE_SERIAL) && uart;
}

/* THRE: the whole FIFO is empty, so one look serves so many characters.  Each look is two exits if a hypervisor is below. */
static void uart_put(char c)
{
	/* Not 0 alone: a processor that died in here has freed no lock, and the next writes without. */
	if (uart_room - 1 >= uart_fifo) {
		uart_wait(LSR_THRE);
		uart_room = uart_fifo;
	}
	uart_room--;
	pio_write8(uart + UART_DATA, (uint8_t)c);
}

static void text_scroll(void)
{
	row = rows - 1;
	memmove(screen, screen + cols, (rows - 1) * cols * 2);
	for (unsigned i = 0; i < cols; i++)
		screen[row * cols + i] = VGA_ATTR << 8 | ' ';
}

/* Scroll only when there is another line to write: a report that fills the screen is then visible as a whole. */
static void text_put(char c)
{
	if (row == rows)
		text_scroll();
	if (c != '\n')
		screen[row * cols + col++] = (uint16_t)(VGA_ATTR << 8 | (uint8_t)c);
	if (c == '\n' || col == cols) {
		col = 0;
		row++;
	}
}

static void screen_put(char c)
{
	if (screen)
		text_put(c);
	else if (IS_ENABLED(CONFIG_CONSOLE_SCREEN) && fb.base)
		fbcon_put(&fb, c);
}

void console_write(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (has_uart()) {
			if (s[i] == '\n')
				uart_put('\r');
			uart_put(s[i]);
		}
		screen_put(s[i]);
	}
	/* The guest may count on the room that it found. */
	if (has_uart() && uart_fifo == 1)
		uart_wait(LSR_THRE);
}

void console_share(void)
{
	/* A guest that sets the port up empties the FIFO: let the last line out first. */
	if (has_uart())
		uart_wait(LSR_THRE | LSR_TEMT);
	uart_fifo = 1;
	uart_room = 0;
}

void console_early(const struct config *c)
{
	if (IS_ENABLED(CONFIG_CONSOLE_SERIAL) && c->serial_on)
		uart_start(c->serial_port, c->serial_baud);
}

static void text_start(uint64_t addr, unsigned width, unsigned height)
{
	if (!width || !height || width > 200 || height > 100 || addr < 0xa0000 || addr + width * height * 2 > 0xc0000)
		return;
	screen = (uint16_t *)(uintptr_t)addr;
	cols = width;
	rows = height;
	row = col = 0;
	for (unsigned i = 0; i < cols * rows; i++)
		screen[i] = VGA_ATTR << 8 | ' ';
}

/* The lines from before the screen's start. */
static void screen_catch_up(void)
{
	char part[64];
	size_t n;

	for (size_t off = 0; (n = log_read(off, part, sizeof(part))); off += n)
		for (size_t i = 0; i < n; i++)
			screen_put(part[i]);
}

static void screen_start(const struct boot_info *b, console_map_fn map)
{
	if (b->has_fb && b->fb.type == 2)
		text_start(b->fb.addr, b->fb.width, b->fb.height);
	else if (!b->has_fb && !b->efi)
		text_start(VGA_TEXT, 80, 25);
	else if (IS_ENABLED(CONFIG_CONSOLE_SCREEN))
		fbcon_init(&fb, b, map);
	screen_catch_up();
}

void console_init(const struct config *c, const struct boot_info *b, console_map_fn map)
{
	if (IS_ENABLED(CONFIG_CONSOLE_SERIAL) && c->serial_on)
		uart_start(c->serial_port, c->serial_baud);
	else
		uart = 0;
	if (!c->screen_on) {
		screen = NULL;
		fb.base = NULL;
	} else if (!screen && !fb.base) {
		screen_start(b, map);
	}
}

bool console_key(void)
{
	uint8_t status = pio_read8(KBC_STATUS);
	bool key = false;

	if (status != 0xff && status & KBC_FULL) {
		pio_read8(KBC_DATA);
		key = !(status & KBC_MOUSE);
	}
	if (has_uart() && pio_read8(uart + UART_LSR) & LSR_DR) {
		pio_read8(uart + UART_DATA);
		key = true;
	}
	return key;
}
