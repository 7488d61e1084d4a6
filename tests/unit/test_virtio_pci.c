/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: virtio/transport.c virtio/pci_config.c virtio/msix.c virtio/legacy.c virtio/modern.c virtio/queue.c hv/lib/sg.c */
/* sources: tests/unit/host/twin.c virtio/access.c */
/* Virtio over PCI, without a device's type: status, queues, BARs, both interfaces, MSI, MSI-X and INTx. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/pci.h>
#include "host/host.h"
#include "host/twin.h"
#include "virtio/transport.h"

/* A device type that only counts calls. */
static unsigned starts, stops, resets, runs[2], config_writes;
static bool busy;
static int start_result;
static uint32_t written;
static struct virtio_dev dev;
static struct virtq vqs[2];
static struct ring rings[2];

static int on_start(struct virtio_dev *d) { starts++; return start_result; }
static void on_reset(struct virtio_dev *d) { resets++; }
static void on_config_write(struct virtio_dev *d, uint32_t off, unsigned width, uint32_t v) { config_writes++; written = v; }

static bool slow;			/* after stop() of a driver that waits, DMA continues */
static unsigned hard_stops;

static void on_stop(struct virtio_dev *d, bool patient)
{
	stops++;
	if (!patient) {
		hard_stops++;
		slow = false;
	}
	CHECK(d->st.status != 0);	/* for the guest the device still runs */
}

static bool on_stopped(struct virtio_dev *d) { return !slow; }

static bool is_busy(struct virtio_dev *d) { return busy; }

static void on_run(struct virtio_dev *d, unsigned q)
{
	struct virtq_chain *c = &d->vq[q].chain;

	runs[q]++;
	while (virtq_pop(&d->vq[q], c))
		virtq_push(&d->vq[q], c->head, 1);
	virtq_flush(&d->vq[q]);
}

static const struct virtio_type type = {
	.id = VIRTIO_ID_BLK, .class_code = 0x010000, .nqueues = 2, .io_size = 64, .cfg_len = 8,
	.start = on_start, .stop = on_stop, .stopped = on_stopped, .reset = on_reset, .run = on_run, .busy = is_busy,
	.config_write = on_config_write,
};

static void make(bool modern_only)
{
	struct virtio_place place = twin_place();

	twin_reset();
	starts = stops = resets = config_writes = hard_stops = 0;
	slow = false;
	runs[0] = runs[1] = 0;
	start_result = 0;
	memset(&dev, 0, sizeof(dev));
	memset(vqs, 0, sizeof(vqs));
	dev.type = &type;
	dev.vq = vqs;
	dev.offered = BIT64(3);
	for (unsigned i = 0; i < 8; i++)
		dev.st.cfg[i] = (uint8_t)(0x10 + i);
	place.modern_only = modern_only;
	CHECK_EQ(virtio_dev_init(&dev, "t0", &place), 0);
}

static uint64_t common(unsigned off, unsigned width) { return guest_read(TWIN_BAR4 + off, width); }
static void set_common(unsigned off, unsigned width, uint64_t v) { guest_write(TWIN_BAR4 + off, width, v); }
static uint64_t leg(unsigned off, unsigned width) { return guest_in((uint16_t)(TWIN_IO + off), width); }
static void set_leg(unsigned off, unsigned width, uint32_t v) { guest_out((uint16_t)(TWIN_IO + off), width, v); }
static void offer(struct ring *r) { ring_add(r, (struct piece[]) { { guest_alloc(64), 10, true } }, 1); }

TEST(identity)
{
	make(false);
	CHECK_EQ(cfg_read(0, 4), 0x10011af4);
	CHECK_EQ(cfg_read(PCI_REVISION, 4), 0x01000000);
	CHECK_EQ(cfg_read(PCI_SUBSYS_VENDOR, 4), 0x00021af4);
	CHECK_EQ(cfg_read(PCI_INT_LINE, 2), 0x010b);
	CHECK_EQ(cfg_read(PCI_HEADER_TYPE, 1), 0);
	CHECK_EQ(cfg_read(0x100, 4), 0);
	CHECK_EQ(cfg_read(0xffc, 4), 0);
	CHECK_EQ(cfg_read(PCI_ROM, 4), 0);
	make(true);
	CHECK_EQ(cfg_read(0, 4), 0x10421af4);
	CHECK_EQ(cfg_read(PCI_REVISION, 1), 1);
	CHECK_EQ(cfg_read(PCI_SUBSYS_VENDOR, 4), 0x11001af4);
	CHECK_EQ(cfg_read(PCI_BAR(0), 4), 0);
	CHECK_EQ(leg(0, 4), 0xffffffff);
}

TEST(widths_agree)
{
	make(false);
	for (unsigned off = 0; off < 256; off += 4) {
		uint32_t v = cfg_read(off, 4);

		CHECK_EQ(cfg_read(off, 2) | cfg_read(off + 2, 2) << 16, v);
		for (unsigned i = 0; i < 4; i++)
			CHECK_EQ(cfg_read(off + i, 1), v >> (8 * i) & 0xff);
	}
}

