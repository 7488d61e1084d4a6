/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of all properties of the configuration, at the end, and the function that sets each.  The parser's checks and
 * messages, veneer-config and the tables of docs/configuration.md come from it.  config.c walks the nodes, and checks which
 * properties of a rule exclude each other.
 */
#include <libfdt.h>
#include <veneer/err.h>
#include <veneer/string.h>
#include "hv/config/config_props.h"

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

/* The index of the value among the property's words, or a negative error, logged. */
static int take_word(const struct parse *p)
{
	for (int i = 0; p->known->words[i]; i++)
		if (is_string(p, p->known->words[i]))
			return i;
	return config_unexpected(p);
}

static int set_flag(struct parse *p, bool *flag)
{
	if (p->len)
		return config_unexpected(p);
	*flag = true;
	return 0;
}

/* Take a number of @digits digits at *@s and move on.  False if there is none, or it is above @max. */
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

static int root_accept(struct parse *p)
{
	return 0;
}

/* "compatible" of every node: one of its strings has to be the node's word. */
static int node_set_compatible(struct parse *p)
{
	return fdt_stringlist_contains(p->val, p->len, p->known->words[0]) ? 0 : config_unexpected(p);
}

static int root_set_version(struct parse *p)
{
	return one_cell(p, 1, 1) ? 0 : config_unexpected(p);
}

/* --- /chosen --- */

/* "115200n8": parity and bits may be missing; no others are supported. */
static bool take_baud(const char *s, uint32_t *baud)
{
	uint32_t v = 0;

	while (*s >= '0' && *s <= '9' && v <= 115200)
		v = v * 10 + (uint32_t)(*s++ - '0');
	*baud = v;
	return v >= 300 && 115200 % v == 0 && (!*s || !strcmp(s, "n8"));
}

