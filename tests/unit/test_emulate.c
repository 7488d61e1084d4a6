/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/emul/decode.c hv/emul/emulate.c */
/*
 * The executor compared with the processor of this machine: both execute random 64-bit instructions with random registers,
 * flags and memory.  Tests by hand cover what 64-bit code on a host cannot show (other modes, ports, failing accesses).
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <veneer/err.h>
#include "host/host.h"
#include "hv/emul/emulate.h"

#define ROUNDS		200000
#define SEED		0xe3a1a7e0ull
#define DATA_SIZE	8192u
#define GS_BASE		0x340u
#define FLAGS_DEFINED	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static uint64_t rng_state = SEED;

static uint64_t rnd(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

/* --- Running code natively.  All of it lies below 2 GiB, so that 32-bit displacements reach it. --- */

struct native {
	uint8_t code[4096];
	uint64_t gpr[GPR_COUNT];		/* registers before and after */
	uint64_t rflags, host_rsp;
	uint8_t fill[4096 - 8 * (GPR_COUNT + 2)];
	uint8_t data[DATA_SIZE];
};

static struct native *native;
static uint8_t shadow[DATA_SIZE];		/* what the executor works on */
static unsigned pos;				/* in native->code */
static uint8_t current[INSN_MAX_LEN];		/* for messages */

static void emit(const void *bytes, unsigned n)
{
	memcpy(native->code + pos, bytes, n);
	pos += n;
}

/* Emit an instruction that ends in a RIP-relative displacement to @target. */
static void emit_rip(const void *bytes, unsigned n, const void *target)
{
	int32_t rel;

	emit(bytes, n);
	rel = (int32_t)((const uint8_t *)target - (native->code + pos + 4));
	emit(&rel, 4);
}

/* Emit a MOV between register and native->gpr[reg]; 8B loads, 89 stores. */
static void emit_gpr(uint8_t opcode, unsigned reg)
{
	const uint8_t b[3] = { 0x48 | (reg >> 3) << 2, opcode, (reg & 7) << 3 | 5 };

	emit_rip(b, 3, &native->gpr[reg]);
}

/*
 * Build the code around the instruction, which loads and stores the test's flags and sixteen registers.  Return the
 * instruction's address.
 */
static uint8_t *build(const uint8_t *bytes, unsigned len)
{
	uint8_t *at;

	pos = 0;
	emit("\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10);		/* push rbx rbp r12 r13 r14 r15 */
	emit_rip("\xff\x35", 2, &native->rflags);			/* push; popf */
	emit("\x9d", 1);
	emit_rip("\x48\x89\x25", 3, &native->host_rsp);
	for (unsigned r = 0; r < GPR_COUNT; r++)
		emit_gpr(0x8b, r);
	at = native->code + pos;
	emit(bytes, len);
	for (unsigned r = 0; r < GPR_COUNT; r++)
		emit_gpr(0x89, r);
	emit_rip("\x48\x8b\x25", 3, &native->host_rsp);
	emit("\x9c", 1);						/* pushf; pop */
	emit_rip("\x8f\x05", 2, &native->rflags);
	emit("\xfc\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 12);	/* cld; pops; ret */
	return at;
}

static uint64_t address_of(const void *p)
{
	return (uintptr_t)p;
}

static const char *current_text(void)
{
	static char text[64];

	for (unsigned i = 0; i < sizeof(current); i++)
		sprintf(text + 3 * i, "%02x ", current[i]);
	return text;
}

static void on_fault(int sig)
{
	printf("not ok: signal %d in or around %s\n", sig, current_text());
	fflush(stdout);
	_exit(1);
}

static void native_init(void)
{
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_ONSTACK };
	static uint8_t stack_space[65536];
	stack_t stack = { .ss_sp = stack_space, .ss_size = sizeof(stack_space) };

	if (native)
		return;
	native = mmap(NULL, sizeof(*native), PROT_READ | PROT_WRITE | PROT_EXEC,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	CHECK(native != MAP_FAILED);
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)GS_BASE), 0);
	CHECK_EQ(sigaltstack(&stack, NULL), 0);
	CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
	CHECK_EQ(sigaction(SIGILL, &sa, NULL), 0);
	CHECK_EQ(sigaction(SIGBUS, &sa, NULL), 0);
}

/* --- The bus: native->data by its address, served from the shadow. --- */

static bool in_data(uint64_t linear, unsigned len)
{
	uint64_t start = address_of(native->data);

	return linear >= start && linear + len <= start + DATA_SIZE && linear + len > linear;
}

