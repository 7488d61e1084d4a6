# SPDX-License-Identifier: BSD-2-Clause
# The test makes all disks but the last faulty, one fault after the other: veneer.faults=NAME,... in this order.  At each the
# guest waits until the test has written the fault's name at 16 MiB into the file of the last disk, then reads 8 MiB of each
# disk for veneer.rounds= (6) rounds; what is read without an error must be what was written before.
# "errors NAME DISK N" says how many rounds failed.
rounds=$(arg rounds)
marker=$(disks | tail -n 1)
mib() { dd if="/dev/$1" bs=256k count=32 iflag=direct 2>/dev/null; }

# wait_for_fault NAME
wait_for_fault() {
	local tries=0
	say "waiting for $1"
	until dd if="/dev/$marker" bs=4096 skip=4096 count=1 iflag=direct 2>/dev/null | grep -q "^$1 is there"; do
		tries=$((tries + 1))
		[ $tries -lt 6000 ] || { fail "$1: the test does not answer"; finish; }
		usleep 100000
	done
}

for disk in $(disks); do
	pattern 8 "$disk" | head -c 8388608 | dd of="/dev/$disk" bs=1M conv=fsync 2>/dev/null
	mib "$disk" | sha >"/tmp/sum.$disk"
done
for fault in $(arg faults | tr , ' '); do
	wait_for_fault "$fault"
	for disk in $(disks); do
		errors=0
		for round in $(seq 1 "${rounds:-6}"); do
			mib "$disk" >/tmp/data
			if [ "$(stat -c %s /tmp/data)" -lt 8388608 ]; then
				errors=$((errors + 1))
			elif [ "$(sha </tmp/data)" != "$(cat "/tmp/sum.$disk")" ]; then
				fail "$fault: $disk: other data"
			fi
		done
		say "errors $fault $disk $errors"
	done
done
