#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Fetches the headers that a DPDK driver needs and libdpdk-dev lacks, from the
# distribution's source package of the very version that is installed, and the
# example l3fwd along with them. Only the benchmark's source and sink (flowgen.c)
# and its case l3fwd (peers.sh) need them; the router does not.
#
# usage: headers.sh DIRECTORY
#
# They are put there as in DPDK's source tree, so an unpacked one of the same
# version serves as well (make bench DPDK_SRC=FOLDER), without a network. apt
# runs with a configuration and lists of its own in a temporary folder, so the
# system's are left as they are.
#
# Ends with 77 (cannot be had here) and a sentence if it does not succeed.

set -u

wanted='lib/eal/include/dev_driver.h lib/ethdev/ethdev_driver.h lib/ethdev/ethdev_vdev.h
	drivers/bus/vdev/bus_vdev_driver.h'
# What the benchmark can do without.
examples='examples/l3fwd examples/common'

give_up()
{
	echo "bench: no headers of DPDK's drivers: $*" >&2
	exit 77
}

[ $# -eq 1 ] || give_up "usage: headers.sh DIRECTORY"
target=$1

version=$(dpkg-query -W -f '${source:Version}' libdpdk-dev 2>/dev/null)
[ -n "$version" ] || give_up "the package libdpdk-dev is not installed"

# The file is made last, so it says that the rest is whole.
made="$version" # and of what
for part in $wanted $examples; do
	made="$made $part"
done
[ "$(cat "$target/version" 2>/dev/null)" = "$made" ] && exit 0

tmp=$(mktemp -d) || give_up "no temporary folder"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 77' INT TERM HUP

# The system's own archives, so that a mirror is honoured; else Debian's.
archives()
{
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -r $keyring ] && options="[signed-by=$keyring]" || options=
	known=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME) $(COMPONENT)' \
		'Created-By: Packages' 2>/dev/null | sed -n 's/^Debian //p' | sort -u)
	if [ -z "$known" ]; then
		codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
		known="http://deb.debian.org/debian $codename main
http://deb.debian.org/debian-security $codename-security main"
	fi
	echo "$known" | sed "s|^|deb-src $options |"
}

command -v apt-get >/dev/null || give_up "no apt-get; see DPDK_SRC"
mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial" "$tmp/source" "$tmp/tree"
archives >"$tmp/sources.list"
set -- -qq -o Dir::Etc::SourceList="$tmp/sources.list" -o Dir::Etc::SourceParts=/dev/null \
	-o Dir::State::Lists="$tmp/lists" -o Dir::Cache="$tmp/cache" -o APT::Sandbox::User=root
echo "bench: fetching the source package of dpdk $version (16 MB)" >&2
apt-get "$@" update >"$tmp/log" 2>&1 ||
	give_up "apt-get update: $(grep '^[EW]:' "$tmp/log" | tail -n 1)"
(cd "$tmp/source" && apt-get "$@" source --download-only "dpdk=$version") >"$tmp/log" 2>&1 ||
	give_up "apt-get source dpdk=$version: $(grep '^[EW]:' "$tmp/log" | tail -n 1)"

# A header that the distribution patches would not be the one it was built with.
tar -xJOf "$tmp/source/"*.debian.tar.* --wildcards 'debian/patches/*' >"$tmp/patches" 2>/dev/null
patterns=
for header in $wanted; do
	grep -q "^+++ b/$header" "$tmp/patches" && give_up "the distribution patches $header"
	patterns="$patterns */$header"
done
# tar shall see the patterns, not the shell.
set -f
orig=$(find "$tmp/source" -name '*.orig.tar.?z')
# shellcheck disable=SC2086
tar -xf "$orig" -C "$tmp/tree" --strip-components=1 \
	--wildcards $patterns || give_up "the source package is not laid out as expected"
patterns=
for part in $examples; do
	patterns="$patterns */$part/*"
done
# shellcheck disable=SC2086
tar -xf "$orig" -C "$tmp/tree" --strip-components=1 --wildcards $patterns ||
	echo "bench: the source package has no l3fwd" >&2
set +f

rm -rf "$target"
mkdir -p "$target" && cp -r "$tmp/tree/." "$target" || give_up "cannot write $target"
echo "$made" >"$target/version"
