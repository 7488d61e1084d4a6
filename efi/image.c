/* SPDX-License-Identifier: BSD-2-Clause */
/* Veneer's ELF file: checks, and its segments in memory.  Its relocations are its own entry's work. */
#include <veneer/mem.h>
#include <veneer/string.h>
#include "efi/parts.h"
#include "hv/load/elf.h"

static struct elf64_segment segment(const uint8_t *file, const struct elf64_header *h, unsigned i)
{
	struct elf64_segment s;

	memcpy(&s, file + h->phoff + (size_t)i * sizeof(s), sizeof(s));
	return s;
}

/* Widen [@img->base, end) by the segment. */
static const char *add_segment(struct image *img, const struct elf64_segment *s, size_t size)
{
	uint64_t end = img->base + img->size;

	if (s->offset > size || s->filesz > size - s->offset || s->filesz > s->memsz)
		return "a segment is not wholly in the file";
	if (s->memsz > IMAGE_MAX_SIZE || s->vaddr > ~0u)
		return "a segment is larger than 16 MiB or beyond 4 GiB";
	if (!img->size) {
		img->base = s->vaddr & ~(uint64_t)(PAGE_SIZE - 1);
		end = img->base;
	}
	if (s->vaddr < img->base)
		return "the segments are not in order";
	end = MAX(end, ALIGN_UP(s->vaddr + s->memsz, (uint64_t)PAGE_SIZE));
	img->size = end - img->base;
	return img->size > IMAGE_MAX_SIZE ? "the segments are larger than 16 MiB" : NULL;
}

const char *image_check(struct image *img, const uint8_t *file, size_t size)
{
	struct elf64_header h;

	memset(img, 0, sizeof(*img));
	if (size < sizeof(h))
		return "too short for an ELF file";
	memcpy(&h, file, sizeof(h));
	if (h.ident.magic != ELF_MAGIC || h.ident.class != ELF_CLASS64 || h.ident.machine != ELF_X86_64)
		return "no ELF file for x86-64";
	if (h.phentsize != sizeof(struct elf64_segment) || h.phoff > size || h.phnum > (size - h.phoff) / h.phentsize)
		return "its program headers are not wholly in the file";
	for (unsigned i = 0; i < h.phnum; i++) {
		struct elf64_segment s = segment(file, &h, i);
		const char *err = s.type == ELF_PT_LOAD && s.memsz ? add_segment(img, &s, size) : NULL;

		if (err)
			return err;
	}
	if (!img->size || h.entry < img->base || h.entry - img->base >= img->size)
		return "its entry is in no segment";
	img->entry = (uint32_t)(h.entry - img->base);
	return NULL;
}

void image_place(const struct image *img, const uint8_t *file, uint8_t *to)
{
	struct elf64_header h;

	memcpy(&h, file, sizeof(h));
	memset(to, 0, img->size);
	for (unsigned i = 0; i < h.phnum; i++) {
		struct elf64_segment s = segment(file, &h, i);

		if (s.type == ELF_PT_LOAD && s.memsz)
			memcpy(to + (s.vaddr - img->base), file + s.offset, s.filesz);
	}
}
