# SPDX-License-Identifier: BSD-3-Clause
#
# What deploy/demo.sh and tests/run.sh share: checks that refuse early with a sentence that says
# what to do, the packages, and the lab: a directory of its own below /run with a hugetlbfs of its
# own, whose name marks everything that belongs to it (processes, network namespaces, cgroups), so
# that all of it can be found and removed whatever died on the way. Sourced by bash.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Where make puts what it makes; BUILD= names another place, as for make.
BUILD=${BUILD:-$repo/build}
export VR_BUILD="${VR_BUILD:-$BUILD/release}"

# Debian's python3, whatever else comes first on PATH.
python=/usr/bin/python3

hugepages=/sys/kernel/mm/hugepages/hugepages-2048kB
ledger=/run/vrouter-hugepages

say() { printf '%s\n' "$*" >&2; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# --- refusals ----------------------------------------------------------------

need_root() {
	[ "$(id -u)" -eq 0 ] ||
		die "needs root (network namespaces, taps, hugepages): run it with sudo"
}

need_machine() {
	[ "$(uname -m)" = x86_64 ] ||
		die "runs on x86-64 only, this is $(uname -m)"
	[ "$(nproc)" -ge 2 ] ||
		die "needs 2 CPU cores and may use $(nproc): give the machine, container or cpuset another one"
	grep -qw sse4_2 /proc/cpuinfo && grep -qw popcnt /proc/cpuinfo ||
		die "needs a CPU of the level x86-64-v2 (SSE 4.2, POPCNT); under a hypervisor choose a newer CPU model"
	[ -c /dev/net/tun ] ||
		die "needs /dev/net/tun to make taps: load the module (modprobe tun), or give the container that device"
	[ -d "$hugepages" ] ||
		die "the kernel offers no 2 MB hugepages ($hugepages is missing)"
	[ -w "$hugepages/nr_hugepages" ] ||
		die "cannot reserve hugepages, $hugepages is read-only: run it on the host or in a privileged container"
}

# --- packages ----------------------------------------------------------------

# The one list: to build, to run, to test.
packages_build='gcc g++ libc6-dev make pkg-config libdpdk-dev libprotobuf-c-dev protobuf-c-compiler
	protobuf-compiler liburcu-dev libevent-dev libcmocka-dev'
packages_run='iproute2 iputils-ping procps util-linux mount python3'
packages_test='dpdk ethtool iperf3 python3-protobuf python3-scapy tshark clang libclang-rt-dev'
# For guests in virtual machines. Their kernel is fetched when the first one boots (deploy/lab/vm).
packages_vm='qemu-system-x86 busybox-static dash ethtool iperf3'

packages_missing() {
	local p
	for p in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || echo "$p"
	done
}

# packages_install PACKAGE...: installs what is missing; says nothing if nothing is.
packages_install() {
	local missing
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		say "no apt-get here, so nothing is installed; needed are, by their Debian names:" "$@"
		return 0
	fi
	missing=$(packages_missing "$@" | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	say "installing packages: $missing"
	export DEBIAN_FRONTEND=noninteractive
	apt_get update && apt_get install -y --no-install-recommends $missing && return 0
	missing=$(packages_missing "$@" | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	die "could not install: $missing(see above; is there a network, and a Debian 12 mirror in /etc/apt?)"
}

# Quiet unless it fails; waits for another apt to finish.
apt_get() {
	local log
	log=$(mktemp)
	if apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >"$log" 2>&1 </dev/null; then
		rm -f "$log"
		return 0
	fi
	cat "$log" >&2
	rm -f "$log"
	return 1
}

# --- hugepages ---------------------------------------------------------------
#
# Several labs, and routers that others run, share the machine's hugepages. Nobody's are taken: we
# raise the kernel's number by what is missing and write down in the ledger by how much, and later
# lower it by exactly that. Read-modify-write is done under a lock. An entry of a lab that has gone
# without giving back (kill -9) is given back by the next one.

pages_free() {
	echo $(($(cat $hugepages/free_hugepages) - $(cat $hugepages/resv_hugepages)))
}

memory_available() { awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }

# What the kernel keeps. Its nr_hugepages also counts the surplus: pages given back while in use,
# which go when they are freed. Who took them for kept ones would keep them for ever.
pages_kept() {
	echo $(($(cat $hugepages/nr_hugepages) - $(cat $hugepages/surplus_hugepages)))
}

# pages_add N: raises or lowers the number of hugepages; prints by how much it really changed.
pages_add() {
	local before after
	before=$(pages_kept)
	echo $((before + $1)) >$hugepages/nr_hugepages 2>/dev/null
	after=$(pages_kept)
	echo $((after - before))
}

# With the lock held: gives back what labs left that are gone.
ledger_sweep() {
	local entry lab added
	for entry in "$ledger"/*.pages; do
		[ -e "$entry" ] || continue
		read -r added lab <"$entry" || continue
		[ ! -d "$lab" ] || continue
		pages_add "-$added" >/dev/null
		rm -f "$entry"
	done
}

# pages_reserve PAGES LAB
pages_reserve() {
	local need=$1 lab=$2 missing got=0 try error=''
	mkdir -p "$ledger"
	exec 8>"$ledger/lock"
	flock 8
	ledger_sweep
	missing=$((need - $(pages_free)))
	# What is free may be promised to another lab that has not taken it yet.
	[ -z "$(ls "$ledger"/*.pages 2>/dev/null)" ] || missing=$need
	[ "$missing" -gt 0 ] || missing=0
	# The kernel would push everybody else's memory out before it says no.
	if [ $((missing * 2 + 256)) -gt "$(memory_available)" ]; then
		exec 8>&-
		die "needs $need hugepages of 2 MB ($((need * 2)) MB); $(pages_free) are free and \
$(memory_available) MB of memory are available to make more: free some memory, or use a larger machine"
	fi
	echo "0 $lab" >"$ledger/${lab##*/}.pages"
	for try in 1 2 3; do
		[ "$got" -lt "$missing" ] || break
		[ $try -eq 1 ] || { sync; echo 1 >/proc/sys/vm/compact_memory; } 2>/dev/null
		got=$((got + $(pages_add $((missing - got)))))
		echo "$got $lab" >"$ledger/${lab##*/}.pages"
	done
	if [ "$got" -lt "$missing" ] && [ "$(pages_free)" -lt "$need" ]; then
		error="needs $need hugepages of 2 MB ($((need * 2)) MB); $(pages_free) could be had, \
with $(memory_available) MB of memory available, which is too fragmented: reboot, or put \
hugepages=$need on the kernel's command line"
		pages_add "-$got" >/dev/null
		rm -f "$ledger/${lab##*/}.pages"
	fi
	exec 8>&-
	[ -z "$error" ] || die "$error"
}

# pages_return LAB
pages_return() {
	local added lab entry="$ledger/${1##*/}.pages"
	[ -e "$entry" ] || return 0
	exec 8>"$ledger/lock"
	flock 8
	if read -r added lab <"$entry"; then
		[ "$added" -eq 0 ] || pages_add "-$added" >/dev/null
	fi
	rm -f "$entry"
	exec 8>&-
}

# --- the lab -----------------------------------------------------------------
#
# $lab is its directory, /run/vr-XXXXXX; the last part is its mark. Its hugetlbfs is $lab/huge.
# Processes belong to it if they were started with VR_LAB=$lab in the environment, which their
# children inherit; namespaces, if their name begins with the mark; cgroups, if it is their name.

lab=''

# lab_open PAGES
lab_open() {
	lab=$(mktemp -d /run/vr-XXXXXX) || die "cannot make a directory below /run"
	chmod 755 "$lab"
	trap lab_close EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	echo "$$ $(start_time $$)" >"$lab/owner"
	labs_sweep
	pages_reserve "$1" "$lab"
	mkdir "$lab/huge"
	mount -t hugetlbfs -o pagesize=2M,mode=700 "${lab##*/}" "$lab/huge" ||
		die "cannot mount a hugetlbfs: run it on the host or in a privileged container"
}

# lab_run COMMAND...: runs a command that belongs to the lab; ends it when we are ended.
lab_run() {
	VR_LAB=$lab "$@" <&0 &
	lab_child=$!
	wait "$lab_child"
	local status=$?
	lab_child=''
	return $status
}
lab_child=''

# Pids of processes that belong to a lab, one per line.
lab_pids() {
	local environ pid
	for environ in $(grep -lszE "^VR_LAB=$1(/.*)?\$" /proc/[0-9]*/environ 2>/dev/null); do
		pid=${environ#/proc/}
		pid=${pid%/environ}
		[ "$pid" = $$ ] || echo "$pid"
	done
}

# lab_sweep LAB: ends and removes everything that belongs to it.
lab_sweep() {
	local dir=$1 mark=${1##*/} try pids name where
	for try in 1 2 3 4 5 6 7 8 9 10; do
		pids=$(lab_pids "$dir")
		[ -n "$pids" ] || break
		kill -KILL $pids 2>/dev/null
		sleep 0.1
	done
	for name in $(ip netns list 2>/dev/null | awk '{ print $1 }' | grep "^$mark-"); do
		ip netns delete "$name"
	done
	for where in $(find /sys/fs/cgroup -depth -type d -path "*/$mark*" 2>/dev/null); do
		rmdir "$where" 2>/dev/null
	done
	for where in $(awk -v d="$dir/" 'index($2, d) == 1 { print $2 }' /proc/self/mounts | tac); do
		# The memory of a process that was killed just now is still being freed.
		for try in 1 2 3 4 5 6 7 8 9 10; do
			umount "$where" 2>/dev/null && continue 2
			sleep 0.1
		done
		umount -l "$where"
	done
	rm -rf --one-file-system "$dir"
	pages_return "$dir"
}

start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# Removes labs whose script was killed before it could.
labs_sweep() {
	local dir pid start
	for dir in /run/vr-??????; do
		[ -e "$dir/owner" ] && [ ! -e "$dir/kept" ] || continue
		read -r pid start <"$dir/owner" || continue
		[ "$(start_time "$pid")" != "$start" ] || continue
		say "removing what ${dir##*/} left, whose script was killed"
		lab_sweep "$dir"
	done
}

lab_close() {
	local status=$?
	trap - EXIT
	trap '' HUP INT TERM
	if [ -n "$lab_child" ] && kill -TERM "$lab_child" 2>/dev/null; then
		local try
		for try in {1..200}; do
			kill -0 "$lab_child" 2>/dev/null || break
			sleep 0.1
		done
	fi
	[ -z "$lab" ] || lab_sweep "$lab"
	exit $status
}

# --- building ----------------------------------------------------------------

# build ARGS...: make, with what it needs to be quiet and not to take more than it may.
build() {
	make -C "$repo" -s -j"$(nproc)" BUILD="$BUILD" "$@"
}
