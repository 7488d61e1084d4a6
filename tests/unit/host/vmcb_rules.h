/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks that VMRUN makes of a VMCB (APM vol. 2, 15.5.1 and 15.20), for the tests. */
#ifndef HOST_VMCB_RULES_H
#define HOST_VMCB_RULES_H

#include "hv/svm/svm_regs.h"

/* Return the first rule, with its section, that @c breaks on a processor with @phys_bits physical address bits; NULL: none. */
const char *vmcb_rule_broken(const struct vmcb *c, unsigned phys_bits);

#endif
