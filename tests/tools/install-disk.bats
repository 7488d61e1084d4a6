#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-install on whole disks (loop devices) and on this machine: users of a disk, the firmware's boot list, Secure Boot,
# missing programs, progress.

load ../lib/tools
bats_require_minimum_version 1.5.0

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root for a loop device"
	cd "$BATS_FILE_TMPDIR" || return 1
	tiny_kernel 2 k
}

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	INSTALL=$ROOT/installer/veneer-install
	PATH=$PATH:/usr/sbin:/sbin
	cd "$BATS_TEST_TMPDIR" || return 1
	K=$BATS_FILE_TMPDIR/k
	truncate -s 64M backing
	LOOP=$(losetup --show -f backing) || skip "no loop devices"
	# Writes to a disk do not appear in this machine's log.
	DISK=(--kernel "$K" --veneer "$K" --yes --log log)
}

teardown() {
	swapoff "$LOOP" 2>/dev/null || true
	losetup -d "$LOOP" || true
}

empty() { [ "$(tr -d '\0' <"$LOOP" | wc -c)" = 0 ]; }

@test "a signal while a disk is written says what has become of it" {
	mkdir hooks
	# The second dd that writes to the disk, or to the image before, sends the signal to the installer.
	# shellcheck disable=SC2016 # for that script
	printf '#!/bin/sh\ncase "$*" in *"$AIM"*) echo >>n; [ "$(wc -l <n)" != 2 ] || kill -INT "$PPID" ;; esac
		PATH=${PATH#*:} exec dd "$@"\n' >hooks/dd
	chmod 755 hooks/dd
	AIM=boot.img PATH=$PWD/hooks:$PATH run -130 env --default-signal=INT "$INSTALL" disk "$LOOP" "${DISK[@]}"
	assert_output --partial "interrupted: nothing was changed"
	empty
	rm n
	AIM=of=$LOOP PATH=$PWD/hooks:$PATH run -130 env --default-signal=INT "$INSTALL" disk "$LOOP" "${DISK[@]}"
	assert_output --partial "interrupted: $LOOP starts nothing now, and what was on it is lost; try again"
	grep "interrupted: $LOOP" log
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	rm n
	AIM=of=$LOOP PATH=$PWD/hooks:$PATH run -130 env --default-signal=INT "$INSTALL" upgrade "$LOOP" --veneer "$K" --log log
	assert_output --partial "interrupted: slot a of $LOOP starts, as before"
	run -0 "$INSTALL" verify "$LOOP"
}

@test "a disk with swap space in use is refused" {
	mkswap "$LOOP" >/dev/null
	swapon "$LOOP" || skip "this kernel takes no swap space on a loop device"
	run -3 "$INSTALL" disk "$LOOP" "${DISK[@]}" --i-know
	assert_output --partial "$LOOP is swap space"
	swapoff "$LOOP"
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
}

@test "a disk that is part of RAID or LVM is refused: the kernel's list of holders" {
	local name=${LOOP#/dev/}
	mkdir -p "block/$name/holders/md0"
	for file in dev ro removable; do cat "/sys/class/block/$name/$file" >"block/$name/$file"; done
	mkdir "block/${name}p1"
	echo 259:77 >"block/${name}p1/dev"
	# shellcheck disable=SC2016 # for the inner shell
	run -3 unshare --mount sh -c 'mount --bind block /sys/class/block && exec "$@"' sh "$INSTALL" disk "$LOOP" "${DISK[@]}"
	assert_output --partial "$name is part of md0"
	rm -rf "block/$name/holders/md0"
	mkdir -p "block/${name}/${name}p1/holders/dm-3"
	echo 259:77 >"block/${name}/${name}p1/dev"
	# shellcheck disable=SC2016
	run -3 unshare --mount sh -c 'mount --bind block /sys/class/block && exec "$@"' sh "$INSTALL" disk "$LOOP" "${DISK[@]}"
	assert_output --partial "${name}p1 is part of dm-3"
	empty
}

@test "a disk that another program has opened for itself is refused" {
	perl -MFcntl -e 'sysopen(F, $ARGV[0], O_RDWR | O_EXCL) or die; print "open\n"; close STDOUT; sleep 60' "$LOOP" \
		>opened 3>&- &
	local pid=$!
	until [ -s opened ] || ! kill -0 $pid; do sleep 0.05; done
	run -3 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	kill $pid
	assert_output --partial "cannot be opened for this program alone"
	empty
}

@test "the disk that the system runs from: refused, and written with --i-know" {
	mkfs.ext4 -q -F "$LOOP"
	before=$(sha256sum <"$LOOP")
	# shellcheck disable=SC2016 # for the inner shell
	run -3 unshare --mount --propagation private sh -c 'mount -o ro "$1" /boot && shift && exec "$@"' sh "$LOOP" \
		"$INSTALL" disk "$LOOP" "${DISK[@]}"
	assert_output --partial "is the disk that this system runs from (/boot); --i-know overwrites it"
	[ "$(sha256sum <"$LOOP")" = "$before" ]
	# shellcheck disable=SC2016
	run -0 unshare --mount --propagation private sh -c 'mount -o ro "$1" /boot && shift && exec "$@"' sh "$LOOP" \
		"$INSTALL" disk "$LOOP" "${DISK[@]}" --i-know
	run -0 "$INSTALL" verify "$LOOP"
}

@test "upgrade, rollback and uninstall of a disk in use are refused; uninstall erases what starts and leaves the data" {
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}" --data 8M
	assert_output --partial "written and verified"
	local start
	start=$(sfdisk -d "$LOOP" | sed -n 's/.*start= *\([0-9]*\),.*"veneer-data".*/\1/p')
	echo precious | dd of="$LOOP" bs=512 seek="$start" conv=notrunc status=none
	run -0 "$INSTALL" upgrade "$LOOP" --veneer "$K" --cmdline new --log log
	run -0 "$INSTALL" rollback "$LOOP" --log log
	mkswap -q "$LOOP" 2>/dev/null || true
	run -3 "$INSTALL" uninstall "$LOOP" --log log </dev/null
	assert_output --partial "was not confirmed"
	run -0 "$INSTALL" verify "$LOOP"
	before=$(sha256sum <"$LOOP")
	run -0 "$INSTALL" uninstall "$LOOP" --dry-run --log log
	assert_output --partial "would erase"
	[ "$(sha256sum <"$LOOP")" = "$before" ]
	run -0 "$INSTALL" uninstall "$LOOP" --yes --log log
	assert_output --partial "erased"
	[ "$(head -c 1M "$LOOP" | tr -d '\0' | wc -c)" = 0 ]
	[ "$(tail -c 16896 "$LOOP" | tr -d '\0' | wc -c)" = 0 ]
	[ "$(dd if="$LOOP" bs=512 skip="$start" count=1 status=none | tr -d '\0')" = precious ]
	run -2 "$INSTALL" verify "$LOOP"
	assert_output --partial "no installation of Veneer"
}

@test "--dry-run of disk and image writes nothing and says what it would do" {
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}" --dry-run
	assert_output --partial "would write to $LOOP (64 MiB)"
	empty
	run -0 "$INSTALL" image x.img --kernel "$K" --veneer "$K" --dry-run
	assert_output --partial "would write to x.img"
	[ ! -e x.img ]
	"$INSTALL" image x.img --kernel "$K" --veneer "$K" --quiet
	before=$(sha256sum x.img)
	run -0 "$INSTALL" upgrade x.img --veneer "$K" --cmdline y --dry-run
	assert_output --partial "would write slot b of x.img"
	[ "$(sha256sum x.img)" = "$before" ]
	run -0 "$INSTALL" upgrade x.img --veneer "$K"
	before=$(sha256sum x.img)
	run -0 "$INSTALL" rollback x.img --dry-run
	assert_output --partial "would let slot a of x.img start again"
	[ "$(sha256sum x.img)" = "$before" ]
	run -0 "$INSTALL" config "$ROOT/configs/example.dts" out.dtb --dry-run
	assert_output --partial "would write out.dtb"
	[ ! -e out.dtb ]
}

