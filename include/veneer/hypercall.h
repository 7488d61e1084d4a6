/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control interface for guests: VMMCALL (AMD) or VMCALL (Intel) from CPL 0.
 *
 * Guests find Veneer by CPUID leaf 0x40000000: EBX, ECX, EDX = "VeneerVeneer"; EAX the highest leaf.
 * In:  EAX = VENEER_CALL | function, EBX and ECX arguments (64-bit registers in long mode).
 * Out: RAX = 0 or the negated error as a signed number; RBX, RCX as the function says.
 * A call with another EAX, or from CPL > 0, is #UD.  This header can be copied into a guest.
 */
#ifndef VENEER_HYPERCALL_H
#define VENEER_HYPERCALL_H

#define VENEER_CALL		0x564e0000u

#define VENEER_CALL_VERSION	0	/* RBX = ABI version (1), RCX = number of counters */
#define VENEER_CALL_COUNTER	1	/* in RBX = index, RCX = guest-physical address of a struct veneer_counter, 64 bytes */
#define VENEER_CALL_LOG		2	/* in RBX = offset into the log, RCX = guest-physical address of a 4096-byte buffer;
					   out RBX = bytes written, 0 at the end */
#define VENEER_CALL_SNAPSHOT	3	/* in RBX = flags; the machine is saved to a partition (docs/snapshots.md) and switched
					   off; out RBX = 1: it was resumed from there; 0: it runs on, after an error or with
					   VENEER_SNAPSHOT_GO_ON */
#define  VENEER_SNAPSHOT_GO_ON	1	/* run on: only if no disk is writable */

struct veneer_counter {
	char name[56];			/* terminated */
	unsigned long long value;
};

#endif
