#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer.efi, the loader that UEFI firmware starts: by the firmware itself, and by GRUB's chainloader; the firmware as guest.
load ../lib/guest
load ../lib/bios
load ../lib/efi

setup() {
	veneer_only
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir tftp
	random_file tftp/file 1
	truncate -s 64M data
}

teardown() { guest_teardown; }

# Make a medium on which GRUB chainloads veneer.efi from a directory of its own, with an option for Veneer.
make_chain_stick() { # make_chain_stick IMAGE WORD
	"$ROOT/installer/veneer-install" config "$WRITABLE" config.dtb
	fdtput -t x config.dtb /chosen veneer,debug-exit-port f4
	printf 'module sub/config.dtb config\nmodule /veneer/sub/kernel kernel a "b c"\n' >veneer.conf
	printf 'search --file --set=root /veneer/veneer.efi\nchainloader /veneer/veneer.efi %s\nboot\n' "$2" >chain.cfg
	grub-mkimage -O x86_64-efi -c chain.cfg -p / -o BOOTX64.EFI part_gpt fat search search_fs_file chain boot normal
	truncate -s 16M "$1"
	mkfs.vfat "$1" >mkfs.log
	mmd -i "$1" ::/EFI ::/EFI/BOOT ::/veneer ::/veneer/sub
	mcopy -i "$1" BOOTX64.EFI ::/EFI/BOOT/
	mcopy -i "$1" "$BUILD/veneer.efi" "$BUILD/veneer.elf" veneer.conf ::/veneer/
	mcopy -i "$1" config.dtb ::/veneer/sub/
	mcopy -i "$1" "$BUILD/hobby-os.elf" ::/veneer/sub/kernel
}

@test "veneer.efi: started by the firmware, it starts the hobby OS" {
	local run="tftp 10.0.2.2 file; write disk0 2048 0x1234 8192; verify disk0 2048 0x1234 8192; exit 0"
	guest_run --firmware uefi --loader efi --kernel "$BUILD/hobby-os.elf" --config "$WRITABLE" --tftp tftp \
		--cmdline "virtio=modern irq=msix net=dhcp run=\"$run\"" --nic e1000e --disk nvme:data --smp 2
	grep -aE "veneer: .*, started by veneer.efi on UEFI" "$(serial)"
	grep -aE "tftp: file 1048576 bytes .* sha256 $(sha_of tftp/file)" "$(serial)"
	grep -a "verify: disk0 8192 sectors from 2048 are as written" "$(serial)"
	"$LIB/check-words" data 2048 0x1234 8192
	start_is_unmapped
}

@test "veneer.efi: started by GRUB's chainloader, with words for Veneer; a file that is missing is named" {
	make_chain_stick stick.img --check-only
	guest_run --firmware uefi --image stick.img --nic e1000e
	grep -aE "veneer: .*, started by veneer.efi on UEFI" "$(serial)"
	grep -aE 'check: fits: 2 network and disk controllers' "$(serial)"
	# The firmware continues.
	mdel -i stick.img ::/veneer/sub/kernel
	guest_start --firmware uefi --image stick.img
	guest_wait_for 'veneer.efi: /veneer/sub/kernel: cannot be opened: .*not found' 240
}

# --- the firmware goes on as the guest ---

# boots_itself SERIAL IMAGE ARGS...: the disk's GRUB, reading by Block I/O, starts Linux, which finds the disk by virtio-blk.
boots_itself() {
	local serial=$1 image=$2
	shift 2
	boot_image "$image" bootdisk
	cp --sparse=always "$image" before
	efi_disk_boot "$serial" "$@"
	guest_end 0
	boot_image_kept "$image" before "$serial"
	logged "guest: the firmware goes on"
}

@test "efi disk: two processors, a GRUB on an NVMe disk starts Linux from that disk" {
	boots_itself NVME0 boot.img --smp 2 --disk ahci:other,size=32M --disk nvme:boot.img --nic e1000e
	# The firmware used both at the end of boot services, and so does Linux.
	said "cpus: 2"
}

# bats test_tags=slow
@test "efi disk: one processor, a GRUB on a SATA disk starts Linux from that disk" {
	boots_itself AHCI0 boot.img --disk ahci:boot.img --disk nvme:other,size=32M
}

