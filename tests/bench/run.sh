#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Measures the cycles a packet costs, in our processes and in dpdk-testpmd, on
# the same source and sink. For `make bench`, which gives VR_BUILD and the variables
# that bench.py explains (CASES, JSON, SECONDS, REPEAT, FLOWS).
#
# Needs root, two cores, and 512 MiB of huge pages, which it reserves itself if
# they are not free, and gives back. Ends with 77 and a sentence if the machine
# cannot give what is needed.

here=$(dirname "$(realpath "$0")")
build=${VR_BUILD:?run by make bench}

skip()
{
	echo "bench: $*" >&2
	exit 77
}

[ "$(id -u)" = 0 ] || skip "run as root: huge pages and mounts are needed"
[ -x /usr/bin/python3 ] || skip "python3 is needed"

# The benchmark's vdev needs headers that no package has, so it is made here
# and not with everything else. Only results go to standard output.
if [ -z "${DPDK_SRC:-}" ]; then
	DPDK_SRC=$(realpath -m "$build/../dpdk-headers")
	"$here/headers.sh" "$DPDK_SRC" || exit $?
fi
make ${JSON:+-s} bench-programs DPDK_SRC="$DPDK_SRC" 1>&2 || exit 1

# Mounts of a namespace of its own are gone with the last process, whatever ends it.
exec unshare --mount --propagation private /usr/bin/python3 "$here/bench.py"
