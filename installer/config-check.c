/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config-check: hv/config, compiled for the host.
 *   config-check FILE.dtb   check a configuration as the hypervisor does at the start, with the same messages
 *   config-check --table    print the table of properties, a line each, for veneer-config and scripts/config-docs: node, name,
 *                           devices of a rule, values, example, default, help, separated by tabs
 * This program reads compiled blobs only; veneer-config compiles sources.  Exit codes: 0 good, 1 refused, 2 wrong use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <veneer/config.h>
#include <veneer/log.h>
#include "hv/config/config_props.h"

#define MAX_BLOB	65536

void log_at(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	fmt_vstring(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s\n", line);
}

static int print_table(void)
{
	static const char *const of[] = { [0] = "cards, disks", [PROP_CARD] = "cards", [PROP_DISK] = "disks" };
	char values[256];

	for (unsigned i = 0; i < CONFIG_NODES; i++) {
		for (const struct prop *k = config_nodes[i].props; k->name; k++) {
			const struct prop_doc *doc = k->doc;

			config_values(k, values, sizeof(values));
			printf("%s\t%s\t%s\t%s\t%s%s%s;\t%s\t%s\n", config_nodes[i].path, k->name,
			       i == NODE_RULE ? of[k->of] : "", values, k->name, doc->example ? " = " : "",
			       doc->example ?: "", doc->standard, doc->help);
		}
	}
	return ferror(stdout) ? 2 : 0;
}

static int check_blob(const char *name)
{
	static struct config c;
	char *blob = aligned_alloc(8, MAX_BLOB + 8);
	FILE *f = fopen(name, "rb");
	size_t size = f && blob ? fread(blob, 1, MAX_BLOB + 1, f) : 0;

	if (!f || !blob || ferror(f)) {
		fprintf(stderr, "config-check: %s cannot be read\n", name);
		return 2;
	}
	fclose(f);
	if (size > MAX_BLOB) {
		fprintf(stderr, "config: the blob has more than %d bytes; expected at most as many\n", MAX_BLOB);
		return 1;
	}
	config_default(&c);
	int err = config_parse(&c, blob, size);

	free(blob);
	return err ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: config-check FILE.dtb | --table\n");
		return 2;
	}
	return strcmp(argv[1], "--table") ? check_blob(argv[1]) : print_table();
}
