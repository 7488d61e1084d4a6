#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# A disk of which the guest gets only a part.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$PATH:/usr/sbin:/sbin
	veneer_only
}

teardown() { guest_teardown; }

# filled FILE FIRST N SECTOR: fill the part with 'W', and everything around it but the partition table with 'O'.
filled() {
	python3 - "$@" <<-'END'
		import sys
		name, (first, n, size) = sys.argv[1], map(int, sys.argv[2:])
		with open(name, "r+b") as f:
		    f.seek(0, 2)
		    end, table = f.tell(), 40 * size
		    f.seek(table)
		    f.write(b"O" * (end - 2 * table))
		    f.seek(first * size)
		    f.write(b"W" * n * size)
	END
}

# hash_around FILE FIRST N SECTOR
hash_around() {
	{ head -c $(($2 * $4)) "$1"; tail -c +$((($2 + $3) * $4 + 1)) "$1"; } | sha256sum
}

# The guest has written the whole part.
guest_wrote() { # FILE FIRST N SECTOR
	[ "$(tail -c +$(($2 * $4 + 1)) "$1" | head -c $(($3 * $4)) | tr -d G | wc -c)" = 0 ]
}

config() { # config RULES
	cat >window.dts <<-END
		/dts-v1/;
		/ {
			compatible = "veneer,config";
			veneer,config-version = <1>;
			policy { compatible = "veneer,policy"; veneer,default = "conceal"; $1 };
			guest { compatible = "veneer,guest"; veneer,boot = "kernel"; };
		};
	END
}

@test "probe-window: a GPT partition of a SATA disk and blocks of a 4096-byte NVMe disk; all around is unhurt" {
	truncate -s 8M sata nvme
	sfdisk -q --no-reread sata <<<$'label: gpt\nstart=2048, size=2048, name=keep\nstart=5000, size=1000, name="test area"'
	filled sata 5000 1000 512
	filled nvme 300 200 4096
	before="$(hash_around sata 5000 1000 512) $(hash_around nvme 300 200 4096)"
	config 'a { veneer,pci-class = <0x010601 0xffffff>; veneer,writable; veneer,partition = "PARTLABEL=test area"; };
		b { veneer,pci-class = <0x010802 0xffffff>; veneer,writable; veneer,window = /bits/ 64 <300 200>; };'
	# The NVMe controller comes before the SATA controller.
	guest_run --kernel "$BUILD/guest/probe-window.elf" --config window.dts \
		--disk ahci:sata --disk nvme:nvme,sector=4096 \
		--cmdline "disks=2 sectors0=1600 first0=2400 sectors1=1000 first1=5000"
	grep -aE '^probe-window: [1-9][0-9]* passed, 0 failed' "$(serial)"
	[ "$(hash_around sata 5000 1000 512) $(hash_around nvme 300 200 4096)" = "$before" ]
	guest_wrote sata 5000 1000 512
	guest_wrote nvme 300 200 4096
}

@test "probe-window: a logical partition of an MBR; all around, its tables too, is unhurt" {
	truncate -s 8M sata
	filled sata 6144 1000 512
	{ echo label: dos; printf 'start=%d, size=%d, type=%s\n' 2048 1024 83 4096 8192 5 4200 500 83 6144 1000 83; } |
		sfdisk -q --no-reread sata
	before=$(hash_around sata 6144 1000 512)
	config 'a { veneer,pci-class = <0x010601 0xffffff>; veneer,writable; veneer,partition = <6>; };'
	guest_run --kernel "$BUILD/guest/probe-window.elf" --config window.dts --disk ahci:sata \
		--cmdline "disks=1 sectors0=1000 first0=6144"
	grep -aE '^probe-window: [1-9][0-9]* passed, 0 failed' "$(serial)"
	[ "$(hash_around sata 6144 1000 512)" = "$before" ]
	guest_wrote sata 6144 1000 512
}

@test "a window that reaches beyond the disk, and a partition that is not there, stop the start" {
	truncate -s 8M sata
	sfdisk -q --no-reread sata <<<$'label: gpt\nstart=2048, size=2048, name=keep'
	before=$(sha_of sata)
	config 'a { veneer,pci-class = <0x010601 0xffffff>; veneer,writable; veneer,window = /bits/ 64 <16000 385>; };'
	guest_start --kernel "$BUILD/guest/probe-window.elf" --config window.dts --disk ahci:sata
	guest_end 2
	grep -a 'error: config: /policy/a: veneer,window = first block 0x3e80, 0x181 blocks: expected less, ahci0p0' "$(serial)"
	grep -a 'error: stopped: the configuration does not fit' "$(serial)"
	config 'a { veneer,pci-class = <0x010601 0xffffff>; veneer,writable; veneer,partition = <2>; };'
	guest_start --kernel "$BUILD/guest/probe-window.elf" --config window.dts --disk ahci:sata
	guest_end 2
	grep -a 'config: /policy/a: veneer,partition = <2>: expected a partition of ahci0p0 .*: there is no such' "$(serial)"
	[ "$(sha_of sata)" = "$before" ]
	config 'a { veneer,pci-id = <0x8086 0x10d3>; veneer,partition = <1>; };'
	guest_start --kernel "$BUILD/guest/probe-window.elf" --config window.dts --disk ahci:sata --nic e1000e
	guest_end 2
	grep -a '/policy/a: veneer,partition: expected a rule for a disk controller, pci 00:0[0-9].0 is a network' "$(serial)"
	[ "$(sha_of sata)" = "$before" ]
}

@test "the disk that Veneer starts from is read-only even when it is named writable" {
	truncate -s 1M empty
	config 'a { veneer,pci-class = <0x010601 0xffffff>; veneer,writable; };
		}; chosen { veneer,debug-exit-port = <0xf4>;'
	"$ROOT/installer/veneer-install" image disk.img --kernel "$LINUX/vmlinuz" --module "$LINUX/initrd.gz" --menu-timeout 0 \
		--config window.dts --cmdline "$LINUX_ARGS veneer.run=readonly" \
		--veneer "$BUILD/veneer.elf"
	before=$(sha_of disk.img)
	guest_run --image ahci:disk.img --nic e1000e
	grep -a 'warning: ahci0p0: has the partition that Veneer starts from' "$(serial)"
	said "vda: ro 1"
	[ "$(sha_of disk.img)" = "$before" ]
}
