/* SPDX-License-Identifier: BSD-2-Clause */
/* Nested page tables: what the guest's physical addresses show. */
#ifndef HV_NESTED_H
#define HV_NESTED_H

#include <veneer/types.h>

struct boot_info;
struct pt_format;

/* Identity-map everything but Veneer's own range.  @format and the use of 1 GiB pages are the vendor's. */
int nested_init(const struct boot_info *b, const struct pt_format *format, bool pages_1g);
uint64_t nested_root(void);

/*
 * Set the functions that keep every processor out of the guest while the tables change, and afterwards make each processor
 * flush its cached translations.  Until they are set no processor runs the guest.
 */
void nested_pause_by(void (*pause)(void), void (*resume)(void));

/*
 * Hide [gpa, gpa + size) from the guest, or show the range again; make it read-only, or writable again.  No processor runs the
 * guest meanwhile, and each flushes before it runs the guest again (hv/cpu/cpus.h).  0 or -ERR_NOMEM.
 */
int nested_hide(uint64_t gpa, uint64_t size);
int nested_show(uint64_t gpa, uint64_t size);
int nested_readonly(uint64_t gpa, uint64_t size);
int nested_writable(uint64_t gpa, uint64_t size);
bool nested_is_hidden(uint64_t gpa);

/*
 * CONFIG_STATE: begin any number of changes and looks, which this processor makes, and end them.  No other processor runs the
 * guest between these two, nor changes or looks; and the calls above pause no more.
 */
void nested_hold(void);
void nested_let_go(void);

/*
 * Let all of [gpa, gpa + size), 4 KiB aligned, show one page of ones: reads do not exit, writes do.  The range counts as
 * hidden; the calls above, and those further below, no longer change it.  nested_ones_page() sets one page of the range: the
 * machine's own, read-only (PAGE_OWN); absent, so that each access exits (PAGE_TRAPPED); or ones again.  Start only.  0 or
 * -ERR_NOMEM after a log line.
 */
enum ones_page { PAGE_ONES, PAGE_OWN, PAGE_TRAPPED };
int nested_ones(uint64_t gpa, uint64_t size);
int nested_ones_page(uint64_t gpa, enum ones_page what);

/* Handle a guest's write to a hidden address: no effect.  The first write to Veneer's own memory has a line in the log. */
void nested_stray_write(uint64_t gpa);

/* Map memory above the RAM on first use; hidden ranges in the same block stay hidden.  0, or -ERR_NOMEM. */
int nested_map_on_demand(uint64_t gpa);

/* After a change of memory types: give all mapped memory its new type, with smaller pages if necessary. */
void nested_retype(void);

#endif
