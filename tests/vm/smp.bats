#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Guests with several processors: Veneer controls all, all work on the same devices, and nothing is lost.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine=(--config "$WRITABLE" --nic e1000e --disk ahci:sata,size=64M --disk nvme:nvme,size=64M)
}

teardown() { guest_teardown; }

probe_smp() { # probe_smp CMDLINE ARGS...
	local cmdline=$1
	shift
	guest_run --kernel "$BUILD/guest/probe-smp.elf" --cmdline "$cmdline" "$@"
	grep -aE "^probe-smp: [1-9][0-9]* passed, 0 failed" "$(serial)"
}

# As on silicon: no emulator has all that "auto" needs to end the trap.
untrapped_config() {
	sed 's/veneer,boot = "kernel";/veneer,boot = "kernel"; veneer,ap-trap = "start";/' "$WRITABLE" >start.dts
	grep -q ap-trap start.dts
}

@test "smp: 4 processors on the same disks and card lose no kick, no interrupt, no byte" {
	veneer_only
	untrapped_config
	probe_smp "cpus=4 hidden=00:03.0,00:08.0,00:1f.2 seconds=5 untrapped" --smp 4 "${machine[@]}" --config start.dts
}

@test "smp: 2 processors in x2APIC mode, all of whose data is right, and no write to an ICR exits" {
	veneer_only
	untrapped_config
	x2apic_machine
	probe_smp "cpus=2 hidden=00:03.0,00:08.0,00:1f.2 seconds=3 untrapped x2apic" \
		--smp 2 "${machine[@]}" --config start.dts
}

@test "smp: a guest with fewer processors than the machine cannot start the others" {
	veneer_only
	sed 's/veneer,boot = "kernel";/veneer,boot = "kernel"; veneer,cpus = <1>;/' "$WRITABLE" >one.dts
	probe_smp "cpus=1 hidden=00:03.0,00:08.0,00:1f.2 seconds=2" --smp 2 "${machine[@]}" --config one.dts
	grep -a "veneer: cpu: 2 processors, 1 for the guest; 1 started and parked" "$(serial)"
}

@test "smp: the report on a guest that dies on its second processor is that processor's" {
	veneer_only
	guest_start --kernel "$BUILD/guest/probe-smp.elf" --cmdline "cpus=2 crash" --smp 2
	guest_end 120
	grep -a "^veneer: error: guest: died by triple fault on CPU 1 (APIC id 1)" "$(serial)"
	grep -a "guest: code 0f 0b" "$(serial)"
}

# bats test_tags=slow
@test "smp: 4 processors for a minute, with the local APIC watched" {
	veneer_only
	probe_smp "cpus=4 hidden=00:03.0,00:08.0,00:1f.2 seconds=60" --smp 4 "${machine[@]}"
}

# linux_smp CPUS CMDLINE ARGS...: all processors busy with the card and the disks.
linux_smp() {
	local cpus=$1 cmdline=$2
	shift 2
	http_start
	random_file "$HTTP_DIR/down" 1
	linux_start smp "veneer.cpus=$cpus veneer.url=$HTTP_URL $cmdline" --smp "$cpus" --mem 512M "${machine[@]}" "$@"
	if [ -n "${UNTRAPPED:-}" ] && [ -z "${NATIVE:-}" ]; then
		guest_wait_for "GUEST: download 0" 500
		veneer_counters >before
		guest_wait_for "GUEST: stopping" 500
		veneer_counters >after
		no_interrupt_controller_exits before after lapic.accesses ioapic.accesses 8259.accesses
	fi
	guest_end
	[ "$(reported "download 0")" = "$(sha_of "$HTTP_DIR/down")" ]
	grep -a "^GUEST: NMIs\|^GUEST: rounds" "$(serial)" >&3 || true
}

# bats test_tags=slow
@test "smp: Linux with 4 processors, all busy with card and disks, no exit by an interrupt controller" {
	untrapped_config
	UNTRAPPED=y linux_smp 4 "veneer.nmis=2 veneer.seconds=5" --config start.dts
}

@test "smp: Linux takes processors away and back under load, and no NMI of its own is lost" {
	linux_smp 2 "veneer.nmis=10 veneer.offline=2 veneer.seconds=2"
	said "NMIs: 10 times on 2 processors, lost 0"
}

# bats test_tags=slow
@test "smp: Linux takes three of four processors away and back under load" {
	linux_smp 4 "veneer.nmis=10 veneer.offline=2 veneer.seconds=2"
	said "NMIs: 10 times on 4 processors, lost 0"
}

# bats test_tags=slow
@test "smp: Linux with 4 processors, busy for a minute, takes 200 NMIs on each" {
	GUEST_TIMEOUT=3000 linux_smp 4 "veneer.nmis=200 veneer.seconds=60"
	said "NMIs: 200 times on 4 processors, lost 0"
}

# bats test_tags=slow
@test "smp: Linux with 2 processors and neither MSI nor MSI-X, busy with card and disks" {
	linux_smp 2 "pci=nomsi veneer.nmis=2 veneer.seconds=10" --nic e1000
}

linux_kexec() { # linux_kexec CMDLINE ARGS...
	local cmdline=$1
	shift
	http_start
	random_file "$HTTP_DIR/down" 1
	ln "$LINUX/vmlinuz" "$LINUX/initrd.gz" "$HTTP_DIR/"
	linux_run kexec "veneer.cpus=2 veneer.kexec=3 veneer.url=$HTTP_URL $cmdline" --smp 2 --mem 512M "${machine[@]}" "$@"
	for left in 3 2 1 0; do
		[ "$(reported "download $left")" = "$(sha_of "$HTTP_DIR/down")" ]
	done
}

@test "smp: kexec of Linux into itself three times, card and disks work each time" {
	linux_kexec ""
}

# bats test_tags=slow
@test "smp: the same with neither MSI nor MSI-X, by the I/O APIC and by the 8259" {
	linux_kexec "pci=nomsi"
	guest_stop
	rm -rf "$HTTP_DIR" "$BATS_TEST_TMPDIR/port"
	linux_kexec "pci=nomsi noapic"
}

# bats test_tags=slow
@test "smp: a reboot of Linux goes by the firmware and GRUB, and card and disks work again with all processors" {
	http_start
	random_file "$HTTP_DIR/down" 1
	guest_start --kernel "$LINUX/vmlinuz" --initrd "$LINUX/initrd.gz" --smp 2 --mem 512M "${machine[@]}" \
		--cmdline "console=ttyS0 loglevel=4 no_timer_check veneer.run=reboot veneer.cpus=2 veneer.url=$HTTP_URL"
	guest_end 0
	for start in first second; do
		[ "$(reported "download $start")" = "$(sha_of "$HTTP_DIR/down")" ]
	done
	[ "$(grep -ac "^veneer: memory: Veneer at" "$(serial)")" = 2 ]
}
