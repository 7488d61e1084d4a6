/* SPDX-License-Identifier: BSD-2-Clause */
/* The families, for their tables in *_pci.c. */
#ifndef E1000_H
#define E1000_H

#include "intel.h"

extern const struct intel_family e1000_family;
extern const struct intel_family e1000e_family;
extern const struct intel_family igb_family;

#endif
