#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Builds the router and runs every test, one stage after another. Goes on after a failure; prints
# what it does and how long each took; ends with one line "N passed, N failed, N skipped". Leaves
# nothing behind.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../deploy/lib.sh"

usage() {
	cat <<END
usage: sudo tests/run.sh [--list] [PATTERN]

Installs missing packages, builds with warnings as errors, and runs every test: unit tests, also
under the address and the undefined-behaviour sanitizer, fuzz targets (60 s each, or FUZZ_SECONDS),
packet tests, system tests with real processes, kills, and the demo. With PATTERN only those whose
name, as --list shows it, contains it.
Needs root, 2 cores, and 1 GB of memory for hugepages, which are given back.
END
}

only_list=''
case ${1-} in
--help | -h)
	usage
	exit 0
	;;
--list)
	only_list=1
	shift
	;;
-*)
	usage >&2
	exit 2
	;;
esac
[ $# -le 1 ] || {
	usage >&2
	exit 2
}
pattern=${1-}

passed=0
failed=0
skipped=0
failures=()
broken=''
work=''

# --- stages ------------------------------------------------------------------
#
# A stage NAME has a function NAME_list, which prints the names of its tests, and NAME_run PATTERN,
# which runs those that contain PATTERN and prints a line for each that begins with "ok   ", "FAIL "
# or "skip ". One that prints none of these is a single test.

unit_list() { (cd "$repo" && find common primary fwd-worker vhost-agent ctl -name '*_test.c' -printf '%f\n' | sed 's/\.c$//' | sort); }
unit_run() { build WERROR=1 check-unit T="$1"; }

unit_address_list() { unit_list; }
unit_address_run() { build WERROR=1 SAN=address check-unit T="$1"; }

unit_undefined_list() { unit_list; }
unit_undefined_run() { build WERROR=1 SAN=undefined check-unit T="$1"; }

unit_deaths_list() { unit_list | grep kill; }
unit_deaths_run() { build WERROR=1 FLAVOUR=fault check-unit T="${1:-kill}"; }

# FUZZ_SECONDS= is how long each target runs.
fuzz_list() { "$here/fuzz/run.sh" --list; }
fuzz_run() { build WERROR=1 fuzz && "$here/fuzz/run.sh" "$1"; }

