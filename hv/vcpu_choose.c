/* SPDX-License-Identifier: BSD-2-Clause */
/* Which vendor's virtualization this machine has.  Everything else calls vcpu_ops and knows no vendor. */
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include "hv/svm/svm.h"
#include "hv/vcpu_choose.h"
#include "hv/vmx/vmx.h"

#define ADVICE		" (see \"Processor\" in make menuconfig)"

int vcpu_choose(void)
{
	static const struct vcpu_ops *const all[] = {
		IS_ENABLED(CONFIG_SVM) ? &svm_ops : NULL,
		IS_ENABLED(CONFIG_VMX) ? &vmx_ops : NULL,
	};
	const char *why = NULL, *reason;

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		int err = all[i] ? all[i]->probe(&reason) : -ERR_NODEV;

		if (!err) {
			vcpu_ops = all[i];
			segment_use(vcpu_ops->run);
			return 0;
		}
		if (err != -ERR_NODEV)
			why = reason;
	}
	log_err("cpu: %s", why ? why : "this processor has no virtualization that this build knows" ADVICE);
	return -ERR_NOTSUP;
}
