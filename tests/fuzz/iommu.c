/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/iommu/iommu.c hv/iommu/vtd_switch.c hv/iommu/dmar.c hv/iommu/ivrs.c tests/fuzz/lib/fuzz.c */
/* quick: 20000 */
/* The tables of IOMMUs, DMAR and IVRS: the input is one of them, whose end ASan guards. */
#include "tests/fuzz/fuzz.h"
#include "hv/iommu/iommu.h"
#undef TEST_MAIN
#define TEST_MAIN
#include "test_iommu.c"

static void fuzz(void)
{
	uint8_t how = fuzz8();
	size_t size;
	uint8_t *table = fuzz_rest(&size);
	static struct iommu_info got;
	char text[64];

	if (size < 36)
		return;
	memset(&got, 0, sizeof(got));
	if (how & 1)
		dmar_parse(table, (uint32_t)size, &got);
	else
		ivrs_parse(table, (uint32_t)size, &got);
	CHECK(got.nunits <= IOMMU_MAX_UNITS && got.nregions <= IOMMU_MAX_REGIONS && got.nscopes <= IOMMU_MAX_SCOPES);
	for (unsigned i = 0; i < got.nunits; i++) {
		CHECK(got.unit[i].scope + got.unit[i].nscopes <= got.nscopes);
		iommu_describe(&got, got.unit[i].scope, got.unit[i].nscopes, text, sizeof(text));
		CHECK(strlen(text) < sizeof(text));
	}
	for (unsigned i = 0; i < got.nregions; i++) {
		CHECK(got.region[i].scope + got.region[i].nscopes <= got.nscopes);
		CHECK(got.region[i].base <= got.region[i].end);
	}
}

FUZZ(fuzz)
