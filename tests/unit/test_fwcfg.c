/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: hv/pci/fwcfg.c */
/* QEMU's fw_cfg gets the guest's transfers if they stay in the guest's memory, each read once. */
#include <string.h>
#include <veneer/err.h>
#include <veneer/trap.h>
#include "host/host.h"
#include "hv/mem/paging.h"
#include "hv/pci/pci.h"

#define READ	2u
#define SKIP	4u
#define SELECT	8u
#define WRITE	16u

static struct pci_dev bridge;
static uint32_t subsystem;
const struct pci_dev *pci_get(unsigned n) { return n ? NULL : &bridge; }
uint32_t pci_read32(const struct pci_dev *d, uint16_t off) { return off == 0x2c ? subsystem : 0; }

/* Page 0, behind which the guest's memory goes on. */
static _Alignas(16) uint8_t first_page[PAGE_SIZE];
uint8_t *paging_first_page(void) { return first_page; }

static const struct trap_ops *ops;
static uint64_t placed;
static bool no_trap;
struct trap *trap_new_pio(const char *name, uint32_t size, const struct trap_ops *o, void *ctx)
{
	CHECK_EQ(size, 8);
	ops = o;
	return no_trap ? NULL : (struct trap *)&ops;
}
int trap_place(struct trap *t, uint64_t base) { placed = base; return 0; }

struct descriptor { uint32_t control, length; uint64_t address; };

/* --- the device --- */

static const char *signature;
static unsigned at_byte, transfers;
static uint64_t dma_addr, asked_from;
static struct descriptor asked;
static struct descriptor *guests;	/* changes after it has been read */
static bool hangs;

static uint64_t device_in(void *ctx, uint32_t off, unsigned width)
{
	if (off == 1 && width == 1)
		return (uint8_t)signature[at_byte++ % 4];
	return off >= 4 ? 0x554d4551u >> 8 * (off & 3) : 0xff;
}

static void device_out(void *ctx, uint32_t off, unsigned width, uint64_t v)
{
	if (!off) {
		CHECK(width == 2 && !v);
		at_byte = 0;
		return;
	}
	CHECK(width == 4 && (off == 4 || off == 8));
	if (off == 4) {
		dma_addr = (uint64_t)__builtin_bswap32((uint32_t)v) << 32;
		return;
	}
	dma_addr |= __builtin_bswap32((uint32_t)v);
	asked_from = dma_addr;
	guests->address = ~0ull;
	memcpy(&asked, (void *)(uintptr_t)dma_addr, sizeof(asked));
	if (!hangs)
		((struct descriptor *)(uintptr_t)dma_addr)->control = 0;
	dma_addr = 0;
	transfers++;
}

static int start(const char *sig, uint32_t sub)
{
	static const struct host_model model = { device_in, device_out };

	host_pio_model(0x510, 12, &model, NULL);
	signature = sig;
	subsystem = sub;
	placed = transfers = 0;
	no_trap = hangs = false;
	ops = NULL;
	return fwcfg_init();
}

/* The guest's transfer by a descriptor at @at.  Return the control word afterwards. */
static uint32_t transfer(uint64_t at, uint32_t control, uint32_t length, uint64_t address)
{
	guests = (struct descriptor *)(at < PAGE_SIZE ? first_page + at : (uint8_t *)(uintptr_t)at);
	*guests = (struct descriptor){
		__builtin_bswap32(control), __builtin_bswap32(length), __builtin_bswap64(address)
	};
	ops->write(NULL, 0, 4, __builtin_bswap32((uint32_t)(at >> 32)));
	ops->write(NULL, 4, 4, __builtin_bswap32((uint32_t)at));
	return __builtin_bswap32(guests->control);
}

