/* SPDX-License-Identifier: BSD-2-Clause */
/* From the boot loader's hands to the guest's first instruction, in the order of docs/boot-flow.md. */
#include <veneer/build.h>
#include <veneer/conceal.h>
#include <veneer/config.h>
#include <veneer/err.h>
#include <veneer/limit.h>
#include <veneer/log.h>
#include <veneer/mem.h>
#include <veneer/state.h>
#include <veneer/string.h>
#include <veneer/time.h>
#include "hv/bios/bios.h"
#include "hv/boot/bootinfo.h"
#include "hv/efi/efi.h"
#include "hv/cpu/vcpu.h"
#include "hv/exit/cpu_state.h"
#include "hv/exit/exit.h"
#include "hv/lib/console.h"
#include "hv/lib/logring.h"
#include "hv/lib/panic.h"
#include "hv/load/loader.h"
#include "hv/cpu/cpus.h"
#include "hv/cpu/features.h"
#include "hv/smp/poll.h"
#include "hv/smp/lapic_state.h"
#include "hv/smp/smp.h"
#include "hv/dev/acpi.h"
#include "hv/irq/doorbell.h"
#include "hv/irq/intx.h"
#include "hv/irq/ioapic.h"
#include "hv/irq/pic.h"
#include "hv/cpu/lapic.h"
#include "hv/mem/heap.h"
#include "hv/boot/need.h"
#include "hv/mem/nested.h"
#include "hv/boot/own.h"
#include "hv/mem/paging.h"
#include "hv/mem/ram.h"
#include "hv/pci/pci.h"
#include "hv/dev/hpet.h"
#include "hv/dev/hpet_state.h"
#include "hv/dev/pit.h"
#include "hv/dev/pmtimer.h"
#include "hv/dev/power.h"
#include "hv/dev/rtc.h"
#include "hv/iommu/ghost.h"
#include "hv/iommu/iommu.h"
#include "hv/state/snapshot.h"
#include "hv/vcpu_choose.h"
#include "hv/irq/msi.h"
#include "hv/x86.h"

#define MB2_LOADER_MAGIC	0x36d76289u
#define MAX_CONFIG_SIZE		65536u

static struct boot_info boot;

/* The user did something that we can name: nothing has been touched, so stopping is safe. */
NORETURN static void stop(const char *advice)
{
	log_err("stopped: %s", advice);
	/* A configuration that is refused may have named the port before its error. */
	debug_exit_init(config.debug_exit_port);
	debug_exit(2);
	halt_forever();
}

static void read_config(void)
{
	const struct boot_module *m = loader_find_config(&boot);
	void *copy;

	if (!m) {
		log_info("config: no blob, using the built-in default: supported devices are concealed, disks read-only");
		return;
	}
	if (m->size > MAX_CONFIG_SIZE)
		stop("the configuration blob is larger than 64 KiB: it is none");
	copy = mem_alloc(m->size, 8);
	if (!copy)
		stop("no memory for the configuration blob");
	memcpy(copy, (const void *)(uintptr_t)m->addr, m->size);
	if (config_parse(&config, copy, m->size))
		stop("the configuration blob cannot be used; correct it and install it again");
	mem_free(copy);
}

/* Log and console as the configuration says. */
static void start_console(void)
{
	log_set_level(config.log_level);
	debug_exit_init(config.debug_exit_port);
	console_init(&config, &boot, mem_map_mmio);
}

/* @err is own_init()'s: before there was a screen to say it on. */
static void own_range(int err)
{
	uint64_t base = mem_phys(veneer_start), size = (uint64_t)(veneer_end - veneer_start);

	if (err) {
		log_err("memory: %#lx+%#lx, where the boot loader put Veneer, is not wholly usable memory", base, size);
		stop("use GRUB 2.06 or later, which can move Veneer to a free place");
	}
}

/* True if the firmware stays and becomes the guest. */
static bool efi_stays(void)
{
	return IS_ENABLED(CONFIG_BOOT_EFI) && boot.launch.version;
}

