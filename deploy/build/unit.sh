#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs unit tests one after another and prints a line for each; what a test
# said is shown only if it failed. For `make check-unit`.
#
# usage: unit.sh LOG_DIR PATTERN TEST...
#
# An empty pattern runs all. Ends with 1 if any test failed, after running
# the others.

log_dir=$1
pattern=$2
shift 2

: "${UBSAN_OPTIONS:=print_stacktrace=1}"
: "${TSAN_OPTIONS:=second_deadlock_stack=1}"
export UBSAN_OPTIONS TSAN_OPTIONS

passed=0
failed=''
for test in "$@"; do
	case $test in
	*"$pattern"*) ;;
	*) continue ;;
	esac
	name=${test##*/}
	log=$log_dir/$name.log
	begin=$(date +%s%N)
	timeout -k 5 "${UNIT_TIMEOUT:-120}" "$test" >"$log" 2>&1
	status=$?
	ms=$((($(date +%s%N) - begin) / 1000000))
	if [ $status -eq 0 ]; then
		passed=$((passed + 1))
		printf 'ok   %-32s %s, %d ms\n' "$name" \
			"$(sed -n 's/.*PASSED  \] \([0-9]* test\).*/\1s/p' "$log" | tail -n 1)" "$ms"
	else
		failed="$failed $name"
		case $status in
		124 | 137) why='timed out' ;;
		*) why="exit status $status" ;;
		esac
		printf 'FAIL %-32s %s, %d ms\n' "$name" "$why" "$ms"
		sed 's/^/     /' "$log"
	fi
done

if [ -n "$failed" ]; then
	echo "$passed passed, failed:$failed"
	exit 1
fi
echo "$passed passed"
