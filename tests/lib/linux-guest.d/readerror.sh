# SPDX-License-Identifier: BSD-2-Clause
# Sector veneer.bad= of every disk cannot be read; all other sectors can, also while the bad sector is being read.
bad=$(arg bad)
sector() { # sector DISK LBA, in units of 512 bytes; a whole page, as the page that holds it
	dd if="/dev/$1" of=/dev/null bs=4096 count=1 skip=$(($2 / 8)) iflag=direct 2>/dev/null
}
for disk in $(disks); do
	pids=
	for lba in 0 800 8000 16000 24000 32000 40000 48000; do
		( for i in 1 2 3 4 5 6 7 8; do sector "$disk" $((lba + i * 8)) || exit 1; done ) &
		pids="$pids $!"
	done
	if sector "$disk" "$bad"; then fail "$disk: the bad sector was read"; else say "ok: $disk: I/O error"; fi
	for pid in $pids; do
		wait "$pid" || fail "$disk: a good sector could not be read"
	done
	sector "$disk" $((bad + 64)) || fail "$disk: no sector can be read after the error"
	sector "$disk" 0 || fail "$disk: sector 0 cannot be read after the error"
done
