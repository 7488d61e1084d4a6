obj-y += hv/dev/acpi.o
obj-y += hv/dev/clock.o
obj-y += hv/dev/counters.o
obj-y += hv/dev/lapic.o
obj-y += hv/dev/pci.o
obj-y += hv/dev/pci_space.o
obj-y += hv/dev/trap.o
obj-y += hv/dev/vpci.o
