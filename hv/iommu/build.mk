# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/iommu/iommu.o
obj-y += hv/iommu/dmar.o
obj-y += hv/iommu/ivrs.o
