/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second opinion on what is hidden, for builds with CONFIG_GHOST: a plain list of ranges, and from whom each is hidden, made
 * from what there is to hide, not from the calls that hide it.
 */
#ifndef HV_GHOST_H
#define HV_GHOST_H

#include <veneer/types.h>

/*
 * Make the list, check it, and check it again from now on after each change of the nested tables, the I/O bitmap and the table
 * of PCI functions, while no processor runs the guest (guest_resume()).  What does not agree is a panic that names the place.
 * When all is hidden and the guest has not run yet.  Start only.
 */
void ghost_begin(void);

/* The check. */
void ghost_check(void);

#endif
