#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Installs the packages to build, run and test the router, with apt-get. Does nothing if all are
# there. The list is in deploy/lib.sh.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1-} in
'') ;;
--list)
	printf '%s\n' $packages_build $packages_run $packages_test $packages_vm
	exit 0
	;;
*)
	echo "usage: sudo ${0##*/} [--list]"
	echo "Installs the packages to build, run and test the router; --list only prints their names."
	[ "$1" = --help ]
	exit
	;;
esac

[ "$(id -u)" -eq 0 ] || die "needs root to install packages: run it with sudo"
packages_install $packages_build $packages_run $packages_test $packages_vm
say "all packages are installed"
