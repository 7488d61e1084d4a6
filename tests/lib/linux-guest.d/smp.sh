# SPDX-License-Identifier: BSD-2-Clause
# All processors work: veneer.cpus= is how many there shall be.
expect "processors" "$(grep -c '^processor' /proc/cpuinfo)" "$(arg cpus)"
for cpu in $(grep '^processor' /proc/cpuinfo | cut -d : -f 2); do
	( exec 3</dev/null; i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done ) &
done
wait
say "ok: all came to an end"
