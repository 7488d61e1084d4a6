/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disk commands.  "write" writes, and "verify" expects, this value in each 32-bit little-endian word of the disk: PATTERN + the
 * word's number on the disk (modulo 2^32).  So a word in the wrong place has a wrong value.
 */
#include "veneer.h"
#include "virtio_blk.h"

#define DEPTH	8u

/* Called for the data of each request of a stream: before a write, after a read. */
typedef int (*stream_fn)(const struct disk *d, struct disk_slot *s, uint32_t pattern);

struct stream {
	enum disk_op op;
	uint64_t lba, count;
	uint32_t chunk;			/* sectors in a request */
	unsigned int depth;
	uint32_t pattern;
	stream_fn fill, check;		/* or NULL */
};

static struct disk *parse_disk(const char *s)
{
	uint64_t n;

	if (!strncmp(s, "disk", 4))
		s += 4;
	if (parse_number(s, &n) && n < disk_count)
		return &disks[n];
	printf("no disk %s\n", s);
	return NULL;
}

static bool in_range(const struct disk *d, uint64_t lba, uint64_t count)
{
	if (count && lba < d->sectors && count <= d->sectors - lba)
		return true;
	printf("%s: %llu sectors from %llu are not on a disk of %llu\n", d->dev.name, count, lba, d->sectors);
	return false;
}

static int fill_pattern(const struct disk *d, struct disk_slot *s, uint32_t pattern)
{
	uint32_t *words = (uint32_t *)s->data, per_sector = d->sector_size / 4;
	uint32_t first = pattern + (uint32_t)s->lba * per_sector;

	for (uint32_t i = 0; i < s->sectors * per_sector; i++)
		words[i] = first + i;
	return 0;
}

static int check_pattern(const struct disk *d, struct disk_slot *s, uint32_t pattern)
{
	const uint32_t *words = (const uint32_t *)s->data;
	uint32_t per_sector = d->sector_size / 4, first = pattern + (uint32_t)s->lba * per_sector;

	for (uint32_t i = 0; i < s->sectors * per_sector; i++)
		if (words[i] != first + i) {
			printf("%s: sector %llu word %u is %08x, not %08x\n", d->dev.name, s->lba + i / per_sector,
			       i % per_sector, words[i], first + i);
			return -1;
		}
	return 0;
}

static int stream_start(struct disk *d, struct stream *st)
{
	struct disk_slot *s = disk_slot(d, st->depth);
	uint32_t n = st->count < st->chunk ? st->count : st->chunk;

	s->lba = st->lba;
	s->sectors = n;
	if (st->fill)
		st->fill(d, s, st->pattern);
	if (disk_submit(d, s, st->op, st->lba, n))
		return -1;
	st->lba += n;
	st->count -= n;
	return 0;
}

/* Keep @depth requests in flight until @count sectors are done.  After an error wait for the requests in flight only. */
static int stream_run(struct disk *d, struct stream *st)
{
	unsigned int pending = 0;
	struct disk_slot *s;
	int ret = 0;

	do {
		while (!ret && st->count && pending < st->depth) {
			ret = stream_start(d, st);
			pending += !ret;
		}
		if (!pending)
			break;
		s = disk_wait(d);
		if (!s)
			return -1;
		pending--;
		if (disk_failed(d, s) || (st->check && st->check(d, s, st->pattern)))
			ret = -1;
	} while (pending || (!ret && st->count));
	return ret;
}

static int cmd_disks(int argc, char **argv)
{
	for (unsigned int i = 0; i < disk_count; i++)
		disk_print(&disks[i]);
	return 0;
}

static void dump(const uint8_t *p, uint32_t len)
{
	for (uint32_t at = 0; at < len; at += 16) {
		printf("%04x ", at);
		for (uint32_t i = 0; i < 16; i++)
			printf(" %02x", p[at + i]);
		printf("  ");
		for (uint32_t i = 0; i < 16; i++)
			console_putc(p[at + i] >= ' ' && p[at + i] < 0x7f ? p[at + i] : '.');
		printf("\n");
	}
}

