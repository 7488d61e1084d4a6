/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks for what Veneer hides: the real devices behind the twins, and Veneer itself.  Options, all hexadecimal:
 *
 *   hidden=00:03.0,...      functions that are concealed
 *   bars=ADDR+SIZE,...      memory BARs of the real devices
 *   veneer=START-END        Veneer's memory (else: what is missing from the memory map)
 */
#include "vio.h"

#define CONFIG_ADDRESS	0xcf8
#define CONFIG_DATA	0xcfc
#define ENABLE		0x80000000u
#define ONES		0xffffffffu
#define HOST_BRIDGE	0
#define SCAN_END	0x10000u

const char probe_name[] = "probe-hidden";

static const struct { uint16_t vendor, device; } forbidden[] = {
	{ 0x8086, 0x10d3 }, { 0x8086, 0x100e }, { 0x8086, 0x2922 }, { 0x1b36, 0x0010 }, { 0x10ec, 0x8139 },
};

static void pci_write8(pci_bdf bdf, uint8_t off, uint8_t v)
{
	outl(CONFIG_ADDRESS, ENABLE | (uint32_t)bdf << 8 | (off & 0xfc));
	outb(CONFIG_DATA + (off & 3), v);
}

/* --- scanning --- */

static bool is_forbidden(uint32_t id)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(forbidden); i++)
		if (id == ((uint32_t)forbidden[i].device << 16 | forbidden[i].vendor))
			return true;
	return false;
}

static uint32_t id_by_bytes(pci_bdf b)
{
	return pci_read8(b, 0) | pci_read8(b, 1) << 8 | pci_read8(b, 2) << 16 | (uint32_t)pci_read8(b, 3) << 24;
}

static void scan_ports(void)
{
	uint32_t real = 0, odd = 0, functions = 0;

	for (uint32_t b = 0; b < SCAN_END; b++) {
		uint32_t id = pci_read32(b, 0);

		real += is_forbidden(id);
		functions += id != ONES;
		if (id == ONES && BUS(b))
			continue;		/* other widths only if a function is there, and on all of bus 0 */
		odd += id_by_bytes(b) != id || (pci_read16(b, 0) | (uint32_t)pci_read16(b, 2) << 16) != id;
	}
	note("hidden: %u functions by CF8", functions);
	check(functions > 0, true, "hidden: CF8 finds something");
	check(real, 0, "hidden: CF8 finds no concealed device");
	check(odd, 0, "hidden: CF8 says the same in bytes, words and dwords");
}

static void scan_ecam(void)
{
	uint32_t real = 0, odd = 0;

	if (!ecam(0, 0)) {
		skip("hidden: no ECAM on this machine");
		return;
	}
	for (uint32_t b = 0; b <= ecam_last_bus() << 8 && ecam(b, 0); b++) {
		uint32_t id = read32(ecam(b, 0));

		real += is_forbidden(id) || is_forbidden(read16(ecam(b, 0)) | (uint32_t)read16(ecam(b, 2)) << 16);
		if (id != pci_read32(b, 0)) {
			note("hidden: %02x:%02x.%x is %08x by ECAM, %08x by CF8", BUS(b), DEVICE(b), FUNCTION(b), id,
			     pci_read32(b, 0));
			odd++;
		}
	}
	check(real, 0, "hidden: ECAM finds no concealed device");
	check(odd, 0, "hidden: ECAM and CF8 find the same");
}

