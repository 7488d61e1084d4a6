#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The configuration of the build: Kconfig, scripts/kconfig and their use by make.
bats_require_minimum_version 1.5.0

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	cd "$ROOT" || return 1
	T=$BATS_TEST_TMPDIR
	unset MAKEFLAGS MAKELEVEL MFLAGS
}

kconfig() {
	run -"$1" scripts/kconfig "${@:2}"
}

mk() {
	make -s --no-print-directory BUILD="$T/build" KCONFIG_CONFIG="$T/config" "$@"
}

@test "a missing .config means defconfig" {
	mk "$T/build/autoconf.h"
	cmp "$T/config" <(scripts/kconfig defconfig "$T/other" && cat "$T/other")
	grep -x '#define CONFIG_SVM 1' "$T/build/autoconf.h"
	grep -x '#define CONFIG_LOG_LEVEL 2' "$T/build/autoconf.h"
	grep -x '#define CONFIG_DISK_TIMEOUT_MS 30000' "$T/build/autoconf.h"
	grep -x '#define CONFIG_DEFAULT_BOOTARGS ""' "$T/build/autoconf.h"
	run ! grep NIC_SKELETON "$T/build/autoconf.h"
}

@test "autoconf.h is written only when something in it changed" {
	mk "$T/build/autoconf.h"
	touch -d '2001-01-01' "$T/build/autoconf.h"
	touch "$T/config"
	mk "$T/build/auto.conf"
	[ "$(stat -c %Y "$T/build/autoconf.h")" -lt 1000000000 ]
	sed -i 's/^CONFIG_NVME=y/# CONFIG_NVME is not set/' "$T/config"
	mk "$T/build/auto.conf"
	[ "$(stat -c %Y "$T/build/autoconf.h")" -gt 1000000000 ]
	run ! grep -w CONFIG_NVME "$T/build/autoconf.h"
}

@test "settings that are not possible are named, not dropped silently" {
	scripts/kconfig defconfig "$T/config"
	sed -i 's/TIMEOUT_MS=.*/TIMEOUT_MS=5/' "$T/config"
	echo "CONFIG_FROBNICATE=y" >>"$T/config"
	kconfig 0 sync "$T/config" "$T/build"
	assert_output --partial "CONFIG_DISK_TIMEOUT_MS=5 is not possible, it is now: CONFIG_DISK_TIMEOUT_MS=30000"
	assert_output --partial "CONFIG_FROBNICATE=y is not possible"
	grep -x 'CONFIG_DISK_TIMEOUT_MS=30000' "$T/build/auto.conf"
}

@test "all on and all off; the saved form brings a configuration back" {
	kconfig 0 allyesconfig "$T/config"
	grep -x CONFIG_NIC_SKELETON=y "$T/config"
	kconfig 0 allnoconfig "$T/config"
	run ! grep -E '^CONFIG_(SVM|AHCI|NVME|NIC_E1000E?|CONSOLE_SERIAL)=' "$T/config"
	FILE=$T/saved kconfig 0 savedefconfig "$T/config"
	FILE=$T/saved kconfig 0 defconfig "$T/again"
	cmp "$T/config" "$T/again"
}

@test "configs/defconfig is what savedefconfig writes" {
	scripts/kconfig defconfig "$T/config"
	FILE=$T/saved kconfig 0 savedefconfig "$T/config"
	cmp "$T/saved" configs/defconfig
}

@test "the menus need a terminal and say so at once" {
	run -2 timeout 10 scripts/kconfig menuconfig "$T/config" </dev/null
	assert_output --partial "needs a terminal"
	run -2 timeout 10 scripts/kconfig nconfig "$T/config" </dev/null
	kconfig 2 bogus "$T/config"
	kconfig 2
}