TEST(the_guests_own_transfers)
{
	uint64_t ram = host_guest_ram(0x4000);

	CHECK_EQ(start("QEMU", 0x11001af4), 0);
	CHECK_EQ(placed, 0x514);
	CHECK_EQ(transfer(ram + 8, 0x190000 | SELECT | READ, 0x3000, ram + 0x1000), 0);
	CHECK(transfers == 1 && asked_from != ram + 8);
	CHECK_EQ(__builtin_bswap64(asked.address), ram + 0x1000);
	CHECK_EQ(__builtin_bswap32(asked.length), 0x3000);
	CHECK_EQ(__builtin_bswap32(asked.control), 0x190000 | SELECT | READ);
	CHECK_EQ(transfer(ram, WRITE, 16, ram + 0x3ff0), 0);
	/* These access no memory. */
	CHECK_EQ(transfer(ram, SKIP, 0x1000, 0x10), 0);
	CHECK_EQ(transfer(ram, SELECT | READ, 0, 0x10), 0);
	CHECK_EQ(transfers, 4);
	CHECK_EQ(ops->read(NULL, 0, 4), 0x554d4551);
}

TEST(what_is_not_the_guests)
{
	uint64_t ram = host_guest_ram(0x4000);
	static struct descriptor elsewhere;

	CHECK_EQ(start("QEMU", 0x11001af4), 0);
	CHECK_EQ(transfer(ram, READ, 1, ram + 0x4000), 1);
	CHECK_EQ(transfer(ram, READ, 0x2001, ram + 0x2000), 1);
	CHECK_EQ(transfer(ram, WRITE, 4, 0xfee00000), 1);
	CHECK_EQ(transfer(ram, READ, 0xffffffff, ~0ull - 2), 1);
	CHECK(host_log_has("is refused: no memory of the guest's"));
	/* A descriptor that is not, and one that reaches beyond. */
	CHECK_EQ(transfer((uintptr_t)&elsewhere, READ, 4, ram), READ);
	ops->write(NULL, 0, 4, 0);
	ops->write(NULL, 4, 4, __builtin_bswap32((uint32_t)(ram + 0x3ff8)));
	/* Other widths, and the halves that the device does not know. */
	ops->write(NULL, 4, 2, 0x1234);
	ops->write(NULL, 2, 4, 0x12345678);
	ops->write(NULL, 7, 1, 0x12);
	CHECK_EQ(transfers, 0);
}

/* The guest's memory, too; Veneer has it at another address. */
TEST(page_0)
{
	uint64_t ram = host_guest_ram(0x4000);

	CHECK_EQ(start("QEMU", 0x11001af4), 0);
	CHECK_EQ(transfer(0, READ, 16, ram), 0);
	CHECK_EQ(transfer(PAGE_SIZE - 16, READ, 0x1000, 0), 0);
	CHECK(transfers == 2 && __builtin_bswap32(asked.length) == 0x1000 && !asked.address);
	CHECK_EQ(transfer(ram + 0xff8, WRITE, 1, PAGE_SIZE - 1), 0);
	CHECK_EQ(transfers, 3);
	/* Here no memory follows. */
	CHECK_EQ(transfer(0x100, READ, 0x1001, 0), 1);
	CHECK_EQ(transfer(0x100, READ, 2, PAGE_SIZE - 1), 1);
	ops->write(NULL, 0, 4, 0);
	ops->write(NULL, 4, 4, __builtin_bswap32(PAGE_SIZE - 8));
	CHECK_EQ(transfers, 3);
}

TEST(a_device_that_does_not_end)
{
	uint64_t ram = host_guest_ram(0x1000);

	CHECK_EQ(start("QEMU", 0x11001af4), 0);
	hangs = true;
	CHECK_EQ(transfer(ram, READ, 4, ram + 0x100), 1);
	CHECK(host_log_has("fw_cfg: a transfer did not end within 1 s: control word 0x2"));
}

TEST(other_machines)
{
	at_byte = 0;
	CHECK(!start("QEMU", 0x12341043) && !ops);
	CHECK_EQ(at_byte, 0);
	CHECK(!start("\xff\xff\xff\xff", 0x11001af4) && !ops);
	no_trap = true;
	subsystem = 0x11001af4;
	signature = "QEMU";
	CHECK_EQ(fwcfg_init(), -ERR_NOMEM);
}

TEST_MAIN
