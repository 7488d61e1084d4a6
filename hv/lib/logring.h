/* SPDX-License-Identifier: BSD-2-Clause */
/* hv's side of <veneer/log.h>: the level of the console, and the ring of all lines. */
#ifndef HV_LOGRING_H
#define HV_LOGRING_H

#include <veneer/log.h>

/* Lines of @level and more important ones go to the console. */
void log_set_level(enum log_level level);

/* From here on the guest runs: only errors go to the console. */
void log_guest_runs(void);

/* Copy the ring from @off on; returns the bytes copied. */
size_t log_read(size_t off, char *buf, size_t size);

#endif
