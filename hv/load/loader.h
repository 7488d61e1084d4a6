/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest loaders: place the kernel and its modules in guest memory, and set the registers with which the guest's first CPU
 * starts. There is one struct guest_format per boot protocol; the loader tries them in order.
 */
#ifndef HV_LOADER_H
#define HV_LOADER_H

#include <veneer/config.h>
#include "hv/boot/bootinfo.h"
#include "hv/cpu/vcpu.h"

struct guest_image {
	const uint8_t *data;		/* the kernel module, where the boot loader left it */
	uint64_t addr;			/* the same as a physical address */
	uint64_t size;
	const char *cmdline;		/* without the word "kernel" */
	const struct boot_module *const *module;	/* the guest's own further modules */
	unsigned nmodules;
};

struct guest_format {
	const char *name;		/* "multiboot1", "Linux bzImage" */
	enum config_protocol protocol;
	/* True if the image is of this format. */
	bool (*detect)(const struct guest_image *img);
	/*
	 * Load the kernel.  On return the memory of image and modules at their old places belongs to the guest.  @regs
	 * arrives in the 32-bit flat protected-mode state of vcpu_flat32() and may be changed.  0, or negative after a log
	 * line that names what does not fit, and where.
	 */
	int (*load)(const struct guest_image *img, struct boot_info *b, struct vcpu_regs *regs);
};

extern const struct guest_format guest_multiboot1, guest_multiboot2, guest_linux, guest_linux32, guest_pvh, guest_real,
				 guest_limine;

/*
 * Find the kernel among the modules (first word "kernel", else the first of a known format that is not "config"), load it by
 * @c's protocol, with @c's bootargs if the module's line has none.  0, or negative after a log line: no kernel module, a format
 * that is unknown (the line names the known formats and the bytes seen), or a format that is not the protocol's.
 */
int loader_start_guest(struct boot_info *b, const struct config *c, struct vcpu_regs *regs);

/* Return the module with the configuration blob (first word "config"), or NULL. */
const struct boot_module *loader_find_config(const struct boot_info *b);

#endif
