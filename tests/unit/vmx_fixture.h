/* SPDX-License-Identifier: BSD-2-Clause */
/* A processor for tests that include hv/vmx/vmx.c: the VMCS is an array, and what vmx.c calls around an entry does nothing. */
#ifndef VMX_FIXTURE_H
#define VMX_FIXTURE_H

#include <veneer/types.h>

struct vcpu;

static uint64_t vmcs[0x7000];

uint64_t vmcs_read(uint32_t field) { return vmcs[field]; }
void vmcs_write(uint32_t field, uint64_t v) { vmcs[field] = v; }
bool vmx_on(uint64_t region) { return true; }
void vmx_off(void) { }
bool vmcs_clear(uint64_t p) { return true; }
bool vmcs_load(uint64_t p) { return true; }
void invept_all(void) { }
void invvpid_all(void) { }
void vmx_msr_policy(uint8_t *bitmap) { }
void vmx_msr_trap(uint8_t *bitmap, uint32_t msr, bool read, bool write) { }
bool vmx_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value) { return false; }
bool vmx_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value) { return false; }
void trap_set_io_bitmap(uint8_t *bitmap) { }
uint64_t time_cycles(uint32_t us) { return us; }
void host_sleep(const volatile uint32_t *wake) { }
int intr_acknowledge(void) { return -1; }
const char vmx_exited[1], vmx_window[1], vmx_window_end[1], vmx_window_left[1];

#endif
