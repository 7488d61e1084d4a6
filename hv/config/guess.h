/* SPDX-License-Identifier: BSD-2-Clause */
/* The known word that is most like an unknown one: no more than a third of it is different. */
#ifndef HV_GUESS_H
#define HV_GUESS_H

#include <veneer/types.h>

struct guess {
	const char *word;	/* the caller's */
	const char *best;	/* NULL as long as none is like it */
	unsigned distance;
};

/* Look at one known word. */
void guess_try(struct guess *g, const char *known);

#endif
