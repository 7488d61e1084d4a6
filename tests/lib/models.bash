# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests of devices that no emulator has: register models of tests/models, each a process behind QEMU 11.

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	"$LIB/qemu11" "$BUILD/qemu11" || return 1
}

teardown() { guest_teardown; }

# lawful N: the N models report no broken rule and no DMA to a wrong address.
lawful() {
	[ "$(grep -c '^model: ends, 0 rules broken, 0 DMA refused$' qemu.log)" = "$1" ] && return 0
	grep '^model: ' qemu.log
	return 1
}

# transfer MIB: make a file of MIB MiB, and set transfer to the options with which the guest fetches it.
transfer() {
	http_start
	random_file "$HTTP_DIR/down" "$1"
	# shellcheck disable=SC2034 # for the tests
	transfer="veneer.url=$HTTP_URL veneer.mib=$1"
}

# cards KIND OPTIONS CHIP...: set nics to a --nic KIND for each CHIP.
cards() {
	local chip kind=$1 options=$2
	nics=()
	for chip in "${@:3}"; do
		nics+=(--nic "$kind,chip=$chip$options")
	done
}

# The next two are for one card whose model reads the FIFO "nic", after linux_start.

# pull_cable: the guest's script "link" sees the cable pulled and put back, and ends.
pull_cable() {
	guest_wait_for 'GUEST: the carrier is there' 300
	echo link=0 >nic
	guest_wait_for 'GUEST: the carrier is lost' 30
	echo link=1 >nic
	guest_end
}

# break_card FAULT...: cause the faults during the guest's download, one a second.
break_card() {
	local fault
	guest_wait_for 'GUEST: download 0' 300
	for fault; do
		sleep 1
		echo "$fault" >nic
	done
}

# fault NAME FILE LINE...: the guest's script "faulty" waits for the fault NAME; write the lines to the FIFO "control" of a disk
# controller, half a second apart, and tell the guest by FILE, its last disk.
fault() {
	local name=$1 file=$2 line
	guest_wait_for "^GUEST: waiting for $name" 900
	for line in "${@:3}"; do
		echo "$line" >control
		sleep 0.5
	done
	printf '%s is there\n' "$name" | dd of="$file" bs=4096 seek=4096 conv=notrunc status=none
}

# warm_reboot NIC: Linux resets the machine.  Before and after, it gets an address and the same file through this --nic.
warm_reboot() {
	transfer 4
	guest_start --kernel "$LINUX/vmlinuz" --initrd "$LINUX/initrd.gz" --config "$WRITABLE" --smp 2 --nic "$1" \
		--cmdline "$LINUX_ARGS veneer.run=reboot${NATIVE:+ veneer.native=1} veneer.cpus=2 $transfer" \
		--disk ahci:disk,size=64M
	guest_end
	[ "$(reported 'download first')" = "$(sha_of "$HTTP_DIR/down")" ]
	[ "$(reported 'download second')" = "$(sha_of "$HTTP_DIR/down")" ]
	lawful 1
}

# ipxe_fetches FOLDER NIC SECONDS: iPXE's ISO of that folder (tests/lib/ipxe), booted by the firmware, gets an address and a
# script, and what the script requests, through this --nic.
ipxe_fetches() {
	local status=0
	mkdir -p tftp
	printf '#!ipxe\nimgfetch tftp://10.0.2.2/the-script-runs\n' >tftp/script.ipxe
	rm -f net.0
	NATIVE='' guest_start --image "$1/ipxe.iso" --snapshot --nic "$2" --net "user,tftp=$PWD/tftp,bootfile=script.ipxe" -- \
		-object filter-dump,id=capture0,netdev=net0,file=net.0
	wait_captured the-script-runs net.0 "$3" || status=1
	guest_stop
	return $status
}

# hidden_card ID: the guest has no disk, one card, and behind Veneer a virtio device in the place of ID.
hidden_card() {
	local way
	said "disks: 0 cards: 1"
	[ -n "${NATIVE:-}" ] || for way in intel-conf1 linux-sysfs; do
		said "$way: 00:03.0 1af4:1000"
		not_said "$way: .* $1"
	done
}

# hobby_fetches NIC LINE: the hobby OS fetches a file through this --nic, pings, and the log has the line.
hobby_fetches() {
	veneer_only
	mkdir tftp
	random_file tftp/file 1
	guest_run --kernel "$BUILD/hobby-os.elf" --tftp tftp --nic "$1" \
		--cmdline 'net=dhcp run="tftp 10.0.2.2 file; ping 10.0.2.2 3; exit 0"'
	grep -aE "tftp: file 1048576 bytes .* sha256 $(sha_of tftp/file)" "$(serial)"
	grep -a "ping: 10.0.2.2 answers, seq 3" "$(serial)"
	grep -a "$2" "$(serial)"
	lawful 1
}
