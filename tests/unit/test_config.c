/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/config/config.c hv/config/config_props.c hv/config/config_rules.c hv/config/guess.c hv/lib/fmt.c */
/* libs: -lfdt */
/* The configuration blob: rules, every property's values, error texts, and damaged blobs. */
#include <libfdt.h>
#include <string.h>
#include <unistd.h>
#include <veneer/config.h>
#include <veneer/err.h>
#include "host/host.h"
#include "hv/config/config_props.h"

static struct config c;
static char *blob;
static size_t blob_size;

/* Compile a source with dtc, as users do; keep the labels. */
static void compile(const char *source)
{
	char dts[] = "/tmp/veneer-config-XXXXXX", dtb[64], cmd[256];
	int fd = mkstemp(dts);
	FILE *f = fdopen(fd, "w");

	snprintf(dtb, sizeof(dtb), "%s.dtb", dts);
	fprintf(f, "/dts-v1/;\n%s", source);
	fclose(f);
	snprintf(cmd, sizeof(cmd), "dtc -q -@ -I dts -O dtb -o %s %s", dtb, dts);
	int rc = system(cmd);
	unlink(dts);
	if (rc)
		host_fail(__FILE__, __LINE__, "dtc: %s", source);
	f = fopen(dtb, "rb");
	free(blob);
	blob = malloc(65536);
	blob_size = fread(blob, 1, 65536, f);
	fclose(f);
	unlink(dtb);
	blob = realloc(blob, blob_size);
}

static int parse(const char *source)
{
	compile(source);
	host_log_clear();
	config_default(&c);
	return config_parse(&c, blob, blob_size);
}

#define HEAD	"compatible = \"veneer,config\"; veneer,config-version = <1>;"

/* Compile @body inside a root node. */
static int root(const char *body)
{
	char s[4096];

	snprintf(s, sizeof(s), "/ { " HEAD " %s };", body);
	return parse(s);
}

static int in(const char *node, const char *compatible, const char *body)
{
	char s[3072];

	snprintf(s, sizeof(s), "%s { %s %s };", node, compatible, body);
	return root(s);
}

static int chosen(const char *body) { return in("chosen", "", body); }
static int policy(const char *body) { return in("policy", "compatible = \"veneer,policy\";", body); }
static int guest(const char *body) { return in("guest", "compatible = \"veneer,guest\";", body); }

static int rule(const char *body)
{
	char s[2048];

	snprintf(s, sizeof(s), "r { %s };", body);
	return policy(s);
}

#define OK(call) do { if (call) host_fail(__FILE__, __LINE__, "refused: %s", #call); } while (0)
#define REFUSED(call, line) do { \
	CHECK_EQ(call, -ERR_INVAL); \
	if (!host_log_has(line)) host_fail(__FILE__, __LINE__, "no line with: %s", line); \
	} while (0)

static const char full[] =
	"/ { " HEAD
	"chosen { stdout-path = \"serial1:9600n8\"; veneer,log-level = \"debug\"; veneer,debug-exit-port = <0xf4>; };"
	"policy { compatible = \"veneer,policy\"; veneer,default = \"leave\";"
	"  nic: pci@00,02,0 { veneer,bdf = \"0000:00:1f.6\"; veneer,action = \"conceal\"; veneer,modern-only;"
	"                local-mac-address = [02 00 00 12 34 56]; };"
	"  pci-10ec-8168 { veneer,pci-id = <0x10ec 0x8168>; veneer,action = \"leave\"; };"
	"  disk { veneer,serial = \" S3Z NX0 \"; veneer,writable; veneer,timeout-ms = <5000>; };"
	"  class-0108 { veneer,pci-class = <0x010802 0xffffff>; veneer,writable; };"
	"  class-01 { veneer,pci-class = <0x010000 0xff0000>; };"
	"};"
	"guest { compatible = \"veneer,guest\"; veneer,boot = \"kernel\"; bootargs = \"console=ttyS0 quiet\";"
	"  veneer,on-crash = \"reboot\"; veneer,ap-trap = \"always\"; veneer,cpus = <3>;"
	"  veneer,boot-protocol = \"pvh\"; nic = <&nic>; };"
	"};";

