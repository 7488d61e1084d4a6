/* SPDX-License-Identifier: BSD-2-Clause */
/* What veneer.efi asks the firmware for.  Errors are said on the firmware's console by say(); callers then give up. */
#ifndef EFI_FIRMWARE_H
#define EFI_FIRMWARE_H

#include <efi.h>
#include <veneer/types.h>

extern EFI_HANDLE this_image;
extern EFI_SYSTEM_TABLE *systab;
extern EFI_BOOT_SERVICES *bs;

/* Print texts, one after the other, up to NULL; "\n" ends a line. */
void say(const char *text, ...) __attribute__((sentinel));
void say_number(uint64_t n);

/* Say a status that is an error: its name where that helps, else its number. */
void say_status(EFI_STATUS status);

/* A table of the firmware's, or NULL. */
const void *find_table(const EFI_GUID *guid);

/* @size bytes of loader memory below 4 GiB, in whole pages of type @type; NULL after a message. */
void *take_memory(EFI_MEMORY_TYPE type, uint64_t size, const char *what);

/*
 * Let the whole pages [@at, @at + @size) be written to and executed until boot services end: some firmware takes that from all
 * memory that it allocates, and has a protocol to ask for it (UEFI 2.10, "Memory Attribute Protocol").  If the protocol fails,
 * that is said.
 */
void open_pages(uint64_t at, uint64_t size);

/*
 * Open the directory that this program was loaded from.  False after a message.  Later calls of read_file() look there; names
 * that begin with a slash are looked for from the root of that file system.
 */
bool open_own_directory(const EFI_LOADED_IMAGE *self);

struct file {
	uint8_t *data;			/* loader memory below 4 GiB, size + 1 bytes at least */
	uint64_t size;
};

/*
 * From now on read_file() reads what was signed together with this program, if there is any: true then.  If there is a file
 * veneer.conf or config.dtb in the directory, too, read_file() of the name fails unless both are the same, so that nobody
 * changes that file and waits for an effect.
 */
bool use_signed_files(const EFI_LOADED_IMAGE *self);

/* Read a whole file of at most @max bytes.  False after a message. */
bool read_file(const char *name, uint64_t max, struct file *f);

#endif