TEST(read_only_stays)
{
	make(false);
	for (unsigned off = 0; off < 0x400; off += 4)
		if (off != PCI_COMMAND && off != 0x0c && off != PCI_INT_LINE && (off < 0x10 || off > 0x20) && off < 0x98) {
			uint32_t v = cfg_read(off, 4);

			cfg_write(off, 4, off == 0x40 ? ~0xc0000000u : ~0u);
			CHECK_EQ(cfg_read(off, 4), v);
		}
	cfg_write(PCI_COMMAND, 4, ~0u);
	CHECK_EQ(cfg_read(PCI_COMMAND, 4), 0x00100407);
}

TEST(capabilities)
{
	unsigned seen = 0, msix = 0, msi = 0, n = 0;

	make(false);
	CHECK(cfg_read(PCI_STATUS, 2) & PCI_STATUS_CAPS);
	for (unsigned at = cfg_read(PCI_CAP_PTR, 1); at; at = cfg_read(at + 1, 1)) {
		CHECK(at >= 0x40 && n++ < 10);
		if (cfg_read(at, 1) == PCI_CAP_MSIX) {
			msix++;
			CHECK((cfg_read(at + 2, 2) & 0x7ff) + 1 >= 4);
			CHECK_EQ(cfg_read(at + 4, 4), 1);
			CHECK_EQ(cfg_read(at + 8, 4), 0x801);
			continue;
		}
		if (cfg_read(at, 1) == PCI_CAP_MSI) {
			msi++;
			CHECK_EQ(cfg_read(at + 2, 2), 0);		/* one message, 32 address bits, no mask */
			continue;
		}
		CHECK_EQ(cfg_read(at, 1), PCI_CAP_VENDOR);
		unsigned t = cfg_read(at + 3, 1);

		seen |= BIT(t);
		if (t == 5)
			continue;
		CHECK_EQ(cfg_read(at + 4, 1), 4);
		CHECK_EQ(cfg_read(at + 8, 4), t == 1 ? 0 : t == 3 ? 0x1000u : t == 4 ? 0x2000u : 0x3000u);
		if (t == 2)
			CHECK_EQ(cfg_read(at + 16, 4), 4);
	}
	CHECK_EQ(seen, 0x3e);
	CHECK_EQ(msix, 1);
	CHECK_EQ(msi, 1);
}

TEST(bars_are_sized_and_moved)
{
	make(false);
	unsigned places = twin_places;

	CHECK_EQ(places, 3);
	cfg_write(PCI_BAR(4), 4, ~0u);		/* sizing with decoding on, as some guests do */
	CHECK_EQ(cfg_read(PCI_BAR(4), 4), ~(VIRTIO_BAR4_SIZE - 1));
	CHECK_EQ(twin_places, places);		/* no address is decoded meanwhile */
	CHECK_EQ(common(COMMON_NUM_QUEUES, 2), 0xffff);
	cfg_write(PCI_BAR(4), 4, 0xfd000000);
	CHECK_EQ(guest_read(0xfd000000 + COMMON_NUM_QUEUES, 2), 2);
	cfg_write(PCI_BAR(1), 4, ~0u);
	CHECK_EQ(cfg_read(PCI_BAR(1), 4), 0xfffff000);
	cfg_write(PCI_BAR(1), 4, TWIN_BAR1);
	cfg_write(PCI_BAR(0), 4, ~0u);
	CHECK_EQ(cfg_read(PCI_BAR(0), 4), 0xffffffc1);
	cfg_write(PCI_BAR(0), 4, 0x1000);
	CHECK_EQ(cfg_read(PCI_BAR(0), 4), 0x1001);
	CHECK_EQ(guest_in(0x1000 + LEGACY_QUEUE_SIZE, 2), 256);
	CHECK_EQ(leg(0, 4), 0xffffffff);
	cfg_write(PCI_COMMAND, 2, PCI_CMD_MEM);
	CHECK_EQ(guest_in(0x1000, 4), 0xffffffff);
	CHECK_EQ(guest_read(0xfd000000 + COMMON_NUM_QUEUES, 2), 2);
	cfg_write(PCI_COMMAND, 2, 0);
	CHECK_EQ(guest_read(0xfd000000, 4), 0xffffffff);
	cfg_write(PCI_COMMAND, 1, 3);
	CHECK_EQ(guest_in(0x1000 + LEGACY_QUEUE_SIZE, 2), 256);
	CHECK_EQ(cfg_read(PCI_BAR(2), 4), 0);
	cfg_write(PCI_BAR(2), 4, ~0u);
	CHECK_EQ(cfg_read(PCI_BAR(2), 4), 0);
}

TEST(a_refused_bar_is_off_until_it_moves)
{
	make(false);
	twin_refuse_place = true;
	cfg_write(PCI_BAR(4), 4, 0x100000);
	CHECK(host_log_has("BAR4"));
	CHECK_EQ(guest_read(0x100000, 4), 0xffffffff);
	twin_refuse_place = false;
	cfg_write(PCI_BAR(4), 4, 0xfd000000);
	CHECK_EQ(guest_read(0xfd000000 + COMMON_NUM_QUEUES, 2), 2);
}

