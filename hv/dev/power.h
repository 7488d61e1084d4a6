/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleep, soft-off and reset by the guest: devices are stopped first (docs/threat-model.md). */
#ifndef HV_POWER_H
#define HV_POWER_H

#include <veneer/types.h>

/* Trap the ports that ACPI names. */
void power_init(void);

/* The guest writes a trapped port that no device has: true lets the write go to the hardware. */
bool power_port_write(uint16_t port, unsigned width, uint32_t value);

/* The guest writes @pm1 to PM1 control, wherever that is.  False: a sleep, which is refused.  Soft-off stops the devices. */
bool power_pm1_allowed(uint32_t pm1);

/* @fn stops the DMA of all concealed devices and flushes their disks, bounded.  Start only; NULL until then: there are none. */
void machine_on_stop(void (*fn)(void));

/* The machine is about to go down by the guest's will: stop all other processors, then all devices, once. */
void machine_stopping(void);

/* No machine_stopping() does anything to devices any more: they are in use by who does not let go of them. */
void machine_leave_devices(void);

/* machine_stopping(), then reset the machine. */
NORETURN void machine_reset(void);

#endif
