/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of properties (config_props.c), which the parser (config.c), the rules (config_rules.c) and the host's program that
 * writes docs/configuration.md read.  <veneer/config.h> is the interface for the rest of Veneer.
 */
#ifndef HV_CONFIG_PROPS_H
#define HV_CONFIG_PROPS_H

#include <libfdt.h>
#include <veneer/config.h>
#include <veneer/string.h>

/* The position in the blob, for messages; @rule: in a node under /policy. */
struct parse {
	struct config *c;
	const void *fdt;
	char node[64];
	const char *prop;
	const struct prop *known;	/* the row of @prop, NULL if there is none */
	const void *val;
	int len;
	struct config_rule *rule;
	unsigned matches;		/* properties of the rule that choose its devices */
};

/* The kind of device that a property of a rule concerns; 0: both. */
enum { PROP_CARD = 1, PROP_DISK };

struct prop_doc {
	const char *example;		/* a value as source, NULL: none; a configuration with it is good */
	const char *standard;		/* what holds without the property; Markdown, like @help */
	const char *help;
};

/* Documentation is for programs on the host: the image has none of these texts. */
#define DOC(...)	.doc = __STDC_HOSTED__ ? &(const struct prop_doc){ __VA_ARGS__ } : NULL

/* A row of the table: everything about a property except the code that uses its value. */
struct prop {
	const char *name;
	/* Check the value, which is not checked yet, and set it. 0, or a negative error after a line in the log. */
	int (*set)(struct parse *p);
	const char *expected;		/* the values, for messages; NULL: @words */
	const char *const *words;	/* the strings of which the value is one, ended by NULL */
	uint8_t of;			/* PROP_CARD, PROP_DISK or 0 */
	bool hex;			/* messages print its cells in hexadecimal */
	bool match;			/* chooses the devices of a rule */
	bool required;			/* the node must have it */
	const struct prop_doc *doc;	/* NULL in the image */
};

/* The properties of a kind of node; the last row has no name. */
struct config_node {
	const char *path;
	const struct prop *props;
};

enum { NODE_ROOT, NODE_CHOSEN, NODE_POLICY, NODE_RULE, NODE_GUEST, CONFIG_NODES };

extern const struct config_node config_nodes[CONFIG_NODES];

/* Write the values that @prop may have to @out, as messages and documentation name them. */
void config_values(const struct prop *prop, char *out, size_t size);

/* Print one line about the present property or node; always -ERR_INVAL. */
int config_expected(const struct parse *p, const char *what);
int config_unexpected(const struct parse *p);	/* what is expected is in the property's row */
int config_not_built(const struct parse *p);
int config_bad_node(const struct parse *p, const char *what);

/* Return cell @i of the present value, which has to have this cell. */
static inline uint32_t config_cell(const struct parse *p, int i)
{
	fdt32_t v;

	memcpy(&v, (const uint8_t *)p->val + 4 * i, sizeof(v));
	return fdt32_to_cpu(v);
}

/* True for a string of at least one character, all of them printable; @len includes its terminator. */
bool config_printable(const char *s, int len);

/* Skip the blanks on either side, with which devices fill their serial numbers; the rest has @len characters. */
const char *config_trim(const char *s, size_t *len);

#endif
