/* SPDX-License-Identifier: BSD-2-Clause */
/* The console: COM1 at 115200 8n1, the VGA text screen, the PS/2 keyboard; all polled. */
#include "hobby.h"

#define COM1		0x3f8
#define COM_DATA	(COM1 + 0)
#define COM_IER		(COM1 + 1)
#define COM_FCR		(COM1 + 2)
#define COM_IIR		(COM1 + 2)
#define COM_LCR		(COM1 + 3)
#define COM_MCR		(COM1 + 4)
#define COM_LSR		(COM1 + 5)
#define COM_SCRATCH	(COM1 + 7)
#define LSR_DATA	0x01
#define LSR_THR_EMPTY	0x20
#define IIR_FIFOS	0xc0			/* a 16550A, whose FIFOs work */
#define FIFO_SIZE	16

#define KBD_DATA	0x60
#define KBD_STATUS	0x64
#define KBD_OUTPUT_FULL	0x01
#define KBD_FROM_MOUSE	0x20

#define VGA_TEXT	((volatile uint16_t *)0xb8000)
#define COLUMNS		80
#define ROWS		25
#define JUMP		8			/* lines by which a full screen scrolls */
#define COLOUR		0x0700

static bool have_serial, have_screen;
static unsigned int row, column;
static uint16_t shown[ROWS * COLUMNS];		/* what the screen shows: reads of video memory are slow */
static unsigned int fifo, room;			/* characters that fit into the empty FIFO; that still fit */

static void serial_init(void)
{
	outb(COM_SCRATCH, 0x5a);
	have_serial = inb(COM_SCRATCH) == 0x5a;	/* without a port this reads all ones */
	if (!have_serial)
		return;
	outb(COM_IER, 0);
	outb(COM_LCR, 0x80);
	outb(COM_DATA, 1);			/* divisor 1: 115200 */
	outb(COM_IER, 0);
	outb(COM_LCR, 0x03);
	outb(COM_FCR, 0x07);
	outb(COM_MCR, 0x03);
	fifo = (inb(COM_IIR) & IIR_FIFOS) == IIR_FIFOS ? FIFO_SIZE : 1;
}

static void serial_putc(char c)
{
	/* THR_EMPTY: the whole FIFO is empty.  If the other end does not listen, drop the character after about a second. */
	for (unsigned int i = 0; !room && !(inb(COM_LSR) & LSR_THR_EMPTY) && i < 1000000; i++)
		pause();
	room = room ? room - 1 : fifo - 1;
	outb(COM_DATA, c);
}

static void screen_set(unsigned int at, uint16_t cell)
{
	if (shown[at] == cell)
		return;
	shown[at] = cell;
	VGA_TEXT[at] = cell;
}

static void screen_newline(void)
{
	column = 0;
	if (++row < ROWS)
		return;
	row = ROWS - JUMP;
	for (unsigned int i = 0; i < COLUMNS * ROWS; i++)
		screen_set(i, i < COLUMNS * row ? shown[i + COLUMNS * JUMP] : COLOUR | ' ');
}

static void screen_putc(char c)
{
	if (c == '\n') {
		screen_newline();
	} else if (c == '\b') {
		column -= column > 0;
	} else if (c != '\r') {
		screen_set(row * COLUMNS + column, COLOUR | (uint8_t)c);
		if (++column == COLUMNS)
			screen_newline();
	}
}

void console_init(bool text_screen)
{
	serial_init();
	have_screen = text_screen;
	for (unsigned int i = 0; have_screen && i < COLUMNS * ROWS; i++)
		VGA_TEXT[i] = shown[i] = COLOUR | ' ';
}

void console_putc(char c)
{
	if (have_serial && c == '\n')
		serial_putc('\r');
	if (have_serial)
		serial_putc(c);
	if (have_screen)
		screen_putc(c);
}

/* Scan code set 1, into which the controller translates; US layout, only the keys that a command line needs. */
static const char keys[0x3a] = {
	0, 27, '1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '-', '=', '\b', '\t',
	'q', 'w', 'e', 'r', 't', 'y', 'u', 'i', 'o', 'p', '[', ']', '\n', 0, 'a', 's',
	'd', 'f', 'g', 'h', 'j', 'k', 'l', ';', '\'', '`', 0, '\\', 'z', 'x', 'c', 'v',
	'b', 'n', 'm', ',', '.', '/', 0, '*', 0, ' ',
};

static const char shifted[0x3a] = {
	0, 27, '!', '@', '#', '$', '%', '^', '&', '*', '(', ')', '_', '+', '\b', '\t',
	'Q', 'W', 'E', 'R', 'T', 'Y', 'U', 'I', 'O', 'P', '{', '}', '\n', 0, 'A', 'S',
	'D', 'F', 'G', 'H', 'J', 'K', 'L', ':', '"', '~', 0, '|', 'Z', 'X', 'C', 'V',
	'B', 'N', 'M', '<', '>', '?', 0, '*', 0, ' ',
};

static int keyboard_getc(void)
{
	static bool shift;
	uint8_t status = inb(KBD_STATUS), code;

	if (status == 0xff || !(status & KBD_OUTPUT_FULL))	/* all ones: no controller */
		return -1;
	code = inb(KBD_DATA);
	if (status & KBD_FROM_MOUSE)
		return -1;
	if ((code & 0x7f) == 0x2a || (code & 0x7f) == 0x36) {
		shift = !(code & 0x80);
		return -1;
	}
	if (code >= sizeof(keys) || !keys[code])
		return -1;
	return shift ? shifted[code] : keys[code];
}

int console_getc(void)
{
	if (have_serial && (inb(COM_LSR) & LSR_DATA)) {
		int c = inb(COM_DATA);

		return c == '\r' ? '\n' : c == 0x7f ? '\b' : c;
	}
	return keyboard_getc();
}
