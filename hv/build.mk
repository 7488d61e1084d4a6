# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/main.o hv/vcpu_choose.o
