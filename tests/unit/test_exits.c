/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/emul/mmio.c hv/emul/pio.c hv/emul/walk.c hv/emul/decode.c hv/emul/emulate.c */
/* sources: hv/dev/trap.c hv/mem/nested.c hv/mem/mtrr.c hv/mem/ptree.c tests/unit/host/cpu.c */
/* Accesses that exit, from the guest's instruction to the trap's handler.  The vendor's functions only record their calls. */
#include <string.h>
#include "host/cpu.h"
#include "host/host.h"
#include "hv/emul/walk.h"
#include "hv/mem/paging.h"
#include "hv/boot/bootinfo.h"
#include "hv/cpu/vcpu.h"
#include "hv/emul/access.h"
#include "hv/mem/nested.h"
#include "hv/mem/ptree.h"
#include "hv/mem/ram.h"
#include "hv/pci/pci.h"
#include "hv/dev/power.h"
#include "hv/dev/trap.h"

#define BAR		0xfeb00000u
#define HIDDEN		0xfea00000u
#define PORT		0xc040u
#define PM1		0x604u
#define LAPIC		0xfee00000u
#define CODE_RIP	(ram + 0x100)

static uint64_t ram;
static struct vcpu vcpu;
static struct vcpu_regs regs;
static int exception;		/* vector, or -1 */
static uint32_t error_code;
static bool skipped;

/* --- the vendor --- */

static void get(struct vcpu *v, struct vcpu_regs *out)
{
	memcpy(regs.gpr, v->gpr, sizeof(regs.gpr));
	regs.rip = v->rip;
	regs.rflags = v->rflags;
	*out = regs;
}

static void inject(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
	CHECK_EQ(exception, -1);
	CHECK(has_error == (vector >= 12 && vector <= 14));
	exception = vector;
	error_code = error;
}

static void set(struct vcpu *v, const struct vcpu_regs *in)
{
	regs = *in;
	memcpy(v->gpr, in->gpr, sizeof(v->gpr));
	v->rip = in->rip;
	v->rflags = in->rflags;
}

/* Nothing but what the contract names may be looked at. */
static void get_code(struct vcpu *v, struct vcpu_regs *out)
{
	struct vcpu_regs all;

	get(v, &all);
	memset(out, 0xa5, sizeof(*out));
	vcpu_get_gprs(v, out);
	out->cr0 = all.cr0;
	out->cr3 = all.cr3;
	out->cr4 = all.cr4;
	out->efer = all.efer;
	out->seg[SEG_CS] = all.seg[SEG_CS];
}

static void get_segment(struct vcpu *v, enum seg i, struct vcpu_seg *out) { *out = regs.seg[i]; }

static void skip_to(struct vcpu *v, uint64_t next) { v->rip = next; skipped = true; }
static unsigned no_bytes(struct vcpu *v, const uint8_t **b) { return 0; }
static const struct vcpu_ops ops = {
	.get = get, .set = set, .get_code = get_code, .get_segment = get_segment, .inject_exception = inject, .skip = skip_to,
	.insn_bytes = no_bytes,
};
const struct vcpu_ops *vcpu_ops = &ops;

/* --- the machine --- */

static uint8_t dev[0x2000], iodev[64];
static unsigned dev_writes, raw_ports, lapic_writes, config_accesses;
static uint32_t power_value;
static struct trap *mem_trap, *io_trap;

static uint64_t dev_read(void *ctx, uint32_t off, unsigned width)
{
	uint64_t v = 0;

	memcpy(&v, (uint8_t *)ctx + off, width);
	return v;
}

static void dev_write(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	dev_writes++;
	memcpy((uint8_t *)ctx + off, &v, width);
}

static const struct trap_ops dev_ops = { dev_read, dev_write };

__attribute__((weak)) uint64_t phys_limit(void) { return 1ull << 40; }
__attribute__((weak)) uint64_t gmem_top(void) { return 0x80000000; }
uint32_t lapic_addr(void) { return LAPIC; }

static struct { uint32_t off, v; unsigned width; } lapic_last;

/* The guest may write whatever it likes; lapic.c drops what is no register. */
void lapic_guest_write(uint32_t off, unsigned width, uint32_t v)
{
	CHECK(off < PAGE_SIZE && width && width <= 8);
	lapic_last.off = off;
	lapic_last.width = width;
	lapic_last.v = v;
	lapic_writes++;
}

uint32_t vpci_port_read(uint16_t port, unsigned width) { config_accesses++; return 0x11223344; }
void vpci_port_write(uint16_t port, unsigned width, uint32_t v) { config_accesses++; }

bool power_port_write(uint16_t port, unsigned width, uint32_t v)
{
	bool pm1 = port == PM1 || port == PM1 + 1;

	if (pm1)
		power_value = v;
	return !pm1;
}

static uint64_t raw_read(void *ctx, uint32_t off, unsigned width) { raw_ports++; return 0; }
static void raw_write(void *ctx, uint32_t off, unsigned width, uint64_t v) { raw_ports++; }
static const struct host_model raw = { raw_read, raw_write };

