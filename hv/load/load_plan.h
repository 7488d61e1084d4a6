/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Place the guest's kernel, modules and tables.  A loader first claims every place, then lists copies and fills into the
 * claimed places, then runs them all.  A destination may overlap another copy's source (GRUB leaves modules at 1 MiB, where
 * most kernels are linked): load_plan_run() finds the order, and breaks a circle by moving a source to a free place first.
 * Nothing in guest memory changes before load_plan_run().
 *
 * Only the first CPU calls these functions, at the start.  Addresses are guest-physical.
 */
#ifndef HV_LOAD_PLAN_H
#define HV_LOAD_PLAN_H

#include "hv/boot/bootinfo.h"
#include "hv/load/loader.h"

/* Each segment of a kernel is a copy and a fill, each module a copy; sections of the file and tables have the rest. */
#define LOAD_MAX_MOVES		240u
#define LOAD_MAX_CLAIMS		176u

#define LOAD_LOW_START		0x10000ull	/* conventional memory that no firmware or trampoline convention uses ... */
#define LOAD_LOW_END		0x90000ull	/* ... up to here */
#define LOAD_MIB		0x100000ull
#define LOAD_4G			0x100000000ull

struct load_move {
	uint64_t dst, src, len;
	const char *what;
	bool fill;			/* zeros; no source */
	bool done;
};

struct load_plan {
	const struct boot_info *b;
	struct load_move move[LOAD_MAX_MOVES];
	unsigned nmoves;
	struct mem_range claim[LOAD_MAX_CLAIMS];
	const char *claim_what[LOAD_MAX_CLAIMS];
	unsigned nclaims;
};

/* The plan of all loaders: only one loader runs, and only once. */
extern struct load_plan load_plan;

/* @what is a string that stays valid: "the kernel".  The BIOS's data areas are claimed from the start. */
void load_plan_init(struct load_plan *p, const struct boot_info *b);

/* True if a place is usable memory that nobody has claimed.  Prints nothing. */
bool load_free(const struct load_plan *p, uint64_t base, uint64_t size);

/* Claim a fixed place: 0, or -ERR_INVAL after a line that says what is in the way. */
int load_claim(struct load_plan *p, uint64_t base, uint64_t size, const char *what);

/* Find a place below @max and claim it; @how is BOOT_FIND_HIGH or 0.  Return 0, without a log line, if there is none. */
uint64_t load_find(struct load_plan *p, unsigned how, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
		   const char *what);

/* Print that load_find() found no place; return -ERR_NOMEM. */
int load_no_room(const char *what, uint64_t size, uint64_t max);

/* List a copy or a fill into claimed memory.  @src is physical: in guest memory, or in Veneer's own.  0 or -ERR_NOMEM. */
int load_copy(struct load_plan *p, uint64_t dst, uint64_t src, uint64_t len, const char *what);
int load_fill(struct load_plan *p, uint64_t dst, uint64_t len, const char *what);

/* Run all copies and fills.  0, or negative after a line: guest memory may have changed, the guest must not be started. */
int load_plan_run(struct load_plan *p);

/*
 * Claim a place, page-aligned, below 4 GiB, for each of the guest's modules: where it is, if it can stay there, else behind
 * @after, else anywhere above 1 MiB; list the copies.  @place has img->nmodules entries.
 */
int load_modules(struct load_plan *p, const struct guest_image *img, uint64_t after, uint64_t *place);

/* Bytes for the guest, collected in Veneer's own memory, to be copied to @gpa. */
struct load_blob {
	uint8_t *buf;
	uint64_t gpa;
	uint32_t size, used;
	bool overflow;
};

/* Make a blob of at most @size bytes, and claim its place in low memory, or else below 4 GiB: 0 or negative after a line. */
int blob_new(struct load_blob *o, struct load_plan *p, uint32_t size, const char *what);

/* Append @data, or zeros if it is NULL, aligned.  Return the offset; 0 with @overflow set if there is no room. */
uint32_t blob_add(struct load_blob *o, const void *data, uint32_t size, uint32_t align);
uint32_t blob_add_string(struct load_blob *o, const char *s);

/* Copy the blob with the plan, run the plan, free the blob.  @err is the error so far; return it, or the new one. */
int blob_finish(struct load_blob *o, struct load_plan *p, int err, const char *what);

/* The screen that a kernel's header asks for.  The boot loader has set the mode, without knowing the guest: it is fixed. */
struct screen_wish {
	bool graphics;			/* a framebuffer is understood */
	bool graphics_required;		/* the kernel understands nothing else */
	bool text;			/* the text screen is understood */
	bool any_required;		/* the machine must have one that the kernel understands */
	uint32_t width, height, depth;	/* 0: any; only a recommendation (multiboot2 3.1.10) */
};

/* Print how the screen differs from the request.  0, or -ERR_NOTSUP after a line if the kernel must not be started. */
int load_check_screen(const struct boot_info *b, const struct screen_wish *w, const char *protocol);

#endif
