/* SPDX-License-Identifier: BSD-2-Clause */
/* veneer.efi when the firmware stays and becomes Veneer's guest: the devices before, the disks after. */
#ifndef EFI_GUEST_H
#define EFI_GUEST_H

#include <veneer/efi_guest.h>
#include "efi/firmware.h"

/* efi/launch.S.  launch() has interrupts off, and returns in the guest. */
extern uint8_t launch_vmmcall[], launch_vmcall[];
extern bool efi_call_vmx;		/* the calls are VMCALLs */
void launch(uint64_t entry, uint64_t info, uint64_t page, uint64_t *rsp, uint64_t *rip);
int64_t efi_call(uint64_t function, uint64_t rbx, uint64_t rcx, uint64_t rdx, uint64_t rsi);

/*
 * If this program lies on a disk that Veneer would take, add the word --own-partition to [@words, @words + @room), so that
 * Veneer neither lets the guest write to this disk nor starts it.  False after a message: the word has no room, or the
 * firmware stays (@stays), and Veneer could not recognize the disk, which has no GPT.  A kernel starts from such a disk.
 */
bool name_own_disk(const EFI_LOADED_IMAGE *self, bool stays, char *words, size_t room);

/*
 * Take the network and disk controllers from the firmware's drivers, and keep its drivers from coming back.  False after a
 * message, if a driver does not leave.
 */
bool take_controllers(void);

/* As guest: those that Veneer has left as they are go back to the firmware's drivers. */
void give_back_controllers(void);

/*
 * Interrupts are off from irq_off() to irq_restore(), around the three steps: save the state (all of it but RSP and RIP),
 * launch(), and set the registers that the entry into the guest does not carry over.
 */
#define STATE_MSRS	9u

uint64_t irq_off(void);
void irq_restore(uint64_t flags);
void state_save(struct efi_launch *l, uint64_t msrs[STATE_MSRS]);
void state_restore(const uint64_t msrs[STATE_MSRS]);

/* As guest: hand the other processors over.  @page: the copy of jump_code.  False after a message. */
bool hand_over_processors(uint64_t page);

/* As guest: put the runtime part before the firmware's runtime services.  False after a message. */
bool start_runtime(void);

/*
 * After that, and when boot services end: the memory attributes table that the system finds has the runtime part's code as code
 * and its data as data.  Allocates nothing.  False if the firmware's table was not understood and one without entries is in its
 * place.
 */
bool allow_code(void);

/* As guest: give the firmware the virtual disks.  Returns their number, and says what goes wrong. */
unsigned add_disks(void);

/* The path of the @n-th of them without its end, *@size bytes; NULL: the guest may not be started from this disk. */
const EFI_DEVICE_PATH *startable_disk(unsigned n, size_t *size);

/* As guest: restart the machine, after 10 seconds. */
void restart(void) __attribute__((noreturn));

/* As guest: start the loader of a disk.  If none can be started, and if all have returned: restart the machine. */
void start_disk(void) __attribute__((noreturn));

#endif