TEST(the_default)
{
	config_default(&c);
	CHECK_EQ(c.log_level, CONFIG_LOG_LEVEL);
	CHECK_EQ(c.serial_port, CONFIG_CONSOLE_SERIAL_PORT);
	CHECK_EQ(c.nrules, 0);
	CHECK(!c.default_writable && c.ap_trap == AP_TRAP_AUTO && !c.cpus && !c.debug_exit_port);
	OK(root(""));
	CHECK_EQ(c.serial_baud, CONFIG_CONSOLE_SERIAL_BAUD);
	CHECK_EQ(c.default_action, IS_ENABLED(CONFIG_DEFAULT_CONCEAL) ? ACTION_CONCEAL : ACTION_LEAVE);
	CHECK(!strcmp(c.bootargs, CONFIG_DEFAULT_BOOTARGS));
}

TEST(everything)
{
	char s[sizeof(full)];
	char *extra;

	REFUSED(parse(full), "config: /guest: nic = <");
	memcpy(s, full, sizeof(s));
	extra = strstr(s, "nic = <&nic>;");
	memset(extra, ' ', strlen("nic = <&nic>;"));
	OK(parse(s));
	CHECK(c.serial_on && !c.screen_on);
	CHECK_EQ(c.serial_port, 0x2f8);
	CHECK_EQ(c.serial_baud, 9600);
	CHECK_EQ(c.log_level, LOG_DEBUG);
	CHECK_EQ(c.debug_exit_port, 0xf4);
	CHECK_EQ(c.default_action, ACTION_LEAVE);
	CHECK(!c.default_writable);
	CHECK_EQ(c.nrules, 5);
	CHECK(!strcmp(c.rule[0].node, "pci@00,02,0"));
	CHECK_EQ(c.rule[0].bdf, PCI_BDF(0, 0x1f, 6));
	CHECK(c.rule[0].modern_only && c.rule[0].has_mac && !c.rule[0].writable);
	CHECK_EQ(c.rule[0].mac[5], 0x56);
	CHECK_EQ(c.rule[1].device, 0x8168);
	CHECK_EQ(c.rule[1].action, ACTION_LEAVE);
	CHECK(!strcmp(c.rule[2].serial, "S3Z NX0"));
	CHECK(c.rule[2].has_timeout && c.rule[2].timeout_ms == 5000);
	CHECK_EQ(c.rule[3].timeout_ms, CONFIG_DISK_TIMEOUT_MS);
	CHECK_EQ(c.rule[3].class_mask, 0xffffff);
	CHECK_EQ(c.on_crash, CRASH_REBOOT);
	CHECK_EQ(c.ap_trap, AP_TRAP_ALWAYS);
	CHECK_EQ(c.protocol, PROTOCOL_PVH);
	CHECK_EQ(c.cpus, 3);
	CHECK(!strcmp(c.bootargs, "console=ttyS0 quiet"));

	/* The strongest rule counts, in this order: address, serial number, id, class; of two classes the more specific. */
	struct pci_dev d = { .bdf = PCI_BDF(0, 0x1f, 6), .vendor = 0x10ec, .device = 0x8168, .class_code = 0x010802 };
	CHECK(config_find_disk(&c, &d, "S3Z NX0") == &c.rule[0]);
	d.bdf = 8;
	CHECK(config_find_disk(&c, &d, "   S3Z NX0   ") == &c.rule[2]);
	CHECK(config_find_disk(&c, &d, "S3Z NX01") == &c.rule[1]);
	CHECK(config_find_disk(&c, &d, "") == &c.rule[1]);
	CHECK(config_find_dev(&c, &d) == &c.rule[1]);
	d.vendor = 0x8086;
	CHECK(config_find_disk(&c, &d, NULL) == &c.rule[3]);
	CHECK(config_find_dev(&c, &d) == &c.rule[3]);
	d.class_code = 0x010601;
	CHECK(config_find_dev(&c, &d) == &c.rule[4]);
	d.class_code = 0x020000;
	CHECK(config_find_dev(&c, &d) == NULL);
	for (unsigned i = 0; i < c.nrules; i++)
		CHECK(c.rule[i].used);
}

TEST(unused_rules_show)
{
	struct pci_dev d = { .bdf = 0x10 };

	OK(policy("a { veneer,bdf = \"0000:00:02.0\"; }; b { veneer,serial = \"x\"; };"));
	CHECK(config_find_dev(&c, &d) == &c.rule[0]);
	CHECK(c.rule[0].used && !c.rule[1].used);
	CHECK(!c.rule[0].optional);
	OK(policy("a { veneer,serial = \"x\"; veneer,optional; };"));
	CHECK(c.rule[0].optional);
	REFUSED(policy("a { veneer,serial = \"x\"; veneer,optional = <1>; };"), "veneer,optional = <1>: expected no value");
}