TEST(modern_life)
{
	make(false);
	modern_up(rings, 2, ~0ull & ~VIRTIO_F_EVENT_IDX, 16);
	CHECK_EQ(modern_status(), 15);
	CHECK_EQ(starts, 1);
	CHECK_EQ(common(COMMON_QUEUE_SIZE, 2), 16);
	CHECK_EQ(common(COMMON_QUEUE_NOTIFY_OFF, 2), 1);
	offer(&rings[1]);
	modern_kick(1);
	CHECK(ring_take(&rings[1], NULL, NULL));
	set_common(COMMON_STATUS, 1, 0);
	CHECK_EQ(modern_status(), 0);
	CHECK_EQ(stops, 1);
	set_common(COMMON_STATUS, 1, 0);
	CHECK_EQ(stops, 1);
	CHECK_EQ(dev.st.driver_features, 0);
	CHECK_EQ(common(COMMON_QUEUE_SELECT, 2), 0);
	CHECK_EQ(common(COMMON_QUEUE_SIZE, 2), 256);
	CHECK_EQ(common(COMMON_QUEUE_ENABLE, 2), 0);
	CHECK_EQ(common(COMMON_QUEUE_DESC, 8), 0);
}

/* A modern driver waits for status 0: a busy device is not lost.  Meanwhile no queue is served. */
TEST(a_reset_of_a_busy_device_is_not_over_at_once)
{
	make(false);
	modern_up(rings, 2, 0, 16);
	slow = true;
	resets = 0;
	set_common(COMMON_STATUS, 1, 0);
	CHECK(stops == 1 && hard_stops == 0);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(modern_status(), 15);
		offer(&rings[0]);
		modern_kick(0);
		set_leg(LEGACY_QUEUE_NOTIFY, 2, 0);
		CHECK(!ring_take(&rings[0], NULL, NULL));
		set_common(COMMON_STATUS, 1, 0);	/* again: the same reset */
	}
	virtio_config_changed(&dev);
	CHECK(stops == 1 && starts == 1 && resets == 0);
	slow = false;
	CHECK_EQ(modern_status(), 0);
	CHECK_EQ(resets, 1);
	CHECK_EQ(common(COMMON_QUEUE_ENABLE, 2), 0);
	modern_up(rings, 2, 0, 16);
	CHECK(modern_status() == 15 && starts == 2);
}

/* For a driver that does not wait the reset is complete at once. */
TEST(who_does_not_wait_for_a_reset_has_it_at_once)
{
	for (unsigned i = 0; i < 4; i++) {
		make(false);
		modern_up(rings, 1, 0, 16);
		slow = true;
		if (i < 3)
			set_common(COMMON_STATUS, 1, 0);
		CHECK(hard_stops == 0);
		if (i == 0)
			set_common(COMMON_STATUS, 1, 1);
		else if (i == 1)
			set_common(COMMON_QUEUE_SELECT, 2, 1);
		else
			set_leg(LEGACY_STATUS, 1, 0);
		CHECK_EQ(hard_stops, 1);
		CHECK_EQ(modern_status(), i == 0);
		CHECK_EQ(common(COMMON_QUEUE_SELECT, 2), i == 1);
	}
}

TEST(legacy_life)
{
	make(false);
	CHECK_EQ(leg(LEGACY_DEVICE_FEATURES, 4), BIT64(3) | BIT64(27) | BIT64(28) | BIT64(29));
	legacy_up(rings, 2, 0);
	CHECK_EQ(starts, 1);
	CHECK_EQ(leg(LEGACY_QUEUE_PFN, 4), (uintptr_t)rings[1].desc / 4096);
	offer(&rings[0]);
	set_leg(LEGACY_QUEUE_NOTIFY, 2, 0);
	CHECK(ring_take(&rings[0], NULL, NULL));
	set_leg(LEGACY_QUEUE_SELECT, 2, 7);
	CHECK_EQ(leg(LEGACY_QUEUE_SIZE, 2), 0);
	CHECK_EQ(leg(20, 4), 0x13121110);
	CHECK_EQ(leg(21, 1), 0x11);
	CHECK_EQ(leg(22, 2), 0x1312);
	CHECK_EQ(leg(28, 1), 0);
	set_leg(LEGACY_QUEUE_SELECT, 2, 0);
	set_leg(LEGACY_QUEUE_PFN, 4, 0);	/* the driver takes its ring back: the device stops */
	CHECK_EQ(stops, 1);
	CHECK_EQ(leg(LEGACY_STATUS, 1), 0);
}

/* The queues of a device that needs a reset are dead, but its hardware may still write to the buffers. */
TEST(legacy_takes_the_ring_of_a_broken_device_back)
{
	make(false);
	legacy_up(rings, 2, 0);
	virtio_needs_reset(&dev, "a test");
	set_leg(LEGACY_QUEUE_SELECT, 2, 0);
	set_leg(LEGACY_QUEUE_PFN, 4, 0);
	CHECK_EQ(stops, 1);
	CHECK_EQ(leg(LEGACY_STATUS, 1), 0);
	set_leg(LEGACY_QUEUE_PFN, 4, 0);
	CHECK_EQ(stops, 1);
}

