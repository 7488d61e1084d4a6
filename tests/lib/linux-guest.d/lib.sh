# SPDX-License-Identifier: BSD-2-Clause
# For the scripts beside this one. Results for the test are lines "GUEST: ..."; the emulator's exit code is the number of
# failures.
failures=0

# Print the value of veneer.NAME=VALUE on the kernel's command line.
arg() {
	sed -n "s/.*\bveneer\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

say() {
	echo "GUEST: $*"
}

fail() {
	echo "GUEST: FAILED: $*"
	failures=$((failures + 1))
}

# expect WHAT GOT WANTED
expect() {
	if [ "$2" = "$3" ]; then
		say "ok: $1"
	else
		fail "$1: got '$2', expected '$3'"
	fi
}

finish() {
	sync
	[ $failures -le 100 ] || failures=100
	say "end with $failures failures"
	# Only by ACPI, for tests of that.
	[ "$failures.$(arg off)" != 0.1 ] || poweroff -f
	printf "\\$(printf %o $failures)" | dd of=/dev/port bs=1 seek=244 conv=notrunc 2>/dev/null
	# Without the debug exit port.
	poweroff -f
}

# All disks, in the order of their names: vda vdb ... or, natively, nvme0n1 sda ...
disks() {
	ls /sys/block | grep -E '^(vd|sd|nvme)'
}

cards() {
	ls /sys/class/net | grep -v '^lo$'
}

dhcp() {
	ip link set "$1" up
	udhcpc -q -n -t 20 -T 1 -i "$1" -s /etc/udhcpc >/dev/null 2>&1
}

# Mount the host's files by 9p at /host, read-only, for chroot; /mnt there is empty and writable.
host_root() {
	modprobe -a 9p 9pnet_virtio
	mkdir -p /host
	ln -sf /proc/self/fd /dev/fd
	mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 host /host || fail "no 9p"
	for dir in dev proc sys; do mount -o bind /$dir /host/$dir; done
	mount -t tmpfs tmp /host/mnt
}

# pattern MIB LABEL: print about MIB MiB without a NUL, in which no two places are equal: random data, slow to make on an
# emulated CPU, is made once, and repeated behind numbered lines.
pattern() {
	[ -e /tmp/seed ] || tr -d '\000' </dev/urandom | head -c 1048500 >/tmp/seed
	for i in $(seq 1 "$1"); do
		echo "$2 $i"
		cat /tmp/seed
	done
}

sha() {
	sha256sum | cut -d ' ' -f 1
}

# boot_disk DISK: report the checksum of its first 16 MiB, and of the 4 MiB at veneer.data= (MiB), which the host has written;
# then, if the guest may, write 8 MiB behind the disk's file systems. Nothing else changes.
boot_disk() {
	local serial at data
	serial=$(cat "/sys/block/$1/serial")
	data=$(arg data)
	say "$1: $serial $(cat "/sys/block/$1/size") sectors," \
		"first $(dd if="/dev/$1" bs=1M count=16 iflag=direct 2>/dev/null | sha)"
	[ -z "$data" ] || say "data $serial $(dd if="/dev/$1" bs=1M skip="$data" count=4 iflag=direct 2>/dev/null | sha)"
	[ "$(cat "/sys/block/$1/ro")" = 0 ] || { say "$serial is read-only"; return 0; }
	at=$(($(cat "/sys/block/$1/size") / 2048 - 16))
	pattern 9 "$1" | head -c 8388608 >/tmp/pattern
	dd if=/tmp/pattern of="/dev/$1" bs=1M seek=$at conv=notrunc,fsync 2>/dev/null || fail "$1: write"
	say "pattern $serial $at $(sha </tmp/pattern)"
}
