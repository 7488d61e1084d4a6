/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of the polling core (poll.c): which processor, and who hears of it. */
#include <veneer/config.h>
#include <veneer/counters.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/owner.h>
#include "hv/cpu/cpus.h"
#include "hv/cpu/features.h"
#include "hv/smp/poll.h"
#include "hv/smp/smp.h"

/*
 * An idle core spins for nothing; a wake-up costs two exits and some microseconds.  In an emulator the guest or the device may
 * wait that long for a processor of the host's.
 */
#define IDLE_US			2000u
#define IDLE_EMULATED_US	500000u

/* "auto": the last one that is not the guest's, else the last one: the guest starts it last. */
static struct cpu *choose(void)
{
	struct cpu *c = NULL;

	if (config.poll > 0)
		c = (unsigned)config.poll < ncpus ? cpus[config.poll] : NULL;
	for (unsigned i = 1; i < ncpus && config.poll == CONFIG_POLL_AUTO; i++)
		if (cpus[i]->parked && (!c || cpus[i]->state == CPU_ABSENT || c->state != CPU_ABSENT))
			c = cpus[i];
	return c && c->parked ? c : NULL;
}

/* A function of its own: the names stay, and the texts of poll_init() would stay with them. */
static __attribute__((noinline)) void register_counters(void)
{
	counter_register("poll", "begins", &poll.begins);
	counter_register("poll", "ends", &poll.ends);
	counter_register("poll", "found", &poll.found);
	counter_register("poll", "looks", &poll.looks);
}

void poll_init(void)
{
	struct cpu *c = choose();

	if (config.poll == CONFIG_POLL_NEVER)
		return;
	if (!c) {
		log_warn("poll: no processor for it: veneer,poll has no effect");
		return;
	}
	poll.core = c;
	poll.idle_us = features.hypervisor ? IDLE_EMULATED_US : IDLE_US;
	c->polls = true;
	segment_use(poll_run);
	smp_on_idle(poll_run);
	owner_on_traffic(poll_wake);
	register_counters();
	log_info("cpu %u: polls rings and controllers while there is traffic%s", c->index,
		 c->state == CPU_ABSENT ? "" : ", until the guest starts it");
}