TEST(the_root)
{
	REFUSED(parse("/ { compatible = \"other\"; veneer,config-version = <1>; };"), "expected \"veneer,config\"");
	REFUSED(parse("/ { veneer,config-version = <1>; };"), "expected \"veneer,config\"");
	REFUSED(parse("/ { compatible = \"veneer,config\"; };"), "veneer,config-version is missing");
	REFUSED(parse("/ { compatible = \"veneer,config\"; veneer,config-version = <2>; };"),
		"config: /: veneer,config-version = <2>: expected <1>");
	REFUSED(root("devices { };"), "unknown node /devices; known are /chosen, /policy and /guest");
	REFUSED(root("chosen { more { }; };"), "/chosen: unknown node \"more\"");
	REFUSED(root("policy { };"), "/policy: compatible is missing: expected \"veneer,policy\"");
	REFUSED(root("guest { compatible = \"guest\"; };"), "/guest: compatible = \"guest\": expected \"veneer,guest\"");
	REFUSED(guest("sub { };"), "/guest: unknown node \"sub\"");
	REFUSED(policy("r { veneer,serial = \"x\"; sub { }; };"), "/policy/r: unknown node \"sub\"");
}

TEST(the_console)
{
	OK(chosen("stdout-path = \"serial0\";"));
	CHECK_EQ(c.serial_port, 0x3f8);
	OK(chosen("stdout-path = \"serial3:115200\";"));
	CHECK_EQ(c.serial_port, 0x2e8);
	OK(chosen("stdout-path = \"screen\";"));
	CHECK(c.screen_on && !c.serial_on);
	OK(chosen("stdout-path = \"serial0:38400n8\", \"screen\";"));
	CHECK(c.screen_on && c.serial_on);
	OK(chosen("stdout-path = \"none\";"));
	CHECK(!c.screen_on && !c.serial_on);
	static const char *const bad[] = { "serial", "serial4", "serial0:", "serial0:100", "serial0:115200e7", "serial0x",
					   "serial0:99999999999999", "tty", "", "serial0:115200n81" };
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		char s[100];
		snprintf(s, sizeof(s), "stdout-path = \"%s\";", bad[i]);
		REFUSED(chosen(s), "/chosen: stdout-path = ");
	}
	REFUSED(chosen("stdout-path = [41 42];"), "stdout-path = [41 42]: expected");
	REFUSED(chosen("stdout-path;"), "stdout-path = (empty): expected");
	REFUSED(chosen("veneer,log-level = \"loud\";"), "veneer,log-level = \"loud\": expected \"error\", \"warning\"");
	REFUSED(chosen("veneer,debug-exit-port = <0>;"), "expected an I/O port");
	REFUSED(chosen("veneer,debug-exit-port = <0x10000>;"), "expected an I/O port");
	REFUSED(chosen("veneer,loglevel = \"info\";"), "unknown property; did you mean veneer,log-level?");
}

