/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzzers share.  A fuzzer is FUZZ(fn): fn() runs once for each input, with an empty heap, log and guest memory
 * (tests/unit/host/host.h), and takes the input's bytes by the functions below.  A failed CHECK, a panic() of the code under
 * test and what ASan or UBSan find end the program.  State of the linked sources that outlives one input is fn()'s to reset.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <string.h>
#include "host/host.h"

/* The rest of the input. */
extern const uint8_t *fuzz_at;
extern size_t fuzz_left;

/* The next bytes, little-endian; zeros behind the end. */
uint64_t fuzz_int(unsigned width);
static inline uint8_t fuzz8(void) { return (uint8_t)fuzz_int(1); }
static inline uint16_t fuzz16(void) { return (uint16_t)fuzz_int(2); }
static inline uint32_t fuzz32(void) { return (uint32_t)fuzz_int(4); }
static inline uint64_t fuzz64(void) { return fuzz_int(8); }

/* Copy up to @len bytes of the input to @to; returns how many there were. */
size_t fuzz_bytes(void *to, size_t len);

/* The rest of the input in a block of its own, whose end ASan guards; freed after the run.  *@size may be 0. */
uint8_t *fuzz_rest(size_t *size);

/* CRC-32 in another way than the product's. */
uint32_t fuzz_crc32(const uint8_t *p, size_t n);

/* From here on ASan, if it is linked, finds each access to these bytes; and no longer. */
void fuzz_poison(void *at, size_t size);
void fuzz_unpoison(void *at, size_t size);

void fuzz_run(const uint8_t *data, size_t size, void (*fn)(void));

#define FUZZ(fn) \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { fuzz_run(data, size, fn); return 0; }

#endif
