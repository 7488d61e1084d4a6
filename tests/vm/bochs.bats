#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Intel VMX, and SVM again, on the processors that Bochs emulates. Bochs is slow: only the short tests are in "make check".
load ../lib/guest
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	veneer_only
	# shellcheck disable=SC2034 # for guest.bash
	EMULATOR=veneer-bochs GUEST_TIMEOUT=1500
}

teardown() { guest_teardown; }

hobby() { # hobby COMMANDS ARGS...
	local run=$1
	shift
	mkdir -p tftp
	random_file tftp/file 1
	# shellcheck disable=SC2153 # set by the runner
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline "${OPTIONS:-} net=dhcp run=\"$run\"" --nic e1000 --tftp tftp "$@"
}

probe() { # probe NAME ARGS...
	local name=$1
	shift
	guest_start --kernel "$BUILD/guest/$name.elf" "$@"
	guest_end 0
	! grep -a '^FAIL' "$(serial)"
}

check_hobby() {
	guest_end 0
	grep -a "lease 10.0.2.15" "$(serial)"
	grep -a "ping: 10.0.2.2 answers, seq 3" "$(serial)"
	grep -aE "tftp: file 1048576 bytes .* sha256 $(sha_of tftp/file)" "$(serial)"
	# Bochs continues for a moment after the write to port F4, so that "exit" reports a missing port.
	! grep -a "failed" "$(serial)" | grep -v "^exit: failed"
}

# linux CPUS ARGS...: DHCP and 8 MiB by HTTP.  Without failures the guest writes nothing to the exit port: 0 is the power-off.
linux() {
	local cpus=$1
	shift
	http_start
	random_file "$HTTP_DIR/down" 8
	linux_start net "veneer.mib=1 veneer.cpus=$cpus veneer.off=1 veneer.url=$HTTP_URL" --smp "$cpus" --mem 512M \
		--nic e1000 "$@"
	guest_end 0
	grep -a "reboot: Power down" "$(serial)"
	not_said FAILED
	said "cards: 1"
	check_transfers 1
}

@test "VMX: the hobby OS gets an address, pings and fetches a file through the e1000" {
	hobby "ping 10.0.2.2 3; tftp 10.0.2.2 file; exit 0"
	check_hobby
	grep -a "cpu: Intel VMX" "$(serial)"
	# Bochs's firmware has this entry at the very end of its table.
	run ! grep -a "no _S5" "$(serial)"
}

@test "VMX: a guest finds a processor without VMX" {
	probe probe-vmx
}

@test "VMX: odd instructions on hidden memory, all MSRs, and no processor's privilege harm Veneer" {
	probe probe-odd --cmdline no_lapic
}

# bats test_tags=slow
@test "VMX: ring 3 cannot read and write the kernel's pages by a twin's ports and registers" {
	probe probe-user --nic e1000
}

# No guest can cause this: before an entry Bochs's debugger changes the registers in struct vcpu.
@test "VMX: of an entry that fails the fields that are wrong are named" {
	local run exited
	image_with "$PWD" CONFIG_VMX_CHECK=y
	run=$(nm build/veneer.elf.full | sed -n 's/ t vmx_run$//p')
	exited=$(nm build/veneer.elf.full | sed -n 's/ T vmx_exited$//p')
	[ -n "$run" ] && [ -n "$exited" ]
	# Stop at an exit, to find Veneer's address, then at the next vmx_run(): set RFLAGS to 0, RIP to more than 32 bits.
	printf '%s\n' vmexitbp c vmexitbp "lb rip-$((0x$exited - 0x$run))" c "setpmem rdi+136 4 0" "setpmem rdi+132 4 1" \
		"del 1" >debugger
	guest_start --veneer build/veneer.elf --kernel "$BUILD/guest/probe-idle.elf" --debugger debugger
	guest_end 120
	grep -a "guest: died by" "$(serial)"
	grep -a "the VM entry failed: exit reason 33, qualification 0" "$(serial)"
	grep -aE "vmx: guest RIP is 0x1[0-9a-f]{8}: not canonical, or more than 32 bits" "$(serial)"
	grep -a "vmx: guest RFLAGS is 0: bit 1 must be 1" "$(serial)"
	[ "$(grep -ac "vmx: guest" "$(serial)")" = 2 ]
}

@test "VMX: an idle guest causes no exits" {
	probe probe-idle
}

# bats test_tags=slow
@test "VMX: neither real devices nor Veneer can be found" {
	probe probe-hidden --cmdline hidden=00:02.0 --nic e1000
}

@test "VMX: task switches by hardware: JMP, CALL, IRET, and gates for INT, exceptions, NMIs and #DF" {
	probe probe-task
}