@test "localconfig: the drivers of a machine, all else as it was" {
	mk defconfig
	sed -i 's/TIMEOUT_MS=.*/TIMEOUT_MS=5000/; s/^CONFIG_NIC_RTL8139=y/# CONFIG_NIC_RTL8139 is not set/' "$T/config"
	run -0 mk localconfig LSPCI=tests/fixtures/lspci/presario-c500.txt
	assert_output --partial "driver rtl8139"
	for symbol in NIC_RTL8139 AHCI VMX BOOT_LINUX; do
		grep -qx "CONFIG_$symbol=y" "$T/config"
	done
	for symbol in NIC_E1000 NIC_E1000E NVME SVM; do
		grep -qx "# CONFIG_$symbol is not set" "$T/config"
	done
	grep -x 'CONFIG_DISK_TIMEOUT_MS=5000' "$T/config"
	# As make calls the script: the build directory is relative to here.
	cd "$T"
	BUILD=build LSPCI=$ROOT/tests/fixtures/lspci/presario-c500.txt run -0 "$ROOT/scripts/kconfig" localconfig config
	assert_output --partial "driver rtl8139"
	cd "$ROOT"
	run -2 mk localconfig LSPCI=nowhere
	assert_output --partial "nowhere: No such file"
}

@test "localconfig: this machine, by its sysfs" {
	local name id
	mkdir -p "$T/root/proc" "$T/root/dev"
	: >"$T/root/dev/kvm"
	printf 'processor: 0\nvendor_id: AuthenticAMD\nmodel name: Test\nflags: lm svm npt\n' >"$T/root/proc/cpuinfo"
	for id in 00:03.0=8086:100e:020000 00:04.0=144d:a808:010802; do
		name=$T/root/sys/bus/pci/devices/0000:${id%%=*}
		mkdir -p "$name"
		IFS=: read -r vendor device class <<<"${id#*=}"
		echo "0x$vendor" >"$name/vendor"
		echo "0x$device" >"$name/device"
		echo "0x$class" >"$name/class"
	done
	mk defconfig
	SYSROOT=$T/root run -0 mk localconfig
	assert_output --partial "fits: 1 network and 1 disk controller will be concealed"
	for symbol in NIC_E1000 NVME SVM; do
		grep -qx "CONFIG_$symbol=y" "$T/config"
	done
	for symbol in NIC_E1000E NIC_RTL8139 AHCI VMX; do
		grep -qx "# CONFIG_$symbol is not set" "$T/config"
	done
	# The one that this is.
	[ ! -d /sys/bus/pci/devices ] || mk localconfig | grep -x 'veneer-hwcheck: this machine'
}

@test "what is switched off cannot be configured at run time" {
	mk defconfig
	sed -i -E 's/^(CONFIG_(BOOT_(PVH|BIOS|EFI)|VIRTIO_MODERN|CONSOLE_SERIAL|CONSOLE_SCREEN))=y/# \1 is not set/' "$T/config"
	mk "$T/build/config-check"
	while IFS='|' read -r chosen rule guest; do
		cat >"$T/a.dts" <<-DTS
			/dts-v1/;
			/ { compatible = "veneer,config"; veneer,config-version = <1>; chosen { $chosen };
			policy { compatible = "veneer,policy"; r { veneer,serial = "S"; $rule }; };
			guest { compatible = "veneer,guest"; $guest }; };
		DTS
		BUILD=${BUILD:-$ROOT/build} run -0 installer/veneer-config check "$T/a.dts"
		BUILD=$T/build run -1 installer/veneer-config check "$T/a.dts"
		assert_output --partial "is not implemented in this build"
	done <<-'END'
		||veneer,boot-protocol = "pvh";
		||veneer,boot = "disk";
		|veneer,modern-only;|
		stdout-path = "serial0";||
		stdout-path = "screen";||
	END
}

@test "every question has a help text" {
	run awk '
		/^(config|choice|menu|endmenu|endchoice|mainmenu)/ {
			if (asked && !help) print name
			name = $0
			asked = help = 0
		}
		/^\t(bool|int|hex|string|prompt) "/ { asked = 1 }
		/^\thelp/ { help = 1 }' Kconfig
	assert_output ""
}

@test "symbols that the sources use exist" {
	used=$(git ls-files '*.c' '*.h' '*.S' '*build.mk' | xargs grep -hoE '(IS_ENABLED\(|\$\()CONFIG_[A-Z0-9_]+' |
		grep -oE 'CONFIG_[A-Z0-9_]+' | sort -u | grep -vxE 'CONFIG_(X|SOMETHING|NOTHING)')
	[ -n "$used" ]
	for symbol in $used; do
		grep -qx "config ${symbol#CONFIG_}" Kconfig || { echo "$symbol"; false; }
	done
}