/* Compare a twin's whole configuration space, in every width, by both ways. */
static void compare_twin(const struct vio *v)
{
	uint32_t odd = 0, beyond = 0;

	for (uint32_t off = 0; off < 256; off += 4) {
		uint32_t d = pci_read32(v->bdf, off);

		for (uint32_t i = 0; i < 4; i++)
			odd += pci_read8(v->bdf, off + i) != (uint8_t)(d >> 8 * i);
		odd += pci_read16(v->bdf, off) != (d & 0xffff) || pci_read16(v->bdf, off + 2) != d >> 16;
	}
	check(odd, 0, "hidden: %s: CF8 is one space in all widths", vio_name(v));
	if (!ecam(v->bdf, 0))
		return;
	odd = 0;
	for (uint32_t off = 0; off < 256; off++)
		odd += read8(ecam(v->bdf, off)) != pci_read8(v->bdf, off);
	for (uint32_t off = 0; off < 256; off += 4)
		odd += read32(ecam(v->bdf, off)) != pci_read32(v->bdf, off) ||
		       read16(ecam(v->bdf, off + 2)) != pci_read16(v->bdf, off + 2);
	check(odd, 0, "hidden: %s: ECAM and CF8 are one space", vio_name(v));
	/* No extended capability of the real device is visible: all bytes are 0, or all ones if there is no ECAM. */
	for (uint32_t off = 256; off < 4096; off += 4)
		beyond += read32(ecam(v->bdf, off)) != 0 && read32(ecam(v->bdf, off)) != ONES;
	check(beyond, 0, "hidden: %s: no extended capabilities", vio_name(v));
}

/* --- what holds the machine together --- */

#define CLASS_BRIDGE	0x0604
#define CLASS_ISA	0x0601
#define BRIDGE_BUSES	0x18
#define FAR_BUS		0xf0u

static uint32_t real_on_bus(uint32_t bus)
{
	uint32_t real = 0;

	for (uint32_t b = bus << 8; b < (bus + 1) << 8; b++)
		real += is_forbidden(pci_read32(b, 0)) || (ecam(b, 0) && is_forbidden(read32(ecam(b, 0))));
	return real;
}

/* With another bus number a concealed device would appear as a new device. */
static void renumber(pci_bdf b, bool by_ecam)
{
	uint32_t old = pci_read32(b, BRIDGE_BUSES), want = (old & 0xff000000) | FAR_BUS << 16 | FAR_BUS << 8 | BUS(b);

	if (by_ecam)
		write32(ecam(b, BRIDGE_BUSES), want);
	else
		pci_write32(b, BRIDGE_BUSES, want);
	check(pci_read32(b, BRIDGE_BUSES) & 0xffffff, old & 0xffffff, "hidden: %02x:%02x.%x: bus numbers stay, by %s",
	      BUS(b), DEVICE(b), FUNCTION(b), by_ecam ? "ECAM" : "CF8");
	check(real_on_bus(FAR_BUS), 0, "hidden: %02x:%02x.%x: nothing real behind the other number", BUS(b), DEVICE(b),
	      FUNCTION(b));
	for (unsigned int i = 0; i < 3; i++)
		pci_write8(b, BRIDGE_BUSES + i, old >> 8 * i);
}

/* PMBASE, GPIOBASE, RCBA of Intel's LPC bridge; PIIX lacks some of these, and its bytes do not change either. */
static void move_bases(pci_bdf b)
{
	static const uint8_t bases[] = { 0x40, 0x48, 0xf0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(bases); i++) {
		uint32_t old = pci_read32(b, bases[i]);

		pci_write32(b, bases[i], old ^ 0x00400000 ^ 0x1000);
		check(pci_read32(b, bases[i]), old, "hidden: %02x:%02x.%x: base register %02x stays", BUS(b), DEVICE(b),
		      FUNCTION(b), bases[i]);
		if (ecam(b, 0))
			write32(ecam(b, bases[i]), old ^ 0x00400000 ^ 0x1000);
		check(pci_read32(b, bases[i]), old, "hidden: the same by ECAM");
		pci_write32(b, bases[i], old);
	}
}

static void check_chipset(void)
{
	for (uint32_t b = 0; b < SCAN_END; b++) {
		/* A read by ECAM does not exit. */
		uint32_t id = ecam(b, 0) ? read32(ecam(b, 0)) : pci_read32(b, 0), class;

		if (id == ONES)
			continue;
		class = pci_read32(b, PCI_CLASS & 0xfc) >> 16;
		if (class == CLASS_BRIDGE) {
			renumber(b, false);
			if (ecam(b, 0))
				renumber(b, true);
		}
		if (class == CLASS_ISA && (id & 0xffff) == 0x8086)
			move_bases(b);
	}
}