packet_list() { sed -n 's/^\t *[A-Z_]*TEST(\([a-z0-9_]*\)),$/\1/p' "$here"/packet/*.c; }
packet_run() {
	"$here/packet/run.sh" 2>&1 | of_cmocka
	return "${PIPESTATUS[0]}"
}

# What a cmocka program says, in our words; what it had to say about a failed test is left as it is.
of_cmocka() {
	awk '
	/^\[==========\] .* run\.$/ && begun { over = 1 }
	/^\[==========\] Running/ { begun = 1 }
	over { next }
	/^\[       OK \]/ { sub(/^\[       OK \] /, "ok   "); print; next }
	/^\[  FAILED  \]/ { sub(/^\[  FAILED  \] /, "FAIL "); print; next }
	/^\[  SKIPPED \]/ { sub(/^\[  SKIPPED \] /, "skip "); print; next }
	/^\[ RUN      \]|^\[==========\]/ { next }
	{ print; fflush() }'
}

# With programs that can be told to die at a point of their own choice, built on the side.
system_list() { "$here/system/run.sh" --list ${1:+"$1"}; }
system_run() {
	if system_list "$1" | grep -q injected; then
		build WERROR=1 FLAVOUR=fault all && export KILLS_BIN=$BUILD/fault/bin
	fi
	"$here/system/run.sh" ${1:+"$1"}
}

demo_list() {
	echo "the whole show holds"
	echo "the whole show holds with virtual machines"
}
demo_run() {
	local name status=0 begin vm
	while read -r name; do
		begin=$(date +%s%N)
		vm=''
		case $name in *machines) vm=--vm ;; esac
		if "$repo/deploy/demo.sh" --check $vm </dev/null; then
			echo "ok   $name, $(seconds_since "$begin")"
		else
			echo "FAIL $name, $(seconds_since "$begin")"
			status=1
		fi
	done < <(demo_list | grep -F -- "$1")
	return $status
}

stages='unit unit_address unit_undefined unit_deaths fuzz packet system demo'

# Names of a stage's tests that contain the pattern, as --list shows them.
stage_tests() { "$1_list" 2>/dev/null | sed "s|^|$1: |" | grep -F -- "$pattern"; }

# --- running -----------------------------------------------------------------

seconds_since() { awk -v a="$1" -v b="$(date +%s%N)" 'BEGIN { printf "%.1f s", (b - a) / 1e9 }'; }

count_ok() { passed=$((passed + 1)); }
count_failed() {
	failed=$((failed + 1))
	failures+=("$1")
}

# run_stage NAME PATTERN
run_stage() {
	local name=$1 begin status lines
	begin=$(date +%s%N)
	printf '\n== %s\n' "$name"
	# In a process of its own, so that it can be ended when we are.
	("$1_run" "$2") </dev/null > >(tee "$work/$name") 2>&1 &
	child=$!
	wait $child
	status=$?
	child=''
	sleep 0.2 # tee's last lines
	lines=$(grep -cE '^(ok  |FAIL|skip) ' "$work/$name")
	if [ "$lines" -eq 0 ]; then
		if [ $status -eq 0 ]; then count_ok; else count_failed "$name"; fi
	else
		passed=$((passed + $(grep -c '^ok   ' "$work/$name")))
		skipped=$((skipped + $(grep -c '^skip ' "$work/$name")))
		while read -r line; do count_failed "$name: $line"; done < <(sed -n 's/^FAIL //p' "$work/$name")
		# It went wrong beside the tests, such as in the build or between two of them.
		[ $status -eq 0 ] || grep -q '^FAIL ' "$work/$name" || count_failed "$name: exit status $status"
	fi
	printf -- '-- %s: %s\n' "$name" "$(seconds_since "$begin")"
}

child=''
finish() {
	local status=$?
	trap - EXIT
	trap '' HUP INT TERM
	if [ -n "$child" ]; then
		# Everything below it, by its parents: stages clean up after themselves when told to end.
		end_tree "$child"
		wait "$child" 2>/dev/null
	fi
	[ -z "$work" ] || rm -rf "$work"
	exit $status
}

end_tree() {
	local pid
	for pid in $(ps -o pid= --ppid "$1"); do
		end_tree "$pid"
	done
	kill -TERM "$1" 2>/dev/null
}

if [ -n "$only_list" ]; then
	for stage in $stages; do stage_tests "$stage"; done
	exit 0
fi

need_root
need_machine
begin_all=$(date +%s%N)
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d)

packages_install $packages_build $packages_run $packages_test $packages_vm

printf '== build\n'
begin=$(date +%s%N)
if build WERROR=1 all; then
	echo "ok   build, $(seconds_since "$begin")"
	count_ok
else
	echo "FAIL build, $(seconds_since "$begin")"
	count_failed build
	broken=1
fi

for stage in $stages; do
	case $broken$stage in
	1packet | 1system | 1demo)
		n=$(stage_tests "$stage" | wc -l)
		echo "skip $stage: the build failed ($n tests)"
		skipped=$((skipped + n))
		continue
		;;
	esac
	if [ -z "$pattern" ]; then
		tests=$("${stage}_list" 2>/dev/null)
		[ -n "$tests" ] || continue
		run_stage "$stage" ''
	elif [ -n "$(stage_tests "$stage")" ]; then
		case $stage: in
		*"$pattern"*) run_stage "$stage" '' ;;
		*) run_stage "$stage" "${pattern#"$stage: "}" ;;
		esac
	fi
done

printf '\nall in %s\n' "$(seconds_since "$begin_all")"
for failure in "${failures[@]}"; do echo "failed: $failure"; done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
