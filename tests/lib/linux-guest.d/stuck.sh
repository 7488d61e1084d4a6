# SPDX-License-Identifier: BSD-2-Clause
# The test makes the disk with the serial number veneer.stuck= slower than any deadline.  A request to it must then fail by
# Veneer's deadline (veneer.deadline= seconds) while another disk works.
read_one() { dd if="/dev/$stuck" of=/dev/null bs=4096 count=1 skip=$1 iflag=direct 2>/dev/null; }
uptime_s() { cut -d . -f 1 /proc/uptime; }

for disk in $(disks); do
	if [ "$(cat /sys/block/$disk/serial 2>/dev/null)" = "$(arg stuck)" ]; then stuck=$disk; else other=$disk; fi
done
say "stuck $stuck other $other"
[ -n "$stuck" ] && [ -n "$other" ] || { fail "needs two disks, one with the serial number"; finish; }
read_one 1 || fail "$stuck: cannot be read before the fault"
say "waiting for the fault"
sleep 3

# The first request after the fault still passes, and uses up the limit.
read_one 2
begin=$(uptime_s)
( read_one 3; echo $? >/tmp/result.part; mv /tmp/result.part /tmp/result ) &
rounds=0
while [ ! -e /tmp/result ] && [ $(($(uptime_s) - begin)) -lt 120 ]; do
	dd if=/dev/$other of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null || fail "$other: cannot be read meanwhile"
	rounds=$((rounds + 1))
	usleep 100000
done
took=$(($(uptime_s) - begin))
say "the request took $took s and ended with $(cat /tmp/result), the other disk did $rounds rounds"
[ "$(cat /tmp/result)" = 1 ] || fail "the stuck request did not fail"
[ $took -ge $(($(arg deadline) - 1)) ] || fail "it failed before its deadline"
[ $rounds -gt 3 ] || fail "the other disk stood still"

# The disk works once it answers again.
say "waiting for the repair"
sleep 5
if [ -n "$(arg gone)" ]; then
	# The driver has given the controller up, as the log says.
	read_one 4 && fail "$stuck: can be read although its controller was given up"
else
	read_one 4 || fail "$stuck: cannot be read after the repair"
fi
dd if=/dev/$other of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null || fail "$other: cannot be read at the end"
