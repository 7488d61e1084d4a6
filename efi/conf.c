/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of veneer.conf, load options and paths.  What the words mean to Veneer is not known here. */
#include <veneer/string.h>
#include "efi/parts.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char *skip_spaces(char *s)
{
	while (is_space(*s))
		s++;
	return s;
}

/* End the word at @s with a zero; what follows it, without the spaces between. */
static char *split_word(char *s)
{
	while (*s && !is_space(*s))
		s++;
	if (!*s)
		return s;
	*s = 0;
	return skip_spaces(s + 1);
}

static void trim_end(char *s)
{
	size_t n = strlen(s);

	while (n && is_space(s[n - 1]))
		s[--n] = 0;
}

static const char *parse_line(struct conf *c, char *s)
{
	char *rest;

	s = skip_spaces(s);
	trim_end(s);
	if (!*s || *s == '#')
		return NULL;
	rest = split_word(s);
	if (!strcmp(s, "veneer")) {
		if (c->veneer)
			return "a second line 'veneer'";
		c->veneer = rest;
		return NULL;
	}
	if (!strcmp(s, "boot") && !strcmp(rest, "disk")) {
		c->disk = true;
		return NULL;
	}
	if (!strcmp(s, "hypervisor")) {
		if (c->hypervisor || !*rest)
			return c->hypervisor ? "a second line 'hypervisor'" : "'hypervisor' without a file";
		c->hypervisor = rest;
		return NULL;
	}
	if (strcmp(s, "module"))
		return "a line begins with 'module', 'veneer', 'hypervisor' or 'boot disk'";
	if (!*rest)
		return "'module' without a file";
	if (c->nmodules == CONF_MAX_MODULES)
		return "more than 64 modules";
	c->module[c->nmodules].file = rest;
	c->module[c->nmodules].line = split_word(rest);
	c->nmodules++;
	return NULL;
}

const char *conf_parse(struct conf *c, char *text, size_t size)
{
	char *at = text, *end = text + size;
	unsigned number = 0;

	memset(c, 0, sizeof(*c));
	*end = 0;
	while (at < end) {
		char *next = memchr(at, '\n', (size_t)(end - at));
		const char *err;

		c->bad_line = ++number;
		next = next ? next : end;
		*next = 0;
		if (strlen(at) != (size_t)(next - at))
			return "a zero byte: this is no text";
		err = parse_line(c, at);
		if (err)
			return err;
		at = next + 1;
	}
	c->bad_line = 0;
	if (!c->nmodules)
		return "no line 'module': there is nothing to start";
	return NULL;
}

bool conf_options(const uint16_t *options, size_t size, char *out, size_t room)
{
	size_t count = size / sizeof(*options), at = 0, used = 0;

	while (at + 1 < count && !(options[at] == '-' && options[at + 1] == '-' && (!at || options[at - 1] == ' ')))
		at++;
	if (at + 1 >= count)
		at = count;
	for (; at < count && options[at] >= ' ' && options[at] <= '~'; at++) {
		if (used + 1 >= room)
			return false;
		out[used++] = (char)options[at];
	}
	out[used] = 0;
	return true;
}

bool conf_path(const uint16_t *dir, const char *file, uint16_t *out, size_t room)
{
	size_t used = 0;

	for (; *dir && used < room; dir++)
		out[used++] = *dir;
	if (used && used < room && out[used - 1] != '\\')
		out[used++] = '\\';
	while ((*file == '/' || *file == '\\') && used)
		file++;
	for (; *file && used < room; file++)
		out[used++] = *file == '/' ? '\\' : (uint8_t)*file;
	if (used >= room)
		return false;
	out[used] = 0;
	return true;
}
