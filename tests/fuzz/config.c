/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/config/config.c hv/config/config_props.c hv/config/config_rules.c hv/config/guess.c hv/lib/fmt.c */
/* sources: tests/fuzz/lib/fuzz.c */
/* libs: -lfdt */
/* quick: 40000 */
/* The configuration blob, as a file that the boot loader loaded; and the rules of what was accepted, asked for devices. */
#include <veneer/config.h>
#include <veneer/err.h>
#include "tests/fuzz/fuzz.h"

static struct config c;

static void ask(void)
{
	struct pci_dev dev = { .bdf = 0x00fe, .vendor = 0x8086, .device = 0x10d3, .class_code = 0x020000 };

	for (unsigned i = 0; i < c.nrules; i++) {
		struct config_rule *r = &c.rule[i];

		CHECK(strnlen(r->node, sizeof(r->node)) < sizeof(r->node));
		CHECK(strnlen(r->serial, sizeof(r->serial)) < sizeof(r->serial));
		CHECK(strnlen(r->part_name, sizeof(r->part_name)) < sizeof(r->part_name));
		CHECK(!r->has_slot || (r->slot && r->slot < 32));
		CHECK(r->window != WINDOW_BLOCKS || r->window_first + r->window_blocks >= r->window_first);
		dev.bdf = r->bdf;
		config_find_dev(&c, &dev);
		dev.vendor = r->vendor;
		dev.device = r->device;
		config_find_dev(&c, &dev);
		config_find_disk(&c, &dev, r->serial);
	}
	config_find_dev(&c, &dev);
	config_find_disk(&c, &dev, "  QM00001 ");
}

static void fuzz(void)
{
	size_t size;
	const uint8_t *blob = fuzz_rest(&size);

	config_default(&c);
	if (config_parse(&c, blob, size)) {
		CHECK(host_log_has("config"));
		return;
	}
	CHECK(c.nrules <= CONFIG_MAX_RULES);
	CHECK(strnlen(c.bootargs, sizeof(c.bootargs)) < sizeof(c.bootargs));
	CHECK(strnlen(c.boot_disk, sizeof(c.boot_disk)) < sizeof(c.boot_disk));
	CHECK(strnlen(c.own_partition, sizeof(c.own_partition)) < sizeof(c.own_partition));
	ask();
	config_end_start(&c);
}

FUZZ(fuzz)
