/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a guest: the cause of death, the report, then the configured action. */
#include <veneer/config.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/cpu/vcpu.h"
#include "hv/dev/power.h"
#include "hv/exit/crash.h"
#include "hv/cpu/entry.h"
#include "hv/cpu/cpus.h"
#include "hv/lib/console.h"
#include "hv/lib/panic.h"

#define REBOOT_AFTER_S	10u

void guest_crash_remember(struct vcpu *v, const struct vmexit *x)
{
	struct cpu *c = this_cpu();

	vcpu_ops->get(v, &c->df_regs);
	c->df_event = x->delivered;
	c->df_seen = true;
}

/* True if a key came within the time, 0 for ever.  Keys typed for the guest while it died do not count. */
static bool wait_for_key(unsigned seconds)
{
	for (unsigned i = 0; i < 50; i++) {
		delay_us(10000);
		console_key();
	}
	for (unsigned i = 0; !seconds || i < seconds * 100; i++) {
		if (console_key())
			return true;
		delay_us(10000);
	}
	return false;
}

/* Do what the configuration says about a guest that has crashed. */
NORETURN static void end(void)
{
	debug_exit(DEBUG_EXIT_CRASH);
	if (config.on_crash == CRASH_REBOOT) {
		log_report("guest: rebooting in %u seconds, a key keeps this here (veneer,on-crash)", REBOOT_AFTER_S);
		if (!wait_for_key(REBOOT_AFTER_S))
			machine_reset();
	}
	if (config.on_crash != CRASH_HALT) {
		log_report("guest: press a key, here or on the serial port, to reboot");
		wait_for_key(0);
		machine_reset();
	}
	log_report("guest: stopped (veneer,on-crash); reset or switch off the machine");
	halt_forever();
}

static void report(struct vcpu *v, const struct vmexit *x, const char *why)
{
	struct cpu *c = this_cpu();
	struct vcpu_regs now;

	smp_stop_others();
	if (ncpus > 1)
		log_err("guest: died by %s on CPU %u (APIC id %u)", why, c->index, c->apic_id);
	else
		log_err("guest: died by %s", why);
	vcpu_ops->get(v, &now);
	if (!IS_ENABLED(CONFIG_CRASH_REPORT))
		log_report("guest: rip %016lx cr2 %016lx cr3 %016lx rsp %016lx (a build with CRASH_REPORT says more)", now.rip,
			   now.cr2, now.cr3, now.gpr[GPR_RSP]);
	else if (c->df_seen)
		crash_report(&c->df_regs, &c->df_event);
	else
		crash_report(&now, &x->delivered);
}

void guest_crash(struct vcpu *v, const struct vmexit *x, const char *why)
{
	report(v, x, why);
	machine_stopping();
	end();
}

void guest_crash_silent(void)
{
	static const struct vmexit x;

	machine_leave_devices();
	report(this_cpu()->v, &x, "a processor that does not leave the guest");
	end();
}
