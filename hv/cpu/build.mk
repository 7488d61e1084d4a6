obj-y += hv/cpu/entry.o
obj-y += hv/cpu/idt.o
obj-y += hv/cpu/decode.o
obj-y += hv/cpu/emulate.o
