/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/pci/vpci.c hv/pci/guard.c hv/pci/vbridge.c hv/dev/trap.c */
/* sources: hv/mem/nested.c hv/mem/mtrr.c hv/mem/ptree.c hv/mem/gmem.c tests/unit/host/cpu.c tests/fuzz/lib/fuzz.c */
/* quick: 6000 */
/*
 * The guest's accesses to configuration space, by the ports and by ECAM, on the machine of test_vpci.c, whose chipset ends the
 * run if an access reaches a hidden function.  After each access no BAR of the function that is left lies where Veneer's
 * devices are, and neither the host bridge nor the frozen bridge has changed.
 */
#include "tests/fuzz/fuzz.h"
#undef TEST_MAIN
#define TEST_MAIN
#include "test_vpci.c"

/* The functions of the machine, hidden ones first. */
static const uint16_t functions[] = { HIDDEN, TWIN, OPEN, HOST, FROZEN, BRIDGE, LPC, NOBODY, ARRIVED };
static uint8_t host_before[4096], frozen_before[4096];

static bool overlap(uint64_t a, uint64_t an, uint64_t b, uint64_t bn) { return a < b + bn && b < a + an; }

static void check_bars(void)
{
	uint32_t command = raw(OPEN, PCI_COMMAND), bar0 = raw(OPEN, PCI_BAR(0)), bar1 = raw(OPEN, PCI_BAR(1));
	uint64_t at[] = { bar0 & ~0xfffull, raw(OPEN, PCI_BAR(2)) & ~0xfull };
	static const uint32_t sizes[] = { 0x10000, 0x100000 };

	at[0] &= ~0xffffull;
	at[1] = ((at[1] | (uint64_t)raw(OPEN, PCI_BAR(3)) << 32) & ~0xfffffull);
	for (unsigned i = 0; i < 2 && command & PCI_CMD_MEM; i++) {
		CHECK(!overlap(at[i], sizes[i], 0xfea00000, 0x4000));
		CHECK(!overlap(at[i], sizes[i], 0x3800004000ull, 0x4000));
		CHECK(!overlap(at[i], sizes[i], boot.self_base, boot.self_size));
	}
	if (command & PCI_CMD_IO)
		CHECK(!overlap(bar1 & 0xff00u, 0x100, 0xd000, 0x20));
}

static void by_ecam(void)
{
	uint64_t at = (fuzz8() & 1 ? ECAM : OTHER_ECAM) + fuzz32() % 0x400000u;
	unsigned width = 1u << fuzz8() % 3;
	uint32_t off;
	struct trap *t = trap_find_mmio(at, &off);

	if (!t)
		return;
	if (fuzz8() & 1)
		trap_write(t, off, width, fuzz32());
	else
		trap_read(t, off, width);
}

static void one_access(void)
{
	uint8_t what = fuzz8();
	unsigned width = 1u << what % 3;
	uint16_t bdf = functions[fuzz8() % ARRAY_SIZE(functions)];

	switch (what >> 2 & 7) {
	case 0:
		vpci_port_write((uint16_t)(0xcf8 + fuzz8() % 8), width, fuzz32());
		break;
	case 1:
		vpci_port_read((uint16_t)(0xcf8 + fuzz8() % 8), width);
		break;
	case 2:
		vpci_port_write(0xcf8, 4, address(bdf, fuzz8() & 0xfc));
		vpci_port_write((uint16_t)(0xcfc + fuzz8() % 4), width, fuzz32());
		break;
	case 3:
		vpci_port_write(0xcf8, 4, address(bdf, fuzz8() & 0xfc));
		vpci_port_read((uint16_t)(0xcfc + fuzz8() % 4), width);
		break;
	case 4:
		/* A BAR of the function that is left, at one of the interesting places. */
		vpci_port_write(0xcf8, 4, address(OPEN, PCI_BAR(fuzz8() % 4)));
		vpci_port_write(0xcfc, 4, fuzz8() & 1 ? 0xfe900000u + fuzz16() * 0x100u : fuzz8() * 0x10u);
		break;
	case 5:
		vpci_port_write(0xcf8, 4, address(OPEN, PCI_COMMAND));
		vpci_port_write(0xcfc, 2, fuzz8());
		break;
	default:
		by_ecam();
	}
}

static void fuzz(void)
{
	start();
	put_raw(OPEN, PCI_COMMAND, 0);
	put_raw(OPEN, PCI_BAR(0), 0xfe000000);
	put_raw(OPEN, PCI_BAR(1), 0xe001);
	put_raw(OPEN, PCI_BAR(2), 4);
	put_raw(OPEN, PCI_BAR(3), 0x39);
	memcpy(host_before, real[HOST], 4096);
	memcpy(frozen_before, real[FROZEN], 4096);
	for (unsigned i = 0; fuzz_left && i < 200; i++) {
		one_access();
		check_bars();
	}
	CHECK(!memcmp(host_before, real[HOST], 4096));
	CHECK(!memcmp(frozen_before, real[FROZEN], 4096));
}

FUZZ(fuzz)
