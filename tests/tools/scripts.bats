#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The scripts around the tests, and the style of everything.
bats_require_minimum_version 1.5.0

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	T=$BATS_TEST_TMPDIR
	cd "$ROOT" || return 1
	unset MAKEFLAGS MAKELEVEL MFLAGS
}

# Make a copy of run-tests with suites of its own.
project() {
	mkdir -p "$T/p/scripts" "$T/p/tests/tools"
	cp scripts/run-tests "$T/p/scripts/"
	# For BATS, each line that begins with its marker is a test.
	sed 's/^TEST/@test/' >"$T/p/tests/tools/a.bats"
}

@test "install-deps: the list, what is missing, wrong use" {
	run -0 scripts/install-deps --list
	assert_line kconfig-frontends
	assert_line qemu-system-x86
	run -0 scripts/install-deps --check
	assert_output ""
	run -2 scripts/install-deps --bogus
	run -2 scripts/install-deps --for
	run -2 scripts/install-deps --for tea
	run -0 scripts/install-deps --help
}

@test "install-deps: each target asks for what it needs and no more" {
	local target
	run -0 scripts/install-deps --for run --list
	assert_line qemu-system-x86
	refute_line --regexp '^(debhelper|lintian|clang|bochs|xorriso)$'
	run -0 scripts/install-deps --for deb --list
	assert_line debhelper
	refute_line qemu-system-x86
	run -0 scripts/install-deps --for iso --list
	assert_line xorriso
	refute_line debhelper
	# The package's build dependencies are the packages that this machine installs.
	sed -n 's/^Build-Depends: //p' debian/control | tr -d ' ' | tr , '\n' | grep -v debhelper >"$T/build-depends"
	while read -r package; do
		scripts/install-deps --for deb --list | grep -qx "$package"
	done <"$T/build-depends"
	for target in run deb iso; do
		[ "$(make -np "$target" 2>/dev/null | sed -n 's/^DEPS_FOR := //p')" = "--for $target" ]
	done
	[ -z "$(make -np run check 2>/dev/null | sed -n 's/^DEPS_FOR := //p')" ]
}

@test "install-deps: a missing package is named, and without apt-get there is a clear message" {
	sed 's|^deps=(|&\n\tno-such-package:/no/such/file|' scripts/install-deps >"$T/install-deps"
	run -1 bash "$T/install-deps" --check
	assert_output "missing packages: no-such-package"
	run -1 bash "$T/install-deps" --check --quiet
	assert_output ""
	bash=$(command -v bash)
	PATH=$T run -1 "$bash" "$T/install-deps"
	assert_output --partial "no apt-get"
	assert_output --partial "no-such-package"
}

@test "run-tests: sums up, and the last line says it" {
	project <<-'END'
		TEST "good" { true; }
		TEST "bad" { false; }
		TEST "left out" { skip; }
	END
	run -1 "$T/p/scripts/run-tests" tools
	assert_line "not ok tools/a.bats: bad"
	[ "${lines[-1]}" = "1 passed, 1 failed, 1 skipped" ]
}

@test "run-tests: all good is exit code 0; slow tests only on request; a filter" {
	project <<-'END'
		TEST "good" { true; }
		# bats test_tags=slow
		TEST "slow" { true; }
	END
	run -0 "$T/p/scripts/run-tests" tools
	[ "${lines[-1]}" = "1 passed, 0 failed" ]
	run -0 "$T/p/scripts/run-tests" --slow tools
	[ "${lines[-1]}" = "2 passed, 0 failed" ]
	run -0 "$T/p/scripts/run-tests" --slow --filter slow tools
	[ "${lines[-1]}" = "1 passed, 0 failed" ]
	run -0 "$T/p/scripts/run-tests" --only-slow tools
	assert_line "ok tools/a.bats: slow"
	[ "${lines[-1]}" = "1 passed, 0 failed" ]
}

@test "run-tests: the files that took longest are named at the end, the slowest first, at most 20" {
	project <<-'END'
		TEST "takes its time" { [[ $BATS_TEST_FILENAME != */slow* ]] || sleep 2; }
	END
	for i in {01..21}; do
		cp "$T/p/tests/tools/a.bats" "$T/p/tests/tools/quick$i.bats"
	done
	mv "$T/p/tests/tools/a.bats" "$T/p/tests/tools/slow.bats"
	run -0 "$T/p/scripts/run-tests" tools
	[ "${lines[-1]}" = "22 passed, 0 failed" ]
	[ "${lines[-22]}" = "slowest:" ]
	[[ ${lines[-21]} == *" s  tools/slow.bats" ]]
	[[ ${lines[-2]} == *" s  tools/quick"* ]]
}