# looked WHEN REGEX: what the probe saw then.
looked() { said "$1: $2.?$"; }

# What the probe has to see each time: of three controllers only the twins, which cannot be opened, and two virtual disks.
HIDDEN="real 0, twins 3, open 0, disks 2, with a GPT 1, other disks 0, nvme 0, ata 0, ide 0, scsi 0, net 0"

nothing_comes_back() { # nothing_comes_back ARGS...
	local when
	efi_image probe.img "$BUILD/guest/efi/probe.efi"
	efi_disk_boot NVME0 --disk ahci:other,size=32M --disk nvme:probe.img --nic e1000e "$@"
	guest_end 0
	# The shell's words, in colours, show that it did its work.
	grep -a 'Result Success' "$(serial)"
	for when in 'at the start' 'after "reconnect -r"' 'after "map -r"' 'after "connect -r"' 'after ConnectController' \
		'after DisconnectController' 'after a cycle of the root bridge'; do
		looked "$when" "$HIDDEN"
	done
	said end
}

@test "efi disk: neither the firmware's shell nor boot services bring a concealed device back" {
	nothing_comes_back
}

# bats test_tags=slow
@test "efi disk: the same with 5 GiB and VT-d" {
	nothing_comes_back --mem 5G --iommu intel
}

# More memory than this machine has: it is not touched.
# bats test_tags=slow
@test "efi disk: the same with 64 GiB" {
	nothing_comes_back --mem 64G -- -object memory-backend-ram,id=ram,size=64G,reserve=off -machine memory-backend=ram
}

# The disk own.img starts, and by it the loader of an NVMe disk, whose Linux leaves the disk as it should.
own_starts_nvme() {
	boot_image boot.img bootdisk
	cp --sparse=always boot.img before
	guest_start --no-reboot --firmware uefi --image own.img --disk nvme:boot.img --nic e1000e
	guest_end 0
	boot_image_kept boot.img before NVME0
}

# Veneer's own disk is on a controller that Veneer takes, and is not started again.
# bats test_tags=slow
@test "efi disk: an installed image starts the loader of the other disk by veneer.efi, from GRUB's menu" {
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"; veneer,boot-disk = "NVME0"/' "$WRITABLE" >disk.dts
	"$ROOT/installer/veneer-install" config disk.dts disk.dtb
	fdtput -t x disk.dtb /chosen veneer,debug-exit-port f4
	"$ROOT/installer/veneer-install" image own.img --config disk.dtb --menu-timeout 0 --veneer "$BUILD/veneer.elf"
	own_starts_nvme
	logged "guest: the firmware goes on"
}

# bats test_tags=slow
@test "efi disk: a memory map of more than 300 entries, a GRUB on an NVMe disk starts Linux from that disk" {
	sed 's/veneer,boot = "kernel"/veneer,boot = "disk"; veneer,boot-disk = "NVME0"/' "$WRITABLE" >disk.dts
	"$ROOT/installer/veneer-install" config disk.dts config.dtb
	fdtput -t x config.dtb /chosen veneer,debug-exit-port f4
	printf 'boot disk\nmodule config.dtb config\n' >veneer.conf
	efi_image own.img "$BUILD/guest/efi/holes.efi" "$BUILD/veneer.efi=/EFI/BOOT/veneer.efi" \
		"$BUILD/veneer.elf=/EFI/BOOT/veneer.elf" veneer.conf=/EFI/BOOT/veneer.conf config.dtb=/EFI/BOOT/config.dtb
	own_starts_nvme
	said "holes, status 0, entries [34][0-9][0-9]"
	# Many of the holes are there for the kernel, too; what needs single pages has filled others.  A kernel has 20 without.
	[ "$(grep -ac '^GUEST: map: .*BIOS-e820: ' "$(serial)")" -gt 50 ]
}

# --- other loaders ---

# loader_starts: Linux, which the loader on loader.img started, has read that disk and written to it.
loader_starts() {
	cp --sparse=always loader.img before
	efi_disk_boot NVME0 --disk nvme:loader.img --nic e1000e
	guest_end 0
	boot_image_kept loader.img before NVME0
}

