#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# "--check-only": Veneer prints what it would do with the machine, and does nothing.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$PATH:/usr/sbin:/sbin
	veneer_only
}

teardown() { guest_teardown; }

has() {
	grep -a "veneer: check: $1" "$(serial)" && return
	echo "no line: $1"
	return 1
}

# Make an image whose menu starts the check, as if a user had chosen it.
image() { # image [NODE]: one more for the policy
	local start
	cat >config.dts <<-END
		#include "default.dts"
		/ { chosen { veneer,debug-exit-port = <0xf4>; };
		    policy { left { veneer,bdf = "0000:00:04.0"; veneer,action = "leave"; };
		             ${1:-} }; };
	END
	cp "$ROOT/configs/default.dts" .
	"$ROOT/installer/veneer-install" image disk.img --kernel "$BUILD/hobby-os.elf" --menu-timeout 0 --config config.dts \
		--veneer "$BUILD/veneer.elf"
	start=$(sfdisk --dump disk.img | sed -nE 's/.*start= *([0-9]+),.*name="veneer-a".*/\1/p')
	mcopy -n -i "disk.img@@$((start * 512))" ::/veneer/menu.cfg menu.cfg
	grep 'id veneer-check' menu.cfg
	echo 'set default=veneer-check' >>menu.cfg
	mcopy -o -i "disk.img@@$((start * 512))" menu.cfg ::/veneer/menu.cfg
}

# With a list of that machine, veneer-hwcheck says the same of each controller that Veneer would conceal.
as_hwcheck() {
	local words n=0
	cat >lspci <<-'END'
		00:00.0 "Host bridge [0600]" "Intel [8086]" "82G33 [29c0]" "" ""
		00:03.0 "Ethernet controller [0200]" "Intel [8086]" "82574L [10d3]" "" ""
		00:08.0 "Non-Volatile memory controller [0108]" "Red Hat [1b36]" "NVMe [0010]" -p02 "" ""
		00:1f.0 "ISA bridge [0601]" "Intel [8086]" "LPC [2918]" "" ""
		00:1f.2 "SATA controller [0106]" "Intel [8086]" "ICH9 [2922]" -p01 "" ""
		00:1f.3 "SMBus [0c05]" "Intel [8086]" "SMBus [2930]" "" ""
	END
	"$ROOT/installer/veneer-hwcheck" --lspci lspci | tr -s ' ' >hwcheck || [ $? = 3 ]
	while read -r words; do
		grep -aqF -- "$words" "$(serial)" || { echo "the check does not say: $words"; return 1; }
		n=$((n + 1))
	done < <(grep -oE '(driver .*|shares the slot .*)' hwcheck)
	[ $n = 4 ]
}

@test "the menu's check names every controller and leaves the disks alone" {
	local before
	image
	truncate -s 1M data
	before="$(sha_of disk.img) $(sha_of data)"
	guest_run --image ahci:disk.img --disk nvme:data --nic e1000e --nic e1000 --nic virtio-net-pci \
		-- -device intel-iommu
	has 'processor: .*: fits'
	has 'iommu0: VT-d 1\.0 at 0xfed90000, .*covers .*00:'
	has '00:03.0 8086:10d3: driver e1000e (82574L), tried in emulation: concealed, the guest sees virtio-net'
	has '00:04.0 8086:100e: driver e1000 .*: left to the guest by the configuration'
	has '  has no message interrupts: rings by its line'
	has '00:05.0 1af4:....: no driver in this build: left to the guest as it is'
	has '00:1f.2 8086:2922: driver ahci (Intel ICH9), tried in emulation: concealed, the guest sees virtio-blk'
	has "  shares the slot with 00:1f.0 (the guest's own), 00:1f.3 (the guest's own)"
	has '  disks: unknown'
	has 'memory: 4096 KiB for this machine: devices [0-9]*, '
	has 'fits: 3 network and disk controllers would be concealed'
	[ "$(grep -acE 'hobby>|taken over' "$(serial)")" = 0 ]
	[ "$(sha_of disk.img) $(sha_of data)" = "$before" ]
	as_hwcheck
}

@test "the menu's check on a machine started by UEFI" {
	local before
	image
	before=$(sha_of disk.img)
	guest_run --image ahci:disk.img --nic e1000e --firmware uefi
	grep -a 'started by GRUB .* on UEFI' "$(serial)"
	has 'processor: .*: fits'
	has '00:03.0 8086:10d3: driver e1000e (82574L), tried in emulation: concealed, the guest sees virtio-net'
	has '00:1f.2 8086:2922: driver ahci (Intel ICH9), tried in emulation: concealed, the guest sees virtio-blk'
	has 'fits: 2 network and disk controllers would be concealed'
	[ "$(grep -acE 'hobby>|taken over' "$(serial)")" = 0 ]
	[ "$(sha_of disk.img)" = "$before" ]
}

@test "the menu's check names a rule that does not fit the machine" {
	image 'elsewhere { veneer,bdf = "0000:00:03.0"; veneer,slot = <31>; };'
	guest_run --image ahci:disk.img --nic e1000e || true
	has '00:03.0 8086:10d3: driver e1000e'
	grep -a 'config: /policy/elsewhere: veneer,slot = <31>: expected a free device number, but there is 00:1f.0' "$(serial)"
	grep -a 'does not fit: the configuration, see above' "$(serial)"
	[ "$(grep -ac 'check: fits' "$(serial)")" = 0 ]
}
