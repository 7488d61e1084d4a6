#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# veneer-qemu: its refusals, and the emulator that it would start. A script stands in for QEMU.
load ../lib/tools
bats_require_minimum_version 1.5.0

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	cd "$BATS_TEST_TMPDIR" || return 1
	tiny_kernel 1 k
	tiny_kernel 2 v
	cp "$ROOT/configs/default.dts" .
	export ACCEL=tcg SYSROOT=$PWD/sysroot
	# Answers QMP as QEMU does, prints its arguments, sleeps as the file "duration" says, ends as the file "status" says.
	cat >qemu <<-'END'
		#!/usr/bin/python3
		import os, socket, sys, time
		print("\n".join(sys.argv[1:]), flush=True)
		open("pid", "w").write(str(os.getpid()))
		if os.path.exists("no-start"):
		    sys.exit("qemu: no such device")
		path = [a for a in sys.argv if a.endswith("server=on,wait=off")][0].split(":", 1)[1].split(",")[0]
		server = socket.socket(socket.AF_UNIX)
		server.bind(path)
		server.listen()
		connection = server.accept()[0]
		connection.sendall(b'{"QMP": {}}\n')
		connection.recv(1000)
		connection.sendall(b'{"return": {}}\n')
		connection.recv(1000)
		if os.path.exists("event"):
		    connection.sendall(open("event", "rb").read())
		if os.path.exists("duration"):
		    time.sleep(float(open("duration").read()))
		sys.exit(int(open("status").read()) if os.path.exists("status") else 0)
	END
	chmod +x qemu
}

vq() { # vq STATUS ARGS...
	run -"$1" "$ROOT/scripts/veneer-qemu" "${@:2}"
}

start() { # start STATUS ARGS...: with the stand-in for QEMU
	vq "$1" --native --kernel k --qemu ./qemu "${@:2}"
}

refused() { # refused MESSAGE ARGS...: exit code 2 and one line
	vq 2 "${@:2}"
	assert_output --partial "$1"
	[ "${#lines[@]}" = 1 ]
}

@test "help shows disks and exit codes" {
	vq 0 --help
	assert_output --partial "exit code:"
	assert_output --partial "nvme:A+B"
}

@test "wrong use ends with 2 and one line" {
	refused "one of --kernel, --boot-disk and --image"
	refused "one of --kernel, --boot-disk and --image" --kernel k --image i
	refused "one of --kernel, --boot-disk and --image" --boot-disk S --image i
	refused "--boot-disk S: no disk has this serial number (there is none)" --boot-disk S --native
	refused "--boot-disk S: no disk has this serial number (AHCI0, N)" --boot-disk S --native --disk ahci:a,size=1M \
		--disk nvme:n,size=1M,serial=N
	refused "--net socket: no --nic is left for it" --native --kernel k --nic e1000e --net user --net socket
	refused "--net 5: a kind of network" --native --kernel k --nic e1000e --net 5
	refused "--net user,id=x: a kind of network" --native --kernel k --nic e1000e --net user,id=x
	refused "--forward goes with --net user" --native --kernel k --nic e1000e --net socket,listen=:1 --forward tcp::1-:2
	refused "unrecognized arguments: --bogus" --kernel k --bogus
	refused "go with --kernel" --image k --cmdline x
	refused "--smp" --kernel k --smp 0
	refused "--smp" --kernel k --smp two
	refused "--mem 0" --kernel k --mem 0
	refused "invalid choice" --kernel k --machine vax
	refused "no such program" --kernel k --qemu ./missing
	refused "need a --nic" --kernel k --capture x.pcap
	refused "no such directory" --kernel k --nic e1000e --tftp missing
}

