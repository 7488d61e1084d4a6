/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages, memory and files by the firmware's boot services (UEFI 2.9, sections 7.2, 12.4, 13.4 and 13.5). */
#include <stdarg.h>
#include <veneer/string.h>
#include "efi/firmware.h"
#include "efi/parts.h"

#define MAX_PATH	512u

/* The files that were signed together with this program, or NULL. */
static const uint8_t *archive;
static uint32_t archive_length;

/* Newer than gnu-efi's headers. */
#define MEMORY_RO	0x20000ull

struct memory_attributes {
	void *get, *set;
	EFI_STATUS EFIAPI (*clear)(struct memory_attributes *self, EFI_PHYSICAL_ADDRESS at, UINT64 size, UINT64 attributes);
};

static EFI_GUID loaded_from_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
static EFI_GUID file_info_guid = EFI_FILE_INFO_ID;
static EFI_FILE *root;
static uint16_t own_dir[MAX_PATH];

static void say_text(const char *text)
{
	CHAR16 out[64];
	unsigned n = 0;

	for (; *text; text++) {
		if (*text == '\n')
			out[n++] = '\r';
		out[n++] = (CHAR16)(uint8_t)*text;
		if (n < ARRAY_SIZE(out) - 3 && text[1])
			continue;
		out[n] = 0;
		systab->ConOut->OutputString(systab->ConOut, out);
		n = 0;
	}
}

void say(const char *text, ...)
{
	va_list args;

	va_start(args, text);
	for (; text; text = va_arg(args, const char *))
		say_text(text);
	va_end(args);
}

void say_number(uint64_t n)
{
	char digits[21];
	unsigned at = sizeof(digits) - 1;

	digits[at] = 0;
	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	say_text(digits + at);
}

void say_status(EFI_STATUS status)
{
	say("status ", NULL);
	say_number(status & ~(1ull << 63));
	switch (status) {
	case EFI_NOT_FOUND:
		say(" (not found)\n", NULL);
		break;
	case EFI_OUT_OF_RESOURCES:
		say(" (out of memory)\n", NULL);
		break;
	case EFI_DEVICE_ERROR:
		say(" (device error)\n", NULL);
		break;
	default:
		say("\n", NULL);
	}
}

void *take_memory(EFI_MEMORY_TYPE type, uint64_t size, const char *what)
{
	EFI_PHYSICAL_ADDRESS at = 0xffffffff;
	EFI_STATUS status = bs->AllocatePages(AllocateMaxAddress, type, EFI_SIZE_TO_PAGES(size), &at);

	if (!EFI_ERROR(status))
		return (void *)(uintptr_t)at;
	say("veneer.efi: no memory for ", what, ": ", NULL);
	say_number(size);
	say(" bytes below 4 GiB: ", NULL);
	say_status(status);
	return NULL;
}

void open_pages(uint64_t at, uint64_t size)
{
	static EFI_GUID guid = { 0xf4560cf6, 0x40ec, 0x4b4a, { 0xa1, 0x92, 0xbf, 0x1d, 0x57, 0xd0, 0xb1, 0x89 } };
	struct memory_attributes *p;
	EFI_STATUS status;

	if (EFI_ERROR(bs->LocateProtocol(&guid, NULL, (void **)&p)))
		return;
	status = p->clear(p, at, size, EFI_MEMORY_XP | MEMORY_RO);
	if (EFI_ERROR(status)) {
		say("veneer.efi: the firmware does not let memory be executed: ", NULL);
		say_status(status);
	}
}

static bool append(size_t *used, uint16_t c)
{
	if (*used + 1 >= ARRAY_SIZE(own_dir))
		return false;
	own_dir[(*used)++] = c == '/' ? '\\' : c;
	return true;
}

/* The text of one node; GRUB puts the directory and the name into two, with no backslash between them. */
static bool append_node(size_t *used, const uint8_t *text, size_t size)
{
	bool ok = !*used || own_dir[*used - 1] == '\\' || text[0] == '\\' || append(used, '\\');

	for (size_t i = 0; ok && i + 1 < size && (text[i] | text[i + 1]); i += 2)
		ok = append(used, (uint16_t)(text[i] | text[i + 1] << 8));
	return ok;
}

/* The directory of a file path, which is in one or more nodes (UEFI 2.9, section 10.3.5.4).  False if it is too long. */
static bool directory_of(const EFI_DEVICE_PATH *path)
{
	size_t used = 0, size;

	for (; path && path->Type != END_DEVICE_PATH_TYPE; path = (const void *)((const uint8_t *)path + size)) {
		size = path->Length[0] | (size_t)path->Length[1] << 8;
		if (size < sizeof(*path) + 2)
			break;
		if (path->Type == MEDIA_DEVICE_PATH && path->SubType == MEDIA_FILEPATH_DP &&
		    !append_node(&used, (const uint8_t *)(path + 1), size - sizeof(*path)))
			return false;
	}
	while (used && own_dir[used - 1] != '\\')
		used--;
	own_dir[used] = 0;
	return true;
}

static EFI_STATUS open_volume(EFI_HANDLE disk)
{
	EFI_FILE_IO_INTERFACE *fs;
	EFI_STATUS status = bs->HandleProtocol(disk, &loaded_from_guid, (void **)&fs);

	return EFI_ERROR(status) ? status : fs->OpenVolume(fs, &root);
}

