/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/emul/decode.c hv/emul/emulate.c tests/fuzz/lib/fuzz.c */
/* libs: -lZydis -lZycore */
/* quick: 40000 */
/*
 * The decoder, against Zydis, and the executor on any registers, with a bus whose contents and failures are the input's.
 * test_decode.c compares operands, test_emulate.c results; here it is any bytes on any state.
 */
#include <Zydis/Zydis.h>
#include <veneer/err.h>
#include "tests/fuzz/fuzz.h"
#include "hv/emul/emulate.h"

static struct insn insn;
static unsigned accesses;

static int bus_read(void *ctx, uint64_t linear, void *buf, unsigned len)
{
	CHECK(len == 1 || len == 2 || len == 4 || len == 8);
	CHECK(insn.reads || insn_is_string(&insn));
	accesses++;
	if (fuzz8() == 0xff)
		return -ERR_FAULT;
	memset(buf, 0, len);
	fuzz_bytes(buf, len);
	return 0;
}

static int bus_write(void *ctx, uint64_t linear, const void *buf, unsigned len)
{
	static volatile uint8_t sum UNUSED;

	CHECK(len == 1 || len == 2 || len == 4 || len == 8);
	CHECK(insn.writes || insn_is_string(&insn));
	accesses++;
	for (unsigned i = 0; i < len; i++)
		sum ^= ((const uint8_t *)buf)[i];
	return fuzz8() == 0xff ? -ERR_FAULT : 0;
}

static int bus_in(void *ctx, uint16_t port, unsigned width, uint32_t *value)
{
	CHECK(insn_is_port(&insn) && (width == 1 || width == 2 || width == 4));
	*value = fuzz32();
	return 0;
}

static int bus_out(void *ctx, uint16_t port, unsigned width, uint32_t value)
{
	CHECK(insn_is_port(&insn) && (width == 1 || width == 2 || width == 4));
	return 0;
}

static const struct insn_bus bus = { bus_read, bus_write, NULL, bus_in, bus_out, NULL, 0 };

static void compare(enum cpu_mode mode, const uint8_t *bytes, unsigned n)
{
	static const ZydisMachineMode modes[] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
						  ZYDIS_MACHINE_MODE_LONG_64 };
	static const ZydisStackWidth stacks[] = { ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32, ZYDIS_STACK_WIDTH_64 };
	ZydisDecodedInstruction z;
	ZydisDecoder d;

	CHECK(ZYAN_SUCCESS(ZydisDecoderInit(&d, modes[mode], stacks[mode])));
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, bytes, n, &z)))
		host_fail(__FILE__, __LINE__, "decoded, and Zydis knows no such instruction: op %u, %u bytes", insn.op,
			  insn.len);
	CHECK_EQ(insn.len, z.length);
}

static void fuzz(void)
{
	enum cpu_mode mode = fuzz8() % 3;
	uint8_t raw[INSN_MAX_LEN + 1], *bytes;
	struct vcpu_regs r = { 0 }, before;
	unsigned n = (unsigned)fuzz_bytes(raw, fuzz8() % sizeof(raw));

	bytes = malloc(n ? n : 1);
	memcpy(bytes, raw, n);
	int result = insn_decode(&insn, mode, bytes, n);

	if (!result) {
		CHECK(insn.len && insn.len <= MIN(n, INSN_MAX_LEN));
		compare(mode, bytes, n);
	}
	free(bytes);
	if (result)
		return;
	for (unsigned i = 0; i < GPR_COUNT; i++)
		r.gpr[i] = fuzz8() & 1 ? fuzz64() : fuzz8();
	for (unsigned i = 0; i < SEG_COUNT; i++)
		r.seg[i].base = fuzz16();
	r.seg[SEG_CS].attr = mode == MODE_64 ? SEG_ATTR_L : mode == MODE_32 ? SEG_ATTR_DB : 0;
	r.cr0 = CR0_PE;
	r.efer = mode == MODE_64 ? EFER_LMA | EFER_LME : 0;
	r.rip = mode == MODE_64 ? fuzz64() : fuzz32();
	r.rflags = fuzz32() | 2;
	before = r;
	accesses = 0;
	insn_ea(&insn, &r);
	result = insn_execute(&insn, &r, &bus);
	CHECK(accesses <= 2 * INSN_REP_MAX);
	CHECK(result <= 0);
	if (result == -ERR_NOTSUP)
		CHECK(!memcmp(&r, &before, sizeof(r)));
	if (!result)
		CHECK(r.rip == insn_next_rip(&insn, &before) || (insn_is_string(&insn) && insn.rep && r.rip == before.rip));
	CHECK(r.cr0 == before.cr0 && r.efer == before.efer && r.cpl == before.cpl);
}

FUZZ(fuzz)
