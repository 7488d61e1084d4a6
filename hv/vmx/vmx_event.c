/* SPDX-License-Identifier: BSD-2-Clause */
/* Events whose delivery an exit interrupted (SDM vol. 3, 28.2.4), and NMI blocking at such exits. */
#include "hv/vmx/vmx.h"

uint32_t vmx_interrupted_event(uint32_t vectoring, uint32_t vectoring_error, uint32_t *error, bool *unblock_nmi)
{
	unsigned type = FIELD_GET(EVENT_INFO_TYPE, vectoring);

	*unblock_nmi = false;
	if (!(vectoring & EVENT_INFO_VALID))
		return 0;
	/* Software interrupts and exceptions are executed again: RIP still points to the instruction. */
	if (type != EVENT_TYPE_EXTINT && type != EVENT_TYPE_NMI && type != EVENT_TYPE_EXCEPTION)
		return 0;
	*unblock_nmi = type == EVENT_TYPE_NMI;
	if (vectoring & EVENT_INFO_ERROR)
		*error = vectoring_error;
	/* Bit 12 is undefined at an exit and must be 0 at an entry. */
	return vectoring & (EVENT_INFO_VALID | EVENT_INFO_ERROR | EVENT_INFO_TYPE | EVENT_INFO_VECTOR);
}

bool vmx_iret_interrupted(uint32_t reason, uint32_t exit_event, uint64_t qualification, uint32_t vectoring)
{
	if (vectoring & EVENT_INFO_VALID)
		return false;
	if (reason == REASON_EPT_VIOLATION)
		return qualification & EPT_QUAL_IRET;
	/* The bit is undefined for a #DF. */
	return reason == REASON_EXCEPTION && FIELD_GET(EVENT_INFO_VECTOR, exit_event) != 8 && (exit_event & EVENT_INFO_IRET);
}
