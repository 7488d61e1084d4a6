/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Error codes.  Functions that can fail return 0 (or a count) on success and the negated code on failure:
 * "return -ERR_TIMEOUT;".  The names are ours so that host tests can include <errno.h> beside them.
 */
#ifndef VENEER_ERR_H
#define VENEER_ERR_H

enum veneer_err {
	ERR_IO = 1,		/* the device reported a failure */
	ERR_TIMEOUT,		/* a deadline passed; the failing line names what was awaited */
	ERR_NODEV,		/* no such device, or it went away */
	ERR_NOMEM,		/* the heap or a fixed table is full */
	ERR_INVAL,		/* bad input */
	ERR_BUSY,		/* no room now; try again after the next completion */
	ERR_NOTSUP,		/* this device or this build cannot do it */
	ERR_ROFS,		/* write to something read-only */
	ERR_FAULT,		/* an address outside guest RAM */
	ERR_ABORTED,		/* taken along by a reset, was not at fault itself */
};

/* A short word for a (positive or negative) code, for log lines. */
const char *err_name(int err);

#endif