TEST(the_guest)
{
	REFUSED(guest("veneer,boot = \"net\";"), "expected \"kernel\" or \"disk\"");
	REFUSED(guest("veneer,boot-disk;"), "veneer,boot-disk = (empty): expected a disk's serial number");
	REFUSED(guest("veneer,boot-disk = \"  \";"), "expected a disk's serial number, 1 to 40 characters");
	OK(guest("veneer,boot-disk = \" S3Z 1 \";"));
	REFUSED(guest("veneer,efi-path = \"EFI/a.efi\";"), "expected a path that begins with a backslash or a slash");
	REFUSED(guest("veneer,efi-path = \"/EFI/\\xc3\\xa4.efi\";"), "expected a path that begins with");
	OK(guest("veneer,boot-disk = \" S3Z 1 \"; veneer,efi-path = \"/EFI/a.efi\";"));
	CHECK(!strcmp(c.efi_path, "/EFI/a.efi"));
	CHECK_EQ(c.boot, BOOT_KERNEL);
	CHECK(!strcmp(c.boot_disk, "S3Z 1"));
	CHECK(config_same_serial(c.boot_disk, "  S3Z 1") && !config_same_serial(c.boot_disk, "S3Z 11"));
	OK(guest("veneer,boot = \"disk\";"));
	CHECK_EQ(c.boot, BOOT_DISK);
	CHECK(!*c.boot_disk);
	REFUSED(guest("veneer,on-crash = \"panic\";"), "expected \"reboot\", \"halt\" or \"wait\"");
	REFUSED(guest("veneer,ap-trap = \"once\";"), "expected \"auto\", \"always\", \"start\" or \"never\"");
	OK(guest("veneer,ap-trap = \"never\";"));
	CHECK_EQ(c.ap_trap, AP_TRAP_NEVER);
	REFUSED(guest("veneer,cpus = <0>;"), "expected a number of processors");
	REFUSED(guest("veneer,cpus = <1 2>;"), "expected a number of processors");
	REFUSED(guest("veneer,cpus = <256>;"), "expected a number of processors");
	REFUSED(guest("bootargs = \"a\", \"b\";"), "expected one string");
	REFUSED(guest("bootargs;"), "expected one string");
	REFUSED(guest("veneer,boot-protocol = \"xen\";"), "\"linux32\" or \"pvh\"");
	OK(guest("bootargs = \"\"; veneer,ap-trap = \"auto\"; veneer,on-crash = \"wait\";"));
	CHECK_EQ(c.on_crash, CRASH_WAIT);
	CHECK_EQ(c.ap_trap, AP_TRAP_AUTO);
	OK(guest("veneer,ap-trap = \"start\";"));
	CHECK_EQ(c.ap_trap, AP_TRAP_START);
	CHECK(!c.state);
	REFUSED(guest("veneer,state = \"yes\";"), "expected \"off\" or \"on\"");
	OK(guest("veneer,state = \"on\";"));	/* the unit tests have CONFIG_STATE */
	CHECK(c.state);
	OK(guest("veneer,state = \"off\";"));
	CHECK(!c.state);

	char s[1200] = "bootargs = \"";
	memset(s + 12, 'x', 1023);
	strcpy(s + 12 + 1023, "\";");
	OK(guest(s));
	CHECK_EQ(strlen(c.bootargs), 1023);
	strcpy(s + 12 + 1023, "x\";");
	REFUSED(guest(s), "at most 1023 characters");
}

TEST(rules_are_checked)
{
	static const char *const bdf[] = { "00:02.0", "0000:00:20.0", "0000:00:02.8", "0000:00:2.0", "0000:00:02.0 ", "",
		"0000:00:02",
					   "000g:00:02.0" };
	for (unsigned i = 0; i < ARRAY_SIZE(bdf); i++) {
		char s[100];
		snprintf(s, sizeof(s), "veneer,bdf = \"%s\";", bdf[i]);
		REFUSED(rule(s), "/policy/r: veneer,bdf = ");
	}
	REFUSED(rule("veneer,bdf = \"0001:00:02.0\";"), "expected segment 0000");
	OK(rule("veneer,bdf = \"0000:fF:1f.7\";"));
	CHECK_EQ(c.rule[0].bdf, 0xffff);
	REFUSED(rule("veneer,pci-id = <0x8086>;"), "expected <vendor device>");
	REFUSED(rule("veneer,pci-id = <0x8086 0x10000>;"), "expected <vendor device>");
	REFUSED(rule("veneer,pci-id = <0xffff 1>;"), "expected <vendor device>");
	REFUSED(rule("veneer,pci-class = <0x010802 0xff0000>;"), "no class bit outside");
	REFUSED(rule("veneer,pci-class = <0 0>;"), "<class mask>");
	REFUSED(rule("veneer,pci-class = <0 0x1000000>;"), "<class mask>");
	REFUSED(rule("veneer,serial = \"   \";"), "1 to 40 characters");
	REFUSED(rule("veneer,serial = \"12345678901234567890123456789012345678901\";"), "1 to 40 characters");
	OK(rule("veneer,serial = \"1234567890123456789012345678901234567890\";"));
	REFUSED(rule("veneer,action = \"conceal\";"), "expected exactly one of veneer,bdf");
	REFUSED(rule("veneer,serial = \"x\"; veneer,pci-id = <1 2>;"), "expected exactly one of veneer,bdf");
	REFUSED(rule("veneer,serial = \"x\"; veneer,action = \"leave\";"), "cannot be chosen by veneer,serial");
	REFUSED(rule("veneer,serial = \"x\"; local-mac-address = [02 00 00 00 00 01];"),
		"local-mac-address concerns a network card, veneer,serial concerns a disk");
	REFUSED(rule("veneer,pci-id = <1 2>; veneer,action = \"hide\";"),
		"veneer,action = \"hide\": expected \"conceal\" or \"leave\"");
	REFUSED(rule("veneer,pci-id = <1 2>; veneer,writable = <1>;"), "expected no value");
	REFUSED(rule("veneer,pci-id = <1 2>; veneer,writeable;"), "veneer,writeable = (empty): unknown property");
	REFUSED(rule("veneer,pci-id = <1 2>; local-mac-address = [01 00 00 00 00 01];"), "expected six bytes");
	REFUSED(rule("veneer,pci-id = <1 2>; local-mac-address = [00 00 00 00 00 00];"), "expected six bytes");
	REFUSED(rule("veneer,pci-id = <1 2>; local-mac-address = [02 00 00 00 01];"), "expected six bytes");
	REFUSED(rule("veneer,pci-id = <1 2>; veneer,timeout-ms = <999>;"), "expected milliseconds");
	OK(rule("veneer,pci-id = <1 2>; veneer,slot = <5>;"));
	CHECK(c.rule[0].has_slot && c.rule[0].slot == 5);
	REFUSED(rule("veneer,pci-id = <1 2>; veneer,slot = <0>;"),
		"/policy/r: veneer,slot = <0>: expected a device number of bus 0, <1> to <31>");
	REFUSED(rule("veneer,pci-id = <1 2>; veneer,slot = <32>;"), "expected a device number");
	REFUSED(rule("veneer,pci-id = <0x8086>;"), "/policy/r: veneer,pci-id = <0x8086>: expected");
	REFUSED(rule("veneer,pci-id = <1 2>; veneer,slot = <5 6>;"), "expected a device number");
	REFUSED(rule("veneer,pci-id = <1 2>; veneer,slot = <5>; veneer,action = \"leave\";"), "stays where it is");
	REFUSED(policy("veneer,default = \"ask\";"), "veneer,default = \"ask\"");
	REFUSED(policy("veneer,iommu = \"on\";"), "expected \"auto\", \"require\" or \"off\"");
	OK(policy("veneer,iommu = \"require\";"));
	CHECK_EQ(c.iommu, DMA_REQUIRE);
}