/* The next kernel begins without a reset while the first kernel's rings are set: the device uses nothing of the old rings. */
TEST(a_second_driver_that_does_not_reset)
{
	for (unsigned modern = 0; modern < 2; modern++) {
		make(false);
		if (modern)
			modern_up(rings, 2, BIT64(3), 256);
		else
			legacy_up(rings, 2, BIT64(3));
		offer(&rings[0]);
		set_leg(LEGACY_QUEUE_NOTIFY, 2, 0);
		CHECK(ring_take(&rings[0], NULL, NULL));
		set_leg(LEGACY_STATUS, 1, leg(LEGACY_STATUS, 1));	/* writing it again, or FAILED, begins nothing */
		set_leg(LEGACY_STATUS, 1, VIRTIO_STATUS_FAILED | 7);
		set_leg(LEGACY_STATUS, 1, 7);
		CHECK_EQ(stops, 0);
		set_leg(LEGACY_STATUS, 1, 1);
		CHECK_EQ(stops, 1);
		CHECK_EQ(leg(LEGACY_STATUS, 1), 1);
		CHECK_EQ(leg(LEGACY_DRIVER_FEATURES, 4), 0);
		CHECK_EQ(leg(LEGACY_QUEUE_PFN, 4), 0);
		set_leg(LEGACY_STATUS, 1, 3);
		ring_new(&rings[0], 0, 256);
		set_leg(LEGACY_QUEUE_SELECT, 2, 0);
		set_leg(LEGACY_QUEUE_PFN, 4, (uint32_t)((uintptr_t)rings[0].desc / 4096));
		set_leg(LEGACY_STATUS, 1, 7);
		offer(&rings[0]);
		set_leg(LEGACY_QUEUE_NOTIFY, 2, 0);
		CHECK(ring_take(&rings[0], NULL, NULL));
	}
}

TEST(features_and_what_was_not_offered)
{
	make(false);
	set_common(COMMON_DEVICE_FEATURE_SELECT, 4, 1);
	CHECK_EQ(common(COMMON_DEVICE_FEATURE, 4), 1);
	set_common(COMMON_DEVICE_FEATURE_SELECT, 4, 2);
	CHECK_EQ(common(COMMON_DEVICE_FEATURE, 4), 0);
	set_common(COMMON_DEVICE_FEATURE_SELECT, 1, 0);
	CHECK_EQ(common(COMMON_DEVICE_FEATURE, 4), BIT64(3) | BIT64(28) | BIT64(29));	/* no ANY_LAYOUT here */
	set_common(COMMON_STATUS, 1, 3);
	set_common(COMMON_DRIVER_FEATURE, 4, BIT64(3) | BIT64(15));
	set_common(COMMON_STATUS, 1, 11);
	CHECK_EQ(modern_status(), 3);
	set_common(COMMON_DRIVER_FEATURE, 4, BIT64(3));
	set_common(COMMON_STATUS, 1, 11);	/* without VERSION_1 */
	CHECK_EQ(modern_status(), 11);
	CHECK_EQ(dev.st.driver_features, BIT64(3));
	CHECK_EQ(common(COMMON_DRIVER_FEATURE, 1), 8);
}

TEST(accesses_concern_the_register_at_their_first_byte)
{
	make(false);
	set_common(COMMON_QUEUE_SELECT, 4, 1);		/* does not change the queue's size */
	CHECK_EQ(common(COMMON_QUEUE_SIZE, 4), 256);	/* a read does not return the vector */
	set_common(COMMON_CONFIG_VECTOR, 4, 2);
	CHECK_EQ(common(COMMON_CONFIG_VECTOR, 2), 2);
	CHECK_EQ(common(COMMON_STATUS, 4), 0);
	set_common(COMMON_QUEUE_DESC + 4, 4, 0x12);
	set_common(COMMON_QUEUE_DESC, 4, 0x34560000);
	CHECK_EQ(common(COMMON_QUEUE_DESC, 8), 0x1234560000);
	set_common(COMMON_QUEUE_DESC + 1, 1, 0x99);
	CHECK_EQ(common(COMMON_QUEUE_DESC, 8), 0x1234569900);
	set_common(COMMON_SIZE, 4, ~0u);
	CHECK_EQ(common(COMMON_SIZE, 4), 0);
	set_common(COMMON_QUEUE_SIZE, 2, 100);		/* no power of two */
	set_common(COMMON_QUEUE_SIZE, 2, 512);
	set_common(COMMON_QUEUE_SIZE, 2, 0);
	CHECK_EQ(common(COMMON_QUEUE_SIZE, 2), 256);
	set_common(COMMON_QUEUE_SIZE, 1, 64 & 0xff);	/* merges to 320, which is none either */
	CHECK_EQ(common(COMMON_QUEUE_SIZE, 2), 256);
	set_leg(LEGACY_QUEUE_NOTIFY, 4, 0);		/* a wide kick does not write the status */
	CHECK_EQ(resets, 1);
}

TEST(kicks_before_driver_ok_are_served_after)
{
	make(false);
	set_leg(LEGACY_STATUS, 1, 1);		/* not cumulative */
	set_leg(LEGACY_STATUS, 1, 2);
	ring_new(&rings[0], 0, 256);
	set_leg(LEGACY_QUEUE_PFN, 4, (uint32_t)((uintptr_t)rings[0].desc / 4096));
	offer(&rings[0]);
	set_leg(LEGACY_QUEUE_NOTIFY, 2, 0);
	CHECK(!ring_take(&rings[0], NULL, NULL));
	set_leg(LEGACY_STATUS, 1, 4);
	CHECK_EQ(leg(LEGACY_STATUS, 1), 4);
	CHECK(ring_take(&rings[0], NULL, NULL));
	/* A queue that is set up later is served from then on. */
	ring_new(&rings[1], 1, 256);
	offer(&rings[1]);
	set_leg(LEGACY_QUEUE_SELECT, 2, 1);
	set_leg(LEGACY_QUEUE_PFN, 4, (uint32_t)((uintptr_t)rings[1].desc / 4096));
	CHECK(ring_take(&rings[1], NULL, NULL));
}

