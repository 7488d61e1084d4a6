# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests of guests that start from the BIOS, beside guest.bash: make and start disks with a boot loader of their own.

# boot_image FILE SCRIPT [CMDLINE]: a disk of 256 MiB whose own GRUB starts the Linux guest that runs SCRIPT (guest.bash).
boot_image() {
	"$ROOT/installer/veneer-install" image "$1" --native --kernel "$LINUX/vmlinuz" --module "$LINUX/initrd.gz" --size 256M \
		--menu-timeout 0 --cmdline "$LINUX_ARGS veneer.run=$2${3:+ $3}" >/dev/null || return 1
	# Do not use the label that marks Veneer's own disk.
	sfdisk -q --no-reread --no-tell-kernel --part-label "$1" 2 guest
}

# disk_boot SERIAL ARGS...: start the boot sector of that disk behind Veneer.
disk_boot() {
	local serial=$1
	shift
	guest_start --no-reboot --boot-disk "$serial" "$@"
}

# boot_image_kept IMAGE BEFORE SERIAL: check that the Linux guest that started from IMAGE read the host's data (the copy
# BEFORE), and that IMAGE has changed only in the 8 MiB that the guest reported as written, and holds these.
boot_image_kept() {
	local at sum
	said "vd[a-z]: $3 524288 sectors, first $(head -c 16M "$2" | sha256sum | cut -d ' ' -f 1)" || return 1
	read -r at sum <<<"$(reported "pattern $3")"
	[ "$(dd if="$1" bs=1M skip="$at" count=8 status=none | sha256sum | cut -d ' ' -f 1)" = "$sum" ] ||
		{ echo "$1 does not hold what was written"; return 1; }
	dd if="$2" of="$1" bs=1M skip="$at" seek="$at" count=8 conv=notrunc status=none
	cmp "$1" "$2"
}

# ipxe_script NUMBER TOKEN: make a script of 100 KiB for iPXE's card NUMBER.  The token's bytes are spread over the script, and
# return together as a file name: a lost or damaged part would change the name.  Then the script starts the next card.
ipxe_script() {
	local i next=$(($1 + 1))
	echo '#!ipxe'
	for ((i = 0; i < ${#2}; i += 2)); do
		head -c 2400 /dev/urandom | base64 -w 100 | sed 's/^/#/'
		echo "set token$1 \${token$1}${2:i:2}"
	done
	echo "imgfetch tftp://10.0.2.2/got-\${net$1/mac:hexhyp}-\${net$1/ip}-\${token$1} ||"
	echo "ifclose net$1 ||"
	[ ! -e tftp/script-$next.ipxe ] || echo "dhcp net$next && chain tftp://10.0.2.2/script-$next.ipxe"
}

# ipxe_start CARDS ARGS...: start Debian's ipxe.lkrn, which begins in real mode, on a machine with CARDS cards.  Each card gets
# an address, and a script from the TFTP server.  The cards' frames are captured in net.0, net.1 ...
ipxe_start() {
	local number cards=$1 capture=()
	shift
	"$LIB/ipxe" "$BUILD/ipxe" || return 1
	mkdir -p tftp
	IPXE_TOKENS=()
	for ((number = cards - 1; number >= 0; number--)); do
		IPXE_TOKENS[number]=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
		ipxe_script $number "${IPXE_TOKENS[number]}" >tftp/script-$number.ipxe
		capture+=(-object "filter-dump,id=capture$number,netdev=net$number,file=net.$number")
	done
	guest_start --no-reboot --kernel "$BUILD/ipxe/ipxe.lkrn" --cmdline "dhcp net0 && chain tftp://10.0.2.2/script-0.ipxe" \
		--tftp tftp "$@" -- "${capture[@]}"
}

# ipxe_fetched NUMBER SECONDS: wait until the card's token has returned, with the card's MAC and IP address.
ipxe_fetched() {
	wait_captured "$(printf 'got-52-54-00-12-34-%02x-10.0.2.15-%s' $((0x56 + $1)) "${IPXE_TOKENS[$1]}")" net.$1 "$2"
}

# wait_captured TEXT FILE SECONDS: wait until the capture FILE has a frame with TEXT.
wait_captured() {
	local end=$((SECONDS + $3))
	until grep -qaF -- "$1" "$2" 2>/dev/null; do
		if [ $SECONDS -ge $end ] || ! kill -0 "$GUEST_PID" 2>/dev/null; then
			echo "no frame with $1"
			return 1
		fi
		sleep 0.5
	done
}
