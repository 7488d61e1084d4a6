/* SPDX-License-Identifier: BSD-2-Clause */
/* A command line without history, which serves the network while it waits. */
#include "net.h"

#define LINE_MAX	256
#define ARGS_MAX	8

static const struct command *const tables[] = { net_commands, disk_commands, sys_commands };

static int help(void)
{
	for (unsigned int t = 0; t < ARRAY_SIZE(tables); t++)
		for (const struct command *c = tables[t]; c->name; c++)
			printf("%s %s\n    %s\n", c->name, c->usage, c->help);
	return 0;
}

static const struct command *find(const char *name)
{
	for (unsigned int t = 0; t < ARRAY_SIZE(tables); t++)
		for (const struct command *c = tables[t]; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	return NULL;
}

static int split(char *line, char *argv[ARGS_MAX])
{
	int argc = 0;

	while (argc < ARGS_MAX) {
		while (*line == ' ')
			line++;
		if (!*line)
			break;
		argv[argc++] = line;
		while (*line && *line != ' ')
			line++;
		if (*line)
			*line++ = '\0';
	}
	return argc;
}

static void execute(char *line)
{
	char *argv[ARGS_MAX];
	int argc = split(line, argv);
	const struct command *c;

	if (!argc)
		return;
	if (!strcmp(argv[0], "help")) {
		help();
		return;
	}
	c = find(argv[0]);
	if (!c)
		printf("%s: no such command (try help)\n", argv[0]);
	else if (c->run(argc, argv))
		printf("%s: failed\n", argv[0]);
}

void shell_run(const char *commands)
{
	char line[LINE_MAX];
	unsigned int n;

	while (*commands) {
		for (n = 0; *commands && *commands != ';'; commands++)
			if (n < sizeof(line) - 1)
				line[n++] = *commands;
		line[n] = '\0';
		if (*commands)
			commands++;
		for (n = 0; line[n] == ' '; n++)
			;
		printf("> %s\n", line + n);
		execute(line);
	}
}

static void read_line(char *line, unsigned int size)
{
	unsigned int n = 0;
	int c;

	for (;;) {
		c = console_getc();
		if (c < 0) {
			net_poll();
			irq_wait();
		} else if (c == '\n') {
			break;
		} else if (c == '\b') {
			if (n) {
				n--;
				printf("\b \b");
			}
		} else if (c >= ' ' && c < 0x7f && n < size - 1) {
			line[n++] = c;
			console_putc(c);
		}
	}
	line[n] = '\0';
	console_putc('\n');
}

void shell_loop(void)
{
	char line[LINE_MAX];

	for (;;) {
		printf("hobby> ");
		read_line(line, sizeof(line));
		execute(line);
	}
}
