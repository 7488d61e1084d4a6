/* SPDX-License-Identifier: BSD-2-Clause */
/* CRC-32 of IEEE 802.3, as in UEFI's GPT and zip: reflected, polynomial EDB88320h. */
#ifndef VENEER_CRC32_H
#define VENEER_CRC32_H

#include <veneer/types.h>

/* The checksum of what @crc is the checksum of (0: of nothing), followed by the @n bytes at @data. */
uint32_t crc32(uint32_t crc, const void *data, uint64_t n);

#endif
