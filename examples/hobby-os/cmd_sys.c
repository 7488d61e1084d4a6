/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands of the shell about the machine: devices, Veneer's log and counters, idle time, power. */
#include "pci.h"
#include "veneer.h"

#define PORT_KEYBOARD		0x64
#define KEYBOARD_RESET		0xfe
#define PORT_RESET		0xcf9
#define RESET_PREPARE		0x02
#define RESET_NOW		0x06
#define PORT_DEBUG_EXIT		0xf4

static volatile uint32_t interrupts;

static void count_interrupt(void *ctx)
{
	interrupts++;
}

/* Sleep until @done or, at the latest, @end.  With irq=poll only this function enables interrupts. */
static uint32_t sleep_until(struct deadline end, uint32_t done)
{
	uint32_t wakes = 0;

	__asm__ volatile("cli");
	while (interrupts < done && !deadline_passed(end)) {
		__asm__ volatile("sti; hlt; cli");
		wakes++;
	}
	apic_timer_stop();
	if (irq_mode != IRQ_POLL) {
		irq_tick();
		__asm__ volatile("sti");
	}
	return wakes;
}

static int cmd_devices(int argc, char **argv)
{
	pci_for_each(pci_print);
	return 0;
}

static int cmd_counters(int argc, char **argv)
{
	unsigned int n = veneer_counters();
	struct veneer_counter c;

	if (!n)
		printf("counters: no Veneer underneath\n");
	for (unsigned int i = 0; i < n; i++)
		if (!veneer_counter(i, &c) && (argc < 2 || !strncmp(c.name, argv[1], strlen(argv[1]))))
			printf("counter %s %llu\n", c.name, c.value);
	return n ? 0 : -1;
}

static int cmd_log(int argc, char **argv)
{
	if (!veneer_present()) {
		printf("log: no Veneer underneath\n");
		return -1;
	}
	veneer_print_log();
	return 0;
}

static int cmd_snapshot(int argc, char **argv)
{
	int err = veneer_present() ? veneer_snapshot() : -1;

	if (err)
		printf("snapshot: none was made (%d)\n", err);
	else
		printf("snapshot: resumed\n");
	return err ? -1 : 0;
}

static int cmd_idle(int argc, char **argv)
{
	uint64_t seconds, start;
	uint32_t wakes;

	if (argc < 2 || !parse_number(argv[1], &seconds) || !seconds || seconds > 60) {
		printf("idle: SECONDS (1 to 60)\n");
		return -1;
	}
	apic_init();
	apic_timer_stop();
	veneer_mark();
	start = time_us();
	interrupts = 0;
	apic_timer_once(seconds * 1000, count_interrupt, NULL);
	wakes = sleep_until(deadline_in_ms(seconds * 1000 + 1000), 1);
	printf("idle: %llu ms, %u wake-ups\n", divide(time_us() - start, 1000, NULL), wakes);
	veneer_print_changes("idle");
	return 0;
}

static int cmd_timer(int argc, char **argv)
{
	uint64_t hz, seconds, start;
	uint32_t counted;

	if (argc < 3 || !parse_number(argv[1], &hz) || !parse_number(argv[2], &seconds) || !hz || hz > 100000 || !seconds ||
	    seconds > 60) {
		printf("timer: HZ SECONDS\n");
		return -1;
	}
	apic_init();
	veneer_mark();
	start = time_us();
	interrupts = 0;
	apic_timer_periodic(hz, count_interrupt, NULL);
	sleep_until(deadline_in_ms(seconds * 1000), ~0u);
	counted = interrupts;
	printf("timer: %u interrupts in %llu ms at %llu Hz\n", counted, divide(time_us() - start, 1000, NULL), hz);
	veneer_print_changes("timer");
	return counted ? 0 : -1;
}

static void triple_fault(void)
{
	static const struct { uint16_t limit; uint32_t base; } __attribute__((packed)) nothing = { 0, 0 };

	__asm__ volatile("lidt %0; int3" : : "m"(nothing));
}

static int cmd_reboot(int argc, char **argv)
{
	printf("reboot\n");
	outb(PORT_KEYBOARD, KEYBOARD_RESET);
	delay_us(200000);
	outb(PORT_RESET, RESET_PREPARE);
	outb(PORT_RESET, RESET_NOW);
	delay_us(200000);
	triple_fault();
	return -1;
}

static int cmd_poweroff(int argc, char **argv)
{
	acpi_poweroff();
	return -1;
}

static int cmd_exit(int argc, char **argv)
{
	uint64_t n = 0;

	if (argc > 1 && !parse_number(argv[1], &n)) {
		printf("exit: NUMBER\n");
		return -1;
	}
	outl(PORT_DEBUG_EXIT, (uint32_t)n);
	/* Later versions of QEMU let the processor run on until another thread ends the machine. */
	delay_us(1000000);
	printf("exit: this machine has no debug-exit port\n");
	return -1;
}

static int cmd_crash(int argc, char **argv)
{
	printf("crash: no interrupt table, and an int3\n");
	triple_fault();
	return -1;
}

static int cmd_echo(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		printf("%s%c", argv[i], i + 1 < argc ? ' ' : '\n');
	return 0;
}

const struct command sys_commands[] = {
	{ "devices", "", "all PCI functions: place, vendor:device, class", cmd_devices },
	{ "counters", "[PREFIX]", "Veneer's counters", cmd_counters },
	{ "log", "", "Veneer's log", cmd_log },
	{ "snapshot", "", "have Veneer save the machine and switch it off; docs/snapshots.md", cmd_snapshot },
	{ "idle", "SECONDS", "halt, with one timer interrupt at the end; what Veneer counted meanwhile", cmd_idle },
	{ "timer", "HZ SECONDS", "local timer at that rate, counting", cmd_timer },
	{ "echo", "TEXT", "print it", cmd_echo },
	{ "reboot", "", "by the keyboard controller, CF9, triple fault", cmd_reboot },
	{ "poweroff", "", "ACPI S5", cmd_poweroff },
	{ "exit", "NUMBER", "write it to port F4 (QEMU's isa-debug-exit)", cmd_exit },
	{ "crash", "", "a triple fault", cmd_crash },
	{ NULL, NULL, NULL, NULL },
};
