# SPDX-License-Identifier: BSD-2-Clause
obj-$(CONFIG_SVM) += hv/svm/svm.o
obj-$(CONFIG_SVM) += hv/svm/svm_check.o
obj-$(CONFIG_SVM) += hv/svm/svm_entry.o
obj-$(CONFIG_SVM) += hv/svm/svm_msr.o
obj-$(CONFIG_SVM) += hv/svm/svm_nmi.o
obj-$(if $(filter y,$(CONFIG_SVM)),$(CONFIG_STATE)) += hv/svm/svm_state.o
