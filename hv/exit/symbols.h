/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest kernel's function names, for the report on a crash.  The kernel's file is the guest's memory once it runs, so what
 * is needed of its symbol table is copied into Veneer's heap when it is loaded.
 */
#ifndef HV_SYMBOLS_H
#define HV_SYMBOLS_H

#include "hv/load/elf.h"

/*
 * Copy the names and addresses of the functions of @img, which goes @delta bytes above where it is linked; before the image's
 * own memory is written to.  All or none: none when there is no symbol table, when it is broken, or when more than
 * SYMBOLS_MAX bytes would be needed (a line says so).
 */
#define SYMBOLS_MAX	(256u << 10)
void symbols_keep(const struct guest_image *img, const struct kernel_layout *k, uint64_t delta);

/*
 * The function that @addr lies in, its place in it in *@offset; NULL when unknown.  @addr may be an address as linked, or the
 * physical one of a kernel that has not switched to its high addresses yet.  The name lives on.
 */
const char *symbols_find(uint64_t addr, uint32_t *offset);

#endif
