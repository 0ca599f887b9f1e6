#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Makes another program ready for the benchmark (peers.py), in a folder below
# the build's and nowhere else: nothing is installed and no service is started.
#
# usage: peers.sh l3fwd|ovs FOLDER
#
#   l3fwd  is built by its own Makefile from DPDK's source package (DPDK_SRC, as
#          headers.sh leaves it): FOLDER/l3fwd/build/l3fwd
#
#   ovs    is unpacked from the distribution's packages, with what they need and
#          the system lacks: FOLDER/usr
#
# What is there of the right version is used again. Ends with 77 (cannot be had
# here) and a sentence on standard error if it does not succeed.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../deploy/lib.sh"

[ $# -eq 2 ] || die "usage: peers.sh l3fwd|ovs FOLDER"
peer=$1
target=$2

give_up() {
	say "$*"
	exit 77
}

# Made last, so it says that the rest is whole.
is_ready() { [ "$(cat "$target/version" 2>/dev/null)" = "$1" ]; }

tmp=$(mktemp -d) || give_up "no temporary folder"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 77' INT TERM HUP

# take VERSION: what was made in $tmp/new is put in place.
take() {
	rm -rf "$target"
	mkdir -p "${target%/*}" && cp -r "$tmp/new" "$target" && echo "$1" >"$target/version" ||
		give_up "cannot write $target"
}

l3fwd_prepare() {
	local version
	version=$(pkg-config --modversion libdpdk) || give_up "libdpdk-dev is not installed"
	is_ready "$version" && return
	[ -e "${DPDK_SRC-}/examples/l3fwd/Makefile" ] ||
		give_up "the sources of its example l3fwd are not in '${DPDK_SRC-}'"
	mkdir "$tmp/new"
	cp -r "$DPDK_SRC/examples/l3fwd" "$DPDK_SRC/examples/common" "$tmp/new" ||
		give_up "no space for l3fwd's sources"
	say "bench: building l3fwd of DPDK $version"
	# Its own flags; ours are none of its business.
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS -u LDFLAGS \
		make -C "$tmp/new/l3fwd" shared >"$tmp/log" 2>&1 ||
		give_up "l3fwd cannot be built: $(tail -n 3 "$tmp/log")"
	take "$version"
}

ovs_packages='openvswitch-switch-dpdk openvswitch-switch openvswitch-common'

# Into $tmp/archives, also what they depend on and is not installed.
ovs_download() {
	# shellcheck disable=SC2086
	apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o APT::Sandbox::User=root \
		-o Dir::Cache::archives="$tmp/archives" install -y --download-only --reinstall \
		--no-install-recommends $ovs_packages >"$tmp/log" 2>&1 </dev/null
}

ovs_prepare() {
	local version package
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "no apt-get here"
	version=$(apt-cache policy openvswitch-switch-dpdk 2>/dev/null | awk '/Candidate:/ { print $2 }')
	[ -n "$version" ] && is_ready "$version" && return
	mkdir -p "$tmp/archives/partial" "$tmp/new"
	say "bench: fetching the packages of Open vSwitch (6 MB)"
	ovs_download || { apt_get update 2>/dev/null && ovs_download; } ||
		give_up "openvswitch-switch-dpdk cannot be had: $(grep '^[EW]:' "$tmp/log" | tail -n 1)"
	for package in "$tmp"/archives/*.deb; do
		dpkg-deb -x "$package" "$tmp/new" || give_up "${package##*/} cannot be unpacked"
	done
	version=$(dpkg-deb -f "$tmp"/archives/openvswitch-switch-dpdk_*.deb Version)
	take "$version"
}

case $peer in
l3fwd) l3fwd_prepare ;;
ovs) ovs_prepare ;;
*) die "there is no peer '$peer'" ;;
esac
