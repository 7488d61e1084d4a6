#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The hobby OS, whose only drivers are virtio: by both transports, polling and with MSI-X.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir tftp
	random_file tftp/file 4
	truncate -s 64M data
}

teardown() { guest_teardown; }

# QEMU's own virtio devices instead of Veneer's. GRUB passes no quotes, so the commands come by the serial port.
hobby_native() { # hobby_native OPTIONS COMMANDS
	local line
	{
		sleep 8
		while IFS= read -r line; do
			echo "$line"
			sleep 3
		done <<<"${2//; /$'\n'}"
		sleep 20
	} | timeout -k 5 120 "$ROOT/scripts/veneer-qemu" --native --kernel "$BUILD/hobby-os.elf" --cmdline "$1 net=dhcp" \
		--timeout 100 -- -netdev user,id=u0,tftp=tftp -device virtio-net-pci,netdev=u0 \
		-drive if=none,id=v0,format=raw,file=data -device virtio-blk-pci,drive=v0 >"$(serial)" 2>qemu.log
}

# hobby OPTIONS NIC-AND-DISK-ARGS...: fetch a file, write and verify a disk from sector 2048 on, end with 0.
hobby() {
	local options=$1 run
	shift
	run="tftp 10.0.2.2 file; ping 10.0.2.2 3; write disk0 2048 0x1234 8192; verify disk0 2048 0x1234 8192"
	run+="; read disk0 0; exit 0"
	if [ -n "${NATIVE:-}" ]; then
		hobby_native "$options" "$run"
	else
		guest_run --kernel "$BUILD/hobby-os.elf" --config "$WRITABLE" --tftp tftp \
			--cmdline "$options net=dhcp run=\"$run\"" "$@"
	fi
	grep -aE "tftp: file 4194304 bytes .* sha256 $(sha_of tftp/file)" "$(serial)"
	grep -a "ping: 10.0.2.2 answers, seq 3" "$(serial)"
	grep -a "verify: disk0 8192 sectors from 2048 are as written" "$(serial)"
	"$LIB/check-words" data 2048 0x1234 8192
	! grep -a "failed" "$(serial)"
}

for_each_disk() {
	hobby "$1" --nic e1000e --disk nvme:data
	truncate -s 0 data
	truncate -s 64M data
	[ -n "${NATIVE:-}" ] || hobby "$1" --nic e1000e --disk ahci:data
}

@test "hobby OS: legacy transport, polling" {
	for_each_disk "virtio=legacy irq=poll"
}

@test "hobby OS: modern transport, polling" {
	for_each_disk "virtio=modern irq=poll"
}

@test "hobby OS: modern transport, MSI-X" {
	for_each_disk "virtio=modern irq=msix"
}

@test "hobby OS: legacy transport, MSI-X" {
	for_each_disk "virtio=legacy irq=msix"
}

@test "hobby OS: polling on machine pc with an e1000" {
	veneer_only
	hobby "virtio=legacy irq=poll" --machine pc --nic e1000 --disk ahci:data
}

@test "hobby OS: started by UEFI" {
	veneer_only
	hobby "virtio=modern irq=msix" --firmware uefi --nic e1000e --disk nvme:data
}

@test "hobby OS: a crash of the guest ends with the report and exit code 120" {
	veneer_only
	guest_start --kernel "$BUILD/hobby-os.elf" --config "$WRITABLE" --cmdline 'run="crash"'
	guest_end 120
	grep -aiE 'rip|eip' "$(serial)"
}

@test "hobby OS: power-off ends with 0" {
	veneer_only
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="poweroff"'
	guest_end 0
}

@test "hobby OS: a reset by the guest resets the machine" {
	veneer_only
	guest_start --kernel "$BUILD/hobby-os.elf" --cmdline 'run="reboot"' --no-reboot
	guest_end 122
}
