/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of the configuration in two parts: config.c walks the nodes and says what is wrong, config_props.c has the
 * properties.  What may stand where is in the tables; a property's function gets its value checked for nothing yet.
 */
#ifndef HV_CONFIG_INTERNAL_H
#define HV_CONFIG_INTERNAL_H

#include <libfdt.h>
#include <veneer/config.h>
#include <veneer/string.h>

/* Where the parser is, for messages; @rule while in a node under /policy. */
struct parse {
	struct config *c;
	const void *fdt;
	char node[64];
	const char *prop;
	const void *val;
	int len;
	struct config_rule *rule;
	unsigned matches;		/* of the rule */
};

struct prop {
	const char *name;
	int (*set)(struct parse *p);	/* 0 or negative, said; NULL: part of the design, not of this build */
};

/* Of each kind of node; they end with no name. */
extern const struct prop config_root_props[], config_chosen_props[], config_policy_props[], config_rule_props[],
			 config_guest_props[];

/* One line in the log about the present property or node; always -ERR_INVAL. */
int config_expected(const struct parse *p, const char *what);
int config_not_built(const struct parse *p);
int config_bad_node(const struct parse *p, const char *what);

/* The @i-th cell of the present value, which has it. */
static inline uint32_t config_cell(const struct parse *p, int i)
{
	fdt32_t v;

	memcpy(&v, (const uint8_t *)p->val + 4 * i, sizeof(v));
	return fdt32_to_cpu(v);
}

/* A string of at least one character, its terminator included in @len, that can be printed. */
bool config_printable(const char *s, int len);

/* Without the blanks on either side, with which devices fill their serial numbers. */
const char *config_trim(const char *s, size_t *len);

#endif
