/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small operating system, the work of two weekends: it boots by multiboot, and has drivers for virtio-net and virtio-blk
 * only.  Options on its command line:
 *
 *   virtio=legacy|modern       the interface of the devices (modern)
 *   irq=poll|pic|ioapic|msix   how completions are noticed (poll); pic and ioapic: by the INTx line
 *   net=dhcp                   get a lease for every NIC;  or net=ADDRESS/BITS,GATEWAY for the first
 *   run="cmd; cmd"             commands to execute before the prompt comes
 */
#include "net.h"
#include "veneer.h"
#include "virtio_blk.h"

void hobby_main(uint32_t magic, uint32_t info);

static bool option_is(const char *name, const char *value)
{
	const char *v = boot_option(name);

	return v && !strcmp(v, value);
}

static const char *const irq_names[] = { [IRQ_POLL] = "poll", [IRQ_PIC] = "pic", [IRQ_IOAPIC] = "ioapic", [IRQ_MSIX] = "msix" };

static enum irq_mode irq_option(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(irq_names); i++)
		if (option_is("irq", irq_names[i]))
			return i;
	return IRQ_POLL;
}

/* "10.0.2.15/24,10.0.2.2" */
static bool parse_static(const char *s, struct netif *n)
{
	char text[40];
	char *slash, *comma;
	uint64_t bits;

	if (strlen(s) >= sizeof(text))
		return false;
	memcpy(text, s, strlen(s) + 1);
	for (slash = text; *slash && *slash != '/'; slash++)
		;
	for (comma = slash; *comma && *comma != ','; comma++)
		;
	if (!*slash || !*comma)
		return false;
	*slash = *comma = '\0';
	if (!parse_number(slash + 1, &bits) || bits < 1 || bits > 32)
		return false;
	n->mask = ~0u << (32 - (uint32_t)bits);
	return parse_ip(text, &n->ip) && parse_ip(comma + 1, &n->gateway);
}

static void net_configure(void)
{
	const char *v = boot_option("net");

	if (!v || !nic_count)
		return;
	if (strcmp(v, "dhcp")) {
		if (!parse_static(v, &netifs[0]))
			printf("net: %s is neither dhcp nor ADDRESS/BITS,GATEWAY\n", v);
		return;
	}
	for (unsigned int i = 0; i < nic_count; i++)
		dhcp(&netifs[i]);
}

void hobby_main(uint32_t magic, uint32_t info)
{
	bool booted = boot_parse(magic, info);
	enum irq_mode mode;
	const char *run;

	console_init(boot.text_screen);
	if (!booted)
		printf("boot: %08x is not the number of a multiboot loader; no options\n", magic);
	virtio_transport = option_is("virtio", "legacy") ? VIRTIO_LEGACY : VIRTIO_MODERN;
	mode = irq_option();
	printf("\nhobby OS: virtio=%s irq=%s%s\n", virtio_transport == VIRTIO_LEGACY ? "legacy" : "modern",
	       irq_names[mode], veneer_present() ? ", on Veneer" : "");
	time_init();
	irq_init(mode);
	pci_for_each(pci_print);
	net_init();
	disk_init_all();
	net_configure();
	run = boot_option("run");
	if (run)
		shell_run(run);
	shell_loop();
}