/* The guest's state alone. */
static void fresh(void)
{
	dev_writes = raw_ports = lapic_writes = config_accesses = power_value = 0;
	exception = -1;
	skipped = false;
	regs = (struct vcpu_regs){ .cr0 = CR0_PE };
	for (unsigned i = 0; i < SEG_COUNT; i++)
		regs.seg[i] = (struct vcpu_seg){ .attr = SEG_ATTR_DB | SEG_ATTR_P | (i == SEG_CS ? 0x1b : 0x13), .limit = ~0u };
	vcpu = (struct vcpu){ .rip = CODE_RIP, .rflags = 2 };
}

static void start(void)
{
	static bool done;
	static const struct boot_info boot = { .self_base = 0x7000000, .self_size = 0x400000 };

	host_cpu_reset();
	ram = host_guest_ram(16 * PAGE_SIZE);
	CHECK_EQ(nested_init(&boot, &pt_format_x86, false), 0);
	if (!done) {
		mem_trap = trap_new_mmio("dev", sizeof(dev), &dev_ops, dev);
		io_trap = trap_new_pio("dev", sizeof(iodev), &dev_ops, iodev);
		trap_intercept_ports(PM1, 2);
		trap_intercept_ports(0xcf8, 8);
	}
	done = true;
	trap_remove(mem_trap);
	trap_remove(io_trap);
	CHECK_EQ(trap_place(mem_trap, BAR), 0);
	CHECK_EQ(trap_place(io_trap, PORT), 0);
	CHECK_EQ(nested_hide(HIDDEN, PAGE_SIZE), 0);
	host_pio_model(0xc000, 0x100, &raw, NULL);
	host_pio_model(0x600, 16, &raw, NULL);
	for (unsigned i = 0; i < sizeof(dev); i++)
		dev[i] = (uint8_t)(i * 3 + 1);
	for (unsigned i = 0; i < sizeof(iodev); i++)
		iodev[i] = (uint8_t)(i + 0x80);
	fresh();
}

static void code(const char *bytes, unsigned n)
{
	memcpy((void *)(uintptr_t)CODE_RIP, bytes, n);
}

static void fault(uint64_t gpa, bool write)
{
	struct vmexit x = { .kind = EXIT_NPF, .npf = { .gpa = gpa, .write = write } };

	exit_mmio(&vcpu, &x);
}

#define INSN(s) code(s, sizeof(s) - 1)

/* --- memory --- */

TEST(load_and_store)
{
	start();
	INSN("\x8b\x03");			/* mov eax, [ebx] */
	vcpu.gpr[GPR_RBX] = BAR + 0x10;
	vcpu.gpr[GPR_RAX] = ~0ull;
	fault(BAR + 0x10, false);
	CHECK_EQ(vcpu.gpr[GPR_RAX], dev_read(dev, 0x10, 4));
	CHECK(skipped && exception == -1);
	CHECK_EQ(vcpu.rip, CODE_RIP + 2);
	start();
	INSN("\x66\x89\x43\x02");		/* mov [ebx + 2], ax */
	vcpu.gpr[GPR_RBX] = BAR + 0x20;
	vcpu.gpr[GPR_RAX] = 0x1234abcd;
	fault(BAR + 0x22, true);
	CHECK_EQ(dev_read(dev, 0x22, 2), 0xabcd);
	CHECK_EQ(dev_writes, 1);
	CHECK_EQ(vcpu.rip, CODE_RIP + 4);
}

TEST(hidden_reads_as_ones_and_takes_writes)
{
	start();
	INSN("\x8b\x03");
	vcpu.gpr[GPR_RBX] = HIDDEN + 8;
	fault(HIDDEN + 8, false);
	CHECK_EQ(vcpu.gpr[GPR_RAX], 0xffffffff);
	start();
	INSN("\x89\x03");
	vcpu.gpr[GPR_RBX] = HIDDEN + 8;
	fault(HIDDEN + 8, true);
	CHECK(skipped && exception == -1);
}

TEST(veneer_itself_is_hidden_also_as_the_other_operand)
{
	start();
	INSN("\xa5");				/* movsd */
	vcpu.gpr[GPR_RSI] = 0x7000010;
	vcpu.gpr[GPR_RDI] = BAR;
	fault(BAR, true);
	CHECK_EQ(dev_read(dev, 0, 4), 0xffffffff);
	start();
	INSN("\xa5");
	vcpu.gpr[GPR_RDI] = 0x7000010;
	vcpu.gpr[GPR_RSI] = BAR;
	fault(BAR, false);			/* a write there would fault in this process */
	CHECK(skipped);
}

TEST(unknown_instructions_fetches_and_walks_are_gp)
{
	start();
	INSN("\x0f\x29\x03");			/* movaps [ebx], xmm0 */
	vcpu.gpr[GPR_RBX] = BAR;
	fault(BAR, true);
	CHECK_EQ(exception, 13);
	CHECK(host_log_has("at a device register"));
	for (unsigned kind = 0; kind < 2; kind++) {
		start();
		INSN("\x8b\x03");
		vcpu.gpr[GPR_RBX] = BAR;
		struct vmexit x = { .kind = EXIT_NPF, .npf = { .gpa = BAR, .fetch = !kind, .walk = kind } };
		exit_mmio(&vcpu, &x);
		CHECK(exception == 13 && !skipped);
	}
}

