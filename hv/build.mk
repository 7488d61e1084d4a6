obj-y += hv/string.o
obj-y += hv/fmt.o