@test "run-tests: files beside each other, each reported whole, and one after the other" {
	project <<-'END'
		TEST "meets the other" {
			touch "$BATS_TEST_DIRNAME/${BATS_TEST_FILENAME##*/}.here"
			for ((i = 0; i < 100; i++)); do
				[ ! -e "$BATS_TEST_DIRNAME/a.bats.here" ] ||
					[ ! -e "$BATS_TEST_DIRNAME/b.bats.here" ] || return 0
				sleep 0.1
			done
			return 1
		}
		TEST "another" { true; }
	END
	cp "$T/p/tests/tools/a.bats" "$T/p/tests/tools/b.bats"
	run -0 "$T/p/scripts/run-tests" --jobs 2 tools
	[ "${lines[-1]}" = "4 passed, 0 failed" ]
	[ "${lines[0]%%: *}" = "${lines[1]%%: *}" ]
	rm "$T/p/tests/tools"/*.here
	run -1 "$T/p/scripts/run-tests" --jobs 1 tools
	[ "${lines[-1]}" = "3 passed, 1 failed" ]
	run -2 "$T/p/scripts/run-tests" --jobs 0 tools
	run -2 "$T/p/scripts/run-tests" --jobs
}

@test "run-tests: a signal ends the tests, their teardown is called, and nothing that they started is left" {
	project <<-'END'
		teardown() { rm -f "$BATS_TEST_DIRNAME/here"; }
		TEST "good" { true; }
		TEST "goes on" {
			sleep 500 3>&- &
			echo $BASHPID $! >"$BATS_TEST_DIRNAME/here.new"
			cp "$BATS_TEST_DIRNAME/here.new" "$BATS_TEST_DIRNAME/pids"
			mv "$BATS_TEST_DIRNAME/here.new" "$BATS_TEST_DIRNAME/here"
			sleep 500
		}
	END
	sed 's/here/there/g; s/pids/&2/' "$T/p/tests/tools/a.bats" >"$T/p/tests/tools/b.bats"
	cp "$T/p/tests/tools/a.bats" "$T/p/tests/tools/c.bats"
	for signal in INT TERM; do
		status=0
		rm -f "$T/p/tests/tools"/pids*
		# Not in the background of this shell, where SIGINT is ignored.
		python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$T/p/scripts/run-tests" --jobs 2 tools >"$T/out" 3>&- &
		pid=$!
		for ((i = 0; i < 300; i++)); do
			[ ! -e "$T/p/tests/tools/here" ] || [ ! -e "$T/p/tests/tools/there" ] || break
			sleep 0.1
		done
		# During their last command: a signal between fork and exec would be lost.
		sleep 1
		kill -$signal $pid
		wait $pid || status=$?
		[ $status = $((128 + $(kill -l $signal))) ]
		tail -n 2 "$T/out" | diff - <(printf 'ended by SIG%s: not all was tested\n2 passed, 0 failed\n' $signal)
		[ -z "$(find "$T/p" -name '*here')" ]
		# shellcheck disable=SC2013 # words
		for pid in $(cat "$T/p/tests/tools"/pids*); do
			# A killed process may exist for a moment.
			for ((i = 0; i < 100; i++)); do
				[[ $(ps -o stat= -p "$pid") = [^Z]* ]] || break
				sleep 0.1
			done
			[ $i -lt 100 ]
		done
	done
}

@test "run-tests: tests that never ran count as failed" {
	project <<-'END'
		TEST "good" { true; }
		TEST "kills BATS" { kill -KILL $PPID; sleep 1; }
		TEST "never" { true; }
	END
	run -1 "$T/p/scripts/run-tests" tools
	[[ ${lines[-1]} =~ ^[12]\ passed,\ [12]\ failed$ ]]
}

@test "run-tests: a file that is no test and a suite without files fail" {
	project <<-'END'
		TEST "unfinished" {
	END
	run -1 "$T/p/scripts/run-tests" tools
	[[ ${lines[-1]} =~ ^0\ passed,\ [1-9]+\ failed$ ]]
	rm "$T/p/tests/tools/a.bats"
	run -1 "$T/p/scripts/run-tests" tools
	[ "${lines[-1]}" = "0 passed, 1 failed" ]
	run -2 "$T/p/scripts/run-tests" bogus
	run -2 "$T/p/scripts/run-tests"
}

@test "http-server: gives files, keeps posts, knows no others" {
	mkdir "$T/www"
	echo hello >"$T/www/file"
	tests/lib/http-server "$T/www" "$T/port" 3>&- &
	pid=$!
	for ((i = 0; i < 100; i++)); do
		[ ! -e "$T/port" ] || break
		sleep 0.1
	done
	url=http://127.0.0.1:$(cat "$T/port")
	got=$(busybox wget -q -O - "$url/file")
	seq 1 100000 >"$T/up"
	busybox wget -q -O /dev/null --post-file="$T/up" "$url/posted"
	missing=0
	busybox wget -q -O /dev/null "$url/missing" || missing=$?
	kill $pid
	[ "$got" = hello ]
	cmp "$T/up" "$T/www/posted"
	[ "$missing" != 0 ]
}

@test "shell scripts: shellcheck is content, BATS files included" {
	run -0 bash -c "git ls-files | xargs grep -lE '^#!.*(bash|sh)\$' | grep -v '^tests/lib/linux-guest.d/' |
		xargs shellcheck -x -P SCRIPTDIR"
	run -0 shellcheck -x -P SCRIPTDIR -s bash tests/tools/*.bats tests/vm/*.bats tests/lib/{guest,debian,tools}.bash
	assert_output ""
}

@test "python scripts compile" {
	run -0 bash -c "git ls-files | xargs grep -lE '^#!.*python3\$' | PYTHONDONTWRITEBYTECODE=1 xargs -n 1 python3 -c \
		'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], \"exec\")'"
}

@test "configurations: the hypervisor itself accepts every one of configs/ and of the tests" {
	make -s --no-print-directory BUILD="$T/build" KCONFIG_CONFIG="$T/config" "$T/build/config-check"
	for source in configs/*.dts tests/lib/*.dts; do
		BUILD=$T/build installer/veneer-config check "$source" || { echo "$source is not accepted"; false; }
	done
	# And the checker can fail.
	cpp -nostdinc -undef -D__DTS__ -x assembler-with-cpp -P configs/example.dts | dtc -o "$T/blob" -
	fdtput -t s "$T/blob" /policy veneer,bogus x
	BUILD=$T/build run -1 installer/veneer-config check "$T/blob"
	assert_output --partial "veneer,bogus"
}

@test "docs/controls.md has every control of VMCS and VMCB that the code uses, and no other" {
	cat >"$T/compare" <<-'END'
		import glob, re, sys
		def code(pattern):
		    return "".join(open(f).read() for f in sorted(glob.glob(pattern)) if not f.endswith("_check.c"))
		# Prefixes of controls in the headers; those of capability words only if Veneer asks for them.
		kinds = (("vmx", r"(PIN|PROC2?|EXIT_CTL|ENTRY_CTL)_\w+|EPT_(4_LEVELS|WB|2M|1G|INVEPT\w*|INVVPID\w*)"
		          r"|FEATURE_(LOCK|VMX)|MISC_WAIT_SIPI"),
		         ("svm", r"(ICPT|VINTR|CLEAN|TLB_FLUSH|SVM_EDX|VM_CR)_\w+"))
		used = set()
		for vendor, kind in kinds:
		    text = code("hv/%s/%s*.[cS]" % (vendor, vendor))
		    names = re.findall(r"^#define\s+(%s)\s" % kind, open("hv/%s/%s_regs.h" % (vendor, vendor)).read(), re.M)
		    used |= {n[0] for n in names if re.search(r"\b%s\b" % n[0], text)}
		# And the control fields that the set-up of a VMCS writes.
		body = re.search(r"void vmx_vmcs_controls\(.*?\n}\n", code("hv/vmx/vmx_vmcs.c"), re.S).group(0)
		used |= {n for n in re.findall(r"vmcs_write\((VMCS_\w+)", body) if not n.endswith("_CTLS")}
		used.add("VMCS_TIMER")
		named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`", open(sys.argv[1]).read()))
		for name in sorted(used - named):
		    print("not in the table:", name)
		for name in sorted(named - used):
		    print("not in the code:", name)
		sys.exit(used != named or len(used) < 80)
	END
	run -0 python3 "$T/compare" docs/controls.md
	assert_output ""
	sed "s/.PROC_PAUSE.//; s/ICPT_MSR/ICPT_RSM/" docs/controls.md >"$T/controls.md"
	run -1 python3 "$T/compare" "$T/controls.md"
	[ "$(paste -sd, <<<"$output")" = "not in the table: ICPT_MSR,not in the table: PROC_PAUSE,not in the code: ICPT_RSM" ]
}

@test "check-style finds nothing" {
	scripts/check-style
}

@test "check-deps finds nothing" {
	scripts/check-deps
}

@test "bench: wrong use, and the report of a run's figures" {
	run -2 scripts/bench --variants tea
	cat >"$BATS_TEST_TMPDIR/run.json" <<-'END'
	{"command": "scripts/bench --rounds 3", "rounds": 3, "quick": true, "stalled": [["native", "ping"]],
	 "results": {"ping": {
	 "native": [{"value": 0.1, "items": 100, "counters": {}}, {"value": 0.2, "items": 100, "counters": {}},
	            {"value": 0.9, "items": 100, "counters": {}}],
	 "veneer": [{"value": 0.4, "items": 100, "counters": {"exit.nmi": 120, "exit.npf": 100, "net0.tx_kick_at_0": 75,
	             "net0.tx_kick_at_8": 25}}]}}}
	END
	run -0 scripts/bench --from "$BATS_TEST_TMPDIR/run.json"
	assert_line "| ping | ms | 0.20 0.10 to 0.90 | 0.40 (0.50) |"
	assert_line "| ping | 100 (ping) | 2.2000 | 120 | 0 | 100 | 0 | 0 | 0 | 0 |"
	assert_line "| ping | 100 | 75 % | 0 % | 0 % | 0 % | 25 % | 0 % |"
	assert_output --partial "repeated: ping (native)"
	assert_output --partial "By \`scripts/bench --rounds 3\`: 3 rounds"
}