static int bus_read(void *ctx, uint64_t linear, void *buf, unsigned len)
{
	if (!in_data(linear, len))
		return -ERR_FAULT;
	memcpy(buf, shadow + (linear - address_of(native->data)), len);
	return 0;
}

static int bus_write(void *ctx, uint64_t linear, const void *buf, unsigned len)
{
	if (!in_data(linear, len))
		return -ERR_FAULT;
	memcpy(shadow + (linear - address_of(native->data)), buf, len);
	return 0;
}

static const struct insn_bus shadow_bus = { .read = bus_read, .write = bus_write };

/* --- Random cases. --- */

static const uint8_t opcodes[] = {
	0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1, 0xa2, 0xa3, 0x63, 0xc6, 0xc7,
	0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xf6, 0xf7, 0xfe, 0xff,
};
static const uint8_t opcodes_0f[] = {
	0xa3, 0xab, 0xb3, 0xbb, 0xba, 0xb0, 0xb1, 0xb6, 0xb7, 0xbe, 0xbf, 0xc0, 0xc1, 0xc3,
};

static bool have_movbe(void)
{
	unsigned a, b, c = 0, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_MOVBE);
}

static unsigned random_opcode(uint8_t *b)
{
	switch (rnd() % 16) {
	case 0: case 1: case 2: case 3: case 4:
		b[0] = rnd() >> 9 & 0x3b;
		return 1;
	case 5: case 6: case 7: case 8: case 9:
		b[0] = 0x0f;
		b[1] = opcodes_0f[rnd() % sizeof(opcodes_0f)];
		return 2;
	case 10:
		if (!have_movbe())
			break;
		b[0] = 0x0f;
		b[1] = 0x38;
		b[2] = 0xf0 | (rnd() >> 9 & 1);
		return 3;
	}
	b[0] = opcodes[rnd() % sizeof(opcodes)];
	return 1;
}

/* Displacements are small, except for absolute and RIP-relative operands, which fix_disp() points into the data. */
static void random_bytes(uint8_t *b)
{
	static const uint8_t prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x65, 0x3e };
	unsigned n = 0;

	for (unsigned i = 0; i < 24; i++)
		b[i] = rnd() >> 9;
	for (unsigned k = rnd() % 3; k; k--)
		b[n++] = prefixes[rnd() % sizeof(prefixes)];
	if (rnd() % 2)
		b[n++] = 0x40 | (rnd() >> 9 & 15);
	n += random_opcode(b + n);
	b[n] &= rnd() % 8 ? 0x7f : 0xff;
}

/* True if byte @i of the instruction belongs to its displacement: another value then changes the displacement only. */
static bool is_disp_byte(const struct insn *insn, const uint8_t *b, unsigned i)
{
	uint8_t other[INSN_MAX_LEN];
	struct insn changed;

	memcpy(other, b, sizeof(other));
	other[i] ^= 1;
	if (insn_decode(&changed, MODE_64, other, sizeof(other)) || changed.disp == insn->disp)
		return false;
	changed.disp = insn->disp;
	return !memcmp(&changed, insn, sizeof(changed));
}

/* Point an absolute or RIP-relative operand into the data; @rip is the instruction's future address. */
static void fix_disp(const struct insn *insn, uint8_t *b, uint64_t rip)
{
	uint64_t target = address_of(native->data) + DATA_SIZE / 2 + rnd() % 256;
	uint8_t original[INSN_MAX_LEN];

	if (insn->base != INSN_NO_REG && insn->base != INSN_RIP)
		return;
	if (insn->seg == SEG_GS)
		target -= GS_BASE;
	if (insn->base == INSN_RIP)
		target -= rip + insn->len;
	memcpy(original, b, sizeof(original));
	for (unsigned i = 0; i < insn->len; i++) {
		if (is_disp_byte(insn, original, i)) {
			b[i] = (uint8_t)target;
			target >>= 8;
		}
	}
}