# --- the firmware ---

# A stand-in for efibootmgr, with a list in a file, in the format of the real one.
firmware() {
	mkdir -p bin efi/efivars
	printf 'BootOrder: 0001,0002\nBoot0001* Linux\tHD(1,GPT,0)/File(a)\nBoot0002* Veneer\tHD(1,GPT,OTHER)/File(b)\n' >list
	cat >bin/efibootmgr <<-'END'
		#!/bin/bash
		echo "$*" >>calls
		case "$*" in
		'' | -v) cat list ;;
		*--create-only*)
			disk=$(sed 's/.*--disk \([^ ]*\).*/\1/' <<<"$*")
			printf 'Boot0007* Veneer\tHD(2,GPT,%s)/File(BOOTX64.EFI)\n' "$(sfdisk --part-uuid "$disk" 2)" >>list ;;
		*--bootorder*) sed -i "s/^BootOrder: .*/BootOrder: ${!#}/" list ;;
		*--delete-bootnum*)
			number=$(sed 's/.*--bootnum \([0-9A-F]*\).*/\1/' <<<"$*")
			sed -i "/^Boot$number/d; /^BootOrder/{s/$number,\{0,1\}//; s/,\$//}" list ;;
		esac
	END
	chmod 755 bin/efibootmgr
	export PATH=$PWD/bin:$PATH VENEER_EFI=$PWD/efi
}

