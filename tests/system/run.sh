#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs the system tests: real processes, guests in network namespaces, kills. With root. For
# `make check-system`, which names the build's folder in $VR_BUILD.
#
# usage: run.sh [--list] [PATTERN]
#
# Only the tests whose name contains PATTERN are run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../deploy/lib.sh"

# Of 2 MB: the largest test's, with two EAL generations.
pages=400

if [ "${1-}" = --list ]; then
	VR_LAB=/nonexistent exec "$python" "$here/../lib/runner.py" --list "$here" "${@:2}"
fi

need_root
need_machine
# Not within a test's time; a test builds them itself for programs of another flavour.
build -f tests/lib/programs.mk BUILD="${VR_BUILD%/*}" FLAVOUR="${VR_BUILD##*/}" test-programs ||
	die "the programs of the tests cannot be built"
lab_open $pages
lab_run "$python" "$here/../lib/runner.py" "$here" "$@"
