/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tries to start further CPUs of a guest that has only one: nothing may run at the trampoline.  A CPU that starts there
 * would be one that the hypervisor does not hold.  Option: cpus=N, how many APIC ids to try (4).
 */
#include "guest.h"

#define TRAMPOLINE	0x8000u
#define FLAG		(TRAMPOLINE + 0x100)
#define LAPIC		0xfee00000u
#define ICR_LOW		(LAPIC + 0x300)
#define ICR_HIGH	(LAPIC + 0x310)
#define ICR_INIT	0x00004500u
#define ICR_STARTUP	(0x00004600u | TRAMPOLINE >> 12)
#define ICR_PENDING	0x1000u

const char probe_name[] = "probe-smp";

/* 16-bit code: mov ax, 0x800; mov ds, ax; mov word [0x100], 0xbeef; hlt; jmp $-1 */
static const uint8_t code[] = { 0xb8, 0x00, 0x08, 0x8e, 0xd8, 0xc7, 0x06, 0x00, 0x01, 0xef, 0xbe, 0xf4, 0xeb, 0xfd };

static volatile uint16_t *flag(void)
{
	uint32_t at = FLAG;

	__asm__("" : "+r"(at));
	return (volatile uint16_t *)at;
}

static void icr(uint32_t to, uint32_t command)
{
	struct deadline end = deadline_in_ms(100);

	write32((void *)ICR_HIGH, to << 24);
	write32((void *)ICR_LOW, command);
	while ((read32((void *)ICR_LOW) & ICR_PENDING) && !deadline_passed(end))
		pause();
}

static bool started_within(uint32_t ms)
{
	struct deadline end = deadline_in_ms(ms);

	while (*flag() != 0xbeef && !deadline_passed(end))
		pause();
	return *flag() == 0xbeef;
}

void probe(void)
{
	uint32_t others = option_number("cpus", 4);
	uint8_t *trampoline = (uint8_t *)TRAMPOLINE;

	__asm__("" : "+r"(trampoline));
	apic_init();
	memcpy(trampoline, code, sizeof(code));
	for (uint32_t id = 1; id < others; id++) {
		*flag() = 0;
		icr(id, ICR_INIT);
		delay_us(10000);
		for (unsigned int i = 0; i < 2; i++) {
			icr(id, ICR_STARTUP);
			delay_us(200);
		}
		check(started_within(1000), false, "smp: CPU %u stays where it is", id);
	}
}
