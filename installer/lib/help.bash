# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: the texts of --help.  The manual page is veneer-install.8.

usage() { # usage [COMMAND]
	case ${1:-} in
	'') usage_all ;;
	image) usage_image ;;
	disk) usage_disk ;;
	efi) usage_efi ;;
	system) usage_system ;;
	upgrade) usage_upgrade ;;
	config) echo "Usage: veneer-install config D OUT     compile the configuration D (.dts or .dtb) to OUT" ;;
	*) usage_other "$1" ;;
	esac
	[ -z "${1:-}" ] || usage_common
}

usage_all() {
	cat <<'END'
Usage: veneer-install COMMAND [TARGET] [OPTION]...     veneer-install COMMAND --help lists the options of COMMAND

  image FILE --kernel K     make a disk image that starts Veneer by BIOS and by UEFI (needs no root)
  disk DEVICE --kernel K    write the same to a whole disk or USB stick: ALL ITS DATA IS LOST
  efi FILE --kernel K       make one file that UEFI starts: Veneer and the guest K in veneer.efi, signed if you like
  system --kernel K         add Veneer and the guest K to the boot menu of this Linux, or of the one in --root DIR

  upgrade [TARGET]          add a new version, which starts from now on; the old version stays in the menu
  rollback [TARGET]         make the previous version start again
  uninstall [TARGET]        remove everything; a system is then as it was before
  verify [TARGET]           check that the installed files have not changed
  list [TARGET]             list the versions and their guests

  config D OUT              compile Veneer's configuration D (.dts or .dtb) to OUT; "veneer-config check" checks D

TARGET is an image file or a disk; without TARGET the commands work on the system in --root (default /).

Exit codes:
  0  success
  1  failure
  2  wrong use, or an unusable file
  3  refused to protect data: the disk is in use or was not confirmed, this program did not make the file, Secure Boot is on
  4  a necessary program is missing (the message names the package)
  5  the installed files have changed (verify; upgrade and rollback without --force)
  6  another run of this program works on the same target
  130, 143  interrupted.  Either the old or the new version starts, wherever the interruption came.
END
}

usage_guest() {
	cat <<'END'
  --kernel K           the guest's kernel: Multiboot 1, Multiboot 2, Limine, Linux (bzImage) or PVH (ELF); not needed if the
                       configuration has veneer,boot = "disk"
  --limine FILE        instead of --kernel: take kernel, modules with their strings, and command line from a limine.conf (its
                       default entry, or the first that starts a kernel); boot() is the folder of FILE or a folder above
  --module "M [ARGS]"  a further file for the guest, such as an initial RAM disk, and its command line (without ARGS: M's
                       name); may be repeated
  --cmdline C          the kernel's command line
  --config D           Veneer's configuration, source (.dts) or compiled (.dtb); without a configuration Veneer conceals every
                       device that it can drive, and disks are read-only (configs/default.dts)
  --screen S           the screen mode at the guest's start: text (BIOS only), a mode (1024x768, 1024x768x32), keep (the
                       framebuffer that GRUB chooses) or auto, the default: as the kernel's header requests, else text
  --no-check           accept a configuration that Veneer will refuse
  --veneer ELF         the hypervisor (default: build/veneer.elf beside this script's directory); veneer.efi, which starts a
                       disk's own loader on UEFI, is taken from the same directory
  --name N             the guest's name in the menu and in lists (default: the kernel's file name, changed if a FAT
                       file system cannot store it: dots at the end, names of devices)
END
}

usage_common() {
	cat <<'END'
  --dry-run            do everything except writing
  --verbose, --quiet   print more, print less
  --log FILE           append a log to FILE (default, as root: /var/log/veneer-install.log; none for images)
  --progress           print lines "progress PERCENT WHAT" on standard output
  --help               print this text
END
}

usage_media() {
	cat <<'END'
  --menu-timeout S     seconds that GRUB shows its menu, default 3; 0 boots at once
  --native             install the kernel without Veneer, for comparison: GRUB starts the kernel itself
  --slot-size N        size of each of the two slots (M or G may follow)
  --data N             size of the partition for the guest
  --state N            make a partition of this size for snapshots, and an entry "resume" in the menu; the configuration needs
                       veneer,state = "on" (docs/snapshots.md)
END
}

