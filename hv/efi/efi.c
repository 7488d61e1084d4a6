/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firmware as guest: the calls of veneer.efi's Block I/O.  UEFI itself is not known here: veneer.efi
 * speaks it, inside the guest.
 */
#include <veneer/bootdisk.h>
#include <veneer/conceal.h>
#include <veneer/config.h>
#include <veneer/efi_guest.h>
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include "hv/dev/power.h"
#include "hv/efi/efi.h"
#include "hv/smp/smp.h"

#define CALL_SIZE	3u	/* VMMCALL, VMCALL */
#define MAX_STARTABLE	128u

extern char efi_entry32[];

static bool all_here;			/* the firmware has handed over all processors */
static const struct efi_launch *coming;	/* the state of the next one, in the guest's memory */
static uint64_t call_at;		/* 0: no such guest, or its boot services have ended */
static uint64_t startable[MAX_STARTABLE / 64];		/* a bit a disk: the guest may be started from it */
static char path[EFI_PATH_MAX];
_Static_assert(sizeof(path) == sizeof(config.efi_path), "copied whole");
static const struct bootdisk_ops *ops;
static struct lock lock;

int efi_start(const struct boot_info *b, struct vcpu_regs *regs)
{
	struct bootdisk d;
	bool any = false;
	unsigned n;

	ops = composition()->bootdisk;
	memset(startable, 0, sizeof(startable));
	for (n = 0; n < MAX_STARTABLE && ops->get(n, &d); n++) {
		if (d.own || (*config.boot_disk && !config_same_serial(config.boot_disk, d.serial)))
			continue;
		startable[n / 64] |= BIT64(n % 64);
		any = true;
	}
	if (n == MAX_STARTABLE && ops->get(n, &d))
		log_warn("guest: more than %u disks: the guest is not started from the others", MAX_STARTABLE);
	if (!any) {
		log_err("guest: no disk to start from: of the concealed disks, Veneer's own aside, %s%s", *config.boot_disk ?
			"none has the serial number of veneer,boot-disk, " : "there is none", config.boot_disk);
		return -ERR_NODEV;
	}
	efi_first_state(&b->launch, regs);
	memcpy(path, config.efi_path, sizeof(path));
	all_here = false;
	call_at = b->launch.call;
	segment_use(efi_hypercall);
	vcpu_own_hypercall = efi_hypercall;
	log_info("guest: the firmware goes on");
	return 0;
}

/* --- calls --- */

/* On the new processor, with Veneer's stack and tables. */
static void coming_state(struct vcpu_regs *regs)
{
	efi_first_state(coming, regs);
}

static int64_t call_cpu(uint64_t apic_id, uint64_t from)
{
	const struct efi_launch *l = gmem_ptr(from, sizeof(*l));
	int err = l ? 0 : -ERR_INVAL;

	if (!err)
		err = apic_id > UINT32_MAX ? -ERR_NODEV : smp_adopt((uint32_t)apic_id, coming_state);
	if (err)
		return err;
	coming = l;
	return (int64_t)mem_phys(efi_entry32);
}

/*
 * A processor that stays with the firmware would be outside Veneer, and if its INITs were dropped, the firmware would wait for
 * it for ever at the end of boot services: no call gives such firmware a disk.  From now on INITs and SIPIs are the guest's.
 */
static int64_t call_cpus(void)
{
	if (IS_ENABLED(CONFIG_SMP) && smp_missing())
		return -ERR_TIMEOUT;
	if (ncpus > 1 && smp_watch())
		return -ERR_NOMEM;
	all_here = true;
	return 0;
}

static int call_disk(uint64_t n, uint64_t to)
{
	struct efi_disk out = { 0 };
	struct bootdisk d;
	void *p = gmem_ptr(to, sizeof(out));

	if (!p)
		return -ERR_INVAL;
	if (n > UINT32_MAX || !ops->get((unsigned)n, &d))
		return -ERR_NODEV;
	out.nblocks = d.nblocks;
	out.block_size = d.block_size;
	out.bdf = d.bdf;
	out.writable = d.writable;
	out.start = n < MAX_STARTABLE && startable[n / 64] >> n % 64 & 1;
	fmt_string(out.name, sizeof(out.name), "%s", d.name);
	fmt_string(out.serial, sizeof(out.serial), "%s", d.serial);
	memcpy(p, &out, sizeof(out));
	return 0;
}

static int call_path(uint64_t to)
{
	char *p = gmem_ptr(to, sizeof(path));

	if (!p)
		return -ERR_INVAL;
	memcpy(p, path, sizeof(path));
	return 0;
}

static int call_begin(uint64_t disk, uint64_t lba, uint64_t nblocks, uint64_t buffer)
{
	struct bootdisk d;
	struct sg sg;

	if (disk >> 33 || !ops->get((unsigned)disk, &d))
		return -ERR_NODEV;
	if (!nblocks || nblocks > EFI_CALL_MAX / d.block_size || lba >= d.nblocks || nblocks > d.nblocks - lba)
		return -ERR_INVAL;
	sg = (struct sg){ buffer, (uint32_t)nblocks * d.block_size };
	if (!gmem_valid(buffer, sg.len))
		return -ERR_INVAL;
	return ops->begin((unsigned)disk, disk & EFI_CALL_WRITE, lba, (uint32_t)nblocks, &sg, 1);
}

static int64_t answer(const uint64_t *gpr)
{
	if (!all_here) {
		if (gpr[GPR_RAX] == EFI_CALL_CPU && IS_ENABLED(CONFIG_SMP))
			return call_cpu(gpr[GPR_RBX], gpr[GPR_RCX]);
		return gpr[GPR_RAX] == EFI_CALL_CPUS ? call_cpus() : -ERR_NOTSUP;
	}
	switch (gpr[GPR_RAX]) {
	case EFI_CALL_DISK:
		return call_disk(gpr[GPR_RBX], gpr[GPR_RCX]);
	case EFI_CALL_BEGIN:
		return call_begin(gpr[GPR_RBX], gpr[GPR_RCX], gpr[GPR_RDX], gpr[GPR_RSI]);
	case EFI_CALL_POLL:
		return ops->result();
	case EFI_CALL_PATH:
		return call_path(gpr[GPR_RCX]);
	case EFI_CALL_POLICY:
		return config.efi_boot_order == EFI_BOOT_ORDER_PASS;
	case EFI_CALL_END:
		call_at = 0;
		return 0;
	default:
		return -ERR_NOTSUP;
	}
}

bool efi_hypercall(struct vcpu *v, const struct vcpu_regs *r)
{
	/* By veneer.efi's runtime part, wherever the system has mapped that; a kernel can reset the machine in any case. */
	if (v->gpr[GPR_RAX] == EFI_CALL_STOP && !r->cpl) {
		machine_stopping();
		v->gpr[GPR_RAX] = 0;
		vcpu_ops->skip(v, r->rip + CALL_SIZE);
		return true;
	}
	/* The firmware's own level and mode, and veneer.efi's one instruction: nothing that runs later has it. */
	if (!call_at || r->rip != call_at || r->cpl || !(r->efer & EFER_LMA) || !(r->seg[SEG_CS].attr & SEG_ATTR_L))
		return false;
	lock_acquire(&lock);
	v->gpr[GPR_RAX] = (uint64_t)answer(v->gpr);
	lock_release(&lock);
	vcpu_ops->skip(v, r->rip + CALL_SIZE);
	return true;
}
