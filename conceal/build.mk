obj-y += conceal/conceal.o
obj-y += conceal/classify.o
obj-y += conceal/hide.o