static int chosen_set_serial(struct parse *p, const char *s)
{
	static const uint16_t port[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
	uint32_t baud = p->c->serial_baud, n;

	if (!take_number(&s, 10, 1, ARRAY_SIZE(port) - 1, &n) || (*s && (*s != ':' || !take_baud(s + 1, &baud))))
		return config_unexpected(p);
	if (!IS_ENABLED(CONFIG_CONSOLE_SERIAL))
		return config_not_built(p);
	p->c->serial_on = true;
	p->c->serial_port = port[n];
	p->c->serial_baud = baud;
	return 0;
}

/* Switch on each console that the list names, and no other. */
static int chosen_set_stdout(struct parse *p)
{
	const char *s = p->val, *end = s + p->len;

	if (p->len < 1 || end[-1])
		return config_unexpected(p);
	p->c->serial_on = p->c->screen_on = false;
	for (; s < end; s += strlen(s) + 1) {
		int err = 0;

		if (!strncmp(s, "serial", 6))
			err = chosen_set_serial(p, s + 6);
		else if (!strcmp(s, "screen") && !IS_ENABLED(CONFIG_CONSOLE_SCREEN))
			err = config_not_built(p);
		else if (!strcmp(s, "screen"))
			p->c->screen_on = true;
		else if (strcmp(s, "none"))
			err = config_unexpected(p);
		if (err)
			return err;
	}
	return 0;
}

static int chosen_set_log_level(struct parse *p)
{
	int i = take_word(p);

	if (i < 0)
		return i;
	p->c->log_level = (enum log_level)i;
	return 0;
}

static int chosen_set_debug_exit(struct parse *p)
{
	if (!one_cell(p, 1, 0xffff))
		return config_unexpected(p);
	p->c->debug_exit_port = (uint16_t)config_cell(p, 0);
	return 0;
}

/* --- /policy --- */

static int take_action(struct parse *p, enum config_action *out)
{
	int i = take_word(p);

	if (i < 0)
		return i;
	*out = i ? ACTION_LEAVE : ACTION_CONCEAL;
	return 0;
}

static int policy_set_default(struct parse *p)
{
	return take_action(p, &p->c->default_action);
}

static int policy_set_iommu(struct parse *p)
{
	int i = take_word(p);

	if (i < 0)
		return i;
	if (i == DMA_REQUIRE && !IS_ENABLED(CONFIG_IOMMU))
		return config_not_built(p);
	p->c->iommu = (enum config_dma)i;
	return 0;
}

static int rule_set_bdf(struct parse *p)
{
	const char *s = one_string(p);
	uint32_t seg, bus, dev, fn;

	if (!s || !take_number(&s, 16, 4, 0xffff, &seg) || !take_char(&s, ':') || !take_number(&s, 16, 2, 0xff, &bus) ||
	    !take_char(&s, ':') || !take_number(&s, 16, 2, 31, &dev) || !take_char(&s, '.') ||
	    !take_number(&s, 16, 1, 7, &fn) || *s)
		return config_unexpected(p);
	if (seg)
		return config_expected(p, "segment 0000: others are not supported");
	p->rule->bdf = PCI_BDF(bus, dev, fn);
	p->rule->match = MATCH_BDF;
	return 0;
}

static int rule_set_id(struct parse *p)
{
	if (p->len != 8 || config_cell(p, 0) >= 0xffff || config_cell(p, 1) > 0xffff)
		return config_unexpected(p);
	p->rule->vendor = (uint16_t)config_cell(p, 0);
	p->rule->device = (uint16_t)config_cell(p, 1);
	p->rule->match = MATCH_ID;
	return 0;
}

static int rule_set_class(struct parse *p)
{
	uint32_t code = 0, mask = 0;

	if (p->len == 8) {
		code = config_cell(p, 0);
		mask = config_cell(p, 1);
	}
	if (!mask || (code | mask) > 0xffffff || code & ~mask)
		return config_unexpected(p);
	p->rule->class_code = code;
	p->rule->class_mask = mask;
	p->rule->match = MATCH_CLASS;
	return 0;
}

static int take_serial(const struct parse *p, char out[CONFIG_SERIAL_SIZE])
{
	const char *s = one_string(p);
	size_t len = 0;

	if (s)
		s = config_trim(s, &len);
	if (!len || len >= CONFIG_SERIAL_SIZE || !config_printable(p->val, p->len))
		return config_unexpected(p);
	memcpy(out, s, len);
	out[len] = 0;
	return 0;
}

static int rule_set_serial(struct parse *p)
{
	p->rule->match = MATCH_SERIAL;
	return take_serial(p, p->rule->serial);
}

static int rule_set_action(struct parse *p)
{
	return take_action(p, &p->rule->action);
}

static int rule_set_writable(struct parse *p)
{
	return set_flag(p, &p->rule->writable);
}

static int rule_set_optional(struct parse *p)
{
	return set_flag(p, &p->rule->optional);
}

static int rule_set_modern_only(struct parse *p)
{
	if (!IS_ENABLED(CONFIG_VIRTIO_MODERN))
		return config_not_built(p);
	return set_flag(p, &p->rule->modern_only);
}

/* Refuse a value that the rule @other has already. */
static int expected_another(const struct parse *p, const char *what, const struct config_rule *other)
{
	char text[96];

	fmt_string(text, sizeof(text), "another %s than the rule \"%s\" has", what, other->node);
	return config_expected(p, text);
}

static int rule_set_mac(struct parse *p)
{
	static const uint8_t zero[6];

	if (p->len != 6 || !memcmp(p->val, zero, 6) || *(const uint8_t *)p->val & 1)
		return config_unexpected(p);
	memcpy(p->rule->mac, p->val, 6);
	p->rule->has_mac = true;
	for (unsigned i = 0; i < p->c->nrules; i++)
		if (p->c->rule[i].has_mac && !memcmp(p->c->rule[i].mac, p->rule->mac, 6))
			return expected_another(p, "address", &p->c->rule[i]);
	return 0;
}

static int rule_set_mtu(struct parse *p)
{
	if (!one_cell(p, 1500, 9000))
		return config_unexpected(p);
	if (!IS_ENABLED(CONFIG_NET_JUMBO))
		return config_not_built(p);
	p->rule->mtu = (uint16_t)config_cell(p, 0);
	return 0;
}

static int rule_set_timeout(struct parse *p)
{
	if (!one_cell(p, 1000, 600000))
		return config_unexpected(p);
	p->rule->timeout_ms = config_cell(p, 0);
	p->rule->has_timeout = true;
	return 0;
}

static int rule_one_window(struct parse *p)
{
	return p->rule->window == WINDOW_NONE ? 0 :
	       config_bad_node(p, "expected one of veneer,window and veneer,partition, not both");
}

/* Reject a window whose last block number would wrap. */
static int rule_set_window(struct parse *p)
{
	struct config_rule *r = p->rule;

	if (p->len != 16)
		return config_unexpected(p);
	r->window_first = (uint64_t)config_cell(p, 0) << 32 | config_cell(p, 1);
	r->window_blocks = (uint64_t)config_cell(p, 2) << 32 | config_cell(p, 3);
	if (!r->window_blocks || r->window_blocks - 1 > UINT64_MAX - r->window_first)
		return config_unexpected(p);
	int err = rule_one_window(p);

	r->window = WINDOW_BLOCKS;
	return err;
}

/* True if @s has a hexadecimal digit for each x of @form, and the same characters otherwise. */
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

static int rule_set_partition(struct parse *p)
{
	struct config_rule *r = p->rule;
	enum config_window window = WINDOW_NUMBER;
	const char *s = one_string(p);

	if (one_cell(p, 1, 1024)) {
		r->partition = config_cell(p, 0);
	} else if (!s || !config_printable(p->val, p->len)) {
		return config_unexpected(p);
	} else {
		window = !strncmp(s, "PARTUUID=", 9) ? WINDOW_UUID : !strncmp(s, "PARTLABEL=", 10) ? WINDOW_LABEL : WINDOW_NONE;
		s += window == WINDOW_UUID ? 9 : 10;
		if (!is_partition_name(window, s))
			return config_unexpected(p);
		fmt_string(r->part_name, sizeof(r->part_name), "%s", s);
	}
	int err = rule_one_window(p);

	r->window = window;
	return err;
}

static int rule_set_slot(struct parse *p)
{
	if (!one_cell(p, 1, 31))
		return config_unexpected(p);
	p->rule->slot = (uint8_t)config_cell(p, 0);
	p->rule->has_slot = true;
	for (unsigned i = 0; i < p->c->nrules; i++)
		if (p->c->rule[i].has_slot && p->c->rule[i].slot == p->rule->slot)
			return expected_another(p, "device number", &p->c->rule[i]);
	return 0;
}

/* --- /guest --- */

static int guest_set_boot(struct parse *p)
{
	int i = take_word(p);

	if (i < 0)
		return i;
	if (i == BOOT_DISK && !IS_ENABLED(CONFIG_BOOT_BIOS) && !IS_ENABLED(CONFIG_BOOT_EFI))
		return config_not_built(p);
	p->c->boot = (enum config_boot)i;
	return 0;
}

static int guest_set_boot_disk(struct parse *p)
{
	return take_serial(p, p->c->boot_disk);
}

/* A path in a FAT file system, in printable ASCII. */
static int guest_set_efi_path(struct parse *p)
{
	const char *s = one_string(p);

	if (!s || p->len > (int)sizeof(p->c->efi_path) || (*s != '\\' && *s != '/'))
		return config_unexpected(p);
	for (int i = 0; i < p->len - 1; i++)
		if (s[i] < ' ' || s[i] > '~')
			return config_unexpected(p);
	if (!IS_ENABLED(CONFIG_BOOT_EFI))
		return config_not_built(p);
	memcpy(p->c->efi_path, s, (size_t)p->len);
	return 0;
}

static int guest_set_bootargs(struct parse *p)
{
	const char *s = one_string(p);

	if (!s || p->len > (int)sizeof(p->c->bootargs))
		return config_unexpected(p);
	memcpy(p->c->bootargs, s, (size_t)p->len);
	return 0;
}

static int guest_set_protocol(struct parse *p)
{
	static const bool built[] = {
		[PROTOCOL_AUTO] = true,
		[PROTOCOL_MULTIBOOT1] = IS_ENABLED(CONFIG_BOOT_MULTIBOOT1), [PROTOCOL_PVH] = IS_ENABLED(CONFIG_BOOT_PVH),
		[PROTOCOL_LIMINE] = IS_ENABLED(CONFIG_BOOT_LIMINE),
		[PROTOCOL_MULTIBOOT2] = IS_ENABLED(CONFIG_BOOT_MULTIBOOT2),
		[PROTOCOL_LINUX] = IS_ENABLED(CONFIG_BOOT_LINUX) || IS_ENABLED(CONFIG_BOOT_BIOS),
		[PROTOCOL_LINUX32] = IS_ENABLED(CONFIG_BOOT_LINUX),
	};

	int i = take_word(p);

	if (i < 0)
		return i;
	if (!built[i])
		return config_not_built(p);
	p->c->protocol = (enum config_protocol)i;
	return 0;
}

static int guest_set_on_crash(struct parse *p)
{
	int i = take_word(p);

	if (i < 0)
		return i;
	p->c->on_crash = (enum config_crash)i;
	return 0;
}

static int guest_set_efi_boot_order(struct parse *p)
{
	int i = take_word(p);

	if (i < 0)
		return i;
	p->c->efi_boot_order = (enum config_efi_boot_order)i;
	return 0;
}

static int guest_set_ap_trap(struct parse *p)
{
	int i = take_word(p);

	if (i < 0)
		return i;
	p->c->ap_trap = (enum config_ap_trap)i;
	return 0;
}

/* "auto", "never", or the index of a processor, which the guest then does not get. */
static int guest_set_poll(struct parse *p)
{
	int poll = is_string(p, "auto") ? CONFIG_POLL_AUTO : CONFIG_POLL_NEVER;

	if (one_cell(p, 1, 255))
		poll = (int)config_cell(p, 0);
	else if (!poll && !is_string(p, "never"))
		return config_unexpected(p);
	if (poll && !IS_ENABLED(CONFIG_POLL))
		return config_not_built(p);
	p->c->poll = poll;
	return 0;
}

/* A word of "off" and "on", which only a build with CONFIG_STATE takes. */
static int set_state_word(struct parse *p, bool *out)
{
	int i = take_word(p);

	if (i < 0)
		return i;
	if (i && !IS_ENABLED(CONFIG_STATE))
		return config_not_built(p);
	*out = i;
	return 0;
}

static int guest_set_state(struct parse *p)
{
	return set_state_word(p, &p->c->state);
}

static int guest_set_resume(struct parse *p)
{
	return set_state_word(p, &p->c->resume);
}

static int guest_set_cpus(struct parse *p)
{
	if (!one_cell(p, 1, 255))
		return config_unexpected(p);
	p->c->cpus = (uint8_t)config_cell(p, 0);
	return 0;
}


/* --- the table --- */

/* What "model" and the like are for. */
#define IGNORED		"accepted, and without effect"
#define REQUIRED	"none: it must be there"
#define WORDS(...)	(const char *const[]){ __VA_ARGS__, NULL }

static const struct prop root_props[] = {
	{ "compatible", node_set_compatible, .words = WORDS("veneer,config"), .required = true,
	  DOC("\"veneer,config\"", REQUIRED, "this is a configuration of Veneer") },
	{ "veneer,config-version", root_set_version, "<1>", .required = true,
	  DOC("<1>", REQUIRED, "the version of this format") },
	{ "model", root_accept, "any value", DOC("\"my machine\"", "", IGNORED) },
	{ "#address-cells", root_accept, "any value", DOC("<1>", "", IGNORED) },
	{ "#size-cells", root_accept, "any value", DOC("<1>", "", IGNORED) },
	{ NULL }
};

static const struct prop chosen_props[] = {
	{ "stdout-path", chosen_set_stdout, "\"serial0:115200n8\" (serial0 to serial3), \"screen\" or \"none\"",
	  DOC("\"serial0:115200n8\", \"screen\"", "serial port and screen of the build",
	      "where messages go: one or several places; a place that is not named is off. `serial0` to `serial3` are COM1 "
	      "to COM4 (3F8h, 2F8h, 3E8h, 2E8h), alone or with `:115200n8` or another speed that divides 115200, from 300; "
	      "the last serial port of the list is used") },
	{ "veneer,log-level", chosen_set_log_level,
	  .words = WORDS([LOG_ERR] = "error", [LOG_WARN] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"),
	  DOC("\"debug\"", "`\"info\"`", "what is printed before the guest runs; afterwards errors only. The log in memory "
	      "has everything") },
	{ "veneer,debug-exit-port", chosen_set_debug_exit, "an I/O port, <1> to <0xffff>", .hex = true,
	  DOC("<0xf4>", "none", "the port of QEMU's isa-debug-exit: Veneer writes 120 to it when the guest crashed, 121 at a "
	      "panic, 2 if it stopped before the guest. Not for real machines") },
	{ NULL }
};

static const struct prop policy_props[] = {
	{ "compatible", node_set_compatible, .words = WORDS("veneer,policy"), .required = true,
	  DOC("\"veneer,policy\"", REQUIRED, "this node has the rules") },
	{ "veneer,default", policy_set_default, .words = WORDS("conceal", "leave"),
	  DOC("\"leave\"", "`\"conceal\"`", "what becomes of the supported controllers that no rule decides on. "
	      "RAID and VMD functions are left by a rule of their own alone") },
	{ "veneer,iommu", policy_set_iommu, .words = WORDS([DMA_AUTO] = "auto", [DMA_REQUIRE] = "require", [DMA_OFF] = "off"),
	  DOC("\"require\"", "`\"auto\"`", "whether the IOMMU keeps the guest's devices away from Veneer's memory and from "
	      "concealed controllers ([threat-model.md](threat-model.md)). `\"auto\"`: if the machine has VT-d or AMD-Vi and "
	      "Veneer conceals a device; `\"require\"`: or Veneer stops before the guest; `\"off\"`: no") },
	{ NULL }
};

/* The first four properties choose the devices of a rule; the strongest comes first. */
static const struct prop rule_props[] = {
	{ "veneer,bdf", rule_set_bdf, "an address as lspci -D prints it, \"0000:00:02.0\"", .match = true,
	  DOC("\"0000:00:1f.6\"", "", "the PCI function at this address (segment 0000)") },
	{ "veneer,serial", rule_set_serial, "a disk's serial number, 1 to 40 characters", .match = true, .of = PROP_DISK,
	  DOC("\"S3Z1NB0K123456\"", "", "disks with this serial number (`lsblk -o NAME,SERIAL`); blanks around it do not "
	      "count. Every namespace of an NVMe controller has the controller's") },
	{ "veneer,pci-id", rule_set_id, "<vendor device>, each below 0x10000", .match = true, .hex = true,
	  DOC("<0x8086 0x10d3>", "", "PCI functions with this vendor and device id") },
	{ "veneer,pci-class", rule_set_class, "<class mask>, 24 bits each, no class bit outside of the mask", .match = true,
	  .hex = true, DOC("<0x010802 0xffffff>", "", "PCI functions whose class code is this one under the mask") },
	{ "veneer,action", rule_set_action, .words = WORDS("conceal", "leave"),
	  DOC("\"leave\"", "`veneer,default`", "`\"conceal\"`: the guest gets a virtio device instead. `\"leave\"`: the "
	      "guest gets the device itself; not in a rule by serial number") },
	{ "veneer,writable", rule_set_writable, "no value, the property alone", .of = PROP_DISK,
	  DOC(NULL, "read-only", "the guest may write to this disk, or to all disks of this controller") },
	{ "veneer,modern-only", rule_set_modern_only, "no value, the property alone",
	  DOC(NULL, "both interfaces", "the virtio device has id 1041 or 1042 and no I/O BAR") },
	{ "veneer,optional", rule_set_optional, "no value, the property alone",
	  DOC(NULL, "a warning", "nothing is said if the rule matches no device: the configuration is for several machines") },
	{ "local-mac-address", rule_set_mac, "six bytes, [02 00 00 12 34 56], neither a group address nor "
	      "zero", .of = PROP_CARD,
	  DOC("[02 00 00 12 34 56]", "the card's own", "the address of the virtio-net device. The rule must match one card, "
	      "and no other rule may have the same address") },
	{ "veneer,mtu", rule_set_mtu, "bytes, <1500> to <9000>", .of = PROP_CARD,
	  DOC("<9000>", "1500", "the MTU that the virtio-net device offers (`VIRTIO_NET_F_MTU`), if the card can; with it "
	      "`VIRTIO_NET_F_MRG_RXBUF`. Received frames are then copied once ([guests.md](guests.md#mtu)). The guest must "
	      "accept the feature, and all machines of that network need the same MTU") },
	{ "veneer,timeout-ms", rule_set_timeout, "milliseconds, <1000> to <600000>", .of = PROP_DISK,
	  DOC("<10000>", "30000 (`CONFIG_DISK_TIMEOUT_MS`)", "the deadline of a disk command") },
	{ "veneer,partition", rule_set_partition, "a number, <1> to <1024>, \"PARTUUID=...\" with all digits, or "
	      "\"PARTLABEL=...\" with 1 to 36 characters", .of = PROP_DISK,
	  DOC("<3>", "the whole disk", "the guest's disk is only this partition, [see below](#part-of-a-disk)") },
	{ "veneer,window", rule_set_window, "<first-high first-low count-high count-low> or /bits/ 64 <first count>, in "
	      "logical blocks, the count not 0", .of = PROP_DISK,
	  DOC("/bits/ 64 <2048 409600>", "the whole disk", "the guest's disk is only these blocks, [see "
	      "below](#part-of-a-disk)") },
	{ "veneer,slot", rule_set_slot, "a device number of bus 0, <1> to <31>",
	  DOC("<5>", "the real device's place", "the virtio device stands at function 0 of this device number, and the real "
	      "one's place reads all ones; the further disks of a controller follow as functions 1 to 7. The number must be "
	      "free on this machine, the rule must match one controller, and no other rule may have the same number") },
	{ NULL }
};

static const struct prop guest_props[] = {
	{ "compatible", node_set_compatible, .words = WORDS("veneer,guest"), .required = true,
	  DOC("\"veneer,guest\"", REQUIRED, "this node is about the guest") },
	{ "veneer,boot", guest_set_boot, .words = WORDS([BOOT_KERNEL] = "kernel", [BOOT_DISK] = "disk"),
	  DOC("\"kernel\"", "`\"kernel\"`", "`\"kernel\"`: the boot loader's kernel module. `\"disk\"`: a concealed disk's own "
	      "loader: its boot sector, on a machine that was started by a BIOS, or its `\\EFI\\BOOT\\BOOTX64.EFI`, if "
	      "[`veneer.efi`](installing.md#the-guests-own-loader-on-uefi) started Veneer") },
	{ "veneer,boot-disk", guest_set_boot_disk, "a disk's serial number, 1 to 40 characters",
	  DOC("\"S3Z1NB0K123456\"", "the only disk with a boot sector, Veneer's own aside", "with `veneer,boot = \"disk\"`: "
	      "the disk, as for `veneer,serial`; the first namespace of an NVMe drive. Never the disk that Veneer itself was "
	      "started from, but for a window of it (`veneer,partition`) without Veneer's partition") },
	{ "veneer,efi-path", guest_set_efi_path, "a path that begins with a backslash or a slash, at most 127 characters of "
	      "ASCII",
	  DOC("\"/EFI/debian/grubx64.efi\"", "`/EFI/BOOT/BOOTX64.EFI`", "with `veneer,boot = \"disk\"` on UEFI: the loader's "
	      "file, on the first file system of a concealed disk that has the file") },
	{ "veneer,efi-boot-order", guest_set_efi_boot_order,
	  .words = WORDS([EFI_BOOT_ORDER_SHADOW] = "shadow", [EFI_BOOT_ORDER_PASS] = "pass"),
	  DOC("\"pass\"", "`\"shadow\"`", "with `veneer,boot = \"disk\"` on UEFI, for `BootOrder`, `BootNext`, `Boot0000` and "
	      "the like, `OsIndications`: `\"shadow\"`: the guest reads and writes copies of its own, and the machine goes on "
	      "starting Veneer. `\"pass\"`: the guest writes the machine's own, and may so have the machine start without "
	      "Veneer") },
	{ "veneer,boot-protocol", guest_set_protocol,
	  .words = WORDS([PROTOCOL_AUTO] = "auto", [PROTOCOL_MULTIBOOT1] = "multiboot1", [PROTOCOL_MULTIBOOT2] = "multiboot2",
			 [PROTOCOL_LIMINE] = "limine", [PROTOCOL_LINUX] = "linux", [PROTOCOL_LINUX32] = "linux32",
			 [PROTOCOL_PVH] = "pvh"),
	  DOC("\"auto\"", "`\"auto\"`", "how a kernel is started that has several entries; `\"linux32\"` is the 32-bit entry "
	      "of Linux. `\"auto\"`: see [boot-flow.md](boot-flow.md#loading-the-guest)") },
	{ "bootargs", guest_set_bootargs, "one string of at most 1023 characters",
	  DOC("\"root=/dev/vda\"", "`CONFIG_DEFAULT_BOOTARGS`", "the kernel's command line if its module line has none") },
	{ "veneer,on-crash", guest_set_on_crash,
	  .words = WORDS([CRASH_REBOOT] = "reboot", [CRASH_HALT] = "halt", [CRASH_WAIT] = "wait"),
	  DOC("\"reboot\"", "`\"reboot\"`", "after the [report](debugging.md#a-guest-that-dies) on a triple fault: "
	      "`\"reboot\"` after 10 seconds, in which a key at the keyboard or on the serial port keeps the report until "
	      "the next key; `\"wait\"` for a key, then reboot; `\"halt\"`") },
	{ "veneer,cpus", guest_set_cpus, "a number of processors, <1> to <255>",
	  DOC("<4>", "all", "the guest gets so many processors, the first of the ACPI tables; Veneer holds the others, which "
	      "never run the guest (`veneer,poll` can use one)") },
	{ "veneer,poll", guest_set_poll, "\"auto\", \"never\", or a processor's number, <1> to <255>",
	  DOC("\"auto\"", "`\"never\"`", "the [polling core](exits.md#the-polling-core): a processor that the guest has not "
	      "started serves rings and controllers while there is traffic, without an exit. "
	      "`\"auto\"`: the last one that `veneer,cpus` keeps from the guest, else the last one, "
	      "until the guest starts it; a number: this one, the boot processor being 0, and the guest does not get it. "
	      "No effect if UEFI firmware is the guest") },
	{ "veneer,state", guest_set_state, .words = WORDS("off", "on"),
	  DOC("\"on\"", "`\"off\"`", "`\"on\"`: the guest can have its state saved to the partition `veneer-state` "
	      "([snapshots](snapshots.md)), and for this Veneer watches the ports of chips that cannot be read back (8259s, "
	      "PIT, RTC), at an exit per access; only in a build with `CONFIG_STATE`") },
	{ "veneer,resume", guest_set_resume, .words = WORDS("off", "on"),
	  DOC("\"on\"", "`\"off\"`", "`\"on\"`: with `veneer,state`: if there is a good snapshot of this machine, the "
	      "guest goes on from there, and is not loaded; the word `--resume` on Veneer's own command line does the same") },
	{ "veneer,ap-trap", guest_set_ap_trap,
	  .words = WORDS([AP_TRAP_AUTO] = "auto", [AP_TRAP_ALWAYS] = "always", [AP_TRAP_START] = "start",
			 [AP_TRAP_NEVER] = "never"),
	  DOC("\"auto\"", "`\"auto\"`", "`\"always\"`: INIT, SIPI and NMIs that the guest sends are emulated for ever, at an "
	      "exit per write to the local APIC (xAPIC) or per IPI (x2APIC); `\"auto\"`: only from an INIT to the SIPI after "
	      "it, if the processor hands INITs to Veneer, as silicon does, else (AMD processors of emulators and of KVM) for "
	      "ever; `\"start\"`: until all run, though an INIT may then take a processor away from Veneer: for tests; "
	      "`\"never\"`: for measurements of a guest that starts no other processor. Bochs's Intel processors keep an INIT "
	      "pending and need `\"always\"`") },
	{ NULL }
};

const struct config_node config_nodes[CONFIG_NODES] = {
	[NODE_ROOT] = { "/", root_props }, [NODE_CHOSEN] = { "/chosen", chosen_props },
	[NODE_POLICY] = { "/policy", policy_props }, [NODE_RULE] = { "/policy/*", rule_props },
	[NODE_GUEST] = { "/guest", guest_props },
};
