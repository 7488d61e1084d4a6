#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The igb driver on an emulated 82576. Debian 12's QEMU has none, so these tests run on QEMU 10.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	"$LIB/qemu10" "$BUILD/qemu10" || return 1
	export QEMU=$BUILD/qemu10/qemu-system-x86_64
}

teardown() { guest_teardown; }

hobby() { # hobby OPTIONS ARGS...
	local options=$1 run="tftp 10.0.2.2 file; ping 10.0.2.2 3; exit 0"
	shift
	mkdir -p tftp
	[ -e tftp/file ] || random_file tftp/file 4
	guest_run --kernel "$BUILD/hobby-os.elf" --tftp tftp --cmdline "$options net=dhcp run=\"$run\"" --nic igb "$@"
	grep -aE "tftp: file 4194304 bytes .* sha256 $(sha_of tftp/file)" "$(serial)"
	grep -a "ping: 10.0.2.2 answers, seq 3" "$(serial)"
	grep -a "igb0: 82576 at 00:03.0" "$(serial)"
	! grep -a "failed" "$(serial)"
}

@test "igb: Linux sees virtio only; DHCP, 16 MiB down and up by HTTP arrive unharmed through the 82576" {
	http_start
	random_file "$HTTP_DIR/down" 16
	linux_start lspci,net "veneer.url=$HTTP_URL" --config "$WRITABLE" --nic igb
	if [ -z "${NATIVE:-}" ]; then
		guest_wait_for "GUEST: upload 0" 400
		cut_by_the_nic
	fi
	guest_end 0
	if [ -z "${NATIVE:-}" ]; then
		said "intel-conf1: 00:03.0 1af4:1000"
		said "linux-sysfs: 00:03.0 1af4:1000"
		not_said "(intel-conf1|linux-sysfs|lspci): .*8086:10c9"
		said "bound to igb: 0"
		! grep -aE "veneer: (warning|error).*igb" "$(serial)"
	fi
	check_transfers 1
}

@test "igb: the hobby OS with MSI-X" {
	veneer_only
	hobby "virtio=modern irq=msix"
}

# bats test_tags=slow
@test "igb: the hobby OS polling, by the legacy transport" {
	veneer_only
	hobby "virtio=legacy irq=poll"
}

# bats test_tags=slow
@test "igb: a pulled cable is seen as lost carrier, and back" {
	linux_start link "" --nic igb
	guest_wait_for 'GUEST: the carrier is there' 120
	qmp set_link '{"name": "net0", "up": false}'
	guest_wait_for 'GUEST: the carrier is lost' 30
	qmp set_link '{"name": "net0", "up": true}'
	guest_end
}
