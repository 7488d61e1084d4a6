/* SPDX-License-Identifier: BSD-2-Clause */
/* Basics of the probe kernels: entry, checks and their lines, options, exit.  Contract in guest.h. */
#include "guest.h"

#define PORT_DEBUG_EXIT	0xf4

void hobby_main(uint32_t magic, uint32_t info);

static unsigned int passed, failed;

bool check(uint32_t got, uint32_t expected, const char *name, ...)
{
	va_list ap;
	bool good = got == expected;

	printf(good ? "PASS " : "FAIL ");
	va_start(ap, name);
	vprintf(name, ap);
	va_end(ap);
	if (good)
		printf("\n");
	else
		printf(": got 0x%x expected 0x%x\n", got, expected);
	passed += good;
	failed += !good;
	return good;
}

void skip(const char *name, ...)
{
	va_list ap;

	printf("SKIP ");
	va_start(ap, name);
	vprintf(name, ap);
	va_end(ap);
	printf("\n");
}

void note(const char *text, ...)
{
	va_list ap;

	printf("     ");
	va_start(ap, text);
	vprintf(text, ap);
	va_end(ap);
	printf("\n");
}

/* A probe without a check has not passed. */
void probe_exit(void)
{
	printf("%s: %u passed, %u failed\n", probe_name, passed, failed);
	outl(PORT_DEBUG_EXIT, failed || !passed);
	for (;;)
		__asm__ volatile("cli; hlt");
}

bool take_hex(const char **s, uint32_t *out)
{
	const char *p = *s;

	if (p[0] == '0' && p[1] == 'x')
		p += 2;
	*s = p;
	for (*out = 0;; p++) {
		if (*p >= '0' && *p <= '9')
			*out = *out << 4 | (*p - '0');
		else if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')
			*out = *out << 4 | ((*p | 0x20) - 'a' + 10);
		else
			break;
	}
	if (p == *s)
		return false;
	*s = p;
	return true;
}

bool take_bdf(const char **s, pci_bdf *out)
{
	uint32_t bus, device, function;

	if (!take_hex(s, &bus) || *(*s)++ != ':' || !take_hex(s, &device) || *(*s)++ != '.' || !take_hex(s, &function))
		return false;
	*out = bus << 8 | device << 3 | function;
	return bus < 256 && device < 32 && function < 8;
}

/* True if the command line has "name" or "name=...". */
bool option_present(const char *name)
{
	size_t n = strlen(name);

	for (const char *s = boot.cmdline; *s; s++)
		if ((s == boot.cmdline || s[-1] == ' ') && !strncmp(s, name, n) && (!s[n] || s[n] == ' ' || s[n] == '='))
			return true;
	return false;
}

uint32_t option_number(const char *name, uint32_t otherwise)
{
	const char *v = boot_option(name);
	uint64_t n;

	return v && parse_number(v, &n) ? (uint32_t)n : otherwise;
}

void hobby_main(uint32_t magic, uint32_t info)
{
	bool booted = boot_parse(magic, info);

	console_init(boot.text_screen);
	printf("\n%s: starts\n", probe_name);
	trap_init();
	time_init();
	if (check(booted, true, "boot: started by a multiboot loader")) {
		machine_init(magic, info);
		probe();
	}
	probe_exit();
}
