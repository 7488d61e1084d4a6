/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8259s belong to the guest.  While they are watched, the lines of twins are merged in: a virtual request and a virtual
 * in-service bit beside each real one.  What the guest reads is both together; an EOI goes to the one that has the highest
 * priority in service, as if both were one chip.  Lines are numbered 0 to 15, the second chip's from 8 on.
 */
#ifndef HV_PIC_H
#define HV_PIC_H

#include <veneer/types.h>

/*
 * A line by which a device rings through the I/O APIC stays masked in the chip, whatever the guest writes, and level-triggered,
 * so that pic_requests() shows whether it is asserted.
 */
void pic_keep_masked(unsigned irq, bool on);

/*
 * Trap the ports and ELCR's, or not.  Once watched and left, the chips are the guest's alone, and the ports of their mask
 * registers stay trapped: what initialization words say is learned at any time, what other commands set (priorities, special
 * mask mode) while watched.
 */
void pic_watch(bool on);

/* The twins' lines, as they are now.  Only while watched. */
void pic_set_lines(uint16_t lines);

/* The virtual line that would interrupt now: unmasked, and nothing of its priority or above in service.  -1: none. */
int pic_pending(void);

/* The processor takes pic_pending()'s interrupt: in service now.  Its vector. */
uint8_t pic_acknowledge(void);

/* The chips' own requests, masked ones too: a level-triggered input that is asserted shows here. */
uint16_t pic_requests(void);

/* All lines masked and level-triggered in the chips while pins are learned, whatever firmware made them; then as before. */
void pic_quiet(bool on);

#endif