/* Page 0, which the host maps elsewhere, as operands, port data, instructions, page tables. */
TEST(page_0_is_memory)
{
	uint8_t *page = paging_first_page();
	struct vcpu_regs r = { .cr0 = CR0_PE };
	struct vmexit ins = { .kind = EXIT_PIO, .pio = { PORT + 2, 1, .in = true, .string = true } };
	uint8_t b[4];
	uint64_t gpa;

	start();
	page[0xfff] = 0x5a;
	INSN("\xa4");				/* movsb */
	vcpu.gpr[GPR_RSI] = 0xfff;
	vcpu.gpr[GPR_RDI] = BAR;
	fault(BAR, true);
	CHECK(exception == -1 && dev_writes == 1 && dev[0] == 0x5a);
	start();
	memcpy(page, "\x6c", 1);		/* insb, to itself */
	vcpu.rip = 0;
	vcpu.gpr[GPR_RDX] = PORT + 2;
	vcpu.gpr[GPR_RDI] = 7;
	exit_pio(&vcpu, &ins);
	CHECK(exception == -1 && vcpu.rip == 1 && page[7] == 0x82);
	CHECK(guest_read_linear(&r, 0xffe, b, 2) == 2 && b[1] == 0x5a);
	/* Two levels; both tables are in page 0. */
	r.cr0 |= CR0_PG;
	memcpy(page + 4, "\x01\0\0", 4);
	memcpy(page + 4 * 0x155, "\x01\x50\x34\x12", 4);
	CHECK(guest_translate(&r, 0x400000 + 0x155 * 0x1000 + 6, &gpa) && gpa == 0x12345006);
	memset(page, 0, PAGE_SIZE);
}

/* An access by an event's delivery is not an operand: the access is not carried out, and the crash report names it. */
static void check_not_delivered(uint64_t gpa)
{
	struct vmexit x = { .kind = EXIT_NPF, .npf = { .gpa = gpa, .write = true }, .delivered = { true, .vector = 13 } };

	start();
	INSN("\x8b\x03");			/* not the instruction that made the access */
	vcpu.gpr[GPR_RBX] = BAR + 0x10;
	CHECK(!exit_mmio(&vcpu, &x));
	CHECK(exception == -1 && !skipped && !dev_writes && !lapic_writes);
}

TEST(an_event_whose_delivery_meets_hidden_memory)
{
	check_not_delivered(HIDDEN);
	check_not_delivered(BAR + 8);
	check_not_delivered(LAPIC);
	check_not_delivered(1ull << 41);
	/* Memory that is merely not mapped yet can be accessed by a delivery. */
	struct vmexit x = { .kind = EXIT_NPF, .npf = { .gpa = 1ull << 33 }, .delivered = { true, .vector = 13 } };

	start();
	CHECK(exit_mmio(&vcpu, &x));
	CHECK_EQ(exception, -1);
}

TEST(instructions_without_operand_are_never_the_cause)
{
	static const char plain[][4] = {
		"\x0f\xa2", "\x0f\x30", "\xf4", "\xec", "\xee", "\xe4\x60", "\x0f\x01\xd9", "\x6d", "\x6f",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(plain); i++) {
		start();
		code(plain[i], 3);
		for (unsigned n = 0; n < 3 && exception == -1; n++)
			fault(BAR, false);
		CHECK(exception == 13 && !skipped);
		CHECK_EQ(dev_writes, 0);
	}
}

/* The cache of the last decoded instruction has its bytes and its mode. */
TEST(other_bytes_and_other_modes_are_decoded_anew)
{
	start();
	memset((void *)(uintptr_t)CODE_RIP, 0x90, 16);
	INSN("\x8b\x03");			/* mov eax, [ebx]; in 16-bit code: mov ax, [bp + di] */
	for (unsigned i = 0; i < 2; i++) {
		vcpu.rip = CODE_RIP;
		vcpu.gpr[GPR_RBX] = BAR + 0x10 + i;
		vcpu.gpr[GPR_RAX] = ~0ull;
		fault(BAR + 0x10 + i, false);
		CHECK_EQ(vcpu.gpr[GPR_RAX], dev_read(dev, 0x10 + i, 4));
		CHECK_EQ(vcpu.rip, CODE_RIP + 2);
	}
	regs.seg[SEG_CS].attr = 0;
	regs.seg[SEG_SS].base = BAR;
	vcpu.rip = CODE_RIP;
	vcpu.gpr[GPR_RBP] = 0x20;
	vcpu.gpr[GPR_RAX] = 0;
	fault(BAR + 0x20, false);
	CHECK_EQ(vcpu.gpr[GPR_RAX], dev_read(dev, 0x20, 2));
	regs.seg[SEG_CS].attr = SEG_ATTR_DB;
	INSN("\x88\x03");			/* mov [ebx], al */
	vcpu.rip = CODE_RIP;
	vcpu.gpr[GPR_RBX] = BAR + 0x10;
	vcpu.gpr[GPR_RAX] = 0x5a;
	fault(BAR + 0x10, true);
	CHECK_EQ(dev[0x10], 0x5a);
	/* An unknown instruction: the cache is empty then. */
	INSN("\x0f\x0b");
	vcpu.rip = CODE_RIP;
	fault(BAR + 0x10, true);
	CHECK_EQ(exception, 13);
	CHECK_EQ(dev_writes, 1);
}

