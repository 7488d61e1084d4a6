/* SPDX-License-Identifier: BSD-2-Clause */
/* Choose the kernel among the boot loader's modules, and the protocol that starts it.  The protocols are in load_*.c. */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/log.h>
#include <veneer/string.h>
#include "hv/load/loader.h"

/* Return what follows @word on a module's line, or NULL if the line does not begin with @word. */
static const char *after_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	while (*line == ' ')
		line++;
	if (strncmp(line, word, n) || (line[n] && line[n] != ' '))
		return NULL;
	line += n;
	while (*line == ' ')
		line++;
	return line;
}

const struct boot_module *loader_find_config(const struct boot_info *b)
{
	const struct boot_module *found = NULL;

	for (unsigned i = 0; i < b->nmodules; i++) {
		if (!after_word(b->module[i].cmdline, "config"))
			continue;
		if (found)
			log_warn("boot: module %u is a second \"config\": the guest gets it as a module", i);
		else
			found = &b->module[i];
	}
	return found;
}

/* The formats of this build, preferred first: PVH tells a kernel least.  The last one is used only if configured. */
static const struct guest_format *const formats[] = {
	IS_ENABLED(CONFIG_BOOT_BIOS) ? &guest_real : NULL,	/* has Linux's magic, too */
	IS_ENABLED(CONFIG_BOOT_LINUX) ? &guest_linux : NULL,
	IS_ENABLED(CONFIG_BOOT_LIMINE) ? &guest_limine : NULL,
	IS_ENABLED(CONFIG_BOOT_MULTIBOOT2) ? &guest_multiboot2 : NULL,
	IS_ENABLED(CONFIG_BOOT_MULTIBOOT1) ? &guest_multiboot1 : NULL,
	IS_ENABLED(CONFIG_BOOT_PVH) ? &guest_pvh : NULL,
	IS_ENABLED(CONFIG_BOOT_LINUX) ? &guest_linux32 : NULL,
};

static const struct guest_format *known_format(const struct guest_image *img, enum config_protocol protocol)
{
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
		if (formats[i] && (protocol == PROTOCOL_AUTO || protocol == formats[i]->protocol) && formats[i]->detect(img))
			return formats[i];
	return NULL;
}

static void image_of(const struct boot_module *m, struct guest_image *img)
{
	const uint8_t *p = gmem_ptr(m->addr, m->size);

	img->data = p ? p : (const uint8_t *)(uintptr_t)m->addr;
	img->addr = m->addr;
	img->size = m->size;
}

/* Return the module whose line begins with "kernel", else the first of a known format; NULL after a log line. */
static const struct boot_module *find_kernel(const struct boot_info *b, const struct boot_module *config_module,
					     struct guest_image *img, enum config_protocol protocol)
{
	const struct boot_module *found = NULL;

	for (unsigned i = 0; i < b->nmodules; i++) {
		const char *rest = after_word(b->module[i].cmdline, "kernel");

		if (rest && found)
			log_warn("guest: module %u is a second \"kernel\": the guest gets it as a module", i);
		if (!rest || found)
			continue;
		found = &b->module[i];
		img->cmdline = rest;
		image_of(found, img);
	}
	for (unsigned i = 0; i < b->nmodules && !found; i++) {
		if (&b->module[i] == config_module)
			continue;
		image_of(&b->module[i], img);
		if (!known_format(img, protocol))
			continue;
		found = &b->module[i];
		img->cmdline = found->cmdline;
	}
	if (!found)
		log_err("guest: no kernel: none of the %u modules has a line that begins with \"kernel\" or is a kernel of a "
			"known format", b->nmodules);
	return found;
}

static int unknown_format(const struct guest_image *img, enum config_protocol protocol)
{
	const struct guest_format *other = known_format(img, PROTOCOL_AUTO);
	uint8_t seen[8] = { 0 };

	if (other && protocol != PROTOCOL_AUTO) {
		log_err("guest: the kernel has no header of the protocol that veneer,boot-protocol asks for; \"auto\" would "
			"start it by %s", other->name);
		return -ERR_NOTSUP;
	}
	memcpy(seen, img->data, MIN(img->size, sizeof(seen)));
	log_err("guest: the kernel (%llu bytes, beginning %02x %02x %02x %02x %02x %02x %02x %02x) is of no known format; "
		"this build starts%s%s%s%s%s", (unsigned long long)img->size, seen[0], seen[1], seen[2], seen[3], seen[4],
		seen[5], seen[6], seen[7], IS_ENABLED(CONFIG_BOOT_MULTIBOOT1) ? " [multiboot1]" : "",
		IS_ENABLED(CONFIG_BOOT_MULTIBOOT2) ? " [multiboot2]" : "",
		IS_ENABLED(CONFIG_BOOT_LINUX) ? " [Linux bzImage]" : "", IS_ENABLED(CONFIG_BOOT_PVH) ? " [PVH]" : "",
		IS_ENABLED(CONFIG_BOOT_LIMINE) ? " [Limine]" : "");
	return -ERR_NOTSUP;
}

/* The boot loader places Veneer beside the modules; a module that Veneer covers nevertheless is lost. */
static int check_modules(const struct boot_info *b)
{
	for (unsigned i = 0; i < b->nmodules; i++) {
		const struct boot_module *m = &b->module[i];

		if (m->addr >= b->self_base + b->self_size || m->addr + m->size <= b->self_base)
			continue;
		log_err("guest: module %u at %#llx overlaps Veneer's own memory at %#llx", i, (unsigned long long)m->addr,
			(unsigned long long)b->self_base);
		return -ERR_INVAL;
	}
	return 0;
}

int loader_start_guest(struct boot_info *b, const struct config *c, struct vcpu_regs *regs)
{
	const struct boot_module *config_module = loader_find_config(b), *kernel, *rest[BOOT_MAX_MODULES];
	struct guest_image img = { .module = rest };
	const struct guest_format *format;
	int err = check_modules(b);

	if (err)
		return err;
	kernel = find_kernel(b, config_module, &img, c->protocol);
	if (!kernel)
		return -ERR_INVAL;
	format = known_format(&img, c->protocol);
	if (!format)
		return unknown_format(&img, c->protocol);
	for (unsigned i = 0; i < b->nmodules; i++)
		if (&b->module[i] != kernel && &b->module[i] != config_module)
			rest[img.nmodules++] = &b->module[i];
	if (!*img.cmdline)
		img.cmdline = c->bootargs;
	log_info("guest: %s kernel of %llu bytes, %u modules, command line \"%s\"", format->name,
		 (unsigned long long)img.size, img.nmodules, img.cmdline);
	vcpu_flat32(regs);
	return format->load(&img, b, regs);
}
