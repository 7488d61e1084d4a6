/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds out why a VMRUN failed, by repeating the checks of APM vol. 2, 15.5.1.  The processor does not tell. */
#include <veneer/log.h>
#include "hv/svm/svm.h"

/* The bits that are reserved on every processor; further ones depend on the processor. */
#define CR4_RESERVED	(GENMASK64(63, 25) | BIT64(19) | BIT64(15) | BIT64(14) | BIT64(13))
#define EFER_RESERVED	(GENMASK64(63, 22) | GENMASK64(19, 16) | BIT64(9) | GENMASK64(7, 1))
#define HIGH_HALF	GENMASK64(63, 32)

static unsigned say_broken(bool bad, const char *what, uint64_t value)
{
	if (bad)
		log_err("svm: guest %s (%#lx)", what, value);
	return bad;
}

static bool long_paging(const struct vmcb *c)
{
	return (c->efer & EFER_LME) && (c->cr0 & CR0_PG);
}

void svm_explain(const struct vmcb *c)
{
	unsigned n = 0;

	log_err("svm: the VM entry failed");
	n += say_broken(!(c->efer & EFER_SVME), "EFER.SVME is 0", c->efer);
	n += say_broken(c->efer & EFER_RESERVED, "EFER has reserved bits", c->efer);
	n += say_broken((c->cr0 & CR0_NW) && !(c->cr0 & CR0_CD), "CR0.NW is 1 and CR0.CD is 0", c->cr0);
	n += say_broken(c->cr0 & HIGH_HALF, "CR0 has bits above 31", c->cr0);
	n += say_broken(c->cr4 & CR4_RESERVED, "CR4 has reserved bits", c->cr4);
	n += say_broken(c->dr6 & HIGH_HALF, "DR6 has bits above 31", c->dr6);
	n += say_broken(c->dr7 & HIGH_HALF, "DR7 has bits above 31", c->dr7);
	n += say_broken(long_paging(c) && !(c->cr4 & CR4_PAE), "has long mode and paging without CR4.PAE", c->cr4);
	n += say_broken(long_paging(c) && !(c->cr0 & CR0_PE), "has long mode and paging without CR0.PE", c->cr0);
	n += say_broken(long_paging(c) && (c->cr4 & CR4_PAE) && (c->cs.attr & SEG_ATTR_L) && (c->cs.attr & SEG_ATTR_DB),
		 "CS is 64-bit and 32-bit code at once", c->cs.attr);
	if (!n)
		log_err("svm: no rule is broken (CR0 %#lx CR4 %#lx EFER %#lx event %#lx intercepts %#x %#x), or it is a bit "
			"that the emulator does not know", c->cr0, c->cr4, c->efer, c->eventinj, c->intercept1,
			c->intercept2);
}