TEST(bus_mastering_off_stops_nothing)
{
	make(false);
	legacy_up(rings, 1, 0);
	cfg_write(PCI_COMMAND, 2, PCI_CMD_IO);
	offer(&rings[0]);
	set_leg(LEGACY_QUEUE_NOTIFY, 1, 0);
	CHECK(ring_take(&rings[0], NULL, NULL));
}

TEST(kicks_by_address_and_by_value)
{
	make(false);
	modern_up(rings, 2, ~0ull, 64);
	runs[0] = runs[1] = 0;
	guest_write(TWIN_BAR4 + BAR4_NOTIFY + 4, 1, 1);
	CHECK_EQ(runs[1], 1);
	guest_write(TWIN_BAR4 + BAR4_NOTIFY, 2, 1);	/* a driver that ignores the multiplier */
	CHECK_EQ(runs[1], 2);
	guest_write(TWIN_BAR4 + BAR4_NOTIFY + 4, 4, 0);
	CHECK_EQ(runs[1], 3);
	guest_write(TWIN_BAR4 + BAR4_NOTIFY + 0x800, 2, 999);
	CHECK_EQ(runs[1], 3);
}

TEST(intx_and_isr)
{
	make(false);
	legacy_up(rings, 1, 0);
	offer(&rings[0]);
	set_leg(LEGACY_QUEUE_NOTIFY, 2, 0);
	CHECK(twin_line);
	CHECK(cfg_read(PCI_STATUS, 2) & PCI_STATUS_INTX);
	CHECK(cfg_read(PCI_COMMAND, 4) >> 16 & PCI_STATUS_INTX);
	CHECK_EQ(leg(LEGACY_ISR, 1), 1);
	CHECK(!twin_line);
	CHECK_EQ(leg(LEGACY_ISR, 1), 0);
	virtio_config_changed(&dev);
	CHECK_EQ(guest_read(TWIN_BAR4 + BAR4_ISR, 4), 2);
	virtio_config_changed(&dev);
	CHECK(twin_line);
	cfg_write(PCI_COMMAND, 2, 7 | PCI_CMD_INTX_OFF);
	CHECK_EQ(twin_intx, INTX_OFF);
	CHECK(cfg_read(PCI_STATUS, 2) & PCI_STATUS_INTX);
	cfg_write(PCI_COMMAND, 2, 7);
	CHECK(twin_line);
	set_leg(LEGACY_STATUS, 1, 0);
	CHECK_EQ(twin_intx, INTX_LOW);
	CHECK_EQ(twin_msis, 0);
}

static void msix_entry(unsigned i, uint32_t addr, uint32_t data, uint32_t ctrl)
{
	guest_write(TWIN_BAR1 + 16 * i, 8, addr);
	guest_write(TWIN_BAR1 + 16 * i + 8, 4, data);
	guest_write(TWIN_BAR1 + 16 * i + 12, 4, ctrl);
}

TEST(msix)
{
	make(false);
	CHECK_EQ(guest_read(TWIN_BAR1 + 12, 4), 1);		/* masked at first */
	msix_entry(2, 0xfee01000, 0x4041, 0);
	CHECK_EQ(guest_read(TWIN_BAR1 + 32, 8), 0xfee01000);
	CHECK_EQ(guest_read(TWIN_BAR1 + 40, 8), 0x4041);
	cfg_write(0x42, 2, MSIX_CTRL_ENABLE);
	legacy_up(rings, 1, 0);
	set_leg(LEGACY_QUEUE_VECTOR, 2, 2);
	CHECK_EQ(leg(LEGACY_QUEUE_VECTOR, 2), 2);
	set_leg(LEGACY_CONFIG_VECTOR, 2, 77);
	CHECK_EQ(leg(LEGACY_CONFIG_VECTOR, 2), 0xffff);
	CHECK_EQ(leg(24, 4), 0x13121110);			/* the configuration has another offset */
	offer(&rings[0]);
	set_leg(LEGACY_QUEUE_NOTIFY, 2, 0);
	CHECK_EQ(twin_msis, 1);
	CHECK_EQ(twin_msi_addr, 0xfee01000);
	CHECK_EQ(twin_msi_data, 0x4041);
	CHECK_EQ(twin_intx, INTX_OFF);
	virtio_config_changed(&dev);				/* has no vector */
	CHECK_EQ(twin_msis, 1);

	guest_write(TWIN_BAR1 + 44, 4, ~0u);			/* mask */
	CHECK_EQ(guest_read(TWIN_BAR1 + 44, 4), 1);
	offer(&rings[0]);
	set_leg(LEGACY_QUEUE_NOTIFY, 2, 0);
	CHECK_EQ(twin_msis, 1);
	CHECK_EQ(guest_read(TWIN_BAR1 + 0x800, 8), 4);
	guest_write(TWIN_BAR1 + 0x800, 4, 0);			/* read-only */
	guest_write(TWIN_BAR1 + 44, 1, 0);
	CHECK_EQ(twin_msis, 2);
	CHECK_EQ(guest_read(TWIN_BAR1 + 0x800, 1), 0);

	cfg_write(0x42, 2, MSIX_CTRL_ENABLE | MSIX_CTRL_FUNC_MASK);
	offer(&rings[0]);
	set_leg(LEGACY_QUEUE_NOTIFY, 2, 0);
	CHECK_EQ(twin_msis, 2);
	cfg_write(0x43, 1, MSIX_CTRL_ENABLE >> 8);
	CHECK_EQ(twin_msis, 3);
	CHECK_EQ(cfg_read(0x42, 2), MSIX_CTRL_ENABLE | 3);
}

