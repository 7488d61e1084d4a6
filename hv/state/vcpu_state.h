/* SPDX-License-Identifier: BSD-2-Clause */
/* What struct vcpu_regs does not have of a guest's processor, and the vendors' code that gets and sets it (CONFIG_STATE). */
#ifndef HV_STATE_VCPU_STATE_H
#define HV_STATE_VCPU_STATE_H

#include "hv/cpu/vcpu.h"

/* MSRs that the guest reads and writes without an exit, and that SVM keeps in the VMCB, VMX in the VMCS or in the processor. */
enum vcpu_msr {
	VCPU_KERNEL_GS_BASE, VCPU_STAR, VCPU_LSTAR, VCPU_CSTAR, VCPU_SFMASK, VCPU_SYSENTER_CS, VCPU_SYSENTER_ESP,
	VCPU_SYSENTER_EIP, VCPU_PAT, VCPU_DEBUGCTL, VCPU_S_CET, VCPU_ISST, VCPU_MSRS
};

#define VCPU_BLOCK_STI		BIT(0)	/* the shadow of STI; SVM: of either */
#define VCPU_BLOCK_MOV_SS	BIT(1)
#define VCPU_BLOCK_NMI		BIT(2)

/* Types of vcpu_more.event_type, numbered as both vendors do. */
#define VCPU_TYPE_INTERRUPT	0u	/* has been acknowledged at its controller: it exists nowhere else */
#define VCPU_TYPE_NMI		2u
#define VCPU_TYPE_EXCEPTION	3u

/* Plain data of a state: the format of a section (docs/state-format.md). */
struct vcpu_more {
	uint64_t msr[VCPU_MSRS];
	uint64_t dr6, dr7;
	uint64_t pdpte[4];		/* VMX; SVM: 0 */
	uint64_t pending_db;		/* VMX; SVM: 0 */
	uint64_t ssp;			/* SVM; VMX: 0 */
	uint32_t event_error;
	uint8_t event, event_type, event_vector, event_has_error;	/* to inject at the next entry; event: 1 or 0 */
	uint8_t blocks;			/* VCPU_BLOCK_* */
	uint8_t nmi_wanted;
	uint8_t activity;		/* VMX: 0 active, 1 halted; SVM: 0 */
	uint8_t pad[5];
};

/* Called on the vCPU's own processor, between two runs. */
struct vcpu_state_ops {
	const struct vcpu_ops *of;
	uint32_t id;			/* in the state: 1 SVM, 2 VMX */
	uint8_t blocks, activity;	/* bits, and the largest value, that get() gives */
	uint8_t without;		/* fields that are always 0: */
#define VCPU_WITHOUT_SSP	BIT(0)
#define VCPU_WITHOUT_VMCS	BIT(1)	/* pdpte, pending_db */
	void (*get)(struct vcpu *v, struct vcpu_more *out);	/* fills all of *out */
	void (*set)(struct vcpu *v, const struct vcpu_more *in);	/* after vcpu_ops->set() */
};

extern const struct vcpu_state_ops svm_state_ops, vmx_state_ops;

#endif