WORDS="$LINUX_ARGS veneer.run=bootdisk"

# The kernel is a program for the firmware, with its words and its initrd in sections behind systemd's stub.
# bats test_tags=slow
@test "efi disk: a Linux with an EFI stub is BOOTX64.EFI itself" {
	printf '%s' "$WORDS" >words
	objcopy --add-section .cmdline=words --change-section-vma .cmdline=0x30000 \
		--add-section .linux="$LINUX/vmlinuz" --change-section-vma .linux=0x2000000 \
		--add-section .initrd="$LINUX/initrd.gz" --change-section-vma .initrd=0x3000000 \
		/usr/lib/systemd/boot/efi/linuxx64.efi.stub kernel.efi
	efi_image loader.img kernel.efi
	loader_starts
}

# bats test_tags=slow
@test "efi disk: systemd-boot starts Linux" {
	printf 'title Linux\nlinux /vmlinuz\ninitrd /initrd.gz\noptions %s\n' "$WORDS" >linux.conf
	printf 'timeout 0\n' >loader.conf
	efi_image loader.img /usr/lib/systemd/boot/efi/systemd-bootx64.efi linux.conf=/loader/entries/linux.conf \
		loader.conf=/loader/loader.conf "$LINUX/vmlinuz=/vmlinuz" "$LINUX/initrd.gz=/initrd.gz"
	loader_starts
}

# bats test_tags=slow
@test "efi disk: rEFInd starts Linux" {
	printf '%s\n' 'timeout -1' textonly 'scanfor manual' 'menuentry "Linux" {' 'loader /vmlinuz' 'initrd /initrd.gz' \
		"options \"$WORDS\"" '}' >refind.conf
	"$LIB/refind" "$BUILD/refind"
	efi_image loader.img "$BUILD/refind/refind_x64.efi" refind.conf=/EFI/BOOT/refind.conf \
		"$LINUX/vmlinuz=/vmlinuz" "$LINUX/initrd.gz=/initrd.gz"
	loader_starts
}

# The Debian's own GRUB: the first start makes it, by grub-install, which writes its entry into the boot list as well.  Right
# before each reset and the power-off the guest writes to the disk.
debian_runs() { # debian_runs SERIAL "RESETS" DISKS...
	local start kept reset number n resets=$2
	n=$(($(wc -w <<<"$resets") + 1))
	[ "$(id -u)" = 0 ] || skip "needs root for mmdebstrap"
	"$LIB/debian-efi" "$BUILD/debian-efi.img"
	cp --sparse=always "$BUILD/debian-efi.img" debian.img
	http_start
	random_file "$HTTP_DIR/down" 4
	{ echo "url=$HTTP_URL resets='$resets'"; cat "$LIB/debian-efi.sh"; } >script
	dd if=script of=debian.img bs=1M seek=1060 conv=notrunc status=none
	GUEST_TIMEOUT=3000 guest_run --boot-disk "$1" --firmware uefi --loader efi --config "$WRITABLE" --mem 1G --smp 2 \
		--nic e1000e "${@:3}"
	not_said FAILED
	not_said "pci: .*(8086:10d3|8086:2922|1b36:0010)"
	said "pci: .*1af4:"
	[ "$(grep -ac '^veneer: guest: the firmware goes on' "$(serial)")" = $n ]
	said "start 1, 2 processors, words BOOT_IMAGE=/vmlinuz "
	for reset in $resets; do
		said "reset: $reset efi"
	done
	check_transfers $n
	# Its entry is the first of the list that it sees, after resets, too.
	number=$(sed -nE "s/^GUEST: list $n: Boot([0-9A-F]+)\\* debian.*/\\1/p" "$(serial)")
	said "list $n: BootOrder: $number,"
	for ((start = 1; start <= n; start++)); do
		[ $start = 1 ] || said "start $start, 2 processors, words BOOT_IMAGE=/boot/vmlinuz-"
		for ((kept = 1; kept < start; kept++)); do
			said "kept $kept in start $start: $(reported "pattern $kept")"
		done
		[ "$(dd if=debian.img bs=1M skip=$((1060 + 8 * start)) count=4 status=none | sha256sum)" = \
			"$(reported "pattern $start")  -" ]
	done
	PATH=$PATH:/usr/sbin:/sbin
	e2fsck -fn "debian.img?offset=$((36 << 20))"
	debugfs -R "dump /root/pattern pattern" "debian.img?offset=$((36 << 20))"
	[ "$(sha_of pattern)" = "$(reported "pattern $n")" ]
}