secure_boot() { printf '\x06\0\0\0\x01' >efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c; }

@test "the firmware's boot list: a new entry goes last, --default first, a second installation replaces its own" {
	firmware
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	assert_output --partial "the firmware's boot list has the entry 'Veneer' (0007)"
	grep -x "BootOrder: 0001,0002,0007" list
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}" --default
	[ "$(grep -c '^Boot0007' list)" = 1 ]
	grep -x "BootOrder: 0007,0001,0002" list
	grep '^Boot0002\* Veneer' list
	run -0 "$INSTALL" uninstall "$LOOP" --yes --log log
	run ! grep '^Boot0007' list
	grep '^Boot0002\* Veneer' list
	: >calls
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}" --no-nvram
	run ! grep create calls
	VENEER_EFI=$PWD/none run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	run ! grep create calls
}

# Two copies of boot entries, an entry of the machine, and a chattr that does nothing.
copies() {
	local vendor=5b1e6a0d-7d0f-4d3c-8e21-56656e656572
	echo x | tee "efi/efivars/Boot0001-$vendor" >"efi/efivars/VeneerCopied-$vendor"
	echo x >efi/efivars/Boot0001-8be4df61-93ca-11d2-aa0d-00e098032b8c
	printf '#!/bin/sh\necho "chattr $*" >>calls\n' >bin/chattr
	chmod 755 bin/chattr
}

@test "the firmware's memory: uninstall removes the guest's copies of boot entries, and nothing else" {
	firmware
	copies
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	run -0 "$INSTALL" uninstall "$LOOP" --yes --log log
	assert_output --partial "2 variables removed, copies of boot entries"
	[ "$(ls efi/efivars)" = Boot0001-8be4df61-93ca-11d2-aa0d-00e098032b8c ]
	grep -xF "chattr -i -- $PWD/efi/efivars/Boot0001-5b1e6a0d-7d0f-4d3c-8e21-56656e656572" calls
	# A system's, of which only the directory is there.
	copies
	mkdir -p boot/grub boot/veneer grub.d
	: >boot/grub/grub.cfg
	# shellcheck disable=SC2016 # for the inner shell
	run -0 unshare --mount --propagation private sh -c 'mount --bind boot /boot && mkdir -p /etc/grub.d &&
		mount --bind grub.d /etc/grub.d && exec "$@"' sh "$INSTALL" uninstall --log log
	assert_output --partial "2 variables removed, copies of boot entries"
	[ ! -e boot/veneer ]
	[ "$(ls efi/efivars)" = Boot0001-8be4df61-93ca-11d2-aa0d-00e098032b8c ]
	# What cannot be removed is told.
	mkdir efi/efivars/Boot0002-5b1e6a0d-7d0f-4d3c-8e21-56656e656572
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	run -0 "$INSTALL" uninstall "$LOOP" --yes --log log
	assert_output --partial "note: 1 variables *-5b1e6a0d-7d0f-4d3c-8e21-56656e656572 stay in the firmware's memory"
}

@test "the firmware's boot list: a disk that had partitions, and no entry of ours" {
	firmware
	printf 'label: gpt\nsize=2048\nsize=2048\n' | sfdisk --quiet --no-reread "$LOOP"
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	assert_output --partial "written and verified"
	grep -x "BootOrder: 0001,0002,0007" list
	sed -i '/^Boot0007/d; s/,0007//' list
	run -0 "$INSTALL" uninstall "$LOOP" --yes --log log
	assert_output --partial "erased"
	# A disk without a partition table.
	dd if=/dev/urandom of="$LOOP" bs=1M count=2 status=none
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
}