TEST(another_address_is_executed_again_once)
{
	start();
	INSN("\x8b\x03");
	vcpu.gpr[GPR_RBX] = BAR + 0x1000;
	fault(BAR, false);
	CHECK(exception == -1 && !skipped);
	CHECK_EQ(vcpu.rip, CODE_RIP);
	fault(BAR, false);
	CHECK_EQ(exception, 13);
}

/* The processor has translated the operand of a store: only the place in the page tells that it is still this instruction. */
TEST(a_plain_store_goes_where_the_processor_says)
{
	start();
	INSN("\x89\x03");			/* mov [ebx], eax */
	vcpu.gpr[GPR_RBX] = 0x12345020;		/* no memory: a walk would lead nowhere */
	vcpu.gpr[GPR_RAX] = 0x11223344;
	vcpu.rflags |= RFLAGS_RF;
	fault(BAR + 0x1020, true);
	CHECK_EQ(dev_read(dev, 0x1020, 4), 0x11223344);
	CHECK(dev_writes == 1 && vcpu.rip == CODE_RIP + 2 && !(vcpu.rflags & RFLAGS_RF));
	/* The base of the segment counts, and an immediate is stored, too. */
	start();
	INSN("\x64\x66\xc7\x03\xcd\xab");	/* mov word fs:[ebx], 0xabcd */
	vcpu.gpr[GPR_RBX] = 0x10;
	regs.seg[SEG_FS].base = BAR + 0x20;
	fault(BAR + 0x30, true);
	CHECK(dev_writes == 1 && dev_read(dev, 0x30, 2) == 0xabcd && skipped);
}

TEST(a_store_at_another_place_or_across_pages_is_looked_at_closely)
{
	start();
	INSN("\x89\x03");
	vcpu.gpr[GPR_RBX] = BAR + 0x24;
	fault(BAR + 0x2020, true);		/* another processor has changed the instruction */
	CHECK(!dev_writes && !skipped && exception == -1);
	start();
	vcpu.gpr[GPR_RBX] = BAR + 0xffe;
	vcpu.gpr[GPR_RAX] = 0x11223344;
	INSN("\x89\x03");
	fault(BAR + 0xffe, true);
	CHECK(dev_writes == 4 && dev_read(dev, 0xffe, 4) == 0x11223344 && skipped);
}

