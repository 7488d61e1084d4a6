/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * As Veneer's guest: hands the other processors over to Veneer, one after the other, by the MP Services (PI 1.7, volume 2,
 * section 13.4).  Each becomes a guest where it is, inside a call of the firmware, and returns into the firmware's loop.  So it
 * does not matter how firmware wakes its processors, by INIT or by a write to memory that they watch.
 *
 * A processor that does not come within its time may still come later.  By then the call is withdrawn: the processor finds this
 * out before its first step and stays with the firmware, and no further one is asked, since the machine restarts.
 */
#include <veneer/err.h>
#include "efi/guest.h"

#define HANDOVER_US	5000000u
#define STATUS_BSP	1u
#define STATUS_ENABLED	2u

struct mp_info {
	UINT64 apic_id;
	UINT32 status;
	UINT32 location[3];
	UINT32 more[20];		/* newer firmware writes some of this */
};

typedef void EFIAPI mp_procedure(void *arg);

struct mp_services {
	EFI_STATUS (EFIAPI *count)(struct mp_services *mp, UINTN *all, UINTN *enabled);
	EFI_STATUS (EFIAPI *get)(struct mp_services *mp, UINTN n, struct mp_info *out);
	EFI_STATUS (EFIAPI *start_all)(struct mp_services *mp, mp_procedure *f, BOOLEAN single, EFI_EVENT event, UINTN us,
				       void *arg, UINTN **failed);
	EFI_STATUS (EFIAPI *start)(struct mp_services *mp, mp_procedure *f, UINTN n, EFI_EVENT event, UINTN us, void *arg,
				   BOOLEAN *finished);
};

static EFI_GUID mp_guid = { 0x3fdda605, 0xa76e, 0x4f46, { 0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08 } };

/* What a processor and the boot processor tell each other; only one of ASKED's two ways is taken. */
enum { ASKED, COMES, WITHDRAWN };

static struct {
	struct efi_launch launch;
	uint64_t msrs[STATE_MSRS];
	uint64_t entry, page;
	uint32_t state;
} next;

static bool take_state(uint32_t state)
{
	uint32_t asked = ASKED;

	return __atomic_compare_exchange_n(&next.state, &asked, state, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* On the other processor.  launch() returns in the guest. */
static void EFIAPI on_processor(void *unused)
{
	uint64_t flags;

	if (!take_state(COMES))
		return;
	flags = irq_off();
	state_save(&next.launch, next.msrs);
	launch(next.entry, 0, next.page, &next.launch.rsp, &next.launch.rip);
	state_restore(next.msrs);
	irq_restore(flags);
}

/* Ask the processor, and wait for it.  False: it has not come, and @next is its own from now on. */
static bool ask(struct mp_services *mp, UINTN n, UINT64 apic_id)
{
	EFI_STATUS status;

	__atomic_store_n(&next.state, ASKED, __ATOMIC_SEQ_CST);
	status = mp->start(mp, on_processor, n, NULL, HANDOVER_US, NULL, NULL);
	if (!EFI_ERROR(status))
		return true;
	say("veneer.efi: the processor with APIC id ", NULL);
	say_number(apic_id);
	say(take_state(WITHDRAWN) ? " was not handed over within 5 seconds: " :
	    " began to come over and did not end within 5 seconds: ", NULL);
	say_status(status);
	return false;
}

/* False: the firmware may not go on. */
static bool hand_over(struct mp_services *mp, UINTN n)
{
	struct mp_info info = { 0 };
	EFI_STATUS status = mp->get(mp, n, &info);
	int64_t entry;

	if (EFI_ERROR(status) || info.status & STATUS_BSP || !(info.status & STATUS_ENABLED))
		return true;
	entry = efi_call(EFI_CALL_CPU, info.apic_id, (uintptr_t)&next.launch, 0, 0);
	if (entry > 0) {
		next.entry = (uint64_t)entry;
		return ask(mp, n, info.apic_id);
	}
	say("veneer.efi: the processor with APIC id ", NULL);
	say_number(info.apic_id);
	say(" is not known to Veneer: ", NULL);
	say_status(EFI_NOT_FOUND);
	return true;
}

bool hand_over_processors(uint64_t page)
{
	struct mp_services *mp;
	UINTN all = 0, enabled;
	int64_t err;

	next.page = page;
	/* Firmware for one processor need not have the protocol.  Veneer knows whether there are others. */
	if (!EFI_ERROR(bs->LocateProtocol(&mp_guid, NULL, (void **)&mp)) && EFI_ERROR(mp->count(mp, &all, &enabled)))
		all = 0;
	for (UINTN n = 0; n < all; n++)
		if (!hand_over(mp, n))
			return false;
	err = efi_call(EFI_CALL_CPUS, 0, 0, 0, 0);
	if (err)
		say("veneer.efi: ", err == -ERR_TIMEOUT ? "not all processors that ACPI names have been handed over" :
		    "Veneer has no memory to watch the processors", "\n", NULL);
	return !err;
}