TEST(rules_that_contradict)
{
	REFUSED(policy("a { veneer,bdf = \"0000:00:02.0\"; }; b { veneer,bdf = \"0000:00:02.0\"; };"),
		"config: /policy/b: matches the same as the rule \"a\"");
	REFUSED(policy("a { veneer,serial = \"x \"; }; b { veneer,serial = \" x\"; };"), "matches the same");
	REFUSED(policy("a { veneer,pci-id = <1 2>; }; b { veneer,pci-id = <1 2>; };"), "matches the same");
	REFUSED(policy("a { veneer,pci-class = <0 1>; }; b { veneer,pci-class = <0 1>; };"), "matches the same");
	REFUSED(policy("a { veneer,serial = \"x\"; veneer,partition = <3>; };"
		       "b { veneer,serial = \"x\"; veneer,partition = <5>; };"),
		"/policy/b: matches the same as the rule \"a\"; expected one rule for each: of a disk the guest gets one part");
	OK(policy("a { veneer,pci-class = <0 1>; }; b { veneer,pci-class = <1 1>; };"));
	OK(policy("a { veneer,pci-id = <1 2>; veneer,slot = <5>; }; b { veneer,pci-id = <1 3>; veneer,slot = <6>; };"));
	REFUSED(policy("a { veneer,pci-id = <1 2>; veneer,slot = <5>; }; b { veneer,pci-id = <1 3>; veneer,slot = <5>; };"),
		"/policy/b: veneer,slot = <5>: expected another device number than the rule \"a\" has");

#define MAC(n)	"local-mac-address = [02 00 00 00 00 0" #n "];"
	OK(policy("a { veneer,pci-id = <1 2>; " MAC(1) " }; b { veneer,pci-id = <1 3>; " MAC(2) " };"));
	REFUSED(policy("a { veneer,pci-id = <1 2>; " MAC(1) " }; b { veneer,pci-id = <1 3>; " MAC(1) " };"),
		"/policy/b: local-mac-address = [02 00 00 00 00 01]: expected another address than the rule \"a\" has");

	char s[3000] = "";
	for (unsigned i = 0; i <= CONFIG_MAX_RULES; i++)
		snprintf(s + strlen(s), sizeof(s) - strlen(s), "r%u { veneer,pci-id = <1 %u>; };", i, i);
	REFUSED(policy(s), "more than 32 rules");
}

