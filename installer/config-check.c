/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config-check FILE.dtb: hv/config, compiled for the host.  What the hypervisor would refuse at the start is refused here in
 * the same words.  Exit codes: 0 good, 1 refused, 2 wrong use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <veneer/config.h>
#include <veneer/log.h>

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

int main(int argc, char **argv)
{
	static struct config c;
	char *blob = aligned_alloc(8, MAX_BLOB + 8);
	FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;

	if (argc != 2 || !f || !blob) {
		fprintf(stderr, argc == 2 ? "config-check: %s cannot be read\n" : "usage: config-check FILE.dtb%.0s\n",
			argv[argc - 1]);
		return 2;
	}
	size_t size = fread(blob, 1, MAX_BLOB + 1, f);

	if (ferror(f)) {
		fprintf(stderr, "config-check: %s cannot be read\n", argv[1]);
		return 2;
	}
	fclose(f);
	if (size > MAX_BLOB) {
		fprintf(stderr, "config: the blob has more than %d bytes; expected at most as many\n", MAX_BLOB);
		return 1;
	}
	int err = config_parse(&c, blob, size);

	free(blob);
	return err ? 1 : 0;
}
