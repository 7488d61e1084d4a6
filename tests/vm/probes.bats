#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The probe kernels of tests/guest: guests that look for what is hidden, break the rules, or want nothing.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	veneer_only
	truncate -s 16M sata nvme
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine=(--nic e1000e --disk ahci:sata --disk nvme:nvme)
}

teardown() { guest_teardown; }

# The memory BARs of the concealed functions on this machine, as firmware places them: ADDR+SIZE,... from QEMU's own view of
# the same machine without Veneer.
real_bars() { # real_bars ARGS...
	guest_start --native --kernel "$BUILD/hobby-os.elf" "${machine[@]}" "$@"
	guest_wait_for 'hobby>' "${GUEST_TIMEOUT:-60}" >/dev/null || { guest_stop; return 1; }
	qmp hmp 'info pci' | python3 -c '
import re, sys
hidden, bars = False, []
for line in sys.stdin:
    place = re.search(r"Bus +(\d+), device +(\d+), function (\d+)", line)
    if place:
        hidden = place.group(1) == "0" and (int(place.group(2)), int(place.group(3))) in ((3, 0), (8, 0), (31, 2))
    # A BAR that firmware left alone is shown at the end of the address space.
    bar = re.search(r"BAR\d: \d+ bit (?:prefetchable )?memory at (0x[0-9a-f]+) \[(0x[0-9a-f]+)\]", line)
    if bar and hidden and 0 < int(bar.group(1), 16) < 1 << 40:
        first, last = (int(text, 16) for text in bar.groups())
        bars.append("%x+%x" % (first, last - first + 1))
print(",".join(bars))'
	guest_stop
}

probe() { # probe NAME CMDLINE ARGS...
	local name=$1 cmdline=$2
	shift 2
	guest_run --kernel "$BUILD/guest/$name.elf" --cmdline "$cmdline" "$@"
	grep -aE "^$name: [1-9][0-9]* passed, 0 failed" "$(serial)"
}

@test "probe-hidden: neither real devices nor Veneer can be found" {
	bars=$(real_bars)
	echo "BARs: $bars"
	[[ $bars =~ ^[0-9a-f]+\+[0-9a-f]+(,[0-9a-f]+\+[0-9a-f]+)+$ ]]
	probe probe-hidden "hidden=00:03.0,00:08.0,00:1f.2 bars=$bars" --config "$WRITABLE" "${machine[@]}"
}

# bats test_tags=uefi
@test "probe-hidden: the same started by UEFI" {
	probe probe-hidden "hidden=00:03.0,00:08.0,00:1f.2" --firmware uefi --config "$WRITABLE" "${machine[@]}"
}

@test "probe-bars: BARs, ROMs and windows of left devices laid over all that is not theirs" {
	# shellcheck disable=SC2054 # the commas are QEMU's
	local left=(-- -device edu,addr=0x14 -device pci-testdev,membar=64M,addr=0x15
		-device pcie-root-port,id=root1,addr=0x16,chassis=1)

	bars=$(real_bars "${left[@]}")
	[[ $bars =~ ^[0-9a-f]+\+[0-9a-f]+(,[0-9a-f]+\+[0-9a-f]+)+$ ]]
	probe probe-bars "bars=$bars" "${machine[@]}" "${left[@]}"
}

@test "probe-ring: a hostile driver harms only its own device" {
	before=$(sha_of sata)
	probe probe-ring "" --config "$ROOT/configs/default.dts" "${machine[@]}"
	[ "$(sha_of sata)" = "$before" ]
}

# bats test_tags=slow
@test "probe-ring: the same with writable disks" {
	probe probe-ring "" --config "$WRITABLE" "${machine[@]}"
}

# bats test_tags=slow
@test "probe-ring: the same behind a card that always copies" {
	probe probe-ring "" --machine pc --nic rtl8139
}

@test "probe-abuse: data into its own rings, resets under load, headers that change, writes to read-only disks" {
	random_file sata 16
	random_file nvme 16
	before="$(sha_of sata) $(sha_of nvme)"
	probe probe-abuse "ro cpus=2 rounds=4 races=60" --smp 2 --config "$ROOT/configs/default.dts" "${machine[@]}"
	[ "$(sha_of sata) $(sha_of nvme)" = "$before" ]
}

# bats test_tags=slow
@test "probe-abuse: the same with writable disks, an RTL8139, and more of it" {
	probe probe-abuse "cpus=4 rounds=50 races=1000" --smp 4 --config "$WRITABLE" "${machine[@]}" --nic rtl8139
}

@test "probe-user: ring 3 cannot read and write the kernel's pages by a twin's ports and registers" {
	probe probe-user "" --nic e1000e
}

