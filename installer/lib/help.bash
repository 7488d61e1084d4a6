# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install: what --help says.  The manual page is veneer-install.8.

usage() { # usage [COMMAND]
	case ${1:-} in
	'') usage_all ;;
	image) usage_image ;;
	disk) usage_disk ;;
	system) usage_system ;;
	upgrade) usage_upgrade ;;
	config) echo "Usage: veneer-install config D OUT     compile the configuration D (.dts or .dtb) to OUT" ;;
	*) usage_other "$1" ;;
	esac
	[ -z "${1:-}" ] || usage_common
}

usage_all() {
	cat <<'END'
Usage: veneer-install COMMAND [TARGET] [OPTION]...     veneer-install COMMAND --help has the options of each

  image FILE --kernel K     make a disk image that starts Veneer by BIOS and by UEFI (needs no root)
  disk DEVICE --kernel K    write the same to a whole disk or USB stick: ALL ITS DATA IS LOST
  system --kernel K         add Veneer and the guest K to the boot menu of this Linux, or of the one in --root DIR

  upgrade [TARGET]          put a new version beside the present one, and let it start; the old one stays in the menu
  rollback [TARGET]         let the previous version start again
  uninstall [TARGET]        remove it all; a system is then as it was before
  verify [TARGET]           compare what is installed with what was installed
  list [TARGET]             the versions, and the guests of each

  config D OUT              compile Veneer's configuration D (.dts or .dtb) to OUT; "veneer-config check" checks it

TARGET is an image file or a disk; without it the commands are about the system in --root (default /).

Exit codes:
  0  done
  1  something failed
  2  wrong use, or a file that cannot be used
  3  refused for the sake of data: the disk is in use or was not confirmed, a file is not of this program, Secure Boot is on
  4  a program that is needed is missing (the message names the package)
  5  what is installed is not as it was installed (verify; upgrade and rollback without --force)
  6  another installation is at work on the same target
  130, 143  interrupted.  At whatever point: what starts is the old version or the new one.
END
}

usage_guest() {
	cat <<'END'
  --kernel K           the guest's kernel: Multiboot 1, Multiboot 2, Limine, Linux (bzImage) or PVH (ELF); none is needed
                       where the configuration says veneer,boot = "disk"
  --limine FILE        instead of --kernel: take kernel, modules with their strings, and command line from a limine.conf (the
                       default entry, or the first that starts a kernel); boot() is the folder of FILE or one above
  --module "M [ARGS]"  a further file for the guest, such as an initial RAM disk, and its command line (without ARGS: M's
                       name); may be repeated
  --cmdline C          the kernel's command line
  --config D           Veneer's configuration, source (.dts) or compiled (.dtb); without it every device that Veneer can
                       drive is concealed, and disks are read-only (configs/default.dts)
  --screen S           what the guest finds on a BIOS, and asks for by UEFI: text, a mode (1024x768, 1024x768x32), keep (the
                       framebuffer that GRUB chooses) or auto, the default: what its header asks for, else text
  --no-check           take a configuration that Veneer will refuse
  --veneer ELF         the hypervisor (default: build/veneer.elf beside this script's directory)
  --name N             what the guest is called in the menu and by list (default: the kernel's file name,
                       without what a FAT file system would change: dots at the end, names of devices)
END
}

usage_common() {
	cat <<'END'
  --dry-run            do everything but write
  --verbose, --quiet   say more, say less
  --log FILE           append to FILE what is done (default, as root: /var/log/veneer-install.log; none for images)
  --progress           lines "progress PERCENT WHAT" on standard output
  --help               this text
END
}

usage_media() {
	cat <<'END'
  --menu-timeout S     seconds that GRUB shows its menu, default 3; 0 boots at once
  --native             leave Veneer out: GRUB starts the kernel itself, for comparison
  --slot-size N        room for each of the two versions (M or G may follow)
  --data N             size of the partition that is left to the guest
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
  --size N             size of the image, default as small as possible; what the rest does not need is the data partition
  --force              overwrite FILE even if it is not an earlier image of this program (which is overwritten, data and all)
END
}

usage_disk() {
	cat <<'END'
Usage: veneer-install disk DEVICE --kernel K [OPTION]...

Writes Veneer and the kernel K to a whole disk or USB stick, for BIOS and UEFI, and reads it back.  ALL ITS DATA IS LOST.

END
	usage_guest
	usage_media
	cat <<'END'
  --yes                do not ask before overwriting DEVICE
  --i-know             also the disk that this system runs from
  --nvram, --no-nvram  make an entry in this machine's UEFI boot list, or not.  Default: for disks that cannot be removed
  --default            put that entry first (else it is the last)
END
}

usage_system() {
	cat <<'END'
Usage: veneer-install system --kernel K [OPTION]...
       veneer-install system --remove NAME

Adds Veneer with the guest K to the boot menu (GRUB) of a Linux distribution.  Again with another kernel: one more entry.
The default entry stays what it is.

END
	usage_guest
	cat <<'END'
  --root DIR           the system in DIR instead of this one
  --remove NAME        remove a guest
  --default            make the guest's entry the default
  --force              although Secure Boot is on, or the menu was written by hand
END
}

usage_upgrade() {
	cat <<'END'
Usage: veneer-install upgrade [TARGET] [OPTION]...

Puts a new version beside the present one; one sector, written last, makes it the one that starts.  What no option changes is
taken over from the present version, but for the hypervisor, which is always the new one.

END
	usage_guest
	cat <<'END'
  --root DIR           the system in DIR instead of this one; without TARGET only
  --menu-timeout S     seconds that GRUB shows its menu; with TARGET only
  --i-know             also on the disk that this system runs from
  --force              also from a version whose files are not as they were installed, or although Secure Boot is on
END
}

usage_other() {
	case $1 in
	rollback) echo "Usage: veneer-install rollback [TARGET]     let the previous version start again" ;;
	uninstall) echo "Usage: veneer-install uninstall [DISK]      remove it; a system is as it was, a disk empty" ;;
	verify) echo "Usage: veneer-install verify [TARGET]       compare what is installed with what was installed" ;;
	list) echo "Usage: veneer-install list [TARGET]         the versions, and the guests of each" ;;
	esac
	echo
	echo "  --root DIR           the system in DIR instead of this one; without TARGET only"
	[ "$1" = verify ] || [ "$1" = list ] || echo "  --i-know             also on the disk that this system runs from"
	[ "$1" != rollback ] || echo "  --force              also to a version whose files are not as they were installed"
	[ "$1" != uninstall ] || echo "  --yes                do not ask"
}