static void start_other_cpus(void)
{
	if (IS_ENABLED(CONFIG_SMP) && efi_stays()) {
		if (smp_expect(exit_loop))
			stop("no memory for all processors of the firmware: leave devices to the guest (veneer,action)");
	} else if (IS_ENABLED(CONFIG_SMP)) {
		smp_start(&boot, exit_loop);
	} else if (acpi.ncpus > 1) {
		/* They stay where the firmware has left them: INIT and SIPI of the guest's are dropped for good. */
		smp_unused_cpu();
		log_info("cpu: %u processors, 1 for the guest: this build has no SMP", acpi.ncpus);
	}
}

/* A table was full: the guest could reach what is not in the table. */
static void stop_if_limited(void)
{
	if (!limits_reached())
		return;
	composition()->shutdown();
	stop("this machine has more than this build can hold (see above); leave devices to the guest");
}

/*
 * Make processors and the machine's chips parts of the state, as the devices are.  A load has this order, too: the TSC before
 * timers, the local APICs before what interrupts them.  True if the guest goes on from a snapshot and needs no loader.
 */
static bool keep_state(void)
{
	/* No part of the state holds what hv/efi and hv/bios know of their guests. */
	bool on = config.state && config.boot != BOOT_DISK;

	if (config.state && !on)
		log_err("state: off: the guest uses the firmware (veneer,boot = \"disk\")");
	/* To keep them costs time, and touches firmware's timer. */
	if (!on && !IS_ENABLED(CONFIG_STATE_TEST))
		return false;
	if (state_cpus_keep() || lapics_keep(state_add) || (IS_ENABLED(CONFIG_INTX) && ioapic_keep(state_add)))
		stop("no memory to keep the state of processors and interrupt controllers");
	hpets_keep(state_add);
	pmtimer_keep(state_add);
	if (!on)
		return false;
	/* What cannot be read back is watched from here on. */
	if (IS_ENABLED(CONFIG_INTX))
		pic_keep(state_add);
	pit_keep(state_add);
	rtc_keep(state_add);
	return snapshot_start(config.resume);
}

static void start_guest(void)
{
	struct vcpu_regs regs;
	struct vcpu *v;
	bool resume;

	if (vcpu_ops->cpu_on())
		stop("virtualization cannot be switched on: no memory, or the line above says why");
	v = vcpu_ops->vcpu_new(nested_root());
	if (!v)
		stop("no memory for the virtual CPU");
	/* The parts of the state, which the check of a snapshot brings to rest, read its time. */
	this_cpu()->v = v;
	start_other_cpus();
	bool disk = IS_ENABLED(CONFIG_BOOT_BIOS) && config.boot == BOOT_DISK;

	resume = IS_ENABLED(CONFIG_STATE) && keep_state();
	if (resume)
		vcpu_flat32(&regs);
	else if (efi_stays() ? efi_start(&boot, &regs) :
	    disk ? bios_start_disk(&boot, &regs) : loader_start_guest(&boot, &config, &regs))
		stop("the guest cannot be started; see the line above");
	vcpu_ops->set(v, &regs);
	/* Firmware that stays first uses real INITs, to hand over its processors: hv/efi begins the watch. */
	if (!(efi_stays() && acpi.ncpus > 1) && (acpi.ncpus > 1 || config.ap_trap == AP_TRAP_ALWAYS) && smp_watch_begin())
		stop("no memory to watch the local APIC");
	if (IS_ENABLED(CONFIG_INTX))
		intx_start();
	if (IS_ENABLED(CONFIG_POLL))
		poll_init();
	if (IS_ENABLED(CONFIG_STATE) && config.state && !resume && !snapshot_forget()) {
		composition()->shutdown();
		stop("write zeros to the partition \"veneer-state\", or give the guest no disk that it can write to");
	}
	log_info("guest: starts at %#lx; %lu of %lu KiB of heap in use", regs.rip, heap_in_use() / 1024, heap_size() / 1024);
	config_end_start(&config);
	if (IS_ENABLED(CONFIG_GHOST))
		ghost_begin();
	/* Once more: the tables of interrupt lines, traps, the clock's users and the ghost check have filled since. */
	stop_if_limited();
	if (IS_ENABLED(CONFIG_STATE) && resume)
		snapshot_resume();
	exit_run_guest();
}

