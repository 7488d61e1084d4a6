/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All parts of <veneer/state.h> together, as one piece of data.
 *
 * The order: state_gather() (hv/smp/gather.h); state_hold(); trap_hold() (hv/dev/trap.h); state_rest(); state_save() or
 * state_load(), any number of times; state_go_on(); trap_let_go(); state_let_go(); state_scatter().
 *
 * The gathered processors are between two exits.  A polling core that is not the guest's goes on: what it does to a part it
 * does as the part's owner, and waits for state_let_go().  trap_hold() lets a load move what is trapped.
 */
#ifndef HV_STATE_H
#define HV_STATE_H

#include <veneer/state.h>

/*
 * Take the ownership of all parts, which the caller must not have, and end it; then what was posted meanwhile runs.  One
 * processor at a time.  Before trap_hold(), which an owner may be waiting for.
 */
void state_hold(void);
void state_let_go(void);

/* Bring all parts to rest, in @us microseconds for each; let them go on. */
void state_rest(uint32_t us);
void state_go_on(void);

/* The host's TSC at the last state_rest(): the moment to which the times in a state refer. */
uint64_t state_tsc(void);

/*
 * The TSC cycles by which all time bases have moved on between the state's moment and this machine's state_rest(): 0 after
 * state_rest(), and in place.  Set before state_load().
 */
void state_set_delta(uint64_t cycles);
uint64_t state_delta(void);
/* The TSC cycles from the state's moment until now. */
uint64_t state_age(void);

/* The bytes that state_save() writes. */
uint64_t state_size(void);

/* Save all parts, which are at rest, to state_size() bytes at @to, which is aligned to 16. */
void state_save(void *to);

/*
 * Load all parts, which are at rest, from @len bytes at @from, which is aligned to 16.  0, or -ERR_INVAL with a log line that
 * names what is wrong; nothing has changed then.
 */
int state_load(const void *from, uint64_t len);

/* As state_load(), but nothing is loaded, and the guest's RAM is not yet the state's: it is not looked at. */
int state_check(const void *from, uint64_t len);

/* For the test: let all parts, which are at rest, forget what state_load() has to set. */
void state_scribble(void);

/* hook.c (CONFIG_STATE_TEST): after an exit; each CONFIG_STATE_TEST_EVERY times: save, load, compare. */
struct vmexit;
void state_test_start(void);
void state_test(const struct vmexit *x);

#endif
