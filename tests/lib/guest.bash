# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034 # variables for the tests
# For tests/vm/*.bats: start a guest, wait for its output, end it.  "load ../lib/guest" and call guest_teardown in teardown.
#
# Set NATIVE=1 in the environment to try a test without Veneer (the guest then drives the real controllers itself).

ROOT=$(realpath "${BATS_TEST_DIRNAME:-.}/../..")
BUILD=${BUILD:-build}
[[ $BUILD = /* ]] || BUILD=$ROOT/$BUILD
export BUILD
# The tests run on TCG, which is the same everywhere; ACCEL=kvm runs them on KVM.
export ACCEL=${ACCEL:-tcg}
LIB=$ROOT/tests/lib
LINUX=$BUILD/linux
# A kernel that panics resets the machine.  no_timer_check, which Linux itself sets on KVM: Linux's check that ticks come in
# time fails in an emulator on a busy machine; a timer that does not work stops Linux nevertheless.
LINUX_ARGS="console=ttyS0 panic=-1 loglevel=4 no_timer_check"
WRITABLE=$LIB/writable.dts
# For veneer-qemu: images that it makes in the current directory.
TWO_DISKS=(--disk "ahci:a.img,size=64M" --disk "nvme:b.img,size=64M")
GUEST_PID=
HTTP_PID=

# The file with the output of the guest's serial port in the current test.
serial() { echo "$BATS_TEST_TMPDIR/serial.log"; }

# guest_start ARGS...: start the emulator in the background, with its serial port in a file, and with QEMU a QMP socket.
# EMULATOR=veneer-bochs uses Bochs.
guest_start() {
	local emulator=${EMULATOR:-veneer-qemu} qmp=()
	GUEST_STATUS=
	: >"$(serial)"
	[ "$emulator" != veneer-qemu ] || qmp=(--qmp "$BATS_TEST_TMPDIR/qmp")
	"$ROOT/scripts/$emulator" --serial "$(serial)" "${qmp[@]}" --timeout "${GUEST_TIMEOUT:-600}" \
		${NATIVE:+--native} "$@" </dev/null >"$BATS_TEST_TMPDIR/qemu.log" 2>&1 3>&- &
	GUEST_PID=$!
}

# ovmf_start ARGS...: start QEMU itself with OVMF, whose variables are in vars.fd; end with "guest_end 1", for the exit code of
# the debug-exit port is twice the value, plus one
ovmf_start() {
	: >"$(serial)"
	timeout --foreground "${GUEST_TIMEOUT:-800}" qemu-system-x86_64 -machine q35,smm=off -accel tcg -cpu max \
		-m 1G -display none -vga std -nic none -no-reboot -serial "file:$(serial)" \
		-device isa-debug-exit,iobase=0xf4,iosize=1 \
		-drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd \
		-drive if=pflash,format=raw,file=vars.fd "$@" </dev/null >"$BATS_TEST_TMPDIR/qemu.log" 2>&1 3>&- &
	GUEST_PID=$!
}

# linux_start SCRIPT "CMDLINE" ARGS...: the Linux guest that runs tests/lib/linux-guest.d/SCRIPT.sh.
linux_start() {
	local script=$1 cmdline=${2:+ $2}
	shift 2
	# A kernel that panics resets the machine (panic=-1): the reset must end the run, not start the guest again.
	guest_start --no-reboot --kernel "$LINUX/vmlinuz" --initrd "$LINUX/initrd.gz" \
		--cmdline "$LINUX_ARGS veneer.run=$script${NATIVE:+ veneer.native=1}$cmdline" "$@"
}

# guest_wait_for REGEX SECONDS: wait for a line of the guest.  Fails at the deadline, or if the guest ends without the line.
# A deadline under five minutes is raised to that: no test is about speed, and machines of tests may be loaded.
guest_wait_for() {
	local end=$((SECONDS + ($2 < 300 ? 300 : $2))) alive=y
	while :; do
		grep -qaE -- "$1" "$(serial)" && return 0
		[ -n "$alive" ] || break
		[ $SECONDS -lt $end ] || break
		# Read once more after the end: the last lines may have come meanwhile.
		kill -0 "$GUEST_PID" 2>/dev/null || alive=
		sleep 0.2
	done
	echo "not seen${alive:+ within $2 s}: $1"
	return 1
}

# Fail if Veneer gave the guest an NMI that nobody had sent: some driver reported that its device did not interrupt.
no_stray_nmi() {
	[ -e "$(serial)" ] && grep -qa 'NMI received for unknown reason' "$(serial)" || return 0
	echo "the guest got an NMI for an unknown reason"
	return 1
}

# With IOMMU=intel or amd in the environment: fail if an IOMMU refused something.
dma_as_allowed() {
	[ -n "${IOMMU:-}" ] && [ -e "$(serial)" ] || return 0
	! grep -a 'iommu.*: DMA .* refused' "$(serial)"
}

# shellcheck disable=SC2120 # the tests give it
# guest_end [STATUS]: wait for the guest's own end and check its exit code (0 unless given).  veneer-qemu has the deadline.
guest_end() {
	GUEST_STATUS=0
	wait "$GUEST_PID" || GUEST_STATUS=$?
	GUEST_PID=
	no_stray_nmi && dma_as_allowed || return 1
	[ "$GUEST_STATUS" = "${1:-0}" ] && return 0
	echo "the guest ended with $GUEST_STATUS, expected ${1:-0}"
	return 1
}

# guest_run ARGS...: start and wait for the end, exit code 0.
guest_run() {
	guest_start "$@"
	guest_end 0
}

linux_run() {
	linux_start "$@"
	guest_end 0
}

# Read the report of the guest's script: "said REGEX" finds a line, "reported PREFIX" prints the rest of a line.
said() {
	grep -qaE -- "^GUEST: $1" "$(serial)" && return 0
	echo "the guest did not say: $1"
	return 1
}

not_said() {
	! said "$1" >/dev/null && return 0
	echo "the guest said: $1"
	return 1
}

reported() {
	grep -aE -- "^GUEST: $1" "$(serial)" | head -n 1 | sed -E "s/^GUEST: $1 ?//" | tr -d '\r'
}

# logged REGEX: a whole line of Veneer's on the serial port matches.
logged() {
	tr -d '\r' <"$(serial)" | grep -qaE -- "^veneer: $1$" && return 0
	echo "not logged: $1"
	return 1
}

qmp() {
	"$LIB/qmp" "$BATS_TEST_TMPDIR/qmp" "$@"
}

# veneer_counters: print all counters, "NAME VALUE" per line, from the memory of the running machine.  Needs log level info.
veneer_counters() {
	local from to low=0 high=0 range='(0x[0-9a-f]+)-(0x[0-9a-f]+)'
	# Save one range with all pieces and the memory between them.
	while read -r from to; do
		low=$((low == 0 || from < low ? from : low)) high=$((to > high ? to : high))
	done < <(sed -nE "s/^.*memory: (Veneer at|and|[0-9]+ KiB more for Veneer at) $range.*/\2 \3/p" "$(serial)")
	[ "$high" != 0 ] || { echo "the log does not say where Veneer is" >&2; return 1; }
	rm -f "$BATS_TEST_TMPDIR/memory"
	qmp pmemsave "{\"val\": $low, \"size\": $((high - low)), \"filename\": \"$BATS_TEST_TMPDIR/memory\"}" >/dev/null
	"$LIB/counters" "$BUILD/veneer.elf.full" "$(serial)" "$BATS_TEST_TMPDIR/memory" "$low"
}

# image_with DIR OPTION...: build the hypervisor with these options (CONFIG_X=y) switched on, in DIR/build, by DIR/config.
image_with() {
	local dir=$1 option
	shift
	build_in "$dir" defconfig
	for option; do
		sed -i "/^# ${option%%=*} is not set\$/d" "$dir/config"
		echo "$option" >>"$dir/config"
	done
	build_in "$dir" olddefconfig
	for option; do
		grep -qx "$option" "$dir/config" || { echo "not possible: $option"; return 1; }
	done
	build_in "$dir" "$dir/build/veneer.elf"
}

# build_in DIR TARGET...: make, with the build and the configuration of image_with
build_in() {
	make -s -C "$ROOT" -j2 --no-print-directory BUILD="$1/build" KCONFIG_CONFIG="$1/config" "${@:2}"
}

# counter_in FILE NAME: print one counter from the output of veneer_counters
counter_in() { sed -n "s/^$2 //p" "$1"; }

# no_interrupt_controller_exits BEFORE AFTER: between these two the guest's accesses to LAPIC, I/O APICs and 8259s did not exit,
# while devices interrupted it; and the counters count, for before BEFORE there were some of those named further.
no_interrupt_controller_exits() {
	local before=$1 after=$2 name was is
	shift 2
	for name in lapic.accesses ioapic.accesses 8259.accesses; do
		was=$(counter_in "$before" $name) is=$(counter_in "$after" $name)
		[ -z "$was" ] || [ "$was" != "$is" ] || continue
		echo "$name: ${was:-not there}, then $is"
		return 1
	done
	for name in "$@"; do
		[ "$(counter_in "$before" "$name")" -gt 0 ] || { echo "$name: none at all"; return 1; }
	done
	[ $(($(counter_in "$after" irq.sent) - $(counter_in "$before" irq.sent))) -gt 100 ]
}

# start_is_unmapped: check that the start's part of the image was unmapped.
start_is_unmapped() {
	! grep -a 'for the start only: it all stays mapped' "$(serial)"
}

# image_base: print the address of Veneer's image in this run, in hex, from the log.
image_base() {
	sed -nE 's/^veneer: memory: Veneer at .* of it image, from 0x([0-9a-f]+) on.*/\1/p' "$(serial)"
}

# address_of SYMBOL[+0xBYTES]: print the symbol's address in this run
address_of() {
	local base link more=0
	base=$(image_base)
	link=$(nm "$BUILD/veneer.elf.full" | awk -v name="${1%+*}" '$3 == name { print $1; exit }')
	[ -n "$base" ] && [ -n "$link" ] || return 1
	[[ $1 != *+* ]] || more=${1#*+}
	printf '%x' $((0x$base + 0x$link - 0x200000 + more))
}

# Print the text on the screen of 80 by 25 characters.
text_screen() {
	rm -f "$BATS_TEST_TMPDIR/vga"
	qmp pmemsave "{\"val\": 753664, \"size\": 4000, \"filename\": \"$BATS_TEST_TMPDIR/vga\"}" >/dev/null
	python3 -c 'import sys
cells = open(sys.argv[1], "rb").read()[::2].decode("latin-1")
print(*(cells[i:i + 80].rstrip() for i in range(0, 2000, 80)), sep="\n")' "$BATS_TEST_TMPDIR/vga"
}

# http_start: start a server for the guest.  Sets HTTP_URL, the server's address for the guest; its files are in HTTP_DIR.
http_start() {
	HTTP_DIR=$BATS_TEST_TMPDIR/http
	mkdir -p "$HTTP_DIR"
	"$LIB/http-server" "$HTTP_DIR" "$BATS_TEST_TMPDIR/port" </dev/null >"$BATS_TEST_TMPDIR/http.log" 2>&1 3>&- &
	HTTP_PID=$!
	local tries=0
	until [ -e "$BATS_TEST_TMPDIR/port" ]; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { cat "$BATS_TEST_TMPDIR/http.log"; return 1; }
		sleep 0.1
	done
	HTTP_URL=http://10.0.2.2:$(cat "$BATS_TEST_TMPDIR/port")
}

sha_of() {
	sha256sum "$1" | cut -d ' ' -f 1
}

# x2apic_machine: from now on QEMU's processors have x2APIC, which TCG's have in QEMU 10, KVM's in each.
x2apic_machine() {
	[ "$ACCEL" != kvm ] || return 0
	"$LIB/qemu10" "$BUILD/qemu10"
	export QEMU=$BUILD/qemu10/qemu-system-x86_64
}

# check_patterns IMAGE...: check that each image has a sound file system and one of the patterns that the guest reported as
# written (all differ, so names are not needed), and that the guest wrote no others.
check_patterns() {
	local image sum seen=' '
	PATH=$PATH:/usr/sbin:/sbin
	for image in "$@"; do
		e2fsck -fn "$image" || return 1
		debugfs -R "dump /pattern $BATS_TEST_TMPDIR/pattern" "$image" 2>/dev/null
		sum=$(sha_of "$BATS_TEST_TMPDIR/pattern")
		rm -f "$BATS_TEST_TMPDIR/pattern"
		said "pattern [a-z0-9]+ $sum" || { echo "$image holds something else"; return 1; }
		[[ $seen != *" $sum "* ]] || { echo "$image: the same pattern twice"; return 1; }
		seen+="$sum "
	done
	[ "$(grep -caE '^GUEST: pattern ' "$(serial)")" = $# ] && return 0
	echo "the guest wrote another number of patterns"
	return 1
}

# check_transfers N: check that HTTP_DIR/down reached each of the guest's N cards unchanged, and that their uploads arrived.
check_transfers() {
	local i
	for ((i = 0; i < $1; i++)); do
		[ "$(reported "download $i")" = "$(sha_of "$HTTP_DIR/down")" ] || { echo "download $i differs"; return 1; }
		[ "$(reported "upload $i")" = "$(sha_of "$HTTP_DIR/up$i")" ] || { echo "upload $i differs"; return 1; }
	done
}

# cut_by_the_nic: check that Linux is sending large frames, which the NIC segments.
cut_by_the_nic() {
	local tries
	for ((tries = 0; tries < 100; tries++)); do
		veneer_counters >counters
		! grep -qE '^net0.tx_tso [1-9]' counters || return 0
	done
	grep '^net0' counters
	return 1
}

# random_file FILE MIB
random_file() {
	head -c $(($2 << 20)) /dev/urandom >"$1"
}

# Skip a test of what only Veneer does.
veneer_only() {
	[ -z "${NATIVE:-}" ] || skip "NATIVE is set"
}

guest_stop() {
	[ -z "$GUEST_PID" ] || { kill "$GUEST_PID" 2>/dev/null; wait "$GUEST_PID" 2>/dev/null; } || true
	[ -z "$HTTP_PID" ] || { kill "$HTTP_PID" 2>/dev/null; wait "$HTTP_PID" 2>/dev/null; } || true
	GUEST_PID='' HTTP_PID=''
	return 0
}

# End all programs of the test and, if it failed, print the guest's last lines.
guest_teardown() {
	guest_stop
	# For a test of many tests: whether the last guest's DMA was confined.
	[ -z "${IOMMU_CONFINED:-}" ] || grep -sa 'iommu: DMA is confined' "$(serial)" >>"$IOMMU_CONFINED" || true
	[ "${BATS_TEST_COMPLETED:-}" != 1 ] || { no_stray_nmi && dma_as_allowed; } || return 1
	[ "${BATS_TEST_COMPLETED:-}" != 1 ] || return 0
	if [ -e "$(serial)" ]; then
		echo "--- serial"
		grep -aE '^(FAIL|PANIC|WEDGED|ESCAPE)' "$(serial)" | head -n 20 | tr -d '\r\033'
		echo "..."
		tail -n 60 "$(serial)" | tr -d '\r\033'
		echo "--- ${EMULATOR:-veneer-qemu}"
		tail -n 20 "$BATS_TEST_TMPDIR/qemu.log"
	fi
	return 0
}