/* --- the twins' own registers --- */

static void check_bar(pci_bdf bdf, unsigned int n, uint32_t mask, const char *what)
{
	uint8_t off = PCI_BAR0 + 4 * n;
	uint32_t old = pci_read32(bdf, off), sized;

	pci_write32(bdf, off, ONES);
	sized = pci_read32(bdf, off);
	pci_write32(bdf, off, old);
	check(sized, mask, "hidden: %02x:%02x.%x: size of %s", BUS(bdf), DEVICE(bdf), FUNCTION(bdf), what);
	check(pci_read32(bdf, off), old, "hidden: %02x:%02x.%x: %s is as before", BUS(bdf), DEVICE(bdf), FUNCTION(bdf), what);
}

static void check_twin_bars(const struct vio *v)
{
	pci_bdf b = v->bdf;
	uint16_t command = pci_read16(b, PCI_COMMAND);

	pci_write16(b, PCI_COMMAND, 0);
	check(pci_read16(b, PCI_COMMAND), 0, "hidden: %s: command register can be cleared", vio_name(v));
	if (v->io)
		check_bar(b, 0, v->type == VIO_NET ? 0xffffffc1u : 0xffffff81u, "BAR0, ports");
	else
		check_bar(b, 0, 0, "BAR0 of a modern-only device");
	check_bar(b, 1, 0xfffff000u, "BAR1, MSI-X");
	check_bar(b, 2, 0, "BAR2, not there");
	check_bar(b, 3, 0, "BAR3, not there");
	check_bar(b, 4, 0xffffc000u, "BAR4, registers");
	check_bar(b, 5, 0, "BAR5, not there");
	pci_write32(b, 0x30, 0xfffff800u);
	check(pci_read32(b, 0x30), 0, "hidden: %s: no option ROM", vio_name(v));
	pci_write16(b, PCI_COMMAND, command);
	check(pci_read16(b, PCI_COMMAND), command, "hidden: %s: command register comes back", vio_name(v));
}

static void check_twin_alive(struct vio *v, const char *when)
{
	enum vio_transport t = vio_has(v, VIO_MODERN) ? VIO_MODERN : VIO_LEGACY;

	check(vio_start(v, t, 0) && vio_request(v) == 0, true, "hidden: %s works %s", vio_name(v), when);
	vio_reset(v);
}

/* Write to read-only and unknown bytes of a concealed function: the real function does not change. */
static void scribble(pci_bdf b)
{
	uint32_t id = pci_read32(b, 0), class = pci_read32(b, PCI_CLASS);

	for (uint32_t off = 0; off < 256; off++)
		if ((off < PCI_COMMAND || off >= PCI_STATUS) && (off < PCI_BAR0 || off >= PCI_BAR0 + 24))
			pci_write8(b, off, pci_read8(b, off));
	pci_write32(b, 0, 0x12345678);
	pci_write32(b, PCI_CLASS, 0x12345678);
	check(pci_read32(b, 0), id, "hidden: %02x:%02x.%x: ids cannot be written", BUS(b), DEVICE(b), FUNCTION(b));
	check(pci_read32(b, PCI_CLASS), class, "hidden: %02x:%02x.%x: class cannot be written", BUS(b), DEVICE(b), FUNCTION(b));
}

static void check_hidden_functions(void)
{
	const char *s = boot_option("hidden");
	char copy[256];
	const char *p = copy;
	pci_bdf b;

	if (!s || strlen(s) >= sizeof(copy)) {
		skip("hidden: no hidden= given");
		return;
	}
	memcpy(copy, s, strlen(s) + 1);
	while (check(take_bdf(&p, &b), true, "hidden: an address in hidden=")) {
		uint16_t vendor = pci_read16(b, 0);

		check(vendor == 0xffff || vendor == 0x1af4, true, "hidden: %02x:%02x.%x is a twin or nothing (%04x)", BUS(b),
		      DEVICE(b), FUNCTION(b), vendor);
		scribble(b);
		if (*p++ != ',')
			break;
	}
}

