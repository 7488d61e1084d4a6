# SPDX-License-Identifier: BSD-2-Clause
obj-y += hv/string.o
obj-y += hv/fmt.o
obj-y += hv/console.o
obj-y += hv/log.o
obj-y += hv/main.o
obj-y += hv/owner.o
obj-y += hv/time.o
obj-y += hv/config.o hv/config_props.o hv/config_rules.o
obj-y += hv/guess.o
obj-$(CONFIG_CONSOLE_SCREEN) += hv/fbcon.o hv/font.o

# "Fixed" of the X Window System, which is in the public domain.
FONT := /usr/share/consolefonts/Lat15-Fixed16.psf.gz

$(BUILD)/hv/font.c: $(wildcard $(FONT)) scripts/psf-to-c
	@mkdir -p $(@D)
	scripts/psf-to-c $(FONT) >$@

$(BUILD)/hv/font.o: $(BUILD)/hv/font.c $(BUILD)/autoconf.h $(BUILD)/flags
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