/* What is needed after the devices' start. */
static uint64_t need_after(void)
{
	uint64_t state = SNAPSHOT_NEED + (uint64_t)acpi.ncpus * SNAPSHOT_NEED_CPU;

	return need_later(&boot, acpi.ncpus) + (IS_ENABLED(CONFIG_STATE) && config.state ? state : 0);
}

/* What this machine needs, by the same sum as veneer-hwcheck's; and, if it is no mere check, take it. */
static void need_memory(const char *prefix)
{
	uint64_t gib = ALIGN_UP(gmem_top(), 1ull << 30) >> 30;
	bool large = cpuid(0x80000001, 0).edx & BIT(26);
	struct need n = {
		.tables = large ? 0 : gib * NEED_GIB, .devices = composition()->need(),
		.iommu = IS_ENABLED(CONFIG_IOMMU) ? iommu_need(composition()->conceals, prefix) : 0,
		.later = need_after(),
	};

	need_say(&n, prefix);
	if (!*prefix)
		own_size(n.devices + n.iommu + n.later, need_sum(&n));
}

static void start_machine(void)
{
	exit_counters();
	acpi_init(boot.rsdp);
	time_init(acpi.pm_timer);
	if (lapic_init(acpi.lapic_addr))
		stop("switch the local APIC (\"APIC mode\") on in the firmware setup");
	irq_init();
	cpus_init();
	smp_init();
	if (efi_stays() && acpi.ncpus > 1 && (!IS_ENABLED(CONFIG_SMP) || (config.cpus && config.cpus < acpi.ncpus)))
		stop("the firmware as guest (\"boot disk\") needs all processors: no veneer,cpus, and a build with SMP");
	if (IS_ENABLED(CONFIG_INTX))
		ioapic_init();
	pci_space_init(&boot);
	if (pci_init(true))
		stop("not all PCI functions of this machine can be recorded: the guest would get one that must be hidden");
	iommu_init("");
	need_memory("");
	if (vpci_init())
		stop("no memory to close PCI's configuration space: the guest would get a function that must be hidden");
	if (IS_ENABLED(CONFIG_INTX))
		intx_init();
	if (fch_init())
		stop("no memory to watch the southbridge: the guest could move the registers by which machines sleep");
	power_init();
	if (hpet_init())
		stop("no memory to watch the HPET: the guest could have it write to Veneer's memory");
	if (fwcfg_init())
		stop("no memory to watch fw_cfg: the guest could have it write to Veneer's memory");
	machine_on_stop(composition()->shutdown);
	doorbell_init();
}

/* A word of Veneer's own command line. */
static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	for (const char *s = line; *s; s++)
		if ((s == line || s[-1] == ' ') && !strncmp(s, word, len) && (!s[len] || s[len] == ' '))
			return true;
	return false;
}

/*
 * "--own-partition=PARTUUID,...": the values of these words into the configuration.  GRUB's menu names the partition of its
 * files, and veneer.efi adds its own.
 */
static void take_own_partition(const char *line)
{
	static const char word[] = "--own-partition=";
	size_t n, used = 0;

	for (const char *s = line; *s; s++) {
		if ((s != line && s[-1] != ' ') || strncmp(s, word, sizeof(word) - 1))
			continue;
		s += sizeof(word) - 1;
		for (n = 0; s[n] && s[n] != ' '; n++)
			;
		if (used + n + 1 >= sizeof(config.own_partition))
			stop("--own-partition is too long: 254 characters, six partitions, is what Veneer reads");
		fmt_string(config.own_partition + used, sizeof(config.own_partition) - used, "%s%.*s", used ? "," : "",
			   (int)n, s);
		used += n + !!used;
		s = s + n - 1;
	}
}

/*
 * "--check-only": what would become of this machine, and halt.  PCI's configuration space is read, no device is written to:
 * not even the sizes of its BARs are asked for.
 */
NORETURN static void check_only(void)
{
	log_set_level(MAX(config.log_level, LOG_INFO));
	bool cpu = !vcpu_choose();

	if (cpu)
		log_info("check: processor: %s: fits", vcpu_ops->name);
	acpi_init(boot.rsdp);
	if (pci_init(false))
		stop("does not fit: not all PCI functions of this machine can be recorded");
	iommu_init("check: ");
	int n = composition()->check();

	need_memory("check: ");

	if (!cpu)
		stop("does not fit: the processor, see above");
	if (n < 0)
		stop("does not fit: the configuration, see above");
	if (!n)
		stop("does not fit: no network or disk controller would be concealed");
	log_info("check: fits: %d network and disk controllers would be concealed.  Nothing was changed: switch off", n);
	debug_exit(0);
	halt_forever();
}

