/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Properties on which drivers in the field rely, and which no other probe tries: interrupt lines by the 8259 and the I/O APIC,
 * as systems without messages use them; and drivers that assume a certain device.  Every virtio device by both transports.
 */
#include "vio.h"

#define LINES		16
#define NO_LINE		0xff
#define PIC1_DATA	0x21
#define PIC2_DATA	0xa1
#define IOAPIC_SELECT	((volatile uint32_t *)0xfec00000)
#define IOAPIC_WINDOW	((volatile uint32_t *)0xfec00010)
#define IOAPIC_ENTRY(n)	(0x10u + 2 * (n))
#define IOAPIC_MASKED	0x10000u
#define ISR_QUEUE	1
#define F_NET_STATUS	(1ull << 16)
#define F_NET_CTRL_VQ	(1ull << 17)

/* Offsets of QEMU's devices, which some drivers assume. */
#define FIXED_ISR	0x1000
#define FIXED_DEVICE	0x2000
#define FIXED_NOTIFY	0x3000

const char probe_name[] = "probe-rules";

enum controller { PIC, IOAPIC };

static enum controller controller;
static volatile uint32_t count;		/* interrupts of the device's line */
static volatile uint8_t seen;		/* values of ISR in these interrupts */
static struct vio *volatile handled;	/* the device whose interrupts these are */
static uint8_t ioapic_vector, pic_base, line;

static void line_interrupt(void *ctx)
{
	uint32_t which = (uint32_t)ctx;

	if (which < LINES && pic_spurious(which))
		return;
	if (handled && (which == line || which == LINES)) {
		count++;
		seen |= vio_isr(handled);
	}
	if (which < LINES)
		pic_eoi(which);
}

static void mask(bool on)
{
	uint16_t port = line < 8 ? PIC1_DATA : PIC2_DATA;

	if (controller == PIC) {
		outb(port, on ? inb(port) | 1 << (line & 7) : inb(port) & ~(1 << (line & 7)));
		return;
	}
	*IOAPIC_SELECT = IOAPIC_ENTRY(line);
	*IOAPIC_WINDOW = on ? *IOAPIC_WINDOW | IOAPIC_MASKED : *IOAPIC_WINDOW & ~IOAPIC_MASKED;
}

