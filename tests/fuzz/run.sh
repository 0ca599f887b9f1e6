#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs every fuzz target of build/fuzz/bin for a while, from inputs that it makes itself. What it
# finds is printed in base64, to be run again: build/fuzz/bin/NAME FILE.
#
# usage: run.sh [--list] [PATTERN]
#
# FUZZ_SECONDS= is how long each runs (60). Prints a line for each that begins with "ok   " or "FAIL ".

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
bin=${BUILD:-$repo/build}/fuzz/bin

if [ "${1-}" = --list ]; then
	cd "$repo" && find common primary fwd-worker vhost-agent ctl tests/fuzz -name '*_fuzz.c' -printf '%f\n' |
		sed 's/\.c$//' | grep -F -- "${2-}" | sort
	exit 0
fi
pattern=${1-}
seconds=${FUZZ_SECONDS:-60}

work=$(mktemp -d) || exit 1
child=''
finish() {
	local status=$?
	trap - EXIT
	trap '' HUP INT TERM
	if [ -n "$child" ]; then
		kill "$child" 2>/dev/null
		wait "$child" 2>/dev/null
	fi
	rm -rf "$work"
	exit $status
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

failed=0
shopt -s nullglob
programs=("$bin"/*_fuzz)
if [ ${#programs[@]} -eq 0 ]; then
	echo "FAIL no fuzz targets in $bin: make fuzz" >&2
	exit 1
fi
for program in "${programs[@]}"; do
	name=${program##*/}
	case $name in
	*"$pattern"*) ;;
	*) continue ;;
	esac
	mkdir -p "$work/$name/seeds" "$work/$name/corpus"
	FUZZ_SEEDS=$work/$name/seeds "$program" >"$work/log" 2>&1
	TMPDIR=$work "$program" -max_total_time="$seconds" -timeout=20 -max_len=4096 -rss_limit_mb=1024 \
		-print_final_stats=1 -artifact_prefix="$work/$name/found-" \
		"$work/$name/corpus" "$work/$name/seeds" >"$work/log" 2>&1 &
	child=$!
	wait $child
	status=$?
	child=''
	runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$work/log")
	# What ctl itself calls its own mistake.
	if grep 'refused without a reason' "$work/log"; then status=1; fi
	if [ $status -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
		echo "ok   $name, $runs inputs in $seconds s, $(ls "$work/$name/seeds" | wc -l) to begin with"
	else
		failed=1
		echo "FAIL $name: exit status $status"
		grep -v '^#[0-9]' "$work/log" | tail -n 60 | sed 's/^/     /'
	fi
done
exit $failed
