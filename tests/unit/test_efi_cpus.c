/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: efi/segment.c */
/* veneer.efi hands the processors over: on made-up MP Services, and with TR of every kind. */
#include <string.h>
#include "host/efi_say.h"
#include "host/host.h"
#include "efi/cpus.c"
#include "efi/parts.h"

#define ALL	4u

EFI_BOOT_SERVICES *bs;
static EFI_BOOT_SERVICES services;
static struct mp_services mp_there;
static EFI_STATUS located, get_status, start_status;
static UINT32 status[ALL];
static uint64_t prepared[ALL];
static unsigned nprepared, nstarted, order;
static UINTN started[ALL];
static int64_t cpu_result, cpus_result;
static bool cpus_called;
static mp_procedure *late;		/* the procedure of a call that timed out */
static void (*meanwhile)(void);		/* while launch() runs */

void say_status(EFI_STATUS s) { say("status\n", NULL); }
uint64_t irq_off(void) { return 0; }
void irq_restore(uint64_t flags) { }
void state_save(struct efi_launch *l, uint64_t msrs[STATE_MSRS]) { CHECK_EQ(order++, 1); }
void state_restore(const uint64_t msrs[STATE_MSRS]) { CHECK_EQ(order++, 3); }

void launch(uint64_t entry, uint64_t info, uint64_t page, uint64_t *rsp, uint64_t *rip)
{
	CHECK_EQ(order++, 2);
	CHECK(entry == 0x200100 && page == 0x5000 && rsp == &next.launch.rsp && rip == &next.launch.rip);
	if (meanwhile)
		meanwhile();
}

int64_t efi_call(uint64_t function, uint64_t rbx, uint64_t rcx, uint64_t rdx, uint64_t rsi)
{
	if (function == EFI_CALL_CPUS) {
		cpus_called = true;
		return cpus_result;
	}
	CHECK(function == EFI_CALL_CPU && rcx == (uintptr_t)&next.launch);
	prepared[nprepared++] = rbx;
	return cpu_result;
}

static EFI_STATUS EFIAPI locate(EFI_GUID *guid, void *key, void **out)
{
	*out = &mp_there;
	return located;
}

static EFI_STATUS EFIAPI mp_count(struct mp_services *mp, UINTN *all, UINTN *enabled)
{
	*all = ALL;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI mp_get(struct mp_services *mp, UINTN n, struct mp_info *out)
{
	out->apic_id = 16 + n;
	out->status = status[n];
	return get_status;
}

static EFI_STATUS EFIAPI mp_start(struct mp_services *mp, mp_procedure *f, UINTN n, EFI_EVENT event, UINTN us, void *arg,
				  BOOLEAN *finished)
{
	/* Blocking, with a deadline. */
	CHECK(!event && us == HANDOVER_US && !finished);
	started[nstarted++] = n;
	order = 1;
	late = f;
	if (!EFI_ERROR(start_status) || meanwhile)
		f(arg);
	return start_status;
}

static void setup(void)
{
	services.LocateProtocol = locate;
	bs = &services;
	mp_there = (struct mp_services){ .count = mp_count, .get = mp_get, .start = mp_start };
	located = get_status = start_status = EFI_SUCCESS;
	for (unsigned i = 0; i < ALL; i++)
		status[i] = STATUS_ENABLED | 4;
	status[1] |= STATUS_BSP;
	nprepared = nstarted = order = 0;
	cpu_result = 0x200100;
	cpus_result = 0;
	cpus_called = false;
	late = NULL;
	meanwhile = NULL;
	*said = 0;
}

TEST(each_other_processor_is_handed_over)
{
	setup();
	status[3] &= ~STATUS_ENABLED;
	CHECK(hand_over_processors(0x5000));
	CHECK(nprepared == 2 && prepared[0] == 16 && prepared[1] == 18);
	CHECK(nstarted == 2 && started[0] == 0 && started[1] == 2);
	CHECK_EQ(order, 4);
	CHECK(cpus_called && !*said);
}

TEST(without_the_protocol_veneer_decides)
{
	setup();
	located = EFI_NOT_FOUND;
	CHECK(hand_over_processors(0x5000));
	CHECK(!nstarted && cpus_called);
	setup();
	located = EFI_NOT_FOUND;
	cpus_result = -ERR_TIMEOUT;
	CHECK(!hand_over_processors(0x5000));
	CHECK(strstr(said, "not all processors that ACPI names have been handed over"));
}

TEST(one_that_does_not_come_is_named)
{
	setup();
	start_status = EFI_TIMEOUT;
	cpus_result = -ERR_TIMEOUT;
	CHECK(!hand_over_processors(0x5000));
	CHECK(strstr(said, "the processor with APIC id 16 was not handed over within 5 seconds"));
	setup();
	cpu_result = -ERR_NODEV;
	CHECK(hand_over_processors(0x5000));
	CHECK(!nstarted && strstr(said, "APIC id 19 is not known to Veneer"));
	setup();
	get_status = EFI_INVALID_PARAMETER;
	CHECK(hand_over_processors(0x5000));
	CHECK(!nprepared);
}

/* After the deadline the processor finds the call withdrawn, and no other one has been given its place. */
TEST(one_that_comes_late_stays_with_the_firmware)
{
	setup();
	start_status = EFI_TIMEOUT;
	CHECK(!hand_over_processors(0x5000));
	CHECK(nprepared == 1 && nstarted == 1 && !cpus_called);
	order = 0;
	late(NULL);
	CHECK_EQ(order, 0);
	/* A second one that comes in time is taken after the first, as before. */
	setup();
	CHECK(hand_over_processors(0x5000));
	CHECK_EQ(nstarted, 3);
}

static void nothing(void) { }

/* The deadline passes while the processor is on its way into Veneer: nothing of it is used again. */
TEST(one_that_does_not_end_ends_the_hand_over)
{
	setup();
	meanwhile = nothing;
	start_status = EFI_TIMEOUT;
	CHECK(!hand_over_processors(0x5000));
	CHECK(nstarted == 1 && !cpus_called && order == 4);
	CHECK(strstr(said, "the processor with APIC id 16 began to come over and did not end within 5 seconds"));
}

TEST(the_task_register)
{
	/* At 8: a busy 64-bit TSS at 1_2345_6780h, limit 67h; at 18h: another one, whose end lies behind the table's. */
	static const uint64_t gdt[] = { 0, 0x23008b4567800067, 1, 0x23008b4567800067 };
	struct efi_launch_seg s;

	segment_task(&s, 8, gdt, sizeof(gdt) - 1);
	CHECK(s.selector == 8 && s.attr == 0x8b && s.limit == 0x67 && s.base == 0x123456780);
	segment_task(&s, 0, gdt, sizeof(gdt) - 1);
	CHECK(!s.selector && s.attr == 0x8b && s.limit == 0xffff && !s.base);
	segment_task(&s, 0x18, gdt, sizeof(gdt) - 1);
	CHECK(!s.selector && s.attr == 0x8b && s.limit == 0xffff && !s.base);
}

TEST_MAIN
