# SPDX-License-Identifier: BSD-2-Clause
# For the scripts beside this one.  What the test shall see is printed as "GUEST: ..."; the exit code of the emulator is the
# number of failures.
failures=0

# The value of veneer.NAME=VALUE on the kernel's command line.
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

# pattern MIB LABEL: about so many MiB without a NUL, no place like another: random data, which costs an emulated CPU much, is
# made once and repeated behind lines that count.
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
