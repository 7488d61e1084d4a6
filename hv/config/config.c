/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration blob (docs/configuration.md): its nodes.  Anything that is not understood stops the start: a disk may
 * hang on it.
 */
#include <libfdt.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/config/config_internal.h"
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

/* Up to four cells: ids, classes and ports in hexadecimal, as they are written. */
static void describe_cells(const struct parse *p, char *out, size_t size)
{
	bool hex = p->prop && (!strncmp(p->prop, "veneer,pci-", 11) || !strcmp(p->prop, "veneer,debug-exit-port"));
	int n = fmt_string(out, size, "<");

	for (int i = 0; i < p->len / 4; i++)
		n += hex ? fmt_string(out + n, size - (size_t)n, "%s%#x", i ? " " : "", config_cell(p, i)) :
			   fmt_string(out + n, size - (size_t)n, "%s%u", i ? " " : "", config_cell(p, i));
	fmt_string(out + n, size - (size_t)n, ">");
}

/* The value as it would stand in the source: a string, nothing, cells, or bytes (no more than make a line). */
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

static int bad_node(const struct parse *p, const char *what)
{
	log_err("config: %s: %s", p->node, what);
	return -ERR_INVAL;
}

int config_bad_node(const struct parse *p, const char *what)
{
	return bad_node(p, what);
}

