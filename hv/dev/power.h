/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleep, soft-off and reset by the guest: stop the devices first (docs/threat-model.md). */
#ifndef HV_POWER_H
#define HV_POWER_H

#include <veneer/types.h>

/* Trap the ports that ACPI names, and its registers in memory, if nothing else traps their page (fch_init()). */
void power_init(void);

/* Handle the guest's write to a trapped port that no device has: true lets the write go to the hardware. */
bool power_port_write(uint16_t port, unsigned width, uint32_t value);

/* Check the guest's write of @pm1 to PM1 control, wherever that is.  False: refused, a sleep.  Soft-off stops the devices. */
bool power_pm1_allowed(uint32_t pm1);

/*
 * Check the guest's write of @width bytes at the physical address @at for ACPI's registers in memory.  False: refused, a sleep.
 * Soft-off and reset stop the devices.  For pages that power_init() leaves to another trap.
 */
bool power_memory_allowed(uint64_t at, unsigned width, uint64_t value);

/* Set @fn, which stops the DMA of all concealed devices and flushes their disks, bounded.  Start only; NULL: no devices yet. */
void machine_on_stop(void (*fn)(void));

/* Call before the guest powers off or resets the machine: stops all other processors, then all devices, once. */
void machine_stopping(void);

/* From now on machine_stopping() leaves the devices alone: a processor that does not let go is using them. */
void machine_leave_devices(void);

/* Call machine_stopping(), then switch the machine off by ACPI.  Returns if the machine stays on. */
void machine_off(void);

/* Call machine_stopping(), then reset the machine. */
NORETURN void machine_reset(void);

#endif