/* --- memory that is not there --- */

static void check_word(uint32_t at)
{
	volatile uint8_t *p = (volatile uint8_t *)at;
	uint32_t copy[4] = { 0 }, to = at, from = at, out = (uint32_t)copy, count = 4;

	write32(p, 0x11223344);
	check(read32(p), ONES, "hidden: dword at %08x", at);
	write16(p + 2, 0x5566);
	check(read16(p + 2), 0xffff, "hidden: word at %08x", at + 2);
	write8(p + 1, 0x77);
	check(read8(p + 1), 0xff, "hidden: byte at %08x", at + 1);
	__asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(0) : "memory");
	count = 4;
	__asm__ volatile("rep movsl" : "+D"(out), "+S"(from), "+c"(count) : : "memory");
	check(copy[0] & copy[1] & copy[2] & copy[3], ONES, "hidden: string instructions at %08x", at);
	__asm__ volatile("lock; orl $0, (%0); xchgl %%eax, 4(%0)" : : "r"(p), "a"(0) : "memory");
	check(read32(p + 4), ONES, "hidden: read and write at once at %08x", at + 4);
}

static void check_string_writes(uint32_t start, uint32_t bytes)
{
	__asm__ volatile("rep stosl" : : "D"(start), "c"(bytes / 4), "a"(0) : "memory");
	check(read32((void *)start), ONES, "hidden: %u bytes of zero from %08x leave no trace", bytes, start);
	check(read32((void *)(start + bytes - 4)), ONES, "hidden: nor at their end");
}

/* Instructions that nobody uses on a device register: #GP, and guest and Veneer survive. */
static void check_exotic(uint32_t at)
{
	check(TRY("pushl (%0); addl $4, %%esp", "r"(at) : "memory"), TRAP_GP, "hidden: push of %08x", at);
	check(TRY("fninit; flds (%0)", "r"(at) : "memory"), TRAP_GP, "hidden: fld of %08x", at);
	check(TRY("jmp *%0", "r"(at) : "memory"), TRAP_GP, "hidden: a jump to %08x", at);
}

static void sse_on(void)
{
	__asm__ volatile("movl %%cr0, %%eax; andl $~0xc, %%eax; orl $2, %%eax; movl %%eax, %%cr0;"	/* no EM, no TS; MP */
			 "movl %%cr4, %%eax; orl $0x600, %%eax; movl %%eax, %%cr4" : : : "eax", "memory");
}

static void check_sse(uint32_t at)
{
	check(TRY("movaps (%0), %%xmm0", "r"(at) : "memory"), TRAP_GP, "hidden: movaps of %08x", at);
}

static void check_range(uint32_t start, uint32_t size, const char *what)
{
	uint32_t at[] = { start, start + 0x10, start + (size / 2 & ~0xfu), start + size - 16 };

	note("hidden: %s at %08x, %x bytes", what, start, size);
	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++)
		check_word(at[i]);
	check_string_writes(start, size < 4096 ? size : 4096);
	check_exotic(start);
	check_sse(start);
}

static void check_bars(void)
{
	const char *s = boot_option("bars");
	char copy[256];
	const char *p = copy;
	uint32_t start, size;

	if (!s || strlen(s) >= sizeof(copy)) {
		skip("hidden: no bars= given");
		return;
	}
	memcpy(copy, s, strlen(s) + 1);
	while (take_hex(&p, &start) && *p++ == '+' && take_hex(&p, &size)) {
		check_range(start, size, "a real BAR");
		if (*p++ != ',')
			break;
	}
}

