// SPDX-License-Identifier: BSD-2-Clause
/* What every register model needs: a broken rule as text, and options by name (contract in model.h). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model.h"

void model_broken(struct model *m, const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	m->host.broken(m->host.ctx, text);
}

void model_set_half(uint64_t *reg, bool high, uint32_t v)
{
	*reg = high ? (*reg & 0xffffffffu) | (uint64_t)v << 32 : (*reg & ~0xffffffffull) | v;
}

bool model_planned(unsigned *faults)
{
	if (!*faults)
		return false;
	--*faults;
	return true;
}

bool model_number(const char *value, unsigned *to)
{
	char *end;
	unsigned long v = strtoul(value, &end, 0);

	*to = (unsigned)v;
	return end != value && !*end && v <= ~0u;
}

bool model_mac(const char *value, uint8_t to[6])
{
	unsigned b[6];
	char rest;

	if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%c", b, b + 1, b + 2, b + 3, b + 4, b + 5, &rest) != 6)
		return false;
	for (unsigned i = 0; i < 6; i++)
		to[i] = (uint8_t)b[i];
	return true;
}

bool model_set(void *chip, const struct model_option *table, size_t count, const char *name, unsigned value)
{
	for (const struct model_option *o = table; o < table + count; o++) {
		char *field = (char *)chip + o->at;

		if (strcmp(name, o->name) != 0)
			continue;
		if (value > o->most)
			return false;
		if (o->is_switch)
			*(bool *)field = value;
		else
			*(unsigned *)field = value;
		return true;
	}
	return false;
}
