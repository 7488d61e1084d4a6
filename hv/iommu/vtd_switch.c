/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-d's command register: used to switch firmware's translation off (iommu.c), and Veneer's on (vtd.c). */
#include <veneer/err.h>
#include <veneer/io.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/iommu/confine.h"
#include "hv/iommu/iommu_regs.h"

int vtd_switch(unsigned n, const struct iommu_unit *u, uint32_t bit, bool on, const char *what)
{
	uint32_t gsts = mmio_read32(iommu_reg(u, VTD_GSTS)), want = on ? bit : 0;

	/* One bit of the command register at a time, with the status of the others (11.4.4.1). */
	mmio_write32(iommu_reg(u, VTD_GCMD), (gsts & VTD_GCMD_KEEP & ~bit) | want);
	/* The flush of the write buffer is over when its bit falls. */
	if (bit == VTD_WBF)
		want = 0;
	if (wait_until(((gsts = mmio_read32(iommu_reg(u, VTD_GSTS))) & bit) == want, DMA_WAIT_US))
		return 0;
	log_err("iommu%u: %s is still %s %u ms after it was switched %s (GSTS %#x)", n, what, on ? "off" : "on",
		DMA_WAIT_US / 1000, on ? "on" : "off", gsts);
	return -ERR_TIMEOUT;
}