static void let_in_for(uint32_t ms)
{
	struct deadline end = deadline_in_ms(ms);

	while (!deadline_passed(end))
		__asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

/* True if an interrupt comes within two seconds. */
static bool comes(void)
{
	struct deadline end = deadline_in_ms(2000);
	uint32_t before = count;

	while (count == before && !deadline_passed(end))
		__asm__ volatile("sti; nop; nop; cli" : : : "memory");
	return count != before;
}

static bool silent(void)
{
	uint32_t before = count;

	let_in_for(20);
	return count == before;
}

/* With interrupts off, requests complete: only the rings show that. */
static bool served(struct vio *v)
{
	return vio_request(v) == 0;
}

/* --- rule 5 --- */

static void intx_off(struct vio *v, bool off)
{
	uint16_t command = pci_read16(v->bdf, PCI_COMMAND) & ~PCI_COMMAND_INTX_OFF;

	pci_write16(v->bdf, PCI_COMMAND, off ? command | PCI_COMMAND_INTX_OFF : command);
}

static bool line_is_told(struct vio *v)
{
	return line && line < LINES && pci_read8(v->bdf, 0x3d) >= 1 && pci_read8(v->bdf, 0x3d) <= 4;
}

static bool each_request(struct vio *v)
{
	for (unsigned int i = 0; i < 20; i++) {
		seen = 0;
		if (!served(v) || !comes() || !(seen & ISR_QUEUE))
			return false;
	}
	return true;
}

/* The handler's read of ISR ends the interrupt. */
static bool no_storm(struct vio *v)
{
	uint32_t before;

	if (!served(v) || !comes())
		return false;
	let_in_for(5);
	before = count;
	let_in_for(50);
	return count - before <= 1;
}

static bool masked_and_unmasked(struct vio *v)
{
	mask(true);
	if (!served(v) || !silent())
		return false;
	mask(false);
	return comes();
}

static bool read_while_masked(struct vio *v, bool wide)
{
	mask(true);
	if (!served(v))
		return false;
	if (wide ? !(read32(v->isr) & ISR_QUEUE) : !(vio_isr(v) & ISR_QUEUE))
		return false;
	mask(false);
	return silent();
}

static bool read_by_8_bits(struct vio *v) { return read_while_masked(v, false); }
static bool read_by_32_bits(struct vio *v) { return v->transport == VIO_LEGACY || read_while_masked(v, true); }

static bool switched_off(struct vio *v)
{
	bool good;

	intx_off(v, true);
	good = served(v) && silent() && (vio_isr(v) & ISR_QUEUE);
	intx_off(v, false);
	return good && served(v) && comes();
}

/* Rule 7: nobody handles the line, and all requests complete. */
static bool polled_with_line_masked(struct vio *v)
{
	mask(true);
	for (unsigned int i = 0; i < 50; i++)
		if (!served(v))
			return false;
	vio_isr(v);
	return true;
}

static const struct { const char *name; bool (*fn)(struct vio *v); } lines[] = {
	{ "the line is told", line_is_told },
	{ "each request interrupts", each_request },
	{ "reading ISR ends it", no_storm },
	{ "masked, it waits", masked_and_unmasked },
	{ "ISR read meanwhile, by 8 bits", read_by_8_bits },
	{ "ISR read meanwhile, by 32 bits", read_by_32_bits },
	{ "switched off in the command register", switched_off },
	{ "polled, the line masked", polled_with_line_masked },
};

static bool route(struct vio *v)
{
	line = pci_read8(v->bdf, PCI_INTERRUPT_LINE);
	if (!check(line && line < LINES, true, "rules: %s: a line in 3Ch", vio_name(v)))
		return false;
	if (controller == IOAPIC && ioapic_route(line, ioapic_vector))
		return false;
	mask(false);
	return true;
}

static void by_lines(struct vio *v, enum vio_transport t)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		handled = NULL;
		intx_off(v, false);
		if (!check(vio_start(v, t, 0), true, "rules: %s: started", vio_name(v)) || !route(v))
			continue;
		vio_isr(v);
		let_in_for(2);
		count = 0;
		handled = v;
		check(lines[i].fn(v), true, "rules: %s: by the %s: %s", vio_name(v), controller == PIC ? "8259" : "I/O APIC",
		      lines[i].name);
		handled = NULL;
		mask(true);
		vio_reset(v);
		intx_off(v, true);
	}
}

/* --- what is taken for granted --- */

/* Rule 2: BAR4 has the common structure at 0, and so on; the transmit queue's kick is at +4. */
static bool fixed_places(struct vio *v)
{
	volatile uint8_t *bar = pci_memory_bar(v->bdf, 4);

	if (!bar)
		return false;
	v->common = (uint8_t *)bar;
	v->isr = (uint8_t *)bar + FIXED_ISR;
	v->config = (uint8_t *)bar + FIXED_DEVICE;
	v->notify = (uint8_t *)bar + FIXED_NOTIFY;
	v->notify_multiplier = 4;
	if (!vio_start(v, VIO_MODERN, 0) || !served(v))
		return false;
	return (uint32_t)v->q[0].notify == (uint32_t)bar + FIXED_NOTIFY &&
	       (v->type != VIO_NET || (uint32_t)v->q[NET_TX].notify == (uint32_t)bar + FIXED_NOTIFY + 4);
}

/* Rule 3: a driver that looks only at function 0 on bus 0, and reads header type and vendor as dwords, finds the device. */
static bool function_0_of_bus_0(struct vio *v)
{
	if (FUNCTION(v->bdf))
		return true;		/* such a driver does not find this one: veneer,slot puts it at a function 0 */
	for (unsigned int device = 0; device < 32; device++) {
		outl(0xcf8, 0x80000000u | device << 11);
		if ((inl(0xcfc) & 0xffff) == 0x1af4 && (pci_bdf)(device << 3) == v->bdf)
			return true;
	}
	return false;
}