usage_image() {
	cat <<'END'
Usage: veneer-install image FILE --kernel K [OPTION]...

Makes a disk image that starts Veneer by GRUB, on BIOS and on UEFI; Veneer starts the kernel K.  Needs no root.

END
	usage_guest
	usage_media
	cat <<'END'
  --size N             size of the image, default as small as possible; the guest's partition takes the rest
  --force              overwrite FILE even if this program did not make it (an earlier image is overwritten without --force)
END
}

usage_disk() {
	cat <<'END'
Usage: veneer-install disk DEVICE --kernel K [OPTION]...

Writes Veneer and the kernel K to a whole disk or USB stick, for BIOS and UEFI, and reads the disk back.  ALL ITS DATA IS LOST.

END
	usage_guest
	usage_media
	cat <<'END'
  --yes                do not ask before overwriting DEVICE
  --i-know             allow the disk that this system runs from
  --nvram, --no-nvram  add, or do not add, an entry to this machine's UEFI boot list.  Default: add it for fixed disks
  --default            put that entry first, not last
END
}

usage_sign() {
	cat <<'END'
  --sign KEY, --cert CERT
                       sign with this key for Secure Boot; both are PEM files (docs/installing.md says how to make and enrol
                       them)
END
}

usage_efi() {
	cat <<'END'
Usage: veneer-install efi FILE --kernel K [OPTION]...

Makes one file for UEFI, with Veneer, its configuration and the guest in it, for \EFI\BOOT\BOOTX64.EFI of a FAT file system or
any other place from which firmware starts programs.  Needs no root, writes no disk, and has no previous version.

END
	usage_guest
	usage_sign
	cat <<'END'
  --force              overwrite FILE even if this program did not make it
END
}

usage_system() {
	cat <<'END'
Usage: veneer-install system --kernel K [OPTION]...
       veneer-install system --remove NAME

Adds Veneer with the guest K to the boot menu (GRUB) of a Linux distribution.  Each run with another kernel adds one more entry.
The default entry stays the same.

END
	usage_guest
	usage_sign
	cat <<'END'
  --root DIR           the system in DIR instead of this one
  --remove NAME        remove a guest
  --default            make the guest's entry the default
  --no-nvram           add no entry to this machine's UEFI boot list (a guest that is signed or is a disk's own loader gets
                       one, at the end)
  --force              install although Secure Boot is on, the menu was written by hand, or there is no ESP, from which UEFI
                       starts a disk's own loader
END
}

usage_upgrade() {
	cat <<'END'
Usage: veneer-install upgrade [TARGET] [OPTION]...

Adds a new version; one sector, written last, selects the version that starts.  The new version has a new hypervisor, and keeps
everything else that no option changes.

END
	usage_guest
	usage_sign
	cat <<'END'
  --root DIR           the system in DIR instead of this one; without TARGET only
  --no-nvram           add no entry to this machine's UEFI boot list; without TARGET only
  --menu-timeout S     seconds that GRUB shows its menu; with TARGET only
  --i-know             allow the disk that this system runs from
  --force              upgrade a version whose files have changed, or although Secure Boot is on; leave unsigned what was signed
END
}

usage_other() {
	case $1 in
	rollback) echo "Usage: veneer-install rollback [TARGET]     make the previous version start again" ;;
	uninstall) echo "Usage: veneer-install uninstall [DISK]      remove all; a system is then as before, a disk empty" ;;
	verify) echo "Usage: veneer-install verify [TARGET]       check that the installed files have not changed" ;;
	list) echo "Usage: veneer-install list [TARGET]         list the versions and their guests" ;;
	esac
	echo
	echo "  --root DIR           the system in DIR instead of this one; without TARGET only"
	[ "$1" = verify ] || [ "$1" = list ] || echo "  --i-know             allow the disk that this system runs from"
	[ "$1" != rollback ] || echo "  --force              roll back to a version whose files have changed"
	[ "$1" != uninstall ] || echo "  --yes                do not ask"
	[ "$1" != uninstall ] || printf '\n%s\n%s\n' \
		"Without --root uninstall also removes the copies of boot entries that a guest has" \
		"in this machine's UEFI variables."
}
