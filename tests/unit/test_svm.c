/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/svm/svm.c hv/svm/svm_msr.c hv/svm/svm_nmi.c hv/svm/svm_check.c hv/cpu/msr.c tests/unit/host/cpu.c */
/* What of SVM can be asked without an entry into a guest. */
#include "host/cpu.h"
#include "host/host.h"
#include "hv/cpu/entry.h"
#include "hv/dev/trap.h"
#include "hv/emul/walk.h"
#include "hv/mem/ptree.h"
#include "hv/svm/svm.h"

/* What svm.c calls around an entry, of which there is none here. */
void svm_enter(uint64_t gpr[GPR_COUNT], uint64_t vmcb, uint64_t host);
void svm_enter(uint64_t gpr[GPR_COUNT], uint64_t vmcb, uint64_t host) { }
void host_sleep(const volatile uint32_t *wake) { }
int intr_acknowledge(void) { return -1; }
void trap_set_io_bitmap(uint8_t *map) { }
unsigned guest_read_code(const struct vcpu_regs *r, void *buf, unsigned len) { return 0; }
const struct pt_format pt_format_x86;

/* R_INIT is kept by KVM, too, which resets a processor at INIT all the same. */
TEST(init_is_safe_on_silicon_that_keeps_the_bit)
{
	static const struct { uint32_t ecx; uint64_t vm_cr; bool safe; } c[] = {
		{ 0, VM_CR_R_INIT, true }, { 0, 0, false },
		{ CPUID_HYPERVISOR, VM_CR_R_INIT, false }, { CPUID_HYPERVISOR, 0, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
		host_cpuid_set(1, (struct cpuid_regs){ .ecx = c[i].ecx });
		host_msr_set(MSR_VM_CR, c[i].vm_cr);
		CHECK_EQ(svm_ops.init_is_safe(), c[i].safe);
	}
}

TEST_MAIN