static uint16_t size_of_queue(struct vio *v, uint16_t index)
{
	if (v->transport == VIO_LEGACY) {
		outw(v->io + L_QUEUE_SELECT, index);
		return inw(v->io + L_QUEUE_SIZE);
	}
	write16(v->common + M_QUEUE_SELECT, index);
	return read16(v->common + M_QUEUE_SIZE);
}

/* Rule 4: a driver that demands MAC, STATUS and CTRL_VQ, and exactly three queues. */
static bool three_queues(struct vio *v)
{
	uint64_t want = F_NET_MAC | F_NET_STATUS | F_NET_CTRL_VQ;

	if (v->type != VIO_NET)
		return true;
	if (!vio_open(v, v->transport) || (vio_offered(v) & want) != want || !vio_start(v, v->transport, want))
		return false;
	if (v->transport == VIO_MODERN && read16(v->common + M_NUM_QUEUES) != 3)
		return false;
	return size_of_queue(v, 2) && !size_of_queue(v, 3) && served(v);
}

/* Rule 9: from the first access on the command register has bus mastering off, as firmware may leave it. */
static bool never_bus_master(struct vio *v)
{
	uint16_t command = pci_read16(v->bdf, PCI_COMMAND);
	bool good;

	pci_write16(v->bdf, PCI_COMMAND, (command & ~PCI_COMMAND_MASTER) | PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	good = vio_start(v, v->transport, 0);
	for (unsigned int i = 0; good && i < 20; i++)
		good = served(v);
	/* The legacy interface sets the bit for its driver, the modern one does not. */
	good = good && !(pci_read16(v->bdf, PCI_COMMAND) & PCI_COMMAND_MASTER) == (v->transport == VIO_MODERN);
	pci_write16(v->bdf, PCI_COMMAND, command);
	return good;
}

static void for_granted(struct vio *v, enum vio_transport t)
{
	check(function_0_of_bus_0(v), true, "rules: %s: found on bus 0", vio_name(v));
	v->transport = t;
	check(three_queues(v), true, "rules: %s: MAC, STATUS, CTRL_VQ, three queues", vio_name(v));
	check(never_bus_master(v), true, "rules: %s: never bus master", vio_name(v));
	if (t == VIO_MODERN)
		check(fixed_places(v), true, "rules: %s: fixed places in BAR4", vio_name(v));
	vio_look(v);
	vio_reset(v);
}

/* --- all of it --- */

static void each(void (*fn)(struct vio *v, enum vio_transport t))
{
	for (unsigned int i = 0; i < vio_count; i++)
		for (enum vio_transport t = VIO_LEGACY; t <= VIO_MODERN; t++)
			if (vio_has(&vios[i], t)) {
				vios[i].transport = t;
				fn(&vios[i], t);
			}
}

void probe(void)
{
	vio_scan();
	check(vio_count != 0, true, "rules: there are devices");
	apic_init();
	/* The 8259s put the line into the vector's low bits. */
	do
		pic_base = irq_alloc(line_interrupt, (void *)0);
	while (pic_base & 7);
	for (uint32_t i = 1; i < LINES; i++)
		irq_alloc(line_interrupt, (void *)i);
	ioapic_vector = irq_alloc(line_interrupt, (void *)LINES);
	each(for_granted);
	controller = PIC;
	/* Reset all devices: Veneer learns the 8259s' vectors only while a line can be used (docs/guests.md). */
	for (unsigned int i = 0; i < vio_count; i++)
		intx_off(&vios[i], false);
	pic_init(pic_base);
	each(by_lines);
	pic_off();
	controller = IOAPIC;
	ioapic_init();
	each(by_lines);
}
