/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The place of the null device (CONFIG_VIRTIO_ECHO): QEMU's "edu", which is concealed and which nobody drives.  It never
 * interrupts and never does DMA.  Not for machines in use.
 */
#include <veneer/err.h>
#include <veneer/hwdev.h>
#include <veneer/mem.h>
#include <veneer/log.h>

static unsigned echo_poll(struct hw_dev *dev) { return 0; }
static void echo_irq_enable(struct hw_dev *dev, bool on) { }
static void echo_shutdown(struct hw_dev *dev) { }

static const struct hw_dev_ops echo_ops = {
	.poll = echo_poll,
	.irq_enable = echo_irq_enable,
	.shutdown = echo_shutdown,
};

static int echo_probe(const struct pci_dev *pci, const struct hw_id *id, unsigned unit, struct hw_dev **out)
{
	struct hw_dev *dev = mem_alloc(sizeof(*dev), 8);

	if (!dev)
		return -ERR_NOMEM;
	*dev = (struct hw_dev){ .ops = &echo_ops, .pci = pci, .echo = true };
	fmt_string(dev->name, sizeof(dev->name), "edu%u", unit);
	*out = dev;
	return 0;
}

static const struct hw_id ids[] = {
	{ .vendor = 0x1234, .device = 0x11e8, .model = "edu", .emulated = true },
};

static const struct hw_driver echo_driver = {
	.name = "echo",
	.class = HW_ECHO,
	.ids = ids,
	.nids = ARRAY_SIZE(ids),
	.memory = MEM_COST(sizeof(struct hw_dev)),
	.probe = echo_probe,
};

HW_DRIVER(echo_driver);
