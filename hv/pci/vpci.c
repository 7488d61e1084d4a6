/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space as the guest sees it, by ports and by ECAM (PCI 3.0, 3.2.2.3.2; PCI Express 4.0, 7.2.2). */
#include <veneer/err.h>
#include <veneer/gmem.h>
#include <veneer/io.h>
#include <veneer/lock.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/string.h>
#include <veneer/vpci.h>
#include "hv/cpu/msr.h"
#include "hv/dev/acpi.h"
#include "hv/dev/ports.h"
#include "hv/dev/power.h"
#include "hv/dev/trap.h"
#include "hv/mem/nested.h"
#include "hv/mem/paging.h"
#include "hv/mem/ram.h"
#include "hv/pci/pci.h"

#define CONFIG_ADDRESS		0xcf8
#define CONFIG_DATA		0xcfc
#define RESET_CONTROL		0xcf9
#define  RESET_CPU		BIT(2)
#define CONFIG_ENABLE		BIT(31)
#define CONFIG_EXTENDED		GENMASK(27, 24)	/* register bits 11:8 on AMD (BKDG, NB_CFG.EnableCf8ExtCfg) */

#define FUNCTIONS		0x10000u
#define BUS_SHIFT		20
#define INTEL			0x8086
#define INTEL_PCIEXBAR		0x60
#define MSR_MMIO_CFG_BASE	0xc0010058
#define  MMIO_CFG_ENABLE	BIT(0)
#define  MMIO_CFG_BUSES		GENMASK(5, 2)	/* the number's logarithm; above 8: of segments of 256 buses */
#define  MMIO_CFG_ADDRESS	GENMASK64(51, 20)
#define INTERRUPT_PAGES		0xfec00000ull
#define MAX_ARRIVALS		16u

/* Emulated functions.  Grows as needed, so that no number of them leaves one open. */
struct vfunction {
	struct vfunction *next;
	uint16_t bdf;
	const struct vpci_ops *ops;
	void *ctx;
};

static struct vfunction *answered;
static uint8_t open_map[FUNCTIONS / 8];	/* functions that were found and left: the machine's own */
static uint16_t arrivals[MAX_ARRIVALS];
static unsigned narrivals;
static uint32_t address;		/* the guest's 0xCF8 */

static struct vfunction *lookup(uint16_t bdf)
{
	for (struct vfunction *f = answered; f; f = f->next)
		if (f->bdf == bdf)
			return f;
	return NULL;
}

bool vpci_answered(uint16_t bdf)
{
	return lookup(bdf);
}

bool vpci_is(uint16_t bdf, const struct vpci_ops *ops)
{
	const struct vfunction *f = lookup(bdf);

	return f && f->ops == ops;
}

static bool is_open(uint16_t bdf)
{
	return open_map[bdf / 8] >> (bdf % 8) & 1;
}

static void set_open(uint16_t bdf, bool open)
{
	if (open)
		open_map[bdf / 8] |= (uint8_t)(1u << (bdf % 8));
	else
		open_map[bdf / 8] &= (uint8_t)~(1u << (bdf % 8));
}

/* A function of the machine's own, possibly through ops that add to its configuration space. */
static bool is_left(uint16_t bdf)
{
	const struct vfunction *f = lookup(bdf);

	return f ? f->ops->left : is_open(bdf);
}

bool vpci_is_left(uint16_t bdf)
{
	return is_left(bdf);
}

static uint32_t mask_of(unsigned width)
{
	return width == 4 ? ~0u : (1u << (8 * width)) - 1;
}

/*
 * The guest reads the id of a closed function.  If the function was absent at the start, log it once, to explain why the guest
 * does not see it; the others are in the log already.
 */