@test "disks: wrong descriptions end with 2 and one line, and no file is made" {
	refused "expected ahci:FILE" --native --kernel k --disk ide:x
	refused "expected ahci:FILE" --native --kernel k --disk ahci:
	refused "no such file" --native --kernel k --disk ahci:x
	refused "'bogus=1' is not known" --native --kernel k --disk ahci:x,bogus=1
	refused "512-byte sectors only" --native --kernel k --disk ahci:x,size=1M,sector=4096
	refused "sector=123" --native --kernel k --disk nvme:x,size=1M,sector=123
	refused "phys= is smaller" --native --kernel k --disk nvme:x,size=1M,sector=4096,phys=512
	refused "ns=3, but 2 files" --native --kernel k --disk nvme:x+y,size=1M,ns=3
	refused "an AHCI disk is one file" --native --kernel k --disk ahci:x+y,size=1M
	refused "size=big" --native --kernel k --disk ahci:x,size=big
	refused "conf: no such file" --native --kernel k --disk ahci:blkdebug:conf:x,size=1M
	refused "at most 6 ahci disks" --native --kernel k --disk ahci:a --disk ahci:b --disk ahci:c --disk ahci:d \
		--disk ahci:e --disk ahci:f --disk ahci:g
	refused "expected FILE=CONF" --native --kernel k --disk ahci:x,size=1M --blkdebug y=conf
	assert [ ! -e x ]
}

@test "errors of the boot medium come through" {
	vq 2 --native --kernel missing
	assert_output --partial "missing: no such file"
	vq 2 --native --kernel default.dts
	assert_output --partial "not a kernel that Veneer can start"
	echo '/dts-v1/; / { x = ; };' >bad.dts
	vq 2 --kernel k --veneer v --config bad.dts
	assert_output --regexp "bad.dts:1"
}

@test "the machine: disks, sectors, namespaces, cards" {
	touch conf
	start 0 --nic e1000e --nic e1000,mac=52:54:00:00:00:09 --disk ahci:a,size=1M,phys=4096,serial=S1 \
		--disk ahci:blkdebug:conf:b,size=1M --disk nvme:n,size=1M,ns=2 --disk nvme:m,size=1M,sector=4096 \
		--smp 2 --mem 1G --snapshot --no-reboot
	assert_line "q35,smm=off"
	assert_line --regexp "^ide-hd,.*drive=disk0,bus=ide.0,serial=S1,logical_block_size=512,physical_block_size=4096"
	assert_line --regexp "^ide-hd,.*drive=disk1,bus=ide.1,"
	assert_line --regexp "file=blkdebug:conf:b,.*snapshot=on"
	assert_line --regexp "^nvme,id=nvme0,serial=NVME0"
	assert_line --regexp "^nvme-ns,bus=nvme0,nsid=2,drive=nvme0n2"
	assert_line --regexp "^nvme-ns,bus=nvme1,nsid=1,drive=nvme1n1,logical_block_size=4096"
	assert_line --regexp "^e1000e,id=nic0,netdev=net0"
	assert_line --regexp "^e1000,id=nic1,netdev=net1,addr=0x4,mac=52:54:00:00:00:09"
	assert_line "isa-debug-exit,iobase=0xf4,iosize=4"
	assert_line --regexp "id=stick,.*read-only=on"
	assert_line "-no-reboot"
	[ "$(stat -c %s a n n.ns2 m | sort -u)" = 1048576 ]
}

@test "the machine pc gets an AHCI controller of its own; UEFI gets private variables" {
	start 0 --machine pc --firmware uefi --disk ahci:a,size=1M
	assert_line "pc,smm=off"
	assert_line --regexp "^ich9-ahci,id=ahci"
	assert_line --regexp "bus=ahci.0"
	assert_line --regexp "readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
	refute_output --partial "file=/usr/share/OVMF/OVMF_VARS"
	start 0 --firmware uefi-smm
	assert_line "q35,smm=on"
	assert_line --regexp "readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
	assert_line "driver=cfi.pflash01,property=secure,value=on"
	vq 2 --kernel k --machine pc --firmware uefi-smm
	assert_output --partial "--firmware uefi-smm goes with --machine q35"
}