static void check_veneer_memory(void)
{
	struct range r;

	if (!check(veneer_range(&r), true, "hidden: where Veneer is"))
		return;
	check_range((uint32_t)r.start, (uint32_t)(r.end - r.start), "Veneer");
	for (uint32_t at = (uint32_t)r.start; at < (uint32_t)r.end; at += 64 * PAGE_SIZE) {
		write32((void *)at, 0);
		if (read32((void *)at) != ONES)
			check(read32((void *)at), ONES, "hidden: Veneer's memory at %08x", at);
	}
}

/* --- IOMMUs: their tables are not to be found; bars= and hidden= name their registers and functions --- */

static void check_iommu(void)
{
	uint32_t found = 0;

	check(acpi_table("APIC") != NULL, true, "hidden: ACPI's tables can be found");
	check(acpi_table("DMAR") || acpi_table("IVRS"), false, "hidden: ACPI names no IOMMU");
	for (uint32_t b = 0; b < SCAN_END; b++)
		found += pci_read32(b, 0) != ONES && pci_read32(b, PCI_CLASS & 0xfc) >> 16 == 0x0806;
	check(found, 0, "hidden: no function is an IOMMU");
}

/* --- the configuration ports --- */

static void read_all_ports(void)
{
	for (uint16_t port = CONFIG_ADDRESS; port < CONFIG_ADDRESS + 8; port++)
		inb(port);
	for (uint16_t port = CONFIG_ADDRESS; port < CONFIG_ADDRESS + 8; port++)
		inw(port);
	for (uint16_t port = CONFIG_ADDRESS; port < CONFIG_ADDRESS + 8; port++)
		inl(port);
	check(1, 1, "hidden: CF8 to CFF can be read in every width");
}

static void check_ports(void)
{
	uint32_t address = ENABLE | HOST_BRIDGE << 8, id;

	outl(CONFIG_ADDRESS, address);
	check(inl(CONFIG_ADDRESS), address, "hidden: CF8 reads back");
	id = inl(CONFIG_DATA);
	check(id != ONES, true, "hidden: there is a host bridge");
	read_all_ports();
	/* Only a dword at CF8 is the address register; CF9 is the reset register, which is not written here. */
	outw(CONFIG_ADDRESS + 2, 0x0001);
	outb(CONFIG_ADDRESS + 3, 0x00);
	outb(CONFIG_ADDRESS, 0x40);
	check(inl(CONFIG_ADDRESS), address, "hidden: smaller writes do not change CF8");
	check(inl(CONFIG_DATA), id, "hidden: nor what it selects");
	outl(CONFIG_ADDRESS, address & ~ENABLE);
	check(inl(CONFIG_DATA), ONES, "hidden: CFC without the enable bit");
	outl(CONFIG_ADDRESS, address);
	check(inw(CONFIG_DATA + 2), id >> 16, "hidden: word at CFE");
	check(inb(CONFIG_DATA + 3), id >> 24, "hidden: byte at CFF");
	__asm__ volatile("insl" : : "D"(&id), "d"(CONFIG_DATA) : "memory");
	check(id, pci_read32(HOST_BRIDGE, 0), "hidden: string input from CFC");
}

/*
 * Misaligned accesses must not reach the concealed function.  Chipsets differ in the result: the twin's bytes, nothing, or
 * ones.
 */
static void check_misaligned(pci_bdf b)
{
	uint32_t id = pci_read32(b, 0), shifted = id >> 8 | (uint32_t)pci_read8(b, 4) << 24;
	uint32_t address = ENABLE | (uint32_t)b << 8, got;

	outl(CONFIG_ADDRESS, address);
	got = inw(CONFIG_DATA + 1);
	check(got == (shifted & 0xffff) || got == 0xffff || !got, true, "hidden: %02x:%02x.%x: word at CFD (%x)", BUS(b),
	      DEVICE(b), FUNCTION(b), got);
	outl(CONFIG_ADDRESS, address | 1);
	got = inl(CONFIG_DATA);
	check(got == id || got == shifted || got == ONES || !got, true, "hidden: %02x:%02x.%x: low bits in CF8 (%x)", BUS(b),
	      DEVICE(b), FUNCTION(b), got);
	outl(CONFIG_ADDRESS, address);
	outl(CONFIG_ADDRESS + 2, 0);		/* CFA to CFD: half address, half data */
	check(pci_read32(b, 0), id, "hidden: %02x:%02x.%x: a write across CFB and CFC", BUS(b), DEVICE(b), FUNCTION(b));
}

