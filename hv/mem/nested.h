/* SPDX-License-Identifier: BSD-2-Clause */
/* Nested page tables: what the guest's physical addresses show. */
#ifndef HV_NESTED_H
#define HV_NESTED_H

#include <veneer/types.h>

struct boot_info;
struct pt_format;

/* Everything identity-mapped but Veneer's own range.  @format and the use of 1 GiB pages from the vendor. */
int nested_init(const struct boot_info *b, const struct pt_format *format, bool pages_1g);
uint64_t nested_root(void);

/*
 * What keeps every processor out of the guest while the tables change, and makes each drop what it has cached of them
 * afterwards.  Until it is set no processor runs the guest.
 */
void nested_pause_by(void (*pause)(void), void (*resume)(void));

/*
 * Take [gpa, gpa + size) away from the guest, or give it back; make it read-only, or writable again.  No processor runs the
 * guest meanwhile, and each flushes before it does again (hv/cpu/cpus.h).  0 or -ERR_NOMEM.
 */
int nested_hide(uint64_t gpa, uint64_t size);
int nested_show(uint64_t gpa, uint64_t size);
int nested_readonly(uint64_t gpa, uint64_t size);
int nested_writable(uint64_t gpa, uint64_t size);
bool nested_is_hidden(uint64_t gpa);

/*
 * All of [gpa, gpa + size), 4 KiB aligned, shows one page of ones: reads do not exit, writes do.  It counts as hidden, and the
 * calls above and those below change nothing in it any more.  Then one page of it: the machine's own, read-only (PAGE_OWN);
 * absent, so that each access exits (PAGE_TRAPPED); or ones again.  Start only.  0 or -ERR_NOMEM after a log line.
 */
enum ones_page { PAGE_ONES, PAGE_OWN, PAGE_TRAPPED };
int nested_ones(uint64_t gpa, uint64_t size);
int nested_ones_page(uint64_t gpa, enum ones_page what);

/* The guest writes to a hidden address, without effect.  The first write to Veneer's own memory has a line in the log. */
void nested_stray_write(uint64_t gpa);

/* Map what lies beyond the RAM on first use; hidden ranges in the same block stay hidden.  0, or -ERR_NOMEM. */
int nested_map_on_demand(uint64_t gpa);

/* The memory types have changed: all that is mapped gets its new one, in smaller pages where it has to be. */
void nested_retype(void);

#endif