/* Each prefix, and each byte flipped, in memory that ends where the blob ends. */
TEST(damaged_blobs)
{
	static const uint8_t flip[] = { 0xff, 0x01, 0x80, 0x04 };
	char s[sizeof(full)];
	unsigned taken = 0;

	memcpy(s, full, sizeof(s));
	memset(strstr(s, "nic = <&nic>;"), ' ', strlen("nic = <&nic>;"));
	compile(s);
	config_default(&c);
	CHECK_EQ(config_parse(&c, blob, blob_size), 0);
	for (size_t n = 0; n < blob_size; n++) {
		char *p = malloc(n ? n : 1);

		memcpy(p, blob, n);
		host_log_clear();
		config_default(&c);
		CHECK_EQ(config_parse(&c, p, n), -ERR_INVAL);
		CHECK(host_log_has("is no valid device tree"));
		free(p);
	}
	for (size_t at = 0; at < blob_size; at++) {
		for (unsigned k = 0; k < ARRAY_SIZE(flip); k++) {
			char *p = malloc(blob_size);

			memcpy(p, blob, blob_size);
			p[at] = (char)(p[at] ^ flip[k]);
			host_log_clear();
			config_default(&c);
			if (config_parse(&c, p, blob_size))
				CHECK(host_log_has("config: "));
			else
				taken++;
			free(p);
		}
	}
	CHECK(taken > 0 && taken < 4 * blob_size);

	char *odd = malloc(blob_size + 8);
	memcpy(odd + 4, blob, blob_size);
	CHECK_EQ(config_parse(&c, odd + 4, blob_size), -ERR_INVAL);
	free(odd);
	free(blob);
	blob = NULL;
}

/* Formats before 16 name a node by its path: an empty one is no root there, and libfdt's check would read it at address 0. */
TEST(old_format)
{
	compile("/ { " HEAD " };");
	fdt_set_version(blob, 3);
	fdt_set_last_comp_version(blob, 2);
	host_log_clear();
	config_default(&c);
	CHECK_EQ(config_parse(&c, blob, blob_size), -ERR_INVAL);
	CHECK(host_log_has("is no valid device tree: FDT_ERR_BADVERSION"));
	fdt_set_version(blob, 16);
	CHECK_EQ(config_parse(&c, blob, blob_size), 0);
	free(blob);
	blob = NULL;
}

TEST(hints)
{
	REFUSED(root("polcy { };"), "unknown node /polcy; did you mean /policy?");
	REFUSED(rule("veneer,pci-id = <1 2>; veneer,writeable;"), "did you mean veneer,writable?");
	REFUSED(rule("veneer,pci-id = <1 2>; writable;"), "did you mean veneer,writable?");
	REFUSED(guest("veneer,oncrash = \"halt\";"),
		"veneer,oncrash = \"halt\": unknown property; did you mean veneer,on-crash?");
	REFUSED(guest("frobnicate;"), "/guest: known here are compatible veneer,boot");
	CHECK(!host_log_has("did you mean"));
	REFUSED(rule("veneer,a-name-that-is-longer-than-any-word-that-is-known-here;"), "unknown property");
	REFUSED(in("policy", "compatible = \"veneer,polic\";", ""),
		"/policy: compatible = \"veneer,polic\": expected \"veneer,policy\"");
}

/* Blobs that dtc does not make: each line's property or node occurs @times. */
static int made_by_hand(unsigned node, unsigned prop, const char *rule_name)
{
	free(blob);
	blob = malloc(4096);
	CHECK_EQ(fdt_create(blob, 4096) ?: fdt_finish_reservemap(blob), 0);
	fdt_begin_node(blob, "");
	fdt_property_string(blob, "compatible", "veneer,config");
	fdt_property_u32(blob, "veneer,config-version", 1);
	for (unsigned i = 0; i < node; i++) {
		fdt_begin_node(blob, "guest");
		fdt_property_string(blob, "compatible", "veneer,guest");
		for (unsigned k = 0; k < prop; k++)
			fdt_property_u32(blob, "veneer,cpus", 2 + k);
		fdt_end_node(blob);
	}
	fdt_begin_node(blob, "policy");
	fdt_property_string(blob, "compatible", "veneer,policy");
	for (unsigned i = 0; i < 2; i++) {
		fdt_begin_node(blob, i ? rule_name : "r@1");
		fdt_property_string(blob, "veneer,serial", i ? "A" : "B");
		fdt_end_node(blob);
	}
	fdt_end_node(blob);
	fdt_end_node(blob);
	CHECK_EQ(fdt_finish(blob), 0);
	blob_size = fdt_totalsize(blob);
	host_log_clear();
	config_default(&c);
	return config_parse(&c, blob, blob_size);
}

