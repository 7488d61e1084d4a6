/* SPDX-License-Identifier: BSD-2-Clause */
/* efi/firmware.h's messages for tests of one source: what was said is kept. */
#ifndef HOST_EFI_SAY_H
#define HOST_EFI_SAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static char said[4096];

void say(const char *text, ...)
{
	__builtin_va_list args;

	__builtin_va_start(args, text);
	for (; text; text = __builtin_va_arg(args, const char *))
		snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s", text);
	__builtin_va_end(args);
}

void say_number(uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", n);
	say(text, NULL);
}

#endif
