/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatting for the log (contract in veneer/log.h), and the words for error codes. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>

struct out {
	char *buf;
	size_t size, len;	/* len counts what did not fit, too */
};

/* One conversion, from the character after '%' on. */
struct spec {
	bool left, zero, prefix, upper;
	unsigned width;
	int precision;		/* -1: none */
	unsigned bytes;		/* of the integer argument: 1, 2, 4 or 8 */
};

static void out_char(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_many(struct out *o, char c, unsigned n)
{
	while (n--)
		out_char(o, c);
}

/* @lead (sign or "0x") comes before zeros that fill the width, but after blanks that do. */
static void put_field(struct out *o, const struct spec *s, const char *lead, const char *text, size_t len)
{
	unsigned nlead = (unsigned)strlen(lead), all = nlead + (unsigned)len;
	unsigned fill = s->width > all ? s->width - all : 0;

	if (!s->left && !s->zero)
		put_many(o, ' ', fill);
	for (unsigned i = 0; i < nlead; i++)
		out_char(o, lead[i]);
	if (!s->left && s->zero)
		put_many(o, '0', fill);
	for (size_t i = 0; i < len; i++)
		out_char(o, text[i]);
	if (s->left)
		put_many(o, ' ', fill);
}

static void put_number(struct out *o, const struct spec *s, const char *lead, uint64_t v, unsigned base)
{
	const char *digits = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[20];
	unsigned at = sizeof(text);

	do {
		text[--at] = digits[v % base];
		v /= base;
	} while (v);
	put_field(o, s, lead, text + at, sizeof(text) - at);
}

static void put_signed(struct out *o, const struct spec *s, int64_t v)
{
	put_number(o, s, v < 0 ? "-" : "", v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10);
}

static void put_hex(struct out *o, const struct spec *s, uint64_t v)
{
	const char *lead = s->upper ? "0X" : "0x";

	put_number(o, s, s->prefix && v ? lead : "", v, 16);
}

static void put_text(struct out *o, struct spec *s, const char *text)
{
	s->zero = false;
	if (!text)
		text = "(null)";
	put_field(o, s, "", text, s->precision < 0 ? strlen(text) : strnlen(text, (size_t)s->precision));
}

static const char *parse_flags(const char *f, struct spec *s)
{
	for (;; f++) {
		if (*f == '-')
			s->left = true;
		else if (*f == '0')
			s->zero = true;
		else if (*f == '#')
			s->prefix = true;
		else
			return f;
	}
}

/* Digits; ends at 9999, which no line of a log needs. */
static const char *parse_count(const char *f, unsigned *out)
{
	for (*out = 0; *f >= '0' && *f <= '9'; f++)
		if (*out < 1000)
			*out = *out * 10 + (unsigned)(*f - '0');
	return f;
}

static const char *parse_length(const char *f, struct spec *s)
{
	for (s->bytes = sizeof(int);; f++) {
		if (*f == 'l' || *f == 'z' || *f == 'j' || *f == 't')
			s->bytes = 8;
		else if (*f == 'h')
			s->bytes /= 2;
		else
			return f;
	}
}

static uint64_t next_unsigned(const struct spec *s, va_list *ap)
{
	uint64_t v = s->bytes == 8 ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned);

	return s->bytes == 8 ? v : v & GENMASK64(8 * s->bytes - 1, 0);
}

static int64_t next_signed(const struct spec *s, va_list *ap)
{
	if (s->bytes == 8)
		return va_arg(*ap, int64_t);

	int v = va_arg(*ap, int);

	return s->bytes == 4 ? v : s->bytes == 2 ? (int16_t)v : (int8_t)v;
}

/* False for an unknown conversion, which consumes nothing. */
static bool convert(struct out *o, struct spec *s, char c, va_list *ap)
{
	char one;

	switch (c) {
	case 'd':
	case 'i':
		put_signed(o, s, next_signed(s, ap));
		return true;
	case 'u':
		put_number(o, s, "", next_unsigned(s, ap), 10);
		return true;
	case 'X':
		s->upper = true;
		put_hex(o, s, next_unsigned(s, ap));
		return true;
	case 'x':
		put_hex(o, s, next_unsigned(s, ap));
		return true;
	case 'p':
		put_number(o, s, "0x", (uintptr_t)va_arg(*ap, void *), 16);
		return true;
	case 's':
		put_text(o, s, va_arg(*ap, const char *));
		return true;
	case 'c':
		one = (char)va_arg(*ap, int);
		s->zero = false;
		put_field(o, s, "", &one, 1);
		return true;
	case '%':
		out_char(o, '%');
		return true;
	default:
		return false;
	}
}

static const char *parse_width(const char *f, struct spec *s, va_list *ap)
{
	if (*f != '*')
		return parse_count(f, &s->width);

	int w = va_arg(*ap, int);

	s->left = s->left || w < 0;
	s->width = w < 0 ? 0u - (unsigned)w : (unsigned)w;
	return f + 1;
}

static const char *parse_precision(const char *f, struct spec *s, va_list *ap)
{
	unsigned n;

	s->precision = -1;
	if (*f != '.')
		return f;
	if (f[1] == '*') {
		s->precision = va_arg(*ap, int);
		return f + 2;
	}
	f = parse_count(f + 1, &n);
	s->precision = (int)n;
	return f;
}

/* @f is behind the '%'. Return the rest of the format.  An unknown conversion is printed unchanged. */
static const char *format_one(struct out *o, const char *f, va_list *ap)
{
	struct spec s = { 0 };
	const char *start = f - 1;

	f = parse_flags(f, &s);
	f = parse_width(f, &s, ap);
	f = parse_precision(f, &s, ap);
	f = parse_length(f, &s);
	if (*f && convert(o, &s, *f, ap))
		return f + 1;
	while (start < f)
		out_char(o, *start++);
	return f;
}

int fmt_vstring(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { .buf = buf, .size = size };
	va_list args;

	va_copy(args, ap);
	while (*fmt) {
		if (*fmt != '%')
			out_char(&o, *fmt++);
		else
			fmt = format_one(&o, fmt + 1, &args);
	}
	va_end(args);
	if (size)
		buf[MIN(o.len, size - 1)] = 0;
	return (int)o.len;
}

int fmt_string(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = fmt_vstring(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

static const char *const err_names[] = {
	[0] = "no error", [ERR_IO] = "I/O error", [ERR_TIMEOUT] = "timeout", [ERR_NODEV] = "no such device",
	[ERR_NOMEM] = "no room in memory or in a table", [ERR_INVAL] = "bad input", [ERR_BUSY] = "busy",
	[ERR_NOTSUP] = "not supported", [ERR_ROFS] = "read-only", [ERR_FAULT] = "bad address", [ERR_ABORTED] = "aborted",
};

const char *err_name(int err)
{
	unsigned code = err < 0 ? 0u - (unsigned)err : (unsigned)err;

	return code < ARRAY_SIZE(err_names) ? err_names[code] : "unknown error";
}
