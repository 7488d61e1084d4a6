# SPDX-License-Identifier: BSD-2-Clause
vmx-check := $(if $(filter yy,$(CONFIG_VMX)$(CONFIG_VMX_CHECK)),y,n)
vmx-no-check := $(if $(filter y,$(CONFIG_VMX)),$(if $(filter y,$(vmx-check)),n,y),n)

obj-$(CONFIG_VMX) += hv/vmx/vmx.o
obj-$(CONFIG_VMX) += hv/vmx/vmx_caps.o
obj-$(vmx-check) += hv/vmx/vmx_check.o
obj-$(vmx-no-check) += hv/vmx/vmx_no_check.o
obj-$(CONFIG_VMX) += hv/vmx/vmx_entry.o
obj-$(CONFIG_VMX) += hv/vmx/vmx_event.o
obj-$(CONFIG_VMX) += hv/vmx/vmx_msr.o
obj-$(if $(filter y,$(CONFIG_VMX)),$(CONFIG_STATE)) += hv/vmx/vmx_state.o
obj-$(CONFIG_VMX) += hv/vmx/vmx_task.o
obj-$(CONFIG_VMX) += hv/vmx/vmx_vmcs.o
