/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest kernel's function names, for the report on a crash.  The memory of the kernel's file is the guest's once it runs,
 * so the needed part of the symbol table is copied into Veneer's heap when the kernel is loaded.
 */
#ifndef HV_SYMBOLS_H
#define HV_SYMBOLS_H

#include "hv/load/elf.h"

/*
 * Copy the names and addresses of the functions of @img, which is loaded @delta bytes above its link address.  Call before
 * anything writes to the image's own memory.  All or none: none if there is no symbol table, if it is broken, or if it needs
 * more than SYMBOLS_MAX bytes (a line says so).
 */
#define SYMBOLS_MAX	(256u << 10)
void symbols_keep(const struct guest_image *img, const struct kernel_layout *k, uint64_t delta);

/*
 * Return the name of the function that contains @addr, and the offset in the function in *@offset; NULL if unknown.  @addr may
 * be an address as linked, or a physical address, while a kernel has not yet switched to its high addresses.  The name stays
 * valid.
 */
const char *symbols_find(uint64_t addr, uint32_t *offset);

#endif
