# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/lib/counters.o
obj-y += hv/lib/string.o
obj-y += hv/lib/fmt.o
obj-y += hv/lib/console.o
obj-y += hv/lib/log.o
obj-y += hv/lib/panic.o
obj-y += hv/lib/limit.o
obj-y += hv/lib/time.o
obj-y += hv/lib/sg.o
obj-y += hv/lib/crc32.o
obj-$(CONFIG_CONSOLE_SCREEN) += hv/lib/fbcon.o
obj-$(CONFIG_CONSOLE_SCREEN) += hv/lib/font.o

# "Fixed" of the X Window System, which is in the public domain.
FONT := /usr/share/consolefonts/Lat15-Fixed16.psf.gz

$(BUILD)/hv/lib/font.c: $(wildcard $(FONT)) scripts/psf-to-c
	@mkdir -p $(@D)
	scripts/psf-to-c $(FONT) >$@

$(BUILD)/hv/lib/font.o: $(BUILD)/hv/lib/font.c $(BUILD)/autoconf.h $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