static void look_at_arrival(uint16_t bdf)
{
	if (narrivals == MAX_ARRIVALS || pci_find(bdf))
		return;
	for (unsigned i = 0; i < narrivals; i++)
		if (arrivals[i] == bdf)
			return;
	/* A device of one function may answer for all eight. */
	if (PCI_FN(bdf) && !(pci_cfg_read(bdf & (uint16_t)~7u, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTI))
		return;
	uint32_t id = pci_cfg_read(bdf, PCI_VENDOR_ID, 4);

	if ((id & 0xffff) == 0xffff)
		return;
	arrivals[narrivals++] = bdf;
	log_warn("pci " PCI_FMT ": %04x:%04x was not there at the start: it stays closed to the guest%s", PCI_ARGS(bdf),
		 id & 0xffff, id >> 16, narrivals < MAX_ARRIVALS ? "" : "; further ones do, too, without a line");
}

/* Another function has taken the place of one that was left to the guest: close it. */
static void close_other(uint16_t bdf, uint32_t id)
{
	log_warn("pci " PCI_FMT ": %04x:%04x came in the place of what was left to the guest: closed", PCI_ARGS(bdf),
		 id & 0xffff, id >> 16);
	vpci_set(bdf, NULL, NULL);
}

bool vpci_is_itself(const struct pci_dev *d)
{
	uint32_t id = pci_cfg_read(d->bdf, PCI_VENDOR_ID, 4);

	/* The function is gone, or not ready after a reset: drop the write. */
	if ((id & 0xffff) == 0xffff || (id & 0xffff) == 1)
		return true;
	if (id == ((uint32_t)d->device << 16 | d->vendor) && pci_cfg_read(d->bdf, PCI_REVISION, 4) >> 8 == d->class_code)
		return true;
	close_other(d->bdf, id);
	return false;
}

static uint32_t function_read(uint16_t bdf, uint16_t off, unsigned width)
{
	const struct pci_dev *d;

	/* A scan begins here.  Whoever reads by ECAM is met at the first write, before which a new function has no address. */
	if (off < 4 && is_left(bdf) && (d = pci_find(bdf)))
		vpci_is_itself(d);
	const struct vfunction *f = lookup(bdf);

	if (f)
		return f->ops->read(f->ctx, off, width) & mask_of(width);
	if (is_open(bdf))
		return pci_cfg_read(bdf, off, width) & mask_of(width);
	if (off < 4)
		look_at_arrival(bdf);
	return mask_of(width);
}

static void function_write(uint16_t bdf, uint16_t off, unsigned width, uint32_t v)
{
	const struct vfunction *f = lookup(bdf);
	const struct pci_dev *d;

	if (f)
		f->ops->write(f->ctx, off, width, v & mask_of(width));
	else if (is_open(bdf) && (d = pci_find(bdf)))
		guard_write(d, off, width, v & mask_of(width));
}

/* --- ECAM: what exits of it.  Reads of what is left or closed do not. --- */

/* The next piece of an access of @left bytes at @off, whatever the alignment: never across a dword, and no three bytes. */
static unsigned access_piece(uint32_t off, unsigned left)
{
	unsigned n = MIN(left, 4 - (off & 3));

	return n == 3 ? (off & 1 ? 1 : 2) : n;
}

static uint16_t bdf_at(const void *ctx, uint32_t off)
{
	return (uint16_t)(((uint32_t)(uintptr_t)ctx << 8) + (off >> 12));
}

static uint64_t ecam_trap_read(void *ctx, uint32_t off, unsigned width)
{
	uint64_t v = 0;

	for (unsigned done = 0, n; done < width; done += n) {
		uint32_t at = off + done;

		n = access_piece(at, width - done);
		v |= (uint64_t)function_read(bdf_at(ctx, at), at & (PAGE_SIZE - 1), n) << (8 * done);
	}
	return v;
}

static void ecam_trap_write(void *ctx, uint32_t off, unsigned width, uint64_t value)
{
	for (unsigned done = 0, n; done < width; done += n) {
		uint32_t at = off + done;

		n = access_piece(at, width - done);
		function_write(bdf_at(ctx, at), at & (PAGE_SIZE - 1), n, (uint32_t)(value >> (8 * done)));
	}
}

static const struct trap_ops ecam_ops = { ecam_trap_read, ecam_trap_write };

static int show_page(uint16_t bdf, enum ones_page what)
{
	uint64_t page = pci_ecam_page(bdf);

	return page && nested_is_hidden(page) ? nested_ones_page(page, what) : 0;
}

int vpci_set(uint16_t bdf, const struct vpci_ops *ops, void *ctx)
{
	struct vfunction *f = lookup(bdf), **at = &answered;

	set_open(bdf, false);
	if (ops && !f) {
		f = mem_alloc(sizeof(*f), 8);
		if (!f)
			return -ERR_NOMEM;
		f->bdf = bdf;
		f->next = answered;
		answered = f;
	}
	if (ops) {
		f->ops = ops;
		f->ctx = ctx;
	} else if (f) {
		while (*at != f)
			at = &(*at)->next;
		*at = f->next;
		mem_free(f);
	}
	return show_page(bdf, ops ? PAGE_TRAPPED : PAGE_ONES);
}

/* RAM, or the pages of the interrupt controllers: no ECAM is there, whatever the table says. */
static uint64_t ecam_size(uint64_t base, uint64_t size)
{
	if (base < INTERRUPT_PAGES)
		size = MIN(size, INTERRUPT_PAGES - base);
	else if (base < 1ull << 32)
		size = 0;
	if (base + size > phys_limit())
		size = 0;
	for (uint64_t p = base; p < base + size; p += PAGE_SIZE)
		if (gmem_valid(p, 1) || (p >= mem_phys(veneer_start) && p < mem_phys(veneer_end)))
			return p - base;
	return size;
}

/* Buses from @first on of one segment, closed; those of segment 0 answer writes. */
static int close_buses(uint64_t addr, unsigned segment, unsigned first, unsigned last)
{
	uint64_t base = addr + ((uint64_t)first << BUS_SHIFT), whole = (uint64_t)(last - first + 1) << BUS_SHIFT;
	uint64_t size = ecam_size(base, whole);

	if (size != whole)
		log_warn("pci: configuration space of segment %u, buses %u to %u, cannot lie at %#lx: %#lx bytes of it closed",
			 segment, first, last, base, size);
	if (!size)
		return 0;
	int err = nested_ones(base, size);

	if (err || segment)
		return err;
	struct trap *t = trap_new_mmio("ecam", (uint32_t)size, &ecam_ops, (void *)(uintptr_t)first);

	if (!t)
		return -ERR_NOMEM;
	trap_place_mapped(t, base);
	return 0;
}

static bool is_named(uint64_t addr)
{
	for (unsigned i = 0; i < acpi.necam; i++) {
		unsigned first = acpi.ecam[i].bus_first, last = acpi.ecam[i].bus_last;

		if (addr - acpi.ecam[i].addr - ((uint64_t)first << BUS_SHIFT) < (uint64_t)(last - first + 1) << BUS_SHIFT)
			return true;
	}
	return false;
}

/* The chipset decodes buses 0 to @n - 1 of one segment at @base: close those that the firmware's table does not name there. */
static int close_unnamed(uint64_t base, unsigned segment, unsigned n)
{
	int err = 0;

	for (unsigned bus = 0, next; bus < n && !err; bus = next) {
		bool named = is_named(base + ((uint64_t)bus << BUS_SHIFT));

		for (next = bus + 1; next < n && is_named(base + ((uint64_t)next << BUS_SHIFT)) == named; next++)
			;
		if (named)
			continue;
		log_info("pci: segment %u, buses %u to %u: decoded from %#lx on, in no table: closed", segment, bus, next - 1,
			 base);
		err = close_buses(base, segment, bus, next - 1);
	}
	return err;
}

/*
 * On Xeons and before the 965 the register means something else.  So believe its address if the firmware's table names it, too,
 * or if the host bridge's own page is there, with the same id and the same register.
 */
static bool is_pciexbar(const struct pci_dev *d, uint64_t base)
{
	volatile uint8_t *page;

	for (unsigned i = 0; i < acpi.necam; i++)
		if (!acpi.ecam[i].segment && acpi.ecam[i].addr == base)
			return true;
	page = ecam_size(base, PAGE_SIZE) == PAGE_SIZE ? mem_map_mmio(base, PAGE_SIZE) : NULL;
	return page && mmio_read32(page) == pci_read32(d, PCI_VENDOR_ID) &&
	       mmio_read32(page + INTEL_PCIEXBAR) == pci_read32(d, INTEL_PCIEXBAR) &&
	       mmio_read32(page + INTEL_PCIEXBAR + 4) == pci_read32(d, INTEL_PCIEXBAR + 4);
}

/* What Intel's chipset tells itself (4th series, 3.1.17). */
static int close_intel(void)
{
	static const uint16_t buses[] = { 256, 128, 64 };
	const struct pci_dev *d = pci_find(0);

	if (!d || d->vendor != INTEL || d->class_code >> 8 != 0x0600)
		return 0;
	uint64_t reg = pci_read32(d, INTEL_PCIEXBAR) | (uint64_t)pci_read32(d, INTEL_PCIEXBAR + 4) << 32;
	uint64_t base = reg & GENMASK64(38, 26);
	unsigned length = reg >> 1 & 3;

	if (!(reg & 1) || !base || length >= ARRAY_SIZE(buses) || !is_pciexbar(d, base))
		return 0;
	return pci_space_hold(base, (uint64_t)buses[length] << BUS_SHIFT) ?: close_unnamed(base, 0, buses[length]);
}

/* What AMD's processors tell, from family 10h on (BKDG, MMIO_CFG_BASE); no other has the MSR.  Segments follow each other. */
static int close_amd(void)
{
	uint64_t reg, base;
	unsigned bits, segments;
	int err;

	if (!rdmsr_safe(MSR_MMIO_CFG_BASE, &reg) || !(reg & MMIO_CFG_ENABLE))
		return 0;
	base = reg & MMIO_CFG_ADDRESS;
	bits = (unsigned)FIELD_GET(MMIO_CFG_BUSES, reg);
	segments = bits > 8 ? 1u << (bits - 8) : 1;
	err = base ? pci_space_hold(base, 1ull << (bits + BUS_SHIFT)) : 0;
	for (unsigned i = 0; base && i < segments && !err; i++)
		err = close_unnamed(base + i * (256ull << BUS_SHIFT), i, 1u << MIN(bits, 8u));
	return err;
}

static int close_ecam(void)
{
	int err = acpi.ecam_left_out ? -ERR_NOMEM : 0;

	if (err)
		log_err("acpi: the MCFG is broken, or names more than %u ranges of configuration space", ACPI_MAX_ECAM);
	for (unsigned i = 0; !err && i < acpi.necam; i++)
		err = close_buses(acpi.ecam[i].addr, acpi.ecam[i].segment, acpi.ecam[i].bus_first, acpi.ecam[i].bus_last);
	err = err ?: close_intel();
	return err ?: close_amd();
}

/* --- ports 0xCF8-0xCFF --- */

/* Byte and word accesses to 0xCF8-0xCFB go to the chipset as ordinary ports; 0xCF9 is its reset control. */
static uint32_t address_read(uint16_t port, unsigned width)
{
	if (port == CONFIG_ADDRESS && width == 4)
		return address;
	return port_in(port, width);
}

static void address_write(uint16_t port, unsigned width, uint32_t v)
{
	if (port == CONFIG_ADDRESS && width == 4) {
		address = v;
		return;
	}
	uint32_t reset = port == RESET_CONTROL ? v : port == CONFIG_ADDRESS && width == 2 ? v >> 8 : 0;

	if (reset & RESET_CPU)
		machine_stopping();
	port_out(port, width, v);
}

static uint16_t data_offset(uint16_t port)
{
	return (uint16_t)((address & 0xfc) + (port & 3));
}

/* Cut an access to the data port at the end of the dword. */
static unsigned clip(uint16_t port, unsigned width)
{
	return MIN(width, 4u - (port & 3));
}

/* If the enable bit is 0, the data port is an ordinary port of the chipset. */
static bool reaches_function(void)
{
	return address & CONFIG_ENABLE;
}

/* The bits above the function are reserved: where they mean a register behind the first 256, ECAM is the way there. */
static uint16_t addressed(void)
{
	return (uint16_t)(address >> 8);
}

static uint32_t data_read(uint16_t port, unsigned width)
{
	uint32_t v = 0;

	if (address & CONFIG_EXTENDED)
		return mask_of(width);
	for (unsigned done = 0, n; done < width; done += n) {
		n = access_piece(data_offset(port) + done, width - done);
		v |= function_read(addressed(), (uint16_t)(data_offset(port) + done), n) << (8 * done);
	}
	return v;
}

static void data_write(uint16_t port, unsigned width, uint32_t v)
{
	if (address & CONFIG_EXTENDED)
		return;
	for (unsigned done = 0, n; done < width; done += n) {
		n = access_piece(data_offset(port) + done, width - done);
		function_write(addressed(), (uint16_t)(data_offset(port) + done), n, v >> (8 * done));
	}
}

/* Such an access would reach the data port with whatever the latch holds. */
static bool crosses_into_data(uint16_t port, unsigned width)
{
	return port < CONFIG_DATA && port + width > CONFIG_DATA;
}

static uint32_t read_ports(uint16_t port, unsigned width)
{
	if (crosses_into_data(port, width)) {
		uint32_t v = 0;

		for (unsigned i = 0; i < width; i++)
			v |= read_ports((uint16_t)(port + i), 1) << (8 * i);
		return v;
	}
	if (port < CONFIG_DATA)
		return address_read(port, width);
	if (!reaches_function())
		return pci_port_read(address, port, width);
	unsigned n = clip(port, width);
	uint32_t v = data_read(port, n);

	return n == width ? v : (mask_of(width) & ~mask_of(n)) | v;
}

static void write_ports(uint16_t port, unsigned width, uint32_t v)
{
	if (crosses_into_data(port, width)) {
		for (unsigned i = 0; i < width; i++)
			write_ports((uint16_t)(port + i), 1, v >> (8 * i) & 0xff);
		return;
	}
	if (port < CONFIG_DATA)
		address_write(port, width, v);
	else if (reaches_function())
		data_write(port, clip(port, width), v);
	else
		pci_port_write(address, port, width, v);
}

uint32_t vpci_port_read(uint16_t port, unsigned width)
{
	lock_acquire(&trap_serial);
	uint32_t v = read_ports(port, width);
	lock_release(&trap_serial);
	return v;
}

void vpci_port_write(uint16_t port, unsigned width, uint32_t v)
{
	lock_acquire(&trap_serial);
	write_ports(port, width, v);
	lock_release(&trap_serial);
}

int vpci_init(void)
{
	const struct pci_dev *d;

	answered = NULL;
	narrivals = 0;
	memset(open_map, 0, sizeof(open_map));
	guard_init();
	int err = close_ecam();

	for (unsigned i = 0; !err && (d = pci_get(i)); i++) {
		set_open(d->bdf, true);
		err = show_page(d->bdf, PAGE_OWN);
		if (!err && pci_is_bridge(d))
			err = vbridge_open(d);
	}
	if (!trap_port_is_fixed(CONFIG_ADDRESS))
		trap_intercept_ports(CONFIG_ADDRESS, 8);
	return err;
}
