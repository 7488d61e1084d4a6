/* SPDX-License-Identifier: BSD-2-Clause */
/* What veneer.efi tells its runtime part (efi/runtime.c), as that image's load options. */
#ifndef EFI_RUNTIME_H
#define EFI_RUNTIME_H

#include <veneer/types.h>

struct runtime_options {
	bool vmx;			/* the hypercall is VMCALL */
	bool pass;			/* the guest's boot entries are the machine's */
	bool no_room;			/* out: the firmware did not take a copy of all boot entries */
	uint64_t code, code_end;	/* out: the pages of the code */
};

/* efi/runtime_call.S: call Veneer. */
int64_t runtime_call(uint64_t function, bool vmx);

#endif
