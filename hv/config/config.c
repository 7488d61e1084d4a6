/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of the configuration blob (docs/configuration.md): walks its nodes, prints what is wrong, and checks the
 * properties of a rule against each other.  config_props.c has the properties, config_rules.c finds the rule for a device.
 * Whatever the parser does not understand stops the start: the safety of a disk may depend on it.
 */
#include <libfdt.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/config/config_props.h"
#include "hv/config/guess.h"

struct config config;

/* --- messages --- */

bool config_printable(const char *s, int len)
{
	if (len < 2 || s[len - 1])
		return false;
	for (int i = 0; i < len - 1; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return true;
}

/* Print up to four cells, ids, classes and ports in hexadecimal, as people write them. */
static void describe_cells(const struct parse *p, char *out, size_t size)
{
	bool hex = p->known && p->known->hex;
	int n = fmt_string(out, size, "<");

	for (int i = 0; i < p->len / 4; i++)
		n += hex ? fmt_string(out + n, size - (size_t)n, "%s%#x", i ? " " : "", config_cell(p, i)) :
			   fmt_string(out + n, size - (size_t)n, "%s%u", i ? " " : "", config_cell(p, i));
	fmt_string(out + n, size - (size_t)n, ">");
}

/* Print the value as a source would have it: a string, nothing, cells, or bytes (at most 16). */
static void describe(const struct parse *p, char *out, size_t size)
{
	const uint8_t *b = p->val;
	int n = 0;

	if (!p->len) {
		fmt_string(out, size, "(empty)");
		return;
	}
	if (config_printable(p->val, p->len)) {
		fmt_string(out, size, "\"%.48s%s\"", (const char *)p->val, p->len > 49 ? "..." : "");
		return;
	}
	if (p->len % 4 == 0 && p->len <= 16) {
		describe_cells(p, out, size);
		return;
	}
	n += fmt_string(out, size, "[");
	for (int i = 0; i < MIN(p->len, 16); i++)
		n += fmt_string(out + n, size - (size_t)n, "%s%02x", i ? " " : "", b[i]);
	fmt_string(out + n, size - (size_t)n, "%s", p->len > 16 ? " ...]" : "]");
}

int config_expected(const struct parse *p, const char *what)
{
	char value[80];

	describe(p, value, sizeof(value));
	log_err("config: %s: %s = %s: expected %s", p->node, p->prop, value, what);
	return -ERR_INVAL;
}

int config_not_built(const struct parse *p)
{
	char value[80];

	describe(p, value, sizeof(value));
	log_err("config: %s: %s = %s is not implemented in this build", p->node, p->prop, value);
	return -ERR_INVAL;
}

int config_bad_node(const struct parse *p, const char *what)
{
	log_err("config: %s: %s", p->node, what);
	return -ERR_INVAL;
}

/* Write @words to @out as in "a", "b" or "c": each in @quote, @last before the last. */
static void join(char *out, size_t size, const char *const *words, const char *quote, const char *last)
{
	int n = 0;

	for (unsigned i = 0; words[i] && n < (int)size; i++)
		n += fmt_string(out + n, size - (size_t)n, "%s%s%s%s", !i ? "" : words[i + 1] ? ", " : last, quote, words[i],
				quote);
}

void config_values(const struct prop *prop, char *out, size_t size)
{
	if (prop->expected)
		fmt_string(out, size, "%s", prop->expected);
	else
		join(out, size, prop->words, "\"", " or ");
}

int config_unexpected(const struct parse *p)
{
	char values[200];

	config_values(p->known, values, sizeof(values));
	return config_expected(p, values);
}

static int unknown_property(const struct parse *p, const struct prop *known)
{
	char list[360] = "", value[80];
	struct guess g = { .word = p->prop };
	int n = 0;

	for (; known->name && n < (int)sizeof(list); known++) {
		guess_try(&g, known->name);
		n += fmt_string(list + n, sizeof(list) - (size_t)n, " %s", known->name);
	}
	describe(p, value, sizeof(value));
	log_err("config: %s: %s = %s: unknown property%s%s%s", p->node, p->prop, value, g.best ? "; did you mean " : "",
		g.best ?: "", g.best ? "?" : "");
	if (!g.best)
		log_err("config: %s: known here are%s", p->node, list);
	return -ERR_INVAL;
}

static int unknown_node(const char *name)
{
	const char *words[CONFIG_NODES] = { NULL };
	struct guess g = { .word = name };
	char list[80];

	for (unsigned i = 0, n = 0; i < CONFIG_NODES; i++) {
		if (i == NODE_ROOT || i == NODE_RULE)
			continue;
		words[n++] = config_nodes[i].path;
		guess_try(&g, config_nodes[i].path + 1);
	}
	join(list, sizeof(list), words, "", " and ");
	if (g.best)
		log_err("config: unknown node /%.40s; did you mean /%s?  Known are %s", name, g.best, list);
	else
		log_err("config: unknown node /%.40s; known are %s", name, list);
	return -ERR_INVAL;
}

/* --- nodes --- */

/* True for what dtc itself adds if a source has labels. */
static bool added_by_dtc(const char *prop)
{
	return !strcmp(prop, "phandle") || !strcmp(prop, "linux,phandle");
}

static bool is_node_of_dtc(const char *name)
{
	return !strcmp(name, "__symbols__") || !strcmp(name, "__fixups__") || !strcmp(name, "__local_fixups__");
}

static int parse_property(struct parse *p, const struct prop *props)
{
	if (!p->known)
		return added_by_dtc(p->prop) ? 0 : unknown_property(p, props);
	if (p->rule) {
		p->matches += p->known->match;
		if (p->known->of == PROP_CARD)
			p->rule->card_prop = p->known->name;
		if (p->known->of == PROP_DISK && !p->rule->window)
			p->rule->disk_prop = p->known->name;
	}
	return p->known->set(p);
}

/* Refuse a node without one of its required properties. */
static int check_required(struct parse *p, int node, const struct prop *props)
{
	char values[200];

	for (const struct prop *k = props; k->name; k++) {
		if (!k->required || fdt_getprop(p->fdt, node, k->name, NULL))
			continue;
		config_values(k, values, sizeof(values));
		log_err("config: %s: %s is missing: expected %s", p->node, k->name, values);
		return -ERR_INVAL;
	}
	return 0;
}

static int parse_properties(struct parse *p, int node, const struct prop *props)
{
	int at;

	if (fdt_get_path(p->fdt, node, p->node, sizeof(p->node)) < 0)
		fmt_string(p->node, sizeof(p->node), "%s", fdt_get_name(p->fdt, node, NULL) ?: "?");
	fdt_for_each_property_offset(at, p->fdt, node) {
		p->val = fdt_getprop_by_offset(p->fdt, at, &p->prop, &p->len);
		if (!p->val)
			return config_bad_node(p, "a property cannot be read");
		for (p->known = props; p->known->name && strcmp(p->known->name, p->prop); p->known++)
			;
		if (!p->known->name)
			p->known = NULL;
		/* dtc writes no such blob.  fdt_getprop() finds the first of two properties with the same name. */
		if (fdt_getprop(p->fdt, node, p->prop, NULL) != p->val)
			return config_expected(p, "the property once in this node");

		int err = parse_property(p, props);

		if (err)
			return err;
	}
	return check_required(p, node, props);
}

/* Refuse a node whose name an earlier one has. */
static int check_twice(const struct parse *p, int parent, int child, const char *name)
{
	int other;

	fdt_for_each_subnode(other, p->fdt, parent) {
		if (other >= child)
			break;
		if (strcmp(fdt_get_name(p->fdt, other, NULL) ?: "?", name))
			continue;
		log_err("config: node \"%.40s\" is there twice: expected once", name);
		return -ERR_INVAL;
	}
	return 0;
}

static int check_no_children(struct parse *p, int node)
{
	int child = fdt_first_subnode(p->fdt, node);

	if (child < 0)
		return 0;
	log_err("config: %s: unknown node \"%.40s\": none is expected here", p->node, fdt_get_name(p->fdt, child, NULL) ?: "?");
	return -ERR_INVAL;
}

static bool same_match(const struct config_rule *a, const struct config_rule *b)
{
	if (a->match != b->match)
		return false;
	switch (a->match) {
	case MATCH_BDF:
		return a->bdf == b->bdf;
	case MATCH_SERIAL:
		return !strcmp(a->serial, b->serial);
	case MATCH_ID:
		return a->vendor == b->vendor && a->device == b->device;
	case MATCH_CLASS:
		return a->class_code == b->class_code && a->class_mask == b->class_mask;
	}
	return false;
}

/* Return the base class of a rule by class; -1: several classes, or not a rule by class. */
static int base_class(const struct config_rule *r)
{
	return r->match == MATCH_CLASS && (r->class_mask & 0xff0000) == 0xff0000 ? (int)(r->class_code >> 16) : -1;
}

/*
 * Reject properties of network cards in rules for disks, and vice versa.  A rule by a class that covers both may have
 * both, but for a part of a disk.  Only the start knows whether a rule by address or id is about a card (conceal/).
 */
static int check_kind(struct parse *p)
{
	const struct config_rule *r = p->rule;
	const char *wrong = base_class(r) == 1 ? r->card_prop : base_class(r) == 2 ? r->disk_prop : NULL;

	if (wrong) {
		log_err("config: %s: %s concerns a %s; the rule is for class %s", p->node, wrong,
			base_class(r) == 1 ? "network card" : "disk", base_class(r) == 1 ?
			"01, disk controllers; expected class 02" : "02, network cards; expected class 01");
		return -ERR_INVAL;
	}
	if (r->card_prop && r->disk_prop && (r->match != MATCH_CLASS || r->window)) {
		log_err("config: %s: %s concerns a network card, %s concerns a disk: expected one of them, no device is both",
			p->node, r->card_prop, r->disk_prop);
		return -ERR_INVAL;
	}
	return 0;
}

static int bad_matches(const struct parse *p)
{
	const char *words[8] = { NULL };
	char list[120];
	unsigned n = 0;

	for (const struct prop *k = config_nodes[NODE_RULE].props; k->name && n < ARRAY_SIZE(words) - 1; k++)
		if (k->match)
			words[n++] = k->name;
	join(list, sizeof(list), words, "", " and ");
	log_err("config: %s: expected exactly one of %s", p->node, list);
	return -ERR_INVAL;
}

static int check_rule(struct parse *p)
{
	const struct config_rule *r = p->rule;

	if (p->matches != 1)
		return bad_matches(p);
	if (r->match == MATCH_SERIAL && r->action == ACTION_LEAVE)
		return config_bad_node(p, "veneer,action = \"leave\" cannot be chosen by veneer,serial: a disk can only be "
					  "left with its controller; expected veneer,bdf or veneer,pci-id");
	if (r->window && (r->action == ACTION_LEAVE || (r->match != MATCH_SERIAL && r->action == ACTION_DEFAULT &&
							p->c->default_action == ACTION_LEAVE)))
		return config_bad_node(p, "a window of a disk whose controller is left to the guest, which can reach all of it "
					  "then; expected veneer,action = \"conceal\"");
	if (check_kind(p))
		return -ERR_INVAL;
	if (r->has_slot && r->action == ACTION_LEAVE)
		return config_bad_node(p, "veneer,slot with veneer,action = \"leave\": a device that is left stays "
					  "where it is");
	for (unsigned i = 0; i < p->c->nrules; i++) {
		if (!same_match(r, &p->c->rule[i]))
			continue;
		log_err("config: %s: matches the same as the rule \"%s\"; expected one rule for each%s", p->node,
			p->c->rule[i].node, r->window && p->c->rule[i].window ? ": of a disk the guest gets one part" : "");
		return -ERR_INVAL;
	}
	return 0;
}

static int parse_rule(struct parse *p, int node)
{
	int err;

	if (p->c->nrules == CONFIG_MAX_RULES) {
		log_err("config: /policy: more than %u rules", CONFIG_MAX_RULES);
		return -ERR_INVAL;
	}
	p->rule = &p->c->rule[p->c->nrules];
	p->matches = 0;
	memset(p->rule, 0, sizeof(*p->rule));
	fmt_string(p->rule->node, sizeof(p->rule->node), "%s", fdt_get_name(p->fdt, node, NULL) ?: "?");
	p->rule->timeout_ms = CONFIG_DISK_TIMEOUT_MS;
	err = parse_properties(p, node, config_nodes[NODE_RULE].props) ?: check_no_children(p, node) ?: check_rule(p);
	p->rule = NULL;
	p->c->nrules += !err;
	return err;
}

static int parse_policy(struct parse *p, int node)
{
	int child, err = parse_properties(p, node, config_nodes[NODE_POLICY].props);

	if (err)
		return err;
	fdt_for_each_subnode(child, p->fdt, node) {
		err = parse_rule(p, child);
		if (!err)
			err = check_twice(p, node, child, fdt_get_name(p->fdt, child, NULL) ?: "?");
		if (err)
			return err;
	}
	return 0;
}

static int parse_node(struct parse *p, int node, const char *name)
{
	if (is_node_of_dtc(name))
		return 0;
	if (!strcmp(name, "policy"))
		return parse_policy(p, node);
	for (unsigned i = 0; i < CONFIG_NODES; i++)
		if (i != NODE_ROOT && i != NODE_RULE && !strcmp(name, config_nodes[i].path + 1))
			return parse_properties(p, node, config_nodes[i].props) ?: check_no_children(p, node);
	return unknown_node(name);
}

static int parse_root(struct parse *p)
{
	int child, err = parse_properties(p, 0, config_nodes[NODE_ROOT].props);

	if (err)
		return err;
	fdt_for_each_subnode(child, p->fdt, 0) {
		const char *name = fdt_get_name(p->fdt, child, NULL) ?: "?";

		err = check_twice(p, 0, child, name) ?: parse_node(p, child, name);
		if (err)
			return err;
	}
	return 0;
}

_Static_assert(sizeof(CONFIG_DEFAULT_BOOTARGS) <= sizeof(config.bootargs), "CONFIG_DEFAULT_BOOTARGS: at most 1023 characters");

void config_default(struct config *c)
{
	memset(c, 0, sizeof(*c));
	c->log_level = (enum log_level)CONFIG_LOG_LEVEL;
	c->serial_on = IS_ENABLED(CONFIG_CONSOLE_SERIAL);
	c->serial_port = CONFIG_CONSOLE_SERIAL_PORT;
	c->serial_baud = CONFIG_CONSOLE_SERIAL_BAUD;
	c->screen_on = IS_ENABLED(CONFIG_CONSOLE_SCREEN);
	c->default_action = IS_ENABLED(CONFIG_DEFAULT_CONCEAL) ? ACTION_CONCEAL : ACTION_LEAVE;
	c->on_crash = IS_ENABLED(CONFIG_DEFAULT_ON_CRASH_REBOOT) ? CRASH_REBOOT :
		      IS_ENABLED(CONFIG_DEFAULT_ON_CRASH_WAIT) ? CRASH_WAIT : CRASH_HALT;
	fmt_string(c->bootargs, sizeof(c->bootargs), "%s", CONFIG_DEFAULT_BOOTARGS);
}

int config_parse(struct config *c, const void *blob, size_t size)
{
	struct parse p = { .c = c, .fdt = blob, .node = "/" };
	int err;

	if (size < FDT_V1_SIZE || !IS_ALIGNED((uintptr_t)blob, 8))
		err = -FDT_ERR_TRUNCATED;
	else if (fdt_magic(blob) == FDT_MAGIC && fdt_version(blob) < 16)
		/*
		 * In blobs of the older formats fdt_check_full() reads the root's name by a null pointer, unless the name is a
		 * path.
		 */
		err = -FDT_ERR_BADVERSION;
	else
		err = fdt_check_full(blob, size);
	if (err) {
		log_err("config: the blob (%zu bytes) is no valid device tree: %s; expected what dtc makes", size,
			fdt_strerror(err));
		return -ERR_INVAL;
	}
	return parse_root(&p);
}

void config_end_start(struct config *c)
{
	for (unsigned i = 0; i < c->nrules; i++)
		c->rule[i].card_prop = c->rule[i].disk_prop = NULL;
}