/* veneer.efi, with the firmware still there, and the configuration have to agree: before anything is touched. */
static void check_firmware(void)
{
	if (!boot.launch.version) {
		if (!IS_ENABLED(CONFIG_BOOT_BIOS) && config.boot == BOOT_DISK)
			stop("veneer,boot = \"disk\" needs veneer.efi, and 'boot disk' in its veneer.conf: this build has no "
			     "start of boot sectors");
		return;
	}
	if (!IS_ENABLED(CONFIG_BOOT_EFI))
		stop("veneer.conf says 'boot disk', and this build of Veneer cannot let the firmware stay (BOOT_EFI)");
	if (boot.launch.version != EFI_LAUNCH_VERSION || boot.launch.size != sizeof(boot.launch))
		stop("veneer.efi and veneer.elf (" EFI_LAUNCH_MARK ") are of different versions: install both of one version");
	if (config.boot != BOOT_DISK)
		stop("veneer.conf says 'boot disk', the configuration does not: set veneer,boot = \"disk\"");
}

NORETURN void veneer_main(uint64_t magic, const void *info);

void veneer_main(uint64_t magic, const void *info)
{
	heap_init(veneer_heap, (size_t)(veneer_end - veneer_heap));
	smp_boot_cpu();
	panic_init(smp_stop_others);
	config_default(&config);
	console_early(&config);
	if ((uint32_t)magic != MB2_LOADER_MAGIC) {
		log_err("boot: not started by a multiboot2 boot loader (magic %#lx)", magic);
		stop("start Veneer with GRUB 2: multiboot2 /veneer/veneer.elf");
	}
	if (boot_info_parse(&boot, info))
		stop("the boot loader's information is broken");
	/* Reads page 0, which goes away with our own page tables. */
	boot_info_find_rsdp(&boot, (const uint8_t *)0);
	int own = own_init(&boot);

	if (paging_init(&boot))
		stop("no memory for page tables: the machine has more RAM than this build can map");
	/* Twice: what is wrong with the configuration is for the screen, too, and the screen may lie above 4 GiB. */
	start_console();
	read_config();
	take_own_partition(boot.cmdline);
	if (IS_ENABLED(CONFIG_STATE))
		config.resume |= has_word(boot.cmdline, "--resume");
	start_console();
	log_info("%s, started by %s on %s", veneer_version, boot.loader_name, boot.efi ? "UEFI" : "BIOS");
	own_range(own);
	gmem_init(&boot);
	if (has_word(boot.cmdline, "--check-only"))
		check_only();
	check_firmware();
	features_init();
	if (vcpu_choose())
		stop("Veneer needs AMD SVM or Intel VMX with nested paging, switched on in the firmware setup");
	log_info("cpu: %s", vcpu_ops->name);
	if (nested_init(&boot, vcpu_ops->nested_format, vcpu_ops->nested_1g()))
		stop("no memory for nested page tables");
	start_machine();
	int err = composition()->start();

	if (err == -ERR_INVAL)
		stop("the configuration does not fit this machine, as the line above says; correct it and install it again");
	if (err == -ERR_NOTSUP)
		stop("DMA cannot be confined; veneer,iommu = \"auto\" starts all the same");
	if (err == -ERR_TIMEOUT)
		stop("switch the IOMMU (VT-d, AMD-Vi, DMA protection) off in the firmware setup");
	if (err)
		stop("a device cannot be hidden from the guest; leave it to the guest in the configuration (veneer,action)");
	if (IS_ENABLED(CONFIG_IOMMU) && iommu_watched())
		doorbell_also(iommu_faults, iommu_aim);
	stop_if_limited();
	if (own_close(need_after())) {
		composition()->shutdown();
		stop("too little memory for all devices; leave some to the guest in the configuration (veneer,action)");
	}
	start_guest();
	halt_forever();
}
