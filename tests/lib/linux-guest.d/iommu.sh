# SPDX-License-Identifier: BSD-2-Clause
# Print what this Linux finds out about an IOMMU.
say "tables: $(ls /sys/firmware/acpi/tables | tr '\n' ' ')"
for table in DMAR IVRS; do
	[ ! -e /sys/firmware/acpi/tables/$table ] || fail "there is a table $table"
done
[ -z "$(ls /sys/class/iommu 2>/dev/null)" ] || fail "there is an IOMMU: $(ls /sys/class/iommu)"
if dmesg | grep -iE 'DMAR|AMD-Vi|IVRS|remapping' | grep -vE 'Command line|not available on this system'; then
	fail "the kernel speaks of an IOMMU"
else
	say "ok: the kernel does not speak of an IOMMU"
fi