/* Give the address's registers values with which the address can fall into the data. */
static void random_registers(const struct insn *insn, struct vcpu_regs *r)
{
	uint64_t middle = address_of(native->data) + DATA_SIZE / 2 + rnd() % 512;
	uint64_t junk = insn->addr_size == 4 ? rnd() << 32 : 0;
	uint64_t mask = insn->size == 8 ? ~0ull : BIT64(8 * insn->size) - 1;
	bool bit_string = insn->op >= INSN_BT && insn->op <= INSN_BTC && insn->operand == OPERAND_REG;

	for (unsigned i = 0; i < GPR_COUNT; i++)
		r->gpr[i] = rnd() % 8 ? rnd() : (uint64_t)(int64_t)(int8_t)rnd();
	if (bit_string)
		r->gpr[insn->reg] = (r->gpr[insn->reg] & ~mask) | ((rnd() % 16384 - 8192) & mask);
	if (insn->index != INSN_NO_REG)
		r->gpr[insn->index] = (uint32_t)(rnd() % 512 - (insn->addr_size == 4 ? 256 : 0)) | junk;
	if (insn->base != INSN_NO_REG && insn->base != INSN_RIP)
		r->gpr[insn->base] = (uint32_t)(middle - insn->disp - (insn->seg == SEG_GS ? GS_BASE : 0)) | junk;
	if (insn_is_string(insn)) {
		r->gpr[GPR_RDI] = (uint32_t)(middle + rnd() % 256) | junk;
		/* ECX is never 0: vendors differ in whether the upper half is cleared then. */
		r->gpr[GPR_RCX] = (uint32_t)(rnd() % 159 + (insn->addr_size == 4)) | junk;
	}
	if (insn->op == INSN_CMPXCHG && rnd() % 2 && insn->base != GPR_RAX && insn->index != GPR_RAX)
		memcpy(&r->gpr[GPR_RAX], shadow + (insn_ea(insn, r) - address_of(native->data)) % (DATA_SIZE - 8), insn->size);
}

static bool reaches_data(const struct insn *insn, const struct vcpu_regs *r)
{
	unsigned room = insn_is_string(insn) && insn->rep ? 160 * 8 : 0;
	uint64_t ea = insn_ea(insn, r);

	return in_data(ea - room, insn->size + 2 * room) &&
	       (insn->op != INSN_MOVS || in_data(insn_ea_dst(insn, r) - room, insn->size + 2 * room));
}

static uint64_t undefined_flags(const struct insn *insn)
{
	switch (insn->op) {
	case INSN_AND: case INSN_OR: case INSN_XOR: case INSN_TEST:
		return RFLAGS_AF;
	case INSN_BT: case INSN_BTS: case INSN_BTR: case INSN_BTC:
		return RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF;
	}
	return 0;
}

static void execute_all(const struct insn *insn, struct vcpu_regs *r)
{
	uint64_t rip = r->rip;

	for (unsigned i = 0; r->rip == rip; i++) {
		CHECK(i < 4);		/* 160 iterations at most, 64 at a time */
		CHECK_EQ(insn_execute(insn, r, &shadow_bus), 0);
	}
	CHECK_EQ(r->rip, rip + insn->len);
}

static void compare(const struct insn *insn, const struct vcpu_regs *r)
{
	uint64_t flags = FLAGS_DEFINED & ~undefined_flags(insn);

	for (unsigned i = 0; i < GPR_COUNT; i++)
		if (native->gpr[i] != r->gpr[i])
			host_fail(__FILE__, __LINE__, "%s: register %u is %#llx, the processor has %#llx", current_text(), i,
				  (unsigned long long)r->gpr[i], (unsigned long long)native->gpr[i]);
	if ((native->rflags ^ r->rflags) & flags)
		host_fail(__FILE__, __LINE__, "%s: flags %#llx, the processor has %#llx", current_text(),
			  (unsigned long long)r->rflags, (unsigned long long)native->rflags);
	if (memcmp(native->data, shadow, DATA_SIZE))
		host_fail(__FILE__, __LINE__, "%s: memory differs", current_text());
}

static void run_both(const struct insn *insn, struct vcpu_regs *r)
{
	memcpy(native->gpr, r->gpr, sizeof(native->gpr));
	native->rflags = r->rflags;
	((void (*)(void))native->code)();
	execute_all(insn, r);
	compare(insn, r);
}

