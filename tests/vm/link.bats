#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The cable is pulled and put back: the guest sees it.
load ../lib/guest

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() { guest_teardown; }

pull_and_put_back() {
	linux_start link "" --nic "$1" "${@:2}"
	guest_wait_for 'GUEST: the carrier is there' 120
	qmp set_link '{"name": "net0", "up": false}'
	guest_wait_for 'GUEST: the carrier is lost' 30
	qmp set_link '{"name": "net0", "up": true}'
	guest_end
}

@test "link: a pulled cable of an e1000e is seen as lost carrier, and back" {
	pull_and_put_back e1000e
}

@test "link: a pulled cable of an e1000 is seen as lost carrier, and back" {
	pull_and_put_back e1000 --machine pc
}