/* For the polling core: rings that have something; never a device whose interrupts are INTx. */
TEST(rings_are_peeked_at)
{
	struct owner_work *w = &dev.kicks;
	bool b = false;

	make(false);
	CHECK(w->all == 3 && !w->peek(w->ctx, &b));		/* no driver */
	legacy_up(rings, 1, 0);
	CHECK(w->peek(w->ctx, &b) & OWNER_NO);
	cfg_write(0x42, 2, MSIX_CTRL_ENABLE);
	CHECK(!w->peek(w->ctx, &b) && !b);
	dev.owner->polled = true;
	runs[0] = 0;
	offer(&rings[0]);
	CHECK_EQ(w->peek(w->ctx, &b), 1);
	w->run(w->ctx, 1);
	CHECK_EQ(runs[0], 1);
	CHECK(!w->peek(w->ctx, &b) && !b);
	busy = true;
	CHECK(!w->peek(w->ctx, &b) && b);
	busy = false;
	dev.owner->polled = false;
}

#define MSI	0xb0u
#define NO_MASTER	(PCI_CMD_IO | PCI_CMD_MEM)

/* Command bit 2: a function that is not bus master sends no messages.  Rings and INTx do not need the bit. */
TEST(no_message_without_bus_master)
{
	make(false);
	cfg_write(PCI_COMMAND, 2, NO_MASTER);
	msix_entry(1, 0xfee01000, 0x4041, 0);
	msix_entry(2, 0xfee01000, 0x4042, 0);
	cfg_write(0x42, 2, MSIX_CTRL_ENABLE);
	modern_up(rings, 1, 0, 16);
	set_common(COMMON_QUEUE_SELECT, 2, 0);
	set_common(COMMON_QUEUE_VECTOR, 2, 1);
	set_common(COMMON_CONFIG_VECTOR, 2, 2);
	CHECK_EQ(cfg_read(PCI_COMMAND, 2), NO_MASTER);		/* the modern interface does not set the bit */
	for (unsigned i = 0; i < 3; i++) {
		offer(&rings[0]);
		modern_kick(0);
		CHECK(ring_take(&rings[0], NULL, NULL));	/* used->idx advances nevertheless */
	}
	virtio_config_changed(&dev);
	guest_write(TWIN_BAR1 + 16 + 12, 4, 1);			/* masking and unmasking does not bypass the bit */
	guest_write(TWIN_BAR1 + 16 + 12, 4, 0);
	cfg_write(0x42, 2, MSIX_CTRL_ENABLE | MSIX_CTRL_FUNC_MASK);
	cfg_write(0x42, 2, MSIX_CTRL_ENABLE);
	CHECK_EQ(twin_msis, 0);
	CHECK_EQ(guest_read(TWIN_BAR1 + 0x800, 1), 6);
	cfg_write(PCI_COMMAND, 1, 7);				/* each pending message is sent once */
	CHECK_EQ(twin_msis, 2);
	CHECK_EQ(guest_read(TWIN_BAR1 + 0x800, 1), 0);
	cfg_write(PCI_COMMAND, 2, 7);
	CHECK_EQ(twin_msis, 2);
	cfg_write(PCI_COMMAND, 2, NO_MASTER);			/* off again while the device runs */
	virtio_needs_reset(&dev, "test");
	CHECK_EQ(twin_msis, 2);
	set_common(COMMON_STATUS, 1, 0);			/* a reset clears pending messages */
	cfg_write(PCI_COMMAND, 2, 7);
	CHECK_EQ(twin_msis, 2);
}

TEST(no_plain_msi_without_bus_master)
{
	make(false);
	cfg_write(PCI_COMMAND, 2, NO_MASTER);
	cfg_write(MSI + 4, 4, 0xfee01000);
	cfg_write(MSI + 8, 4, 0x4061);
	cfg_write(MSI + 2, 2, 1);
	modern_up(rings, 1, 0, 16);
	offer(&rings[0]);
	modern_kick(0);
	CHECK(ring_take(&rings[0], NULL, NULL));
	virtio_config_changed(&dev);
	CHECK_EQ(twin_msis, 0);
	CHECK_EQ(twin_intx, INTX_OFF);				/* and INTx does not replace them */
	cfg_write(PCI_COMMAND, 2, 7);
	CHECK_EQ(twin_msis, 1);
	cfg_write(PCI_COMMAND, 2, NO_MASTER);
	virtio_config_changed(&dev);
	CHECK_EQ(leg(LEGACY_ISR, 1), 3);			/* the driver has learned of it by polling */
	cfg_write(PCI_COMMAND, 2, 7);
	CHECK_EQ(twin_msis, 1);
	cfg_write(PCI_COMMAND, 2, NO_MASTER);
	virtio_config_changed(&dev);
	set_common(COMMON_STATUS, 1, 0);
	cfg_write(PCI_COMMAND, 2, 7);
	CHECK_EQ(twin_msis, 1);
}

