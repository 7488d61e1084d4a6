/* SPDX-License-Identifier: BSD-2-Clause */
/* Find the known word that is most like an unknown one; at most a third of its characters may differ. */
#ifndef HV_GUESS_H
#define HV_GUESS_H

#include <veneer/types.h>

struct guess {
	const char *word;	/* the caller's */
	const char *best;	/* NULL while no known word is like it */
	unsigned distance;
};

/* Look at one known word. */
void guess_try(struct guess *g, const char *known);

#endif
