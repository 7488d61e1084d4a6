/* SPDX-License-Identifier: BSD-2-Clause */
/* The section of a guest's processor (docs/state-format.md), and its part of <veneer/state.h>. */
#ifndef HV_EXIT_CPU_STATE_H
#define HV_EXIT_CPU_STATE_H

#include "hv/cpu/vcpu.h"
#include "hv/state/live.h"
#include "hv/state/vcpu_state.h"

#define CPU_IMAGE_VERSION	1u
#define CPU_LIVE_MSRS		15u

/* cpu_image.run */
#define CPU_IMAGE_RUNS		0u
#define CPU_IMAGE_WAITS		1u	/* for a SIPI */

/* cpu_image.asked: what other processors have asked of this one, and it has not done yet */
#define CPU_ASKED_INIT		BIT(0)
#define CPU_ASKED_NMI		BIT(1)
#define CPU_ASKED_SIPI		BIT(2)

/* Plain data; behind it are @vector bytes, the area of XSAVE. */
struct cpu_image {
	uint32_t vendor;		/* vcpu_state_ops.id */
	uint32_t apic_id;
	uint32_t run;
	uint32_t asked, sipi;		/* sipi: the vector of CPU_ASKED_SIPI */
	uint32_t started;		/* 1: it has run since the reset */
	uint64_t tsc;			/* as the guest would read it at the rest */
	uint64_t tsc_adjust;
	uint64_t dr[4];
	uint64_t xcr0;
	uint64_t has;			/* BIT(i): the processor has live[i] */
	uint64_t live[CPU_LIVE_MSRS];	/* by the table in cpu_state.c */
	uint32_t whole;			/* 0: it waits for a real SIPI, and all below is 0 */
	uint32_t vector;
	struct vcpu_regs regs;
	struct vcpu_more more;
};

/* Make each of the guest's processors a part; once all are known.  Start only.  Negative if out of memory. */
int state_cpus_keep(void);

#endif
