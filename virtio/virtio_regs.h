/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers, structures and numbers of virtio 1.2; section numbers are that document's. */
#ifndef VIRTIO_REGS_H
#define VIRTIO_REGS_H

#include <veneer/types.h>

/* 2.1 device status */
#define VIRTIO_STATUS_ACKNOWLEDGE	BIT(0)
#define VIRTIO_STATUS_DRIVER		BIT(1)
#define VIRTIO_STATUS_DRIVER_OK		BIT(2)
#define VIRTIO_STATUS_FEATURES_OK	BIT(3)
#define VIRTIO_STATUS_NEEDS_RESET	BIT(6)
#define VIRTIO_STATUS_FAILED		BIT(7)

/* 6 reserved feature bits */
#define VIRTIO_F_ANY_LAYOUT		BIT64(27)	/* legacy interface only, 6.3 */
#define VIRTIO_F_INDIRECT_DESC		BIT64(28)
#define VIRTIO_F_EVENT_IDX		BIT64(29)
#define VIRTIO_F_VERSION_1		BIT64(32)

/* 2.7 split virtqueues */
#define VRING_DESC_NEXT			BIT(0)
#define VRING_DESC_WRITE		BIT(1)
#define VRING_DESC_INDIRECT		BIT(2)
#define VRING_AVAIL_NO_INTERRUPT	BIT(0)
#define VRING_USED_NO_NOTIFY		BIT(0)
#define VRING_LEGACY_ALIGN		4096u		/* 4.1.5.1.3.1 */

/* The guest chooses the table's address, which need not be aligned. */
struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
} PACKED;

struct vring_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];		/* one more than there are entries: the last is used_event */
};

struct vring_used_elem {
	uint32_t id;
	uint32_t len;
} PACKED ALIGNED(2);

struct vring_used {
	uint16_t flags;
	uint16_t idx;
	struct vring_used_elem ring[];	/* followed by avail_event, 16 bits */
};

/* 4.1.4.5 ISR status */
#define VIRTIO_ISR_QUEUE		BIT(0)
#define VIRTIO_ISR_CONFIG		BIT(1)

#define VIRTIO_NO_VECTOR		0xffffu

/* 4.1.4.10 legacy registers, in BAR0 */
#define LEGACY_DEVICE_FEATURES		0
#define LEGACY_DRIVER_FEATURES		4
#define LEGACY_QUEUE_PFN		8
#define LEGACY_QUEUE_SIZE		12
#define LEGACY_QUEUE_SELECT		14
#define LEGACY_QUEUE_NOTIFY		16
#define LEGACY_STATUS			18
#define LEGACY_ISR			19
#define LEGACY_CONFIG			20		/* the device configuration while MSI-X is off, else: */
#define LEGACY_CONFIG_VECTOR		20
#define LEGACY_QUEUE_VECTOR		22
#define LEGACY_CONFIG_MSIX		24

/* 4.1.4.3 the common structure */
#define COMMON_DEVICE_FEATURE_SELECT	0
#define COMMON_DEVICE_FEATURE		4
#define COMMON_DRIVER_FEATURE_SELECT	8
#define COMMON_DRIVER_FEATURE		12
#define COMMON_CONFIG_VECTOR		16
#define COMMON_NUM_QUEUES		18
#define COMMON_STATUS			20
#define COMMON_GENERATION		21
#define COMMON_QUEUE_SELECT		22
#define COMMON_QUEUE_SIZE		24
#define COMMON_QUEUE_VECTOR		26
#define COMMON_QUEUE_ENABLE		28
#define COMMON_QUEUE_NOTIFY_OFF		30
#define COMMON_QUEUE_DESC		32
#define COMMON_QUEUE_DRIVER		40
#define COMMON_QUEUE_DEVICE		48
#define COMMON_SIZE			56u