@test "probe-quirks: the sloppy ways of drivers in the field work" {
	probe probe-quirks "arp=1" --config "$WRITABLE" "${machine[@]}" --nic rtl8139
}

@test "probe-rules: interrupt lines by the 8259 and the I/O APIC, and what drivers take for granted" {
	probe probe-rules "" --config "$WRITABLE" "${machine[@]}"
}

# bats test_tags=slow
@test "probe-rules: the same on pc, with cards that ring by the same lines" {
	probe probe-rules "" --config "$WRITABLE" --machine pc --nic e1000 --nic rtl8139 --disk ahci:sata --disk nvme:nvme
}

@test "probe-idle: an idle guest causes no exits" {
	# An emulator within an emulator is too slow for a hundred ticks a second.
	probe probe-idle "seconds=10 hz=${GUEST_HZ:-100}" --config "$WRITABLE" "${machine[@]}"
}

@test "probe-idle: nor does one on one of two processors, if nobody watches for the other" {
	sed 's/veneer,boot = "kernel";/& veneer,ap-trap = "never";/' "$WRITABLE" >never.dts
	grep -q ap-trap never.dts
	probe probe-idle "seconds=3 hz=${GUEST_HZ:-100}" --smp 2 --config never.dts "${machine[@]}"
	grep -a 'ap-trap is "never"' "$(serial)"
}

@test "probe-msix: messages go where the tables say, and no others" {
	probe probe-msix "" "${machine[@]}"
}

@test "probe-msix: the same with the local APIC in x2APIC mode" {
	x2apic_machine
	probe probe-msix "x2apic=1" "${machine[@]}"
	grep -a "PASS msix: the local APIC is in x2APIC mode" "$(serial)"
}

@test "probe-dest: IPIs, NMIs and messages reach each of two processors, by all destination modes" {
	probe probe-dest "cpus=2" --smp 2 --config "$WRITABLE" "${machine[@]}"
}

@test "probe-dest: the same in x2APIC mode, what INIT leaves of it, and the way back to xAPIC mode" {
	x2apic_machine
	probe probe-dest "cpus=2 x2apic=1" --smp 2 --config "$WRITABLE" "${machine[@]}"
	grep -a "PASS dest: CPU 1 goes back to xAPIC mode" "$(serial)"
}

# bats test_tags=slow
@test "probe-dest: the same with four processors, in both modes" {
	probe probe-dest "cpus=4 seconds=10" --smp 4 --config "$WRITABLE" "${machine[@]}"
	x2apic_machine
	probe probe-dest "cpus=4 x2apic=1" --smp 4 --config "$WRITABLE" "${machine[@]}"
}

# bats test_tags=slow
@test "probe-dest: all processors write the registers of one device at once, and are taken away by INIT in the middle of it" {
	probe probe-dest "cpus=2 havoc" --smp 2 --config "$WRITABLE" "${machine[@]}"
	probe probe-dest "cpus=4 havoc" --smp 4 --config "$WRITABLE" "${machine[@]}"
}

@test "probe-nmi: the guest's own NMIs are blocked until an IRET, and beside doorbells none is lost that is not counted" {
	probe probe-nmi disk --disk nvme:nvme
}

@test "probe-nmi: none is lost where Veneer sees them sent" {
	sed 's/veneer,boot = "kernel";/& veneer,ap-trap = "always";/' "$ROOT/configs/default.dts" >always.dts
	grep -q ap-trap always.dts
	probe probe-nmi exact --nic e1000e --config always.dts
}

@test "probe-delivery: interrupts come once each and when they may, also while a slow disk has Veneer hand them over" {
	probe probe-delivery "" --config "$WRITABLE" --disk nvme:nvme -- -set drive.nvme0n1.throttling.bps-total=500
}

@test "probe-cost: a batch of packets or of block requests shares its exits" {
	local icount=(-- -icount "shift=0")
	# The probe counts exits, exactly if time is a count of instructions, which KVM does not offer.
	[ "$ACCEL" != kvm ] || icount=()
	probe probe-cost "" --config "$WRITABLE" "${machine[@]}" "${icount[@]}"
}

@test "probe-transport: layout, registers, BARs and lives as drivers in the field expect them" {
	bars=$(real_bars)
	[[ $bars =~ ^[0-9a-f]+\+[0-9a-f]+ ]]
	probe probe-transport "slots=00:03.0,00:08.0,00:1f.2 bars=$bars" "${machine[@]}"
}

