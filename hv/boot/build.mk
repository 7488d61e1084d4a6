obj-y += hv/boot/mbi.o
obj-y += hv/boot/memmap.o