TEST(operand_across_pages)
{
	start();
	INSN("\x8b\x03");
	vcpu.gpr[GPR_RBX] = BAR + 0xffe;
	fault(BAR + 0xffe, false);
	CHECK_EQ(vcpu.gpr[GPR_RAX], dev_read(dev, 0xffe, 4));
	/* Only the second half is emulated, the first is RAM; the fault names the second page. */
	start();
	CHECK_EQ(nested_hide(ram + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	INSN("\x8b\x03");
	memcpy((void *)(uintptr_t)(ram + 2 * PAGE_SIZE - 2), "\x34\x12\x99\x99", 4);
	vcpu.gpr[GPR_RBX] = ram + 2 * PAGE_SIZE - 2;
	fault(ram + 2 * PAGE_SIZE, false);
	CHECK_EQ(vcpu.gpr[GPR_RAX], 0xffff1234);
	CHECK_EQ(nested_show(ram + 2 * PAGE_SIZE, PAGE_SIZE), 0);
}

TEST(string_move_both_ways_and_its_bound)
{
	uint32_t *buf;

	start();
	buf = (uint32_t *)(uintptr_t)(ram + PAGE_SIZE);
	INSN("\xf3\xa5");			/* rep movsd */
	vcpu.gpr[GPR_RSI] = BAR;
	vcpu.gpr[GPR_RDI] = ram + PAGE_SIZE;
	vcpu.gpr[GPR_RCX] = 0x80000001;
	fault(BAR, false);
	CHECK(!memcmp(buf, dev, 64 * 4));
	/* One exit executes at most 64 iterations: the guest can be interrupted, and exits again for the rest. */
	CHECK_EQ(vcpu.gpr[GPR_RCX], 0x80000001 - 64);
	CHECK_EQ(vcpu.rip, CODE_RIP);
	start();
	buf = (uint32_t *)(uintptr_t)(ram + PAGE_SIZE);
	for (unsigned i = 0; i < 16; i++)
		buf[i] = 0xcafe0000 + i;
	INSN("\xf3\xa5");
	vcpu.gpr[GPR_RSI] = ram + PAGE_SIZE;
	vcpu.gpr[GPR_RDI] = BAR + 0x100;
	vcpu.gpr[GPR_RCX] = 16;
	fault(BAR + 0x100, true);
	CHECK(!memcmp(dev + 0x100, buf, 64));
	CHECK(!vcpu.gpr[GPR_RCX] && vcpu.rip == CODE_RIP + 2);
}

TEST(string_move_that_meets_a_hole_keeps_what_it_did)
{
	static const uint32_t mapped[] = { 0x400000, BAR };
	uint32_t *pd;

	start();
	INSN("\xf3\xa5");
	/* Pages of 4 MiB.  The source is hidden, so it reads as ones. */
	pd = (uint32_t *)(uintptr_t)(ram + 0x8000);
	memset(pd, 0, PAGE_SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(mapped); i++)
		pd[mapped[i] >> 22] = ALIGN_DOWN(mapped[i], 0x400000u) | 0x83;
	pd[ram >> 22] = ALIGN_DOWN((uint32_t)ram, 0x400000u) | 0x83;
	regs.cr0 |= CR0_PG;
	regs.cr4 = CR4_PSE;
	regs.cr3 = ram + 0x8000;
	vcpu.rflags |= RFLAGS_DF;
	vcpu.gpr[GPR_RSI] = 0x400008;
	CHECK_EQ(nested_hide(0x400000, PAGE_SIZE), 0);
	vcpu.gpr[GPR_RDI] = BAR + 0x100;
	vcpu.gpr[GPR_RCX] = 10;
	fault(BAR + 0x100, true);
	CHECK_EQ(dev_writes, 3);
	CHECK_EQ(vcpu.gpr[GPR_RCX], 7);
	CHECK_EQ(vcpu.gpr[GPR_RDI], BAR + 0x100 - 12);
	CHECK(exception == -1 && vcpu.rip == CODE_RIP);
	fault(BAR + 0x100 - 12, true);
	CHECK_EQ(exception, 14);
	CHECK_EQ(regs.cr2, 0x400008 - 12);
	CHECK_EQ(vcpu.gpr[GPR_RCX], 7);
	CHECK_EQ(nested_show(0x400000, PAGE_SIZE), 0);
}

TEST(local_apic_writes)
{
	start();
	INSN("\x89\x03");
	vcpu.gpr[GPR_RBX] = LAPIC + 0xb0;
	fault(LAPIC + 0xb0, true);
	CHECK_EQ(lapic_writes, 1);
	CHECK(lapic_last.off == 0xb0 && lapic_last.width == 4 && !lapic_last.v);
	CHECK(skipped);
}

TEST(addresses_beyond_the_bus_are_gp)
{
	start();
	fault(1ull << 40, false);
	CHECK_EQ(exception, 13);
	start();
	fault(0x8000000000ull - 0x1000, false);
	CHECK(exception == -1 && !skipped);	/* mapped on first use */
}

/* --- ports --- */

static void port_exit(uint16_t port, unsigned width, bool in, uint64_t next)
{
	struct vmexit x = { .kind = EXIT_PIO, .next_rip = next, .pio = { .port = port, .width = (uint8_t)width, .in = in } };

	exit_pio(&vcpu, &x);
}

TEST(in_keeps_the_rest_of_rax)
{
	static const uint64_t want[] = { 0, 0x1122334455667790ull, 0x1122334455669190ull, 0, 0x93929190ull };

	for (unsigned width = 1; width <= 4; width *= 2) {
		start();
		vcpu.gpr[GPR_RAX] = 0x1122334455667788ull;
		port_exit(PORT + 0x10, width, true, CODE_RIP + 1);
		CHECK_EQ(vcpu.gpr[GPR_RAX], want[width]);
		CHECK_EQ(vcpu.rip, CODE_RIP + 1);
	}
	start();
	vcpu.gpr[GPR_RAX] = ~0ull;
	port_exit(PORT, 2, false, CODE_RIP + 1);
	CHECK_EQ(iodev[0] & iodev[1], 0xff);
	CHECK_EQ(iodev[2], 0x82);
}

TEST(an_access_from_below_does_not_reach_behind)
{
	start();
	vcpu.gpr[GPR_RAX] = 0xdcbbaa99;
	port_exit(PORT - 2, 4, false, CODE_RIP + 1);
	CHECK_EQ(raw_ports, 2);
	CHECK_EQ(iodev[0] | iodev[1] << 8, 0xdcbb);
	start();
	port_exit(PORT - 1, 4, true, CODE_RIP + 1);
	CHECK_EQ(raw_ports, 1);
	CHECK_EQ(vcpu.gpr[GPR_RAX], 0x82818000);
	start();
	vcpu.gpr[GPR_RAX] = 0x20000000;		/* SLP_EN by a dword that begins two ports below */
	port_exit(PM1 - 2, 4, false, CODE_RIP + 1);
	CHECK_EQ(power_value, 0x20);
	start();
	port_exit(0xcf6, 4, false, CODE_RIP + 1);
	CHECK_EQ(config_accesses, 2);
}

TEST(string_ports)
{
	struct vmexit x = {
		.kind = EXIT_PIO, .next_rip = 1, .pio = { .port = PORT + 1, .width = 1, .in = true, .string = true },
	};

	start();
	INSN("\xf3\x6c");			/* rep insb */
	vcpu.gpr[GPR_RDX] = PORT + 1;
	vcpu.gpr[GPR_RDI] = ram + PAGE_SIZE - 2;
	vcpu.gpr[GPR_RCX] = 5;
	exit_pio(&vcpu, &x);
	CHECK(!memcmp((void *)(uintptr_t)(ram + PAGE_SIZE - 2), "\x81\x81\x81\x81\x81", 5));
	CHECK(!vcpu.gpr[GPR_RCX] && vcpu.rip == CODE_RIP + 2);
	/* To the registers of a device, and to what is hidden. */
	start();
	INSN("\xf3\x6c");
	vcpu.gpr[GPR_RDX] = PORT + 1;
	vcpu.gpr[GPR_RDI] = BAR;
	vcpu.gpr[GPR_RCX] = 5;
	exit_pio(&vcpu, &x);
	CHECK(exception == -1 && skipped && !vcpu.gpr[GPR_RCX] && dev_writes == 5 && dev[4] == 0x81);
	start();
	INSN("\x6c");
	vcpu.gpr[GPR_RDX] = PORT + 1;
	vcpu.gpr[GPR_RDI] = 0x7000010;
	exit_pio(&vcpu, &x);
	CHECK(exception == -1 && skipped);	/* a write to Veneer's memory would fault in this process */
	/* An instruction that is not a port access. */
	start();
	INSN("\x8b\x03");
	exit_pio(&vcpu, &x);
	CHECK(exception == 13 && !skipped);
}

/* The processor reports INS and OUTS before it checks their operand: what it would refuse is refused here, no port is read. */
TEST(string_ports_with_a_refused_operand)
{
	static const struct { const char *code; unsigned n; bool in, long_mode; uint64_t operand; int vector; } list[] = {
		{ "\x6c", 1, true, false, 0x8000, 13 }, { "\x6e", 1, false, false, 0x8000, 13 },
		{ "\x36\x6e", 2, false, false, 0x8000, 12 }, { "\x2e\x6e", 2, false, false, 0x8000, 13 },
		{ "\x6c", 1, true, true, 1ull << 47, 13 }, { "\x6e", 1, false, true, 1ull << 63, 13 },
		{ "\x64\x6e", 2, false, true, 1ull << 47, 13 }, { "\xf3\x6c", 2, true, false, 0x8000, 13 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
		struct vmexit x = { .kind = EXIT_PIO, .next_rip = 1, .pio = { .port = PORT, .width = 1, .string = true } };

		start();
		x.pio.in = list[i].in;
		code(list[i].code, list[i].n);
		for (unsigned s = 0; s < SEG_COUNT; s++)
			regs.seg[s].limit = 0x7fff;
		if (list[i].long_mode) {
			regs.efer = EFER_LMA;
			regs.seg[SEG_CS].attr = 0x29b;
		}
		vcpu.gpr[GPR_RDX] = PORT;
		vcpu.gpr[GPR_RCX] = 5;
		vcpu.gpr[GPR_RSI] = vcpu.gpr[GPR_RDI] = list[i].operand;
		exit_pio(&vcpu, &x);
		CHECK_EQ(exception, list[i].vector);
		CHECK(!dev_writes && !skipped && vcpu.gpr[GPR_RCX] == 5);
	}
}

/* The hidden operand of MOVS is within its limit, the other one is not; and another processor made the address grow. */
TEST(other_operands_are_checked_too)
{
	start();
	INSN("\xa4");
	regs.seg[SEG_ES].limit = 0x7fff;
	vcpu.gpr[GPR_RSI] = BAR;
	vcpu.gpr[GPR_RDI] = 0x8000;
	fault(BAR, false);
	CHECK(exception == 13 && !skipped);
	start();
	INSN("\x36\xa4");			/* movsb es:[edi], ss:[esi] */
	regs.seg[SEG_SS].limit = 0x7fff;
	vcpu.gpr[GPR_RSI] = 0x8000;
	vcpu.gpr[GPR_RDI] = BAR;
	fault(BAR, true);
	CHECK(exception == 12 && !dev_writes);
	start();
	INSN("\x88\x03");
	regs.seg[SEG_DS].attr = SEG_ATTR_DB | SEG_ATTR_P | 0x11;	/* read-only */
	vcpu.gpr[GPR_RBX] = BAR;
	fault(BAR, true);
	CHECK(exception == 13 && !dev_writes);
}

/* --- what the guest's page tables allow --- */

#define UPPER		0x400000u	/* here the pages of the next tests begin: the device's, then four of RAM */
#define PTE_P		1u
#define PTE_W		2u
#define PTE_U		4u
#define PTE_A		0x20u
#define PTE_D		0x40u
#define PTE_PS		0x80u
#define ANY		(PTE_P | PTE_W | PTE_U)

static uint32_t *upper_entry(unsigned page) { return (uint32_t *)(uintptr_t)(ram + 14 * PAGE_SIZE) + page; }
static uint8_t *upper_ram(unsigned page) { return (uint8_t *)(uintptr_t)(ram + (7 + page) * PAGE_SIZE); }

/* All RAM as it is, for everybody; from UPPER on the device's page, and RAM with @entry in each page. */
static void paged(const char *bytes, unsigned n, unsigned cpl, uint32_t entry)
{
	uint32_t *dir = (uint32_t *)(uintptr_t)(ram + 13 * PAGE_SIZE);

	fresh();
	code(bytes, n);
	memset(dir, 0, 2 * PAGE_SIZE);
	for (uint32_t i = 0; i < 1024; i++)
		dir[i] = i << 22 | ANY | PTE_PS;
	dir[UPPER >> 22] = (uint32_t)(ram + 14 * PAGE_SIZE) | ANY;
	*upper_entry(0) = BAR | ANY;
	for (unsigned i = 1; i < 5; i++)
		*upper_entry(i) = (uint32_t)(ram + (7 + i) * PAGE_SIZE) | entry;
	memset(upper_ram(1), 0xee, 4 * PAGE_SIZE);
	regs.cr0 = CR0_PE | CR0_PG | CR0_WP;
	regs.cr3 = (uint32_t)(uintptr_t)dir;
	regs.cr4 = CR4_PSE;
	regs.cpl = (uint8_t)cpl;
	vcpu.gpr[GPR_RDX] = PORT + 1;
	vcpu.gpr[GPR_RCX] = 3;
}

static const struct operand_case {
	uint32_t entry;
	unsigned cpl;
	uint64_t cr0, cr4, rflags;	/* cr0: less */
	int read, write;		/* the error code of #PF, or -1 */
} operand_cases[] = {
	{ ANY, 3, 0, 0, 0, -1, -1 }, { ANY, 0, 0, 0, 0, -1, -1 }, { PTE_P | PTE_W, 0, 0, 0, 0, -1, -1 },
	{ PTE_P | PTE_W, 3, 0, 0, 0, 5, 7 }, { PTE_P | PTE_U, 3, 0, 0, 0, -1, 7 }, { PTE_P | PTE_U, 0, 0, 0, 0, -1, 3 },
	{ PTE_P | PTE_U, 0, CR0_WP, 0, 0, -1, -1 }, { PTE_P | PTE_U, 3, CR0_WP, 0, 0, -1, 7 },
	{ PTE_W | PTE_U, 3, 0, 0, 0, 4, 6 }, { 0, 0, 0, 0, 0, 0, 2 }, { ANY, 0, 0, CR4_SMAP, 0, 1, 3 },
	{ ANY, 0, 0, CR4_SMAP, RFLAGS_AC, -1, -1 },
	{ ANY, 3, 0, CR4_SMAP, 0, -1, -1 }, { PTE_P | PTE_W, 0, 0, CR4_SMAP, 0, -1, -1 },
};

static void expect_result(const struct operand_case *c, bool write, int expected, uint64_t addr)
{
	uint32_t set = PTE_A | (write ? PTE_D : 0);

	if (expected < 0) {
		CHECK(exception == -1 && skipped);
		CHECK_EQ(*upper_entry(1) & (PTE_A | PTE_D), set);
		return;
	}
	CHECK(exception == 14 && !skipped && vcpu.rip == CODE_RIP);
	CHECK_EQ(error_code, (uint32_t)expected);
	CHECK_EQ(regs.cr2, addr);
	CHECK_EQ(*upper_entry(1) & (PTE_A | PTE_D), 0);
	CHECK_EQ(upper_ram(1)[8], 0xee);
}

static void prepare(const char *bytes, unsigned n, const struct operand_case *c)
{
	paged(bytes, n, c->cpl, c->entry);
	regs.cr0 &= ~c->cr0;
	regs.cr4 |= c->cr4;
	vcpu.rflags |= c->rflags;
}

TEST(operands_that_the_processor_has_not_checked)
{
	struct vmexit in = { EXIT_PIO, .next_rip = 1, .pio = { .port = PORT + 1, .width = 1, .in = true, .string = true } };
	struct vmexit out = { .kind = EXIT_PIO, .next_rip = 1, .pio = { .port = PORT + 1, .width = 1, .string = true } };

	start();
	for (unsigned i = 0; i < ARRAY_SIZE(operand_cases); i++) {
		const struct operand_case *c = &operand_cases[i];

		prepare("\x6c", 1, c);			/* insb */
		vcpu.gpr[GPR_RDI] = UPPER + PAGE_SIZE + 8;
		exit_pio(&vcpu, &in);
		expect_result(c, true, c->write, UPPER + PAGE_SIZE + 8);
		prepare("\x6e", 1, c);			/* outsb */
		vcpu.gpr[GPR_RSI] = UPPER + PAGE_SIZE + 8;
		exit_pio(&vcpu, &out);
		expect_result(c, false, c->read, UPPER + PAGE_SIZE + 8);
		if (c->cr4 & CR4_SMAP)
			continue;			/* the device's page is the user's */
		prepare("\xa4", 1, c);			/* movsb, from the device and to it */
		vcpu.gpr[GPR_RSI] = UPPER + 3;
		vcpu.gpr[GPR_RDI] = UPPER + PAGE_SIZE + 8;
		fault(BAR + 3, false);
		expect_result(c, true, c->write, UPPER + PAGE_SIZE + 8);
		prepare("\xa4", 1, c);
		vcpu.gpr[GPR_RSI] = UPPER + PAGE_SIZE + 8;
		vcpu.gpr[GPR_RDI] = UPPER + 3;
		fault(BAR + 3, true);
		expect_result(c, false, c->read, UPPER + PAGE_SIZE + 8);
		CHECK_EQ(dev_writes, c->read < 0);
		prepare("\x89\x07", 2, c);		/* mov [edi], eax, from the device's page into the next one */
		vcpu.gpr[GPR_RDI] = UPPER + PAGE_SIZE - 2;
		fault(BAR + PAGE_SIZE - 2, true);
		expect_result(c, true, c->write, UPPER + PAGE_SIZE);
		CHECK_EQ(!dev_writes, c->write >= 0);
	}
}

/* A register is not read if the data has nowhere to go; what was transferred before stays. */
TEST(a_page_that_ends_a_repetition)
{
	struct vmexit in = { EXIT_PIO, .next_rip = 1, .pio = { .port = PORT + 1, .width = 1, .in = true, .string = true } };

	start();
	paged("\xf3\x6c", 2, 3, ANY);
	*upper_entry(2) = 0;
	vcpu.gpr[GPR_RDI] = UPPER + 2 * PAGE_SIZE - 2;
	exit_pio(&vcpu, &in);
	CHECK(exception == -1 && !skipped && vcpu.gpr[GPR_RCX] == 1);
	CHECK_EQ(upper_ram(1)[PAGE_SIZE - 1], 0x81);
	exit_pio(&vcpu, &in);
	CHECK(exception == 14 && !skipped && vcpu.gpr[GPR_RCX] == 1);
	CHECK(error_code == 6 && regs.cr2 == UPPER + 2 * PAGE_SIZE);
	*upper_entry(2) = (uint32_t)(ram + 9 * PAGE_SIZE) | ANY;
	exception = -1;
	exit_pio(&vcpu, &in);
	CHECK(exception == -1 && skipped && !vcpu.gpr[GPR_RCX] && upper_ram(2)[0] == 0x81);
}

/* A guest that single-steps gets a trap after each iteration. */
TEST(a_single_step_is_one_iteration)
{
	struct vmexit x = { .kind = EXIT_PIO, .next_rip = 1, .pio = { .port = PORT, .width = 1, .in = true, .string = true } };

	start();
	INSN("\xf3\x6c");
	vcpu.rflags |= RFLAGS_TF;
	vcpu.gpr[GPR_RDX] = PORT;
	vcpu.gpr[GPR_RDI] = ram;
	vcpu.gpr[GPR_RCX] = 2;
	exit_pio(&vcpu, &x);
	CHECK(vcpu.gpr[GPR_RCX] == 1 && vcpu.rip == CODE_RIP && skipped);
	exit_pio(&vcpu, &x);
	CHECK(!vcpu.gpr[GPR_RCX] && vcpu.rip == CODE_RIP + 2);
	start();
	INSN("\xf3\xaa");			/* rep stosb */
	vcpu.rflags |= RFLAGS_TF;
	vcpu.gpr[GPR_RDI] = BAR;
	vcpu.gpr[GPR_RCX] = 2;
	fault(BAR, true);
	CHECK(vcpu.gpr[GPR_RCX] == 1 && vcpu.rip == CODE_RIP && skipped && dev_writes == 1);
}

/* After the exit, before the decoding, another processor can rewrite the instruction that its processor has checked. */
TEST(another_port_access_is_executed_again_once)
{
	static const struct { const char *bytes; unsigned n; } others[] = {
		{ "\xf3\x6e", 2 }, { "\xf3\x6d", 2 }, { "\xe4\x71", 2 }, { "\xec", 1 }, { "\xe6\x71", 2 },
	};
	struct vmexit x = { .kind = EXIT_PIO, .next_rip = 1, .pio = { .port = PORT, .width = 1, .in = true, .string = true } };

	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		start();
		code(others[i].bytes, others[i].n);
		vcpu.gpr[GPR_RDX] = PORT;
		vcpu.gpr[GPR_RCX] = 1;
		vcpu.gpr[GPR_RSI] = vcpu.gpr[GPR_RDI] = ram;
		exit_pio(&vcpu, &x);
		CHECK(exception == -1 && !skipped && vcpu.gpr[GPR_RCX] == 1 && vcpu.rip == CODE_RIP);
		exit_pio(&vcpu, &x);
		CHECK(exception == 13 && !skipped);
	}
	/* The same instruction with another port. */
	start();
	INSN("\x6c");
	vcpu.gpr[GPR_RDX] = PM1;
	vcpu.gpr[GPR_RDI] = ram;
	exit_pio(&vcpu, &x);
	CHECK(exception == -1 && !skipped && !raw_ports);
}

TEST_MAIN