/* Return the operation that was tried, or -1 if these bytes cannot be run. */
static int random_case(void)
{
	struct vcpu_regs r = { .efer = EFER_LMA };
	struct insn insn;
	uint8_t b[24];

	r.seg[SEG_CS].attr = SEG_ATTR_L;
	r.seg[SEG_GS].base = GS_BASE;
	random_bytes(b);
	if (insn_decode(&insn, MODE_64, b, INSN_MAX_LEN) || (!insn.reads && !insn.writes) || insn_is_port(&insn))
		return -1;
	memcpy(current, b, INSN_MAX_LEN);
	r.rip = address_of(build(b, insn.len));
	fix_disp(&insn, b, r.rip);
	CHECK_EQ(insn_decode(&insn, MODE_64, b, INSN_MAX_LEN), 0);
	memcpy(current, b, INSN_MAX_LEN);
	CHECK_EQ(address_of(build(b, insn.len)), r.rip);
	random_registers(&insn, &r);
	if (!reaches_data(&insn, &r))
		return -1;
	r.rflags = 0x202 | (rnd() & FLAGS_DEFINED) | (insn_is_string(&insn) ? rnd() & RFLAGS_DF : 0);
	run_both(&insn, &r);
	return insn.op;
}

TEST(the_processor_does_the_same)
{
	unsigned done[INSN_HLT + 1] = { 0 };

	native_init();
	printf("seed %#llx\n", SEED);
	for (unsigned i = 0; i < DATA_SIZE; i++)
		native->data[i] = shadow[i] = rnd() >> 9;
	for (unsigned i = 0; i < ROUNDS; i++) {
		int op = random_case();

		if (op >= 0)
			done[op]++;
	}
	for (unsigned op = INSN_ADD; op <= INSN_LODS; op++) {
		printf("%s%u:%u", op ? " " : "", op, done[op]);
		if (op != INSN_MOVBE || have_movbe())
			CHECK(done[op] > ROUNDS / 1000);
	}
	printf("\n");
}

/* Run an encoding that random bytes seldom make, with the caller's registers. */
static void exact_case(const void *bytes, unsigned len, struct vcpu_regs *r)
{
	struct insn insn;

	native_init();
	memset(current, 0, sizeof(current));
	memcpy(current, bytes, len);
	memcpy(shadow, native->data, DATA_SIZE);
	CHECK_EQ(insn_decode(&insn, MODE_64, bytes, len), 0);
	CHECK_EQ(insn.len, len);
	r->rip = address_of(build(bytes, len));
	r->rflags = 0x202;
	run_both(&insn, r);
}

TEST(no_base_whatever_rex_b_says)
{
	struct vcpu_regs r = { 0 };
	uint8_t b[9] = { 0x67, 0x41, 0x8b, 0x04, 0xad };	/* mov eax, [ebp * 4 + disp32] */
	uint32_t disp;

	native_init();
	disp = (uint32_t)address_of(native->data);
	memcpy(b + 5, &disp, 4);
	native->data[40] = 0x77;
	r.gpr[GPR_RBP] = 10;
	r.gpr[GPR_R13] = 0x123456789abcull;
	exact_case(b, 9, &r);
	CHECK_EQ(r.gpr[GPR_RAX] & 0xff, 0x77);
}

/* A further null override does not undo GS, and a REX prefix before another prefix does not count. */
TEST(order_of_prefixes)
{
	struct vcpu_regs r = { 0 };

	native_init();
	memset(native->data, 0x5a, 64);
	r.gpr[GPR_RBX] = address_of(native->data) - GS_BASE;
	r.seg[SEG_GS].base = GS_BASE;
	exact_case("\x65\x3e\x8b\x03", 4, &r);
	CHECK_EQ(r.gpr[GPR_RAX], 0x5a5a5a5a);
	r.gpr[GPR_RBX] = address_of(native->data);
	r.gpr[GPR_RAX] = ~0ull;
	exact_case("\x48\x66\x8b\x03", 4, &r);
	CHECK_EQ(r.gpr[GPR_RAX], 0xffffffffffff5a5aull);
}

/* --- What the host cannot show. --- */

static struct {
	uint8_t mem[256];		/* at linear 0x1000 */
	uint64_t last_read, last_write;
	unsigned reads, writes, fail_read, fail_write;	/* the nth access fails; 0: none */
	uint32_t port_value, out_value;
	unsigned port, width;
} toy;

static int toy_access(uint64_t linear, unsigned len, unsigned count, unsigned fail)
{
	if (count == fail)
		return -ERR_IO;
	return linear >= 0x1000 && linear + len <= 0x1000 + sizeof(toy.mem) ? 0 : -ERR_FAULT;
}

static int toy_read(void *ctx, uint64_t linear, void *buf, unsigned len)
{
	int err = toy_access(linear, len, ++toy.reads, toy.fail_read);

	toy.last_read = linear;
	if (!err)
		memcpy(buf, toy.mem + (linear - 0x1000), len);
	return err;
}