/* BAR4 */
#define BAR4_COMMON			0x0000u
#define BAR4_ISR			0x1000u
#define BAR4_DEVICE			0x2000u
#define BAR4_NOTIFY			0x3000u
#define BAR4_PART_SIZE			0x1000u
#define NOTIFY_MULTIPLIER		4u

/* 4.1.4 vendor capabilities */
#define VIRTIO_CAP_COMMON		1
#define VIRTIO_CAP_NOTIFY		2
#define VIRTIO_CAP_ISR			3
#define VIRTIO_CAP_DEVICE		4
#define VIRTIO_CAP_PCI			5
#define VCAP_LEN			2		/* offsets inside a capability */
#define VCAP_TYPE			3
#define VCAP_BAR			4
#define VCAP_OFFSET			8
#define VCAP_LENGTH			12
#define VCAP_EXTRA			16		/* notify: the multiplier; PCI window: the data */

/* PCI 3.0, 6.8.2 MSI-X */
#define MSIX_ENTRY_SIZE			16u
#define MSIX_ENTRY_ADDR			0
#define MSIX_ENTRY_DATA			8
#define MSIX_ENTRY_CTRL			12
#define  MSIX_ENTRY_MASKED		BIT(0)
#define MSIX_CTRL			2		/* in the capability */
#define  MSIX_CTRL_FUNC_MASK		BIT(14)
#define  MSIX_CTRL_ENABLE		BIT(15)
#define MSIX_PBA			0x800u		/* in BAR1 */

/* PCI 3.0, 6.8.1 MSI, in the form with 32 address bits; offsets in the capability */
#define MSI_CTRL			2
#define  MSI_CTRL_ENABLE		BIT(0)
#define MSI_ADDR			4
#define MSI_DATA			8

#define VIRTIO_PCI_VENDOR		0x1af4
#define VIRTIO_PCI_TRANSITIONAL		0x0fff		/* + device type */
#define VIRTIO_PCI_MODERN		0x1040		/* + device type */
#define VIRTIO_PCI_MODERN_SUBSYS	0x1100		/* 4.1.2.1: 40h or more; drivers have this value in their tables */

#define VIRTIO_ID_NET			1
#define VIRTIO_ID_BLK			2
#define VIRTIO_ID_ECHO			63	/* Veneer's own; the specification numbers its devices from below */

/* 5.1 network device */
#define VIRTIO_NET_F_CSUM		BIT64(0)
#define VIRTIO_NET_F_GUEST_CSUM		BIT64(1)
#define VIRTIO_NET_F_MTU		BIT64(3)
#define VIRTIO_NET_F_MAC		BIT64(5)
#define VIRTIO_NET_F_HOST_TSO4		BIT64(11)
#define VIRTIO_NET_F_HOST_TSO6		BIT64(12)
#define VIRTIO_NET_F_HOST_ECN		BIT64(13)
#define VIRTIO_NET_F_MRG_RXBUF		BIT64(15)
#define VIRTIO_NET_F_STATUS		BIT64(16)
#define VIRTIO_NET_F_CTRL_VQ		BIT64(17)
#define VIRTIO_NET_F_CTRL_RX		BIT64(18)
#define VIRTIO_NET_F_CTRL_VLAN		BIT64(19)
#define VIRTIO_NET_F_CTRL_RX_EXTRA	BIT64(20)
#define VIRTIO_NET_F_CTRL_MAC_ADDR	BIT64(23)

#define VIRTIO_NET_S_LINK_UP		BIT(0)

#define VIRTIO_NET_HDR_F_NEEDS_CSUM	BIT(0)
#define VIRTIO_NET_HDR_F_DATA_VALID	BIT(1)
#define VIRTIO_NET_HDR_GSO_NONE		0
#define VIRTIO_NET_HDR_GSO_TCPV4	1
#define VIRTIO_NET_HDR_GSO_TCPV6	4
#define VIRTIO_NET_HDR_GSO_ECN		0x80u	/* together with one of these */