static int unknown_property(const struct parse *p, const struct prop *known)
{
	char list[360] = "", value[80];
	struct guess g = { .word = p->prop };
	int n = 0;

	for (; known->name && n < (int)sizeof(list); known++) {
		if (!known->set)
			continue;
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
	static const char *const known[] = { "chosen", "policy", "guest" };
	struct guess g = { .word = name };

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		guess_try(&g, known[i]);
	if (g.best)
		log_err("config: unknown node /%.40s; did you mean /%s?  Known are /chosen, /policy and /guest", name, g.best);
	else
		log_err("config: unknown node /%.40s; known are /chosen, /policy and /guest", name);
	return -ERR_INVAL;
}

/* --- nodes --- */

/* What dtc itself adds when a source has labels. */
static bool added_by_dtc(const char *prop)
{
	return !strcmp(prop, "phandle") || !strcmp(prop, "linux,phandle");
}

static bool is_node_of_dtc(const char *name)
{
	return !strcmp(name, "__symbols__") || !strcmp(name, "__fixups__") || !strcmp(name, "__local_fixups__");
}

static int parse_property(struct parse *p, const struct prop *known)
{
	for (const struct prop *k = known; k->name; k++)
		if (!strcmp(k->name, p->prop))
			return k->set ? k->set(p) : config_not_built(p);
	return added_by_dtc(p->prop) ? 0 : unknown_property(p, known);
}

static int parse_properties(struct parse *p, int node, const struct prop *known)
{
	int at;

	if (fdt_get_path(p->fdt, node, p->node, sizeof(p->node)) < 0)
		fmt_string(p->node, sizeof(p->node), "%s", fdt_get_name(p->fdt, node, NULL) ?: "?");
	fdt_for_each_property_offset(at, p->fdt, node) {
		p->val = fdt_getprop_by_offset(p->fdt, at, &p->prop, &p->len);
		if (!p->val)
			return config_bad_node(p, "a property cannot be read");
		/* dtc makes no such blob; by its name the first is found. */
		if (fdt_getprop(p->fdt, node, p->prop, NULL) != p->val)
			return config_expected(p, "the property once in this node");

		int err = parse_property(p, known);

		if (err)
			return err;
	}
	return 0;
}

/* The same for nodes. */
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

static int check_compatible(struct parse *p, int node, const char *want)
{
	char value[80] = "(missing)";

	if (!fdt_node_check_compatible(p->fdt, node, want))
		return 0;
	p->val = fdt_getprop(p->fdt, node, "compatible", &p->len);
	if (p->val)
		describe(p, value, sizeof(value));
	log_err("config: %s: compatible = %s: expected \"%s\"", p->node, value, want);
	return -ERR_INVAL;
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

/* The base class that a rule by class is about, or -1: several. */
static int base_class(const struct config_rule *r)
{
	return r->match == MATCH_CLASS && (r->class_mask & 0xff0000) == 0xff0000 ? (int)(r->class_code >> 16) : -1;
}

/* What is of a card in a rule for disks, and the reverse.  Of a rule by address or id the start alone can tell. */
static int check_kind(struct parse *p)
{
	const struct config_rule *r = p->rule;

	if (r->window && r->has_mac)
		return bad_node(p, "local-mac-address and a window: expected one of them, no device is both card and disk");
	if (r->match == MATCH_SERIAL && r->has_mac)
		return bad_node(p, "local-mac-address in a rule by veneer,serial, which concerns a disk");
	if (base_class(r) == 1 && r->has_mac)
		return bad_node(p, "local-mac-address in a rule for class 01, disk controllers; expected class 02");
	if (base_class(r) == 2 && (r->window || r->writable || r->has_timeout))
		return bad_node(p, "veneer,window, veneer,partition, veneer,writable and veneer,timeout-ms are about disks; "
				   "the rule is for class 02, network cards; expected class 01");
	return 0;
}

static int check_rule(struct parse *p)
{
	const struct config_rule *r = p->rule;

	if (p->matches != 1)
		return bad_node(p, "expected exactly one of veneer,bdf, veneer,pci-id, veneer,pci-class, veneer,serial");
	if (r->match == MATCH_SERIAL && r->action == ACTION_LEAVE)
		return bad_node(p, "veneer,action = \"leave\" cannot be chosen by veneer,serial: a disk can only be left with "
				   "its controller; expected veneer,bdf or veneer,pci-id");
	if (r->window && (r->action == ACTION_LEAVE || (r->match != MATCH_SERIAL && r->action == ACTION_DEFAULT &&
							p->c->default_action == ACTION_LEAVE)))
		return bad_node(p, "a window of a disk whose controller is left to the guest, which can reach all of it then; "
				   "expected veneer,action = \"conceal\"");
	if (check_kind(p))
		return -ERR_INVAL;
	if (r->has_slot && r->action == ACTION_LEAVE)
		return bad_node(p, "veneer,slot with veneer,action = \"leave\": a device that is left stays where it is");
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
	err = parse_properties(p, node, config_rule_props) ?: check_no_children(p, node) ?: check_rule(p);
	p->c->nrules += !err;
	return err;
}

static int parse_policy(struct parse *p, int node)
{
	int child, err = parse_properties(p, node, config_policy_props) ?: check_compatible(p, node, "veneer,policy");

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
	if (!strcmp(name, "chosen"))
		return parse_properties(p, node, config_chosen_props) ?: check_no_children(p, node);
	if (!strcmp(name, "policy"))
		return parse_policy(p, node);
	if (!strcmp(name, "guest"))
		return parse_properties(p, node, config_guest_props) ?: check_compatible(p, node, "veneer,guest") ?:
		       check_no_children(p, node);
	return is_node_of_dtc(name) ? 0 : unknown_node(name);
}

static int parse_root(struct parse *p)
{
	int child, err;

	err = parse_properties(p, 0, config_root_props) ?: check_compatible(p, 0, "veneer,config");
	if (!err && !fdt_getprop(p->fdt, 0, "veneer,config-version", NULL))
		err = config_bad_node(p, "veneer,config-version is missing: expected <1>");
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

	config_default(c);
	err = size < FDT_V1_SIZE || !IS_ALIGNED((uintptr_t)blob, 8) ? -FDT_ERR_TRUNCATED : fdt_check_full(blob, size);
	if (err) {
		log_err("config: the blob (%zu bytes) is no valid device tree: %s; expected what dtc makes", size,
			fdt_strerror(err));
		return -ERR_INVAL;
	}
	return parse_root(&p);
}
