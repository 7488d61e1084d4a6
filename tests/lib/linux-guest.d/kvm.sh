# SPDX-License-Identifier: BSD-2-Clause
# Runs the script veneer.script=PATH of the host, with the host's files and programs, and with KVM. The script's output goes to
# the second serial port; the emulator's exit code is the script's.
host_root
ifconfig lo up
if grep -q '\bvmx\b' /proc/cpuinfo; then vendor=intel; else vendor=amd; fi
modprobe "kvm-$vendor" nested=1 || fail "no KVM"
if [ $failures = 0 ]; then
	PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/mnt TMPDIR=/mnt ACCEL=kvm \
		chroot /host /bin/bash "$(arg script)" >/dev/ttyS1 2>&1 || failures=$?
fi
dmesg | grep -iE 'kvm|BUG|Oops|Call Trace' | sed 's/^/GUEST: kernel: /'
