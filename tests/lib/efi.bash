# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests of guests with a UEFI loader of their own, beside guest.bash and bios.bash.

# efi_image FILE LOADER [FILE=PATH...]: make a disk of 256 MiB with a GPT and one FAT partition, with LOADER as BOOTX64.EFI, and
# further files at their paths in it.
efi_image() {
	local image=$1 loader=$2 item dir fat=$1.fat
	shift 2
	truncate -s 256M "$image"
	truncate -s 240M "$fat"
	mkfs.vfat -F 32 -s 1 "$fat" >mkfs.log
	for item in "$loader=/EFI/BOOT/BOOTX64.EFI" "$@"; do
		dir=
		while [[ ${item#*=} = "$dir/"*/* ]]; do
			dir+=/$(cut -d / -f 1 <<<"${item#*="$dir/"}")
			mmd -D s -i "$fat" "::$dir" 2>>mkfs.log || true
		done
		mcopy -o -i "$fat" "${item%%=*}" "::${item#*=}" || return 1
	done
	sfdisk -q "$image" <<-END
		label: gpt
		start=2048, size=491520, type=C12A7328-F81F-11D2-BA4B-00C93EC93B40, name=guest
	END
	dd if="$fat" of="$image" bs=1M seek=1 conv=notrunc,sparse status=none
	rm "$fat"
}

# efi_disk_boot SERIAL ARGS...: the firmware goes on as guest and starts that disk's loader.
efi_disk_boot() {
	local serial=$1
	shift
	disk_boot "$serial" --firmware uefi --loader efi --config "$WRITABLE" "$@"
}