static int toy_write(void *ctx, uint64_t linear, const void *buf, unsigned len)
{
	int err = toy_access(linear, len, ++toy.writes, toy.fail_write);

	toy.last_write = linear;
	if (!err)
		memcpy(toy.mem + (linear - 0x1000), buf, len);
	return err;
}

static int toy_in(void *ctx, uint16_t port, unsigned width, uint32_t *value)
{
	toy.port = port;
	toy.width = width;
	*value = toy.port_value++;
	return 0;
}

static int toy_out(void *ctx, uint16_t port, unsigned width, uint32_t value)
{
	toy.port = port;
	toy.width = width;
	toy.out_value = value;
	return 0;
}

static const struct insn_bus toy_bus = { .read = toy_read, .write = toy_write, .in = toy_in, .out = toy_out };

static int run(struct vcpu_regs *r, enum cpu_mode mode, const void *bytes, unsigned len, const struct insn_bus *bus)
{
	struct insn insn;

	CHECK_EQ(insn_decode(&insn, mode, bytes, len), 0);
	CHECK_EQ(insn.len, len);
	return insn_execute(&insn, r, bus);
}

static void toy_reset(void)
{
	memset(&toy, 0, sizeof(toy));
	for (unsigned i = 0; i < sizeof(toy.mem); i++)
		toy.mem[i] = i;
}

static uint64_t ea_of(struct vcpu_regs *r, enum cpu_mode mode, const void *bytes, unsigned len)
{
	struct insn insn;

	CHECK_EQ(insn_decode(&insn, mode, bytes, len), 0);
	return insn_ea(&insn, r);
}

TEST(addresses_wrap_by_their_size_and_mode)
{
	struct vcpu_regs r = { .rip = 0x1000 };

	r.seg[SEG_DS].base = 0x50000;
	r.seg[SEG_SS].base = 0x60000;
	r.seg[SEG_ES].base = 0xfffff000;
	r.seg[SEG_FS].base = 0xffff800000000000ull;
	r.gpr[GPR_RBX] = 0xdeadfff0;
	r.gpr[GPR_RSI] = 0x20;
	r.gpr[GPR_RBP] = 0x100;
	CHECK_EQ(ea_of(&r, MODE_16, "\x8b\x00", 2), 0x50010);			/* [bx + si] */
	CHECK_EQ(ea_of(&r, MODE_16, "\x8b\x46\xfe", 3), 0x600fe);		/* [bp - 2] by SS */
	CHECK_EQ(ea_of(&r, MODE_16, "\x26\x8b\x46\xfe", 4), 0xfffff0fe);
	CHECK_EQ(ea_of(&r, MODE_16, "\x8b\x0e\x34\x92", 4), 0x59234);		/* [disp16] */
	CHECK_EQ(ea_of(&r, MODE_16, "\x67\x8b\x03", 3), 0xdeb2fff0);		/* [ebx] */
	CHECK_EQ(ea_of(&r, MODE_32, "\x67\x8b\x00", 3), 0x50010);
	CHECK_EQ(ea_of(&r, MODE_32, "\x26\x8b\x83\x10\x20\x52\x21", 7), 0x1000);	/* offset and sum wrap around */
	r.gpr[GPR_RBX] = 0x2000;
	CHECK_EQ(ea_of(&r, MODE_32, "\x26\x8b\x03", 3), 0x1000);		/* the base wraps at 4 GiB */
	CHECK_EQ(ea_of(&r, MODE_64, "\x26\x8b\x03", 3), 0x2000);		/* no ES base here */
	CHECK_EQ(ea_of(&r, MODE_64, "\x64\x8b\x03", 3), 0xffff800000002000ull);
	CHECK_EQ(ea_of(&r, MODE_64, "\x8b\x05\xf0\xff\xff\xff", 6), 0xff6);	/* [rip - 16] */
	r.rip = 0xfffffffffff0ull;
	CHECK_EQ(ea_of(&r, MODE_64, "\x67\x8b\x05\x20\x00\x00\x00", 7), 0x17);	/* [eip + 32] */
	CHECK_EQ(ea_of(&r, MODE_32, "\xa1\x00\x00\x00\xf0", 5), 0xf0050000);
	CHECK_EQ(ea_of(&r, MODE_64, "\xa1\x00\x00\x00\xf0\x01\x00\x00\x80", 9), 0x80000001f0000000ull);
}

static void set_limits(struct vcpu_regs *r, uint32_t limit)
{
	for (unsigned i = 0; i < SEG_COUNT; i++)
		r->seg[i].limit = limit;
}

