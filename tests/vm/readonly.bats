#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Data that the configuration does not make writable stays.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

@test "read-only: disks that the configuration does not name writable are not written, whatever the guest tries" {
	veneer_only
	random_file sata 32
	random_file nvme 32
	before="$(sha_of sata) $(sha_of nvme)"
	linux_run readonly "" --config "$ROOT/configs/default.dts" --disk ahci:sata --disk nvme:nvme
	# The guest has read the disks: the checksums of the first 16 MiB of both equal the host's.
	for file in sata nvme; do
		said "[a-z0-9]+: ro 1 sum $(head -c 16M "$file" | sha256sum | cut -d ' ' -f 1)"
	done
	[ "$(sha_of sata) $(sha_of nvme)" = "$before" ]
}

@test "read-only: of two disks only the one with the named serial number is writable" {
	veneer_only
	cat >one.dts <<-'END'
		/dts-v1/;
		/ {
			compatible = "veneer,config";
			veneer,config-version = <1>;
			policy {
				compatible = "veneer,policy";
				veneer,default = "conceal";
				scratch { veneer,serial = "SCRATCH"; veneer,writable; };
			};
			guest { compatible = "veneer,guest"; veneer,boot = "kernel"; };
		};
	END
	random_file keep 32
	truncate -s 64M scratch
	before=$(sha_of keep)
	linux_start disks "veneer.mib=16" --config one.dts --disk ahci:keep,serial=KEEP --disk ahci:scratch,serial=SCRATCH
	# mkfs fails on one disk, which is the only failure.
	guest_end 1
	[ "$(sha_of keep)" = "$before" ]
	check_patterns scratch
}
