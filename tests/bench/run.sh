#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Measures the cycles a packet costs, in our processes, in dpdk-testpmd and, where
# they can be had, in l3fwd and Open vSwitch, on the same source and sink; and the
# control API (case "control", control.py). For `make bench`, which gives VR_BUILD
# and the variables that bench.py explains (CASES, JSON, DURATION, REPEAT, FLOWS).
#
# Works in a lab of its own, which is gone afterwards. Ends with 77 and a
# sentence if the headers for its source and sink cannot be had.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../deploy/lib.sh"

build=${VR_BUILD:?is given by make bench}
hugepages_wanted=400 # for the largest table but one
case " ${CASES:-flow-new} " in
*" flow-new "*) hugepages_wanted=1400 ;;
esac

need_root
need_machine

# The control API needs nothing but our programs.
control=0
case " ${CASES-} " in
*" control "*)
	control=1
	CASES=$(echo " $CASES " | sed 's/ control / /; s/^ *//; s/ *$//')
	export CASES
	;;
"  ") control=2 ;;
esac
if [ $control = 1 ] && [ -z "$CASES" ]; then
	lab_open $hugepages_wanted
	lab_run "$python" "$here/control.py"
	exit
fi

packages_install dpdk

# Needs headers that no package has, so it is made here and not with everything
# else. Only results go to standard output.
if [ ! -e "${DPDK_SRC-}/lib/ethdev/ethdev_driver.h" ]; then
	DPDK_SRC=$build/../dpdk-headers
	"$here/headers.sh" "$DPDK_SRC" || exit $?
fi
export DPDK_SRC # also for l3fwd
make -C "$repo" ${JSON:+-s} bench-programs 1>&2 || exit 1

lab_open $hugepages_wanted
# EAL loads a plug-in only from where no folder on the way is writable by others,
# and /run is often mounted noexec.
mkdir "$lab/plugins" && mount -t tmpfs -o mode=700 "${lab##*/}" "$lab/plugins" &&
	cp "$build/bench/flowgen.so" "$lab/plugins" || die "cannot mount a tmpfs"
lab_run "$python" "$here"
status=$?
[ $control = 0 ] || lab_run "$python" "$here/control.py" || status=1
exit $status