TEST(intx_does_not_need_the_bus_master_bit)
{
	make(false);
	cfg_write(PCI_COMMAND, 2, NO_MASTER);
	modern_up(rings, 1, 0, 16);
	offer(&rings[0]);
	modern_kick(0);
	CHECK(twin_line);
}

/* For a legacy driver that never sets the bit, DRIVER sets it; also if the driver writes 1, 2, 4, or only 4. */
TEST(a_legacy_driver_becomes_bus_master)
{
	static const uint8_t sequences[][3] = { { 1, 3, 7 }, { 1, 2, 4 }, { 3, 3, 7 }, { 4, 4, 4 }, { 7, 7, 7 } };

	for (unsigned i = 0; i < ARRAY_SIZE(sequences); i++) {
		make(false);
		cfg_write(PCI_COMMAND, 2, NO_MASTER);
		set_leg(LEGACY_STATUS, 1, 0);
		set_leg(LEGACY_STATUS, 1, VIRTIO_STATUS_ACKNOWLEDGE);
		set_leg(LEGACY_STATUS, 1, VIRTIO_STATUS_FAILED | 3);
		CHECK_EQ(cfg_read(PCI_COMMAND, 2), NO_MASTER);
		set_leg(LEGACY_STATUS, 1, 0);
		for (unsigned n = 0; n < 3; n++)
			set_leg(LEGACY_STATUS, 1, sequences[i][n]);
		CHECK_EQ(cfg_read(PCI_COMMAND, 2), 7);
		/* If the driver clears the bit later it stays clear. */
		cfg_write(PCI_COMMAND, 2, NO_MASTER);
		set_leg(LEGACY_STATUS, 1, leg(LEGACY_STATUS, 1) | VIRTIO_STATUS_DRIVER_OK);
		CHECK_EQ(cfg_read(PCI_COMMAND, 2), NO_MASTER);
	}
}

TEST(plain_msi)
{
	make(false);
	cfg_write(MSI + 4, 4, 0xfee01003);
	CHECK_EQ(cfg_read(MSI + 4, 4), 0xfee01000);
	cfg_write(MSI + 8, 4, 0xabcd4061);
	CHECK_EQ(cfg_read(MSI + 8, 4), 0x4061);
	legacy_up(rings, 1, 0);
	offer(&rings[0]);
	set_leg(LEGACY_QUEUE_NOTIFY, 2, 0);
	CHECK(twin_line && !twin_msis);				/* not enabled yet */
	cfg_write(MSI + 2, 2, 0xffff);
	CHECK_EQ(cfg_read(MSI + 2, 2), 1);
	CHECK(!twin_line);
	CHECK(!(cfg_read(PCI_STATUS, 2) & PCI_STATUS_INTX));

	/* Each cause sends a message, whether ISR was read or not; ISR has the cause; the configuration stays at +20. */
	for (unsigned i = 1; i <= 3; i++) {
		offer(&rings[0]);
		set_leg(LEGACY_QUEUE_NOTIFY, 2, 0);
		CHECK_EQ(twin_msis, i);
	}
	CHECK(twin_msi_addr == 0xfee01000 && twin_msi_data == 0x4061);
	virtio_config_changed(&dev);
	CHECK_EQ(twin_msis, 4);
	CHECK_EQ(leg(LEGACY_ISR, 1), 3);
	CHECK_EQ(leg(LEGACY_ISR, 1), 0);
	CHECK_EQ(leg(20, 4), 0x13121110);
	/* The command register's bit disables only the line. */
	cfg_write(PCI_COMMAND, 2, 7 | PCI_CMD_INTX_OFF);
	virtio_config_changed(&dev);
	CHECK_EQ(twin_msis, 5);
	cfg_write(PCI_COMMAND, 2, 7);

	/* Both enabled is forbidden: MSI-X counts, in which this queue has no vector. */
	cfg_write(0x42, 2, MSIX_CTRL_ENABLE);
	virtio_config_changed(&dev);
	CHECK_EQ(twin_msis, 5);
	cfg_write(0x42, 2, 0);
	cfg_write(MSI + 2, 2, 0);
	CHECK(twin_line);					/* ISR keeps the cause until it is read */
	CHECK_EQ(leg(LEGACY_ISR, 1), 2);
	CHECK(!twin_line);
}

