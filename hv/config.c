/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration blob (docs/configuration.md).  What may stand where is in the property tables; a property's function gets
 * its value checked for nothing yet.  Anything that is not understood stops the start: a disk may hang on it.
 */
#include <libfdt.h>
#include <veneer/config.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/guess.h"

struct config config;

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
	int (*set)(struct parse *p);	/* NULL: part of the design, not of this build */
};

/* --- messages --- */

static bool printable(const char *s, int len)
{
	if (len < 2 || s[len - 1])
		return false;
	for (int i = 0; i < len - 1; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return true;
}

static uint32_t cell(const struct parse *p, int i)
{
	fdt32_t v;

	memcpy(&v, (const uint8_t *)p->val + 4 * i, sizeof(v));
	return fdt32_to_cpu(v);
}

/* Up to four cells: ids, classes and ports in hexadecimal, as they are written. */
static void describe_cells(const struct parse *p, char *out, size_t size)
{
	bool hex = p->prop && (!strncmp(p->prop, "veneer,pci-", 11) || !strcmp(p->prop, "veneer,debug-exit-port"));
	int n = fmt_string(out, size, "<");

	for (int i = 0; i < p->len / 4; i++)
		n += hex ? fmt_string(out + n, size - (size_t)n, "%s%#x", i ? " " : "", cell(p, i)) :
			   fmt_string(out + n, size - (size_t)n, "%s%u", i ? " " : "", cell(p, i));
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
	if (printable(p->val, p->len)) {
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

static int expected(const struct parse *p, const char *what)
{
	char value[80];

	describe(p, value, sizeof(value));
	log_err("config: %s: %s = %s: expected %s", p->node, p->prop, value, what);
	return -ERR_INVAL;
}

static int not_built(const struct parse *p)
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

/* --- values --- */

static bool is_string(const struct parse *p, const char *word)
{
	return p->len == (int)strlen(word) + 1 && !memcmp(p->val, word, (size_t)p->len);
}

/* One string with its terminator and none inside, or NULL. */
static const char *one_string(const struct parse *p)
{
	const char *s = p->val;

	return p->len > 0 && strnlen(s, (size_t)p->len) == (size_t)p->len - 1 ? s : NULL;
}

static bool one_cell(const struct parse *p, uint32_t min, uint32_t max)
{
	return p->len == 4 && cell(p, 0) >= min && cell(p, 0) <= max;
}

/* The index of the value among @word, or -1. */
static int one_of(const struct parse *p, const char *const *word, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (is_string(p, word[i]))
			return (int)i;
	return -1;
}

static int set_flag(struct parse *p, bool *flag)
{
	if (p->len)
		return expected(p, "no value, the property alone");
	*flag = true;
	return 0;
}

/* A number of @digits digits at *@s; moves on.  False when it is none or too large. */
static bool take_number(const char **s, unsigned base, unsigned digits, uint32_t max, uint32_t *out)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < digits; i++, (*s)++) {
		char c = **s;
		uint32_t d = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10 :
			     c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10 : 99;

		if (d >= base)
			return false;
		v = v * base + d;
	}
	*out = v;
	return v <= max;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* --- the root --- */

static int accept(struct parse *p)
{
	return 0;
}

static int set_version(struct parse *p)
{
	return one_cell(p, 1, 1) ? 0 : expected(p, "<1>");
}

static const struct prop root_props[] = {
	{ "compatible", accept }, { "veneer,config-version", set_version }, { "model", accept },
	{ "#address-cells", accept }, { "#size-cells", accept }, { NULL, NULL }
};

/* --- /chosen --- */

static const char *const stdout_form = "\"serial0:115200n8\" (serial0 to serial3), \"screen\" or \"none\"";

/* "115200n8": the parity and the bits may be missing, and are always these. */
static bool take_baud(const char *s, uint32_t *baud)
{
	uint32_t v = 0;

	while (*s >= '0' && *s <= '9' && v <= 115200)
		v = v * 10 + (uint32_t)(*s++ - '0');
	*baud = v;
	return v >= 300 && 115200 % v == 0 && (!*s || !strcmp(s, "n8"));
}

static int set_serial(struct parse *p, const char *s)
{
	static const uint16_t port[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
	uint32_t baud = p->c->serial_baud, n;

	if (!take_number(&s, 10, 1, ARRAY_SIZE(port) - 1, &n) || (*s && (*s != ':' || !take_baud(s + 1, &baud))))
		return expected(p, stdout_form);
	if (!IS_ENABLED(CONFIG_CONSOLE_SERIAL))
		return not_built(p);
	p->c->serial_on = true;
	p->c->serial_port = port[n];
	p->c->serial_baud = baud;
	return 0;
}

/* One place or a list of places: what is not named is off. */
static int set_stdout(struct parse *p)
{
	const char *s = p->val, *end = s + p->len;

	if (p->len < 1 || end[-1])
		return expected(p, stdout_form);
	p->c->serial_on = p->c->screen_on = false;
	for (; s < end; s += strlen(s) + 1) {
		int err = 0;

		if (!strncmp(s, "serial", 6))
			err = set_serial(p, s + 6);
		else if (!strcmp(s, "screen") && !IS_ENABLED(CONFIG_CONSOLE_SCREEN))
			err = not_built(p);
		else if (!strcmp(s, "screen"))
			p->c->screen_on = true;
		else if (strcmp(s, "none"))
			err = expected(p, stdout_form);
		if (err)
			return err;
	}
	return 0;
}

static int set_log_level(struct parse *p)
{
	static const char *const word[] = { "error", "warning", "info", "debug" };
	int i = one_of(p, word, ARRAY_SIZE(word));

	if (i < 0)
		return expected(p, "\"error\", \"warning\", \"info\" or \"debug\"");
	p->c->log_level = (enum log_level)i;
	return 0;
}

static int set_debug_exit(struct parse *p)
{
	if (!one_cell(p, 1, 0xffff))
		return expected(p, "an I/O port, <1> to <0xffff>");
	p->c->debug_exit_port = (uint16_t)cell(p, 0);
	return 0;
}

static const struct prop chosen_props[] = {
	{ "stdout-path", set_stdout }, { "veneer,log-level", set_log_level }, { "veneer,debug-exit-port", set_debug_exit },
	{ NULL, NULL }
};

/* --- /policy --- */

static int parse_action(struct parse *p, enum config_action *out)
{
	static const char *const word[] = { "conceal", "leave" };
	int i = one_of(p, word, ARRAY_SIZE(word));

	if (i < 0)
		return expected(p, "\"conceal\" or \"leave\"");
	*out = i ? ACTION_LEAVE : ACTION_CONCEAL;
	return 0;
}

static int set_default(struct parse *p)
{
	return parse_action(p, &p->c->default_action);
}

static const struct prop policy_props[] = {
	{ "compatible", accept }, { "veneer,default", set_default }, { NULL, NULL }
};

static int set_match(struct parse *p, enum config_match match)
{
	p->rule->match = match;
	p->matches++;
	return 0;
}

static int set_bdf(struct parse *p)
{
	const char *s = one_string(p);
	uint32_t seg, bus, dev, fn;

	if (!s || !take_number(&s, 16, 4, 0xffff, &seg) || !take_char(&s, ':') || !take_number(&s, 16, 2, 0xff, &bus) ||
	    !take_char(&s, ':') || !take_number(&s, 16, 2, 31, &dev) || !take_char(&s, '.') ||
	    !take_number(&s, 16, 1, 7, &fn) || *s)
		return expected(p, "an address as lspci -D prints it, \"0000:00:02.0\"");
	if (seg)
		return expected(p, "segment 0000: others are not supported");
	p->rule->bdf = PCI_BDF(bus, dev, fn);
	return set_match(p, MATCH_BDF);
}

static int set_id(struct parse *p)
{
	if (p->len != 8 || cell(p, 0) >= 0xffff || cell(p, 1) > 0xffff)
		return expected(p, "<vendor device>, each below 0x10000");
	p->rule->vendor = (uint16_t)cell(p, 0);
	p->rule->device = (uint16_t)cell(p, 1);
	return set_match(p, MATCH_ID);
}

static int set_class(struct parse *p)
{
	if (p->len != 8 || (cell(p, 0) | cell(p, 1)) > 0xffffff || !cell(p, 1) || cell(p, 0) & ~cell(p, 1))
		return expected(p, "<class mask>, 24 bits each, no class bit outside of the mask");
	p->rule->class_code = cell(p, 0);
	p->rule->class_mask = cell(p, 1);
	return set_match(p, MATCH_CLASS);
}

/* Devices fill their serial numbers with blanks on either side. */
static const char *trim(const char *s, size_t *len)
{
	while (*s == ' ')
		s++;
	for (*len = strlen(s); *len && s[*len - 1] == ' '; (*len)--)
		;
	return s;
}

static int read_serial(const struct parse *p, char out[CONFIG_SERIAL_SIZE])
{
	const char *s = one_string(p);
	size_t len = 0;

	if (s)
		s = trim(s, &len);
	if (!len || len >= CONFIG_SERIAL_SIZE || !printable(p->val, p->len))
		return expected(p, "a disk's serial number, 1 to 40 characters");
	memcpy(out, s, len);
	out[len] = 0;
	return 0;
}

static int set_serial_number(struct parse *p)
{
	return read_serial(p, p->rule->serial) ?: set_match(p, MATCH_SERIAL);
}

static int set_action(struct parse *p)
{
	return parse_action(p, &p->rule->action);
}

static int set_writable(struct parse *p)
{
	return set_flag(p, &p->rule->writable);
}

static int set_modern_only(struct parse *p)
{
	return set_flag(p, &p->rule->modern_only);
}

static int set_mac(struct parse *p)
{
	static const uint8_t zero[6];

	if (p->len != 6 || !memcmp(p->val, zero, 6) || *(const uint8_t *)p->val & 1)
		return expected(p, "six bytes, [02 00 00 12 34 56], neither a group address nor zero");
	memcpy(p->rule->mac, p->val, 6);
	p->rule->has_mac = true;
	return 0;
}

static int set_timeout(struct parse *p)
{
	if (!one_cell(p, 1000, 600000))
		return expected(p, "milliseconds, <1000> to <600000>");
	p->rule->timeout_ms = cell(p, 0);
	p->rule->has_timeout = true;
	return 0;
}

static int one_window(struct parse *p)
{
	return p->rule->window == WINDOW_NONE ? 0 :
	       bad_node(p, "expected one of veneer,window and veneer,partition, not both");
}

/* The window's last block must have a number, or the sum that finds it would wrap. */
static int set_window(struct parse *p)
{
	static const char *const form = "<first-high first-low count-high count-low> or /bits/ 64 <first count>, in logical "
					"blocks, the count not 0";
	struct config_rule *r = p->rule;

	if (p->len != 16)
		return expected(p, form);
	r->window_first = (uint64_t)cell(p, 0) << 32 | cell(p, 1);
	r->window_blocks = (uint64_t)cell(p, 2) << 32 | cell(p, 3);
	if (!r->window_blocks || r->window_blocks - 1 > UINT64_MAX - r->window_first)
		return expected(p, form);
	int err = one_window(p);

	r->window = WINDOW_BLOCKS;
	return err;
}

static int set_partition(struct parse *p)
{
	static const char *const form = "a number, <1> to <1024>, \"PARTUUID=...\" or \"PARTLABEL=...\"";
	struct config_rule *r = p->rule;
	enum config_window window = WINDOW_NUMBER;
	const char *s = one_string(p);

	if (one_cell(p, 1, 1024)) {
		r->partition = cell(p, 0);
	} else if (!s || !printable(p->val, p->len)) {
		return expected(p, form);
	} else {
		window = !strncmp(s, "PARTUUID=", 9) ? WINDOW_UUID : !strncmp(s, "PARTLABEL=", 10) ? WINDOW_LABEL : WINDOW_NONE;
		s += window == WINDOW_UUID ? 9 : 10;
		if (window == WINDOW_NONE || !*s || strlen(s) >= sizeof(r->part_name))
			return expected(p, form);
		fmt_string(r->part_name, sizeof(r->part_name), "%s", s);
	}
	int err = one_window(p);

	r->window = window;
	return err;
}

static int set_slot(struct parse *p)
{
	char what[80];

	if (!one_cell(p, 1, 31))
		return expected(p, "a device number of bus 0, <1> to <31>");
	p->rule->slot = (uint8_t)cell(p, 0);
	p->rule->has_slot = true;
	for (unsigned i = 0; i < p->c->nrules; i++) {
		if (!p->c->rule[i].has_slot || p->c->rule[i].slot != p->rule->slot)
			continue;
		fmt_string(what, sizeof(what), "another device number than the rule \"%s\" has", p->c->rule[i].node);
		return expected(p, what);
	}
	return 0;
}

static const struct prop rule_props[] = {
	{ "veneer,bdf", set_bdf }, { "veneer,pci-id", set_id }, { "veneer,pci-class", set_class },
	{ "veneer,serial", set_serial_number }, { "veneer,action", set_action }, { "veneer,writable", set_writable },
	{ "veneer,modern-only", set_modern_only }, { "local-mac-address", set_mac }, { "veneer,timeout-ms", set_timeout },
	{ "veneer,window", set_window }, { "veneer,partition", set_partition }, { "veneer,slot", set_slot }, { NULL, NULL }
};

/* --- /guest --- */

static int set_boot(struct parse *p)
{
	static const char *const word[] = { [BOOT_KERNEL] = "kernel", [BOOT_DISK] = "disk" };
	int i = one_of(p, word, ARRAY_SIZE(word));

	if (i < 0)
		return expected(p, "\"kernel\" or \"disk\"");
	if (i == BOOT_DISK && !IS_ENABLED(CONFIG_BOOT_BIOS))
		return not_built(p);
	p->c->boot = (enum config_boot)i;
	return 0;
}

static int set_boot_disk(struct parse *p)
{
	return read_serial(p, p->c->boot_disk);
}

static int set_bootargs(struct parse *p)
{
	const char *s = one_string(p);

	if (!s || p->len > (int)sizeof(p->c->bootargs))
		return expected(p, "one string of at most 1023 characters");
	memcpy(p->c->bootargs, s, (size_t)p->len);
	return 0;
}

static int set_protocol(struct parse *p)
{
	static const char *const word[] = {
		[PROTOCOL_AUTO] = "auto", [PROTOCOL_MULTIBOOT1] = "multiboot1", [PROTOCOL_MULTIBOOT2] = "multiboot2",
		[PROTOCOL_LINUX] = "linux", [PROTOCOL_LINUX32] = "linux32", [PROTOCOL_PVH] = "pvh",
	};
	int i = one_of(p, word, ARRAY_SIZE(word));

	if (i < 0)
		return expected(p, "\"auto\", \"multiboot1\", \"multiboot2\", \"linux\", \"linux32\" or \"pvh\"");
	p->c->protocol = (enum config_protocol)i;
	return 0;
}

static int set_crash(struct parse *p)
{
	static const char *const word[] = { [CRASH_REBOOT] = "reboot", [CRASH_HALT] = "halt", [CRASH_WAIT] = "wait" };
	int i = one_of(p, word, ARRAY_SIZE(word));

	if (i < 0)
		return expected(p, "\"halt\", \"reboot\" or \"wait\"");
	p->c->on_crash = (enum config_crash)i;
	return 0;
}

static int set_ap_trap(struct parse *p)
{
	static const char *const word[] = { "auto", "always" };
	int i = one_of(p, word, ARRAY_SIZE(word));

	if (i < 0)
		return expected(p, "\"always\" or \"auto\"");
	p->c->ap_trap_always = i;
	return 0;
}

static int set_cpus(struct parse *p)
{
	if (!one_cell(p, 1, 255))
		return expected(p, "a number of processors, <1> to <255>");
	p->c->cpus = (uint8_t)cell(p, 0);
	return 0;
}

static const struct prop guest_props[] = {
	{ "compatible", accept }, { "veneer,boot", set_boot }, { "bootargs", set_bootargs }, { "veneer,on-crash", set_crash },
	{ "veneer,ap-trap", set_ap_trap }, { "veneer,cpus", set_cpus }, { "veneer,boot-disk", set_boot_disk },
	{ "veneer,boot-protocol", set_protocol }, { NULL, NULL }
};

/* --- nodes --- */

/* What dtc itself adds when a source has labels. */
static bool added_by_dtc(const char *prop)
{
	return !strcmp(prop, "phandle") || !strcmp(prop, "linux,phandle");
}

static int parse_property(struct parse *p, const struct prop *known)
{
	for (const struct prop *k = known; k->name; k++)
		if (!strcmp(k->name, p->prop))
			return k->set ? k->set(p) : not_built(p);
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
			return bad_node(p, "a property cannot be read");

		int err = parse_property(p, known);

		if (err)
			return err;
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
	err = parse_properties(p, node, rule_props) ?: check_no_children(p, node) ?: check_rule(p);
	p->c->nrules += !err;
	return err;
}

static int parse_policy(struct parse *p, int node)
{
	int child, err = parse_properties(p, node, policy_props) ?: check_compatible(p, node, "veneer,policy");

	if (err)
		return err;
	fdt_for_each_subnode(child, p->fdt, node) {
		err = parse_rule(p, child);
		if (err)
			return err;
	}
	return 0;
}

static int parse_node(struct parse *p, int node, const char *name)
{
	if (!strcmp(name, "chosen"))
		return parse_properties(p, node, chosen_props) ?: check_no_children(p, node);
	if (!strcmp(name, "policy"))
		return parse_policy(p, node);
	if (!strcmp(name, "guest"))
		return parse_properties(p, node, guest_props) ?: check_compatible(p, node, "veneer,guest") ?:
		       check_no_children(p, node);
	/* Symbols and fixups, from dtc -@. */
	if (name[0] == '_' && name[1] == '_')
		return 0;
	return unknown_node(name);
}

static int parse_root(struct parse *p)
{
	int child, err;

	err = parse_properties(p, 0, root_props) ?: check_compatible(p, 0, "veneer,config");
	if (!err && !fdt_getprop(p->fdt, 0, "veneer,config-version", NULL))
		err = bad_node(p, "veneer,config-version is missing: expected <1>");
	if (err)
		return err;
	fdt_for_each_subnode(child, p->fdt, 0) {
		err = parse_node(p, child, fdt_get_name(p->fdt, child, NULL) ?: "?");
		if (err)
			return err;
	}
	return 0;
}

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

/* --- rules for devices --- */

bool config_same_serial(const char *wanted, const char *serial)
{
	size_t len;

	serial = trim(serial, &len);
	return len && len == strlen(wanted) && !memcmp(serial, wanted, len);
}

static bool matches(const struct config_rule *r, const struct pci_dev *pci, const char *serial)
{
	switch (r->match) {
	case MATCH_BDF:
		return r->bdf == pci->bdf;
	case MATCH_SERIAL:
		return serial && config_same_serial(r->serial, serial);
	case MATCH_ID:
		return r->vendor == pci->vendor && r->device == pci->device;
	case MATCH_CLASS:
		return (pci->class_code & r->class_mask) == r->class_code;
	}
	return false;
}

static unsigned bits(uint32_t v)
{
	unsigned n = 0;

	for (; v; v &= v - 1)
		n++;
	return n;
}

/* Among class rules the one that looks at more bits. */
static bool stronger(const struct config_rule *a, const struct config_rule *b)
{
	if (a->match != b->match)
		return a->match < b->match;
	return a->match == MATCH_CLASS && bits(a->class_mask) > bits(b->class_mask);
}

/* All that match have been of use, also those that a stronger one outdoes. */
static struct config_rule *find(struct config *c, const struct pci_dev *pci, const char *serial)
{
	struct config_rule *best = NULL;

	for (unsigned i = 0; i < c->nrules; i++) {
		struct config_rule *r = &c->rule[i];

		if (!matches(r, pci, serial))
			continue;
		r->used = true;
		if (!best || stronger(r, best))
			best = r;
	}
	return best;
}

struct config_rule *config_find_dev(struct config *c, const struct pci_dev *pci)
{
	return find(c, pci, NULL);
}

struct config_rule *config_find_disk(struct config *c, const struct pci_dev *pci, const char *serial)
{
	return find(c, pci, serial);
}
