/* SPDX-License-Identifier: BSD-2-Clause */
/* Select the part of a disk that the guest gets: the whole disk, or the window that a rule names.  hw/ reads the tables. */
#include <veneer/disk.h>
#include <veneer/err.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/partition.h>
#include "conceal/conceal.h"
#include "conceal/medium.h"

/* The installer's name for the partition that Veneer starts from. */
#define BOOT_LABEL	"veneer-boot"
/* The partition of snapshots. */
#define STATE_LABEL	"veneer-state"

static int read_block(void *ctx, uint64_t lba, void *buf)
{
	return disk_read_now(ctx, lba, buf, 1);
}

static int find_window(struct disk *disk, const struct partition_want *want, struct partition *out, const char **why)
{
	struct partition_disk d = {
		.read = read_block, .ctx = disk, .block_size = disk->block_size, .nblocks = disk->nblocks,
	};
	void *buf = mem_alloc(disk->block_size, disk->block_size);
	int err = -ERR_NOMEM;

	*why = "no memory";
	if (buf)
		err = partition_find(&d, want, buf, out, why);
	mem_free(buf);
	return err;
}

static int find_partition(struct disk *disk, const struct config_rule *rule, struct partition *out)
{
	struct partition_want want = {
		.by = rule->window == WINDOW_NUMBER ? PARTITION_NUMBER :
		      rule->window == WINDOW_UUID ? PARTITION_UUID : PARTITION_LABEL,
		.number = rule->partition, .name = rule->part_name,
	};
	char value[56];
	const char *why;
	int err = find_window(disk, &want, out, &why);

	if (rule->window == WINDOW_NUMBER)
		fmt_string(value, sizeof(value), "<%u>", rule->partition);
	else
		fmt_string(value, sizeof(value), "\"%s=%s\"", rule->window == WINDOW_UUID ? "PARTUUID" : "PARTLABEL",
			   rule->part_name);
	if (err)
		log_err("config: /policy/%s: veneer,partition = %s: expected a partition of %s \"%s\" serial \"%s\": %s (%s)",
			rule->node, value, disk->name, disk->model, disk->serial, why, err_name(err));
	else if (*why)
		log_warn("%s: %s", disk->name, why);
	return err ? -ERR_INVAL : 0;
}

/* Accept also a partition that cannot be a window: found twice, or in a GPT with wrong checksums, which GRUB ignores. */
static bool has(struct disk *disk, enum partition_by by, const char *name)
{
	struct partition_want want = { .by = by, .name = name };
	struct partition part;
	const char *why;
	int err = find_window(disk, &want, &part, &why);

	return !err || err == -ERR_INVAL;
}

bool window_state(struct disk *disk, struct partition *out)
{
	struct partition_want want = { .by = PARTITION_LABEL, .name = STATE_LABEL };
	const char *why;
	int err = find_window(disk, &want, out, &why);

	if (err == -ERR_INVAL)
		log_warn("%s: its partition \"" STATE_LABEL "\" is not used: %s", disk->name, why);
	return !err;
}

bool window_own_disk(struct disk *disk)
{
	char uuid[40];
	size_t n;

	for (const char *s = config.own_partition; *s; s += n + (s[n] == ',')) {
		for (n = 0; s[n] && s[n] != ','; n++)
			;
		fmt_string(uuid, sizeof(uuid), "%.*s", (int)MIN(n, sizeof(uuid) - 1), s);
		if (has(disk, PARTITION_UUID, uuid))
			return true;
	}
	return has(disk, PARTITION_LABEL, BOOT_LABEL);
}

bool window_shows_own(struct disk *disk, const struct config_rule *rule)
{
	return !rule || rule->window == WINDOW_NONE || window_own_disk(disk);
}

int window_place(struct disk *disk, const struct config_rule *rule, bool own, bool *writable)
{
	struct partition part;
	int err;

	if (!rule || rule->window == WINDOW_NONE) {
		if (*writable && own) {
			log_warn("%s: has the partition that Veneer starts from: it is read-only, except for a window of it "
				 "(veneer,partition)", disk->name);
			*writable = false;
		}
		return 0;
	}
	if (rule->window == WINDOW_BLOCKS) {
		part.first = rule->window_first;
		part.nblocks = rule->window_blocks;
	} else {
		err = find_partition(disk, rule, &part);
		if (err)
			return err;
	}
	uint64_t whole = disk->nblocks;

	err = disk_set_window(disk, part.first, part.nblocks);
	if (err)
		log_err("config: /policy/%s: veneer,window = first block %#lx, %#lx blocks: expected less, %s \"%s\" has %#lx "
			"blocks of %u bytes", rule->node, part.first, part.nblocks, disk->name, disk->model, whole,
			disk->block_size);
	else
		log_info("%s: the guest gets blocks %#lx to %#lx of %#lx", disk->name, part.first,
			 part.first + part.nblocks - 1, whole);
	return err;
}
