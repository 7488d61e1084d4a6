/* SPDX-License-Identifier: BSD-2-Clause */
/* Shadows hv/x86.h under the unit tests: what is privileged goes to tests/unit/host/cpu.c, the rest is the real header's. */
#ifndef HOST_HV_X86_H
#define HOST_HV_X86_H

#define cpuid native_cpuid
#define rdmsr native_rdmsr
#define wrmsr native_wrmsr
#define read_cr0 native_read_cr0
#define write_cr0 native_write_cr0
#define write_cr3 native_write_cr3
#define wbinvd native_wbinvd
#define read_cr2 native_read_cr2
#define write_cr2 native_write_cr2
#define read_dr6 native_read_dr6
#define write_dr6 native_write_dr6
#define xsetbv native_xsetbv
#define halt_forever native_halt_forever
#define gs_self native_gs_self
#include "../../../../hv/x86.h"
#undef cpuid
#undef rdmsr
#undef wrmsr
#undef read_cr0
#undef write_cr0
#undef write_cr3
#undef wbinvd
#undef read_cr2
#undef write_cr2
#undef read_dr6
#undef write_dr6
#undef xsetbv
#undef halt_forever
#undef gs_self

struct cpuid_regs cpuid(uint32_t leaf, uint32_t sub);
uint64_t rdmsr(uint32_t msr);
void wrmsr(uint32_t msr, uint64_t v);
uint64_t read_cr0(void);
void write_cr0(uint64_t v);
void write_cr3(uint64_t v);
void wbinvd(void);
uint64_t read_cr2(void);
void write_cr2(uint64_t v);
uint64_t read_dr6(void);
void write_dr6(uint64_t v);
void xsetbv(uint32_t reg, uint64_t v);
NORETURN void halt_forever(void);
void *gs_self(void);

#endif
