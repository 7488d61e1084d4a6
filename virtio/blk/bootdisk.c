/* SPDX-License-Identifier: BSD-2-Clause */
/* The disks behind the twins, for firmware interfaces (contract in <veneer/bootdisk.h>). */
#include <veneer/bootdisk.h>
#include <veneer/clock.h>
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include <veneer/log.h>
#include <veneer/owner.h>
#include "bootdisk.h"

#define MAX_BOOTDISKS	128u

static struct { struct disk *disk; uint16_t bdf; bool writable, own; } disks[MAX_BOOTDISKS];
static unsigned ndisks;

/*
 * The only transfer at a time; accessed with ownership of the disk.  The disk holds @req from disk_submit() until done(), or
 * until a reset of the twin drops the request.
 */
static struct {
	struct disk *disk;	/* NULL: no transfer has been started */
	struct disk_req req;
	struct sg sg[DISK_MAX_SEGS];
	bool with_disk, flush_next;
	unsigned resets;	/* the disk's reset count when @req was submitted */
	int status;
} now;

void bootdisk_add(struct disk *disk, uint16_t bdf, bool writable, bool own)
{
	if (ndisks == MAX_BOOTDISKS) {
		log_warn("%s: more than %u disks: firmware interfaces do not offer this disk", disk->name, MAX_BOOTDISKS);
		return;
	}
	disks[ndisks].disk = disk;
	disks[ndisks].bdf = bdf;
	disks[ndisks].own = own;
	disks[ndisks++].writable = writable && !disk->hw_read_only;
}

static bool bootdisk_get(unsigned n, struct bootdisk *out)
{
	if (n >= ndisks)
		return false;
	const struct disk *d = disks[n].disk;

	*out = (struct bootdisk){ d->name, d->model, d->serial, disks[n].bdf, d->block_size, d->nblocks, disks[n].writable,
				  disks[n].own };
	return true;
}

static void done(struct disk_req *req, int status)
{
	now.with_disk = false;
	now.status = status;
	clock_release();
}

/* The clock gives the driver its deadlines. */
static void submit(void)
{
	now.req.done = done;
	now.with_disk = true;
	now.resets = now.disk->resets;
	clock_hold();
	disk_submit(now.disk, 0, &now.req);	/* may call done() from inside */
	disk_kick(now.disk, 0);
}

/* True if a reset has dropped our request. */
static bool dropped(void)
{
	return now.with_disk && now.resets != now.disk->resets;
}

static struct owner *owner_of(const struct disk *disk)
{
	return &disk->ctrl->owner;
}

static int bootdisk_begin(unsigned n, bool write, uint64_t lba, uint32_t nblocks, const struct sg *sg, unsigned nsg)
{
	if (n >= ndisks)
		return -ERR_NODEV;
	if (write && !disks[n].writable)
		return -ERR_ROFS;
	if (!nsg || nsg > DISK_MAX_SEGS)
		return -ERR_INVAL;
	if (now.disk)
		return -ERR_BUSY;
	now.disk = disks[n].disk;
	for (unsigned i = 0; i < nsg; i++)
		now.sg[i] = sg[i];
	now.req = (struct disk_req){ .op = write ? DISK_WRITE : DISK_READ, .lba = lba, .nblocks = nblocks, .sg = now.sg,
				     .nsg = nsg };
	owner_acquire(owner_of(now.disk));
	now.flush_next = write && now.disk->write_cache && now.disk->flush;
	submit();
	owner_release(owner_of(now.disk));
	return 0;
}

static int result(void)
{
	if (dropped()) {
		now.flush_next = false;
		done(&now.req, -ERR_ABORTED);
	}
	if (!now.with_disk && !now.status && now.flush_next) {
		now.flush_next = false;
		now.req = (struct disk_req){ .op = DISK_FLUSH };
		submit();
	}
	return now.with_disk ? -ERR_BUSY : now.status;
}

static int bootdisk_result(void)
{
	struct disk *disk = now.disk;
	int status;

	if (!disk)
		return -ERR_INVAL;
	owner_acquire(owner_of(disk));
	status = result();
	owner_release(owner_of(disk));
	if (status != -ERR_BUSY)
		now.disk = NULL;
	return status;
}

static int bootdisk_read(unsigned n, uint64_t lba, uint32_t nblocks, void *buf)
{
	return n < ndisks ? disk_read_now(disks[n].disk, lba, buf, nblocks) : -ERR_NODEV;
}

static void bootdisk_booted(unsigned n)
{
	if (n < ndisks && disks[n].disk->client_booted)
		disks[n].disk->client_booted(disks[n].disk);
}

const struct bootdisk_ops bootdisk_ops = {
	.get = bootdisk_get,
	.begin = bootdisk_begin,
	.result = bootdisk_result,
	.booted = bootdisk_booted,
	.read = bootdisk_read,
};