TEST(nothing_twice)
{
	OK(made_by_hand(1, 1, "r"));
	OK(made_by_hand(1, 1, "r@2"));
	REFUSED(made_by_hand(2, 1, "r"), "config: node \"guest\" is there twice: expected once");
	REFUSED(made_by_hand(1, 2, "r"), "config: /guest: veneer,cpus = <3>: expected the property once in this node");
	REFUSED(made_by_hand(1, 1, "r@1"), "config: node \"r@1\" is there twice");
	REFUSED(root("__symbol__ { };"), "unknown node /__symbol__");
}

#define DISK	"veneer,serial = \"A\"; "

TEST(windows)
{
	OK(rule(DISK "veneer,window = <1 0x800 0 0x1000>;"));
	CHECK_EQ(c.rule[0].window, WINDOW_BLOCKS);
	CHECK_EQ(c.rule[0].window_first, 0x100000800);
	CHECK_EQ(c.rule[0].window_blocks, 0x1000);
	OK(rule(DISK "veneer,window = /bits/ 64 <2048 4096>;"));
	CHECK_EQ(c.rule[0].window_first, 2048);
	/* The last block number; the next would wrap. */
	OK(rule(DISK "veneer,window = /bits/ 64 <0xfffffffffffffff0 16>;"));
	REFUSED(rule(DISK "veneer,window = /bits/ 64 <0xfffffffffffffff0 17>;"),
		"veneer,window = <4294967295 4294967280 0 17>: expected <");
	OK(rule(DISK "veneer,window = /bits/ 64 <1 0xffffffffffffffff>; veneer,writable;"));
	REFUSED(rule(DISK "veneer,window = /bits/ 64 <5 0>;"), "the count not 0");
	REFUSED(rule(DISK "veneer,window = <5 6>;"), "expected <first-high first-low count-high count-low>");
	OK(rule(DISK "veneer,partition = <3>;"));
	CHECK(c.rule[0].window == WINDOW_NUMBER && c.rule[0].partition == 3);
	OK(rule(DISK "veneer,partition = \"PARTUUID=a3a2a1a0-a5a4-a7a6-a8a9-aaabacadaeaf\";"));
	CHECK(c.rule[0].window == WINDOW_UUID && !strcmp(c.rule[0].part_name, "a3a2a1a0-a5a4-a7a6-a8a9-aaabacadaeaf"));
	OK(rule(DISK "veneer,partition = \"PARTLABEL=root of the test\";"));
	CHECK(c.rule[0].window == WINDOW_LABEL && !strcmp(c.rule[0].part_name, "root of the test"));
	REFUSED(rule(DISK "veneer,partition = <0>;"), "veneer,partition = <0>: expected a number");
	REFUSED(rule(DISK "veneer,partition = \"root\";"), "veneer,partition = \"root\": expected a number");
	REFUSED(rule(DISK "veneer,partition = \"PARTLABEL=\";"), "expected a number");
	OK(rule(DISK "veneer,partition = \"PARTUUID=DEADBEEF-0a\";"));
	OK(rule(DISK "veneer,partition = \"PARTLABEL=123456789012345678901234567890123456\";"));
	/* Names that no partition can have. */
	static const char *const name[] = {
		"PARTLABEL=1234567890123456789012345678901234567", "PARTUUID=deadbeef", "PARTUUID=deadbeef-0",
		"PARTUUID=deadbeef-012", "PARTUUID=a3a2a1a0-a5a4-a7a6-a8a9-aaabacadaea", "PARTUUID=",
		"PARTUUID=a3a2a1a0-a5a4-a7a6-a8a9-aaabacadaeaf0", "PARTUUID=g3a2a1a0-a5a4-a7a6-a8a9-aaabacadaeaf",
		"UUID=1234-5678", "LABEL=x", "PARTLABEL",
	};
	for (unsigned i = 0; i < ARRAY_SIZE(name); i++) {
		char line[100];
		snprintf(line, sizeof(line), DISK "veneer,partition = \"%s\";", name[i]);
		REFUSED(rule(line), "expected a number, <1> to <1024>, \"PARTUUID=...\" with all digits");
	}
	REFUSED(rule(DISK "veneer,partition = <1>; veneer,window = <0 1 0 1>;"), "not both");
	REFUSED(rule("veneer,pci-class = <0x020000 0xff0000>; veneer,partition = <1>;"), "for class 02, network cards");
	REFUSED(rule("veneer,pci-class = <0x020000 0xffffff>; veneer,writable;"), "for class 02, network cards");
	REFUSED(rule("veneer,pci-class = <0x010601 0xffffff>; local-mac-address = [02 00 00 00 00 01];"),
		"for class 01, disk controllers");
	/* With the action "leave" the guest would own the whole disk. */
	REFUSED(rule("veneer,pci-id = <1 2>; veneer,partition = <1>; veneer,action = \"leave\";"),
		"whose controller is left to the guest");
	REFUSED(policy("veneer,default = \"leave\"; r { veneer,pci-id = <1 2>; veneer,partition = <1>; };"),
		"is left to the guest");
	OK(policy("veneer,default = \"leave\";"
		  "r { veneer,pci-id = <1 2>; veneer,partition = <1>; veneer,action = \"conceal\"; };"));
	REFUSED(rule("veneer,pci-id = <1 2>; veneer,partition = <1>; local-mac-address = [02 00 00 00 00 01];"),
		"local-mac-address");
}