@test "an installed image is the first disk of its kind" {
	truncate -s 1M i
	vq 0 --image nvme:i --disk nvme:n,size=1M --disk ahci:a,size=1M --qemu ./qemu
	assert_line --regexp "^nvme-ns,bus=nvme0,.*drive=nvme0n1.*bootindex=1"
	assert_line --regexp "^if=none,id=nvme0n1,format=raw,file=i,"
	refute_output --partial "id=stick"
	vq 0 --image i --disk ahci:a --qemu ./qemu
	assert_line --regexp "^if=none,id=disk0,format=raw,file=i,"
}

@test "networks go to the cards in their order, those without one have QEMU's own" {
	start 0 --nic e1000e --nic e1000 --nic rtl8139 --net socket,listen=127.0.0.1:5000 --net user,net=10.1.0.0/16 --tftp .
	assert_line "socket,id=net0,listen=127.0.0.1:5000"
	assert_line --regexp "^user,id=net1,net=10.1.0.0/16,tftp=/"
	assert_line --regexp "^user,id=net2,tftp=/"
}

@test "--native --boot-disk: the firmware boots that disk, and there is no stick" {
	vq 0 --native --boot-disk OS --qemu ./qemu --disk nvme:n,size=1M --disk ahci:a,size=1M --disk ahci:os,size=1M,serial=OS
	assert_line --regexp "^ide-hd,.*serial=OS,.*bootindex=1$"
	[ "$(grep -c bootindex <<<"$output")" = 1 ]
	refute_output --partial "usb-storage"
}

@test "QEMU's own options follow --, a user's port forwards and boot files reach the first card" {
	mkdir tftp
	start 0 --nic e1000e --forward tcp::5555-:80 --tftp tftp --capture c.pcap -- -d int
	assert_line --regexp "^user,id=net0,hostfwd=tcp::5555-:80,tftp=.*/tftp$"
	assert_line "filter-dump,id=capture,netdev=net0,file=c.pcap"
	assert_line --partial "-d"
	[ "${lines[-1]}" = int ]
}

@test "the exit code is the value that the guest wrote" {
	echo 1 >status
	start 0
	echo 43 >status
	start 21
	echo 241 >status
	start 120
	echo 243 >status
	start 121
	echo 0 >status
	start 0
	echo '{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}' >event
	start 122 --no-reboot
}

@test "QEMU that does not start is an error of ours, not a value of the guest" {
	touch no-start
	start 2
	assert_output --partial "QEMU did not start"
}

@test "a timeout ends with 124, shows the serial port's last lines, and leaves nothing behind" {
	echo 60 >duration
	seq 1 30 >log
	start 124 --timeout 1 --serial log
	assert_output --partial "no end after 1 s"
	assert_line "  30"
	refute_line "  10"
	run ! kill -0 "$(cat pid)"
}

@test "a signal ends QEMU and removes the temporary files" {
	echo 60 >duration
	ends_by_signals "$ROOT/scripts/veneer-qemu" --native --kernel k --qemu ./qemu
}

@test "killed outright it takes QEMU with it" {
	echo 60 >duration
	"$ROOT/scripts/veneer-qemu" --native --kernel k --qemu ./qemu >/dev/null 2>&1 3>&- &
	pid=$!
	for ((i = 0; i < 100; i++)); do
		[ ! -s pid ] || break
		sleep 0.1
	done
	kill -KILL $pid
	wait $pid || true
	for ((i = 0; i < 50; i++)); do
		kill -0 "$(cat pid)" 2>/dev/null || return 0
		sleep 0.1
	done
	false
}

