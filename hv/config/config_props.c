/* SPDX-License-Identifier: BSD-2-Clause */
/* The properties of the configuration, node by node. */
#include <libfdt.h>
#include <veneer/err.h>
#include <veneer/string.h>
#include "hv/config/config_internal.h"

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
	return p->len == 4 && config_cell(p, 0) >= min && config_cell(p, 0) <= max;
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
		return config_expected(p, "no value, the property alone");
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
	return one_cell(p, 1, 1) ? 0 : config_expected(p, "<1>");
}

const struct prop config_root_props[] = {
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
		return config_expected(p, stdout_form);
	if (!IS_ENABLED(CONFIG_CONSOLE_SERIAL))
		return config_not_built(p);
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
		return config_expected(p, stdout_form);
	p->c->serial_on = p->c->screen_on = false;
	for (; s < end; s += strlen(s) + 1) {
		int err = 0;

		if (!strncmp(s, "serial", 6))
			err = set_serial(p, s + 6);
		else if (!strcmp(s, "screen") && !IS_ENABLED(CONFIG_CONSOLE_SCREEN))
			err = config_not_built(p);
		else if (!strcmp(s, "screen"))
			p->c->screen_on = true;
		else if (strcmp(s, "none"))
			err = config_expected(p, stdout_form);
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
		return config_expected(p, "\"error\", \"warning\", \"info\" or \"debug\"");
	p->c->log_level = (enum log_level)i;
	return 0;
}

static int set_debug_exit(struct parse *p)
{
	if (!one_cell(p, 1, 0xffff))
		return config_expected(p, "an I/O port, <1> to <0xffff>");
	p->c->debug_exit_port = (uint16_t)config_cell(p, 0);
	return 0;
}

const struct prop config_chosen_props[] = {
	{ "stdout-path", set_stdout }, { "veneer,log-level", set_log_level }, { "veneer,debug-exit-port", set_debug_exit },
	{ NULL, NULL }
};

/* --- /policy --- */

static int parse_action(struct parse *p, enum config_action *out)
{
	static const char *const word[] = { "conceal", "leave" };
	int i = one_of(p, word, ARRAY_SIZE(word));

	if (i < 0)
		return config_expected(p, "\"conceal\" or \"leave\"");
	*out = i ? ACTION_LEAVE : ACTION_CONCEAL;
	return 0;
}

static int set_default(struct parse *p)
{
	return parse_action(p, &p->c->default_action);
}

const struct prop config_policy_props[] = {
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
		return config_expected(p, "an address as lspci -D prints it, \"0000:00:02.0\"");
	if (seg)
		return config_expected(p, "segment 0000: others are not supported");
	p->rule->bdf = PCI_BDF(bus, dev, fn);
	return set_match(p, MATCH_BDF);
}

static int set_id(struct parse *p)
{
	if (p->len != 8 || config_cell(p, 0) >= 0xffff || config_cell(p, 1) > 0xffff)
		return config_expected(p, "<vendor device>, each below 0x10000");
	p->rule->vendor = (uint16_t)config_cell(p, 0);
	p->rule->device = (uint16_t)config_cell(p, 1);
	return set_match(p, MATCH_ID);
}

static int set_class(struct parse *p)
{
	uint32_t code = 0, mask = 0;

	if (p->len == 8) {
		code = config_cell(p, 0);
		mask = config_cell(p, 1);
	}
	if (!mask || (code | mask) > 0xffffff || code & ~mask)
		return config_expected(p, "<class mask>, 24 bits each, no class bit outside of the mask");
	p->rule->class_code = code;
	p->rule->class_mask = mask;
	return set_match(p, MATCH_CLASS);
}

static int read_serial(const struct parse *p, char out[CONFIG_SERIAL_SIZE])
{
	const char *s = one_string(p);
	size_t len = 0;

	if (s)
		s = config_trim(s, &len);
	if (!len || len >= CONFIG_SERIAL_SIZE || !config_printable(p->val, p->len))
		return config_expected(p, "a disk's serial number, 1 to 40 characters");
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
	if (!IS_ENABLED(CONFIG_VIRTIO_MODERN))
		return config_not_built(p);
	return set_flag(p, &p->rule->modern_only);
}

/* What no other rule may have as well. */
static int expected_another(const struct parse *p, const char *what, const struct config_rule *other)
{
	char text[96];

	fmt_string(text, sizeof(text), "another %s than the rule \"%s\" has", what, other->node);
	return config_expected(p, text);
}

static int set_mac(struct parse *p)
{
	static const uint8_t zero[6];

	if (p->len != 6 || !memcmp(p->val, zero, 6) || *(const uint8_t *)p->val & 1)
		return config_expected(p, "six bytes, [02 00 00 12 34 56], neither a group address nor zero");
	memcpy(p->rule->mac, p->val, 6);
	p->rule->has_mac = true;
	for (unsigned i = 0; i < p->c->nrules; i++)
		if (p->c->rule[i].has_mac && !memcmp(p->c->rule[i].mac, p->rule->mac, 6))
			return expected_another(p, "address", &p->c->rule[i]);
	return 0;
}

static int set_timeout(struct parse *p)
{
	if (!one_cell(p, 1000, 600000))
		return config_expected(p, "milliseconds, <1000> to <600000>");
	p->rule->timeout_ms = config_cell(p, 0);
	p->rule->has_timeout = true;
	return 0;
}

static int one_window(struct parse *p)
{
	return p->rule->window == WINDOW_NONE ? 0 :
	       config_bad_node(p, "expected one of veneer,window and veneer,partition, not both");
}

/* The window's last block must have a number, or the sum that finds it would wrap. */
static int set_window(struct parse *p)
{
	static const char *const form = "<first-high first-low count-high count-low> or /bits/ 64 <first count>, in logical "
					"blocks, the count not 0";
	struct config_rule *r = p->rule;

	if (p->len != 16)
		return config_expected(p, form);
	r->window_first = (uint64_t)config_cell(p, 0) << 32 | config_cell(p, 1);
	r->window_blocks = (uint64_t)config_cell(p, 2) << 32 | config_cell(p, 3);
	if (!r->window_blocks || r->window_blocks - 1 > UINT64_MAX - r->window_first)
		return config_expected(p, form);
	int err = one_window(p);

	r->window = WINDOW_BLOCKS;
	return err;
}

/* Hexadecimal digits where @form has an x. */
static bool has_form(const char *s, const char *form)
{
	uint32_t digit;

	while (*form)
		if (*form++ == 'x' ? !take_number(&s, 16, 1, 15, &digit) : !take_char(&s, form[-1]))
			return false;
	return !*s;
}

static bool is_partition_name(enum config_window window, const char *s)
{
	if (window == WINDOW_LABEL)
		return *s && strlen(s) <= 36;
	return window == WINDOW_UUID &&
	       (has_form(s, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") || has_form(s, "xxxxxxxx-xx"));
}

static int set_partition(struct parse *p)
{
	static const char *const form = "a number, <1> to <1024>, \"PARTUUID=...\" with all digits, or \"PARTLABEL=...\" with "
					"1 to 36 characters";
	struct config_rule *r = p->rule;
	enum config_window window = WINDOW_NUMBER;
	const char *s = one_string(p);

	if (one_cell(p, 1, 1024)) {
		r->partition = config_cell(p, 0);
	} else if (!s || !config_printable(p->val, p->len)) {
		return config_expected(p, form);
	} else {
		window = !strncmp(s, "PARTUUID=", 9) ? WINDOW_UUID : !strncmp(s, "PARTLABEL=", 10) ? WINDOW_LABEL : WINDOW_NONE;
		s += window == WINDOW_UUID ? 9 : 10;
		if (!is_partition_name(window, s))
			return config_expected(p, form);
		fmt_string(r->part_name, sizeof(r->part_name), "%s", s);
	}
	int err = one_window(p);

	r->window = window;
	return err;
}

static int set_slot(struct parse *p)
{
	if (!one_cell(p, 1, 31))
		return config_expected(p, "a device number of bus 0, <1> to <31>");
	p->rule->slot = (uint8_t)config_cell(p, 0);
	p->rule->has_slot = true;
	for (unsigned i = 0; i < p->c->nrules; i++)
		if (p->c->rule[i].has_slot && p->c->rule[i].slot == p->rule->slot)
			return expected_another(p, "device number", &p->c->rule[i]);
	return 0;
}

const struct prop config_rule_props[] = {
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
		return config_expected(p, "\"kernel\" or \"disk\"");
	if (i == BOOT_DISK && !IS_ENABLED(CONFIG_BOOT_BIOS))
		return config_not_built(p);
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
		return config_expected(p, "one string of at most 1023 characters");
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

	const bool built[] = {
		[PROTOCOL_AUTO] = true,
		[PROTOCOL_MULTIBOOT1] = IS_ENABLED(CONFIG_BOOT_MULTIBOOT1), [PROTOCOL_PVH] = IS_ENABLED(CONFIG_BOOT_PVH),
		[PROTOCOL_MULTIBOOT2] = IS_ENABLED(CONFIG_BOOT_MULTIBOOT2),
		[PROTOCOL_LINUX] = IS_ENABLED(CONFIG_BOOT_LINUX) || IS_ENABLED(CONFIG_BOOT_BIOS),
		[PROTOCOL_LINUX32] = IS_ENABLED(CONFIG_BOOT_LINUX),
	};

	if (i < 0)
		return config_expected(p, "\"auto\", \"multiboot1\", \"multiboot2\", \"linux\", \"linux32\" or \"pvh\"");
	if (!built[i])
		return config_not_built(p);
	p->c->protocol = (enum config_protocol)i;
	return 0;
}

static int set_crash(struct parse *p)
{
	static const char *const word[] = { [CRASH_REBOOT] = "reboot", [CRASH_HALT] = "halt", [CRASH_WAIT] = "wait" };
	int i = one_of(p, word, ARRAY_SIZE(word));

	if (i < 0)
		return config_expected(p, "\"halt\", \"reboot\" or \"wait\"");
	p->c->on_crash = (enum config_crash)i;
	return 0;
}

static int set_ap_trap(struct parse *p)
{
	static const char *const word[] = { "auto", "always" };
	int i = one_of(p, word, ARRAY_SIZE(word));

	if (i < 0)
		return config_expected(p, "\"always\" or \"auto\"");
	p->c->ap_trap_always = i;
	return 0;
}

static int set_cpus(struct parse *p)
{
	if (!one_cell(p, 1, 255))
		return config_expected(p, "a number of processors, <1> to <255>");
	p->c->cpus = (uint8_t)config_cell(p, 0);
	return 0;
}

const struct prop config_guest_props[] = {
	{ "compatible", accept }, { "veneer,boot", set_boot }, { "bootargs", set_bootargs }, { "veneer,on-crash", set_crash },
	{ "veneer,ap-trap", set_ap_trap }, { "veneer,cpus", set_cpus }, { "veneer,boot-disk", set_boot_disk },
	{ "veneer,boot-protocol", set_protocol }, { NULL, NULL }
};
