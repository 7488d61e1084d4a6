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

# ipxe_start TRANSPORT ARGS...: Debian's ipxe.lkrn, which begins in real mode, gets an address and runs a script from the TFTP
# server; the script fetches a file named by the card's MAC address.
ipxe_start() {
	"$LIB/ipxe" "$BUILD/ipxe" || return 1
	mkdir -p tftp
	cat >tftp/script.ipxe <<-'END'
		#!ipxe
		imgfetch tftp://10.0.2.2/proof-${net0/mac:hexhyp}-${net0/ip}
		imgfetch tftp://10.0.2.2/all-${net0/mac:hexhyp}
	END
	head -c 100000 /dev/zero >tftp/proof-52-54-00-12-34-56-10.0.2.15
	guest_start --no-reboot --kernel "$BUILD/ipxe/ipxe.lkrn" --cmdline "dhcp && chain tftp://10.0.2.2/script.ipxe" \
		--tftp tftp --capture net.pcap "$@"
}

# wait_captured TEXT SECONDS: until a frame with that text was seen on the first card's network.
wait_captured() {
	local end=$((SECONDS + $2))
	until grep -qaF -- "$1" net.pcap 2>/dev/null; do
		if [ $SECONDS -ge $end ] || ! kill -0 "$GUEST_PID" 2>/dev/null; then
			echo "no frame with $1"
			return 1
		fi
		sleep 0.5
	done
}