/* Each row: an access of 4 bytes at [rbx], or [rbp] by SS, or by a string instruction, and what the processor answers. */
TEST(operands_are_checked_as_the_processor_does)
{
	enum { REAL, V86, PROT, LONG };
	static const struct { unsigned how; uint16_t attr; uint32_t limit; uint64_t at; uint8_t vector; bool write; } rows[] = {
		{ REAL, 0x93, 0xffff, 0xfffc, 0, true }, { REAL, 0x93, 0xffff, 0xfffd, 1, true },
		{ REAL, 0x91, 0xffff, 0, 0, true }, { REAL, 0, 0xffff, 0, 0, true },	/* no types in real mode */
		{ REAL, 0x93, 0xffffffff, 0xfffe, 0, true },			/* big real mode */
		{ V86, 0xf3, 0xffff, 0xfffc, 0, true }, { V86, 0xf3, 0xffff, 0xfffe, 1, true },
		{ PROT, 0x493, 0xfff, 0xffc, 0, true }, { PROT, 0x493, 0xfff, 0xffd, 1, true },
		{ PROT, 0x493, 0xfff, 0x1000, 1, false }, { PROT, 0x493, 0xffffffff, 0xfffffffe, 0, true },
		{ PROT, 0x493, 0xfffffffe, 0xfffffffe, 1, true },
		{ PROT, 0x413, 0xffffffff, 0, 1, false }, { PROT, 0, 0, 0, 1, false },	/* not present, null */
		{ PROT, 0x491, 0xfff, 0, 1, true }, { PROT, 0x491, 0xfff, 0, 0, false },	/* read-only */
		{ PROT, 0x49b, 0xfff, 0, 1, true }, { PROT, 0x49b, 0xfff, 0, 0, false },	/* code */
		{ PROT, 0x499, 0xfff, 0, 1, false },					/* execute-only */
		{ PROT, 0x497, 0xfff, 0xfff, 1, false }, { PROT, 0x497, 0xfff, 0x1000, 0, true },	/* expand-down */
		{ PROT, 0x497, 0xfff, 0xfffffffd, 1, true }, { PROT, 0x097, 0xfff, 0xfffd, 1, true },
		{ PROT, 0x097, 0xfff, 0xfffc, 0, true },
		{ LONG, 0, 0, 0x7ffffffffffc, 0, true }, { LONG, 0, 0, 0x7ffffffffffd, 1, true },
		{ LONG, 0, 0, 0x800000000000, 1, true }, { LONG, 0, 0, 0xffff7ffffffffffc, 1, false },
		{ LONG, 0, 0, 0xffff800000000000, 0, false }, { LONG, 0x499, 0xfff, 0x100000, 0, true },
	};
	static const struct { const char *bytes; unsigned n; bool write, string; enum seg seg; } insns[] = {
		{ "\x8b\x03", 2, false, false, SEG_DS }, { "\x89\x03", 2, true, false, SEG_DS },
		{ "\x8b\x45\x00", 3, false, false, SEG_SS }, { "\x89\x45\x00", 3, true, false, SEG_SS },
		{ "\x01\x03", 2, true, false, SEG_DS }, { "\xad", 1, false, true, SEG_DS }, { "\xab", 1, true, true, SEG_ES },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(insns); k++) {
			uint64_t rflags = rows[i].how == V86 ? RFLAGS_VM : 0;
			struct vcpu_regs r = { .cr0 = rows[i].how == REAL ? 0 : CR0_PE, .rflags = rflags };
			enum cpu_mode mode = rows[i].how == LONG ? MODE_64 : MODE_32;
			uint8_t want = !rows[i].vector ? 0 : insns[k].seg == SEG_SS ? 12 : 13;
			struct insn insn;

			if (insns[k].write != rows[i].write)
				continue;
			r.seg[insns[k].seg] = (struct vcpu_seg){ .attr = rows[i].attr, .limit = rows[i].limit };
			r.gpr[GPR_RBX] = r.gpr[GPR_RBP] = r.gpr[GPR_RSI] = r.gpr[GPR_RDI] = rows[i].at;
			CHECK_EQ(insn_decode(&insn, mode, (const uint8_t *)insns[k].bytes, insns[k].n), 0);
			if (insn_fault(&insn, &r) != want)
				host_fail(__FILE__, __LINE__, "row %u, instruction %u: %u", i, k, insn_fault(&insn, &r));
			if (want)
				CHECK_EQ(insn_execute(&insn, &r, &toy_bus), -ERR_FAULT);
		}
}

