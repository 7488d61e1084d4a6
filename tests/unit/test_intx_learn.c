/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/irq/intx_learn.c */
/* Learning a device's line, on a model of a machine that may be late, noisy, or without one of the ways to see the line. */
#include <string.h>
#include "host/host.h"
#include "hv/irq/intx.h"
#include "hv/irq/ioapic.h"
#include "hv/irq/pic.h"
#include "hv/irq/pirq.h"

#define NONE	(-1)

/* --- the machine --- */

static struct {
	bool tells;			/* the status register has the bit */
	int irq[8];			/* routes of the chipset's lines */
	int wired, gsi;			/* the device's chipset line, and its input with another number */
	bool gone[8];			/* disconnected */
	uint16_t others;		/* requests of other devices */
	uint16_t noise;			/* a request of another device that begins at the @noise_at-th assertion */
	unsigned noise_at;
	uint32_t late[32];		/* delay of each assertion */
	uint32_t always_late;
} m;

static bool asserted, quiet_pic, quiet_ioapic;
static uint64_t since;
static unsigned count;			/* of assertions */

static bool is_up(void)
{
	return asserted && host_now_us >= since;
}

uint16_t pic_requests(void)
{
	int irq = m.wired >= 0 && !m.gone[m.wired] ? m.irq[m.wired] : NONE;

	return (uint16_t)(m.others | (m.noise_at && count >= m.noise_at ? m.noise : 0) | (irq >= 0 && is_up() ? BIT(irq) : 0));
}

void pic_quiet(bool on) { CHECK(on != quiet_pic); quiet_pic = on; }
void ioapic_quiet(bool on) { CHECK(on != quiet_ioapic); quiet_ioapic = on; }
bool ioapic_has(unsigned gsi) { return gsi < 24; }
int pirq_real_irq(unsigned n) { return m.gone[n] ? NONE : m.irq[n]; }
void pirq_disconnect(unsigned n, bool on) { CHECK(on != m.gone[n]); m.gone[n] = on; }

static bool rings(unsigned gsi)
{
	int irq = m.wired >= 0 && !m.gone[m.wired] ? m.irq[m.wired] : NONE;

	return is_up() && ((int)gsi == m.gsi || (int)gsi == irq);
}

bool ioapic_follows(unsigned gsi, void (*set)(void *ctx, bool level), void *ctx, uint32_t patience_us)
{
	bool both = true;

	for (unsigned i = 0; i < 2 && both; i++) {
		uint64_t end;

		set(ctx, true);
		for (end = host_now_us + patience_us; !rings(gsi) && host_now_us < end; )
			host_now_us += 10;
		both = rings(gsi);
		set(ctx, false);
	}
	return both;
}

uint16_t pci_read16(const struct pci_dev *dev, uint16_t off)
{
	CHECK_EQ(off, PCI_STATUS);
	return m.tells && is_up() ? PCI_STATUS_INTX : 0;
}

static void intx_test(struct hw_dev *dev, bool on)
{
	CHECK(quiet_pic && quiet_ioapic);
	if (on && !asserted) {
		since = host_now_us + m.always_late + (count < ARRAY_SIZE(m.late) ? m.late[count] : 0);
		count++;
	}
	asserted = on;
}

static const struct pci_dev func = { .bdf = PCI_BDF(0, 3, 0), .int_pin = 1 };
static const struct hw_dev_ops ops = { .intx_test = intx_test };
static struct hw_dev nic = { .ops = &ops, .pci = &func, .name = "nic0" };
static struct intx_route r;

/* A machine with ICH: eight lines at two inputs; the device has the eighth. */
static void machine(void)
{
	memset(&m, 0, sizeof(m));
	for (unsigned i = 0; i < 8; i++)
		m.irq[i] = i & 2 ? 11 : 10;
	m.tells = true;
	m.wired = 7;
	m.gsi = 23;
	count = 0;
}

/* Run the experiment, and check that it leaves everything as it was. */
static bool experiment(void)
{
	bool yes = intx_experiment(&nic, &r);

	CHECK(!asserted && !quiet_pic && !quiet_ioapic);
	for (unsigned i = 0; i < 8; i++)
		CHECK(!m.gone[i]);
	return yes;
}

static bool all_known(void)
{
	return experiment() && r.pirq == 7 && r.irq == 11 && r.gsi == 23;
}

TEST(all_ways_at_once)
{
	uint64_t start = host_now_us;

	machine();
	CHECK(all_known());
	/* If the answer comes at once there is no wait. */
	CHECK(host_now_us - start < 100000);
}

TEST(without_a_status_bit)
{
	machine();
	m.tells = false;
	CHECK(all_known());
}

TEST(one_assertion_is_late)
{
	for (unsigned tells = 0; tells < 2; tells++) {
		for (unsigned i = 0; i < 24; i++) {
			machine();
			m.tells = tells;
			m.late[i] = 120000;
			CHECK(all_known());
		}
	}
}

TEST(every_assertion_is_late)
{
	static const uint32_t late[] = { 30000, 300000, 900000 };

	for (unsigned i = 0; i < ARRAY_SIZE(late); i++) {
		machine();
		m.always_late = late[i];
		CHECK(all_known());
	}
}

/*
 * Two late assertions in a row: while the line is disconnected, and at the first try afterwards.  Any other line would look the
 * same.
 */
TEST(no_other_line_is_taken_for_it)
{
	for (unsigned i = 0; i < 12; i++) {
		machine();
		m.late[i] = m.late[i + 1] = 700000;
		CHECK(all_known());
	}
}

TEST(routed_to_no_8259)
{
	machine();
	for (unsigned i = 0; i < 8; i++)
		m.irq[i] = NONE;
	CHECK(experiment() && r.pirq == NONE && r.irq == NONE && r.gsi == 23);
	/* Only the edges show that the device asserts. */
	m.tells = false;
	CHECK(experiment() && r.pirq == NONE && r.irq == NONE && r.gsi == 23);
}

TEST(one_input_by_both_numbers)
{
	machine();
	m.gsi = NONE;
	CHECK(experiment() && r.pirq == 7 && r.irq == 11 && r.gsi == NONE);
}

TEST(a_chipset_without_known_routing)
{
	machine();
	m.wired = 0;
	/* The device's registers do not show the assertion, but the line exists. */
	for (unsigned i = 1; i < 8; i++)
		m.irq[i] = NONE;
	CHECK(experiment() && r.pirq == 0 && r.irq == 10);
}

TEST(others_assert_too)
{
	machine();
	m.others = BIT(9) | BIT(0);
	m.noise = BIT(5);
	for (m.noise_at = 1; m.noise_at < 6; m.noise_at++) {
		count = 0;
		CHECK(all_known());
	}
}

TEST(leads_nowhere)
{
	machine();
	m.wired = m.gsi = NONE;
	CHECK(!experiment());
	m.tells = false;
	CHECK(!experiment());
}

TEST_MAIN
