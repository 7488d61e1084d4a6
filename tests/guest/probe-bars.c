/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that puts the BARs, ROMs and windows of its own devices over what is not its own: concealed BARs, twins' BARs,
 * Veneer's memory, the memory-mapped configuration space, interrupt controllers, RAM.  After each write the twins work,
 * Veneer's memory and the concealed BARs read as ones, and both ways into configuration space agree.
 *
 *   bars=ADDR+SIZE,...	the concealed devices' memory BARs
 */
#include "vio.h"

#define ONES		0xffffffffu
#define LAPIC		0xfee00000u
#define IOAPIC		0xfec00000u
#define MAX_PLACES	48u
#define MAX_WRITERS	24u
#define ROM_BAR		0x30
#define WINDOW		0x20		/* of a bridge: memory base and limit */
#define WINDOW_64	0x24		/* prefetchable */
#define HEADER_BRIDGE	1

const char probe_name[] = "probe-bars";

static struct range veneer;
static uint32_t place[MAX_PLACES], hidden[MAX_PLACES];
static unsigned int places, hiddens, writes;
static pci_bdf writer[MAX_WRITERS];
static unsigned int writers;

static void add_place(uint32_t addr)
{
	if (addr && places < MAX_PLACES)
		place[places++] = addr;
}

static void take_hidden_bars(void)
{
	const char *s = boot_option("bars");
	uint32_t addr, size;

	while (s && hiddens < MAX_PLACES && take_hex(&s, &addr) && *s == '+' && (s++, take_hex(&s, &size))) {
		hidden[hiddens++] = addr;
		add_place(addr);
		add_place(addr + size - 1);
		if (*s++ != ',')
			break;
	}
}

static bool is_twin(pci_bdf bdf)
{
	return pci_read16(bdf, PCI_VENDOR) == 0x1af4;
}

/* Functions on bus 0 only: QEMU's bridges have nothing behind them here. */
static void look_at(pci_bdf bdf)
{
	for (uint8_t bar = PCI_BAR0; is_twin(bdf) && bar < PCI_BAR0 + 24; bar += 4)
		if (!(pci_read32(bdf, bar) & 1))
			add_place(pci_read32(bdf, bar) & ~15u);
	if (!is_twin(bdf) && BUS(bdf) == 0 && writers < MAX_WRITERS && pci_read16(bdf, PCI_CLASS + 2) != 0x0600)
		writer[writers++] = bdf;
}

static unsigned int not_hidden(void)
{
	unsigned int seen = 0;

	for (uint32_t at = veneer.start; at < veneer.end; at += 0x40000)
		seen += read32((void *)at) != ONES;
	for (unsigned int i = 0; i < hiddens; i++) {
		write32((void *)(hidden[i] + 0x14), 0);
		seen += read32((void *)hidden[i]) != ONES || read32((void *)(hidden[i] + 0x1c)) != ONES;
	}
	return seen;
}

static unsigned int spaces_differ(void)
{
	unsigned int differ = 0;

	for (pci_bdf b = 0; ecam(0, 0) && b < 0x100; b += 8)
		differ += read32(ecam(b, 0)) != pci_read32(b, 0);
	return differ;
}

static unsigned int broken(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < vio_count; i++)
		n += (vio_status(&vios[i]) & S_NEEDS_RESET) || vio_request(&vios[i]) != 0;
	return n;
}

static void config_write(bool by_ecam, pci_bdf b, uint8_t off, uint32_t v)
{
	if (by_ecam && ecam(b, off))
		write32(ecam(b, off), v);
	else
		pci_write32(b, off, v);
}

/* @all: the results of all writes to one register, to have one line for it. */
static void write_and_look(pci_bdf b, uint8_t off, uint32_t v, unsigned int way, unsigned int *all)
{
	uint16_t command = pci_read16(b, PCI_COMMAND);

	if (way & 2)
		pci_write16(b, PCI_COMMAND, command & (uint16_t)~PCI_COMMAND_MEMORY);
	config_write(way & 1, b, off, v);
	pci_write16(b, PCI_COMMAND, command | PCI_COMMAND_MEMORY);
	writes++;
	all[0] += not_hidden();
	all[1] += spaces_differ();
	all[2] += broken();
}

static void attack(pci_bdf b, uint8_t off, uint32_t (*value)(uint32_t))
{
	uint32_t old = pci_read32(b, off);
	uint16_t command = pci_read16(b, PCI_COMMAND);
	unsigned int all[3] = { 0, 0, 0 };

	for (unsigned int i = 0; i < places; i++)
		write_and_look(b, off, value(place[i]), i, all);
	pci_write16(b, PCI_COMMAND, command & (uint16_t)~PCI_COMMAND_MEMORY);
	pci_write32(b, off, old);
	pci_write16(b, PCI_COMMAND, command);
	check(pci_read32(b, off), old, "bars: %02x.%x %02x: the old value can be put back", DEVICE(b), FUNCTION(b), off);
	check(all[0], 0, "bars: %02x.%x %02x: nothing hidden is seen", DEVICE(b), FUNCTION(b), off);
	check(all[1], 0, "bars: %02x.%x %02x: one configuration space", DEVICE(b), FUNCTION(b), off);
	check(all[2], 0, "bars: %02x.%x %02x: all devices work", DEVICE(b), FUNCTION(b), off);
}

static uint32_t as_bar(uint32_t addr) { return addr & ~15u; }
static uint32_t as_rom(uint32_t addr) { return (addr & ~0x7ffu) | 1; }
/* A window of 1 MiB around the address. */
static uint32_t as_window(uint32_t addr) { return (addr & 0xfff00000u) | (addr >> 16 & 0xfff0); }

static bool is_memory_bar(pci_bdf b, uint8_t off)
{
	uint32_t old = pci_read32(b, off), size;

	if (old & 1)
		return false;
	pci_write32(b, off, ONES);
	size = pci_read32(b, off);
	pci_write32(b, off, old);
	return size != 0;
}

static void attack_by(pci_bdf b)
{
	bool bridge = (pci_read8(b, PCI_HEADER_TYPE) & 0x7f) == HEADER_BRIDGE;
	uint8_t end = bridge ? PCI_BAR0 + 8 : PCI_BAR0 + 24;

	for (uint8_t off = PCI_BAR0; off < end; off += 4)
		if (is_memory_bar(b, off))
			attack(b, off, as_bar);
	if (bridge) {
		attack(b, WINDOW, as_window);
		attack(b, WINDOW_64, as_window);
	} else {
		attack(b, ROM_BAR, as_rom);
	}
}

void probe(void)
{
	bool up = true;

	if (!check(veneer_range(&veneer), true, "bars: Veneer is somewhere"))
		return;
	vio_scan();
	for (unsigned int i = 0; i < vio_count; i++)
		up &= vio_start(&vios[i], VIO_MODERN, 0) && vio_request(&vios[i]) == 0;
	if (!check(up && vio_count, true, "bars: %u devices are up", vio_count))
		return;
	take_hidden_bars();
	add_place(veneer.start);
	add_place(veneer.end - 1);
	add_place((uint32_t)ecam(0, 0));
	add_place((uint32_t)ecam(0x18, 0));
	add_place(LAPIC);
	add_place(IOAPIC);
	add_place(0x100000);
	pci_for_each(look_at);
	for (unsigned int i = 0; i < writers; i++)
		attack_by(writer[i]);
	check(writes > 100, true, "bars: %u writes by %u devices to %u places", writes, writers, places);
}