TEST(narrow_modes_move_registers_and_rip_as_they_should)
{
	struct vcpu_regs r = { .rip = 0xfffffffd };

	toy_reset();
	set_limits(&r, 0xffff);
	r.gpr[GPR_RBX] = 0x1010;
	r.gpr[GPR_RAX] = 0x1122334455667788ull;
	CHECK_EQ(run(&r, MODE_16, "\x8a\x27", 2, &toy_bus), 0);		/* mov ah, [bx] */
	CHECK_EQ(r.gpr[GPR_RAX], 0x1122334455661088ull);
	CHECK_EQ(r.rip, 0xffffffff);
	CHECK_EQ(run(&r, MODE_32, "\x8b\x03", 2, &toy_bus), 0);
	CHECK_EQ(r.gpr[GPR_RAX], 0x13121110);
	CHECK_EQ(r.rip, 1);
}

TEST(string_of_16_bit_code)
{
	struct vcpu_regs r = { .rip = 0x100, .rflags = RFLAGS_RF | RFLAGS_CF };

	toy_reset();
	set_limits(&r, 0xffff);
	r.seg[SEG_ES].base = 0x1000;
	r.seg[SEG_FS].base = 0x1040;
	r.gpr[GPR_RSI] = 0xaaaa0000;
	r.gpr[GPR_RDI] = 0xbbbb0000;
	r.gpr[GPR_RCX] = 0xcccc0003;
	CHECK_EQ(run(&r, MODE_16, "\x64\xf3\xa5", 3, &toy_bus), 0);	/* rep movsw es:[di], fs:[si] */
	CHECK_EQ(memcmp(toy.mem, toy.mem + 0x40, 6), 0);
	CHECK_EQ(toy.mem[6], 6);
	CHECK_EQ(r.gpr[GPR_RSI], 0xaaaa0006);
	CHECK_EQ(r.gpr[GPR_RDI], 0xbbbb0006);
	CHECK_EQ(r.gpr[GPR_RCX], 0xcccc0000);
	CHECK_EQ(r.rip, 0x103);
	CHECK_EQ(r.rflags, RFLAGS_CF);
}

TEST(repetition_stops_at_its_bound)
{
	struct insn_bus bus = toy_bus;
	struct vcpu_regs r = { .rip = 0x100 };

	toy_reset();
	r.gpr[GPR_RDI] = 0x1000;
	r.gpr[GPR_RCX] = INSN_REP_MAX + 1;
	CHECK_EQ(run(&r, MODE_64, "\xf3\xaa", 2, &bus), 0);
	CHECK_EQ(toy.writes, INSN_REP_MAX);
	CHECK_EQ(r.rip, 0x100);
	CHECK_EQ(r.gpr[GPR_RCX], 1);
	CHECK_EQ(run(&r, MODE_64, "\xf3\xaa", 2, &bus), 0);
	CHECK_EQ(r.rip, 0x102);
	r.gpr[GPR_RCX] = 3;
	bus.rep_max = 3;		/* exactly enough: done at once */
	CHECK_EQ(run(&r, MODE_64, "\xf3\xaa", 2, &bus), 0);
	CHECK_EQ(r.rip, 0x104);
	toy.writes = 0;
	CHECK_EQ(run(&r, MODE_64, "\xf3\xaa", 2, &bus), 0);		/* RCX = 0: nothing happens */
	CHECK_EQ(toy.writes, 0);
	CHECK_EQ(r.rip, 0x106);
}

TEST(failed_access_changes_no_register)
{
	static const struct { uint8_t n, bytes[6]; } list[] = {
		{ 2, { 0x8b, 0x03 } }, { 2, { 0x89, 0x03 } }, { 2, { 0x01, 0x03 } }, { 2, { 0x87, 0x03 } },
		{ 3, { 0x0f, 0xc1, 0x03 } }, { 3, { 0x0f, 0xb1, 0x03 } }, { 2, { 0xff, 0x03 } }, { 2, { 0xf7, 0x1b } },
		{ 3, { 0x0f, 0xab, 0x03 } }, { 1, { 0xa5 } }, { 1, { 0xab } }, { 1, { 0xad } }, { 2, { 0x3b, 0x03 } },
	};
	struct vcpu_regs r = { .rip = 0x100, .rflags = RFLAGS_RF }, before;

	r.gpr[GPR_RBX] = r.gpr[GPR_RDI] = r.gpr[GPR_RSI] = 0x1010;
	r.gpr[GPR_RAX] = 5;
	before = r;
	for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
		struct insn insn;

		CHECK_EQ(insn_decode(&insn, MODE_64, list[i].bytes, list[i].n), 0);
		toy_reset();
		toy.fail_read = toy.fail_write = 1;
		CHECK_EQ(insn_execute(&insn, &r, &toy_bus), -ERR_IO);
		CHECK_EQ(memcmp(&r, &before, sizeof(r)), 0);
		CHECK_EQ(toy.writes, !insn.reads);
		toy_reset();
		toy.fail_write = 1;
		CHECK_EQ(insn_execute(&insn, &r, &toy_bus), insn.writes ? -ERR_IO : 0);
		CHECK_EQ(memcmp(&r, &before, sizeof(r)) == 0, insn.writes);
		r = before;
	}
}