/* 5.1.6: 12 bytes with VERSION_1 or MRG_RXBUF, else without the last field */
struct virtio_net_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers;
} PACKED;
#define VIRTIO_NET_HDR_LEGACY		10u
#define VIRTIO_NET_HDR_MODERN		12u

/* 5.1.4 device configuration */
#define NETCFG_MAC			0
#define NETCFG_STATUS			6
#define NETCFG_MAX_PAIRS		8
#define NETCFG_MTU			10
#define NETCFG_SIZE			12u

/* 5.1.6.5 control virtqueue */
#define VIRTIO_NET_OK			0
#define VIRTIO_NET_ERR			1
#define VIRTIO_NET_CTRL_RX		0
#define  CTRL_RX_PROMISC		0
#define  CTRL_RX_ALLMULTI		1
#define  CTRL_RX_ALLUNI			2
#define  CTRL_RX_NOMULTI		3
#define  CTRL_RX_NOUNI			4
#define  CTRL_RX_NOBCAST		5
#define VIRTIO_NET_CTRL_MAC		1
#define  CTRL_MAC_TABLE_SET		0
#define  CTRL_MAC_ADDR_SET		1
#define VIRTIO_NET_CTRL_VLAN		2
#define  CTRL_VLAN_ADD			0
#define  CTRL_VLAN_DEL			1

/* 5.2 block device */
#define VIRTIO_BLK_F_SIZE_MAX		BIT64(1)
#define VIRTIO_BLK_F_SEG_MAX		BIT64(2)
#define VIRTIO_BLK_F_RO			BIT64(5)
#define VIRTIO_BLK_F_BLK_SIZE		BIT64(6)
#define VIRTIO_BLK_F_FLUSH		BIT64(9)
#define VIRTIO_BLK_F_TOPOLOGY		BIT64(10)
#define VIRTIO_BLK_F_CONFIG_WCE		BIT64(11)
#define VIRTIO_BLK_F_DISCARD		BIT64(13)
#define VIRTIO_BLK_F_WRITE_ZEROES	BIT64(14)

#define VIRTIO_BLK_T_IN			0
#define VIRTIO_BLK_T_OUT		1
#define VIRTIO_BLK_T_FLUSH		4
#define VIRTIO_BLK_T_GET_ID		8
#define VIRTIO_BLK_T_DISCARD		11
#define VIRTIO_BLK_T_WRITE_ZEROES	13

#define VIRTIO_BLK_S_OK			0
#define VIRTIO_BLK_S_IOERR		1
#define VIRTIO_BLK_S_UNSUPP		2

#define VIRTIO_BLK_SECTOR		512u
#define VIRTIO_BLK_ID_BYTES		20u

struct virtio_blk_hdr {
	uint32_t type;
	uint32_t ioprio;
	uint64_t sector;
} PACKED;

struct virtio_blk_range {
	uint64_t sector;
	uint32_t num_sectors;
	uint32_t flags;
} PACKED;
#define VIRTIO_BLK_RANGE_UNMAP		BIT(0)

/* 5.2.4 device configuration */
#define BLKCFG_CAPACITY			0
#define BLKCFG_SIZE_MAX			8
#define BLKCFG_SEG_MAX			12
#define BLKCFG_BLK_SIZE			20
#define BLKCFG_PHYS_EXP			24
#define BLKCFG_ALIGN_OFFSET		25
#define BLKCFG_MIN_IO			26
#define BLKCFG_OPT_IO			28
#define BLKCFG_WRITEBACK		32
#define BLKCFG_NUM_QUEUES		34
#define BLKCFG_MAX_DISCARD		36
#define BLKCFG_MAX_DISCARD_SEG		40
#define BLKCFG_DISCARD_ALIGN		44
#define BLKCFG_MAX_ZEROES		48
#define BLKCFG_MAX_ZEROES_SEG		52
#define BLKCFG_ZEROES_UNMAP		56
#define BLKCFG_SIZE			60u

#endif