# bats test_tags=slow
@test "VMX: a task switch that cannot be ends the guest with a report" {
	guest_start --kernel "$BUILD/guest/probe-task.elf" --cmdline bad
	guest_end 120
	grep -a "died by a task switch to a TSS whose CS cannot be loaded" "$(serial)"
}

# bats test_tags=slow
@test "SVM in Bochs: the processor switches tasks itself" {
	probe probe-task --cpu ryzen
}

# bats test_tags=slow
@test "VMX: the sloppy ways of drivers in the field work" {
	probe probe-quirks --nic e1000
}

# bats test_tags=slow
@test "VMX: a hostile driver harms only its own device" {
	probe probe-ring --nic e1000
}

# bats test_tags=slow
@test "VMX: layout, registers, BARs and lives as drivers in the field expect them" {
	probe probe-transport --nic e1000
}

# bats test_tags=slow
@test "VMX: messages go where the tables say, and no others" {
	probe probe-msix --nic e1000
}

# bats test_tags=slow
@test "VMX: interrupts by MSI-X" {
	OPTIONS="virtio=modern irq=msix" hobby "ping 10.0.2.2 3; tftp 10.0.2.2 file; exit 0"
	check_hobby
}

# bats test_tags=slow
@test "VMX: a crash of the guest ends with the report and exit code 120" {
	hobby "crash"
	guest_end 120
	grep -a "died by triple fault" "$(serial)"
}

# bats test_tags=slow
@test "VMX: a reset by the guest resets the machine" {
	hobby "reboot" --no-reboot
	guest_end 122
}

# bats test_tags=slow
@test "VMX: Linux gets an address, 8 MiB by HTTP arrive unharmed, and it switches the machine off" {
	linux 1
	grep -a "cpu: Intel VMX" "$(serial)"
}

# bats test_tags=slow
@test "VMX: Linux does the same on 2 processors" {
	linux 2
	grep -a "cpu: 2 processors, 2 for the guest; 1 started and parked" "$(serial)"
}

@test "VMX: 2 processors start, see nothing concealed, and lose no kick and no interrupt" {
	probe probe-smp --cmdline "cpus=2 hidden=00:02.0 seconds=2" --nic e1000 --smp 2
}

# bats test_tags=slow
@test "VMX: the guest's own NMIs are blocked until an IRET, and beside doorbells none is lost that is not counted" {
	probe probe-nmi --nic e1000
}

# bats test_tags=slow
@test "VMX: no NMI of the guest's is lost where Veneer sees it sent" {
	sed 's/veneer,boot = "kernel";/& veneer,ap-trap = "always";/' "$ROOT/configs/default.dts" >always.dts
	grep -q ap-trap always.dts
	probe probe-nmi --cmdline exact --nic e1000 --config always.dts
}

# bats test_tags=slow
@test "SVM in Bochs: the hobby OS gets an address, pings and fetches a file through the e1000" {
	hobby "ping 10.0.2.2 3; tftp 10.0.2.2 file; exit 0" --cpu ryzen
	check_hobby
	grep -a "cpu: AMD SVM" "$(serial)"
}

# bats test_tags=slow
@test "SVM in Bochs: an idle guest causes no exits" {
	probe probe-idle --cpu ryzen
}

# bats test_tags=slow
@test "SVM in Bochs: neither real devices nor Veneer can be found" {
	probe probe-hidden --cmdline hidden=00:02.0 --nic e1000 --cpu ryzen
}

@test "SVM in Bochs: the sloppy ways of drivers in the field work" {
	probe probe-quirks --nic e1000 --cpu ryzen
}

# bats test_tags=slow
@test "SVM in Bochs: a hostile driver harms only its own device" {
	probe probe-ring --nic e1000 --cpu ryzen
}

# bats test_tags=slow
@test "SVM in Bochs: layout, registers, BARs and lives as drivers in the field expect them" {
	probe probe-transport --nic e1000 --cpu ryzen
}

# bats test_tags=slow
@test "SVM in Bochs: messages go where the tables say, and no others" {
	probe probe-msix --nic e1000 --cpu ryzen
}

# bats test_tags=slow
@test "SVM in Bochs: 2 processors start, see nothing concealed, and lose no kick and no interrupt" {
	probe probe-smp --cmdline "cpus=2 hidden=00:02.0 seconds=2" --nic e1000 --smp 2 --cpu ryzen
}

# No probe-nmi: Bochs also delivers the #DB of a single step to the host after its exit, before the host's TSS is loaded. No
# Linux on this processor: Debian's 6.1 hangs there after "NR_IRQS", also without Veneer.