@test "a firmware that takes no entry is told, and is no failure" {
	firmware
	sed -i 's/\*--create-only\*)/*--create-only*) exit 5/' bin/efibootmgr
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	assert_output --partial "the firmware took no new boot entry"
	assert_output --partial "written and verified"
	firmware
	sed -i 's/\(\*--bootorder\*)\).*/\1 exit 5 ;;/' bin/efibootmgr
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	assert_output --partial "did not take the entry 'Veneer' (0007) into its order"
	grep -x "BootOrder: 0001,0002" list
	# A machine without a boot order.
	firmware
	sed -i '/^BootOrder/d' list
	sed -i 's/\(\*--bootorder\*)\).*/\1 echo "BootOrder: ${!#}" >>list ;;/' bin/efibootmgr
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	grep -x "BootOrder: 0007" list
	# Variables that Linux does not show.
	printf '#!/bin/sh\nexit 2\n' >bin/efibootmgr
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	assert_output --partial "the firmware's boot list cannot be read"
	run -0 "$INSTALL" uninstall "$LOOP" --yes --log log
}

@test "Secure Boot: disk says what it means and writes; system refuses, unless --force" {
	firmware
	secure_boot
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	assert_output --partial "Secure Boot is on in this machine"
	assert_output --partial "The disk is written all the same"
	mkdir -p boot/grub grub.d
	: >boot/grub/grub.cfg
	for force in '' --force; do
		# shellcheck disable=SC2016,SC2086 # for the inner shell; a word or none
		run unshare --mount --propagation private sh -c 'mount --bind boot /boot && mkdir -p /etc/grub.d &&
			mount --bind grub.d /etc/grub.d && exec "$@"' sh "$INSTALL" system --kernel "$K" --veneer "$K" \
			--dry-run --log log $force
		assert_output --partial "Switch Secure Boot off in the firmware setup"
		if [ -n "$force" ]; then [ "$status" = 0 ]; else [ "$status" = 3 ]; fi
	done
	printf '\x06\0\0\0\0' >efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}"
	refute_output --partial "Secure Boot"
}

# --- programs and progress ---

@test "missing programs: all of them with the packages of this distribution, exit code 4" {
	mkdir few
	ln -s /usr/bin/* few/ 2>/dev/null || true
	rm -f few/mcopy few/mmd few/dtc
	for line in 'ID=debian|in Debian the packages are: mtools device-tree-compiler' \
		'ID=fedora|in Fedora the packages are: mtools dtc' 'ID=arch|in Arch Linux the packages are: mtools dtc' \
		'ID="alpine"|in Alpine Linux the packages are: mtools dtc' \
		'ID=ubuntu ID_LIKE=debian|in Debian the packages are: mtools'; do
		tr ' ' '\n' <<<"${line%%|*}" >os-release
		PATH=$PWD/few VENEER_OS_RELEASE=os-release run -4 "$INSTALL" image x.img --kernel "$K" --veneer "$K"
		assert_output --partial "missing: mcopy mmd dtc; ${line#*|}"
	done
	for tool in awk sed find grep xargs; do
		rm -f few/$tool
		PATH=$PWD/few VENEER_OS_RELEASE=os-release run -4 "$INSTALL" image x.img --kernel "$K" --veneer "$K"
		assert_output --partial "missing: $tool mcopy mmd dtc; in Debian the packages are:"
		# Busybox has fewer programs.
		printf '#!/bin/sh\nexec /bin/busybox %s "$@"\n' $tool >few/$tool
		chmod 755 few/$tool
		if [ $tool = find ] || [ $tool = grep ]; then
			PATH=$PWD/few VENEER_OS_RELEASE=os-release run -4 "$INSTALL" image x.img --kernel "$K" --veneer "$K"
			assert_output --partial "missing: $tool mcopy"
		fi
		ln -sf "$(command -v $tool)" few/$tool
	done
	PATH=$PWD/few VENEER_OS_RELEASE=nowhere run -4 "$INSTALL" image x.img --kernel "$K" --veneer "$K"
	assert_output --partial "missing: mcopy mmd dtc; in Debian the packages are: mtools"
	[ ! -e x.img ]
}

@test "progress: lines for programs, a line that is drawn over on a terminal, none with --quiet" {
	"$INSTALL" disk "$LOOP" "${DISK[@]}" --progress >progress 2>/dev/null
	grep -E '^progress [0-9]+ writing$' progress
	[ "$(grep -cx 'progress 100 verifying' progress)" = 1 ]
	run ! grep -vE '^progress ([0-9]|[1-9][0-9]|100) (writing|verifying)$' progress
	script -qec "$INSTALL disk $LOOP --kernel $K --veneer $K --yes --log log" screen </dev/null >/dev/null
	grep -q $'\rwriting: 100 %' screen
	grep -q $'\rverifying: 100 %' screen
	run -0 "$INSTALL" disk "$LOOP" "${DISK[@]}" --quiet
	refute_output --partial "%"
}