/* --- the processor --- */

static void check_instructions(void)
{
	check(TRY(".byte 0x0f, 0x01, 0xd8", "a"(0) : "memory"), TRAP_UD, "hidden: VMRUN");
	check(TRY(".byte 0x0f, 0x01, 0xda", "a"(0) : "memory"), TRAP_UD, "hidden: VMLOAD");
	check(TRY(".byte 0x0f, 0x01, 0xdb", "a"(0) : "memory"), TRAP_UD, "hidden: VMSAVE");
	check(TRY(".byte 0x0f, 0x01, 0xdc", "a"(0) : "memory"), TRAP_UD, "hidden: STGI");
	check(TRY(".byte 0x0f, 0x01, 0xdd", "a"(0) : "memory"), TRAP_UD, "hidden: CLGI");
	check(TRY(".byte 0x0f, 0x01, 0xde", "a"(0) : "memory"), TRAP_UD, "hidden: SKINIT");
	check(TRY(".byte 0x0f, 0x01, 0xdf", "a"(0), "c"(0) : "memory"), TRAP_UD, "hidden: INVLPGA");
	check(TRY(".byte 0x0f, 0x01, 0xc2", "a"(0) : "memory"), TRAP_UD, "hidden: VMLAUNCH");
	check(TRY(".byte 0x0f, 0x01, 0xc3", "a"(0) : "memory"), TRAP_UD, "hidden: VMRESUME");
	check(TRY(".byte 0x0f, 0x01, 0xc4", "a"(0) : "memory"), TRAP_UD, "hidden: VMXOFF");
	check(TRY(".byte 0xf3, 0x0f, 0xc7, 0x30", "a"(0x9000) : "memory"), TRAP_UD, "hidden: VMXON");
	check(TRY(".byte 0x0f, 0x78, 0xc8", "a"(0) : "memory"), TRAP_UD, "hidden: VMREAD");
	if (veneer_present())			/* without Veneer this would write to real memory */
		check(TRY("invd", "a"(0) : "memory"), (uint32_t)NO_TRAP, "hidden: INVD");
}

static void check_cpuid(void)
{
	uint32_t r[4];

	cpuid(1, r);
	check(r[2] >> 5 & 1, 0, "hidden: CPUID shows no VMX");
	check(r[2] >> 31, 1, "hidden: CPUID says that there is a hypervisor");
	cpuid(0x80000001, r);
	check(r[2] >> 2 & 1, 0, "hidden: CPUID shows no SVM");
	cpuid(0x80000000, r);
	if (r[0] < 0x8000000a)
		return;
	cpuid(0x8000000a, r);
	check(r[0] | r[1] | r[2] | r[3], 0, "hidden: CPUID's leaf of SVM is empty");
}

static void check_msr_hidden(uint32_t msr, const char *name)
{
	uint64_t v = 0;

	if (try_rdmsr(msr, &v))
		check((v | v >> 32) & 0xffffffff, 0, "hidden: %s reads 0", name);
	else
		check(trap_last.vector, TRAP_GP, "hidden: %s cannot be read", name);
}

