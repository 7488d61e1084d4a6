/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run-time configuration, parsed from the device tree blob at start (docs/configuration.md), or the built-in default.
 */
#ifndef VENEER_CONFIG_H
#define VENEER_CONFIG_H

#include <veneer/log.h>
#include <veneer/pci.h>
#include <veneer/types.h>

#define CONFIG_MAX_RULES	32u
#define CONFIG_PATH_SIZE	128u	/* of a file on a disk, with its end */
#define CONFIG_SERIAL_SIZE	41u	/* of a disk's serial number, with its end */

enum config_action { ACTION_DEFAULT, ACTION_CONCEAL, ACTION_LEAVE };
enum config_match { MATCH_BDF, MATCH_SERIAL, MATCH_ID, MATCH_CLASS };	/* strongest first */
/* The part of a disk that a rule is about. */
enum config_window { WINDOW_NONE, WINDOW_BLOCKS, WINDOW_NUMBER, WINDOW_UUID, WINDOW_LABEL };
enum config_boot { BOOT_KERNEL, BOOT_DISK };
enum config_crash { CRASH_REBOOT, CRASH_HALT, CRASH_WAIT };

/* How long INIT, SIPI and NMIs of the guest's are emulated. */
enum config_ap_trap {
	AP_TRAP_AUTO,		/* while a SIPI is due, if the processor hands INITs over; else for ever */
	AP_TRAP_ALWAYS,
	AP_TRAP_START,		/* until all run, whatever an INIT does then: for tests on emulators */
	AP_TRAP_NEVER,		/* for measurements: an emulator's INIT takes a processor away from Veneer */
};

/* The UEFI firmware's boot entries: the guest writes to a copy, or to them. */
enum config_efi_boot_order { EFI_BOOT_ORDER_SHADOW, EFI_BOOT_ORDER_PASS };

/* Whether DMA is confined by the machine's IOMMUs: if it can be, or the start stops, or not. */
enum config_dma { DMA_AUTO, DMA_REQUIRE, DMA_OFF };

/* The boot protocol of the guest's kernel.  PROTOCOL_AUTO: by its file format; Linux by the 64-bit entry if there is one. */
enum config_protocol {
	PROTOCOL_AUTO, PROTOCOL_MULTIBOOT1, PROTOCOL_MULTIBOOT2, PROTOCOL_LIMINE, PROTOCOL_LINUX, PROTOCOL_LINUX32, PROTOCOL_PVH
};

/* One node under /policy. */
struct config_rule {
	char node[32];			/* its name, for messages */
	enum config_match match;
	uint16_t bdf, vendor, device;
	uint32_t class_code, class_mask;
	char serial[CONFIG_SERIAL_SIZE];	/* a disk's serial number; the rule is for disks only */
	enum config_action action;
	bool writable, modern_only;
	bool optional;			/* no message if the rule matches nothing: the file is for several machines */
	bool has_slot, has_mac, has_timeout;
	uint8_t slot;			/* 1..31 */
	uint8_t mac[6];
	uint16_t mtu;			/* of a network card, 1500..9000; 0: not given */
	uint32_t timeout_ms;		/* of disk requests */
	enum config_window window;	/* the guest's disk is only this part of the real disk */
	uint64_t window_first, window_blocks;	/* WINDOW_BLOCKS, logical blocks; the sum does not wrap */
	uint32_t partition;		/* WINDOW_NUMBER, from 1 */
	char part_name[40];		/* WINDOW_UUID, WINDOW_LABEL */
	/* A property that concerns network cards (disks) alone, or NULL; a text of the start (config_end_start()). */
	const char *card_prop, *disk_prop;
	bool used;				/* the rule matched something; the log names the rules that never did */
};

#define CONFIG_POLL_NEVER	0	/* the boot processor is never the polling core */
#define CONFIG_POLL_AUTO	(-1)

struct config {
	enum log_level log_level;
	bool serial_on, screen_on;
	uint16_t serial_port;		/* I/O base */
	uint32_t serial_baud;
	uint16_t debug_exit_port;	/* 0, or an isa-debug-exit port: gets 120 when the guest crashes, 121 on a panic */
	enum config_action default_action;
	bool default_writable;		/* from the built-in default only; no blob sets it */
	unsigned nrules;
	struct config_rule rule[CONFIG_MAX_RULES];
	char bootargs[1024];
	enum config_boot boot;
	char boot_disk[CONFIG_SERIAL_SIZE];		/* serial number; empty: the only bootable disk */
	char efi_path[CONFIG_PATH_SIZE];		/* of the guest's loader; empty: the default */
	enum config_efi_boot_order efi_boot_order;
	enum config_crash on_crash;
	enum config_protocol protocol;
	enum config_ap_trap ap_trap;
	enum config_dma iommu;
	int poll;			/* CONFIG_POLL_*, or the index of the polling core */
	uint8_t cpus;			/* 0: all processors that this build can start */
	bool state;			/* CONFIG_STATE: snapshots can be made */
	bool resume;			/* go on from the newest one */
	char own_partition[256];	/* PARTUUIDs, comma-separated, of the partitions Veneer starts from */
};

/* The one configuration of this run. */
extern struct config config;

/* Fill @c with the built-in default (Kconfig); before anything else, since the console needs it. */
void config_default(struct config *c);

/*
 * Parse @blob of @size bytes into @c, which config_default() has filled.  Return 0, or -ERR_INVAL after one log line that names
 * node, property, value and what was expected.  Unknown nodes and properties, and values that this build does not implement,
 * are errors, too.  @blob is 8-byte aligned.  After an error @c holds a part of the configuration: do not start the guest.
 */
int config_parse(struct config *c, const void *blob, size_t size);

/* True if a disk's @serial without the blanks around it is @wanted, which has none. */
bool config_same_serial(const char *wanted, const char *serial);

/* The strongest rule for a PCI function, or NULL. */
struct config_rule *config_find_dev(struct config *c, const struct pci_dev *pci);

/* The strongest rule for a disk: by the address of its controller, its serial, the id or class of its controller, or NULL. */
struct config_rule *config_find_disk(struct config *c, const struct pci_dev *pci, const char *serial);

/* The rules have been applied: forget the texts that go with the code of the start. */
void config_end_start(struct config *c);

#endif
