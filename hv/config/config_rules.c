/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the configuration's rule for a device or a disk. conceal/ carries the rule out. */
#include <veneer/string.h>
#include "hv/config/config_props.h"

const char *config_trim(const char *s, size_t *len)
{
	while (*s == ' ')
		s++;
	for (*len = strlen(s); *len && s[*len - 1] == ' '; (*len)--)
		;
	return s;
}

bool config_same_serial(const char *wanted, const char *serial)
{
	size_t len;

	serial = config_trim(serial, &len);
	return len && len == strlen(wanted) && !memcmp(serial, wanted, len);
}

static bool matches(const struct config_rule *r, const struct pci_dev *pci, const char *serial)
{
	switch (r->match) {
	case MATCH_BDF:
		return r->bdf == pci->bdf;
	case MATCH_SERIAL:
		return serial && config_same_serial(r->serial, serial);
	case MATCH_ID:
		return r->vendor == pci->vendor && r->device == pci->device;
	case MATCH_CLASS:
		return (pci->class_code & r->class_mask) == r->class_code;
	}
	return false;
}

static unsigned bits(uint32_t v)
{
	unsigned n = 0;

	for (; v; v &= v - 1)
		n++;
	return n;
}

/* True if @a is stronger than @b: by its kind of match, among rules by class by the number of mask bits. */
static bool stronger(const struct config_rule *a, const struct config_rule *b)
{
	if (a->match != b->match)
		return a->match < b->match;
	return a->match == MATCH_CLASS && bits(a->class_mask) > bits(b->class_mask);
}

/* Find the strongest rule that matches.  Mark every rule that matches as used, weaker ones, too. */
static struct config_rule *find_rule(struct config *c, const struct pci_dev *pci, const char *serial)
{
	struct config_rule *best = NULL;

	for (unsigned i = 0; i < c->nrules; i++) {
		struct config_rule *r = &c->rule[i];

		if (!matches(r, pci, serial))
			continue;
		r->used = true;
		if (!best || stronger(r, best))
			best = r;
	}
	return best;
}

struct config_rule *config_find_dev(struct config *c, const struct pci_dev *pci)
{
	return find_rule(c, pci, NULL);
}

struct config_rule *config_find_disk(struct config *c, const struct pci_dev *pci, const char *serial)
{
	return find_rule(c, pci, serial);
}