static void check_msrs(void)
{
	uint64_t efer = 0;

	check(try_rdmsr(0xc0000080, &efer), true, "hidden: EFER can be read");
	check(efer >> 12 & 1, 0, "hidden: EFER.SVME reads 0");
	check(try_wrmsr(0xc0000080, efer | 1 << 12), false, "hidden: EFER.SVME cannot be set");
	check(try_wrmsr(0xc0000080, efer), true, "hidden: EFER can be written");
	check_msr_hidden(0xc0010117, "VM_HSAVE_PA");
	check_msr_hidden(0x480, "IA32_VMX_BASIC");
	if (veneer_present()) {			/* refused or ignored: the value stays */
		try_wrmsr(0xc0010117, 0x1000);
		check_msr_hidden(0xc0010117, "VM_HSAVE_PA after a write");
	}
	if (try_rdmsr(0xc0010114, &efer))	/* "disabled and locked" is right, too */
		check((uint32_t)efer & ~0x18u, 0, "hidden: VM_CR says nothing or SVM disabled");
	if (try_rdmsr(0x3a, &efer))
		check((uint32_t)efer & 6, 0, "hidden: IA32_FEATURE_CONTROL enables no VMX");
}

/* --- hypercalls with evil arguments --- */

static void check_call(uint32_t function, uint32_t b, uint32_t c, const char *what)
{
	uint32_t a = VENEER_CALL | function;
	int vector = try_hypercall(&a, &b, &c);

	check(vector == TRAP_UD || (vector == NO_TRAP && (int32_t)a < 0), true, "hidden: hypercall with %s is refused (%d, %x)",
	      what, vector, a);
}

static void check_hypercalls(void)
{
	uint32_t a = VENEER_CALL | VENEER_CALL_VERSION, b = 0, c = 0;
	struct range r;

	if (!check(veneer_present(), true, "hidden: CPUID finds Veneer"))
		return;
	check(try_hypercall(&a, &b, &c), (uint32_t)NO_TRAP, "hidden: the version call");
	check(b, 1, "hidden: the version of the calls");
	a = 0x12345678;
	check(try_hypercall(&a, &b, &c), TRAP_UD, "hidden: a call that is not Veneer's");
	check_call(0xffff, 0, 0, "an unknown number");
	a = VENEER_CALL | VENEER_CALL_SNAPSHOT;
	b = 1;
	check(try_hypercall(&a, &b, &c), (uint32_t)NO_TRAP, "hidden: the snapshot call");
	check((int32_t)a < 0 && !b, true, "hidden: no snapshot, and not resumed (%x, %x)", a, b);
	check_call(VENEER_CALL_COUNTER, ONES, (uint32_t)vios[0].data, "an index out of range");
	check_call(VENEER_CALL_COUNTER, 0, 0xfee00000, "the LAPIC as its buffer");
	check_call(VENEER_CALL_COUNTER, 0, 0xfffffff0, "a buffer over the end of 32 bits");
	if (!veneer_range(&r))
		return;
	check_call(VENEER_CALL_COUNTER, 0, (uint32_t)r.start, "Veneer as its buffer");
	check_call(VENEER_CALL_COUNTER, 0, (uint32_t)r.start - 32, "a buffer half in Veneer");
	check_call(VENEER_CALL_LOG, 0, (uint32_t)r.start, "Veneer as the log's buffer");
}

void probe(void)
{
	uint32_t a = VENEER_CALL | VENEER_CALL_VERSION, b = 0, c = 0;

	sse_on();
	scan_ports();
	scan_ecam();
	check_chipset();
	vio_scan();
	check(vio_count != 0, true, "hidden: there are twins");
	for (unsigned int i = 0; i < vio_count; i++) {
		compare_twin(&vios[i]);
		check_twin_bars(&vios[i]);
		check_twin_alive(&vios[i], "after its BARs were sized");
		check_misaligned(vios[i].bdf);
	}
	check_hidden_functions();
	check_bars();
	check_veneer_memory();
	check_iommu();
	check_ports();
	check_instructions();
	check_cpuid();
	check_msrs();
	check_hypercalls();
	for (unsigned int i = 0; i < vio_count; i++)
		check_twin_alive(&vios[i], "at the end");
	check(try_hypercall(&a, &b, &c) == NO_TRAP && b == 1, true, "hidden: Veneer lives on");
}
