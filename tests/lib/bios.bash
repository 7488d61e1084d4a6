# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests of guests that begin on the BIOS, beside guest.bash: disks with a boot loader of their own, and their start.

# boot_image FILE SCRIPT [CMDLINE]: a disk of 256 MiB whose own GRUB starts the Linux guest that runs SCRIPT (guest.bash).
boot_image() {
	"$ROOT/installer/veneer-install" image "$1" --native --kernel "$LINUX/vmlinuz" --module "$LINUX/initrd.gz" --size 256M \
		--menu-timeout 0 --cmdline "console=ttyS0 panic=-1 loglevel=4 veneer.run=$2${3:+ $3}" >/dev/null || return 1
	# Not by the name that marks Veneer's own disk.
	sfdisk -q --no-reread --no-tell-kernel --part-label "$1" 2 guest
}

# disk_boot SERIAL ARGS...: start the boot sector of that disk behind Veneer.
disk_boot() {
	local serial=$1
	shift
	guest_start --no-reboot --boot-disk "$serial" "$@"
}
