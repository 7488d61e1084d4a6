/* SPDX-License-Identifier: BSD-2-Clause */
/* Which vendor's virtualization this machine has.  Everything else calls vcpu_ops and knows no vendor. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include "hv/svm/svm.h"
#include "hv/vcpu_choose.h"
#include "hv/vmx/vmx.h"

#define ADVICE		" (see \"Processor\" in make menuconfig)"

/* Named in code, not in a table that this function reads: scripts/segments sees by that that they stay (HACKING.md). */
static bool vendor_fits(const struct vcpu_ops *ops, const char **why)
{
	const char *reason;
	int err = ops->probe(&reason);

	if (!err) {
		vcpu_ops = ops;
		segment_use(ops->run);
	} else if (err != -ERR_NODEV) {
		*why = reason;
	}
	return !err;
}

int vcpu_choose(void)
{
	const char *why = NULL;

	if (IS_ENABLED(CONFIG_SVM) && vendor_fits(&svm_ops, &why))
		return 0;
	if (IS_ENABLED(CONFIG_VMX) && vendor_fits(&vmx_ops, &why))
		return 0;
	log_err("cpu: %s", why ? why : "this processor has no virtualization that this build knows" ADVICE);
	return -ERR_NOTSUP;
}
