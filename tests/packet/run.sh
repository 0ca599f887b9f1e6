#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Builds and runs the packet tests; for `make check-packet`. Needs neither root
# nor hugepages. VR_BUILD names the flavour's folder (build/release).
#
# usage: run.sh

cd "$(dirname "$0")/../.." || exit 1
: "${VR_BUILD:=$PWD/build/release}"
make -s -f tests/packet/packet.mk BUILD="$(dirname "$VR_BUILD")" FLAVOUR="$(basename "$VR_BUILD")" \
	packet_test || exit 1
exec "$VR_BUILD/tests/packet_test"