bool open_own_directory(const EFI_LOADED_IMAGE *self)
{
	EFI_STATUS status;

	status = open_volume(self->DeviceHandle);
	if (EFI_ERROR(status)) {
		/* A fast start of the firmware's may have read the file by other means. */
		bs->ConnectController(self->DeviceHandle, NULL, NULL, TRUE);
		status = open_volume(self->DeviceHandle);
	}
	if (EFI_ERROR(status)) {
		say("veneer.efi: the disk that this program was loaded from has no file system: ", NULL);
		say_status(status);
		return false;
	}
	if (!directory_of(self->FilePath)) {
		say("veneer.efi: the path of this program is longer than 510 characters\n", NULL);
		return false;
	}
	return true;
}

/* *@directory, which may be NULL: it is no file. */
static EFI_STATUS size_of(EFI_FILE *file, uint64_t *size, bool *directory)
{
	static union {
		EFI_FILE_INFO info;
		uint8_t room[sizeof(EFI_FILE_INFO) + 2 * MAX_PATH];
	} u;
	UINTN room = sizeof(u);
	EFI_STATUS status = file->GetInfo(file, &file_info_guid, &room, &u);

	*size = u.info.FileSize;
	if (directory)
		*directory = !EFI_ERROR(status) && u.info.Attribute & EFI_FILE_DIRECTORY;
	return status;
}

/* Some firmware cannot read much at once. */
static EFI_STATUS read_all(EFI_FILE *file, struct file *f)
{
	for (uint64_t done = 0; done < f->size;) {
		UINTN piece = MIN(f->size - done, 1ull << 20);
		EFI_STATUS status = file->Read(file, &piece, f->data + done);

		if (EFI_ERROR(status))
			return status;
		if (!piece)
			return EFI_END_OF_FILE;
		done += piece;
	}
	return EFI_SUCCESS;
}

static bool failed(const char *name, const char *what, EFI_STATUS status)
{
	say("veneer.efi: ", name, ": ", what, ": ", NULL);
	say_status(status);
	return false;
}

static bool read_open_file(EFI_FILE *file, const char *name, uint64_t max, struct file *f)
{
	EFI_STATUS status = size_of(file, &f->size, NULL);

	if (EFI_ERROR(status))
		return failed(name, "its size is not known", status);
	if (f->size > max) {
		say("veneer.efi: ", name, ": larger than ", NULL);
		say_number(max);
		say(" bytes\n", NULL);
		return false;
	}
	f->data = take_memory(EfiLoaderData, f->size + 1, name);
	if (!f->data)
		return false;
	status = read_all(file, f);
	return EFI_ERROR(status) ? failed(name, "cannot be read", status) : true;
}

/* Close the file after use. */
static EFI_STATUS open_file(const char *name, EFI_FILE **file)
{
	static const uint16_t top[] = { 0 };
	uint16_t path[MAX_PATH];

	if (!conf_path(*name == '/' || *name == '\\' ? top : own_dir, name, path, ARRAY_SIZE(path)))
		return EFI_BAD_BUFFER_SIZE;
	return root->Open(root, file, path, EFI_FILE_MODE_READ, 0);
}

bool use_signed_files(const EFI_LOADED_IMAGE *self)
{
	archive = archive_section(self->ImageBase, self->ImageSize, &archive_length);
	return archive;
}

/* What a user would change, and then wait for an effect: the names are veneer-install's.  Other neighbours are no matter. */
static bool is_setting(const char *name)
{
	return !strcmp(name, "veneer.conf") || !strcmp(name, "config.dtb");
}

/* False after a message if there is a file @name that is not the same as @f. */
static bool same_beside(const char *name, const struct file *f)
{
	uint64_t size, done = 0;
	bool same, directory;
	EFI_FILE *file;

	if (!root || EFI_ERROR(open_file(name, &file)))
		return true;
	same = !EFI_ERROR(size_of(file, &size, &directory)) && (directory || size == f->size);
	if (directory)
		size = 0;
	while (same && done < size) {
		static uint8_t piece[16384];
		UINTN n = MIN(size - done, sizeof(piece));

		same = !EFI_ERROR(file->Read(file, &n, piece)) && n && !memcmp(piece, f->data + done, n);
		done += n;
	}
	file->Close(file);
	if (!same)
		say("veneer.efi: ", name, ": differs from the file in veneer.efi: remove it or sign again (veneer-install)\n",
		    NULL);
	return same;
}

static bool read_signed_file(const char *name, uint64_t max, struct file *f)
{
	const uint8_t *data = archive_find(archive, archive_length, name, &f->size);

	if (!data || f->size > max) {
		say("veneer.efi: ", name, data ? ": too large\n" : ": was not signed together with this program\n", NULL);
		return false;
	}
	f->data = take_memory(EfiLoaderData, f->size + 1, name);
	if (!f->data)
		return false;
	memcpy(f->data, data, f->size);
	return !is_setting(name) || same_beside(name, f);
}

bool read_file(const char *name, uint64_t max, struct file *f)
{
	EFI_STATUS status;
	EFI_FILE *file;
	bool ok;

	if (archive)
		return read_signed_file(name, max, f);
	status = open_file(name, &file);
	if (status == EFI_BAD_BUFFER_SIZE) {
		say("veneer.efi: ", name, ": its path is longer than 511 characters\n", NULL);
		return false;
	}
	if (EFI_ERROR(status))
		return failed(name, "cannot be opened", status);
	ok = read_open_file(file, name, max, f);
	file->Close(file);
	return ok;
}