# bats test_tags=slow
@test "efi disk: a Debian on the NVMe disk makes its own GRUB, is reset warm and cold, and switches itself off" {
	debian_runs NVME0 "warm cold" --disk ahci:other,size=32M --disk nvme:debian.img
}

# bats test_tags=slow
@test "efi disk: a Debian on the SATA disk makes its own GRUB, is reset cold, and switches itself off" {
	debian_runs AHCI0 cold --disk ahci:debian.img --disk nvme:other,size=32M
}

entries_are_copies() {
	said "entry written, status 0"
	said "order written, status 0, next 0, indications 0"
	said "order of 1, first 170, own entry 1, next 170"
	said "many names, own entry 1, orders 1, Veneer's 0"
	said "capsule, status 3, query 3"
	# BootNext is for one start, and the machine has not looked at the guest's.
	said "start 1 behind Veneer"
	said "order of 1, first 170, own entry 1, next 0"
	said "block read, status 0, mark 65"
	said "start 2 behind Veneer"
	said "block read, status 0, mark 66"
	[ "$(tail -c +$((512 * 493567 + 1)) vars.img | head -c 512 | tr -d B | wc -c)" = 0 ]
}

# What the guest writes to boot entries does not change what the machine starts; writes right before a reset are on the disk.
@test "efi disk: boot entries are copies, a capsule is refused, a write before a warm and a cold reset is kept" {
	efi_image vars.img "$BUILD/guest/efi/vars.efi"
	guest_run --boot-disk NVME0 --firmware uefi --loader efi --config "$WRITABLE" --disk nvme:vars.img --nic e1000e
	entries_are_copies
}

# SMIs come while the guest runs, and at the end of boot services on both processors.
# bats test_tags=slow
@test "efi disk: firmware with SMM, two processors: boot entries are copies, a write before a reset is kept" {
	efi_image vars.img "$BUILD/guest/efi/vars.efi"
	guest_run --boot-disk NVME0 --firmware uefi-smm --loader efi --config "$WRITABLE" --disk nvme:vars.img --nic e1000e \
		--smp 2
	entries_are_copies
}

# bats test_tags=slow
@test "efi disk: firmware with SMM, two processors, a GRUB on an NVMe disk starts Linux from that disk" {
	boots_itself NVME0 boot.img --firmware uefi-smm --smp 2 --disk ahci:other,size=32M --disk nvme:boot.img --nic e1000e
	said "cpus: 2"
}

# bats test_tags=slow
@test "efi disk: firmware with SMM: neither its shell nor boot services bring a concealed device back" {
	nothing_comes_back --firmware uefi-smm
}

# What that prevents.
# bats test_tags=slow
@test "efi disk: by veneer,efi-boot-order = pass the guest's wish for the firmware's setup is obeyed" {
	"$ROOT/installer/veneer-install" config "$WRITABLE" pass.dtb
	fdtput -t s pass.dtb /guest veneer,efi-boot-order pass
	efi_image vars.img "$BUILD/guest/efi/vars.efi"
	guest_start --boot-disk NVME0 --firmware uefi --loader efi --config pass.dtb --disk nvme:vars.img --nic e1000e
	guest_wait_for 'BdsDxe: starting .* "UiApp"' 300
	said "start 0 behind Veneer"
	not_said "start 1"
}

# The probe sees what there is: without this, the test above shows nothing.
# bats test_tags=slow
@test "efi disk: without Veneer the probe finds the controllers and the firmware's drivers" {
	efi_image probe.img "$BUILD/guest/efi/probe.efi"
	disk_boot NVME0 --native --firmware uefi --disk ahci:other,size=32M --disk nvme:probe.img --nic e1000e
	guest_end 0
	looked 'after ConnectController' "real 3, twins 0, .* other disks 2, nvme 1, ata 1, ide 1, scsi [0-9]+, net [1-9]"
}
