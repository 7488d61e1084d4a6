/* SPDX-License-Identifier: BSD-2-Clause */
/* What veneer.efi tells its runtime part (efi/runtime.c). */
#ifndef EFI_RUNTIME_H
#define EFI_RUNTIME_H

#include <efi.h>
#include <veneer/types.h>

#define RUNTIME_MAX_OPTIONS	512u

struct runtime_options {
	bool vmx;			/* the hypercall is VMCALL */
	bool pass;			/* the guest's boot entries are the machine's */
	/*
	 * Out: the status of the copies of the boot entries, 0 or all bits of an EFI_STATUS; after an error this start has left
	 * no copy.  EFI_BUFFER_TOO_SMALL: more than RUNTIME_MAX_OPTIONS are without one.
	 */
	uint64_t copies;
	uint64_t code, code_end, end;	/* out: the pages of the code, and of the data behind the code */
};

/* The entry of the part, as of an image: the options are in the handle's place. */
typedef EFI_STATUS EFIAPI runtime_fn(struct runtime_options *options, EFI_SYSTEM_TABLE *table);

/* efi/runtime_call.S: call Veneer. */
int64_t runtime_call(uint64_t function, bool vmx);

#endif
