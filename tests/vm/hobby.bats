#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The hobby OS, whose only drivers are virtio: by both transports, polling and with MSI-X.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir tftp
	random_file tftp/file 4
}

teardown() { guest_teardown; }

# QEMU's own virtio devices instead of Veneer's. GRUB passes no quotes, so the commands come by the serial port.
hobby_native() { # hobby_native OPTIONS COMMANDS DISKS
	local line disk drives=()
	for disk in $3; do
		drives+=(-drive "if=none,id=$disk,format=raw,file=$disk" -device "virtio-blk-pci,drive=$disk")
	done
	{
		sleep 8
		while IFS= read -r line; do
			echo "$line"
			sleep 3
		done <<<"${2//; /$'\n'}"
		sleep 20
	} | timeout -k 5 120 "$ROOT/scripts/veneer-qemu" --native --kernel "$BUILD/hobby-os.elf" --cmdline "$1 net=dhcp" \
		--timeout 100 -- -netdev user,id=u0,tftp=tftp -device virtio-net-pci,netdev=u0 \
		"${drives[@]}" >"$(serial)" 2>qemu.log
}

# hobby OPTIONS DISKS NIC-AND-DISK-ARGS...: fetch a file, write and verify each of the images DISKS (a list in the order of the
# guest's disks) from sector 2048 on, end with 0.
hobby() {
	local options=$1 disks=$2 run disk number=0
	shift 2
	run="tftp 10.0.2.2 file; ping 10.0.2.2 3"
	for disk in $disks; do
		truncate -s 64M "$disk"
		run+="; write disk$number 2048 0x1234 8192; verify disk$number 2048 0x1234 8192"
		number=$((number + 1))
	done
	run+="; read disk0 0; exit 0"
	if [ -n "${NATIVE:-}" ]; then
		hobby_native "$options" "$run" "$disks"
	else
		guest_run --kernel "$BUILD/hobby-os.elf" --config "$WRITABLE" --tftp tftp \
			--cmdline "$options net=dhcp run=\"$run\"" "$@"
	fi
	grep -aE "tftp: file 4194304 bytes .* sha256 $(sha_of tftp/file)" "$(serial)"
	grep -a "ping: 10.0.2.2 answers, seq 3" "$(serial)"
	number=0
	for disk in $disks; do
		grep -a "verify: disk$number 8192 sectors from 2048 are as written" "$(serial)"
		"$LIB/check-words" "$disk" 2048 0x1234 8192
		number=$((number + 1))
	done
	! grep -a "failed" "$(serial)"
}

on_both_disks() {
	hobby "$1" "nvme ahci" --nic e1000e --disk nvme:nvme --disk ahci:ahci
}

@test "hobby OS: legacy transport, polling" {
	on_both_disks "virtio=legacy irq=poll"
}

@test "hobby OS: modern transport, polling" {
	on_both_disks "virtio=modern irq=poll"
}

@test "hobby OS: modern transport, MSI-X" {
	on_both_disks "virtio=modern irq=msix"
}

@test "hobby OS: legacy transport, MSI-X" {
	on_both_disks "virtio=legacy irq=msix"
}

@test "hobby OS: polling on machine pc with an e1000" {
	veneer_only
	hobby "virtio=legacy irq=poll" data --machine pc --nic e1000 --disk ahci:data
}

# bats test_tags=uefi
@test "hobby OS: started by UEFI" {
	veneer_only
	hobby "virtio=modern irq=msix" data --firmware uefi --nic e1000e --disk nvme:data
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