/* Build a configuration with the property under test; @node as in config_nodes. */
static int with_property(unsigned node, const char *text)
{
	char s[512];
	bool match = strstr(text, "veneer,bdf") || strstr(text, "veneer,pci") || strstr(text, "veneer,serial");

	switch (node) {
	case NODE_ROOT:
		return root(text);
	case NODE_CHOSEN:
		return chosen(text);
	case NODE_POLICY:
		return policy(text);
	case NODE_RULE:
		snprintf(s, sizeof(s), "%s %s", match ? "" : "veneer,pci-id = <1 2>;", text);
		return rule(s);
	default:
		return guest(text);
	}
}

/* Each row of the table: the example is accepted, another value is refused with the row's text. */
TEST(the_table_holds_what_it_says)
{
	char text[256], values[200], line[300];
	unsigned rows = 0;

	for (unsigned node = 0; node < CONFIG_NODES; node++) {
		for (const struct prop *k = config_nodes[node].props; k->name; k++, rows++) {
			CHECK(k->set && k->doc && *k->doc->help && k->doc->standard && !k->expected == !!k->words);
			if (k->required)
				continue;
			snprintf(text, sizeof(text), k->doc->example ? "%s = %s;" : "%s;", k->name, k->doc->example);
			OK(with_property(node, text));
			config_values(k, values, sizeof(values));
			CHECK(*values && strlen(values) < sizeof(values) - 1);
			if (!strcmp(values, "any value"))
				continue;
			snprintf(text, sizeof(text), "%s = [01 02 03];", k->name);
			snprintf(line, sizeof(line), "%s = [01 02 03]: expected %s", k->name, values);
			REFUSED(with_property(node, text), line);
		}
	}
	CHECK(rows > 25);
}

/* Properties of network cards are refused in rules for disks, and vice versa, by the table. */
TEST(what_is_of_a_card_in_a_rule_for_disks)
{
	static const char mac[] = "local-mac-address = [02 00 00 12 34 56];";
	char text[256];

	for (const struct prop *k = config_nodes[NODE_RULE].props; k->name; k++) {
		if (k->of != PROP_DISK || k->match)
			continue;
		snprintf(text, sizeof(text), k->doc->example ? "%s %s = %s;" : "%s %s;",
			 "veneer,pci-class = <0x020000 0xff0000>;", k->name, k->doc->example);
		REFUSED(rule(text), "concerns a disk; the rule is for class 02, network cards; expected class 01");
		snprintf(text, sizeof(text), k->doc->example ? "%s %s %s = %s;" : "%s %s %s;", "veneer,pci-id = <1 2>;", mac,
			 k->name, k->doc->example);
		REFUSED(rule(text), "/policy/r: local-mac-address concerns a network card, veneer,");
	}
	REFUSED(rule("veneer,pci-class = <0x010000 0xff0000>; local-mac-address = [02 00 00 12 34 56];"),
		"local-mac-address concerns a network card; the rule is for class 01, disk controllers; expected class 02");
	/* A rule for all classes may have both kinds, but not a partition or window. */
	OK(rule("veneer,pci-class = <0 1>; veneer,writable; local-mac-address = [02 00 00 12 34 56];"));
	REFUSED(rule("veneer,pci-class = <0 1>; veneer,writable; veneer,partition = <3>; veneer,timeout-ms = <5000>;"
		     "local-mac-address = [02 00 00 12 34 56];"), "veneer,partition concerns a disk");
}

TEST_MAIN