TEST(the_window_of_capability_5)
{
	make(false);
	cfg_write(0x98 + VCAP_BAR, 1, 4);
	cfg_write(0x98 + VCAP_OFFSET, 4, COMMON_NUM_QUEUES);
	cfg_write(0x98 + VCAP_LENGTH, 4, 2);
	CHECK_EQ(cfg_read(0xa8, 4), 2);
	cfg_write(0x98 + VCAP_OFFSET, 4, COMMON_QUEUE_SELECT);
	cfg_write(0xa8, 4, 1);
	CHECK_EQ(common(COMMON_QUEUE_SELECT, 2), 1);
	cfg_write(0x98 + VCAP_LENGTH, 4, 3);
	CHECK_EQ(cfg_read(0xa8, 4), 0);
	cfg_write(0x98 + VCAP_LENGTH, 4, 4);
	cfg_write(0x98 + VCAP_OFFSET, 4, VIRTIO_BAR4_SIZE - 2);
	CHECK_EQ(cfg_read(0xa8, 4), 0);
	cfg_write(0x98 + VCAP_OFFSET, 4, ~0u);
	cfg_write(0xa8, 4, 1);
	cfg_write(0x98 + VCAP_BAR, 1, 9);
	CHECK_EQ(cfg_read(0xa8, 4), 0);
	cfg_write(0x98 + VCAP_BAR, 1, 0);
	cfg_write(0x98 + VCAP_OFFSET, 4, LEGACY_QUEUE_SIZE);
	cfg_write(0x98 + VCAP_LENGTH, 4, 2);
	CHECK_EQ(cfg_read(0xa8, 2), 256);
}

TEST(a_violation_stops_this_device_until_reset)
{
	make(false);
	modern_up(rings, 2, ~0ull & ~VIRTIO_F_EVENT_IDX, 16);
	rings[0].avail->idx = 100;
	modern_kick(0);
	CHECK_EQ(modern_status(), 15 | VIRTIO_STATUS_NEEDS_RESET);
	CHECK(host_log_has("t0: stopped until the guest resets it: queue 0: avail index beyond"));
	CHECK_EQ(guest_read(TWIN_BAR4 + BAR4_ISR, 1), VIRTIO_ISR_CONFIG);
	offer(&rings[1]);
	modern_kick(1);
	CHECK(!ring_take(&rings[1], NULL, NULL));
	set_common(COMMON_STATUS, 1, 15);
	CHECK_EQ(modern_status(), 15 | VIRTIO_STATUS_NEEDS_RESET);
	CHECK_EQ(dev.cnt_violations, 1);
	modern_up(rings, 2, ~0ull, 16);
	CHECK_EQ(modern_status(), 15);
	offer(&rings[1]);
	modern_kick(1);
	CHECK(ring_take(&rings[1], NULL, NULL));
	CHECK_EQ(starts, 2);
	CHECK_EQ(stops, 1);
}

TEST(the_log_is_not_flooded)
{
	make(false);
	for (unsigned i = 0; i < 40; i++) {
		modern_up(rings, 1, 0, 16);
		host_log_clear();
		rings[0].avail->idx = 100;
		modern_kick(0);
		CHECK_EQ(host_log_has("stopped"), i < VIRTIO_MAX_COMPLAINTS);
		host_guest_ram_drop();
	}
	CHECK_EQ(dev.cnt_violations, 40);
}

TEST(nor_by_features_or_places_that_are_refused)
{
	make(false);
	for (unsigned i = 0; i < VIRTIO_MAX_COMPLAINTS + 4; i++) {
		set_common(COMMON_STATUS, 1, 0);
		set_common(COMMON_DRIVER_FEATURE, 4, BIT(7));
		host_log_clear();
		set_common(COMMON_STATUS, 1, VIRTIO_STATUS_FEATURES_OK);
		CHECK_EQ(common(COMMON_STATUS, 1), 0);
		CHECK_EQ(host_log_has("not offered"), i < VIRTIO_MAX_COMPLAINTS);
	}
	twin_refuse_place = true;
	host_log_clear();
	cfg_write(PCI_BAR(4), 4, 0x100000);
	CHECK(!host_log_has("BAR4"));
	make(false);
	twin_refuse_place = true;
	for (unsigned i = 0; i < VIRTIO_MAX_COMPLAINTS + 4; i++) {
		host_log_clear();
		cfg_write(PCI_BAR(4), 4, (i + 1) * VIRTIO_BAR4_SIZE);
		CHECK_EQ(host_log_has("BAR4"), i < VIRTIO_MAX_COMPLAINTS);
	}
}

TEST(rings_outside_ram)
{
	make(false);
	set_leg(LEGACY_QUEUE_PFN, 4, ~0u);
	set_leg(LEGACY_STATUS, 1, 4);
	CHECK_EQ(leg(LEGACY_STATUS, 1), 4 | VIRTIO_STATUS_NEEDS_RESET);
	CHECK_EQ(starts, 0);
}

TEST(hardware_that_does_not_start)
{
	make(false);
	start_result = -ERR_IO;
	set_leg(LEGACY_STATUS, 1, 4);
	CHECK(leg(LEGACY_STATUS, 1) & VIRTIO_STATUS_NEEDS_RESET);
	set_leg(LEGACY_STATUS, 1, 0);
	CHECK_EQ(stops, 0);
}

TEST(config_writes)
{
	make(false);
	guest_write(TWIN_BAR4 + BAR4_DEVICE + 2, 2, 0x1234);
	CHECK_EQ(config_writes, 1);
	CHECK_EQ(written, 0x1234);
	guest_write(TWIN_BAR4 + BAR4_DEVICE + 8, 4, 1);
	CHECK_EQ(config_writes, 1);
	uint64_t g = common(COMMON_GENERATION, 1);

	virtio_config_changed(&dev);
	CHECK(common(COMMON_GENERATION, 1) != g);
}

TEST_MAIN