# machine [MODULE NESTED]: make SYSROOT with a /dev/kvm, and the module's parameter
machine() {
	rm -rf sysroot
	mkdir -p sysroot/dev "sysroot/sys/module/${1:-kvm}/parameters"
	touch sysroot/dev/kvm
	[ $# = 0 ] || echo "$2" >"sysroot/sys/module/$1/parameters/nested"
}

# accel WHICH WHY ARGS...: check the machine's accelerator and the line about it
accel() {
	start 0 "${@:3}"
	assert_line "veneer-qemu: $2"
	assert_line "$1"
	if [ "$1" = kvm ]; then refute_line tcg; else refute_line kvm; fi
}

@test "KVM where its nested virtualization is on, else TCG, and a line says why" {
	local none="neither kvm_amd nor kvm_intel is loaded, so /dev/kvm has no nested virtualization"
	unset ACCEL
	machine kvm_amd 1
	accel kvm "KVM: nested virtualization is on (kvm_amd)"
	accel tcg "TCG: -icount needs TCG" -- -icount shift=0
	machine kvm_intel Y
	accel kvm "KVM: nested virtualization is on (kvm_intel)" --accel auto
	machine kvm_intel N
	accel tcg "TCG: nested virtualization is off (modprobe kvm_intel nested=1)"
	machine kvm_amd 0
	accel tcg "TCG: nested virtualization is off (modprobe kvm_amd nested=1)"
	machine
	accel tcg "TCG: $none"
	machine kvm_amd 1
	rm sysroot/dev/kvm
	accel tcg "TCG: /dev/kvm: No such file or directory"
	# A folder in its place cannot be opened for writing, even by root.
	mkdir sysroot/dev/kvm
	accel tcg "TCG: /dev/kvm: Is a directory"
}

@test "KVM or TCG as the user says: no line about it, and an error if there is none" {
	machine kvm_amd 1
	start 0 --accel tcg
	assert_line tcg
	refute_output --partial "veneer-qemu:"
	ACCEL=kvm start 0
	assert_line kvm
	refute_output --partial "veneer-qemu:"
	machine kvm_amd 0
	refused "--accel kvm: nested virtualization is off" --kernel k --accel kvm
	# Without Veneer there is no nested virtualization.
	start 0 --accel kvm
	assert_line kvm
	rm sysroot/dev/kvm
	refused "--accel kvm: /dev/kvm: No such file" --native --kernel k --accel kvm
	refused "invalid choice" --kernel k --accel warp
	ACCEL=warp refused "ACCEL=warp: auto, kvm or tcg" --kernel k
}

@test "a closed stdin is no problem" {
	start 0 <&-
}

@test "a model's control= takes the place of a FIFO only" {
	mkdir build
	cat >build/veneer-model <<-'END'
		#!/bin/bash
		mkfifo "$4" && : >"$3"
		sleep 1
	END
	chmod +x build/veneer-model
	export BUILD=$PWD/build
	echo mine >nic
	start 2 --nic "r8168,control=$PWD/nic"
	assert_output --partial "the model 8168h: control=$PWD/nic is there and no FIFO"
	[ "$(cat nic)" = mine ]
	rm nic
	ln -s nowhere nic
	start 2 --nic "r8168,control=$PWD/nic"
	rm nic
	mkfifo nic
	start 0 --nic "r8168,control=$PWD/nic"
	[ -p nic ]
}

@test "the configuration gets the debug exit port, unless it has its own" {
	cat >qemu2 <<-'END'
		#!/bin/bash
		image=$(printf '%s\n' "$@" | sed -n 's/.*id=stick.*file=//p')
		mcopy -n -i "$image@@36M" ::/veneer/guests/k/config.dtb used.dtb
		exec ./qemu "$@"
	END
	chmod +x qemu2
	sed 's/guest {/chosen { veneer,debug-exit-port = <0x501>; };\n\tguest {/' default.dts >own.dts
	vq 0 --kernel k --veneer v --qemu ./qemu2
	[ "$(fdtget -t x used.dtb /chosen veneer,debug-exit-port)" = f4 ]
	vq 0 --kernel k --veneer v --qemu ./qemu2 --config own.dts
	[ "$(fdtget -t x used.dtb /chosen veneer,debug-exit-port)" = 501 ]
}
