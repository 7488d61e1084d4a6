/* SPDX-License-Identifier: BSD-2-Clause */
/* Guesses which known word the user meant by an unknown word. */
#include <veneer/string.h>
#include "hv/config/guess.h"

#define MAX_WORD	40u

/* The Levenshtein distance of two words: insertions, deletions and substitutions of a character. */
static unsigned distance(const char *a, const char *b)
{
	uint8_t row[MAX_WORD + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > MAX_WORD || lb > MAX_WORD)
		return MAX_WORD;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (uint8_t)j;
	for (size_t i = 1; i <= la; i++) {
		uint8_t diagonal = row[0];

		row[0] = (uint8_t)i;
		for (size_t j = 1; j <= lb; j++) {
			uint8_t above = row[j];

			row[j] = MIN(MIN(above, row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[lb];
}

void guess_try(struct guess *g, const char *known)
{
	/* Leave out the prefix: all names share it, and users forget it. */
	const char *prefix = "veneer,", *a = g->word, *b = known;

	if (!strncmp(a, prefix, 7))
		a += 7;
	if (!strncmp(b, prefix, 7))
		b += 7;
	unsigned d = distance(a, b);

	if (d > strlen(b) / 3 || (g->best && d >= g->distance))
		return;
	g->best = known;
	g->distance = d;
}
