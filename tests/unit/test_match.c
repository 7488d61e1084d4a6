/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hw/match.c */
/* Which driver gets a PCI function. */
#include <veneer/hwdev.h>
#include "host/host.h"

static bool wanted;
static bool fits(const struct pci_dev *pci, const struct hw_id *id) { return wanted; }

static const struct hw_id by_revision[] = {
	{ .vendor = 0x1022, .device = 0x2000, .revision_min = 0x10, .revision_max = 0x2f, .model = "middle" },
	{ .vendor = 0x1022, .device = 0x2000, .revision_min = 0x30, .revision_max = 0xff, .model = "new" },
};
static const struct hw_id shared[] = { { .vendor = 0x8086, .device = 0x1229, .model = "shared" } };
static const struct hw_id any[] = {
	{ .vendor = HW_ANY, .device = HW_ANY, .class_code = 0x020000, .class_mask = 0xffffff, .model = "any Ethernet" },
};

static const struct hw_driver revisions = { .name = "revisions", .ids = by_revision, .nids = 2 };
static const struct hw_driver choosy = { .name = "choosy", .ids = shared, .nids = 1, .fits = fits };
static const struct hw_driver generic = { .name = "generic", .ids = any, .nids = 1 };
HW_DRIVER(generic);
HW_DRIVER(revisions);
HW_DRIVER(choosy);

TEST(revisions_have_both_ends)
{
	static const struct { uint8_t revision; const char model; } want[] = {
		{ 0x0f, 0 }, { 0x10, 'm' }, { 0x2f, 'm' }, { 0x30, 'n' }, { 0xff, 'n' },
	};
	const struct hw_id *id;

	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
		struct pci_dev pci = { .vendor = 0x1022, .device = 0x2000, .revision = want[i].revision };
		const struct hw_driver *d = hw_match(&pci, &id);

		CHECK_EQ(d ? id->model[0] : 0, want[i].model);
	}
}

TEST(what_a_driver_refuses_is_nobodys_or_anothers)
{
	struct pci_dev pci = { .vendor = 0x8086, .device = 0x1229 };
	const struct hw_id *id;

	wanted = true;
	CHECK(hw_match(&pci, &id) == &choosy);
	wanted = false;
	CHECK(!hw_match(&pci, &id));
	pci.class_code = 0x020000;
	CHECK(hw_match(&pci, &id) == &generic);
}

TEST_MAIN