static int cmd_read(int argc, char **argv)
{
	struct sha256 hash;
	struct disk *d;
	uint64_t lba;
	char hex[65];

	if (argc < 3 || !parse_number(argv[2], &lba)) {
		printf("read: DISK LBA\n");
		return -1;
	}
	d = parse_disk(argv[1]);
	if (!d || disk_request(d, DISK_READ, lba, 1))	/* do not check the range: the disk must refuse a bad sector */
		return -1;
	dump(d->slots[0].data, d->sector_size < 512 ? d->sector_size : 512);
	sha256_init(&hash);
	sha256_add(&hash, d->slots[0].data, d->sector_size);
	sha256_end(&hash, hex);
	printf("read: %s sector %llu sha256 %s\n", d->dev.name, lba, hex);
	return 0;
}

static int pattern_arguments(int argc, char **argv, struct disk **d, struct stream *st)
{
	uint64_t pattern;

	if (argc < 5 || !parse_number(argv[2], &st->lba) || !parse_number(argv[3], &pattern) ||
	    !parse_number(argv[4], &st->count)) {
		printf("%s: DISK LBA PATTERN COUNT\n", argv[0]);
		return -1;
	}
	*d = parse_disk(argv[1]);
	if (!*d || !in_range(*d, st->lba, st->count))
		return -1;
	st->pattern = (uint32_t)pattern;
	st->depth = DEPTH;
	st->chunk = DISK_BUFFER / (*d)->sector_size;
	return 0;
}

static int cmd_write(int argc, char **argv)
{
	struct stream st = { .op = DISK_WRITE, .fill = fill_pattern };
	uint64_t lba, count;
	struct disk *d;

	if (pattern_arguments(argc, argv, &d, &st))
		return -1;
	lba = st.lba;
	count = st.count;
	/* Try even if the disk is read-only: the disk must refuse. */
	if (stream_run(d, &st) || disk_request(d, DISK_FLUSH, 0, 0))
		return -1;
	printf("write: %s %llu sectors from %llu written and flushed\n", d->dev.name, count, lba);
	return 0;
}

static int cmd_verify(int argc, char **argv)
{
	struct stream st = { .op = DISK_READ, .check = check_pattern };
	uint64_t lba, count;
	struct disk *d;

	if (pattern_arguments(argc, argv, &d, &st))
		return -1;
	lba = st.lba;
	count = st.count;
	if (stream_run(d, &st))
		return -1;
	printf("verify: %s %llu sectors from %llu are as written\n", d->dev.name, count, lba);
	return 0;
}

static int cmd_flush(int argc, char **argv)
{
	struct disk *d = argc > 1 ? parse_disk(argv[1]) : NULL;

	if (!d || disk_request(d, DISK_FLUSH, 0, 0))
		return -1;
	printf("flush: %s\n", d->dev.name);
	return 0;
}

static int cmd_bench(int argc, char **argv)
{
	uint64_t requests, depth, sectors, us, bytes;
	struct stream st = { .fill = NULL };
	struct disk *d = argc > 5 ? parse_disk(argv[1]) : NULL;

	if (!d || !parse_number(argv[3], &requests) || !parse_number(argv[4], &depth) || !parse_number(argv[5], &sectors) ||
	    !depth || depth > DISK_SLOTS || !sectors || sectors * d->sector_size > DISK_BUFFER) {
		printf("bench: DISK read|write REQUESTS DEPTH SECTORS\n");
		return -1;
	}
	st.op = strcmp(argv[2], "write") ? DISK_READ : DISK_WRITE;
	st.count = requests * sectors;
	st.chunk = sectors;
	st.depth = depth;
	if (!in_range(d, 0, st.count))
		return -1;
	bytes = st.count * d->sector_size;
	veneer_mark();
	us = time_us();
	if (stream_run(d, &st))
		return -1;
	us = time_us() - us;
	printf("bench: %s %s %llu requests depth %llu, %llu bytes in %llu us\n", d->dev.name, argv[2], requests, depth,
	       bytes, us);
	veneer_print_changes("bench");
	return 0;
}

const struct command disk_commands[] = {
	{ "disks", "", "the disks", cmd_disks },
	{ "read", "DISK LBA", "show a sector", cmd_read },
	{ "write", "DISK LBA PATTERN COUNT", "write COUNT sectors: word n of the disk becomes PATTERN + n; flush", cmd_write },
	{ "verify", "DISK LBA PATTERN COUNT", "read them and compare", cmd_verify },
	{ "flush", "DISK", "have everything on stable media", cmd_flush },
	{ "bench", "DISK read|write REQUESTS DEPTH SECTORS", "requests from sector 0 on (write: of old memory!)", cmd_bench },
	{ NULL, NULL, NULL, NULL },
};
