#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Shows the router at work: builds it, starts an instance of its own with guests, kills the worker
# that carries their packets, and says what that did. Leaves nothing behind.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Of 2 MB: the demo's region, its packet memory, and once more packet memory for the generation
# that a new primary makes beside the old one. (What the demo's own configuration may take is 1 GiB.)
pages=384

usage() {
	cat <<END
usage: sudo deploy/demo.sh [--vm] [--check | --keep | --stop | --help]

Builds the router, starts all its processes, and shows what it does in numbered steps, each with the
command you can type yourself. Four guests in network namespaces, two in each of two virtual networks,
reach each other as far as rules allow, through workers; one is killed with SIGKILL while they talk.
Stays until Ctrl-C, then leaves nothing behind.

  --vm      two guests in one network instead, virtual machines over vhost-user: QEMU's, with
            Debian's kernel, emulated where the CPU has no virtualization
  --check   runs the whole show without waiting; exits with 0 only if every step held; the last line
            is one JSON object with the figures
  --keep    leaves the router and its guests running
  --stop    ends what --keep left running

It makes a router of its own and never touches one that runs already. It needs root, 2 cores, and
$((pages * 2)) MB of memory for hugepages, which it reserves and gives back. Missing packages are
installed with apt-get (deploy/install-deps.sh --list names them).
END
}

mode=''
vm=''
for arg in "$@"; do
	case $arg in
	--vm) vm=--vm ;;
	--check | --keep | --stop) mode=$mode${arg#--} ;;
	--help | -h)
		usage
		exit 0
		;;
	*) mode=unknown ;;
	esac
done
case $mode in
'' | check | keep | stop) ;;
*)
	usage >&2
	exit 2
	;;
esac
mode=${mode:-stay}

need_root

if [ $mode = stop ]; then
	stopped=0
	for kept in /run/vr-*/kept; do
		[ -e "$kept" ] || continue
		dir=${kept%/kept}
		kill -TERM $(lab_pids "$dir") 2>/dev/null
		for try in {1..50}; do
			[ -n "$(lab_pids "$dir")" ] || break
			sleep 0.1
		done
		lab_sweep "$dir"
		say "stopped and removed ${dir##*/}"
		stopped=$((stopped + 1))
	done
	[ $stopped -gt 0 ] || say "nothing to stop: no demo was left running with --keep"
	exit 0
fi

need_machine
lab_open $pages
packages_install $packages_build $packages_run ${vm:+$packages_vm}

say "building (a minute or two the first time)"
build >&2 || die "the build failed, see above"

lab_run "$python" "$repo/deploy/demo.py" $mode $vm
status=$?
if [ $mode = keep ] && [ $status -eq 0 ]; then
	touch "$lab/kept"
	trap - EXIT HUP INT TERM
fi
exit $status
