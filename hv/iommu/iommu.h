/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IOMMUs: what firmware's tables DMAR and IVRS say of them, the guest kept away from them, and DMA confined by them.
 */
#ifndef HV_IOMMU_H
#define HV_IOMMU_H

#include <veneer/types.h>

#define IOMMU_MAX_UNITS		32u
#define IOMMU_MAX_SCOPES	512u
#define IOMMU_MAX_REGIONS	64u

enum iommu_kind { IOMMU_VTD, IOMMU_AMDVI };

/* What a unit or a region is for. */
enum iommu_what {
	IOMMU_ALL,		/* every function of the segment that no other unit names */
	IOMMU_FUNCTIONS,	/* first to last */
	IOMMU_BRIDGE,		/* the bridge at first, and all below it */
	IOMMU_IOAPIC,		/* the one with this id, which sends its messages as first */
	IOMMU_HPET,
	IOMMU_ACPI,		/* a device that is not on PCI, which does its DMA as first */
};

struct iommu_scope {
	enum iommu_what what;
	uint16_t first, last;
	uint8_t id;
	uint16_t alias;		/* AMD-Vi: the unit takes the functions' DMA for this function's; 0: for their own */
};

struct iommu_unit {
	enum iommu_kind kind;
	uint8_t type, flags;		/* AMD-Vi: of the block that describes it */
	uint64_t base;			/* of its registers */
	uint64_t size;			/* 0 until they have been looked at */
	uint16_t segment;
	uint16_t bdf;			/* AMD-Vi: the function that it is */
	unsigned scope, nscopes;	/* from scope[scope] on */
	bool dead;			/* does not answer */
	uint32_t version;		/* VT-d */
	uint64_t cap, ecap;		/* CAP and ECAP; the capability's header and EFR */
};

/* Memory that firmware goes on to use by DMA. */
struct iommu_region {
	uint64_t base, end;
	uint16_t segment;
	bool exclusion;			/* not translated at all, instead of one to one */
	unsigned scope, nscopes;
};

struct iommu_info {
	struct iommu_unit unit[IOMMU_MAX_UNITS];
	unsigned nunits;
	struct iommu_region region[IOMMU_MAX_REGIONS];
	unsigned nregions;
	struct iommu_scope scope[IOMMU_MAX_SCOPES];
	unsigned nscopes;
	uint8_t width;			/* of host addresses; 0 unknown */
	bool intr_remap, x2apic_opt_out, dma_opt_in;
	bool broken;			/* something was left out, a line says what */
	bool units_left_out;		/* a unit among that, for there were too many: the guest must not start */
};

/*
 * Take what the table at @t of @len bytes (ACPI header included) says over into @info.  Nothing behind @len is read, whatever
 * the table says; what is wrong is left out with a line that says where.  Paths through bridges are followed by their bus
 * numbers as they are now.
 */
void dmar_parse(const uint8_t *t, uint32_t len, struct iommu_info *info);
void ivrs_parse(const uint8_t *t, uint32_t len, struct iommu_info *info);

/*
 * Parsers' helpers: what was added, or NULL after a line when there is no room or it cannot be.  Scopes are the last unit's or
 * region's.
 */
bool iommu_check_unit(struct iommu_info *info, const struct iommu_unit *unit);
struct iommu_scope *iommu_add_scope(struct iommu_info *info, enum iommu_what what, uint16_t first, uint16_t last);
struct iommu_unit *iommu_add_unit(struct iommu_info *info, const struct iommu_unit *unit);
struct iommu_region *iommu_add_region(struct iommu_info *info, const struct iommu_region *region);

/* A field of a table: they may be unaligned. */
uint64_t iommu_field(const uint8_t *at, unsigned off, unsigned width);

/* For a person: "00:02.0, 00:1c.0 and below, I/O APIC 2 (f0:1f.0)"; "nothing" when @n is 0.  Cut where @size ends. */
void iommu_describe(const struct iommu_info *info, unsigned scope, unsigned n, char *buf, size_t size);

/*
 * Read the tables that acpi_init() found, look at each unit's registers, and say what there is, each line behind @prefix.
 * After acpi_init(); configuration space can be read.  Changes nothing.
 */
void iommu_init(const char *prefix);

/*
 * Veneer drives devices, and the guest must not stop their DMA: hide the tables, the units' registers and functions from the
 * guest.  0, or -ERR_NOMEM after a line.  Once, before the first device is started; iommu_confine() or, in a build without it,
 * iommu_off() next.
 */
int iommu_hide(void);

/*
 * Switch off what firmware has left on in all units: DMA and interrupts come through as they are.  0, or -ERR_TIMEOUT after a
 * line if a unit does not stop.
 */
int iommu_off(void);

/*
 * Switch off what firmware has left on in unit @n, and at once switch Veneer's translation on by @enable: between the two,
 * microseconds, devices that firmware left running reach all memory, for a unit takes a new table safely only while it is off.
 * Memory that firmware has protected (VT-d 4.1, 11.4.9) stays so until @enable has returned.  0, -ERR_TIMEOUT after a line, or
 * @enable's error.
 */
int iommu_replace(unsigned n, const struct iommu_unit *u, int (*enable)(unsigned n, const struct iommu_unit *u));

struct pci_dev;
typedef bool iommu_conceals_fn(const struct pci_dev *dev);

/*
 * The bytes of heap that iommu_confine() will take; 0 if it will not use the units, after a line behind @prefix if there are
 * units that cannot be used.  @conceals says of each function whether Veneer will drive it; iommu_confine() calls it, too.
 * After iommu_init().
 */
uint64_t iommu_need(iommu_conceals_fn *conceals, const char *prefix);

/*
 * After iommu_hide(), before the first device of Veneer's does DMA: build the tables and switch translation on in place of
 * firmware's, as config.iommu says; without confinement, iommu_off().  Devices of the guest's do not reach Veneer's memory
 * then, nor the registers of concealed devices (confine.c says what else).  0, also if DMA stays as it is, after a line;
 * -ERR_NOTSUP if the configuration requires more; -ERR_TIMEOUT if a unit can be switched neither on nor off.  Memory that
 * own.c takes later is taken from the guest's devices.
 */
int iommu_confine(void);

/*
 * An NMI came that no device of Veneer's explains: log and count what the units refused.  True if there was something, or if
 * another processor or a tick took the record of this message.  Any processor, in an exit.
 */
bool iommu_faults(void);

/* The boot processor has the new APIC id @id: aim the units' messages at that id, and take what was refused meanwhile. */
void iommu_aim(uint32_t id);

/* Whether iommu_faults() has a unit to look at.  If not, its code is unmapped before the guest runs.  Start only. */
bool iommu_watched(void);

/* What iommu_init() found. */
const struct iommu_info *iommu_found(void);

#endif
