/* SPDX-License-Identifier: BSD-2-Clause */
/* What the pieces of SVM share. */
#ifndef HV_SVM_H
#define HV_SVM_H

#include <veneer/vcpu.h>
#include "hv/cpu/svm_regs.h"

/* --- svm_msr.c --- */

/* Bits of the permission map for what a guest must not read or write. */
void svm_msr_policy(uint8_t *map);
void svm_msr_trap(uint8_t *map, uint32_t msr, bool read, bool write);
bool svm_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value);
bool svm_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value);

#endif