TEST(failed_repetition_keeps_what_was_done)
{
	struct vcpu_regs r = { .rip = 0x100, .rflags = RFLAGS_DF };

	toy_reset();
	r.gpr[GPR_RSI] = 0x1010;
	r.gpr[GPR_RDI] = 0x1080;
	r.gpr[GPR_RCX] = 10;
	toy.fail_write = 4;
	CHECK_EQ(run(&r, MODE_64, "\xf3\xa4", 2, &toy_bus), -ERR_IO);
	CHECK_EQ(r.gpr[GPR_RCX], 7);
	CHECK_EQ(r.gpr[GPR_RSI], 0x100d);
	CHECK_EQ(r.gpr[GPR_RDI], 0x107d);
	CHECK_EQ(r.rip, 0x100);
	CHECK_EQ(toy.mem[0x7e], 0xe);
	CHECK_EQ(toy.mem[0x7d], 0x7d);
}

TEST(ports)
{
	struct vcpu_regs r = { 0 };
	struct insn_bus no_ports = { .read = toy_read, .write = toy_write };

	toy_reset();
	toy.port_value = 0x11223344;
	r.gpr[GPR_RDX] = 0xffffc010;
	r.gpr[GPR_RAX] = ~0ull;
	CHECK_EQ(run(&r, MODE_64, "\x66\xed", 2, &toy_bus), 0);		/* in ax, dx */
	CHECK_EQ(toy.port, 0xc010);
	CHECK_EQ(toy.width, 2);
	CHECK_EQ(r.gpr[GPR_RAX], 0xffffffffffff3344ull);
	CHECK_EQ(run(&r, MODE_64, "\xe6\xf0", 2, &toy_bus), 0);		/* out 0xf0, al */
	CHECK_EQ(toy.port, 0xf0);
	CHECK_EQ(toy.width, 1);
	CHECK_EQ(toy.out_value, 0x44);
	r.gpr[GPR_RDI] = r.gpr[GPR_RSI] = 0x1020;
	r.gpr[GPR_RCX] = 3;
	toy.port_value = 0xa0;
	CHECK_EQ(run(&r, MODE_64, "\xf3\x66\x6d", 3, &toy_bus), 0);	/* rep insw */
	CHECK_EQ(memcmp(toy.mem + 0x20, "\xa0\0\xa1\0\xa2\0\x26", 7), 0);
	CHECK_EQ(r.gpr[GPR_RDI], 0x1026);
	CHECK_EQ(run(&r, MODE_64, "\x6f", 1, &toy_bus), 0);		/* outsd */
	CHECK_EQ(toy.out_value, 0x00a100a0);
	CHECK_EQ(toy.width, 4);
	CHECK_EQ(r.gpr[GPR_RSI], 0x1024);
	CHECK_EQ(run(&r, MODE_64, "\x6c", 1, &no_ports), -ERR_NOTSUP);
	CHECK_EQ(run(&r, MODE_64, "\x6e", 1, &no_ports), -ERR_NOTSUP);
	CHECK_EQ(run(&r, MODE_64, "\xec", 1, &no_ports), -ERR_NOTSUP);
	CHECK_EQ(run(&r, MODE_64, "\xee", 1, &no_ports), -ERR_NOTSUP);
}

TEST(instructions_without_operand_are_not_executed)
{
	struct vcpu_regs r = { .rip = 5 };

	CHECK_EQ(run(&r, MODE_64, "\x0f\xa2", 2, &toy_bus), -ERR_NOTSUP);
	CHECK_EQ(r.rip, 5);
}

TEST_MAIN
