/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a guest: its registers for the person who wrote it, on a text screen of 80 by 25 all at once. */
#include <veneer/config.h>
#include <veneer/log.h>
#include <veneer/time.h>
#include "hv/cpu/entry.h"
#include "hv/cpu/vendor.h"
#include "hv/hv.h"
#include "hv/x86.h"

#define REBOOT_AFTER_US	5000000u

static struct vcpu_regs at_double_fault;
static bool remembered;

void guest_crash_remember(struct vcpu *v)
{
	vendor->get(v, &at_double_fault);
	remembered = true;
}

static void print_segments(const struct vcpu_regs *r)
{
	static const char *const name[SEG_COUNT] = { "es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr" };

	for (unsigned i = 0; i < SEG_COUNT; i++)
		log_err("guest: %-4s %04x base %016lx limit %08x attr %03x", name[i], r->seg[i].selector, r->seg[i].base,
			r->seg[i].limit, r->seg[i].attr);
	log_err("guest: gdtr base %016lx limit %04x   idtr base %016lx limit %04x", r->gdtr.base, r->gdtr.limit, r->idtr.base,
		r->idtr.limit);
}

static void print_registers(const struct vcpu_regs *r)
{
	static const char *const name[GPR_COUNT] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9",
						     "r10", "r11", "r12", "r13", "r14", "r15" };
	uint8_t b[16] = { 0 };
	unsigned n = guest_read_code(r, b, sizeof(b));

	log_err("guest: rip %016lx rflags %08lx cpl %u", r->rip, r->rflags, r->cpl);
	for (unsigned i = 0; i < GPR_COUNT; i += 2)
		log_err("guest: %-3s %016lx %-3s %016lx", name[i], r->gpr[i], name[i + 1], r->gpr[i + 1]);
	log_err("guest: cr0 %08lx cr2 %016lx cr3 %016lx", r->cr0, r->cr2, r->cr3);
	log_err("guest: cr4 %08lx efer %04lx", r->cr4, r->efer);
	print_segments(r);
	if (n)
		log_err("guest: code %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x", b[0],
			b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	else
		log_err("guest: the code at rip cannot be read");
}

/* What was typed at the guest while it died does not count. */
static void wait_for_key(void)
{
	log_err("guest: press a key, here or on the serial port, to reboot (veneer,on-crash)");
	for (unsigned i = 0; i < 50; i++) {
		delay_us(10000);
		console_key();
	}
	while (!console_key())
		delay_us(10000);
}

void guest_crash(struct vcpu *v, const char *why)
{
	struct vcpu_regs now;

	log_err("guest: died by %s", why);
	vendor->get(v, &now);
	print_registers(remembered ? &at_double_fault : &now);
	machine_stopping();
	debug_exit(DEBUG_EXIT_CRASH);
	if (config.on_crash == CRASH_REBOOT) {
		log_err("guest: rebooting in 5 seconds (veneer,on-crash)");
		delay_us(REBOOT_AFTER_US);
		machine_reset();
	}
	if (config.on_crash == CRASH_WAIT) {
		wait_for_key();
		machine_reset();
	}
	log_err("guest: stopped (veneer,on-crash); reset or switch off the machine");
	halt_forever();
}