# Two twins in slots of their own, one with a sibling, beside a twin in its device's place.
@test "probe-transport: the same on pc in other slots, behind an rtl8139" {
	truncate -s 16M second
	probe probe-transport "slots=00:0c.0,00:0d.0,00:0d.1,00:08.0 gone=00:03.0,00:11.0" --machine pc \
		--config "$LIB/slots.dts" --nic rtl8139 --disk ahci:sata --disk ahci:second --disk nvme:nvme
}

@test "probe-transport: the same with modern-only devices" {
	probe probe-transport "modern_only=1" --config "$LIB/modern.dts" "${machine[@]}"
}

@test "probe-attack: what a processor can do to the machine itself does not harm Veneer" {
	probe probe-attack "" "${machine[@]}"
}

@test "probe-odd: odd instructions on hidden memory and the local APIC, all MSRs, and no processor's privilege harm Veneer" {
	probe probe-odd "" --smp 2 "${machine[@]}"
	grep -a "^PASS odd: .* in the registers of a twin" "$(serial)"
}

attack_ends() { # attack_ends HOW REGEX: with the crash's report, not with Veneer's panic
	guest_start --kernel "$BUILD/guest/probe-attack.elf" --cmdline "end=$1"
	guest_end 120
	grep -aE "^veneer: error: guest: died by $2" "$(serial)"
}

@test "probe-attack: CR0.NW without CR0.CD, which the emulator lets through, ends the guest with a report" {
	attack_ends nw "a state that the processor does not enter"
	grep -a "svm: guest CR0.NW is 1 and CR0.CD is 0" "$(serial)"
}

@test "probe-attack: an exception whose delivery meets hidden memory ends the guest with a report" {
	attack_ends idt "an exception that cannot be delivered, nor can #DF"
}

# bats test_tags=slow
@test "probe-attack: bit 13 of CR4, and code that is of 64 and 32 bits, end the guest with a report" {
	attack_ends cr4 "a state that the processor does not enter"
	attack_ends cs "a state that the processor does not enter"
	grep -a "svm: guest CS is 64-bit and 32-bit code at once" "$(serial)"
}

# random_guest CPUS CMDLINE ARGS...: all verdicts are PASS or REJECT, both occur, and there is no panic
random_guest() {
	local cpus=$1 cmdline=$2
	shift 2
	probe probe-random "cpus=$cpus $cmdline" --smp "$cpus" "${machine[@]}" "$@"
	grep -aE "random: [a-z]+: [0-9]+ PASS" "$(serial)"
	grep -qaE "random: chains: [0-9]+ PASS, [1-9][0-9]* REJECT, 0 WEDGED, 0 ESCAPE" "$(serial)"
	grep -qaE "random: net: [1-9][0-9]* PASS" "$(serial)"
	if grep -a "panic" "$(serial)"; then
		return 1
	fi
}

@test "probe-random: after each of 160 random cases on two processors the devices work" {
	random_guest 2 "seed=1 cases=160"
}

# bats test_tags=slow
@test "probe-random: the same for a quarter of an hour on one, two and four processors, and with writable disks" {
	random_guest 1 "seed=$RANDOM cases=1000000 ms=300000" --timeout 900
	random_guest 2 "seed=$RANDOM cases=1000000 ms=300000" --timeout 900
	random_guest 4 "seed=$RANDOM cases=1000000 ms=300000" --config "$WRITABLE" --timeout 900
}

# eject SLOT: remove the function at once, whatever the guest does with it (the eject register of the machine pc).
eject() {
	qmp hmp 'o /w 0xae10 0'
	qmp hmp "o /w 0xae08 $((1 << $1))"
}

# A drive and a card are pulled, and another drive loses its medium, in the middle of it: the other card and disk go on.
# bats test_tags=slow
@test "probe-random: the same beside devices that are pulled" {
	truncate -s 16M second
	guest_start --kernel "$BUILD/guest/probe-random.elf" --smp 2 --machine pc --config "$WRITABLE" \
		--cmdline "cpus=2 seed=13 cases=1000000 ms=60000 gone=00:04.0,00:08.0,00:09.0" \
		--nic e1000 --nic e1000 --disk nvme:nvme --disk nvme:second --disk ahci:sata
	guest_wait_for 'PASS random: .* starts' 120
	sleep 5
	eject 8
	sleep 5
	qmp hmp 'drive_del nvme1n1'
	sleep 5
	eject 4
	guest_end
	grep -aE "^probe-random: [1-9][0-9]* passed, 0 failed" "$(serial)"
	tr -d '\r' <"$(serial)" | grep -qa 'nvme0: removed: nothing answers'
	if grep -a panic "$(serial)"; then
		return 1
	fi
}
